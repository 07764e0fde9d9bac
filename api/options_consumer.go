package api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/fetcher"
)

// ofConsumers is a property as an option of consumers alone.
func ofConsumers(name, value string) ConsumerOption {
	return consumerOption(Property(name, value).set)
}

// Topics subscribes the consumer to these topics. A name that begins with ^ is a regular expression: every topic that it matches is read, also those that are created later.
func Topics(topics ...string) ConsumerOption {
	return consumerOption(func(s *settings) error { s.topics = append(slices.Clone(s.topics), topics...); return nil })
}

// FromStart makes a consumer that has no committed offset begin with the first record of a partition (auto.offset.reset=earliest).
func FromStart() ConsumerOption { return ofConsumers("auto.offset.reset", "earliest") }

// FromEnd makes a consumer that has no committed offset begin behind the last record of a partition: it gets what is written from then on (auto.offset.reset=latest). This is the default.
func FromEnd() ConsumerOption { return ofConsumers("auto.offset.reset", "latest") }

// FromLast makes a consumer that has no committed offset begin with the first record that is not older than d (auto.offset.reset=by_duration, KIP-1106).
func FromLast(d time.Duration) ConsumerOption {
	const day = 24 * time.Hour
	return ofConsumers("auto.offset.reset", fmt.Sprintf("by_duration:P%dDT%gS", d/day, (d%day).Seconds()))
}

// FromCommitted makes it an error of the partition that there is no committed offset (auto.offset.reset=none).
func FromCommitted() ConsumerOption { return ofConsumers("auto.offset.reset", "none") }

// ReadCommitted makes the consumer return records of transactions only after these were committed, and none of those that were aborted (isolation.level=read_committed). By default records are returned as they are written.
func ReadCommitted() ConsumerOption { return ofConsumers("isolation.level", "read_committed") }

// AutoCommit sets whether the offsets of records that the application has finished with are committed automatically (enable.auto.commit). The default is true.
func AutoCommit(on bool) ConsumerOption {
	return ofConsumers("enable.auto.commit", strconv.FormatBool(on))
}

// AutoCommitInterval sets how often offsets are committed automatically (auto.commit.interval.ms). The default is 5 s.
func AutoCommitInterval(d time.Duration) ConsumerOption {
	return ofConsumers("auto.commit.interval.ms", d.String())
}

// Protocol is how a group divides partitions among its members (group.protocol).
type Protocol uint8

const (
	ProtocolClassic  Protocol = iota // one of the members divides them; every broker since 0.9 has it
	ProtocolConsumer                 // the broker divides them (KIP-848, Kafka 4.0 and later)
	ProtocolAuto                     // ProtocolConsumer where the cluster has it, else ProtocolClassic
)

// String gives the value of the property group.protocol: classic, consumer or auto.
func (p Protocol) String() string {
	switch p {
	case ProtocolConsumer:
		return "consumer"
	case ProtocolAuto:
		return "auto"
	}
	return "classic"
}

// GroupProtocol sets how the group divides partitions among its members (group.protocol). The default is [ProtocolClassic].
func GroupProtocol(p Protocol) ConsumerOption { return ofConsumers("group.protocol", p.String()) }

// StaticMember makes the consumer a static member of its group (group.instance.id, KIP-345): a consumer that is started again under the same id within the session time-out gets its partitions back without a rebalance. Two that run
// at once must not have the same id.
func StaticMember(id string) ConsumerOption { return ofConsumers("group.instance.id", id) }

// OnRebalance sets functions that are called when the group gives partitions to the consumer or takes them away.
func OnRebalance(l RebalanceListener) ConsumerOption {
	return consumerOption(func(s *settings) error { s.listener = l; return nil })
}

// OnCommit sets a function that is called with the outcome of automatic commits, and of asynchronous commits that have no function of their own. It runs on the goroutine that polls the consumer.
func OnCommit(f func(offsets []OffsetAndMetadata, err error)) ConsumerOption {
	return consumerOption(func(s *settings) error { s.onCommit = f; return nil })
}

// PositionReset tells that a consumer's position was not reached by reading: it was set to where auto.offset.reset says, because there was no committed offset or the offset did not exist, or to where a log that has lost records agrees with
// what was read (KIP-320).
type PositionReset = fetcher.PositionReset

// OnReset sets a function that is called whenever a position is reset, before the first record at the new position is returned. It runs on the goroutine that polls the consumer. A consumer that commits automatically commits the
// new position at once: with auto.offset.reset=latest it would be another one after a restart.
func OnReset(f func(PositionReset)) ConsumerOption {
	return consumerOption(func(s *settings) error { s.onReset = f; return nil })
}

// Assignors sets what divides the partitions of a classic group, in order of preference, and also takes assignors of one's own. Kafka's are set by the property partition.assignment.strategy. All members must have one in common.
func Assignors(assignors ...assign.Assignor) ConsumerOption {
	return consumerOption(func(s *settings) error {
		for i, a := range assignors {
			if a == nil {
				return fmt.Errorf("assignor %d is nil", i)
			}
		}
		s.group.Assignors = assignors
		var names []string
		for _, a := range assignors {
			names = append(names, a.Name())
		}
		s.hold("partition.assignment.strategy", strings.Join(names, ","))
		return nil
	})
}
