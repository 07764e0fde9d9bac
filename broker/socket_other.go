//go:build !unix

package broker

import "net"

// writesAtOnce and readsAtOnce are for systems whose sockets wait by themselves.
func writesAtOnce(net.Conn) func([]byte) int { return nil }

func readsAtOnce(net.Conn) func(space func() []byte, none func()) (int, error) { return nil }
