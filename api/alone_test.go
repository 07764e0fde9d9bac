package api_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
)

// alone plays with a consumer without a group, topics a and b of two partitions, and a client that looks for topics every second.
func alone(t *testing.T, play func(ctx context.Context, w *sim.World, n *sim.Network, client *api.Client) error) {
	t.Helper()
	if err := sim.Run(1, func(w *sim.World) error {
		c, err := fake.NewCluster(fake.Config{Nodes: 2, Topics: []fake.Topic{{Name: "a", Partitions: 2}, {Name: "b", Partitions: 2}}})
		if err != nil {
			return err
		}
		n := sim.NewNetwork(w, c)
		ctx := context.Background()
		client, err := api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092"), api.Property("metadata.max.age.ms", "1000"), api.Property("auto.offset.reset", "earliest"))
		if err != nil {
			return err
		}
		return errors.Join(play(ctx, w, n, client), client.Shutdown(ctx))
	}); err != nil {
		t.Error(err)
	}
}

// fills writes a record to each of the first partitions of a topic.
func fills(ctx context.Context, client *api.Client, topic, value string, partitions int32) error {
	p, err := client.Producer()
	if err != nil {
		return err
	}
	defer p.Shutdown(ctx)
	for i := range partitions {
		if _, err := p.Produce(ctx, &api.Record{Topic: topic, Partition: i, Fixed: true, Value: []byte(value)}); err != nil {
			return err
		}
	}
	return nil
}

// comes reads until as many records have come, or nothing more does, and gives them in order.
func comes(ctx context.Context, w *sim.World, k *api.Consumer, n int) ([]string, error) {
	ctx, cancel := w.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var got []string
	for len(got) < n {
		records, err := k.Poll(ctx)
		if err != nil && ctx.Err() == nil {
			return got, err
		}
		if ctx.Err() != nil {
			break
		}
		for _, r := range records {
			got = append(got, fmt.Sprintf("%s/%d %s", r.Topic, r.Partition, r.Value))
		}
	}
	slices.Sort(got)
	return got, nil
}

func expectRecords(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: came %v, expected %v", what, got, want)
	}
}

// TestAConsumerWithoutAGroupReadsWholeTopics: all partitions of the topics that it subscribes to, those that are added from their start, and those of topics that come into being.
func TestAConsumerWithoutAGroupReadsWholeTopics(t *testing.T) {
	for _, reset := range []api.ConsumerOption{api.FromStart(), api.FromEnd()} {
		alone(t, func(ctx context.Context, w *sim.World, n *sim.Network, client *api.Client) error {
			var assigned []api.TopicPartition
			k, err := client.Consumer("", reset, api.Topics("a", "later"), api.OnRebalance(api.RebalanceListener{OnAssigned: func(_ context.Context, parts []api.TopicPartition) { assigned = append(assigned, parts...) }}))
			if err != nil {
				return err
			}
			if got, err := comes(ctx, w, k, 1); err != nil || len(got) > 0 {
				t.Errorf("before anything is written: came %v, %v", got, err)
			}
			if err := fills(ctx, client, "a", "first", 2); err != nil {
				return err
			}
			got, err := comes(ctx, w, k, 2)
			expectRecords(t, "its topic", got, "a/0 first", "a/1 first")
			if err != nil {
				return err
			}
			if _, err := client.Admin().CreatePartitions(ctx, map[string]int32{"a": 3}); err != nil {
				return err
			}
			if err := fills(ctx, client, "a", "second", 3); err != nil {
				return err
			}
			got, err = comes(ctx, w, k, 3)
			expectRecords(t, "with a partition that was added", got, "a/0 second", "a/1 second", "a/2 second")
			if err != nil {
				return err
			}
			if _, err := client.Admin().CreateTopics(ctx, api.NewTopic{Name: "later", Partitions: 1, Replicas: 1}); err != nil {
				return err
			}
			_ = w.Sleep(ctx, 15*time.Second)
			if got, err := comes(ctx, w, k, 1); err != nil || len(got) > 0 {
				t.Errorf("of an empty topic: came %v, %v", got, err)
			}
			if err := fills(ctx, client, "later", "third", 1); err != nil {
				return err
			}
			got, err = comes(ctx, w, k, 1)
			expectRecords(t, "with a topic that was made", got, "later/0 third")
			if len(assigned) != 4 || len(k.Assignment()) != 4 {
				t.Errorf("the listener was given %v, assigned are %v", assigned, k.Assignment())
			}
			if err := k.Commit(ctx); !errors.Is(err, api.ErrIllegalState) || !strings.Contains(err.Error(), "group.id") {
				t.Errorf("Commit: %v", err)
			}
			return err
		})
	}
}

// TestAPatternWithoutAGroup: topics that match are read, when they come into being, and until they go.
func TestAPatternWithoutAGroup(t *testing.T) {
	alone(t, func(ctx context.Context, w *sim.World, n *sim.Network, client *api.Client) error {
		k, err := client.Consumer("", api.FromStart(), api.Topics("^[ac]$"))
		if err != nil {
			return err
		}
		for _, topic := range []string{"a", "b"} {
			if err := fills(ctx, client, topic, "first", 2); err != nil {
				return err
			}
		}
		got, err := comes(ctx, w, k, 2)
		expectRecords(t, "what matches", got, "a/0 first", "a/1 first")
		if err != nil {
			return err
		}
		if _, err := client.Admin().CreateTopics(ctx, api.NewTopic{Name: "c", Partitions: 1, Replicas: 1}); err != nil {
			return err
		}
		if err := fills(ctx, client, "c", "second", 1); err != nil {
			return err
		}
		got, err = comes(ctx, w, k, 1)
		expectRecords(t, "what was made", got, "c/0 second")
		if err != nil {
			return err
		}
		if _, err := client.Admin().DeleteTopics(ctx, "a"); err != nil {
			return err
		}
		if _, err := comes(ctx, w, k, 1); err != nil && !errors.Is(err, protocol.UnknownTopicOrPartition) && !errors.Is(err, protocol.UnknownTopicID) {
			return err
		}
		if _, err := comes(ctx, w, k, 1); err != nil || len(k.Assignment()) != 1 {
			t.Errorf("after a topic was deleted: assigned are %v, %v", k.Assignment(), err)
		}
		if err := k.Subscribe("b"); err != nil {
			return err
		}
		got, err = comes(ctx, w, k, 2)
		expectRecords(t, "after another subscription", got, "b/0 first", "b/1 first")
		if err != nil {
			return err
		}
		if err := k.Unsubscribe(ctx); err != nil || len(k.Assignment()) > 0 {
			t.Errorf("Unsubscribe: assigned are %v, %v", k.Assignment(), err)
		}
		if err := k.Assign(api.TopicPartition{Topic: "b", Partition: 1}); err != nil {
			return err
		}
		got, err = comes(ctx, w, k, 1)
		expectRecords(t, "assigned by hand", got, "b/1 first")
		return err
	})
}

// TestABrokerThatDoesNotKnowATopicTakesNothingFromAConsumerWithoutAGroup: positions stay as they were, and nothing comes twice.
func TestABrokerThatDoesNotKnowATopicTakesNothingFromAConsumerWithoutAGroup(t *testing.T) {
	alone(t, func(ctx context.Context, w *sim.World, n *sim.Network, client *api.Client) error {
		k, err := client.Consumer("", api.FromStart(), api.Topics("a"))
		if err != nil {
			return err
		}
		if err := fills(ctx, client, "a", "first", 2); err != nil {
			return err
		}
		got, err := comes(ctx, w, k, 2)
		expectRecords(t, "before", got, "a/0 first", "a/1 first")
		if err != nil {
			return err
		}
		n.Do(func(c *fake.Cluster) {
			c.FailNext(3, slices.Repeat([]protocol.Code{protocol.UnknownTopicOrPartition}, 30)...)
		})
		if got, _ := comes(ctx, w, k, 1); len(got) > 0 || len(k.Assignment()) != 2 {
			t.Errorf("meanwhile: came %v, assigned are %v", got, k.Assignment())
		}
		_ = w.Sleep(ctx, time.Minute)
		if err := fills(ctx, client, "a", "second", 2); err != nil {
			return err
		}
		got, err = comes(ctx, w, k, 2)
		expectRecords(t, "afterwards", got, "a/0 second", "a/1 second")
		return err
	})
}
