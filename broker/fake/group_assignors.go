package fake

import (
	"maps"
	"slices"
)

// assignor is the one that most members ask for; without any, uniform.
func (x *modernGroup) assignor() string {
	ranges, uniforms := 0, 0
	for _, m := range x.members {
		switch m.assignor {
		case "range":
			ranges++
		case "uniform":
			uniforms++
		}
	}
	if ranges > uniforms {
		return "range"
	}
	return "uniform"
}

// alike tells whether all members read the same topics.
func (x *modernGroup) alike() bool {
	for topic := range x.counted {
		if slices.ContainsFunc(x.members, func(m *modernMember) bool { return !m.reads(topic) }) {
			return false
		}
	}
	return true
}

// all are the partitions that are to be divided, in order.
func (c *Cluster) all(x *modernGroup) (all []topicPartition) {
	for _, t := range c.topics {
		for p := range x.counted[t.name] {
			all = append(all, topicPartition{t.name, int32(p)})
		}
	}
	return all
}

// divideAlike is the uniform assignor for members that read the same: everybody keeps what it has up to its share, and who has too little gets what is free, in order. If it does not come out even some have one more: those
// that had it, and then the first ones.
func (c *Cluster) divideAlike(x *modernGroup) {
	all := c.all(x)
	if len(x.members) == 0 {
		return
	}
	least, more := len(all)/len(x.members), len(all)%len(x.members)
	had := set{}
	for _, m := range x.members {
		for tp := range m.target {
			had[tp] = true
		}
	}
	var free []topicPartition
	for _, tp := range all {
		if !had[tp] {
			free = append(free, tp)
		}
	}
	quota := func() int {
		if more > 0 {
			return least + 1
		}
		return least
	}
	took := func(m *modernMember) {
		if len(m.target) > least {
			more--
		}
	}
	for _, m := range x.members {
		keep := set{}
		for _, tp := range slices.SortedFunc(maps.Keys(m.target), topicPartition.compare) {
			switch {
			case int(tp.partition) >= x.counted[tp.topic]: // nobody reads it, or it is gone
			case len(keep) < quota():
				keep[tp] = true
			default:
				free = append(free, tp)
			}
		}
		m.target = keep
		took(m)
	}
	for _, m := range x.members {
		if len(m.target) > least {
			continue
		}
		for n := quota(); len(m.target) < n; free = free[1:] {
			m.target[free[0]] = true
		}
		took(m)
	}
}

// divideRange is the range assignor: of each topic everybody who reads it has as many in a row, and the first ones one more.
func (c *Cluster) divideRange(x *modernGroup) {
	for _, m := range x.members {
		m.target = set{}
	}
	for _, t := range c.topics {
		var readers []*modernMember
		for _, m := range x.members {
			if m.reads(t.name) {
				readers = append(readers, m)
			}
		}
		p := 0
		for i, m := range readers {
			n := x.counted[t.name] / len(readers)
			if i < x.counted[t.name]%len(readers) {
				n++
			}
			for ; n > 0; n, p = n-1, p+1 {
				m.target[topicPartition{t.name, int32(p)}] = true
			}
		}
	}
}

// divideUnlike is uniform for members that read different topics: everybody keeps what he has, as far as it is fair. Kafka's does not tell whom it prefers.
func (c *Cluster) divideUnlike(x *modernGroup) {
	owner := map[topicPartition]*modernMember{}
	for _, m := range x.members {
		for tp := range m.target {
			if m.reads(tp.topic) && int(tp.partition) < x.counted[tp.topic] {
				owner[tp] = m
			}
		}
		m.target = set{}
	}
	all := c.all(x)
	for _, tp := range all {
		if m := owner[tp]; m != nil {
			m.target[tp] = true
		}
	}
	least := func(topic string) (best *modernMember) {
		for _, m := range x.members {
			if m.reads(topic) && (best == nil || len(m.target) < len(best.target)) {
				best = m
			}
		}
		return best
	}
	for _, tp := range all {
		if owner[tp] == nil {
			if m := least(tp.topic); m != nil {
				m.target[tp] = true
				owner[tp] = m
			}
		}
	}
	for moved := true; moved; {
		moved = false
		for _, tp := range slices.Backward(all) {
			from, to := owner[tp], least(tp.topic)
			if from != nil && to != nil && len(from.target) > len(to.target)+1 {
				delete(from.target, tp)
				to.target[tp] = true
				owner[tp] = to
				moved = true
			}
		}
	}
}
