package main

import (
	"context"
	"testing"

	"github.com/kactor-go/kactor/examples/internal/cluster"
)

func TestAnOrderComesBack(t *testing.T) {
	brokers, client := cluster.Start(t, "orders")
	cluster.Write(t, client, "orders", "this is no order") // it is told, and passed over
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var customer string
	var order Order
	if err := run(ctx, func(c string, o Order) { customer, order = c, o; stop() }, brokers...); err != nil {
		t.Fatal(err)
	}
	if customer != "anna" || order != (Order{Item: "tea", Count: 2}) {
		t.Errorf("%s: %+v", customer, order)
	}
}
