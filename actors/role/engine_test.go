package role_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/role"
)

// TestMain holds the tests to closing their systems: one that is left open is what the next test shares.
func TestMain(m *testing.M) {
	code := m.Run()
	if n := role.Users(); n > 0 && code == 0 {
		fmt.Println("FAIL: the tests left", n, "systems open")
		code = 1
	}
	os.Exit(code)
}

// system makes one that is closed behind the test.
func system(t testing.TB, log *slog.Logger) *role.System {
	w := role.NewSystem(nil, nil, log)
	t.Cleanup(w.Close)
	return w
}

func TestWhoHasNoActorSystemSharesOne(t *testing.T) {
	one, two := role.NewSystem(nil, nil, nil), role.NewSystem(nil, nil, nil)
	shared := one.ActorSystem()
	if two.ActorSystem() != shared {
		t.Fatal("two systems of one process have two actor systems")
	}
	own := role.NewActorSystem(slog.New(slog.DiscardHandler))
	three := role.NewSystem(own, nil, nil)
	if three.ActorSystem() != own {
		t.Fatal("the embedder's actor system is not used")
	}
	three.Close()
	one.Close()
	one.Close() // counts once
	if shared.IsStopped() {
		t.Fatal("the actor system has ended while somebody uses it")
	}
	two.Close()
	if !shared.IsStopped() || own.IsStopped() {
		t.Fatal("the shared actor system ends with its last user, and the embedder's does not")
	}
	four := role.NewSystem(nil, nil, nil)
	defer four.Close()
	if four.ActorSystem().IsStopped() {
		t.Fatal("who comes later has an actor system that has ended")
	}
}

func TestAPanicInOneClientsRoleTouchesNoOther(t *testing.T) {
	one, bad, endBad := start(t, nil)
	defer endBad()
	two, good, endGood := start(t, nil)
	defer endGood()
	waiting := role.NewPromise[int](two)
	good.Tell(after{time.Millisecond, waiting})
	good.Tell(add{7})
	if _, err := ask(one, bad, func(p *role.Promise[int]) message { return explode{p} }); !errors.Is(err, role.ErrFailed) {
		t.Fatalf("the error is %v", err)
	}
	if sum, err := ask(two, good, func(p *role.Promise[int]) message { return get{p} }); sum != 7 || err != nil {
		t.Fatalf("the other client has %d, %v", sum, err)
	}
	if _, err := waiting.Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	if one.Bugs() != 1 || two.Bugs() != 0 {
		t.Errorf("%d bugs were reported to the one and %d to the other", one.Bugs(), two.Bugs())
	}
}
