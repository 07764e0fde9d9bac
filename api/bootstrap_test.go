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

// bad are ways in which an address is of no use, for as long as a test lasts.
var bad = []struct {
	name  string
	spoil func(n *sim.Network, c *fake.Cluster, is func(node int32) bool, nodes []int32)
}{
	{"nobody answers who connects", func(n *sim.Network, _ *fake.Cluster, _ func(int32) bool, nodes []int32) {
		for _, node := range nodes {
			n.Cut(node)
		}
	}},
	{"connections are refused", func(n *sim.Network, _ *fake.Cluster, _ func(int32) bool, nodes []int32) {
		for _, node := range nodes {
			n.Refuse(node)
		}
	}},
	{"it says nothing", func(_ *sim.Network, c *fake.Cluster, is func(int32) bool, _ []int32) {
		c.Seize(fake.AnyKey, func(r fake.Request) fake.Action { return fake.Action{Drop: is(r.Node)} })
	}},
	{"it hangs up", func(_ *sim.Network, c *fake.Cluster, is func(int32) bool, _ []int32) {
		c.Seize(fake.AnyKey, func(r fake.Request) fake.Action { return fake.Action{Cut: is(r.Node)} })
	}},
	{"it tells its versions, and nothing else", func(_ *sim.Network, c *fake.Cluster, is func(int32) bool, _ []int32) {
		c.Seize(fake.AnyKey, func(r fake.Request) fake.Action { return fake.Action{Drop: is(r.Node) && r.Key != msg.ApiVersionsAPI} })
	}},
	{"it has no APIs", func(_ *sim.Network, c *fake.Cluster, is func(int32) bool, _ []int32) {
		c.Seize(msg.ApiVersionsAPI, func(r fake.Request) fake.Action {
			if !is(r.Node) {
				return fake.Action{}
			}
			return fake.Action{Reply: &msg.ApiVersionsResponse{}}
		})
	}},
	{"it refuses to tell its versions", func(_ *sim.Network, c *fake.Cluster, is func(int32) bool, _ []int32) {
		c.Seize(msg.ApiVersionsAPI, func(r fake.Request) fake.Action {
			if !is(r.Node) {
				return fake.Action{}
			}
			return fake.Action{Reply: &msg.ApiVersionsResponse{ErrorCode: int16(protocol.ClusterAuthorizationFailed)}}
		})
	}},
	{"it knows no brokers", func(_ *sim.Network, c *fake.Cluster, is func(int32) bool, _ []int32) {
		c.Seize(msg.MetadataAPI, func(r fake.Request) fake.Action {
			if !is(r.Node) {
				return fake.Action{}
			}
			resp := &msg.MetadataResponse{}
			resp.SetDefaults()
			return fake.Action{Reply: resp}
		})
	}},
}

// TestOneGoodAddressIsEnough: whatever is wrong with the other addresses, and whichever they are, the cluster is found within three seconds.
func TestOneGoodAddressIsEnough(t *testing.T) {
	for _, b := range bad {
		for first := range int32(3) {
			for _, nodes := range [][]int32{{first + 1}, {first + 1, (first+1)%3 + 1}} {
				for seed := range uint64(10) {
					var took time.Duration
					if err := sim.Run(seed, func(w *sim.World) error {
						c, err := fake.NewCluster(fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: "t"}}})
						if err != nil {
							return err
						}
						n := sim.NewNetwork(w, c)
						b.spoil(n, c, func(node int32) bool {
							for _, k := range nodes {
								if k == node {
									return true
								}
							}
							return false
						}, nodes)
						began := w.Now()
						client, err := api.Dial(context.Background(), api.World(w), api.Brokers("broker-1:9092", "broker-2:9092", "broker-3:9092"))
						took = w.Now().Sub(began)
						if err != nil {
							return err
						}
						done, cancel := w.WithTimeout(context.Background(), 0)
						defer cancel()
						if err := client.Shutdown(done); err != nil && !errors.Is(err, context.DeadlineExceeded) {
							return err
						}
						return nil
					}); err != nil || took > 3*time.Second {
						t.Errorf("%s, at %v, seed %d: after %s: %v", b.name, nodes, seed, took, err)
					}
				}
			}
		}
	}
}
