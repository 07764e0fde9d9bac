package fake

import (
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// writeMarkers appends markers that somebody but the fake's own coordinator sends: an administrator who ends a transaction that hangs. What is told of a producer is told together, of each partition what came last; of one without partitions
// nothing is. A marker that names a partition twice is written, and never answered: since 3.0 brokers wait for as many partitions as are named (KafkaApis.handleWriteTxnMarkersRequest).
func (c *Cluster) writeMarkers(q *call) {
	req := q.Req.(*msg.WriteTxnMarkersRequest)
	injected := c.injected(q.Key)
	codes := markerCodes{producers: map[int64]int{}, topics: map[markedTopic]int{}, partitions: map[markedPartition]int{}}
	for i := range req.Markers {
		in := &req.Markers[i]
		m := marker{producer: in.ProducerID, epoch: in.ProducerEpoch, commit: in.TransactionResult, coordinator: in.CoordinatorEpoch}
		seen := map[topicPartition]bool{}
		for _, t := range in.Topics {
			for _, index := range t.PartitionIndexes {
				tp := topicPartition{t.Name, index}
				if seen[tp] {
					q.conn.deaf = q.conn.deaf || c.kraft()
					continue
				}
				seen[tp] = true
				code := injected
				if code == protocol.None && in.TransactionVersion == -1 { // it is not known, where it must be (Kafka fails at it); others below 0 are as 0
					code = protocol.UnknownServerError
				}
				if code == protocol.None {
					code = c.writeMarker(q, tp, m, in.TransactionVersion >= 2)
				}
				codes.add(in.ProducerID, tp, code)
			}
		}
	}
	if q.conn.deaf {
		q.conn.queue = nil
		return
	}
	c.reply(q, &codes.resp)
}

// markerCodes is what is told of markers; the maps have where it stands.
type markerCodes struct {
	resp       msg.WriteTxnMarkersResponse
	producers  map[int64]int
	topics     map[markedTopic]int
	partitions map[markedPartition]int
}

type markedTopic struct {
	producer int64
	topic    string
}

type markedPartition struct {
	producer int64
	topicPartition
}

func (m *markerCodes) add(producer int64, tp topicPartition, code protocol.Code) {
	i := placeOf(m.producers, producer, &m.resp.Markers, msg.WriteTxnMarkersResponseWritableTxnMarkerResult{ProducerID: producer})
	of := &m.resp.Markers[i]
	k := placeOf(m.topics, markedTopic{producer, tp.topic}, &of.Topics, msg.WriteTxnMarkersResponseWritableTxnMarkerTopicResult{Name: tp.topic})
	in := &of.Topics[k]
	n := placeOf(m.partitions, markedPartition{producer, tp}, &in.Partitions, msg.WriteTxnMarkersResponseWritableTxnMarkerPartitionResult{PartitionIndex: tp.partition})
	in.Partitions[n].ErrorCode = int16(code)
}

// placeOf is where something stands in a list, which gets it at its first mention.
func placeOf[K comparable, T any](places map[K]int, key K, list *[]T, first T) int {
	i, ok := places[key]
	if !ok {
		i = len(*list)
		places[key] = i
		*list = append(*list, first)
	}
	return i
}

// writeMarker appends one marker, if neither its producer nor its coordinator is of the past (ProducerAppendInfo.appendEndTxnMarker). Where each transaction has an epoch of its own the marker has the next (KIP-1228).
func (c *Cluster) writeMarker(q *call, tp topicPartition, m marker, raised bool) protocol.Code {
	if tp.topic == offsetsTopic {
		switch {
		case c.fences(tp, m):
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
