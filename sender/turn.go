package sender

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/protocol/cluster"
)

// turn is for a partitioner that one goroutine at a time may call. Nothing else needs it: neither records that name their partition, nor Close. It is no mutex, because what is called is the application's, and may never return: who
// waits gives up when his time is over.
type turn struct {
	taken   atomic.Bool
	line    atomic.Int32 // how many wait
	mu      sync.Mutex
	waiting []*inLine
	over    error // nobody waits any more
}

// inLine is one who waits.
type inLine struct {
	w    *role.Waiter
	vain int  // how often he was woken
	has  bool // the turn was handed to him
}

// spins are how often who wants a turn looks again before he waits: calls of a partitioner mostly take less than a microsecond.
const spins = 100

func (t *turn) try() bool { return !t.taken.Load() && t.taken.CompareAndSwap(false, true) }

// spin tries for a moment.
func (t *turn) spin() bool {
	for i := range spins {
		if t.try() {
			return true
		}
		if i%16 == 15 {
			runtime.Gosched()
		}
	}
	return false
}

// give ends a turn. Who comes takes the next one if he is faster than who waits and is woken, because that costs least; but not if that one was woken in vain before.
func (t *turn) give(w role.World) {
	t.taken.Store(false)
	if t.line.Load() > 0 {
		t.wake(w)
	}
}

func (t *turn) wake(w role.World) {
	t.mu.Lock()
	if len(t.waiting) == 0 {
		t.mu.Unlock()
		return
	}
	first := t.waiting[0]
	if first.vain++; first.vain > 1 && t.try() {
		first.has = true
		t.leave(first)
	}
	t.mu.Unlock()
	w.Wake(first.w)
}

// leave takes somebody out of the line. The lock is held.
func (t *turn) leave(one *inLine) {
	t.waiting = slices.DeleteFunc(t.waiting, func(o *inLine) bool { return o == one })
	t.line.Store(int32(len(t.waiting)))
}

// wait waits for a turn until ctx ends.
func (t *turn) wait(ctx context.Context, w role.World) error {
	me := &inLine{w: role.NewWaiter()}
	t.mu.Lock()
	t.waiting = append(t.waiting, me)
	t.line.Store(int32(len(t.waiting)))
	t.mu.Unlock()
	var err error
	for {
		got := err == nil && t.try()
		t.mu.Lock()
		if err == nil && !got {
			err = t.over
		}
		if me.has { // whatever has come meanwhile
			got, err = true, nil
		}
		if got || err != nil {
			t.leave(me)
		}
		t.mu.Unlock()
		switch {
		case got:
			return nil
		case err != nil:
			if !t.taken.Load() { // who leaves may have been woken for it
				t.wake(w)
			}
			return err
		}
		err = w.Park(ctx, me.w)
	}
}

// close refuses those who wait, and will wait, with err.
func (t *turn) close(w role.World, err error) {
	t.mu.Lock()
	t.over = err
	waiting := slices.Clone(t.waiting)
	t.mu.Unlock()
	for _, one := range waiting {
		w.Wake(one.w)
	}
}

// patience is how long who does not wait for room waits for a partitioner all the same, as for a lock.
const patience = 20 * time.Millisecond

// errInside: the partitioner is being called, and it may be this goroutine that it is called by.
var errInside = errors.New("the partitioner is being called by the same goroutine")

// ask asks the partitioner of a topic, which is the application's: it may panic, which is the error of the one record, block, end the goroutine, or send to its own topic. The topic's lock is not held. A goroutine that is in a
// partitioner waits for none: it gets errInside.
func (b *buffer) ask(ctx context.Context, t *topicBuffer, meta *cluster.Topic, key []byte, size int, how manner) (n int32, err error) {
	if !t.shared && !t.turn.try() && !t.turn.spin() {
		if within() {
			return 0, errInside
		}
		if err := b.await(ctx, t, how); err != nil {
			return 0, err
		}
	}
	defer func() {
		if !t.shared {
			t.turn.give(b.world)
		}
		if r := recover(); r != nil {
			err = fmt.Errorf("the partitioner panicked: %v", r)
		}
	}()
	return call(t.partition, meta, key, size), nil
}

// forPartitioner is how long who may block waits for a partitioner.
func (b *buffer) forPartitioner() time.Duration { return max(patience, b.cfg.MaxBlock) }

// await waits for the partitioner of a topic.
func (b *buffer) await(ctx context.Context, t *topicBuffer, how manner) error {
	limit := patience
	if how != tries {
		limit = b.forPartitioner()
	}
	wait, cancel := b.world.WithTimeout(ctx, limit)
	defer cancel()
	err := t.turn.wait(wait, b.world)
	switch {
	case err == nil || errors.Is(err, ErrClosed):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ErrPartitionerBusy, ctx.Err())
	}
	return fmt.Errorf("%w for %s", ErrPartitionerBusy, limit)
}

// call calls a partitioner. It stands in the stacks of those that are being called.
//
//go:noinline
func call(p Partitioner, meta *cluster.Topic, key []byte, size int) int32 {
	return p.Partition(meta, key, size)
}

// within tells whether the calling goroutine is in a partitioner. It costs about a microsecond.
func within() bool {
	var list [64]uintptr
	for skip := 2; ; skip += len(list) {
		n := runtime.Callers(skip, list[:])
		for _, at := range list[:n] {
			if f := runtime.FuncForPC(at - 1); f != nil && f.Entry() == callEntry {
				return true
			}
		}
		if n < len(list) {
			return false
		}
	}
}

var callEntry = reflect.ValueOf(call).Pointer()
