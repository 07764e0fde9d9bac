package plan

import (
	"slices"
	"testing"

	"github.com/kactor-go/kactor/protocol/cluster"
)

// What comes and goes together keeps its order. Of a partition that is named twice the last counts, and a topic is asked for once.
func TestManyPartitionsComeAndGoTogether(t *testing.T) {
	b := newBench(t, nil)
	b.assign(1, 7)
	m := &Assign{}
	for gen, p := range []int32{5, 3, 1, 3, 0} {
		m.Starts = append(m.Starts, Start{TopicPartition: tp(p), Gen: uint64(10 + gen), Offset: int64(gen), Epoch: -1})
	}
	if out := b.step(m); !slices.Equal(out.Refresh, []string{"a"}) {
		t.Errorf("asked for %v", out.Refresh)
	}
	have := func() (list []int32) {
		for _, p := range b.c.parts {
			list = append(list, p.Partition)
		}
		return list
	}
	if got := have(); !slices.Equal(got, []int32{0, 1, 3, 5}) || b.c.part(tp(3), 13) == nil || b.c.part(tp(1), 12) == nil {
		t.Fatalf("it has %v", got)
	}
	b.step(&Revoke{Parts: []cluster.TopicPartition{tp(5), tp(9), tp(1), tp(1)}})
	if got := have(); !slices.Equal(got, []int32{0, 3}) {
		t.Errorf("it has %v", got)
	}
}
