package drain

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
	"github.com/kactor-go/kactor/sender/internal/batch"
)

// answer settles the batches of a request, or puts them back.
func (c *Core) answer(now time.Time, m *Answer, out *Effects) {
	r := m.Request
	c.line(r.Node).flight--
	c.settleAll(now, m, out)
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
	c.find(m.Resp, m.Version)
	for i, b := range r.Batches {
		a := c.answerFor(b, i)
		if a == nil {
			c.unanswered(now, b, &Answer{Err: errors.New("the answer says nothing of it"), Sent: true}, out)
			continue
		}
		c.hint(b, a, m, out)
		c.outcome(now, r.Node, b, a, out)
	}
}

type partitionAnswer = *msg.ProduceResponsePartitionProduceResponse

// found is what an answer says of one partition.
type found struct {
	to     cluster.TopicPartition
	answer partitionAnswer
}

// find lists what an answer says.
func (c *Core) find(m *msg.ProduceResponse, version int16) {
	clear(c.found)
	c.found = c.found[:0]
	for i := range m.Responses {
		t := &m.Responses[i]
		name := t.Name
		if version >= 13 {
			if known := c.snap.TopicByID(wire.UUID(t.TopicID)); known != nil {
				name = known.Name
			}
		}
		for k := range t.PartitionResponses {
			a := &t.PartitionResponses[k]
			c.found = append(c.found, found{cluster.TopicPartition{Topic: name, Partition: a.Index}, a})
		}
	}
}

// answerFor finds what an answer says of the i-th batch of its request; nil: nothing. Brokers answer mostly in the order in which they were asked.
func (c *Core) answerFor(b *batch.Batch, i int) partitionAnswer {
	if i < len(c.found) && c.found[i].to == b.To {
		return c.found[i].answer
	}
	for k := range c.found {
		if c.found[k].to == b.To {
			return c.found[k].answer
		}
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

func (c *Core) hint(b *batch.Batch, a partitionAnswer, m *Answer, out *Effects) {
	if a.CurrentLeader.LeaderID < 0 || m.Version < 10 || a.ErrorCode == 0 {
		return
	}
	h := Hint{To: b.To, Leader: a.CurrentLeader.LeaderID, Epoch: a.CurrentLeader.LeaderEpoch}
	for _, n := range m.Resp.NodeEndpoints {
		if n.NodeID == h.Leader {
			h.Node = &cluster.Node{ID: n.NodeID, Host: n.Host, Port: n.Port}
			if n.Rack != nil {
				h.Node.Rack = *n.Rack
			}
		}
	}
	out.Hints = append(out.Hints, h)
}

// outcome deals with what the broker says of one batch.
func (c *Core) outcome(now time.Time, node int32, b *batch.Batch, a partitionAnswer, out *Effects) {
	code := protocol.Code(a.ErrorCode)
	switch code {
	case protocol.None:
		p := c.land(b)
		p.failures = 0
		p.seq.confirm(b)
		c.settle(b, a.BaseOffset, a.LogAppendTimeMs, nil, out)
	case protocol.DuplicateSequenceNumber: // it is in the log; where, the broker no longer knows
		c.land(b).seq.confirm(b)
		c.settle(b, -1, -1, nil, out)
	case protocol.MessageTooLarge, protocol.RecordListTooLarge:
		c.tooLarge(b, code, out)
	case protocol.OutOfOrderSequenceNumber, protocol.UnknownProducerID, protocol.InvalidProducerEpoch:
		if c.cfg.Idempotent {
			c.outOfOrder(now, b, code, out)
			return
		}
		c.reject(b, code, a, out)
	default:
		if !code.Retriable() || b.Attempts > c.cfg.Retries {
			c.reject(b, code, a, out)
			return
		}
		b.LastErr = code
		alone := code == protocol.RequestTimedOut || code == protocol.NotEnoughReplicasAfterAppend
		if alone {
			b.Maybe = true // the leader has it, and does not know of the others
		}
		switch {
		case alone || code == protocol.NotEnoughReplicas: // it may be cut off from the others, and not know who leads in its place
			out.Refresh = append(out.Refresh, Refresh{b.To.Topic, node, code.Name()})
		case code.RefreshMetadata():
			out.Refresh = append(out.Refresh, Refresh{b.To.Topic, cluster.NoNode, code.Name()})
		}
		c.again(now, b, true, out)
	}
}

// unanswered deals with a request that failed as a whole.
func (c *Core) unanswered(now time.Time, b *batch.Batch, m *Answer, out *Effects) {
	b.LastErr = m.Err
	b.Maybe = b.Maybe || m.Sent
	switch {
	case m.Refused:
		c.land(b)
		c.settle(b, -1, -1, m.Err, out)
	case b.Attempts > c.cfg.Retries || c.cfg.Acks == 0:
		c.land(b)
		err := m.Err
		if b.Maybe {
			err = fmt.Errorf("%w: %w", ErrUncertain, err)
		}
		c.settle(b, -1, -1, err, out)
	default:
		c.again(now, b, !m.Moved, out)
	}
}

func (c *Core) reject(b *batch.Batch, code protocol.Code, a partitionAnswer, out *Effects) {
	c.land(b)
	err := error(code)
	if a.ErrorMessage != nil && *a.ErrorMessage != "" {
		err = fmt.Errorf("%w: %s", code, *a.ErrorMessage)
	}
	if b.Maybe { // this attempt was refused; an earlier one may not have been
		err = fmt.Errorf("%w: %w", ErrUncertain, err)
	}
	c.settle(b, -1, -1, fmt.Errorf("%w after %d tries", err, b.Attempts), out)
}

// again puts a batch back into the queue, at its old place.
func (c *Core) again(now time.Time, b *batch.Batch, wait bool, out *Effects) {
	p := c.land(b)
	if b.Settled { // its time was over while it was in flight
		c.free(b, out)
		return
	}
	if p.astray(b) {
		c.settle(b, -1, -1, lostSight(b), out)
		return
	}
	i, _ := slices.BinarySearchFunc(p.queue, b.Serial, func(q *batch.Batch, s uint64) int {
		if q.Serial < s {
			return -1
		}
		return 1
	})
	p.queue = slices.Insert(p.queue, i, b)
	p.settling = true
	if !wait {
		p.retryAt = now
		return
	}
	p.failures++
	if at := now.Add(min(c.cfg.BackoffFirst<<min(p.failures-1, 10), c.cfg.BackoffMax)); at.After(p.retryAt) {
		p.retryAt = at
	}
}

// outOfOrder deals with a broker that misses something before this batch, or does not remember that it has it: if a later batch of the same epoch is in the log, this
// one is, too. If something before it is still under way or queued, it only has to go again behind that. If it is the
// first, then the log has lost what was before, or it was rejected or given up; this batch and those behind it are not in the log, and
// they begin anew in the next epoch, unless they are astray.
func (c *Core) outOfOrder(now time.Time, b *batch.Batch, code protocol.Code, out *Effects) {
	p := of(b)
	if p.seq.confirmed(b) {
		c.land(b)
		c.settle(b, -1, -1, nil, out)
		return
	}
	b.LastErr = code
	before := func(o *batch.Batch) bool { return o != b && o.Serial < b.Serial }
	first := !slices.ContainsFunc(p.flight, before) && !slices.ContainsFunc(p.queue, before)
	if first && b.Numbered && b.ProducerID == p.seq.id && b.Epoch == p.seq.epoch {
		p.seq.renew = true
		p.queue = slices.DeleteFunc(p.queue, func(q *batch.Batch) bool {
			if p.astray(q) {
				c.settle(q, -1, -1, lostSight(q), out)
				return true
			}
			return false
		})
	}
	c.again(now, b, !first, out)
}

// astray tells whether a batch cannot begin anew in the next epoch: it was sent in this one and not answered. It is not in the log, but what was sent may still be on its way to a broker that had been the leader, and becomes it
// again before the log knows of the next epoch: then the batch would be there twice.
func (p *part) astray(b *batch.Batch) bool {
	return p.seq.renew && b.Maybe && b.Numbered && b.ProducerID == p.seq.id && b.Epoch == p.seq.epoch
}

func lostSight(b *batch.Batch) error {
	return fmt.Errorf("%w: what was before it is missing, and it was sent to a broker that did not answer: %w", ErrUncertain, b.LastErr)
}

// tooLarge splits a batch that the broker does not take; a single record is rejected.
func (c *Core) tooLarge(b *batch.Batch, code protocol.Code, out *Effects) {
	p := c.land(b)
	if b.Settled {
		c.free(b, out)
		return
	}
	if b.Count == 1 {
		c.settle(b, -1, -1, fmt.Errorf("%w: a record of %d bytes", code, b.Size()), out)
		return
	}
	first, second, err := b.Halve()
	if err != nil {
		c.settle(b, -1, -1, fmt.Errorf("%w: %w", code, err), out)
		return
	}
	i, _ := slices.BinarySearchFunc(p.queue, b.Serial, func(q *batch.Batch, s uint64) int {
		if q.Serial < s {
			return -1
		}
		return 1
	})
	first.Owner, second.Owner = p, p
	p.queue = slices.Insert(p.queue, i, first, second)
	p.settling = true
	if c.cfg.Compress {
		first.Packing, second.Packing = true, true
		out.Pack = append(out.Pack, first, second)
	}
	b.Settled = true // its records live on in the parts
	c.alive++        // two instead of one
	for k := range c.flushs {
		if b.Serial <= c.flushs[k].upTo {
			c.flushs[k].left++
		}
	}
	c.free(b, out)
}

func retriable(err error) bool {
	var code protocol.Code
	if errors.As(err, &code) {
		return code.Retriable()
	}
	return true
}
