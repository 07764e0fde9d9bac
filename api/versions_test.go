package api_test

import (
	"fmt"
	"testing"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// TestABrokerThatEndsTheConnectionAtTheNewestApiVersions has Azure Event Hubs: it was never reached. Each address is asked so only once.
func TestABrokerThatEndsTheConnectionAtTheNewestApiVersions(t *testing.T) {
	server := listen(t)
	asked := map[string]int{}
	server.Do(func(c *fake.Cluster) {
		c.Seize(msg.ApiVersionsAPI, func(r fake.Request) fake.Action {
			asked[fmt.Sprintf("broker %d v%d", r.Node, r.Version)]++
			return fake.Action{Cut: r.Version >= 4}
		})
	})
	client, err := api.Dial(t.Context(), api.Brokers(server.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Shutdown(t.Context())
	producer, err := client.Producer()
	if err != nil {
		t.Fatal(err)
	}
	for i := range int32(4) { // both brokers lead some
		for range 2 {
			if _, err := producer.Produce(t.Context(), &api.Record{Topic: "t", Partition: i, Fixed: true, Value: []byte("v")}); err != nil {
				t.Fatal(err)
			}
		}
		server.Do(func(c *fake.Cluster) { c.CutConnections(1) })
	}
	server.Do(func(*fake.Cluster) {
		if asked["broker 1 v4"] != 1 || asked["broker 1 v3"] < 2 || asked["broker 2 v4"] != 1 {
			t.Errorf("asked %v", asked)
		}
	})
}

// TestBrokerVersionGoesWithEveryRelease has brokers of each release that the fake speaks, told of by broker.version, and asked or not: nothing newer is used than the release has.
func TestBrokerVersionGoesWithEveryRelease(t *testing.T) {
	for _, name := range protocol.Releases() {
		if ranges, _ := protocol.Release(name); !answersVersions(ranges) {
			continue
		}
		for _, mute := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, mute: %t", name, mute), func(t *testing.T) {
				server, err := fake.Listen(fake.Config{Release: name, Topics: []fake.Topic{{Name: "t"}}})
				if err != nil {
					t.Fatal(err)
				}
				defer server.Close()
				if mute {
					server.Do(func(c *fake.Cluster) {
						c.Seize(msg.ApiVersionsAPI, func(fake.Request) fake.Action { return fake.Action{Cut: true} })
					})
				}
				client, err := api.Dial(t.Context(), api.Brokers(server.Addrs()...), api.Property("broker.version", name), api.Property("enable.idempotence", "false"))
				if err != nil {
					t.Fatal(err)
				}
				defer client.Shutdown(t.Context())
				producer, err := client.Producer()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := producer.Produce(t.Context(), &api.Record{Topic: "t", Value: []byte("v")}); err != nil {
					t.Fatal(err)
				}
				consumer, err := client.Consumer("", api.Property("auto.offset.reset", "earliest"))
				if err != nil {
					t.Fatal(err)
				}
				if err := consumer.Assign(api.TopicPartition{Topic: "t"}); err != nil {
					t.Fatal(err)
				}
				if records, err := consumer.Poll(t.Context()); err != nil || len(records) != 1 {
					t.Fatalf("%d records, %v", len(records), err)
				}
			})
		}
	}
}

func answersVersions(r protocol.Ranges) bool {
	_, ok := r.Get(msg.ApiVersionsAPI)
	return ok
}
