package fake

import (
	"maps"
	"slices"
	"time"
)

// reads tells whether a member of the group reads a topic. Of consumers that say what nobody can read, anything is thought.
func (g *group) reads(topic string) bool {
	if g.consumer {
		return slices.ContainsFunc(g.modern.members, func(m *modernMember) bool { return m.reads(topic) })
	}
	k := &g.classic
	return k.kind == consumerKind && (k.generation == 0 || k.unclear || slices.Contains(k.topics, topic))
}

// expireOffsets forgets what was committed long ago (KIP-211): of groups that nobody is in, counted from when the last member left, or from the commit if there never was one; and of consumers that are in order, what they do not read any
// more, from the commit. A group that nobody is in and that has no offsets is forgotten, too.
func (c *Cluster) expireOffsets() {
	if c.expiry.IsZero() || c.now.Before(c.expiry) {
		if c.expiry.IsZero() {
			c.expiry = c.now.Add(c.cfg.OffsetsCheck)
		}
		return
	}
	c.expiry = c.now.Add(c.cfg.OffsetsCheck)
	for _, g := range slices.Clone(c.groups) {
		if !c.writes(g.id) {
			continue
		}
		maps.DeleteFunc(g.offsets, func(tp topicPartition, k committed) bool { return c.expired(g, tp, k) })
		if g.empty() && !g.hasOffsets() {
			c.dropGroup(g)
		}
	}
}

func (c *Cluster) expired(g *group, tp topicPartition, k committed) bool {
	k1 := &g.classic
	from := k.time
	switch {
	case g.unstable(tp):
		return false
	case g.consumer:
		if g.reads(tp.topic) {
			return false
		}
	case k1.kind == "": // nobody ever was a member
	case k1.state == groupEmpty:
		from = k1.emptied
	case k1.kind != consumerKind || k1.state != groupStable || g.reads(tp.topic):
		return false
	}
	if !k.expires.IsZero() {
		return !c.now.Before(k.expires)
	}
	return c.now.Sub(from) >= c.cfg.OffsetsRetention
}

// nextExpiry is when expireOffsets is wanted.
func (c *Cluster) nextExpiry(add func(time.Time)) {
	if len(c.groups) > 0 {
		add(c.expiry)
	}
}
