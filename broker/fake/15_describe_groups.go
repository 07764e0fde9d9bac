package fake

import (
	"maps"
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
		code := or(injected, c.coordinates(q, id))
		out.GroupID, out.GroupState = id, "Dead"
		switch g := c.seenGroup(id); {
		case code != protocol.None:
		case g != nil && !g.consumer:
			g.classic.describe(&out, c.newCoordinator())
		case q.Version >= 6:
			code = protocol.GroupIDNotFound
		}
		if out.ErrorCode = int16(code); code == protocol.None && req.IncludeAuthorizedOperations {
			out.AuthorizedOperations = c.groupOperations()
		}
		resp.Groups = append(resp.Groups, out)
	}
	c.reply(q, resp)
}

// describe tells of a classic group: what its members have said only while it is in order, and with the old coordinator what they have been given, too.
func (k *classicGroup) describe(out *msg.DescribeGroupsResponseDescribedGroup, always bool) {
	out.GroupState, out.ProtocolType = k.state.String(), k.kind
	if k.state == groupStable {
		out.ProtocolData = k.protocol
	}
	for _, m := range k.members {
		d := msg.DescribeGroupsResponseDescribedGroupMember{MemberID: m.id, ClientID: m.client, ClientHost: "/127.0.0.1", MemberMetadata: []byte{}, MemberAssignment: []byte{}}
		if m.assignment != nil && (always || k.state == groupStable) {
			d.MemberAssignment = m.assignment
		}
		if k.state == groupStable {
			d.MemberMetadata = m.metadata(k.protocol)
		}
		if m.instance != "" {
			d.GroupInstanceID = wire.Ptr(m.instance)
		}
		out.Members = append(out.Members, d)
	}
}

// kind is the type of a group and its state, as Kafka names them.
func (g *group) kind() (kind, state string) {
	if g.consumer {
		return "consumer", g.modern.phase()
	}
	return "classic", g.classic.state.String()
}

func (c *Cluster) listGroups(q *call) {
	req := q.Req.(*msg.ListGroupsRequest)
	resp := &msg.ListGroupsResponse{ErrorCode: int16(c.injected(q.Key)), Groups: []msg.ListGroupsResponseListedGroup{}}
	filter := func(list []string) func(string) bool {
		if len(list) == 0 {
			return func(string) bool { return true }
		}
		set := setOf(list)
		if c.atLeast("3.0") {
			for _, f := range list {
				set[strings.ToLower(f)] = true
			}
		}
		return func(value string) bool { return set[value] || c.atLeast("3.0") && set[strings.ToLower(value)] }
	}
	types, states := filter(req.TypesFilter), filter(req.StatesFilter)
	for _, g := range c.groups {
		kind, state := g.kind()
		if resp.ErrorCode != 0 || g.unseen || c.coordinates(q, g.id) != protocol.None || !types(kind) || !states(state) {
			continue
		}
		out := msg.ListGroupsResponseListedGroup{GroupID: g.id, ProtocolType: g.classic.kind}
		if g.consumer {
			out.ProtocolType = consumerKind
		}
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
	injected, nameless := c.injected(q.Key), slices.Contains(req.GroupIDs, "")
	for _, at := range c.describedBy(req.GroupIDs) {
		id := at.group
		out := msg.ConsumerGroupDescribeResponseDescribedGroup{}
		out.SetDefaults()
		out.GroupID, out.ErrorCode = id, int16(or(injected, c.coordinates(q, id)))
		g := c.seenGroup(id)
		switch {
		case out.ErrorCode != 0:
		case nameless && !c.atLeast("4.1"): // then the answer cannot be written
			out.ErrorCode = int16(protocol.UnknownServerError)
		case id == "":
			out.ErrorCode = int16(protocol.InvalidGroupID)
		case g == nil || !g.consumer || at.elsewhere:
			out.ErrorCode = int16(protocol.GroupIDNotFound)
		default:
			x := &g.modern
			out.GroupState, out.GroupEpoch, out.AssignmentEpoch, out.AssignorName = x.phase(), x.epoch, x.divided, x.assignor(nil)
			for _, m := range x.members {
				out.Members = append(out.Members, c.describeModern(m, q.Version))
			}
		}
		if out.ErrorCode == 0 && req.IncludeAuthorizedOperations {
			out.AuthorizedOperations = c.groupOperations()
		}
		resp.Groups = append(resp.Groups, out)
	}
	c.reply(q, resp)
}

type describedBy struct {
	group     string
	elsewhere bool // it is in another partition of the offsets topic than the one that is asked
}

// describedBy are the groups that are asked for. Up to 4.0 each partition that has one of them is asked for all, and says of the others that they are not there (GroupCoordinatorService.consumerGroupDescribe).
func (c *Cluster) describedBy(groups []string) (out []describedBy) {
	if c.atLeast("4.1") || slices.Contains(groups, "") {
		for _, g := range groups {
			out = append(out, describedBy{group: g})
		}
		return out
	}
	var asked []int32
	for _, g := range groups {
		at := c.offsetsOf(g).partition
		if !slices.Contains(asked, at) {
			asked = append(asked, at)
		}
	}
	for _, at := range asked {
		for _, g := range groups {
			out = append(out, describedBy{g, c.offsetsOf(g).partition != at})
		}
	}
	return out
}

// groupOperations are what everybody may do with a group where nothing is forbidden (AclEntry.supportedOperations): groups have configurations since 4.0.
func (c *Cluster) groupOperations() int32 {
	if c.atLeast("4.0") {
		return 0xd48
	}
	return 0x148
}

func (c *Cluster) describeModern(m *modernMember, version int16) msg.ConsumerGroupDescribeResponseMember {
	out := msg.ConsumerGroupDescribeResponseMember{MemberID: m.id, MemberEpoch: m.epoch, ClientID: m.client, ClientHost: "/127.0.0.1", SubscribedTopicNames: slices.Clone(m.topics), MemberType: -1}
	if m.instance != "" {
		out.InstanceID = wire.Ptr(m.instance)
	}
	out.RackID, out.SubscribedTopicRegex = m.rack, wire.Ptr(m.pattern)
	if version >= 1 {
		out.MemberType = 1
		if m.classic != nil {
			out.MemberType = 0
		}
	}
	has := maps.Clone(m.assigned)
	if c.atLeast("4.3") { // and what it is to give up
		maps.Copy(has, m.revoking)
	}
	out.Assignment.TopicPartitions, out.TargetAssignment.TopicPartitions = c.described(has), c.described(m.target)
	return out
}

func (c *Cluster) described(parts set) (out []msg.ConsumerGroupDescribeResponseTopicPartitions) {
	for _, t := range byID(parts) {
		if topic := c.topicByID(t.TopicID); topic != nil { // what is gone has no name
			out = append(out, msg.ConsumerGroupDescribeResponseTopicPartitions{TopicID: t.TopicID, TopicName: topic.name, Partitions: t.Partitions})
		}
	}
	return out
}
