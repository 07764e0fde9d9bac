package fake

import (
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// initProducerID gives a new producer id, or the next epoch of that of a transactional id.
func (c *Cluster) initProducerID(q *call) {
	req := q.Req.(*msg.InitProducerIdRequest)
	resp := &msg.InitProducerIdResponse{}
	resp.SetDefaults()
	resp.ProducerEpoch = -1
	code := c.injected(q.Key)
	switch {
	case code != protocol.None:
	case (req.ProducerID == -1) != (req.ProducerEpoch == -1):
		code = protocol.InvalidRequest
	case req.TransactionalID == nil: // whatever it says of itself: an idempotent producer raises its epoch alone
		resp.ProducerID, resp.ProducerEpoch = c.newProducer(), 0
	default:
		var t *transaction
		if t, code = c.initTransactional(q, req); code == protocol.None {
			resp.ProducerID, resp.ProducerEpoch = t.producer, t.epoch
		}
	}
	if code == protocol.ProducerFenced && q.Version < 4 { // KIP-588
		code = protocol.InvalidProducerEpoch
	}
	resp.ErrorCode = int16(code)
	c.reply(q, resp)
}

// initTransactional makes a producer the one of a transactional id, and fences who was that before (TransactionCoordinator.handleInitProducerId). A producer that tells its id and epoch is refused if another has come since
// (KIP-360).
func (c *Cluster) initTransactional(q *call, req *msg.InitProducerIdRequest) (*transaction, protocol.Code) {
	id, timeout := *req.TransactionalID, time.Duration(req.TransactionTimeoutMs)*time.Millisecond
	switch {
	case id == "":
		return nil, protocol.InvalidRequest
	case timeout <= 0 || timeout > c.cfg.MaxTransactionTimeout:
		return nil, protocol.InvalidTransactionTimeout
	}
	if code := c.coordinatesTransaction(q, id); code != protocol.None {
		return nil, code
	}
	t := c.transaction(id)
	if t == nil {
		t = c.newTransaction(id)
	}
	known := req.ProducerID != -1
	if known && t.epoch >= 0 && req.ProducerID != t.producer && (req.ProducerID != t.lastProducer || req.ProducerEpoch < lastUsableEpoch) {
		return nil, protocol.ProducerFenced
	}
	switch {
	case t.ending():
		return nil, protocol.ConcurrentTransactions
	case t.state == transactionOngoing: // the epoch that this makes is nobody's: who has asked asks again, and gets the next
		c.overrule(t)
		return nil, protocol.ConcurrentTransactions
	case t.epoch >= lastUsableEpoch && (!known || req.ProducerEpoch == t.epoch):
		t.lastEpoch = -1
		if known {
			t.lastEpoch = t.epoch
		}
		t.lastProducer, t.producer, t.epoch = t.producer, c.newProducer(), 0
	case !known:
		t.lastEpoch, t.epoch = -1, t.epoch+1
	case t.epoch < 0 || req.ProducerEpoch == t.epoch:
		t.lastEpoch, t.epoch = t.epoch, t.epoch+1
	case req.ProducerEpoch == t.lastEpoch: // it has been told, and has not heard
	default:
		return nil, protocol.ProducerFenced
	}
	t.state, t.timeout, t.partitions = transactionEmpty, timeout, nil
	if c.txn.restarts {
		t.started = time.Time{}
	}
	return t, protocol.None
}
