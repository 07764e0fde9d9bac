package assign

import (
	"fmt"
	"testing"
)

// mixed is a group whose members subscribe to different topics; those of the second half had what they could have.
func mixed(members, topics, partitions, each int) Group {
	g := Group{Topics: map[string][]Racks{}, Generation: 2}
	name := func(i int) string { return fmt.Sprintf("t%04d", i%topics) }
	for i := range topics {
		g.Topics[name(i)] = make([]Racks, partitions)
	}
	for i := range members {
		m := Member{ID: fmt.Sprintf("m%04d", i), Generation: -1}
		for k := range each {
			m.Topics = append(m.Topics, name(i*7+k*k))
		}
		if i >= members/2 {
			m.Generation = 1
			for p := range int32(partitions) {
				m.Owned = append(m.Owned, Partition{Topic: m.Topics[0], Partition: p})
			}
		}
		g.Members = append(g.Members, m)
	}
	return g
}

// BenchmarkMixed divides among members that subscribe to different topics.
func BenchmarkMixed(b *testing.B) {
	for _, k := range []struct{ members, topics, partitions, each int }{{50, 50, 40, 10}, {100, 100, 50, 10}, {300, 300, 50, 10}, {1000, 1000, 50, 10}} {
		b.Run(fmt.Sprintf("%d members, %d partitions", k.members, k.topics*k.partitions), func(b *testing.B) {
			g := mixed(k.members, k.topics, k.partitions, k.each)
			for b.Loop() {
				if _, err := (CooperativeSticky{}).Assign(g); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkStairs divides where it cannot be even: each topic has one partition more than the one before, and is read by two members only.
func BenchmarkStairs(b *testing.B) {
	for _, topics := range []int{50, 100, 200} {
		b.Run(fmt.Sprintf("%d members, %d partitions", topics+1, topics*(topics+1)/2), func(b *testing.B) {
			g := Group{Topics: map[string][]Racks{}}
			name := func(i int) string { return fmt.Sprintf("t%04d", i) }
			for i := range topics + 1 {
				m := Member{ID: fmt.Sprintf("m%04d", i), Generation: -1}
				if i < topics {
					g.Topics[name(i)] = make([]Racks, i+1)
					m.Topics = append(m.Topics, name(i))
				}
				if i > 0 {
					m.Topics = append(m.Topics, name(i-1))
				}
				g.Members = append(g.Members, m)
			}
			for b.Loop() {
				if _, err := (Sticky{}).Assign(g); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
