package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
)

// TestALoopThatComesBackLateIsGivenNothingThatIsLost has the process stand still, in the middle of a batch, for longer than the group waits: the loop goes on before anybody else has noticed. Each of its steps is a poll, so it
// is told first that its partitions are lost.
func TestALoopThatComesBackLateIsGivenNothingThatIsLost(t *testing.T) {
	for seed := range uint64(20) {
		if err := sim.Run(seed+1, standsStill); err != nil {
			t.Errorf("seed %d: %v", seed+1, err)
		}
	}
}

func standsStill(w *sim.World) error {
	lost, stood := false, false
	b, err := begin(w, api.Property("session.timeout.ms", "5000"), api.OnRebalance(api.RebalanceListener{OnLost: func(context.Context, []api.TopicPartition) { lost = true }}))
	if err != nil {
		return err
	}
	ctx, cancel := w.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	batch := make([]*api.Record, 5)
	for i := range batch {
		batch[i] = &api.Record{Topic: "t", Value: fmt.Append(nil, i)}
	}
	if err := b.p.ProduceAll(ctx, batch...); err != nil {
		return err
	}
	for r, err := range b.k.Records(ctx) {
		switch {
		case err != nil:
			return err
		case stood && !lost:
			return fmt.Errorf("record %d was given, and its partition is lost", r.Offset)
		case stood:
			return nil
		case string(r.Value) == "1":
			stood = true
			w.Stall(10 * time.Second)
		}
	}
	return errors.New("the loop has ended")
}
