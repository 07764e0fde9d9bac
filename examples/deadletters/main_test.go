package main

import (
	"context"
	"testing"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/examples/internal/cluster"
)

func TestWhatIsNoNumberIsADeadLetter(t *testing.T) {
	brokers, client := cluster.Start(t, "orders", "orders.failed")
	cluster.Write(t, client, "orders", "1", "two", "3")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, brokers...) }()
	r := cluster.Read(t, client, "orders.failed", 1)[0]
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	from, ok := api.Origin(r)
	if string(r.Value) != "two" || !ok || from.Topic != "orders" {
		t.Errorf("%s, from %v", r.Value, from)
	}
}
