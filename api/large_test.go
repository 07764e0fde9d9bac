package api_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// crowd answers questions for topics with so many partitions of each, all led by one node.
func crowd(nodes []msg.MetadataResponseMetadataResponseBroker, most int, leader *int32) func(fake.Request) fake.Action {
	return func(r fake.Request) fake.Action {
		m := &msg.MetadataResponse{Brokers: nodes, ControllerID: 1, ClusterID: wire.Ptr("c"), ClusterAuthorizedOperations: -1 << 31}
		for _, asked := range r.Req.(*msg.MetadataRequest).Topics {
			in := msg.MetadataResponseMetadataResponseTopic{Name: asked.Name, TopicID: wire.UUID{1}, TopicAuthorizedOperations: -1 << 31, Partitions: make([]msg.MetadataResponseMetadataResponsePartition, most)}
			for i := range in.Partitions {
				in.Partitions[i] = msg.MetadataResponseMetadataResponsePartition{PartitionIndex: int32(i), LeaderID: *leader, LeaderEpoch: *leader, ReplicaNodes: []int32{1, 2}, IsrNodes: []int32{1, 2}}
			}
			m.Topics = append(m.Topics, in)
		}
		return fake.Action{Reply: m}
	}
}

// A million partitions are there in the time that their caller has, and again when all have moved. The time is virtual, so it is about who waits for what; what a step of an actor does of it at most is asserted in the cores of connection and
// cluster.
func TestAMillionPartitionsAreThereInTime(t *testing.T) {
	most := 1_000_000
	if testing.Short() || slackOfRace > 0 {
		most = 50_000
	}
	leader := int32(0)
	if err := sim.Run(1, func(w *sim.World) error {
		cluster, err := fake.NewCluster(fake.Config{Nodes: 2, Seed: w.Seed()})
		if err != nil {
			return err
		}
		nodes := []msg.MetadataResponseMetadataResponseBroker{{NodeID: 1, Host: "broker-1", Port: 9092}, {NodeID: 2, Host: "broker-2", Port: 9092}}
		cluster.Seize(msg.MetadataAPI, crowd(nodes, most, &leader))
		w.SetNetwork(sim.NewNetwork(w, cluster))
		ctx := context.Background()
		client, err := api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092"))
		if err != nil {
			return err
		}
		k, err := client.Consumer("")
		if err != nil {
			return err
		}
		for leader = 1; leader <= 2; leader++ {
			wait, cancel := w.WithTimeout(ctx, 10*time.Second)
			parts, err := k.Partitions(wait, "many")
			cancel()
			if err != nil || len(parts) != most || parts[most-1].Leader != leader {
				return fmt.Errorf("%d partitions, %w", len(parts), err)
			}
		}
		return client.Shutdown(ctx)
	}); err != nil {
		t.Error(err)
	}
}

// So it is beside goroutines, where reading does take time.
func TestManyPartitionsAreThere(t *testing.T) {
	const most = 50_000
	leader := int32(1)
	server := listen(t)
	server.Do(func(c *fake.Cluster) {
		var nodes []msg.MetadataResponseMetadataResponseBroker
		for i, addr := range server.Addrs() {
			nodes = append(nodes, port(t, "127.0.0.1", addr))
			nodes[i].NodeID = int32(1 + i)
		}
		c.Seize(msg.MetadataAPI, crowd(nodes, most, &leader))
	})
	client, err := api.Dial(t.Context(), api.Brokers(server.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Shutdown(t.Context())
	k, err := client.Consumer("")
	if err != nil {
		t.Fatal(err)
	}
	for n := range int32(2) {
		server.Do(func(*fake.Cluster) { leader = 1 + n })
		parts, err := k.Partitions(t.Context(), "many")
		if err != nil || len(parts) != most || parts[most-1].Leader != 1+n {
			t.Fatalf("answer %d: %d partitions, %v", n, len(parts), err)
		}
	}
}
