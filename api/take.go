package api

import (
	"context"

	"github.com/kactor-go/kactor/fetcher"
	"github.com/kactor-go/kactor/protocol/wire"
)

// hand is what the application is at: a record, or a batch.
type hand struct {
	TopicPartition
	from   int64 // below is finished
	epoch  int32 // of the record before from
	topic  wire.UUID
	each   bool // the position is one behind the record at hand
	sought bool // it was moved since: what was read counts no more
}

// take waits for the next chunk, and meanwhile does what the group wants done.
func (c *Consumer) take(ctx context.Context) (*fetcher.Chunk, error) {
	if c.work.Load() != nil {
		return nil, errHandling
	}
	for {
		if c.woken.CompareAndSwap(true, false) {
			return nil, ErrWakeup
		}
		if err := c.tend(ctx); err != nil {
			return nil, err
		}
		k, err := c.fetcher.Ready()
		if err != nil {
			return nil, err
		}
		if c.fetcher.Moved() { // asked after the look, which may have found records of there; they are given again
			if err := c.moved(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if k != nil {
			return k, nil
		}
		if err := c.rest(ctx); err != nil {
			return nil, err
		}
	}
}

// moved tells of positions that were reset, and commits them.
func (c *Consumer) moved(ctx context.Context) error {
	hand := c.hand.Swap(nil)
	defer c.hand.Store(hand)
	if err := c.turn.take(ctx, "poll"); err != nil {
		return err
	}
	defer c.turn.give()
	resets := c.fetcher.Resets()
	if w := c.work.Load(); w != nil {
		for _, r := range resets {
			w.back(r.TopicPartition, r.To)
		}
	}
	each(func() {
		for _, r := range resets {
			if c.set.onReset != nil {
				c.application(func() { c.set.onReset(r) })
			}
		}
	}, func() {
		if c.commits() {
			c.autoCommit()
		}
	})
	return nil
}

// rest waits until something has come.
func (c *Consumer) rest(ctx context.Context) error {
	c.group.Waiting(true)
	defer c.group.Waiting(false)
	return c.fetcher.Wait(ctx)
}

// Wakeup makes Poll, or the next step of an iterator, return with ErrWakeup, whether it waits now or is called next. Any goroutine may call it.
func (c *Consumer) Wakeup() {
	c.woken.Store(true)
	c.fetcher.Wake()
}
