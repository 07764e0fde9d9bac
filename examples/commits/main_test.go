package main

import (
	"context"
	"errors"
	"testing"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/examples/internal/cluster"
)

// What could not be stored was not committed: it is read again.
func TestWhatIsNotStoredIsReadAgain(t *testing.T) {
	brokers, client := cluster.Start(t, "orders")
	cluster.Write(t, client, "orders", "tea", "coffee", "milk")
	full := errors.New("the disk is full")
	if err := run(t.Context(), func([]*api.Record) error { return full }, brokers...); !errors.Is(err, full) {
		t.Fatal(err)
	}
	stored := map[string]bool{}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	if err := run(ctx, func(records []*api.Record) error {
		for _, r := range records {
			stored[string(r.Value)] = true
		}
		if len(stored) == 3 {
			stop()
		}
		return nil
	}, brokers...); err != nil {
		t.Fatal(err)
	}
}
