package scenario

import (
	"fmt"
	"time"

	"github.com/kactor-go/kactor/api"
)

var failures = []Scenario{
	{"producing goes on when the leader stops", func(t *T) {
		c := t.dial(props("request.timeout.ms", "5000"))
		topic := t.topic(c, 1)
		p := t.producer(c)
		t.fill(p, topic, 0, 10)
		leader := t.leader(c, topic)
		t.Cluster.Stop(leader)
		sent := t.goes("writer", func() error { t.more(p, topic, 10, 60); return nil })
		sent.wait()
		t.Cluster.Start(leader)
		t.inOrder(t.read(t.reader(c, parts(topic, 1)), 60))
	}},
	{"consuming goes on when the leader stops", func(t *T) {
		c := t.dial(props("request.timeout.ms", "5000"))
		topic := t.topic(c, 1)
		p := t.producer(c)
		t.fill(p, topic, 0, 10)
		k := t.reader(c, parts(topic, 1))
		got := t.read(k, 10)
		leader := t.leader(c, topic)
		t.Cluster.Stop(leader)
		t.more(p, topic, 10, 30)
		got = append(got, t.read(k, 20)...)
		t.Cluster.Start(leader)
		t.inOrder(got)
	}},
	{"a broker that is paused is left, and nothing comes twice when it goes on", func(t *T) {
		c := t.dial(props("request.timeout.ms", "20000"))
		topic := t.topic(c, 1)
		p := t.producer(c)
		t.fill(p, topic, 0, 10)
		k := t.reader(c, parts(topic, 1))
		got := t.read(k, 10)
		leader := t.leader(c, topic)
		t.Cluster.Pause(leader)
		t.more(p, topic, 10, 40)
		got = append(got, t.read(k, 30)...)
		t.Cluster.Resume(leader)
		t.more(p, topic, 40, 50)
		got = append(got, t.read(k, 10)...)
		t.inOrder(got)
		t.none(k)
	}},
	{"rolling restarts lose nothing", func(t *T) {
		c := t.dial(props("request.timeout.ms", "5000"))
		topic := t.topic(c, 3)
		p := t.producer(c)
		const each = 300
		k := t.reader(c, parts(topic, 3))
		reading := t.goes("reader", func() error { t.inOrder(t.read(k, 3*each)); return nil })
		writing := t.goes("writer", func() error {
			for i := range 3 * each {
				t.send(p, &api.Record{Topic: topic, Partition: int32(i % 3), Fixed: true, Value: fmt.Append(nil, i/3)})
				t.sleep(20 * time.Millisecond)
			}
			t.flush(p)
			return nil
		})
		for node := range int32(t.Nodes) {
			t.Cluster.Stop(node + 1)
			t.sleep(500 * time.Millisecond)
			t.Cluster.Start(node + 1)
			t.sleep(2 * time.Second)
		}
		writing.wait()
		reading.wait()
	}},
	{"what is written while the only leader is away is written when it is back", func(t *T) {
		c := t.dial(props("request.timeout.ms", "5000"))
		topic := t.name()
		results, err := c.Admin().CreateTopics(t.ctx, api.NewTopic{Name: topic, Partitions: 1, Replicas: 1})
		t.ok(err)
		t.ok(results[topic])
		t.led(c, topic, 1)
		p := t.producer(c)
		t.fill(p, topic, 0, 5)
		leader := t.leader(c, topic)
		t.Cluster.Stop(leader)
		writing := t.goes("writer", func() error { t.more(p, topic, 5, 10); return nil })
		t.sleep(2 * time.Second)
		t.Cluster.Start(leader)
		writing.wait()
		t.inOrder(t.read(t.reader(c, parts(topic, 1)), 10))
	}},
}

// leader asks for the leader of partition 0.
func (t *T) leader(c *api.Client, topic string) int32 {
	got, err := c.Admin().DescribeTopics(t.ctx, topic)
	t.ok(err)
	return got[topic].Topic.Partitions[0].Leader
}

// more writes the records from..to-1 to partition 0, one after the other.
func (t *T) more(p *api.Producer, topic string, from, to int) {
	for i := from; i < to; i++ {
		placed := t.produce(p, &api.Record{Topic: topic, Partition: 0, Fixed: true, Value: fmt.Append(nil, i)})
		if placed.Offset >= 0 {
			equal(t, "offset", placed.Offset, int64(i))
		}
	}
}
