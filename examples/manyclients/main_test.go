package main

import (
	"testing"

	"github.com/kactor-go/kactor/examples/internal/cluster"
)

func TestEachClientWritesItsRecord(t *testing.T) {
	const clients = 30
	brokers, client := cluster.Start(t, "tenants")
	if err := run(t.Context(), clients, brokers...); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, r := range cluster.Read(t, client, "tenants", clients) {
		names[string(r.Key)] = true
	}
	if len(names) != clients {
		t.Errorf("%d tenants", len(names))
	}
}
