package api

import (
	"fmt"

	"github.com/kactor-go/kactor/coordinator"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/printable"
)

// OffsetAndMetadata is a position to commit, or one that was committed: TopicPartition, Offset of the next record to read, LeaderEpoch of the record before (zero: not known), TopicID (zero: not known), and Metadata, a text of the
// application's. Only the partition and the offset are needed.
type OffsetAndMetadata = cluster.OffsetAndMetadata

// LeaderEpoch counts the leaders that a partition has had. The zero value says that the epoch is not known.
type LeaderEpoch = cluster.LeaderEpoch

// EpochOf is the leader epoch of that number, such as Record.LeaderEpoch; a negative one is not known.
func EpochOf(n int32) LeaderEpoch { return cluster.EpochOf(n) }

// GroupMetadata is who a consumer is in its group, as transactions need it.
type GroupMetadata = coordinator.Identity

// Leaving says whether the group is told when a consumer is closed (KIP-1092).
type Leaving = coordinator.Leaving

// The ways to leave a group.
const (
	LeaveDefault  = coordinator.LeaveDefault  // dynamic members leave; static ones keep their partitions for a restart within the session time-out
	LeaveGroup    = coordinator.LeaveGroup    // static members leave, too
	RemainInGroup = coordinator.RemainInGroup // the group is not told: it finds out
)

// grouped tells whether the consumer has a group.
func (c *Consumer) grouped() bool { return c.set.group.Group != "" }

// commits tells whether the consumer commits by itself.
func (c *Consumer) commits() bool { return c.grouped() && c.set.group.AutoCommit }

// errNoGroup says that a consumer has no group.
var errNoGroup = fmt.Errorf("%w: the consumer has no group.id", ErrIllegalState)

func (c *Consumer) log(what string, err error) {
	c.client.system.Logger().Warn(what, "group", printable.Text(c.set.group.Group), "err", err)
}

// EnforceRebalance asks the group to divide its partitions anew (KIP-568). With group.protocol=consumer it does nothing: the broker decides.
func (c *Consumer) EnforceRebalance(reason string) error {
	if !c.grouped() {
		return fmt.Errorf("enforce a rebalance: %w", errNoGroup)
	}
	c.group.Enforce(reason)
	return nil
}

// GroupMetadata tells who the consumer is in its group.
func (c *Consumer) GroupMetadata() GroupMetadata {
	if !c.grouped() {
		return GroupMetadata{Generation: -1}
	}
	return c.group.Identity()
}
