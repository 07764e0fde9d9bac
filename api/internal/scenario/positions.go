package scenario

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/protocol"
)

// positions are about where is read, and what is not.
var positions = []Scenario{
	{"earliest reads from the first record", func(t *T) {
		c, topic, _ := t.filled(20)
		k := t.reader(c, parts(topic, 1))
		t.inOrder(t.read(k, 20))
		t.none(k)
	}},
	{"latest reads what comes from now on", func(t *T) {
		c, topic, tp := t.filled(5)
		k, err := c.Consumer("")
		t.ok(err)
		t.ok(k.Assign(tp))
		at, err := k.Position(t.ctx, tp)
		t.ok(err)
		equal(t, "position", at, 5)
		t.produce(t.producer(c), &api.Record{Topic: topic, Value: []byte("new")})
		equal(t, "records", t.polled(k, 1), "new")
	}},
	{"reset none tells the application", func(t *T) {
		c, _, tp := t.filled(5)
		k, err := c.Consumer("", props("auto.offset.reset", "none"))
		t.ok(err)
		t.ok(k.Assign(tp))
		_, err = k.Poll(t.ctx)
		var failed *api.PartitionError
		if !errors.As(err, &failed) || failed.TopicPartition != tp {
			t.Failf("the error is %v", err)
		}
	}},
	{"reset by duration begins at that age", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		p := t.producer(c)
		now := t.World.Now()
		for i, age := range []time.Duration{3 * time.Hour, 2 * time.Hour, 10 * time.Minute, time.Minute} {
			t.produce(p, &api.Record{Topic: topic, Value: fmt.Append(nil, i), Timestamp: now.Add(-age)})
		}
		k := t.reader(c, parts(topic, 1), props("auto.offset.reset", "by_duration:PT1H"))
		equal(t, "records", t.polled(k, 2), "2 3")
	}},
	{"a partition is assigned at an offset", func(t *T) {
		c, _, tp := t.filled(10)
		k, err := c.Consumer("")
		t.ok(err)
		t.ok(k.AssignAt(7, tp))
		equal(t, "records", t.polled(k, 3), "7 8 9")
	}},
	{"a partition is assigned at its start and at its end", func(t *T) {
		c, topic, tp := t.filled(3)
		k, err := c.Consumer("")
		t.ok(err)
		t.ok(k.AssignAt(api.AtStart, tp))
		equal(t, "records", t.polled(k, 3), "0 1 2")
		end, err := c.Consumer("")
		t.ok(err)
		t.ok(end.AssignAt(api.AtEnd, tp))
		_, err = end.Position(t.ctx, tp)
		t.ok(err)
		t.produce(t.producer(c), &api.Record{Topic: topic, Value: []byte("3")})
		equal(t, "records", t.polled(end, 1), "3")
	}},
	{"seeking to what is no offset is refused", func(t *T) {
		c, topic, tp := t.filled(3)
		k := t.reader(c, parts(topic, 1))
		t.read(k, 3)
		for _, offset := range []int64{-3, -4, math.MinInt64} {
			if k.Seek(tp, offset) == nil {
				t.Failf("the position may be %d", offset)
			}
		}
		at, err := k.Position(t.ctx, tp)
		t.ok(err)
		equal(t, "position", at, 3)
	}},
	{"who polls and has been assigned nothing is told so", func(t *T) {
		c := t.dial()
		for _, group := range []string{"", t.name()} {
			k, err := c.Consumer(group)
			t.ok(err)
			ctx, cancel := t.within(10 * time.Second)
			_, err = k.Poll(ctx)
			cancel()
			t.is(err, api.ErrIllegalState)
		}
	}},
	{"seeking back reads again", func(t *T) {
		c, topic, tp := t.filled(10)
		k := t.reader(c, parts(topic, 1))
		t.read(k, 10)
		t.ok(k.Seek(tp, 8))
		equal(t, "records", t.polled(k, 2), "8 9")
	}},
	{"seeking forward skips", func(t *T) {
		c, topic, tp := t.filled(10)
		k := t.reader(c, parts(topic, 1))
		t.ok(k.Seek(tp, 9))
		equal(t, "records", t.polled(k, 1), "9")
	}},
	{"seeking to the beginning and to the end", func(t *T) {
		c, topic, tp := t.filled(4)
		k := t.reader(c, parts(topic, 1))
		t.read(k, 4)
		t.ok(k.SeekToBeginning())
		equal(t, "records", t.polled(k, 4), "0 1 2 3")
		t.ok(k.SeekToBeginning(tp))
		t.ok(k.SeekToEnd(tp))
		at, err := k.Position(t.ctx, tp)
		t.ok(err)
		equal(t, "position", at, 4)
		t.produce(t.producer(c), &api.Record{Topic: topic, Value: []byte("4")})
		equal(t, "records", t.polled(k, 1), "4")
	}},
	{"seeking to a time", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		p := t.producer(c)
		base := time.UnixMilli(1_700_000_000_000)
		for i := range 5 {
			t.produce(p, &api.Record{Topic: topic, Value: fmt.Append(nil, i), Timestamp: base.Add(time.Duration(i) * time.Minute)})
		}
		k := t.reader(c, parts(topic, 1))
		t.ok(k.SeekToTime(api.TopicPartition{Topic: topic}, base.Add(150*time.Second)))
		equal(t, "records", t.polled(k, 2), "3 4")
		for _, at := range []time.Time{{}, time.UnixMilli(-1), time.UnixMilli(-2), time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)} { // negative times are others to brokers
			t.ok(k.SeekToTime(api.TopicPartition{Topic: topic}, at))
			equal(t, "records since "+at.String(), t.polled(k, 5), "0 1 2 3 4")
			got, err := k.OffsetsForTimes(t.ctx, map[api.TopicPartition]time.Time{{Topic: topic}: at})
			t.ok(err)
			equal(t, "offset of "+at.String(), got[api.TopicPartition{Topic: topic}].Offset, 0)
		}
	}},
	{"paused partitions leave room for the others, and are read on when they are resumed", func(t *T) {
		const n = 12
		c := t.dial()
		topic := t.topic(c, n)
		p := t.producer(c)
		for i := range int32(n - 1) {
			for range 2 {
				t.produce(p, &api.Record{Topic: topic, Fixed: true, Partition: i, Value: make([]byte, 150_000)})
			}
		}
		k := t.reader(c, parts(topic, n), props("receive.budget.bytes", "1048576", "max.poll.records", "1"))
		seen := map[int32]int64{}
		for len(seen) < n-1 { // the application has enough after one record of each
			for _, r := range t.poll(k) {
				seen[r.Partition]++
				t.ok(k.Pause(r.TopicPartition()))
			}
		}
		t.produce(p, &api.Record{Topic: topic, Fixed: true, Partition: n - 1, Value: []byte("v")})
		equal(t, "the record of the partition that is not paused", t.polled(k, 1), "v")
		t.ok(k.Resume(k.Paused()...))
		for range n - 1 {
			r := t.read(k, 1)[0]
			equal(t, fmt.Sprintf("offset in partition %d", r.Partition), r.Offset, seen[r.Partition])
			seen[r.Partition]++
		}
		t.none(k)
	}},
	{"seeking what is not assigned is an error", func(t *T) {
		c, topic, _ := t.filled(1)
		k := t.reader(c, parts(topic, 1))
		t.is(k.Seek(api.TopicPartition{Topic: topic, Partition: 5}, 0), api.ErrNotAssigned)
		_, err := k.Position(t.ctx, api.TopicPartition{Topic: topic, Partition: 5})
		t.is(err, api.ErrNotAssigned)
	}},
	{"a paused partition gives nothing, the others go on", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 2)
		p := t.producer(c)
		k := t.reader(c, parts(topic, 2))
		t.ok(k.Pause(api.TopicPartition{Topic: topic, Partition: 1}))
		t.fill(p, topic, 0, 10)
		t.fill(p, topic, 1, 10)
		for _, r := range t.read(k, 10) {
			equal(t, "partition", r.Partition, 0)
		}
		t.none(k)
		equal(t, "paused partitions", len(k.Paused()), 1)
		t.ok(k.Resume(api.TopicPartition{Topic: topic, Partition: 1}))
		t.inOrder(t.read(k, 10))
	}},
	{"pausing in the middle of a batch loses nothing", func(t *T) {
		c, topic, tp := t.filled(10)
		k := t.reader(c, parts(topic, 1))
		var v api.View
		got := ""
		for batch, err := range k.Batches(t.ctx) {
			t.ok(err)
			for batch.Next(&v) {
				if got += string(v.Value); got == "012" {
					t.ok(k.Pause(tp))
				}
			}
			break
		}
		equal(t, "before the pause", got, "012")
		t.none(k)
		t.ok(k.Resume(tp))
		equal(t, "after the pause", t.polled(k, 7), "3 4 5 6 7 8 9")
	}},
	{"partitions are added and taken away", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 2)
		p := t.producer(c)
		t.fill(p, topic, 0, 5)
		t.fill(p, topic, 1, 5)
		k := t.reader(c, parts(topic, 1))
		t.inOrder(t.read(k, 5))
		second := api.TopicPartition{Topic: topic, Partition: 1}
		t.ok(k.IncrementalAssign(second))
		t.inOrder(t.read(k, 5))
		k.Unassign(second)
		equal(t, "partitions", len(k.Assignment()), 1)
		t.produce(p, &api.Record{Topic: topic, Partition: 1, Fixed: true})
		t.none(k)
	}},
	{"assigning again keeps the positions of what stays", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 3)
		p := t.producer(c)
		for i := range int32(3) {
			t.fill(p, topic, i, 4)
		}
		k := t.reader(c, parts(topic, 2))
		t.inOrder(t.read(k, 8))
		t.ok(k.Assign(api.TopicPartition{Topic: topic, Partition: 1}, api.TopicPartition{Topic: topic, Partition: 2}))
		for _, r := range t.read(k, 4) {
			equal(t, "partition", r.Partition, 2)
		}
	}},
	{"the position follows what was given out", func(t *T) {
		c, topic, tp := t.filled(10)
		k := t.reader(c, parts(topic, 1), props("max.poll.records", "4"))
		at, err := k.Position(t.ctx, tp)
		t.ok(err)
		equal(t, "position at first", at, 0)
		t.read(k, 4)
		at, err = k.Position(t.ctx, tp)
		t.ok(err)
		equal(t, "position after one poll", at, 4)
	}},
	{"lag and watermarks are known without asking", func(t *T) {
		c, topic, tp := t.filled(10)
		k := t.reader(c, parts(topic, 1), props("max.poll.records", "4"))
		t.read(k, 4)
		equal(t, "lag", k.Lag(tp), 6)
		t.read(k, 4)
		t.read(k, 2)
		equal(t, "lag", k.Lag(tp), 0)
		w, ok := k.Watermarks(tp)
		if !ok || w.High != 10 || w.Start != 0 {
			t.Failf("watermarks %+v", w)
		}
	}},
	{"seeking into the middle of a compressed batch", func(t *T) {
		c := t.dial(props("compression.type", "lz4", "linger.ms", "100"))
		topic := t.topic(c, 1)
		p := t.producer(c)
		for i := range 50 {
			t.send(p, &api.Record{Topic: topic, Value: fmt.Append(nil, i)})
		}
		t.flush(p)
		k := t.reader(c, parts(topic, 1))
		t.ok(k.Seek(api.TopicPartition{Topic: topic}, 47))
		equal(t, "records", t.polled(k, 3), "47 48 49")
	}},
	{"an offset that does not exist is reset as the policy says", func(t *T) {
		c, topic, tp := t.filled(5)
		k := t.reader(c, parts(topic, 1))
		t.ok(k.Seek(tp, 1000))
		t.inOrder(t.read(k, 5))
		strict, err := c.Consumer("", props("auto.offset.reset", "none"))
		t.ok(err)
		t.ok(strict.AssignAt(1000, tp))
		_, err = strict.Poll(t.ctx)
		t.is(err, protocol.OffsetOutOfRange)
	}},
	{"seeks that are relative, and to what was committed", func(t *T) {
		c, topic, tp := t.filled(10)
		k := t.reader(c, parts(topic, 1))
		records := t.read(k, 10)
		t.ok(k.SeekBy(t.ctx, tp, -3))
		equal(t, "three back", t.polled(k, 3), "7 8 9")
		t.ok(k.SeekBy(t.ctx, tp, -100))
		equal(t, "before the first", t.polled(k, 10), "0 1 2 3 4 5 6 7 8 9")
		t.ok(k.SeekBy(t.ctx, tp, 100))
		t.none(k)
		t.ok(k.SeekTo(api.OffsetAndMetadata{TopicPartition: tp, Offset: 8, LeaderEpoch: records[7].LeaderEpoch}))
		equal(t, "from 8", t.polled(k, 2), "8 9")
		if err := k.SeekTo(api.OffsetAndMetadata{TopicPartition: tp, Offset: -1}); err == nil {
			t.Failf("a seek to offset -1")
		}
		t.is(k.SeekBy(t.ctx, api.TopicPartition{Topic: topic, Partition: 7}, 1), api.ErrNotAssigned)
	}},
}
