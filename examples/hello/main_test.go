package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
)

// Whoever is interrupted in the middle has written a receipt for each order that is committed, and goes on with the next one.
func TestEachOrderHasAReceipt(t *testing.T) {
	const orders = 2000
	server, err := fake.Listen(fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: "orders", Partitions: 3, Replicas: 3}, {Name: "receipts", Partitions: 3, Replicas: 3}}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := api.Dial(t.Context(), api.Brokers(server.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	producer, err := client.Producer()
	if err != nil {
		t.Fatal(err)
	}
	var records []*api.Record
	for i := range orders {
		records = append(records, &api.Record{Topic: "orders", Key: fmt.Append(nil, i), Value: fmt.Append(nil, i)})
	}
	if err := producer.ProduceAll(t.Context(), records...); err != nil {
		t.Fatal(err)
	}
	reader, err := client.Consumer("")
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.AssignAt(api.AtStart, api.TopicPartition{Topic: "receipts"}, api.TopicPartition{Topic: "receipts", Partition: 1}, api.TopicPartition{Topic: "receipts", Partition: 2}); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for len(seen) < orders {
		ctx, interrupt := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- run(ctx, server.Addrs()...) }()
		for before := len(seen); len(seen) < min(before+orders/4, orders); {
			some, err := reader.Poll(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range some {
				seen[string(r.Value)] = true
			}
		}
		for members := 0; members == 0; time.Sleep(time.Millisecond) { // what was seen may be of the run before
			server.Do(func(c *fake.Cluster) {
				_, list := c.DescribeGroup("billing")
				members = len(list)
			})
		}
		interrupt()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		committed, receipts := int64(0), int64(0)
		server.Do(func(c *fake.Cluster) {
			if _, members := c.DescribeGroup("billing"); len(members) > 0 {
				t.Errorf("%d members are left", len(members))
			}
			for p := range int32(3) {
				committed += max(0, c.Committed("billing", "orders", p))
				_, end := c.Offsets("receipts", p)
				receipts += end
			}
		})
		if receipts < committed {
			t.Fatalf("%d orders are committed, and %d receipts are written", committed, receipts)
		}
	}
}
