package fake

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// group is a consumer group: its committed offsets, and its members by one of the two protocols.
type group struct {
	id      string
	node    int32 // its coordinator at last
	offsets map[topicPartition]committed
	pending map[int64]map[topicPartition]committed // offsets in transactions under way, by producer
	classic classicGroup
	modern  modernGroup
}

// classicGroup is a group whose members divide the partitions.
type classicGroup struct {
	state      groupState
	generation int32
	protocol   string
	leader     string
	members    []*classicMember // in the order they joined
	pending    []pendingMember
	until      time.Time // the members have joined by then
}

type groupState uint8

const (
	groupEmpty groupState = iota
	groupPreparing
	groupCompleting
	groupStable
)

func (s groupState) String() string {
	return [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable"}[s]
}

type classicMember struct {
	id, instance, client string
	session, rebalance   time.Duration
	expires              time.Time
	protocols            []msg.JoinGroupRequestJoinGroupRequestProtocol
	join, sync           *call
	assignment           []byte
}

// pendingMember has been given an id, and is expected with it.
type pendingMember struct {
	id      string
	expires time.Time
}

// group gives a group; it comes into being.
func (c *Cluster) group(id string) *group {
	i, found := slices.BinarySearchFunc(c.groups, id, func(g *group, id string) int { return strings.Compare(g.id, id) })
	if !found {
		c.groups = slices.Insert(c.groups, i, &group{id: id, offsets: map[topicPartition]committed{}})
	}
	return c.groups[i]
}

// lookGroup gives a group if there is one.
func (c *Cluster) lookGroup(id string) *group {
	i, found := slices.BinarySearchFunc(c.groups, id, func(g *group, id string) int { return strings.Compare(g.id, id) })
	if !found {
		return nil
	}
	return c.groups[i]
}

// coordinated gives the group of a request that has come to its coordinator. A new coordinator knows nobody who waits, and gives every member a new session.
func (c *Cluster) coordinated(q *call, id string) (*group, protocol.Code) {
	return c.coordinatedUnless(c.injected(q.Key), q, id)
}

// coordinatedUnless is coordinated, if nothing else has gone wrong.
func (c *Cluster) coordinatedUnless(wrong protocol.Code, q *call, id string) (*group, protocol.Code) {
	if code := or(wrong, c.coordinates(q, id)); code != protocol.None {
		return nil, code
	}
	g := c.group(id)
	if g.node != q.Node {
		for _, m := range g.classic.members {
			m.join, m.sync, m.expires = nil, nil, c.now.Add(m.session)
		}
		if g.classic.state == groupCompleting {
			c.prepare(g)
		}
		for _, m := range g.modern.members {
			m.expires, m.revokeBy, m.rejoinBy = c.now.Add(c.cfg.GroupSession), time.Time{}, time.Time{}
			if m.classic != nil {
				m.expires = c.now.Add(m.classic.session)
			}
			if len(m.revoking) > 0 {
				m.revokeBy = c.now.Add(m.rebalance)
			}
		}
		g.node = q.Node
	}
	return g, protocol.None
}

// tickGroups removes members that were not heard of, and ends joins that last too long.
func (c *Cluster) tickGroups() {
	for _, g := range c.groups {
		n := c.node(g.node)
		if n == nil || n.down || n.paused { // nobody counts
			continue
		}
		k := &g.classic
		k.pending = slices.DeleteFunc(k.pending, func(p pendingMember) bool { return !c.now.Before(p.expires) })
		for _, m := range slices.Clone(k.members) {
			if m.join == nil && m.sync == nil && !c.now.Before(m.expires) {
				c.remove(g, m)
			}
		}
		if k.state == groupPreparing && !c.now.Before(k.until) {
			for _, m := range slices.Clone(k.members) {
				if m.join == nil {
					k.members = slices.DeleteFunc(k.members, func(o *classicMember) bool { return o == m })
				}
			}
			k.pending = nil
		}
		c.completeJoin(g)
		c.tickModern(g)
	}
}

// nextGroups is when tickGroups is wanted.
func (c *Cluster) nextGroups(add func(time.Time)) {
	for _, g := range c.groups {
		n := c.node(g.node)
		if n == nil || n.down || n.paused {
			continue
		}
		for _, m := range g.classic.members {
			if m.join == nil && m.sync == nil {
				add(m.expires)
			}
		}
		for _, p := range g.classic.pending {
			add(p.expires)
		}
		if g.classic.state == groupPreparing {
			add(g.classic.until)
		}
		for _, m := range g.modern.members {
			add(m.expires)
			add(m.revokeBy)
			add(m.rejoinBy)
		}
	}
}

func (k *classicGroup) member(id string) *classicMember {
	for _, m := range k.members {
		if m.id == id {
			return m
		}
	}
	return nil
}

func (k *classicGroup) static(instance string) *classicMember {
	for _, m := range k.members {
		if instance != "" && m.instance == instance {
			return m
		}
	}
	return nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (c *Cluster) joinGroup(q *call) {
	req := q.Req.(*msg.JoinGroupRequest)
	fail := func(code protocol.Code, id string) {
		resp := &msg.JoinGroupResponse{}
		resp.SetDefaults()
		resp.ErrorCode, resp.MemberID = int16(code), id
		if q.Version < 7 {
			resp.ProtocolName = new(string)
		}
		c.reply(q, resp)
	}
	if req.GroupID == "" {
		fail(protocol.InvalidGroupID, req.MemberID)
		return
	}
	g, code := c.coordinated(q, req.GroupID)
	if code != protocol.None {
		fail(code, req.MemberID)
		return
	}
	k := &g.classic
	if len(g.modern.members) > 0 && len(req.Protocols) > 0 {
		c.reply(q, c.joinModern(q, g, req))
		return
	}
	if len(req.Protocols) == 0 || !k.agree(req) {
		fail(protocol.InconsistentGroupProtocol, req.MemberID)
		return
	}
	instance := text(req.GroupInstanceID)
	m := k.member(req.MemberID)
	switch other := k.static(instance); {
	case req.MemberID == "" && other != nil: // it is back after a restart
		c.takeOver(g, other, q, req)
		return
	case other != nil && other.id != req.MemberID:
		fail(protocol.FencedInstanceID, req.MemberID)
		return
	case req.MemberID == "" && instance == "" && q.Version >= 4:
		id := c.memberID(q)
		k.pending = append(k.pending, pendingMember{id, c.now.Add(time.Duration(req.SessionTimeoutMs) * time.Millisecond)})
		fail(protocol.MemberIDRequired, id)
		return
	case req.MemberID == "":
		req.MemberID = c.memberID(q)
		if instance != "" {
			req.MemberID = instance + "-" + req.MemberID
		}
	case m == nil:
		i := slices.IndexFunc(k.pending, func(p pendingMember) bool { return p.id == req.MemberID })
		if i < 0 {
			fail(protocol.UnknownMemberID, req.MemberID)
			return
		}
		k.pending = slices.Delete(k.pending, i, i+1)
	}
	if m == nil {
		m = &classicMember{id: req.MemberID, instance: instance, client: q.client}
		k.members = append(k.members, m)
		m.update(req)
		m.join = q
		c.prepare(g)
		c.completeJoin(g)
		return
	}
	same := m.same(req)
	m.update(req)
	m.expires = c.now.Add(m.session)
	if before := m.join; before != nil { // it has asked before
		m.join = nil
		defer c.reply(before, &msg.JoinGroupResponse{ErrorCode: int16(protocol.UnknownMemberID), ProtocolName: new(string)})
	}
	if same && (k.state == groupCompleting || k.state == groupStable && m.id != k.leader) { // the answer was lost, or there is nothing new
		c.reply(q, c.joinAnswer(g, m, q, false))
		return
	}
	m.join = q
	c.prepare(g)
	c.completeJoin(g)
}

// takeOver lets a static member go on under a new id. The group does not notice, unless it must have another protocol then (KIP-345, KIP-814).
func (c *Cluster) takeOver(g *group, m *classicMember, q *call, req *msg.JoinGroupRequest) {
	k := &g.classic
	old := m.id
	if join, sync := m.join, m.sync; join != nil || sync != nil {
		m.join, m.sync = nil, nil
		defer func() {
			if join != nil {
				c.reply(join, &msg.JoinGroupResponse{ErrorCode: int16(protocol.FencedInstanceID), ProtocolName: new(string)})
			} else {
				c.reply(sync, &msg.SyncGroupResponse{ErrorCode: int16(protocol.FencedInstanceID)})
			}
		}()
	}
	m.id = m.instance + "-" + c.memberID(q)
	led := k.leader == old
	if led {
		k.leader = m.id
	}
	m.update(req)
	m.expires = c.now.Add(m.session)
	if k.state == groupStable && k.vote() == k.protocol {
		resp := c.joinAnswer(g, m, q, q.Version >= 9)
		if led && q.Version < 9 { // it must not divide, and cannot be told so: it is told that another leads
			resp.Leader, resp.Members = old, []msg.JoinGroupResponseJoinGroupResponseMember{}
		}
		c.reply(q, resp)
		return
	}
	m.join = q
	c.prepare(g)
	c.completeJoin(g)
}

func (c *Cluster) memberID(q *call) string {
	u := c.uuid()
	return fmt.Sprintf("%s-%x-%x", q.client, u[:4], u[4:10])
}

// agree tells whether the members have a protocol that the joining one has, too.
func (k *classicGroup) agree(req *msg.JoinGroupRequest) bool {
	for i := range req.Protocols {
		all := true
		for _, m := range k.members {
			all = all && (m.id == req.MemberID || slices.ContainsFunc(m.protocols, func(p msg.JoinGroupRequestJoinGroupRequestProtocol) bool { return p.Name == req.Protocols[i].Name }))
		}
		if all {
			return true
		}
	}
	return false
}

func (m *classicMember) update(req *msg.JoinGroupRequest) {
	m.session = time.Duration(req.SessionTimeoutMs) * time.Millisecond
	m.rebalance = time.Duration(req.RebalanceTimeoutMs) * time.Millisecond
	if req.RebalanceTimeoutMs < 0 {
		m.rebalance = m.session
	}
	m.protocols = nil
	for _, p := range req.Protocols {
		m.protocols = append(m.protocols, msg.JoinGroupRequestJoinGroupRequestProtocol{Name: p.Name, Metadata: slices.Clone(p.Metadata)})
	}
}

func (m *classicMember) same(req *msg.JoinGroupRequest) bool {
	return slices.EqualFunc(m.protocols, req.Protocols, func(a, b msg.JoinGroupRequestJoinGroupRequestProtocol) bool {
		return a.Name == b.Name && slices.Equal(a.Metadata, b.Metadata)
	})
}

// prepare begins a rebalance: members are told with their heartbeats.
func (c *Cluster) prepare(g *group) {
	k := &g.classic
	if k.state == groupPreparing {
		return
	}
	var told []*call
	for _, m := range k.members {
		if m.sync != nil {
			told = append(told, m.sync)
			m.sync, m.expires = nil, c.now.Add(m.session)
		}
	}
	k.state = groupPreparing
	var longest time.Duration
	for _, m := range k.members {
		longest = max(longest, m.rebalance)
	}
	k.until = c.now.Add(longest)
	for _, q := range told { // last: an answer lets the connection go on with its next request
		c.reply(q, &msg.SyncGroupResponse{ErrorCode: int16(protocol.RebalanceInProgress)})
	}
}

// answer is an answer that is ready; it is given when the group is in order, because it lets a connection go on with its next request.
type answer struct {
	to   *call
	resp protocol.Response
}

// completeJoin answers the joins when all members have asked.
func (c *Cluster) completeJoin(g *group) {
	k := &g.classic
	if k.state != groupPreparing || len(k.pending) > 0 || slices.ContainsFunc(k.members, func(m *classicMember) bool { return m.join == nil }) {
		return
	}
	k.generation++
	if len(k.members) == 0 {
		k.state, k.leader, k.protocol = groupEmpty, "", ""
		return
	}
	k.state = groupCompleting
	k.protocol = k.vote()
	if k.member(k.leader) == nil {
		k.leader = k.members[0].id
	}
	var answers []answer
	for _, m := range k.members {
		answers = append(answers, answer{m.join, c.joinAnswer(g, m, m.join, false)})
		m.join, m.expires = nil, c.now.Add(m.session)
	}
	for _, a := range answers {
		c.reply(a.to, a.resp)
	}
}

// vote gives the protocol that most members like best, of those that all have.
func (k *classicGroup) vote() string {
	votes := map[string]int{}
	for _, m := range k.members {
		for _, p := range m.protocols {
			all := true
			for _, o := range k.members {
				all = all && slices.ContainsFunc(o.protocols, func(q msg.JoinGroupRequestJoinGroupRequestProtocol) bool { return q.Name == p.Name })
			}
			if all {
				votes[p.Name]++
				break
			}
		}
	}
	best := ""
	for name, n := range votes {
		if best == "" || n > votes[best] || n == votes[best] && name < best {
			best = name
		}
	}
	return best
}

func (c *Cluster) joinAnswer(g *group, m *classicMember, q *call, skip bool) *msg.JoinGroupResponse {
	k := &g.classic
	kind := "consumer"
	resp := &msg.JoinGroupResponse{GenerationID: k.generation, ProtocolType: &kind, ProtocolName: &k.protocol, Leader: k.leader, MemberID: m.id, SkipAssignment: skip && m.id == k.leader,
		Members: []msg.JoinGroupResponseJoinGroupResponseMember{}}
	name := k.protocol
	resp.ProtocolName = &name
	if m.id != k.leader {
		return resp
	}
	for _, o := range k.members {
		out := msg.JoinGroupResponseJoinGroupResponseMember{MemberID: o.id}
		if o.instance != "" && q.Version >= 5 {
			out.GroupInstanceID = &o.instance
		}
		for _, p := range o.protocols {
			if p.Name == k.protocol {
				out.Metadata = p.Metadata
			}
		}
		resp.Members = append(resp.Members, out)
	}
	return resp
}

// known finds the member of a request that names itself.
func (k *classicGroup) known(id string, instance *string, generation int32) (*classicMember, protocol.Code) {
	if other := k.static(text(instance)); other != nil && other.id != id {
		return nil, protocol.FencedInstanceID
	}
	m := k.member(id)
	switch {
	case m == nil:
		return nil, protocol.UnknownMemberID
	case generation != k.generation:
		return m, protocol.IllegalGeneration
	}
	return m, protocol.None
}

func (c *Cluster) syncGroup(q *call) {
	req := q.Req.(*msg.SyncGroupRequest)
	g, code := c.coordinated(q, req.GroupID)
	if code == protocol.None && len(g.modern.members) > 0 {
		c.reply(q, c.syncModern(g, req))
		return
	}
	var m *classicMember
	if code == protocol.None {
		m, code = g.classic.known(req.MemberID, req.GroupInstanceID, req.GenerationID)
	}
	if code == protocol.None && g.classic.state == groupPreparing {
		code = protocol.RebalanceInProgress
	}
	if code != protocol.None {
		c.reply(q, &msg.SyncGroupResponse{ErrorCode: int16(code)})
		return
	}
	k := &g.classic
	m.expires = c.now.Add(m.session)
	if k.state == groupStable {
		c.reply(q, k.syncAnswer(m))
		return
	}
	m.sync = q
	if m.id != k.leader {
		return
	}
	for _, o := range k.members {
		o.assignment = []byte{}
		for _, a := range req.Assignments {
			if a.MemberID == o.id {
				o.assignment = slices.Clone(a.Assignment)
			}
		}
	}
	k.state = groupStable
	var answers []answer
	for _, o := range k.members {
		if o.sync != nil {
			answers = append(answers, answer{o.sync, k.syncAnswer(o)})
			o.sync, o.expires = nil, c.now.Add(o.session)
		}
	}
	for _, a := range answers {
		c.reply(a.to, a.resp)
	}
}

func (k *classicGroup) syncAnswer(m *classicMember) *msg.SyncGroupResponse {
	kind, name := "consumer", k.protocol
	assignment := m.assignment
	if assignment == nil {
		assignment = []byte{}
	}
	return &msg.SyncGroupResponse{ProtocolType: &kind, ProtocolName: &name, Assignment: assignment}
}

func (c *Cluster) heartbeat(q *call) {
	req := q.Req.(*msg.HeartbeatRequest)
	g, code := c.coordinated(q, req.GroupID)
	if code == protocol.None && len(g.modern.members) > 0 {
		code = c.beatClassic(g, req)
	} else if code == protocol.None {
		var m *classicMember
		if m, code = g.classic.known(req.MemberID, req.GroupInstanceID, req.GenerationID); code == protocol.None {
			m.expires = c.now.Add(m.session)
			if g.classic.state == groupPreparing {
				code = protocol.RebalanceInProgress
			}
		}
	}
	c.reply(q, &msg.HeartbeatResponse{ErrorCode: int16(code)})
}

func (c *Cluster) leaveGroup(q *call) {
	req := q.Req.(*msg.LeaveGroupRequest)
	g, code := c.coordinated(q, req.GroupID)
	resp := &msg.LeaveGroupResponse{ErrorCode: int16(code), Members: []msg.LeaveGroupResponseMemberResponse{}}
	members := req.Members
	if q.Version < 3 {
		members = []msg.LeaveGroupRequestMemberIdentity{{MemberID: req.MemberID}}
	}
	for i := range members {
		if code != protocol.None {
			break
		}
		in := &members[i]
		out := msg.LeaveGroupResponseMemberResponse{MemberID: in.MemberID, GroupInstanceID: in.GroupInstanceID}
		m := g.classic.member(in.MemberID)
		if m == nil && in.MemberID == "" {
			m = g.classic.static(text(in.GroupInstanceID))
		}
		x := g.modern.member(in.MemberID)
		if x == nil && in.MemberID == "" {
			x = g.modern.static(text(in.GroupInstanceID))
		}
		if x != nil {
			c.removeModern(g, x)
		} else if m == nil {
			out.ErrorCode = int16(protocol.UnknownMemberID)
			n := len(g.classic.pending)
			g.classic.pending = slices.DeleteFunc(g.classic.pending, func(p pendingMember) bool { return p.id == in.MemberID })
			if len(g.classic.pending) < n {
				out.ErrorCode = 0
				c.completeJoin(g)
			}
		} else {
			c.remove(g, m)
		}
		if q.Version < 3 {
			resp.ErrorCode = out.ErrorCode
		} else {
			resp.Members = append(resp.Members, out)
		}
	}
	c.reply(q, resp)
}

// remove takes a member out; the others divide its partitions among them.
func (c *Cluster) remove(g *group, m *classicMember) {
	k := &g.classic
	k.members = slices.DeleteFunc(k.members, func(o *classicMember) bool { return o == m })
	join, sync := m.join, m.sync
	m.join, m.sync = nil, nil
	c.prepare(g)
	c.completeJoin(g)
	if join != nil {
		c.reply(join, &msg.JoinGroupResponse{ErrorCode: int16(protocol.UnknownMemberID), ProtocolName: new(string)})
	}
	if sync != nil {
		c.reply(sync, &msg.SyncGroupResponse{ErrorCode: int16(protocol.UnknownMemberID)})
	}
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

// MoveCoordinator makes a broker the coordinator of a group; -1 lets the cluster choose again.
func (c *Cluster) MoveCoordinator(group string, node int32) {
	if node < 0 {
		delete(c.moved, group)
	} else {
		c.moved[group] = node
	}
	c.tickTransactions() // who stood still may have had their markers to write
}

// GroupMember is a member of a group as DescribeGroup tells of it.
type GroupMember struct {
	ID, Instance, Client string
	Epoch                int32 // generation, or member epoch; -2: a static member that is away
	Assigned             []Partition
}

// DescribeGroup gives the state of a group and its members, in the order of their ids.
func (c *Cluster) DescribeGroup(id string) (state string, members []GroupMember) {
	g := c.lookGroup(id)
	if g == nil {
		return "Dead", nil
	}
	if len(g.modern.members) > 0 {
		state = g.modern.state()
		for _, m := range g.modern.members {
			out := GroupMember{ID: m.id, Instance: m.instance, Client: m.client, Epoch: m.epoch}
			if m.left {
				out.Epoch = -2
			}
			for tp := range m.assigned {
				out.Assigned = append(out.Assigned, Partition{tp.topic, tp.partition})
			}
			members = append(members, out)
		}
	} else {
		state = g.classic.state.String()
		for _, m := range g.classic.members {
			out := GroupMember{ID: m.id, Instance: m.instance, Client: m.client, Epoch: g.classic.generation}
			a := &msg.ConsumerProtocolAssignment{}
			if _, err := protocol.ReadVersioned(a, m.assignment); err == nil {
				for _, t := range a.AssignedPartitions {
					for _, p := range t.Partitions {
						out.Assigned = append(out.Assigned, Partition{t.Topic, p})
					}
				}
			}
			members = append(members, out)
		}
	}
	slices.SortFunc(members, func(a, b GroupMember) int { return strings.Compare(a.ID, b.ID) })
	for i := range members {
		slices.SortFunc(members[i].Assigned, func(a, b Partition) int {
			return cmp.Or(strings.Compare(a.Topic, b.Topic), int(a.Index-b.Index))
		})
	}
	return state, members
}

// Committed gives an offset that a group has committed; -1 for none.
func (c *Cluster) Committed(id, topic string, partition int32) int64 {
	return c.committed(id, topic, partition).offset
}
