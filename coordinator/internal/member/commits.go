package member

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/printable"
	"github.com/kactor-go/kactor/protocol/trouble"
	"github.com/kactor-go/kactor/protocol/wire"
)

// commits are offsets on their way to the coordinator. One request is under way at a time, so that what was committed later is written later, also when another broker has become the coordinator and the request is
// repeated there. What has piled up meanwhile goes together, of each partition the latest.
type commits struct {
	list     []*Commit // whose outcome is not told, in their order
	flight   *Call
	retryAt  time.Time // of the coordinator's trouble, which all have
	failures int
	lastErr  error // of those
	pace     trouble.Pace
	troubles map[Partition]*trouble.State // of one partition, which holds up no other
}

// sent is an offset in a request.
type sent struct {
	Offset
	id wire.UUID // that it was sent under
}

// absentAfter is how many times the coordinator must not know a topic, and the metadata neither, until there is none: a broker may hear of a new topic late.
const absentAfter = 3

// begin takes the offsets. Those that name no topic are of the ones that the group has given.
func (m *Commit) begin(ids map[string]wire.UUID) {
	m.left, m.fresh = slices.Clone(m.Offsets), true
	for i := range m.left {
		if k := &m.left[i]; k.TopicID == (wire.UUID{}) {
			k.TopicID = ids[k.Topic]
		}
	}
}

// settle ends those offsets of the commit that have an end. Of several errors one is told, rather another than that a topic is gone.
func (m *Commit) settle(end func(Offset) (err error, ended bool)) {
	m.left = slices.DeleteFunc(m.left, func(k Offset) bool {
		err, ended := end(k)
		if ended && err != nil && (m.err == nil || vanished(m.err) && !vanished(err)) {
			m.err = err
		}
		return ended
	})
}

// abort ends the commit with an error.
func (m *Commit) abort(err error) {
	m.settle(func(Offset) (error, bool) { return err, true })
}

// vanished tells whether an error says that the topic is not there any more.
func vanished(err error) bool {
	return errors.Is(err, protocol.UnknownTopicOrPartition) || errors.Is(err, protocol.UnknownTopicID)
}

// outcomes tells how commits have ended. The ordered ones keep their order.
func (o *commits) outcomes(out *Effects) {
	waits := false
	o.list = slices.DeleteFunc(o.list, func(m *Commit) bool {
		if len(m.left) > 0 || m.Ordered && waits {
			waits = waits || m.Ordered
			return false
		}
		out.Results = append(out.Results, Result{Owner: m.Owner, Err: m.err})
		return true
	})
	if len(o.list) == 0 {
		o.troubles = nil
	}
}

// open tells whether anything has not ended.
func (o *commits) open() bool { return len(o.list) > 0 }

func (o *commits) next() (t time.Time) {
	for _, m := range o.list {
		t = earlier(t, m.Deadline)
		if o.flight != nil {
			continue
		}
		for _, k := range m.left {
			if t = earlier(t, later(o.retryAt, o.due(k.TopicPartition))); len(o.troubles) == 0 {
				break // all the same
			}
		}
	}
	return t
}

// due is when an offset of a partition may be sent; the zero time: at once.
func (o *commits) due(p Partition) time.Time {
	if s := o.troubles[p]; s != nil {
		return s.RetryAt
	}
	return time.Time{}
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func (c *Core) driveCommits(now time.Time, out *Effects) {
	o := &c.commits
	for _, m := range o.list {
		switch {
		case c.state == Failed:
			m.abort(c.err)
		case !now.Before(m.Deadline):
			m.abort(c.late(m))
		}
	}
	o.outcomes(out)
	if o.flight == nil && !now.Before(o.retryAt) {
		c.commit(now, out)
		o.outcomes(out)
	}
}

// late is the error of a commit whose time is over.
func (c *Core) late(m *Commit) error {
	err := fmt.Errorf("commit offsets of group %s: %w", printable.Text(c.cfg.Group), ErrUncommitted)
	for _, k := range m.left {
		if s := c.commits.troubles[k.TopicPartition]; s != nil && s.Err != nil {
			return fmt.Errorf("%w: %s: %w", err, k.TopicPartition, s.Err)
		}
	}
	if o := &c.commits; o.lastErr != nil {
		return fmt.Errorf("%w: %w", err, o.lastErr)
	}
	return err
}

// refusals look at offsets, mostly in the order of their partitions.
type refusals struct {
	c        *Core
	at       int // where among what is owned the next one may be
	topic    string
	id       wire.UUID
	replaced bool // what was found of them
}

// of is why an offset cannot be committed; nil if it can. Of a member only partitions that it owns are committed.
func (r *refusals) of(k *Offset) error {
	c := r.c
	if c.member && (c.generation < 0 || c.leaving == nil && !r.owned(k.TopicPartition)) {
		return c.uncommitted(*k, c.notOwned())
	}
	if r.topic != k.Topic || r.id != k.TopicID || k.Topic == "" {
		r.topic, r.id, r.replaced = k.Topic, k.TopicID, c.replaced(*k)
	}
	if r.replaced {
		return c.uncommitted(*k, errReplaced)
	}
	return nil
}

func (r *refusals) owned(p Partition) bool {
	owned := r.c.owned
	if r.at < len(owned) && owned[r.at] == p {
		r.at++
		return true
	}
	i, found := slices.BinarySearchFunc(owned, p, Partition.Compare)
	r.at = i + 1
	return found
}

// errReplaced says that an offset is of a topic that was deleted, and another one has its name.
var errReplaced = fmt.Errorf("the topic was deleted and created again since it was read: %w", protocol.UnknownTopicID)

func (c *Core) uncommitted(k Offset, why error) error {
	return fmt.Errorf("commit offset %d of %s in group %s: %w", k.Offset, k.TopicPartition, printable.Text(c.cfg.Group), why)
}

// replaced tells whether another topic has the name now, or is the one that is owned. Coordinators before Kafka 4.2 take offsets by name and cannot tell (OffsetCommit 10, KIP-848).
func (c *Core) replaced(k Offset) bool {
	if id, ok := c.ids[k.Topic]; ok && k.TopicID != (wire.UUID{}) && id != k.TopicID {
		return true
	}
	t := c.snap.Topic(k.Topic)
	return t != nil && k.TopicID != (wire.UUID{}) && t.ID != (wire.UUID{}) && t.ID != k.TopicID
}

// MostAsked is for how many partitions the coordinator is asked, or told offsets, in one request: of the others in the next. A broker writes the offsets of a request as one batch, which may have 1 MiB (message.max.bytes).
const MostAsked = 5000

// commit sends what is to be committed.
func (c *Core) commit(now time.Time, out *Effects) {
	o := &c.commits
	latest := map[Partition]sent{}
	call := &Call{Kind: CommitCall, Timeout: c.cfg.RequestTimeout, generation: -1, at: now}
	for _, m := range o.list {
		if len(m.left) == 0 { // its turn to be told has not come
			continue
		}
		if m.fresh { // nothing of a commit is written that is not wholly the member's
			r := refusals{c: c}
			for i := range m.left {
				if err := r.of(&m.left[i]); err != nil && !vanished(err) {
					m.abort(err)
					break
				}
			}
		}
		r := refusals{c: c}
		m.settle(func(k Offset) (error, bool) {
			if _, goes := latest[k.TopicPartition]; !goes && len(latest) == MostAsked {
				return nil, false
			}
			err := r.of(&k)
			if err == nil && !now.Before(o.due(k.TopicPartition)) {
				latest[k.TopicPartition] = sent{Offset: k, id: k.TopicID}
			}
			return err, err != nil
		})
		if m.fresh = false; len(m.left) > 0 {
			call.commits = append(call.commits, m)
		}
	}
	if len(latest) == 0 {
		return
	}
	req := &msg.OffsetCommitRequest{}
	req.SetDefaults()
	req.GroupID, req.GenerationIDOrMemberEpoch = c.cfg.Group, -1
	if c.cfg.Retention > 0 {
		req.RetentionTimeMs = c.cfg.Retention.Milliseconds()
	}
	if c.member {
		req.MemberID, req.GenerationIDOrMemberEpoch, req.GroupInstanceID = c.id, c.generation, pointer(c.cfg.Instance)
	}
	call.Req, call.generation = req, req.GenerationIDOrMemberEpoch
	for p, k := range latest {
		if k.id == (wire.UUID{}) {
			k.id = c.idOf(p.Topic)
		}
		if k.id == (wire.UUID{}) {
			call.Max, call.Capped = 9, true
		}
		call.sent = append(call.sent, k)
	}
	slices.SortFunc(call.sent, func(a, b sent) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), slices.Compare(a.id[:], b.id[:]), cmp.Compare(a.Partition, b.Partition))
	})
	for _, k := range call.sent {
		last := len(req.Topics) - 1
		if last < 0 || req.Topics[last].Name != k.Topic || req.Topics[last].TopicID != k.id {
			req.Topics = append(req.Topics, msg.OffsetCommitRequestOffsetCommitRequestTopic{Name: k.Topic, TopicID: k.id})
			last++
		}
		in := msg.OffsetCommitRequestOffsetCommitRequestPartition{}
		in.SetDefaults()
		in.PartitionIndex, in.CommittedOffset, in.CommittedLeaderEpoch, in.CommittedMetadata = k.Partition, k.Offset.Offset, k.LeaderEpoch.Int(), wire.Ptr(k.Metadata)
		req.Topics[last].Partitions = append(req.Topics[last].Partitions, in)
	}
	o.flight = call
	out.Calls = append(out.Calls, call)
}

// forsake ends the commits of a membership that is over: in the next one they would be out of date.
func (c *Core) forsake(out *Effects) {
	o := &c.commits
	for _, m := range o.list {
		m.abort(fmt.Errorf("commit offsets of group %s: %w", printable.Text(c.cfg.Group), ErrFenced))
	}
	o.outcomes(out)
	*o = commits{}
}

// joining tells whether the group may be in a new generation already, whose number is on its way.
func (c *Core) joining() bool {
	return c.state == Joining || c.state == Assigning || c.state == Syncing
}

func (c *Core) notOwned() error {
	if c.state == Losing || c.state == Expired || c.generation < 0 {
		return fmt.Errorf("%w: %w", ErrFenced, ErrNotOwned)
	}
	return ErrNotOwned
}

// committed takes the answer to a commit.
func (c *Core) committed(now time.Time, m *Answer, out *Effects) {
	o := &c.commits
	if m.Call != o.flight {
		return
	}
	o.flight = nil
	if m.Unsupported || m.Closed {
		for _, f := range m.Call.commits {
			f.abort(m.Err)
		}
		return
	}
	if m.Err != nil {
		c.recommit(now, m, protocol.None, out)
		return
	}
	codes := commitCodes(m)
	ends := map[Partition]error{}
	worst, lost := protocol.None, false
	for _, k := range m.Call.sent {
		code, answered := codes[k.answered(m.Version)]
		if !answered {
			code = protocol.UnknownServerError
		}
		switch {
		case code == protocol.None:
			ends[k.TopicPartition] = nil
		case again(code), code == protocol.RebalanceInProgress, code == protocol.StaleMemberEpoch,
			code == protocol.IllegalGeneration && c.generation >= 0 && (m.Call.generation != c.generation || c.joining()):
			worst = code
		case vanished(code):
			c.unknown(now, k, code, ends, out)
		case code == protocol.UnknownMemberID, code == protocol.IllegalGeneration, code == protocol.FencedMemberEpoch, code == protocol.FencedInstanceID:
			lost = true
			ends[k.TopicPartition] = c.uncommitted(k.Offset, fmt.Errorf("%w: %w", ErrFenced, code))
		default:
			ends[k.TopicPartition] = c.uncommitted(k.Offset, code)
		}
	}
	for _, f := range m.Call.commits { // of what was committed earlier the later one is the outcome, too
		f.settle(func(k Offset) (error, bool) {
			err, ended := ends[k.TopicPartition]
			return err, ended
		})
	}
	for p := range ends {
		delete(o.troubles, p)
	}
	if len(ends) > 0 {
		o.pace.Forward()
	}
	if worst != protocol.None {
		c.recommit(now, m, worst, out)
	} else {
		o.failures, o.lastErr = 0, nil
	}
	o.outcomes(out)
	if lost && m.Call.generation == c.generation && c.generation >= 0 && c.leaving == nil && c.state != Losing && c.state != Expired && c.state != Failed && !c.joining() {
		c.restless(now, m.Call)
		c.outdated(protocol.IllegalGeneration, out)
	}
}

// recommit puts everything off that is not settled: the coordinator has trouble. When another broker is it, there is nothing to wait for.
func (c *Core) recommit(now time.Time, m *Answer, code protocol.Code, out *Effects) {
	o := &c.commits
	if m.Moved {
		o.retryAt = vainly(&o.pace, m.Call)
		return
	}
	out.Forget = out.Forget || m.Err != nil || elsewhere(code)
	o.failures++
	if o.lastErr = m.Err; m.Err == nil {
		o.lastErr = code
	}
	o.retryAt = now.Add(c.backoff().After(o.failures))
}

// unknown deals with a topic that the coordinator does not know. It is tried again until the metadata agrees: a topic that is gone, or is another one now, holds up nobody for longer.
func (c *Core) unknown(now time.Time, k sent, code protocol.Code, ends map[Partition]error, out *Effects) {
	if c.replaced(k.Offset) {
		ends[k.TopicPartition] = c.uncommitted(k.Offset, errReplaced)
		return
	}
	o := &c.commits
	s := o.troubles[k.TopicPartition]
	if s == nil {
		s = &trouble.State{}
		if o.troubles == nil {
			o.troubles = map[Partition]*trouble.State{}
		}
		o.troubles[k.TopicPartition] = s
	}
	s.Met(now, trouble.Passing, code, c.backoff())
	if t := c.snap.Topic(k.Topic); s.Fails >= absentAfter && (t == nil || vanished(t.Err)) {
		ends[k.TopicPartition] = c.uncommitted(k.Offset, code)
		return
	}
	out.Refresh = append(out.Refresh, k.Topic)
}

func (c *Core) backoff() trouble.Backoff {
	return trouble.Backoff{First: c.cfg.BackoffFirst, Max: c.cfg.BackoffMax}
}

// answered is what an answer names a partition by: the topic's name, and from version 10 on its id.
type answered struct {
	topic     string
	id        wire.UUID
	partition int32
}

func (k sent) answered(version int16) answered {
	if version >= 10 {
		return answered{id: k.id, partition: k.Partition}
	}
	return answered{topic: k.Topic, partition: k.Partition}
}

func commitCodes(m *Answer) map[answered]protocol.Code {
	codes := map[answered]protocol.Code{}
	resp, ok := m.Resp.(*msg.OffsetCommitResponse)
	if !ok {
		return codes
	}
	for i := range resp.Topics {
		t := &resp.Topics[i]
		for _, p := range t.Partitions {
			a := answered{topic: t.Name, partition: p.PartitionIndex}
			if m.Version >= 10 {
				a = answered{id: t.TopicID, partition: p.PartitionIndex}
			}
			codes[a] = protocol.Code(p.ErrorCode)
		}
	}
	return codes
}
