package api_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
)

// mallocs is how many objects f allocates, on all goroutines.
func mallocs(f func()) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs - before.Mallocs)
}

// loaded gives a client and a producer on a cluster with a topic "t"; consumers begin at its start.
func loaded(t *testing.T, nodes, partitions int, properties map[string]string) (*api.Client, *api.Producer) {
	server, err := fake.Listen(fake.Config{Nodes: nodes, Topics: []fake.Topic{{Name: "t", Partitions: partitions}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	client, err := api.Dial(t.Context(), api.Brokers(server.Addrs()...), api.Property("auto.offset.reset", "earliest"), api.Properties(properties))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Shutdown(context.Background()) })
	producer, err := client.Producer()
	if err != nil {
		t.Fatal(err)
	}
	return client, producer
}

// A record costs no allocation, neither produced nor consumed: what there are belong to batches and requests. The fake cluster's own are counted, too.
func TestRecordsAreNotAllocatedOneByOne(t *testing.T) {
	const records, partitions, most = 300_000, 4, 0.02 + slackOfRace
	ctx := t.Context()
	client, producer := loaded(t, 1, partitions, map[string]string{"batch.size": "1048576", "buffer.memory": "67108864", "max.request.size": "2097152",
		"linger.ms": "3600000", "delivery.timeout.ms": "7200000"}) // how many batches there are does not depend on how fast the machine is
	value := make([]byte, 100)
	var acked sync.WaitGroup
	done := func(_ api.RecordMetadata, err error) {
		if err != nil {
			t.Error(err)
		}
		acked.Done()
	}
	produce := func() {
		acked.Add(records)
		for range records {
			if err := producer.Send(ctx, &api.Record{Topic: "t", Value: value}, done); err != nil {
				t.Fatal(err)
			}
		}
		if err := producer.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		acked.Wait()
	}
	produce() // buffers are there from now on
	if n := mallocs(produce) / records; n > most {
		t.Errorf("%.4f allocations for each record produced, at most %.2f are allowed", n, most)
	}
	for _, views := range []bool{true, false} {
		consumer, err := client.Consumer("")
		if err != nil {
			t.Fatal(err)
		}
		for p := range int32(partitions) {
			if err := consumer.Assign(append(consumer.Assignment(), api.TopicPartition{Topic: "t", Partition: p})...); err != nil {
				t.Fatal(err)
			}
		}
		n := mallocs(func() { consume(t, consumer, 2*records, views) }) / (2 * records)
		if n > most {
			t.Errorf("views %v: %.4f allocations for each record consumed, at most %.2f are allowed", views, n, most)
		}
		if err := consumer.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

func consume(t *testing.T, consumer *api.Consumer, n int, views bool) {
	if !views {
		for _, err := range consumer.Records(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if n--; n == 0 {
				return
			}
		}
	}
	var v api.View
	for batch, err := range consumer.Batches(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for batch.Next(&v) {
			n--
		}
		if err := batch.Err(); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

// Records of goroutines that share a producer all come through, and those of each goroutine in its order within a partition.
func TestGoroutinesShareAProducer(t *testing.T) {
	const goroutines, each, partitions = 16, 2000, 8
	ctx := t.Context()
	client, producer := loaded(t, 3, partitions, nil)
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() {
			for i := range each {
				if err := producer.Send(ctx, &api.Record{Topic: "t", Value: []byte{byte(g), byte(i >> 8), byte(i)}}, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := producer.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	consumer, err := client.Consumer("")
	if err != nil {
		t.Fatal(err)
	}
	for p := range int32(partitions) {
		if err := consumer.IncrementalAssign(api.TopicPartition{Topic: "t", Partition: p}); err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	last := map[[2]int]int{}
	for r, err := range consumer.Records(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		key, i := [2]int{int(r.Partition), int(r.Value[0])}, int(r.Value[1])<<8|int(r.Value[2])
		if before, ok := last[key]; ok && i <= before {
			t.Fatalf("partition %d has record %d of goroutine %d behind record %d", r.Partition, i, r.Value[0], before)
		}
		last[key] = i
		if seen++; seen == goroutines*each {
			break
		}
	}
}

// Goroutines send the first records of a producer, to topics that become known meanwhile: all are written.
func TestGoroutinesBeginTogether(t *testing.T) {
	const rounds, goroutines, each = 30, 4, 500
	ctx := t.Context()
	server := listen(t)
	for range rounds {
		client, err := api.Dial(ctx, api.Brokers(server.Addrs()...))
		if err != nil {
			t.Fatal(err)
		}
		producer, err := client.Producer()
		if err != nil {
			t.Fatal(err)
		}
		var failed atomic.Int32
		var all sync.WaitGroup
		for range goroutines {
			all.Go(func() {
				for range each {
					if err := producer.Send(ctx, &api.Record{Topic: "t", Value: []byte("v")}, func(_ api.RecordMetadata, err error) {
						if err != nil {
							failed.Add(1)
						}
					}); err != nil {
						failed.Add(1)
					}
				}
			})
		}
		within(t, "Send", all.Wait)
		within(t, "Flush", func() { err = producer.Flush(ctx) })
		if err != nil || failed.Load() > 0 {
			t.Fatalf("%v, %d records failed", err, failed.Load())
		}
		if err := client.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
	}
}
