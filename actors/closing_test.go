package actors

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/sender"
)

// unconnected starts a client that has not connected to anything.
func unconnected(t *testing.T) *System {
	t.Helper()
	cfg := broker.Default()
	cfg.Bootstrap = []string{"127.0.0.1:1"}
	s, err := Start(nil, Config{Broker: cfg})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// within fails the test if f does not return; how long it takes does not matter.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	over := make(chan struct{})
	go func() {
		defer close(over)
		f()
	}()
	select {
	case <-over:
	case <-time.After(time.Minute):
		t.Fatalf("%s does not return", what)
	}
}

// parking tells when somebody waits on a waiter.
type parking struct {
	role.World
	on     *role.Waiter
	parked chan struct{}
}

func (p *parking) Park(ctx context.Context, w *role.Waiter) error {
	if w == p.on {
		close(p.parked)
	}
	return p.World.Park(ctx, w)
}

// closeBeside closes s on another goroutine and returns when that is done, or waits for who calls.
func closeBeside(s *System) (closed chan struct{}) {
	p := &parking{s.world, s.idle, make(chan struct{})}
	s.world = p
	closed = make(chan struct{})
	go func() {
		defer close(closed)
		_ = s.Close(context.Background())
	}()
	select {
	case <-closed:
	case <-p.parked:
	}
	return closed
}

// Who opened a producer while the client was being closed waited for ever: the tree that was asked for an actor had ended, and its mail was lost.
func TestOpeningBesideACloseReturns(t *testing.T) {
	s := unconnected(t)
	var closed chan struct{}
	within(t, "opening", func() {
		_, err := begin(s, &s.senders, func() (*sender.Sender, error) {
			closed = closeBeside(s)
			return sender.Start(s.tree, s.client, sender.DefaultConfig(), s.failed)
		})
		if !errors.Is(err, ErrClosed) {
			t.Errorf("opened beside a close: %v", err)
		}
	})
	within(t, "Close", func() { <-closed })
}

// leaver is a role that is over, and is stopped while its client is being closed.
type leaver struct {
	*sender.Sender
	stop func()
}

func (l leaver) Stop(ctx context.Context) error {
	l.stop()
	return l.Sender.Stop(ctx)
}

// Who ended a producer while the client was being closed waited for ever for the end of an actor that the client had ended.
func TestEndingBesideACloseReturns(t *testing.T) {
	s := unconnected(t)
	p, err := s.Producer(sender.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var closed chan struct{}
	within(t, "ending", func() {
		s.ending(func() []ending {
			s.senders = nil
			return []ending{leaver{p, func() { closed = closeBeside(s) }}}
		})
	})
	within(t, "Close", func() { <-closed })
}
