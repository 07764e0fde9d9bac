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
	"github.com/kactor-go/kactor/protocol"
)

// TestAnIdleClientDoesNotBringBackADeletedTopic has brokers that create topics, and one that a producer and a consumer have used is deleted. It was there again with their next request for metadata. A record for it is a
// wish for a new one.
func TestAnIdleClientDoesNotBringBackADeletedTopic(t *testing.T) {
	if err := sim.Run(5, func(w *sim.World) error {
		s, err := begin(w, fake.Config{Nodes: 3, AutoCreate: true, Seed: w.Seed()})
		if err != nil {
			return err
		}
		ctx := context.Background()
		defer s.client.Shutdown(ctx)
		k, err := s.client.Consumer("g", api.Topics("kept", "gone"), api.Property("auto.offset.reset", "earliest"))
		if err != nil {
			return err
		}
		for _, topic := range []string{"kept", "gone"} {
			if _, err := s.producer.Produce(ctx, &api.Record{Topic: topic}); err != nil {
				return err
			}
		}
		poll := func(d time.Duration) error {
			some, cancel := w.WithTimeout(ctx, d)
			defer cancel()
			for some.Err() == nil {
				if _, err := k.Poll(some); err != nil && some.Err() == nil && !errors.Is(err, protocol.UnknownTopicOrPartition) {
					return err
				}
			}
			return nil
		}
		if err := poll(10 * time.Second); err != nil {
			return err
		}
		var deleted error
		s.network.Do(func(f *fake.Cluster) { deleted = f.DeleteTopic("gone") })
		if err := errors.Join(deleted, poll(20*time.Minute)); err != nil {
			return err
		}
		found, err := s.client.Admin().DescribeTopics(ctx, "kept", "gone")
		if err != nil {
			return err
		}
		if found["kept"].Err != nil || !errors.Is(found["gone"].Err, protocol.UnknownTopicOrPartition) {
			return fmt.Errorf("the topics are %+v", found)
		}
		_, err = s.producer.Produce(ctx, &api.Record{Topic: "gone"})
		return err
	}); err != nil {
		t.Error(err)
	}
}
