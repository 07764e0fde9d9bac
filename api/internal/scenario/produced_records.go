package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/compress"
)

// produced are about what a record and a batch may be.
var produced = []Scenario{
	roundTrip(compress.None), roundTrip(compress.Gzip), roundTrip(compress.Snappy), roundTrip(compress.LZ4), roundTrip(compress.Zstd),
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
}

// roundTrip writes compressible records with keys and reads them again.
func roundTrip(codec compress.Codec) Scenario {
	return Scenario{"records compressed with " + codec.String() + " come back", func(t *T) {
		c := t.dial(props("linger.ms", "50"))
		topic := t.topic(c, 2)
		p := t.producer(c, api.Compression(codec))
		for i := range 500 {
			t.send(p, &api.Record{Topic: topic, Partition: int32(i % 2), Fixed: true, Key: []byte("key"), Value: fmt.Append(nil, i/2)})
		}
		t.flush(p)
		t.inOrder(t.read(t.reader(c, parts(topic, 2)), 500))
	}}
}
