package fake

import "slices"

// Retain deletes what is too old (retention.ms) or too much (retention.bytes) of a topic with cleanup.policy=delete, and what lies before the start of the log of any topic. As in Kafka whole segments go, the oldest first, and
// the start of the log moves with them; a segment is as old as its newest record (see Roll). Without Config.AutoClean nothing is deleted until Retain is called.
func (c *Cluster) Retain(topic string) error {
	t, err := c.existing(topic)
	if err != nil {
		return err
	}
	for _, p := range t.partitions {
		if p.leader >= 0 {
			c.retain(p, t.own(p.leader))
		}
	}
	c.wakeFetches()
	return nil
}

func (c *Cluster) retain(p *partition, s *settings) {
	now := c.now.UnixMilli()
	if s.remove && s.retentionMs >= 0 {
		p.delete(now, func(i int) bool { return now-p.segments[i].latest() > s.retentionMs })
	}
	if s.remove && s.retentionBytes >= 0 {
		over := p.size() - s.retentionBytes
		p.delete(now, func(i int) bool {
			over -= p.segments[i].size
			return over >= 0
		})
	}
	p.delete(now, func(i int) bool { return i+1 < len(p.segments) && p.segments[i+1].base <= p.start })
}

// size is how many bytes a log has.
func (p *partition) size() (bytes int64) {
	for i := range p.segments {
		bytes += p.segments[i].size
	}
	return bytes
}

// delete drops the oldest segments as long as they are to go (UnifiedLog.deleteOldSegments).
func (p *partition) delete(now int64, goes func(i int) bool) {
	n := 0
	for n < len(p.segments) && (n+1 < len(p.segments) || p.segments[n].size > 0) && goes(n) {
		n++
	}
	if n == 0 {
		return
	}
	if n == len(p.segments) {
		p.begin(now)
	}
	p.segments = slices.Clone(p.segments[n:])
	p.advanceStart(p.segments[0].base)
	p.aborted = slices.DeleteFunc(slices.Clone(p.aborted), func(a Aborted) bool { return a.Last < p.segments[0].base })
}

// advanceStart lets the log begin later. A batch that holds the offset stays, whole.
func (p *partition) advanceStart(start int64) {
	if start <= p.start {
		return
	}
	p.changes++
	p.start = start
	p.log = slices.DeleteFunc(slices.Clone(p.log), func(e entry) bool { return e.last < start }) // a broker that is cut off has the log as it was
	p.forgetBefore(start)
}
