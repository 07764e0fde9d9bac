// Command produce writes one record to the topic orders, waits until it is acknowledged, and says where it is.
//
//	go run ./examples/produce localhost:9092
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/kactor-go/kactor/api"
)

func main() {
	if err := run(context.Background(), os.Args[1:]...); err != nil {
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
	at, err := producer.Produce(ctx, &api.Record{Topic: "orders", Key: []byte("anna"), Value: []byte("tea")})
	if err != nil {
		return err
	}
	fmt.Printf("written to partition %d of %s at offset %d\n", at.Partition, at.Topic, at.Offset)
	return nil
}
