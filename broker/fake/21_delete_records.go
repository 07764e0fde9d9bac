package fake

import (
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// deleteRecords answers DeleteRecords (21).
func (c *Cluster) deleteRecords(q *call) {
	req := q.Req.(*msg.DeleteRecordsRequest)
	resp := &msg.DeleteRecordsResponse{}
	injected := c.injected(q.Key)
	topics := deletedOnce(req.Topics)
	for i := range topics {
		in := &topics[i]
		out := msg.DeleteRecordsResponseDeleteRecordsTopicResult{Name: in.Name}
		t, code := c.lookup(in.Name, wire.UUID{}, false)
		if code == protocol.None && internal(in.Name) {
			code = protocol.InvalidTopicException
		}
		for _, ip := range in.Partitions {
			r := msg.DeleteRecordsResponseDeleteRecordsPartitionResult{PartitionIndex: ip.PartitionIndex, LowWatermark: -1}
			got := or(injected, code)
			if got == protocol.InvalidTopicException && (ip.PartitionIndex < 0 || int(ip.PartitionIndex) >= len(t.partitions)) {
				got = protocol.UnknownTopicOrPartition
			}
			if got == protocol.None {
				got = c.deleteBefore(q, t, &ip, &r)
			}
			r.ErrorCode = int16(got)
			out.Partitions = append(out.Partitions, r)
		}
		resp.Topics = append(resp.Topics, out)
	}
	c.reply(q, resp)
}

// deletedOnce gathers a request by topic and partition, as Kafka does before it looks at them: what is named last of a partition counts, and a topic without partitions is not answered.
func deletedOnce(topics []msg.DeleteRecordsRequestDeleteRecordsTopic) []msg.DeleteRecordsRequestDeleteRecordsTopic {
	type key struct {
		topic     string
		partition int32
	}
	var out []msg.DeleteRecordsRequestDeleteRecordsTopic
	places, partitions := map[string]int{}, map[key]int{}
	for _, t := range topics {
		for _, p := range t.Partitions {
			at, ok := places[t.Name]
			if !ok {
				at = len(out)
				places[t.Name] = at
				out = append(out, msg.DeleteRecordsRequestDeleteRecordsTopic{Name: t.Name})
			}
			if k, ok := partitions[key{t.Name, p.PartitionIndex}]; ok {
				out[at].Partitions[k].Offset = p.Offset
				continue
			}
			partitions[key{t.Name, p.PartitionIndex}] = len(out[at].Partitions)
			out[at].Partitions = append(out[at].Partitions, p)
		}
	}
	return out
}

// deleteBefore moves the start of a log to an offset; -1 is the high watermark.
func (c *Cluster) deleteBefore(q *call, t *topic, in *msg.DeleteRecordsRequestDeleteRecordsPartition, r *msg.DeleteRecordsResponseDeleteRecordsPartitionResult) protocol.Code {
	p, code := c.led(q, t, in.PartitionIndex)
	offset := in.Offset
	if offset == -1 && p != nil {
		offset = p.end
	}
	s := t.own(q.Node)
	switch {
	case code != protocol.None:
		return code
	case !s.remove && (s.compact || !c.atLeast("4.2")): // later a topic without any policy may lose records, too
		return protocol.PolicyViolation
	case offset < 0 || offset > p.end:
		return protocol.OffsetOutOfRange
	}
	p.advanceStart(offset)
	r.LowWatermark = p.start
	return protocol.None
}
