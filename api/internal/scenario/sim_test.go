package scenario_test

import (
	"context"
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/api/internal/scenario"
	"github.com/kactor-go/kactor/broker/fake"
)

var seeds = flag.Int("seeds", 3, "seeds for each scenario in the simulated world")

// TestSim plays every scenario in virtual time.
func TestSim(t *testing.T) {
	all := scenario.All()
	if len(all) < 120 {
		t.Fatalf("%d scenarios", len(all))
	}
	for _, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(*seeds) {
				err := sim.Run(seed+1, func(w *sim.World) error { return play(w, s) })
				if err != nil {
					t.Fatalf("seed %d: %v", seed+1, err)
				}
			}
		})
	}
	t.Logf("%d scenarios", len(all))
}

func play(w *sim.World, s scenario.Scenario) error {
	c, err := fake.NewCluster(fake.Config{Nodes: 3, Seed: w.Seed(), SessionTimeout: 3 * time.Second})
	if err != nil {
		return err
	}
	n := sim.NewNetwork(w, c)
	return scenario.Play(context.Background(), scenario.Env{World: w, Brokers: []string{"broker-1:9092", "broker-2:9092", "broker-3:9092"},
		Options: []api.ClientOption{api.World(w)}, Cluster: brokers{w, n}, Nodes: 3, Unique: "sim", Modern: true}, s)
}

// brokers does things to simulated brokers.
type brokers struct {
	w *sim.World
	n *sim.Network
}

func (b brokers) Stop(node int32) { b.n.Do(func(c *fake.Cluster) { c.Stop(b.w.Now(), node) }) }

func (b brokers) Start(node int32) { b.n.Do(func(c *fake.Cluster) { c.Start(b.w.Now(), node) }) }

func (b brokers) Pause(node int32) { b.n.Do(func(c *fake.Cluster) { c.Pause(b.w.Now(), node) }) }

func (b brokers) Resume(node int32) { b.n.Do(func(c *fake.Cluster) { c.Resume(b.w.Now(), node) }) }

// TestAPausedBrokerIsLeftEarly has rule R1: work moves when the leader has moved, and does not wait for the requests to time out. The time is virtual.
func TestAPausedBrokerIsLeftEarly(t *testing.T) {
	for _, s := range scenario.All() {
		if !strings.HasPrefix(s.Name, "a broker that is paused") {
			continue
		}
		for seed := range uint64(20) {
			w := sim.New(seed + 1)
			if err := w.Run(func(w *sim.World) error { return play(w, s) }); err != nil {
				t.Fatal(err)
			}
			if took := w.Now().Sub(sim.Epoch); took > 8*time.Second { // session time-out 3 s, request time-out 20 s
				t.Errorf("seed %d: %s", seed+1, took)
			}
		}
		return
	}
	t.Fatal("there is no such scenario")
}
