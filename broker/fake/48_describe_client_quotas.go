package fake

import (
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Kinds of what a filter of quotas matches.
const (
	matchExact   int8 = 0
	matchDefault int8 = 1
	matchAny     int8 = 2
)

// describeQuotas answers DescribeClientQuotas (48): there are none.
func (c *Cluster) describeQuotas(q *call) {
	resp := &msg.DescribeClientQuotasResponse{}
	code := or(c.injected(q.Key), c.checkQuotaFilter(q.Req.(*msg.DescribeClientQuotasRequest).Components))
	resp.ErrorCode = int16(code)
	switch code {
	case protocol.None:
		resp.ErrorMessage, resp.Entries = wire.Ptr(""), []msg.DescribeClientQuotasResponseEntryData{}
	case protocol.UnknownServerError:
	default:
		resp.ErrorMessage = wire.Ptr(code.Description())
	}
	c.reply(q, resp)
}

// checkQuotaFilter holds a filter against those there can be (ClientQuotasImage.describe). 2.8.2 does not look whether there is a name where none belongs, and fails over what it does not know.
func (c *Cluster) checkQuotaFilter(components []msg.DescribeClientQuotasRequestComponentData) protocol.Code {
	seen := map[string]bool{}
	for _, f := range components {
		odd := f.MatchType < matchExact || f.MatchType > matchAny || f.MatchType == matchExact && f.Match == nil
		switch {
		case odd && !c.kraft():
			return protocol.UnknownServerError
		case f.EntityType == "":
			return protocol.InvalidRequest
		case f.EntityType != "user" && f.EntityType != "client-id" && f.EntityType != "ip":
			return protocol.UnsupportedVersion
		case seen[f.EntityType] || odd || f.MatchType != matchExact && f.Match != nil && c.kraft():
			return protocol.InvalidRequest
		}
		seen[f.EntityType] = true
	}
	if seen["ip"] && len(seen) > 1 {
		return protocol.InvalidRequest
	}
	return protocol.None
}
