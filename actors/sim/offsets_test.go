package sim_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol/msg"
)

// reader is a consumer of the topics a and b, of which each has one partition and five records.
type reader struct {
	w       *sim.World
	n       *sim.Network
	k       *api.Consumer
	commits int
}

// reading plays f with a reader.
func reading(opts []api.ConsumerOption, f func(r *reader) error) func(w *sim.World) error {
	return func(w *sim.World) error {
		cluster, err := fake.NewCluster(fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: "a"}, {Name: "b"}}, Seed: w.Seed()})
		if err != nil {
			return err
		}
		r := &reader{w: w, n: sim.NewNetwork(w, cluster)}
		cluster.Observe(func(q fake.Request) {
			if _, ok := q.Req.(*msg.OffsetCommitRequest); ok {
				r.commits++
			}
		})
		ctx := context.Background()
		client, err := api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092", "broker-2:9092", "broker-3:9092"), api.Property("auto.offset.reset", "earliest"))
		if err != nil {
			return err
		}
		defer func() { _ = client.Shutdown(ctx) }()
		producer, err := client.Producer()
		if err != nil {
			return err
		}
		for i := range 10 {
			if _, err := producer.Produce(ctx, &api.Record{Topic: []string{"a", "b"}[i%2], Value: []byte("v")}); err != nil {
				return err
			}
		}
		if r.k, err = client.Consumer("g", opts...); err != nil {
			return err
		}
		return f(r)
	}
}

// poll polls for a while, and counts the records of each topic.
func (r *reader) poll(d time.Duration) map[string]int {
	got := map[string]int{}
	end := r.w.Now().Add(d)
	for r.w.Now().Before(end) {
		some, cancel := r.w.WithTimeout(context.Background(), end.Sub(r.w.Now()))
		records, _ := r.k.Poll(some)
		cancel()
		for _, rec := range records {
			got[rec.Topic]++
		}
	}
	return got
}

// TestAnIdleConsumerKeepsItsOffsetsAlive: nothing else does where the application has assigned the partitions. Of a group with members nothing is committed twice.
func TestAnIdleConsumerKeepsItsOffsetsAlive(t *testing.T) {
	for _, byHand := range []bool{true, false} {
		if err := sim.Run(1, reading(nil, func(r *reader) error {
			begin := r.k.Subscribe
			if byHand {
				begin = func(topics ...string) error {
					return r.k.Assign(api.TopicPartition{Topic: topics[0]}, api.TopicPartition{Topic: topics[1]})
				}
			}
			if err := begin("a", "b"); err != nil {
				return err
			}
			if got := r.poll(10 * time.Second); got["a"]+got["b"] != 10 {
				return fmt.Errorf("read are %v", got)
			}
			r.commits = 0
			r.poll(time.Minute)
			if byHand && r.commits < 11 || !byHand && r.commits > 0 {
				return fmt.Errorf("%d commits in an idle minute", r.commits)
			}
			return nil
		})); err != nil {
			t.Errorf("by hand: %v: %v", byHand, err)
		}
	}
}

// TestADeletedTopicHoldsUpNobody has a topic deleted whose records were read and not committed.
func TestADeletedTopicHoldsUpNobody(t *testing.T) {
	for _, protocol := range []string{"classic", "consumer"} {
		opts := []api.ConsumerOption{api.Topics("a", "b"), api.Property("group.protocol", protocol), api.Property("auto.commit.interval.ms", "3600000")}
		if err := sim.Run(1, reading(opts, func(r *reader) (err error) {
			if got := r.poll(10 * time.Second); got["a"]+got["b"] != 10 {
				return fmt.Errorf("read are %v", got)
			}
			r.n.Do(func(c *fake.Cluster) { err = c.DeleteTopic("b") })
			if err != nil {
				return err
			}
			begun := r.w.Now()
			ctx := context.Background()
			if got, err := r.k.Committed(ctx, api.TopicPartition{Topic: "b"}); err != nil || len(got) > 0 {
				return fmt.Errorf("committed offsets: %v, %w", got, err)
			}
			if err := r.k.Shutdown(ctx); err != nil {
				return fmt.Errorf("close: %w", err)
			}
			if took := r.w.Now().Sub(begun); took > 10*time.Second {
				return fmt.Errorf("it took %s", took)
			}
			r.n.Do(func(c *fake.Cluster) {
				if at := c.Committed("g", "a", 0); at != 5 {
					err = fmt.Errorf("%d is committed of the other topic", at)
				}
			})
			return err
		})); err != nil {
			t.Errorf("%s: %v", protocol, err)
		}
	}
}

// TestWhatWasReadOfADeletedTopicIsNotCommittedForTheNext has a topic deleted and created again.
func TestWhatWasReadOfADeletedTopicIsNotCommittedForTheNext(t *testing.T) {
	opts := []api.ConsumerOption{api.Topics("a", "b"), api.Property("enable.auto.commit", "false")}
	if err := sim.Run(1, reading(opts, func(r *reader) (err error) {
		r.poll(10 * time.Second)
		r.n.Do(func(c *fake.Cluster) {
			if err = c.DeleteTopic("b"); err == nil {
				err = c.CreateTopic(fake.Topic{Name: "b"})
			}
		})
		if err != nil {
			return err
		}
		ctx := context.Background()
		told := r.k.Commit(ctx)
		r.n.Do(func(c *fake.Cluster) {
			if a, b := c.Committed("g", "a", 0), c.Committed("g", "b", 0); a != 5 || b > 0 {
				err = fmt.Errorf("committed are %d and %d, and the consumer was told %v", a, b, told)
			}
		})
		return err
	})); err != nil {
		t.Error(err)
	}
}

// TestCloseEndsWhenNobodyAnswers has all brokers fall silent under a member that has something to commit.
func TestCloseEndsWhenNobodyAnswers(t *testing.T) {
	for _, protocol := range []string{"classic", "consumer"} {
		for limit, most := range map[time.Duration]time.Duration{time.Second: 1050 * time.Millisecond, time.Hour: 80 * time.Second} { // session.timeout.ms for the commit, and request.timeout.ms for the goodbye
			opts := []api.ConsumerOption{api.Topics("a", "b"), api.Property("group.protocol", protocol), api.Property("auto.commit.interval.ms", "3600000")}
			if err := sim.Run(1, reading(opts, func(r *reader) error {
				r.poll(10 * time.Second)
				for id := range int32(3) {
					r.n.Cut(id + 1)
				}
				defer r.n.Heal()
				begun := r.w.Now()
				some, cancel := r.w.WithTimeout(context.Background(), limit)
				defer cancel()
				err := r.k.Shutdown(some)
				if took := r.w.Now().Sub(begun); took > most || err == nil {
					return fmt.Errorf("close took %s: %w", took, err)
				}
				return nil
			})); err != nil {
				t.Errorf("%s, within %s: %v", protocol, limit, err)
			}
		}
	}
}
