package plan

import (
	"errors"
	"fmt"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/trouble"
	"github.com/kactor-go/kactor/protocol/wire"
)

// errNoEnd says that a broker knows of no end of a log.
var errNoEnd = errors.New("the broker's answer has no offset")

// Timestamps of ListOffsets that ask for a place.
const (
	latest   = -1
	earliest = -2
)

// lastOf gives the offset and the epoch of the last whole batch before any that cannot be.
func lastOf(raw []byte) (offset int64, epoch int32, ok bool) {
	epoch = -1
	for len(raw) > 0 {
		b, rest, whole, err := record.Next(raw)
		if err != nil || !whole || b.CheckOffsets() != nil {
			break
		}
		offset, epoch, ok, raw = b.LastOffset(), b.LeaderEpoch, true, rest
	}
	return offset, epoch, ok
}

// driveQueries asks for the offsets of partitions that reset, and for the ends of epochs of those that are checked.
func (c *Core) driveQueries(now time.Time, out *Effects) {
	var lists, checks []*Query
	for _, p := range c.parts {
		if p.asked || p.state != Resetting && p.state != Validating || p.waits() {
			continue
		}
		if p.state == Resetting && p.start.Offset == AtDefault && !p.start.ByTime && c.cfg.Policy == ResetNone {
			c.fail(now, p, ErrNoOffset, out)
			continue
		}
		node, epoch, ok := c.leader(now, p, out)
		if !ok {
			continue
		}
		if until, waits := c.line(node).queries.Waits(now); waits && p.hampered() {
			c.at(until)
			continue
		}
		p.asked = true
		q := QueryPart{TopicPartition: p.TopicPartition, Gen: p.gen, LeaderEpoch: epoch, LastEpoch: p.lastEpoch, life: p.life}
		if p.state == Resetting {
			q.Timestamp = c.timestamp(now, p)
			lists = add(lists, now, node, q)
		} else {
			checks = add(checks, now, node, q)
		}
	}
	out.List = append(out.List, lists...)
	out.Check = append(out.Check, checks...)
}

func add(queries []*Query, now time.Time, node int32, p QueryPart) []*Query {
	for _, q := range queries {
		if q.Node == node {
			q.Parts = append(q.Parts, p)
			return queries
		}
	}
	return append(queries, &Query{Node: node, Parts: []QueryPart{p}, asked: now})
}

func (c *Core) timestamp(now time.Time, p *part) int64 {
	switch {
	case p.start.ByTime:
		return p.start.Time
	case p.start.Offset == AtEnd:
		return latest
	case p.start.Offset == AtStart:
		return earliest
	case c.cfg.Policy == ResetEarliest:
		return earliest
	case c.cfg.Policy == ResetDuration:
		return max(now.Add(-c.cfg.Duration).UnixMilli(), 0)
	}
	return latest
}

// outOfRange begins a reset, or tells the application.
func (c *Core) outOfRange(now time.Time, p *part, why string, out *Effects) {
	if c.cfg.Policy == ResetNone {
		c.fail(now, p, fmt.Errorf("%w: %s", protocol.OffsetOutOfRange, why), out)
		return
	}
	c.lapse(now, p, protocol.OffsetOutOfRange, out)
	p.become(Resetting)
	p.doubt = false
	p.start, p.policy, p.why = Start{TopicPartition: p.TopicPartition, Gen: p.gen, Offset: AtDefault, Epoch: -1}, true, why
	out.Places = append(out.Places, Place{TopicPartition: p.TopicPartition, Gen: p.gen, Position: -1, HighWater: -1, Why: why, Quiet: p.quiet})
}

// renewed deals with a topic that was deleted and created again: its epochs begin anew, and a position in the old log is none in the new one, even if there is such an offset.
func (c *Core) renewed(now time.Time, p *part, id wire.UUID, out *Effects) {
	p.topic, p.epoch, p.replica, p.logStart = id, -1, cluster.NoNode, -1
	p.moveTo(p.offset, -1)
	p.life++
	p.asked, p.flight = false, nil // answers are to questions about the old one
	p.stale, p.lapsed, p.trouble = 0, false, trouble.State{}
	if p.state == Fetching || p.state == Validating {
		c.outOfRange(now, p, fmt.Sprintf("the topic was created again, offset %d was in the old one", p.offset), out)
	}
}

// truncated deals with a log that has lost what was read: under a reset policy reading goes on where the log agrees, without one the application is told.
func (c *Core) truncated(now time.Time, p *part, end int64, epoch int32, out *Effects) {
	t := &Truncation{Position: p.offset, Divergent: end, Epoch: epoch}
	if c.cfg.Policy == ResetNone {
		c.fail(now, p, t, out)
		return
	}
	why := fmt.Sprintf("the log was truncated: offset %d does not exist any more, it agrees up to %d", p.offset, end)
	c.lapse(now, p, protocol.OffsetOutOfRange, out)
	from := p.offset
	if epoch < 0 || p.epoch >= 0 && epoch > p.epoch {
		epoch = -1
	}
	p.moveTo(min(p.offset, end), epoch)
	c.sent(now, p, from, p.offset)
	out.Places = append(out.Places, Place{TopicPartition: p.TopicPartition, Gen: p.gen, Position: p.offset, HighWater: -1, Why: why, Quiet: p.quiet, Reset: true, From: from})
}

func (c *Core) listed(now time.Time, m *Listed, out *Effects) {
	found := 0
	defer func() { c.answered(m.Query, found > 0) }()
	answers := Answers(m.Resp, m.Query.index())
	for i, q := range m.Query.Parts {
		p := c.part(q.TopicPartition, q.Gen)
		if p == nil || p.life != q.life || p.state != Resetting || !p.asked {
			continue
		}
		if p.asked = false; c.astray(p) {
			continue
		}
		if m.Err != nil {
			kind := trouble.Passing
			if m.Fatal {
				kind = trouble.Lasting
			}
			c.refresh(p.Topic, "a request for offsets failed", out)
			c.troubled(now, p, kind, m.Err, out)
			continue
		}
		if answers[i] == nil {
			c.hindered(now, p, errLeftOut, out)
			continue
		}
		if c.resolve(now, p, &q, answers[i], m.Version, out) {
			found++
		} else {
			p.pace.Vain(m.Query.asked, c.backoff())
		}
	}
}

// index gives the place of each partition in the query.
func (q *Query) index() map[cluster.TopicPartition]int {
	at := make(map[cluster.TopicPartition]int, len(q.Parts))
	for i := range q.Parts {
		at[q.Parts[i].TopicPartition] = i
	}
	return at
}

// answered notes what the answer to a query is worth.
func (c *Core) answered(q *Query, good bool) {
	if l := c.line(q.Node); good {
		l.queries.Forward()
	} else {
		l.queries.Vain(q.asked, c.backoff())
	}
}

// resolve begins to fetch where the answer says. It returns false if that is nowhere.
func (c *Core) resolve(now time.Time, p *part, q *QueryPart, a *msg.ListOffsetsResponseListOffsetsPartitionResponse, version int16, out *Effects) bool {
	code := protocol.Code(a.ErrorCode)
	if code != protocol.None {
		if kindOf(code) == trouble.Passing {
			c.refresh(p.Topic, code.Name(), out)
		}
		c.hindered(now, p, code, out)
		return false
	}
	offset, epoch, err := Offset(a, version, q.LeaderEpoch)
	if err == nil && offset < 0 && q.Timestamp == latest {
		err = errNoEnd
	}
	switch {
	case err != nil:
		c.troubled(now, p, trouble.Twice, err, out)
		return false
	case offset < 0: // nothing is as new as the time asked for: that is the end
		p.start = Start{TopicPartition: p.TopicPartition, Gen: p.gen, Offset: AtEnd, Epoch: -1}
		return true
	}
	p.settled()
	place := Place{TopicPartition: p.TopicPartition, Gen: p.gen, Position: offset, Topic: p.topic, HighWater: -1}
	if p.policy {
		place.Reset, place.From, place.Why, place.Quiet = true, p.offset, p.why, p.quiet
		c.sent(now, p, p.offset, offset)
	}
	p.epoch = q.LeaderEpoch
	p.moveTo(place.Position, epoch)
	p.become(Fetching)
	out.Places = append(out.Places, place)
	return true
}

// Answers gives the answer for each partition of which at has the place; nil: there is none. An answer is looked through once, however large.
func Answers(m *msg.ListOffsetsResponse, at map[cluster.TopicPartition]int) []*msg.ListOffsetsResponseListOffsetsPartitionResponse {
	out := make([]*msg.ListOffsetsResponseListOffsetsPartitionResponse, len(at))
	if m == nil {
		return out
	}
	for i := range m.Topics {
		t := &m.Topics[i]
		for k := range t.Partitions {
			if n, asked := at[cluster.TopicPartition{Topic: t.Name, Partition: t.Partitions[k].PartitionIndex}]; asked && out[n] == nil {
				out[n] = &t.Partitions[k]
			}
		}
	}
	return out
}

// Offset gives the offset of an answer without an error to ListOffsets, -1 if there is none, and the leader epoch of the record there; -1 where the broker does not tell it, or if it is newer than leader, the epoch of the leader that
// was asked, which cannot be. leader is -1 where it is not known.
func Offset(a *msg.ListOffsetsResponseListOffsetsPartitionResponse, version int16, leader int32) (offset int64, epoch int32, err error) {
	offset, epoch = a.Offset, -1
	if version == 0 {
		offset = -1
		if len(a.OldStyleOffsets) > 0 {
			offset = a.OldStyleOffsets[0]
		}
	}
	if offset < -1 || offset > record.MaxOffset+1 {
		return -1, -1, fmt.Errorf("the broker answers with offset %d, which is none", offset)
	}
	if version >= 4 && offset >= 0 && (leader < 0 || a.LeaderEpoch <= leader) {
		epoch = max(a.LeaderEpoch, -1)
	}
	return offset, epoch, nil
}

// checked compares where the log's epochs end with what was read (KIP-320).
func (c *Core) checked(now time.Time, m *Checked, out *Effects) {
	found := 0
	defer func() { c.answered(m.Query, found > 0) }()
	answers := m.answers()
	for i, q := range m.Query.Parts {
		p := c.part(q.TopicPartition, q.Gen)
		if p == nil || p.life != q.life || p.state != Validating || !p.asked {
			continue
		}
		if p.asked = false; c.astray(p) {
			continue
		}
		if m.Err != nil {
			if m.Fatal { // an old broker cannot be asked
				p.become(Fetching)
				found++
				continue
			}
			c.refresh(p.Topic, "a request for epochs failed", out)
			c.hindered(now, p, m.Err, out)
			continue
		}
		switch {
		case answers[i] == nil:
			c.hindered(now, p, errLeftOut, out)
		case c.compare(now, p, q.LastEpoch, answers[i], out):
			found++
		default:
			p.pace.Vain(m.Query.asked, c.backoff())
		}
	}
}

// answers gives the answer for each partition of the query; nil: there is none.
func (m *Checked) answers() []*msg.OffsetForLeaderEpochResponseEpochEndOffset {
	out := make([]*msg.OffsetForLeaderEpochResponseEpochEndOffset, len(m.Query.Parts))
	if m.Err != nil {
		return out
	}
	at := m.Query.index()
	for i := range m.Resp.Topics {
		t := &m.Resp.Topics[i]
		for k := range t.Partitions {
			if n, asked := at[cluster.TopicPartition{Topic: t.Topic, Partition: t.Partitions[k].Partition}]; asked && out[n] == nil {
				out[n] = &t.Partitions[k]
			}
		}
	}
	return out
}

// compare holds the end of an epoch against the position, and tells whether that holds good. epoch is what was asked for; it is not what is known by now if the batch that it was of was damaged.
func (c *Core) compare(now time.Time, p *part, epoch int32, a *msg.OffsetForLeaderEpochResponseEpochEndOffset, out *Effects) bool {
	switch code := protocol.Code(a.ErrorCode); {
	case code != protocol.None:
		if kindOf(code) == trouble.Passing {
			c.refresh(p.Topic, code.Name(), out)
		}
		p.epoch = -1
		p.become(Fetching)
		c.hindered(now, p, code, out)
	case a.EndOffset < p.offset && (p.doubtful() || epoch != p.lastEpoch || p.second()): // it is asked again
	case a.EndOffset < 0: // nothing is known of the epoch: as if all were lost
		p.become(Fetching)
		c.outOfRange(now, p, fmt.Sprintf("offset %d is out of range", p.offset), out)
	case a.EndOffset < p.offset:
		p.become(Fetching)
		c.truncated(now, p, a.EndOffset, a.LeaderEpoch, out)
	default:
		p.become(Fetching)
		p.settled()
		return true
	}
	return false
}
