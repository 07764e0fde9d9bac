package broker

import (
	"bufio"
	"io"
	"net"
	"sync"
)

const (
	// readSize is the buffer of a connection that something comes in on.
	readSize = 64 << 10
	// fewBytes is the buffer where the connection cannot be asked whether something is there, or has one of its own, as TLS has.
	fewBytes = 4 << 10
)

var readBuffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// newReader gives a buffered reader of a connection. Most connections wait most of the time, and a process may have thousands: who waits has no buffer.
func newReader(conn net.Conn) io.Reader {
	if ask := readsAtOnce(conn); ask != nil {
		return &reader{conn: conn, ask: ask}
	}
	return bufio.NewReaderSize(conn, fewBytes)
}

// reader reads into a buffer that it takes when something is there, and gives back when nothing is.
type reader struct {
	conn net.Conn
	// ask waits until something can be read, and reads it into what space gives; when nothing is there it calls none before it waits.
	ask  func(space func() []byte, none func()) (int, error)
	buf  *[readSize]byte
	r, w int // what is in it and not read
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if r.r == r.w {
		if len(p) >= readSize {
			return r.conn.Read(p)
		}
		n, err := r.ask(r.space, r.free)
		if n <= 0 || err != nil {
			r.free()
			return 0, err
		}
		r.r, r.w = 0, n
	}
	n := copy(p, r.buf[r.r:r.w])
	r.r += n
	return n, nil
}

func (r *reader) space() []byte {
	if r.buf == nil {
		r.buf = readBuffers.Get().(*[readSize]byte)
	}
	return r.buf[:]
}

func (r *reader) free() {
	if r.buf != nil {
		readBuffers.Put(r.buf)
		r.buf, r.r, r.w = nil, 0, 0
	}
}
