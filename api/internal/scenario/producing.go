package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/sender"
)

var producing = []Scenario{
	{"a record gets offset 0 of its partition", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		placed := t.produce(t.producer(c), &api.Record{Topic: topic, Value: []byte("v")})
		equal(t, "offset", placed.Offset, 0)
		equal(t, "partition", placed.Partition, 0)
		equal(t, "topic", placed.Topic, topic)
	}},
	{"many records keep their order within a partition", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 3)
		p := t.producer(c)
		for i := range 300 {
			t.send(p, &api.Record{Topic: topic, Partition: int32(i % 3), Fixed: true, Value: fmt.Append(nil, i/3)})
		}
		t.flush(p)
		t.inOrder(t.read(t.reader(c, parts(topic, 3)), 300))
	}},
	roundTrip(compress.None), roundTrip(compress.Gzip), roundTrip(compress.Snappy), roundTrip(compress.LZ4), roundTrip(compress.Zstd),
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
	{"null and empty keys and values stay apart", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		p := t.producer(c)
		sent := []*api.Record{{Topic: topic}, {Topic: topic, Key: []byte{}, Value: []byte{}}, {Topic: topic, Key: []byte("k")}, {Topic: topic, Value: []byte("v")}}
		t.ok(p.ProduceAll(t.ctx, sent...))
		for i, r := range t.read(t.reader(c, parts(topic, 1)), 4) {
			if (r.Key == nil) != (sent[i].Key == nil) || (r.Value == nil) != (sent[i].Value == nil) || !bytes.Equal(r.Key, sent[i].Key) || !bytes.Equal(r.Value, sent[i].Value) {
				t.Failf("record %d came back as %q, %q", i, r.Key, r.Value)
			}
		}
	}},
	{"headers survive: several of a name, null and empty values", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		headers := []api.Header{{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte("2")}, {Key: "null"}, {Key: "empty", Value: []byte{}}}
		t.produce(t.producer(c), &api.Record{Topic: topic, Headers: headers})
		got := t.read(t.reader(c, parts(topic, 1)), 1)[0].Headers
		if !slices.EqualFunc(got, headers, func(a, b api.Header) bool {
			return a.Key == b.Key && bytes.Equal(a.Value, b.Value) && (a.Value == nil) == (b.Value == nil)
		}) {
			t.Failf("headers came back as %q", got)
		}
	}},
	{"a timestamp of the user's is kept", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		at := time.UnixMilli(1_600_000_000_123)
		placed := t.produce(t.producer(c), &api.Record{Topic: topic, Timestamp: at})
		equal(t, "timestamp told", placed.Timestamp, at.UnixMilli())
		equal(t, "timestamp read", t.read(t.reader(c, parts(topic, 1)), 1)[0].Timestamp.UnixMilli(), at.UnixMilli())
	}},
	{"a timestamp of 1970 is kept, and one before it is refused", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		p := t.producer(c)
		equal(t, "timestamp told", t.produce(p, &api.Record{Topic: topic, Timestamp: time.UnixMilli(0)}).Timestamp, 0)
		_, err := p.Produce(t.ctx, &api.Record{Topic: topic, Timestamp: time.UnixMilli(-1)})
		t.is(err, protocol.InvalidTimestamp)
		now := t.produce(p, &api.Record{Topic: topic}).Timestamp
		got := t.read(t.reader(c, parts(topic, 1)), 2)
		equal(t, "timestamp read", got[0].Timestamp, time.UnixMilli(0))
		equal(t, "timestamp of a record that has none of its own", got[1].Timestamp, time.UnixMilli(now))
		if got[1].Timestamp.Year() < 2000 {
			t.Failf("it is %s", got[1].Timestamp)
		}
	}},
	{"a topic with log append time gives the broker's time", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1, "message.timestamp.type", "LogAppendTime")
		placed := t.produce(t.producer(c), &api.Record{Topic: topic, Timestamp: time.UnixMilli(1_000)})
		if placed.Timestamp == 1_000 {
			t.Failf("the timestamp told is the record's own")
		}
		got := t.read(t.reader(c, parts(topic, 1)), 1)[0]
		equal(t, "timestamp read", got.Timestamp.UnixMilli(), placed.Timestamp)
		equal(t, "that the broker has set it", got.LogAppendTime, true)
	}},
	{"a record of 900 kB goes through", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		big := bytes.Repeat([]byte("0123456789"), 90_000)
		t.produce(t.producer(c), &api.Record{Topic: topic, Value: big})
		if !bytes.Equal(t.read(t.reader(c, parts(topic, 1)), 1)[0].Value, big) {
			t.Failf("it came back changed")
		}
	}},
	{"a record above max.request.size is refused, and nothing else suffers", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		p := t.producer(c)
		t.produce(p, &api.Record{Topic: topic, Value: []byte("0")})
		_, err := p.Produce(t.ctx, &api.Record{Topic: topic, Value: make([]byte, 2<<20)})
		t.is(err, api.ErrTooLarge)
		t.produce(p, &api.Record{Topic: topic, Value: []byte("1")})
		t.inOrder(t.read(t.reader(c, parts(topic, 1)), 2))
	}},
	{"a batch above the broker's limit is split", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		p := t.producer(c, props("batch.size", "3000000", "max.request.size", "4000000", "linger.ms", "1000"))
		for i := range 8 {
			t.send(p, &api.Record{Topic: topic, Value: append(fmt.Append(nil, i, ":"), make([]byte, 300_000)...)})
		}
		t.flush(p)
		for i, r := range t.read(t.reader(c, parts(topic, 1)), 8) {
			if !bytes.HasPrefix(r.Value, fmt.Append(nil, i, ":")) || r.Offset != int64(i) {
				t.Failf("record %d begins with %.4q at offset %d", i, r.Value, r.Offset)
			}
		}
	}},
	{"a record above the broker's limit is rejected, and those beside it are written", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		p := t.producer(c, props("batch.size", "4000000", "max.request.size", "5000000", "linger.ms", "1000"))
		err := p.ProduceAll(t.ctx, &api.Record{Topic: topic, Value: []byte("0")}, &api.Record{Topic: topic, Value: make([]byte, 2_000_000)}, &api.Record{Topic: topic, Value: []byte("1")})
		t.is(err, protocol.MessageTooLarge)
		var each *api.ProduceErrors
		if !errors.As(err, &each) || each.Errors[0] != nil || each.Errors[1] == nil || each.Errors[2] != nil {
			t.Failf("the errors are %v", err)
		}
		t.inOrder(t.read(t.reader(c, parts(topic, 1)), 2))
	}},
	{"of a batch with records that are not valid only these fail", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1, "cleanup.policy", "compact") // takes none without a key
		p := t.producer(c, props("linger.ms", "1000"))
		key := []byte("k")
		t.produce(p, &api.Record{Topic: topic, Key: key, Value: []byte("0")})
		err := p.ProduceAll(t.ctx, &api.Record{Topic: topic, Key: key, Value: []byte("1")}, &api.Record{Topic: topic, Value: []byte("bad")}, &api.Record{Topic: topic, Key: key, Value: []byte("2")},
			&api.Record{Topic: topic, Value: []byte("bad, too")}, &api.Record{Topic: topic, Key: key, Value: []byte("3")})
		t.is(err, protocol.InvalidRecord)
		var each *api.ProduceErrors
		if !errors.As(err, &each) {
			t.Failf("the error is %v", err)
		}
		for i, err := range each.Errors {
			if bad := i == 1 || i == 3; bad && (!errors.Is(err, protocol.InvalidRecord) || errors.Is(err, api.ErrUncertain)) || !bad && err != nil {
				t.Failf("record %d: %v", i, err)
			}
		}
		t.produce(p, &api.Record{Topic: topic, Key: key, Value: []byte("4")})
		t.inOrder(t.read(t.reader(c, parts(topic, 1)), 5))
	}},
	{"acks=1", func(t *T) { t.acks("1", 1) }},
	{"acks=0 tells no offset", func(t *T) { t.acks("0", -1) }},
	{"acks=0: what is flushed is in the topic although the client is closed at once", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		t.fill(t.producer(c), topic, 0, 1) // it has a leader: nobody would say that it has none
		other := t.dial(props("acks", "0"))
		p := t.producer(other)
		for i := range 500 {
			t.send(p, &api.Record{Topic: topic, Value: append(fmt.Append(nil, i), make([]byte, 10_000)...)})
		}
		t.flush(p)
		t.ok(p.Close(t.ctx))
		t.ok(other.Close(t.ctx))
		equal(t, "records", len(t.read(t.reader(c, parts(topic, 1)), 501)), 501)
	}},
	{"without idempotence", func(t *T) {
		c := t.dial(props("enable.idempotence", "false"))
		topic := t.topic(c, 1)
		t.fill(t.producer(c), topic, 0, 100)
		t.inOrder(t.read(t.reader(c, parts(topic, 1)), 100))
	}},
	{"ProduceAll tells what became of each", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 2)
		t.produce(t.producer(c), &api.Record{Topic: topic, Partition: 1, Fixed: true}) // the topic is known now
		err := t.producer(c, lasting(time.Second)).ProduceAll(t.ctx, &api.Record{Topic: topic, Partition: 1, Fixed: true}, &api.Record{Topic: topic, Partition: 7, Fixed: true})
		var each *api.ProduceErrors
		if !errors.As(err, &each) || len(each.Errors) != 2 || each.Errors[0] != nil || !errors.Is(each.Errors[1], api.ErrUnknownTopic) || each.Placed[0].Partition != 1 {
			t.Failf("the errors are %v", err)
		}
	}},
	{"callbacks come once each and in order", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		p := t.producer(c)
		var offsets []int64
		for range 200 {
			t.ok(p.Send(t.ctx, &api.Record{Topic: topic, Value: []byte("v")}, func(placed api.Placed, err error) {
				if err == nil {
					offsets = append(offsets, placed.Offset)
				}
			}))
		}
		t.flush(p)
		equal(t, "callbacks", len(offsets), 200)
		if !slices.IsSorted(offsets) || offsets[199] != 199 {
			t.Failf("the offsets are %v", offsets)
		}
	}},
	{"promises are there to be asked", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		p := t.producer(c)
		a, b := p.Start(t.ctx, &api.Record{Topic: topic}), p.Start(t.ctx, &api.Record{Topic: topic})
		second, err := b.Get(t.ctx)
		t.ok(err)
		first, err, there := a.TryGet()
		t.ok(err)
		if !there || first.Offset != 0 || second.Offset != 1 {
			t.Failf("offsets %d and %d", first.Offset, second.Offset)
		}
	}},
	{"a flush does not wait for a long linger", func(t *T) {
		c := t.dial(props("linger.ms", "600000", "delivery.timeout.ms", "900000"))
		topic := t.topic(c, 1)
		p := t.producer(c)
		t.send(p, &api.Record{Topic: topic, Value: []byte("0")})
		t.flush(p)
		t.inOrder(t.read(t.reader(c, parts(topic, 1)), 1))
	}},
	{"a full buffer is an error for who does not wait", func(t *T) {
		c := t.dial(props("buffer.memory", "20000", "batch.size", "16384", "linger.ms", "600000", "delivery.timeout.ms", "900000"))
		topic := t.topic(c, 2)
		p := t.producer(c)
		large := make([]byte, 15_000)
		t.send(p, &api.Record{Topic: topic, Partition: 0, Fixed: true, Value: large})
		t.is(p.TrySend(&api.Record{Topic: topic, Partition: 1, Fixed: true, Value: large}, nil), api.ErrBufferFull)
		t.flush(p)
		t.send(p, &api.Record{Topic: topic, Partition: 1, Fixed: true, Value: large})
	}},
	{"a batch that is full goes although the next record finds no room", func(t *T) {
		c := t.dial(props("buffer.memory", "20000", "batch.size", "16384", "linger.ms", "600000", "delivery.timeout.ms", "900000"))
		topic := t.topic(c, 1)
		p := t.producer(c)
		large := make([]byte, 15_000)
		t.produce(t.producer(c, props("linger.ms", "0")), &api.Record{Topic: topic}) // the topic is known now: nothing is held
		first := p.Start(t.ctx, &api.Record{Topic: topic, Value: large})
		t.sleep(time.Second) // the sender knows of an open batch
		t.is(p.TrySend(&api.Record{Topic: topic, Value: large}, nil), api.ErrBufferFull)
		_, err := first.Get(t.ctx)
		t.ok(err)
	}},
	{"a full buffer makes who waits wait, and loses nothing", func(t *T) {
		c := t.dial(props("buffer.memory", "20000", "batch.size", "16384"))
		topic := t.topic(c, 2)
		p := t.producer(c)
		for i := range 400 {
			t.send(p, &api.Record{Topic: topic, Partition: int32(i % 2), Fixed: true, Value: fmt.Append(nil, i/2)})
		}
		t.flush(p)
		t.inOrder(t.read(t.reader(c, parts(topic, 2)), 400))
	}},
	{"closing a producer brings everything on its way", func(t *T) {
		c := t.dial(props("linger.ms", "600000", "delivery.timeout.ms", "900000"))
		topic := t.topic(c, 1)
		p := t.producer(c)
		for i := range 50 {
			t.send(p, &api.Record{Topic: topic, Value: fmt.Append(nil, i)})
		}
		t.ok(p.Close(t.ctx))
		t.inOrder(t.read(t.reader(c, parts(topic, 1)), 50))
	}},
	{"a closed producer refuses", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		p := t.producer(c)
		t.ok(p.Close(t.ctx))
		t.ok(p.Close(t.ctx))
		_, err := p.Produce(t.ctx, &api.Record{Topic: topic})
		t.is(err, api.ErrClosed)
		t.is(p.Flush(t.ctx), api.ErrClosed)
	}},
	{"two producers of one client write side by side", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 2)
		p, q := t.producer(c), t.producer(c)
		other := t.goes("second producer", func() error { t.fill(q, topic, 1, 100); return nil })
		t.fill(p, topic, 0, 100)
		other.wait()
		t.inOrder(t.read(t.reader(c, parts(topic, 2)), 200))
	}},
	{"many goroutines write through one producer", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 8)
		p := t.producer(c)
		var all []*running
		for i := range int32(8) {
			all = append(all, t.goes(fmt.Sprintf("writer %d", i), func() error { t.fill(p, topic, i, 50); return nil }))
		}
		for _, r := range all {
			r.wait()
		}
		t.inOrder(t.read(t.reader(c, parts(topic, 8)), 400))
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
	{"who stops waiting for a record is told that it is uncertain", func(t *T) {
		c := t.dial(props("linger.ms", "600000", "delivery.timeout.ms", "900000"))
		topic := t.topic(c, 1)
		p := t.producer(c)
		t.send(p, &api.Record{Topic: topic, Value: []byte("0")})
		t.flush(p)
		t.patiently(200*time.Millisecond, func(d time.Duration) {
			ctx, cancel := t.within(d)
			defer cancel()
			_, err := p.Produce(ctx, &api.Record{Topic: topic, Value: []byte("1")})
			t.is(err, context.DeadlineExceeded)
			t.is(err, api.ErrUncertain)
		})
		t.flush(p)
		t.inOrder(t.read(t.reader(c, parts(topic, 1)), 2))
	}},
	{"a context that has ended hands nothing over", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		p := t.producer(c)
		typed := api.Topic[string, string]{Name: topic, Key: api.String, Value: api.String}
		refused := func() {
			for name, call := range map[string]func() error{
				"Produce":       func() error { _, err := p.Produce(t.over(), &api.Record{Topic: topic}); return err },
				"Send":          func() error { return p.Send(t.over(), &api.Record{Topic: topic}, nil) },
				"Start":         func() error { _, err := p.Start(t.over(), &api.Record{Topic: topic}).Get(t.ctx); return err },
				"ProduceAll":    func() error { return p.ProduceAll(t.over(), &api.Record{Topic: topic}, &api.Record{Topic: topic}) },
				"Topic.Produce": func() error { _, err := typed.Produce(t.over(), p, "k", "v"); return err },
				"Topic.Send":    func() error { return typed.Send(t.over(), p, "k", "v", nil) },
			} {
				if err := call(); !errors.Is(err, context.Canceled) || errors.Is(err, api.ErrUncertain) {
					t.Failf("%s: %v", name, err)
				}
			}
		}
		refused() // whether the topic is known or not
		equal(t, "offset", t.produce(p, &api.Record{Topic: topic}).Offset, 0)
		refused()
		equal(t, "offset", t.produce(p, &api.Record{Topic: topic}).Offset, 1)
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
				t.ok(p.Send(t.ctx, &api.Record{Topic: topic}, func(_ api.Placed, err error) { told = append(told, err) }))
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
		t.ok(p.Send(t.ctx, &api.Record{Topic: t.name()}, func(_ api.Placed, err error) { told.Complete(struct{}{}, err) }))
		ctx, cancel := t.within(200 * time.Millisecond)
		defer cancel()
		_ = p.Close(ctx)
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

// roundTrip writes compressible records with keys and reads them again.
func roundTrip(codec compress.Codec) Scenario {
	return Scenario{"records compressed with " + codec.String() + " come back", func(t *T) {
		c := t.dial(api.Compression(codec), props("linger.ms", "50"))
		topic := t.topic(c, 2)
		p := t.producer(c)
		for i := range 500 {
			t.send(p, &api.Record{Topic: topic, Partition: int32(i % 2), Fixed: true, Key: []byte("key"), Value: fmt.Append(nil, i/2)})
		}
		t.flush(p)
		t.inOrder(t.read(t.reader(c, parts(topic, 2)), 500))
	}}
}

// acks writes with fewer acknowledgements. A first record with all of them sees to it that the leader knows that it leads: one that does not yet
// says so only to those who wait for an answer.
func (t *T) acks(acks string, offset int64) {
	c := t.dial(props("acks", acks))
	topic := t.topic(c, 1)
	t.fill(t.producer(t.dial()), topic, 0, 1)
	p := t.producer(c)
	equal(t, "offset", t.produce(p, &api.Record{Topic: topic, Value: []byte("1")}).Offset, offset)
	t.send(p, &api.Record{Topic: topic, Value: []byte("2")})
	t.flush(p)
	t.inOrder(t.read(t.reader(c, parts(topic, 1)), 3))
}
