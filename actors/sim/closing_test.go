package sim_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// closing is a client that is closed while some of its records cannot go, in a cluster of one broker with topic "t".
type closing struct {
	world   *sim.World
	network *sim.Network
	client  *api.Client
}

func closes(t *testing.T, do func(ctx context.Context, c *closing) error) {
	t.Helper()
	for seed := range uint64(min(*seeds, 20)) {
		err := sim.Run(seed+1, func(w *sim.World) error {
			server, err := fake.NewCluster(fake.Config{Nodes: 1, Topics: []fake.Topic{{Name: "t"}}, Seed: w.Seed()})
			if err != nil {
				return err
			}
			c := &closing{world: w, network: sim.NewNetwork(w, server)}
			ctx := context.Background()
			if c.client, err = api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092")); err != nil {
				return err
			}
			return do(ctx, c)
		})
		if err != nil {
			t.Fatalf("seed %d: %v", seed+1, err)
		}
	}
}

// producer gives one that has sent a record.
func (c *closing) producer(ctx context.Context, opts ...api.ProducerOption) (*api.Producer, error) {
	p, err := c.client.Producer(opts...)
	if err == nil {
		_, err = p.Produce(ctx, &api.Record{Topic: "t"})
	}
	return p, err
}

// leave stops the broker.
func (c *closing) leave() {
	c.network.Do(func(server *fake.Cluster) { server.Stop(c.world.Now(), 1) })
}

// wait lets time pass.
func (c *closing) wait(d time.Duration) {
	over, cancel := c.world.WithTimeout(context.Background(), d)
	defer cancel()
	_ = c.world.Park(over, role.NewWaiter())
}

// TestAClientIsClosedBesideItsProducer: who closes the producer waits long, and who closes the client does not. The second took the actor away from the first, with the record in it: it never had an outcome.
func TestAClientIsClosedBesideItsProducer(t *testing.T) {
	for _, topic := range []string{"t", "nowhere"} {
		closes(t, func(ctx context.Context, c *closing) error {
			p, err := c.producer(ctx)
			if err != nil {
				return err
			}
			c.leave()
			sent := p.Start(ctx, &api.Record{Topic: topic})
			closed := role.NewPromise[struct{}](c.world)
			c.world.Go("closer", func() { closed.Settle(struct{}{}, p.Shutdown(ctx)) })
			c.wait(time.Second)
			wait, cancel := c.world.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			if err := c.client.Shutdown(wait); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			if _, err, over := sent.TryGet(); !over || err == nil {
				return fmt.Errorf("topic %s: the client is closed, and a record is to have its outcome, %t: %w", topic, over, err)
			}
			_, err = closed.Get(ctx)
			return err
		})
	}
}

// TestAClientIsClosedTwice: who closed it second was told that everything is over while records of the first's close were still under way. Who waits less decides.
func TestAClientIsClosedTwice(t *testing.T) {
	for _, second := range []time.Duration{time.Second, time.Minute} {
		closes(t, func(ctx context.Context, c *closing) error {
			p, err := c.producer(ctx)
			if err != nil {
				return err
			}
			c.leave()
			c.world.After(20*time.Second, "back", func() { c.network.Do(func(server *fake.Cluster) { server.Start(c.world.Now(), 1) }) })
			sent := p.Start(ctx, &api.Record{Topic: "t"})
			first := role.NewPromise[struct{}](c.world)
			c.world.Go("closer", func() { first.Settle(struct{}{}, c.client.Shutdown(ctx)) })
			c.wait(time.Second)
			wait, cancel := c.world.WithTimeout(ctx, second)
			defer cancel()
			err = c.client.Shutdown(wait)
			_, outcome, told := sent.TryGet()
			if !told {
				return fmt.Errorf("closed: %w, and a record has no outcome", err)
			}
			if in := second == time.Minute; in != (outcome == nil) || in && err != nil {
				return fmt.Errorf("the second waits %s: %w, the record: %w", second, err, outcome)
			}
			_, other := first.Get(ctx)
			if (other == nil) != (err == nil) {
				return fmt.Errorf("one is told %w, the other %w", other, err)
			}
			return nil
		})
	}
}

// TestProducersAreClosedAtOnce: one that cannot bring its records on their way took all the time of a close, and a record of another that could have gone at once was given up.
func TestProducersAreClosedAtOnce(t *testing.T) {
	closes(t, func(ctx context.Context, c *closing) error {
		p, err := c.producer(ctx)
		if err != nil {
			return err
		}
		q, err := c.producer(ctx, api.Property("linger.ms", "60000"))
		if err != nil {
			return err
		}
		p.Start(ctx, &api.Record{Topic: "nowhere"})
		sent := q.Start(ctx, &api.Record{Topic: "t"})
		wait, cancel := c.world.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		_ = c.client.Shutdown(wait) // it tells of the first
		if _, err, told := sent.TryGet(); !told || err != nil {
			return fmt.Errorf("the record that can go: %t, %w", told, err)
		}
		return nil
	})
}

// TestCloseIsRightBehindASignal: the program's context has ended, and the natural line, Close, still sends what is queued, commits what was read, and leaves the group: 1,000 records were uncertain, and a successor waited for 45 s.
func TestCloseIsRightBehindASignal(t *testing.T) {
	for _, by := range []api.Protocol{api.ProtocolClassic, api.ProtocolConsumer} {
		closes(t, func(ctx context.Context, c *closing) error {
			ctx, signal := context.WithCancel(ctx)
			defer signal()
			p, err := c.producer(ctx, api.Linger(time.Minute))
			if err != nil {
				return err
			}
			k, err := c.client.Consumer("g", api.Topics("t"), api.FromStart(), api.GroupProtocol(by))
			if err != nil {
				return err
			}
			for n := 0; n == 0; {
				read, err := k.Poll(ctx)
				if err != nil {
					return err
				}
				n = len(read)
			}
			written, failed := 0, error(nil)
			for range 1000 {
				if err := p.Send(ctx, &api.Record{Topic: "t"}, func(_ api.RecordMetadata, err error) {
					if written++; err != nil {
						failed = err
					}
				}); err != nil {
					return err
				}
			}
			signal()
			if err := c.client.Close(); err != nil || written != 1000 || failed != nil {
				return fmt.Errorf("closed: %w, %d of 1,000 written, %w", err, written, failed)
			}
			_, members := c.members()
			if at := c.committed(); members != 0 || at != 1 {
				return fmt.Errorf("%d members are left, and %d is committed, after one record", members, at)
			}
			return nil
		})
	}
}

func (c *closing) members() (state string, n int) {
	c.network.Do(func(server *fake.Cluster) {
		var list []fake.GroupMember
		state, list = server.DescribeGroup("g")
		n = len(list)
	})
	return state, n
}

func (c *closing) committed() (at int64) {
	c.network.Do(func(server *fake.Cluster) { at = server.Committed("g", "t", 0) })
	return at
}

// TestTimeIsKeptForLeaving: neither records that cannot go, nor a commit that the coordinator is never ready for, nor a listener that waits for the end of its context take the time in which the group is told.
func TestTimeIsKeptForLeaving(t *testing.T) {
	for _, by := range []api.Protocol{api.ProtocolClassic, api.ProtocolConsumer} {
		closes(t, func(ctx context.Context, c *closing) error {
			p, err := c.producer(ctx)
			if err != nil {
				return err
			}
			k, err := c.client.Consumer("g", api.Topics("t"), api.FromStart(), api.GroupProtocol(by), api.OnRebalance(api.RebalanceListener{
				OnRevoked: func(ctx context.Context, _ []api.TopicPartition) { _ = c.world.Park(ctx, role.NewWaiter()) },
			}))
			if err != nil {
				return err
			}
			for n := 0; n == 0; {
				read, err := k.Poll(ctx)
				if err != nil {
					return err
				}
				n = len(read)
			}
			c.network.Do(func(server *fake.Cluster) {
				server.FailNext(msg.OffsetCommitAPI, slices.Repeat([]protocol.Code{protocol.CoordinatorLoadInProgress}, 1000)...)
			})
			sent := p.Start(ctx, &api.Record{Topic: "nowhere"})
			begun := c.world.Now()
			wait, cancel := c.world.WithTimeout(ctx, 8*time.Second)
			defer cancel()
			err = c.client.Shutdown(wait)
			if took := c.world.Now().Sub(begun); err == nil || took > 9*time.Second {
				return fmt.Errorf("closed after %s: %w", took, err)
			}
			if _, outcome, told := sent.TryGet(); !told || outcome == nil {
				return fmt.Errorf("the record's outcome: %t, %w", told, outcome)
			}
			if state, members := c.members(); members != 0 {
				return fmt.Errorf("the group is %s, with %d members", state, members)
			}
			return nil
		})
	}
}
