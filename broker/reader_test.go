//go:build unix

package broker

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
)

// connected gives both ends of a TCP connection.
func connected(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

func TestAConnectionThatWaitsHasNoReadBuffer(t *testing.T) {
	near, far := connected(t)
	r := newReader(near).(*reader)
	waits := make(chan struct{}, 1)
	ask := r.ask
	r.ask = func(space func() []byte, none func()) (int, error) {
		return ask(space, func() {
			none()
			if r.buf != nil {
				t.Error("it waits and has a buffer")
			}
			waits <- struct{}{}
		})
	}
	go func() {
		for range 3 { // each time the other end waits
			<-waits
			_, _ = far.Write([]byte("twelve bytes"))
		}
		<-waits
		far.Close()
	}()
	got := make([]byte, 6)
	for range 3 {
		for _, want := range []string{"twelve", " bytes"} {
			if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
				t.Fatalf("%q, %v", got, err)
			}
		}
	}
	if _, err := r.Read(got); err != io.EOF || r.buf != nil {
		t.Fatalf("at the end: %v", err)
	}
}

func TestWhatIsReadIsWhatWasWrittenInPiecesOfAnySize(t *testing.T) {
	near, far := connected(t)
	rng := rand.New(rand.NewPCG(1, 2))
	sent := make([]byte, 2<<20)
	for i := range sent {
		sent[i] = byte(rng.Uint32())
	}
	go func() {
		rng := rand.New(rand.NewPCG(3, 4))
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), 1+rng.IntN(1<<rng.IntN(18)))
			_, _ = far.Write(rest[:n])
			rest = rest[n:]
		}
		far.Close()
	}()
	r := newReader(near)
	var got []byte
	for {
		p := make([]byte, 1+rng.IntN(1<<rng.IntN(18)))
		n, err := r.Read(p)
		got = append(got, p[:n]...)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, sent) {
		t.Fatalf("%d bytes came of %d, or others", len(got), len(sent))
	}
}

func TestAReadEndsWhenTheConnectionIsClosed(t *testing.T) {
	near, _ := connected(t)
	r := newReader(near).(*reader)
	ask := r.ask
	r.ask = func(space func() []byte, none func()) (int, error) {
		return ask(space, func() { none(); go near.Close() })
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("the error is %v", err)
	}
}
