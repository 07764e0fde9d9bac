package fake

import (
	"maps"
	"slices"
	"time"
)

// offsetsTopic is where Kafka keeps what groups have committed. The fake has no such log, but transactions name its partitions.
const offsetsTopic = "__consumer_offsets"

// offsetsOf is the partition that the offsets of a group are in (GroupCoordinator.partitionFor): by the hash of a Java string without its sign, which is not the same as with its highest bit cleared.
func (c *Cluster) offsetsOf(group string) topicPartition {
	h := int32(hashOf(group))
	if h < 0 {
		h = max(-h, 0) // of the smallest number there is no other
	}
	return topicPartition{offsetsTopic, h % c.statically("offsets.topic.num.partitions")}
}

// offsetsProducer is what a partition of the offsets topic knows of a producer.
type offsetsProducer struct {
	epoch int16
	open  bool // a transaction of that epoch is under way there
	at    time.Time
}

type offsetsKey struct {
	partition int32
	producer  int64
}

func (c *Cluster) offsetsKnown(partition int32, producer int64) offsetsProducer {
	k, ok := c.offsetsProducers[offsetsKey{partition, producer}]
	if !ok || !k.open && c.now.Truncate(c.rules.every).Sub(k.at) >= c.rules.expiry { // it is forgotten as those of other topics are
		return offsetsProducer{epoch: -1}
	}
	return k
}

// commit numbers commits in the order they come: of two the later one counts, also when it is the first that is visible.
func (c *Cluster) commit() int64 {
	c.commits++
	return c.commits
}

// suspend keeps an offset until its transaction is decided.
func (c *Cluster) suspend(g *group, producer int64, epoch int16, tp topicPartition, k committed) {
	c.offsetsProducers[offsetsKey{c.offsetsOf(g.id).partition, producer}] = offsetsProducer{epoch, true, c.now}
	g.suspended(producer)[tp] = k
}

// suspended is what a producer has committed in the transaction under way.
func (g *group) suspended(producer int64) map[topicPartition]committed {
	if g.pending == nil {
		g.pending = map[int64]map[topicPartition]committed{}
	}
	if g.pending[producer] == nil {
		g.pending[producer] = map[topicPartition]committed{}
	}
	return g.pending[producer]
}

// lose notes an offset that is refused beside others that are not, in place of what the transaction has committed before: in 2.8 the coordinator takes down all of a request, and writes only what can be kept
// (GroupMetadataManager.storeOffsets).
func (g *group) lose(producer int64, tp topicPartition) {
	g.suspended(producer)[tp] = committed{lost: true}
}

// unstable tells whether an offset may change by a transaction under way (KIP-447).
func (g *group) unstable(tp topicPartition) bool {
	if g.stuck[tp] {
		return true
	}
	for _, offsets := range g.pending {
		if _, ok := offsets[tp]; ok {
			return true
		}
	}
	return false
}

// concludeOffsets decides the offsets of a producer in a partition of the offsets topic; false if no coordinator of theirs can.
func (c *Cluster) concludeOffsets(partition int32, m marker) (done bool) {
	var groups []*group
	for _, g := range c.groups {
		if _, any := g.pending[m.producer]; !any || c.offsetsOf(g.id).partition != partition {
			continue
		}
		if !c.writes(g.id) {
			return false
		}
		groups = append(groups, g)
	}
	c.offsetsProducers[offsetsKey{partition, m.producer}] = offsetsProducer{epoch: m.epoch, at: c.now}
	c.logged(partition)
	for _, g := range groups {
		for _, tp := range inScalaOrder(slices.Collect(maps.Keys(g.pending[m.producer]))) {
			k := g.pending[m.producer][tp]
			if m.commit && k.lost { // the coordinator fails with it and all behind it (GroupMetadata.completePendingTxnOffsetCommit)
				break
			}
			if before, ok := g.offsets[tp]; m.commit && (!ok || before.at < k.at) {
				g.offsets[tp] = k
			}
		}
		delete(g.pending, m.producer)
	}
	return true
}

// forgetTopic forgets what was committed for a topic that is deleted.
func (g *group) forgetTopic(name string) {
	of := func(tp topicPartition, _ committed) bool { return tp.topic == name }
	maps.DeleteFunc(g.offsets, of)
	maps.DeleteFunc(g.stuck, func(tp topicPartition, _ bool) bool { return tp.topic == name })
	for _, offsets := range g.pending {
		maps.DeleteFunc(offsets, of)
	}
}

// PendingOffsets is how many offsets of a group wait for transactions to be decided.
func (c *Cluster) PendingOffsets(id string) (n int) {
	if g := c.lookGroup(id); g != nil {
		for _, offsets := range g.pending {
			n += len(offsets)
		}
	}
	return n
}
