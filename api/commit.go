package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/fetcher"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/trouble"
	"github.com/kactor-go/kactor/protocol/wire"
)

// finished are the positions up to which the application is done, of parts or of all: what it has been given, but for the record or batch that it is at. Who asks beside the one that reads must not take positions of one time and
// what is at hand of another.
func (c *Consumer) finished(parts []TopicPartition) []OffsetAndMetadata {
	for {
		handles, hand, w := c.handles.Load(), c.hand.Load(), c.work.Load()
		if out := c.below(parts, hand, w); c.hand.Load() == hand && c.handles.Load() == handles {
			return out
		}
	}
}

// below are the positions up to which the application is done that is at hand, and whose Handle is w.
func (c *Consumer) below(parts []TopicPartition, hand *hand, w *work) (out []OffsetAndMetadata) {
	asked := among(parts)
	for _, r := range c.fetcher.Reads() {
		if parts != nil && !asked[r.TopicPartition] {
			continue
		}
		o := position(r)
		if w != nil {
			if low, open := w.low(r.TopicPartition); open {
				o = low
			}
		}
		if hand != nil && hand.TopicPartition == r.TopicPartition {
			if hand.topic != r.Topic && hand.topic != (wire.UUID{}) { // what is at hand is of a topic that is gone, and nothing of the new one was read
				continue
			}
			o.Offset = min(o.Offset, hand.from)
			if hand.each {
				o.Offset--
			}
		}
		if o.Offset >= 0 {
			out = append(out, o)
		}
	}
	return out
}

func position(r fetcher.Read) OffsetAndMetadata {
	return OffsetAndMetadata{TopicPartition: r.TopicPartition, Offset: r.Offset, LeaderEpoch: EpochOf(r.Epoch), TopicID: r.Topic}
}

// identified gives offsets the id of the topic that is being read, where they have none: if that topic is deleted and created again, they are not of the new one.
func (c *Consumer) identified(offsets []OffsetAndMetadata) []OffsetAndMetadata {
	reads := c.fetcher.Reads()
	offsets = slices.Clone(offsets)
	for i := range offsets {
		o := &offsets[i]
		if at, found := slices.BinarySearchFunc(reads, o.TopicPartition, func(r fetcher.Read, tp TopicPartition) int { return r.Compare(tp) }); found && o.TopicID == (wire.UUID{}) {
			o.TopicID = reads[at].Topic
		}
	}
	return offsets
}

// auto is what was sent last to be committed automatically of a partition.
type auto struct {
	offset int64
	epoch  LeaderEpoch // of the record before: after a leader that had less of the log the same offset is another one's
	topic  wire.UUID
	others uint64    // of the consumer, when it was sent
	at     time.Time // it was committed; zero: that is not known
}

// keepAlive is how long what a member of a group has committed is not committed again: brokers before Kafka 2.1 forget offsets also of groups with members, after a day at least (KIP-211).
const keepAlive = time.Hour

// news drops offsets that were committed already. Those of partitions that the application has assigned to itself are committed all the time, as by Java's client: a group without members is kept alive by nothing
// else, and brokers forget its offsets offsets.retention.minutes after the last commit.
func (c *Consumer) news(offsets []OffsetAndMetadata) []OffsetAndMetadata {
	if c.mode.Load() == assigned {
		return offsets
	}
	now := c.world.Now()
	return slices.DeleteFunc(offsets, func(o OffsetAndMetadata) bool {
		last, ok := c.auto[o.TopicPartition]
		return ok && last.offset == o.Offset && last.epoch == o.LeaderEpoch && last.topic == o.TopicID && last.others == c.others.Load() && !last.at.IsZero() && now.Sub(last.at) < keepAlive
	})
}

// gone tells whether a commit has failed for nothing but that a topic is not there any more.
func gone(err error) bool {
	return errors.Is(err, protocol.UnknownTopicOrPartition) || errors.Is(err, protocol.UnknownTopicID)
}

// commitInTurn is commitFinished for all partitions, by who has not the turn.
func (c *Consumer) commitInTurn(ctx context.Context) error {
	if err := c.turn.take(ctx, "commit"); err != nil {
		return err
	}
	defer c.turn.give()
	return c.commitFinished(ctx, c.set.group.RequestTimeout)
}

// commitFinished commits everything that is finished. The commit goes on when ctx ends before its outcome is known.
func (c *Consumer) commitFinished(ctx context.Context, within time.Duration) error {
	offsets := c.news(c.finished(nil))
	if len(offsets) == 0 {
		return nil
	}
	c.others.Add(1)
	if end, ok := ctx.Deadline(); ok {
		within = min(within, end.Sub(c.world.Now()))
	}
	err := c.awaited(ctx, c.group.Committing(within, offsets...))
	if err == nil {
		c.application(func() { c.committed(offsets) })
	}
	return err
}

// awaited waits for the outcome of a commit of what is finished: who waits for it is there, and must not lose meanwhile what it commits.
func (c *Consumer) awaited(ctx context.Context, commit *role.Promise[struct{}]) error {
	c.group.Busy(true)
	defer c.group.Busy(false)
	_, err := commit.Get(ctx)
	return err
}

// told takes the outcome of the commit of what is given up.
func (c *Consumer) told(offsets []OffsetAndMetadata, err error) {
	if err != nil {
		c.log("commit of what is given up", err)
		return
	}
	c.application(func() { c.committed(offsets) })
}

// outcome tells what nobody else is told of.
func (c *Consumer) outcome(offsets []OffsetAndMetadata, err error) {
	if f := c.set.onCommit; f != nil {
		f(slices.Clone(offsets), public(err))
	}
}

func (c *Consumer) autoCommit() {
	offsets := c.news(c.finished(nil))
	if len(offsets) == 0 {
		return
	}
	sent := make([]auto, len(offsets))
	for i, o := range offsets {
		sent[i] = auto{offset: o.Offset, epoch: o.LeaderEpoch, topic: o.TopicID, others: c.others.Load()}
		c.auto[o.TopicPartition] = &sent[i]
	}
	c.group.CommitAsync(func(err error) {
		c.outcome(offsets, err)
		if err != nil {
			if c.autoTrouble.Met(c.world.Now(), trouble.Lasting, err, trouble.Backoff{}) {
				c.log("automatic commit", err)
			}
			return
		}
		c.autoTrouble.Over()
		for i := range sent { // not before: who gives a partition up must know that its position is kept
			sent[i].at = c.world.Now()
		}
		c.committed(offsets)
	}, offsets...)
}

// Commit commits offsets and waits for the outcome; without any the positions of all partitions that are read: everything that was given out, also the record at hand. It retries what goes away by itself,
// as long as ctx lasts and at most default.api.timeout.ms. For a partition that is not this member's the error is ErrNotOwned or ErrFenced, and nothing was committed.
func (c *Consumer) Commit(ctx context.Context, offsets ...OffsetAndMetadata) error {
	if !c.grouped() {
		return fmt.Errorf("commit: %w", errNoGroup)
	}
	if err := checkOffsets(offsets); err != nil {
		return err
	}
	if len(offsets) == 0 {
		if offsets = c.positions(); len(offsets) == 0 {
			return nil
		}
	} else {
		offsets = c.identified(offsets)
	}
	c.others.Add(1)
	defer c.others.Add(1) // what is committed automatically meanwhile may be sent before it, or behind
	err := c.group.Commit(ctx, offsets...)
	if err == nil {
		c.committed(offsets)
	}
	return public(err)
}

// CommitRecords commits that these records, and all before them in their partitions, have been handled, and waits for the outcome, as Commit does. Of several records of a partition the last one counts. Without records it does nothing.
func (c *Consumer) CommitRecords(ctx context.Context, records ...*Record) error {
	if !c.grouped() {
		return fmt.Errorf("commit: %w", errNoGroup)
	}
	last := map[TopicPartition]*Record{}
	for i, r := range records {
		if r == nil {
			return fmt.Errorf("commit: record %d is nil: %w", i+1, ErrIllegalState)
		}
		if before := last[r.TopicPartition()]; before == nil || before.Offset < r.Offset {
			last[r.TopicPartition()] = r
		}
	}
	var offsets []OffsetAndMetadata
	for tp, r := range last {
		offsets = append(offsets, OffsetAndMetadata{TopicPartition: tp, Offset: r.Offset + 1, LeaderEpoch: r.LeaderEpoch})
	}
	if len(offsets) == 0 {
		return nil
	}
	slices.SortFunc(offsets, func(a, b OffsetAndMetadata) int { return a.TopicPartition.Compare(b.TopicPartition) })
	return c.Commit(ctx, offsets...)
}

// CommitAsync commits offsets as Commit does, without waiting: done, or without it what OnCommit was given, is called with the outcome where the consumer polls next. Outcomes come in the order of the commits.
func (c *Consumer) CommitAsync(done func(error), offsets ...OffsetAndMetadata) error {
	if !c.grouped() {
		return fmt.Errorf("commit: %w", errNoGroup)
	}
	if err := checkOffsets(offsets); err != nil {
		return err
	}
	if len(offsets) == 0 {
		offsets = c.positions()
	} else {
		offsets = c.identified(offsets)
	}
	c.others.Add(1)
	defer c.others.Add(1) // as above
	c.group.CommitAsync(func(err error) {
		if err == nil {
			c.committed(offsets)
		}
		if done != nil {
			done(public(err))
		} else {
			c.outcome(offsets, err)
		}
	}, offsets...)
	return nil
}

func checkOffsets(offsets []OffsetAndMetadata) error {
	for _, o := range offsets {
		if o.Topic == "" || o.Partition < 0 || o.Offset < 0 {
			return fmt.Errorf("commit: offset %d of %s is none", o.Offset, o.TopicPartition)
		}
	}
	return nil
}

func (c *Consumer) positions() (out []OffsetAndMetadata) {
	if handles := c.handles.Load(); c.work.Load() == nil {
		for _, r := range c.fetcher.Reads() {
			out = append(out, position(r))
		}
		if c.handles.Load() == handles {
			return out
		}
	}
	return c.finished(nil) // Handle has them
}

// Committed asks for the group's committed offsets. Partitions without one are not in the answer.
func (c *Consumer) Committed(ctx context.Context, parts ...TopicPartition) (map[TopicPartition]OffsetAndMetadata, error) {
	if !c.grouped() {
		return nil, fmt.Errorf("committed: %w", errNoGroup)
	}
	got, err := c.group.Committed(ctx, parts...)
	if err != nil {
		return nil, public(err)
	}
	out := map[TopicPartition]OffsetAndMetadata{}
	for _, o := range got {
		if o.Offset >= 0 {
			out[o.TopicPartition] = o
		}
	}
	return out, nil
}
