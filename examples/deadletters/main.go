// Command deadletters handles the records of the topic orders, 16 at a time and those of a key in order. What fails three times goes to the topic orders.failed, with headers that tell where it was and why.
//
//	go run ./examples/deadletters localhost:9092
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

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
	return consumer.Handle(ctx, bill, api.Concurrency(16), api.OrderBy(api.ByKey), api.Attempts(3, 100*time.Millisecond), api.DeadLetter(producer, "orders.failed"))
}

// bill takes an order for a number of things.
func bill(_ context.Context, order *api.Record) error {
	n, err := strconv.Atoi(string(order.Value))
	if err != nil {
		return api.NotRetriable(err) // it will not be a number the next time either
	}
	fmt.Printf("%s buys %d\n", order.Key, n)
	return nil
}
