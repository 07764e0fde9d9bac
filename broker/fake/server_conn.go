package fake

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/kactor-go/kactor/protocol"
)

const (
	// maxUnsent is how many bytes of answers may wait to be written when the next request of their connection is handled. Kafka lets none wait: a channel is muted from a request
	// until its answer is in the socket (SocketServer). Here those of quick requests are written together; there are never more than these and one answer.
	maxUnsent = 1 << 20
	// maxIdle is how long a connection may stand still that has more requests, or whose peer has ended: the default of connections.max.idle.ms in Kafka.
	maxIdle = 10 * time.Minute
	// maxLinger is how long a peer is heard that was told the end: what nobody reads would make a reset of it, which takes the answers before it along.
	maxLinger = time.Second
)

// serverConn is a connection with what is to be written on it. The server's lock guards all but conn.
type serverConn struct {
	conn   net.Conn
	cond   *sync.Cond // of the server's lock
	queue  [][]byte
	unsent int  // bytes in the queue and in the writer's hands
	ended  bool // no request comes any more; the answers are still written
	over   bool // no answer comes any more
	done   bool // all is written
}

// halfCloser is a connection that can end one way and go on the other; pipes cannot.
type halfCloser interface{ CloseWrite() error }

var errNoFrame = errors.New("this is no size of a request")

// read hands requests to the cluster until the peer is gone. One that has ended, or sends what is no request, has its answers first.
func (s *Server) read(id ConnID, k *serverConn) {
	defer s.drop(id, k)
	err := s.requests(id, k)
	_, half := k.conn.(halfCloser)
	ended := half && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF))
	if !ended && !errors.Is(err, errNoFrame) {
		return
	}
	s.mu.Lock()
	k.ended = true
	k.cond.Broadcast()
	s.await(id, k, func() bool { return k.done })
	s.mu.Unlock()
	io.Copy(io.Discard, k.conn)
}

// requests reads requests and has them handled.
func (s *Server) requests(id ConnID, k *serverConn) error {
	for {
		var prefix [protocol.SizeLen]byte
		if _, err := io.ReadFull(k.conn, prefix[:]); err != nil {
			return err
		}
		n := binary.BigEndian.Uint32(prefix[:])
		if n < 8 || n > protocol.MaxFrame {
			return errNoFrame
		}
		frame, err := readFrame(k.conn, int(n))
		if err != nil {
			return err
		}
		s.handle(id, k, frame)
	}
}

// startFrame is how much memory a frame gets at once: a longer one grows with what really comes.
const startFrame = 256 << 10

// readFrame reads n bytes.
func readFrame(r io.Reader, n int) ([]byte, error) {
	var frame []byte
	for room := min(n, startFrame); ; room = min(n, 4*room) {
		have := len(frame)
		frame = append(make([]byte, 0, room), frame...)[:room]
		if _, err := io.ReadFull(r, frame[have:]); err != nil || room == n {
			return frame, err
		}
	}
}

// handle gives a request to the cluster once those before it are answered, and not much of that is still to be written. Until then nothing more is read.
func (s *Server) handle(id ConnID, k *serverConn, frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.await(id, k, func() bool { return k.over || k.unsent <= maxUnsent && s.cluster.idle(id) })
	if !s.closed && !k.over {
		handle := func() { s.cluster.Handle(time.Now(), id, frame) }
		if s.cluster.asks() {
			s.calling(handle)
		} else {
			handle()
		}
		s.deliver()
	}
}

// await waits until something holds of a connection; it is dropped if that takes too long. The lock is held.
func (s *Server) await(id ConnID, k *serverConn, holds func() bool) {
	if holds() {
		return
	}
	late := time.AfterFunc(maxIdle, func() { s.drop(id, k) })
	s.waiting[k] = true
	for !holds() {
		k.cond.Wait()
	}
	delete(s.waiting, k)
	late.Stop()
}

// write writes answers until none can come any more.
func (s *Server) write(id ConnID, k *serverConn) {
	for {
		queue, last := s.toWrite(id, k)
		n, err := queue.WriteTo(k.conn)
		if err != nil {
			s.drop(id, k)
			return
		}
		if last {
			break
		}
		s.mu.Lock()
		k.unsent -= int(n)
		k.cond.Broadcast()
		s.mu.Unlock()
	}
	if half, ok := k.conn.(halfCloser); ok {
		half.CloseWrite()
		k.conn.SetReadDeadline(time.Now().Add(maxLinger)) // the reader goes on until then
	} else {
		k.conn.Close()
	}
	s.mu.Lock()
	k.over, k.done = true, true
	k.cond.Broadcast()
	s.mu.Unlock()
}

// toWrite waits for answers; last if none come behind these.
func (s *Server) toWrite(id ConnID, k *serverConn) (queue net.Buffers, last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		last = k.over || k.ended && s.cluster.idle(id)
		if len(k.queue) > 0 || last {
			queue, k.queue = k.queue, nil
			return queue, last
		}
		k.cond.Wait()
	}
}

// drop ends a connection at once.
func (s *Server) drop(id ConnID, k *serverConn) {
	s.mu.Lock()
	k.over, k.done = true, true
	k.cond.Broadcast()
	if s.conns[id] == k {
		delete(s.conns, id)
		s.cluster.Disconnect(id)
		if !s.closed {
			s.deliver() // others may have waited for its end
		}
	}
	s.mu.Unlock()
	k.conn.Close()
}
