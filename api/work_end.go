package api

import (
	"context"
	"errors"
	"slices"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/fetcher"
	"github.com/kactor-go/kactor/protocol/wire"
)

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
	w.c.group.Busy(true) // who waits for handlers is there
	defer w.c.group.Busy(false)
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

// release lets go on who waits for handlers. The lock is held.
func (w *work) release() {
	for _, one := range w.waiters {
		w.c.world.Wake(one)
	}
	w.waiters = nil
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
	if c.commits() && !errors.Is(why, fetcher.ErrClosed) {
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
	have, reads := among(c.fetcher.Assignment()), c.fetcher.Reads()
	for _, tp := range open {
		o, ok := w.lowest(tp)
		at, read := slices.BinarySearchFunc(reads, tp, func(r fetcher.Read, tp TopicPartition) int { return r.Compare(tp) })
		renewed := read && reads[at].Topic != o.TopicID && o.TopicID != (wire.UUID{})
		if ok && have[tp] && !renewed {
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
