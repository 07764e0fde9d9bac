package api

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/coordinator"
	"github.com/kactor-go/kactor/fetcher"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Offset is a position to commit, or one that was committed: that of the next record to read.
type Offset = coordinator.Offset

// LeaderEpoch counts the leaders that a partition has had. The zero value says that the epoch is not known.
type LeaderEpoch = cluster.LeaderEpoch

// EpochOf is the leader epoch of that number, such as Record.LeaderEpoch; a negative one is not known.
func EpochOf(n int32) LeaderEpoch { return cluster.EpochOf(n) }

// GroupMetadata is who a consumer is in its group, as transactions need it.
type GroupMetadata = coordinator.Identity

// Leaving says whether the group is told when a consumer is closed (KIP-1092).
type Leaving = coordinator.Leaving

// The ways to leave a group.
const (
	LeaveDefault  = coordinator.LeaveDefault  // dynamic members leave; static ones keep their partitions for a restart within the session time-out
	LeaveGroup    = coordinator.LeaveGroup    // static members leave, too
	RemainInGroup = coordinator.RemainInGroup // the group is not told: it finds out
)

// RebalanceListener is told what the group gives to a consumer and takes from it. It is called where the consumer polls, on that goroutine: while it is, no record of the consumer is
// being handled. It may commit, seek, pause and ask for positions; it must not close the consumer. Any function may be nil.
type RebalanceListener struct {
	// Assigned gets the new partitions: with the classic protocol and an eager assignor all, else those that were added.
	Assigned func(ctx context.Context, parts []TopicPartition)
	// Revoked gets the partitions that are given up when it returns. What it commits still counts.
	Revoked func(ctx context.Context, parts []TopicPartition)
	// Lost gets partitions that belong to others already: nothing can be committed for them. Nil: Revoked is called instead.
	Lost func(ctx context.Context, parts []TopicPartition)
}

// modes of a consumer.
const (
	free uint32 = iota
	assigned
	subscribed
)

// errNoGroup says that a consumer has no group.
var errNoGroup = fmt.Errorf("%w: the consumer has no group.id", ErrIllegalState)

// Subscribe reads topics as a member of the group, instead of what was subscribed to before. A name that begins with ^ is a regular expression: topics that match it are read, also those
// that come into being later, within metadata.max.age.ms. Topics that do not exist are no error: they are read when they do, ten seconds later at most.
func (c *Consumer) Subscribe(topics ...string) error {
	if len(topics) == 0 {
		return errors.New("subscribe: no topics; Unsubscribe ends a subscription")
	}
	var names []string
	var patterns []*regexp.Regexp
	for _, t := range topics {
		switch {
		case t == "":
			return errors.New("subscribe: a topic has no name")
		case strings.HasPrefix(t, "^"):
			re, err := regexp.Compile(t)
			if err != nil {
				return fmt.Errorf("subscribe %q: %w", t, err)
			}
			patterns = append(patterns, re)
		default:
			names = append(names, t)
		}
	}
	if len(patterns) == 0 {
		return c.subscribe(topics, names, nil, "")
	}
	return c.subscribe(topics, nil, func(topic string) bool {
		return slices.Contains(names, topic) || slices.ContainsFunc(patterns, func(re *regexp.Regexp) bool { return re.MatchString(topic) })
	}, "")
}

// SubscribePattern reads the topics whose names match.
func (c *Consumer) SubscribePattern(re *regexp.Regexp) error {
	return c.subscribe([]string{re.String()}, nil, re.MatchString, "")
}

// SubscribeMatching reads the topics whose names match, also those that come into being later, within metadata.max.age.ms: for what a regular expression cannot say, such as all topics but some. Subscription
// tells the name that is given here. match is called on a goroutine of its own, with one name after the other; a topic for which it panics is not read, and the panic is told where the application polls. While it blocks what is
// read stays as it is.
func (c *Consumer) SubscribeMatching(name string, match func(topic string) bool) error {
	if name == "" || match == nil {
		return errors.New("subscribe: matching needs a name and a function")
	}
	return c.subscribe([]string{name}, nil, match, "")
}

// SubscribeRE2J reads the topics whose names match a regular expression of RE2J on the broker: with group.protocol=consumer, from Kafka 4.1 on (KIP-848).
func (c *Consumer) SubscribeRE2J(pattern string) error {
	if pattern == "" {
		return errors.New("subscribe: the pattern is empty")
	}
	return c.subscribe([]string{pattern}, nil, nil, pattern)
}

func (c *Consumer) subscribe(what, topics []string, pattern func(string) bool, regex string) error {
	if c.group == nil {
		return fmt.Errorf("subscribe: %w", errNoGroup)
	}
	if err := c.turn.take(context.Background(), "subscribe"); err != nil {
		return err
	}
	defer c.turn.give()
	if c.mode.Load() == assigned {
		return fmt.Errorf("subscribe: %w: partitions are assigned by hand; Unsubscribe first", ErrIllegalState)
	}
	c.mode.Store(subscribed)
	c.named.Lock()
	c.topics, c.matches = slices.Clone(what), pattern != nil || regex != ""
	c.named.Unlock()
	c.group.Seen()
	c.group.Subscribe(topics, pattern, regex)
	return nil
}

// Listen sets the listener of rebalances, instead of the one before.
func (c *Consumer) Listen(l RebalanceListener) {
	c.named.Lock()
	c.listener = l
	c.named.Unlock()
}

// Subscription gives what is subscribed to: names or patterns.
func (c *Consumer) Subscription() []string {
	c.named.Lock()
	defer c.named.Unlock()
	return slices.Clone(c.topics)
}

// Unsubscribe ends subscription and assignment: it commits if it commits automatically, calls the listener, and leaves the group.
func (c *Consumer) Unsubscribe(ctx context.Context) error {
	if err := c.turn.take(ctx, "unsubscribe"); err != nil {
		return err
	}
	defer c.turn.give()
	return public(c.letGo(ctx, LeaveDefault, false))
}

// letGo commits, gives up everything, and leaves.
func (c *Consumer) letGo(ctx context.Context, how Leaving, final bool) (err error) {
	parts := c.fetcher.Assignment()
	if w := c.work.Load(); w != nil {
		w.giveUp(ctx, parts, false)
	}
	if c.group == nil {
		c.unassign(parts)
		c.mode.Store(free)
		return nil
	}
	c.giving.Store(nil) // all is given up now
	if len(parts) > 0 && c.set.group.AutoCommit {
		if err = c.commitFinished(ctx); gone(err) {
			c.log("commit of what was handled", err)
			err = nil
		}
	}
	each(func() {
		if len(parts) > 0 && c.mode.Load() == subscribed {
			c.call(ctx, c.listens().Revoked, parts)
		}
	}, func() {
		c.unassign(parts)
		if c.mode.Load() == subscribed || final {
			err = errors.Join(err, c.group.Leave(ctx, how, final))
		}
		c.mode.Store(free)
		c.named.Lock()
		c.topics = nil
		c.named.Unlock()
		c.fatal.Store(nil)
		clear(c.stood)
		clear(c.auto)
	})
	return err
}

func (c *Consumer) call(ctx context.Context, f func(context.Context, []TopicPartition), parts []TopicPartition) {
	if f == nil {
		return
	}
	c.application(func() { f(ctx, slices.Clone(parts)) })
}

// application calls functions of the application's.
func (c *Consumer) application(f func()) {
	c.calling.Store(true)
	defer c.calling.Store(false)
	c.turn.call(f)
}

// listens is the listener.
func (c *Consumer) listens() RebalanceListener {
	c.named.Lock()
	defer c.named.Unlock()
	return c.listener
}

// tend does what the group wants done, where the application polls: everything that was given out before is finished with. What cannot be done before ctx ends goes on behind it, and is finished where the application polls next; nothing
// is given out before.
func (c *Consumer) tend(ctx context.Context) error {
	if c.calling.Load() && c.turn.mine() {
		return errReentered("poll")
	}
	if last, late := c.group.Seen(); late {
		if err := c.group.Settle(ctx, last); err != nil {
			return err
		}
	}
	if !c.group.Pending() && c.giving.Load() == nil {
		return c.usable()
	}
	hand := c.hand.Swap(nil)
	defer c.hand.Store(hand)
	if err := c.turn.take(ctx, "poll"); err != nil {
		return err
	}
	defer c.turn.give()
	w := c.group.Work()
	var err error
	each(func() { c.application(func() { each(w.Callbacks...) }) }, func() {
		if w.Rebalance != nil {
			c.beginGiving(ctx, w.Rebalance)
		}
		err = c.rebalance(ctx)
	}, func() {
		if w.Commit {
			c.autoCommit()
		}
		for _, err := range w.Errors {
			var fatal *coordinator.Fatal
			if errors.As(err, &fatal) {
				c.fatal.Store(fatal)
			}
		}
	})
	if err = errors.Join(append(w.Errors, err)...); err != nil {
		return err
	}
	return c.usable()
}

func (c *Consumer) usable() error {
	switch {
	case c.fatal.Load() != nil:
		return c.fatal.Load()
	case c.mode.Load() == free && !c.closed.Load():
		return fmt.Errorf("%w: nothing is subscribed to or assigned", ErrIllegalState)
	}
	return nil
}

// giving is a rebalance that was begun: what is given up is being committed.
type giving struct {
	*coordinator.Rebalance
	offsets []Offset
	commit  *role.Promise[struct{}] // nil: there is nothing to commit
}

// beginGiving lets handlers come to an end with what the group takes, and commits it.
func (c *Consumer) beginGiving(ctx context.Context, r *coordinator.Rebalance) {
	g := &giving{Rebalance: r}
	c.giving.Store(g)
	if len(r.Revoke) == 0 {
		return
	}
	if w := c.work.Load(); w != nil {
		w.giveUp(context.WithoutCancel(ctx), r.Revoke, r.Lost)
	}
	if r.Lost || !c.set.group.AutoCommit {
		return
	}
	if g.offsets = c.news(c.finished(r.Revoke)); len(g.offsets) > 0 {
		g.commit = c.group.Committing(c.set.group.RequestTimeout, g.offsets...)
	}
}

// rebalance gives up what the group takes, and takes what it gives, if there is such a thing and what is given up is committed before ctx ends. What the application's functions do must not keep the group waiting: when one panics
// the rest is done before the panic goes on.
func (c *Consumer) rebalance(ctx context.Context) error {
	g := c.giving.Load()
	if g == nil {
		return nil
	}
	if g.commit != nil {
		_, err := g.commit.Get(ctx)
		if _, _, ended := g.commit.TryGet(); !ended {
			return err
		}
		c.told(g.offsets, err)
	}
	c.giving.Store(nil)
	defer c.group.Done(g.Seq)
	each(func() { c.giveUp(ctx, g.Rebalance) }, func() { c.takeOver(g.Rebalance) })
	if g.Given {
		clear(c.stood)
		c.call(ctx, c.listens().Assigned, g.Assign)
	}
	return nil
}

// giveUp tells the application what the group takes.
func (c *Consumer) giveUp(ctx context.Context, r *coordinator.Rebalance) {
	listener := c.listens()
	switch {
	case len(r.Revoke) == 0:
	case r.Lost && listener.Lost != nil:
		c.call(ctx, listener.Lost, r.Revoke)
	default:
		c.call(ctx, listener.Revoked, r.Revoke)
	}
}

// takeOver changes what is read.
func (c *Consumer) takeOver(r *coordinator.Rebalance) {
	if !r.Back && (r.Given || r.Lost) { // somebody else may have had them
		clear(c.stood)
	}
	if len(r.Revoke) > 0 {
		for _, tp := range c.Paused() {
			if slices.Contains(r.Revoke, tp) && !r.Lost {
				c.stood[tp] = true
			}
		}
		for _, tp := range r.Revoke {
			delete(c.auto, tp)
		}
		c.unassign(r.Revoke)
	}
	if len(r.Assign) > 0 {
		c.fetcher.Hold(r.Assign...)
		for _, tp := range r.Assign {
			if c.stood[tp] {
				_ = c.Pause(tp)
			}
		}
	}
	c.group.Held(r.Seq)
}

func (c *Consumer) log(what string, err error) {
	if l := c.set.logger; l != nil {
		l.Warn(what, "group", c.set.group.Group, "err", err)
	}
}

// EnforceRebalance asks the group to divide its partitions anew (KIP-568). With group.protocol=consumer it does nothing: the broker decides.
func (c *Consumer) EnforceRebalance(reason string) error {
	if c.group == nil {
		return fmt.Errorf("enforce a rebalance: %w", errNoGroup)
	}
	c.group.Enforce(reason)
	return nil
}

// GroupMetadata tells who the consumer is in its group.
func (c *Consumer) GroupMetadata() GroupMetadata {
	if c.group == nil {
		return GroupMetadata{Generation: -1}
	}
	return c.group.Identity()
}

// Wakeup makes Poll, or the next step of an iterator, return with ErrWakeup, whether it waits now or is called next. Any goroutine may call it.
func (c *Consumer) Wakeup() {
	c.woken.Store(true)
	c.fetcher.Wake()
}

// Topics asks for the names of all topics that the client may see, internal ones aside.
func (c *Consumer) Topics(ctx context.Context) ([]string, error) {
	req := &msg.MetadataRequest{}
	req.SetDefaults()
	req.Topics = nil
	reply, err := broker.Call(ctx, c.client.system.Cluster(), broker.Route{Req: req, Fit: func(version int16, _ protocol.Request) error {
		if version == 0 {
			req.Topics = []msg.MetadataRequestMetadataRequestTopic{}
		}
		return nil
	}})
	if err != nil {
		return nil, public(err)
	}
	var names []string
	resp := reply.Resp.(*msg.MetadataResponse)
	for i := range resp.Topics {
		if t := &resp.Topics[i]; t.Name != nil && t.ErrorCode == 0 && !t.IsInternal {
			names = append(names, *t.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// hand is what the application is at: a record, or a batch.
type hand struct {
	TopicPartition
	from   int64 // below is finished
	epoch  int32 // of the record before from
	topic  wire.UUID
	each   bool // the position is one behind the record at hand
	sought bool // it was moved since: what was read counts no more
}

// take waits for the next chunk, and meanwhile does what the group wants done.
func (c *Consumer) take(ctx context.Context) (*fetcher.Chunk, error) {
	if c.work.Load() != nil {
		return nil, errHandling
	}
	for {
		if c.woken.CompareAndSwap(true, false) {
			return nil, ErrWakeup
		}
		if c.group != nil {
			if err := c.tend(ctx); err != nil {
				return nil, err
			}
		}
		if c.fetcher.Moved() {
			if err := c.moved(ctx); err != nil {
				return nil, err
			}
		}
		k, err := c.fetcher.Ready()
		if k != nil || err != nil {
			return k, err
		}
		if err := c.rest(ctx); err != nil {
			return nil, err
		}
	}
}

// moved tells of positions that were reset, and commits them.
func (c *Consumer) moved(ctx context.Context) error {
	hand := c.hand.Swap(nil)
	defer c.hand.Store(hand)
	if err := c.turn.take(ctx, "poll"); err != nil {
		return err
	}
	defer c.turn.give()
	resets := c.fetcher.Resets()
	if w := c.work.Load(); w != nil {
		for _, r := range resets {
			w.back(r.TopicPartition, r.To)
		}
	}
	each(func() {
		for _, r := range resets {
			if c.set.onReset != nil {
				c.application(func() { c.set.onReset(r) })
			}
		}
	}, func() {
		if c.group != nil && c.set.group.AutoCommit {
			c.autoCommit()
		}
	})
	return nil
}

// rest waits until something has come.
func (c *Consumer) rest(ctx context.Context) error {
	if c.group == nil {
		return c.fetcher.Wait(ctx)
	}
	c.group.Waiting(true)
	defer c.group.Waiting(false)
	return c.fetcher.Wait(ctx)
}

// members are a client's consumers that have a group.
type members struct {
	mu   sync.Mutex
	list []*Consumer
}

func (m *members) add(k *Consumer) {
	m.mu.Lock()
	m.list = append(m.list, k)
	m.mu.Unlock()
}

func (m *members) remove(k *Consumer) {
	m.mu.Lock()
	m.list = slices.DeleteFunc(m.list, func(o *Consumer) bool { return o == k })
	m.mu.Unlock()
}

// close closes all.
func (m *members) close(ctx context.Context) (err error) {
	m.mu.Lock()
	list := slices.Clone(m.list)
	m.mu.Unlock()
	for _, k := range list {
		err = errors.Join(err, k.Close(ctx))
	}
	return err
}
