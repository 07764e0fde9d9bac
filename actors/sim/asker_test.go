package sim_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/wire"
)

// asker speaks to brokers without the client: one request at a time, over the network of the world.
type asker struct {
	w      *sim.World
	offers protocol.Ranges // of the release
	lines  map[int32]*line
	id     int32
}

func newAsker(w *sim.World, release string) (*asker, error) {
	offers, err := protocol.Release(release)
	return &asker{w: w, offers: offers, lines: map[int32]*line{}}, err
}

// line is a connection to a broker. It implements role.Sink.
type line struct {
	w      *sim.World
	link   role.Link
	opened bool
	err    error
	frames [][]byte
	waiter *role.Waiter
}

func (l *line) wake() {
	if l.waiter != nil {
		l.w.Wake(l.waiter)
	}
}

func (l *line) Opened()          { l.opened = true; l.link.Raise(); l.wake() }
func (l *line) Flushed()         {}
func (l *line) Broken(err error) { l.err = err; l.wake() }
func (l *line) Received(frame []byte) {
	l.frames = append(l.frames, frame)
	l.link.Consumed(len(frame))
	l.wake()
}

// until parks the caller until something holds of a line, or the line ends.
func (l *line) until(ctx context.Context, holds func() bool) error {
	for !holds() {
		if l.err != nil {
			return l.err
		}
		l.waiter = role.NewWaiter()
		if err := l.w.Park(ctx, l.waiter); err != nil {
			return err
		}
	}
	return nil
}

// errUnsent says that a broker has not got the request, and will not.
var errUnsent = errors.New("not sent")

// ask asks a broker, in the newest version that it has up to most. Without an answer the request may come to the broker yet, unless the error is errUnsent.
func (a *asker) ask(ctx context.Context, node int32, req protocol.Request, most int16) (protocol.Response, error) {
	offered, _ := a.offers.Get(req.APIKey())
	version := min(most, offered.Max)
	some, cancel := a.w.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	l, err := a.line(some, node)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnsent, err)
	}
	a.id++
	frame, err := protocol.AppendRequest(nil, req, version, a.id, wire.Ptr("asker"))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnsent, err)
	}
	l.link.Send([][]byte{frame})
	if err := l.until(some, func() bool { return len(l.frames) > 0 }); err != nil {
		a.hangUp(node)
		return nil, err
	}
	resp := protocol.NewResponse(req.APIKey())
	err = protocol.ReadResponse(resp, l.frames[0], version)
	l.frames = l.frames[1:]
	if err != nil {
		return nil, fmt.Errorf("%T: %w", resp, err)
	}
	return resp, nil
}

// line gives the connection to a broker, or opens one.
func (a *asker) line(ctx context.Context, node int32) (*line, error) {
	if l := a.lines[node]; l != nil && l.err == nil {
		return l, nil
	}
	l := &line{w: a.w}
	var resolved error
	var addresses []string
	answered := false
	a.w.Network().Resolve(fmt.Sprintf("broker-%d", node), func(found []string, err error) {
		addresses, resolved, answered = found, err, true
		l.wake()
	})
	if err := l.until(ctx, func() bool { return answered }); err != nil {
		return nil, err
	}
	if resolved != nil {
		return nil, resolved
	}
	l.link = a.w.Network().Dial(addresses[0]+":9092", "", l)
	a.lines[node] = l
	if err := l.until(ctx, func() bool { return l.opened }); err != nil {
		a.hangUp(node)
		return nil, err
	}
	return l, nil
}

// hangUp ends the connection to a broker.
func (a *asker) hangUp(node int32) {
	if l := a.lines[node]; l != nil {
		l.link.Close()
		delete(a.lines, node)
	}
}

// close ends all connections.
func (a *asker) close() {
	for node := range int32(10) {
		a.hangUp(node)
	}
}
