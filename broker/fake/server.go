package fake

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Server is a cluster that clients reach over TCP on the loopback interface, or over pipes. Listen and Pipes make one; the methods of another panic.
//
// Its methods may be called by any goroutine, but not by a function that the cluster itself calls: that of Do, those that Seize and Observe were given, and Config.MemberID. While these run nothing else happens to the cluster, so they
// would wait for themselves; they panic instead. There the methods of the Cluster are to be called.
type Server struct {
	mu        sync.Mutex
	inside    atomic.Uint64 // the goroutine that holds the lock and calls what a test has given; 0: none
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
			s.end()
			return nil, fmt.Errorf("fake: broker %d: %w", i+1, err)
		}
		s.listeners = append(s.listeners, l)
		s.addrs = append(s.addrs, l.Addr().String())
		ports[i] = int32(l.Addr().(*net.TCPAddr).Port)
	}
	cfg.Host = func(node int32) (string, int32) { return "127.0.0.1", ports[node-1] }
	if err := s.begin(cfg); err != nil {
		s.end()
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
	if err := s.begin(cfg); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) begin(cfg Config) (err error) {
	if s.cluster, err = NewCluster(cfg); err != nil {
		return err
	}
	s.timer = time.AfterFunc(time.Hour, func() { s.Do(func(*Cluster) {}) })
	s.timer.Stop()
	return nil
}

// lock takes the lock for a method that others call. Who holds it already would wait for itself.
func (s *Server) lock(method string) {
	if s.cluster == nil {
		panic("fake: Server." + method + ": this Server was made neither by Listen nor by Pipes")
	}
	if s.mu.TryLock() {
		return
	}
	if s.inside.Load() == goroutine() {
		panic("fake: Server." + method + " is called by a function that the cluster calls (Do, Seize, Observe, Config.MemberID), and would wait for itself: call the methods of the Cluster there, or those of the Server afterwards")
	}
	s.mu.Lock()
}

// calling runs what may call functions that a test has given. The lock is held.
func (s *Server) calling(f func()) {
	s.inside.Store(goroutine())
	defer s.inside.Store(0)
	f()
}

// goroutine is the number of the goroutine that runs, as traces have it: there is no other way to tell who calls.
func goroutine() uint64 {
	var trace [64]byte
	words := strings.Fields(string(trace[:runtime.Stack(trace[:], false)]))
	n, _ := strconv.ParseUint(words[1], 10, 64)
	return n
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

// Do calls f with the cluster, while nothing else happens to it; after Close it does not. It panics without a function, and where f, or what a seizure or an observer was given, calls it.
func (s *Server) Do(f func(c *Cluster)) { s.do("Do", f) }

func (s *Server) do(method string, f func(c *Cluster)) {
	if f == nil {
		panic("fake: Server.Do: there is no function to call")
	}
	s.lock(method)
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.calling(func() {
		s.cluster.Tick(time.Now())
		f(s.cluster)
	})
	s.deliver()
}

// Now is the time of the cluster's clock, for methods that want it.
func (s *Server) Now() time.Time { return time.Now() }

// Stop stops a broker, as Cluster.Stop does, which functions that the cluster calls have to call instead; so it is with Start, Pause and Resume.
func (s *Server) Stop(node int32) { s.do("Stop", func(c *Cluster) { c.Stop(time.Now(), node) }) }

// Start starts a broker again.
func (s *Server) Start(node int32) { s.do("Start", func(c *Cluster) { c.Start(time.Now(), node) }) }

// Pause pauses a broker as SIGSTOP does.
func (s *Server) Pause(node int32) { s.do("Pause", func(c *Cluster) { c.Pause(time.Now(), node) }) }

// Resume lets a paused broker go on.
func (s *Server) Resume(node int32) { s.do("Resume", func(c *Cluster) { c.Resume(time.Now(), node) }) }

// deliver hands the cluster's answers to the writers and sets the timer. The lock is held.
func (s *Server) deliver() {
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
	s.lock("Dial")
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
	s.deliver() // it may be that it is closed if nothing is sent on it
	s.work.Go(func() { s.write(id, k) })
	s.work.Go(func() { s.read(id, k) })
	return true
}

// Close ends the listeners and all connections and waits until their goroutines are gone. Who closes again does the same, and gets no error. It panics where a function calls it that the cluster calls.
func (s *Server) Close() error {
	s.lock("Close")
	s.mu.Unlock()
	return s.end()
}

func (s *Server) end() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.work.Wait()
		return nil
	}
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
