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
	members := sorted(g.Members)
	at := 0
	for _, name := range g.topics() {
		if !slices.ContainsFunc(members, func(m *Member) bool { return slices.Contains(m.Topics, name) }) {
			continue
		}
		for p := range int32(len(g.Topics[name])) {
			for !slices.Contains(members[at].Topics, name) {
				at = (at + 1) % len(members)
			}
			id := members[at].ID
			out[id] = append(out[id], Partition{Topic: name, Partition: p})
			at = (at + 1) % len(members)
		}
	}
	return out, nil
}
