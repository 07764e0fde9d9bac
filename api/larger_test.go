package api_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
)

// TestABatchThatIsLargerThanAnyAnswer is given whole, whatever was asked for: the answer ended the connection, and with it the reading of all partitions of its broker, for ever.
func TestABatchThatIsLargerThanAnyAnswer(t *testing.T) {
	const partitions, bound = 8, 600_000 // set-up allows as much
	server, err := fake.Listen(fake.Config{Topics: []fake.Topic{{Name: "t", Partitions: partitions}}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all []api.TopicPartition
	client := func(opts ...api.ClientOption) (*api.Client, *api.Consumer) {
		c, err := api.Dial(ctx, append(opts, api.Brokers(server.Addrs()...))...)
		if err != nil {
			t.Fatal(err)
		}
		k, err := c.Consumer("", api.Property("fetch.max.wait.ms", "10"))
		if err != nil {
			t.Fatal(err)
		}
		return c, k
	}
	c, k := client(api.Property("receive.message.max.bytes", fmt.Sprint(bound)))
	defer c.Close()
	p, err := c.Producer(api.Property("max.request.size", "900000"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range int32(partitions) {
		all = append(all, api.TopicPartition{Topic: "t", Partition: i})
		value := make([]byte, 10)
		if i == 2 {
			value = make([]byte, bound)
		}
		if _, err := p.Produce(ctx, &api.Record{Topic: "t", Partition: i, Fixed: true, Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.AssignAt(api.AtStart, all...); err != nil {
		t.Fatal(err)
	}
	var told *api.PartitionError
	for got := 0; got < partitions-1 || told == nil; {
		records, err := k.Poll(ctx)
		if err != nil && !errors.As(err, &told) {
			t.Fatal(err)
		}
		got += len(records)
	}
	if told.TopicPartition != all[2] || told.Offset != 0 || !told.Retried || !errors.Is(told, protocol.ErrFrameSize) || !strings.Contains(told.Error(), "4 and 600000 allowed (receive.message.max.bytes)") || !strings.Contains(told.Error(), " 600") {
		t.Errorf("told %v", told)
	}
	raised, k := client(api.Property("receive.message.max.bytes", "700000"))
	defer raised.Close()
	if err := k.AssignAt(api.AtStart, all...); err != nil {
		t.Fatal(err)
	}
	for got := 0; got < partitions; {
		records, err := k.Poll(ctx)
		if err != nil {
			t.Fatal(err)
		}
		got += len(records)
	}
}
