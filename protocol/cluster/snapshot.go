// Package cluster has the picture of a Kafka cluster: nodes, topics, partitions and their leaders, as immutable snapshots.
//
// The cluster actor (package broker) makes snapshots and publishes them; everybody else only reads. A Snapshot and all that it
// leads to is never changed after it was published.
package cluster

import (
	"net"
	"slices"
	"strconv"

	"github.com/kactor-go/kactor/protocol"
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
func (tp TopicPartition) String() string { return tp.Topic + "/" + strconv.Itoa(int(tp.Partition)) }

// Compare orders by topic, then partition.
func (tp TopicPartition) Compare(o TopicPartition) int {
	switch {
	case tp.Topic < o.Topic:
		return -1
	case tp.Topic > o.Topic:
		return 1
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
}

// Snapshot is the cluster at one moment, as the client knows it.
type Snapshot struct {
	Version    int64 // grows with each snapshot
	ClusterID  string
	Controller int32
	Nodes      []Node   // by id
	Topics     []*Topic // by name

	byName map[string]*Topic
	byID   map[wire.UUID]*Topic
}

// New makes a snapshot; it sorts nodes and topics.
func New(s Snapshot) *Snapshot {
	slices.SortFunc(s.Nodes, func(a, b Node) int { return int(a.ID) - int(b.ID) })
	slices.SortFunc(s.Topics, func(a, b *Topic) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	s.byName = make(map[string]*Topic, len(s.Topics))
	s.byID = make(map[wire.UUID]*Topic, len(s.Topics))
	for _, t := range s.Topics {
		s.byName[t.Name] = t
		if t.ID != (wire.UUID{}) {
			s.byID[t.ID] = t
		}
	}
	return &s
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
func (s *Snapshot) Topic(name string) *Topic { return s.byName[name] }

// TopicByID finds a topic by id; nil where it is not known.
func (s *Snapshot) TopicByID(id wire.UUID) *Topic { return s.byID[id] }

// Partition finds a partition; nil where it is not known.
func (s *Snapshot) Partition(topic string, partition int32) *Partition {
	t := s.byName[topic]
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
