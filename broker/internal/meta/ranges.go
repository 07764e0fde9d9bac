package meta

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
)

// What comes from the wire is any number. Here is what can be so: the rest of the core need not ask.

// Why an answer is refused: it tells more than is taken, or of brokers none that there can be.
var (
	ErrTooMuch = errors.New("more than is taken")
	ErrNobody  = errors.New("nobody that can be connected to")
)

// What is taken of an answer, unless configured.
const (
	defaultBrokers    = 10_000
	defaultPartitions = 2_000_000
)

// longestHost is that of a name in DNS; addresses are shorter.
const longestHost = 255

// epochReach is how far the epoch of a leader may be ahead of what is known to be believed at once. It is one more with each leader, so it takes a thousand elections in the time of metadata.max.age.ms to get beyond; what is, is
// confirmed like an older one (contradict): a single answer that says 2^31-1 would hide every leader that comes.
const epochReach = 1000

// fit takes out of an answer what there cannot be - brokers whose id stands for a bootstrap address or for nobody, or that cannot be connected to; of two with one id the second - and refuses one that tells too much.
func (c *Core) fit(m *msg.MetadataResponse) error {
	if most := c.mostBrokers(); len(m.Brokers) > most {
		return fmt.Errorf("%w: metadata lists %d brokers, at most %d are expected (metadata.max.brokers)", ErrTooMuch, len(m.Brokers), most)
	}
	most, partitions := c.mostPartitions(), 0
	for i := range m.Topics {
		if partitions += len(m.Topics[i].Partitions); partitions > most {
			return fmt.Errorf("%w: metadata lists more than %d partitions (metadata.max.partitions)", ErrTooMuch, most)
		}
	}
	brokers := len(m.Brokers)
	told := make(map[int32]struct{}, len(m.Brokers))
	m.Brokers = slices.DeleteFunc(m.Brokers, func(b msg.MetadataResponseMetadataResponseBroker) bool {
		_, twice := told[b.NodeID]
		told[b.NodeID] = struct{}{}
		return twice || !reachable(b.NodeID, b.Host, b.Port)
	})
	if len(m.Brokers) == 0 {
		return fmt.Errorf("%w: metadata lists %d brokers, without an id or an address", ErrNobody, brokers)
	}
	return nil
}

// mostBrokers are known.
func (c *Core) mostBrokers() int { return cmp.Or(c.cfg.MaxBrokers, defaultBrokers) }

// mostPartitions are taken of an answer.
func (c *Core) mostPartitions() int { return cmp.Or(c.cfg.MaxPartitions, defaultPartitions) }

// reachable tells whether there can be a node of that id at that address.
func reachable(id int32, host string, port int32) bool {
	return id >= 0 && len(host) > 0 && len(host) <= longestHost && port > 0 && port <= math.MaxUint16
}

// node is an id from the wire: cluster.NoNode if it is nobody's.
func node(id int32) int32 { return max(id, cluster.NoNode) }

// epoch is an epoch from the wire: -1 if it is not known.
func epoch(n int32) int32 { return max(n, -1) }

// far tells whether an epoch is too far ahead of what is known to be believed at once.
func far(known, told int32) bool { return known >= 0 && int64(told)-int64(known) > epochReach }

// indexesFit tells whether the indexes of partitions are about as many as there are partitions, and not more than are taken: what is between them takes memory, too.
func (c *Core) indexesFit(m *msg.MetadataResponseMetadataResponseTopic) bool {
	n := int32(-1)
	for i := range m.Partitions {
		n = max(n, m.Partitions[i].PartitionIndex)
	}
	return n >= 0 && int(n) < min(len(m.Partitions)+len(m.Partitions)/4+32, c.mostPartitions())
}

// coordinatorOf reads an answer to FindCoordinator: one coordinator up to version 3, a list from version 4 on (KIP-699).
func coordinatorOf(m *Coordinator) (cluster.Node, error) {
	r := m.Resp
	code := r.ErrorCode
	to := cluster.Node{ID: r.NodeID, Host: r.Host, Port: r.Port}
	if m.Version >= 4 {
		code = int16(protocol.CoordinatorNotAvailable)
		for i := range r.Coordinators {
			if a := &r.Coordinators[i]; a.Key == m.Key {
				code = a.ErrorCode
				to = cluster.Node{ID: a.NodeID, Host: a.Host, Port: a.Port}
			}
		}
	}
	if code == 0 && to.ID < 0 {
		code = int16(protocol.CoordinatorNotAvailable)
	}
	return to, protocol.Code(code).Err()
}
