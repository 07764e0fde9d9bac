package fake

import (
	"slices"
	"strings"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// describeGroups answers DescribeGroups: classic groups.
func (c *Cluster) describeGroups(q *call) {
	req := q.Req.(*msg.DescribeGroupsRequest)
	resp := &msg.DescribeGroupsResponse{}
	injected := c.injected(q.Key)
	for _, id := range req.Groups {
		out := msg.DescribeGroupsResponseDescribedGroup{}
		out.SetDefaults()
		out.GroupID, out.ErrorCode = id, int16(or(injected, c.coordinates(q, id)))
		out.GroupState, out.ProtocolType = "Dead", ""
		if out.ErrorCode == 0 && q.Version >= 6 {
			out.ErrorCode = int16(protocol.GroupIDNotFound)
		}
		if g := c.lookGroup(id); g != nil && (out.ErrorCode == 0 || out.ErrorCode == int16(protocol.GroupIDNotFound)) && len(g.modern.members) == 0 {
			out.ErrorCode = 0
			out.GroupState, out.ProtocolType, out.ProtocolData = g.classic.state.String(), "consumer", g.classic.protocol
			for _, m := range g.classic.members {
				d := msg.DescribeGroupsResponseDescribedGroupMember{MemberID: m.id, ClientID: m.client, ClientHost: "/127.0.0.1", MemberMetadata: []byte{}, MemberAssignment: m.assignment}
				for _, p := range m.protocols {
					if p.Name == g.classic.protocol {
						d.MemberMetadata = p.Metadata
					}
				}
				if m.assignment == nil {
					d.MemberAssignment = []byte{}
				}
				if m.instance != "" {
					d.GroupInstanceID = wire.Ptr(m.instance)
				}
				out.Members = append(out.Members, d)
			}
		}
		resp.Groups = append(resp.Groups, out)
	}
	c.reply(q, resp)
}

// kind is the type of a group and its state, as Kafka names them.
func (g *group) kind() (kind, state string) {
	if len(g.modern.members) > 0 {
		return "consumer", g.modern.state()
	}
	return "classic", g.classic.state.String()
}

func (c *Cluster) listGroups(q *call) {
	req := q.Req.(*msg.ListGroupsRequest)
	resp := &msg.ListGroupsResponse{ErrorCode: int16(c.injected(q.Key)), Groups: []msg.ListGroupsResponseListedGroup{}}
	wanted := func(filter []string, value string) bool {
		return len(filter) == 0 || slices.ContainsFunc(filter, func(f string) bool { return strings.EqualFold(f, value) })
	}
	for _, g := range c.groups {
		kind, state := g.kind()
		if resp.ErrorCode != 0 || c.coordinates(q, g.id) != protocol.None || !wanted(req.TypesFilter, kind) || !wanted(req.StatesFilter, state) {
			continue
		}
		out := msg.ListGroupsResponseListedGroup{GroupID: g.id, ProtocolType: "consumer"}
		if q.Version >= 4 {
			out.GroupState = state
		}
		if q.Version >= 5 {
			out.GroupType = kind
		}
		resp.Groups = append(resp.Groups, out)
	}
	c.reply(q, resp)
}

// consumerGroupDescribe answers for groups of the new protocol.
func (c *Cluster) consumerGroupDescribe(q *call) {
	req := q.Req.(*msg.ConsumerGroupDescribeRequest)
	resp := &msg.ConsumerGroupDescribeResponse{}
	injected := c.injected(q.Key)
	for _, id := range req.GroupIDs {
		out := msg.ConsumerGroupDescribeResponseDescribedGroup{}
		out.SetDefaults()
		out.GroupID, out.ErrorCode = id, int16(or(injected, c.coordinates(q, id)))
		g := c.lookGroup(id)
		switch {
		case out.ErrorCode != 0:
		case g == nil || len(g.modern.members) == 0:
			out.ErrorCode = int16(protocol.GroupIDNotFound)
		default:
			x := &g.modern
			out.GroupState, out.GroupEpoch, out.AssignmentEpoch, out.AssignorName = x.state(), x.epoch, x.epoch, "uniform"
			for _, m := range x.members {
				out.Members = append(out.Members, c.describeModern(m, q.Version))
			}
		}
		resp.Groups = append(resp.Groups, out)
	}
	c.reply(q, resp)
}

func (c *Cluster) describeModern(m *modernMember, version int16) msg.ConsumerGroupDescribeResponseMember {
	out := msg.ConsumerGroupDescribeResponseMember{MemberID: m.id, MemberEpoch: m.epoch, ClientID: m.client, ClientHost: "/127.0.0.1", SubscribedTopicNames: slices.Clone(m.topics), MemberType: -1}
	if m.left {
		out.MemberEpoch = -2
	}
	if m.instance != "" {
		out.InstanceID = wire.Ptr(m.instance)
	}
	if m.regex != nil {
		out.SubscribedTopicRegex = wire.Ptr(strings.TrimSuffix(strings.TrimPrefix(m.regex.String(), "^(?:"), ")$"))
	}
	if version >= 1 {
		out.MemberType = 1
		if m.classic != nil {
			out.MemberType = 0
		}
	}
	out.Assignment.TopicPartitions, out.TargetAssignment.TopicPartitions = c.described(m.assigned), c.described(m.target)
	return out
}

func (c *Cluster) described(parts set) (out []msg.ConsumerGroupDescribeResponseTopicPartitions) {
	for _, t := range c.byID(parts) {
		out = append(out, msg.ConsumerGroupDescribeResponseTopicPartitions{TopicID: t.TopicID, TopicName: c.topicByID(t.TopicID).name, Partitions: t.Partitions})
	}
	return out
}
