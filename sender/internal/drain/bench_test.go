package drain

import (
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
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
