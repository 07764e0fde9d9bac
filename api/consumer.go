package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/coordinator"
	"github.com/kactor-go/kactor/fetcher"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/printable"
	"github.com/kactor-go/kactor/protocol/trouble"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Places to seek to, besides offsets.
const (
	AtEnd   = fetcher.AtEnd
	AtStart = fetcher.AtStart
)

// OffsetAt is the answer to a question for an offset.
type OffsetAt = fetcher.OffsetAt

// Consumer reads topics as a member of a group (Subscribe), or partitions that it is given (Assign). Poll, Records, Batches and Handle are for one goroutine at a time: another that calls one of them meanwhile is told
// ErrConcurrent. Everything else may be called by any.
//
// With enable.auto.commit it commits from time to time what the application has finished: what Poll returned when Poll is called again or the consumer is closed, a record of Records and a batch of
// Batches when the loop goes on to the next one. A record whose loop was left with break is not committed automatically.
type Consumer struct {
	client  *Client
	fetcher *fetcher.Fetcher
	group   *coordinator.Coordinator // without a group, too: it tells what there is of the topics that are subscribed to
	world   role.World
	poll    int
	set     *settings

	reader      reader
	named       sync.Mutex // of the next three
	topics      []string   // or patterns
	matches     bool       // there are patterns
	listener    RebalanceListener
	turn        turn                     // of what follows; had while a rebalance is dealt with, but not while the application handles records
	mode        atomic.Uint32            // what is read without the turn is atomic
	stood       map[TopicPartition]bool  // partitions that were paused when they were given up
	auto        map[TopicPartition]*auto // committed automatically
	others      atomic.Uint64            // how many commits were made that are not automatic: what was committed before them may be what is committed no more
	autoTrouble trouble.State
	giving      atomic.Pointer[giving] // a rebalance that was begun
	fatal       atomic.Pointer[coordinator.Fatal]
	calling     atomic.Bool // the listener
	hand        atomic.Pointer[hand]
	work        atomic.Pointer[work] // a Handle that runs
	handles     atomic.Uint32        // how many have begun
	woken       atomic.Bool
	troubles    atomic.Pointer[[]error] // that are yet to be told
	closed      atomic.Bool
}

// Consumer makes a consumer of a group; "" takes the property group.id, and without that too it has none: it reads all partitions of the
// topics that it subscribes to, also those that are added, or what it is given with Assign; it begins where auto.offset.reset says and commits nothing. Options given here hold for it alone.
func (c *Client) Consumer(group string, opts ...ConsumerOption) (*Consumer, error) {
	s, err := with(c, ofConsumer, opts)
	if err != nil {
		return nil, err
	}
	if group != "" {
		if err := wire.CheckText(group); err != nil {
			return nil, fmt.Errorf("group.id: %w", err)
		}
		s.group.Group = group
		s.hold("group.id", group)
	}
	s.fetcher.MaxBytes = min(s.fetcher.MaxBytes, c.settings.largest()-around)
	f, err := c.system.Fetcher(s.fetcher)
	if err != nil {
		return nil, public(err)
	}
	k := &Consumer{client: c, fetcher: f, world: c.system.World(), turn: turn{world: c.system.World()}, poll: s.poll, set: s, listener: s.listener, stood: map[TopicPartition]bool{}, auto: map[TopicPartition]*auto{}}
	if k.group, err = c.system.Coordinator(f, s.group); err != nil {
		return nil, public(err)
	}
	c.members.add(k)
	if len(s.topics) > 0 {
		if err := k.Subscribe(s.topics...); err != nil {
			_ = k.Shutdown(context.Background())
			return nil, err
		}
	}
	return k, nil
}

// byHand tells whether partitions may be assigned by hand. Within the listener the incremental calls do nothing: the consumer does it.
func (c *Consumer) byHand(what string) error {
	if err := c.turn.take(context.Background(), what); err != nil {
		return err
	}
	defer c.turn.give()
	if c.mode.Load() == subscribed {
		return fmt.Errorf("%s: %w: topics are subscribed to, the group assigns their partitions", what, ErrIllegalState)
	}
	if c.mode.Load() == free && c.grouped() {
		c.group.Manual()
	}
	c.mode.Store(assigned)
	return nil
}

// Assign reads these partitions and no others. A partition that was assigned keeps its position; a new one begins at the group's committed offset, and without one where auto.offset.reset says.
func (c *Consumer) Assign(parts ...TopicPartition) error {
	if err := check(parts); err != nil {
		return err
	}
	if err := c.byHand("assign"); err != nil {
		return err
	}
	var gone []TopicPartition
	have, wanted := c.fetcher.Assignment(), among(parts)
	for _, tp := range have {
		if !wanted[tp] {
			gone = append(gone, tp)
		}
	}
	c.unassign(gone)
	return c.begin(parts, have, fetcher.AtDefault)
}

// AssignAt adds a partition that begins at an offset, AtStart or AtEnd.
func (c *Consumer) AssignAt(offset int64, parts ...TopicPartition) error {
	if err := check(parts); err != nil {
		return err
	}
	if offset < AtStart {
		return fmt.Errorf("assign: %d is no offset", offset)
	}
	if err := c.byHand("assign"); err != nil {
		return err
	}
	return c.begin(parts, c.fetcher.Assignment(), offset)
}

// IncrementalAssign adds partitions. A listener may call it with what it was given; it changes nothing then.
func (c *Consumer) IncrementalAssign(parts ...TopicPartition) error {
	if err := check(parts); err != nil {
		return err
	}
	if c.calling.Load() {
		return c.inListener("assign", parts)
	}
	if err := c.byHand("assign"); err != nil {
		return err
	}
	return c.begin(parts, c.fetcher.Assignment(), fetcher.AtDefault)
}

// among tells whether a partition is one of these.
func among(parts []TopicPartition) map[TopicPartition]bool {
	set := make(map[TopicPartition]bool, len(parts))
	for _, tp := range parts {
		set[tp] = true
	}
	return set
}

func (c *Consumer) begin(parts, have []TopicPartition, offset int64) error {
	had := among(have)
	if c.grouped() && offset == fetcher.AtDefault {
		fresh := slices.DeleteFunc(slices.Clone(parts), func(tp TopicPartition) bool { return had[tp] })
		if len(fresh) > 0 {
			c.fetcher.Hold(nil, fresh...)
			c.group.Begin(fresh...)
		}
		return nil
	}
	var starts []fetcher.Begin
	for _, tp := range parts {
		if !had[tp] {
			starts = append(starts, fetcher.Begin{TopicPartition: tp, Offset: offset})
		}
	}
	if len(starts) > 0 {
		c.fetcher.Assign(starts...)
	}
	return nil
}

func check(parts []TopicPartition) error {
	for _, tp := range parts {
		if tp.Topic == "" || tp.Partition < 0 {
			return fmt.Errorf("assign: %s is no partition", tp)
		}
	}
	return nil
}

// inListener holds what a listener assigns or unassigns against what the consumer has.
func (c *Consumer) inListener(what string, parts []TopicPartition) error {
	have := among(c.fetcher.Assignment())
	for _, tp := range parts {
		if !have[tp] {
			return fmt.Errorf("%s %s: %w: the group has not given it", what, tp, ErrIllegalState)
		}
	}
	return nil
}

// Unassign ends the reading of partitions that were assigned by hand. A listener may call it with what it gives up; it changes nothing then.
func (c *Consumer) Unassign(parts ...TopicPartition) error {
	if c.calling.Load() {
		return c.inListener("unassign", parts)
	}
	if err := c.byHand("unassign"); err != nil {
		return err
	}
	c.unassign(parts)
	return nil
}

// unassign ends the reading of partitions, and the handling of what was read.
func (c *Consumer) unassign(parts []TopicPartition) {
	if len(parts) > 0 {
		c.fetcher.Unassign(parts...)
		if c.grouped() {
			c.group.Forgo(parts...)
		}
	}
	if w := c.work.Load(); w != nil {
		w.drop(parts)
	}
}

// Assignment gives the partitions that are assigned, in order.
func (c *Consumer) Assignment() []TopicPartition { return c.fetcher.Assignment() }

// Seek moves a partition to an offset, AtStart or AtEnd.
func (c *Consumer) Seek(tp TopicPartition, offset int64) error {
	if offset < AtStart { // the fetcher has marks of its own
		return fmt.Errorf("seek %s: %d is no offset", tp, offset)
	}
	return c.seek(fetcher.Begin{TopicPartition: tp, Offset: offset})
}

// seek moves partitions. What Handle has read of them and not begun is forgotten: else it would be gone back to when Handle ends, and committed up to.
func (c *Consumer) seek(starts ...fetcher.Begin) error {
	w := c.work.Load()
	if w == nil {
		return c.fetcher.Seek(starts...)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := c.fetcher.Seek(starts...); err != nil {
		return err
	}
	for _, s := range starts {
		w.core.Drop(s.TopicPartition)
		if w.taking != nil && w.taking.TopicPartition == s.TopicPartition {
			w.taking.sought = true
		}
	}
	c.fetcher.Wake() // it may have waited for room, or for a time
	return nil
}

// SeekTo moves a partition to an offset that was committed or kept. If it has a leader epoch, a log that has lost what was before it since is found out (KIP-320).
func (c *Consumer) SeekTo(o OffsetAndMetadata) error {
	if err := checkOffsets([]OffsetAndMetadata{o}); err != nil {
		return err
	}
	return c.seek(fetcher.Begin{TopicPartition: o.TopicPartition, Offset: o.Offset, Epoch: o.LeaderEpoch.Int() + 1})
}

// SeekBy moves a partition by so many offsets, back or forth, but not beyond what its leader has told of its log. It waits until the position is known.
func (c *Consumer) SeekBy(ctx context.Context, tp TopicPartition, by int64) error {
	at, err := c.Position(ctx, tp)
	if err != nil {
		return err
	}
	to := max(at+by, 0)
	if by > 0 && at+by < at {
		to = math.MaxInt64
	}
	if w, ok := c.Watermarks(tp); ok && w.High >= 0 {
		to = min(max(to, w.Start), max(w.High, at))
	}
	return c.Seek(tp, to)
}

// SeekToTime moves a partition to the first record of that time or later; to the end if there is none. A time before 1970 is that of the first record.
func (c *Consumer) SeekToTime(tp TopicPartition, at time.Time) error {
	return c.seek(fetcher.Begin{TopicPartition: tp, Time: time.UnixMilli(fetcher.Timestamp(at))})
}

// SeekToBeginning moves partitions to their first record; without any, all that are assigned.
func (c *Consumer) SeekToBeginning(parts ...TopicPartition) error { return c.seekAll(AtStart, parts) }

// SeekToEnd moves partitions behind their last record; without any, all that are assigned.
func (c *Consumer) SeekToEnd(parts ...TopicPartition) error { return c.seekAll(AtEnd, parts) }

func (c *Consumer) seekAll(offset int64, parts []TopicPartition) error {
	if len(parts) == 0 {
		parts = c.Assignment()
	}
	var starts []fetcher.Begin
	for _, tp := range parts {
		starts = append(starts, fetcher.Begin{TopicPartition: tp, Offset: offset})
	}
	return c.seek(starts...)
}

// Pause stops the reading of partitions: after it nothing of them is given out.
func (c *Consumer) Pause(parts ...TopicPartition) error {
	return c.paused(parts, c.fetcher.Pause(parts...))
}

// Resume lets paused partitions go on.
func (c *Consumer) Resume(parts ...TopicPartition) error {
	return c.paused(parts, c.fetcher.Resume(parts...))
}

// paused lets Handle know of partitions that were paused or resumed.
func (c *Consumer) paused(parts []TopicPartition, err error) error {
	if w := c.work.Load(); w != nil && err == nil {
		w.heed(parts)
	}
	return err
}

// Paused gives the partitions that are paused, in order.
func (c *Consumer) Paused() []TopicPartition { return c.fetcher.Paused() }

// Position gives the offset of the record that is read next, and waits until it is known.
func (c *Consumer) Position(ctx context.Context, tp TopicPartition) (int64, error) {
	n, err := c.fetcher.Position(ctx, tp)
	return n, public(err)
}

// Lag is how many offsets lie between the position and the end; -1: not known yet. It asks nobody.
func (c *Consumer) Lag(tp TopicPartition) int64 { return c.fetcher.Lag(tp) }

// Watermarks gives what the brokers said last of a partition, without asking; ok is false if it is not assigned.
func (c *Consumer) Watermarks(tp TopicPartition) (w fetcher.Watermarks, ok bool) {
	return c.fetcher.Watermarks(tp)
}

// offsets asks the leaders for offsets: AtStart, or AtEnd.
func (c *Consumer) offsets(ctx context.Context, at int64, parts []TopicPartition) (map[TopicPartition]int64, error) {
	what := map[cluster.TopicPartition]int64{}
	for _, tp := range parts {
		what[tp] = at
	}
	got, err := c.ask(ctx, what)
	out := map[TopicPartition]int64{}
	for tp, o := range got {
		out[tp] = o.Offset
	}
	return out, err
}

// BeginningOffsets asks for the offsets of the first records. A partition that has no leader, or that there is not, is asked for again as long as ctx lasts, and at most default.api.timeout.ms. If some have no answer by then
// the error is a *PartitionErrors, which tells why for each of them, and the map has the answers of the others.
func (c *Consumer) BeginningOffsets(ctx context.Context, parts ...TopicPartition) (map[TopicPartition]int64, error) {
	return c.offsets(ctx, AtStart, parts)
}

// EndOffsets asks for the offsets behind the last records. It waits, and tells of partitions that have no answer, as BeginningOffsets does.
func (c *Consumer) EndOffsets(ctx context.Context, parts ...TopicPartition) (map[TopicPartition]int64, error) {
	return c.offsets(ctx, AtEnd, parts)
}

// OffsetsForTimes asks for the first record of a time or later in each partition; Offset -1 where there is none. A time before 1970 is that of the first record. It waits, and tells of partitions that have no answer, as
// BeginningOffsets does.
func (c *Consumer) OffsetsForTimes(ctx context.Context, times map[TopicPartition]time.Time) (map[TopicPartition]OffsetAt, error) {
	what := map[cluster.TopicPartition]int64{}
	for tp, at := range times {
		what[tp] = fetcher.Timestamp(at)
	}
	return c.ask(ctx, what)
}

func (c *Consumer) ask(ctx context.Context, what map[TopicPartition]int64) (map[TopicPartition]OffsetAt, error) {
	got, err := fetcher.Offsets(ctx, c.client.system.Cluster(), c.set.group.Timeout, c.set.fetcher.Committed, what)
	var some *PartitionErrors
	if errors.As(err, &some) {
		for tp, err := range some.Errors {
			if some.Errors[tp] = public(err); errors.Is(err, protocol.UnknownTopicOrPartition) {
				some.Errors[tp] = &mapped{some.Errors[tp], ErrUnknownTopic}
			}
		}
	}
	return got, err
}

// Partitions asks for the partitions of a topic.
func (c *Consumer) Partitions(ctx context.Context, topic string) ([]cluster.Partition, error) {
	snap, err := broker.Metadata(ctx, c.client.system.Cluster(), topic)
	if err != nil {
		return nil, public(err)
	}
	t := snap.Topic(topic)
	switch {
	case t == nil:
		return nil, fmt.Errorf("topic %s: %w", printable.Text(topic), ErrUnknownTopic)
	case t.Err != protocol.None:
		return nil, fmt.Errorf("topic %s: %w", printable.Text(topic), t.Err)
	}
	return t.Partitions, nil
}

// Close is [Consumer.Shutdown] within close.timeout.ms, 10 s by default.
func (c *Consumer) Close() error {
	return within(c.world, c.set.closing, func(ctx context.Context) error { return c.Shutdown(ctx) })
}

// Shutdown ends the consumer. As a member of a group it waits for handlers that run, commits what is finished (unless enable.auto.commit is false), calls [RebalanceListener].OnRevoked, waits for commits that are under way, and leaves the
// group; an eighth of ctx's time is kept for leaving. It returns when all this is done, at the latest shortly after ctx has ended. Without a deadline the commit is repeated for session.timeout.ms. The functions of CommitAsync that
// have not been called yet are called before Shutdown returns, also when there was no time for the outcome. Poll, Records and Batches of other goroutines return.
//
// Any goroutine may call it. A listener, the function of a commit, an interceptor's OnCommit, and what Handle calls where it reads (OnConsume, OnHandleError) may not: they are told [ErrIllegalState]. While one of them is being called by
// another goroutine, Shutdown waits for it as long as ctx lasts, and may be called again then.
func (c *Consumer) Shutdown(ctx context.Context, how ...Leaving) error {
	if c.closed.Load() {
		return nil
	}
	if err := c.closable(); err != nil {
		return err
	}
	if w := c.work.Load(); w != nil {
		w.halt(ctx, fetcher.ErrClosed)
	}
	if err := c.turn.take(ctx, "close"); err != nil {
		return err
	}
	defer c.turn.give()
	if c.closed.Swap(true) {
		return nil
	}
	var err error
	each(func() {
		leaving := LeaveDefault
		if len(how) > 0 {
			leaving = how[len(how)-1]
		}
		err = c.letGo(ctx, leaving, true)
	}, func() {
		c.application(func() { each(c.group.Work().Callbacks...) }) // nobody polls any more who would be told how commits have ended
	}, func() {
		c.group.End()
		c.client.members.remove(c)
		err = errors.Join(err, c.fetcher.Close(ctx))
		c.client.system.Sweep()
	})
	return public(err)
}

// closable tells whether the calling goroutine may close the consumer.
func (c *Consumer) closable() error {
	if c.turn.mine() {
		return errReentered("close")
	}
	if w := c.work.Load(); w != nil && w.mine() {
		return fmt.Errorf("close: %w: a function of the application's is being called by Handle, and must return first", ErrIllegalState)
	}
	return nil
}

// Topics asks for the names of all topics that the client may see, internal ones aside.
func (c *Consumer) Topics(ctx context.Context) ([]string, error) {
	found, err := c.client.Admin().DescribeTopics(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for name, t := range found {
		if t.Err == nil && !t.Topic.Internal {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}
