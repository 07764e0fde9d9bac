package plan

import (
	"slices"

	"github.com/kactor-go/kactor/protocol/cluster"
)

func (c *Core) find(tp cluster.TopicPartition) (int, bool) {
	return slices.BinarySearchFunc(c.parts, tp, func(p *part, tp cluster.TopicPartition) int { return p.Compare(tp) })
}

func (c *Core) part(tp cluster.TopicPartition, gen uint64) *part {
	if i, ok := c.find(tp); ok && c.parts[i].gen == gen {
		return c.parts[i]
	}
	return nil
}

// topic finds a topic. Partitions come in their order, so it mostly is that of the one before.
func (c *Core) topic(name string) *cluster.Topic {
	if t := c.lastTopic; t != nil && c.lastSnap == c.snap && t.Name == name {
		return t
	}
	c.lastTopic, c.lastSnap = c.snap.Topic(name), c.snap
	return c.lastTopic
}

// walk finds partitions, mostly the one behind the last that it has found.
type walk struct {
	parts []*part
	at    int
}

func (w *walk) find(tp cluster.TopicPartition) *part {
	if w.at >= len(w.parts) || w.parts[w.at].TopicPartition != tp {
		i, ok := slices.BinarySearchFunc(w.parts, tp, func(p *part, tp cluster.TopicPartition) int { return p.Compare(tp) })
		if w.at = i; !ok {
			return nil
		}
	}
	p := w.parts[w.at]
	w.at++
	return p
}

func (c *Core) line(node int32) *line {
	l := c.byNode[node]
	if l == nil {
		l = &line{node: node}
		c.lines, c.byNode[node] = append(c.lines, l), l
	}
	return l
}
