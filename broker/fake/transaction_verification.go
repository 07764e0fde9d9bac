package fake

import (
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/record"
)

// verification is what a leader asks the coordinator of a transaction before it begins with it (KIP-890): that a partition is in the transaction, or, of clients that leave this to brokers, that it be taken in.
type verification struct {
	id        string
	producer  int64
	epoch     int16
	tp        topicPartition
	adds      bool // transactions of version 2
	abortable bool // the client knows TRANSACTION_ABORTABLE
}

// verify asks, and gives the code for the client (AddPartitionsToTxnManager).
func (c *Cluster) verify(v verification) protocol.Code {
	if !c.txn.verify {
		return protocol.None
	}
	if !c.writes(transactionKey(v.id)) {
		return protocol.CoordinatorNotAvailable
	}
	var code protocol.Code
	if v.adds {
		code = c.enlist(v.id, v.producer, v.epoch, []topicPartition{v.tp}, true)
	} else {
		code = c.enlisted(v.id, v.producer, v.epoch, v.tp)
	}
	switch {
	case code == protocol.ProducerFenced:
		return protocol.InvalidProducerEpoch
	case code == protocol.TransactionAbortable && !v.abortable:
		return protocol.InvalidTxnState
	}
	return code
}

// verifyBatch verifies the transaction of a batch that is to be appended, unless it has begun here. What a client might not repeat for is told as what every client does.
func (c *Cluster) verifyBatch(q *call, id *string, t *topic, p *partition, b *record.Batch) protocol.Code {
	if p.ongoing(b) || !c.txn.verify {
		return protocol.None
	}
	if k := p.known(b.ProducerID, c.now, &c.rules); c.txn.logFirst && k != nil && b.ProducerEpoch < k.epoch {
		return protocol.InvalidProducerEpoch
	}
	p.verify(b, q.Version >= 12, c.now, &c.rules)
	v := verification{producer: b.ProducerID, epoch: b.ProducerEpoch, tp: topicPartition{t.name, p.index}, adds: q.Version >= 12, abortable: q.Version >= 11}
	if id != nil {
		v.id = *id
	}
	code := c.verify(v)
	if code == protocol.CoordinatorNotAvailable || code == protocol.ConcurrentTransactions && !v.adds {
		return protocol.NotEnoughReplicas
	}
	return code
}

// verifying is what is noted of a producer whose transaction is being verified (VerificationStateEntry): the first of its sequences that came. If its verification fails nothing behind it may be appended before it.
type verifying struct {
	epoch  int16
	first  int32
	raises bool // the producer has an epoch for each transaction, as the first that was noted has said
	began  time.Time
}

// verify notes a batch that is being verified. The next of a transaction that is appended ends it, but for a marker of the same epoch if each transaction has its own.
func (p *partition) verify(b *record.Batch, raises bool, now time.Time, r *producerRules) {
	if p.verifying == nil {
		p.verifying = map[int64]verifying{}
	}
	v, ok := p.verified(b.ProducerID, now, r)
	if !ok {
		v = verifying{b.ProducerEpoch, b.BaseSequence, raises, now}
	}
	if b.ProducerEpoch > v.epoch || b.ProducerEpoch == v.epoch && b.BaseSequence < v.first {
		v.epoch, v.first = b.ProducerEpoch, b.BaseSequence
	}
	p.verifying[b.ProducerID] = v
}

// verified gives what is noted of a producer. It is forgotten as producers are, by when it was noted first (ProducerStateManager.removeExpiredProducers).
func (p *partition) verified(producer int64, now time.Time, r *producerRules) (verifying, bool) {
	v, ok := p.verifying[producer]
	if look := now.Truncate(r.every); ok && look.Sub(v.began) >= r.expiry {
		delete(p.verifying, producer)
		return verifying{}, false
	}
	return v, ok
}

// ongoing tells whether a transaction of the producer and epoch of a batch has begun in the partition.
func (p *partition) ongoing(b *record.Batch) bool {
	k := p.producers[b.ProducerID]
	_, open := p.open[b.ProducerID]
	return open && k != nil && k.epoch == b.ProducerEpoch
}
