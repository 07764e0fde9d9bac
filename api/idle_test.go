package api_test

import (
	"context"
	"testing"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
)

// TestManyIdlePartitionsOfAnOldBroker: releases before 0.11 name every idle partition in 18 bytes, of which we keep more than eight times as much. Such an answer is asked for in pieces, and what has records is read.
func TestManyIdlePartitionsOfAnOldBroker(t *testing.T) {
	const partitions = 30_000
	server, err := fake.Listen(fake.Config{Release: "0.10", Topics: []fake.Topic{{Name: "t", Partitions: partitions}}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := api.Dial(ctx, api.Brokers(server.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p, err := c.Producer()
	if err != nil {
		t.Fatal(err)
	}
	k, err := c.Consumer("", api.Property("fetch.max.wait.ms", "10"))
	if err != nil {
		t.Fatal(err)
	}
	var all []api.TopicPartition
	for i := range int32(partitions) {
		all = append(all, api.TopicPartition{Topic: "t", Partition: i})
	}
	if err := k.AssignAt(api.AtStart, all...); err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		for _, i := range []int32{0, 77, partitions / 2, partitions - 1} {
			if _, err := p.Produce(ctx, &api.Record{Topic: "t", Partition: i, Fixed: true, Value: []byte("v")}); err != nil {
				t.Fatal(err)
			}
		}
		for got := 0; got < 4; {
			records, err := k.Poll(ctx)
			if err != nil {
				t.Fatalf("round %d, %d records: %v", round, got, err)
			}
			got += len(records)
		}
	}
}
