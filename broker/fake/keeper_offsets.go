package fake

import (
	"slices"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// groupPartition is where an offset is kept in ZooKeeper: version 0 of OffsetCommit and OffsetFetch knows no other place. Coordinators do not hear of it, and it outlives the topic.
type groupPartition struct {
	group string
	topicPartition
}

// commitToKeeper answers OffsetCommit in version 0. With KRaft there is no such place.
func (c *Cluster) commitToKeeper(q *call, req *msg.OffsetCommitRequest, injected protocol.Code) {
	resp := &msg.OffsetCommitResponse{}
	whole := injected
	if c.kraft() && slices.ContainsFunc(req.Topics, c.hasAnyOf) {
		whole = or(whole, protocol.UnsupportedVersion)
	}
	for _, t := range req.Topics {
		out := msg.OffsetCommitResponseOffsetCommitResponseTopic{Name: t.Name}
		for _, p := range t.Partitions {
			code := whole
			if _, err := c.partition(t.Name, p.PartitionIndex); err != nil {
				code = or(code, protocol.UnknownTopicOrPartition)
			}
			if code = or(code, c.soundMetadata(p.CommittedMetadata)); code == protocol.None {
				c.keeper[groupPartition{req.GroupID, topicPartition{t.Name, p.PartitionIndex}}] = p.CommittedOffset
			}
			out.Partitions = append(out.Partitions, msg.OffsetCommitResponseOffsetCommitResponsePartition{PartitionIndex: p.PartitionIndex, ErrorCode: int16(code)})
		}
		resp.Topics = append(resp.Topics, out)
	}
	c.reply(q, resp)
}

// hasAnyOf tells whether there is any of the partitions that are committed for.
func (c *Cluster) hasAnyOf(t msg.OffsetCommitRequestOffsetCommitRequestTopic) bool {
	return slices.ContainsFunc(t.Partitions, func(p msg.OffsetCommitRequestOffsetCommitRequestPartition) bool {
		_, err := c.partition(t.Name, p.PartitionIndex)
		return err == nil
	})
}

// fetchFromKeeper gives what was committed in version 0: none is an error there.
func (c *Cluster) fetchFromKeeper(req *msg.OffsetFetchRequest, injected protocol.Code) []msg.OffsetFetchResponseOffsetFetchResponseTopic {
	topics := []msg.OffsetFetchResponseOffsetFetchResponseTopic{}
	for _, t := range req.Topics {
		out := msg.OffsetFetchResponseOffsetFetchResponseTopic{Name: t.Name}
		for _, index := range t.PartitionIndexes {
			r := msg.OffsetFetchResponseOffsetFetchResponsePartition{PartitionIndex: index, CommittedOffset: -1, CommittedLeaderEpoch: -1, Metadata: wire.Ptr("")}
			offset, ok := c.keeper[groupPartition{req.GroupID, topicPartition{t.Name, index}}]
			_, err := c.partition(t.Name, index)
			switch {
			case injected != protocol.None:
				r.ErrorCode = int16(injected)
			case req.GroupID == "" && err == nil: // there is no such path
				r.ErrorCode = int16(protocol.UnknownServerError)
			case !ok || err != nil:
				r.ErrorCode = int16(protocol.UnknownTopicOrPartition)
			default:
				r.CommittedOffset = offset
			}
			out.Partitions = append(out.Partitions, r)
		}
		topics = append(topics, out)
	}
	return topics
}
