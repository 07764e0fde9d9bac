package broker

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/protocol"
)

// events notes what a link tells, as text.
type events chan string

func (e events) Opened()               { e <- "opened" }
func (e events) Received(frame []byte) { e <- fmt.Sprintf("received %d", len(frame)) }
func (e events) Flushed()              { e <- "flushed" }
func (e events) Broken(err error)      { e <- "broken: " + err.Error() }

func (e events) expect(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := <-e; !strings.HasPrefix(got, w) {
			t.Fatalf("%q, expected %q", got, w)
		}
	}
}

// pipe is a network whose connections are pipes; the other ends come out of the channel.
func pipe(cfg NetworkConfig) (dial func() (role.Link, events), far chan net.Conn) {
	far = make(chan net.Conn, 1)
	cfg.Dial = func(context.Context, string, string) (net.Conn, error) {
		a, b := net.Pipe()
		far <- b
		return a, nil
	}
	n := NewNetwork(cfg)
	return func() (role.Link, events) {
		e := make(events, 100)
		return n.Dial("10.0.0.1:9092", "broker", e), e
	}, far
}

func framed(n int) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(n)), make([]byte, n)...)
}

func TestALinkWritesAndReads(t *testing.T) {
	dial, far := pipe(NetworkConfig{})
	l, e := dial()
	conn := <-far
	e.expect(t, "opened")
	l.Send([][]byte{[]byte("ab"), []byte("cd")})
	got := make([]byte, 4)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "abcd" {
		t.Fatalf("%q, %v", got, err)
	}
	e.expect(t, "flushed")
	if _, err := conn.Write(append(framed(10), framed(20)...)); err != nil {
		t.Fatal(err)
	}
	e.expect(t, "received 10", "received 20")
	conn.Close()
	e.expect(t, "broken: EOF")
}

func TestClosingTellsOnce(t *testing.T) {
	dial, far := pipe(NetworkConfig{})
	l, e := dial()
	<-far
	e.expect(t, "opened")
	l.Close()
	l.Close()
	e.expect(t, "broken: connection closed by this client")
	if len(e) != 0 {
		t.Fatalf("then %q", <-e)
	}
}

func TestHostileFramesEndTheConnection(t *testing.T) {
	for name, b := range map[string][]byte{
		"a negative size":               {0xff, 0xff, 0xff, 0xff},
		"too large before it is ready":  binary.BigEndian.AppendUint32(nil, protocol.MaxFrameBeforeReady+1),
		"it ends in the middle":         framed(100)[:50],
		"too large when it is ready":    append(framed(10), binary.BigEndian.AppendUint32(nil, 5001)...),
		"large, and it ends soon after": append(framed(10), binary.BigEndian.AppendUint32(nil, 4999)...),
	} {
		t.Run(name, func(t *testing.T) {
			dial, far := pipe(NetworkConfig{MaxFrame: 5000})
			l, e := dial()
			conn := <-far
			e.expect(t, "opened")
			if !strings.Contains(name, "before") {
				l.Raise()
			}
			go func() {
				_, _ = io.Copy(conn, bytes.NewReader(b))
				conn.Close()
			}()
			for got := range e {
				if strings.HasPrefix(got, "broken") {
					return
				}
			}
		})
	}
}

// TestLargeFramesAreReadWhenTheLimitIsRaised: not by themselves after some small ones.
func TestLargeFramesAreReadWhenTheLimitIsRaised(t *testing.T) {
	dial, far := pipe(NetworkConfig{})
	l, e := dial()
	conn := <-far
	e.expect(t, "opened")
	go func() {
		_, _ = conn.Write(append(framed(10), framed(protocol.MaxFrameBeforeReady)...))
	}()
	e.expect(t, "received 10", fmt.Sprint("received ", protocol.MaxFrameBeforeReady))
	l.Raise()
	go func() { _, _ = conn.Write(framed(protocol.MaxFrameBeforeReady + 1)) }()
	e.expect(t, fmt.Sprint("received ", protocol.MaxFrameBeforeReady+1))
	l.Close()
	e.expect(t, "broken")

	dial, far = pipe(NetworkConfig{})
	_, e = dial()
	conn = <-far
	e.expect(t, "opened")
	go func() {
		_, _ = conn.Write(append(framed(10), framed(protocol.MaxFrameBeforeReady+1)...))
	}()
	e.expect(t, "received 10", "broken: frame size out of bounds")
}

func TestTheReadBudgetIsKept(t *testing.T) {
	dial, far := pipe(NetworkConfig{ReadBudget: 100})
	l, e := dial()
	conn := <-far
	e.expect(t, "opened")
	written := make(chan int)
	go func() {
		for i := range 3 {
			if _, err := conn.Write(framed(80)); err != nil {
				return
			}
			written <- i
		}
	}()
	for range 3 {
		<-written // the third is read from the connection, but not handed over
	}
	e.expect(t, "received 80", "received 80")
	if len(e) != 0 {
		t.Fatalf("handed over beyond the budget: %q", <-e)
	}
	l.Consumed(80)
	e.expect(t, "received 80")
	l.Close()
	e.expect(t, "broken")
}

func TestAFailedDialIsTold(t *testing.T) {
	boom := errors.New("boom")
	n := NewNetwork(NetworkConfig{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, boom }})
	e := make(events, 10)
	n.Dial("10.0.0.1:9092", "broker", e)
	e.expect(t, "broken: boom")
}

func TestNamesAreResolvedByTheDiallerIfTheSystemCannot(t *testing.T) {
	n := NewNetwork(NetworkConfig{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, io.EOF }})
	got := make(chan []string, 1)
	n.Resolve("no-such-host.invalid", func(addrs []string, err error) {
		if err != nil {
			t.Error(err)
		}
		got <- addrs
	})
	if addrs := <-got; len(addrs) != 1 || addrs[0] != "no-such-host.invalid" {
		t.Fatalf("%v", addrs)
	}
}

// FuzzLink reads a stream of any bytes as frames: it ends, and no more memory is taken than what came is worth.
func FuzzLink(f *testing.F) {
	f.Add(append(framed(10), framed(70_000)...), uint16(1000))
	f.Add([]byte{0, 4, 0, 0, 1, 2, 3}, uint16(1))
	f.Add(append(framed(3), 0x7f, 0xff, 0xff, 0xff, 9), uint16(2))
	f.Fuzz(func(t *testing.T, stream []byte, split uint16) {
		n := NewNetwork(NetworkConfig{MaxFrame: 8 << 20}).(*network)
		l := n.link(make(events, 1+len(stream)/4), nil)
		l.Raise()
		near, far := net.Pipe()
		defer near.Close()
		go func() {
			defer far.Close()
			for part := range slices.Chunk(stream, 1+int(split)) {
				if _, err := far.Write(part); err != nil {
					return
				}
			}
		}()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := l.read(near)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Fatal("the stream has ended, and nobody says so")
		}
		if took, most := after.TotalAlloc-before.TotalAlloc, uint64(startFrame+1<<20+8*len(stream)); took > most {
			t.Fatalf("%d bytes were allocated for %d", took, len(stream))
		}
	})
}

// TestWhatToSetForALargerFrame: the size, the bound and the property are told, where it is the bound that is configured.
func TestWhatToSetForALargerFrame(t *testing.T) {
	for _, raised := range []bool{false, true} {
		dial, far := pipe(NetworkConfig{MaxFrame: 5_000_000})
		l, e := dial()
		conn := <-far
		e.expect(t, "opened")
		if raised {
			l.Raise()
		}
		go func() {
			_, _ = conn.Write(binary.BigEndian.AppendUint32(nil, 5_000_001))
		}()
		got := <-e
		if !strings.Contains(got, "5000001 bytes") || strings.Contains(got, "5000000 allowed (receive.message.max.bytes)") != raised {
			t.Errorf("raised %v: %s", raised, got)
		}
		l.Close()
	}
}
