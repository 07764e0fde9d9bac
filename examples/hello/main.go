// Command hello reads the topic orders as a member of the group billing and writes a receipt for each record, until it is interrupted; what it has read is committed and what it has written is there then.
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
	if err := run(ctx, os.Args[1:]...); err != nil && ctx.Err() == nil {
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
	for order, err := range consumer.Records(ctx) {
		if api.Fatal(err) {
			return err
		} else if err != nil {
			log.Print(err)
			continue
		}
		if err := producer.Send(ctx, &api.Record{Topic: "receipts", Key: order.Key, Value: fmt.Appendf(nil, "received: %s", order.Value)}, failed); err != nil {
			return err
		}
	}
	return nil
}

func failed(_ api.RecordMetadata, err error) {
	if err != nil {
		log.Print(err)
	}
}
