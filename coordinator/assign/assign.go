// Package assign divides the partitions of a classic consumer group among its members: the leader's work.
//
//	assign.go      what an assignor is; those there are       wire.go    how subscriptions and assignments are written
//	range.go       range (KIP-881)      roundrobin.go  round-robin     racks.go   which racks hold which partitions
//	sticky.go      sticky and cooperative-sticky (KIP-54, KIP-429)
//	constrained.go all members have the same subscription              general.go  they do not
//
// The assignors give what Kafka's own give. An assignor of the user's own is a type that implements [Assignor].
package assign

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kactor-go/kactor/protocol/cluster"
)

// Partition is a partition.
type Partition = cluster.TopicPartition

// Member of a group, as its leader sees it.
type Member struct {
	ID         string
	Instance   string // group.instance.id; empty: a dynamic member
	Rack       string // client.rack; empty: none
	Topics     []string
	Owned      []Partition // what it has at the time it joins; eager members have given everything back
	Generation int32       // in which it was given Owned; -1: not known
	UserData   []byte      // what its assignor sends along
}

// Group is what is to be divided among whom.
type Group struct {
	Members []Member
	// Topics has the partitions of every subscribed topic that exists: for each the racks of its replicas, or nothing where racks are not known.
	Topics map[string][]Racks
	// Generation of the group that the assignment is for.
	Generation int32
}

// Racks are the racks of one partition's replicas.
type Racks []string

// Assignment has the partitions of each member by its id, in order.
type Assignment map[string][]Partition

// Assignor divides partitions. Name and Cooperative are called when the consumer is made, the others on goroutines of their own, perhaps for several consumers at once: they must not keep state. They may call the consumer, but
// its group waits for them: UserData has session.timeout.ms, Assign max.poll.interval.ms. One that fails or panics ends the membership, with a GroupError, and so does one that takes longer twice in a row.
type Assignor interface {
	// Name is what the members of a group agree upon (partition.assignment.strategy).
	Name() string
	// Cooperative assignors let members keep what they own during a rebalance (KIP-429).
	Cooperative() bool
	// UserData is what a member that has owned partitions since generation sends along; nil: nothing.
	UserData(owned []Partition, generation int32) []byte
	// Assign divides the partitions. Each partition must have one owner.
	Assign(g Group) (Assignment, error)
}

// Named gives an assignor by its name: range, roundrobin, sticky or cooperative-sticky. The names of Java's classes are understood, too.
func Named(name string) (Assignor, error) {
	switch strings.TrimPrefix(name, "org.apache.kafka.clients.consumer.") {
	case "range", "RangeAssignor":
		return Range{}, nil
	case "roundrobin", "RoundRobinAssignor":
		return RoundRobin{}, nil
	case "sticky", "StickyAssignor":
		return Sticky{}, nil
	case "cooperative-sticky", "CooperativeStickyAssignor":
		return CooperativeSticky{}, nil
	}
	return nil, fmt.Errorf("%q is none of range, roundrobin, sticky, cooperative-sticky", name)
}

// compareMembers orders static members by their instance, before dynamic ones by their id.
func compareMembers(a, b *Member) int {
	switch {
	case a.Instance != "" && b.Instance != "":
		return cmp.Compare(a.Instance, b.Instance)
	case a.Instance != "":
		return -1
	case b.Instance != "":
		return 1
	}
	return cmp.Compare(a.ID, b.ID)
}

func sorted(members []Member) []*Member {
	out := make([]*Member, len(members))
	for i := range members {
		out[i] = &members[i]
	}
	slices.SortFunc(out, compareMembers)
	return out
}

// subscribed gives the members of each topic, in order.
func (g *Group) subscribed() map[string][]*Member {
	out := map[string][]*Member{}
	for _, m := range sorted(g.Members) {
		for _, name := range m.Topics {
			if list := out[name]; len(list) == 0 || list[len(list)-1] != m {
				out[name] = append(list, m)
			}
		}
	}
	return out
}

// topics gives the topics that have partitions, in order.
func (g *Group) topics() []string {
	var names []string
	for name, partitions := range g.Topics {
		if len(partitions) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (g *Group) empty() Assignment {
	a := make(Assignment, len(g.Members))
	for i := range g.Members {
		a[g.Members[i].ID] = nil
	}
	return a
}

func (a Assignment) sort() {
	for _, parts := range a {
		slices.SortFunc(parts, Partition.Compare)
	}
}
