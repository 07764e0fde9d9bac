//go:build unix

package broker

import (
	"net"
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
