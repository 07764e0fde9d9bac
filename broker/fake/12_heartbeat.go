package fake

import (
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

func (c *Cluster) heartbeat(q *call) {
	req := q.Req.(*msg.HeartbeatRequest)
	g, code := c.coordinated(q, req.GroupID)
	if code == protocol.None && req.GroupID == "" {
		code = protocol.InvalidGroupID
	}
	if code == protocol.None && g.consumer {
		code = c.beatClassic(g, req)
	} else if code == protocol.None {
		var m *classicMember
		if m, code = c.known(&g.classic, req.MemberID, req.GroupInstanceID, req.GenerationID); code == protocol.None {
			m.expires = c.now.Add(m.session)
			if g.classic.state == groupPreparing {
				code = protocol.RebalanceInProgress
			}
		}
	}
	c.reply(q, &msg.HeartbeatResponse{ErrorCode: int16(code)})
}
