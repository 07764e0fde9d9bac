package drain

import (
	"time"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
	"github.com/kactor-go/kactor/sender/internal/batch"
)

// Messages.
type (
	// Message is what the core takes.
	Message interface{ drain() }
	// Ready names partitions that have got a batch: opened, or closed because it is full.
	Ready struct {
		To     cluster.TopicPartition
		Closed []*batch.Batch
		Open   time.Time // when the open one began; zero: there is none
	}
	// Wake carries what has become ready.
	Wake struct{ Ready []Ready }
	// Changed is a new picture of the cluster.
	Changed struct{ Snapshot *cluster.Snapshot }
	// Packed says that a batch has been compressed.
	Packed struct {
		Batch *batch.Batch
		Err   error
	}
	// Answer is the end of a produce request.
	Answer struct {
		Request *Request
		Resp    *msg.ProduceResponse // nil with acks=0
		Version int16
		Err     error
		Sent    bool
		Moved   bool // the work has moved: go on at once
		Refused bool // the request itself is impossible: no repetition can help

		nodes map[int32]*cluster.Node // that it names, made when the first is asked for
	}
	// Released says that nobody reads the bytes of a request any more.
	Released struct{ Request *Request }
	// Identity answers AskIdentity.
	Identity struct {
		ID          int64
		Epoch       int16
		Err         error
		Unsupported bool // by any broker, now and in some seconds
	}
	// Flush asks to be told when all batches of now are settled.
	Flush struct{ Owner any }
	// Close settles everything by Deadline; with others, by the earliest.
	Close struct {
		Deadline time.Time
		Owner    any
	}
)

func (*Wake) drain()     {}
func (*Changed) drain()  {}
func (*Packed) drain()   {}
func (*Answer) drain()   {}
func (*Released) drain() {}
func (*Identity) drain() {}
func (*Flush) drain()    {}
func (*Close) drain()    {}

// Request is one produce request in flight.
type Request struct {
	Node     int32
	Batches  []*batch.Batch
	Deadline time.Time
	Timeout  time.Duration // how long the leader may wait for its followers; see proof.go
}

// Settled is a batch with its outcome.
type Settled struct {
	Batch      *batch.Batch
	Base       int64 // offset of its first record; -1: not known
	AppendTime int64 // -1: the records' own times count
	Err        error
}

// Refresh asks for new metadata.
type Refresh struct {
	Topic  string
	Except int32 // who is not to be asked; cluster.NoNode
	Why    string
}

// Hint is a leader learnt from an answer (KIP-951).
type Hint struct {
	To            cluster.TopicPartition
	Topic         wire.UUID // that was asked about; zero: it was asked by name
	Leader, Epoch int32
	Node          *cluster.Node
}

// Effects of a step, to be performed in this order.
type Effects struct {
	Pack        []*batch.Batch // to be compressed off the actor, answered with Packed
	AskIdentity bool           // answered with Identity
	Hints       []Hint
	Refresh     []Refresh
	Send        []*Request
	Settled     []Settled
	Free        []*batch.Batch // their buffers are free
	Gone        []*batch.Batch // the core knows them no more
	Flushed     []any
	Closed      []any
}

// Reset empties the effects.
func (e *Effects) Reset() {
	clear(e.Pack)
	clear(e.Send)
	clear(e.Settled)
	clear(e.Free)
	clear(e.Gone)
	*e = Effects{Pack: e.Pack[:0], Hints: e.Hints[:0], Refresh: e.Refresh[:0], Send: e.Send[:0], Settled: e.Settled[:0], Free: e.Free[:0], Gone: e.Gone[:0], Flushed: e.Flushed[:0], Closed: e.Closed[:0]}
}
