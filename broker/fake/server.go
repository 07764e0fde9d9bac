package fake

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

// Server is a cluster that clients reach over TCP on the loopback interface, or over pipes.
type Server struct {
	mu        sync.Mutex
	cluster   *Cluster
	conns     map[ConnID]*serverConn
	waiting   map[*serverConn]bool // those whose reader waits for answers to be made or written
	listeners []net.Listener
	addrs     []string
	timer     *time.Timer
	closed    bool
	work      sync.WaitGroup
}

// Listen makes a cluster and listens on a port of 127.0.0.1 for each broker: a free one, or those that follow cfg.Port. End it with Close.
func Listen(cfg Config) (*Server, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	s := &Server{conns: map[ConnID]*serverConn{}, waiting: map[*serverConn]bool{}}
	ports := make([]int32, cfg.Nodes)
	for i := range ports {
		port := 0
		if cfg.Port > 0 {
			port = cfg.Port + i
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("fake: broker %d: %w", i+1, err)
		}
		s.listeners = append(s.listeners, l)
		s.addrs = append(s.addrs, l.Addr().String())
		ports[i] = int32(l.Addr().(*net.TCPAddr).Port)
	}
	cfg.Host = func(node int32) (string, int32) { return "127.0.0.1", ports[node-1] }
	if err := s.begin(cfg); err != nil {
		s.Close()
		return nil, err
	}
	for i, l := range s.listeners {
		s.work.Go(func() { s.accept(l, int32(i+1)) })
	}
	return s, nil
}

// Pipes makes a cluster that is reached with Dial only. Inside testing/synctest it lives in virtual time.
func Pipes(cfg Config) (*Server, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	s := &Server{conns: map[ConnID]*serverConn{}, waiting: map[*serverConn]bool{}}
	for i := range cfg.Nodes {
		host, port := cfg.Host(int32(i + 1))
		s.addrs = append(s.addrs, net.JoinHostPort(host, strconv.Itoa(int(port))))
	}
	return s, s.begin(cfg)
}

func (s *Server) begin(cfg Config) (err error) {
	s.cluster, err = NewCluster(cfg)
	s.timer = time.AfterFunc(time.Hour, func() { s.Do(func(*Cluster) {}) })
	s.timer.Stop()
	return err
}

// Addrs are the brokers' addresses, for a client's bootstrap.
func (s *Server) Addrs() []string { return s.addrs }

// Dial connects to the broker at address over a pipe; it fits where a client takes a dialler.
func (s *Server) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i, a := range s.addrs {
		if a == address {
			client, server := net.Pipe()
			if !s.serve(server, int32(i+1)) {
				client.Close()
				return nil, fmt.Errorf("fake: broker %d is stopped", i+1)
			}
			return client, nil
		}
	}
	return nil, fmt.Errorf("fake: no broker has the address %s", address)
}

// Do calls f with the cluster, while nothing else happens to it.
func (s *Server) Do(f func(c *Cluster)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.cluster.Tick(time.Now())
	f(s.cluster)
	s.deliver()
}

// Now is the time of the cluster's clock, for methods that want it.
func (s *Server) Now() time.Time { return time.Now() }

// Stop stops a broker.
func (s *Server) Stop(node int32) { s.Do(func(c *Cluster) { c.Stop(time.Now(), node) }) }

// Start starts a broker again.
func (s *Server) Start(node int32) { s.Do(func(c *Cluster) { c.Start(time.Now(), node) }) }

// Pause pauses a broker as SIGSTOP does.
func (s *Server) Pause(node int32) { s.Do(func(c *Cluster) { c.Pause(time.Now(), node) }) }

// Resume lets a paused broker go on.
func (s *Server) Resume(node int32) { s.Do(func(c *Cluster) { c.Resume(time.Now(), node) }) }

// deliver hands the cluster's answers to the writers and sets the timer. The lock is held.
func (s *Server) deliver() {
	s.cluster.wakeFetches() // for what has come consumers do not wait till something else happens to the cluster
	for _, r := range s.cluster.Take() {
		k := s.conns[r.Conn]
		if k == nil {
			continue
		}
		if r.Close {
			k.over = true
		} else {
			k.queue = append(k.queue, r.Frame)
			k.unsent += len(r.Frame)
		}
		k.cond.Broadcast()
	}
	for k := range s.waiting {
		k.cond.Broadcast() // what it waits for may have come without an answer
	}
	if next := s.cluster.Next(); !next.IsZero() {
		s.timer.Reset(max(0, time.Until(next)))
	}
}

func (s *Server) accept(l net.Listener, node int32) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		if !s.serve(conn, node) {
			conn.Close()
		}
	}
}

// serve begins to serve a connection; false if the broker is stopped.
func (s *Server) serve(conn net.Conn, node int32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	id, ok := s.cluster.Connect(node)
	if !ok {
		return false
	}
	k := &serverConn{conn: conn, cond: sync.NewCond(&s.mu)}
	s.conns[id] = k
	s.work.Go(func() { s.write(id, k) })
	s.work.Go(func() { s.read(id, k) })
	return true
}

// Close ends the listeners and all connections and waits until their goroutines are gone.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
	var errs []error
	for _, l := range s.listeners {
		errs = append(errs, l.Close())
	}
	for _, k := range s.conns {
		k.over = true
		k.cond.Broadcast()
		k.conn.Close()
	}
	s.mu.Unlock()
	s.work.Wait()
	return errors.Join(errs...)
}
