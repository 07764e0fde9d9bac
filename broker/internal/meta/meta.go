// Package meta is the pure core of the cluster actor: which brokers there are, who leads what, and where each request goes.
//
//	bootstrap addresses --metadata--> nodes, topics, leaders (a cluster.Snapshot after each change)
//	request --target--> a peer now, or parked until metadata or a coordinator is known, or refused at its deadline
//
// It owns: the snapshot, the topics of interest, the refreshing of metadata, coordinators, and what is known of each broker's health. It does
// not open connections and never sees a request's content.
// Files: meta.go the core; route.go requests; peers.go brokers; refresh.go metadata; topics.go what is kept of a topic; merge.go snapshots; coordinator.go coordinators.
package meta

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Reasons why a request is refused.
var (
	ErrClosed   = errors.New("client closed")
	ErrNoBroker = errors.New("no broker is reachable")
	ErrNoLeader = errors.New("the partition has no leader")
)

// Config of the cluster.
type Config struct {
	Bootstrap     []cluster.Node // ids -1, -2, ...
	MaxAge        time.Duration  // metadata.max.age.ms
	TopicIdle     time.Duration  // a topic nobody asked for so long is dropped
	BackoffFirst  time.Duration  // retry.backoff.ms
	BackoffMax    time.Duration  // retry.backoff.max.ms
	Timeout       time.Duration  // of one metadata request
	LateAfter     time.Duration  // what was not answered for so long is asked elsewhere, too; zero: never
	Recover       bool           // metadata.recovery.strategy is rebootstrap
	Rebootstrap   time.Duration  // metadata.recovery.rebootstrap.trigger.ms; zero: at any attempt that has failed
	AutoCreate    bool           // allow.auto.create.topics
	MaxBrokers    int            // that an answer may list; zero: 10,000
	MaxPartitions int            // that an answer may list; zero: 2,000,000
	// Bar says why an advertised node is not to be connected to (allowed.brokers); nil, or an answer of nil: it is.
	Bar  func(cluster.Node) error
	Rand *rand.Rand
}

// Target says where a request goes; the kinds are those of package broker.
type Target struct {
	Kind      uint8
	Node      int32
	Topic     string
	Partition int32
	Key       string
	KeyType   int8
}

// The kinds of targets.
const (
	Any uint8 = iota
	ToController
	ToNode
	ToLeader
	ToCoordinator
)

// Messages.
type (
	// Message is what the cluster core takes.
	Message interface{ meta() }
	// Route asks where a request goes.
	Route struct {
		Target   Target
		Deadline time.Time
		Owner    any
		Wait     time.Duration // how long the broker may hold the answer back
		Except   []int32       // who is the last to be taken, where any will do
	}
	// Refresh asks for new metadata.
	Refresh struct {
		Topics []string
		Nodes  bool  // no topic
		Shared bool  // what was asked already, or will be, will do
		Except int32 // who is not to be asked
		Owner  any   // nil: nobody waits
	}
	// Unwish ends a wait for metadata.
	Unwish struct{ Owner any }
	// Metadata answers AskMetadata.
	Metadata struct {
		Ask     uint64 // of Effects
		Resp    *msg.MetadataResponse
		Version int16
		Err     error
	}
	// Coordinator answers AskCoordinator.
	Coordinator struct {
		Ask     uint64 // of AskCoordinator
		Key     string
		KeyType int8
		Resp    *msg.FindCoordinatorResponse
		Version int16
		Err     error
		Final   bool // nobody can be asked
	}
	// Up says that a connection to the peer is ready, or that an answer came on it.
	Up struct{ Peer int32 }
	// Down says that a connection to the peer failed.
	Down struct {
		Peer  int32
		Err   error
		Fatal bool // no retry can help: the configuration or the credentials are wrong
	}
	// Late says that an answer of the peer is late.
	Late struct{ Peer int32 }
	// Ended says that a request placed on the peer has ended.
	Ended struct {
		Peer int32
		Call *Coordinated // nil: it did not go to a coordinator
	}
	// Hints are the leaders learnt from an answer.
	Hints []Hint
	// Hint is one of them.
	Hint struct {
		cluster.TopicPartition
		TopicID       wire.UUID // that it was asked about; zero: not known
		Leader, Epoch int32
		Node          *cluster.Node
	}
	// Forget drops a coordinator.
	Forget struct {
		Key     string
		KeyType int8
	}
	// Drop ends the interest in topics.
	Drop struct{ Topics []string }
	// More answers Effects.More.
	More struct{}
	// Close refuses everything from now on.
	Close struct{}
)

func (*Route) meta()       {}
func (*Refresh) meta()     {}
func (*Unwish) meta()      {}
func (*Metadata) meta()    {}
func (*Coordinator) meta() {}
func (*Up) meta()          {}
func (*Down) meta()        {}
func (*Late) meta()        {}
func (*Ended) meta()       {}
func (Hints) meta()        {}
func (*Forget) meta()      {}
func (*Drop) meta()        {}
func (*More) meta()        {}
func (*Close) meta()       {}

// Place sends a request to a peer.
type Place struct {
	Owner any
	Peer  cluster.Node
	Call  *Coordinated // to a coordinator; to be given back with Ended
}

// Coordinated is a request to a coordinator.
type Coordinated struct {
	Key     string
	KeyType int8
	Held    bool // the coordinator may hold it back
}

// Found is who coordinates a key from now on; cluster.NoNode: nobody asks any more.
type Found struct {
	Key     string
	KeyType int8
	Node    int32
}

// Refusal ends a request, or a wait for metadata.
type Refusal struct {
	Owner any
	Err   error
}

// AskCoordinator asks a peer for a coordinator.
type AskCoordinator struct {
	Ask     uint64
	Peer    cluster.Node
	Key     string
	KeyType int8
}

// Effects of a step, to be performed in this order.
type Effects struct {
	Publish  *cluster.Snapshot // before the requests that follow from it
	Found    []Found
	Moved    []int32 // suspect peers whose calls may have moved
	Metadata *msg.MetadataRequest
	Peer     cluster.Node  // who is asked for metadata
	MetaAsk  uint64        // which question it is
	MetaWait time.Duration // how long its names may hold the answer up
	Ask      []AskCoordinator
	Place    []Place
	Refuse   []Refusal
	Fresh    []any          // waits for metadata that are over
	Gone     []cluster.Node // peers that are no longer in the cluster, or not at that address
	Barred   []cluster.Node // peers that are new, and not to be connected to
	Unfit    *Unfit
	Strange  *Strange
	More     bool // there is more to do, when others had their turn: More is to be told
}

// Unfit is a broker whose answers tell nothing, and why; nil: they do again.
type Unfit struct {
	Peer cluster.Node
	Err  error
}

// Strange is the id of a cluster that is another one than before.
type Strange struct{ Was, Is string }

// Reset empties the effects.
func (e *Effects) Reset() {
	clear(e.Place)
	clear(e.Refuse)
	clear(e.Fresh)
	*e = Effects{Found: e.Found[:0], Moved: e.Moved[:0], Ask: e.Ask[:0], Place: e.Place[:0], Refuse: e.Refuse[:0], Fresh: e.Fresh[:0], Gone: e.Gone[:0], Barred: e.Barred[:0]}
}

// Core is the state of the cluster actor.
type Core struct {
	cfg      Config
	snap     *cluster.Snapshot
	peers    []*peer         // nodes by id; bootstrap addresses behind them, while they are needed
	byID     map[int32]*peer // the same
	suspects int             // how many of them are
	listed   []int32         // the brokers that the last answer has listed, by id
	merged   uint64          // answers that were merged
	merging  *merging        // the answer that is being merged; nil: none is
	portion  int             // how much of it a step does
	work     int             // how much of it this step still does
	topics   map[string]*interest

	clusterID    string // the last that was told
	contradicted int    // partitions for which answers are counted that contradict what is known

	parked    []*Route
	parkedDue time.Time // the earliest of their deadlines, or before it

	questions uint64    // how many were asked
	most      int       // brokers that there were at a time lately
	mostAt    time.Time // when that began to be counted
	refresh   refresh
	coord     map[coordKey]*coordinator
	coords    []*coordinator // the same, in the order in which they were asked for
	coordDue  time.Time      // when one of them is due, or before it; zero: none is
	closed    bool
}

// New makes the core of a cluster of which only addresses are known.
func New(cfg Config) *Core {
	c := &Core{cfg: cfg, portion: pieceWork, snap: cluster.New(cluster.Snapshot{Controller: cluster.NoNode}), topics: map[string]*interest{}, byID: map[int32]*peer{}, coord: map[coordKey]*coordinator{}}
	c.addBootstrap()
	return c
}

// Snapshot gives the present picture.
func (c *Core) Snapshot() *cluster.Snapshot { return c.snap }

// Step takes one message.
func (c *Core) Step(now time.Time, m Message, out *Effects) {
	c.work = c.portion
	switch m := m.(type) {
	case *Route:
		c.route(now, m, out)
	case *Refresh:
		c.wish(now, m, out)
	case *Unwish:
		c.unwish(m.Owner)
	case *Metadata, Hints:
		c.news(now, m, out)
	case *More:
		c.more(now, out)
	case *Coordinator:
		c.found(now, m, out)
	case *Up:
		c.reached(now, m.Peer)
	case *Down:
		c.down(now, m)
		c.giveUpIf(m.Fatal, out)
	case *Late:
		c.late(now, m.Peer)
	case *Ended:
		if p := c.peer(m.Peer); p != nil && p.placed > 0 {
			p.placed--
		}
		c.coordinated(now, m.Call)
	case *Forget:
		c.forget(now, m.Key, m.KeyType)
	case *Drop:
		c.drop(m.Topics, out)
	case *Close:
		c.closed, c.merging = true, nil
		c.refuseAll(ErrClosed, out)
	}
	c.drive(now, out)
}

// Tick looks at the deadlines.
func (c *Core) Tick(now time.Time, out *Effects) {
	c.expire(now, out)
	c.drive(now, out)
}

// drive asks for what is missing.
func (c *Core) drive(now time.Time, out *Effects) {
	if c.closed {
		return
	}
	c.driveRefresh(now, out)
	c.driveCoordinators(now, out)
}

func (c *Core) refuseAll(err error, out *Effects) {
	for _, r := range c.parked {
		out.Refuse = append(out.Refuse, Refusal{r.Owner, err})
	}
	c.parked = nil
	for _, k := range c.coords {
		c.refuseKey(k, err, out)
	}
	r := &c.refresh
	for _, o := range slices.Concat(r.waiters, r.someWait, r.allWait) {
		out.Refuse = append(out.Refuse, Refusal{o, err})
	}
	r.waiters, r.someWait, r.allWait = nil, nil, nil
}

// Next is the earliest deadline.
func (c *Core) Next() time.Time {
	if c.closed {
		return time.Time{}
	}
	var t time.Time
	add := func(d time.Time) {
		if !d.IsZero() && (t.IsZero() || d.Before(t)) {
			t = d
		}
	}
	if r := &c.refresh; r.inFlight {
		add(r.until)
	} else {
		add(r.all)
		add(r.some)
	}
	add(c.parkedDue)
	add(c.coordDue)
	return t
}

// Abort refuses everything.
func (c *Core) Abort(err error, out *Effects) {
	c.closed, c.merging = true, nil
	c.refuseAll(err, out)
}

// Refuse answers a message that comes after Abort.
func (c *Core) Refuse(m Message, err error, out *Effects) {
	switch m := m.(type) {
	case *Route:
		out.Refuse = append(out.Refuse, Refusal{m.Owner, err})
	case *Refresh:
		if m.Owner != nil {
			out.Refuse = append(out.Refuse, Refusal{m.Owner, err})
		}
	}
}
