package meta

import (
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// interest is a topic that is kept up to date, and what speaks against what is known of it.
type interest struct {
	name string
	use  *cluster.Use
	used time.Time

	missing      int // answers in a row without it
	unknown      int // answers in a row that said there is none
	unknownSince time.Time
	askAt        time.Time // when to ask for it again then
	listed       bool      // it is among those that are lacking

	doubts int                 // answers in a row that were not believed
	lives  []wire.UUID         // ids that it had before
	back   map[int32]*contrary // by partition: answers that tell older epochs
	life   contrary            // answers that tell an id from before
}

// contrary counts answers in a row that say what would be a step back. One of them may be from a broker that is behind; when they go on saying so, it is what is known that is wrong: the topic was created again on
// brokers without topic ids, or a leader or an id was believed that never was. So a step back is bounded, not forbidden.
type contrary struct {
	count int
	since time.Time
	by    []int32 // brokers that said so, by id
}

const (
	contraryAnswers = 3 // are believed if they are
	contraryBrokers = 3 // of so many brokers, or of all there are: a part of them may be behind, or cut off from the others
)

// contradict counts an answer, and tells whether it is to be believed. If not, others are asked; where there are none that can be, it is believed after metadata.max.age.ms.
func (c *Core) contradict(now time.Time, k *contrary) bool {
	if k.count++; k.count == 1 {
		k.since = now
	}
	if c.refresh.peer >= 0 && !slices.Contains(k.by, c.refresh.peer) { // a bootstrap address is one of the others
		k.by = append(k.by, c.refresh.peer)
	}
	if k.count >= contraryAnswers && (len(k.by) >= min(contraryBrokers, c.most) || now.Sub(k.since) >= c.cfg.MaxAge) {
		return true
	}
	c.refresh.except = append(c.refresh.except, k.by...)
	return false
}

// goneAfter is how long brokers may say of a topic that was there that it is not, before that is believed: one that has only just started may not know it yet.
const (
	goneAfter   = 3 * time.Second
	goneAnswers = 3
)

// want notes the interest in a topic, and tells whether it is new.
func (c *Core) want(now time.Time, topic string) (fresh bool) {
	i := c.topics[topic]
	if i == nil {
		i = &interest{name: topic, use: &cluster.Use{}}
		c.topics[topic], fresh = i, true
	}
	i.used = now
	return fresh
}

// forgetIdle ends the interest in topics that nobody has used for metadata.max.idle.ms.
func (c *Core) forgetIdle(now time.Time, out *Effects) {
	if c.cfg.TopicIdle <= 0 {
		return
	}
	var idle []string
	for name, i := range c.topics {
		if i.use.Take() {
			i.used = now
		}
		if now.Sub(i.used) > c.cfg.TopicIdle {
			idle = append(idle, name)
		}
	}
	c.drop(idle, out)
}

// drop ends the interest in topics.
func (c *Core) drop(topics []string, out *Effects) {
	known := false
	for _, name := range topics {
		delete(c.topics, name)
		delete(c.refresh.names, name)
		known = known || c.snap.Topic(name) != nil
	}
	if known {
		c.publish(c.snap.With(nil, topics), out)
	}
}

// judge makes of an answer what is to be known of a topic from now on: old, if nothing is different. doubt: what it says is not believed yet, another broker should be asked.
func (c *Core) judge(now time.Time, i *interest, m *msg.MetadataResponseMetadataResponseTopic, version int16) (t *cluster.Topic, doubt bool) {
	old := c.snap.Topic(i.name)
	t = &cluster.Topic{Name: i.name, ID: wire.UUID(m.TopicID), Internal: m.IsInternal, Err: protocol.Code(m.ErrorCode), Use: i.use}
	if !lacks(t.Err) {
		i.missing = 0
	} else {
		i.missing++
		i.askAt = now.Add(min(c.cfg.BackoffFirst<<min(i.missing-1, 10), 10*c.cfg.BackoffMax))
		if !i.listed {
			i.listed = true
			c.refresh.lacking = append(c.refresh.lacking, i)
		}
		c.refresh.lackingDue = earlier(c.refresh.lackingDue, i.askAt)
	}
	if t.Err != protocol.UnknownTopicOrPartition {
		i.unknown = 0
	} else if i.unknown++; i.unknown == 1 {
		i.unknownSince = now
	}
	if len(m.Partitions) == 0 {
		gone := i.unknown >= goneAnswers && now.Sub(i.unknownSince) >= goneAfter
		if old != nil && t.Err != protocol.None && len(old.Partitions) > 0 && !gone { // it keeps its partitions for a while
			kept := *old
			kept.Err = t.Err
			t = &kept
		}
		if gone && old != nil && old.ID != (wire.UUID{}) && !slices.Contains(i.lives, old.ID) {
			i.bury(old.ID)
		}
		return same(old, t), false
	}
	if !indexesFit(m) {
		t.Err = protocol.UnknownServerError
		return same(old, t), false
	}
	if old == nil {
		old = &cluster.Topic{Name: i.name}
	}
	none := wire.UUID{}
	switch {
	case t.ID == none: // an older broker among newer ones
		t.ID = old.ID
	case t.ID == old.ID || old.ID == none && !slices.Contains(i.lives, t.ID):
		i.life = contrary{}
	case slices.Contains(i.lives, t.ID):
		if !c.contradict(now, &i.life) {
			return c.snap.Topic(i.name), true
		}
		i.lives = slices.DeleteFunc(i.lives, func(id wire.UUID) bool { return id == t.ID })
		fallthrough
	default: // created again: nothing of its old life counts
		if old.ID != none {
			i.bury(old.ID)
		}
		i.life, i.back, old = contrary{}, nil, &cluster.Topic{Name: i.name}
	}
	doubt = c.partitions(now, i, t, old, m, version)
	return same(c.snap.Topic(i.name), t), doubt
}

// bury notes an id that the topic has no more.
func (i *interest) bury(id wire.UUID) {
	if len(i.lives) == 4 {
		i.lives = i.lives[1:]
	}
	i.lives = append(i.lives, id)
}

// same gives old if nothing is different.
func same(old, t *cluster.Topic) *cluster.Topic {
	if t.Equal(old) {
		return old
	}
	return t
}

// indexesFit tells whether the indexes of partitions, which come from the wire, are about as many as there are partitions.
func indexesFit(m *msg.MetadataResponseMetadataResponseTopic) bool {
	n := int32(-1)
	for i := range m.Partitions {
		n = max(n, m.Partitions[i].PartitionIndex)
	}
	return n >= 0 && int(n) < 4*len(m.Partitions)+16
}

// partitions are those of an answer; where it tells an older epoch than is known of the same life of the topic, what is known. doubt: there are such.
func (c *Core) partitions(now time.Time, i *interest, t, old *cluster.Topic, m *msg.MetadataResponseMetadataResponseTopic, version int16) (doubt bool) {
	n := int32(0)
	for k := range m.Partitions {
		n = max(n, m.Partitions[k].PartitionIndex+1)
	}
	t.Partitions = make([]cluster.Partition, n)
	for k := range t.Partitions {
		t.Partitions[k] = cluster.Partition{Index: int32(k), Leader: cluster.NoNode, LeaderEpoch: -1, Err: protocol.LeaderNotAvailable}
	}
	for k := range m.Partitions {
		p := &m.Partitions[k]
		if p.PartitionIndex < 0 {
			continue
		}
		q := cluster.Partition{Index: p.PartitionIndex, Leader: p.LeaderID, LeaderEpoch: -1, Replicas: p.ReplicaNodes, ISR: p.IsrNodes,
			Offline: p.OfflineReplicas, Err: protocol.Code(p.ErrorCode)}
		if version >= 7 {
			q.LeaderEpoch = p.LeaderEpoch
		}
		if int(q.Index) < len(old.Partitions) && q.LeaderEpoch >= 0 && old.Partitions[q.Index].LeaderEpoch > q.LeaderEpoch {
			if !c.older(now, i, q.Index) {
				q, doubt = old.Partitions[q.Index], true
			}
		} else if i.back != nil {
			delete(i.back, q.Index)
		}
		t.Partitions[q.Index] = q
	}
	return doubt
}

// older counts an answer that tells an older epoch of a partition than is known, and tells whether it is to be believed.
func (c *Core) older(now time.Time, i *interest, partition int32) bool {
	k := i.back[partition]
	if k == nil {
		k = &contrary{}
		if i.back == nil {
			i.back = map[int32]*contrary{}
		}
		i.back[partition] = k
	}
	if !c.contradict(now, k) {
		return false
	}
	delete(i.back, partition)
	return true
}
