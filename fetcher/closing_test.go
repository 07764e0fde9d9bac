package fetcher

import (
	"context"
	"testing"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
)

// waking is a world in which something happens whenever somebody is woken.
type waking struct {
	role.World
	happens func()
}

func (w *waking) Wake(who *role.Waiter) {
	w.happens()
	w.World.Wake(who)
}

// Who closed a consumer's fetcher second was told that it is closed before its actor knew: a client stopped the actor then, and the first waited for ever.
func TestClosedTwiceItIsClosedWhenItsActorKnows(t *testing.T) {
	w := role.NewSystem(nil, broker.NewNetwork(broker.NetworkConfig{}), nil)
	defer w.Close()
	tree := role.NewTree(w, "client", nil)
	of := broker.Default()
	of.Bootstrap = []string{"127.0.0.1:1"}
	client, err := broker.Start(tree, of, broker.Hooks{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Start(tree, client, DefaultConfig(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	beside := 0
	f.world = &waking{w, func() { // the first is in the middle of it
		beside++
		if f.Close(over) == nil {
			t.Error("closed, and its actor does not know")
		}
	}}
	for range 2 {
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if beside == 0 {
		t.Error("nobody closes it beside the first")
	}
}
