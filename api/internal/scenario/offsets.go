package scenario

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/protocol"
)

var offsets = []Scenario{
	{"beginning and end offsets", func(t *T) {
		c, topic, tp := t.filled(12)
		k := t.reader(c, parts(topic, 1))
		first, err := k.BeginningOffsets(t.ctx, tp)
		t.ok(err)
		end, err := k.EndOffsets(t.ctx, tp)
		t.ok(err)
		equal(t, "beginning", first[tp], 0)
		equal(t, "end", end[tp], 12)
	}},
	{"offsets of times", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 2)
		p := t.producer(c)
		base := time.UnixMilli(1_700_000_000_000)
		for i := range 5 {
			t.produce(p, &api.Record{Topic: topic, Partition: 0, Fixed: true, Timestamp: base.Add(time.Duration(i) * time.Minute)})
		}
		k := t.reader(c, parts(topic, 2))
		a, b := api.TopicPartition{Topic: topic}, api.TopicPartition{Topic: topic, Partition: 1}
		got, err := k.OffsetsForTimes(t.ctx, map[api.TopicPartition]time.Time{a: base.Add(90 * time.Second), b: base})
		t.ok(err)
		equal(t, "offset", got[a].Offset, 2)
		equal(t, "offset where there is none", got[b].Offset, -1)
		got, err = k.OffsetsForTimes(t.ctx, map[api.TopicPartition]time.Time{a: base.Add(time.Hour)})
		t.ok(err)
		equal(t, "offset after the last", got[a].Offset, -1)
	}},
	{"offsets of a partition that does not exist are an error, and the others' come with it", func(t *T) {
		_, topic, tp := t.filled(1)
		within := "2000"
		if t.Real { // and the leader of the one that is there may be slow
			within = "8000"
		}
		k := t.reader(t.dial(props("allow.auto.create.topics", "false", "default.api.timeout.ms", within)), nil)
		none, gone := api.TopicPartition{Topic: topic, Partition: 9}, api.TopicPartition{Topic: t.name()}
		end, err := k.EndOffsets(t.ctx, none, tp, gone)
		var missing *api.PartitionErrors
		if !errors.As(err, &missing) || len(missing.Errors) != 2 || len(end) != 1 {
			t.Failf("one of three partitions is there: %v, and %v", end, err)
		}
		equal(t, "end", end[tp], 1)
		for _, tp := range []api.TopicPartition{none, gone} {
			t.is(missing.Errors[tp], api.ErrUnknownTopic)
			t.is(missing.Errors[tp], api.ErrTimeout)
		}
	}},
	{"offsets of many partitions over all brokers", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 9)
		p := t.producer(c)
		for i := range int32(9) {
			t.fill(p, topic, i, int(i))
		}
		k := t.reader(c, parts(topic, 9))
		end, err := k.EndOffsets(t.ctx, parts(topic, 9)...)
		t.ok(err)
		for i := range int32(9) {
			equal(t, fmt.Sprint("end of ", i), end[api.TopicPartition{Topic: topic, Partition: i}], int64(i))
		}
	}},
}

var metadata = []Scenario{
	{"partitions are told with their leaders", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 6)
		got, err := t.producer(c).Partitions(t.ctx, topic)
		t.ok(err)
		equal(t, "partitions", len(got), 6)
		for i := range got {
			if got[i].Index != int32(i) || got[i].Leader < 0 || len(got[i].Replicas) != min(3, t.Nodes) {
				t.Failf("partition %d is %+v", i, got[i])
			}
		}
	}},
	{"a topic that exists is not created again", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		results, err := c.Admin().CreateTopics(t.ctx, api.NewTopic{Name: topic, Partitions: 1, Replicas: 1})
		t.ok(err)
		t.is(results[topic], protocol.TopicAlreadyExists)
	}},
	{"several topics are created at once, and each has its answer", func(t *T) {
		c := t.dial()
		a, b := t.name(), "no/name"
		results, err := c.Admin().CreateTopics(t.ctx, api.NewTopic{Name: a, Partitions: 2, Replicas: 1}, api.NewTopic{Name: b, Partitions: 1, Replicas: 1})
		t.ok(err)
		t.ok(results[a])
		t.is(results[b], protocol.InvalidTopicException)
	}},
	{"a deleted topic is unknown", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		results, err := c.Admin().DeleteTopics(t.ctx, topic)
		t.ok(err)
		t.ok(results[topic])
		t.gone(c, topic)
		results, err = c.Admin().DeleteTopics(t.ctx, topic)
		t.ok(err)
		t.is(results[topic], protocol.UnknownTopicOrPartition)
	}},
	{"topics are described, also those that there are not", func(t *T) {
		c := t.dial()
		topic, other := t.topic(c, 2), t.name()
		got, err := c.Admin().DescribeTopics(t.ctx, topic, other)
		t.ok(err)
		equal(t, "partitions", len(got[topic].Topic.Partitions), 2)
		t.is(got[other].Err, protocol.UnknownTopicOrPartition)
		all, err := c.Admin().DescribeTopics(t.ctx)
		t.ok(err)
		if all[topic].Topic == nil {
			t.Failf("%s is not among all topics", topic)
		}
	}},
	{"partitions cannot become fewer", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 3)
		results, err := c.Admin().CreatePartitions(t.ctx, map[string]int32{topic: 2})
		t.ok(err)
		t.is(results[topic], protocol.InvalidPartitions)
	}},
	{"a topic created again is another", func(t *T) {
		c := t.dial(props("metadata.max.age.ms", "1000"))
		topic := t.topic(c, 1)
		p := t.producer(c)
		t.fill(p, topic, 0, 3)
		results, err := c.Admin().DeleteTopics(t.ctx, topic)
		t.ok(err)
		t.ok(results[topic])
		t.gone(c, topic)
		t.create(c, topic, 1)
		t.fill(p, topic, 0, 2)
		t.inOrder(t.read(t.reader(c, parts(topic, 1)), 2))
	}},
	{"records for a partition that is not there any more are told so", func(t *T) {
		c := t.dial(props("linger.ms", "1000"))
		topic := t.topic(c, 4)
		p := t.producer(c)
		t.produce(p, &api.Record{Topic: topic, Fixed: true, Partition: 3})
		results, err := c.Admin().DeleteTopics(t.ctx, topic)
		t.ok(err)
		t.ok(results[topic])
		told := make(chan error, 1)
		t.ok(p.Send(t.ctx, &api.Record{Topic: topic, Fixed: true, Partition: 3}, func(_ api.RecordMetadata, err error) { told <- err }))
		t.gone(c, topic)
		t.create(c, topic, 2)
		ctx, cancel := t.within(time.Minute) // half of delivery.timeout.ms
		defer cancel()
		t.ok(p.Flush(ctx))
		t.is(<-told, protocol.UnknownTopicOrPartition)
		t.fill(p, topic, 1, 2)
	}},
	{"a topic created again is read from its beginning", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		p := t.producer(c)
		t.fill(p, topic, 0, 3)
		k := t.reader(c, parts(topic, 1))
		t.inOrder(t.read(k, 3))
		results, err := c.Admin().DeleteTopics(t.ctx, topic)
		t.ok(err)
		t.ok(results[topic])
		t.gone(c, topic)
		t.create(c, topic, 1)
		t.fill(p, topic, 0, 5) // there is an offset 3, and it is not what is due
		t.inOrder(t.read(k, 5))
	}},
	{"one address that is dead does not matter", func(t *T) {
		c := t.dial(api.Brokers(append([]string{"127.0.0.1:1"}, t.Brokers...)...))
		t.topic(c, 1)
	}},
	{"a client without any broker says whom it tried", func(t *T) {
		t.patiently(time.Second, func(d time.Duration) {
			ctx, cancel := t.within(d)
			defer cancel()
			_, err := api.Dial(ctx, append(append([]api.ClientOption{}, t.Options...), api.Brokers("127.0.0.1:1"))...)
			var failed *api.DialError
			if !errors.As(err, &failed) || !strings.Contains(err.Error(), "127.0.0.1:1") {
				t.Failf("the error is %v", err)
			}
		})
	}},
	{"a closed client refuses everything", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		p, k := t.producer(c), t.reader(c, parts(topic, 1))
		t.ok(c.Shutdown(t.ctx))
		_, err := p.Produce(t.ctx, &api.Record{Topic: topic})
		t.is(err, api.ErrClosed)
		t.is(p.Flush(t.ctx), api.ErrClosed)
		_, err = k.Poll(t.ctx)
		t.is(err, api.ErrClosed)
		_, err = c.Producer()
		t.is(err, api.ErrClosed)
		_, err = c.Admin().DescribeTopics(t.ctx)
		t.is(err, api.ErrClosed)
		t.ok(c.Shutdown(t.ctx))
	}},
	{"clients come and go", func(t *T) {
		topic := t.topic(t.dial(), 1)
		for i := range 10 {
			c, err := api.Dial(t.ctx, append(append([]api.ClientOption{}, t.Options...), api.Brokers(t.Brokers...))...)
			t.ok(err)
			equal(t, "offset", t.produce(t.producer(c), &api.Record{Topic: topic}).Offset, int64(i))
			t.ok(c.Shutdown(t.ctx))
		}
	}},
}

// gone waits until a topic is unknown.
func (t *T) gone(c *api.Client, topic string) {
	for {
		got, err := c.Admin().DescribeTopics(t.ctx, topic)
		t.ok(err)
		if errors.Is(got[topic].Err, protocol.UnknownTopicOrPartition) {
			return
		}
		t.sleep(100 * time.Millisecond)
	}
}
