package sender

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/printable"
	"github.com/kactor-go/kactor/protocol/record"
)

// held is a record whose topic or partition is not known yet.
type held struct {
	Record // with memory of its own
	size   int
	// credits are for a batch that it opens when it is placed: who waits for metadata must not have to wait for room then, which others of them may have.
	credits int64
	done    Completion
	begun   time.Time
	known   time.Time // since when it waits for the partitioner; zero: for metadata
	serial  uint64
	placed  *role.Promise[struct{}] // of who waits for it to be placed; nil: nobody, the completion is told what goes wrong
}

// lowest is how many partitions a topic must have, less one, for the record to be placed.
func (h *held) lowest() int32 { return max(h.Partition, 0) }

// holds are the records that are held, of all topics. A goroutine places them while there are any, and ends those whose time is over; one for each topic asks a partitioner that is the application's, which may block. Records of a topic
// keep their order: while some are held that could be placed, those that come are held behind them.
type holds struct {
	mu      sync.Mutex     // taken behind a topic's, never before it
	topics  []*topicBuffer // that have some
	running bool           // the goroutine that places
	closing bool           // none are taken any more
	refused refusal
	serial  uint64
	count   int
	flushes []holdFlush
	some    atomic.Bool
	wait    *role.Waiter
}

// refusal says that records that are held cannot be placed any more: those that were held by then.
type refusal struct {
	err  error // nil: there is none
	upTo uint64
}

// of is the error of a record.
func (f refusal) of(h *held) error {
	if h.serial > f.upTo {
		return nil
	}
	return f.err
}

// lasts tells whether it is also of those that come.
func (f refusal) lasts() bool { return f.err != nil && f.upTo == math.MaxUint64 }

type holdFlush struct {
	upTo uint64
	left int
	p    *role.Promise[struct{}]
}

// changed says that the cluster has a new snapshot. It only wakes.
func (o *holds) changed(w role.World) {
	if o.some.Load() {
		w.Wake(o.wait)
	}
}

// refuse ends all that are held, and all that come, with err. With broker.ErrFatal only those that are held: connecting goes on, and what comes asks anew.
func (o *holds) refuse(w role.World, err error) {
	o.mu.Lock()
	switch fatal := errors.Is(err, broker.ErrFatal); {
	case !fatal:
		o.refused = refusal{err, math.MaxUint64}
	case o.running && !o.refused.lasts(): // else the producer is closed, or its client
		o.refused = refusal{err, o.serial}
	}
	o.mu.Unlock()
	w.Wake(o.wait)
}

// inside tells whether the calling goroutine is in a partitioner, and one for which held records may wait.
func (o *holds) inside() bool {
	if !o.some.Load() {
		return false
	}
	o.mu.Lock()
	some := slices.ContainsFunc(o.topics, (*topicBuffer).busy)
	o.mu.Unlock()
	return some && within()
}

// busy tells whether the partitioner is being called, or records are held for it.
func (t *topicBuffer) busy() bool { return t.turn.taken.Load() || t.asked.Load() }

// flushed gives a promise that all that are held now are placed or have failed; nil: none are held.
func (o *holds) flushed(w role.World) *role.Promise[struct{}] {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.count == 0 {
		return nil
	}
	f := holdFlush{o.serial, o.count, role.NewPromise[struct{}](w)}
	o.flushes = append(o.flushes, f)
	return f.p
}

// leave says that a record is held no more: placed, or its completion told.
func (o *holds) leave(h *held) {
	o.mu.Lock()
	var over []holdFlush
	o.count--
	o.flushes = slices.DeleteFunc(o.flushes, func(f holdFlush) bool { return f.left == 0 })
	for i := range o.flushes {
		if f := &o.flushes[i]; h.serial <= f.upTo {
			if f.left--; f.left == 0 {
				over = append(over, *f)
			}
		}
	}
	o.mu.Unlock()
	for _, f := range over {
		f.p.Settle(struct{}{}, nil)
	}
}

// end takes no more, and waits for those that are held until deadline, or until ctx ends; then they are refused with ErrClosed.
func (b *buffer) endHolds(ctx context.Context, deadline time.Time) {
	o := &b.holds
	o.mu.Lock()
	o.closing = true
	o.mu.Unlock()
	p := o.flushed(b.world)
	if p == nil {
		return
	}
	wait, cancel := b.world.WithTimeout(ctx, deadline.Sub(b.world.Now()))
	defer cancel()
	if _, err := p.Get(wait); err != nil {
		o.refuse(b.world, ErrClosed)
		_, _ = p.Get(context.WithoutCancel(ctx))
	}
}

// hold keeps a record until its partition is known; false: it is known now. inside: the partitioner is in a call that this goroutine is in, or may be; the record is held until it has returned.
func (b *buffer) hold(ctx context.Context, t *topicBuffer, r *Record, size int, done Completion, how manner, inside bool) (bool, error) {
	now := b.world.Now()
	if b.cfg.MaxBlock <= 0 && !inside { // the next one may find it
		b.fetch([]*topicBuffer{t})
		return false, b.unknown(r, now, context.DeadlineExceeded)
	}
	n := int64(b.pool.room(size + record.Overhead))
	if err := b.take(ctx, n, how); err != nil {
		return false, fmt.Errorf("produce %s: %w", printable.Text(r.Topic), err)
	}
	h := &held{Record: own(r), size: size, credits: n, done: done, begun: now}
	if !h.Timed {
		h.Timestamp, h.Timed = b.world.NowMs(), true
	}
	if how == follows {
		h.placed = role.NewPromise[struct{}](b.world)
	}
	t.mu.Lock()
	m := b.client.Snapshot().Topic(t.name)
	known := m != nil && int(h.lowest()) < len(m.Partitions)
	if known && !t.blocked(m) && !(inside && t.turn.taken.Load()) {
		t.mu.Unlock()
		b.credits.Give(n)
		return false, nil
	}
	start, err := b.holds.add(h, t)
	if err != nil {
		t.mu.Unlock()
		b.credits.Give(n)
		return false, fmt.Errorf("produce %s: %w", printable.Text(r.Topic), err)
	}
	first := len(t.held) == 0
	if first || h.lowest() < t.lowest {
		t.lowest = h.lowest()
	}
	t.held = append(t.held, h)
	if inside { // what comes is to stay behind it
		t.view.Store(newView(-1, nil, t.view.Load().partitions))
	}
	t.mu.Unlock()
	switch {
	case start:
		b.world.Go("placement", b.place)
	case inside:
		b.world.Wake(b.holds.wait)
	}
	if first && !known {
		b.fetch([]*topicBuffer{t})
	}
	if h.placed == nil {
		return true, nil
	}
	wait := ctx
	if t.busy() && within() { // by this goroutine, it seems, which would wait for itself
		short, cancel := b.world.WithTimeout(ctx, grace)
		defer cancel()
		wait = short
	}
	if _, err := h.placed.Get(wait); err == nil || err != wait.Err() || !b.withdraw(t, h) { // it cannot be taken back: it is on its way
		_, err, _ = h.placed.TryGet()
		return true, err
	}
	if ctx.Err() == nil {
		return false, fmt.Errorf("produce %s: %w", printable.Text(r.Topic), ErrReentered)
	}
	return false, b.unknown(r, now, ctx.Err())
}

// own copies a record, because its memory is the caller's.
func own(r *Record) Record {
	c := *r
	c.Key, c.Value, c.Headers = bytes.Clone(r.Key), bytes.Clone(r.Value), slices.Clone(r.Headers)
	for i := range c.Headers {
		c.Headers[i].Value = bytes.Clone(c.Headers[i].Value)
	}
	return c
}

// add counts a record in. start: nobody places yet. t's lock is held.
func (o *holds) add(h *held, t *topicBuffer) (start bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing {
		return false, ErrClosed
	}
	if o.refused.lasts() {
		return false, o.refused.err
	}
	o.serial++
	h.serial = o.serial
	o.count++
	if len(t.held) == 0 {
		o.topics = append(o.topics, t)
	}
	start = !o.running
	o.running = true
	o.some.Store(true)
	return start, nil
}

// withdraw takes a record back; false: it is not held any more.
func (b *buffer) withdraw(t *topicBuffer, h *held) bool {
	t.mu.Lock()
	i := slices.Index(t.held, h)
	if i >= 0 {
		b.drop(t, i)
	}
	t.mu.Unlock()
	if i < 0 {
		return false
	}
	b.credits.Give(h.credits)
	b.holds.leave(h)
	b.world.Wake(b.holds.wait)
	return true
}

// blocked tells whether a record is held that could be placed, with the partitions of m: what comes has to stay behind it. The lock is held.
func (t *topicBuffer) blocked(m *cluster.Topic) bool {
	return len(t.held) > 0 && m != nil && int(t.lowest) < len(m.Partitions)
}

// keep keeps these records of a topic, whose lock is held.
func (b *buffer) keep(t *topicBuffer, list []*held) {
	t.held, t.lowest = list, 0
	for i, h := range list {
		if i == 0 || h.lowest() < t.lowest {
			t.lowest = h.lowest()
		}
	}
	if len(list) == 0 {
		b.holds.remove(t)
	}
}

// drop takes out one of the records of a topic, whose lock is held. The first costs nothing, however many there are.
func (b *buffer) drop(t *topicBuffer, i int) {
	h := t.held[i]
	if i == 0 {
		t.held[0], t.held = nil, t.held[1:]
	} else {
		t.held = slices.Delete(t.held, i, i+1)
	}
	if len(t.held) == 0 || h.lowest() == t.lowest && t.held[0].lowest() != t.lowest {
		b.keep(t, t.held)
	}
}

// remove takes out a topic of which nothing is held any more. t's lock is held.
func (o *holds) remove(t *topicBuffer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if i := slices.Index(o.topics, t); i >= 0 {
		o.topics = slices.Delete(o.topics, i, i+1)
	}
}

// unknown is the error of a record whose topic or partition has not become known since begun.
func (b *buffer) unknown(r *Record, begun time.Time, err error) error {
	if errors.Is(err, ErrClosed) {
		return fmt.Errorf("produce %s: %w", printable.Text(r.Topic), ErrClosed)
	}
	what := printable.Text(r.Topic)
	if r.Partition >= 0 {
		what = fmt.Sprintf("%s/%d", printable.Text(r.Topic), r.Partition)
	}
	if m := b.client.Snapshot().Topic(r.Topic); m != nil && m.Err != 0 && !errors.Is(err, m.Err) {
		err = errors.Join(m.Err, err)
	}
	return fmt.Errorf("produce %s: %w after %s: %w", what, ErrUnknownTopic, b.world.Now().Sub(begun).Round(time.Millisecond), b.client.Because(err))
}
