package api_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
)

// readings are the calls that are for one goroutine at a time. Each gives the error that it has ended with; none reads a record.
var readings = map[string]func(context.Context, *api.Consumer) error{
	"poll": func(ctx context.Context, k *api.Consumer) error { _, err := k.Poll(ctx); return err },
	"records": func(ctx context.Context, k *api.Consumer) (last error) {
		for _, err := range k.Records(ctx) {
			last = err
		}
		return last
	},
	"batches": func(ctx context.Context, k *api.Consumer) (last error) {
		for _, err := range k.Batches(ctx) {
			last = err
		}
		return last
	},
	"handle": func(ctx context.Context, k *api.Consumer) error {
		return k.Handle(ctx, func(context.Context, *api.Record) error { return nil })
	},
}

// TestTwoGoroutinesDoNotReadAtOnce: two that polled had the same records, or one's records changed under it.
func TestTwoGoroutinesDoNotReadAtOnce(t *testing.T) {
	for first, read := range readings {
		for second, also := range readings {
			if err := consuming(func(w *sim.World, k *api.Consumer) error {
				ctx, cancel := w.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				over := role.NewPromise[struct{}](w)
				w.Go("first", func() { over.Settle(struct{}{}, read(ctx, k)) })
				begun, cancel := w.WithTimeout(ctx, time.Second)
				_ = w.Park(begun, role.NewWaiter())
				cancel()
				if err := also(ctx, k); !errors.Is(err, api.ErrIllegalState) || first != "handle" && !errors.Is(err, api.ErrConcurrent) {
					t.Errorf("%s beside %s: %v", second, first, err)
				}
				if _, err := over.Get(context.Background()); err != nil && ctx.Err() == nil {
					t.Errorf("%s has ended: %v", first, err)
				}
				end, cancel := w.WithTimeout(context.Background(), time.Second)
				defer cancel()
				if err := also(end, k); errors.Is(err, api.ErrIllegalState) {
					t.Errorf("%s after %s: %v", second, first, err)
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestALoopOverRecordsMayPoll: it is one goroutine.
func TestALoopOverRecordsMayPoll(t *testing.T) {
	if err := consuming(func(w *sim.World, k *api.Consumer) error {
		ctx, cancel := w.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := k.Seek(api.TopicPartition{Topic: "t"}, 0); err != nil {
			return err
		}
		for r, err := range k.Records(ctx) {
			if err != nil {
				return err
			}
			if r.Offset > 0 {
				return errors.New("the record that was polled is read again")
			}
			records, err := k.Poll(ctx)
			if err != nil || len(records) != 1 || records[0].Offset != 1 {
				t.Errorf("polled %d records: %v", len(records), err)
			}
			break
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// consuming has a topic of two records, and a consumer at its end.
func consuming(play func(*sim.World, *api.Consumer) error) error {
	return sim.Run(1, func(w *sim.World) error {
		server, err := fake.NewCluster(fake.Config{Topics: []fake.Topic{{Name: "t"}}})
		if err != nil {
			return err
		}
		sim.NewNetwork(w, server)
		ctx := context.Background()
		client, err := api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092"))
		if err != nil {
			return err
		}
		defer client.Shutdown(ctx)
		p, err := client.Producer()
		if err != nil {
			return err
		}
		for range 2 {
			if _, err := p.Produce(ctx, &api.Record{Topic: "t"}); err != nil {
				return err
			}
		}
		k, err := client.Consumer("")
		if err != nil {
			return err
		}
		return errors.Join(k.AssignAt(api.AtEnd, api.TopicPartition{Topic: "t"}), play(w, k))
	})
}
