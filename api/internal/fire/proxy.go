package main

import (
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// weather is what a proxy does to what passes through it. Zero: nothing.
type weather struct {
	refuse   bool          // no connection is accepted, and those there are end
	silent   bool          // connections are accepted, and nothing passes
	noUp     bool          // what the client says is lost
	noDown   bool          // what the broker says is lost
	latency  time.Duration // each way, up to twice as much
	rate     int           // bytes a second
	cutEvery time.Duration // connections live so long, up to twice as long, and are reset
	cutInto  bool          // answers end in their middle, now and then
	swap     bool          // answers have another's correlation id, now and then
	length   bool          // answers have a bit turned in their length, now and then
	records  bool          // records have a bit turned, now and then, both ways
}

// now and then is one frame of so many.
const nowAndThen = 50

// proxy stands before one broker.
type proxy struct {
	target  string
	listen  net.Listener
	weather atomic.Pointer[weather]
	cuts    *atomic.Int64

	mu    sync.Mutex
	conns map[net.Conn]bool // of the clients
}

// network is a proxy before each broker, and the way for clients to go through them.
type network struct {
	proxies []*proxy
	byHost  map[string]string // where a broker's proxy listens
	cuts    atomic.Int64      // connections that were cut
}

func newNetwork(hosts []string) (*network, error) {
	n := &network{byHost: map[string]string{}}
	for _, h := range hosts {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			n.close()
			return nil, err
		}
		p := &proxy{target: h, listen: l, cuts: &n.cuts, conns: map[net.Conn]bool{}}
		p.weather.Store(&weather{})
		n.proxies, n.byHost[h] = append(n.proxies, p), l.Addr().String()
		go p.accept()
	}
	return n, nil
}

// dial is an api.Dialer.
func (n *network) dial(ctx context.Context, kind, address string) (net.Conn, error) {
	if proxy := n.byHost[address]; proxy != "" {
		address = proxy
	}
	return (&net.Dialer{}).DialContext(ctx, kind, address)
}

// set changes the weather of some proxies, -1: of all. Connections that have lost bytes end, as they would.
func (n *network) set(i int, w weather) {
	for k, p := range n.proxies {
		if i >= 0 && k != i {
			continue
		}
		before := p.weather.Swap(&w)
		if w.refuse || before.silent || before.noUp || before.noDown || before.rate > 0 {
			p.cut()
		}
	}
}

func (n *network) close() {
	for _, p := range n.proxies {
		_ = p.listen.Close()
		p.cut()
	}
}

// cut resets every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		p.reset(c)
	}
}

func (p *proxy) reset(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
	p.cuts.Add(1)
}

func (p *proxy) accept() {
	for {
		c, err := p.listen.Accept()
		if err != nil {
			return
		}
		if p.weather.Load().refuse {
			p.reset(c)
			continue
		}
		p.mu.Lock()
		p.conns[c] = true
		p.mu.Unlock()
		go p.serve(c)
	}
}

func (p *proxy) serve(client net.Conn) {
	defer func() {
		_ = client.Close()
		p.mu.Lock()
		delete(p.conns, client)
		p.mu.Unlock()
	}()
	broker, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer broker.Close()
	if every := p.weather.Load().cutEvery; every > 0 {
		t := time.AfterFunc(every+rand.N(every), func() { p.reset(client); _ = broker.Close() })
		defer t.Stop()
	}
	var both sync.WaitGroup
	both.Go(func() {
		p.pump(broker, client, true)
		_ = client.Close()
		_ = broker.Close()
	})
	p.pump(client, broker, false)
	_ = client.Close()
	_ = broker.Close()
	both.Wait()
}

// pump carries frames one way, until it cannot.
func (p *proxy) pump(to io.Writer, from io.Reader, up bool) {
	var size [4]byte
	for {
		if _, err := io.ReadFull(from, size[:]); err != nil {
			return
		}
		frame := make([]byte, 4+binary.BigEndian.Uint32(size[:]))
		copy(frame, size[:])
		if _, err := io.ReadFull(from, frame[4:]); err != nil {
			return
		}
		w := p.weather.Load()
		if w.latency > 0 {
			time.Sleep(w.latency + rand.N(w.latency))
		}
		switch {
		case w.silent, up && w.noUp, !up && w.noDown:
			continue
		case !p.spoil(w, &frame, up):
			_, _ = to.Write(frame)
			return
		case w.rate > 0:
			if !trickle(to, frame, w.rate) {
				return
			}
			continue
		}
		if _, err := to.Write(frame); err != nil {
			return
		}
	}
}

// trickle writes so many bytes a second.
func trickle(to io.Writer, frame []byte, rate int) bool {
	step := max(1, rate/20)
	for len(frame) > 0 {
		n := min(step, len(frame))
		if _, err := to.Write(frame[:n]); err != nil {
			return false
		}
		frame = frame[n:]
		time.Sleep(time.Duration(n) * time.Second / time.Duration(rate))
	}
	return true
}

// spoil changes a frame, now and then; false: it is the last of its connection.
func (p *proxy) spoil(w *weather, frame *[]byte, up bool) bool {
	if rand.IntN(nowAndThen) > 0 {
		return true
	}
	f := *frame
	switch {
	case w.records:
		if at := padding(f); at > 0 {
			f[at] ^= 1 << rand.IntN(8)
		}
	case up:
	case w.cutInto:
		*frame = f[:4+rand.IntN(len(f)-4)]
		p.cuts.Add(1)
		return false
	case w.swap && len(f) >= 8:
		f[7] ^= 1 << rand.IntN(8)
	case w.length:
		f[rand.IntN(4)] ^= 1 << rand.IntN(8)
	}
	return true
}

// padding finds a place within the padding of a record's value, which the record batch's checksum covers; 0: there is none.
func padding(f []byte) int {
	run := 0
	for i := 8; i < len(f); i++ {
		if f[i] != f[i-1] || f[i] < 'a' || f[i] > 'z' {
			run = 0
		} else if run++; run == 20 {
			return i
		}
	}
	return 0
}
