package fake

import (
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

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
