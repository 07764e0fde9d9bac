package sim_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
)

// TestALeaderThatIsSilentFromTheFirstWord has a broker that becomes the leader when nothing reaches it any more: it is asked by a new connection, which does not come about. When another leads in its place, producer and
// consumer go on there, before socket.connection.setup.timeout.ms, ten seconds, is over.
func TestALeaderThatIsSilentFromTheFirstWord(t *testing.T) {
	for seed := range uint64(20) {
		if err := sim.Run(seed+1, between(silentLeader)); err != nil {
			t.Errorf("seed %d: %v", seed+1, err)
		}
	}
}

// TestALeaderThatIsCutOffFromTheOthers has a broker that its clients reach and the other brokers do not: it answers every fetch with nothing, long after others have become the leaders of what it led. A client that only
// reads is told by nobody.
func TestALeaderThatIsCutOffFromTheOthers(t *testing.T) {
	for seed := range uint64(20) {
		if err := sim.Run(seed+1, between(isolatedLeader)); err != nil {
			t.Errorf("seed %d: %v", seed+1, err)
		}
	}
}

// TestOffsetsAreAskedOfTheNewLeader has a leader that stands still while it is asked for the end of its log: when another leads, that one is asked, before request.timeout.ms, thirty seconds, is over.
func TestOffsetsAreAskedOfTheNewLeader(t *testing.T) {
	for seed := range uint64(20) {
		if err := sim.Run(seed+1, between(silentEnd)); err != nil {
			t.Errorf("seed %d: %v", seed+1, err)
		}
	}
}

// pair is a producer and a consumer of a topic's only partition, in clients of their own.
type pair struct {
	w        *sim.World
	n        *sim.Network
	producer *api.Producer
	consumer *api.Consumer
	close    []func()
}

func newPair(w *sim.World) (*pair, error) {
	cluster, err := fake.NewCluster(fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: "t", Partitions: 1}}, Seed: w.Seed(), SessionTimeout: 3 * time.Second})
	if err != nil {
		return nil, err
	}
	p := &pair{w: w, n: sim.NewNetwork(w, cluster)}
	ctx := context.Background()
	for i := range 2 {
		client, err := api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092", "broker-2:9092", "broker-3:9092"))
		if err != nil {
			return nil, err
		}
		p.close = append(p.close, func() { _ = client.Shutdown(ctx) })
		if i == 0 {
			p.producer, err = client.Producer()
		} else if p.consumer, err = client.Consumer(""); err == nil {
			err = p.consumer.AssignAt(api.AtStart, api.TopicPartition{Topic: "t"})
		}
		if err != nil {
			return nil, err
		}
	}
	return p, nil
}

// between plays f with a pair, whose partition is led by broker 1, and closes its clients.
func between(f func(p *pair) error) func(w *sim.World) error {
	return func(w *sim.World) error {
		p, err := newPair(w)
		if err != nil {
			return err
		}
		defer func() {
			for _, end := range p.close {
				end()
			}
		}()
		if err := p.lead(1); err != nil {
			return err
		}
		return f(p)
	}
}

// lead makes another broker the leader.
func (p *pair) lead(node int32) (err error) {
	p.n.Do(func(c *fake.Cluster) { err = c.MoveLeader("t", 0, node) })
	return err
}

// round sends a record and reads it, within limit.
func (p *pair) round(limit time.Duration) error {
	some, cancel := p.w.WithTimeout(context.Background(), limit)
	defer cancel()
	if _, err := p.producer.Produce(some, &api.Record{Topic: "t", Value: []byte("v")}); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	if records, err := p.consumer.Poll(some); err != nil || len(records) != 1 {
		return fmt.Errorf("poll: %d records, %w", len(records), err)
	}
	return nil
}

func silentLeader(p *pair) error {
	if err := p.round(time.Minute); err != nil { // the position has a leader epoch now: a new leader's log is held against it
		return err
	}
	p.n.Cut(2)
	if err := p.lead(2); err != nil {
		return err
	}
	p.w.After(3*time.Second, "another leads", func() { _ = p.lead(3) })
	err := p.round(6 * time.Second)
	p.n.Mend(2)
	return err
}

func isolatedLeader(p *pair) error {
	for range 20 {
		if err := p.round(time.Minute); err != nil {
			return err
		}
		if err := p.w.Sleep(context.Background(), 200*time.Millisecond); err != nil {
			return err
		}
	}
	p.n.Do(func(c *fake.Cluster) { c.Isolate(p.w.Now(), 1) })
	return p.round(6 * time.Second)
}

func silentEnd(p *pair) error {
	if err := p.round(time.Minute); err != nil {
		return err
	}
	tp := api.TopicPartition{Topic: "t"}
	if _, err := p.consumer.EndOffsets(context.Background(), tp); err != nil {
		return err
	}
	p.n.Cut(1)
	p.w.After(3*time.Second, "another leads", func() { _ = p.lead(3) })
	some, cancel := p.w.WithTimeout(context.Background(), 6*time.Second)
	defer cancel()
	got, err := p.consumer.EndOffsets(some, tp)
	if err == nil && got[tp] != 1 {
		err = fmt.Errorf("the end is %d", got[tp])
	}
	p.n.Mend(1)
	return err
}
