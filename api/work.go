package api

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/api/internal/lanes"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/coordinator"
	"github.com/kactor-go/kactor/fetcher"
	"github.com/kactor-go/kactor/protocol"
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
		if err := c.tend(ctx); err != nil {
			if err = w.tell(err); err != nil {
				return err
			}
			continue
		}
		k, rest, err := w.look()
		if err != nil {
			if err = w.tell(err); err != nil {
				return err
			}
			continue
		}
		if c.fetcher.Moved() { // asked after the look, which may have found records of there; they are given again
			if err := c.moved(ctx); err != nil {
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

// passes tells whether what is wrong is that brokers cannot be reached, or do not answer as they should: what is wanted is tried again all the time, and nobody has refused it for good.
func passes(err error) bool {
	var part *PartitionError
	if errors.As(err, &part) {
		return part.Retried
	}
	var code protocol.Code
	if errors.As(err, &code) {
		return code.Retriable()
	}
	var call *broker.CallError
	return errors.As(err, &call) || errors.Is(err, coordinator.ErrBlind) || errors.Is(err, coordinator.ErrBroker)
}

// tell passes on what goes wrong, or says that it is the end.
func (w *work) tell(err error) error {
	if w.onError == nil && passes(err) {
		if failed := new(PartitionError); !errors.As(err, &failed) { // the fetcher has logged those
			w.c.log("reading waits", err)
		}
		return nil
	}
	if w.onError == nil || ended(err) || errors.Is(err, fetcher.ErrClosed) || errors.Is(err, ErrClosed) {
		return err
	}
	w.application(func() { w.onError(public(err)) })
	return nil
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

// reason gives why Handle is to end.
func (w *work) reason() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// low is the offset below which everything of a partition was handled; false if all is that was read.
func (w *work) low(tp TopicPartition) (o OffsetAndMetadata, open bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lowest(tp)
}

// lowest is low with the lock held.
func (w *work) lowest(tp TopicPartition) (o OffsetAndMetadata, open bool) {
	offset, epoch, open := w.core.Low(tp)
	id := w.core.Topic(tp)
	if h := w.taking; !open && h != nil && h.TopicPartition == tp && !h.sought {
		offset, epoch, id, open = h.from, h.epoch, h.topic, true
	}
	return OffsetAndMetadata{TopicPartition: tp, Offset: offset, LeaderEpoch: EpochOf(epoch), TopicID: id}, open
}
