package fake

// SetEpoch sets the epoch of a transactional id.
func SetEpoch(c *Cluster, id string, epoch int16) { c.transaction(id).epoch = epoch }
