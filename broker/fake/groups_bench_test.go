package fake_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
)

// BenchmarkGroups has 200 groups over 25 topics, all at once, with one consumer each: it joins, reads ten records and leaves.
func BenchmarkGroups(b *testing.B) {
	fake.Audit(false)
	defer fake.Audit(true)
	for _, protocol := range []string{"classic", "consumer"} {
		b.Run(protocol, func(b *testing.B) {
			cfg := fake.Config{Nodes: 3}
			for i := range 25 {
				cfg.Topics = append(cfg.Topics, fake.Topic{Name: fmt.Sprint("topic-", i), Partitions: 3})
			}
			for b.Loop() {
				manyGroups(b, cfg, protocol)
			}
		})
	}
}

func manyGroups(b *testing.B, cfg fake.Config, protocol string) {
	server, err := fake.Listen(cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	ctx := context.Background()
	client, err := api.Dial(ctx, api.Brokers(server.Addrs()...))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Shutdown(ctx)
	producer, err := client.Producer()
	if err != nil {
		b.Fatal(err)
	}
	for _, t := range cfg.Topics {
		for range 10 {
			if _, err := producer.Produce(ctx, &api.Record{Topic: t.Name, Value: []byte("v")}); err != nil {
				b.Fatal(err)
			}
		}
	}
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			if err := member(ctx, server.Addrs(), protocol, fmt.Sprint("group-", i), cfg.Topics[i%len(cfg.Topics)].Name); err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
}

func member(ctx context.Context, hosts []string, protocol, group, topic string) error {
	client, err := api.Dial(ctx, api.Brokers(hosts...), api.Property("group.protocol", protocol), api.Property("auto.offset.reset", "earliest"))
	if err != nil {
		return err
	}
	defer client.Shutdown(ctx)
	consumer, err := client.Consumer(group, api.Topics(topic))
	if err != nil {
		return err
	}
	read := 0
	for _, err := range consumer.Records(ctx) {
		if err != nil {
			return err
		}
		if read++; read == 10 {
			break
		}
	}
	return consumer.Shutdown(ctx)
}
