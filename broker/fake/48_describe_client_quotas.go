package fake

import (
	"slices"

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
	code := or(c.injected(q.Key), c.checkQuotaFilter(q.Req.(*msg.DescribeClientQuotasRequest)))
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

// checkQuotaFilter holds a filter against those there can be (ClientQuotasImage.describe). 2.8.2 does not look whether there is a name where none belongs, and fails over kinds that it does not know, and over empty names of addresses, and of others where nothing else is asked for.
func (c *Cluster) checkQuotaFilter(req *msg.DescribeClientQuotasRequest) protocol.Code {
	odd := func(f msg.DescribeClientQuotasRequestComponentData) bool {
		return f.MatchType < matchExact || f.MatchType > matchAny || f.MatchType == matchExact && f.Match == nil
	}
	if !c.kraft() && slices.ContainsFunc(req.Components, odd) {
		return protocol.UnknownServerError
	}
	seen, nameless := map[string]bool{}, false
	for _, f := range req.Components {
		nameless = nameless || f.MatchType == matchExact && f.Match != nil && *f.Match == "" && (req.Strict || f.EntityType == "ip")
		switch {
		case f.EntityType == "":
			return protocol.InvalidRequest
		case f.EntityType != "user" && f.EntityType != "client-id" && f.EntityType != "ip":
			return protocol.UnsupportedVersion
		case seen[f.EntityType] || odd(f) || f.MatchType != matchExact && f.Match != nil && c.kraft():
			return protocol.InvalidRequest
		}
		seen[f.EntityType] = true
	}
	if seen["ip"] && len(seen) > 1 {
		return protocol.InvalidRequest
	}
	if nameless && !c.kraft() {
		return protocol.UnknownServerError
	}
	return protocol.None
}
