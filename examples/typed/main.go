// Command typed writes an order as JSON and reads the orders of the topic as values of Go, until it is interrupted.
//
//	go run ./examples/typed localhost:9092
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

// Order is what a record holds.
type Order struct {
	Item  string `json:"item"`
	Count int    `json:"count"`
}

var orders = api.Topic[string, Order]{Name: "orders", Key: api.String, Value: api.JSON[Order]{}}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	show := func(customer string, o Order) { fmt.Printf("%s buys %d of %s\n", customer, o.Count, o.Item) }
	if err := run(ctx, show, os.Args[1:]...); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, show func(customer string, o Order), brokers ...string) error {
	client, err := api.Dial(ctx, api.Brokers(brokers...))
	if err != nil {
		return err
	}
	defer client.Close()
	producer, err := client.Producer()
	if err != nil {
		return err
	}
	if _, err := orders.Produce(ctx, producer, "anna", Order{Item: "tea", Count: 2}); err != nil {
		return err
	}
	consumer, err := client.Consumer("", api.Topics(orders.Name), api.FromStart())
	if err != nil {
		return err
	}
	for order, err := range orders.Records(ctx, consumer) {
		if err == nil {
			show(order.K, order.V)
		} else if log.Print(err); api.Fatal(err) { // else it is one that is no order, or a partition that cannot be read just now
			return err
		}
	}
	return nil
}
