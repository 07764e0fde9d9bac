package sim_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors"
	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
)

// TestAnotherClusterIsLogged has an address that leads to another cluster after a while, and then now to one, now to the other: there is a line with both ids, and not more than one in ten seconds.
func TestAnotherClusterIsLogged(t *testing.T) {
	var log strings.Builder
	if err := sim.Run(1, func(w *sim.World) error {
		c, err := fake.NewCluster(fake.Config{Nodes: 1, Seed: w.Seed()})
		if err != nil {
			return err
		}
		id := "first"
		sim.NewNetwork(w, c).Do(func(c *fake.Cluster) {
			c.Seize(msg.MetadataAPI, func(fake.Request) fake.Action {
				resp := &msg.MetadataResponse{}
				resp.SetDefaults()
				resp.ClusterID, resp.Brokers = &id, []msg.MetadataResponseMetadataResponseBroker{{NodeID: 1, Host: "broker-1", Port: 9092}}
				return fake.Action{Reply: resp}
			})
		})
		cfg := broker.Default()
		cfg.Bootstrap = []string{"broker-1:9092"}
		s, err := actors.Start(nil, actors.Config{Broker: cfg, World: w, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			return err
		}
		ctx := context.Background()
		refresh := func(n int) error {
			for range n {
				s.Cluster().Ref().Tell(&broker.Refresh{Except: cluster.NoNode})
				if err := w.Sleep(ctx, time.Second); err != nil {
					return err
				}
			}
			return nil
		}
		if err := refresh(3); err != nil {
			return err
		}
		if log.Len() > 0 {
			return fmt.Errorf("logged: %s", log.String())
		}
		for range 20 {
			before := id
			if id = "second"; before == id {
				id = "first"
			}
			if err := refresh(1); err != nil {
				return err
			}
		}
		return errors.Join(refresh(1), s.Close(ctx))
	}); err != nil {
		t.Fatal(err)
	}
	text := log.String()
	if n := strings.Count(text, "a broker is of another cluster than before"); n < 2 || n > 3 || !strings.Contains(text, "was=first is=second") {
		t.Errorf("%d times: %s", n, text)
	}
}
