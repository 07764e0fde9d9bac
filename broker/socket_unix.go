//go:build unix

package broker

import (
	"io"
	"net"
	"os"
	"syscall"
)

// writesAtOnce gives a function that writes as much as the kernel takes without waiting. An error shows at the next write. It is nil for what is not plain TCP.
func writesAtOnce(conn net.Conn) func([]byte) int {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	var b []byte
	n := 0
	write := func(fd uintptr) bool {
		n, _ = syscall.Write(int(fd), b)
		return true // done, even if the kernel has taken nothing
	}
	return func(frame []byte) int {
		b, n = frame, 0
		_ = raw.Write(write)
		b = nil
		return max(n, 0)
	}
}

// readsAtOnce gives a function that reads what is there, or waits without a buffer until something is. It is nil for what is not plain TCP.
func readsAtOnce(conn net.Conn) func(space func() []byte, none func()) (int, error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	var n int
	var failed error
	var space func() []byte
	var none func()
	read := func(fd uintptr) bool {
		for {
			n, failed = syscall.Read(int(fd), space())
			switch {
			case failed == syscall.EINTR:
				continue
			case failed == syscall.EAGAIN:
				none()
				return false
			case failed == nil && n == 0:
				failed = io.EOF
			}
			return true
		}
	}
	return func(s func() []byte, f func()) (int, error) {
		space, none = s, f
		if err := raw.Read(read); err != nil {
			return 0, err
		}
		if failed != nil && failed != io.EOF {
			failed = &net.OpError{Op: "read", Net: "tcp", Source: tcp.LocalAddr(), Addr: tcp.RemoteAddr(), Err: os.NewSyscallError("read", failed)}
		}
		return n, failed
	}
}
