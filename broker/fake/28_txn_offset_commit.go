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
	if code == protocol.None {
		code = c.verifyOffsets(q, req)
	}
	if code == protocol.None {
		code = c.mayCommitInTransaction(g, req)
	}
	for i := range req.Topics {
		in := &req.Topics[i]
		out := msg.TxnOffsetCommitResponseTxnOffsetCommitResponseTopic{Name: in.Name}
		for _, p := range in.Partitions {
			got := code
			if got == protocol.None {
				got = c.soundMetadata(p.CommittedMetadata)
			}
			if _, err := c.partition(in.Name, p.PartitionIndex); err != nil { // before anything else, as Kafka does
				got = protocol.UnknownTopicOrPartition
			}
			if got == protocol.None {
				c.keep(g)
				c.suspend(g, req.ProducerID, req.ProducerEpoch, topicPartition{in.Name, p.PartitionIndex}, committed{p.CommittedOffset, p.CommittedLeaderEpoch, noted(p.CommittedMetadata), c.commit(), c.now, time.Time{}})
			}
			out.Partitions = append(out.Partitions, msg.TxnOffsetCommitResponseTxnOffsetCommitResponsePartition{PartitionIndex: p.PartitionIndex, ErrorCode: int16(got)})
		}
		resp.Topics = append(resp.Topics, out)
	}
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
	tp := offsetsOf(req.GroupID)
	k := c.offsetsKnown(tp.partition, req.ProducerID)
	if k.open && k.epoch == req.ProducerEpoch {
		return protocol.None
	}
	code := c.verify(verification{id: req.TransactionalID, producer: req.ProducerID, epoch: req.ProducerEpoch, tp: tp, adds: q.Version >= 5, abortable: q.Version >= 4})
	if code == protocol.None && req.ProducerEpoch < k.epoch {
		code = protocol.InvalidProducerEpoch
	}
	return code
}

// mayCommitInTransaction tells whether who commits may: a member of the present generation, or who does not say that it is one (KIP-447).
func (c *Cluster) mayCommitInTransaction(g *group, req *msg.TxnOffsetCommitRequest) protocol.Code {
	if !c.keeps(g) && req.GenerationID < 0 {
		c.touch(g)
	}
	if req.GenerationID < 0 && req.MemberID == "" && req.GroupInstanceID == nil {
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
	if len(g.classic.members) == 0 && req.GenerationID < 0 {
		return protocol.None
	}
	if !c.keeps(g) && c.atLeast("4.0") {
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
