package scenario

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/sender"
)

// placing are about where records go, and topics that are not known.
var placing = []Scenario{
	{"a record gets offset 0 of its partition", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		placed := t.produce(t.producer(c), &api.Record{Topic: topic, Value: []byte("v")})
		equal(t, "offset", placed.Offset, 0)
		equal(t, "partition", placed.Partition, 0)
		equal(t, "topic", placed.Topic, topic)
	}},
	{"a key goes to the partition of its hash", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 7)
		p := t.producer(c)
		for i := range 50 {
			key := fmt.Appendf(nil, "key-%d", i)
			equal(t, string(key), t.produce(p, &api.Record{Topic: topic, Key: key}).Partition, sender.HashPartition(key, 7))
		}
	}},
	{"a fixed partition is kept", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 4)
		equal(t, "partition", t.produce(t.producer(c), &api.Record{Topic: topic, Key: []byte("k"), Partition: 3, Fixed: true}).Partition, 3)
	}},
	{"a partition that does not exist is an error that names it", func(t *T) {
		c := t.dial(props("max.block.ms", "1000"))
		topic := t.topic(c, 2)
		_, err := t.producer(c).Produce(t.ctx, &api.Record{Topic: topic, Partition: 9, Fixed: true})
		t.is(err, api.ErrUnknownTopic)
		if !strings.Contains(err.Error(), topic+"/9") {
			t.Failf("the error does not name the partition: %v", err)
		}
	}},
	{"a topic that does not exist is an error that names it", func(t *T) {
		c := t.dial(props("allow.auto.create.topics", "false"))
		topic := t.name()
		t.patiently(time.Second, func(d time.Duration) {
			_, err := t.producer(c, lasting(d)).Produce(t.ctx, &api.Record{Topic: topic})
			t.is(err, api.ErrUnknownTopic)
			t.is(err, protocol.UnknownTopicOrPartition)
			if !strings.Contains(err.Error(), topic) {
				t.Failf("the error does not name the topic: %v", err)
			}
		})
	}},
	{"records without keys reach all partitions in the long run", func(t *T) {
		c := t.dial(props("batch.size", "200"))
		topic := t.topic(c, 4)
		p := t.producer(c)
		seen := map[int32]bool{}
		for len(seen) < 4 {
			seen[t.produce(p, &api.Record{Topic: topic, Value: make([]byte, 100)}).Partition] = true
		}
	}},
	{"round robin gives every partition the same", func(t *T) {
		c := t.dial(props("partitioner.class", "roundrobin"))
		topic := t.topic(c, 5)
		p := t.producer(c)
		counts := map[int32]int{}
		for range 50 {
			counts[t.produce(p, &api.Record{Topic: topic}).Partition]++
		}
		for i := range int32(5) {
			equal(t, fmt.Sprint("partition ", i), counts[i], 10)
		}
	}},
	{"records are handed over before their topics are known, and keep their order", func(t *T) {
		c := t.dial()
		var topics []string
		for range 20 {
			topics = append(topics, t.topic(c, 3))
		}
		p := t.producer(t.dial())
		for i := range 10 {
			for _, topic := range topics {
				t.send(p, &api.Record{Topic: topic, Partition: int32(i % 3), Fixed: i%2 == 0, Key: fmt.Append(nil, i%2), Value: fmt.Append(nil, i)})
			}
		}
		t.flush(p)
		for _, topic := range topics {
			last := map[string]string{}
			for _, r := range t.read(t.reader(c, parts(topic, 3)), 10) {
				in := fmt.Sprint(r.Partition, string(r.Key))
				if before := last[in]; before > string(r.Value) {
					t.Failf("%s: record %s comes behind record %s", topic, r.Value, before)
				}
				last[in] = string(r.Value)
			}
		}
	}},
	{"a record that waits for its topic is taken back when who writes it stops waiting", func(t *T) {
		c := t.dial(props("allow.auto.create.topics", "false"))
		p := t.producer(c)
		topic := t.name()
		t.patiently(200*time.Millisecond, func(d time.Duration) {
			ctx, cancel := t.within(d)
			defer cancel()
			_, err := p.Produce(ctx, &api.Record{Topic: topic, Value: []byte("not written")})
			t.is(err, api.ErrUnknownTopic)
			t.is(err, context.DeadlineExceeded)
			if errors.Is(err, api.ErrUncertain) {
				t.Failf("%v", err)
			}
		})
		t.flush(p)
	}},
	{"a topic that does not come to be is told to the callback, and Flush waits for that", func(t *T) {
		c := t.dial(props("allow.auto.create.topics", "false"))
		topic := t.name()
		t.patiently(time.Second, func(d time.Duration) {
			p := t.producer(c, lasting(d))
			var told []error
			for range 3 {
				t.ok(p.Send(t.ctx, &api.Record{Topic: topic}, func(_ api.RecordMetadata, err error) { told = append(told, err) }))
			}
			t.flush(p)
			equal(t, "callbacks", len(told), 3)
			t.is(told[2], api.ErrUnknownTopic)
			t.is(told[2], protocol.UnknownTopicOrPartition)
		})
	}},
	{"closing a producer ends records whose topic is not known", func(t *T) {
		c := t.dial(props("allow.auto.create.topics", "false"))
		p := t.producer(c)
		told := role.NewPromise[struct{}](t.World) // the world counts it as a bug if it is kept twice
		t.ok(p.Send(t.ctx, &api.Record{Topic: t.name()}, func(_ api.RecordMetadata, err error) { told.Complete(struct{}{}, err) }))
		ctx, cancel := t.within(200 * time.Millisecond)
		defer cancel()
		_ = p.Shutdown(ctx)
		if _, _, there := told.TryGet(); !there && !t.Real { // Close does not wait for ever for a callback, and the machine may be slow
			t.Failf("the producer is closed, and nobody has been told")
		}
		_, err := told.Get(t.ctx)
		t.is(err, api.ErrClosed)
		if errors.Is(err, api.ErrUncertain) {
			t.Failf("%v", err)
		}
	}},
	{"a partition that was added is written to", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		p := t.producer(c)
		t.produce(p, &api.Record{Topic: topic})
		results, err := c.Admin().CreatePartitions(t.ctx, map[string]int32{topic: 3})
		t.ok(err)
		t.ok(results[topic])
		equal(t, "partition", t.produce(p, &api.Record{Topic: topic, Partition: 2, Fixed: true}).Partition, 2)
	}},
}
