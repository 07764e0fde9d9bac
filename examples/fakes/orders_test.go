package fakes

import (
	"errors"
	"testing"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// start gives a cluster with the topic orders, and a producer.
func start(t *testing.T) (*fake.Server, *api.Producer) {
	server, err := fake.Listen(fake.Config{Topics: []fake.Topic{{Name: "orders"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	client, err := api.Dial(t.Context(), api.Brokers(server.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	producer, err := client.Producer()
	if err != nil {
		t.Fatal(err)
	}
	return server, producer
}

func TestAnOrderIsPlaced(t *testing.T) {
	_, producer := start(t)
	for _, want := range []string{"0/0", "0/1"} {
		if at, err := Place(t.Context(), producer, "anna", "tea"); at != want || err != nil {
			t.Errorf("%s, %v", at, err)
		}
	}
}

func TestARefusalIsTold(t *testing.T) {
	server, producer := start(t)
	server.Do(func(c *fake.Cluster) { c.FailNext(msg.ProduceAPI, protocol.TopicAuthorizationFailed) })
	if _, err := Place(t.Context(), producer, "anna", "tea"); !errors.Is(err, protocol.TopicAuthorizationFailed) {
		t.Error(err)
	}
	if at, err := Place(t.Context(), producer, "anna", "tea"); at != "0/0" || err != nil {
		t.Errorf("afterwards: %s, %v", at, err)
	}
}
