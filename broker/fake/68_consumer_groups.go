package fake

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

func (c *Cluster) consumerGroupHeartbeat(q *call) {
	req := q.Req.(*msg.ConsumerGroupHeartbeatRequest)
	resp := &msg.ConsumerGroupHeartbeatResponse{}
	resp.SetDefaults()
	g, code := c.coordinated(q, req.GroupID)
	no := refusal{code: code}
	if no.code == protocol.None && c.cfg.NoConsumerProtocol {
		no.code = protocol.UnsupportedVersion
	}
	if no.code == protocol.None {
		no = c.unsoundHeartbeat(req, q.Version)
	}
	if no.code == protocol.None {
		no = c.beatModern(q, g, req, resp)
	}
	resp.ErrorCode, resp.ErrorMessage = int16(no.code), no.message()
	c.reply(q, resp)
}

func (c *Cluster) beatModern(q *call, g *group, req *msg.ConsumerGroupHeartbeatRequest, resp *msg.ConsumerGroupHeartbeatResponse) refusal {
	var regex *regexp.Regexp
	wrong := refusal{} // of what it says, if it may say anything
	if r := text(req.SubscribedTopicRegex); r != "" {
		var err error
		if regex, err = regexp.Compile("^(?:" + r + ")$"); err != nil {
			wrong = refuse(protocol.InvalidRegularExpression, "SubscribedTopicRegex is %q: %v", r, err)
		}
	}
	if no := c.consumers(g, req, wrong); no.code != protocol.None {
		return no
	}
	x := &g.modern
	if req.MemberEpoch < 0 {
		return c.leaveModern(g, req, resp)
	}
	if most := c.cfg.GroupMaxSize; most > 0 && len(x.members) >= most && x.member(req.MemberID) == nil {
		return refuse(protocol.GroupMaxSizeReached, "group %q has %d members, and may have no more", g.id, most)
	}
	if req.MemberID == "" {
		req.MemberID = cmp.Or(c.givenID(g.id), c.uuid().String())
	}
	_, known := x.statics[text(req.InstanceID)]
	restore := c.saved(g)
	m, no := c.beating(g, req, wrong)
	if no.code != protocol.None {
		return no
	}
	x.instantiate(m, text(req.InstanceID))
	had := maps.Clone(m.assigned)
	resolved := x.resolve()
	changed, pending := m.says(req), false
	if req.SubscribedTopicRegex != nil && *req.SubscribedTopicRegex != m.pattern {
		pending = x.match(m, *req.SubscribedTopicRegex, regex)
		changed = changed || !pending
	}
	m.client, m.classic, m.rejoinBy = q.client, nil, time.Time{}
	m.expires = c.now.Add(c.cfg.GroupSession)
	if changed || !pending && (resolved && !maps.Equal(x.counted, c.count(x)) || c.outgrown(x)) {
		c.bump(g)
	}
	target := m.target
	anew, code := c.divide(g, m)
	if code != protocol.None {
		restore()
		return refusal{code: code}
	}
	if !anew && req.InstanceID != nil && !known { // Kafka looks for what an instance is to have by its member, and does not know that yet (UpdateTargetAssignmentResult.fromLastTargetAssignment)
		m.target = set{}
	} else {
		target = m.target
	}
	c.reconcile(g, m, c.ownedBy(m, req), changed || pending)
	m.target, x.ousted = target, nil
	if req.MemberEpoch == 0 { // who joins without a topic raises no epoch: what waited to be divided was divided as if it read what the others do
		x.same = x.alike()
	}
	resp.MemberID, resp.MemberEpoch, resp.HeartbeatIntervalMs = &m.id, m.epoch, int32(c.cfg.GroupHeartbeat.Milliseconds())
	// Who has missed an answer says everything (GroupMetadataManager.consumerGroupHeartbeat: isFullRequest): else it hears of its assignment only when it changes.
	full := req.TopicPartitions != nil && req.RebalanceTimeoutMs != -1 && (req.SubscribedTopicNames != nil || req.SubscribedTopicRegex != nil)
	if req.MemberEpoch == 0 || full || !maps.Equal(had, m.assigned) {
		resp.Assignment = &msg.ConsumerGroupHeartbeatResponseAssignment{TopicPartitions: byID(m.assigned)}
	}
	return refusal{}
}

// consumers makes sure that the group is one of the new protocol: who joins makes it one, if it is empty, or if its members can come along. It stays what it is if something
// else is wrong with what the member says.
func (c *Cluster) consumers(g *group, req *msg.ConsumerGroupHeartbeatRequest, wrong refusal) refusal {
	switch {
	case g.consumer:
	case req.MemberEpoch != 0:
		return refuse(protocol.GroupIDNotFound, "there is no group %q of this protocol", g.id)
	case !g.empty() && !c.upgradable(g):
		return refuse(protocol.GroupIDNotFound, "group %q has members of the classic protocol that do not go together with others", g.id)
	case wrong.code != protocol.None:
		return wrong
	case g.empty():
		c.keep(g)
		g.consumer, g.classic, g.modern = true, classicGroup{}, modernGroup{epoch: c.firstEpoch()}
	default:
		c.upgrade(g)
	}
	return refusal{}
}

// firstEpoch is that of a group before anybody has joined: 0, and 1 in 4.3 (ModernGroup).
func (c *Cluster) firstEpoch() int32 {
	if c.atLeast("4.3") {
		return 1
	}
	return 0
}

// epochGone is that of a static member that has gone, and will be back.
const epochGone = -2

// beating finds the member of a heartbeat, or takes it in, unless something else is wrong.
func (c *Cluster) beating(g *group, req *msg.ConsumerGroupHeartbeatRequest, wrong refusal) (*modernMember, refusal) {
	x := &g.modern
	joins := req.MemberEpoch == 0
	m := x.member(req.MemberID)
	if req.InstanceID != nil { // a static member is found by its instance
		m = x.static(*req.InstanceID)
		switch {
		case x.gone(*req.InstanceID):
			return nil, unknownInstance(*req.InstanceID, g)
		case m == nil && joins: // or one that was none, or that of another instance
			if m = x.member(req.MemberID); m != nil {
				return m, wrong
			}
		case m == nil:
			return nil, unknownInstance(*req.InstanceID, g)
		case joins:
			if m.epoch != epochGone && (m.classic == nil || !c.atLeast("4.0")) { // also when it says so itself (throwIfInstanceIdIsUnreleased)
				return nil, refuse(protocol.UnreleasedInstanceID, "%q cannot join group %q as instance %q, which is %q there", req.MemberID, g.id, *req.InstanceID, m.id)
			}
			if wrong.code != protocol.None {
				return nil, wrong
			}
			x.replace(m, req.MemberID)
			return m, refusal{}
		case m.id != req.MemberID:
			return nil, fencedInstance(req, g, m)
		}
	}
	switch {
	case m == nil && !joins:
		return nil, unknownMember(req.MemberID, g)
	case m == nil && wrong.code == protocol.None:
		m = &modernMember{id: req.MemberID, joined: c.membership(), instance: text(req.InstanceID), target: set{}, assigned: set{}, revoking: set{}, since: map[topicIDPartition]int32{}}
		x.add(m)
	case m != nil && (!joins || !c.atLeast("4.2")) && !c.soundEpoch(m, req): // since 4.2 who joins again goes on where it was: the answer may have been lost
		return nil, refuse(protocol.FencedMemberEpoch, "member %q of group %q comes with epoch %d, and is in %d: it has to let all its partitions go, and to join again", m.id, g.id, req.MemberEpoch, m.epoch)
	}
	return m, wrong
}

func unknownMember(id string, g *group) refusal {
	return refuse(protocol.UnknownMemberID, "group %q has no member %q", g.id, id)
}

func unknownInstance(instance string, g *group) refusal {
	return refuse(protocol.UnknownMemberID, "group %q has no instance %q", g.id, instance)
}

func fencedInstance(req *msg.ConsumerGroupHeartbeatRequest, g *group, m *modernMember) refusal {
	return refuse(protocol.FencedInstanceID, "instance %q of group %q is member %q now, not %q", text(req.InstanceID), g.id, m.id, req.MemberID)
}

// replace lets another member go on in the place of a static one, and get what that had.
func (x *modernGroup) replace(m *modernMember, id string) {
	m.epoch, m.previous = 0, 0
	x.rename(m, id)
}

// says takes down what a member says of itself, and tells whether it reads something else now.
func (m *modernMember) says(req *msg.ConsumerGroupHeartbeatRequest) (changed bool) {
	if req.RebalanceTimeoutMs != -1 {
		m.rebalance = time.Duration(req.RebalanceTimeoutMs) * time.Millisecond
	}
	if req.RackID != nil {
		m.rack = req.RackID
	}
	if req.ServerAssignor != nil {
		m.assignor = *req.ServerAssignor
	}
	if req.SubscribedTopicNames != nil {
		topics := slices.Sorted(slices.Values(req.SubscribedTopicNames))
		if topics = slices.Compact(topics); !slices.Equal(m.topics, topics) {
			m.topics, changed = topics, true
		}
	}
	return changed
}

// match gives a member a pattern, and tells whether it has to be looked for what matches it: the coordinator does that by the way, and until then it matches nothing. A pattern that another member has, is known.
func (x *modernGroup) match(m *modernMember, pattern string, regex *regexp.Regexp) (pending bool) {
	known := regex == nil || slices.ContainsFunc(x.members, func(o *modernMember) bool { return o != m && o.pattern == pattern && o.regex != nil })
	if m.pattern, m.regex, m.wanted = pattern, nil, regex; known {
		m.regex, m.wanted = regex, nil
	}
	return !known
}

// resolve lets patterns match that were looked for meanwhile.
func (x *modernGroup) resolve() (any bool) {
	for _, m := range x.members {
		if m.wanted != nil {
			m.regex, m.wanted, any = m.wanted, nil, true
		}
	}
	return any
}

// unsoundHeartbeat holds a heartbeat against what Kafka demands of its fields (GroupMetadataManager.throwIfConsumerGroupHeartbeatRequestIsInvalid).
func (c *Cluster) unsoundHeartbeat(req *msg.ConsumerGroupHeartbeatRequest, version int16) refusal {
	blank := func(s string) bool { return javaTrim(s) == "" }
	empty := func(s *string) bool { return s != nil && blank(*s) }
	first := req.MemberEpoch == 0
	why := ""
	switch {
	case blank(req.GroupID):
		why = "GroupId is empty"
	case blank(req.MemberID) && (version > 0 || req.MemberEpoch > 0 || req.MemberEpoch == -1 || !first && !c.atLeast("4.0")):
		why = "MemberId is empty"
	case empty(req.InstanceID):
		why = "InstanceId is empty: it is null where there is none"
	case empty(req.RackID):
		why = "RackId is empty: it is null where there is none"
	case first && req.RebalanceTimeoutMs == -1:
		why = "RebalanceTimeoutMs is missing: who joins says it"
	case first && (req.TopicPartitions == nil || len(req.TopicPartitions) > 0):
		why = "TopicPartitions is not an empty list: who joins has no partitions"
	case first && req.SubscribedTopicNames == nil && req.SubscribedTopicRegex == nil:
		why = "SubscribedTopicNames and SubscribedTopicRegex are both missing: who joins says what it reads"
	case first && len(req.SubscribedTopicNames) == 0 && !c.atLeast("4.0"): // later who joins may read nothing
		why = "SubscribedTopicNames is empty: who joins reads something"
	case req.MemberEpoch == epochGone && req.InstanceID == nil:
		why = fmt.Sprintf("InstanceId is missing: with MemberEpoch %d a static member goes", epochGone)
	case req.MemberEpoch < epochGone:
		why = fmt.Sprintf("MemberEpoch is %d: there is none below %d", req.MemberEpoch, epochGone)
	}
	if why != "" {
		return refusal{protocol.InvalidRequest, why}
	}
	if a := req.ServerAssignor; a != nil && *a != "uniform" && *a != "range" {
		return refuse(protocol.UnsupportedAssignor, "ServerAssignor is %q: there are uniform and range", *a)
	}
	return refusal{}
}

// ownedBy is what a member says that it owns; nil: it does not say. Of a topic that is gone it is known by what the member has had of it.
func (c *Cluster) ownedBy(m *modernMember, req *msg.ConsumerGroupHeartbeatRequest) set {
	if req.TopicPartitions == nil {
		return nil
	}
	names := map[wire.UUID]string{}
	for _, parts := range []set{m.assigned, m.revoking} {
		for tp := range parts {
			names[tp.id] = tp.topic
		}
	}
	owned := set{}
	for _, t := range req.TopicPartitions {
		name := names[t.TopicID]
		if topic := c.topicByID(t.TopicID); topic != nil {
			name = topic.name
		}
		for _, p := range t.Partitions {
			owned[topicIDPartition{topicPartition{name, p}, t.TopicID}] = true
		}
	}
	return owned
}

// soundEpoch tells whether a member comes with its epoch, or with the one before: the answer that raised it may have been lost. Then it must say what it owns, and own nothing but what it has
// (GroupMetadataManager.throwIfConsumerGroupMemberEpochIsInvalid, isSubset).
func (c *Cluster) soundEpoch(m *modernMember, req *msg.ConsumerGroupHeartbeatRequest) bool {
	if req.MemberEpoch >= m.epoch {
		return req.MemberEpoch == m.epoch
	}
	owned := c.ownedBy(m, req)
	if owned == nil || req.MemberEpoch != m.previous {
		return false
	}
	for tp := range owned {
		if !m.assigned[tp] {
			return false
		}
	}
	return true
}

func (c *Cluster) leaveModern(g *group, req *msg.ConsumerGroupHeartbeatRequest, resp *msg.ConsumerGroupHeartbeatResponse) refusal {
	m := g.modern.member(req.MemberID)
	if req.InstanceID != nil {
		m = g.modern.static(*req.InstanceID)
	}
	switch {
	case m == nil && req.InstanceID != nil:
		return unknownInstance(*req.InstanceID, g)
	case m == nil:
		return unknownMember(req.MemberID, g)
	case m.id != req.MemberID:
		return fencedInstance(req, g, m)
	}
	resp.MemberID, resp.MemberEpoch = &req.MemberID, req.MemberEpoch
	if req.MemberEpoch == epochGone {
		m.epoch, m.revoking, m.revokeBy = epochGone, set{}, time.Time{}
		for tp := range m.since { // what it keeps it, or who goes on in its place, may have had in any epoch
			m.since[tp] = 0
		}
		return refusal{}
	}
	c.removeModern(g, m)
	return refusal{}
}

// byID gives partitions by the ids of their topics, in order.
func byID(parts set) []msg.ConsumerGroupHeartbeatResponseTopicPartitions {
	out := []msg.ConsumerGroupHeartbeatResponseTopicPartitions{}
	for _, tp := range slices.SortedFunc(maps.Keys(parts), topicIDPartition.compare) {
		if n := len(out); n == 0 || out[n-1].TopicID != tp.id {
			out = append(out, msg.ConsumerGroupHeartbeatResponseTopicPartitions{TopicID: tp.id})
		}
		t := &out[len(out)-1]
		t.Partitions = append(t.Partitions, tp.partition)
	}
	return out
}
