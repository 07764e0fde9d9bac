package fake

import (
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// writeMarkers appends markers that somebody but the fake's own coordinator sends: an administrator who ends a transaction that hangs.
func (c *Cluster) writeMarkers(q *call) {
	req := q.Req.(*msg.WriteTxnMarkersRequest)
	resp := &msg.WriteTxnMarkersResponse{}
	injected := c.injected(q.Key)
	for i := range req.Markers {
		in := &req.Markers[i]
		out := msg.WriteTxnMarkersResponseWritableTxnMarkerResult{ProducerID: in.ProducerID}
		m := marker{producer: in.ProducerID, epoch: in.ProducerEpoch, commit: in.TransactionResult, coordinator: in.CoordinatorEpoch}
		for _, t := range in.Topics {
			r := msg.WriteTxnMarkersResponseWritableTxnMarkerTopicResult{Name: t.Name}
			for _, index := range t.PartitionIndexes {
				code := injected
				if code == protocol.None {
					code = c.writeMarker(q, topicPartition{t.Name, index}, m, in.TransactionVersion >= 2)
				}
				r.Partitions = append(r.Partitions, msg.WriteTxnMarkersResponseWritableTxnMarkerPartitionResult{PartitionIndex: index, ErrorCode: int16(code)})
			}
			out.Topics = append(out.Topics, r)
		}
		resp.Markers = append(resp.Markers, out)
	}
	c.reply(q, resp)
}

// writeMarker appends one marker, if neither its producer nor its coordinator is of the past (ProducerAppendInfo.appendEndTxnMarker). Where each transaction has an epoch of its own the marker has the next (KIP-1228).
func (c *Cluster) writeMarker(q *call, tp topicPartition, m marker, raised bool) protocol.Code {
	if tp.topic == offsetsTopic {
		switch {
		case m.epoch < c.offsetsKnown(tp.partition, m.producer).epoch:
			return protocol.InvalidProducerEpoch
		case !c.concludeOffsets(tp.partition, m):
			return protocol.NotEnoughReplicas
		}
		return protocol.None
	}
	t, code := c.lookup(tp.topic, protocol.UUID{}, false)
	if code != protocol.None {
		return code
	}
	p, code := c.led(q, t, tp.partition)
	if code != protocol.None {
		return code
	}
	if len(p.isr) < c.minISR(p, q.Node) || q.conn.node.alone != nil {
		return protocol.NotEnoughReplicas
	}
	_, open := p.open[m.producer]
	switch k := p.known(m.producer, c.now, &c.rules); {
	case k == nil:
	case m.epoch < k.epoch || raised && open && m.epoch == k.epoch:
		return protocol.InvalidProducerEpoch
	case m.coordinator < k.coordinator:
		return protocol.TransactionCoordinatorFenced
	}
	c.mark(p, m)
	return protocol.None
}
