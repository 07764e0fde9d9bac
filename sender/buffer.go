package sender

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/printable"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/sender/internal/batch"
	"github.com/kactor-go/kactor/sender/internal/drain"
)

// buffer is what callers fill. A partition's open batch is under its lock for as long as an encoding takes; memory is bounded by credits, which
// are taken for the memory that batches get.
type buffer struct {
	cfg     *Config
	world   role.World
	client  *broker.Client
	credits *role.Credits
	wake    func() // tells the actor that something is ready
	bring   func() // the same, from a goroutine that goes to sleep next

	topics sync.Map                    // of *topicBuffer by name
	latest atomic.Pointer[topicBuffer] // that a record went to: the next one mostly goes there, too
	closed atomic.Bool

	dirty   sync.Mutex
	ready   []*partitionBuffer // with something the actor does not know of
	shut    bool               // no batch is opened any more: the last Wake is on its way
	waiting atomic.Bool        // a Wake is outstanding: at most one

	pool chunks

	holds   holds
	refused func(h *held, err error) // tells the completion of a record that was held
}

type topicBuffer struct {
	name      string
	mu        sync.Mutex // of view's renewal, and of what is held: no function of the application's is called under it
	partition Partitioner
	shared    bool         // any number of goroutines may call it
	turn      turn         // of those who call it otherwise
	lanes     lanes        // the same partitioner, if it is one of this package's that has lanes
	crowded   atomic.Int32 // how many lanes are used: one, until goroutines have met
	view      atomic.Pointer[topicView]
	held      []*held     // in the order in which they were handed over
	lowest    int32       // how many partitions must be there for one of them to be placed, less one
	asked     atomic.Bool // a goroutine asks the partitioner about them; changed under the lock
	asking    atomic.Bool // its metadata is asked for
}

// topicView is a topic as snapshots have it. It stays as long as they have it so, and keeps none of them in memory: there may be thousands of topics, each with its view.
type topicView struct {
	version    atomic.Int64   // of the latest snapshot that has been looked at; -1: none
	meta       *cluster.Topic // nil: not known
	partitions []*page
}

// pageLen is how many partitions have their buffers in one page.
const pageLen = 256

// page has the buffers of partitions that follow each other. Each is made when its first record comes: a topic may have a million partitions, and its writer is not to wait until all have theirs.
type page [pageLen]atomic.Pointer[partitionBuffer]

type partitionBuffer struct {
	to     cluster.TopicPartition
	mu     sync.Mutex
	open   *batch.Batch
	closed []*batch.Batch
	listed bool // it is in ready
	usual  int  // bytes of the batch before: the next one begins with memory for as many
}

// topic finds the buffer of a topic.
func (b *buffer) topic(name string) (*topicBuffer, error) {
	if t := b.latest.Load(); t != nil && t.name == name {
		return t, nil
	}
	if t, ok := b.topics.Load(name); ok {
		b.latest.Store(t.(*topicBuffer))
		return t.(*topicBuffer), nil
	}
	t, err := b.newTopic(name)
	if err != nil {
		return nil, err
	}
	first, _ := b.topics.LoadOrStore(name, t)
	b.latest.Store(first.(*topicBuffer))
	return first.(*topicBuffer), nil
}

// newTopic makes the buffer of a topic. The function that makes its partitioner is the application's.
func (b *buffer) newTopic(name string) (t *topicBuffer, err error) {
	defer func() {
		if r := recover(); r != nil {
			t, err = nil, fmt.Errorf("produce %s: its partitioner is not made, this panicked: %v", printable.Text(name), r)
		}
	}()
	t = &topicBuffer{name: name, partition: b.cfg.Partitioner(b.world.Rand())}
	t.lanes, _ = t.partition.(lanes)
	_, t.shared = t.partition.(shared)
	t.crowded.Store(1)
	t.view.Store(newView(-1, nil, nil))
	return t, nil
}

// renew makes the view of a new snapshot. While records are held that could be placed, the topic stays unknown.
func (b *buffer) renew(t *topicBuffer) *topicView {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, old := b.client.Snapshot(), t.view.Load()
	if old.version.Load() == s.Version {
		return old
	}
	meta := s.Topic(t.name)
	if t.blocked(meta) {
		return newView(-1, nil, nil)
	}
	if old.meta == meta {
		old.version.Store(s.Version)
		return old
	}
	partitions := old.partitions
	if meta != nil {
		partitions = t.grown(len(meta.Partitions))
	}
	v := newView(s.Version, meta, partitions)
	t.view.Store(v)
	return v
}

func newView(version int64, meta *cluster.Topic, partitions []*page) *topicView {
	v := &topicView{meta: meta, partitions: partitions}
	v.version.Store(version)
	return v
}

// grown gives the pages of at least n partitions. Partitions keep theirs; the actor finds new ones from now on. The lock is held.
func (t *topicBuffer) grown(n int) []*page {
	list := t.view.Load().partitions
	if len(list)*pageLen >= n {
		return list
	}
	list = slices.Grow(slices.Clone(list), (n+pageLen-1)/pageLen-len(list))
	for len(list)*pageLen < n {
		list = append(list, new(page))
	}
	t.view.Store(newView(-1, nil, list))
	return list
}

// at gives the buffer of partition n, for which pages has room.
func (t *topicBuffer) at(pages []*page, n int32) *partitionBuffer {
	p := &pages[uint32(n)/pageLen][uint32(n)%pageLen]
	if b := p.Load(); b != nil {
		return b
	}
	p.CompareAndSwap(nil, &partitionBuffer{to: cluster.TopicPartition{Topic: t.name, Partition: n}}) // else another goroutine has made it
	return p.Load()
}

// choose gives the partition buffer for a record of about size bytes on a lane, or nil if its topic or partition is not known; err if the record cannot go anywhere, errInside if it cannot be known now.
func (b *buffer) choose(ctx context.Context, t *topicBuffer, r *Record, lane, size int, how manner) (*partitionBuffer, error) {
	v := t.view.Load()
	if v.version.Load() != b.client.Snapshot().Version {
		v = b.renew(t)
	}
	if v.meta == nil || len(v.meta.Partitions) == 0 {
		return nil, nil
	}
	n := r.Partition
	switch {
	case n != AnyPartition:
	case t.lanes != nil:
		n = t.lanes.lane(lane, v.meta, r.Key, size)
	default:
		var err error
		switch n, err = b.ask(ctx, t, v.meta, r.Key, size, how); err {
		case nil:
		case errInside:
			return nil, err
		default:
			return nil, fmt.Errorf("produce %s: %w", printable.Text(r.Topic), err)
		}
	}
	if int(n) >= len(v.meta.Partitions) && r.Partition != AnyPartition {
		return nil, nil // it may have been added meanwhile
	}
	if n < 0 || int(n) >= len(v.meta.Partitions) {
		return nil, fmt.Errorf("produce %s/%d: %w", printable.Text(r.Topic), n, ErrUnknownTopic)
	}
	return t.at(v.partitions, n), nil
}

// manner is how a record is handed over.
type manner uint8

const (
	waits   manner = iota // for room
	tries                 // for nothing
	follows               // for room and metadata, and then for the outcome
)

// append puts a record into the open batch of its partition. news tells that the actor may have something to learn.
func (b *buffer) append(ctx context.Context, r *Record, done Completion, how manner) (news bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("produce %s: %w", printable.Text(r.Topic), err)
	}
	if r.Timed && r.Timestamp < 0 {
		return false, fmt.Errorf("produce %s: %w: %d", printable.Text(r.Topic), ErrTimestamp, r.Timestamp)
	}
	size := record.Bound(r.Key, r.Value, r.Headers)
	if size+record.Overhead > b.cfg.MaxRequest {
		size = record.Size(1<<20, 1<<40, r.Key, r.Value, r.Headers)
		if size+record.Overhead > b.cfg.MaxRequest {
			return false, fmt.Errorf("produce %s: %w: %d bytes, max.request.size is %d", printable.Text(r.Topic), ErrTooLarge, size+record.Overhead, b.cfg.MaxRequest)
		}
	}
	t, err := b.topic(r.Topic)
	if err != nil {
		return false, err
	}
	lane := 0
	if n := t.crowded.Load(); n > 1 {
		lane = int(goroutine() % uintptr(n))
	}
	p, err := b.choose(ctx, t, r, lane, size, how)
	for p == nil && (err == nil || err == errInside) {
		if held, err := b.hold(ctx, t, r, size, done, how, err == errInside); held || err != nil {
			return false, err
		}
		p, err = b.choose(ctx, t, r, lane, size, how)
	}
	if err != nil {
		return false, err
	}
	timestamp := r.Timestamp
	if !r.Timed {
		timestamp = b.world.NowMs()
	}
	if !p.mu.TryLock() {
		if p, err = b.lockOther(t, r, p, lane, size); err != nil {
			return false, err
		}
	}
	if p.open != nil && b.fits(p.open, size) {
		p.open.Append(timestamp, r.Key, r.Value, r.Headers, done)
		p.mu.Unlock()
		return false, nil
	}
	if err := b.makeRoom(ctx, p, size, how); err != nil {
		p.mu.Unlock()
		return false, fmt.Errorf("produce %s: %w", p.to, err)
	}
	p.open.Append(timestamp, r.Key, r.Value, r.Headers, done)
	p.mu.Unlock()
	return true, nil
}

// lockOther locks p, which somebody else has locked, or the partition of another lane if the record may go there.
func (b *buffer) lockOther(t *topicBuffer, r *Record, p *partitionBuffer, lane, size int) (*partitionBuffer, error) {
	if r.Partition == AnyPartition && t.lanes != nil {
		t.crowded.Store(laneCount)
		for i := 1; i < laneCount; i++ {
			q, err := b.choose(context.Background(), t, r, (lane+i)%laneCount, size, tries)
			if err != nil {
				return nil, err
			}
			if q == p { // the key says where it goes
				break
			}
			if q != nil && q.mu.TryLock() {
				return q, nil
			}
		}
	}
	p.mu.Lock()
	return p, nil
}

// goroutine is a number that is mostly the same for one goroutine and another for others: where its stack is.
func goroutine() uintptr {
	var here byte
	return uintptr(unsafe.Pointer(&here)) >> 13
}

// makeRoom sees to it that the open batch of p takes a record of size bytes. p's lock is held, but not while it waits.
func (b *buffer) makeRoom(ctx context.Context, p *partitionBuffer, size int, how manner) error {
	for p.open == nil || !b.fits(p.open, size) {
		if p.open != nil { // full: the actor takes it
			p.closed = append(p.closed, p.close())
			_ = b.list(p) // it was, when it was opened, and it is taken with the last Wake
		}
		n := b.pool.room(max(size+record.Overhead, min(p.usual, b.cfg.BatchSize)))
		p.mu.Unlock()
		chunk, credits, err := b.room(ctx, n, how)
		p.mu.Lock()
		switch {
		case err != nil:
			return err
		case p.open != nil: // somebody was faster
			b.pool.put(chunk)
			b.credits.Give(credits)
		case !b.list(p):
			b.pool.put(chunk)
			b.credits.Give(credits)
			return ErrClosed
		default:
			b.open(p, chunk, credits)
		}
	}
	return nil
}

// open opens a batch of p, whose lock is held.
func (b *buffer) open(p *partitionBuffer, chunk []byte, credits int64) {
	now := b.world.Now()
	p.open = newBatch(p.to, chunk, now)
	p.open.Credits, p.open.Codec, p.open.Deadline = credits, b.cfg.Codec, now.Add(b.cfg.DeliveryTimeout)
}

// fits tells whether a record of size bytes goes into an open batch. The batch gets more memory if it may have it; to wait for some is not worth it.
func (b *buffer) fits(o *batch.Batch, size int) bool {
	if o.Fits(size, b.cfg.BatchSize) {
		return true
	}
	n := len(o.Buf) + size
	if n > b.cfg.BatchSize {
		return false
	}
	room := b.pool.room(n)
	more := int64(room - cap(o.Buf))
	if !b.credits.TryTake(more) {
		return false
	}
	old := o.Buf
	o.Buf = append(b.pool.get(room), old...)
	o.Credits += more
	b.pool.put(old)
	return true
}

// close takes the open batch.
func (p *partitionBuffer) close() *batch.Batch {
	o := p.open
	p.open, p.usual = nil, len(o.Buf)
	return o
}

// list notes that the actor has something to learn of p; false: it learns nothing any more. p's lock is held.
func (b *buffer) list(p *partitionBuffer) bool {
	b.dirty.Lock()
	defer b.dirty.Unlock()
	if b.shut {
		return false
	}
	if !p.listed {
		p.listed = true
		b.ready = append(b.ready, p)
	}
	return true
}

// endTurns refuses who waits for a partitioner.
func (b *buffer) endTurns() {
	b.topics.Range(func(_, t any) bool {
		t.(*topicBuffer).turn.close(b.world, ErrClosed)
		return true
	})
}

// end refuses new batches. What is listed by then is taken with the next Wake, and what is in batches that the actor knows is cut by it: a caller that looked whether the producer is closed just before it was is
// either in one of them, or refused.
func (b *buffer) end() {
	b.dirty.Lock()
	b.shut = true
	b.dirty.Unlock()
}

// rouse tells the actor, if there is something to tell and it is not told already. sleeps says that the caller goes to sleep next.
func (b *buffer) rouse(sleeps bool) {
	if b.waiting.Load() {
		return
	}
	b.dirty.Lock()
	any := len(b.ready) > 0
	b.dirty.Unlock()
	if any && b.waiting.CompareAndSwap(false, true) {
		if sleeps {
			b.bring()
		} else {
			b.wake()
		}
	}
}

// collect gives the actor what is new.
func (b *buffer) collect() []drain.Ready {
	b.waiting.Store(false)
	b.dirty.Lock()
	ready := b.ready
	b.ready = nil
	b.dirty.Unlock()
	out := make([]drain.Ready, 0, len(ready))
	for _, p := range ready {
		p.mu.Lock()
		r := drain.Ready{To: p.to, Closed: p.closed}
		p.closed, p.listed = nil, false
		if p.open != nil {
			r.Open = p.open.Created
		}
		p.mu.Unlock()
		out = append(out, r)
	}
	return out
}

// Cut closes the open batch of a partition and appends all that are closed; it is the core's way to the buffer.
func (b *buffer) Cut(to cluster.TopicPartition, closed []*batch.Batch) []*batch.Batch {
	t, ok := b.topics.Load(to.Topic)
	if !ok {
		return closed
	}
	p := t.(*topicBuffer).at(t.(*topicBuffer).view.Load().partitions, to.Partition)
	p.mu.Lock()
	defer p.mu.Unlock()
	closed = append(closed, p.closed...)
	p.closed = nil
	if p.open != nil {
		closed = append(closed, p.close())
	}
	return closed
}

// room takes credits and a chunk of n bytes.
func (b *buffer) room(ctx context.Context, n int, how manner) (chunk []byte, credits int64, err error) {
	if err := b.take(ctx, int64(n), how); err != nil {
		return nil, 0, err
	}
	return b.pool.get(n), int64(n), nil
}

// take takes credits, and waits for them unless it may not.
func (b *buffer) take(ctx context.Context, n int64, how manner) error {
	if b.credits.TryTake(n) {
		return nil
	}
	b.rouse(false) // of what is full: room comes only when it is sent
	if how == tries {
		if b.closed.Load() {
			return ErrClosed
		}
		return fmt.Errorf("%w: %d bytes of buffer.memory are in use", ErrBufferFull, b.credits.Used())
	}
	wait, cancel := b.world.WithTimeout(ctx, b.cfg.MaxBlock)
	defer cancel()
	err := b.credits.Take(wait, n)
	switch {
	case err == nil || errors.Is(err, ErrClosed):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ErrBufferFull, ctx.Err())
	}
	return fmt.Errorf("%w for max.block.ms, %s", ErrBufferFull, b.cfg.MaxBlock)
}
