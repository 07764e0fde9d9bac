package api

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/kactor-go/kactor/coordinator"
	"github.com/kactor-go/kactor/fetcher"
	"github.com/kactor-go/kactor/protocol/record"
)

// Records are allocated least at once at first, then twice as many each time, and slab at most.
const (
	least = 8
	slab  = 256
)

// owned makes records that stay valid out of views.
type owned struct {
	free []Record
	size int // of the last allocation
}

func (o *owned) record(k *fetcher.Chunk, v *record.View) (*Record, error) {
	if len(o.free) == 0 {
		o.size = max(min(2*o.size, slab), least)
		o.free = make([]Record, o.size)
	}
	r := &o.free[0]
	o.free = o.free[1:]
	r.Topic, r.Partition, r.Offset, r.LeaderEpoch = k.Topic, k.Partition, v.Offset, EpochOf(k.RecordEpoch())
	r.Key, r.Value, r.LogAppendTime = v.Key, v.Value, k.LogAppendTime()
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

// records adds records of a chunk to got, until there are most, or there is no room for their bytes.
func (o *owned) records(got []*Record, k *fetcher.Chunk, most int, room *int64) ([]*Record, error) {
	var v record.View
	for len(got) < most && *room > 0 && k.Next(&v) {
		*room -= int64(len(v.Key) + len(v.Value))
		r, err := o.record(k, &v)
		if err != nil {
			return got, &PartitionError{TopicPartition: k.TopicPartition, Offset: v.Offset, Err: err}
		}
		got = append(got, r)
	}
	return got, nil // what was damaged is fetched again, and told by Take if it stays so
}

// PollOption changes one call of Poll.
type PollOption func(*polling)

type polling struct {
	most int
	peek bool
}

// MaxRecords lets Poll return at most n records, instead of max.poll.records.
func MaxRecords(n int) PollOption { return func(p *polling) { p.most = n } }

// Peek lets Poll return records and leave the positions as they are: they come again.
func Peek() PollOption { return func(p *polling) { p.peek = true } }

// Poll waits for records and returns those that are there, at most max.poll.records, and no more when their keys and values have receive.budget.bytes. They stay valid as long as they are referenced.
// When ctx ends first it returns none and ctx's error. It returns none, too, when what came holds nothing for the application: the markers of transactions; the position has moved then. An error of a partition is a *PartitionError or a *LogTruncationError; the others go on, and so
// does this one by itself if Retried says so. Records and an error never come together: what went wrong behind records is told by the next call.
func (c *Consumer) Poll(ctx context.Context, opts ...PollOption) ([]*Record, error) {
	p := polling{most: c.poll}
	for i, o := range opts {
		if o == nil {
			return nil, fmt.Errorf("poll: %w", errNilOption(i))
		}
		o(&p)
	}
	if p.most < 1 {
		return nil, fmt.Errorf("poll: at most %d records cannot be returned", p.most)
	}
	end, err := c.reads("poll", false)
	if err != nil {
		return nil, err
	}
	defer end()
	var got []*Record
	var own owned
	c.hand.Store(nil)
	c.group.Reading(false)
	room := c.set.fetcher.Budget // what was fetched within it may become hundreds of times as much
	for len(got) < p.most && room > 0 {
		var k *fetcher.Chunk
		var err error
		if len(got) == 0 {
			k, err = c.take(ctx)
		} else if k = c.fetcher.More(); k == nil || c.fetcher.Moved() { // a reset is told before records of there are given out: next time
			break
		}
		if err != nil {
			if err == ctx.Err() {
				err = c.group.Awaits(err)
			}
			return nil, public(err)
		}
		k.Keep()
		from := k
		if p.peek {
			from = k.Peek()
		}
		got, err = own.records(got, from, p.most, &room)
		if p.peek && len(got) == 0 && err == nil { // nothing for the application: only reading goes past it
			got, err = own.records(got, k, p.most, &room)
		}
		if err != nil && len(got) > 0 { // the next call tells it; what is looked at only comes again
			if !p.peek {
				c.fetcher.Later(k, err)
			}
			break
		}
		if err == nil && k.Pending() { // there was much that is not for the application
			if len(got) > 0 || ctx.Err() != nil {
				break
			}
			continue
		}
		if err != nil || p.peek || len(got) == 0 {
			return c.given(got), err
		}
	}
	if len(got) == 0 && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return c.given(got), nil
}

// Records goes through the records as they come. They stay valid as long as they are referenced. It ends when ctx ends, when the consumer is closed, and with consumer.timeout.ms when nothing has come
// for so long; breaking out loses nothing: what was not yielded comes next time. An error of a partition is yielded with a nil record, and the others go on.
func (c *Consumer) Records(ctx context.Context) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		end, err := c.reads("records", true)
		if err != nil {
			yield(nil, err)
			return
		}
		defer end()
		var own owned
		for {
			k, err := c.next(ctx)
			if err != nil {
				if over(ctx, err) || !yield(nil, public(err)) || ended(err) {
					return
				}
				continue
			}
			k.Keep()
			at := c.at(k, true)
			given := c.world.NowMs()
			var v record.View
			for k.Next(&v) {
				r, err := own.record(k, &v)
				if err != nil {
					r, err = nil, &PartitionError{TopicPartition: k.TopicPartition, Offset: v.Offset, Err: err}
				}
				if len(c.set.onConsume) == 0 || err != nil {
					if !yield(r, err) {
						return
					}
				} else if !c.one(r, yield) {
					return
				}
				if ctx.Err() != nil {
					c.hand.Store(nil)
					return
				}
				if at && (c.group.Pending() || c.late(&given)) {
					if err := c.tend(ctx); err != nil && (over(ctx, err) || !yield(nil, public(err)) || ended(err)) {
						return
					}
				}
			}
			c.hand.Store(nil)
			if k.Pending() && ctx.Err() != nil {
				return
			}
		}
	}
}

// late tells whether the application was so long at a record, given in that millisecond, that the group may have gone on without it: each step of the loop is a poll. A wall clock that jumps costs a look.
func (c *Consumer) late(given *int64) bool {
	now := c.world.NowMs()
	away := now - *given
	*given = now
	return away < 0 || away >= c.group.Limit().Milliseconds()
}

// next is take that ends with consumer.timeout.ms.
func (c *Consumer) next(ctx context.Context) (*fetcher.Chunk, error) {
	c.hand.Store(nil)
	if c.set.patience <= 0 {
		return c.take(ctx)
	}
	wait, cancel := c.world.WithTimeout(ctx, c.set.patience)
	defer cancel()
	k, err := c.take(wait)
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return nil, errPatience
	}
	return k, err
}

// errPatience says that consumer.timeout.ms is over.
var errPatience = errors.New("no record came for consumer.timeout.ms")

// at notes what the application is at: for a group's member, to know what is finished.
func (c *Consumer) at(k *fetcher.Chunk, each bool) bool {
	if !c.grouped() {
		return false
	}
	h := &hand{TopicPartition: k.TopicPartition, from: math.MaxInt64, topic: k.TopicID, each: each}
	if !each {
		h.from = k.Position()
	}
	c.hand.Store(h)
	c.group.Reading(true)
	return true
}

// ended tells whether an error is the last.
func ended(err error) bool {
	var fatal *coordinator.Fatal
	return errors.As(err, &fatal) || errors.Is(err, ErrIllegalState)
}

// over tells whether reading is over.
func over(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, fetcher.ErrClosed) || errors.Is(err, coordinator.ErrClosed) || errors.Is(err, errPatience)
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

// Batches goes through what comes, a partition at a time: the cheapest way to read. What is not read of a batch comes again. It ends when ctx ends or the consumer is closed. A batch is what one poll returns: who is at it when the
// group takes its partition away, because max.poll.interval.ms is over, may read it to its end, beside the next owner. Records looks with each record.
func (c *Consumer) Batches(ctx context.Context) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		end, err := c.reads("batches", true)
		if err != nil {
			yield(Batch{}, err)
			return
		}
		defer end()
		for {
			k, err := c.next(ctx)
			if err != nil {
				if over(ctx, err) || !yield(Batch{}, public(err)) || ended(err) {
					return
				}
				continue
			}
			k.Reuse()
			c.at(k, false)
			if !yield(Batch{k.TopicPartition, k}, nil) || k.Pending() && ctx.Err() != nil {
				return
			}
		}
	}
}
