package api

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/coordinator"
)

// RebalanceListener is told what the group gives to a consumer and takes from it. It is called where the consumer polls, on that goroutine: while it is, no record of the consumer is
// being handled. It may commit, seek, pause and ask for positions; it must not close the consumer. Any function may be nil.
//
// The context has the values of the one that Poll was called with, and lasts as long as the group waits for this member, however short a Poll was asked for; in Close and Unsubscribe it is theirs.
type RebalanceListener struct {
	// OnAssigned gets the new partitions: with the classic protocol and an eager assignor all, else those that were added.
	OnAssigned func(ctx context.Context, parts []TopicPartition)
	// OnRevoked gets the partitions that are given up when it returns. What it commits still counts.
	OnRevoked func(ctx context.Context, parts []TopicPartition)
	// OnLost gets partitions that belong to others already: nothing can be committed for them. Nil: OnRevoked is called instead.
	OnLost func(ctx context.Context, parts []TopicPartition)
}

func (c *Consumer) call(ctx context.Context, f func(context.Context, []TopicPartition), parts []TopicPartition) {
	if f == nil {
		return
	}
	c.application(func() { f(ctx, slices.Clone(parts)) })
}

// application calls functions of the application's.
func (c *Consumer) application(f func()) {
	c.calling.Store(true)
	defer c.calling.Store(false)
	c.turn.call(f)
}

// listens is the listener.
func (c *Consumer) listens() RebalanceListener {
	c.named.Lock()
	defer c.named.Unlock()
	return c.listener
}

// tend does what the group wants done, where the application polls: everything that was given out before is finished with. What cannot be done before ctx ends goes on behind it, and is finished where the application polls next; nothing
// is given out before.
func (c *Consumer) tend(ctx context.Context) error {
	if c.calling.Load() && c.turn.mine() {
		return errReentered("poll")
	}
	if err := c.nextTrouble(); err != nil {
		return err
	}
	if last, late := c.group.Seen(); late {
		if err := c.group.Settle(ctx, last); err != nil {
			return err
		}
	}
	if !c.group.Pending() && c.giving.Load() == nil {
		return c.usable()
	}
	hand := c.hand.Swap(nil)
	defer c.hand.Store(hand)
	if err := c.turn.take(ctx, "poll"); err != nil {
		return err
	}
	defer c.turn.give()
	w := c.group.Work()
	var err error
	each(func() { c.application(func() { each(w.Callbacks...) }) }, func() {
		if w.Rebalance != nil {
			c.beginGiving(ctx, w.Rebalance)
		}
		err = c.rebalance(ctx)
	}, func() {
		if w.Commit {
			c.autoCommit()
		}
		for _, err := range w.Errors {
			var fatal *coordinator.Fatal
			if errors.As(err, &fatal) {
				c.fatal.Store(fatal)
			}
		}
	})
	if err != nil {
		w.Errors = append(w.Errors, err)
	}
	if len(w.Errors) > 0 {
		c.troubles.Store(&w.Errors)
		return c.nextTrouble()
	}
	return c.usable()
}

// nextTrouble takes one of the errors that are to be told where the application polls, one each time.
func (c *Consumer) nextTrouble() error {
	errs := c.troubles.Load()
	if errs == nil {
		return nil
	}
	rest := (*errs)[1:]
	if len(rest) == 0 {
		c.troubles.Store(nil)
	} else {
		c.troubles.Store(&rest)
	}
	return (*errs)[0]
}

func (c *Consumer) usable() error {
	switch {
	case c.fatal.Load() != nil:
		return c.fatal.Load()
	case c.mode.Load() == free && !c.closed.Load():
		return fmt.Errorf("%w: nothing is subscribed to or assigned", ErrIllegalState)
	}
	return nil
}

// giving is a rebalance that was begun: what is given up is being committed.
type giving struct {
	*coordinator.Rebalance
	offsets []OffsetAndMetadata
	commit  *role.Promise[struct{}] // nil: there is nothing to commit
}

// beginGiving lets handlers come to an end with what the group takes, and commits it.
func (c *Consumer) beginGiving(ctx context.Context, r *coordinator.Rebalance) {
	g := &giving{Rebalance: r}
	c.giving.Store(g)
	if len(r.Revoke) == 0 {
		return
	}
	if w := c.work.Load(); w != nil {
		w.giveUp(context.WithoutCancel(ctx), r.Revoke, r.Lost)
	}
	if r.Lost || !c.commits() {
		return
	}
	if g.offsets = c.news(c.finished(r.Revoke)); len(g.offsets) > 0 {
		g.commit = c.group.Committing(c.set.group.RequestTimeout, g.offsets...)
	}
}

// rebalance gives up what the group takes, and takes what it gives, if there is such a thing and what is given up is committed before ctx ends. What the application's functions do must not keep the group waiting: when one panics
// the rest is done before the panic goes on.
func (c *Consumer) rebalance(ctx context.Context) error {
	g := c.giving.Load()
	if g == nil {
		return nil
	}
	if g.commit != nil {
		err := c.awaited(ctx, g.commit)
		if _, _, ended := g.commit.TryGet(); !ended {
			return err
		}
		c.told(g.offsets, err)
	}
	c.giving.Store(nil)
	defer c.group.Done(g.Seq)
	while, cancel := c.world.WithTimeout(context.WithoutCancel(ctx), c.group.Limit())
	defer cancel()
	each(func() { c.giveUp(while, g.Rebalance) }, func() { c.takeOver(g.Rebalance) })
	if g.Given {
		clear(c.stood)
		c.call(while, c.listens().OnAssigned, g.Assign)
	}
	return nil
}

// giveUp tells the application what the group takes.
func (c *Consumer) giveUp(ctx context.Context, r *coordinator.Rebalance) {
	listener := c.listens()
	switch {
	case len(r.Revoke) == 0:
	case r.Lost && listener.OnLost != nil:
		c.call(ctx, listener.OnLost, r.Revoke)
	default:
		c.call(ctx, listener.OnRevoked, r.Revoke)
	}
}

// takeOver changes what is read.
func (c *Consumer) takeOver(r *coordinator.Rebalance) {
	if !r.Back && (r.Given || r.Lost) { // somebody else may have had them
		clear(c.stood)
	}
	if len(r.Revoke) > 0 {
		gone := among(r.Revoke)
		for _, tp := range c.Paused() {
			if gone[tp] && !r.Lost {
				c.stood[tp] = true
			}
		}
		for _, tp := range r.Revoke {
			delete(c.auto, tp)
		}
		c.unassign(r.Revoke)
	}
	if len(r.Assign) > 0 {
		c.fetcher.Hold(r.IDs, r.Assign...)
		for _, tp := range r.Assign {
			if c.stood[tp] {
				_ = c.Pause(tp)
			}
		}
	}
	c.group.Held(r.Seq)
}
