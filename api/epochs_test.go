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

var part = api.TopicPartition{Topic: "t"}

// written has a topic with so many records, a replica of it on each of so many brokers, and broker 1 for its leader. The client lives in what others make of the world.
func written(t *testing.T, nodes, records int, play func(ctx context.Context, w *sim.World, c *fake.Cluster, client *api.Client) error, others ...func(*sim.World) role.World) {
	t.Helper()
	if err := sim.Run(1, func(w *sim.World) error {
		c, err := fake.NewCluster(fake.Config{Nodes: nodes, Topics: []fake.Topic{{Name: "t", Replicas: nodes}}})
		if err != nil {
			return err
		}
		sim.NewNetwork(w, c)
		ctx := context.Background()
		lives := role.World(w)
		for _, o := range others {
			lives = o(w)
		}
		client, err := api.Dial(ctx, api.World(lives), api.Brokers("broker-1:9092"))
		if err != nil {
			return err
		}
		defer client.Shutdown(ctx)
		p, err := client.Producer()
		if err != nil {
			return err
		}
		for range records {
			if _, err := p.Produce(ctx, &api.Record{Topic: "t", Value: []byte("v")}); err != nil {
				return err
			}
		}
		return errors.Join(p.Shutdown(ctx), play(ctx, w, c, client))
	}); err != nil {
		t.Error(err)
	}
}

// polled polls for so long; an error that says only that nothing came is none.
func polled(ctx context.Context, w *sim.World, k *api.Consumer, d time.Duration, opts ...api.PollOption) ([]*api.Record, error) {
	ctx, cancel := w.WithTimeout(ctx, d)
	defer cancel()
	got, err := k.Poll(ctx, opts...)
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return got, err
}

// TestAnEpochWithoutRecordsIsNoTruncation begins to read at the end of a log, or at an offset that somebody has committed with the epoch of the leader, while that one has written nothing. When another leads, its epoch is forgotten, and nothing is lost.
func TestAnEpochWithoutRecordsIsNoTruncation(t *testing.T) {
	for name, begin := range map[string]func(k *api.Consumer) error{
		"the end": func(k *api.Consumer) error { return k.AssignAt(api.AtEnd, part) },
		"a committed offset": func(k *api.Consumer) error {
			return errors.Join(k.Assign(part), k.SeekTo(api.OffsetAndMetadata{TopicPartition: part, Offset: 3, LeaderEpoch: api.EpochOf(1)}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			written(t, 2, 3, func(ctx context.Context, w *sim.World, c *fake.Cluster, client *api.Client) error {
				if err := c.MoveLeader("t", 0, 2); err != nil {
					return err
				}
				k, err := client.Consumer("", api.Property("auto.offset.reset", "none"))
				if err != nil {
					return err
				}
				if err := begin(k); err != nil {
					return err
				}
				for _, node := range []int32{1, 2} {
					if got, err := polled(ctx, w, k, 5*time.Second); err != nil || len(got) != 0 {
						t.Errorf("%d records: %v", len(got), err)
					}
					if err := c.MoveLeader("t", 0, node); err != nil {
						return err
					}
				}
				if got, err := polled(ctx, w, k, 5*time.Second); err != nil || len(got) != 0 {
					t.Errorf("%d records: %v", len(got), err)
				}
				return nil
			})
		})
	}
}

// TestTheEpochOfARecordIsThatItWasWrittenIn reads from a leader that has written nothing, each way in which records are read, and commits: what is told and committed is the epoch of the records, and not that leader's.
func TestTheEpochOfARecordIsThatItWasWrittenIn(t *testing.T) {
	failed := errors.New("no more")
	for name, read := range map[string]func(ctx context.Context, w *sim.World, k *api.Consumer) (*api.Record, error){
		"Poll": func(ctx context.Context, w *sim.World, k *api.Consumer) (*api.Record, error) {
			got, err := polled(ctx, w, k, 10*time.Second, api.MaxRecords(1))
			if err != nil || len(got) == 0 {
				return nil, errors.Join(errors.New("nothing came"), err)
			}
			return got[0], k.Commit(ctx)
		},
		"Peek": func(ctx context.Context, w *sim.World, k *api.Consumer) (*api.Record, error) {
			got, err := polled(ctx, w, k, 10*time.Second, api.Peek())
			if err != nil || len(got) == 0 {
				return nil, errors.Join(errors.New("nothing came"), err)
			}
			return got[0], k.Commit(ctx, api.OffsetAndMetadata{TopicPartition: part, Offset: 1, LeaderEpoch: got[0].LeaderEpoch})
		},
		"Handle": func(ctx context.Context, _ *sim.World, k *api.Consumer) (first *api.Record, err error) {
			if err = k.Handle(ctx, func(_ context.Context, r *api.Record) error {
				if r.Offset == 1 {
					return failed
				}
				first = r
				return nil
			}); errors.Is(err, failed) {
				err = nil
			}
			return first, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			written(t, 2, 3, func(ctx context.Context, w *sim.World, c *fake.Cluster, client *api.Client) error {
				if err := c.MoveLeader("t", 0, 2); err != nil {
					return err
				}
				k, err := client.Consumer("g", api.Topics("t"), api.Property("auto.offset.reset", "earliest"))
				if err != nil {
					return err
				}
				r, err := read(ctx, w, k)
				if err != nil {
					return err
				}
				if r.LeaderEpoch != api.EpochOf(0) {
					t.Errorf("a record of epoch 0 tells of %s", r.LeaderEpoch)
				}
				got, err := k.Committed(ctx, part)
				if err != nil {
					return err
				}
				if o := got[part]; o.Offset != 1 || o.LeaderEpoch != api.EpochOf(0) {
					t.Errorf("committed is %+v, behind a record of epoch 0", o)
				}
				return k.Shutdown(ctx)
			})
		})
	}
}
