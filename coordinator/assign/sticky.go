package assign

import (
	"slices"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// Sticky divides as evenly as possible and lets members keep what they had (KIP-54). Members give everything back before they join, and remember in their user data
// what it was.
type Sticky struct{}

// Name is "sticky".
func (Sticky) Name() string { return "sticky" }

// Cooperative is false.
func (Sticky) Cooperative() bool { return false }

// UserData is what was owned, and the generation.
func (Sticky) UserData(owned []Partition, generation int32) []byte {
	if len(owned) == 0 {
		return nil
	}
	m := &msg.StickyAssignorUserData{Generation: generation}
	ByTopic(owned, func(topic string, partitions []int32) {
		m.PreviousAssignment = append(m.PreviousAssignment, msg.StickyAssignorUserDataTopicAssignment{Topic: topic, Partitions: partitions})
	})
	b, err := protocol.Append(nil, m, 1)
	if err != nil {
		return nil // a topic whose name cannot be written does not exist
	}
	return b
}

// Assign implements Assignor.
func (Sticky) Assign(g Group) (Assignment, error) {
	a, _ := stick(&g, func(m *Member) ([]Partition, int32) { return stickyData(m.UserData) })
	return a, nil
}

// stickyData reads user data; what cannot be read is nothing.
func stickyData(b []byte) (owned []Partition, generation int32) {
	if len(b) == 0 {
		return nil, -1
	}
	m := &msg.StickyAssignorUserData{}
	m.SetDefaults()
	if protocol.Read(m, b, 1) != nil {
		m.SetDefaults()
		if protocol.Read(m, b, 0) != nil {
			return nil, -1
		}
	}
	for _, t := range m.PreviousAssignment {
		for _, p := range t.Partitions {
			owned = append(owned, Partition{Topic: t.Topic, Partition: p})
		}
	}
	return owned, m.Generation
}

// CooperativeSticky is Sticky for members that keep what they own while they join: a partition that changes hands is given to nobody in the first round and, when its owner
// has let it go, to its new owner in the next (KIP-429).
type CooperativeSticky struct{}

// Name is "cooperative-sticky".
func (CooperativeSticky) Name() string { return "cooperative-sticky" }

// Cooperative is true.
func (CooperativeSticky) Cooperative() bool { return true }

// UserData is the generation.
func (CooperativeSticky) UserData(_ []Partition, generation int32) []byte {
	b, err := protocol.Append(nil, &msg.CooperativeStickyAssignorUserData{Generation: generation}, 0)
	if err != nil {
		return nil
	}
	return b
}

// Assign implements Assignor.
func (CooperativeSticky) Assign(g Group) (Assignment, error) {
	a, claims := stick(&g, func(m *Member) ([]Partition, int32) {
		if m.Generation >= 0 || len(m.UserData) == 0 {
			return m.Owned, m.Generation
		}
		u := &msg.CooperativeStickyAssignorUserData{}
		if protocol.Read(u, m.UserData, 0) != nil {
			return m.Owned, -1
		}
		return m.Owned, u.Generation
	})
	// What somebody else has is not given out before it was let go.
	for id, parts := range a {
		a[id] = slices.DeleteFunc(parts, func(p Partition) bool {
			return len(claims[p]) > 0 && !slices.Contains(claims[p], id)
		})
	}
	return a, nil
}

// stick divides with regard to what members had: own tells it, and the generation in which they had it. claims are who must let a partition go before somebody else may have it.
func stick(g *Group, own func(*Member) ([]Partition, int32)) (out Assignment, claims map[Partition][]string) {
	h := history{owned: map[string][]Partition{}, previous: map[Partition]string{}, twice: map[Partition]bool{}, dropped: map[string]map[Partition]bool{}}
	uniform := same(g.Members)
	claims = map[Partition][]string{}
	generations := map[string]int32{}
	owner := map[Partition]string{}
	for i := range g.Members {
		m := &g.Members[i]
		parts, generation := own(m)
		generations[m.ID] = generation
		h.owned[m.ID] = nil
		for _, p := range parts {
			if int(p.Partition) >= len(g.Topics[p.Topic]) || p.Partition < 0 {
				continue
			}
			if !uniform {
				claims[p] = append(claims[p], m.ID)
			}
			other, taken := owner[p]
			switch {
			case !taken:
				h.owned[m.ID] = append(h.owned[m.ID], p)
				owner[p] = m.ID
			case generations[other] == generation: // neither can be trusted
				h.twice[p] = true
				h.drop(other, p)
				owner[p] = m.ID
			case generation > generations[other]:
				h.drop(other, p)
				h.previous[p] = other
				h.owned[m.ID] = append(h.owned[m.ID], p)
				owner[p] = m.ID
			default:
				if before, ok := h.previous[p]; !ok || generations[before] < generation {
					h.previous[p] = m.ID
				}
			}
		}
	}
	h.settle()
	r := newRacks(g)
	if uniform { // only what was owned in the newest generation counts; and what two have, nobody gets before both have let it go
		for id, parts := range h.owned {
			for _, p := range parts {
				claims[p] = append(claims[p], id)
			}
		}
		for p := range h.twice {
			claims[p] = []string{""}
		}
		out = newConstrained(g, &h, r).build()
	} else {
		out = newGeneral(g, &h, r).build()
	}
	out.sort()
	return out, claims
}

// history is what members had.
type history struct {
	owned    map[string][]Partition
	previous map[Partition]string // who had it before its owner
	twice    map[Partition]bool   // claimed by two members of one generation
	dropped  map[string]map[Partition]bool
}

// drop takes a partition from who has it, for good: see settle.
func (h *history) drop(id string, p Partition) {
	if h.dropped[id] == nil {
		h.dropped[id] = map[Partition]bool{}
	}
	h.dropped[id][p] = true
}

func (h *history) settle() {
	for id, gone := range h.dropped {
		h.owned[id] = slices.DeleteFunc(h.owned[id], func(p Partition) bool { return gone[p] })
	}
}

// same tells whether all members subscribe to the same topics.
func same(members []Member) bool {
	set := func(m *Member) []string {
		s := slices.Clone(m.Topics)
		slices.Sort(s)
		return slices.Compact(s)
	}
	if len(members) == 0 {
		return true
	}
	first := set(&members[0])
	return !slices.ContainsFunc(members[1:], func(m Member) bool { return !slices.Equal(first, m.Topics) && !slices.Equal(first, set(&m)) })
}
