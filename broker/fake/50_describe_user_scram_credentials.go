package fake

import (
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// describeScram answers DescribeUserScramCredentials (50): there are no users.
func (c *Cluster) describeScram(q *call) {
	req := q.Req.(*msg.DescribeUserScramCredentialsRequest)
	code := c.injected(q.Key)
	resp := &msg.DescribeUserScramCredentialsResponse{ErrorCode: int16(code), ErrorMessage: wire.Ptr("")}
	if code != protocol.None {
		resp.ErrorMessage = wire.Ptr(code.Description())
		c.reply(q, resp)
		return
	}
	asked := map[string]int{}
	for _, u := range req.Users {
		asked[u.Name]++
	}
	for _, u := range req.Users {
		code := protocol.ResourceNotFound
		switch n := asked[u.Name]; {
		case n == 0: // it was answered
			continue
		case n > 1 && (u.Name != "" || c.kraft()):
			code = protocol.DuplicateResource
		}
		asked[u.Name] = 0
		resp.Results = append(resp.Results, msg.DescribeUserScramCredentialsResponseDescribeUserScramCredentialsResult{User: u.Name, ErrorCode: int16(code), ErrorMessage: wire.Ptr(code.Description())})
	}
	c.reply(q, resp)
}
