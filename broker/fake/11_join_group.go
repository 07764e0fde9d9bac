package fake

import (
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// consumerKind is the protocol type of groups of consumers; groups of others (of workers of Kafka Connect) have their own.
const consumerKind = "consumer"

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (c *Cluster) joinGroup(q *call) {
	req := q.Req.(*msg.JoinGroupRequest)
	g, code := c.joinable(q, req)
	if code != protocol.None {
		c.failJoin(q, code, req.MemberID)
		return
	}
	if g.consumer && len(g.modern.members) > 0 {
		c.reply(q, c.joinModern(q, g, req))
		return
	}
	if g.consumer { // nobody is in it
		g.beClassic()
	}
	if !c.keeps(g) {
		c.keep(g) // also if the join is refused: the group is there, and empty
	}
	k := &g.classic
	if !k.accepts(req, c.cfg.GroupMaxSize) {
		c.failJoin(q, protocol.GroupMaxSizeReached, req.MemberID)
		return
	}
	if !k.supports(req) {
		c.failJoin(q, protocol.InconsistentGroupProtocol, req.MemberID)
		return
	}
	if req.MemberID == "" {
		c.joinNew(g, q, req)
	} else {
		c.joinAgain(g, q, req)
	}
}

func (c *Cluster) failJoin(q *call, code protocol.Code, id string) {
	c.reply(q, failedJoin(q, code, id))
}

func failedJoin(q *call, code protocol.Code, id string) *msg.JoinGroupResponse {
	resp := &msg.JoinGroupResponse{}
	resp.SetDefaults()
	resp.ErrorCode, resp.MemberID = int16(code), id
	if resp.ProtocolName = nil; q.Version < 7 {
		resp.ProtocolName = new(string)
	}
	return resp
}

// joinable looks at what has to be well before the group itself is asked.
func (c *Cluster) joinable(q *call, req *msg.JoinGroupRequest) (*group, protocol.Code) {
	if req.GroupID == "" {
		return nil, protocol.InvalidGroupID
	}
	g, code := c.coordinated(q, req.GroupID)
	session := time.Duration(req.SessionTimeoutMs) * time.Millisecond
	switch {
	case code != protocol.None:
		return nil, code
	case session < c.cfg.GroupMinSession || session > c.cfg.GroupMaxSession:
		return nil, protocol.InvalidSessionTimeout
	case req.MemberID != "" && !c.keeps(g):
		return nil, protocol.UnknownMemberID
	case req.MemberID != "" && g.consumer && g.empty(): // it has been taken away by then to make a classic one of it
		g.forsaken = true
		return nil, protocol.UnknownMemberID
	}
	return g, protocol.None
}

// accepts tells whether there is room for another member (group.max.size): who is a member has it.
func (k *classicGroup) accepts(req *msg.JoinGroupRequest, most int) bool {
	m := k.member(req.MemberID)
	switch {
	case most == 0 || k.state == groupEmpty:
		return true
	case k.state != groupPreparing:
		return m != nil || len(k.members) < most
	}
	joined := 0
	for _, o := range k.members {
		if o.join != nil {
			joined++
		}
	}
	return m != nil && m.join != nil || joined < most
}

// supports tells whether all members have a protocol that the joining one has, too.
func (k *classicGroup) supports(req *msg.JoinGroupRequest) bool {
	if len(k.members) == 0 {
		return req.ProtocolType != "" && len(req.Protocols) > 0
	}
	return req.ProtocolType == k.kind && slices.ContainsFunc(req.Protocols, func(p msg.JoinGroupRequestJoinGroupRequestProtocol) bool { return k.common(p.Name) })
}

// joinNew takes in who has no id yet.
func (c *Cluster) joinNew(g *group, q *call, req *msg.JoinGroupRequest) {
	k := &g.classic
	instance := text(req.GroupInstanceID)
	if m := k.static(instance); m != nil { // it is back after a restart
		c.takeOver(g, m, q, req)
		return
	}
	id := c.memberID(q, g.id, instance)
	if instance == "" && q.Version >= 4 {
		k.pending = append(k.pending, pendingMember{id, c.now.Add(time.Duration(req.SessionTimeoutMs) * time.Millisecond)})
		c.failJoin(q, protocol.MemberIDRequired, id)
		return
	}
	c.addMember(g, q, req, id)
}

func (c *Cluster) addMember(g *group, q *call, req *msg.JoinGroupRequest, id string) {
	k := &g.classic
	m := &classicMember{id: id, joined: c.membership(), instance: text(req.GroupInstanceID), client: q.client}
	if len(k.members) == 0 {
		k.kind = req.ProtocolType
	}
	k.members = append(k.members, m)
	m.update(req)
	m.join = q
	c.prepare(g)
	c.completeJoin(g)
}

// joinAgain takes in who knows its id.
func (c *Cluster) joinAgain(g *group, q *call, req *msg.JoinGroupRequest) {
	k := &g.classic
	if i := slices.IndexFunc(k.pending, func(p pendingMember) bool { return p.id == req.MemberID }); i >= 0 {
		if req.GroupInstanceID != nil { // Kafka does not expect that of who was given an id
			c.failJoin(q, protocol.UnknownServerError, "")
			return
		}
		k.pending = slices.Delete(k.pending, i, i+1)
		c.addMember(g, q, req, req.MemberID)
		return
	}
	m, code := c.instance(k, req.MemberID, req.GroupInstanceID)
	if req.GroupInstanceID != nil && k.static(*req.GroupInstanceID) == nil { // in all releases
		code = protocol.UnknownMemberID
	}
	if code != protocol.None {
		c.failJoin(q, code, req.MemberID)
		return
	}
	same := m.same(req)
	m.expires = c.now.Add(m.session)
	if same && (k.state == groupCompleting || k.state == groupStable && m.id != k.leader) { // the answer was lost, or there is nothing new
		c.reply(q, c.joinAnswer(g, m, q, false))
		return
	}
	m.update(req)
	m.expires = c.now.Add(m.session)
	before := m.join // it has asked before
	m.join = q
	c.prepare(g)
	c.completeJoin(g)
	if before != nil {
		c.failJoin(before, protocol.UnknownMemberID, req.MemberID)
	}
}

// takeOver lets a static member go on under a new id. The group does not notice, unless it must have another protocol then (KIP-345, KIP-814).
func (c *Cluster) takeOver(g *group, m *classicMember, q *call, req *msg.JoinGroupRequest) {
	k := &g.classic
	old := m.id
	if join, sync := m.join, m.sync; join != nil || sync != nil {
		m.join, m.sync = nil, nil
		defer func() {
			if join != nil {
				c.failJoin(join, protocol.FencedInstanceID, old)
			} else {
				c.reply(sync, &msg.SyncGroupResponse{ErrorCode: int16(protocol.FencedInstanceID)})
			}
		}()
	}
	m.id = c.memberID(q, g.id, m.instance)
	led := k.leader == old
	if led {
		k.leader = m.id
	}
	m.expires = c.now.Add(m.session) // as long as it was before: what it says now counts from its next heartbeat on
	m.update(req)
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

// givenID is an id that somebody wants the next member to have.
func (c *Cluster) givenID(group string) string {
	if c.cfg.MemberID == nil {
		return ""
	}
	return c.cfg.MemberID(group)
}

// memberID makes up the id of a member.
func (c *Cluster) memberID(q *call, group, instance string) string {
	if id := c.givenID(group); id != "" {
		return id
	}
	if instance != "" {
		instance += "-"
	}
	u := c.uuid()
	return fmt.Sprintf("%s%s-%x-%x", instance, q.client, u[:4], u[4:10])
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

func (c *Cluster) joinAnswer(g *group, m *classicMember, q *call, skip bool) *msg.JoinGroupResponse {
	k := &g.classic
	if m.id == k.leader && q.Version < 5 && !c.kraft() && slices.ContainsFunc(k.members, func(o *classicMember) bool { return o.instance != "" }) {
		return failedJoin(q, protocol.UnsupportedVersion, "") // before 3.0 instances cannot be left out of an answer, and the broker fails with it once the generation has begun
	}
	kind, name := k.kind, k.protocol
	resp := &msg.JoinGroupResponse{GenerationID: k.generation, ProtocolType: &kind, ProtocolName: &name, Leader: k.leader, MemberID: m.id, SkipAssignment: skip && m.id == k.leader,
		Members: []msg.JoinGroupResponseJoinGroupResponseMember{}}
	if m.id != k.leader {
		return resp
	}
	for _, o := range k.members {
		out := msg.JoinGroupResponseJoinGroupResponseMember{MemberID: o.id, Metadata: o.metadata(k.protocol)}
		if o.instance != "" && q.Version >= 5 {
			out.GroupInstanceID = &o.instance
		}
		resp.Members = append(resp.Members, out)
	}
	return resp
}

// metadata is what a member says to a protocol.
func (m *classicMember) metadata(protocol string) []byte {
	for _, p := range m.protocols {
		if p.Name == protocol {
			return p.Metadata
		}
	}
	return []byte{}
}
