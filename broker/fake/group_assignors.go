package fake

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/kactor-go/kactor/protocol/wire"
)

// assignor is the one that most members ask for; without any, uniform. If one asks for either, the member that is heard makes the difference: Kafka counts it anew in a java.util.HashMap, where both names fall together, and what
// comes into it last is what it meets first (ConsumerGroup.computePreferredServerAssignor).
func (x *modernGroup) assignor(heard *modernMember) string {
	ranges, uniforms := 0, 0
	for _, m := range x.members {
		switch m.assignor {
		case "range":
			ranges++
		case "uniform":
			uniforms++
		}
	}
	if ranges > uniforms || ranges == 1 && uniforms == 1 && heard != nil && heard.assignor == "range" {
		return "range"
	}
	return "uniform"
}

// alike tells whether all members read the same topics (ConsumerGroup.subscriptionType of Kafka 4.3): those that somebody names, there or not, are named by all; or all have the one pattern, and nobody names a topic that it
// matches.
func (x *modernGroup) alike() bool {
	members := x.everybody()
	names, patterns := map[string]int{}, map[string]int{}
	for _, m := range members {
		for _, t := range m.topics {
			names[t]++
		}
		if m.pattern != "" {
			patterns[m.pattern]++
		}
	}
	if len(patterns) == 0 {
		for _, n := range names {
			if n != len(members) {
				return false
			}
		}
		return true
	}
	for _, n := range patterns {
		if n != len(members) {
			return false
		}
	}
	regex := x.members[0].regex
	for t := range x.counted {
		if names[t] > 0 && regex != nil && regex.MatchString(t) {
			return false
		}
	}
	return true
}

// everybody are the members, and one that is ousted with this request.
func (x *modernGroup) everybody() []*modernMember {
	if x.ousted == nil {
		return x.members
	}
	return append(slices.Clone(x.members), x.ousted)
}

// divides tells whether a partition is one of those that are to be divided.
func (x *modernGroup) divides(tp topicIDPartition) bool {
	n := x.counted[tp.topic]
	return n.id == tp.id && int(tp.partition) < n.partitions
}

// all are the partitions that are to be divided, in order.
func (c *Cluster) all(x *modernGroup) (all []topicIDPartition) {
	for _, t := range c.topics {
		for p := range x.counted[t.name].partitions {
			all = append(all, idPartition(t, int32(p)))
		}
	}
	return all
}

// divideAlike is the uniform assignor for members that read the same (UniformHomogeneousAssignmentBuilder of Kafka 4.3): everybody keeps what it has up to its share, and who has too little gets what is free, in order. If it does
// not come out even some have one more: the first ones that have it, and if these are too few the last ones; before 4.1 just the first ones. The fake's 4.0 is like 4.1 in this, because a kept seed of the simulator needs it.
// What all read it takes from the first one.
func (c *Cluster) divideAlike(x *modernGroup) {
	if len(x.members) == 0 {
		return
	}
	members := x.hashed()
	all := slices.DeleteFunc(c.all(x), func(tp topicIDPartition) bool { return !members[0].reads(tp.topic) })
	least, more := len(all)/len(x.members), len(all)%len(x.members)
	had := set{}
	for _, m := range x.members {
		maps.Copy(had, m.target)
	}
	if x.ousted != nil {
		maps.Copy(had, x.ousted.target)
	}
	free := slices.DeleteFunc(all, func(tp topicIDPartition) bool { return had[tp] })
	lacks := make([]int, len(members))
	for i, m := range members {
		quota, extra := least, more > 0
		if extra {
			quota++
		}
		keep := set{}
		for _, tp := range m.target.hashed() {
			switch {
			case !x.divides(tp) || !members[0].reads(tp.topic): // nobody reads it, or it is gone
			case len(keep) < quota:
				keep[tp] = true
			default:
				free = append(free, tp)
			}
		}
		if extra && len(keep) < quota && len(members)-i > more && c.atLeast("4.0") { // there are enough behind it who can have one more
			quota, extra = quota-1, false
		}
		if extra {
			more--
		}
		m.target, lacks[i] = keep, quota-len(keep)
	}
	for i, m := range members {
		for ; lacks[i] > 0 && len(free) > 0; lacks[i]-- { // there are too few if a member was ousted
			m.target[free[0]] = true
			free = free[1:]
		}
	}
}

// hashed are partitions in the order in which Kafka's assignor meets them: topic by topic, and in each that of a java.util.HashSet made of them.
func (s set) hashed() []topicIDPartition {
	of := map[wire.UUID]int{}
	for tp := range s {
		of[tp.id]++
	}
	place := func(tp topicIDPartition) int32 {
		size := int32(16)
		for int(size) < of[tp.id]*4/3+1 {
			size *= 2
		}
		return tp.partition & (size - 1)
	}
	return slices.SortedFunc(maps.Keys(s), func(a, b topicIDPartition) int {
		if a.id == b.id {
			return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a.partition, b.partition))
		}
		return a.compare(b)
	})
}

// hashed are the members in the order in which Kafka's assignor meets them. Members that fall together there are in the order of their ids.
func (x *modernGroup) hashed() []*modernMember {
	return inHashOrder(x.members, func(m *modernMember) string { return m.id })
}

// divideRange is the range assignor: of each topic everybody who reads it has as many in a row, and the first ones one more. What all read it takes from the first one.
func (c *Cluster) divideRange(x *modernGroup) {
	members := slices.SortedStableFunc(slices.Values(x.members), staticFirst)
	for _, m := range members {
		m.target = set{}
	}
	for _, t := range c.topics {
		readers := slices.DeleteFunc(slices.Clone(members), func(m *modernMember) bool {
			if x.same {
				m = members[0]
			}
			return !m.reads(t.name)
		})
		p := 0
		for i, m := range readers {
			n := x.counted[t.name].partitions / len(readers)
			if i < x.counted[t.name].partitions%len(readers) {
				n++
			}
			for ; n > 0; n, p = n-1, p+1 {
				m.target[idPartition(t, int32(p))] = true
			}
		}
	}
}

// staticFirst puts static members first, by their instances; others stay as they are.
func staticFirst(a, b *modernMember) int {
	switch {
	case a.instance != "" && b.instance != "":
		return strings.Compare(a.instance, b.instance)
	case a.instance != "":
		return -1
	case b.instance != "":
		return 1
	}
	return 0
}
