// Package plan is the pure core of the fetcher: where each partition is, and what to ask of whom.
//
//	             seek to offset                         leader has changed
//	assigned ---------------------> Fetching <-------------------------> Validating
//	   |                               ^  | out of range, truncated           |
//	   +--- beginning, end, time --> Resetting <------------------------------+
//
// It owns: positions of what is fetched, sessions, one fetch in flight for each broker, the byte budget, resets, and the checks for truncated logs. What the application has been
// given is not its concern: chunks go to a buffer and come back as Taken.
//
// Everything that is asked carries the partition's generation, which each assignment and each seek raises: answers to a life before are dropped.
// Files: plan.go the core; messages.go what it takes and gives; assign.go what is assigned; fetch.go what is asked of brokers, fetched.go what they answer; reset.go resets and checks; silence.go brokers that bring nothing;
// apart.go answers that cannot be read; pace.go, troubles.go who gets no further; wishes.go topics that metadata is asked for; lookup.go finding a partition, a topic, a broker.
package plan

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/kactor-go/kactor/fetcher/internal/session"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/trouble"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Special offsets to begin at.
const (
	AtEnd     int64 = -1
	AtStart   int64 = -2
	AtDefault int64 = -3 // what auto.offset.reset says
)

// ErrNoOffset says that there is no offset to begin at, and that auto.offset.reset is none.
var ErrNoOffset = errors.New("no offset to begin at, and auto.offset.reset is none")

// MostRoom is how many bytes of one partition are asked for at most.
const MostRoom = 1 << 30

// Reset policies of auto.offset.reset.
const (
	ResetLatest uint8 = iota
	ResetEarliest
	ResetNone
	ResetDuration // to the first record not older than so long (KIP-1106)
)

// Config of the core.
type Config struct {
	MinBytes, MaxBytes, PartitionBytes int32
	MaxWait                            time.Duration
	Budget                             int64
	Committed                          bool // read_committed
	Rack                               string
	Policy                             uint8
	Duration                           time.Duration // of ResetDuration
	RequestTimeout                     time.Duration
	BackoffFirst, BackoffMax           time.Duration
	ReplicaAge                         time.Duration // how long a preferred replica is used
}

// State of a partition.
type State uint8

// The states.
const (
	Resetting State = iota
	Validating
	Fetching
	Failed // the application has been told, and is told again at a low rate; a seek mends it
)

var legal = [...][]State{
	Resetting:  {Resetting, Fetching, Failed},
	Validating: {Validating, Fetching, Resetting, Failed},
	Fetching:   {Fetching, Validating, Resetting, Failed},
	Failed:     {Resetting, Fetching, Failed},
}

// part is one partition.
type part struct {
	cluster.TopicPartition
	gen      uint64
	state    State
	paused   bool
	asked    bool    // a query is in flight
	flight   *flight // the request it is part of, or its repetitions
	at       int     // its place in that
	wanted   int64   // the offset asked for
	room     int32   // the bytes asked for
	apart    *apart  // whom it is asked for with, and no others; nil: with all others
	home     *line   // where it was to be fetched last
	buffered int     // chunks the application has not taken
	backs    int     // how often it has been sent back to what was fetched
	bytes    int64   // in them

	start     Start     // of a reset
	policy    bool      // the reset is as auto.offset.reset says
	why       string    // it is reset
	offset    int64     // to fetch next
	epoch     int32     // leader epoch it is fetched under
	topic     wire.UUID // the position is of; zero: not known
	byID      bool      // no other topic is to be read, whatever has the name
	life      int       // grows when the topic is created again: what was asked of the old one does not count
	lastEpoch int32     // the record before offset is of no newer one: its own, or that of a leader that had it; -1: not known
	readEpoch int32     // of the record before offset, if that was fetched; -1
	under     int32     // epoch of the leader it was fetched from; -1
	logStart  int64
	maxBytes  int32
	dry       uint64 // the turn of its broker's fetch beside which it was asked for, and nothing came
	near      bool   // the request under way is to a follower
	replica   int32  // preferred; cluster.NoNode: none
	replicaBy time.Time
	doubt     bool // see doubtful
	stale     int  // see staleLimit
	lapsed    bool // its position was told to be none, and nothing has come since
	quiet     bool // and that was told lately
	resetAt   time.Time
	back      trouble.Pace // of being sent back to where it was before
	backAt    time.Time    // that was
	trouble   trouble.State
	pace      trouble.Pace
	since     time.Time // what came last was asked for
	vains     int       // chunks in a row that have brought nothing
}

func (p *part) become(s State) {
	if !slices.Contains(legal[p.state], s) {
		panic("fetcher: illegal transition of a partition")
	}
	p.state = s
}

// line is one broker.
type line struct {
	node    int32
	flight  bool
	sent    time.Time     // when that was sent
	wait    time.Duration // how long the broker may hold it back
	beside  bool          // something is asked of it beside that
	apart   bool          // and apart from all others
	full    bool          // a partition was left out of its fetch because it is full
	used    bool          // it is the home of a partition
	wanted  bool          // there is something to fetch that is not in the request under way
	turn    uint64        // of its last fetch
	session session.Session
	retryAt time.Time
	fails   int
	silence silence
	idle    int          // how many fetches that are to be brief have brought nothing, one after the other
	fetches trouble.Pace // of those in turn
	asides  trouble.Pace // of those beside them
	aparts  trouble.Pace // of those apart from all others
	queries trouble.Pace // for offsets and epochs
}

// Core is the state of the fetcher.
type Core struct {
	cfg    Config
	snap   *cluster.Snapshot
	parts  []*part // in order of topic and partition
	lines  []*line
	byNode map[int32]*line
	used   int64 // of the budget: reserved and buffered
	turn   uint64
	nextAt time.Time
	dirty  bool   // something has changed: there may be something to ask for
	short  bool   // a request has no room in the budget, or less than it should
	stamp  uint64 // grows with every change to what requests under way are made of
	closed bool

	leaderless map[string]time.Time // when a topic was asked for last because a partition has no leader

	// What follows saves work where there is much of it.
	lastTopic *cluster.Topic      // that was looked up last
	lastSnap  *cluster.Snapshot   // where
	wished    map[string]struct{} // topics of Effects.Refresh, of many in one step
}

// New makes the core.
func New(cfg Config, snap *cluster.Snapshot) *Core {
	return &Core{cfg: cfg, snap: snap, byNode: map[int32]*line{}}
}

// Step takes one message.
func (c *Core) Step(now time.Time, m Message, out *Effects) {
	c.wished = nil
	if f, ok := m.(*Fetched); ok {
		if f.Frame != nil {
			out.Frames = append(out.Frames, f.Frame)
		}
		if c.repeat(now, f, out) {
			c.drive(now, out)
			return
		}
	}
	before := c.stamp
	c.stamp++
	quiet := false
	switch m := m.(type) {
	case *Fetched: // it is told of what it was asked for, which others were not
		c.stamp = before
		quiet = c.fetched(now, m, out)
	case *Taken: // mostly its broker is being asked already
		c.stamp = before
		quiet = true
		for i := range m.Chunks {
			quiet = c.taken(now, &m.Chunks[i], out) && quiet
		}
	case *Held:
		quiet = m.Bytes > 0
		c.used += m.Bytes
	case *Assign:
		c.assign(m.Starts, out)
	case *Revoke:
		gone := make(map[cluster.TopicPartition]bool, len(m.Parts))
		for _, tp := range m.Parts {
			gone[tp] = true
		}
		c.parts = slices.DeleteFunc(c.parts, func(p *part) bool { return gone[p.TopicPartition] })
		clear(c.leaderless) // topics that nobody reads any more are not kept
	case *Pause:
		for _, tp := range m.Parts {
			if i, ok := c.find(tp); ok {
				c.parts[i].paused = m.On
			}
		}
	case *Changed:
		quiet = c.changed(now, m.Snapshot, out)
	case *Listed:
		c.listed(now, m, out)
	case *Checked:
		c.checked(now, m, out)
	case *Close:
		c.shut(m.Owner, out)
	}
	c.dirty = c.dirty || !quiet
	if f, ok := m.(*Fetched); ok && !quiet && f.size() > much {
		c.at(now) // what follows from it is for another step
		return
	}
	c.drive(now, out)
}

// much is of how many partitions an answer must tell so that taking it is enough for one step.
const much = 20_000

// Tick looks at the deadlines.
func (c *Core) Tick(now time.Time, out *Effects) {
	c.wished = nil
	c.drive(now, out)
}

// doubtful tells whether a broker's word that there is no such offset, or no such epoch, must wait: what waits for the application may be damaged, and offset and epoch with it. They are true when all has been read, or
// fetched again.
func (p *part) doubtful() bool {
	p.doubt = p.buffered > 0
	return p.doubt
}

// second tells whether a log that seems to have lost what was read is to be asked again, for the epoch of the leader that had it: no checksum guards the epoch of a batch. A log that has lost it has an end of that epoch below
// the position, too, because whoever wrote over it came later.
func (p *part) second() bool {
	if p.lastEpoch < 0 || p.under <= p.lastEpoch {
		return false
	}
	p.lastEpoch, p.readEpoch = p.under, -1
	return true
}

// waits tells whether nothing is asked for because of such a word.
func (p *part) waits() bool { return p.doubt && p.doubtful() }

// taken tells whether there is nothing to ask for because of it.
func (c *Core) taken(now time.Time, t *Taking, out *Effects) (quiet bool) {
	c.used -= t.Bytes
	p := c.part(t.TopicPartition, t.Gen)
	if p == nil {
		return false
	}
	p.buffered--
	p.bytes -= t.Bytes
	back := t.Back && t.Life == p.life // else the topic was created again meanwhile, and it is no place in the new one
	if t.Back {
		p.backs++
	}
	if back && (p.state == Fetching || p.state == Validating) {
		p.moveTo(t.At, t.Epoch)
	}
	switch {
	case t.Err != nil && back && p.state != Failed:
		c.futile(p)
		c.troubled(now, p, trouble.Twice, t.Err, out)
	case t.Vain != nil && p.state != Failed:
		c.futile(p)
		if p.vains++; p.vains > 1 { // so it is told with the third
			c.troubled(now, p, trouble.Twice, t.Vain, out)
		}
	case !t.Back && !t.Dropped: // it is read past that
		c.fruitful(p)
	}
	if t.Grow {
		p.maxBytes = int32(min(int64(p.maxBytes)*2, MostRoom))
	}
	asked := p.flight != nil && !t.Back && !t.Grow
	if !asked {
		c.stamp++
	}
	if p.home == nil || !p.home.flight {
		return false
	}
	late, _ := p.home.late(now)
	return (asked || !late) && !p.doubt && c.cfg.Budget-c.used > least+t.Bytes
}

// changed takes a new picture, and tells whether there is nothing to ask for because of it. It costs what is different: a client may know thousands of topics, each of which comes with a picture of its own.
func (c *Core) changed(now time.Time, s *cluster.Snapshot, out *Effects) (quiet bool) {
	if s.Version < c.snap.Version { // it comes by two ways
		return true
	}
	old := c.snap
	c.snap = s
	quiet = slices.Equal(old.Nodes, s.Nodes)
	for was, is := range s.Changes(old) {
		name := cmp.Or(was, is).Name
		i, _ := c.find(cluster.TopicPartition{Topic: name, Partition: math.MinInt32})
		for ; i < len(c.parts) && c.parts[i].Topic == name; i++ {
			p := c.parts[i]
			quiet = false
			a, _ := old.Leader(name, p.Partition)
			b, _ := s.Leader(name, p.Partition)
			if a != b && b >= 0 {
				p.trouble.Hurry()
				p.replica = cluster.NoNode
			}
			switch {
			case !p.byID && p.another(is):
				c.renewed(now, p, is.ID, out)
			case p.byID && p.another(was) && !p.another(is): // it was given before the topic was known
				p.trouble.Hurry()
			}
			c.identify(p, out)
		}
	}
	c.lines = slices.DeleteFunc(c.lines, func(l *line) bool { // the broker has left, and its sessions with it
		if _, there := s.Node(l.node); there || l.flight || l.beside || l.apart {
			return false
		}
		delete(c.byNode, l.node)
		return true
	})
	return quiet
}

// drive asks for what can be asked for, if something has changed or a time has come.
func (c *Core) drive(now time.Time, out *Effects) {
	if c.closed {
		c.nextAt = time.Time{}
		return
	}
	if !c.dirty && (c.nextAt.IsZero() || now.Before(c.nextAt)) {
		return
	}
	c.dirty, c.nextAt = false, time.Time{}
	c.driveFetches(now, out) // it may find out that a log must be checked first
	c.driveQueries(now, out)
	c.driveSilence(now, out)
}

func (c *Core) at(t time.Time) {
	if c.nextAt.IsZero() || t.Before(c.nextAt) {
		c.nextAt = t
	}
}

// leader gives the leader of a partition that may be asked now. Where there is none metadata is asked for.
func (c *Core) leader(now time.Time, p *part, out *Effects) (node, epoch int32, ok bool) {
	if now.Before(p.trouble.RetryAt) {
		c.at(p.trouble.RetryAt)
		return 0, 0, false
	}
	for _, pace := range [...]*trouble.Pace{&p.pace, &p.back} {
		if until, waits := pace.Waits(now); waits {
			c.at(until)
			return 0, 0, false
		}
	}
	if c.astray(p) {
		c.refresh(p.Topic, "another topic has the name of one that is read", out)
		c.hindered(now, p, protocol.UnknownTopicID, out)
		c.at(p.trouble.RetryAt)
		return 0, 0, false
	}
	node, epoch = cluster.NoNode, -1
	if t := c.topic(p.Topic); t != nil && p.Partition >= 0 && int(p.Partition) < len(t.Partitions) {
		node, epoch = t.Partitions[p.Partition].Leader, t.Partitions[p.Partition].LeaderEpoch
	}
	if node < 0 {
		err := error(protocol.LeaderNotAvailable)
		if t := c.topic(p.Topic); t != nil && t.Err != protocol.None {
			err = t.Err
		}
		if at, asked := c.leaderless[p.Topic]; !asked || now.Sub(at) >= c.backoff().After(p.trouble.Fails)/2 { // one answer is for all partitions of a topic, whenever each of them began to want it
			c.refresh(p.Topic, "a partition has no leader", out)
			if c.leaderless == nil {
				c.leaderless = map[string]time.Time{}
			}
			c.leaderless[p.Topic] = now
		}
		c.hindered(now, p, err, out)
		c.at(p.trouble.RetryAt)
		return 0, 0, false
	}
	if epoch >= 0 && epoch < max(p.lastEpoch, p.under) && p.stale < staleLimit {
		p.stale++
		out.Doubts = append(out.Doubts, Doubt{node, []string{p.Topic}})
		c.hindered(now, p, protocol.FencedLeaderEpoch, out)
		c.at(p.trouble.RetryAt)
		return 0, 0, false
	}
	return node, epoch, true
}

// another tells whether a topic is not the one that the position is of.
func (p *part) another(t *cluster.Topic) bool {
	return t != nil && t.ID != p.topic && t.ID != (wire.UUID{}) && p.topic != (wire.UUID{})
}

// astray tells whether a partition waits for whoever has given it: another topic has the name now, or still. What is asked for by name is not of the one that was given.
func (c *Core) astray(p *part) bool { return p.byID && p.another(c.topic(p.Topic)) }

// staleLimit is how often a leader is not asked because a record before the position is of a newer epoch than it is said to have: who says so is cut off from the others. After that it is believed: an epoch may be of
// a topic that was deleted and created again.
const staleLimit = 5

// shut ends the sessions, also of the brokers that are being asked: they do not wait for the answer, because a session is of no connection.
func (c *Core) shut(owner any, out *Effects) {
	c.closed = true
	for _, l := range c.lines {
		c.end(l, out)
	}
	out.Closed = owner
}

// end closes the session with a broker.
func (c *Core) end(l *line, out *Effects) {
	if id, open := l.session.Open(); open {
		out.End = append(out.End, EndSession{l.node, id})
	}
	l.session.Lost()
}

// Next is the earliest deadline.
func (c *Core) Next() time.Time { return c.nextAt }

// Abort tells every partition's reader.
func (c *Core) Abort(err error, out *Effects) {
	c.closed, c.nextAt = true, time.Time{}
	for _, p := range c.parts {
		out.Fail = append(out.Fail, Failure{TopicPartition: p.TopicPartition, Gen: p.gen, Offset: p.offset, Err: err})
	}
	c.parts = nil
}

// Refuse answers a message that comes after Abort.
func (c *Core) Refuse(m Message, err error, out *Effects) {
	switch m := m.(type) {
	case *Assign:
		for i := range m.Starts {
			out.Fail = append(out.Fail, Failure{TopicPartition: m.Starts[i].TopicPartition, Gen: m.Starts[i].Gen, Offset: m.Starts[i].Offset, Err: err})
		}
	case *Close:
		out.Closed = m.Owner
	}
}
