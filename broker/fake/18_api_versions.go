package fake

import (
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

func (c *Cluster) apiVersions(q *call) {
	resp := &msg.ApiVersionsResponse{}
	resp.SetDefaults()
	if req := q.Req.(*msg.ApiVersionsRequest); q.Version >= 3 && !(software(req.ClientSoftwareName) && software(req.ClientSoftwareVersion)) {
		resp.ErrorCode, resp.ApiKeys = int16(protocol.InvalidRequest), []msg.ApiVersionsResponseApiVersion{}
		c.reply(q, resp)
		return
	}
	for _, key := range protocol.APIKeys() {
		if r, ok := c.ranges.Get(key); ok {
			if key == msg.ProduceAPI {
				r.Min = 0 // from 4.0 on they tell of versions that they have not: librdkafka takes from there what a broker can decompress (KAFKA-18659)
			}
			resp.ApiKeys = append(resp.ApiKeys, msg.ApiVersionsResponseApiVersion{ApiKey: key, MinVersion: r.Min, MaxVersion: r.Max})
		}
	}
	c.features(resp, q.Version)
	c.reply(q, resp)
}

// software tells whether software or its version can be called so (ApiVersionsRequest.isValid): letters and digits, and within also dots and dashes.
func software(name string) bool {
	for i := range len(name) {
		switch b := name[i]; {
		case b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9':
		case (b == '.' || b == '-') && i > 0 && i < len(name)-1:
		default:
			return false
		}
	}
	return name != ""
}

// features tells what is finalized (KIP-584): how transactions go (KIP-890). Clients take it from here whether they leave it to brokers to take partitions into transactions.
func (c *Cluster) features(resp *msg.ApiVersionsResponse, version int16) {
	if !c.atLeast("4.0") || version < 3 {
		return
	}
	if version >= 4 { // what begins with 0 is kept from clients that would not understand it (KAFKA-17011)
		resp.SupportedFeatures = []msg.ApiVersionsResponseSupportedFeatureKey{{Name: transactionVersion, MaxVersion: 2}}
	}
	resp.FinalizedFeaturesEpoch = 1
	if v := int16(c.txn.version); v > 0 {
		resp.FinalizedFeatures = []msg.ApiVersionsResponseFinalizedFeatureKey{{Name: transactionVersion, MinVersionLevel: v, MaxVersionLevel: v}}
	}
}

// transactionVersion is the feature that tells how transactions go.
const transactionVersion = "transaction.version"

// unknownApiVersions answers a version that the release does not know: always in version 0, and from 2.4 on with the range it knows (KIP-511).
func (c *Cluster) unknownApiVersions(q *call) {
	resp := &msg.ApiVersionsResponse{ErrorCode: int16(protocol.UnsupportedVersion), ApiKeys: []msg.ApiVersionsResponseApiVersion{}}
	if r, _ := c.ranges.Get(msg.ApiVersionsAPI); c.atLeast("2.4") {
		resp.ApiKeys = append(resp.ApiKeys, msg.ApiVersionsResponseApiVersion{ApiKey: msg.ApiVersionsAPI, MinVersion: r.Min, MaxVersion: r.Max})
	}
	q.Version = 0
	c.reply(q, resp)
}
