package sender

import (
	"hash/fnv"
	"math/rand/v2"
	"sync"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/record"
)

// Named gives a partitioner by the name that it has in Kafka, librdkafka or here, with false for a name that is none. By the hashes a key meets the same partition as with the other client.
//
//	default, murmur2_random   Default: murmur2 as Java's clients; records without a key stay with one partition for a batch
//	uniform, roundrobin       Uniform, RoundRobin
//	random                    another partition for each record
//	consistent                CRC-32, librdkafka's; all records without a key go to one partition
//	consistent_random         CRC-32, librdkafka's default and segmentio's CRC32Balancer; records whose key is missing or empty as with default
//	murmur2                   murmur2; all records without a key go to one partition
//	fnv1a                     FNV-1a, all records without a key go to one partition
//	fnv1a_random              FNV-1a, Sarama's default and segmentio's Hash; records without a key as with default
func Named(name string, batchSize int) (NewPartitioner, bool) {
	missing := func(key []byte) bool { return key == nil }
	switch name {
	case "default", "murmur2_random":
		return Default(batchSize), true
	case "uniform":
		return Uniform(batchSize), true
	case "roundrobin":
		return RoundRobin(), true
	case "random":
		return func(r *rand.Rand) Partitioner { return &random{r: r} }, true
	case "consistent":
		return spread(record.CRC32, batchSize, never), true
	case "consistent_random":
		return spread(record.CRC32, batchSize, func(key []byte) bool { return len(key) == 0 }), true
	case "murmur2":
		return spread(murmur2, batchSize, never), true
	case "fnv1a":
		return spread(fnv1a, batchSize, never), true
	case "fnv1a_random":
		return spread(fnv1a, batchSize, missing), true
	}
	return nil, false
}

func never([]byte) bool { return false }

func murmur2(key []byte) uint32 { return uint32(record.Murmur2(key)) & 0x7fffffff }

// fnv1a is the absolute value of the hash as a signed number.
func fnv1a(key []byte) uint32 {
	h := fnv.New32a()
	h.Write(key)
	if n := int32(h.Sum32()); n < 0 {
		return uint32(-n)
	}
	return h.Sum32()
}

// random draws a partition that has a leader for each record.
type random struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (*random) shared() {}

func (p *random) Partition(topic *cluster.Topic, _ []byte, _ int) int32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := p.r.IntN(len(topic.Partitions))
	for i := range topic.Partitions {
		if at := (first + i) % len(topic.Partitions); topic.Partitions[at].Leader >= 0 {
			return int32(at)
		}
	}
	return int32(first)
}
