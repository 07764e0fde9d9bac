package api

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/fetcher"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/record"
)

// Places to seek to, besides offsets.
const (
	AtEnd   = fetcher.AtEnd
	AtStart = fetcher.AtStart
)

// OffsetAt is the answer to a question for an offset.
type OffsetAt = fetcher.OffsetAt

// Consumer reads partitions that it is given with Assign. Poll, Records and Batches are for one goroutine; everything else may be called by any.
type Consumer struct {
	client  *Client
	fetcher *fetcher.Fetcher
	world   role.World
	poll    int
	set     *settings
}

// Consumer makes a consumer. group must be empty: consumer groups come with a later release. Options given here hold for it alone.
func (c *Client) Consumer(group string, opts ...Option) (*Consumer, error) {
	if group != "" {
		return nil, fmt.Errorf("group %q: consumer groups come with a later release; give no group, and partitions with Assign", group)
	}
	s, err := c.with(opts)
	if err != nil {
		return nil, err
	}
	f, err := c.system.Fetcher(s.fetcher)
	if err != nil {
		return nil, public(err)
	}
	return &Consumer{c, f, c.system.World(), s.poll, s}, nil
}

// Assign reads these partitions and no others. A partition that was assigned keeps its position; a new one begins where auto.offset.reset says.
func (c *Consumer) Assign(parts ...TopicPartition) error {
	if err := check(parts); err != nil {
		return err
	}
	var gone []TopicPartition
	have := c.fetcher.Assignment()
	for _, tp := range have {
		if !slices.Contains(parts, tp) {
			gone = append(gone, tp)
		}
	}
	if len(gone) > 0 {
		c.fetcher.Unassign(gone...)
	}
	return c.begin(parts, have, fetcher.AtDefault)
}

// AssignAt adds a partition that begins at an offset, AtStart or AtEnd.
func (c *Consumer) AssignAt(offset int64, parts ...TopicPartition) error {
	if err := check(parts); err != nil {
		return err
	}
	if offset < AtStart {
		return fmt.Errorf("assign: %d is no offset", offset)
	}
	return c.begin(parts, c.fetcher.Assignment(), offset)
}

// IncrementalAssign adds partitions.
func (c *Consumer) IncrementalAssign(parts ...TopicPartition) error {
	if err := check(parts); err != nil {
		return err
	}
	return c.begin(parts, c.fetcher.Assignment(), fetcher.AtDefault)
}

func (c *Consumer) begin(parts, have []TopicPartition, offset int64) error {
	var starts []fetcher.Begin
	for _, tp := range parts {
		if !slices.Contains(have, tp) {
			starts = append(starts, fetcher.Begin{TopicPartition: tp, Offset: offset})
		}
	}
	if len(starts) > 0 {
		c.fetcher.Assign(starts...)
	}
	return nil
}

func check(parts []TopicPartition) error {
	for _, tp := range parts {
		if tp.Topic == "" || tp.Partition < 0 {
			return fmt.Errorf("assign: %q/%d is no partition", tp.Topic, tp.Partition)
		}
	}
	return nil
}

// Unassign ends the reading of partitions.
func (c *Consumer) Unassign(parts ...TopicPartition) { c.fetcher.Unassign(parts...) }

// Assignment gives the partitions that are assigned, in order.
func (c *Consumer) Assignment() []TopicPartition { return c.fetcher.Assignment() }

// Seek moves a partition to an offset, AtStart or AtEnd.
func (c *Consumer) Seek(tp TopicPartition, offset int64) error {
	return c.fetcher.Seek(fetcher.Begin{TopicPartition: tp, Offset: offset})
}

// SeekToTime moves a partition to the first record of that time or later; to the end if there is none.
func (c *Consumer) SeekToTime(tp TopicPartition, at time.Time) error {
	return c.fetcher.Seek(fetcher.Begin{TopicPartition: tp, Time: at})
}

// SeekToBeginning moves partitions to their first record; without any, all that are assigned.
func (c *Consumer) SeekToBeginning(parts ...TopicPartition) error { return c.seekAll(AtStart, parts) }

// SeekToEnd moves partitions behind their last record; without any, all that are assigned.
func (c *Consumer) SeekToEnd(parts ...TopicPartition) error { return c.seekAll(AtEnd, parts) }

func (c *Consumer) seekAll(offset int64, parts []TopicPartition) error {
	if len(parts) == 0 {
		parts = c.Assignment()
	}
	var starts []fetcher.Begin
	for _, tp := range parts {
		starts = append(starts, fetcher.Begin{TopicPartition: tp, Offset: offset})
	}
	return c.fetcher.Seek(starts...)
}

// Pause stops the reading of partitions: after it nothing of them is given out.
func (c *Consumer) Pause(parts ...TopicPartition) error { return c.fetcher.Pause(parts...) }

// Resume lets paused partitions go on.
func (c *Consumer) Resume(parts ...TopicPartition) error { return c.fetcher.Resume(parts...) }

// Paused gives the partitions that are paused, in order.
func (c *Consumer) Paused() []TopicPartition { return c.fetcher.Paused() }

// Position gives the offset of the record that is read next, and waits until it is known.
func (c *Consumer) Position(ctx context.Context, tp TopicPartition) (int64, error) {
	n, err := c.fetcher.Position(ctx, tp)
	return n, public(err)
}

// Lag is how many offsets lie between the position and the end; -1: not known yet. It asks nobody.
func (c *Consumer) Lag(tp TopicPartition) int64 { return c.fetcher.Lag(tp) }

// Watermarks gives what the brokers said last of a partition, without asking; ok is false if it is not assigned.
func (c *Consumer) Watermarks(tp TopicPartition) (w fetcher.Watermarks, ok bool) {
	return c.fetcher.Watermarks(tp)
}

// Offsets asks the leaders for offsets: of AtStart, AtEnd, or of a time in milliseconds since 1970.
func (c *Consumer) offsets(ctx context.Context, at int64, parts []TopicPartition) (map[TopicPartition]int64, error) {
	what := map[cluster.TopicPartition]int64{}
	for _, tp := range parts {
		what[tp] = at
	}
	got, err := fetcher.Offsets(ctx, c.client.system.Cluster(), c.set.fetcher.Committed, what)
	if err != nil {
		return nil, public(err)
	}
	out := map[TopicPartition]int64{}
	for tp, o := range got {
		out[tp] = o.Offset
	}
	return out, nil
}

// BeginningOffsets asks for the offsets of the first records.
func (c *Consumer) BeginningOffsets(ctx context.Context, parts ...TopicPartition) (map[TopicPartition]int64, error) {
	return c.offsets(ctx, AtStart, parts)
}

// EndOffsets asks for the offsets behind the last records.
func (c *Consumer) EndOffsets(ctx context.Context, parts ...TopicPartition) (map[TopicPartition]int64, error) {
	return c.offsets(ctx, AtEnd, parts)
}

// OffsetsForTimes asks for the first record of a time or later in each partition; Offset -1 where there is none.
func (c *Consumer) OffsetsForTimes(ctx context.Context, times map[TopicPartition]time.Time) (map[TopicPartition]OffsetAt, error) {
	what := map[cluster.TopicPartition]int64{}
	for tp, at := range times {
		what[tp] = at.UnixMilli()
	}
	got, err := fetcher.Offsets(ctx, c.client.system.Cluster(), c.set.fetcher.Committed, what)
	return got, public(err)
}

// Partitions asks for the partitions of a topic.
func (c *Consumer) Partitions(ctx context.Context, topic string) ([]cluster.Partition, error) {
	snap, err := broker.Metadata(ctx, c.client.system.Cluster(), topic)
	if err != nil {
		return nil, public(err)
	}
	t := snap.Topic(topic)
	switch {
	case t == nil:
		return nil, fmt.Errorf("topic %s: %w", topic, ErrUnknownTopic)
	case t.Err != protocol.None:
		return nil, fmt.Errorf("topic %s: %w", topic, t.Err)
	}
	return t.Partitions, nil
}

// slab is how many records are allocated at once.
const slab = 256

// owned makes records that stay valid out of views.
type owned struct{ free []Record }

func (o *owned) record(k *fetcher.Chunk, v *record.View) (*Record, error) {
	if len(o.free) == 0 {
		o.free = make([]Record, slab)
	}
	r := &o.free[0]
	o.free = o.free[1:]
	r.Topic, r.Partition, r.Offset, r.LeaderEpoch = k.Topic, k.Partition, v.Offset, k.LeaderEpoch
	r.Key, r.Value = v.Key, v.Value
	if v.Timestamp >= 0 {
		r.Timestamp = time.UnixMilli(v.Timestamp)
	}
	if v.HeaderCount() == 0 {
		return r, nil
	}
	var err error
	r.Headers, err = v.Headers(make([]Header, 0, v.HeaderCount()))
	return r, err
}

// Poll waits for records and returns those that are there, at most max.poll.records. They stay valid as long as they are referenced. When ctx ends first it returns
// none and ctx's error. It returns none, too, when what came holds nothing for the application: the markers of transactions; the position has moved then. An error of a partition is a *PartitionError or a *LogTruncationError; the others go on.
func (c *Consumer) Poll(ctx context.Context) ([]*Record, error) {
	var got []*Record
	var own owned
	for len(got) < c.poll {
		var k *fetcher.Chunk
		var err error
		if len(got) == 0 {
			k, err = c.fetcher.Take(ctx)
		} else if k, err = c.fetcher.Ready(); err == nil && k == nil {
			return got, nil
		}
		if err != nil {
			return got, public(err)
		}
		k.Keep()
		var v record.View
		for len(got) < c.poll && k.Next(&v) {
			r, err := own.record(k, &v)
			if err != nil {
				return got, &PartitionError{TopicPartition: k.TopicPartition, Offset: v.Offset, Err: err}
			}
			got = append(got, r)
		}
		if k.Err() != nil || len(got) == 0 {
			return got, k.Err()
		}
	}
	return got, nil
}

// Records goes through the records as they come. They stay valid as long as they are referenced. It ends when ctx ends or the consumer is closed; breaking out loses
// nothing: what was not yielded comes next time. An error of a partition is yielded with a nil record, and the others go on.
func (c *Consumer) Records(ctx context.Context) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		var own owned
		for {
			k, err := c.fetcher.Take(ctx)
			if err != nil {
				if over(ctx, err) || !yield(nil, public(err)) {
					return
				}
				continue
			}
			k.Keep()
			var v record.View
			for k.Next(&v) {
				r, err := own.record(k, &v)
				if err != nil {
					r, err = nil, &PartitionError{TopicPartition: k.TopicPartition, Offset: v.Offset, Err: err}
				}
				if !yield(r, err) {
					return
				}
				if ctx.Err() != nil {
					return
				}
			}
			if err := k.Err(); err != nil && !yield(nil, err) {
				return
			}
		}
	}
}

// over tells whether reading is over.
func over(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, fetcher.ErrClosed)
}

// Batch is the records of one partition that came together, as views: they are valid until the next step of the loop.
type Batch struct {
	TopicPartition
	chunk *fetcher.Chunk
}

// View is a record that is valid until the next step of the loop.
type View = record.View

// Next reads the next record of the batch into v.
func (b Batch) Next(v *View) bool { return b.chunk.Next(v) }

// Err is why Next ended, if not by the end of the batch.
func (b Batch) Err() error { return b.chunk.Err() }

// Batches goes through what comes, a partition at a time: the cheapest way to read. What is not read of a batch comes again. It ends when ctx ends or the consumer is closed.
func (c *Consumer) Batches(ctx context.Context) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		for {
			k, err := c.fetcher.Take(ctx)
			if err != nil {
				if over(ctx, err) || !yield(Batch{}, public(err)) {
					return
				}
				continue
			}
			k.Reuse()
			if !yield(Batch{k.TopicPartition, k}, nil) {
				return
			}
		}
	}
}

// Close ends the consumer. Who waits in Poll, Records or Batches is released.
func (c *Consumer) Close(ctx context.Context) error { return public(c.fetcher.Close(ctx)) }
