package broker

import (
	"sync"
	"time"

	"github.com/kactor-go/kactor/broker/internal/conn"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
)

// learnt is how brokers want to be asked for their versions, by address: what one connection has found out the next one need not.
type learnt struct {
	sync.Mutex
	of map[string]conn.Learnt
}

// note notes what a connection has found out.
func (l *learnt) note(peer cluster.Node, what conn.Learnt) {
	l.Lock()
	defer l.Unlock()
	if what.Until.IsZero() {
		delete(l.of, peer.Addr())
		return
	}
	if l.of == nil {
		l.of = map[string]conn.Learnt{}
	}
	l.of[peer.Addr()] = what
}

// about gives what is known of an address, and forgets what is too old.
func (l *learnt) about(peer cluster.Node, now time.Time) conn.Learnt {
	l.Lock()
	defer l.Unlock()
	for addr, what := range l.of {
		if !now.Before(what.Until) {
			delete(l.of, addr)
		}
	}
	return l.of[peer.Addr()]
}

// release gives the versions of a release; none, if it has no name.
func release(name string) protocol.Ranges {
	if name == "" {
		return protocol.Ranges{}
	}
	r, _ := protocol.Release(name) // Validate has seen it
	return r
}
