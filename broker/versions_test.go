package broker_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// TestWhatNodesSpeakIsForgottenWithThem: where each broker that is replaced gets a new id, as with some operators, what each of them has ever told stayed for as long as the client.
func TestWhatNodesSpeakIsForgottenWithThem(t *testing.T) {
	if err := sim.Run(1, replaceNodes); err != nil {
		t.Error(err)
	}
}

func replaceNodes(w *sim.World) error {
	server, err := fake.NewCluster(fake.Config{Seed: w.Seed()})
	if err != nil {
		return err
	}
	id := int32(1)
	server.Seize(msg.MetadataAPI, func(fake.Request) fake.Action {
		return fake.Action{Reply: &msg.MetadataResponse{ControllerID: id, ClusterID: wire.Ptr("c"), ClusterAuthorizedOperations: -2147483648,
			Brokers: []msg.MetadataResponseMetadataResponseBroker{{NodeID: id, Host: "broker-1", Port: 9092}}}}
	})
	sim.NewNetwork(w, server)
	cfg := broker.Default()
	cfg.Bootstrap = []string{"broker-1:9092"}
	client, err := broker.Start(role.NewTree(w, "client"), cfg, broker.Hooks{}, nil)
	if err != nil {
		return err
	}
	ctx := context.Background()
	for ; id < 50; id++ {
		if _, err := broker.Metadata(ctx, client); err != nil {
			return err
		}
		reply, err := broker.Call(ctx, client, broker.Route{To: broker.Target{Kind: broker.ToController}, Req: &msg.ListGroupsRequest{}})
		if err != nil {
			return err
		}
		if _, known := client.Versions(reply.Node); !known || reply.Node != id {
			return fmt.Errorf("node %d answers, and what it speaks is known: %v", reply.Node, known)
		}
	}
	for old := range id - 2 { // the last but one may still be on its way out
		if _, known := client.Versions(old - 1); known {
			return fmt.Errorf("what node %d speaks is still known", old-1)
		}
	}
	return client.Stop(ctx)
}
