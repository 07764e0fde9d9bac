package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/compress"
)

// packed makes a producer whose batches are compressed and may hold 16 MiB.
func (t *T) packed(codec compress.Codec) *api.Producer {
	return t.producer(t.dial(props("compression.type", codec.String(), "batch.size", fmt.Sprint(16<<20), "max.request.size", fmt.Sprint(16<<20), "linger.ms", "100")))
}

var limits = []Scenario{
	{"a topic whose name cannot be holds up no other", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		p := t.producer(c)
		for _, name := range []string{strings.Repeat("a", 40_000), strings.Repeat("a", 250), "a\xffb", "no/name"} {
			_, err := p.Produce(t.ctx, &api.Record{Topic: name})
			t.is(err, protocol.InvalidTopicException)
		}
		t.fill(p, topic, 0, 3)
		k := t.reader(c, parts(topic, 1))
		ctx, cancel := t.within(5 * time.Second)
		defer cancel()
		if _, err := k.OffsetsForTimes(ctx, map[api.TopicPartition]time.Time{{Topic: strings.Repeat("a", 40_000)}: {}}); err == nil || ctx.Err() != nil {
			t.Failf("the offset of a topic that cannot be: %v", err)
		}
		equal(t, "records", len(t.read(k, 3)), 3)
	}},
	{"a commit that cannot be sent is refused", func(t *T) {
		c, topic, tp := t.filled(1)
		k, err := c.Consumer(t.name(), api.Topics(topic), api.Property("auto.offset.reset", "earliest"))
		t.ok(err)
		t.read(k, 1)
		ctx, cancel := t.within(20 * time.Second)
		defer cancel()
		if err := k.Commit(ctx, api.OffsetAndMetadata{TopicPartition: tp, Offset: 1, Metadata: strings.Repeat("a", 40_000)}); err == nil || ctx.Err() != nil {
			t.Failf("a commit with 40,000 bytes of metadata: %v", err)
		}
		t.ok(k.Commit(ctx))
	}},
	{"records that are packed a thousand times are read", func(t *T) {
		c := t.dial()
		for _, codec := range []compress.Codec{compress.Gzip, compress.LZ4, compress.Zstd} { // snappy packs zeros twenty times at most
			topic := t.topic(c, 1)
			p := t.packed(codec)
			zeros := make([]byte, 2<<20)
			t.produce(p, &api.Record{Topic: topic, Value: zeros})
			line := bytes.Repeat([]byte("a line like all others "), 4)
			for range 20_000 {
				t.send(p, &api.Record{Topic: topic, Value: line})
			}
			t.flush(p)
			k := t.reader(c, parts(topic, 1))
			got := t.read(k, 1+20_000)
			if !bytes.Equal(got[0].Value, zeros) || !bytes.Equal(got[20_000].Value, line) {
				t.Failf("%s: something else came out", codec)
			}
			t.ok(k.Shutdown(t.ctx))
		}
	}},
	{"a batch above the limit holds up no other partition", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 2)
		p := t.packed(compress.Zstd)
		bomb := t.produce(p, &api.Record{Topic: topic, Fixed: true, Value: make([]byte, 4<<20)})
		t.fill(p, topic, 0, 3)
		t.fill(p, topic, 1, 500)
		k := t.reader(c, parts(topic, 2), props("decompress.max.bytes", fmt.Sprint(1<<20)))
		read, told := 0, false
		for read < 500 || !told {
			records, err := k.Poll(t.ctx)
			read += len(records)
			var failed *api.PartitionError
			var size *api.DecompressionError
			switch {
			case err == nil:
			case !errors.As(err, &failed) || !errors.As(err, &size):
				t.Failf("the error is %v", err)
			case failed.Topic != topic || failed.Partition != 0 || failed.Offset != bomb.Offset || size.Limit != 1<<20:
				t.Failf("the error is %v", err)
			default:
				told = true
			}
		}
		equal(t, "records of the other partition", read, 500)
		t.ok(k.Seek(api.TopicPartition{Topic: topic}, bomb.Offset+1))
		equal(t, "records behind it", t.polled(k, 3), "0 1 2")
	}},
}
