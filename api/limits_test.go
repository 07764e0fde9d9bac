package api_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol/compress"
)

// What cannot be decompressed within its limit is tried again, but not at full rate: each try costs a fetch and the decompression up to the limit. The time is virtual.
func TestABatchAboveTheLimitIsNotTriedAtFullRate(t *testing.T) {
	err := sim.Run(1, func(w *sim.World) error {
		cluster, err := fake.NewCluster(fake.Config{Topics: []fake.Topic{{Name: "t", Partitions: 2}}})
		if err != nil {
			return err
		}
		n := sim.NewNetwork(w, cluster)
		w.SetNetwork(n)
		ctx, cancel := w.WithTimeout(context.Background(), 70*time.Second)
		defer cancel()
		c, err := api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092"))
		if err != nil {
			return err
		}
		p, err := c.Producer(api.Compression(compress.Zstd), api.Property("max.request.size", fmt.Sprint(8<<20)))
		if err != nil {
			return err
		}
		if _, err := p.Produce(ctx, &api.Record{Topic: "t", Fixed: true, Value: make([]byte, 2<<20)}); err != nil {
			return err
		}
		k, err := c.Consumer("", api.Property("decompress.max.bytes", fmt.Sprint(1<<20)))
		if err != nil {
			return err
		}
		if err := k.AssignAt(api.AtStart, api.TopicPartition{Topic: "t"}, api.TopicPartition{Topic: "t", Partition: 1}); err != nil {
			return err
		}
		minute, cancel := w.WithTimeout(ctx, time.Minute)
		defer cancel()
		told := 0
		for minute.Err() == nil {
			_, err := k.Poll(minute)
			var size *api.DecompressionError
			if errors.As(err, &size) {
				told++
			} else if err != nil && minute.Err() == nil {
				return err
			}
		}
		if told < 2 || told > 80 {
			t.Errorf("the application was told %d times in a minute", told)
		}
		return c.Shutdown(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestAPollIsBoundedByBytes has records that are packed thousands of times: all that was fetched within the budget was decompressed for one Poll.
func TestAPollIsBoundedByBytes(t *testing.T) {
	const records, size, budget = 20, 1 << 20, 3 << 20
	if err := sim.Run(1, func(w *sim.World) error {
		cluster, err := fake.NewCluster(fake.Config{Topics: []fake.Topic{{Name: "t"}}})
		if err != nil {
			return err
		}
		sim.NewNetwork(w, cluster)
		ctx, cancel := w.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		c, err := api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092"))
		if err != nil {
			return err
		}
		defer c.Shutdown(ctx)
		p, err := c.Producer(api.Compression(compress.Zstd), api.Property("max.request.size", fmt.Sprint(2*size)))
		if err != nil {
			return err
		}
		for range records {
			if _, err := p.Produce(ctx, &api.Record{Topic: "t", Fixed: true, Value: make([]byte, size)}); err != nil {
				return err
			}
		}
		k, err := c.Consumer("", api.Property("receive.budget.bytes", fmt.Sprint(budget)))
		if err != nil {
			return err
		}
		if err := k.AssignAt(api.AtStart, api.TopicPartition{Topic: "t"}); err != nil {
			return err
		}
		for next := int64(0); next < records; {
			got, err := k.Poll(ctx)
			if err != nil {
				return err
			}
			if len(got) > budget/size {
				t.Errorf("%d records of %d bytes came at once", len(got), size)
			}
			for _, r := range got {
				if r.Offset != next {
					return fmt.Errorf("offset %d comes, expected %d", r.Offset, next)
				}
				next++
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
