package fake

// transactionsTopic is where Kafka keeps transactional ids. The fake has no such log.
const transactionsTopic = "__transaction_state"

// adminClient is the client id that may produce to internal topics (AdminUtils.ADMIN_CLIENT_ID).
const adminClient = "__admin_client"

// internal tells whether a topic is Kafka's own.
func internal(name string) bool { return name == offsetsTopic || name == transactionsTopic }

// createInternal makes the topics of Kafka's own.
func (c *Cluster) createInternal() {
	for _, t := range []struct {
		name, count string
		configs     map[string]string
	}{
		{offsetsTopic, "offsets.topic.num.partitions", map[string]string{"cleanup.policy": "compact", "compression.type": "producer", "segment.bytes": "104857600"}},
		{transactionsTopic, "transaction.state.log.num.partitions", map[string]string{"cleanup.policy": "compact", "compression.type": "uncompressed", "segment.bytes": "104857600", "min.insync.replicas": "1",
			"unclean.leader.election.enable": "false"}},
	} {
		c.create(Topic{Name: t.name, Partitions: int(c.statically(t.count)), Replicas: min(3, c.cfg.Nodes), Config: t.configs})
	}
}
