// Command tail prints the last ten records of each partition of a topic, and those that come, until it is interrupted. It is no member of a group, and commits nothing.
//
//	go run ./examples/tail orders localhost:9092
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
	if len(os.Args) < 3 {
		log.Fatal("usage: tail TOPIC BROKER...")
	}
	show := func(r *api.Record) { fmt.Printf("%s@%d %s\n", r.TopicPartition(), r.Offset, r.Value) }
	if err := run(ctx, os.Args[1], 10, show, os.Args[2:]...); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, topic string, last int64, show func(*api.Record), brokers ...string) error {
	client, err := api.Dial(ctx, api.Brokers(brokers...))
	if err != nil {
		return err
	}
	defer client.Close()
	var consumer *api.Consumer
	back := func(ctx context.Context, parts []api.TopicPartition) {
		for _, tp := range parts {
			if err := consumer.SeekBy(ctx, tp, -last); err != nil { // not beyond the first record there is
				log.Print(err)
			}
		}
	}
	if consumer, err = client.Consumer("", api.Topics(topic), api.FromEnd(), api.OnRebalance(api.RebalanceListener{OnAssigned: back})); err != nil {
		return err
	}
	for r, err := range consumer.Records(ctx) {
		if err == nil {
			show(r)
		} else if log.Print(err); api.Fatal(err) {
			return err
		}
	}
	return nil
}
