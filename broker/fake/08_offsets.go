package fake

import (
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// committed is an offset that a group has committed.
type committed struct {
	offset   int64
	epoch    int32
	metadata *string
	at       int64 // its number among all commits
}

func (c *Cluster) offsetCommit(q *call) {
	req := q.Req.(*msg.OffsetCommitRequest)
	resp := &msg.OffsetCommitResponse{}
	injected := c.injected(q.Key)
	whole, one := injected, ofOnePartition(injected)
	if one {
		whole = protocol.None
	}
	g, code := c.coordinatedUnless(whole, q, req.GroupID)
	if code == protocol.None && q.Version > 0 {
		code = c.mayCommit(g, req, q.Version)
	}
	for i := range req.Topics {
		in := &req.Topics[i]
		out := msg.OffsetCommitResponseOffsetCommitResponseTopic{Name: in.Name, TopicID: in.TopicID}
		t, unknown := c.lookup(in.Name, in.TopicID, q.Version >= 10)
		for _, p := range in.Partitions {
			got := unknown // before anything else, as Kafka does
			if t != nil && (p.PartitionIndex < 0 || int(p.PartitionIndex) >= len(t.partitions)) {
				got = protocol.UnknownTopicOrPartition
			}
			if got = or(got, code); one {
				got, one = or(got, injected), false
			}
			if got == protocol.None {
				g.offsets[topicPartition{t.name, p.PartitionIndex}] = committed{p.CommittedOffset, p.CommittedLeaderEpoch, p.CommittedMetadata, c.commit()}
			}
			out.Partitions = append(out.Partitions, msg.OffsetCommitResponseOffsetCommitResponsePartition{PartitionIndex: p.PartitionIndex, ErrorCode: int16(got)})
		}
		resp.Topics = append(resp.Topics, out)
	}
	c.reply(q, resp)
}

// ofOnePartition tells whether coordinators give an error for single partitions: FailNext gives it for the first, and the others are well.
func ofOnePartition(code protocol.Code) bool {
	switch code {
	case protocol.TopicAuthorizationFailed, protocol.UnknownTopicOrPartition, protocol.UnknownTopicID, protocol.UnstableOffsetCommit, protocol.UnknownServerError:
		return true
	}
	return false
}

func (c *Cluster) offsetFetch(q *call) {
	req := q.Req.(*msg.OffsetFetchRequest)
	resp := &msg.OffsetFetchResponse{}
	injected := c.injected(q.Key)
	one := ofOnePartition(injected)
	spoil := func(code *int16) {
		if one {
			*code, one = int16(injected), false
		}
	}
	whole := injected
	if one {
		whole = protocol.None
	}
	if q.Version < 8 {
		resp.ErrorCode = int16(or(whole, c.coordinates(q, req.GroupID)))
		for i := range req.Topics {
			out := msg.OffsetFetchResponseOffsetFetchResponseTopic{Name: req.Topics[i].Name}
			for _, index := range req.Topics[i].PartitionIndexes {
				k, code := c.committedStable(req.GroupID, out.Name, index, req.RequireStable)
				out.Partitions = append(out.Partitions, msg.OffsetFetchResponseOffsetFetchResponsePartition{PartitionIndex: index,
					CommittedOffset: k.offset, CommittedLeaderEpoch: k.epoch, Metadata: k.metadata, ErrorCode: int16(or(protocol.Code(resp.ErrorCode), code))})
				spoil(&out.Partitions[len(out.Partitions)-1].ErrorCode)
			}
			resp.Topics = append(resp.Topics, out)
		}
		c.reply(q, resp)
		return
	}
	for i := range req.Groups {
		g := &req.Groups[i]
		out := msg.OffsetFetchResponseOffsetFetchResponseGroup{GroupID: g.GroupID, ErrorCode: int16(or(whole, c.coordinates(q, g.GroupID)))}
		for k := range g.Topics {
			t, code := c.lookup(g.Topics[k].Name, g.Topics[k].TopicID, q.Version >= 10)
			ot := msg.OffsetFetchResponseOffsetFetchResponseTopics{Name: g.Topics[k].Name, TopicID: g.Topics[k].TopicID}
			for _, index := range g.Topics[k].PartitionIndexes {
				p := msg.OffsetFetchResponseOffsetFetchResponsePartitions{PartitionIndex: index, CommittedOffset: -1, CommittedLeaderEpoch: -1, Metadata: wire.Ptr("")}
				if q.Version >= 10 { // by name, a topic that is not there has no offsets
					p.ErrorCode = int16(code)
				}
				if code == protocol.None {
					k, unstable := c.committedStable(g.GroupID, t.name, index, req.RequireStable)
					p.CommittedOffset, p.CommittedLeaderEpoch, p.Metadata, p.ErrorCode = k.offset, k.epoch, k.metadata, int16(unstable)
				}
				spoil(&p.ErrorCode)
				ot.Partitions = append(ot.Partitions, p)
			}
			out.Topics = append(out.Topics, ot)
		}
		resp.Groups = append(resp.Groups, out)
	}
	c.reply(q, resp)
}

func noneCommitted() committed { return committed{offset: -1, epoch: -1, metadata: wire.Ptr("")} }

// committedStable is committed, unless a transaction is under way that may change it: then that is to be waited for, if the client wants to (KIP-447).
func (c *Cluster) committedStable(group, topic string, partition int32, stable bool) (committed, protocol.Code) {
	if g := c.lookGroup(group); stable && g != nil && g.unstable(topicPartition{topic, partition}) {
		return noneCommitted(), protocol.UnstableOffsetCommit
	}
	return c.committed(group, topic, partition), protocol.None
}

func (c *Cluster) committed(group, topic string, partition int32) committed {
	if g := c.lookGroup(group); g != nil {
		if k, ok := g.offsets[topicPartition{topic, partition}]; ok {
			return k
		}
	}
	return noneCommitted()
}

// mayCommit tells whether who commits may: a member of the present generation, or anybody while there are no members.
func (c *Cluster) mayCommit(g *group, req *msg.OffsetCommitRequest, version int16) protocol.Code {
	if len(g.modern.members) > 0 {
		m := g.modern.member(req.MemberID)
		switch {
		case m == nil:
			return protocol.UnknownMemberID
		case m.classic == nil && version < 9:
			return protocol.UnsupportedVersion
		case req.GenerationIDOrMemberEpoch != m.epoch && m.classic != nil:
			return protocol.IllegalGeneration
		case req.GenerationIDOrMemberEpoch != m.epoch:
			return protocol.StaleMemberEpoch
		}
		return protocol.None
	}
	if req.GenerationIDOrMemberEpoch < 0 && req.MemberID == "" {
		if len(g.classic.members) > 0 {
			return protocol.UnknownMemberID
		}
		return protocol.None
	}
	m, code := g.classic.known(req.MemberID, req.GroupInstanceID, req.GenerationIDOrMemberEpoch)
	if code != protocol.None {
		return code
	}
	m.expires = c.now.Add(m.session)
	if g.classic.state == groupCompleting {
		return protocol.RebalanceInProgress
	}
	return protocol.None
}
