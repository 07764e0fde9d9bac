package main

import (
	"context"
	"fmt"
	"testing"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/examples/internal/cluster"
)

// The last records are shown, fewer of a partition that has fewer, and those that come.
func TestTheLastRecordsAndThoseThatCome(t *testing.T) {
	brokers, client := cluster.Start(t, "orders")
	for i := range 30 {
		cluster.Write(t, client, "orders", fmt.Sprint(i))
	}
	const last = 2
	written := map[int32]int64{}
	for _, r := range cluster.Read(t, client, "orders", 30) {
		written[r.Partition] = max(written[r.Partition], r.Offset+1)
	}
	want := map[string]bool{}
	for p, end := range written {
		for o := max(0, end-last); o < end; o++ {
			want[fmt.Sprintf("%d@%d", p, o)] = true
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	if err := run(ctx, "orders", last, func(r *api.Record) {
		delete(want, fmt.Sprintf("%d@%d", r.Partition, r.Offset))
		switch {
		case string(r.Value) == "new":
			stop()
		case r.Offset < written[r.Partition]-last:
			t.Errorf("%s@%d is shown", r.TopicPartition(), r.Offset)
		case len(want) == 0:
			cluster.Write(t, client, "orders", "new")
		}
	}, brokers...); err != nil || len(want) > 0 {
		t.Errorf("%v, not shown: %v", err, want)
	}
}
