package actors_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/kactor-go/kactor/actors"
	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/sender"
)

// acknowledged is a completion: it runs on a goroutine of the sender's.
type acknowledged struct{ root *actor.RootContext }

func (acknowledged) Done(p sender.RecordMetadata, err error) { fmt.Println(p.Topic, p.Offset, err) }

// A service that has an actor system of its own takes the client in as a subtree; closing the client ends the subtree only.
func ExampleStart() {
	server, err := fake.Listen(fake.Config{Topics: []fake.Topic{{Name: "orders"}}})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	system := role.NewActorSystem(slog.New(slog.DiscardHandler))
	defer system.Shutdown()
	cfg := actors.DefaultConfig()
	cfg.Broker.Bootstrap = server.Addrs()
	client, err := actors.Start(system, cfg)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	producer, err := client.Producer(sender.DefaultConfig())
	if err != nil {
		log.Fatal(err)
	}
	err = producer.Append(ctx, &sender.Record{Topic: "orders", Partition: sender.AnyPartition, Value: []byte("paid")}, acknowledged{system.Root})
	if err != nil {
		log.Fatal(err)
	}
	if err := client.Close(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(system.IsStopped())
	// Output:
	// orders 0 <nil>
	// false
}
