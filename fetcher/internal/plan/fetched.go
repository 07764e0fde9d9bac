package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/fetcher/internal/session"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/trouble"
	"github.com/kactor-go/kactor/protocol/wire"
)

// few is of how many of the partitions that were asked for an answer must tell at most so that only those are looked at.
const few = 2

// fetched takes an answer apart. It returns true if the next request has been made already.
func (c *Core) fetched(now time.Time, m *Fetched, out *Effects) (done bool) {
	l := c.line(m.Request.Node)
	same := c.same(now, m.Request) && !c.dirty && !l.full && !m.Request.uneven && m.Err == nil && m.Resp.SessionID != 0 && m.size() <= len(m.Request.parts)/few
	var came []*part
	switch {
	case m.Request.Apart:
		l.apart = false
	case m.Request.Aside:
		l.beside = false
		for _, p := range m.Request.parts {
			p.dry = l.turn
		}
	default:
		l.flight = false
	}
	c.used -= m.Request.Cost
	if c.closed { // a session that was being opened is closed, too
		if m.Err == nil && m.Request.Ask.Epoch == 0 {
			l.session.Answered(m.Resp.SessionID)
			c.end(l, out)
		}
		return false
	}
	well, strange, brought, poor, looked := false, false, 0, 0, 0
	defer func() { // not before: its answers are taken only for partitions that it is the request of
		if done = same && well && !strange && poor == 0 && brought > 0 && c.along(now, l, m.Request, came, out); done {
			c.weigh(now, l, m.Request, well, brought, poor)
			return
		}
		if well {
			m.Request.together(brought)
		}
		for _, p := range m.Request.parts {
			if p.flight != m.Request.flight {
				continue
			}
			p.flight = nil
			switch {
			case !well || p.state != Fetching || p.offset != p.wanted:
			case strange && brought == 0:
				poor++
				c.hindered(now, p, errOthers, out)
			default: // in a session a broker leaves out what has nothing new
				p.came(m.Request.calm(now))
			}
		}
		c.weigh(now, l, m.Request, well, brought, poor)
	}()
	if m.Err != nil {
		if m.Request.inTurn() {
			l.session.Reset()
		}
		if m.Unread {
			c.split(now, m.Request, m.Err, out)
			return
		}
		c.noReplica(m.Request)
		if !m.Moved {
			l.fails++
			l.retryAt = now.Add(min(c.cfg.BackoffFirst<<min(l.fails-1, 10), c.cfg.BackoffMax))
		}
		for _, w := range m.Request.Wants {
			c.refresh(w.Topic, "a fetch failed", out)
		}
		if !m.Moved {
			c.hinder(now, m.Request, m.Err, out)
		}
		return
	}
	l.fails = 0
	if code := protocol.Code(m.Resp.ErrorCode); code != protocol.None {
		switch {
		case code == protocol.FetchSessionIDNotFound:
			l.session.Lost()
		case code == protocol.InvalidFetchSessionEpoch, code == protocol.FetchSessionTopicIDError:
			l.session.Reset()
		default: // from version 13 on an error is told once for all
			if m.Request.inTurn() {
				l.session.Reset()
			}
			l.fails++
			l.retryAt = now.Add(min(c.cfg.BackoffFirst<<min(l.fails-1, 10), c.cfg.BackoffMax))
			for _, p := range m.Request.parts {
				c.refresh(p.Topic, code.Name(), out)
			}
			c.hinder(now, m.Request, code, out)
		}
		return
	}
	if m.Request.inTurn() {
		l.session.Answered(m.Resp.SessionID)
	}
	well = true
	w := walk{parts: c.parts}
	out.Places = slices.Grow(out.Places, min(m.size(), len(m.Request.parts)))
	for i := range m.Resp.Responses {
		t := &m.Resp.Responses[i]
		name, known := c.nameOf(m, t)
		if !known {
			continue
		}
		for k := range t.Partitions {
			p := asked(m, w.find(cluster.TopicPartition{Topic: name, Partition: t.Partitions[k].PartitionIndex}))
			if p == nil {
				if looked++; looked <= mostLooked && !strange {
					strange = !m.Request.wants(m.Version, t, t.Partitions[k].PartitionIndex)
				}
				continue
			}
			if same {
				came = append(came, p)
			}
			switch c.partition(now, p, m, &t.Partitions[k], out) {
			case forward:
				brought++
				p.apart = nil
				l.silence.broken(now)
			case unsure:
				brought++
				p.apart = nil
			case vain:
				poor++
				p.pace.Vain(m.Request.asked, c.backoff())
			}
		}
	}
	return
}

// hinder puts off all partitions of a request that has failed as a whole.
func (c *Core) hinder(now time.Time, r *Request, err error, out *Effects) {
	for _, p := range r.parts {
		if p.flight == r.flight && p.state == Fetching {
			c.hindered(now, p, err, out)
		}
	}
}

func (c *Core) noReplica(r *Request) {
	for _, p := range r.parts {
		p.replica = cluster.NoNode
	}
}

// size is how many partitions an answer tells of.
func (m *Fetched) size() (n int) {
	if m.Resp == nil {
		return 0
	}
	for i := range m.Resp.Responses {
		n += len(m.Resp.Responses[i].Partitions)
	}
	return n
}

// nameOf gives the topic that a part of an answer is about.
func (c *Core) nameOf(m *Fetched, t *msg.FetchResponseFetchableTopicResponse) (name string, known bool) {
	if m.Version < 13 {
		return t.Topic, true
	}
	topic := c.snap.TopicByID(wire.UUID(t.TopicID))
	if topic == nil {
		return "", false
	}
	return topic.Name, true
}

// asked gives the partition of an answer if it was asked for: nothing else is taken.
func asked(m *Fetched, p *part) *part {
	if p == nil || p.flight != m.Request.flight || p.state != Fetching || p.offset != p.wanted {
		return nil
	}
	return p
}

// mostLooked is how many partitions of an answer that cannot be taken are looked for in the request.
const mostLooked = 8

// wants tells whether a partition of an answer is one that was asked for: in a session, too, all are among Wants.
func (r *Request) wants(version int16, t *msg.FetchResponseFetchableTopicResponse, partition int32) bool {
	return slices.ContainsFunc(r.Wants, func(w session.Want) bool {
		return w.Partition == partition && (version < 13 && w.Topic == t.Topic || version >= 13 && w.ID == wire.UUID(t.TopicID))
	})
}

// What an answer is for a partition.
type outcome uint8

const (
	nothing outcome = iota // there was nothing to give
	forward                // records to go on behind
	unsure                 // some of which only reading shows what they are
	vain                   // anything else: it is as far as before
)

// partition takes what was answered for a partition that was asked for.
func (c *Core) partition(now time.Time, p *part, m *Fetched, d *msg.FetchResponsePartitionData, out *Effects) outcome {
	p.flight = nil
	if code := protocol.Code(d.ErrorCode); code != protocol.None {
		c.refused(now, p, m, d, code, out)
		return vain
	}
	p.stale = 0
	if m.Version >= 11 && d.PreferredReadReplica >= 0 && d.PreferredReadReplica != m.Request.Node { // nothing has come yet: a follower that refuses is named again and again
		if p.near { // Kafka's followers name none (ReplicaManager.findPreferredReadReplica)
			p.replica = cluster.NoNode
			c.hindered(now, p, errSentOn, out)
			return vain
		}
		p.replica, p.replicaBy = d.PreferredReadReplica, now.Add(c.cfg.ReplicaAge)
		if _, there := c.snap.Node(p.replica); !there {
			c.refresh(p.Topic, "the replica to read from is not known", out)
			c.hindered(now, p, protocol.ReplicaNotAvailable, out)
		}
		return vain
	}
	if m.Version >= 12 && d.DivergingEpoch.EndOffset >= 0 && d.DivergingEpoch.Epoch >= 0 {
		switch {
		case p.near: // it may be behind: the leader is asked
			p.replica, p.lapsed = cluster.NoNode, true
			p.become(Validating)
			c.hindered(now, p, protocol.OffsetOutOfRange, out)
		case p.doubtful():
		case p.second():
			p.become(Validating)
		default:
			c.truncated(now, p, d.DivergingEpoch.EndOffset, d.DivergingEpoch.Epoch, out)
		}
		return vain
	}
	p.came(m.Request.calm(now))
	if m.Version >= 5 {
		p.logStart = mark(d.LogStartOffset)
	}
	high, last := mark(d.HighWatermark), mark(d.LastStableOffset)
	if m.Version < 4 {
		last = high
	}
	out.Places = append(out.Places, Place{TopicPartition: p.TopicPartition, Gen: p.gen, Position: -1, HighWater: high, LastStable: last, LogStart: p.logStart})
	if len(d.Records) == 0 {
		if p.lastEpoch < 0 {
			p.under = p.epoch
		}
		return nothing
	}
	end, epoch, ok := lastOf(d.Records)
	k := &Chunk{TopicPartition: p.TopicPartition, Gen: p.gen, Offset: p.offset, Records: d.Records, Room: p.room, LeaderEpoch: p.epoch, HighWatermark: high,
		LastStable: last, LogStart: p.logStart, Topic: p.topic, Before: p.lastEpoch, Life: p.life, Backs: p.backs, Bytes: int64(len(d.Records)), Frame: m.Frame}
	if c.cfg.Committed {
		k.Aborted = d.AbortedTransactions
	}
	p.since = m.Request.asked
	p.buffered++
	p.bytes += k.Bytes
	c.used += k.Bytes
	out.Chunks = append(out.Chunks, k)
	if !ok || end < p.offset { // nothing more is asked for before
		p.doubt = true
		return unsure
	}
	p.offset, p.under, p.readEpoch = end+1, p.epoch, -1
	if epoch >= 0 {
		p.lastEpoch = p.sane(epoch)
		p.readEpoch = p.lastEpoch
	}
	p.dry = 0
	p.doubt = p.doubt || p.trouble.Damaged() // what is behind a damage is asked for when that is over
	return forward
}

// mark gives an offset that a broker tells of a log; -1 if it is none.
func mark(offset int64) int64 {
	if offset < 0 || offset > record.MaxOffset+1 {
		return -1
	}
	return offset
}

// sane gives the leader epoch of a batch, or -1 if it can't be that: no checksum guards it. Epochs do not go back, and no record is newer than its leader.
func (p *part) sane(epoch int32) int32 {
	if epoch < p.lastEpoch || p.epoch >= 0 && epoch > p.epoch {
		return -1
	}
	return epoch
}

// refused deals with an error of one partition.
func (c *Core) refused(now time.Time, p *part, m *Fetched, d *msg.FetchResponsePartitionData, code protocol.Code, out *Effects) {
	p.replica = cluster.NoNode
	if m.Version >= 12 && d.CurrentLeader.LeaderID >= 0 && d.CurrentLeader.LeaderEpoch > p.epoch {
		h := Hint{TopicPartition: p.TopicPartition, Leader: d.CurrentLeader.LeaderID, Epoch: d.CurrentLeader.LeaderEpoch}
		if m.Version >= 13 {
			h.Topic = p.topic
		}
		h.Node = m.node(h.Leader)
		out.Hints = append(out.Hints, h)
	}
	switch code {
	case protocol.OffsetOutOfRange:
		switch {
		case p.near: // the leader may have it, and is asked: a follower is no witness
			c.hindered(now, p, code, out)
		case !p.doubtful():
			c.outOfRange(now, p, fmt.Sprintf("offset %d is out of range", p.offset), out)
		}
	default:
		if kindOf(code) == trouble.Passing {
			c.refresh(p.Topic, code.Name(), out)
		}
		c.hindered(now, p, code, out)
	}
}
