// Package cluster starts a Kafka cluster inside the process for the tests of the examples.
package cluster

import (
	"testing"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
)

// Start starts a cluster with topics of three partitions, which ends with the test. It gives the addresses of its brokers, and a client of it.
func Start(t *testing.T, topics ...string) ([]string, *api.Client) {
	t.Helper()
	var all []fake.Topic
	for _, name := range topics {
		all = append(all, fake.Topic{Name: name, Partitions: 3})
	}
	server, err := fake.Listen(fake.Config{Nodes: 3, Topics: all})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	client, err := api.Dial(t.Context(), api.Brokers(server.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return server.Addrs(), client
}

// Write writes values to a topic, with themselves as keys.
func Write(t *testing.T, client *api.Client, topic string, values ...string) {
	t.Helper()
	producer, err := client.Producer()
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	for _, v := range values {
		if _, err := producer.Produce(t.Context(), &api.Record{Topic: topic, Key: []byte(v), Value: []byte(v)}); err != nil {
			t.Fatal(err)
		}
	}
}

// Read reads so many records from the start of a topic.
func Read(t *testing.T, client *api.Client, topic string, n int) (all []*api.Record) {
	t.Helper()
	consumer, err := client.Consumer("", api.Topics(topic), api.FromStart())
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	for len(all) < n {
		records, err := consumer.Poll(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, records...)
	}
	return all
}
