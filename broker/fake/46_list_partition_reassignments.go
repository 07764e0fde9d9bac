package fake

import (
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// listReassignments answers ListPartitionReassignments (46): none is ever under way.
func (c *Cluster) listReassignments(q *call) {
	resp := &msg.ListPartitionReassignmentsResponse{}
	code := c.injected(q.Key)
	if code == protocol.None && !c.atLeast("2.8") && q.Node != c.controller {
		code = protocol.NotController
	}
	switch resp.ErrorCode = int16(code); {
	case code != protocol.None:
		resp.ErrorMessage = wire.Ptr(code.Description())
	case !c.kraft():
		resp.ErrorMessage = wire.Ptr("")
	}
	c.reply(q, resp)
}
