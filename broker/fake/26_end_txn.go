package fake

import (
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// endTxn decides a transaction. From version 5 on (KIP-890) the producer gets its next epoch with it, or another id when its epochs are used up.
func (c *Cluster) endTxn(q *call) {
	req := q.Req.(*msg.EndTxnRequest)
	resp := &msg.EndTxnResponse{}
	resp.SetDefaults()
	resp.ProducerEpoch = -1
	code := or(c.injected(q.Key), c.coordinatesTransaction(q, req.TransactionalID))
	if code == protocol.None {
		var t *transaction
		if q.Version >= 5 {
			t, code = c.endRaising(req)
		} else {
			t, code = c.end(req)
		}
		if code == protocol.None && q.Version >= 5 {
			resp.ProducerID, resp.ProducerEpoch = t.producer, t.epoch
			if t.nextProducer >= 0 {
				resp.ProducerID, resp.ProducerEpoch = t.nextProducer, 0
			}
		}
	}
	if code == protocol.ProducerFenced && q.Version < 2 { // KIP-588
		code = protocol.InvalidProducerEpoch
	}
	resp.ErrorCode = int16(code)
	c.reply(q, resp)
}

// end ends a transaction whose producer keeps its epoch (TransactionCoordinator.endTransactionWithTV1).
func (c *Cluster) end(req *msg.EndTxnRequest) (*transaction, protocol.Code) {
	t := c.transaction(req.TransactionalID)
	switch {
	case req.TransactionalID == "":
		return nil, protocol.InvalidRequest
	case t == nil || t.producer != req.ProducerID:
		return nil, protocol.InvalidProducerIDMapping
	case t.epoch != req.ProducerEpoch:
		return nil, protocol.ProducerFenced
	}
	switch commits := req.Committed; {
	case t.state == transactionOngoing:
		c.conclude(t, commits, false)
		return t, protocol.None
	case t.ending():
		return nil, protocol.ConcurrentTransactions
	case t.state == transactionCompleteCommit && commits || t.state == transactionCompleteAbort && !commits: // once more
		return t, protocol.None
	}
	return nil, protocol.InvalidTxnState
}

// endRaising ends a transaction whose producer gets its next epoch (TransactionCoordinator.endTransaction). So the epoch tells whether a request is one that was handled already, or the next; and an abort of nothing at all
// only gives the next epoch.
func (c *Cluster) endRaising(req *msg.EndTxnRequest) (*transaction, protocol.Code) {
	t := c.transaction(req.TransactionalID)
	switch {
	case req.TransactionalID == "":
		return nil, protocol.InvalidRequest
	case t == nil:
		return nil, protocol.InvalidProducerIDMapping
	case t.ending():
		return nil, protocol.ConcurrentTransactions
	}
	same := t.epoch == req.ProducerEpoch
	replaced := t.lastProducer == req.ProducerID && req.ProducerEpoch == lastUsableEpoch && t.epoch == 0
	ended := t.state == transactionCompleteCommit || t.state == transactionCompleteAbort
	again := ended && (replaced || t.epoch == req.ProducerEpoch+1)
	switch commits := req.Committed; {
	case t.producer != req.ProducerID && !replaced:
		return nil, protocol.InvalidProducerIDMapping
	case !same && !again:
		return nil, protocol.ProducerFenced
	case again && commits == (t.state == transactionCompleteCommit):
		return t, protocol.None
	case again || commits && t.state != transactionOngoing:
		return nil, protocol.InvalidTxnState
	case c.txn.version == 0: // it could not be written down
		return nil, protocol.UnsupportedVersion
	default:
		c.conclude(t, commits, true)
		return t, protocol.None
	}
}
