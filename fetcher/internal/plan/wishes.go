package plan

import "slices"

// fewWishes are looked through one by one.
const fewWishes = 32

// wishes tells whether a topic is asked for already.
func (c *Core) wishes(topic string, out *Effects) bool {
	n := len(out.Refresh)
	switch {
	case n == 0 || n <= fewWishes && c.wished == nil:
		return slices.Contains(out.Refresh, topic)
	case out.Refresh[n-1] == topic:
		return true
	case c.wished == nil:
		c.wished = map[string]struct{}{}
		for _, t := range out.Refresh {
			c.wished[t] = struct{}{}
		}
	}
	_, there := c.wished[topic]
	c.wished[topic] = struct{}{}
	return there
}

func (c *Core) refresh(topic, why string, out *Effects) {
	if !c.wishes(topic, out) {
		out.Refresh = append(out.Refresh, topic)
	}
	out.Why = why
}
