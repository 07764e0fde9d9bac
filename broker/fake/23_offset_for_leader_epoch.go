package fake

import (
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

func (c *Cluster) offsetForLeaderEpoch(q *call) {
	req := q.Req.(*msg.OffsetForLeaderEpochRequest)
	resp := &msg.OffsetForLeaderEpochResponse{}
	injected := c.injected(q.Key)
	for i := range req.Topics {
		in := &req.Topics[i]
		out := msg.OffsetForLeaderEpochResponseOffsetForLeaderTopicResult{Topic: in.Topic}
		t, code := c.lookup(in.Topic, wire.UUID{}, false)
		for _, ip := range in.Partitions {
			r := msg.OffsetForLeaderEpochResponseEpochEndOffset{Partition: ip.Partition, LeaderEpoch: -1, EndOffset: -1}
			got := or(injected, code)
			var p *partition
			if got == protocol.None {
				p, got = c.led(q, t, ip.Partition)
			}
			if got == protocol.None && q.Version >= 2 {
				got = checkEpoch(p, ip.CurrentLeaderEpoch)
			}
			if got == protocol.None {
				r.LeaderEpoch, r.EndOffset = p.epochEnd(ip.LeaderEpoch)
			}
			r.ErrorCode = int16(got)
			out.Partitions = append(out.Partitions, r)
		}
		resp.Topics = append(resp.Topics, out)
	}
	c.reply(q, resp)
}
