// Command commits reads the topic orders as a member of the group billing. It commits by itself, when a whole batch is stored: what was not is read again by who comes next.
//
//	go run ./examples/commits localhost:9092
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
	if err := run(ctx, store, os.Args[1:]...); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, store func([]*api.Record) error, brokers ...string) error {
	client, err := api.Dial(ctx, api.Brokers(brokers...))
	if err != nil {
		return err
	}
	defer client.Close()
	consumer, err := client.Consumer("billing", api.Topics("orders"), api.FromStart(), api.AutoCommit(false))
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		records, err := consumer.Poll(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if api.Fatal(err) {
			return err
		}
		if err != nil { // of one partition, or of a broker that is away: reading goes on
			log.Print(err)
			continue
		}
		if err := store(records); err != nil {
			return err
		}
		if err := consumer.CommitRecords(ctx, records...); err != nil {
			log.Print(err) // they are read again, if somebody else has their partitions now
		}
	}
	return nil
}

// store is where a service would write to its database.
func store(records []*api.Record) error {
	for _, r := range records {
		fmt.Printf("%s@%d: %s\n", r.TopicPartition(), r.Offset, r.Value)
	}
	return nil
}
