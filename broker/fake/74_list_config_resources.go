package fake

import (
	"slices"
	"strconv"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// listConfigResources answers ListConfigResources (74), which before 4.1 was ListClientMetricsResources: topics, and brokers with their loggers. There are no groups with configurations, and no metrics of clients that are asked for.
func (c *Cluster) listConfigResources(q *call) {
	req := q.Req.(*msg.ListConfigResourcesRequest)
	code := c.injected(q.Key)
	kinds := req.ResourceTypes
	switch {
	case q.Version == 0:
		kinds = []int8{metricsResource}
	case len(kinds) == 0:
		kinds = resources
	case slices.ContainsFunc(kinds, func(k int8) bool { return !slices.Contains(resources, k) }):
		code = or(code, protocol.UnsupportedVersion)
	}
	resp := &msg.ListConfigResourcesResponse{ErrorCode: int16(code)}
	add := func(kind int8, name string) {
		if code == protocol.None && slices.Contains(kinds, kind) {
			resp.ConfigResources = append(resp.ConfigResources, msg.ListConfigResourcesResponseConfigResource{ResourceType: kind, ResourceName: name})
		}
	}
	for _, n := range c.nodes {
		if !n.down && !n.fenced {
			add(loggerResource, strconv.Itoa(int(n.id)))
			add(brokerResource, strconv.Itoa(int(n.id)))
		}
	}
	for _, t := range c.topics {
		add(topicResource, t.name)
	}
	c.reply(q, resp)
}
