package fake

// SetEpoch sets the epoch of a transactional id.
func SetEpoch(c *Cluster, id string, epoch int16) { c.transaction(id).epoch = epoch }

// TransactionState is the state of a transaction, as Kafka calls it.
func TransactionState(c *Cluster, id string) string { return c.transaction(id).state.String() }

// Audit has it looked after that no fetch is passed over that would have its answer.
func Audit(on bool) { audit = on }

func init() { audit = true }
