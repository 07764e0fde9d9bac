package main

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/kactor-go/kactor/broker/fake/tamper"
	"github.com/kactor-go/kactor/protocol"
)

// liar stands between clients and all brokers, and changes what the brokers say.
type liar struct {
	t       *turmoil
	listen  net.Listener
	dialing sync.Mutex
	conns   sync.WaitGroup

	mu    sync.Mutex
	proxy *tamper.Proxy
	open  map[net.Conn]bool
}

func newLiar(t *turmoil, seed uint64) (*liar, error) {
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &liar{t: t, listen: listen, proxy: tamper.New(rand.New(rand.NewPCG(seed, 1))), open: map[net.Conn]bool{}}, nil
}

// tamper has so many answers of a thousand changed from now on, and all of an API, unless it is -1.
func (l *liar) tamper(share int, key int16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.proxy.Share = share
	if l.proxy.Relent(); key >= 0 {
		l.proxy.Insist(key)
	}
}

func (l *liar) insisted() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.proxy.Insisted()
}

func (l *liar) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.proxy.Count()
}

func (l *liar) answer(key, version int16, frame []byte) tamper.Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.proxy.Answer(key, version, frame)
}

// close ends what clients have left, and waits for it.
func (l *liar) close() {
	l.mu.Lock()
	for c := range l.open {
		_ = c.Close()
	}
	l.mu.Unlock()
	_ = l.listen.Close()
	l.conns.Wait()
}

// dialer is an api.Dialer for one client.
func (l *liar) dialer(client string) func(ctx context.Context, kind, address string) (net.Conn, error) {
	return func(ctx context.Context, kind, address string) (net.Conn, error) {
		l.t.does(client, "connections to "+address)
		broker, err := (&net.Dialer{}).DialContext(ctx, kind, address)
		if err != nil {
			return nil, err
		}
		near, far, err := l.pair(ctx)
		if err != nil {
			return nil, errors.Join(err, broker.Close())
		}
		l.mu.Lock()
		l.open[far], l.open[broker] = true, true
		l.mu.Unlock()
		l.conns.Go(func() { l.serve(client, address, far, broker) })
		return near, nil
	}
}

// pair makes both ends of a connection.
func (l *liar) pair(ctx context.Context) (near, far net.Conn, err error) {
	l.dialing.Lock() // so that who is accepted is who has dialled
	defer l.dialing.Unlock()
	if near, err = (&net.Dialer{}).DialContext(context.WithoutCancel(ctx), "tcp", l.listen.Addr().String()); err != nil {
		return nil, nil, err
	}
	if far, err = l.listen.Accept(); err != nil {
		return nil, nil, errors.Join(err, near.Close())
	}
	return near, far, nil
}

// asked is a request whose answer has not come.
type asked struct{ key, version int16 }

// serve carries a connection.
func (l *liar) serve(client, address string, far, broker net.Conn) {
	var mu sync.Mutex
	waiting := map[int32]asked{}
	var both sync.WaitGroup
	both.Go(func() {
		defer func() { _, _ = broker.Close(), far.Close() }()
		for {
			frame, err := frameOf(far)
			if err != nil || len(frame) < 12 {
				return
			}
			q := asked{int16(binary.BigEndian.Uint16(frame[4:])), int16(binary.BigEndian.Uint16(frame[6:]))}
			l.t.does(client, protocol.APIName(q.key)+" to "+address)
			mu.Lock()
			waiting[int32(binary.BigEndian.Uint32(frame[8:]))] = q
			mu.Unlock()
			if _, err := broker.Write(frame); err != nil {
				return
			}
		}
	})
	l.answers(far, broker, func(id int32) (q asked, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		q, ok = waiting[id]
		delete(waiting, id)
		return q, ok
	})
	_, _ = far.Close(), broker.Close()
	both.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, far)
	delete(l.open, broker)
}

// answers carries answers until it cannot.
func (l *liar) answers(far, broker net.Conn, to func(id int32) (asked, bool)) {
	for {
		frame, err := frameOf(broker)
		if err != nil || len(frame) < 8 {
			return
		}
		out := tamper.Outcome{Frames: [][]byte{frame[protocol.SizeLen:]}}
		if q, ok := to(int32(binary.BigEndian.Uint32(frame[4:]))); ok {
			out = l.answer(q.key, q.version, frame[protocol.SizeLen:])
		}
		if out.Change != "" {
			l.t.tell("an answer is changed: " + out.Change)
		}
		time.Sleep(out.Delay)
		for _, f := range out.Frames {
			if _, err := far.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(f))), f...)); err != nil {
				return
			}
		}
		if out.Cut {
			_, _ = io.WriteString(far, "\x00\x00\x01\x00cut")
			return
		}
	}
}
