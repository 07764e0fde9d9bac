package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
)

// calls are what takes a context.
var calls = []struct {
	name string
	call func(ctx context.Context, k *api.Consumer, p *api.Producer) error
}{
	{"Poll", func(ctx context.Context, k *api.Consumer, _ *api.Producer) error {
		for {
			if _, err := k.Poll(ctx); err != nil {
				return err
			}
		}
	}},
	{"Records", func(ctx context.Context, k *api.Consumer, _ *api.Producer) error {
		for _, err := range k.Records(ctx) {
			if err != nil {
				return fmt.Errorf("yielded: %w", err)
			}
		}
		return ctx.Err()
	}},
	{"Batches", func(ctx context.Context, k *api.Consumer, _ *api.Producer) error {
		for _, err := range k.Batches(ctx) {
			if err != nil {
				return fmt.Errorf("yielded: %w", err)
			}
		}
		return ctx.Err()
	}},
	{"Handle", func(ctx context.Context, k *api.Consumer, _ *api.Producer) error {
		if err := k.Handle(ctx, func(context.Context, *api.Record) error { return nil }, api.DrainTimeout(0)); err != nil {
			return err
		}
		return ctx.Err()
	}},
	{"Commit", func(ctx context.Context, k *api.Consumer, _ *api.Producer) error { return k.Commit(ctx) }},
	{"Committed", func(ctx context.Context, k *api.Consumer, _ *api.Producer) error {
		_, err := k.Committed(ctx, api.TopicPartition{Topic: "t"})
		return err
	}},
	{"Position", func(ctx context.Context, k *api.Consumer, _ *api.Producer) error {
		if err := k.SeekToEnd(api.TopicPartition{Topic: "t"}); err != nil {
			return err
		}
		_, err := k.Position(ctx, api.TopicPartition{Topic: "t"})
		return err
	}},
	{"EndOffsets", func(ctx context.Context, k *api.Consumer, _ *api.Producer) error {
		_, err := k.EndOffsets(ctx, api.TopicPartition{Topic: "t"})
		return err
	}},
	{"OffsetsForTimes", func(ctx context.Context, k *api.Consumer, _ *api.Producer) error {
		_, err := k.OffsetsForTimes(ctx, map[api.TopicPartition]time.Time{{Topic: "t"}: sim.Epoch})
		return err
	}},
	{"Partitions", func(ctx context.Context, k *api.Consumer, _ *api.Producer) error {
		_, err := k.Partitions(ctx, "other")
		return err
	}},
	{"Topics", func(ctx context.Context, k *api.Consumer, _ *api.Producer) error {
		_, err := k.Topics(ctx)
		return err
	}},
	{"Unsubscribe", func(ctx context.Context, k *api.Consumer, _ *api.Producer) error { return k.Unsubscribe(ctx) }},
	{"Close", func(ctx context.Context, k *api.Consumer, _ *api.Producer) error { return k.Shutdown(ctx) }},
	{"Produce", func(ctx context.Context, _ *api.Consumer, p *api.Producer) error {
		_, err := p.Produce(ctx, &api.Record{Topic: "t"})
		return err
	}},
	{"Producer.Partitions", func(ctx context.Context, _ *api.Consumer, p *api.Producer) error {
		_, err := p.Partitions(ctx, "other")
		return err
	}},
	{"Flush", func(ctx context.Context, _ *api.Consumer, p *api.Producer) error {
		if err := p.Send(ctx, &api.Record{Topic: "t"}, nil); err != nil {
			return err
		}
		return p.Flush(ctx)
	}},
}

// TestNoCallOutlastsItsContext calls everything that takes a context while no broker answers and a rebalance is due. The time is virtual.
func TestNoCallOutlastsItsContext(t *testing.T) {
	for _, c := range calls {
		for _, away := range []string{"stopped", "paused"} {
			t.Run(c.name+" "+away, func(t *testing.T) {
				err := sim.Run(1, func(w *sim.World) error { return outlasts(w, away == "paused", c.call) })
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// begun is a cluster of two brokers and a client's member of a group, which has read the only record there is.
type begun struct {
	n *sim.Network
	c *api.Client
	p *api.Producer
	k *api.Consumer
}

func begin(w *sim.World, opts ...api.ConsumerOption) (b begun, err error) {
	cluster, err := fake.NewCluster(fake.Config{Nodes: 2, GroupMinSession: time.Second, Topics: []fake.Topic{{Name: "t"}, {Name: "u"}}})
	if err != nil {
		return b, err
	}
	b.n = sim.NewNetwork(w, cluster)
	ctx := context.Background()
	if b.c, err = api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092", "broker-2:9092"), api.Property("auto.offset.reset", "earliest")); err != nil {
		return b, err
	}
	if b.p, err = b.c.Producer(); err != nil {
		return b, err
	}
	if _, err := b.p.Produce(ctx, &api.Record{Topic: "t"}); err != nil {
		return b, err
	}
	if b.k, err = b.c.Consumer("g", append(opts, api.Topics("t"))...); err != nil {
		return b, err
	}
	return b, b.poll(ctx)
}

// poll polls until a record comes.
func (b begun) poll(ctx context.Context) error {
	for {
		if records, err := b.k.Poll(ctx); err != nil || len(records) > 0 {
			return err
		}
	}
}

// each does something to all brokers.
func (b begun) each(f func(c *fake.Cluster, node int32)) {
	b.n.Do(func(c *fake.Cluster) {
		for node := range int32(2) {
			f(c, node+1)
		}
	})
}

func outlasts(w *sim.World, paused bool, call func(context.Context, *api.Consumer, *api.Producer) error) error {
	b, err := begin(w)
	if err != nil {
		return err
	}
	if err := b.k.Subscribe("t", "u"); err != nil {
		return err
	}
	b.each(func(c *fake.Cluster, node int32) {
		if paused {
			c.Pause(w.Now(), node)
		} else {
			c.Stop(w.Now(), node)
		}
	})
	const limit = 2 * time.Second
	short, cancel := w.WithTimeout(context.Background(), limit)
	defer cancel()
	since := w.Now()
	err = call(short, b.k, b.p)
	if took := w.Now().Sub(since); took > limit+100*time.Millisecond {
		return fmt.Errorf("a call with a context of %s has taken %s: %w", limit, took, err)
	}
	if short.Err() != nil && err == nil {
		return errors.New("there is no error")
	}
	return nil
}

// TestARebalanceGoesOnBehindPoll: what Poll could not finish while no broker answered is finished by the next, and told once.
func TestARebalanceGoesOnBehindPoll(t *testing.T) {
	err := sim.Run(1, func(w *sim.World) error {
		var told []string
		b, err := begin(w, api.OnRebalance(api.RebalanceListener{
			OnAssigned: func(_ context.Context, parts []api.TopicPartition) {
				told = append(told, fmt.Sprint("assigned ", parts))
			},
			OnRevoked: func(_ context.Context, parts []api.TopicPartition) {
				told = append(told, fmt.Sprint("revoked ", parts))
			}}))
		if err != nil {
			return err
		}
		told = nil
		if err := b.k.Subscribe("t", "u"); err != nil {
			return err
		}
		b.each(func(c *fake.Cluster, node int32) { c.Pause(w.Now(), node) })
		for range 3 {
			short, cancel := w.WithTimeout(context.Background(), time.Second)
			records, err := b.k.Poll(short)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || len(records) > 0 || len(told) > 0 {
				return fmt.Errorf("%d records, %w; the listener was told %v", len(records), err, told)
			}
		}
		b.each(func(c *fake.Cluster, node int32) { c.Resume(w.Now(), node) })
		if _, err := b.p.Produce(context.Background(), &api.Record{Topic: "u"}); err != nil {
			return err
		}
		if err := b.poll(context.Background()); err != nil {
			return err
		}
		if want := "[revoked [t/0] assigned [t/0 u/0]]"; fmt.Sprint(told) != want {
			return fmt.Errorf("the listener was told %v, not %s", told, want)
		}
		tp := api.TopicPartition{Topic: "t"}
		if got, err := b.k.Committed(context.Background(), tp); err != nil || got[tp].Offset != 1 {
			return fmt.Errorf("%v are committed, %w", got, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
