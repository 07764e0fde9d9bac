package api_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// TestHandleOutlivesAnOutage: that no broker can be reached, or that coordinators are not available, ends no service; that the group is refused does.
func TestHandleOutlivesAnOutage(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(w *sim.World, n *sim.Network)
		ends  error
	}{
		{"all brokers are away for ten minutes", func(w *sim.World, n *sim.Network) {
			n.Do(func(c *fake.Cluster) { c.Stop(w.Now(), 1) })
			w.After(10*time.Minute, "back", func() { n.Do(func(c *fake.Cluster) { c.Start(w.Now(), 1) }) })
		}, nil},
		{"no coordinator is available", func(_ *sim.World, n *sim.Network) {
			n.Do(func(c *fake.Cluster) {
				for range 100 {
					c.FailNext(msg.FindCoordinatorAPI, protocol.CoordinatorNotAvailable)
				}
			})
		}, nil},
		{"the group is refused", func(_ *sim.World, n *sim.Network) {
			n.Do(func(c *fake.Cluster) { c.FailNext(msg.JoinGroupAPI, protocol.GroupAuthorizationFailed) })
		}, protocol.GroupAuthorizationFailed},
	} {
		if err := sim.Run(1, func(w *sim.World) error {
			cluster, err := fake.NewCluster(fake.Config{Nodes: 1, Topics: []fake.Topic{{Name: "t"}}})
			if err != nil {
				return err
			}
			n := sim.NewNetwork(w, cluster)
			ctx, stop := w.WithTimeout(context.Background(), time.Hour)
			defer stop()
			client, err := api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092"))
			if err != nil {
				return err
			}
			defer client.Close()
			if err := fills(ctx, client, "t", "v", 1); err != nil {
				return err
			}
			c.spoil(w, n)
			k, err := client.Consumer("g", api.Topics("t"), api.FromStart())
			if err != nil {
				return err
			}
			handled := false
			err = k.Handle(ctx, func(context.Context, *api.Record) error { handled = true; stop(); return nil })
			if !errors.Is(err, c.ends) || handled != (c.ends == nil) {
				t.Errorf("%s: handled: %v, %v", c.name, handled, err)
			}
			return nil
		}); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
