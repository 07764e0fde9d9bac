package plan

import (
	"slices"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/wire"
)

// assign adds partitions, or moves them: the fetch in flight, if there is one, belongs to the life before.
func (c *Core) assign(starts []Start, out *Effects) {
	var added []*part
	w := walk{parts: c.parts}
	for i := range starts {
		s := &starts[i]
		p := &part{TopicPartition: s.TopicPartition, replica: cluster.NoNode}
		if old := w.find(s.TopicPartition); old != nil {
			p.paused = old.paused
			c.parts[w.at-1] = p
		} else {
			added = append(added, p)
			if n := len(out.Refresh); n == 0 || out.Refresh[n-1] != s.Topic {
				out.Refresh = append(out.Refresh, s.Topic)
			}
		}
		c.begin(p, s, out)
	}
	if len(added) == 0 {
		return
	}
	slices.SortStableFunc(added, func(a, b *part) int { return a.Compare(b.TopicPartition) })
	have, all := c.parts, make([]*part, 0, len(c.parts)+len(added))
	for i, p := range added {
		if i+1 < len(added) && added[i+1].TopicPartition == p.TopicPartition { // of what was named twice the last counts
			continue
		}
		for len(have) > 0 && have[0].Compare(p.TopicPartition) < 0 {
			all, have = append(all, have[0]), have[1:]
		}
		all = append(all, p)
	}
	c.parts = append(all, have...)
}

// begin is where a partition begins.
func (c *Core) begin(p *part, s *Start, out *Effects) {
	p.gen, p.start, p.epoch, p.maxBytes, p.logStart = s.Gen, *s, -1, c.cfg.PartitionBytes, -1
	p.topic, p.byID = s.ID, s.ID != (wire.UUID{})
	p.moveTo(-1, s.Epoch)
	p.policy, p.why = s.Offset == AtDefault && !s.ByTime, "there was no offset to begin at"
	p.state = Resetting
	if s.Offset >= 0 && !s.ByTime {
		p.offset = s.Offset
		p.state = Fetching
	}
	c.identify(p, out)
}

// moveTo sets the position where others say. Who names an epoch with it may mean that of the leader at the time: one in which nothing was written, which Kafka forgets at the next election. So it is good for asking where it ends
// (OffsetForLeaderEpoch), but a fetch with it as that of a record would be told that the log has lost it.
func (p *part) moveTo(offset int64, epoch int32) {
	p.offset, p.lastEpoch, p.readEpoch, p.under = offset, epoch, -1, -1
}

// identify notes of which topic the position is, as soon as that is known, so that it does not outlive it.
func (c *Core) identify(p *part, out *Effects) {
	if t := c.topic(p.Topic); t != nil && p.topic == (wire.UUID{}) && t.ID != (wire.UUID{}) {
		p.topic = t.ID
		out.Places = append(out.Places, Place{TopicPartition: p.TopicPartition, Gen: p.gen, Position: -1, Topic: t.ID, HighWater: -1})
	}
}
