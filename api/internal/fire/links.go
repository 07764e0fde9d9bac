package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// links are proxies before what brokers and controllers say to each other, so that some of them can be cut off from the others.
type links struct {
	proxies []net.Listener // of the nodes, then of the controllers
	own     []int          // where the nodes listen themselves

	mu    sync.Mutex
	apart map[int32]bool // nodes that nobody reaches, and that reach nobody
	conns map[*link]bool
}

// link is a connection from a node to another.
type link struct {
	from, to int32
	both     [2]net.Conn
	lost     bool // something that was said did not arrive
}

// newLinks makes the links of nodes.
func newLinks(nodes int) (*links, error) {
	n := &links{apart: map[int32]bool{}, conns: map[*link]bool{}}
	for i := range 2 * nodes {
		told, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		own, err := net.Listen("tcp", "127.0.0.1:0") // the node takes this port
		if err != nil {
			return nil, err
		}
		n.own = append(n.own, own.Addr().(*net.TCPAddr).Port)
		n.proxies = append(n.proxies, told)
		defer own.Close()
		go n.accept(told, int32(i%nodes)+1, own.Addr().String())
	}
	return n, nil
}

// String is what .ci/kafka takes.
func (n *links) String() string {
	var all []string
	for i, p := range n.proxies {
		all = append(all, fmt.Sprintf("%d:%d", p.Addr().(*net.TCPAddr).Port, n.own[i]))
	}
	return strings.Join(all, ",")
}

func (n *links) close() {
	for _, p := range n.proxies {
		_ = p.Close()
	}
}

// isolate cuts a node off: what it says and what is said to it is lost, without a sign.
func (n *links) isolate(node int32) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.apart[node] = true
}

// join ends all isolation. Connections that have lost something end, as they would when it is sent again too late.
func (n *links) join() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.apart)
	for l := range n.conns {
		if l.lost {
			l.close()
		}
	}
}

func (l *link) close() {
	for _, c := range l.both {
		if c != nil {
			_ = c.Close()
		}
	}
}

// passes tells whether what is said on a link arrives.
func (n *links) passes(l *link) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if l.from != l.to && (n.apart[l.from] || n.apart[l.to]) { // a node still reaches itself
		l.lost = true
	}
	return !l.lost
}

func (n *links) accept(from net.Listener, to int32, target string) {
	for {
		c, err := from.Accept()
		if err != nil {
			return
		}
		go n.serve(&link{to: to, both: [2]net.Conn{c}}, target)
	}
}

// serve carries a connection. Who it comes from is known by the client id of its first request.
func (n *links) serve(l *link, target string) {
	n.mu.Lock()
	n.conns[l] = true
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		delete(n.conns, l)
		l.close()
		n.mu.Unlock()
	}()
	first, err := frameOf(l.both[0])
	if err != nil {
		return
	}
	l.from = author(first)
	out, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	n.mu.Lock()
	l.both[1] = out
	n.mu.Unlock()
	if n.passes(l) {
		if _, err := out.Write(first); err != nil {
			return
		}
	}
	var both sync.WaitGroup
	both.Go(func() { n.pump(l, l.both[0], out) })
	n.pump(l, out, l.both[0])
	both.Wait()
}

// pump carries bytes one way until it cannot, and ends both ways then.
func (n *links) pump(l *link, to io.Writer, from io.Reader) {
	buf := make([]byte, 64<<10)
	for {
		k, err := from.Read(buf)
		if k > 0 && n.passes(l) {
			if _, err := to.Write(buf[:k]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	l.close()
}

// frameOf reads a request or an answer with its length.
func frameOf(c io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > 64<<20 {
		return nil, fmt.Errorf("a frame of %d bytes", n)
	}
	frame := make([]byte, 4+n)
	copy(frame, size[:])
	_, err := io.ReadFull(c, frame[4:])
	return frame, err
}

var digits = regexp.MustCompile(`\d+`)

// author is the first number in a request's client id, which is the node for all that brokers and controllers say ("broker-1-fetcher-0", "raft-client-1", "1"); 0: there is none.
func author(frame []byte) int32 {
	if len(frame) < 14 {
		return 0
	}
	n := int(int16(binary.BigEndian.Uint16(frame[12:])))
	if n < 0 || len(frame) < 14+n {
		return 0
	}
	id, err := strconv.Atoi(string(digits.Find(frame[14 : 14+n])))
	if err != nil {
		return 0
	}
	return int32(id)
}
