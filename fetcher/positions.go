package fetcher

import (
	"context"
	"fmt"
	"slices"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Read is how far a partition was read.
type Read struct {
	cluster.TopicPartition
	Offset int64 // of the next record
	Epoch  int32 // leader epoch of the record before; -1: not known
	// Topic is the id of the topic that was read: an offset says nothing of another that was created under the same name since. Zero where ids are not known (before Kafka 2.8).
	Topic wire.UUID
}

// PositionReset tells that a position was not read up to, but set: where auto.offset.reset says, or, when a log has lost what was read, where it agrees.
type PositionReset struct {
	cluster.TopicPartition
	From  int64 // the position before; -1: there was none
	To    int64
	Cause string
}

// String tells all of it: "orders/3 from 17 to 20: the offset was out of range".
func (r PositionReset) String() string {
	if r.From < 0 {
		return fmt.Sprintf("%s to %d: %s", r.TopicPartition, r.To, r.Cause)
	}
	return fmt.Sprintf("%s from %d to %d: %s", r.TopicPartition, r.From, r.To, r.Cause)
}

// Watermarks are what the brokers said last of a partition.
type Watermarks struct {
	Start      int64 // first offset there is; -1: not known
	LastStable int64 // up to here transactions are decided
	High       int64 // up to here records can be read
}

// Reads gives the positions of all partitions that have one, in order.
func (f *Fetcher) Reads() (out []Read) {
	f.buf.mu.Lock()
	defer f.buf.mu.Unlock()
	for _, p := range f.buf.order {
		if n := p.life.position.Load(); n >= 0 {
			out = append(out, Read{p.tp, n, p.life.epoch.Load(), p.topic})
		}
	}
	slices.SortFunc(out, func(a, b Read) int { return a.Compare(b.TopicPartition) })
	return out
}

// Progress is the sum of all positions: it is another one when something was read. It costs less than Reads.
func (f *Fetcher) Progress() (sum int64) {
	f.buf.mu.Lock()
	defer f.buf.mu.Unlock()
	for _, p := range f.buf.order {
		if n := p.life.position.Load(); n >= 0 {
			sum += n
		}
	}
	return sum
}

// Position gives the offset that is read next, and waits until it is known.
func (f *Fetcher) Position(ctx context.Context, tp cluster.TopicPartition) (int64, error) {
	return f.buf.position(ctx, tp)
}

// Moved tells whether there are Resets. It costs one load.
func (f *Fetcher) Moved() bool { return f.buf.moved.Load() }

// Resets takes what has become of positions that were reset.
func (f *Fetcher) Resets() (out []PositionReset) {
	f.buf.mu.Lock()
	defer f.buf.mu.Unlock()
	out, f.buf.resets = f.buf.resets, nil
	f.buf.moved.Store(false)
	return out
}

// Watermarks gives what the brokers said last of a partition; ok is false if it is not assigned.
func (f *Fetcher) Watermarks(tp cluster.TopicPartition) (w Watermarks, ok bool) {
	f.buf.mu.Lock()
	defer f.buf.mu.Unlock()
	p := f.buf.byTP[tp]
	if p == nil {
		return w, false
	}
	return Watermarks{p.logStart, p.lastStable, p.highWater}, true
}

// Lag is how many offsets lie between the position and the end of what can be read; -1: not known yet.
func (f *Fetcher) Lag(tp cluster.TopicPartition) int64 {
	f.buf.mu.Lock()
	defer f.buf.mu.Unlock()
	p := f.buf.byTP[tp]
	if p == nil || p.highWater < 0 {
		return -1
	}
	position := p.life.position.Load()
	if position < 0 {
		return -1
	}
	end := p.highWater
	if f.cfg.Committed {
		end = p.lastStable
	}
	return max(0, end-position)
}
