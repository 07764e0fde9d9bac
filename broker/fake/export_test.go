package fake

import "net"

// SetEpoch sets the epoch of a transactional id.
func SetEpoch(c *Cluster, id string, epoch int16) { c.transaction(id).epoch = epoch }

// TransactionState is the state of a transaction, as Kafka calls it.
func TransactionState(c *Cluster, id string) string { return c.transaction(id).state.String() }

// Audit has it looked after that no fetch is passed over that would have its answer.
func Audit(on bool) { audit = on }

// Serve serves a connection to the first broker.
func Serve(s *Server, conn net.Conn) bool { return s.serve(conn, 1) }

// Served is how many connections a server has.
func Served(s *Server) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

func init() { audit = true }

// Offers tells whether a cluster has a version of an API.
func Offers(c *Cluster, key, version int16) bool {
	r, ok := c.ranges.Get(key)
	return ok && version >= r.Min && version <= r.Max
}
