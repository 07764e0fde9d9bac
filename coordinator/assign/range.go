package assign

import (
	"slices"
	"strings"
)

// Range gives each member a range of every topic's partitions, the first members one more where they do not divide evenly. Where racks are known, partitions go
// to members in the racks of their replicas first, and topics with the same number of partitions and the same members alike (KIP-881).
type Range struct{}

// Name is "range".
func (Range) Name() string { return "range" }

// Cooperative is false.
func (Range) Cooperative() bool { return false }

// UserData is none.
func (Range) UserData([]Partition, int32) []byte { return nil }

// ranged is a topic being divided.
type ranged struct {
	topic     string
	members   []*Member // in order
	racks     []Racks
	free      []int32
	have      map[string]int
	each      int // partitions for each member
	more      int // members that get one more
	rackAware bool
}

// Assign implements Assignor.
func (Range) Assign(g Group) (Assignment, error) {
	out := g.empty()
	subscribed := g.subscribed()
	var topics []*ranged
	aware := false
	for _, name := range g.topics() {
		t := &ranged{topic: name, members: subscribed[name], racks: g.Topics[name], have: map[string]int{}}
		if len(t.members) == 0 {
			continue
		}
		racks := map[string]bool{}
		for _, m := range t.members {
			if m.Rack != "" {
				racks[m.Rack] = true
			}
		}
		for i := range t.racks {
			t.free = append(t.free, int32(i))
		}
		t.each, t.more = len(t.racks)/len(t.members), len(t.racks)%len(t.members)
		t.rackAware = rackAware(racks, []string{name}, g.Topics)
		aware = aware || t.rackAware
		topics = append(topics, t)
	}
	if aware {
		matchRacks(topics, out)
	}
	for _, t := range topics {
		t.give(out, func(*Member, int32) bool { return true })
	}
	out.sort()
	return out, nil
}

func (t *ranged) most(m *Member) int {
	most := t.each - t.have[m.ID]
	if t.more > 0 {
		most++
	}
	return max(0, most)
}

func (t *ranged) assign(m *Member, partition int32, out Assignment) {
	out[m.ID] = append(out[m.ID], Partition{Topic: t.topic, Partition: partition})
}

func (t *ranged) count(m *Member, n int) {
	t.have[m.ID] += n
	if t.have[m.ID] > t.each {
		t.more--
	}
}

func (t *ranged) matches(m *Member, partition int32) bool {
	return m.Rack == "" || int(partition) < len(t.racks) && slices.Contains(t.racks[partition], m.Rack)
}

// give gives each member as many free partitions as it may have, of those that may says.
func (t *ranged) give(out Assignment, may func(*Member, int32) bool) {
	for _, m := range t.members {
		most, taken, at := t.most(m), 0, 0
		var passed []int32
		for ; at < len(t.free) && taken < most; at++ {
			if p := t.free[at]; may(m, p) {
				t.assign(m, p, out)
				taken++
			} else {
				passed = append(passed, p)
			}
		}
		if t.free = t.free[at:]; len(passed) > 0 {
			t.free = append(passed, t.free...)
		}
		if taken > 0 {
			t.count(m, taken)
		}
	}
}

// matchRacks gives partitions to members in the racks of their replicas. Topics that look alike are given together, so that their partitions of one number have one owner.
func matchRacks(topics []*ranged, out Assignment) {
	alike := map[string][]*ranged{}
	var order []string
	for _, t := range topics {
		var key strings.Builder
		for _, m := range t.members {
			key.WriteString(m.ID + "\x00")
		}
		key.WriteString(string(rune(len(t.racks))))
		k := key.String()
		if alike[k] == nil {
			order = append(order, k)
		}
		alike[k] = append(alike[k], t)
	}
	for _, k := range order {
		group := alike[k]
		if len(group) == 1 {
			if t := group[0]; t.rackAware {
				t.give(out, t.matches)
			}
			continue
		}
		matchTogether(group, out)
	}
}

func matchTogether(group []*ranged, out Assignment) {
	members := slices.Clone(group[0].members)
	given := make([]bool, len(group[0].racks))
	defer func() {
		for _, t := range group {
			t.free = slices.DeleteFunc(t.free, func(p int32) bool { return given[p] })
		}
	}()
	for p := range int32(len(group[0].racks)) {
		i := slices.IndexFunc(members, func(m *Member) bool {
			for _, t := range group {
				if !t.matches(m, p) || t.most(m) == 0 {
					return false
				}
			}
			return true
		})
		if i < 0 {
			continue
		}
		m := members[i]
		given[p] = true
		full := true
		for _, t := range group {
			t.assign(m, p, out)
			t.count(m, 1)
			full = full && t.most(m) == 0
		}
		if full {
			members = slices.Delete(members, i, i+1)
		}
	}
}
