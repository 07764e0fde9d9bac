package fetcher_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

var tp = api.TopicPartition{Topic: "t"}

// stage is a consumer of one partition in the simulated world.
type stage struct {
	w       *sim.World
	n       *sim.Network
	cluster *fake.Cluster
	client  *api.Client
	k       *api.Consumer
	ctx     context.Context
}

// play lets a consumer read a topic with three records from its beginning.
func play(t *testing.T, cfg fake.Config, props map[string]string, act func(*stage) error) {
	t.Helper()
	playSeed(t, 7, cfg, props, act)
}

func playSeed(t *testing.T, seed uint64, cfg fake.Config, props map[string]string, act func(*stage) error) {
	t.Helper()
	if err := sim.Run(seed, func(w *sim.World) error {
		cfg.Topics = []fake.Topic{{Name: "t"}}
		s := &stage{w: w, ctx: context.Background()}
		var err error
		if s.cluster, err = fake.NewCluster(cfg); err != nil {
			return err
		}
		s.n = sim.NewNetwork(w, s.cluster)
		if s.client, err = api.Dial(s.ctx, api.World(w), api.Brokers("broker-1:9092"), api.Property("auto.offset.reset", "earliest"), api.Properties(props)); err != nil {
			return err
		}
		if err := s.write(3); err != nil {
			return err
		}
		if s.k, err = s.client.Consumer(""); err != nil {
			return err
		}
		if err := act(s); err != nil {
			return err
		}
		return s.client.Shutdown(s.ctx)
	}); err != nil {
		t.Error(err)
	}
}

func (s *stage) write(n int) error {
	p, err := s.client.Producer()
	if err != nil {
		return err
	}
	for i := range n {
		if _, err := p.Produce(s.ctx, &api.Record{Topic: "t", Value: fmt.Append(nil, i)}); err != nil {
			return err
		}
	}
	return p.Shutdown(s.ctx)
}

// read reads until it has n records, and gives the offset of the last and the errors that were told.
func (s *stage) read(n int, within time.Duration) (last int64, told []error, err error) {
	ctx, cancel := s.w.WithTimeout(s.ctx, within)
	defer cancel()
	for n > 0 {
		records, err := s.k.Poll(ctx)
		if ctx.Err() != nil {
			return last, told, fmt.Errorf("%d records have not come within %s; told was %v", n, within, told)
		}
		if err != nil {
			told = append(told, err)
		}
		for _, r := range records {
			n, last = n-1, r.Offset
		}
	}
	return last, told, nil
}

// TestReadingGoesOnAfterARefusal has what may be refused once: it is told if it is a refusal, and reading goes on.
func TestReadingGoesOnAfterARefusal(t *testing.T) {
	for _, c := range []struct {
		key  int16
		code protocol.Code
		told int
	}{
		{msg.FetchAPI, protocol.TopicAuthorizationFailed, 1}, {msg.FetchAPI, protocol.CorruptMessage, 0}, {msg.FetchAPI, protocol.UnknownServerError, 0}, {msg.FetchAPI, protocol.KafkaStorageError, 0},
		{msg.ListOffsetsAPI, protocol.TopicAuthorizationFailed, 1}, {msg.ListOffsetsAPI, protocol.UnknownServerError, 0}, {msg.ListOffsetsAPI, protocol.InvalidRequest, 1},
	} {
		play(t, fake.Config{}, nil, func(s *stage) error {
			s.n.Do(func(f *fake.Cluster) { f.FailNext(c.key, c.code) })
			if err := s.k.Assign(tp); err != nil {
				return err
			}
			_, told, err := s.read(3, 5*time.Second)
			if len(told) != c.told {
				t.Errorf("%v: told %v", c.code, told)
			}
			for _, e := range told {
				if failed := new(api.PartitionError); !errors.As(e, &failed) || !failed.Retried || !errors.Is(e, c.code) {
					t.Errorf("%v: told %v", c.code, e)
				}
			}
			return err
		})
	}
}

// TestOneTurnedBitIsNobodysConcern has a batch that is damaged on the way once: it is fetched again.
func TestOneTurnedBitIsNobodysConcern(t *testing.T) {
	play(t, fake.Config{}, nil, func(s *stage) error {
		s.n.Spoil(1)
		if err := s.k.Assign(tp); err != nil {
			return err
		}
		_, told, err := s.read(3, 5*time.Second)
		if len(told) > 0 {
			t.Errorf("told %v", told)
		}
		return err
	})
}

// TestSessionsAreClosedOnTheBroker closes a consumer while its fetch is under way: that does not wait for it, and leaves nothing on the broker.
func TestSessionsAreClosedOnTheBroker(t *testing.T) {
	play(t, fake.Config{}, map[string]string{"fetch.max.wait.ms": "20000"}, func(s *stage) error {
		if err := s.k.Assign(tp); err != nil {
			return err
		}
		if _, _, err := s.read(3, 5*time.Second); err != nil {
			return err
		}
		_ = s.w.Sleep(s.ctx, time.Second)
		begun := s.w.Now()
		if err := s.k.Shutdown(s.ctx); err != nil {
			return err
		}
		if took := s.w.Now().Sub(begun); took > time.Second {
			t.Errorf("close took %s", took)
		}
		_ = s.w.Sleep(s.ctx, time.Second)
		open := 0
		s.n.Do(func(f *fake.Cluster) { open = f.Sessions(1) })
		if open != 0 {
			t.Errorf("%d sessions are left", open)
		}
		return nil
	})
}

// TestASeekDoesNotWaitForTheFetchUnderWay seeks back while the broker waits for new records.
func TestASeekDoesNotWaitForTheFetchUnderWay(t *testing.T) {
	for seed := range uint64(20) {
		seekBack(t, seed)
	}
}

func seekBack(t *testing.T, seed uint64) {
	playSeed(t, seed, fake.Config{}, map[string]string{"fetch.max.wait.ms": "20000"}, func(s *stage) error {
		if err := s.k.Assign(tp); err != nil {
			return err
		}
		for range 3 {
			if _, _, err := s.read(3, time.Second); err != nil {
				return err
			}
			_ = s.w.Sleep(s.ctx, time.Second)
			if err := s.k.Seek(tp, 0); err != nil {
				return err
			}
		}
		if err := s.write(1); err != nil {
			return err
		}
		_, _, err := s.read(4, time.Second)
		return err
	})
}

// TestATopicCreatedAgainIsReadFromItsBeginning has a topic that was deleted and created again, with more records than the old one had: with ids of topics, and without.
func TestATopicCreatedAgainIsReadFromItsBeginning(t *testing.T) {
	for _, release := range []string{"4.3", "2.8"} {
		play(t, fake.Config{Release: release}, map[string]string{"metadata.max.age.ms": "5000"}, func(s *stage) error {
			if err := s.k.Assign(tp); err != nil {
				return err
			}
			if _, _, err := s.read(3, 5*time.Second); err != nil {
				return err
			}
			var err error
			s.n.Do(func(f *fake.Cluster) { err = errors.Join(f.DeleteTopic("t"), f.CreateTopic(fake.Topic{Name: "t"})) })
			if err = errors.Join(err, s.write(5)); err != nil {
				return err
			}
			last, _, err := s.read(5, 30*time.Second)
			if last != 4 {
				t.Errorf("%s: the last record is at %d", release, last)
			}
			return err
		})
	}
}

// TestATopicWhoseEpochsBeginAnewIsReadFromItsBeginning has brokers without topic ids, and a topic that is created again with lower leader epochs, elsewhere.
func TestATopicWhoseEpochsBeginAnewIsReadFromItsBeginning(t *testing.T) {
	play(t, fake.Config{Release: "2.7", Nodes: 3}, map[string]string{"metadata.max.age.ms": "5000"}, func(s *stage) error {
		var err error
		s.n.Do(func(f *fake.Cluster) {
			for _, node := range []int32{2, 3, 2, 3, 2} {
				err = errors.Join(err, f.MoveLeader("t", 0, node))
			}
		})
		if err = errors.Join(err, s.write(3), s.k.Assign(tp)); err != nil {
			return err
		}
		if _, _, err := s.read(6, 10*time.Second); err != nil {
			return err
		}
		s.n.Do(func(f *fake.Cluster) {
			err = errors.Join(f.DeleteTopic("t"), f.CreateTopic(fake.Topic{Name: "t", Replicas: 1}))
		})
		if err = errors.Join(err, s.write(8)); err != nil {
			return err
		}
		last, _, err := s.read(8, time.Minute)
		if last != 7 {
			t.Errorf("the last record is at %d", last)
		}
		return err
	})
}

// TestADeletedTopicIsToldAndAskedForRarely has a topic that is deleted under its reader: it may be back any time, so it is asked for once a second.
func TestADeletedTopicIsToldAndAskedForRarely(t *testing.T) {
	play(t, fake.Config{}, map[string]string{"allow.auto.create.topics": "false"}, func(s *stage) error {
		if err := s.k.Assign(tp); err != nil {
			return err
		}
		if _, _, err := s.read(3, 5*time.Second); err != nil {
			return err
		}
		asked := map[int16]int{}
		s.n.Do(func(f *fake.Cluster) {
			_ = f.DeleteTopic("t")
			f.Observe(func(r fake.Request) { asked[r.Key]++ })
		})
		ctx, cancel := s.w.WithTimeout(s.ctx, time.Minute)
		defer cancel()
		told := 0
		for ctx.Err() == nil {
			if _, err := s.k.Poll(ctx); ctx.Err() == nil && err != nil {
				told++
			}
		}
		if told < 4 || told > 6 {
			t.Errorf("told %d times in a minute", told)
		}
		if asked[msg.FetchAPI] > 70 || asked[msg.MetadataAPI] > 70 {
			t.Errorf("asked %v", asked)
		}
		return nil
	})
}
