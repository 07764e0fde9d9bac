package fake

import (
	"slices"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

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
