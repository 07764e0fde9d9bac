package fake

import (
	"math"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// initProducerID gives a new id, or the same with the next epoch to a producer that names its own (KIP-360). Transactional ids come with transactions.
func (c *Cluster) initProducerID(q *call) {
	req := q.Req.(*msg.InitProducerIdRequest)
	resp := &msg.InitProducerIdResponse{}
	resp.SetDefaults()
	resp.ProducerEpoch, resp.ErrorCode = -1, int16(c.injected(q.Key))
	switch {
	case resp.ErrorCode != 0:
	case req.TransactionalID != nil:
		resp.ErrorCode = int16(protocol.TransactionalIDAuthorizationFailed)
	case q.Version >= 3 && req.ProducerID >= 0 && req.ProducerEpoch < math.MaxInt16-1:
		resp.ProducerID, resp.ProducerEpoch = req.ProducerID, req.ProducerEpoch+1
	default:
		resp.ProducerID, resp.ProducerEpoch = c.nextPID, 0
		c.nextPID++
	}
	c.reply(q, resp)
}
