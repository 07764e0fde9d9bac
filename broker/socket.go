package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/protocol"
)

// NetworkConfig says how brokers are reached.
type NetworkConfig struct {
	// Dial opens a connection; nil is net.Dialer. It may lead through a proxy, or to an embedded cluster.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS, if not nil, is spoken on every connection. ServerName is the broker's host unless set.
	TLS *tls.Config
	// ReceiveBuffer and SendBuffer are the sizes of the socket's buffers (SO_RCVBUF, SO_SNDBUF); zero: what the operating system gives.
	ReceiveBuffer, SendBuffer int
	// NoKeepAlive switches TCP keep-alive probes off.
	NoKeepAlive bool
	// SetupTimeout bounds dialling and the TLS handshake (10 s).
	SetupTimeout time.Duration
	// MaxFrame is the largest frame that is read, without its size (receive.message.max.bytes, 100 MiB).
	MaxFrame int
	// ReadBudget is how many bytes of frames may be read and not yet dealt with, per connection; one frame more is always read (64 MiB).
	ReadBudget int
}

// NewNetwork makes the network of the real world: a goroutine that reads and one that writes for each connection.
func NewNetwork(cfg NetworkConfig) role.Network {
	custom := cfg.Dial != nil
	if !custom {
		d := &net.Dialer{}
		if cfg.NoKeepAlive {
			d.KeepAlive = -1
		}
		cfg.Dial = d.DialContext
	}
	if cfg.SetupTimeout == 0 {
		cfg.SetupTimeout = 10 * time.Second
	}
	if cfg.MaxFrame == 0 {
		cfg.MaxFrame = protocol.MaxFrame
	}
	if cfg.ReadBudget == 0 {
		cfg.ReadBudget = 64 << 20
	}
	return &network{cfg: cfg, custom: custom}
}

type network struct {
	cfg    NetworkConfig
	custom bool
	frames frames
}

// Free implements role.Network.
func (n *network) Free(frame []byte) { n.frames.put(frame) }

// Resolve looks a host up. All its addresses are tried in turn (client.dns.lookup=use_all_dns_ips).
func (n *network) Resolve(host string, done func([]string, error)) {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), n.cfg.SetupTimeout)
		defer cancel()
		addrs, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil { // a dialler of the user's own may know better
			addrs, err = n.unresolved(host, err)
		}
		done(addrs, err)
	}()
}

func (n *network) unresolved(host string, err error) ([]string, error) {
	if n.custom {
		return []string{host}, nil
	}
	return nil, err
}

func (n *network) Dial(address, host string, sink role.Sink) role.Link {
	ctx, cancel := context.WithCancel(context.Background())
	l := n.link(sink, cancel)
	go l.run(ctx, address, host)
	return l
}

func (n *network) link(sink role.Sink, cancel context.CancelFunc) *link {
	l := &link{net: n, sink: sink, cancel: cancel}
	l.cond.L = &l.mu
	l.limit.Store(protocol.MaxFrameBeforeReady)
	return l
}

// link is one connection.
type link struct {
	net    *network
	sink   role.Sink
	cancel context.CancelFunc

	limit atomic.Int64 // of the next frame

	mu      sync.Mutex
	cond    sync.Cond
	conn    net.Conn
	direct  func([]byte) int // writes what the kernel takes at once; nil: it cannot be asked
	small   []byte           // scratch of direct
	writing bool             // the writer is at work
	queue   [][]byte         // segments to be written
	frames  int              // whole frames in the queue
	unread  int              // bytes handed over and not yet consumed
	closed  bool
	closing error // why, if not by Close
}

var errLinkClosed = errors.New("connection closed by this client")

// run is the life of a connection: dial, then write while another goroutine reads.
func (l *link) run(ctx context.Context, address, host string) {
	defer l.cancel()
	conn, err := l.dial(ctx, address, host)
	if err != nil {
		l.mu.Lock()
		if l.closed {
			err = errLinkClosed
		}
		l.mu.Unlock()
		l.sink.Broken(err)
		return
	}
	l.mu.Lock()
	l.conn, l.direct = conn, writesAtOnce(conn)
	closed := l.closed
	l.mu.Unlock()
	if closed {
		conn.Close()
		l.sink.Broken(errLinkClosed)
		return
	}
	l.sink.Opened()
	var reader sync.WaitGroup
	reader.Go(func() { l.fail(ofTLS(l.read(conn))) }) // with TLS 1.3 it is the first read that tells of a certificate that is missing
	l.write(conn)
	reader.Wait()
	l.mu.Lock()
	err = l.closing
	l.mu.Unlock()
	if err == nil {
		err = errLinkClosed
	}
	l.sink.Broken(err)
}

func (l *link) dial(ctx context.Context, address, host string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, l.net.cfg.SetupTimeout)
	defer cancel()
	conn, err := l.net.cfg.Dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	l.net.buffers(conn)
	if l.net.cfg.TLS == nil {
		return conn, nil
	}
	cfg := l.net.cfg.TLS.Clone()
	if cfg.ServerName == "" {
		cfg.ServerName = host
	}
	t := tls.Client(conn, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, &reason{ErrTLS, ofTLS(err)}
	}
	return t, nil
}

// buffers sets the sizes of a socket's buffers, as far as the system allows it.
func (n *network) buffers(conn net.Conn) {
	c, ok := conn.(interface {
		SetReadBuffer(bytes int) error
		SetWriteBuffer(bytes int) error
	})
	if !ok {
		return
	}
	if n.cfg.ReceiveBuffer > 0 {
		_ = c.SetReadBuffer(n.cfg.ReceiveBuffer)
	}
	if n.cfg.SendBuffer > 0 {
		_ = c.SetWriteBuffer(n.cfg.SendBuffer)
	}
}

// fail ends the connection with the first reason.
func (l *link) fail(err error) {
	l.mu.Lock()
	if !l.closed {
		l.closed, l.closing = true, err
	}
	conn := l.conn
	l.cond.Broadcast()
	l.mu.Unlock()
	if conn != nil {
		conn.Close()
	}
}

// Close ends the connection; Broken follows.
func (l *link) Close() {
	l.cancel()
	l.fail(errLinkClosed)
}

// smallFrame is the size up to which a frame is written by who sends it: waking the writer costs more than that.
const smallFrame = 8 << 10

// Send queues one frame. A small one is given to the kernel at once, if nothing is before it and the kernel takes it.
func (l *link) Send(segments [][]byte) {
	l.mu.Lock()
	if l.direct != nil && !l.writing && len(l.queue) == 0 && !l.closed {
		if b, ok := join(l.small[:0], segments); ok {
			l.small = b
			n := l.direct(b)
			if n == len(b) {
				l.mu.Unlock()
				l.sink.Flushed()
				return
			}
			segments = [][]byte{slices.Clone(b[n:])} // the writer waits for the kernel, or finds out what is wrong
		}
	}
	l.queue = append(l.queue, segments...)
	l.frames++
	l.cond.Broadcast()
	l.mu.Unlock()
}

// join puts the segments of a small frame behind dst.
func join(dst []byte, segments [][]byte) ([]byte, bool) {
	n := 0
	for _, s := range segments {
		if n += len(s); n > smallFrame {
			return dst, false
		}
	}
	for _, s := range segments {
		dst = append(dst, s...)
	}
	return dst, true
}

// Raise implements role.Link. What the peer says next, it says to what is sent after this.
func (l *link) Raise() { l.limit.Store(int64(l.net.cfg.MaxFrame)) }

// Consumed gives bytes back to the read budget.
func (l *link) Consumed(n int) {
	l.mu.Lock()
	before := l.unread
	l.unread -= n
	if before > l.net.cfg.ReadBudget && l.unread <= l.net.cfg.ReadBudget {
		l.cond.Broadcast()
	}
	l.mu.Unlock()
}

// write writes what is queued, all of it with one call, until the connection ends.
func (l *link) write(conn net.Conn) {
	var spare [][]byte
	for {
		l.mu.Lock()
		l.writing = false
		for len(l.queue) == 0 && !l.closed {
			l.cond.Wait()
		}
		l.writing = true
		if l.closed {
			l.mu.Unlock()
			return
		}
		queue, frames := l.queue, l.frames
		l.queue, l.frames = spare[:0], 0
		l.mu.Unlock()
		b := net.Buffers(queue)
		if _, err := b.WriteTo(conn); err != nil {
			l.fail(err)
			return
		}
		clear(queue)
		spare = queue
		for range frames {
			l.sink.Flushed()
		}
	}
}

// read hands over frame after frame until the connection ends.
func (l *link) read(conn net.Conn) error {
	r := newReader(conn)
	for {
		var prefix [protocol.SizeLen]byte
		if _, err := io.ReadFull(r, prefix[:]); err != nil {
			return err
		}
		limit := int(l.limit.Load())
		n, err := protocol.FrameSize(prefix, limit)
		if err != nil {
			return l.bounded(err, limit)
		}
		frame, err := l.net.frames.read(r, n)
		if err != nil {
			return err
		}
		if !l.admit(n) {
			return errLinkClosed
		}
		l.sink.Received(frame)
	}
}

// admit counts a frame and waits while too much is unread.
func (l *link) admit(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.unread > l.net.cfg.ReadBudget && !l.closed {
		l.cond.Wait()
	}
	l.unread += n
	return !l.closed
}

// bounded tells what to set where a frame is larger than is configured.
func (l *link) bounded(err error, limit int) error {
	if errors.Is(err, protocol.ErrFrameSize) && limit == l.net.cfg.MaxFrame {
		return fmt.Errorf("%w (receive.message.max.bytes)", err)
	}
	return err
}
