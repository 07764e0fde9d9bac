package fake

import (
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

func (c *Cluster) apiVersions(q *call) {
	resp := &msg.ApiVersionsResponse{}
	resp.SetDefaults()
	for _, key := range protocol.APIKeys() {
		if r, ok := c.ranges.Get(key); ok {
			resp.ApiKeys = append(resp.ApiKeys, msg.ApiVersionsResponseApiVersion{ApiKey: key, MinVersion: r.Min, MaxVersion: r.Max})
		}
	}
	c.reply(q, resp)
}

// unknownApiVersions answers a version that the release does not know: always in version 0, and from 2.4 on with the range it knows (KIP-511).
func (c *Cluster) unknownApiVersions(q *call) {
	resp := &msg.ApiVersionsResponse{ErrorCode: int16(protocol.UnsupportedVersion), ApiKeys: []msg.ApiVersionsResponseApiVersion{}}
	if r, _ := c.ranges.Get(msg.ApiVersionsAPI); c.atLeast("2.4") {
		resp.ApiKeys = append(resp.ApiKeys, msg.ApiVersionsResponseApiVersion{ApiKey: msg.ApiVersionsAPI, MinVersion: r.Min, MaxVersion: r.Max})
	}
	q.Version = 0
	c.reply(q, resp)
}
