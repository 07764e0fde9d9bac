package api_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
)

// late is a world whose coarse clock has stood still for a while, as on a machine that has no time for it.
type late struct{ *sim.World }

func (l late) NowMs() int64 { return l.World.NowMs() - 300 }

// TestARetryWaitsAlsoWhereTheCoarseClockIsLate: the time of a record that is passed on was that clock's, so it was handled again too early.
func TestARetryWaitsAlsoWhereTheCoarseClockIsLate(t *testing.T) {
	if err := sim.Run(1, func(w *sim.World) error {
		server, err := fake.NewCluster(fake.Config{Topics: []fake.Topic{{Name: "work"}, {Name: "again"}}})
		if err != nil {
			return err
		}
		sim.NewNetwork(w, server)
		ctx, cancel := w.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		client, err := api.Dial(ctx, api.World(late{w}), api.Brokers("broker-1:9092"))
		if err != nil {
			return err
		}
		defer client.Shutdown(context.Background())
		p, err := client.Producer()
		if err != nil {
			return err
		}
		if _, err := p.Produce(ctx, &api.Record{Topic: "work"}); err != nil {
			return err
		}
		k, err := client.Consumer("g", api.Topics("work", "again"), api.Property("auto.offset.reset", "earliest"))
		if err != nil {
			return err
		}
		const after = time.Second
		var first, second time.Time
		err = k.Handle(ctx, func(_ context.Context, r *api.Record) error {
			if r.Topic == "work" {
				first = w.Now()
				return errors.New("not now")
			}
			second = w.Now()
			cancel()
			return nil
		}, api.Retry(p, api.RetryTopic{Topic: "again", After: after}))
		if second.Sub(first) < after {
			t.Errorf("it is handled again after %s", second.Sub(first))
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}
