package api_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kactor-go/kactor/api"
)

// leaves is an interceptor that ends its goroutine the first time.
type leaves struct{ left *atomic.Bool }

func (l leaves) OnConsume(records []*api.Record) []*api.Record {
	if !l.left.Swap(true) {
		clear(records)
		runtime.Goexit()
	}
	return records
}

func (leaves) OnCommit([]api.OffsetAndMetadata) {}

// TestAnInterceptorThatEndsItsGoroutine loses nothing, as a test's FailNow does it: what it was called with has come to nobody, so it comes again, and is not committed before.
func TestAnInterceptorThatEndsItsGoroutine(t *testing.T) {
	read := map[string]func(context.Context, *api.Consumer) int64{ // gives the offset of the first record
		"Poll": func(ctx context.Context, k *api.Consumer) int64 {
			for {
				if got, err := k.Poll(ctx); err != nil {
					return -1
				} else if len(got) > 0 {
					return got[0].Offset
				}
			}
		},
		"Records": func(ctx context.Context, k *api.Consumer) int64 {
			for r, err := range k.Records(ctx) {
				if err != nil {
					return -1
				}
				return r.Offset
			}
			return -1
		},
		"Handle": func(ctx context.Context, k *api.Consumer) int64 {
			ctx, stop := context.WithCancel(ctx)
			defer stop()
			var once sync.Once
			first := int64(-1)
			_ = k.Handle(ctx, func(_ context.Context, r *api.Record) error {
				once.Do(func() { first = r.Offset; stop() })
				return nil
			}, api.Concurrency(1))
			return first
		},
	}
	for name, first := range read {
		t.Run(name, func(t *testing.T) {
			client := dialed(t)
			p, err := client.Producer()
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				produced(t, p)
			}
			k, err := client.Consumer("g", api.Topics("t"), api.ConsumerInterceptors(leaves{new(atomic.Bool)}))
			if err != nil {
				t.Fatal(err)
			}
			within(t, "the first", func() {
				over := make(chan struct{})
				go func() {
					defer close(over)
					first(context.Background(), k)
				}()
				<-over
			})
			tp := api.TopicPartition{Topic: "t"}
			within(t, "Commit", func() { err = k.Commit(context.Background()) })
			if err != nil {
				t.Fatal(err)
			}
			had, err := k.Committed(t.Context(), tp)
			if err != nil || had[tp].Offset > 0 {
				t.Errorf("%+v is committed, %v", had, err)
			}
			within(t, "the next", func() {
				if offset := first(context.Background(), k); offset != 0 {
					t.Errorf("offset %d is next", offset)
				}
			})
		})
	}
}

// TestHandlersThatEndTheirGoroutinesAreReplaced has the only handler do so when its partition is taken away, which is no reason to end Handle: the next partition is handled all the same.
func TestHandlersThatEndTheirGoroutinesAreReplaced(t *testing.T) {
	client := dialed(t)
	p, err := client.Producer()
	if err != nil {
		t.Fatal(err)
	}
	produced(t, p)
	k, err := client.Consumer("")
	if err != nil {
		t.Fatal(err)
	}
	tp := api.TopicPartition{Topic: "t"}
	if err := k.AssignAt(api.AtStart, tp); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	began := make(chan struct{})
	var calls atomic.Int32
	over := make(chan error, 1)
	go func() {
		over <- k.Handle(ctx, func(ctx context.Context, _ *api.Record) error {
			if calls.Add(1) == 1 {
				close(began)
				<-ctx.Done()
				runtime.Goexit()
			}
			stop()
			return nil
		}, api.Concurrency(1))
	}()
	within(t, "the first", func() { <-began })
	if err := k.Unassign(tp); err != nil {
		t.Fatal(err)
	}
	if err := k.AssignAt(api.AtStart, tp); err != nil {
		t.Fatal(err)
	}
	within(t, "the next", func() { err = <-over })
	if err != nil || calls.Load() != 2 {
		t.Errorf("%d calls, %v", calls.Load(), err)
	}
}
