// Package broker reaches the brokers: one actor for each connection, and the cluster actor, which owns metadata and routes requests.
//
//	roles --Route--> cluster --Call--> connection --frames--> broker
//	      <--------------Reply--------------------
//
//	broker.go   what the cluster actor takes       cluster.go  the cluster actor     internal/meta  its pure core
//	client.go   the cluster actor from outside     conn.go     the connection actor  internal/conn  its pure core
//	place.go    requests on their way to a connection, and the client's own questions
//	learnt.go   which versions nodes speak         config.go   settings, Kafka's defaults
//	caller.go   a role as the cluster actor knows it
//	router.go   requests that are sent until they are answered
//	errors.go   CallError, and why calls end       socket.go   TCP and TLS: dialling, a reader and a writer for each connection
//	lacking.go whether what one broker does not support is supported elsewhere     internal/survey  its pure core
//	failures.go what cannot be connected to now    climb.go    the way to a broker, step by step, and what to look at where it ends
//
// A connection never repeats a request; who asked decides, with the help of Sent. Connections are kept apart by purpose, so that a fetch which the
// broker holds back delays nobody. An answer that is late makes its broker suspect: metadata is asked elsewhere, and calls whose partitions have moved end
// with ErrMoved.
package broker

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker/internal/meta"
)

// Message is what the cluster actor takes.
type Message interface{ cluster() }

// Ref is the address of the cluster actor.
type Ref = role.Ref[Message]

// TargetKind says how the broker of a request is chosen.
type TargetKind uint8

// The kinds of targets.
const (
	Any           TargetKind = iota // the least busy connected broker
	ToController                    // the controller
	ToNode                          // the node Target.Node
	ToLeader                        // the leader of Target.Topic/Partition when the request is sent
	ToCoordinator                   // the coordinator of Target.Key: of a group, a transactional id or a share partition (Target.KeyType)
)

// Coordinator key types, as in FindCoordinator.
const (
	KeyGroup int8 = iota
	KeyTransaction
	KeyShare
)

// Target is where a request goes.
type Target struct {
	Kind      TargetKind
	Node      int32
	Topic     string
	Partition int32
	Key       string
	KeyType   int8
}

// Purpose keeps connections apart, so that a long poll delays nobody.
type Purpose uint8

// The purposes: one connection for each that is used, per broker.
const (
	Calls      Purpose = iota // produce, metadata, everything that is answered at once
	Fetch                     // fetches, which the broker holds back
	Group                     // joins, syncs and heartbeats
	Coordinate                // other requests to coordinators: a broker may hold a produce request back for long, and everything behind it on its connection
	Ask                       // questions for metadata and coordinators, while a broker is suspect and the others may hold produce requests back
	Apart                     // fetches whose answers may be too large to be read: the connection ends with such an answer
)

// String names the purpose.
func (p Purpose) String() string {
	return [...]string{"calls", "fetch", "group", "coordinate", "ask", "apart"}[p]
}

// Route asks for one request to be sent and answered. Any role -> cluster; bounded by the sender's own window.
type Route struct {
	Req protocol.Request
	To  Target
	// MaxVersion caps the version that is used; zero: no cap beyond what both sides know. A version of 0 only is asked with MaxVersion -1.
	MaxVersion int16
	// MinVersion is the lowest version that can carry what Req says; a broker below it is answered with ErrUnsupported: see ErrNobody.
	MinVersion int16
	// Optional: who asks has another way, and wants to know at once that the broker it came to does not support the request (ErrUnsupported). Else a survey says first whether another does: see ErrNobody.
	Optional bool
	// Purpose is which of the connections to the broker it goes on. What goes to a coordinator goes by Coordinate instead of Calls.
	Purpose Purpose
	// Lane keeps connections apart besides: that of each consumer, because brokers handle the requests of a connection one after the other and hold joins and fetches back. It is the
	// id of a Watch, and ends with it; 0: the lane of all.
	Lane uint64
	// Deadline is when the request counts as lost. The connection it was on is closed then, because its answer may still come.
	Deadline time.Time
	// Wait is how long the broker may hold the answer back by the request's own wish (max wait of a fetch): it is not late before.
	Wait time.Duration
	// Partitions, with the leader epochs known when the request was made, let the cluster actor move the request: when the broker is
	// suspect and one of them has a leader of a higher epoch elsewhere, the call ends early with ErrMoved (reliability rule R1). Only for
	// requests whose replay is harmless. Empty: the request stays until its deadline.
	Partitions []Led
	// Replayable says that the request may be sent again, to another broker, although the first may have handled it: questions, and commits, heartbeats, joins, syncs and offset fetches. When a coordinator
	// does not answer and another broker names another one, the call ends at once with ErrMoved (reliability rule R1), and its owner sends it again. False: the request stays until its deadline.
	Replayable bool
	// OneWay requests have no answer (produce with acks=0): Reply is called when the bytes are written.
	OneWay bool
	// Fit, if not nil, is called with the version chosen, just before the request is encoded: it may adapt Req, or refuse.
	Fit func(version int16, req protocol.Request) error
	// Released, if not nil, is called once when nobody reads the request's bytes any more: before or after Reply. Only then may buffers that Req
	// leads to be used again.
	Released func()
	// Reply is called exactly once, on an actor: it must only tell.
	Reply func(Reply)

	own         bool              // it is a question of the cluster actor's
	judged      bool              // it is for the survey to say what it means if it is not supported, although it is the cluster actor's own
	since       time.Time         // when it came
	tried       []int32           // brokers that it was sent to, where any will do
	stays       bool              // it waits for the broker that it has come to
	caller      *Caller           // who has sent it, if that is known
	coordinated *meta.Coordinated // where it went to a coordinator
	over        uint32            // answered, released, failed
}

const (
	answered = 1 << iota
	released
	failed // one of the answers is that an actor has failed
)

// answer gives the reply, once. A second is a bug, unless an actor has failed.
func (r *Route) answer(w role.World, reply Reply) {
	what := uint32(answered)
	if errors.Is(reply.Err, role.ErrFailed) {
		what |= failed
	}
	switch before := atomic.OrUint32(&r.over, what); {
	case before&answered == 0:
		r.Reply(reply)
	case (before|what)&failed == 0:
		w.Report(fmt.Errorf("%s answered twice: %w", apiName(r), role.ErrTwice))
	}
}

// release tells, once, that nobody reads the request's bytes any more. An actor that fails ends what it knows and what it was about to do, and may have handed it on just before.
func (r *Route) release() {
	if r.Released != nil && atomic.OrUint32(&r.over, released)&released == 0 {
		r.Released()
	}
}

// Led is a partition and the leader epoch under which it was asked for.
type Led struct {
	cluster.TopicPartition
	Epoch int32
}

// Reply is the end of a call: Resp, or Err.
type Reply struct {
	Resp    protocol.Response
	Version int16 // of request and response
	Node    int32 // who answered
	Err     error // a *CallError
	// Frame is the answer as it came. Bytes fields of Resp alias it; who knows that nobody reads them any more may give it to role.Network.Free.
	Frame []byte
}

// Refresh asks for new metadata. Any role -> cluster; refreshes coalesce, at most one metadata request is in flight.
type Refresh struct {
	// Topics to add to those that are kept up to date, and to ask for; empty: all of those.
	Topics []string
	// Nodes: it is about nodes and the controller, no topic is asked for.
	Nodes bool
	// Shared: who asks only waits for the topics to become known. A request for them that is under way will do, and so will the next that is made because they are not there.
	Shared bool
	// Why is told to Hooks.Refresh.
	Why string
	// Except is a node that is not to be asked, because it is what it says that is in doubt, unless it is the only one. cluster.NoNode: none. (The zero value is node 0: set it.)
	Except int32
	// Reply, if not nil, is called with the first snapshot that came from a request sent after this message (or shared), or with the error.
	Reply func(*cluster.Snapshot, error)

	over bool // it was called
}

func (r *Refresh) answer(s *cluster.Snapshot, err error) {
	if !r.over {
		r.over = true
		r.Reply(s, err)
	}
}

// Watch adds a listener for snapshots: Changed is called on the cluster actor with each new one (at once with the present one, if any);
// it must only tell. A nil Changed removes the listener of that id, and the connections of its lane. Role -> cluster.
type Watch struct {
	ID      uint64
	Changed func(*cluster.Snapshot)
	Gone    func() // if not nil, called when the listener was removed; it must only note
}

// Hints are the leaders learnt from an error answer (KIP-951). Role -> cluster; the snapshot changes at once where an epoch is higher.
type Hints []Hint

// Hint is one of them.
type Hint struct {
	cluster.TopicPartition
	TopicID       protocol.UUID // that was asked for; zero: the request had names
	Leader, Epoch int32
	Node          *cluster.Node // endpoint, where the answer had one
}

// Forget drops what is known of a coordinator after it said NOT_COORDINATOR. Role -> cluster.
type Forget struct {
	Key     string
	KeyType int8
}

// Drop ends the interest in topics. Role -> cluster.
type Drop struct{ Topics []string }

// Close ends the client's connections: calls in flight are waited for until Deadline, then everything is refused with ErrClosed.
// The parent -> cluster; once.
type Close struct {
	Deadline time.Time
	Done     func()
}

func (*Route) cluster()   {}
func (*Refresh) cluster() {}
func (*Watch) cluster()   {}
func (Hints) cluster()    {}
func (*Forget) cluster()  {}
func (*Drop) cluster()    {}
func (*Close) cluster()   {}
