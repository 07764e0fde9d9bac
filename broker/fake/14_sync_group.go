package fake

import (
	"slices"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

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
