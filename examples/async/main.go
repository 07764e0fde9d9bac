// Command async writes a million records to the topic measurements without waiting for each, and tells how many were acknowledged.
//
//	go run ./examples/async localhost:9092
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"sync/atomic"

	"github.com/kactor-go/kactor/api"
)

func main() {
	written, err := run(context.Background(), 1_000_000, os.Args[1:]...)
	fmt.Println(written, "records were acknowledged")
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, records int, brokers ...string) (written int64, err error) {
	client, err := api.Dial(ctx, api.Brokers(brokers...))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	producer, err := client.Producer()
	if err != nil {
		return 0, err
	}
	var acknowledged atomic.Int64
	for i := range records {
		err := producer.Send(ctx, &api.Record{Topic: "measurements", Value: fmt.Append(nil, i)}, func(_ api.RecordMetadata, err error) {
			if err == nil {
				acknowledged.Add(1)
			}
		})
		if err != nil {
			return acknowledged.Load(), err
		}
	}
	err = producer.Flush(ctx)
	return acknowledged.Load(), err
}
