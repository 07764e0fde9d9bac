package assign

import "slices"

// rackAware tells whether racks can matter: members and partitions share some, and not every partition is in all of them.
func rackAware(members map[string]bool, topics []string, all map[string][]Racks) bool {
	racks := map[string]bool{}
	for _, t := range topics {
		for _, replicas := range all[t] {
			for _, r := range replicas {
				racks[r] = true
			}
		}
	}
	shared := false
	for r := range members {
		shared = shared || racks[r]
	}
	if !shared {
		return false
	}
	for _, t := range topics {
		for _, replicas := range all[t] {
			for r := range racks {
				if !slices.Contains(replicas, r) {
					return true
				}
			}
		}
	}
	return false
}

// racks is what sticky assignors know of racks.
type racks struct {
	aware   bool
	members map[string]string // rack of each member that has one
	of      map[Partition]Racks
	near    map[Partition]int // members in its racks
}

func newRacks(g *Group) *racks {
	r := &racks{members: map[string]string{}, of: map[Partition]Racks{}, near: map[Partition]int{}}
	has := map[string]bool{}
	for i := range g.Members {
		if m := &g.Members[i]; m.Rack != "" {
			r.members[m.ID] = m.Rack
			has[m.Rack] = true
		}
	}
	topics := g.topics()
	r.aware = rackAware(has, topics, g.Topics)
	if len(has) == 0 {
		return r
	}
	for _, t := range topics {
		for i, replicas := range g.Topics[t] {
			p := Partition{Topic: t, Partition: int32(i)}
			r.of[p] = replicas
			for _, m := range g.Members {
				if m.Rack != "" && slices.Contains(replicas, m.Rack) {
					r.near[p]++
				}
			}
		}
	}
	return r
}

// mismatch tells whether a member is in none of the racks of a partition, although it is in one at all.
func (r *racks) mismatch(id string, p Partition) bool {
	rack := r.members[id]
	return r.aware && rack != "" && !slices.Contains(r.of[p], rack)
}

// sort puts partitions that few members are near to first.
func (r *racks) sort(parts []Partition) {
	if r.aware {
		slices.SortStableFunc(parts, func(a, b Partition) int { return r.near[a] - r.near[b] })
	}
}

// reach is how many partitions are in a member's rack.
func (r *racks) reach(id string) (n int) {
	for _, replicas := range r.of {
		if rack := r.members[id]; rack != "" && slices.Contains(replicas, rack) {
			n++
		}
	}
	return n
}
