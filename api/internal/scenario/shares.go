package scenario

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/kactor-go/kactor/api"
)

// ordered tells what is not in order of the records of a topic whose values are the numbers of each partition's.
func (n *notes) ordered(partitions int32, each int) error {
	for i := range partitions {
		var want []string
		for k := range each {
			want = append(want, fmt.Sprintf("%d:%d", i, k))
		}
		if got := n.of(fmt.Sprintf("%d:", i)); got != strings.Join(want, " ") {
			return fmt.Errorf("of partition %d were handled: %s", i, got)
		}
	}
	return nil
}

// slow has a partition whose records are not handled for a while, and far more of them than may be in flight.
func slow(order api.Order, codec string, opts ...api.HandleOption) func(t *T) {
	return func(t *T) {
		const each = 60
		c := t.dial()
		topic := t.topic(c, 3)
		p := t.producer(c, api.Property("compression.type", codec))
		fill := func(partition int32, from, to int) {
			for i := from; i < to; i++ {
				t.send(p, &api.Record{Topic: topic, Partition: partition, Fixed: true, Key: fmt.Append(nil, "key ", partition), Value: fmt.Append(nil, i)})
			}
			t.flush(p)
		}
		fill(0, 0, each)
		fill(1, 0, each)
		k := t.reader(c, parts(topic, 3))
		closed, seen := t.gate(), &notes{}
		stop, run := t.handles(k, func(ctx context.Context, r *api.Record) error {
			if r.Partition < 2 {
				if err := closed.wait(ctx); err != nil {
					return err
				}
			}
			seen.add("%d:%s", r.Partition, r.Value)
			return nil
		}, append([]api.HandleOption{api.OrderBy(order), api.Concurrency(6)}, opts...)...)
		fill(2, 0, each/2)
		t.until("the partition that is not slow", func() bool { return seen.count() == each/2 })
		t.sleep(1200 * time.Millisecond) // the slow ones are not fetched any more
		fill(2, each/2, each)
		t.until("the partition that is not slow", func() bool { return seen.count() == each })
		equal(t, "paused", fmt.Sprint(k.Paused()), "[]")
		closed.open()
		t.until("all", func() bool { return seen.count() == 3*each })
		t.ok(seen.ordered(3, each))
		stop()
		run.wait()
	}
}

// sharing is how partitions share what Handle has in flight.
var sharing = []Scenario{
	{"handle: partitions that are slow do not keep others from being read", slow(api.ByPartition, "none", api.InFlight(12))},
	{"handle: keys that are slow do not keep other partitions from being read", slow(api.ByKey, "lz4", api.InFlight(12))},
	{"handle: partitions that are slow leave memory to others", slow(api.ByPartition, "lz4", api.InFlightBytes(100))},
	{"handle: what was read and is not handled is bounded", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 2)
		p := t.producer(c)
		for i := range int32(2) {
			t.fill(p, topic, i, 40)
		}
		k := t.reader(c, parts(topic, 2))
		closed, seen := t.gate(), &notes{}
		stop, run := t.handles(k, func(ctx context.Context, r *api.Record) error {
			if err := closed.wait(ctx); err != nil {
				return err
			}
			seen.add("%d:%s", r.Partition, r.Value)
			return nil
		}, api.OrderBy(api.Unordered), api.Concurrency(4), api.InFlight(10))
		taken := func() (n int64) {
			for _, tp := range parts(topic, 2) {
				at, err := k.Position(t.ctx, tp)
				t.ok(err)
				n += at
			}
			return n
		}
		t.until("as many as may be", func() bool { return taken() >= 6 })
		t.sleep(100 * time.Millisecond)
		if n := taken(); n > 10 {
			t.Failf("%d records are in flight", n)
		}
		closed.open()
		t.until("all", func() bool { return seen.count() == 80 })
		stop()
		run.wait()
	}},
}
