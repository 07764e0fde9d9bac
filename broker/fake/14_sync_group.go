package fake

import (
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

func (c *Cluster) syncGroup(q *call) {
	req := q.Req.(*msg.SyncGroupRequest)
	g, code := c.coordinated(q, req.GroupID)
	switch {
	case code != protocol.None:
	case q.Version >= 5 && (req.ProtocolType == nil || req.ProtocolName == nil): // before anything else (SyncGroupRequest.areMandatoryProtocolTypeAndNamePresent)
		code = protocol.InconsistentGroupProtocol
	case req.GroupID == "":
		code = protocol.InvalidGroupID
	}
	if code == protocol.None && g.consumer {
		c.reply(q, c.syncModern(g, req))
		return
	}
	var m *classicMember
	if code == protocol.None {
		m, code = c.syncs(&g.classic, req)
	}
	if code != protocol.None {
		c.failSync(q, code)
		return
	}
	k := &g.classic
	m.expires, m.synced, m.behind = c.now.Add(m.session), true, false
	if !slices.ContainsFunc(k.members, func(o *classicMember) bool { return !o.synced }) {
		k.syncBy = time.Time{}
	}
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
	c.keep(g)
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

// syncs finds the member that may sync now.
func (c *Cluster) syncs(k *classicGroup, req *msg.SyncGroupRequest) (*classicMember, protocol.Code) {
	m, code := c.known(k, req.MemberID, req.GroupInstanceID, req.GenerationID)
	switch {
	case code != protocol.None:
		return nil, code
	case req.ProtocolType != nil && *req.ProtocolType != k.kind, req.ProtocolName != nil && *req.ProtocolName != k.protocol:
		return nil, protocol.InconsistentGroupProtocol
	case k.state == groupPreparing:
		return nil, protocol.RebalanceInProgress
	}
	return m, protocol.None
}

func (c *Cluster) failSync(q *call, code protocol.Code) {
	c.reply(q, &msg.SyncGroupResponse{ErrorCode: int16(code)})
}

func (k *classicGroup) syncAnswer(m *classicMember) *msg.SyncGroupResponse {
	kind, name := k.kind, k.protocol
	assignment := m.assignment
	if assignment == nil {
		assignment = []byte{}
	}
	return &msg.SyncGroupResponse{ProtocolType: &kind, ProtocolName: &name, Assignment: assignment}
}
