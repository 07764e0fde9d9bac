package fake

import (
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Kinds of endpoints that DescribeCluster tells.
const (
	endpointBrokers     int8 = 1
	endpointControllers int8 = 2
)

// describeCluster answers DescribeCluster (60).
func (c *Cluster) describeCluster(q *call) {
	req := q.Req.(*msg.DescribeClusterRequest)
	resp := &msg.DescribeClusterResponse{}
	resp.SetDefaults()
	code := c.injected(q.Key)
	switch {
	case code != protocol.None || q.Version < 1 || req.EndpointType == endpointBrokers:
	case req.EndpointType == endpointControllers: // a controller tells of those, and these are brokers
		code = protocol.MismatchedEndpointType
	default:
		code = protocol.UnsupportedEndpointType
	}
	if resp.ErrorCode = int16(code); code != protocol.None {
		resp.ErrorMessage = wire.Ptr(code.Description())
		c.reply(q, resp)
		return
	}
	resp.ClusterID, resp.ControllerID = c.id, c.controller
	for _, n := range c.nodes {
		gone := n.fenced || n.down
		if gone && !req.IncludeFencedBrokers {
			continue
		}
		host, port := c.cfg.Host(n.id)
		b := msg.DescribeClusterResponseDescribeClusterBroker{BrokerID: n.id, Host: host, Port: port, IsFenced: gone}
		if n.rack != "" {
			b.Rack = wire.Ptr(n.rack)
		}
		resp.Brokers = append(resp.Brokers, b)
	}
	if req.IncludeClusterAuthorizedOperations {
		resp.ClusterAuthorizedOperations = clusterOperations
	}
	c.reply(q, resp)
}
