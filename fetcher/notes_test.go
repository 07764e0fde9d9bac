package fetcher_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
)

// TestManyPartitionsAreFewLines has a consumer of 600 partitions, without offsets to begin at, whose topic then is deleted. Each had a line in the log, at both times.
func TestManyPartitionsAreFewLines(t *testing.T) {
	var log counted
	lines := func() int { // the logger is told by a goroutine of its own: that it is told something is waited for
		for log.n.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		return int(log.n.Swap(0))
	}
	if err := sim.Run(3, func(w *sim.World) error {
		cluster, err := fake.NewCluster(fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: "t", Partitions: 600}}})
		if err != nil {
			return err
		}
		n := sim.NewNetwork(w, cluster)
		ctx := context.Background()
		client, err := api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092"), api.Logger(slog.New(&log)), api.Property("allow.auto.create.topics", "false"))
		if err != nil {
			return err
		}
		defer client.Shutdown(ctx)
		k, err := client.Consumer("g", api.Property("auto.offset.reset", "earliest"))
		if err != nil {
			return err
		}
		var all []api.TopicPartition
		for i := range int32(600) {
			all = append(all, api.TopicPartition{Topic: "t", Partition: i})
		}
		if err := k.Assign(all...); err != nil {
			return err
		}
		poll := func(d time.Duration) {
			some, cancel := w.WithTimeout(ctx, d)
			defer cancel()
			for some.Err() == nil {
				_, _ = k.Poll(some)
			}
		}
		poll(5 * time.Second)
		if n := lines(); n > 40 {
			t.Errorf("at first %d lines are logged", n)
		}
		n.Do(func(c *fake.Cluster) { err = c.DeleteTopic("t") })
		poll(25 * time.Second)
		if n := lines(); n > 80 {
			t.Errorf("of the deleted topic %d lines are logged", n)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

// counted counts the lines of a log.
type counted struct{ n atomic.Int64 }

func (c *counted) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (c *counted) Handle(context.Context, slog.Record) error {
	c.n.Add(1)
	return nil
}

func (c *counted) WithAttrs([]slog.Attr) slog.Handler { return c }
func (c *counted) WithGroup(string) slog.Handler      { return c }
