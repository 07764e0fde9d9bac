// Package cluster has the picture of a Kafka cluster: nodes, topics, partitions and their leaders, as immutable snapshots.
//
// The cluster actor (package broker) makes snapshots and publishes them; everybody else only reads. A Snapshot and all that it
// leads to is never changed after it was published.
package cluster

import (
	"iter"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/printable"
	"github.com/kactor-go/kactor/protocol/wire"
)

// NoNode is the id of no node: a partition without a leader has it.
const NoNode int32 = -1

// Node is one broker.
type Node struct {
	ID   int32
	Host string
	Port int32
	Rack string // empty: none
}

// Addr is "host:port".
func (n Node) Addr() string { return net.JoinHostPort(n.Host, strconv.Itoa(int(n.Port))) }

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// String is "topic/partition".
func (tp TopicPartition) String() string {
	return printable.Text(tp.Topic) + "/" + strconv.Itoa(int(tp.Partition))
}

// Compare orders by topic, then partition.
func (tp TopicPartition) Compare(o TopicPartition) int {
	if order := strings.Compare(tp.Topic, o.Topic); order != 0 {
		return order
	}
	return int(tp.Partition) - int(o.Partition)
}

// Partition is what is known of one partition.
type Partition struct {
	Index       int32
	Leader      int32 // node id, or NoNode
	LeaderEpoch int32 // -1 where the broker is too old to tell
	Replicas    []int32
	ISR         []int32
	Offline     []int32
	Err         protocol.Code // of this partition in the metadata answer: LEADER_NOT_AVAILABLE and the like
}

// Topic is what is known of one topic. Err is set and Partitions empty where the cluster would not tell.
type Topic struct {
	Name       string
	ID         wire.UUID // zero where the broker is too old to tell (before 2.8)
	Internal   bool
	Err        protocol.Code
	Partitions []Partition // by index, without gaps
	Use        *Use        // shared by all that is known of the topic, one after the other; nil: nobody wants to know
}

// Equal tells whether nothing that is known is different.
func (t *Topic) Equal(o *Topic) bool {
	return t == o || t != nil && o != nil && t.Name == o.Name && t.ID == o.ID && t.Internal == o.Internal && t.Err == o.Err && slices.EqualFunc(t.Partitions, o.Partitions, func(p, o Partition) bool { return p.Equal(&o) })
}

// Equal tells whether nothing that is known is different.
func (p *Partition) Equal(o *Partition) bool {
	return p.Index == o.Index && p.Leader == o.Leader && p.LeaderEpoch == o.LeaderEpoch && p.Err == o.Err &&
		slices.Equal(p.Replicas, o.Replicas) && slices.Equal(p.ISR, o.ISR) && slices.Equal(p.Offline, o.Offline)
}

// Use is the mark of a topic that is used: one that nobody uses is forgotten after metadata.max.idle.ms.
type Use struct{ mark atomic.Bool }

// Touch marks the topic as used. Roles do so where they send something for it; any goroutine may. It costs next to nothing if the mark is there.
func (t *Topic) Touch() {
	if t != nil && t.Use != nil && !t.Use.mark.Load() {
		t.Use.mark.Store(true)
	}
}

// Take tells whether the topic has been used since the last time, and removes the mark.
func (u *Use) Take() bool { return u.mark.Swap(false) }

// Snapshot is the cluster at one moment, as the client knows it. Snapshots share what has not changed.
type Snapshot struct {
	Version    int64 // grows with each snapshot
	ClusterID  string
	Controller int32
	Nodes      []Node // by id

	names, ids *index
}

// New makes a snapshot with these topics; it sorts the nodes.
func New(s Snapshot, topics ...*Topic) *Snapshot {
	slices.SortFunc(s.Nodes, func(a, b Node) int { return int(a.ID) - int(b.ID) })
	s.names, s.ids = nil, nil
	return s.With(topics, nil)
}

// With is a copy with other topics instead of those of their names, and without those that are gone. It costs what changes, however many topics there are.
func (s *Snapshot) With(topics []*Topic, gone []string) *Snapshot {
	next := *s
	names, ids := &edit{sameName}, &edit{sameID}
	for _, name := range gone {
		if t := next.Topic(name); t != nil {
			next.names = names.drop(next.names, slot{hashName(name), t}, 0)
			next.ids = ids.drop(next.ids, slot{hashID(&t.ID), t}, 0)
		}
	}
	for _, t := range topics {
		if old := next.Topic(t.Name); old != nil && old.ID != t.ID {
			next.ids = ids.drop(next.ids, slot{hashID(&old.ID), old}, 0)
		}
		next.names = names.put(next.names, slot{hashName(t.Name), t}, 0)
		if t.ID != (wire.UUID{}) {
			next.ids = ids.put(next.ids, slot{hashID(&t.ID), t}, 0)
		}
	}
	return &next
}

// Topics gives all topics, by name. It costs a sort of all.
func (s *Snapshot) Topics() []*Topic {
	return slices.SortedFunc(s.All(), compareTopics)
}

// All gives all topics, in no order.
func (s *Snapshot) All() iter.Seq[*Topic] {
	return func(yield func(*Topic) bool) { s.names.each(yield) }
}

func compareTopics(a, b *Topic) int { return strings.Compare(a.Name, b.Name) }

// Changes gives the topics that are not as in an older snapshot, by name: as they were, and as they are; nil where there was, or is, none. It costs what has changed, however many topics there are.
func (s *Snapshot) Changes(old *Snapshot) iter.Seq2[*Topic, *Topic] {
	was, is := unshared(old.names, s.names, nil, nil)
	slices.SortFunc(was, compareTopics)
	slices.SortFunc(is, compareTopics)
	return func(yield func(*Topic, *Topic) bool) {
		for len(was) > 0 || len(is) > 0 {
			order := 0
			switch {
			case len(was) == 0:
				order = 1
			case len(is) == 0:
				order = -1
			default:
				order = compareTopics(was[0], is[0])
			}
			var a, b *Topic
			if order <= 0 {
				a, was = was[0], was[1:]
			}
			if order >= 0 {
				b, is = is[0], is[1:]
			}
			if a != b && !yield(a, b) {
				return
			}
		}
	}
}

// Node finds a node by id.
func (s *Snapshot) Node(id int32) (Node, bool) {
	i, ok := slices.BinarySearchFunc(s.Nodes, id, func(n Node, id int32) int { return int(n.ID) - int(id) })
	if !ok {
		return Node{}, false
	}
	return s.Nodes[i], true
}

// Topic finds a topic by name; nil where it is not known.
func (s *Snapshot) Topic(name string) *Topic {
	h := hashName(name)
	for _, o := range s.names.find(h) {
		if o.hash == h && o.topic.Name == name {
			return o.topic
		}
	}
	return nil
}

// TopicByID finds a topic by id; nil where it is not known.
func (s *Snapshot) TopicByID(id wire.UUID) *Topic {
	h := hashID(&id)
	for _, o := range s.ids.find(h) {
		if o.hash == h && o.topic.ID == id {
			return o.topic
		}
	}
	return nil
}

// Partition finds a partition; nil where it is not known.
func (s *Snapshot) Partition(topic string, partition int32) *Partition {
	t := s.Topic(topic)
	if t == nil || partition < 0 || int(partition) >= len(t.Partitions) {
		return nil
	}
	return &t.Partitions[partition]
}

// Leader gives the leader of a partition and its epoch; NoNode where there is none or it is not known.
func (s *Snapshot) Leader(topic string, partition int32) (node, epoch int32) {
	p := s.Partition(topic, partition)
	if p == nil {
		return NoNode, -1
	}
	return p.Leader, p.LeaderEpoch
}
