package assign

import (
	"cmp"
	"maps"
	"slices"
)

// general divides partitions among members with different subscriptions: everybody keeps what he has, what is free goes to who has least, and then partitions move from who has
// more to who has fewer as long as the whole gets more even.
type general struct {
	g       *Group
	h       *history
	r       *racks
	topics  map[string][]string        // what each member can have
	members map[string][]string        // who can have a topic, in the order of the group
	has     map[string]map[string]bool // topics as a set
	now     map[string][]Partition
	owner   map[Partition]string
	order   []string // members by how much they have
	moves   movements
	revoked bool
	settled bool // it was found even, and nothing has moved since
	uneven  bool // it was found not to be, and nothing has moved since
}

func newGeneral(g *Group, h *history, r *racks) *general {
	x := &general{g: g, h: h, r: r, topics: map[string][]string{}, members: map[string][]string{}, has: map[string]map[string]bool{}, now: map[string][]Partition{}, owner: map[Partition]string{},
		moves: movements{of: map[Partition]pair{}, by: map[string]map[pair][]Partition{}}}
	for i := range g.Members {
		m := &g.Members[i]
		x.has[m.ID] = map[string]bool{}
		for _, t := range m.Topics {
			if len(g.Topics[t]) > 0 && !x.has[m.ID][t] {
				x.has[m.ID][t] = true
				x.topics[m.ID] = append(x.topics[m.ID], t)
				x.members[t] = append(x.members[t], m.ID)
			}
		}
	}
	return x
}

func (x *general) less(a, b string) int {
	if n := len(x.now[a]) - len(x.now[b]); n != 0 {
		return n
	}
	return cmp.Compare(a, b)
}

func (x *general) leave(id string) {
	i, _ := slices.BinarySearchFunc(x.order, id, x.less)
	x.order = slices.Delete(x.order, i, i+1)
}

func (x *general) enter(id string) {
	i, _ := slices.BinarySearchFunc(x.order, id, x.less)
	x.order = slices.Insert(x.order, i, id)
}

// all gives the partitions, those of topics that few members can have first.
func (x *general) all() (parts []Partition) {
	names := x.g.topics()
	slices.SortStableFunc(names, func(a, b string) int {
		if n := len(x.members[a]) - len(x.members[b]); n != 0 {
			return n
		}
		return cmp.Compare(a, b)
	})
	for _, t := range names {
		for p := range int32(len(x.g.Topics[t])) {
			parts = append(parts, Partition{Topic: t, Partition: p})
		}
	}
	return parts
}

func (x *general) build() Assignment {
	for i := range x.g.Members {
		id := x.g.Members[i].ID
		x.now[id] = nil
		for _, p := range x.h.owned[id] {
			if !x.has[id][p.Topic] || x.r.mismatch(id, p) {
				x.revoked = true
				continue
			}
			if x.h.twice[p] {
				continue
			}
			x.now[id] = append(x.now[id], p)
			x.owner[p] = id
		}
	}
	all := x.all()
	var free []Partition
	for _, p := range all {
		if _, owned := x.owner[p]; !owned {
			free = append(free, p)
		}
	}
	x.order = slices.SortedFunc(maps.Keys(x.now), x.less)
	x.balance(all, free)
	out := x.g.empty()
	for id, parts := range x.now {
		out[id] = parts
	}
	return out
}

// give gives a free partition to the member with the least of those that may have it.
func (x *general) give(p Partition, may func(string) bool) bool {
	id, found := x.least(p.Topic, may)
	if found {
		x.leave(id)
		x.now[id] = append(x.now[id], p)
		x.owner[p] = id
		x.enter(id)
	}
	return found
}

// fewMembers are looked through one by one; where more can have a topic, one of those with least soon can.
const fewMembers = 32

// least gives the member with least of those that can have a topic.
func (x *general) least(topic string, may func(string) bool) (least string, found bool) {
	if len(x.members[topic]) > fewMembers {
		i := slices.IndexFunc(x.order, func(id string) bool { return x.has[id][topic] && may(id) })
		if i < 0 {
			return "", false
		}
		return x.order[i], true
	}
	for _, id := range x.members[topic] {
		if may(id) && (!found || x.less(id, least) < 0) {
			least, found = id, true
		}
	}
	return least, found
}

func anybody(string) bool { return true }

func (x *general) balance(all, free []Partition) {
	beginning := len(x.order) == 0 || len(x.now[x.order[len(x.order)-1]]) == 0
	rest := free
	if x.r.aware {
		rest = nil
		for _, p := range free {
			if !x.give(p, func(id string) bool { return !x.r.mismatch(id, p) }) {
				rest = append(rest, p)
			}
		}
	}
	for _, p := range rest {
		x.give(p, anybody)
	}
	movable := func(p Partition) bool { return len(x.members[p.Topic]) >= 2 }
	all = slices.DeleteFunc(all, func(p Partition) bool { return !movable(p) })
	free = slices.DeleteFunc(slices.Clone(rest), func(p Partition) bool { return !movable(p) })

	fixed := map[string][]Partition{}
	for i := range x.g.Members {
		if id := x.g.Members[i].ID; !x.takesPart(id) {
			x.leave(id)
			fixed[id] = x.now[id]
			delete(x.now, id)
		}
	}
	before := map[string][]Partition{}
	for id, parts := range x.now {
		before[id] = slices.Clone(parts)
	}
	owners := maps.Clone(x.owner)
	if !x.revoked { // perhaps it is enough to move what is new
		x.move(free)
	}
	if x.move(all) && !beginning && score(x.now) >= score(before) {
		x.now, x.owner = before, owners
	}
	maps.Copy(x.now, fixed)
}

// takesPart tells whether a member could get something, or lose something.
func (x *general) takesPart(id string) bool {
	if len(x.now[id]) < x.most(id) {
		return true
	}
	return slices.ContainsFunc(x.now[id], func(p Partition) bool { return len(x.members[p.Topic]) >= 2 })
}

func (x *general) most(id string) (n int) {
	for _, t := range x.topics[id] {
		n += len(x.g.Topics[t])
	}
	return n
}

// move moves partitions until the whole is even, or nothing moves any more.
func (x *general) move(parts []Partition) (moved bool) {
	for again := true; again; {
		again = false
		for _, p := range parts {
			if x.even() {
				break
			}
			from := x.owner[p]
			if before, ok := x.h.previous[p]; ok && x.now[before] != nil && len(x.now[from]) > len(x.now[before])+1 {
				x.reassign(p, before)
				again, moved = true, true
				continue
			}
			if x.better(p, from) {
				again, moved = true, true
			}
		}
	}
	return moved
}

// better moves p to somebody who has fewer partitions, if there is one.
func (x *general) better(p Partition, from string) bool {
	if !x.r.aware { // whoever has least of those that can have it
		to, found := x.least(p.Topic, anybody)
		if !found || len(x.now[from]) <= len(x.now[to])+1 {
			return false
		}
		x.reassign(p, to)
		return true
	}
	near := x.r.members[from] != "" && !x.r.mismatch(from, p) // who shares the partition's racks gives to who does, if he can
	for _, far := range []bool{!near, true} {
		for _, id := range x.members[p.Topic] {
			if len(x.now[from]) > len(x.now[id])+1 && (far || !x.r.mismatch(id, p)) {
				to := slices.IndexFunc(x.order, func(to string) bool { return x.has[to][p.Topic] })
				x.reassign(p, x.order[to])
				return true
			}
		}
		if far {
			break
		}
	}
	return false
}

// reassign moves p, or another partition of its topic: one that would go the way back.
func (x *general) reassign(p Partition, to string) {
	x.settled, x.uneven = false, false
	p = x.moves.instead(p, x.owner[p], to)
	from := x.owner[p]
	x.leave(to)
	x.leave(from)
	x.moves.note(p, from, to)
	x.now[from] = slices.DeleteFunc(x.now[from], func(o Partition) bool { return o == p })
	x.now[to] = append(x.now[to], p)
	x.owner[p] = to
	x.enter(to)
	x.enter(from)
}

// even tells whether nobody could get anything from somebody who has more. It is asked for each partition, and looked for again only when something has moved.
func (x *general) even() bool {
	if !x.settled && !x.uneven {
		x.settled = x.looksEven()
		x.uneven = !x.settled
	}
	return x.settled
}

func (x *general) looksEven() bool {
	if len(x.order) == 0 {
		return true
	}
	most := len(x.now[x.order[len(x.order)-1]])
	if len(x.now[x.order[0]]) >= most-1 {
		return true
	}
	top := map[string]int{} // what the owner of a partition of the topic has at most, of those that were gone through
	for _, id := range x.order {
		n := len(x.now[id])
		if n >= most { // as all that follow
			return true
		}
		if n == x.most(id) {
			continue
		}
		for _, t := range x.topics[id] {
			if _, looked := top[t]; !looked {
				have, all := x.top(t, n)
				if !all {
					return false
				}
				top[t] = have
			}
			if n < top[t] {
				return false
			}
		}
	}
	return true
}

// top is how much the owner of a partition of a topic has at most; all is false if one is found that has more than n.
func (x *general) top(topic string, n int) (most int, all bool) {
	for p := range int32(len(x.g.Topics[topic])) {
		if owner, owned := x.owner[Partition{Topic: topic, Partition: p}]; owned {
			if most = max(most, len(x.now[owner])); most > n {
				return most, false
			}
		}
	}
	return most, true
}

// score is how uneven it is: the sum of all differences.
func score(now map[string][]Partition) (sum int) {
	sizes := make([]int, 0, len(now))
	for _, parts := range now {
		sizes = append(sizes, len(parts))
	}
	slices.Sort(sizes)
	for i, n := range sizes { // it is more than i, and less than the others
		sum += n * (2*i + 1 - len(sizes))
	}
	return sum
}

// movements are what has moved from whom to whom: rather than that two partitions of a topic change places, one stays.
type movements struct {
	of map[Partition]pair
	by map[string]map[pair][]Partition
}

type pair struct{ from, to string }

func (m *movements) note(p Partition, from, to string) {
	if before, ok := m.of[p]; ok {
		m.by[p.Topic][before] = slices.DeleteFunc(m.by[p.Topic][before], func(o Partition) bool { return o == p })
		delete(m.of, p)
		if before.from == to {
			return
		}
		from = before.from
	}
	m.of[p] = pair{from, to}
	if m.by[p.Topic] == nil {
		m.by[p.Topic] = map[pair][]Partition{}
	}
	m.by[p.Topic][pair{from, to}] = append(m.by[p.Topic][pair{from, to}], p)
}

func (m *movements) instead(p Partition, from, to string) Partition {
	if before, ok := m.of[p]; ok {
		from = before.from
	}
	if back := m.by[p.Topic][pair{to, from}]; len(back) > 0 {
		return back[0]
	}
	return p
}
