package assign

import (
	"fmt"
	"slices"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// subscriptionVersion is the newest version there is (KIP-881).
const subscriptionVersion = 3

// AppendSubscription writes what a member says when it joins: the version, then ConsumerProtocolSubscription.
func AppendSubscription(dst []byte, m *Member) ([]byte, error) {
	s := &msg.ConsumerProtocolSubscription{Topics: slices.Clone(m.Topics), UserData: m.UserData, GenerationID: m.Generation}
	slices.Sort(s.Topics)
	if m.Rack != "" {
		s.RackID = wire.Ptr(m.Rack)
	}
	ByTopic(m.Owned, func(topic string, partitions []int32) {
		s.OwnedPartitions = append(s.OwnedPartitions, msg.ConsumerProtocolSubscriptionTopicPartition{Topic: topic, Partitions: partitions})
	})
	return protocol.AppendVersioned(dst, s, subscriptionVersion)
}

// ReadSubscription reads it. A version that is not known yet is read as the newest that is, as Kafka prescribes.
func ReadSubscription(b []byte) (m Member, err error) {
	s := &msg.ConsumerProtocolSubscription{}
	s.SetDefaults()
	if _, err := protocol.ReadVersioned(s, b); err != nil {
		return m, fmt.Errorf("subscription: %w", err)
	}
	m.Topics, m.UserData, m.Generation = s.Topics, s.UserData, s.GenerationID
	if s.RackID != nil {
		m.Rack = *s.RackID
	}
	for _, t := range s.OwnedPartitions {
		for _, p := range t.Partitions {
			m.Owned = append(m.Owned, Partition{Topic: t.Topic, Partition: p})
		}
	}
	return m, nil
}

// AppendAssignment writes what a member is given: the version, then ConsumerProtocolAssignment.
func AppendAssignment(dst []byte, parts []Partition) ([]byte, error) {
	a := &msg.ConsumerProtocolAssignment{}
	ByTopic(parts, func(topic string, partitions []int32) {
		a.AssignedPartitions = append(a.AssignedPartitions, msg.ConsumerProtocolAssignmentTopicPartition{Topic: topic, Partitions: partitions})
	})
	return protocol.AppendVersioned(dst, a, subscriptionVersion)
}

// ReadAssignment reads it. No bytes are no partitions.
func ReadAssignment(b []byte) (parts []Partition, err error) {
	if len(b) == 0 {
		return nil, nil
	}
	a := &msg.ConsumerProtocolAssignment{}
	if _, err := protocol.ReadVersioned(a, b); err != nil {
		return nil, fmt.Errorf("assignment: %w", err)
	}
	for _, t := range a.AssignedPartitions {
		for _, p := range t.Partitions {
			parts = append(parts, Partition{Topic: t.Topic, Partition: p})
		}
	}
	slices.SortFunc(parts, Partition.Compare)
	return slices.Compact(parts), nil
}

// ByTopic calls f for each topic, in order, with its partitions in order.
func ByTopic(parts []Partition, f func(topic string, partitions []int32)) {
	parts = slices.Clone(parts)
	slices.SortFunc(parts, Partition.Compare)
	for len(parts) > 0 {
		n := 1
		for n < len(parts) && parts[n].Topic == parts[0].Topic {
			n++
		}
		partitions := make([]int32, n)
		for i := range partitions {
			partitions[i] = parts[i].Partition
		}
		f(parts[0].Topic, partitions)
		parts = parts[n:]
	}
}
