// Command quickstart is the whole way round: it creates a topic, produces 10,000 records with keys, and reads them with a group of two consumers, one of which
// leaves in the middle: the other one takes over its partitions. Without flags it does so on a cluster inside the process; with -b on your own.
//
//	go run ./examples/quickstart
//	go run ./examples/quickstart -b localhost:9092
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
)

const (
	records    = 10_000
	partitions = 6
)

func main() {
	log.SetFlags(0)
	hosts := flag.String("b", "", "bootstrap brokers, host:port,host:port; without it a cluster in this process")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, *hosts); err != nil {
		log.Fatal("quickstart: ", err)
	}
}

func run(ctx context.Context, hosts string) error {
	if hosts == "" {
		server, err := fake.Listen(fake.Config{Nodes: 3})
		if err != nil {
			return err
		}
		defer server.Close()
		hosts = strings.Join(server.Addrs(), ",")
		fmt.Println("a cluster of 3 brokers runs in this process:", hosts)
	}

	client, err := api.Dial(ctx, api.Brokers(strings.Split(hosts, ",")...), api.ClientID("quickstart"))
	if err != nil {
		return err
	}
	defer client.Close()

	topic := fmt.Sprintf("quickstart-%d", time.Now().UnixNano())
	results, err := client.Admin().CreateTopics(ctx, api.NewTopic{Name: topic, Partitions: partitions, Replicas: -1})
	if err != nil {
		return err
	}
	if err := results[topic]; err != nil {
		return err
	}
	fmt.Printf("created topic %s with %d partitions\n", topic, partitions)

	begun := time.Now()
	if err := produce(ctx, client, topic); err != nil {
		return err
	}
	fmt.Printf("produced %d records in %s\n", records, time.Since(begun).Round(time.Millisecond))

	begun = time.Now()
	counts, err := consume(ctx, client, topic)
	if err != nil {
		return err
	}
	fmt.Printf("consumed %d + %d = %d records in %s\n", counts[0], counts[1], counts[0]+counts[1], time.Since(begun).Round(time.Millisecond))
	return nil
}

// produce sends the records without waiting for each, and then for all of them.
func produce(ctx context.Context, client *api.Client, topic string) error {
	producer, err := client.Producer()
	if err != nil {
		return err
	}
	defer producer.Close()
	var failed atomic.Pointer[error]
	for i := range records {
		err := producer.Send(ctx, &api.Record{Topic: topic, Key: fmt.Appendf(nil, "user-%d", i%500), Value: fmt.Appendf(nil, "click %d", i)},
			func(_ api.RecordMetadata, err error) {
				if err != nil {
					failed.Store(&err)
				}
			})
		if err != nil {
			return err
		}
	}
	if err := producer.Flush(ctx); err != nil {
		return err
	}
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// consume reads with a group of two members until all records are there. The first one leaves early.
func consume(ctx context.Context, client *api.Client, topic string) (counts [2]int, err error) {
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	var total atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, len(counts))
	for n := range counts {
		wg.Go(func() {
			counts[n], errs[n] = member(ctx, client, topic, n, func(count int) (leave bool) {
				if total.Add(1) == records {
					enough()
				}
				return n == 0 && count == records/10
			})
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return counts, err
		}
	}
	if total.Load() != records {
		return counts, fmt.Errorf("%d records came back of %d", total.Load(), records)
	}
	return counts, nil
}

// member joins the group and handles records until handle says so or ctx ends. What it has handled is committed when it leaves.
func member(ctx context.Context, client *api.Client, topic string, n int, handle func(count int) (leave bool)) (count int, err error) {
	consumer, err := client.Consumer("group-"+topic, api.Topics(topic), api.FromStart(), api.Property("heartbeat.interval.ms", "500"),
		api.OnRebalance(api.RebalanceListener{
			OnAssigned: func(_ context.Context, parts []api.TopicPartition) {
				fmt.Printf("member %d is assigned %d partitions\n", n+1, len(parts))
			},
			OnRevoked: func(_ context.Context, parts []api.TopicPartition) {
				fmt.Printf("member %d gives up %d partitions\n", n+1, len(parts))
			},
		}))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, consumer.Close()) }()
	leave := false
	for _, err := range consumer.Records(ctx) {
		if err != nil {
			return count, err
		}
		if leave { // here, what was handled before counts as finished
			break
		}
		count++
		leave = handle(count)
	}
	return count, nil
}
