// The command franz is franz-go beside kactor, with its defaults, as fire runs it.
package main

import (
	"context"

	"github.com/kactor-go/kactor/api/internal/fire/peers/peer"
	"github.com/twmb/franz-go/pkg/kgo"
)

type producer struct {
	client *kgo.Client
	topic  string
}

func (p producer) Send(partition int32, value []byte, done func(offset int64, err error)) {
	p.client.Produce(context.Background(), &kgo.Record{Topic: p.topic, Partition: partition, Value: value}, func(r *kgo.Record, err error) { done(r.Offset, err) })
}

func (p producer) Flush() { _ = p.client.Flush(context.Background()) }

// rest starts a client that has written once, and reads the end of a partition if it is to.
func rest(l *peer.Load, partition int32) error {
	opts := []kgo.Opt{kgo.SeedBrokers(l.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner())}
	if l.Consumers {
		opts = append(opts, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{l.Topic: {partition: kgo.NewOffset().AtEnd()}}))
	}
	c, err := kgo.NewClient(opts...)
	if err != nil {
		return err
	}
	if l.Consumers {
		go func() {
			for {
				c.PollFetches(context.Background())
			}
		}()
	}
	return c.ProduceSync(context.Background(), &kgo.Record{Topic: l.Topic, Partition: partition, Value: []byte("the only one")}).FirstErr()
}

func main() {
	l := peer.Parse()
	if l.Clients > 0 {
		l.Rest(func(i int) error { return rest(l, int32(i%6)) })
		return
	}
	var producers []peer.Producer
	var consumers []peer.Consumer
	for range 2 {
		c, err := kgo.NewClient(kgo.SeedBrokers(l.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			peer.Fail(err)
		}
		producers = append(producers, producer{c, l.Topic})
		g, err := kgo.NewClient(kgo.SeedBrokers(l.Brokers...), kgo.ConsumerGroup("group-"+l.Topic), kgo.ConsumeTopics(l.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		if err != nil {
			peer.Fail(err)
		}
		consumers = append(consumers, func(read func(partition int32, offset int64)) {
			for {
				g.PollFetches(context.Background()).EachRecord(func(r *kgo.Record) { read(r.Partition, r.Offset) })
			}
		})
	}
	l.Run(producers, consumers)
}
