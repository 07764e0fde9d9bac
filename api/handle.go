package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/api/internal/lanes"
)

// Handler handles a record. The record is finished when it returns nil. ctx ends when the record is to be given up: see DrainTimeout and HandlerDeadline.
type Handler func(ctx context.Context, r *Record) error

// Order says which records Handle handles one after the other, in the order of their offsets.
type Order = lanes.Order

// The orders.
const (
	ByPartition = lanes.ByPartition // those of a partition
	ByKey       = lanes.ByKey       // those of a partition with the same key; records without a key are on their own
	Unordered   = lanes.Unordered   // none
)

// ErrRevoked is the cause of the context of a handler whose partition has gone to another member, or whose Handle was told to end, and who did not return within DrainTimeout.
var ErrRevoked = errors.New("the record was given up before it was handled")

// ErrHandlerDeadline is the cause of the context of a handler that has taken longer than HandlerDeadline.
var ErrHandlerDeadline = fmt.Errorf("handler deadline: %w", context.DeadlineExceeded)

// HandleError is why Handle has ended: a record that could not be handled. It is not finished, and neither is what comes after it: it is read again.
type HandleError struct {
	Record *Record
	Err    error
}

// Error names the record.
func (e *HandleError) Error() string {
	return fmt.Sprintf("handle %s at offset %d: %v", e.Record.TopicPartition(), e.Record.Offset, e.Err)
}

// Unwrap gives the cause.
func (e *HandleError) Unwrap() error { return e.Err }

// notRetriable is an error that will not go away.
type notRetriable struct{ error }

func (e notRetriable) Unwrap() error { return e.error }

// NotRetriable makes an error of a handler one that another attempt would not change: the record goes to the dead-letter topic at once.
func NotRetriable(err error) error {
	if err == nil {
		return nil
	}
	return notRetriable{err}
}

// Handle reads what the consumer is subscribed to, or was assigned, and calls h for each record, for several at a time, until ctx ends. Then it waits for the handlers that run, and returns nil. It returns an error
// when a record cannot be handled and there is no topic for it (a *HandleError), and when the consumer cannot go on; what was not finished is read again by who reads next.
//
// What is committed - automatically, by Commit without offsets, when partitions are given up and when Handle ends - is what is finished: the offset below which every record of the partition was
// handled. So each record is handled once, and again only if a member fails, or a handler does not return in time, between its handling and the commit.
//
// However long a handler takes, the member stays in its group: max.poll.interval.ms is for who polls. HandlerDeadline is the limit there. When the group takes partitions away what has not begun is
// dropped, handlers that run have DrainTimeout to return, then their context ends. Poll, Records and Batches cannot be called meanwhile; everything else may be, by handlers too. After a seek what was read before may still be
// handled. A handler ends it all by ending ctx; Close waits for handlers, and so for DrainTimeout when one of them calls it.
func (c *Consumer) Handle(ctx context.Context, h Handler, opts ...HandleOption) error {
	set := handling{workers: 16, drain: 5 * time.Second, attempts: 1}
	for i, o := range opts {
		if o == nil {
			return fmt.Errorf("handle: %w", errNilOption(i))
		}
		if err := o(&set); err != nil {
			return fmt.Errorf("handle: %w", err)
		}
	}
	if h == nil {
		return errors.New("handle: there is no handler")
	}
	if set.most == 0 {
		set.most = 64 * set.workers
	}
	if set.bytes == 0 {
		set.bytes = 64 << 20
	}
	if err := set.check(c); err != nil {
		return fmt.Errorf("handle: %w", err)
	}
	w := &work{handling: set, c: c, ctx: context.WithoutCancel(ctx), h: h, core: lanes.New(set.order, set.most, set.bytes), scopes: map[TopicPartition]scope{}, resting: map[TopicPartition]bool{}, full: map[TopicPartition]time.Time{},
		over: role.NewPromise[struct{}](c.world)}
	end, err := c.reads("handle", false)
	if err != nil {
		return err
	}
	defer end()
	if !c.work.CompareAndSwap(nil, w) {
		return fmt.Errorf("handle: %w", errHandling)
	}
	c.handles.Add(1)
	w.heed(c.Paused())
	w.timer = c.world.NewTimer(w.ripen)
	w.live = set.workers
	for i := range set.workers {
		c.world.Go(fmt.Sprint("handler ", i), w.run)
	}
	each(func() { err = w.read(ctx) }, func() { w.end(err); w.over.Complete(struct{}{}, nil) })
	switch failed := w.reason(); {
	case failed != nil:
		return public(failed)
	case ctx.Err() != nil || errors.Is(err, errPatience):
		return nil
	}
	return public(err)
}

// errHandling says that Handle has the records.
var errHandling = fmt.Errorf("%w: the consumer's records are being handled, until Handle returns", ErrIllegalState)

type deadlineOf struct{}

// ExtendDeadline gives a handler d from now on, instead of what is left of HandlerDeadline. ctx is the handler's; with any other it does nothing.
func ExtendDeadline(ctx context.Context, d time.Duration) {
	if set, ok := ctx.Value(deadlineOf{}).(func(time.Duration)); ok {
		set(d)
	}
}
