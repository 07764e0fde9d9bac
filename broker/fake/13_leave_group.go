package fake

import (
	"slices"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

func (c *Cluster) leaveGroup(q *call) {
	req := q.Req.(*msg.LeaveGroupRequest)
	g, code := c.coordinated(q, req.GroupID)
	if code == protocol.None && req.GroupID == "" {
		code = protocol.InvalidGroupID
	}
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
		if !c.newCoordinator() && in.GroupInstanceID != nil && g.classic.expects(in.MemberID) && g.classic.static(*in.GroupInstanceID) == nil { // the old one does not expect that, and fails with the request; see joinAgain
			c.reply(q, &msg.LeaveGroupResponse{ErrorCode: int16(protocol.UnknownServerError), Members: []msg.LeaveGroupResponseMemberResponse{}})
			return
		}
		if g.consumer {
			out.ErrorCode = int16(c.leaveAsClassic(g, in))
		} else {
			out.ErrorCode = int16(c.leaveClassic(g, in))
		}
		if q.Version < 3 {
			resp.ErrorCode = out.ErrorCode
		} else {
			resp.Members = append(resp.Members, out)
		}
	}
	c.reply(q, resp)
}

// leaveClassic takes out a member by its id, or by its instance alone, or who is only expected.
func (c *Cluster) leaveClassic(g *group, in *msg.LeaveGroupRequestMemberIdentity) protocol.Code {
	k := &g.classic
	if i := slices.IndexFunc(k.pending, func(p pendingMember) bool { return p.id == in.MemberID }); i >= 0 && (in.GroupInstanceID == nil || c.newCoordinator()) {
		k.pending = slices.Delete(k.pending, i, i+1)
		c.completeJoin(g)
		return protocol.None
	}
	id := in.MemberID
	if m := k.static(text(in.GroupInstanceID)); m != nil && id == "" {
		id = m.id
	}
	m, code := c.instance(k, id, in.GroupInstanceID)
	if code == protocol.None {
		c.remove(g, m)
	}
	return code
}

// expects tells whether somebody was given an id and has not joined with it.
func (k *classicGroup) expects(id string) bool {
	return slices.ContainsFunc(k.pending, func(p pendingMember) bool { return p.id == id })
}

// leaveAsClassic takes a member out of a group of the new protocol.
func (c *Cluster) leaveAsClassic(g *group, in *msg.LeaveGroupRequestMemberIdentity) protocol.Code {
	x := &g.modern
	m := x.member(in.MemberID)
	if in.GroupInstanceID != nil {
		if m = x.static(*in.GroupInstanceID); m != nil && in.MemberID != "" && m.id != in.MemberID {
			return protocol.FencedInstanceID
		}
	}
	if m == nil || m.classic == nil && !c.atLeast("4.0") { // throwIfMemberDoesNotUseClassicProtocol
		return protocol.UnknownMemberID
	}
	c.removeModern(g, m)
	return protocol.None
}
