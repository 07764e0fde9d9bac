package fake

import (
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// addOffsets takes the offsets of a group into a transaction: the partition of the offsets topic that they are in.
func (c *Cluster) addOffsets(q *call) {
	req := q.Req.(*msg.AddOffsetsToTxnRequest)
	code := or(c.injected(q.Key), c.coordinatesTransaction(q, req.TransactionalID))
	if code == protocol.None {
		code = c.enlist(req.TransactionalID, req.ProducerID, req.ProducerEpoch, []topicPartition{c.offsetsOf(req.GroupID)}, false)
	}
	if code == protocol.ProducerFenced && q.Version < 2 { // KIP-588
		code = protocol.InvalidProducerEpoch
	}
	c.reply(q, &msg.AddOffsetsToTxnResponse{ErrorCode: int16(code)})
}
