package api_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol/msg"
)

func TestAStaticMemberOfABrokerThatKnowsNoneSaysSo(t *testing.T) {
	server, err := fake.Listen(fake.Config{Release: "2.2", Topics: []fake.Topic{{Name: "t", Partitions: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, err := api.Dial(ctx, api.Brokers(server.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Shutdown(ctx)
	consumer, err := client.Consumer("g", api.Topics("t"), api.Property("group.instance.id", "one"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = consumer.Poll(ctx)
	var failed *api.GroupError
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), "group.instance.id needs Kafka 2.3") {
		t.Fatalf("the error is %v", err)
	}
}

func TestOldBrokersAreToldHowLongToKeepOffsets(t *testing.T) {
	for release, want := range map[string]int64{"1.1": 3600_000, "3.9": -1} {
		server, err := fake.Listen(fake.Config{Release: release, Topics: []fake.Topic{{Name: "t", Partitions: 1}}})
		if err != nil {
			t.Fatal(err)
		}
		told := int64(0)
		server.Do(func(c *fake.Cluster) {
			c.Observe(func(r fake.Request) {
				if req, ok := r.Req.(*msg.OffsetCommitRequest); ok {
					told = req.RetentionTimeMs
				}
			})
		})
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		client, err := api.Dial(ctx, api.Brokers(server.Addrs()...))
		if err != nil {
			t.Fatal(err)
		}
		consumer, err := client.Consumer("g", api.Property("offsets.retention.ms", "1h"))
		if err != nil {
			t.Fatal(err)
		}
		tp := api.TopicPartition{Topic: "t"}
		if err := errors.Join(consumer.Assign(tp), consumer.Commit(ctx, api.OffsetAndMetadata{TopicPartition: tp, Offset: 1})); err != nil {
			t.Fatal(err)
		}
		client.Shutdown(ctx)
		server.Do(func(*fake.Cluster) {
			if told != want {
				t.Errorf("Kafka %s was told to keep offsets for %d ms, expected %d", release, told, want)
			}
		})
		server.Close()
		cancel()
	}
}
