package member

import (
	"testing"

	"github.com/kactor-go/kactor/protocol/cluster"
)

// Partitions that metadata does not tell of yet may be given, but not a million of them.
func TestExtent(t *testing.T) {
	snap := cluster.New(cluster.Snapshot{Version: 1}, &cluster.Topic{Name: "a", Partitions: make([]cluster.Partition, 3)}, &cluster.Topic{Name: "b"})
	var e extent
	for _, c := range []struct {
		topic string
		p     int32
		want  bool
	}{{"a", 0, true}, {"a", 2, true}, {"a", 3 + mostNew - 1, true}, {"a", 3 + mostNew, false}, {"a", 1<<31 - 1, false}, {"b", 0, true}, {"b", mostUntold - 1, true}, {"b", mostUntold, false}, {"a", -1, false}, {"none", mostUntold - 1, true}, {"none", -1, false}} {
		if got := e.has(snap, Partition{Topic: c.topic, Partition: c.p}); got != c.want {
			t.Errorf("%s/%d: %v", c.topic, c.p, got)
		}
	}
}
