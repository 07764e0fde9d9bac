package fake

import (
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// addPartitions takes partitions into transactions. Up to version 3 clients ask, of one transaction; from 4 on brokers, of several, and some only want to know (KIP-890).
func (c *Cluster) addPartitions(q *call) {
	req := q.Req.(*msg.AddPartitionsToTxnRequest)
	resp := &msg.AddPartitionsToTxnResponse{}
	injected := c.injected(q.Key)
	if q.Version < 4 {
		one := msg.AddPartitionsToTxnRequestAddPartitionsToTxnTransaction{TransactionalID: req.V3AndBelowTransactionalID, ProducerID: req.V3AndBelowProducerID,
			ProducerEpoch: req.V3AndBelowProducerEpoch, Topics: req.V3AndBelowTopics}
		resp.ResultsByTopicV3AndBelow = c.addTo(q, &one, injected)
		c.reply(q, resp)
		return
	}
	for i := range req.Transactions {
		t := &req.Transactions[i]
		resp.ResultsByTransaction = append(resp.ResultsByTransaction, msg.AddPartitionsToTxnResponseAddPartitionsToTxnResult{TransactionalID: t.TransactionalID, TopicResults: c.addTo(q, t, injected)})
	}
	c.reply(q, resp)
}

// addTo takes all partitions into one transaction, or none.
func (c *Cluster) addTo(q *call, in *msg.AddPartitionsToTxnRequestAddPartitionsToTxnTransaction, code protocol.Code) (out []msg.AddPartitionsToTxnResponseAddPartitionsToTxnTopicResult) {
	var parts []topicPartition
	unknown := false
	there := func(topic string, index int32) bool {
		_, err := c.partition(topic, index)
		return err == nil || topic == offsetsTopic
	}
	for _, t := range in.Topics {
		for _, p := range t.Partitions {
			parts = append(parts, topicPartition{t.Name, p})
			unknown = unknown || !there(t.Name, p)
		}
	}
	if code == protocol.None && !unknown {
		code = c.coordinatesTransaction(q, in.TransactionalID)
		if code == protocol.None && !in.VerifyOnly {
			code = c.enlist(in.TransactionalID, in.ProducerID, in.ProducerEpoch, parts, q.Version >= 4)
		}
	}
	if code == protocol.ProducerFenced && q.Version < 2 { // KIP-588
		code = protocol.InvalidProducerEpoch
	}
	for _, t := range in.Topics {
		r := msg.AddPartitionsToTxnResponseAddPartitionsToTxnTopicResult{Name: t.Name}
		for _, p := range t.Partitions {
			got := code
			switch {
			case code != protocol.None:
			case unknown && there(t.Name, p):
				got = protocol.OperationNotAttempted
			case unknown:
				got = protocol.UnknownTopicOrPartition
			case in.VerifyOnly:
				got = c.enlisted(in.TransactionalID, in.ProducerID, in.ProducerEpoch, topicPartition{t.Name, p})
			}
			r.ResultsByPartition = append(r.ResultsByPartition, msg.AddPartitionsToTxnResponseAddPartitionsToTxnPartitionResult{PartitionIndex: p, PartitionErrorCode: int16(got)})
		}
		if len(r.ResultsByPartition) > 0 { // Kafka answers by partition
			out = append(out, r)
		}
	}
	return out
}
