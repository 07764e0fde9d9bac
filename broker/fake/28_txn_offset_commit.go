package fake

import (
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// txnOffsetCommit commits offsets with a transaction: nobody sees them before it is committed.
func (c *Cluster) txnOffsetCommit(q *call) {
	req := q.Req.(*msg.TxnOffsetCommitRequest)
	resp := &msg.TxnOffsetCommitResponse{}
	code := c.injected(q.Key)
	if code == protocol.None && req.GroupID == "" {
		code = protocol.InvalidGroupID
	}
	g, code := c.coordinatedUnless(code, q, req.GroupID)
	if code == protocol.None && !slices.ContainsFunc(req.Topics, c.anyOf) {
		code = protocol.UnknownTopicOrPartition // of all of them: the coordinator does not hear of it, and no transaction begins
	}
	if code == protocol.None && !c.newCoordinator() { // whether or not it will have any
		c.keep(g)
	}
	verified := protocol.None
	if code == protocol.None && c.txn.verify {
		verified = c.verifyOffsets(q, req)
	}
	if code = or(code, verified); code == protocol.None {
		code = c.mayCommitInTransaction(g, req)
	}
	if code == protocol.None && !c.txn.verify { // nobody asks the coordinator of the transaction; what is wrong with the producer is seen when it is written down
		if verified = c.writesOffsets(q, req); verified != protocol.None && verified != protocol.UnknownServerError {
			c.unsuspend(g, req)
		}
	}
	if verified == protocol.UnknownServerError { // of all of them
		for _, t := range req.Topics {
			out := msg.TxnOffsetCommitResponseTxnOffsetCommitResponseTopic{Name: t.Name}
			for _, p := range t.Partitions {
				out.Partitions = append(out.Partitions, msg.TxnOffsetCommitResponseTxnOffsetCommitResponsePartition{PartitionIndex: p.PartitionIndex, ErrorCode: int16(verified)})
			}
			resp.Topics = append(resp.Topics, out)
		}
		c.reply(q, resp)
		return
	}
	notes := code == protocol.None && !c.kraft() && slices.ContainsFunc(req.Topics, c.soundOf)
	var way noting
	for i := range req.Topics {
		in := &req.Topics[i]
		out := msg.TxnOffsetCommitResponseTxnOffsetCommitResponseTopic{Name: in.Name}
		for _, p := range in.Partitions {
			got := code
			if got == protocol.None {
				got = or(c.soundMetadata(p.CommittedMetadata), verified)
			}
			if _, err := c.partition(in.Name, p.PartitionIndex); err != nil { // before anything else, as Kafka does
				got = protocol.UnknownTopicOrPartition
			}
			switch tp := (topicPartition{in.Name, p.PartitionIndex}); {
			case notes && req.ProducerID < 0:
				way.add(tp, got)
			case notes && got == protocol.OffsetMetadataTooLarge:
				g.lose(req.ProducerID, tp)
			}
			if got == protocol.None {
				c.keep(g)
				tp, k := topicPartition{in.Name, p.PartitionIndex}, committed{p.CommittedOffset, p.CommittedLeaderEpoch, noted(p.CommittedMetadata), c.commit(), c.now, time.Time{}, false}
				if req.ProducerID < 0 { // who has none commits without a transaction, if nobody asks
					g.offsets[tp] = k
				} else {
					c.suspend(g, req.ProducerID, req.ProducerEpoch, tp, k)
				}
			}
			out.Partitions = append(out.Partitions, msg.TxnOffsetCommitResponseTxnOffsetCommitResponsePartition{PartitionIndex: p.PartitionIndex, ErrorCode: int16(got)})
		}
		resp.Topics = append(resp.Topics, out)
	}
	g.stick(way)
	c.reply(q, resp)
}

// anyOf tells whether there is any of the partitions that are committed for.
func (c *Cluster) anyOf(t msg.TxnOffsetCommitRequestTxnOffsetCommitRequestTopic) bool {
	return slices.ContainsFunc(t.Partitions, func(p msg.TxnOffsetCommitRequestTxnOffsetCommitRequestPartition) bool {
		_, err := c.partition(t.Name, p.PartitionIndex)
		return err == nil
	})
}

// verifyOffsets asks the coordinator of the transaction, as leaders do before they append a first batch.
func (c *Cluster) verifyOffsets(q *call, req *msg.TxnOffsetCommitRequest) protocol.Code {
	tp := c.offsetsOf(req.GroupID)
	k := c.offsetsKnown(tp.partition, req.ProducerID)
	switch {
	case k.open && k.epoch == req.ProducerEpoch:
		return protocol.None
	case c.txn.logFirst && k.epoch >= 0 && req.ProducerEpoch < k.epoch:
		return protocol.InvalidProducerEpoch
	}
	code := c.verify(verification{id: req.TransactionalID, producer: req.ProducerID, epoch: req.ProducerEpoch, tp: tp, adds: q.Version >= 5, abortable: q.Version >= 4})
	if code == protocol.None && req.ProducerEpoch < k.epoch {
		code = protocol.InvalidProducerEpoch
	}
	return code
}

// writesOffsets tells whether offsets can be written down for a producer that nobody has verified. A negative epoch makes no batch, and then the request fails as a whole.
func (c *Cluster) writesOffsets(q *call, req *msg.TxnOffsetCommitRequest) protocol.Code {
	switch {
	case req.ProducerID < 0:
		return protocol.None
	case req.ProducerEpoch < 0 && slices.ContainsFunc(req.Topics, c.soundOf):
		return protocol.UnknownServerError
	}
	return c.verifyOffsets(q, req)
}

// unsuspend forgets what the transaction has committed before for the same partitions: the old coordinator notes first what it is about to write down, in place of what there was, and takes it back when that fails
// (GroupMetadata.failPendingTxnOffsetCommit).
func (c *Cluster) unsuspend(g *group, req *msg.TxnOffsetCommitRequest) {
	offsets := g.pending[req.ProducerID]
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			if _, err := c.partition(t.Name, p.PartitionIndex); err == nil && c.soundMetadata(p.CommittedMetadata) == protocol.None {
				delete(offsets, topicPartition{t.Name, p.PartitionIndex})
			}
		}
	}
	if len(offsets) == 0 {
		delete(g.pending, req.ProducerID)
	}
}

// soundOf tells whether any offset of a topic can be kept.
func (c *Cluster) soundOf(t msg.TxnOffsetCommitRequestTxnOffsetCommitRequestTopic) bool {
	return slices.ContainsFunc(t.Partitions, func(p msg.TxnOffsetCommitRequestTxnOffsetCommitRequestPartition) bool {
		_, err := c.partition(t.Name, p.PartitionIndex)
		return err == nil && c.soundMetadata(p.CommittedMetadata) == protocol.None
	})
}

// mayCommitInTransaction tells whether who commits may: a member of the present generation, or who does not say that it is one (KIP-447).
func (c *Cluster) mayCommitInTransaction(g *group, req *msg.TxnOffsetCommitRequest) protocol.Code {
	if !c.keeps(g) && req.GenerationID < 0 {
		c.touch(g)
	}
	if req.GenerationID < 0 && req.MemberID == "" && req.GroupInstanceID == nil {
		if g.consumer && len(g.modern.members) > 0 && !c.atLeast("4.0") { // 3.9 asks that of consumer groups all the same
			return protocol.UnknownMemberID
		}
		return protocol.None
	}
	if g.consumer {
		switch m := g.modern.member(req.MemberID); {
		case m == nil:
			return protocol.UnknownMemberID
		case req.GenerationID > m.epoch || req.GenerationID < m.epoch && !c.hadAll(m, req):
			return protocol.IllegalGeneration
		}
		return protocol.None
	}
	if !c.kraft() { // GroupCoordinator.doTxnCommitOffsets of 2.8
		k := &g.classic
		switch m := k.static(text(req.GroupInstanceID)); {
		case m != nil && m.id != req.MemberID:
			return protocol.FencedInstanceID
		case req.MemberID != "" && k.member(req.MemberID) == nil:
			return protocol.UnknownMemberID
		case req.GenerationID >= 0 && req.GenerationID != k.generation:
			return protocol.IllegalGeneration
		}
		return protocol.None
	}
	if len(g.classic.members) == 0 && req.GenerationID < 0 {
		return protocol.None
	}
	if !c.keeps(g) && c.newCoordinator() {
		return protocol.IllegalGeneration
	}
	m, code := c.known(&g.classic, req.MemberID, req.GroupInstanceID, req.GenerationID)
	if code == protocol.None {
		m.expires = c.now.Add(m.session)
	}
	return code
}

// hadAll is mayCommitAll for commits in transactions.
func (c *Cluster) hadAll(m *modernMember, req *msg.TxnOffsetCommitRequest) bool {
	if !c.atLeast("4.3") {
		return false
	}
	for i := range req.Topics {
		for _, p := range req.Topics[i].Partitions {
			if _, err := c.partition(req.Topics[i].Name, p.PartitionIndex); err == nil && c.soundMetadata(p.CommittedMetadata) == protocol.None && !m.had(c.topic(req.Topics[i].Name), p.PartitionIndex, req.GenerationID) {
				return false
			}
		}
	}
	return true
}
