// Command manyclients has 200 clients in one process, one for each tenant with a name of its own, which brokers can tell apart in their logs, metrics and quotas. All run on one actor system; each writes a record and is closed.
//
//	go run ./examples/manyclients localhost:9092
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"sync"

	"github.com/kactor-go/kactor/api"
)

func main() {
	if err := run(context.Background(), 200, os.Args[1:]...); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, clients int, brokers ...string) error {
	errs := make([]error, clients)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() { errs[i] = tenant(ctx, fmt.Sprintf("tenant-%d", i), brokers...) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func tenant(ctx context.Context, name string, brokers ...string) error {
	client, err := api.Dial(ctx, api.Brokers(brokers...), api.ClientID(name))
	if err != nil {
		return err
	}
	defer client.Close()
	producer, err := client.Producer()
	if err != nil {
		return err
	}
	_, err = producer.Produce(ctx, &api.Record{Topic: "tenants", Key: []byte(name), Value: []byte("is there")})
	return err
}
