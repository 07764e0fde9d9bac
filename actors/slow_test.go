package actors

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/coordinator"
	"github.com/kactor-go/kactor/fetcher"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/sender"
)

// leaping is a world whose clock leaps each time that it is looked at, so that each step of an actor takes long.
type leaping struct {
	*role.System
	ahead atomic.Int64
}

func (l *leaping) Now() time.Time {
	return l.System.Now().Add(time.Duration(l.ahead.Add(int64(2 * role.SlowStep))))
}

// TestASlowStepOfAnyRoleIsTold: of the cluster, its connections, and what is spawned beside them. Senders, fetchers and coordinators had nobody to tell.
func TestASlowStepOfAnyRoleIsTold(t *testing.T) {
	told := make(chan string, 10_000)
	cfg := Config{Broker: broker.Default(), World: &leaping{System: role.NewSystem(nil, broker.NewNetwork(broker.NetworkConfig{}), nil)}}
	cfg.Broker.Bootstrap = []string{"127.0.0.1:1"}
	cfg.Hooks.Slow = func(step string, took time.Duration) {
		if took <= role.SlowStep {
			t.Errorf("%s took %v", step, took)
		}
		select {
		case told <- step:
		default:
		}
	}
	s, err := Start(nil, cfg)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Producer(sender.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Fetcher(fetcher.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	group := coordinator.DefaultConfig()
	group.Group = "g"
	c, err := s.Coordinator(f, group)
	if err != nil {
		t.Fatal(err)
	}
	c.Subscribe([]string{"a"}, nil, "")
	f.Assign(fetcher.Begin{TopicPartition: cluster.TopicPartition{Topic: "a"}})
	_ = p.TryAppend(&sender.Record{Topic: "a", Value: []byte("v")}, nil)
	missing := map[string]bool{"cluster": true, "connection": true, "sender": true, "fetcher": true, "coordinator": true}
	within(t, "the hook", func() {
		for len(missing) > 0 {
			name, _, _ := strings.Cut(<-told, ":")
			name, _, _ = strings.Cut(name, " ")
			delete(missing, name)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = s.Close(ctx)
}
