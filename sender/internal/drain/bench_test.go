package drain

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
	"github.com/kactor-go/kactor/sender/internal/batch"
)

// BenchmarkBatch is what a batch costs the core from ready to settled, with five in flight.
func BenchmarkBatch(b *testing.B) {
	to := cluster.TopicPartition{Topic: "a"}
	c := New(Config{Acks: -1, Idempotent: true, Window: 5, MaxRequest: 1 << 20, RequestTimeout: 30 * time.Second, Retries: 1 << 30, BackoffFirst: time.Second, BackoffMax: time.Second}, nil, snapshot(0, 1, 2))
	now := time.Unix(1000, 0)
	var out Effects
	var flying []*Request
	step := func(m Message) {
		out.Reset()
		c.Step(now, m, &out)
		flying = append(flying, out.Send...)
	}
	p := msg.ProduceResponsePartitionProduceResponse{}
	p.SetDefaults()
	p.LogAppendTimeMs = -1
	resp := &msg.ProduceResponse{Responses: []msg.ProduceResponseTopicProduceResponse{{Name: "a", PartitionResponses: []msg.ProduceResponsePartitionProduceResponse{p}}}}
	free := make([]*batch.Batch, 0, 8)
	for range 8 {
		o := batch.New(to, make([]byte, 0, 256), now)
		o.Append(1000, nil, []byte("v"), nil, nil)
		free = append(free, o)
	}
	step(&Identity{ID: 7})
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Microsecond)
		o := free[0]
		free = append(free[:0], free[1:]...)
		*o = batch.Batch{To: to, Buf: o.Buf, Count: 1, Deadline: now.Add(time.Minute), ProducerID: -1}
		step(&Wake{Ready: []Ready{{To: to, Closed: []*batch.Batch{o}}}})
		for len(free) < 3 {
			r := flying[0]
			flying = append(flying[:0], flying[1:]...)
			step(&Released{r})
			step(&Answer{Request: r, Resp: resp, Version: 9, Sent: true})
			free = append(free, r.Batches...)
		}
	}
}

// manyTopics sends a batch to each of n topics in one request, and gives its answer: each has its own offset.
func manyTopics(n int, now time.Time) (*Core, *Answer) {
	var topics []*cluster.Topic
	w := &Wake{}
	for i := range n {
		t := &cluster.Topic{Name: fmt.Sprintf("topic-%05d", i), ID: wire.UUID{1, byte(i), byte(i >> 8)}, Partitions: []cluster.Partition{{Leader: 1, LeaderEpoch: 1}}}
		topics = append(topics, t)
		o := batch.New(cluster.TopicPartition{Topic: t.Name}, make([]byte, 0, 256), now)
		o.Deadline = now.Add(time.Hour)
		o.Append(1, nil, nil, nil, nil)
		w.Ready = append(w.Ready, Ready{To: o.To, Closed: []*batch.Batch{o}})
	}
	c := New(Config{Acks: -1, Window: 5, MaxRequest: 1 << 30, RequestTimeout: 30 * time.Second, Retries: 1 << 30, BackoffFirst: time.Second, BackoffMax: time.Second}, nil, cluster.New(cluster.Snapshot{Nodes: []cluster.Node{{ID: 1}}}, topics...))
	var out Effects
	c.Step(now, w, &out)
	m := &msg.ProduceResponse{}
	for i, o := range out.Send[0].Batches {
		p := msg.ProduceResponsePartitionProduceResponse{}
		p.SetDefaults()
		p.BaseOffset = int64(i)
		m.Responses = append(m.Responses, msg.ProduceResponseTopicProduceResponse{Name: o.To.Topic, TopicID: o.TopicID, PartitionResponses: []msg.ProduceResponsePartitionProduceResponse{p}})
	}
	return c, &Answer{Request: out.Send[0], Resp: m, Version: 13, Sent: true}
}

// TestAnswersInAnotherOrder has a broker that answers topics in another order than it was asked, by name and by id, and says nothing of one.
func TestAnswersInAnotherOrder(t *testing.T) {
	const n = 1000
	for _, version := range []int16{12, 13} {
		now := time.Unix(1000, 0)
		c, a := manyTopics(n, now)
		a.Version = version
		a.Resp.Responses = slices.Delete(a.Resp.Responses, 7, 8)
		slices.Reverse(a.Resp.Responses[3:])
		var out Effects
		c.Step(now, a, &out)
		if len(out.Settled) != n-1 {
			t.Fatalf("version %d: %d have their outcome", version, len(out.Settled))
		}
		for _, s := range out.Settled {
			if a.Request.Batches[s.Base] != s.Batch {
				t.Fatalf("version %d: %s has offset %d, another's", version, s.Batch.To, s.Base)
			}
		}
	}
}

// BenchmarkAnswer is what an answer for thousands of topics costs.
func BenchmarkAnswer(b *testing.B) {
	for _, other := range []bool{false, true} {
		b.Run(fmt.Sprintf("other order=%t", other), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				now := time.Unix(1000, 0)
				c, a := manyTopics(6000, now)
				if other {
					slices.Reverse(a.Resp.Responses)
				}
				var out Effects
				b.StartTimer()
				c.Step(now, a, &out)
			}
		})
	}
}
