package fetcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/fetcher/internal/plan"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/wire"
)

// place is where the application is with one partition.
type place struct {
	tp         cluster.TopicPartition
	gen        uint64
	life       *life
	topic      wire.UUID // the position is of; zero: not known
	given      wire.UUID // no other topic is to be read; zero: whichever has the name
	highWater  int64
	lastStable int64
	logStart   int64
	failed     error // told once by Take, kept for Position
	chunks     []*Chunk
	held       bool // it waits for Release
	pauses     pauses
	again      int64          // it is to be fetched again from here, and nothing that the core has had before it hears of that is taken; -1: it is not
	backs      int            // how often it was to be fetched again
	waiters    []*role.Waiter // for the position
	queued     bool           // it is among those that are ready
}

// life is a partition between two seeks, as its readers see it: they look at it with every record and take no lock for that.
type life struct {
	position atomic.Int64 // -1: not known yet
	epoch    atomic.Int32 // leader epoch of the record before position; -1
	state    atomic.Uint32
}

// States of a life. From ended there is no way back.
const (
	going uint32 = iota
	paused
	ended
)

// pauses are the reasons why a partition is paused; it goes on when there is none.
type pauses uint8

// The reasons. Each is its owner's: nobody takes back what another wants.
const (
	asked   pauses = 1 << iota // the application has asked for it
	resting                    // its reader has no room for more, or is to wait
)

// pause changes one of the reasons, and tells whether the partition stops or goes on by that. It is called under the buffer's lock, as everything is that changes a life's state.
func (p *place) pause(why pauses, on bool) (changed bool) {
	before := p.pauses
	if p.pauses &^= why; on {
		p.pauses |= why
	}
	if (before != 0) == (p.pauses != 0) {
		return false
	}
	p.life.state.Store(going)
	if on {
		p.life.state.Store(paused)
	}
	return true
}

// moveTo sets the position. Who still reads what was there before moves it no more.
func (p *place) moveTo(e *plan.Place) {
	next := &life{}
	next.position.Store(e.Position)
	next.epoch.Store(p.life.epoch.Load())
	if e.Reset {
		next.epoch.Store(-1)
	}
	next.state.Store(p.life.state.Swap(ended))
	p.life = next
}

// buffer holds what was fetched and is not taken. The actor puts in, one consumer takes out.
type buffer struct {
	world  role.World
	mu     sync.Mutex
	byTP   map[cluster.TopicPartition]*place
	order  []*place
	ready  []*place // those that have chunks, in turn: who was taken last is behind; and some that have no more
	fails  failures
	resets []PositionReset
	moved  atomic.Bool // there are resets
	gen    uint64
	wait   *role.Waiter
	over   bool
	give   func([]plan.Taking) // tells the actor
	hold   func(bytes int64)   // tells the actor

	current *Chunk // in the reader's hands
	given   int64  // its position when it was given
	poison  bool

	crc       bool // checksums are to be checked
	limit     compress.Limit
	large     int64 // what is decompressed is charged to the budget if it has more bytes
	committed bool  // only records of transactions that were committed, or of none
	worth     int   // see worthAhead

	// What follows is the reader's.
	spares  [][]byte // memory of decompressed batches that nobody reads any more
	reuses  bool     // the reader keeps no records
	ratio   float64  // what came out of a byte of the batch that was decompressed last
	idle    []*ahead // to be used again
	crowded int      // how many times it does not look ahead
	long    *Chunk   // whose batch is decompressed at length, or was and is to be read next: one at a time, because it may have decompress.max.bytes
}

// scratch is memory that was used before, or nil.
func (b *buffer) scratch() []byte {
	last := len(b.spares) - 1
	if last < 0 {
		return nil
	}
	s := b.spares[last]
	b.spares = b.spares[:last]
	if b.poison {
		spoil(s)
	}
	return s
}

func (b *buffer) place(tp cluster.TopicPartition, gen uint64) *place {
	if p := b.byTP[tp]; p != nil && p.gen == gen {
		return p
	}
	return nil
}

// assign adds a partition, or moves it; what was fetched before is dropped. epoch is the leader epoch of the record before offset, -1 if it is not known: who commits before anything was read commits what it has begun with.
func (b *buffer) assign(tp cluster.TopicPartition, offset int64, epoch int32) (gen uint64, dropped []plan.Taking) {
	b.gen++
	p := b.byTP[tp]
	next := &life{}
	next.position.Store(max(offset, -1))
	next.epoch.Store(epoch)
	if p == nil {
		p = &place{tp: tp, life: next, again: -1}
		b.byTP[tp] = p
		b.order = append(b.order, p)
		p.highWater, p.lastStable, p.logStart = -1, -1, -1
	}
	dropped, p.backs = b.drop(p), 0
	b.fails.forget(tp)
	next.state.Store(p.life.state.Swap(ended))
	p.gen, p.life, p.topic, p.failed, p.held, p.again = b.gen, next, p.given, nil, false, -1
	return b.gen, dropped
}

// drop throws away what was fetched of a partition.
func (b *buffer) drop(p *place) (dropped []plan.Taking) {
	for _, k := range p.chunks {
		dropped = append(dropped, plan.Taking{TopicPartition: p.tp, Gen: k.gen, Bytes: k.bytes, Dropped: true})
		b.leave(k)
	}
	p.chunks = nil
	return dropped
}

// leave takes a chunk out. Its bytes may be used again; if the reader has it at hand, when it goes on.
func (b *buffer) leave(k *Chunk) {
	if k == b.current {
		k.left = true
	} else if k.frame != nil {
		k.frame.release()
	}
}

func (b *buffer) revoke(parts ...cluster.TopicPartition) (dropped []plan.Taking, waiters []*role.Waiter) {
	for _, tp := range parts {
		p := b.byTP[tp]
		if p == nil {
			continue
		}
		delete(b.byTP, tp)
		b.fails.forget(tp)
		p.gen = 0
		p.life.state.Store(ended)
		dropped, waiters = append(dropped, b.drop(p)...), append(waiters, p.waiters...)
		p.waiters = nil
	}
	b.order = slices.DeleteFunc(b.order, func(p *place) bool { return p.gen == 0 })
	return dropped, waiters
}

// put puts in what the core found.
func (b *buffer) put(out *plan.Effects) (notes []note) {
	b.mu.Lock()
	var wake []*role.Waiter
	var dropped []plan.Taking
	news := false
	for i := range out.Places {
		e := &out.Places[i]
		p := b.place(e.TopicPartition, e.Gen)
		if p == nil {
			continue
		}
		if e.Why != "" && !e.Quiet && e.Position >= 0 { // a line when it is known
			notes = append(notes, note{"position reset", e.TopicPartition.String(), fmt.Sprintf("%s; position %d", e.Why, e.Position)})
		}
		if e.Position >= 0 {
			dropped = append(dropped, b.drop(p)...)
			p.again, p.failed = -1, nil
			p.moveTo(e)
			wake = append(wake, p.waiters...)
			p.waiters = nil
			if e.Reset {
				b.resets = append(b.resets, PositionReset{e.TopicPartition, e.From, e.Position, e.Why})
				b.moved.Store(true)
				news = true
			}
		}
		if e.Topic != (wire.UUID{}) {
			p.topic = e.Topic
		}
		if e.HighWater >= 0 {
			p.highWater, p.lastStable, p.logStart = e.HighWater, e.LastStable, e.LogStart
		}
	}
	for _, k := range out.Chunks {
		p := b.place(k.TopicPartition, k.Gen)
		if p == nil || p.again >= 0 && k.Backs < p.backs {
			dropped = append(dropped, plan.Taking{TopicPartition: k.TopicPartition, Gen: k.Gen, Bytes: k.Bytes, Dropped: true})
			continue
		}
		p.again = -1
		p.chunks = append(p.chunks, newChunk(b, p, k))
		if !p.queued {
			p.queued, b.ready = true, append(b.ready, p)
		}
		news = true
	}
	for i := range out.Fail {
		f := &out.Fail[i]
		if p := b.place(f.TopicPartition, f.Gen); p != nil {
			err := failure(f)
			b.fails.forget(f.TopicPartition)
			b.fails.add(f.TopicPartition, err)
			notes = append(notes, note{"partition in trouble", f.TopicPartition.String(), err.Error()})
			if !f.Keeps {
				p.failed = err
				wake = append(wake, p.waiters...)
				p.waiters = nil
			}
			news = true
		}
	}
	for _, e := range out.Evict {
		if p := b.place(e.TopicPartition, e.Gen); p != nil {
			dropped = append(dropped, b.evict(p)...)
		}
	}
	b.mu.Unlock()
	if len(dropped) > 0 {
		b.give(dropped)
	}
	for _, w := range wake {
		b.world.Wake(w)
	}
	if news {
		b.world.Wake(b.wait)
	}
	return notes
}

// later notes what is to be told of a record of a chunk.
func (b *buffer) later(k *Chunk, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.place(k.TopicPartition, k.gen) != nil {
		b.fails.add(k.TopicPartition, err)
	}
}

func failure(f *plan.Failure) error {
	var t *plan.Truncation
	if errors.As(f.Err, &t) {
		return &LogTruncationError{f.TopicPartition, t.Position, t.Divergent}
	}
	return &PartitionError{f.TopicPartition, f.Offset, f.Err, f.Again}
}

// evict gives back what was fetched of a paused partition and nobody has begun to read.
func (b *buffer) evict(p *place) (dropped []plan.Taking) {
	if p.life.state.Load() != paused {
		return nil
	}
	begun := min(len(p.chunks), 1)
	if begun > 0 && p.chunks[0] != b.current {
		begun = 0
	}
	behind := p.chunks[begun:]
	if len(behind) == 0 {
		return nil
	}
	first := behind[0]
	for _, k := range behind {
		dropped = append(dropped, plan.Taking{TopicPartition: p.tp, Gen: k.gen, Bytes: k.bytes, Dropped: true})
		b.leave(k)
	}
	clear(behind)
	p.chunks = p.chunks[:begun]
	last := &dropped[len(dropped)-1]
	last.Back, last.At, last.Epoch, last.Life = true, first.from, first.before, first.turn
	if begun == 0 { // it may be half read
		last.Epoch = p.life.epoch.Load()
	}
	p.again, p.backs = first.from, p.backs+1
	return dropped
}

// charge counts the memory of a large decompressed batch to the budget, so that as much less is fetched while it is read; zero ends that. Small ones are not counted: the reader has one at a time, and what is ahead of it is bounded.
// It is the reader's, as the chunk is.
func (b *buffer) charge(c *Chunk, bytes int64) {
	if bytes <= b.large {
		bytes = 0
	}
	if bytes != c.charged && !c.peek {
		b.hold(bytes - c.charged)
		c.charged = bytes
	}
}

// take gives the next chunk of a partition that is not paused, in turn. A chunk that the reader has begun is given until it is at its end: what it was decompressed into is needed only then. What failed is
// told first. With open only partitions for which it is true have their turn; what the reader has begun of another is put aside when there is something else.
func (b *buffer) take(open func(cluster.TopicPartition) bool) (*Chunk, error) {
	if err := b.trouble(); err != nil {
		return nil, err
	}
	return b.more(open), nil
}

// trouble takes what must be told before anything is read.
func (b *buffer) trouble() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return ErrClosed
	}
	return b.fails.next()
}

// more takes the next chunk, whatever there is to be told.
func (b *buffer) more(open func(cluster.TopicPartition) bool) *Chunk {
	before := b.current
	k := b.next(open)
	if before != nil && before != b.current {
		b.charge(before, 0)
		before.away = true
	}
	if k != nil {
		k.away = false
	}
	return k
}

func (b *buffer) next(open func(cluster.TopicPartition) bool) *Chunk {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return nil
	}
	b.yield(open)
	var begun *Chunk
	switch k := b.current; {
	case k == nil:
	case k.left && k.frame != nil:
		k.frame.release()
	case !k.readable():
		k.aside()
	case (k.from > b.given || k.pending) && !k.waits() && (open == nil || open(k.TopicPartition)):
		b.given = k.from
		return k
	default: // nothing was read of it since it was given
		begun = k
	}
	b.current = begun
	kept := b.ready[:0]
	for i, p := range b.ready {
		if len(p.chunks) == 0 {
			p.queued = false
			continue
		}
		if p.chunks[0].waits() || p.life.state.Load() != going || open != nil && !open(p.tp) {
			kept = append(kept, p)
			continue
		}
		k := p.chunks[0]
		if begun != nil && begun != k {
			begun.aside()
		}
		b.current, b.given = k, k.from
		b.prepare(b.ready[i+1:])
		before := b.ready
		b.ready = append(append(kept, before[i+1:]...), p)
		clear(before[len(b.ready):])
		return k
	}
	clear(b.ready[len(kept):])
	b.ready = kept
	return nil
}

// prepare lets a worker begin with the chunk that comes next.
func (b *buffer) prepare(behind []*place) {
	if b.ratio == 0 || b.world.Workers() < 1 {
		return
	}
	for _, p := range behind[:min(len(behind), maxAhead)] {
		if len(p.chunks) > 0 && p.life.state.Load() == going {
			if len(p.chunks[0].ahead) == 0 {
				p.chunks[0].lookAhead(1)
			}
			return
		}
	}
}

// Take waits for the next chunk. The same chunk is given again until it was read to its end: what was not read is not lost.
func (b *buffer) Take(ctx context.Context) (*Chunk, error) {
	for {
		if k, err := b.take(nil); k != nil || err != nil {
			return k, err
		}
		if err := b.world.Park(ctx, b.wait); err != nil {
			return nil, err
		}
	}
}

// done takes a chunk that was read to its end out of the buffer; if that end came too early, also what was fetched behind it.
func (b *buffer) done(k *Chunk, t plan.Taking) {
	b.mu.Lock()
	if p := b.place(k.TopicPartition, k.gen); p != nil && len(p.chunks) > 0 && p.chunks[0] == k {
		p.chunks[0] = nil // what was decompressed must not live as long as the slice
		p.chunks = p.chunks[1:]
		b.leave(k)
		told := []plan.Taking{t}
		if t.Back {
			told = append(told, b.drop(p)...)
			p.again, p.backs = t.At, p.backs+1
		}
		b.mu.Unlock()
		b.give(told)
		return
	}
	b.mu.Unlock() // it was dropped before, and its bytes given back
}

// position waits until the position of a partition is known.
func (b *buffer) position(ctx context.Context, tp cluster.TopicPartition) (int64, error) {
	for {
		b.mu.Lock()
		p := b.byTP[tp]
		switch {
		case b.over:
			b.mu.Unlock()
			return -1, ErrClosed
		case p == nil:
			b.mu.Unlock()
			return -1, fmt.Errorf("position of %s: %w", tp, ErrNotAssigned)
		case p.life.position.Load() >= 0:
			defer b.mu.Unlock()
			return p.life.position.Load(), nil
		case p.failed != nil:
			defer b.mu.Unlock()
			return -1, p.failed
		}
		w := role.NewWaiter()
		p.waiters = append(p.waiters, w)
		b.mu.Unlock()
		if err := b.world.Park(ctx, w); err != nil {
			b.mu.Lock()
			p.waiters = slices.DeleteFunc(p.waiters, func(o *role.Waiter) bool { return o == w })
			b.mu.Unlock()
			return -1, fmt.Errorf("position of %s: %w", tp, err)
		}
	}
}
