package fake

import (
	"slices"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// maxPartitionsTold is how many partitions an answer of DescribeTopicPartitions has at most (max.request.partition.size.limit).
const maxPartitionsTold = 2000

// describeTopicPartitions answers DescribeTopicPartitions (75): topics in the order of their names, page by page.
func (c *Cluster) describeTopicPartitions(q *call) {
	req := q.Req.(*msg.DescribeTopicPartitionsRequest)
	resp := &msg.DescribeTopicPartitionsResponse{}
	injected := c.injected(q.Key)
	var asked []string
	for i := range req.Topics {
		asked = append(asked, req.Topics[i].Name)
	}
	if len(asked) == 0 {
		for _, t := range c.topics {
			asked = append(asked, t.name)
		}
	}
	if code := refusesPages(req, asked); code != protocol.None && injected == protocol.None {
		for i := range req.Topics {
			out := msg.DescribeTopicPartitionsResponseDescribeTopicPartitionsResponseTopic{}
			out.SetDefaults()
			out.Name, out.ErrorCode = wire.Ptr(req.Topics[i].Name), int16(code)
			resp.Topics = append(resp.Topics, out)
		}
		c.reply(q, resp)
		return
	}
	slices.Sort(asked)
	asked = slices.Compact(asked)
	first := int32(0)
	if req.Cursor != nil {
		asked = slices.DeleteFunc(asked, func(n string) bool { return n < req.Cursor.TopicName })
		first = req.Cursor.PartitionIndex
	}
	left := max(1, min(int(req.ResponsePartitionLimit), maxPartitionsTold))
	for _, name := range asked {
		out := msg.DescribeTopicPartitionsResponseDescribeTopicPartitionsResponseTopic{}
		out.SetDefaults()
		out.Name, out.TopicAuthorizedOperations = wire.Ptr(name), topicOperations
		from := int32(0)
		if req.Cursor != nil && name == req.Cursor.TopicName {
			from = first
		}
		if left == 0 { // whatever there is of it
			resp.NextCursor = &msg.DescribeTopicPartitionsResponseCursor{TopicName: name, PartitionIndex: from}
			break
		}
		t, code := c.lookup(name, wire.UUID{}, false)
		if !legal(name) {
			code = protocol.InvalidTopicException
		}
		if out.ErrorCode = int16(or(injected, code)); out.ErrorCode != 0 {
			resp.Topics = append(resp.Topics, out)
			continue
		}
		out.TopicID, out.IsInternal = t.id, internal(name)
		for _, p := range t.partitions[min(int(max(from, 0)), len(t.partitions)):] {
			if left == 0 {
				resp.NextCursor = &msg.DescribeTopicPartitionsResponseCursor{TopicName: name, PartitionIndex: p.index}
				break
			}
			left--
			out.Partitions = append(out.Partitions, c.describePartition(p))
		}
		resp.Topics = append(resp.Topics, out)
		if resp.NextCursor != nil {
			break
		}
	}
	c.reply(q, resp)
}

// refusesPages tells why a whole request is refused. Of an empty name Kafka does not make an answer of its own, unless it continues one.
func refusesPages(req *msg.DescribeTopicPartitionsRequest, asked []string) protocol.Code {
	switch {
	case req.Cursor != nil && req.Cursor.PartitionIndex < 0:
		return protocol.InvalidRequest
	case req.Cursor == nil && slices.Contains(asked, ""):
		return protocol.UnknownServerError
	case req.Cursor != nil && !slices.Contains(asked, req.Cursor.TopicName):
		return protocol.InvalidRequest
	}
	return protocol.None
}

func (c *Cluster) describePartition(p *partition) (r msg.DescribeTopicPartitionsResponseDescribeTopicPartitionsResponsePartition) {
	r.SetDefaults()
	r.PartitionIndex, r.LeaderID, r.LeaderEpoch, r.ReplicaNodes, r.IsrNodes = p.index, p.leader, p.epoch, p.replicas, p.isr
	r.EligibleLeaderReplicas, r.LastKnownElr = []int32{}, []int32{}
	if p.leader < 0 {
		r.ErrorCode = int16(protocol.LeaderNotAvailable)
	}
	for _, id := range p.replicas {
		if n := c.node(id); n.down || n.fenced {
			r.OfflineReplicas = append(r.OfflineReplicas, id)
		}
	}
	return r
}
