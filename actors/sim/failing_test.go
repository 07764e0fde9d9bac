package sim_test

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

// TestAnActorThatFails lets one actor fail at one message, whichever it is, as a bug would: whoever waits is answered, nothing is told twice, and the client can be closed and leaves no connection open.
func TestAnActorThatFails(t *testing.T) {
	failed := 0
	for seed := range uint64(*seeds) {
		if err := sim.Run(*fromSeed+seed, func(w *sim.World) error {
			f := &failing{w: w}
			err := f.run()
			failed += f.noticed
			return err
		}); err != nil {
			t.Fatalf("seed %d: %v\nreplay: go test ./actors/sim -run '%s$' -from %[1]d -seeds 1", *fromSeed+seed, err, t.Name())
		}
	}
	if failed < *seeds/4 {
		t.Errorf("only %d of %d seeds had somebody notice the failure", failed, *seeds)
	}
}

// failing is one client at work, of which an actor fails.
type failing struct {
	w       *sim.World
	sent    []int // how often the callback of each record was called
	noticed int   // 1: somebody was told
	wrong   []error
}

func (f *failing) bad(format string, args ...any) {
	f.wrong = append(f.wrong, fmt.Errorf(format, args...))
}

// within calls something that must end when its context does, and soon.
func (f *failing) within(what string, d time.Duration, call func(ctx context.Context) error) error {
	ctx, cancel := f.w.WithTimeout(context.Background(), d)
	defer cancel()
	begun := f.w.Now()
	err := call(ctx)
	if took := f.w.Now().Sub(begun); took > d+time.Second {
		f.bad("%s took %s, its context %s", what, took, d)
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		f.noticed = 1
	}
	return err
}

func (f *failing) run() error {
	w, rng := f.w, f.w.Rand()
	cluster, err := fake.NewCluster(fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: "t", Partitions: 4}}, Seed: w.Seed()})
	if err != nil {
		return err
	}
	network := sim.NewNetwork(w, cluster)
	ctx := context.Background()
	client, err := api.Dial(ctx, api.World(w), api.Lazy(), api.Brokers("broker-1:9092", "broker-2:9092"), api.Property("delivery.timeout.ms", "20s"), api.Property("request.timeout.ms", "5s"))
	if err != nil {
		return err
	}
	w.FailAt(1 + rng.IntN(1200))
	var workers sim.Group
	workers.Go(w, "producer", func() { f.produce(client) })
	workers.Go(w, "consumer", func() { f.consume(client, "") })
	workers.Go(w, "member", func() {
		f.consume(client, "g", api.Property("group.protocol", []string{"classic", "consumer"}[rng.IntN(2)]))
	})
	if err := workers.Wait(ctx, w); err != nil {
		return err
	}
	_ = f.within("close", 20*time.Second, client.Shutdown)
	if err := w.Sleep(ctx, 10*time.Second); err != nil {
		return err
	}
	for i, n := range f.sent {
		if n != 1 {
			f.bad("record %d was told of %d times", i, n)
		}
	}
	if n := network.Open(); n > 0 {
		f.bad("%d connections are open after the client was closed", n)
	}
	return errors.Join(f.wrong...)
}

func (f *failing) produce(client *api.Client) {
	p, err := client.Producer()
	if err != nil {
		f.noticed = 1
		return
	}
	rng := f.w.Rand()
	for range 30 {
		i := len(f.sent)
		f.sent = append(f.sent, 0)
		err := f.within("send", 10*time.Second, func(ctx context.Context) error {
			return p.Send(ctx, &api.Record{Topic: "t", Value: []byte("v")}, func(api.RecordMetadata, error) { f.sent[i]++ })
		})
		if err != nil {
			f.sent[i]++ // it is told by this
		}
		_ = f.w.Sleep(context.Background(), time.Duration(rng.IntN(300))*time.Millisecond)
	}
	_ = f.within("flush", 30*time.Second, p.Flush)
	_ = f.within("close of the producer", 10*time.Second, p.Shutdown)
}

func (f *failing) consume(client *api.Client, group string, opts ...api.ConsumerOption) {
	k, err := client.Consumer(group, opts...)
	if err != nil {
		f.noticed = 1
		return
	}
	if group != "" {
		err = k.Subscribe("t")
	} else {
		err = k.AssignAt(api.AtStart, api.TopicPartition{Topic: "t"}, api.TopicPartition{Topic: "t", Partition: 1})
	}
	if err != nil {
		f.noticed = 1
	}
	for range 10 {
		_ = f.within("poll", 2*time.Second, func(ctx context.Context) error {
			_, err := k.Poll(ctx)
			return err
		})
		if group != "" {
			_ = f.within("commit", 5*time.Second, func(ctx context.Context) error { return k.Commit(ctx) })
		}
	}
	_ = f.within("end offsets", 5*time.Second, func(ctx context.Context) error {
		_, err := k.EndOffsets(ctx, api.TopicPartition{Topic: "t"})
		return err
	})
	_ = f.within("close of the consumer", 10*time.Second, func(ctx context.Context) error { return k.Shutdown(ctx) })
}
