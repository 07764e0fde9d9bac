// Command javaproperties reads orders with the configuration of a Java consumer, as it stands in a file. It says which of the settings hold that are not the defaults.
//
//	go run ./examples/javaproperties consumer.properties
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
	if len(os.Args) != 2 {
		log.Fatal("usage: javaproperties FILE")
	}
	show := func(r *api.Record) { fmt.Printf("%s@%d %s\n", r.TopicPartition(), r.Offset, r.Value) }
	if err := run(ctx, os.Args[1], show); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, file string, show func(*api.Record)) error {
	client, err := api.Dial(ctx, api.File(file))
	if err != nil {
		return err // it names the line, if that is to blame
	}
	defer client.Close()
	consumer, err := client.Consumer("", api.Topics("orders")) // the group is that of the file
	if err != nil {
		return err
	}
	for _, s := range consumer.Effective() {
		if s.Source != "default" {
			fmt.Println(s)
		}
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
