// Package member is the pure core of the coordinator actor: one member of one consumer group, with the classic protocol or that of KIP-848, or a consumer that has no group.
//
//	classic:   Unjoined -> Giving -> Joining (-> Assigning) -> Syncing -> Taking -> Stable -> Giving ...
//	KIP-848:   Unjoined -> Joining -> Stable <-> Taking
//	both:      any state -> Losing -> Joining       the group has gone on without the member
//	           any state -> Expired -> Losing       the application does not poll
//	           any state -> Failed                  it cannot be a member
//
// Giving, Taking and Losing wait for the application: partitions change hands only where its goroutine polls, with its listener. One such [Rebalance] is under way at a time.
//
// It owns: the subscription, the membership, what is owned, the offsets being committed and fetched. Where partitions are read is the fetcher's concern.
// Files: member.go the core; messages.go what it takes and gives; leaving.go leaving and losing what it had; subscription.go what is subscribed to; application.go what the application does; classic.go, consumer.go the protocols; alone.go consumers without a group; lacking.go coordinators that do not have the second; dividing.go what the leader of a classic group does;
// commits.go offsets that are committed; fetches.go offsets that were; offset.go; pace.go what holds back who gets no further; asking.go the application's functions; errors.go
package member

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/printable"
	"github.com/kactor-go/kactor/protocol/trouble"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Partition names a partition.
type Partition = cluster.TopicPartition

// Protocol of a group.
type Protocol uint8

// The protocols.
const (
	Classic  Protocol = iota // members divide the partitions
	Consumer                 // the coordinator does (KIP-848)
	Auto                     // Consumer where the cluster has it
	Alone                    // there is no group, and no other member
)

// Config of a member.
type Config struct {
	Group, Instance, Rack    string // Group is empty with Alone
	Protocol                 Protocol
	Assignors                []assign.Assignor // in order of preference
	Remote                   string            // assignor of the coordinator; empty: it chooses
	ID                       string            // member id with Consumer
	Session, Heartbeat       time.Duration     // Classic
	MaxPoll                  time.Duration
	AutoCommit               bool
	MaxMembers               int           // of a group that it leads
	MaxSubscription          int           // bytes of what one of them says
	Retention                time.Duration // of commits, for old brokers; 0: theirs
	AutoInterval             time.Duration
	Stable                   bool // wait for offsets of transactions under way
	Internal                 bool // patterns match internal topics, too
	MaxAge                   time.Duration
	RequestTimeout           time.Duration
	BackoffFirst, BackoffMax time.Duration
	Rand                     *rand.Rand
}

// State of a member.
type State uint8

// The states.
const (
	Unjoined State = iota
	Giving
	Joining
	Assigning
	Syncing
	Taking
	Stable
	Losing
	Expired
	Failed
)

var legal = [...][]State{
	Unjoined:  {Unjoined, Giving, Joining, Losing, Failed},
	Giving:    {Joining, Losing, Expired, Unjoined, Failed},
	Joining:   {Assigning, Syncing, Stable, Losing, Joining, Expired, Unjoined, Failed},
	Assigning: {Syncing, Joining, Losing, Expired, Unjoined, Failed},
	Syncing:   {Taking, Joining, Losing, Expired, Unjoined, Failed},
	Taking:    {Stable, Losing, Expired, Unjoined, Failed},
	Stable:    {Giving, Joining, Taking, Losing, Expired, Unjoined, Failed},
	Losing:    {Joining, Unjoined, Failed},
	Expired:   {Losing, Unjoined, Failed},
	Failed:    {Unjoined, Failed},
}

// String names the state.
func (s State) String() string {
	return [...]string{"unjoined", "giving", "joining", "assigning", "syncing", "taking", "stable", "losing", "expired", "failed"}[s]
}

// Core is the state of a member.
type Core struct {
	cfg   Config
	snap  *cluster.Snapshot
	proto Protocol
	sub   subscription

	state      State
	id         string
	generation int32 // or member epoch; -1: not a member
	manual     bool
	member     bool  // by subscription: it commits as a member, or not at all
	err        error // of Failed

	owned   []Partition
	ids     map[string]wire.UUID // of the topics of owned, where the group has given them by id
	last    []Partition          // what was assigned last, for assignors that remember
	lastGen int32

	seq     uint64
	pending *Rebalance // the application is at it
	instead *Rebalance // or at this one, if it had not begun with it when it was recalled
	leaving *Leave

	call    *Call // join, sync, leave, or the heartbeat of KIP-848
	beat    *Call // heartbeat, Classic
	beatAt  time.Time
	ends    time.Time // the session
	retryAt time.Time
	trouble trouble.State // of the membership
	pace    trouble.Pace  // of its requests
	said    protocol.Code // see turned; 0: there was other trouble since, or it lasted
	changed time.Time     // when an answer has changed it last
	rejoin  bool
	reason  string

	kinds   []kind
	asked   asking
	stuck   int // how often in a row an assignor has not returned
	classic classic
	alone   alone
	remote  remote
	commits commits
	fetches fetches
	gave    int32 // the generation in which it gave everything up, to get it back; -1
	foreign int32 // the generation in which it was given for the first time what it is not subscribed to; -1

	strangers bool // it is told that it is given such

	polled  time.Time
	looked  time.Time
	asking  bool
	autoAt  time.Time
	touchAt time.Time // metadata of the topics is asked for again
}

// New makes the core of a member that has not joined.
func New(cfg Config, snap *cluster.Snapshot) *Core {
	c := &Core{cfg: cfg, kinds: kinds(cfg.Assignors), snap: snap, proto: cfg.Protocol, generation: -1, lastGen: -1, gave: -1, foreign: -1}
	if c.proto == Auto {
		c.proto = Consumer
	}
	if c.proto == Consumer {
		c.id = cfg.ID
	}
	return c
}

// Identity tells who the member is.
func (c *Core) Identity() Identity {
	return Identity{c.cfg.Group, c.id, c.cfg.Instance, c.generation, c.state, c.proto}
}

func (c *Core) become(s State) {
	if !slices.Contains(legal[c.state], s) {
		panic("coordinator: illegal transition of a member: " + c.state.String() + " to " + s.String())
	}
	c.state = s
}

// Step takes one message.
func (c *Core) Step(now time.Time, m Message, out *Effects) {
	switch m := m.(type) {
	case *Subscribe:
		c.subscribe(now, m, out)
	case *Manual:
		c.manual = true
	case *Held:
		c.heldBy(m.Seq, out)
	case *Done:
		c.done(now, m.Seq, out)
	case *Recalled:
		c.recalled(m.Seq)
	case *Polled:
		c.polledAt(now, m.At, out)
	case *Enforce:
		if c.state != Unjoined && c.state != Failed && c.proto == Classic {
			c.rejoin, c.reason = true, m.Reason
		}
	case *Returned:
		c.returned(now, m, out)
	case *Commit:
		m.begin(c.ids)
		c.commits.list = append(c.commits.list, m)
	case *Fetch:
		c.fetches.list = append(c.fetches.list, m)
	case *Begin:
		c.fetches.begin(true, m.Parts)
	case *Forgo:
		c.fetches.forgo(m.Parts)
	case *Answer:
		c.answer(now, m, out)
	case *Changed:
		c.see(m.Snapshot)
	case *Listed:
		c.listed(now, m, out)
	case *Told:
		c.told(now, m, out)
	case *Leave:
		c.leave(now, m, out)
	}
	c.drive(now, out)
}

// Tick looks at the deadlines.
func (c *Core) Tick(now time.Time, out *Effects) { c.drive(now, out) }

// drive does what can be done now.
func (c *Core) drive(now time.Time, out *Effects) {
	c.drivePoll(now, out)
	c.driveAsked(now, out)
	c.driveLosing(out)
	c.driveTopics(now, out)
	if c.leaving == nil {
		switch c.proto {
		case Classic:
			c.driveClassic(now, out)
		case Alone:
			c.driveAlone(out)
		default:
			c.driveConsumer(now, out)
		}
	} else {
		c.driveLeave(now, out)
	}
	c.driveCommits(now, out)
	c.driveFetches(now, out)
	c.driveAuto(now, out)
}

// answer takes the answer to a call. Answers to calls that nobody waits for any more are dropped.
func (c *Core) answer(now time.Time, m *Answer, out *Effects) {
	switch {
	case m.Call.Kind == CommitCall:
		c.committed(now, m, out)
	case m.Call.Kind == FetchCall:
		c.fetched(now, m, out)
	case m.Call == c.beat:
		c.beat = nil
		c.beaten(now, m, out)
	case m.Call != c.call:
	case m.Call.leaving:
		c.call = nil
		c.left(now, m, out)
	default:
		c.call = nil
		switch m.Call.Kind {
		case JoinCall:
			c.joined(now, m, out)
		case SyncCall:
			c.synced(now, m, out)
		case ConsumerCall:
			c.consumed(now, m, out)
		}
	}
}

// later puts the next attempt off. The application is told of what lasts, and at once that it may not ask who coordinates the group.
func (c *Core) later(now time.Time, err error, out *Effects) {
	kind := trouble.Passing
	if errors.Is(err, protocol.GroupAuthorizationFailed) {
		kind = trouble.Lasting
	}
	c.puts(now, kind, err, out)
}

// puts is later with a kind of trouble: what only a broker with a bug says is told at once.
func (c *Core) puts(now time.Time, kind trouble.Kind, err error, out *Effects) {
	c.met(now, kind, err, out)
	d := c.trouble.RetryAt.Sub(now)
	c.retryAt = now.Add(d - d/5 + time.Duration(c.cfg.Rand.Int64N(int64(d)*2/5+1)))
}

// met notes a trouble of the membership, and tells it when it is due.
func (c *Core) met(now time.Time, kind trouble.Kind, err error, out *Effects) {
	if c.trouble.Met(now, kind, err, c.backoff()) {
		out.Errors = append(out.Errors, fmt.Errorf("membership in group %s: %w", printable.Text(c.cfg.Group), err))
	}
}

// fail ends the membership for good.
func (c *Core) fail(err error, out *Effects) {
	c.err, c.generation, c.call, c.beat = &Fatal{c.cfg.Group, err}, -1, nil, nil
	c.become(Failed)
	out.Errors = append(out.Errors, c.err)
	c.driveLosing(out)
}

// owns tells whether the member has a partition.
func (c *Core) owns(p Partition) bool {
	_, found := slices.BinarySearchFunc(c.owned, p, Partition.Compare)
	return found
}

// Next is the earliest deadline.
func (c *Core) Next() time.Time {
	var t time.Time
	add := func(d time.Time) {
		if !d.IsZero() && (t.IsZero() || d.Before(t)) {
			t = d
		}
	}
	add(c.commits.next())
	add(c.fetches.next(c.state == Failed))
	if c.leaving != nil {
		add(c.leaving.Deadline)
		if c.call == nil && !c.commits.open() { // commits go before the goodbye
			add(c.openAt())
		}
		return t
	}
	if c.state == Joining && c.call == nil && c.asked.ask == nil {
		add(c.openAt())
	}
	if c.state == Assigning && c.asked.ask == nil {
		add(c.classic.until)
	}
	if c.asked.ask != nil {
		add(earlier(c.asked.ends, c.asked.seen.Add(c.asked.step())))
	}
	add(c.nextBeat())
	add(c.sessionEnds())
	add(c.lookAt())
	if c.sub.any() {
		add(c.touchAt)
		add(c.sub.listAt)
		add(c.sub.askedBy)
		add(c.sub.lacksAt)
	}
	add(c.autoAt)
	return t
}

// Abort ends everything that is waited for.
func (c *Core) Abort(err error, out *Effects) {
	c.state, c.err, c.generation = Failed, err, -1
	c.call, c.beat, c.ends, c.beatAt = nil, nil, time.Time{}, time.Time{}
	c.autoAt, c.touchAt, c.sub = time.Time{}, time.Time{}, subscription{}
	c.refuse(err, out)
	if c.leaving != nil {
		out.Left = append(out.Left, c.leaving.Owner)
		c.leaving = nil
	}
	out.Errors = append(out.Errors, err)
}

func (c *Core) refuse(err error, out *Effects) {
	for _, m := range c.commits.list {
		m.abort(err)
	}
	c.commits.outcomes(out)
	for _, m := range c.fetches.list {
		out.Results = append(out.Results, Result{Owner: m.Owner, Err: err})
	}
	c.commits, c.fetches = commits{}, fetches{}
}

// Refuse answers a message that comes after Abort.
func (c *Core) Refuse(m Message, err error, out *Effects) {
	switch m := m.(type) {
	case *Commit:
		out.Results = append(out.Results, Result{Owner: m.Owner, Err: err})
	case *Fetch:
		out.Results = append(out.Results, Result{Owner: m.Owner, Err: err})
	case *Returned:
		out.Settled = append(out.Settled, m.Owner)
	case *Leave:
		if m.Owner != nil {
			out.Left = append(out.Left, m.Owner)
		}
	}
}
