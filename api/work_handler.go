package api

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/api/internal/lanes"
)

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
