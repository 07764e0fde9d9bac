package fake

import (
	"maps"
	"slices"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// deleteGroups answers DeleteGroups (42): of groups that nobody is in.
func (c *Cluster) deleteGroups(q *call) {
	req := q.Req.(*msg.DeleteGroupsRequest)
	resp := &msg.DeleteGroupsResponse{}
	injected := c.injected(q.Key)
	seen := map[string]bool{} // Kafka reads them into a set
	for _, id := range req.GroupsNames {
		if seen[id] {
			continue
		}
		seen[id] = true
		code := or(injected, c.coordinates(q, id))
		g := c.lookGroup(id)
		switch {
		case code != protocol.None:
		case g == nil, g.forsaken:
			code = protocol.GroupIDNotFound
		case !g.empty():
			code = protocol.NonEmptyGroup
		default:
			c.dropGroup(g)
		}
		resp.Results = append(resp.Results, msg.DeleteGroupsResponseDeletableGroupResult{GroupID: id, ErrorCode: int16(code)})
	}
	c.reply(q, resp)
}

// empty tells whether a group has no members.
func (g *group) empty() bool {
	return len(g.modern.members) == 0 && g.classic.state == groupEmpty
}

func (c *Cluster) dropGroup(g *group) {
	c.groups = slices.DeleteFunc(c.groups, func(o *group) bool { return o == g })
	c.logged(c.offsetsOf(g.id).partition)
}

// offsetDelete answers OffsetDelete (47): offsets of topics that no member reads.
func (c *Cluster) offsetDelete(q *call) {
	req := q.Req.(*msg.OffsetDeleteRequest)
	resp := &msg.OffsetDeleteResponse{}
	g, code := c.coordinated(q, req.GroupID)
	switch {
	case code != protocol.None:
	case req.GroupID == "":
		code = protocol.InvalidGroupID
	case !c.keeps(g):
		code = protocol.GroupIDNotFound
	case !g.consumer && !g.empty() && g.classic.kind != consumerKind:
		code = protocol.NonEmptyGroup
	}
	if resp.ErrorCode = int16(code); code != protocol.None {
		c.reply(q, resp)
		return
	}
	any := false
	for i := range req.Topics {
		in := &req.Topics[i]
		out := msg.OffsetDeleteResponseOffsetDeleteResponseTopic{Name: in.Name}
		for _, p := range in.Partitions {
			got := protocol.None
			if _, err := c.partition(in.Name, p.PartitionIndex); err != nil {
				got = protocol.UnknownTopicOrPartition
			} else if g.reads(in.Name) {
				got = protocol.GroupSubscribedToTopic
			} else {
				g.deleteOffset(topicPartition{in.Name, p.PartitionIndex})
				if c.atLeast("4.3") { // then no transaction keeps the group (OffsetMetadataManager.OpenTransactions)
					maps.DeleteFunc(g.pending, func(_ int64, offsets map[topicPartition]committed) bool { return len(offsets) == 0 })
				}
				any = true
			}
			out.Partitions = append(out.Partitions, msg.OffsetDeleteResponseOffsetDeleteResponsePartition{PartitionIndex: p.PartitionIndex, ErrorCode: int16(got)})
		}
		if len(out.Partitions) > 0 { // Kafka answers by partition
			resp.Topics = append(resp.Topics, out)
		}
	}
	if any && g.empty() && !g.hasOffsets() && !c.newCoordinator() {
		c.dropGroup(g)
	}
	c.reply(q, resp)
}

// deleteOffset forgets an offset; also those that are on their way (in OffsetMetadataManager the tombstone takes them along).
func (g *group) deleteOffset(tp topicPartition) {
	delete(g.offsets, tp)
	delete(g.stuck, tp)
	for _, offsets := range g.pending {
		delete(offsets, tp)
	}
}

// hasOffsets tells whether a group has any, or may get some.
func (g *group) hasOffsets() bool {
	return len(g.offsets) > 0 || len(g.pending) > 0 || len(g.stuck) > 0
}
