package sender

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/protocol/cluster"
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
	refused error          // none that is held can be placed any more
	serial  uint64
	count   int
	flushes []holdFlush
	some    atomic.Bool
	wait    *role.Waiter
}

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
	case !fatal, o.running && o.refused == nil: // what is told first lasts: the producer is closed, or its client
		o.refused = err
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
		return false, fmt.Errorf("produce %s: %w", r.Topic, err)
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
		return false, fmt.Errorf("produce %s: %w", r.Topic, err)
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
		return false, fmt.Errorf("produce %s: %w", r.Topic, ErrReentered)
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
	if o.refused != nil {
		return false, o.refused
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
		if errors.Is(refused, broker.ErrFatal) {
			o.refused = nil
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
func (b *buffer) settle(t *topicBuffer, now time.Time, refused error) (due time.Time, lacks bool) {
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
func (b *buffer) sift(t *topicBuffer, now time.Time, refused error) (first *held, due time.Time, lacks bool) {
	m := b.client.Snapshot().Topic(t.name)
	if m != nil && m.Err != 0 && !m.Err.Retriable() && len(m.Partitions) == 0 {
		refused = m.Err
	}
	var partitions []*partitionBuffer
	if m != nil {
		partitions = t.grown(len(m.Partitions))
	}
	var kept []*held
	for _, h := range t.held {
		known := m != nil && int(h.lowest()) < len(m.Partitions)
		if known && first == nil && !t.asks(h) {
			b.put(m, partitions, h, t.named(m, h))
			continue
		}
		end := h.begun.Add(b.cfg.MaxBlock)
		if known {
			if h.known.IsZero() {
				h.known = now
			}
			end = h.known.Add(b.forPartitioner())
		}
		why, over := error(nil), !now.Before(end)
		switch {
		case known && errors.Is(refused, ErrClosed):
			why = fmt.Errorf("produce %s: %w", h.Topic, ErrClosed)
		case known && over:
			why = fmt.Errorf("produce %s: %w for %s", h.Topic, ErrPartitionerBusy, b.forPartitioner())
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
			b.put(m, t.grown(len(m.Partitions)), h, t.named(m, h))
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
		b.fail(h, fmt.Errorf("produce %s: %w", h.Topic, err))
	} else {
		b.put(m, t.grown(len(m.Partitions)), h, n)
	}
	b.drop(t, i)
}

// put puts a record that was held into the batch of partition n. The topic's lock is held.
func (b *buffer) put(m *cluster.Topic, partitions []*partitionBuffer, h *held, n int32) {
	if n < 0 || int(n) >= len(m.Partitions) {
		b.fail(h, fmt.Errorf("produce %s/%d: %w", h.Topic, n, ErrUnknownTopic))
		return
	}
	p := partitions[n]
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

// unknown is the error of a record whose topic or partition has not become known since begun.
func (b *buffer) unknown(r *Record, begun time.Time, err error) error {
	if errors.Is(err, ErrClosed) {
		return fmt.Errorf("produce %s: %w", r.Topic, ErrClosed)
	}
	what := r.Topic
	if r.Partition >= 0 {
		what = fmt.Sprintf("%s/%d", r.Topic, r.Partition)
	}
	if m := b.client.Snapshot().Topic(r.Topic); m != nil && m.Err != 0 && !errors.Is(err, m.Err) {
		err = errors.Join(m.Err, err)
	}
	return fmt.Errorf("produce %s: %w after %s: %w", what, ErrUnknownTopic, b.world.Now().Sub(begun).Round(time.Millisecond), b.client.Because(err))
}
