package scenario

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/api"
)

var producing = []Scenario{
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
		t.ok(p.Shutdown(t.ctx))
		t.ok(other.Shutdown(t.ctx))
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
		if !errors.As(err, &each) || len(each.Errors) != 2 || each.Errors[0] != nil || !errors.Is(each.Errors[1], api.ErrUnknownTopic) || each.Metadata[0].Partition != 1 {
			t.Failf("the errors are %v", err)
		}
	}},
	{"callbacks come once each and in order", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		p := t.producer(c)
		var offsets []int64
		for range 200 {
			t.ok(p.Send(t.ctx, &api.Record{Topic: topic, Value: []byte("v")}, func(placed api.RecordMetadata, err error) {
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
		t.ok(p.Shutdown(t.ctx))
		t.inOrder(t.read(t.reader(c, parts(topic, 1)), 50))
	}},
	{"a closed producer refuses", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		p := t.producer(c)
		t.ok(p.Shutdown(t.ctx))
		t.ok(p.Shutdown(t.ctx))
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
