package main

import (
	"testing"

	"github.com/kactor-go/kactor/examples/internal/cluster"
)

func TestARecordIsWritten(t *testing.T) {
	brokers, client := cluster.Start(t, "orders")
	if err := run(t.Context(), brokers...); err != nil {
		t.Fatal(err)
	}
	if r := cluster.Read(t, client, "orders", 1)[0]; string(r.Key) != "anna" || string(r.Value) != "tea" {
		t.Errorf("%s: %s", r.Key, r.Value)
	}
}
