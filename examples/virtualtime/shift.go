// Package virtualtime is a small service with a test in virtual time: an outage of an hour takes the test some milliseconds, and happens the same way each time.
package virtualtime

import (
	"context"

	"github.com/kactor-go/kactor/api"
)

// Move copies the topic in to the topic out, as a member of the group mover, until ctx ends.
func Move(ctx context.Context, client *api.Client) error {
	producer, err := client.Producer()
	if err != nil {
		return err
	}
	consumer, err := client.Consumer("mover", api.Topics("in"), api.FromStart())
	if err != nil {
		return err
	}
	return consumer.Handle(ctx, func(ctx context.Context, r *api.Record) error {
		_, err := producer.Produce(ctx, &api.Record{Topic: "out", Key: r.Key, Value: r.Value})
		return err
	}, api.Attempts(1000, 0))
}
