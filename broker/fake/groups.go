package fake

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// group is a consumer group: its committed offsets, and its members by one of the two protocols.
type group struct {
	id       string
	node     int32 // its coordinator at last
	offsets  map[topicPartition]committed
	pending  map[int64]map[topicPartition]committed // offsets in transactions under way, by producer
	stuck    map[topicPartition]bool                // offsets that are being committed for ever (see stick)
	consumer bool                                   // it is of the new protocol (KIP-848)
	unseen   bool                                   // nothing of it is in the log of the coordinator: only who writes finds it
	forsaken bool                                   // the coordinator has taken it away, and nothing of that is in the log: only who reads finds it
	classic  classicGroup
	modern   modernGroup
}

// beClassic makes a group that nobody is in one of the classic protocol.
func (g *group) beClassic() { g.consumer, g.classic, g.modern = false, classicGroup{}, modernGroup{} }

// keep lets a group come into being, or writes of it: something is to be kept.
func (c *Cluster) keep(g *group) {
	c.insert(g)
	g.unseen = false
	c.logged(c.offsetsOf(g.id).partition)
}

func (c *Cluster) insert(g *group) {
	i, found := slices.BinarySearchFunc(c.groups, g.id, func(g *group, id string) int { return strings.Compare(g.id, id) })
	if !found {
		c.groups = slices.Insert(c.groups, i, g)
	}
	c.groups[i] = g
}

// touch lets a group come into being of which nothing is kept: coordinators before 4.0 show it nevertheless.
func (c *Cluster) touch(g *group) {
	c.insert(g)
	if c.newCoordinator() {
		g.unseen = true
		of := c.offsetsOf(g.id).partition
		c.unlogged[of] = append(c.unlogged[of], g)
	}
}

// logged takes note that something was written to a partition of the offsets topic: what its coordinator had made by then is found by who reads.
func (c *Cluster) logged(partition int32) {
	for _, g := range c.unlogged[partition] {
		g.unseen = false
	}
	delete(c.unlogged, partition)
}

// seenGroup gives a group if there is one that reads find.
func (c *Cluster) seenGroup(id string) *group {
	if g := c.lookGroup(id); g != nil && !g.unseen {
		return g
	}
	return nil
}

// keeps tells whether a group is there, not only asked for.
func (c *Cluster) keeps(g *group) bool { return c.lookGroup(g.id) == g }

// lookGroup gives a group if there is one.
func (c *Cluster) lookGroup(id string) *group {
	i, found := slices.BinarySearchFunc(c.groups, id, func(g *group, id string) int { return strings.Compare(g.id, id) })
	if !found {
		return nil
	}
	return c.groups[i]
}

// coordinated gives the group of a request that has come to its coordinator; one that is not there is empty, and is to be kept (see keep). A new coordinator knows nobody who waits, and gives every member a new session.
func (c *Cluster) coordinated(q *call, id string) (*group, protocol.Code) {
	return c.coordinatedUnless(c.injected(q.Key), q, id)
}

// coordinatedUnless is coordinated, if nothing else has gone wrong.
func (c *Cluster) coordinatedUnless(wrong protocol.Code, q *call, id string) (*group, protocol.Code) {
	if code := or(wrong, c.coordinates(q, id)); code != protocol.None {
		return nil, code
	}
	g := c.lookGroup(id)
	if g == nil {
		return &group{id: id, node: q.Node, offsets: map[topicPartition]committed{}}, protocol.None
	}
	if g.forsaken {
		return &group{id: id, node: q.Node, offsets: g.offsets, pending: g.pending}, protocol.None
	}
	if g.node != q.Node {
		for _, m := range g.classic.members {
			m.join, m.sync, m.expires = nil, nil, c.now.Add(m.session)
		}
		if g.classic.state == groupCompleting {
			c.prepare(g)
		}
		for _, m := range g.modern.members {
			m.expires, m.revokeBy, m.rejoinBy, m.syncBy = c.now.Add(c.cfg.GroupSession), time.Time{}, time.Time{}, time.Time{}
			if m.classic != nil {
				m.expires = c.now.Add(m.classic.session)
			}
			if m.state == memberUnrevoked && m.classic == nil {
				m.revokeBy = c.now.Add(m.rebalance)
			}
		}
		g.node = q.Node
	}
	return g, protocol.None
}

// tickGroups removes members that were not heard of, and ends joins that last too long.
func (c *Cluster) tickGroups() {
	for _, g := range c.groups {
		n := c.node(g.node)
		if n == nil || n.down || n.paused { // nobody counts
			continue
		}
		k := &g.classic
		if len(k.members) == 0 && len(k.pending) == 0 && len(g.modern.members) == 0 && k.state != groupPreparing {
			continue
		}
		c.tickClassic(g)
		c.tickModern(g)
	}
}

// nextGroups is when tickGroups is wanted.
func (c *Cluster) nextGroups(add func(time.Time)) {
	for _, g := range c.groups {
		n := c.node(g.node)
		if n == nil || n.down || n.paused {
			continue
		}
		g.classic.next(add)
		for _, m := range g.modern.members {
			add(m.expires)
			add(m.revokeBy)
			add(m.rejoinBy)
			add(m.syncBy)
		}
	}
}

// MoveCoordinator makes a broker the coordinator of a group; -1 lets the cluster choose again.
func (c *Cluster) MoveCoordinator(group string, node int32) {
	if node < 0 {
		delete(c.moved, group)
	} else {
		c.moved[group] = node
	}
	c.tickTransactions() // who stood still may have had their markers to write
}

// GroupMember is a member of a group as DescribeGroup tells of it.
type GroupMember struct {
	ID, Instance, Client string
	Epoch                int32 // generation, or member epoch; -1: a member of the classic protocol that is kept and has not joined, a static one in its generation, any since its group became a consumer group; -2: a static member of the new protocol that is away
	Assigned             []Partition
	Joined               uint64 // which membership it is: one that was expelled and joins under its id again has another, and one of which the group has forgotten what it had
}

// membership counts those there have been.
func (c *Cluster) membership() uint64 {
	c.memberships++
	return c.memberships
}

// DescribeGroup gives the state of a group and its members, in the order of their ids.
func (c *Cluster) DescribeGroup(id string) (state string, members []GroupMember) {
	g := c.lookGroup(id)
	if g == nil {
		return "Dead", nil
	}
	if g.consumer {
		state = g.modern.phase()
		for _, m := range g.modern.members {
			out := GroupMember{ID: m.id, Instance: m.instance, Client: m.client, Epoch: m.epoch, Joined: m.joined}
			if m.upgraded && m.classic != nil {
				out.Epoch = -1
			}
			for tp := range m.assigned {
				out.Assigned = append(out.Assigned, Partition{tp.topic, tp.partition})
			}
			members = append(members, out)
		}
	} else {
		state = g.classic.state.String()
		for _, m := range g.classic.members {
			out := GroupMember{ID: m.id, Instance: m.instance, Client: m.client, Epoch: g.classic.generation, Joined: m.joined}
			if m.behind {
				out.Epoch = -1
			}
			a := &msg.ConsumerProtocolAssignment{}
			if _, err := protocol.ReadVersioned(a, m.assignment); err == nil {
				for _, t := range a.AssignedPartitions {
					for _, p := range t.Partitions {
						out.Assigned = append(out.Assigned, Partition{t.Topic, p})
					}
				}
			}
			members = append(members, out)
		}
	}
	slices.SortFunc(members, func(a, b GroupMember) int { return strings.Compare(a.ID, b.ID) })
	for i := range members {
		slices.SortFunc(members[i].Assigned, func(a, b Partition) int {
			return cmp.Or(strings.Compare(a.Topic, b.Topic), int(a.Index-b.Index))
		})
	}
	return state, members
}

// Committed gives an offset that a group has committed; -1 for none.
func (c *Cluster) Committed(id, topic string, partition int32) int64 {
	k, _ := c.committedStable(id, topic, partition, false)
	return k.offset
}
