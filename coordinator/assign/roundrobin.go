package assign

import "slices"

// RoundRobin gives the partitions of all topics to the members in turn.
type RoundRobin struct{}

// Name is "roundrobin".
func (RoundRobin) Name() string { return "roundrobin" }

// Cooperative is false.
func (RoundRobin) Cooperative() bool { return false }

// UserData is none.
func (RoundRobin) UserData([]Partition, int32) []byte { return nil }

// Assign implements Assignor.
func (RoundRobin) Assign(g Group) (Assignment, error) {
	out := g.empty()
	place := map[*Member]int{}
	for i, m := range sorted(g.Members) {
		place[m] = i
	}
	subscribed := g.subscribed()
	at := 0
	for _, name := range g.topics() {
		members := subscribed[name]
		if len(members) == 0 {
			continue
		}
		next, _ := slices.BinarySearchFunc(members, at, func(m *Member, at int) int { return place[m] - at })
		for p := range int32(len(g.Topics[name])) {
			m := members[next%len(members)]
			out[m.ID] = append(out[m.ID], Partition{Topic: name, Partition: p})
			at = (place[m] + 1) % len(g.Members)
			next = next%len(members) + 1
		}
	}
	return out, nil
}
