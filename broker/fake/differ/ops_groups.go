package differ

import (
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// subscription is what a classic consumer says when it joins: nothing but its version and no topics.
var subscription = []byte{0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}

// joinGroup joins the only classic member of a group, or lets it join again: a second would have to wait for the first. Group k has members of the new protocol, too.
func joinGroup(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	group := usual(d, 6, "g", "k")
	if len(w.consumers) > 0 && d.once(2) {
		group = "k"
	}
	m := w.members[group]
	if m == nil {
		m = &memberState{kind: usual(d, 12, "consumer", "connect")}
	}
	req := &msg.JoinGroupRequest{GroupID: usual(d, 20, w.name(group), ""), SessionTimeoutMs: usual[int32](d, 15, w.lasting(60_000), 1, 499, 1_800_001, -1), MemberID: usual(d, 20, m.id, w.prefix+"nobody"), ProtocolType: usual(d, 10, m.kind, "connect", ""),
		Protocols: []msg.JoinGroupRequestJoinGroupRequestProtocol{{Name: usual(d, 8, "range", "roundrobin"), Metadata: usual(d, 12, subscription, []byte{}, []byte{0, 0, 9})}}}
	if d.once(15) {
		req.Protocols = req.Protocols[:0]
	}
	if d.version >= 1 {
		req.RebalanceTimeoutMs = w.lasting(60_000)
	} else {
		req.RebalanceTimeoutMs = -1
	}
	if d.version >= 5 {
		if req.GroupInstanceID = usual(d, 20, m.instance, wire.Ptr("i"), wire.Ptr("j")); !m.joined && d.once(2) {
			req.GroupInstanceID = wire.Ptr("i")
		}
		if m.joined && m.instance != nil {
			switch d.IntN(6) {
			case 0, 1: // it was started again
				req.MemberID = ""
			case 2: // and here is who was before
				req.MemberID = d.replaced(w, m)
			}
		}
	}
	if m.instance != nil && d.version < 5 && w.keeper() && w.brief || m.untold > 0 && req.MemberID == "" {
		return nil, nil // who is untold is still taken for one who joins: it does not expire, and if it leaves or is started again, that request is answered, too, which was answered before
	}
	same := text(req.GroupInstanceID) == text(m.instance)
	if m.joined && (req.MemberID == "" && (m.instance == nil || !same) || req.MemberID != "" && req.MemberID != m.id && group == "k") { // it would be another member
		return nil, nil
	}
	return req, func(resp protocol.Response) {
		r := resp.(*msg.JoinGroupResponse)
		switch {
		case req.GroupID == "":
		case r.ErrorCode == 0:
			untold := m.untold
			if r.GenerationID > untold {
				untold = 0
			}
			now := &memberState{id: r.MemberID, before: m.before, kind: req.ProtocolType, generation: r.GenerationID, joined: true, instance: req.GroupInstanceID, untold: untold}
			if same && m.joined && m.id != r.MemberID {
				now.before = m.id
			}
			w.members[group] = now
		case protocol.Code(r.ErrorCode) == protocol.MemberIDRequired:
			w.members[group] = &memberState{id: r.MemberID, kind: req.ProtocolType}
		case protocol.Code(r.ErrorCode) == protocol.UnsupportedVersion:
			m.untold = max(m.generation, m.untold) + 1
		case protocol.Code(r.ErrorCode) == protocol.UnknownMemberID && req.MemberID == m.id && same:
			delete(w.members, group)
		}
	}
}

func syncGroup(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	group := usual(d, 6, w.name("g"), w.name("k"), w.name("k"), w.name("h"), "")
	if m := w.members["k"]; m != nil && m.joined && d.once(2) {
		group = w.name("k")
	}
	req := &msg.SyncGroupRequest{GroupID: group}
	req.MemberID, req.GenerationID = d.member(w, group)
	if d.version >= 3 {
		req.GroupInstanceID = d.instance(w, group)
	}
	if d.version >= 5 {
		kind := "consumer"
		if m := w.members[w.short(group)]; m != nil {
			kind = m.kind
		}
		req.ProtocolType, req.ProtocolName = usual(d, 6, &kind, nil, wire.Ptr("connect")), usual(d, 6, wire.Ptr("range"), nil, wire.Ptr("roundrobin"))
	}
	if !d.once(5) {
		req.Assignments = []msg.SyncGroupRequestSyncGroupRequestAssignment{{MemberID: req.MemberID, Assignment: []byte{0, byte(d.IntN(3)), 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}}}
	}
	return req, nil
}

func heartbeat(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	group := d.group(w)
	if m := w.members["k"]; m != nil && m.joined && d.once(2) {
		group = w.name("k")
	}
	req := &msg.HeartbeatRequest{GroupID: group}
	req.MemberID, req.GenerationID = d.member(w, group)
	if d.version >= 3 {
		req.GroupInstanceID = d.instance(w, group)
	}
	return req, nil
}

func leaveGroup(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	group := usual(d, 6, w.name("g"), w.name("k"), w.name("h"), w.name("unknown"), "")
	id, _ := d.member(w, group)
	instance := d.instance(w, group)
	if m := w.members[w.short(group)]; m != nil && m.untold > 0 {
		return nil, nil
	}
	req := &msg.LeaveGroupRequest{GroupID: group}
	if d.version < 3 {
		req.MemberID = id
	} else {
		for range usual(d, 8, 1, 0) {
			req.Members = append(req.Members, msg.LeaveGroupRequestMemberIdentity{MemberID: id, GroupInstanceID: instance})
		}
	}
	return req, func(resp protocol.Response) {
		r := resp.(*msg.LeaveGroupResponse)
		left := r.ErrorCode == 0 && (d.version < 3 || len(r.Members) > 0 && r.Members[0].ErrorCode == 0)
		if m := w.members[w.short(group)]; left && m != nil && (m.id == id || id == "") {
			delete(w.members, w.short(group))
		}
	}
}

func describeGroups(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.DescribeGroupsRequest{}
	for range usual(d, 4, 1, 2) {
		req.Groups = append(req.Groups, d.group(w))
	}
	if d.version >= 3 {
		req.IncludeAuthorizedOperations = d.once(4)
	}
	return req, nil
}

func listGroups(d *draw, _ *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.ListGroupsRequest{}
	if d.version >= 4 && d.once(2) {
		req.StatesFilter = []string{pick(d, "Empty", "Stable", "stable", "nonsense")}
	}
	if d.version >= 5 && d.once(2) {
		req.TypesFilter = []string{pick(d, "classic", "consumer", "Consumer", "nonsense")}
	}
	return req, nil
}

// consumerGroupHeartbeat is of one of three members of group k, two of which may be the same instance, or of one that comes to the classic group g.
func consumerGroupHeartbeat(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	name, group := pick(d, "m0", "m0", "m0", "m1", "m1", "m2"), w.name("k")
	if d.once(12) {
		name, group = "m9", w.name("g")
	}
	c := w.consumers[name]
	req := &msg.ConsumerGroupHeartbeatRequest{GroupID: usual(d, 30, group, ""), MemberID: w.name(name), RebalanceTimeoutMs: -1}
	if c != nil {
		req.InstanceID = usual(d, 30, c.instance, wire.Ptr("j"))
	} else if (name == "m1" || name == "m2") && d.once(2) {
		req.InstanceID = wire.Ptr("j")
	}
	switch {
	case c == nil && d.once(15):
		req.MemberEpoch = 1
	case c == nil || d.once(10):
		req.RebalanceTimeoutMs, req.SubscribedTopicNames, req.TopicPartitions = usual[int32](d, 12, w.lasting(60_000), -1, 0), d.subscribed(w), []msg.ConsumerGroupHeartbeatRequestTopicPartitions{}
		if d.once(15) {
			req.SubscribedTopicNames = nil
		}
		if d.version >= 1 && d.once(15) {
			req.SubscribedTopicRegex = wire.Ptr("(")
		}
		if d.once(8) {
			req.ServerAssignor = wire.Ptr(pick(d, "uniform", "range", "nonsense", ""))
		}
	default:
		req.MemberEpoch = usual(d, 8, c.epoch, c.epoch, c.epoch+1, c.epoch-1, -1, -1, -2)
		if c.instance != nil && d.once(8) {
			req.MemberEpoch = -2
		}
		if d.once(3) {
			req.SubscribedTopicNames = d.subscribed(w)
		}
		if !d.once(4) {
			req.TopicPartitions = owned(w, c)
		}
	}
	if d.once(30) {
		req.MemberID = pick(d, "", w.prefix+"nobody")
		if d.version == 0 && req.MemberEpoch == 0 { // who has no id is given one, and the assignors of some releases go by the hashes of ids
			req.MemberID = w.prefix + "nobody"
		}
	}
	return req, func(m protocol.Response) { w.beaten(name, req, m.(*msg.ConsumerGroupHeartbeatResponse)) }
}

func (d *draw) subscribed(w *world) []string {
	return usual(d, 4, []string{w.name("a")}, []string{w.name("a"), w.name("b")}, []string{w.name("b")}, []string{}, []string{w.name("none")})
}

// owned says what a member has: all it was told of.
func owned(w *world, c *consumerState) []msg.ConsumerGroupHeartbeatRequestTopicPartitions {
	out := []msg.ConsumerGroupHeartbeatRequestTopicPartitions{}
	for _, n := range topicNames {
		if id := w.topicID(n); len(c.owned[id]) > 0 {
			out = append(out, msg.ConsumerGroupHeartbeatRequestTopicPartitions{TopicID: id, Partitions: c.owned[id]})
		}
	}
	return out
}

func (w *world) beaten(name string, req *msg.ConsumerGroupHeartbeatRequest, r *msg.ConsumerGroupHeartbeatResponse) {
	switch {
	case req.MemberID != w.name(name) || req.GroupID == "":
	case r.ErrorCode == 0 && r.MemberEpoch < 0:
		delete(w.consumers, name)
	case r.ErrorCode == 0:
		c := w.consumers[name]
		if c == nil {
			c = &consumerState{owned: map[wire.UUID][]int32{}}
			w.consumers[name] = c
		}
		c.epoch, c.instance = r.MemberEpoch, req.InstanceID
		if r.Assignment != nil {
			clear(c.owned)
			for _, t := range r.Assignment.TopicPartitions {
				c.owned[t.TopicID] = t.Partitions
			}
		}
	case protocol.Code(r.ErrorCode) == protocol.UnknownMemberID || protocol.Code(r.ErrorCode) == protocol.FencedMemberEpoch || protocol.Code(r.ErrorCode) == protocol.FencedInstanceID:
		delete(w.consumers, name)
	}
}

func consumerGroupDescribe(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.ConsumerGroupDescribeRequest{IncludeAuthorizedOperations: d.once(4)}
	for range usual(d, 4, 1, 2) {
		req.GroupIDs = append(req.GroupIDs, d.group(w))
	}
	return req, nil
}

// deleteGroups deletes groups that nobody is in.
func deleteGroups(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.DeleteGroupsRequest{}
	for range usual(d, 4, 1, 2) {
		req.GroupsNames = append(req.GroupsNames, d.group(w))
	}
	return req, nil
}
