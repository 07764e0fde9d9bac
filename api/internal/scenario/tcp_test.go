package scenario_test

import (
	"context"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/api/internal/scenario"
	"github.com/kactor-go/kactor/broker/fake"
)

// TestTCP plays every scenario against the fake over TCP, in real time.
func TestTCP(t *testing.T) {
	for _, s := range scenario.All() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			server, err := fake.Listen(fake.Config{Nodes: 3, SessionTimeout: 500 * time.Millisecond, GroupSession: 15 * time.Second, GroupHeartbeat: 200 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			world := role.NewSystem(nil, nil, nil)
			defer world.Close()
			err = scenario.Play(context.Background(), scenario.Env{World: world, Brokers: server.Addrs(), Cluster: server, Nodes: 3, Unique: "tcp", Modern: true, Real: true}, s)
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
