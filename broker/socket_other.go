//go:build !unix

package broker

import "net"

// writesAtOnce is for systems whose sockets wait by themselves.
func writesAtOnce(net.Conn) func([]byte) int { return nil }
