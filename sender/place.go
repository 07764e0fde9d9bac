package sender

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/printable"
)

// fetch asks for the metadata of topics. Wishes coalesce in the cluster actor; who wishes again waits until the wish before is fulfilled.
func (b *buffer) fetch(topics []*topicBuffer) {
	names := make([]string, len(topics))
	for i, t := range topics {
		t.asking.Store(true)
		names[i] = t.name
	}
	b.client.Ref().Tell(&broker.Refresh{Topics: names, Shared: true, Except: cluster.NoNode, Why: "records wait for a topic", Reply: func(_ *cluster.Snapshot, err error) {
		for _, t := range topics {
			t.asking.Store(false)
		}
		if err != nil { // the client is closed, or its cluster actor has failed
			b.holds.refuse(b.world, err)
			return
		}
		b.holds.changed(b.world)
	}})
}

// place places what is held when its topic becomes known, until nothing is held.
func (b *buffer) place() {
	o := &b.holds
	timer := b.world.NewTimer(func() { b.world.Wake(o.wait) })
	defer timer.Stop()
	pause := role.Backoff{Initial: b.cfg.RetryFirst, Max: b.cfg.RetryMax}
	attempt, again := 1, b.world.Now().Add(pause.After(1, nil))
	for {
		o.mu.Lock()
		topics, refused := slices.Clone(o.topics), o.refused
		if !refused.lasts() {
			o.refused = refusal{}
		}
		if len(topics) == 0 {
			o.running = false
			o.some.Store(false)
			o.mu.Unlock()
			return
		}
		o.mu.Unlock()
		now := b.world.Now()
		var next time.Time
		var silent []*topicBuffer // nothing is asked of them
		for _, t := range topics {
			due, lacks := b.settle(t, now, refused)
			if next.IsZero() || !due.IsZero() && due.Before(next) {
				next = due
			}
			if lacks && !t.asking.Load() {
				silent = append(silent, t)
			}
		}
		b.rouse(false)
		if len(silent) > 0 {
			if !now.Before(again) {
				b.fetch(silent)
				attempt++
				again = now.Add(pause.After(attempt, nil))
			}
			if again.Before(next) {
				next = again
			}
		}
		if next.IsZero() {
			continue
		}
		timer.Set(next)
		_ = b.world.Park(context.Background(), o.wait)
	}
}

// settle places the records of a topic that can be placed, and ends those that cannot be any more. It gives the time when the next ends; zero: none are left. lacks: some wait for metadata.
func (b *buffer) settle(t *topicBuffer, now time.Time, refused refusal) (due time.Time, lacks bool) {
	t.mu.Lock()
	h, due, lacks := b.sift(t, now, refused)
	start := h != nil && t.asked.CompareAndSwap(false, true)
	t.mu.Unlock()
	if start {
		b.world.Go("placement", func() { b.askFor(t) })
	}
	return due, lacks
}

// sift is settle, but that it leaves what the partitioner is to be asked about, and what comes behind: it gives the first of those. The topic's lock is held.
func (b *buffer) sift(t *topicBuffer, now time.Time, refused refusal) (first *held, due time.Time, lacks bool) {
	m := b.client.Snapshot().Topic(t.name)
	if m != nil && m.Err != 0 && !m.Err.Retriable() && len(m.Partitions) == 0 {
		refused = refusal{m.Err, math.MaxUint64}
	}
	var partitions []*page
	if m != nil {
		partitions = t.grown(len(m.Partitions))
	}
	var kept []*held
	for _, h := range t.held {
		known := m != nil && int(h.lowest()) < len(m.Partitions)
		if known && first == nil && !t.asks(h) {
			b.put(m, t, partitions, h, t.named(m, h))
			continue
		}
		end := h.begun.Add(b.cfg.MaxBlock)
		if known {
			if h.known.IsZero() {
				h.known = now
			}
			end = h.known.Add(b.forPartitioner())
		}
		why, over, refused := error(nil), !now.Before(end), refused.of(h)
		switch {
		case known && errors.Is(refused, ErrClosed):
			why = fmt.Errorf("produce %s: %w", printable.Text(h.Topic), ErrClosed)
		case known && over:
			why = fmt.Errorf("produce %s: %w for %s", printable.Text(h.Topic), ErrPartitionerBusy, b.forPartitioner())
		case !known && refused != nil:
			why = b.unknown(&h.Record, h.begun, refused)
		case !known && over:
			why = b.unknown(&h.Record, h.begun, context.DeadlineExceeded)
		}
		if why != nil {
			b.fail(h, why)
			continue
		}
		kept, lacks = append(kept, h), lacks || !known
		if known && first == nil {
			first = h
		}
		if due.IsZero() || end.Before(due) {
			due = end
		}
	}
	b.keep(t, kept)
	return first, due, lacks
}

// asks tells whether the partition of a record is asked of a partitioner of the application's.
func (t *topicBuffer) asks(h *held) bool { return h.Partition == AnyPartition && t.lanes == nil }

// named is the partition of a record about which nobody is asked.
func (t *topicBuffer) named(m *cluster.Topic, h *held) int32 {
	if h.Partition == AnyPartition {
		return t.lanes.lane(0, m, h.Key, h.size)
	}
	return h.Partition
}

// askFor places the records of a topic whose partitioner is the application's, until none is left that can be placed.
func (b *buffer) askFor(t *topicBuffer) {
	var h *held
	defer func() {
		if h != nil { // the partitioner has ended the goroutine, as a test's FailNow does
			b.answered(t, nil, h, 0, errors.New("the partitioner has ended its goroutine"))
			b.world.Go("placement", func() { b.askFor(t) })
		}
	}()
	for {
		t.mu.Lock()
		var m *cluster.Topic
		h, m = b.first(t)
		t.asked.Store(h != nil)
		t.mu.Unlock()
		b.rouse(false)
		if h == nil {
			b.world.Wake(b.holds.wait)
			return
		}
		wait, cancel := b.world.WithTimeout(context.Background(), h.known.Add(b.forPartitioner()).Sub(b.world.Now()))
		n, err := b.ask(wait, t, m, h.Key, h.size, waits)
		cancel()
		b.answered(t, m, h, n, err)
	}
}

// first is the first record of a topic that the partitioner is to be asked about, and the topic as it is known; nil: there is none. Those before it about which nobody is asked are placed. What is over is left to settle: this is
// done for each record. The topic's lock is held.
func (b *buffer) first(t *topicBuffer) (*held, *cluster.Topic) {
	m := b.client.Snapshot().Topic(t.name)
	if m == nil {
		return nil, nil
	}
	for i := 0; i < len(t.held); {
		h := t.held[i]
		switch {
		case int(h.lowest()) >= len(m.Partitions):
			i++
		case t.asks(h):
			if h.known.IsZero() {
				h.known = b.world.Now()
			}
			return h, m
		default:
			b.put(m, t, t.grown(len(m.Partitions)), h, t.named(m, h))
			b.drop(t, i)
		}
	}
	return nil, nil
}

// answered places a record where the partitioner says, if it is held still.
func (b *buffer) answered(t *topicBuffer, m *cluster.Topic, h *held, n int32, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.held, h)
	if i < 0 {
		return
	}
	if err != nil {
		b.fail(h, fmt.Errorf("produce %s: %w", printable.Text(h.Topic), err))
	} else {
		b.put(m, t, t.grown(len(m.Partitions)), h, n)
	}
	b.drop(t, i)
}

// put puts a record that was held into the batch of partition n. The topic's lock is held.
func (b *buffer) put(m *cluster.Topic, t *topicBuffer, partitions []*page, h *held, n int32) {
	if n < 0 || int(n) >= len(m.Partitions) {
		b.fail(h, fmt.Errorf("produce %s/%d: %w", printable.Text(h.Topic), n, ErrUnknownTopic))
		return
	}
	p := t.at(partitions, n)
	p.mu.Lock()
	if p.open != nil && !b.fits(p.open, h.size) {
		p.closed = append(p.closed, p.close())
		_ = b.list(p)
	}
	switch {
	case p.open != nil:
		b.credits.Give(h.credits)
	case b.list(p):
		b.open(p, b.pool.get(int(h.credits)), h.credits)
	default:
		p.mu.Unlock()
		b.fail(h, fmt.Errorf("produce %s: %w", p.to, ErrClosed))
		return
	}
	p.open.Append(h.Timestamp, h.Key, h.Value, h.Headers, h.done)
	p.mu.Unlock()
	if h.placed != nil {
		h.placed.Settle(struct{}{}, nil)
	}
	b.holds.leave(h)
}

// fail tells who handed a record over that it cannot be placed.
func (b *buffer) fail(h *held, err error) {
	b.credits.Give(h.credits)
	if h.placed != nil {
		h.placed.Settle(struct{}{}, err)
	} else {
		b.refused(h, err)
	}
	b.holds.leave(h)
}
