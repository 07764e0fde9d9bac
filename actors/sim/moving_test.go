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
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
)

// routed plays f with a cluster of three and its cluster actor, on some seeds.
func routed(t *testing.T, cfg fake.Config, f func(w *sim.World, n *sim.Network, c *broker.Client) error) {
	t.Helper()
	for seed := range uint64(20) {
		err := sim.Run(seed+1, func(w *sim.World) error {
			cfg.Nodes, cfg.Seed = 3, w.Seed()
			cluster, err := fake.NewCluster(cfg)
			if err != nil {
				return err
			}
			n := sim.NewNetwork(w, cluster)
			tree := role.NewTree(w, "routed", nil)
			settings := broker.Default()
			settings.Bootstrap = []string{"broker-1:9092", "broker-2:9092", "broker-3:9092"}
			c, err := broker.Start(tree, settings, broker.Hooks{}, nil)
			if err != nil {
				return err
			}
			err = f(w, n, c)
			short, cancel := w.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = c.Stop(short)
			return errors.Join(err, tree.Stop(context.Background()))
		})
		if err != nil {
			t.Errorf("seed %d: %v", seed+1, err)
		}
	}
}

// TestACallToACoordinatorThatStandsStillMoves has rule R1: it waited for request.timeout.ms, although the cluster had another coordinator. A call that must not be handled twice stays.
func TestACallToACoordinatorThatStandsStillMoves(t *testing.T) {
	routed(t, fake.Config{SessionTimeout: 3 * time.Second}, func(w *sim.World, n *sim.Network, c *broker.Client) error {
		ctx := context.Background()
		fetch := func(replayable bool) (broker.Reply, time.Duration, error) {
			begun := w.Now()
			reply, err := broker.Call(ctx, c, broker.Route{Req: &msg.OffsetFetchRequest{GroupID: "g"}, MaxVersion: 7, Replayable: replayable, To: broker.Target{Kind: broker.ToCoordinator, Key: "g"},
				Fit: func(v int16, req protocol.Request) error { return nil }})
			return reply, w.Now().Sub(begun), err
		}
		first, _, err := fetch(true)
		if err != nil {
			return err
		}
		n.Do(func(k *fake.Cluster) { k.Pause(w.Now(), first.Node) })
		stays := role.NewPromise[error](w)
		w.Go("stays", func() {
			_, took, err := fetch(false)
			if !errors.Is(err, broker.ErrTimeout) || took < 29*time.Second {
				err = fmt.Errorf("a call that must not be handled twice ended after %s: %w", took, err)
			} else {
				err = nil
			}
			stays.Settle(err, nil)
		})
		if _, took, err := fetch(true); !errors.Is(err, broker.ErrMoved) || took > 4*time.Second {
			return fmt.Errorf("after %s: %w", took, err)
		}
		next, took, err := fetch(true)
		if err != nil || next.Node == first.Node || took > time.Second {
			return fmt.Errorf("node %d instead of %d, after %s: %w", next.Node, first.Node, took, err)
		}
		wrong, _ := stays.Get(ctx)
		return wrong
	})
}

// TestChangesFindTheController: a broker that is not the controller any more said so to the caller.
func TestChangesFindTheController(t *testing.T) {
	withClient(t, fake.Config{Topics: []fake.Topic{{Name: "t"}}}, nil, func(w *sim.World, n *sim.Network, client *api.Client) error {
		ctx := context.Background()
		n.Do(func(c *fake.Cluster) {
			c.FailNext(msg.CreateTopicsAPI, protocol.NotController, protocol.NotController)
			c.FailNext(msg.DeleteTopicsAPI, protocol.NotController)
			c.FailNext(msg.CreatePartitionsAPI, protocol.NotController)
		})
		if m, err := client.Admin().CreateTopics(ctx, api.NewTopic{Name: "x", Partitions: 1, Replicas: 1}, api.NewTopic{Name: "t", Partitions: 1, Replicas: 1}); err != nil || m["x"] != nil || !errors.Is(m["t"], protocol.TopicAlreadyExists) {
			return fmt.Errorf("create topics: %v, %w", m, err)
		}
		if m, err := client.Admin().CreatePartitions(ctx, map[string]int32{"x": 3}); err != nil || m["x"] != nil {
			return fmt.Errorf("create partitions: %v, %w", m, err)
		}
		n.Do(func(c *fake.Cluster) { c.FailNext(msg.MetadataAPI, protocol.LeaderNotAvailable) })
		if m, err := client.Admin().DescribeTopics(ctx, "x", "none"); err != nil || m["x"].Err != nil || len(m["x"].Topic.Partitions) != 3 || !errors.Is(m["none"].Err, protocol.UnknownTopicOrPartition) {
			return fmt.Errorf("describe topics: %v, %w", m, err)
		}
		if m, err := client.Admin().DeleteTopics(ctx, "x", "none"); err != nil || m["x"] != nil || !errors.Is(m["none"], protocol.UnknownTopicOrPartition) {
			return fmt.Errorf("delete topics: %v, %w", m, err)
		}
		n.Do(func(c *fake.Cluster) {
			for range 1000 {
				c.FailNext(msg.CreateTopicsAPI, protocol.NotController)
			}
		})
		if m, err := client.Admin().CreateTopics(ctx, api.NewTopic{Name: "y", Partitions: 1, Replicas: 1}); err != nil || !errors.Is(m["y"], protocol.NotController) {
			return fmt.Errorf("without a controller: %v, %w", m, err)
		}
		return nil
	})
}

// withClient plays f with a cluster and a client, on some seeds.
func withClient(t *testing.T, cfg fake.Config, props map[string]string, f func(w *sim.World, n *sim.Network, c *api.Client) error, more ...api.ClientOption) {
	t.Helper()
	for seed := range uint64(10) {
		err := sim.Run(seed+1, func(w *sim.World) error {
			cfg.Nodes, cfg.Seed = 3, w.Seed()
			cluster, err := fake.NewCluster(cfg)
			if err != nil {
				return err
			}
			n := sim.NewNetwork(w, cluster)
			client, err := api.Dial(context.Background(), append(more, api.World(w), api.Brokers("broker-1:9092", "broker-2:9092", "broker-3:9092"), api.Properties(props))...)
			if err != nil {
				return err
			}
			err = f(w, n, client)
			short, cancel := w.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = client.Shutdown(short)
			return err
		})
		if err != nil {
			t.Errorf("seed %d: %v", seed+1, err)
		}
	}
}

// TestATopicThatIsUsedStaysKnown: it was forgotten after metadata.max.idle.ms, however much was produced to it, or read of it, and the next record had to wait for metadata.
func TestATopicThatIsUsedStaysKnown(t *testing.T) {
	known := map[string]bool{}
	var gone []string
	changed := func(s *cluster.Snapshot) {
		for name := range known {
			if s.Topic(name) == nil && !slices.Contains(gone, name) {
				gone = append(gone, name)
			}
		}
		for _, t := range s.Topics() {
			known[t.Name] = true
		}
	}
	withClient(t, fake.Config{Topics: []fake.Topic{{Name: "written"}, {Name: "read"}, {Name: "once"}}}, map[string]string{"metadata.max.age.ms": "5000", "metadata.max.idle.ms": "5000"}, func(w *sim.World, n *sim.Network, client *api.Client) error {
		clear(known)
		gone = nil
		ctx := context.Background()
		p, err := client.Producer()
		if err != nil {
			return err
		}
		k, err := client.Consumer("")
		if err != nil {
			return err
		}
		if err := k.AssignAt(api.AtStart, api.TopicPartition{Topic: "read"}); err != nil {
			return err
		}
		if _, err := p.Produce(ctx, &api.Record{Topic: "once"}); err != nil {
			return err
		}
		for range 60 {
			if _, err := p.Produce(ctx, &api.Record{Topic: "written"}); err != nil {
				return err
			}
			if err := w.Sleep(ctx, time.Second); err != nil {
				return err
			}
		}
		if len(known) != 3 || !slices.Equal(gone, []string{"once"}) {
			return fmt.Errorf("of %v the client has forgotten %q", known, gone)
		}
		return nil
	}, api.Hooks(broker.Hooks{Changed: changed}))
}

// TestATopicCreatedAgainOnOldBrokers has brokers that tell no topic ids (before 2.8, Redpanda): the new topic's epochs begin at 0, and it is led elsewhere. Nothing could be written to it any more.
func TestATopicCreatedAgainOnOldBrokers(t *testing.T) {
	withClient(t, fake.Config{Release: "2.7", Topics: []fake.Topic{{Name: "t", Replicas: 3}}}, nil, func(w *sim.World, n *sim.Network, client *api.Client) error {
		var wrong error
		n.Do(func(c *fake.Cluster) {
			for _, node := range []int32{2, 3, 2, 3, 2} {
				wrong = errors.Join(wrong, c.MoveLeader("t", 0, node))
			}
		})
		p, err := client.Producer()
		if err != nil || wrong != nil {
			return errors.Join(err, wrong)
		}
		if _, err := p.Produce(context.Background(), &api.Record{Topic: "t", Value: []byte("1")}); err != nil {
			return err
		}
		n.Do(func(c *fake.Cluster) {
			wrong = errors.Join(c.DeleteTopic("t"), c.CreateTopic(fake.Topic{Name: "t", Replicas: 1}))
		})
		if wrong != nil {
			return wrong
		}
		some, cancel := w.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, err = p.Produce(some, &api.Record{Topic: "t", Value: []byte("2")})
		return err
	})
}

// TestACommitDoesNotWaitForProduceRequests: a broker handles the requests of a connection one after the other, and holds a produce request back until its replicas have it.
func TestACommitDoesNotWaitForProduceRequests(t *testing.T) {
	withClient(t, fake.Config{Topics: []fake.Topic{{Name: "t"}, {Name: "out"}}}, nil, func(w *sim.World, n *sim.Network, client *api.Client) error {
		ctx := context.Background()
		p, err := client.Producer()
		if err != nil {
			return err
		}
		k, err := client.Consumer("g", api.Topics("t"), api.Property("auto.offset.reset", "earliest"), api.Property("enable.auto.commit", "false"))
		if err != nil {
			return err
		}
		if _, err := p.Produce(ctx, &api.Record{Topic: "t"}); err != nil {
			return err
		}
		if got, err := k.Poll(ctx); err != nil || len(got) != 1 {
			return fmt.Errorf("poll: %d records, %w", len(got), err)
		}
		n.Do(func(c *fake.Cluster) {
			c.Seize(msg.ProduceAPI, func(fake.Request) fake.Action { return fake.Action{Delay: 4 * time.Second} })
		})
		for range 20 { // to every broker
			if err := p.Send(ctx, &api.Record{Topic: "out"}, nil); err != nil {
				return err
			}
		}
		if err := w.Sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
		begun := w.Now()
		if err := k.Commit(ctx); err != nil {
			return err
		}
		if took := w.Now().Sub(begun); took > time.Second {
			return fmt.Errorf("the commit took %s", took)
		}
		return nil
	})
}
