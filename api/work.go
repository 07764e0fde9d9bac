package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/api/internal/lanes"
	"github.com/kactor-go/kactor/fetcher"
	"github.com/kactor-go/kactor/protocol/wire"
)

// scope is the contexts of a partition's handlers.
type scope struct {
	ctx  context.Context // theirs
	end  context.CancelCauseFunc
	calm context.Context // ends when nothing more is to begin
	stop context.CancelFunc
}

func newScope(of context.Context) (s scope) {
	s.ctx, s.end = context.WithCancelCause(of)
	s.calm, s.stop = context.WithCancel(s.ctx)
	return s
}

// work is a Handle that runs. Its workers take records from the core and call the handler; the goroutine that has called Handle reads, and does what the group wants.
type work struct {
	handling
	c   *Consumer
	ctx context.Context // with the caller's values
	h   Handler

	calling atomic.Pointer[string] // the goroutine that reads, in a function of the application's

	mu      sync.Mutex
	core    *lanes.Core
	timer   role.Timer
	scopes  map[TopicPartition]scope
	resting map[TopicPartition]bool      // they are not fetched: their records are to wait, or there is no room for more
	idle    []*role.Waiter               // workers
	waiters []*role.Waiter               // for handlers to return
	taking  *hand                        // what is being read, and not in the core yet
	hungry  bool                         // the reader waits for room for what it has
	full    map[TopicPartition]time.Time // partitions that have had no room, and more to read, since then
	restAt  time.Time                    // the first of them is to rest; zero: there is none
	live    int                          // workers
	failed  error
	stopped bool // nothing more begins
	over    *role.Promise[struct{}]
	items   []item // the reader's, to be used again
}

// read takes records in until there is a reason to end.
func (w *work) read(ctx context.Context) error {
	c := w.c
	patience, quiet := c.set.patience, c.world.Now()
	for {
		if err := w.reason(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if c.woken.CompareAndSwap(true, false) {
			return ErrWakeup
		}
		if c.group != nil {
			if err := c.tend(ctx); err != nil {
				if err = w.tell(err); err != nil {
					return err
				}
				continue
			}
		}
		if c.fetcher.Moved() {
			if err := c.moved(ctx); err != nil {
				return err
			}
		}
		k, rest, err := w.look()
		if err != nil {
			if err = w.tell(err); err != nil {
				return err
			}
			continue
		}
		if k != nil {
			w.add(k)
			quiet = c.world.Now()
			continue
		}
		if rest { // nothing is being handled
			if patience > 0 && c.world.Now().Sub(quiet) >= patience {
				return errPatience
			}
		} else {
			quiet = c.world.Now()
		}
		if err := w.rest(ctx, quiet); err != nil {
			return err
		}
	}
}

// rest waits until there is something to do.
func (w *work) rest(ctx context.Context, quiet time.Time) error {
	if w.c.set.patience <= 0 {
		return w.c.rest(ctx)
	}
	wait, cancel := w.c.world.WithTimeout(ctx, w.c.set.patience-w.c.world.Now().Sub(quiet))
	defer cancel()
	if err := w.c.rest(wait); err != nil && ctx.Err() != nil {
		return err
	}
	return nil
}

// tell passes on what goes wrong with a partition, or says that it is the end.
func (w *work) tell(err error) error {
	if failed := new(PartitionError); w.onError == nil && errors.As(err, &failed) && failed.Retried { // the fetcher has logged it
		return nil
	}
	if w.onError == nil || ended(err) || errors.Is(err, fetcher.ErrClosed) || errors.Is(err, ErrClosed) {
		return err
	}
	w.application(func() { w.onError(public(err)) })
	return nil
}

// fullFor is how long a partition has no room before it is not fetched any more: what was fetched ahead of it takes its part of the fetcher's memory.
const fullFor = time.Second

// look gives what is to be taken in, of a partition that has room, and tells whether nothing is being handled. Partitions that must wait are not fetched meanwhile.
func (w *work) look() (k *fetcher.Chunk, rest bool, err error) {
	parts := w.c.fetcher.Parts()
	now := w.c.world.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.core.Divide(parts)
	for tp := range w.resting {
		if !w.waits(tp) {
			delete(w.resting, tp)
			_ = w.c.fetcher.Rest(tp, false)
		}
	}
	if !w.restAt.IsZero() && !now.Before(w.restAt) {
		w.restFull(now)
	}
	w.hungry = false
	k, err = w.c.fetcher.ReadyOf(func(tp TopicPartition) bool {
		if units, _ := w.core.Room(tp); units > 0 {
			delete(w.full, tp)
			return true
		}
		w.hungry = true
		if _, ok := w.full[tp]; !ok {
			w.full[tp] = now
		}
		return false
	})
	if len(w.full) > 0 && w.restAt.IsZero() {
		w.restAt = now.Add(fullFor)
		w.arm()
	}
	return k, w.core.Empty(), err
}

// waits tells whether a partition is not to be fetched: its records wait for a time, or there is no room for more.
func (w *work) waits(tp TopicPartition) bool {
	units, _ := w.core.Room(tp)
	return units == 0 || w.core.Waits(tp)
}

// restFull lets the partitions rest that have had no room for long. The lock is held.
func (w *work) restFull(now time.Time) {
	w.restAt = time.Time{}
	for tp, since := range w.full {
		at := since.Add(fullFor)
		switch {
		case !w.waits(tp):
			delete(w.full, tp)
		case !now.Before(at):
			delete(w.full, tp)
			w.stop(tp)
		case w.restAt.IsZero() || at.Before(w.restAt):
			w.restAt = at
		}
	}
	w.arm()
}

// stop lets a partition rest. The lock is held.
func (w *work) stop(tp TopicPartition) {
	if !w.resting[tp] {
		w.resting[tp] = true
		_ = w.c.fetcher.Rest(tp, true)
	}
}

// item is a record and where it was read. What is finished is counted by where records were read, whatever interceptors make of them.
type item struct {
	*Record
	at     int64 // its offset
	before int32 // leader epoch of the record before; -1: not known
	err    error // it cannot be handled
}

// add takes records of a chunk in.
func (w *work) add(k *fetcher.Chunk) {
	k.Keep()
	before := k.Epoch()
	w.mu.Lock()
	w.core.Back(k.TopicPartition, k.Position())
	room, bytes := w.core.Room(k.TopicPartition)
	w.taking = &hand{TopicPartition: k.TopicPartition, from: k.Position(), epoch: before, topic: k.TopicID} // not finished before it is in the core
	w.mu.Unlock()
	var own owned
	var v View
	read := w.items[:0]
	for range min(room, w.c.poll) {
		if bytes <= 0 || !k.Next(&v) {
			break
		}
		bytes -= len(v.Key) + len(v.Value)
		r, err := own.record(k, &v)
		if err != nil {
			err = NotRetriable(&PartitionError{TopicPartition: k.TopicPartition, Offset: v.Offset, Err: err})
		}
		read = append(read, item{r, v.Offset, before, err})
		before = r.LeaderEpoch
	}
	w.items = read
	if len(w.c.set.onConsume) > 0 {
		w.enter(w.intercepted(read))
	} else {
		w.enter(read)
	}
	clear(read)
	w.mu.Lock()
	w.taking = nil
	if w.core.Waits(k.TopicPartition) {
		w.stop(k.TopicPartition)
	}
	w.wake(w.core.Ready())
	w.arm()
	w.mu.Unlock()
}

// application calls a function of the application's where records are read.
func (w *work) application(f func()) {
	me := role.Goroutine()
	w.calling.Store(&me)
	defer w.calling.Store(nil)
	f()
}

// mine tells whether the goroutine that calls is the one that reads, in a function of the application's.
func (w *work) mine() bool {
	who := w.calling.Load()
	return who != nil && *who == role.Goroutine()
}

// intercepted passes records through the interceptors, and gives what comes out in the order in which it was read. So they may change, copy, double and reorder records, which breaks no lane, and leave some out, which counts as if they
// were handled. One that is none of those given, nor has the partition and the offset of one, goes behind the one that it stands behind; it may have been made of any, so none of them is finished before all are.
func (w *work) intercepted(read []item) []item {
	var records []*Record
	var out []item
	where := map[*Record]int{}
	at, strange := 0, false
	for i, one := range read {
		if one.err != nil {
			out = append(out, one)
			continue
		}
		if len(records) == 0 {
			at = i
		}
		where[one.Record] = i
		records = append(records, one.Record)
	}
	tp := w.taking.TopicPartition
	w.application(func() { records = w.c.consumed(records) })
	for _, r := range records {
		if r == nil {
			continue
		}
		if i, own := where[r]; own {
			at = i
		} else if i, known := slices.BinarySearchFunc(read, r.Offset, func(one item, offset int64) int { return cmp.Compare(one.at, offset) }); known && r.TopicPartition() == tp {
			at = i
		} else {
			strange = true
		}
		out = append(out, item{r, read[at].at, read[at].before, nil})
	}
	slices.SortStableFunc(out, func(a, b item) int { return cmp.Compare(a.at, b.at) })
	for i := range out {
		if strange {
			out[i].at, out[i].before = read[0].at, read[0].before
		}
	}
	return out
}

// enter puts records into the core.
func (w *work) enter(records []item) {
	now := w.c.world.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.taking.sought {
		return
	}
	tp := w.taking.TopicPartition
	after := w.delay(tp.Topic)
	for i := range records {
		r := &records[i]
		u := &lanes.Unit{TopicPartition: tp, Offset: r.at, Before: r.before, Topic: w.taking.topic, Bytes: len(r.Key) + len(r.Value), Value: r.Record}
		if r.err != nil {
			u.Value = &HandleError{r.Record, r.err}
		}
		if after > 0 {
			u.Due = now.Add(min(after, r.Timestamp.Add(after).Sub(now))) // who wrote it may have said that it comes from the future
		}
		w.core.Add(u, r.Key)
	}
	if _, ok := w.scopes[tp]; !ok && len(records) > 0 {
		w.scopes[tp] = newScope(w.ctx)
	}
}

// arm sets the timer for records that wait. The lock is held.
func (w *work) arm() {
	at := w.core.Next()
	if !w.restAt.IsZero() && w.restAt.After(w.c.world.Now()) && (at.IsZero() || w.restAt.Before(at)) { // else the reader was told
		at = w.restAt
	}
	if !at.IsZero() {
		w.timer.Set(at)
	}
}

// ripen lets records go on that have waited.
func (w *work) ripen() {
	w.mu.Lock()
	w.core.Ripen(w.c.world.Now())
	w.wake(w.core.Ready())
	w.arm()
	w.mu.Unlock()
	w.c.fetcher.Wake() // a partition may be read on
}

// wake wakes so many workers. The lock is held.
func (w *work) wake(n int) {
	for range min(n, len(w.idle)) {
		last := len(w.idle) - 1
		one := w.idle[last]
		w.idle = w.idle[:last]
		w.c.world.Wake(one)
	}
}

// run is a worker. Another takes its place when a handler ends its goroutine.
func (w *work) run() {
	handling := false
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if handling && !w.stopped {
			w.c.world.Go("handler", w.run)
			return
		}
		w.live--
		w.release()
	}()
	me := role.NewWaiter()
	for u, s := w.next(me); u != nil; u, s = w.next(me) {
		handling = true
		w.handle(u, s)
		handling = false
	}
}

// next waits for a record to handle; nil: there will be none.
func (w *work) next(me *role.Waiter) (*lanes.Unit, scope) {
	for {
		w.mu.Lock()
		if w.stopped {
			w.mu.Unlock()
			return nil, scope{}
		}
		if u := w.core.Take(w.c.world.Now()); u != nil {
			s := w.scopes[u.TopicPartition]
			w.mu.Unlock()
			return u, s
		}
		w.idle = append(w.idle, me)
		w.mu.Unlock()
		_ = w.c.world.Park(context.Background(), me)
	}
}

// errLeft is what becomes of a record whose handler ends its goroutine, as the functions do that end a test.
var errLeft = errors.New("the handler has ended its goroutine")

// handle handles a record.
func (w *work) handle(u *lanes.Unit, s scope) {
	err := errLeft
	defer func() {
		if p := recover(); p != nil { // in passing the record on, where a partitioner or an interceptor is called
			err = fmt.Errorf("a panic: %v\n%s", p, debug.Stack())
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.finished(u, s, err)
	}()
	switch v := u.Value.(type) {
	case *Record:
		err = w.settle(s, u, v, nil)
	case *HandleError:
		err = w.settle(s, u, v.Record, v.Err)
	}
}

// finished notes how a record's handling ended, and lets go on who waits for that. The lock is held.
func (w *work) finished(u *lanes.Unit, s scope, err error) {
	if err == nil {
		w.core.Done(u)
	} else {
		w.core.Undone(u)
		if s.calm.Err() == nil && w.failed == nil {
			r, ok := u.Value.(*Record)
			if !ok {
				r = u.Value.(*HandleError).Record
			}
			w.failed = &HandleError{r, err}
		}
	}
	w.wake(w.core.Ready() - 1) // this one takes one
	w.arm()
	w.release()
	units, _ := w.core.Room(u.TopicPartition)
	fed := w.hungry && (units > 0 || w.core.Ready() == 0) || w.resting[u.TopicPartition] && !w.waits(u.TopicPartition)
	if fed || w.failed != nil || w.c.set.patience > 0 {
		w.hungry = false
		w.c.fetcher.Wake()
	}
}

// release lets go on who waits for handlers. The lock is held.
func (w *work) release() {
	for _, one := range w.waiters {
		w.c.world.Wake(one)
	}
	w.waiters = nil
}

// call calls the handler. A panic is an error of the record's.
func (w *work) call(ctx context.Context, r *Record) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the handler has panicked: %v\n%s", p, debug.Stack())
		}
	}()
	if w.deadline > 0 {
		var end func()
		ctx, end = w.until(ctx)
		defer end()
	}
	return w.h(ctx, r)
}

// until gives a handler's context that ends with HandlerDeadline.
func (w *work) until(of context.Context) (ctx context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(of)
	t := w.c.world.NewTimer(func() { cancel(ErrHandlerDeadline) })
	t.Set(w.c.world.Now().Add(w.deadline))
	return context.WithValue(ctx, deadlineOf{}, func(d time.Duration) { t.Set(w.c.world.Now().Add(d)) }), func() {
		t.Stop()
		cancel(context.Canceled)
	}
}

// reason gives why Handle is to end.
func (w *work) reason() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// low is the offset below which everything of a partition was handled; false if all is that was read.
func (w *work) low(tp TopicPartition) (o Offset, open bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lowest(tp)
}

// lowest is low with the lock held.
func (w *work) lowest(tp TopicPartition) (o Offset, open bool) {
	offset, epoch, open := w.core.Low(tp)
	id := w.core.Topic(tp)
	if h := w.taking; !open && h != nil && h.TopicPartition == tp && !h.sought {
		offset, epoch, id, open = h.from, h.epoch, h.topic, true
	}
	return Offset{Partition: tp, Offset: offset, LeaderEpoch: EpochOf(epoch), TopicID: id}, open
}

// heed lets the core know which of some partitions the application has paused, as the fetcher says. It is called after each change: whoever is the last to come here has seen them all.
func (w *work) heed(parts []TopicPartition) {
	w.mu.Lock()
	defer w.mu.Unlock()
	paused := w.c.fetcher.Paused()
	for _, tp := range parts {
		_, on := slices.BinarySearchFunc(paused, tp, TopicPartition.Compare)
		w.core.Pause(tp, on)
	}
	w.wake(w.core.Ready())
}

// back forgets what was read of a partition from an offset on, when its position was set to that: the log may not have it any more.
func (w *work) back(tp TopicPartition, to int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.core.Back(tp, to)
}

// giveUp lets nothing more of partitions begin, and waits for what runs, as long as ctx lasts; when that takes too long, or they are lost, it is told to end.
func (w *work) giveUp(ctx context.Context, parts []TopicPartition, lost bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.core.Stop(parts...)
	for _, tp := range parts {
		if s, ok := w.scopes[tp]; ok {
			s.stop()
		}
	}
	if !lost {
		w.drained(ctx, func() bool { return w.core.Running(parts...) == 0 })
	}
	for _, tp := range parts {
		if s, ok := w.scopes[tp]; ok {
			s.end(ErrRevoked)
		}
	}
}

// drained waits until nothing runs, or DrainTimeout is over. The lock is held, but not while it waits.
func (w *work) drained(ctx context.Context, done func() bool) {
	wait, cancel := w.c.world.WithTimeout(ctx, w.drain)
	defer cancel()
	for wait.Err() == nil && !done() {
		me := role.NewWaiter()
		w.waiters = append(w.waiters, me)
		w.mu.Unlock()
		func() {
			defer w.mu.Lock()
			_ = w.c.world.Park(wait, me)
		}()
	}
}

// drop forgets partitions that were given up.
func (w *work) drop(parts []TopicPartition) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.core.Forget(parts...)
	for _, tp := range parts {
		if w.taking != nil && w.taking.TopicPartition == tp {
			w.taking.sought = true
		}
		if s, ok := w.scopes[tp]; ok {
			s.end(ErrRevoked)
			delete(w.scopes, tp)
		}
		delete(w.resting, tp)
		delete(w.full, tp)
	}
}

// halt makes Handle end with an error, and waits for that as long as ctx lasts.
func (w *work) halt(ctx context.Context, err error) {
	w.mu.Lock()
	if w.failed == nil {
		w.failed = err
	}
	w.mu.Unlock()
	w.c.fetcher.Wake()
	_, _ = w.over.Get(ctx)
}

// cease lets nothing more begin, and waits for what runs.
func (w *work) cease() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.timer.Stop()
	for _, s := range w.scopes {
		s.stop()
	}
	w.wake(len(w.idle))
	w.drained(w.ctx, func() bool { return w.live == 0 })
	for _, s := range w.scopes {
		s.end(ErrRevoked)
	}
	for tp := range w.resting {
		_ = w.c.fetcher.Rest(tp, false)
	}
}

// end waits for what runs, commits what is finished, and goes back to what is not. It takes DrainTimeout at most; a commit that takes longer goes on behind it.
func (w *work) end(why error) {
	c := w.c
	begun := c.world.Now()
	w.cease()
	if c.group != nil && c.set.group.AutoCommit && !errors.Is(why, fetcher.ErrClosed) {
		wait, cancel := c.world.WithTimeout(w.ctx, w.drain-c.world.Now().Sub(begun))
		if err := c.commitInTurn(wait); err != nil {
			c.log("commit of what was handled", err)
		}
		cancel()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	open := w.core.Open()
	if h := w.taking; h != nil && !slices.Contains(open, h.TopicPartition) { // an interceptor has ended the goroutine
		open = append(open, h.TopicPartition)
	}
	var back []fetcher.Begin
	have, reads := c.fetcher.Assignment(), c.fetcher.Reads()
	for _, tp := range open {
		o, ok := w.lowest(tp)
		renewed := slices.ContainsFunc(reads, func(r fetcher.Read) bool {
			return r.TopicPartition == tp && r.Topic != o.TopicID && o.TopicID != (wire.UUID{})
		})
		if ok && slices.Contains(have, tp) && !renewed {
			back = append(back, fetcher.Begin{TopicPartition: tp, Offset: o.Offset, Epoch: o.LeaderEpoch.Int() + 1})
		}
	}
	if len(back) > 0 {
		if err := c.fetcher.Seek(back...); err != nil { // one is not assigned any more
			for _, b := range back {
				_ = c.fetcher.Seek(b)
			}
		}
	}
	c.work.Store(nil)
}
