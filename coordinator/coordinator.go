// Package coordinator makes a consumer a member of a group: one actor for each consumer. One without a group is given all partitions of what it subscribes to.
//
//	application --Subscribe, Commit, Fetch--> coordinator actor --Route{JoinGroup, SyncGroup, Heartbeat, ...}--> cluster
//	            <--Work: rebalances------------'  |
//	            --Held, Done----------------------^  '--Release--> fetcher
//
//	coordinator.go  Config, Coordinator: what the application's goroutine calls      actor.go  performs the core's effects
//	requests.go     requests fitted to old brokers                                   internal/member  the pure core
//	assign          how the leader of a classic group divides partitions
//
// Partitions change hands only on the application's own goroutine: it takes [Work] where it polls, gives up what is revoked, holds what is assigned, and says so.
package coordinator

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/coordinator/internal/member"
	"github.com/kactor-go/kactor/protocol/cluster"
)

// Errors of a member.
var (
	// ErrClosed: the consumer is closed.
	ErrClosed = member.ErrClosed
	// ErrNotOwned: the partition does not belong to this member any more, or not yet.
	ErrNotOwned = member.ErrNotOwned
	// ErrFenced: the group has gone on without the member.
	ErrFenced = member.ErrFenced
	// ErrBlind: nothing can be read of a topic that is subscribed to, because no broker has told anything of it so far.
	ErrBlind = member.ErrBlind
	// ErrBroker: a coordinator has answered what none does that works. It is asked again.
	ErrBroker = member.ErrBroker
)

// What the application gives and gets.
type (
	// Message is what the coordinator actor takes; callers use the methods of Coordinator.
	Message = member.Message
	// Offset is a position to commit, or one that was committed.
	Offset = member.Offset
	// Rebalance is what the application has to do.
	Rebalance = member.Rebalance
	// Identity is the membership.
	Identity = member.Identity
	// Fatal says that a consumer cannot be a member of its group.
	Fatal = member.Fatal
	// Protocol of a group.
	Protocol = member.Protocol
	// Leaving says whether the group is told (KIP-1092).
	Leaving = member.Leaving
)

// The protocols.
const (
	Classic  = member.Classic
	Consumer = member.Consumer
	Auto     = member.Auto
)

// The ways to leave.
const (
	LeaveDefault  = member.LeaveDefault
	LeaveGroup    = member.LeaveGroup
	RemainInGroup = member.RemainInGroup
)

// Config of a member. Names in brackets are Kafka's properties.
type Config struct {
	Group        string            // (group.id); empty: none, and all partitions of what is subscribed to are read
	Instance     string            // makes the member static (group.instance.id, KIP-345)
	Rack         string            // (client.rack)
	Protocol     Protocol          // (group.protocol, classic)
	Assignors    []assign.Assignor // of a classic group, in order of preference (partition.assignment.strategy, range and cooperative-sticky)
	Remote       string            // of a group of KIP-848: uniform or range; empty: the broker chooses (group.remote.assignor)
	Session      time.Duration     // of a classic group (session.timeout.ms, 45 s)
	Heartbeat    time.Duration     // of a classic group (heartbeat.interval.ms, 3 s)
	MaxPoll      time.Duration     // (max.poll.interval.ms, 5 min)
	AutoCommit   bool              // (enable.auto.commit, true)
	AutoInterval time.Duration     // (auto.commit.interval.ms, 5 s)
	Retention    time.Duration     // how long committed offsets are kept, by brokers before Kafka 2.1; 0: as the broker says (offsets.retention.ms)
	Timeout      time.Duration     // of commits and of questions for offsets, retries included (default.api.timeout.ms, 1 min)
	Stable       bool              // wait for offsets of open transactions (KIP-447); with isolation.level=read_committed
	Internal     bool              // patterns match internal topics, too (exclude.internal.topics=false)

	// Of a classic group that the consumer leads. It is no leader of a group with more members: that ends its membership, with a Fatal. A member that says more gets nothing, which is noted.
	MaxMembers      int // of a classic group that it leads (group.max.members, 10,000)
	MaxSubscription int // bytes of what a member says when it joins: topics and what it owns (group.max.subscription.bytes, 4 MiB)

	RequestTimeout time.Duration // (request.timeout.ms, 30 s)
	RetryFirst     time.Duration // (retry.backoff.ms, 100 ms)
	RetryMax       time.Duration // (retry.backoff.max.ms, 1 s)
	MaxAge         time.Duration // topics are looked for so often (metadata.max.age.ms, 5 min)
}

// DefaultConfig is the configuration of the Java client 4.3.
func DefaultConfig() Config {
	return Config{Assignors: []assign.Assignor{assign.Range{}, assign.CooperativeSticky{}}, Session: 45 * time.Second, Heartbeat: 3 * time.Second, MaxPoll: 5 * time.Minute, AutoCommit: true,
		AutoInterval: 5 * time.Second, Timeout: time.Minute, RequestTimeout: 30 * time.Second, RetryFirst: 100 * time.Millisecond, RetryMax: time.Second, MaxAge: 5 * time.Minute,
		MaxMembers: 10_000, MaxSubscription: 4 << 20}
}

// Validate returns everything that is wrong, by property.
func (c *Config) Validate() error {
	var errs []error
	for _, n := range []struct {
		property string
		value    time.Duration
	}{{"session.timeout.ms", c.Session}, {"heartbeat.interval.ms", c.Heartbeat}, {"max.poll.interval.ms", c.MaxPoll}, {"auto.commit.interval.ms", c.AutoInterval}, {"default.api.timeout.ms", c.Timeout}} {
		if n.value <= 0 {
			errs = append(errs, fmt.Errorf("%s: must be positive, not %s", n.property, n.value))
		}
	}
	if c.Protocol != Consumer && c.Heartbeat >= c.Session {
		errs = append(errs, fmt.Errorf("heartbeat.interval.ms: %s must be less than session.timeout.ms, %s", c.Heartbeat, c.Session))
	}
	if c.MaxMembers <= 0 || c.MaxSubscription <= 0 {
		errs = append(errs, fmt.Errorf("members of a group, %d, and bytes of a subscription, %d: must be positive", c.MaxMembers, c.MaxSubscription))
	}
	if len(c.Assignors) == 0 && c.Protocol != Consumer {
		errs = append(errs, errors.New("partition.assignment.strategy: names no assignor"))
	}
	return errors.Join(errs...)
}

// Work is what the application's goroutine has to do where it polls, in this order.
type Work struct {
	Callbacks []func()   // of commits that have ended
	Rebalance *Rebalance // nil: none
	Commit    bool       // it is time for an automatic commit
	Errors    []error
}

// Subscribe says what is to be read: topics by name, those for which pattern is true, or those that a regular expression of RE2J matches on the broker.
func (c *Coordinator) Subscribe(topics []string, pattern func(string) bool, regex string) {
	c.self.Tell(&member.Subscribe{Topics: topics, Pattern: pattern, Regex: regex})
}

// Manual says that the application assigns partitions itself, and only commits.
func (c *Coordinator) Manual() { c.self.Tell(&member.Manual{}) }

// Held says that what a Rebalance revokes was given up, and what it assigns is held in the fetcher.
func (c *Coordinator) Held(seq uint64) { c.self.Tell(&member.Held{Seq: seq}) }

// Done says that the application has done with a Rebalance.
func (c *Coordinator) Done(seq uint64) { c.self.Tell(&member.Done{Seq: seq}) }

// Enforce asks for a rebalance (KIP-568). The members of a KIP-848 group cannot.
func (c *Coordinator) Enforce(reason string) { c.self.Tell(&member.Enforce{Reason: reason}) }

// Pending tells whether there is Work. It costs one load: readers ask with every record.
func (c *Coordinator) Pending() bool { return c.bits.Load() != 0 }

// Seen notes that the application polls. It tells when it did before, and whether that is so long ago that the group may have gone on without it: then Settle before it is given anything, and it is not noted before.
func (c *Coordinator) Seen() (last time.Time, late bool) {
	now := c.world.Now()
	last = c.began.Add(time.Duration(c.seen.Load()))
	if now.Sub(last) >= c.Limit() {
		return last, true
	}
	c.see(now)
	return last, false
}

// Limit is how long the application may be away before the group may have gone on without it.
func (c *Coordinator) Limit() time.Duration {
	if c.cfg.Protocol == Consumer {
		return c.cfg.MaxPoll
	}
	return min(c.cfg.MaxPoll, c.cfg.Session)
}

func (c *Coordinator) see(now time.Time) { c.seen.Store(int64(now.Sub(c.began))) }

// Settle waits until it is settled whether the member, whose application comes back late, has lost its partitions. If so, there is Work. What the member sees of the application meanwhile is that it did not poll.
func (c *Coordinator) Settle(ctx context.Context, last time.Time) error {
	p := role.NewPromise[struct{}](c.world)
	done, err := c.waits.Add(func(err error) { p.Settle(struct{}{}, err) })
	if err != nil {
		return err
	}
	defer done()
	c.self.Tell(&member.Returned{Last: last, Owner: p})
	if _, err = p.Get(ctx); err == nil {
		c.see(c.world.Now())
	}
	return err
}

// Waiting notes that the application waits for records, which counts as polling.
func (c *Coordinator) Waiting(on bool) {
	c.see(c.world.Now())
	c.waiting.Store(on)
}

// Busy notes that the application waits in a call for what the group wants done, as a commit before partitions are given up, which counts as polling. It must not be noted of functions of the application's: they may block for ever.
func (c *Coordinator) Busy(on bool) {
	c.see(c.world.Now())
	if on {
		c.busy.Add(1)
	} else {
		c.busy.Add(-1)
	}
}

// Reading notes whether the application goes through records, of which each counts as polling, or polls.
func (c *Coordinator) Reading(on bool) { c.reading.Store(on) }

// Work takes what there is to do.
func (c *Coordinator) Work() (w Work) {
	c.mu.Lock()
	w = c.work
	c.work = Work{}
	idle := c.idle
	c.idle = false
	c.bits.Store(0)
	c.mu.Unlock()
	if idle {
		c.self.Tell(&member.Polled{At: c.world.Now()})
	}
	return w
}

// Identity is who the member is now.
func (c *Coordinator) Identity() Identity { return *c.identity.Load() }

// Awaits adds to the error of a call whose context has ended what the member has waited for, if it cannot read a topic: metadata, mostly.
func (c *Coordinator) Awaits(err error) error {
	why := c.awaits.Load()
	if why == nil {
		return err
	}
	return c.client.Because(fmt.Errorf("%w: %w", err, *why))
}

// Commit commits offsets and waits for the outcome until ctx ends, and at most Config.Timeout.
func (c *Coordinator) Commit(ctx context.Context, offsets ...Offset) error {
	p := role.NewPromise[struct{}](c.world)
	done, err := c.waits.Add(func(err error) { p.Settle(struct{}{}, err) })
	if err != nil {
		return err
	}
	defer done()
	c.self.Tell(&member.Commit{Offsets: offsets, Deadline: c.deadline(ctx), Owner: committing(func(err error) { p.Settle(struct{}{}, err) })})
	_, err = p.Get(ctx)
	return err
}

// Committing commits offsets within a time, and does not wait: the promise is told the outcome.
func (c *Coordinator) Committing(within time.Duration, offsets ...Offset) *role.Promise[struct{}] {
	p := role.NewPromise[struct{}](c.world)
	done, err := c.waits.Add(func(err error) { p.Settle(struct{}{}, err) })
	if err != nil {
		p.Settle(struct{}{}, err)
		return p
	}
	c.self.Tell(&member.Commit{Offsets: offsets, Deadline: c.world.Now().Add(within), Owner: committing(func(err error) {
		done()
		p.Settle(struct{}{}, err)
	})})
	return p
}

// CommitAsync commits offsets; done, if not nil, is called with the outcome where the application polls, also when the actor is gone. The outcomes come in the order of the commits.
func (c *Coordinator) CommitAsync(done func(error), offsets ...Offset) {
	tell := func(err error) {
		if done != nil {
			c.put(func() { c.work.Callbacks = append(c.work.Callbacks, func() { done(err) }) })
		}
	}
	ended, err := c.waits.Add(tell)
	if err != nil {
		tell(err)
		return
	}
	c.self.Tell(&member.Commit{Offsets: offsets, Deadline: c.deadline(context.Background()), Ordered: true, Owner: committing(func(err error) {
		if ended() {
			tell(err)
		}
	})})
}

// committing is told how a commit ended.
type committing func(error)

// Committed asks for committed offsets; Offset is -1 where there is none.
func (c *Coordinator) Committed(ctx context.Context, parts ...cluster.TopicPartition) (all []Offset, err error) {
	at := c.deadline(ctx)
	for some := range slices.Chunk(parts, member.MostAsked) {
		got, err := c.committed(ctx, at, some)
		if err != nil {
			return nil, err
		}
		all = append(all, got...)
	}
	return all, nil
}

func (c *Coordinator) committed(ctx context.Context, at time.Time, parts []cluster.TopicPartition) ([]Offset, error) {
	p := role.NewPromise[[]Offset](c.world)
	done, err := c.waits.Add(func(err error) { p.Settle(nil, err) })
	if err != nil {
		return nil, err
	}
	defer done()
	c.self.Tell(&member.Fetch{Parts: parts, Deadline: at, Owner: p})
	return p.Get(ctx)
}

// Begin lets the fetcher read partitions that are held, and that the application has assigned to itself, from where the group has committed.
func (c *Coordinator) Begin(parts ...cluster.TopicPartition) {
	c.self.Tell(&member.Begin{Parts: parts})
}

// Forgo says that partitions are not assigned any more that the application had assigned to itself.
func (c *Coordinator) Forgo(parts ...cluster.TopicPartition) {
	c.self.Tell(&member.Forgo{Parts: parts})
}

func (c *Coordinator) deadline(ctx context.Context) time.Time {
	at := c.world.Now().Add(c.cfg.Timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(at) {
		at = d
	}
	return at
}

// Leave ends the membership. The application has given up its partitions before, and committed. With final nothing can be asked of the coordinator any more.
// It returns when the group has been told, at the latest when ctx ends.
func (c *Coordinator) Leave(ctx context.Context, how Leaving, final bool) error {
	p := role.NewPromise[struct{}](c.world)
	done, err := c.waits.Add(func(error) { p.Settle(struct{}{}, nil) })
	if err != nil {
		return err
	}
	defer done()
	deadline := c.world.Now().Add(c.cfg.RequestTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if ctx.Err() != nil {
		deadline = c.world.Now()
	}
	c.self.Tell(&member.Leave{How: how, Deadline: deadline, Final: final, Owner: p})
	_, err = p.Get(ctx)
	if err != nil {
		c.self.Tell(&member.Leave{How: how, Deadline: c.world.Now(), Final: final})
		_, _ = p.Get(context.WithoutCancel(ctx))
	}
	c.mu.Lock()
	c.work.Rebalance, c.work.Commit = nil, false
	c.mu.Unlock()
	return err
}

// newMemberID draws the id of a member of a KIP-848 group (KIP-1082).
func newMemberID(w role.World) string {
	var id [16]byte
	if _, simulated := w.(interface{ Poisons() bool }); simulated {
		r := w.Rand()
		for i := range id {
			id[i] = byte(r.Uint32())
		}
	} else {
		_, _ = rand.Read(id[:])
	}
	return base64.RawURLEncoding.EncodeToString(id[:])
}
