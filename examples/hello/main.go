// Command hello reads the topic orders as a member of the group billing and writes a receipt for each record, 16 at a time, until it is interrupted. An order counts as read when its receipt is written, so each has one, whenever and
// however the command ends.
//
//	go run ./examples/hello localhost:9092
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/kactor-go/kactor/api"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]...); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, brokers ...string) error {
	client, err := api.Dial(ctx, api.Brokers(brokers...))
	if err != nil {
		return err
	}
	defer client.Close()
	producer, err := client.Producer()
	if err != nil {
		return err
	}
	consumer, err := client.Consumer("billing", api.Topics("orders"), api.FromStart())
	if err != nil {
		return err
	}
	return consumer.Handle(ctx, func(ctx context.Context, order *api.Record) error {
		_, err := producer.Produce(ctx, &api.Record{Topic: "receipts", Key: order.Key, Value: fmt.Appendf(nil, "received: %s", order.Value)})
		return err
	})
}
