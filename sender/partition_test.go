package sender

import (
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"os"
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
	for name, makes := range map[string]NewPartitioner{"default": Default(1000), "uniform": Uniform(1000), "round robin": RoundRobin(), "by hash": ByHash(func([]byte) uint32 { return 0 }, 1000), "random": named(t, "random"),
		"consistent_random": named(t, "consistent_random"), "fnv1a_random": named(t, "fnv1a_random")} {
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

func named(t *testing.T, name string) NewPartitioner {
	t.Helper()
	p, ok := Named(name, 1000)
	if !ok {
		t.Fatalf("no partitioner is named %s", name)
	}
	return p
}

// By the hashes a key meets the same partition as with librdkafka, whose own functions have made the file.
func TestKeysMeetThePartitionsOfLibrdkafka(t *testing.T) {
	text, err := os.ReadFile("testdata/partitions-librdkafka-2.16.0.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Key                        string
		Partitions                 int
		Consistent, Murmur2, Fnv1a int32
	}
	if err := json.Unmarshal(text, &rows); err != nil || len(rows) < 90 {
		t.Fatal(len(rows), err)
	}
	for _, row := range rows {
		key, err := hex.DecodeString(row.Key)
		if err != nil {
			t.Fatal(err)
		}
		topic := topicOf(make([]int32, row.Partitions)...)
		for _, c := range []struct {
			name string
			want int32
			some bool // keys only that are not empty
		}{{"consistent", row.Consistent, false}, {"consistent_random", row.Consistent, true}, {"murmur2", row.Murmur2, false}, {"murmur2_random", row.Murmur2, false}, {"fnv1a", row.Fnv1a, false}, {"fnv1a_random", row.Fnv1a, false}} {
			if c.some && len(key) == 0 {
				continue
			}
			if got := named(t, c.name)(rand.New(rand.NewPCG(1, 2))).Partition(topic, key, 100); got != c.want {
				t.Errorf("%s: key %q of %d partitions goes to %d, with librdkafka to %d", c.name, key, row.Partitions, got, c.want)
			}
		}
	}
	for _, name := range []string{"consistent", "murmur2", "fnv1a"} { // there a record without a key is one with an empty key
		p := named(t, name)(rand.New(rand.NewPCG(1, 2)))
		if a, b := p.Partition(topicOf(make([]int32, 17)...), nil, 1), p.Partition(topicOf(make([]int32, 17)...), []byte{}, 1); a != b {
			t.Errorf("%s: without a key %d, with an empty one %d", name, a, b)
		}
	}
	if _, ok := Named("md5", 1); ok {
		t.Error("a name that is none is one")
	}
}
