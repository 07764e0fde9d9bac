package drain

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/printable"
	"github.com/kactor-go/kactor/protocol/wire"
	"github.com/kactor-go/kactor/sender/internal/batch"
)

// answer settles the batches of a request, or puts them back.
func (c *Core) answer(now time.Time, m *Answer, out *Effects) {
	r := m.Request
	l := c.line(r.Node)
	l.flight--
	c.asked = r.Deadline.Add(-c.cfg.RequestTimeout)
	c.settleAll(now, m, out)
	c.paced(l)
	for _, b := range r.Batches {
		c.activate(of(b))
	}
}

func (c *Core) settleAll(now time.Time, m *Answer, out *Effects) {
	r := m.Request
	if m.Err != nil {
		for _, b := range r.Batches {
			c.unanswered(now, b, m, out)
		}
		if !m.Moved && !m.Refused {
			out.Refresh = append(out.Refresh, Refresh{r.Batches[0].To.Topic, r.Node, "a produce request failed"})
		}
		return
	}
	if m.Resp == nil { // acks=0: written is all that can be known
		for _, b := range r.Batches {
			c.land(b)
			c.settle(b, -1, -1, nil, out)
		}
		return
	}
	c.find(m.Resp)
	for i, b := range r.Batches {
		a := c.answerFor(b, i, m.Version >= 13)
		if a == nil {
			c.unanswered(now, b, &Answer{Err: errors.New("the answer says nothing of it"), Sent: true}, out)
			continue
		}
		c.hint(b, a, m, out)
		c.outcome(now, r, b, a, out)
	}
}

type partitionAnswer = *msg.ProduceResponsePartitionProduceResponse

// found is what an answer says of one partition.
type found struct {
	name      string
	id        wire.UUID
	partition int32
	answer    partitionAnswer
}

// find lists what an answer says.
func (c *Core) find(m *msg.ProduceResponse) {
	clear(c.found)
	c.found, c.sorted = c.found[:0], false
	for i := range m.Responses {
		t := &m.Responses[i]
		for k := range t.PartitionResponses {
			a := &t.PartitionResponses[k]
			c.found = append(c.found, found{t.Name, wire.UUID(t.TopicID), a.Index, a})
		}
	}
}

// compare orders what is said by what it is said of. An id is the one that a batch was sent under, whatever the topic is called or known as by now.
func (f *found) compare(name string, id wire.UUID, partition int32, byID bool) int {
	if byID {
		return cmp.Or(bytes.Compare(f.id[:], id[:]), cmp.Compare(f.partition, partition))
	}
	return cmp.Or(strings.Compare(f.name, name), cmp.Compare(f.partition, partition))
}

// answerFor finds what an answer says of the i-th batch of its request; nil: nothing. Brokers answer mostly in the order in which they were asked; where one does not, there may be thousands to be looked through.
func (c *Core) answerFor(b *batch.Batch, i int, byID bool) partitionAnswer {
	is := func(f found) int { return f.compare(b.To.Topic, b.TopicID, b.To.Partition, byID) }
	if !c.sorted && i < len(c.found) && is(c.found[i]) == 0 {
		return c.found[i].answer
	}
	if !c.sorted {
		c.sorted = true
		slices.SortStableFunc(c.found, func(f, o found) int { return f.compare(o.name, o.id, o.partition, byID) })
	}
	if k, ok := slices.BinarySearchFunc(c.found, b, func(f found, _ *batch.Batch) int { return is(f) }); ok {
		return c.found[k].answer
	}
	return nil
}

// land takes a batch out of flight.
func (c *Core) land(b *batch.Batch) *part {
	p := of(b)
	b.Flying = false
	if i := slices.Index(p.flight, b); i >= 0 {
		p.flight = slices.Delete(p.flight, i, i+1)
	}
	return p
}

// back takes a batch out of flight that is not in the log, or not surely: what was sent behind it comes back before anything else goes.
func (c *Core) back(b *batch.Batch) *part {
	p := c.land(b)
	p.settling = true
	return p
}

func (c *Core) hint(b *batch.Batch, a partitionAnswer, m *Answer, out *Effects) {
	if a.CurrentLeader.LeaderID < 0 || m.Version < 10 || a.ErrorCode == 0 {
		return
	}
	h := Hint{To: b.To, Leader: a.CurrentLeader.LeaderID, Epoch: a.CurrentLeader.LeaderEpoch, Node: m.node(a.CurrentLeader.LeaderID)}
	if m.Version >= 13 {
		h.Topic = b.TopicID
	}
	out.Hints = append(out.Hints, h)
}

// node gives a broker that the answer names; nil if it does not.
func (m *Answer) node(id int32) *cluster.Node {
	if m.nodes == nil {
		m.nodes = make(map[int32]*cluster.Node, len(m.Resp.NodeEndpoints))
		for _, n := range m.Resp.NodeEndpoints {
			node := &cluster.Node{ID: n.NodeID, Host: n.Host, Port: n.Port}
			if n.Rack != nil {
				node.Rack = *n.Rack
			}
			m.nodes[n.NodeID] = node
		}
	}
	return m.nodes[id]
}

// outcome deals with what the broker says of one batch.
func (c *Core) outcome(now time.Time, r *Request, b *batch.Batch, a partitionAnswer, out *Effects) {
	code := protocol.Code(a.ErrorCode)
	says := meaningOf(code)
	b.Maybe = b.Maybe || says == doubtful || says == unsure
	switch says {
	case written:
		p := c.land(b)
		p.failures, p.proofs = 0, 0
		c.gets(p)
		c.ids.written(now, p, b)
		base, at := placed(a, b.Count)
		if code == protocol.DuplicateSequenceNumber { // where it is the broker no longer knows
			base = -1
		}
		c.settle(b, base, at, nil, out)
	case misnumbered:
		c.ids.refused(now, b, code, out)
	case tooLarge:
		c.tooLarge(b, code, out)
	case again, unsure:
		if code == protocol.RequestTimedOut && c.brief(r) {
			c.unproved(now, r, b, out)
			return
		}
		if b.Attempts-b.Spared > c.cfg.Retries {
			c.reject(b, code, a, out)
			return
		}
		b.LastErr = code
		doubted(r, b, code, out)
		c.again(now, b, backOff, out)
	default:
		if says == refused && len(a.RecordErrors) > 0 && c.spoilt(b, code, a, out) {
			return
		}
		c.reject(b, code, a, out)
	}
}

// placed is where so many records are, and since when, as an answer says; -1 if it says what cannot be.
func placed(a partitionAnswer, count int32) (base, appendTime int64) {
	base, appendTime = a.BaseOffset, max(a.LogAppendTimeMs, -1)
	if base < 0 || base > math.MaxInt64-int64(count) {
		base = -1
	}
	return base, appendTime
}

// doubted asks for metadata, if a code says that what is known may not be so any more.
func doubted(r *Request, b *batch.Batch, code protocol.Code, out *Effects) {
	switch {
	case code == protocol.NotEnoughReplicas || code == protocol.NotEnoughReplicasAfterAppend || code == protocol.RequestTimedOut: // it may be cut off from the others, and not know who leads in its place
		out.Refresh = append(out.Refresh, Refresh{b.To.Topic, r.Node, code.Name()})
	case code.RefreshMetadata():
		out.Refresh = append(out.Refresh, Refresh{b.To.Topic, cluster.NoNode, code.Name()})
	}
}

// unanswered deals with a request that failed as a whole.
func (c *Core) unanswered(now time.Time, b *batch.Batch, m *Answer, out *Effects) {
	b.LastErr = m.Err
	b.Maybe = b.Maybe || m.Sent
	switch {
	case m.Refused || b.Attempts-b.Spared > c.cfg.Retries || c.cfg.Acks == 0 && m.Sent: // nobody would tell whether it was written a second time
		c.refuse(b, m.Err, out)
	case m.Moved:
		c.again(now, b, atOnce, out)
	default:
		c.again(now, b, backOff, out)
	}
}

// reject ends a batch that a broker does not take.
func (c *Core) reject(b *batch.Batch, code protocol.Code, a partitionAnswer, out *Effects) {
	c.refuse(b, fmt.Errorf("%w after %d tries", textOf(code, a.ErrorMessage), b.Attempts), out)
}

// refuse ends a batch. This attempt of it was refused; if an earlier one may not have been, its outcome is uncertain.
func (c *Core) refuse(b *batch.Batch, err error, out *Effects) {
	c.back(b)
	if b.Maybe {
		err = fmt.Errorf("%w: %w", ErrUncertain, err)
	}
	c.settle(b, -1, -1, err, out)
}

// textOf is a code with what the broker says besides.
func textOf(code protocol.Code, text *string) error {
	if text != nil && *text != "" {
		return fmt.Errorf("%w: %s", code, printable.Text(*text))
	}
	return code
}
