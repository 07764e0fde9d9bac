package api_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
)

func TestAStaticMemberOfABrokerThatKnowsNoneSaysSo(t *testing.T) {
	server, err := fake.Listen(fake.Config{Release: "2.2", Topics: []fake.Topic{{Name: "t", Partitions: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	client, err := api.Dial(ctx, api.Brokers(server.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(ctx)
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
