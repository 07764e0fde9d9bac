package cluster_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/kactor-go/kactor/protocol/cluster"
)

func TestALeaderEpochThatNobodySetIsUnknown(t *testing.T) {
	var none cluster.LeaderEpoch
	if none.Known() || none.Int() != -1 || none != cluster.EpochOf(-1) || none.String() != "unknown" {
		t.Errorf("the zero value is %v, %d", none, none.Int())
	}
	for _, n := range []int32{0, 1, 5, math.MaxInt32} {
		e := cluster.EpochOf(n)
		if !e.Known() || e.Int() != n {
			t.Errorf("epoch %d becomes %d, known: %v", n, e.Int(), e.Known())
		}
	}
}

func TestALeaderEpochIsKeptAsText(t *testing.T) {
	for _, e := range []cluster.LeaderEpoch{{}, cluster.EpochOf(0), cluster.EpochOf(7)} {
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		got := cluster.EpochOf(99)
		if err := json.Unmarshal(b, &got); err != nil || got != e {
			t.Errorf("%v becomes %s, and that %v, %v", e, b, got, err)
		}
	}
	var e cluster.LeaderEpoch
	if err := e.UnmarshalText([]byte("x")); err == nil {
		t.Error("x is taken for an epoch")
	}
}
