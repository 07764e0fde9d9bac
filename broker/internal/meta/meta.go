// Package meta is the pure core of the cluster actor: which brokers there are, who leads what, and where each request goes.
//
//	bootstrap addresses --metadata--> nodes, topics, leaders (a cluster.Snapshot after each change)
//	request --target--> a peer now, or parked until metadata or a coordinator is known, or refused at its deadline
//
// It owns: the snapshot, the topics of interest, the refreshing of metadata, coordinators, and what is known of each broker's health. It does
// not open connections and never sees a request's content.
// Files: meta.go the core; refresh.go metadata; merge.go snapshots; coordinator.go coordinators.
package meta

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
)

// Reasons why a request is refused.
var (
	ErrClosed   = errors.New("client closed")
	ErrNoBroker = errors.New("no broker is reachable")
	ErrNoLeader = errors.New("the partition has no leader")
)

// Config of the cluster.
type Config struct {
	Bootstrap    []cluster.Node // ids -1, -2, ...
	MaxAge       time.Duration  // metadata.max.age.ms
	TopicIdle    time.Duration  // a topic nobody asked for so long is dropped
	BackoffFirst time.Duration  // retry.backoff.ms
	BackoffMax   time.Duration  // retry.backoff.max.ms
	Timeout      time.Duration  // of one metadata request
	LateAfter    time.Duration  // what was not answered for so long is asked elsewhere, too; zero: never
	Rebootstrap  time.Duration  // metadata.recovery.rebootstrap.trigger.ms; zero: never
	AutoCreate   bool           // allow.auto.create.topics
	Rand         *rand.Rand
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
	}
	// Refresh asks for new metadata.
	Refresh struct {
		Topics []string
		Except int32 // who is not to be asked
		Owner  any   // nil: nobody waits
	}
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
	Ended struct{ Peer int32 }
	// Hint is a leader learnt from an answer.
	Hint struct {
		cluster.TopicPartition
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
	// Close refuses everything from now on.
	Close struct{}
)

func (*Route) meta()       {}
func (*Refresh) meta()     {}
func (*Metadata) meta()    {}
func (*Coordinator) meta() {}
func (*Up) meta()          {}
func (*Down) meta()        {}
func (*Late) meta()        {}
func (*Ended) meta()       {}
func (*Hint) meta()        {}
func (*Forget) meta()      {}
func (*Drop) meta()        {}
func (*Close) meta()       {}

// Place sends a request to a peer.
type Place struct {
	Owner any
	Peer  cluster.Node
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
	Moved    []int32           // suspect peers whose calls may have moved
	Metadata *msg.MetadataRequest
	Peer     cluster.Node // who is asked for metadata
	MetaAsk  uint64       // which question it is: an answer to an older one does not count
	Ask      []AskCoordinator
	Place    []Place
	Refuse   []Refusal
	Fresh    []any   // waits for metadata that are over
	Gone     []int32 // peers that are no longer in the cluster
}

// Reset empties the effects.
func (e *Effects) Reset() {
	clear(e.Place)
	clear(e.Refuse)
	clear(e.Fresh)
	*e = Effects{Moved: e.Moved[:0], Ask: e.Ask[:0], Place: e.Place[:0], Refuse: e.Refuse[:0], Fresh: e.Fresh[:0], Gone: e.Gone[:0]}
}

// peer is what is known of a broker, or of a bootstrap address (negative ids).
type peer struct {
	cluster.Node
	up       bool
	suspect  bool
	failing  time.Time // since when it cannot be reached, if failures is not zero
	failures int
	retryAt  time.Time
	placed   int // requests it has not answered
	err      error
	fatal    bool // no retry can help
}

// Core is the state of the cluster actor.
type Core struct {
	cfg    Config
	snap   *cluster.Snapshot
	peers  []*peer // nodes by id; bootstrap addresses first, while they are needed
	parked []*Route
	topics []interest // by name

	refresh refresh
	coord   []coordinator
	closed  bool
}

// New makes the core of a cluster of which only addresses are known.
func New(cfg Config) *Core {
	c := &Core{cfg: cfg, snap: cluster.New(cluster.Snapshot{Controller: cluster.NoNode})}
	c.refresh.except = nobody
	c.bootstrap()
	return c
}

// Snapshot gives the present picture.
func (c *Core) Snapshot() *cluster.Snapshot { return c.snap }

// Suspects is how many brokers are suspect.
func (c *Core) Suspects() (n int) {
	for _, p := range c.peers {
		if p.suspect {
			n++
		}
	}
	return n
}

func (c *Core) bootstrap() {
	c.peers = nil
	for _, n := range c.cfg.Bootstrap {
		c.peers = append(c.peers, &peer{Node: n})
	}
	c.cfg.Rand.Shuffle(len(c.peers), func(i, j int) { c.peers[i], c.peers[j] = c.peers[j], c.peers[i] })
}

func (c *Core) peer(id int32) *peer {
	for _, p := range c.peers {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// Step takes one message.
func (c *Core) Step(now time.Time, m Message, out *Effects) {
	switch m := m.(type) {
	case *Route:
		c.route(now, m, out)
	case *Refresh:
		c.wish(now, m, out)
	case *Metadata:
		c.metadata(now, m, out)
	case *Coordinator:
		c.found(now, m, out)
	case *Up:
		if p := c.peer(m.Peer); p != nil {
			p.up, p.suspect, p.failures, p.retryAt, p.err, p.fatal = true, false, 0, time.Time{}, nil, false
		}
	case *Down:
		c.down(now, m)
		c.giveUpIf(m.Fatal, out)
	case *Late:
		c.late(now, m.Peer)
	case *Ended:
		if p := c.peer(m.Peer); p != nil && p.placed > 0 {
			p.placed--
		}
	case *Hint:
		c.hint(m, out)
	case *Forget:
		c.forget(m.Key, m.KeyType)
	case *Drop:
		c.topics = slices.DeleteFunc(c.topics, func(t interest) bool { return slices.Contains(m.Topics, t.name) })
	case *Close:
		c.closed = true
		c.refuseAll(ErrClosed, out)
	}
	c.drive(now, out)
}

// Tick looks at the deadlines.
func (c *Core) Tick(now time.Time, out *Effects) {
	c.parked = slices.DeleteFunc(c.parked, func(r *Route) bool {
		if now.Before(r.Deadline) {
			return false
		}
		out.Refuse = append(out.Refuse, Refusal{r.Owner, c.why(r.Target)})
		return true
	})
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

// late makes a broker suspect. What it was asked for is asked for elsewhere: a broker that stands still must not hold up the news of who leads in its place.
func (c *Core) late(now time.Time, id int32) {
	p := c.peer(id)
	if p == nil || p.suspect {
		return
	}
	p.suspect = true
	if r := &c.refresh; r.inFlight && r.peer == id {
		c.unanswered(now)
	}
	for i := range c.coord {
		if c.coord[i].peer == id {
			c.coord[i].asked = false
		}
	}
	c.refresh.want(now)
}

func (c *Core) down(now time.Time, m *Down) {
	p := c.peer(m.Peer)
	if p == nil {
		return
	}
	p.up, p.err, p.fatal = false, m.Err, m.Fatal
	if p.failures++; p.failures == 1 {
		p.failing = now
	}
	d := c.cfg.BackoffFirst << min(p.failures-1, 10)
	p.retryAt = now.Add(min(d, c.cfg.BackoffMax))
	for i := range c.coord {
		if c.coord[i].node == m.Peer {
			c.coord[i].node = cluster.NoNode
		}
	}
	if m.Peer >= 0 {
		c.refresh.want(now)
	}
}

// giveUpIf refuses what waits when every broker that is known has failed so that no retry can help: to wait for the deadline would only hide why.
func (c *Core) giveUpIf(fatal bool, out *Effects) {
	if fatal && !slices.ContainsFunc(c.peers, func(p *peer) bool { return !p.fatal }) {
		c.refuseAll(c.why(Target{}), out)
	}
}

// route finds the broker of a request, or parks it.
func (c *Core) route(now time.Time, r *Route, out *Effects) {
	if c.closed {
		out.Refuse = append(out.Refuse, Refusal{r.Owner, ErrClosed})
		return
	}
	p := c.find(now, r.Target)
	if p == nil && r.Target.Kind == ToNode { // its owner chose the node, and has to choose again
		c.refresh.want(now)
		out.Refuse = append(out.Refuse, Refusal{r.Owner, c.why(r.Target)})
		return
	}
	if p == nil {
		c.parked = append(c.parked, r)
		c.miss(now, r.Target)
		return
	}
	p.placed++
	out.Place = append(out.Place, Place{r.Owner, p.Node})
}

// find gives the peer for a target, or nil if it is not known now.
func (c *Core) find(now time.Time, t Target) *peer {
	switch t.Kind {
	case ToController:
		if c.snap.Controller >= 0 {
			return c.peer(c.snap.Controller)
		}
		return nil
	case ToNode:
		return c.peer(t.Node)
	case ToLeader:
		if node, _ := c.snap.Leader(t.Topic, t.Partition); node >= 0 {
			return c.peer(node)
		}
		return nil
	case ToCoordinator:
		if k := c.coordinator(t.Key, t.KeyType); k != nil && k.node >= 0 {
			return c.peer(k.node)
		}
		return nil
	}
	return c.anyPeer(now, nobody)
}

// miss asks for what a parked request needs.
func (c *Core) miss(now time.Time, t Target) {
	switch t.Kind {
	case ToLeader:
		c.want(now, t.Topic)
		c.refresh.want(now)
	case ToCoordinator:
		c.lookUp(t.Key, t.KeyType)
	default:
		c.refresh.want(now)
	}
}

// nobody is no broker's id; those of bootstrap addresses are negative.
const nobody = math.MinInt32

// anyPeer gives the least busy broker that answers; failing that, one that may be tried. Not is the last to be taken of those that may be.
func (c *Core) anyPeer(now time.Time, not int32) *peer {
	var best *peer
	score := func(p *peer) int {
		s := p.placed
		if !p.up {
			s += 1000
		}
		if p.suspect {
			s += 100000
		}
		if p.ID == not {
			s += 1000000
		}
		if p.ID == c.refresh.peer { // each in turn: one may be cut off from the others, and not know what has changed
			s++
		}
		if now.Before(p.retryAt) {
			s += 10000000
		}
		return s
	}
	for _, p := range c.peers {
		if best == nil || score(p) < score(best) {
			best = p
		}
	}
	if best != nil && now.Before(best.retryAt) {
		return nil
	}
	return best
}

// unpark tries the parked requests again.
func (c *Core) unpark(now time.Time, out *Effects) {
	parked := c.parked
	c.parked = nil
	for _, r := range parked {
		c.route(now, r, out)
	}
}

// why says why a request could not be placed.
func (c *Core) why(t Target) error {
	var reach error
	for _, p := range c.peers {
		if p.err != nil {
			reach = errors.Join(reach, fmt.Errorf("%s: %w", p.Addr(), p.err))
		}
	}
	switch t.Kind {
	case ToLeader:
		if topic := c.snap.Topic(t.Topic); topic != nil {
			if topic.Err != protocol.None {
				return fmt.Errorf("%w: %s/%d: %w", ErrNoLeader, t.Topic, t.Partition, topic.Err)
			}
			return fmt.Errorf("%w: %s/%d of %d partitions", ErrNoLeader, t.Topic, t.Partition, len(topic.Partitions))
		}
		return errors.Join(fmt.Errorf("%w: %s is not known", ErrNoLeader, t.Topic), reach)
	case ToNode:
		return fmt.Errorf("%w: node %d is not in the cluster", ErrNoBroker, t.Node)
	case ToCoordinator:
		if k := c.coordinator(t.Key, t.KeyType); k != nil && k.err != nil {
			return fmt.Errorf("no coordinator for %q: %w", t.Key, k.err)
		}
	}
	if reach == nil {
		return ErrNoBroker
	}
	return fmt.Errorf("%w: %w", ErrNoBroker, reach)
}

func (c *Core) refuseAll(err error, out *Effects) {
	for _, r := range c.parked {
		out.Refuse = append(out.Refuse, Refusal{r.Owner, err})
	}
	c.parked = nil
	for _, o := range append(c.refresh.waiters, c.refresh.nextWaiters...) {
		out.Refuse = append(out.Refuse, Refusal{o, err})
	}
	c.refresh.waiters, c.refresh.nextWaiters = nil, nil
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
	add(c.refresh.next)
	if c.refresh.inFlight {
		add(c.refresh.until)
	}
	for _, r := range c.parked {
		add(r.Deadline)
	}
	for i := range c.coord {
		switch k := &c.coord[i]; {
		case k.asked:
			add(k.until)
		case k.wanted:
			add(k.retryAt)
		}
	}
	return t
}

// Abort refuses everything.
func (c *Core) Abort(err error, out *Effects) {
	c.closed = true
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
