package assign

import (
	"slices"
	"strings"
)

// constrained divides partitions among members that have all the same subscription: each gets the least or the most there can be, which differ by one at the most.
type constrained struct {
	g     *Group
	h     *history
	r     *racks
	ids   []string // of the members
	total int
	least int
	most  int
	extra int // how many members may have the most, where it is more than the least
	above int // how many have more than the least
	under []string
	exact []string // those that have just the least
	out   Assignment
}

func newConstrained(g *Group, h *history, r *racks) *constrained {
	c := &constrained{g: g, h: h, r: r, out: g.empty()}
	for i := range g.Members {
		c.ids = append(c.ids, g.Members[i].ID)
	}
	return c
}

func (c *constrained) build() Assignment {
	var all []Partition
	for _, t := range c.g.topics() {
		if len(c.g.Members) > 0 && slices.Contains(c.g.Members[0].Topics, t) {
			for p := range int32(len(c.g.Topics[t])) {
				all = append(all, Partition{Topic: t, Partition: p})
			}
		}
	}
	n := len(c.ids)
	if n == 0 {
		return c.out
	}
	c.total, c.least, c.most, c.extra = len(all), len(all)/n, (len(all)+n-1)/n, len(all)%n
	kept := c.keep()
	free := slices.DeleteFunc(all, func(p Partition) bool { return kept[p] })
	c.r.sort(free)
	slices.Sort(c.under)
	slices.Sort(c.exact)
	if c.r.aware {
		free = c.near(free)
	}
	c.inTurn(free)
	return c.out
}

// keep lets members keep what they had, as far as they may have it.
func (c *constrained) keep() map[Partition]bool {
	kept := map[Partition]bool{}
	if len(c.r.members) > 0 { // who may have one more is better somebody who shares racks with partitions
		reach := map[string]int{}
		for _, id := range c.ids {
			reach[id] = c.r.reach(id)
		}
		slices.SortStableFunc(c.ids, func(a, b string) int { return reach[b] - reach[a] })
	}
	for _, id := range c.ids {
		var owned []Partition
		for _, p := range c.h.owned[id] {
			if !c.h.twice[p] && !c.r.mismatch(id, p) && slices.Contains(c.g.Members[0].Topics, p.Topic) {
				owned = append(owned, p)
			}
		}
		slices.SortFunc(owned, func(a, b Partition) int { // the same numbers of all topics are kept together
			if n := int(a.Partition) - int(b.Partition); n != 0 {
				return n
			}
			return strings.Compare(a.Topic, b.Topic)
		})
		switch {
		case len(owned) < c.least:
			c.under = append(c.under, id)
		case len(owned) >= c.most && c.above < c.extra:
			owned = owned[:c.most]
			c.above++
			if c.above == c.extra {
				c.exact = nil
			}
		default:
			owned = owned[:c.least]
			if c.above < c.extra {
				c.exact = append(c.exact, id)
			}
		}
		c.out[id] = append(c.out[id], owned...)
		for _, p := range owned {
			kept[p] = true
		}
	}
	return kept
}

// give gives a partition, and keeps the lists.
func (c *constrained) give(p Partition, id string) (n int) {
	c.out[id] = append(c.out[id], p)
	return len(c.out[id])
}

// near gives partitions to members in their racks, and returns the others.
func (c *constrained) near(free []Partition) (rest []Partition) {
	next := 0
	for _, p := range free {
		at := c.nearest(p, c.under, next)
		if at >= 0 {
			id := c.under[at]
			if n := c.give(p, id); n >= c.least {
				c.under = slices.Delete(c.under, at, at+1)
				if n < c.most && c.above < c.extra {
					c.exact = append(c.exact, id)
				}
				next = at
			} else {
				next = at + 1
			}
			if len(c.under) > 0 {
				next %= len(c.under)
			} else {
				next = 0
			}
			continue
		}
		if c.above < c.extra {
			if at = c.nearest(p, c.exact, 0); at >= 0 {
				id := c.exact[at]
				c.give(p, id)
				c.exact = slices.Delete(c.exact, at, at+1)
				if c.above++; c.above == c.extra {
					c.exact = nil
				}
				continue
			}
		}
		rest = append(rest, p)
	}
	return rest
}

// nearest finds a member in a rack of p, from number first on and round; -1: there is none.
func (c *constrained) nearest(p Partition, ids []string, first int) int {
	for i := range ids {
		at := (first + i) % len(ids)
		if rack := c.r.members[ids[at]]; rack != "" && slices.Contains(c.r.of[p], rack) {
			return at
		}
	}
	return -1
}

// inTurn gives the partitions to the members that have too few, in turn, then to those that may have one more.
func (c *constrained) inTurn(free []Partition) {
	at := 0
	for _, p := range free {
		if len(c.under) == 0 {
			if len(c.exact) == 0 {
				return // every partition is given
			}
			id := c.exact[0]
			c.exact = c.exact[1:]
			c.give(p, id)
			c.above++
			continue
		}
		if at >= len(c.under) {
			at = 0
		}
		id := c.under[at]
		if n := c.give(p, id); n == c.least {
			c.under = slices.Delete(c.under, at, at+1)
			c.exact = append(c.exact, id)
		} else {
			at++
		}
	}
}
