package fake

import (
	"time"
)

// tickCleaning lets brokers look at the logs that they lead when it is time (LogManager.cleanupLogs, LogCleaner). One that was paused does so when it goes on.
func (c *Cluster) tickCleaning() {
	if !c.cfg.AutoClean {
		return
	}
	for _, n := range c.nodes {
		k := &n.cleaning
		switch {
		case n.down:
			k.retain, k.compact = time.Time{}, time.Time{}
		case n.paused:
		case k.retain.IsZero():
			k.retain, k.compact = c.now.Add(c.every(n, "log.initial.task.delay.ms", 30_000)), c.now
		}
		if n.down || n.paused {
			continue
		}
		if !c.now.Before(k.retain) {
			k.retain = c.now.Add(max(c.every(n, "log.retention.check.interval.ms", 300_000), time.Millisecond))
			c.eachLed(n, func(p *partition, s *settings) {
				if !s.compact {
					c.retain(p, s)
				}
			})
		}
		if !c.now.Before(k.compact) {
			k.compact = c.now.Add(max(c.every(n, "log.cleaner.backoff.ms", 15_000), time.Millisecond))
			c.eachLed(n, func(p *partition, s *settings) {
				if !s.compact {
					return
				}
				if p.dirty(s, c.now.UnixMilli()) {
					c.clean(p, s)
				}
				c.retain(p, s)
			})
		}
	}
}

// nextCleaning is when tickCleaning is wanted.
func (c *Cluster) nextCleaning(add func(time.Time)) {
	for _, n := range c.nodes {
		if c.cfg.AutoClean && !n.down && !n.paused {
			add(n.cleaning.retain)
			add(n.cleaning.compact)
		}
	}
}

// every reads a broker's configuration that is a time.
func (c *Cluster) every(n *node, name string, usually int64) time.Duration {
	return time.Duration(c.number(n, name, usually)) * time.Millisecond
}

// eachLed gives the partitions that a broker leads.
func (c *Cluster) eachLed(n *node, f func(p *partition, s *settings)) {
	for _, t := range c.topics {
		for _, p := range t.partitions {
			if p.leader == n.id {
				f(p, t.own(n.id))
			}
		}
	}
}

// dirty tells whether a log is to be compacted: more of it than min.cleanable.dirty.ratio was written since it was compacted last, or a part of that has waited for max.compaction.lag.ms (LogCleanerManager.grabFilthiestCompactedLog).
func (p *partition) dirty(s *settings, now int64) bool {
	from, to := max(p.cleaned, p.start), p.cleanable(s, now)
	if len(p.segments) > 0 {
		to = p.segmentBase(to) // segments are cleaned whole
	}
	clean, dirty, oldest := int64(0), int64(0), int64(unbounded)
	for i := range p.segments {
		g := &p.segments[i]
		if g.base < from {
			clean += g.size
		}
		if i+1 == len(p.segments) || p.segments[i+1].base <= from {
			continue
		}
		if g.first > 0 {
			oldest = min(oldest, g.first)
		}
		if g.base < to {
			dirty += g.size
		}
	}
	return dirty > 0 && (oldest < now-s.maxCompactionLag || float64(dirty)/float64(clean+dirty) > s.dirtyRatio)
}
