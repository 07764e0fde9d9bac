package fake

// transactionsTopic is where Kafka keeps transactional ids. The fake has no such log.
const transactionsTopic = "__transaction_state"

// adminClient is the client id that may produce to internal topics (AdminUtils.ADMIN_CLIENT_ID).
const adminClient = "__admin_client"

// internal tells whether a topic is Kafka's own.
func internal(name string) bool { return name == offsetsTopic || name == transactionsTopic }

// createInternal makes the topics of Kafka's own, with as many partitions as they have without configuration (offsets.topic.num.partitions, transaction.state.log.num.partitions).
func (c *Cluster) createInternal() {
	for _, name := range []string{offsetsTopic, transactionsTopic} {
		c.create(Topic{Name: name, Partitions: offsetsPartitions})
	}
}
