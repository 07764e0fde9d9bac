package main

import (
	"testing"

	"github.com/kactor-go/kactor/examples/internal/cluster"
)

func TestAllRecordsAreWritten(t *testing.T) {
	const records = 20_000
	brokers, client := cluster.Start(t, "measurements")
	if written, err := run(t.Context(), records, brokers...); written != records || err != nil {
		t.Fatalf("%d, %v", written, err)
	}
	seen := map[string]bool{}
	for _, r := range cluster.Read(t, client, "measurements", records) {
		seen[string(r.Value)] = true
	}
	if len(seen) != records {
		t.Errorf("%d different records", len(seen))
	}
}
