package fake_test

import (
	"context"
	"fmt"
	"log"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// A service under test talks to a cluster over TCP, and does not know that it is none.
func ExampleListen() {
	server, err := fake.Listen(fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: "orders", Partitions: 2}}})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	ctx := context.Background()
	client, err := api.Dial(ctx, api.Brokers(server.Addrs()...))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	producer, err := client.Producer()
	if err != nil {
		log.Fatal(err)
	}
	server.Do(func(c *fake.Cluster) { c.FailNext(msg.ProduceAPI, protocol.NotEnoughReplicas) }) // the client will try again
	placed, err := producer.Produce(ctx, &api.Record{Topic: "orders", Key: []byte("42"), Value: []byte("paid")})
	fmt.Println(placed.Partition, placed.Offset, err)
	// Output: 0 0 <nil>
}

// Over pipes there are no ports, and inside testing/synctest time is virtual.
func ExamplePipes() {
	server, err := fake.Pipes(fake.Config{Topics: []fake.Topic{{Name: "orders"}}})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	ctx := context.Background()
	client, err := api.Dial(ctx, api.Brokers(server.Addrs()...), api.Dialer(server.Dial))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	topics, err := client.Admin().DescribeTopics(ctx, "orders")
	fmt.Println(len(topics["orders"].Topic.Partitions), err)
	// Output: 1 <nil>
}

// A cluster alone is frames and times: what the simulator drives.
func ExampleNewCluster() {
	c, err := fake.NewCluster(fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: "orders", Partitions: 3}}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Leader("orders", 1))
	if err := c.MoveLeader("orders", 1, 3); err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Leader("orders", 1))
	// Output:
	// 2 0
	// 3 1
}
