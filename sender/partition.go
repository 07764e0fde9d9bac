package sender

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/record"
)

// AnyPartition lets the partitioner choose.
const AnyPartition int32 = -1

// Partitioner chooses the partition of a record that names none. It is called by one goroutine at a time for each topic, on that of who hands the record over, or one of the producer's if the topic was not known then. While it is being
// called, others whose records it is to place wait for it, at most max.block.ms (TryAppend a moment); nobody else does. What it sends to its own topic, without waiting for the outcome, is placed when it has returned.
type Partitioner interface {
	// Partition gives a partition of topic for a record with this key (nil: none). size is about what the record will take in its batch, in bytes.
	Partition(topic *cluster.Topic, key []byte, size int) int32
}

// NewPartitioner makes the partitioner of a topic. r is a source of randomness for it alone.
type NewPartitioner func(r *rand.Rand) Partitioner

// shared is a partitioner that any number of goroutines may call at once.
type shared interface{ shared() }

// lanes is a partitioner of this package's that any number of goroutines may call at once. Where their records meet in one partition, they may take other lanes: each stays with a
// partition of its own.
type lanes interface {
	lane(i int, topic *cluster.Topic, key []byte, size int) int32
}

// laneCount is how many lanes there are.
const laneCount = 4

// Default is the partitioner of the Java client: records with a key go by its murmur2 hash, so that a key always meets the same partition; records without stay with one
// partition until a batch's worth of bytes has gone there, then go to another (KIP-480, KIP-794). When a partition has lost its leader they go to another at once; what is in its batches already stays there, because records
// of a partition are written in the order in which they were handed over.
func Default(batchSize int) NewPartitioner {
	return func(r *rand.Rand) Partitioner { return &sticky{r: r, batch: uint64(batchSize), hash: true} }
}

// Uniform is Default without regard to keys (partitioner.ignore.keys).
func Uniform(batchSize int) NewPartitioner {
	return func(r *rand.Rand) Partitioner { return &sticky{r: r, batch: uint64(batchSize)} }
}

// sticky stays with a partition for a batch's worth of bytes.
type sticky struct {
	batch uint64
	hash  bool
	on    [laneCount]struct {
		state atomic.Uint64 // the partition + 1, and in the lower bits the bytes that went there
		_     [56]byte      // each lane has its line of the cache
	}
	mu sync.Mutex // to choose another
	r  *rand.Rand
}

const stickyBits = 40

func (s *sticky) Partition(topic *cluster.Topic, key []byte, size int) int32 {
	return s.lane(0, topic, key, size)
}

func (s *sticky) lane(i int, topic *cluster.Topic, key []byte, size int) int32 {
	n := len(topic.Partitions)
	if key != nil && s.hash {
		return HashPartition(key, n)
	}
	for {
		state := s.on[i].state.Load()
		at := int32(state>>stickyBits) - 1
		if at < 0 || int(at) >= n || state&(1<<stickyBits-1) >= s.batch || topic.Partitions[at].Leader < 0 && led(topic) {
			s.mu.Lock()
			if s.on[i].state.Load() == state {
				s.on[i].state.Store(uint64(s.pick(topic, at)+1) << stickyBits)
			}
			s.mu.Unlock()
		} else if s.on[i].state.CompareAndSwap(state, state+uint64(size)) {
			return at
		}
	}
}

// led tells whether a partition has a leader.
func led(topic *cluster.Topic) bool {
	for i := range topic.Partitions {
		if topic.Partitions[i].Leader >= 0 {
			return true
		}
	}
	return false
}

// pick draws one of the partitions that have a leader, and another one than before if there is one. Where none has a leader, one is as good as the other.
func (s *sticky) pick(topic *cluster.Topic, before int32) int32 {
	n := len(topic.Partitions)
	others := 0
	for i := range topic.Partitions {
		if topic.Partitions[i].Leader >= 0 && int32(i) != before {
			others++
		}
	}
	if others == 0 {
		if before >= 0 && int(before) < n && topic.Partitions[before].Leader >= 0 {
			return before
		}
		return int32(s.r.IntN(n))
	}
	k := s.r.IntN(others)
	for i := range topic.Partitions {
		if topic.Partitions[i].Leader >= 0 && int32(i) != before {
			if k--; k < 0 {
				return int32(i)
			}
		}
	}
	return 0
}

// HashPartition is the partition of a key among n, as Java's clients compute it.
func HashPartition(key []byte, n int) int32 { return (record.Murmur2(key) & 0x7fffffff) % int32(n) }

// RoundRobin gives the partitions that have a leader in turn, whatever the key.
func RoundRobin() NewPartitioner {
	return func(r *rand.Rand) Partitioner {
		p := &roundRobin{}
		p.next.Store(r.Uint32())
		return p
	}
}

type roundRobin struct{ next atomic.Uint32 }

func (*roundRobin) shared() {}

func (p *roundRobin) Partition(topic *cluster.Topic, _ []byte, _ int) int32 {
	n := uint32(len(topic.Partitions))
	for range n {
		if i := p.next.Add(1) % n; topic.Partitions[i].Leader >= 0 {
			return int32(i)
		}
	}
	return int32(p.next.Add(1) % n)
}

// ByHash spreads keys with a hash of the user's own, which any number of goroutines may call at once; records without a key go as with Default.
func ByHash(hash func(key []byte) uint32, batchSize int) NewPartitioner {
	return spread(hash, batchSize, func(key []byte) bool { return key == nil })
}

// spread is ByHash with a rule of its own for which records go as those without a key.
func spread(hash func(key []byte) uint32, batchSize int, keyless func(key []byte) bool) NewPartitioner {
	return func(r *rand.Rand) Partitioner {
		return &byHash{hash, keyless, &sticky{r: r, batch: uint64(batchSize)}}
	}
}

type byHash struct {
	hash    func([]byte) uint32
	keyless func([]byte) bool
	rest    *sticky
}

func (*byHash) shared() {}

func (p *byHash) Partition(topic *cluster.Topic, key []byte, size int) int32 {
	if p.keyless(key) {
		return p.rest.Partition(topic, key, size)
	}
	return int32(p.hash(key) % uint32(len(topic.Partitions)))
}
