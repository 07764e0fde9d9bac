package sender

import (
	"math/rand/v2"
	"testing"

	"github.com/kactor-go/kactor/protocol/cluster"
)

// topicOf gives a topic whose partitions have these leaders; -1: none.
func topicOf(leaders ...int32) *cluster.Topic {
	t := &cluster.Topic{Name: "t"}
	for i, l := range leaders {
		t.Partitions = append(t.Partitions, cluster.Partition{Index: int32(i), Leader: l})
	}
	return t
}

// Records without keys went to partitions without a leader when only the one at hand had one, and on to one that had lost its leader until its batch's worth of bytes was full.
func TestRecordsWithoutKeysGoWhereThereIsALeader(t *testing.T) {
	for name, makes := range map[string]NewPartitioner{"default": Default(1000), "uniform": Uniform(1000), "round robin": RoundRobin(), "by hash": ByHash(func([]byte) uint32 { return 0 }, 1000)} {
		p := makes(rand.New(rand.NewPCG(1, 2)))
		for _, topic := range []*cluster.Topic{topicOf(1, 1, 1, 1), topicOf(-1, 1, -1, -1), topicOf(-1, 1, 1, -1), topicOf(1, -1, -1, -1), topicOf(1, -1, -1, 1, -1)} {
			seen := map[int32]bool{}
			for range 500 {
				at := p.Partition(topic, nil, 100)
				if topic.Partitions[at].Leader < 0 {
					t.Fatalf("%s: partition %d of %+v has no leader", name, at, topic.Partitions)
				}
				seen[at] = true
			}
			led := 0
			for _, q := range topic.Partitions {
				if q.Leader >= 0 {
					led++
				}
			}
			if len(seen) != led {
				t.Errorf("%s: %d of %d partitions that have a leader get records", name, len(seen), led)
			}
		}
		if at := p.Partition(topicOf(-1, -1), nil, 100); at < 0 || at > 1 { // one is as good as the other
			t.Errorf("%s: partition %d of two", name, at)
		}
	}
}
