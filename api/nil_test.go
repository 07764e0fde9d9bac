package api_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/coordinator/assign"
)

// TestANilOptionIsAnError: it was a panic. A variable that was never set is one.
func TestANilOptionIsAnError(t *testing.T) {
	ctx := context.Background()
	client, end := cluster()
	defer end()
	k, err := client.Consumer("")
	if err != nil {
		t.Fatal(err)
	}
	defer k.Shutdown(ctx)
	for what, call := range map[string]func() error{
		"Dial":     func() error { _, err := api.Dial(ctx, api.ClientID("a"), nil); return err },
		"Producer": func() error { _, err := client.Producer(api.Linger(0), nil); return err },
		"Consumer": func() error { _, err := client.Consumer("", api.Topics("a"), nil); return err },
		"Poll":     func() error { _, err := k.Poll(ctx, api.Peek(), nil); return err },
		"Handle": func() error {
			return k.Handle(ctx, func(context.Context, *api.Record) error { return nil }, api.Concurrency(1), nil)
		},
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), "option 2 is nil") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestANilAssignorIsAnError: it was a panic.
func TestANilAssignorIsAnError(t *testing.T) {
	client, end := cluster()
	defer end()
	if _, err := client.Consumer("g", api.Assignors(assign.Range{}, nil)); err == nil || !strings.Contains(err.Error(), "assignor 1 is nil") {
		t.Error(err)
	}
}

// TestWhatNamesAPartitionTellsTheRest: what is embedded tells only where it is.
func TestWhatNamesAPartitionTellsTheRest(t *testing.T) {
	tp := api.TopicPartition{Topic: "t", Partition: 1}
	for want, v := range map[string]any{
		"t/1 from 3 to 5: out of range":   api.PositionReset{TopicPartition: tp, From: 3, To: 5, Cause: "out of range"},
		"t/1 to 5: nothing committed":     api.PositionReset{TopicPartition: tp, From: -1, To: 5, Cause: "nothing committed"},
		"t/1 at 7, passed on 2 times: no": api.Provenance{TopicPartition: tp, Offset: 7, Passed: 2, Error: "no"},
	} {
		if got := fmt.Sprintf("%+v", v); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

// TestANegativePartitionIsRefused: -1 was as if none had been named.
func TestANegativePartitionIsRefused(t *testing.T) {
	client, end := cluster()
	defer end()
	for _, opts := range [][]api.ProducerOption{nil, {api.ProducerInterceptors(passing{})}} {
		p, err := client.Producer(opts...)
		if err != nil {
			t.Fatal(err)
		}
		for _, partition := range []int32{-1, -2} {
			r := &api.Record{Topic: "orders", Partition: partition, Fixed: true}
			placed, err := p.Produce(context.Background(), r)
			if !errors.Is(err, api.ErrUnknownTopic) {
				t.Errorf("partition %d: %+v, %v", partition, placed, err)
			}
			if err := p.Send(context.Background(), r, nil); !errors.Is(err, api.ErrUnknownTopic) {
				t.Errorf("partition %d is sent: %v", partition, err)
			}
		}
	}
}

// passing is an interceptor that changes nothing.
type passing struct{}

func (passing) OnSend(r *api.Record) *api.Record            { return r }
func (passing) OnAcknowledgement(api.RecordMetadata, error) {}
