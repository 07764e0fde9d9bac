package drain

import (
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/sender/internal/batch"
)

// hinted is how long the quickest of some steps takes that deals with an answer which refuses the batches of so many partitions, and names 100,000 brokers.
func hinted(t *testing.T, partitions int) time.Duration {
	t.Helper()
	least := time.Hour
	for range 5 {
		leaders := make([]int32, partitions)
		for i := range leaders {
			leaders[i] = 1
		}
		b := newBench(t, func(c *Config) { c.Idempotent = false })
		b.step(&Changed{snapshot(1, leaders...)})
		w := &Wake{}
		for p := range partitions {
			o := b.batch(int32(p), 1)
			w.Ready = append(w.Ready, Ready{To: o.To, Closed: []*batch.Batch{o}})
		}
		b.step(w)
		topic := msg.ProduceResponseTopicProduceResponse{Name: "a"}
		for _, o := range b.sent[0].Batches {
			p := msg.ProduceResponsePartitionProduceResponse{}
			p.SetDefaults()
			p.Index, p.ErrorCode = o.To.Partition, int16(protocol.NotLeaderOrFollower)
			p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = 3, 7
			topic.PartitionResponses = append(topic.PartitionResponses, p)
		}
		resp := &msg.ProduceResponse{Responses: []msg.ProduceResponseTopicProduceResponse{topic}, NodeEndpoints: make([]msg.ProduceResponseNodeEndpoint, 100_000)}
		begun := time.Now()
		b.step(&Answer{Request: b.sent[0], Resp: resp, Version: 10, Sent: true})
		least = min(least, time.Since(begun))
		if len(b.out.Hints) != partitions {
			t.Fatalf("%d hints", len(b.out.Hints))
		}
	}
	return least
}

// The brokers that an answer names are looked at once, not for each partition of it: 3.3 MB kept the sender's actor busy for three seconds. A hundred times the partitions take as long, and may take ten times as long.
func TestHintsAreInProportion(t *testing.T) {
	if few, many := hinted(t, 10), hinted(t, 1000); many > 10*few {
		t.Errorf("10 partitions take %s, 1,000 %s", few, many)
	}
}
