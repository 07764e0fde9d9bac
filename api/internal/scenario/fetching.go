package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kactor-go/kactor/api"
)

// filled makes a topic of one partition with n records "0", "1", ...
func (t *T) filled(n int) (*api.Client, string, api.TopicPartition) {
	c := t.dial()
	topic := t.topic(c, 1)
	t.fill(t.producer(c), topic, 0, n)
	return c, topic, api.TopicPartition{Topic: topic}
}

// polled reads one Poll's records as text.
func (t *T) polled(k *api.Consumer, n int) string { return values(t.read(k, n)) }

var fetching = []Scenario{
	{"a poll gives at most max.poll.records", func(t *T) {
		c, topic, _ := t.filled(25)
		k := t.reader(c, parts(topic, 1), props("max.poll.records", "10"))
		total := 0
		for total < 25 {
			records, err := k.Poll(t.ctx)
			t.ok(err)
			if len(records) > 10 {
				t.Failf("%d records in one poll", len(records))
			}
			total += len(records)
		}
	}},
	{"leaving the loop over records loses none", func(t *T) {
		c, topic, _ := t.filled(30)
		k := t.reader(c, parts(topic, 1))
		var got []*api.Record
		for len(got) < 30 {
			n := 0
			for r, err := range k.Records(t.ctx) {
				t.ok(err)
				got = append(got, r)
				if n++; n == 7 || len(got) == 30 {
					break
				}
			}
		}
		t.inOrder(got)
	}},
	{"views show the same as records", func(t *T) {
		c := t.dial(props("compression.type", "gzip", "linger.ms", "50"))
		topic := t.topic(c, 1)
		p := t.producer(c)
		for i := range 100 {
			t.send(p, &api.Record{Topic: topic, Key: fmt.Appendf(nil, "k%d", i), Value: fmt.Append(nil, i), Headers: []api.Header{{Key: "h", Value: fmt.Append(nil, i)}}})
		}
		t.flush(p)
		n := 0
		var v api.View
		for batch, err := range t.reader(c, parts(topic, 1)).Batches(t.ctx) {
			t.ok(err)
			for batch.Next(&v) {
				headers, err := v.Headers(nil)
				t.ok(err)
				if v.Offset != int64(n) || string(v.Key) != fmt.Sprint("k", n) || string(v.Value) != fmt.Sprint(n) || len(headers) != 1 || string(headers[0].Value) != fmt.Sprint(n) {
					t.Failf("view %d is %q, %q at %d", n, v.Key, v.Value, v.Offset)
				}
				n++
			}
			t.ok(batch.Err())
			if n == 100 {
				break
			}
		}
	}},
	{"a record larger than max.partition.fetch.bytes comes nevertheless", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		p := t.producer(c)
		big := bytes.Repeat([]byte("x"), 300_000)
		t.produce(p, &api.Record{Topic: topic, Value: big})
		t.produce(p, &api.Record{Topic: topic, Value: []byte("small")})
		k := t.reader(c, parts(topic, 1), props("max.partition.fetch.bytes", "1000"))
		got := t.read(k, 2)
		if !bytes.Equal(got[0].Value, big) || string(got[1].Value) != "small" {
			t.Failf("they came back changed")
		}
	}},
	{"read_committed reads what is in no transaction", func(t *T) {
		c, topic, _ := t.filled(10)
		t.inOrder(t.read(t.reader(c, parts(topic, 1), props("isolation.level", "read_committed")), 10))
	}},
	{"thirty partitions are all read", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 30)
		p := t.producer(c)
		for i := range 300 {
			t.send(p, &api.Record{Topic: topic, Partition: int32(i % 30), Fixed: true, Value: fmt.Append(nil, i/30)})
		}
		t.flush(p)
		t.inOrder(t.read(t.reader(c, parts(topic, 30)), 300))
	}},
	{"two consumers of one client share the partitions of a topic", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 2)
		p := t.producer(c)
		t.fill(p, topic, 0, 20)
		t.fill(p, topic, 1, 20)
		a, b := t.reader(c, parts(topic, 1)), t.reader(c, []api.TopicPartition{{Topic: topic, Partition: 1}})
		other := t.goes("second consumer", func() error { t.inOrder(t.read(b, 20)); return nil })
		t.inOrder(t.read(a, 20))
		other.wait()
	}},
	{"a consumer waits for a topic that comes later", func(t *T) {
		c := t.dial(props("allow.auto.create.topics", "false"))
		topic := t.name()
		k := t.reader(c, parts(topic, 1))
		other := t.goes("reader", func() error { t.inOrder(t.read(k, 3)); return nil })
		t.sleep(300 * time.Millisecond)
		t.create(c, topic, 1)
		t.fill(t.producer(c), topic, 0, 3)
		other.wait()
	}},
	{"closing a consumer releases who waits", func(t *T) {
		c, topic, _ := t.filled(1)
		k := t.reader(c, parts(topic, 1))
		t.read(k, 1)
		other := t.goes("reader", func() error {
			_, err := k.Poll(t.ctx)
			t.is(err, api.ErrClosed)
			return nil
		})
		t.sleep(50 * time.Millisecond)
		t.ok(k.Shutdown(t.ctx))
		other.wait()
		t.ok(k.Shutdown(t.ctx))
	}},
	{"a poll ends with its context and loses nothing", func(t *T) {
		c, topic, _ := t.filled(1)
		k := t.reader(c, parts(topic, 1))
		t.read(k, 1)
		ctx, cancel := t.within(100 * time.Millisecond)
		defer cancel()
		_, err := k.Poll(ctx)
		t.is(err, context.DeadlineExceeded)
		t.produce(t.producer(c), &api.Record{Topic: topic, Value: []byte("1")})
		equal(t, "records", t.polled(k, 1), "1")
	}},
	{"records are read while they are written", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 2)
		k := t.reader(c, parts(topic, 2))
		other := t.goes("reader", func() error { t.inOrder(t.read(k, 400)); return nil })
		p := t.producer(c)
		for i := range 400 {
			t.send(p, &api.Record{Topic: topic, Partition: int32(i % 2), Fixed: true, Value: fmt.Append(nil, i/2)})
		}
		t.flush(p)
		other.wait()
	}},
	{"a peek moves no position, and max records holds for one poll", func(t *T) {
		c, topic, tp := t.filled(10)
		k := t.reader(c, parts(topic, 1))
		equal(t, "first", values(t.poll(k, api.MaxRecords(2))), "0 1")
		for range 2 {
			equal(t, "peek", values(t.poll(k, api.Peek(), api.MaxRecords(3))), "2 3 4")
			at, err := k.Position(t.ctx, tp)
			t.ok(err)
			equal(t, "position", at, 2)
		}
		equal(t, "records", t.polled(k, 8), "2 3 4 5 6 7 8 9")
		if _, err := k.Poll(t.ctx, api.MaxRecords(0)); err == nil {
			t.Failf("a poll for no records")
		}
	}},
	{"typed topics write and read values of Go", func(t *T) {
		c := t.dial()
		p := t.producer(c)
		numbers := api.Topic[string, *int32]{Name: t.topic(c, 1), Key: api.String, Value: api.Nullable(api.Int32)}
		seven := int32(7)
		for _, v := range []*int32{&seven, nil} {
			_, err := numbers.Produce(t.ctx, p, "k", v)
			t.ok(err)
		}
		t.produce(p, &api.Record{Topic: numbers.Name, Value: []byte("seven")})
		var failed *api.SerializationError
		i := 0
		for r, err := range numbers.Records(t.ctx, t.reader(c, parts(numbers.Name, 1))) {
			switch i {
			case 0:
				t.ok(err)
				equal(t, "value", *r.V, 7)
				equal(t, "key", r.K, "k")
			case 1:
				t.ok(err)
				equal(t, "value of a tombstone", r.V, nil)
			case 2:
				if !errors.As(err, &failed) || string(r.Value) != "seven" || r.Offset != 2 {
					t.Failf("what cannot be read is %v at %d: %v", r.Value, r.Offset, err)
				}
			}
			if i++; i == 3 {
				break
			}
		}
		equal(t, "records", i, 3)
	}},
}

// poll is one poll that gives something.
func (t *T) poll(k *api.Consumer, opts ...api.PollOption) []*api.Record {
	records, err := k.Poll(t.ctx, opts...)
	t.ok(err)
	return records
}
