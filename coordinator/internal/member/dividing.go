package member

import (
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
)

// metadataWait is how long a leader waits for metadata of topics that it did not know.
const metadataWait = 5 * time.Second

// topics are those that any member subscribes to, in order.
func (k *classic) topics() (topics []string) {
	for i := range k.members {
		topics = append(topics, k.members[i].Topics...)
	}
	slices.Sort(topics)
	return slices.Compact(topics)
}

// divide divides the partitions, as soon as metadata is there.
func (c *Core) divide(now time.Time, out *Effects) {
	if c.asked.ask != nil {
		return
	}
	topics := c.classic.topics()
	g := assign.Group{Members: c.classic.members, Topics: map[string][]assign.Racks{}, Generation: c.generation}
	counted := map[string]int{}
	for _, name := range topics {
		t := c.snap.Topic(name)
		if t == nil {
			if now.Before(c.classic.until) {
				return
			}
			counted[name] = 0
			continue
		}
		counted[name] = len(t.Partitions)
		if len(t.Partitions) == 0 {
			continue
		}
		racks := make([]assign.Racks, len(t.Partitions))
		for i := range t.Partitions {
			for _, id := range t.Partitions[i].Replicas {
				if n, ok := c.snap.Node(id); ok && n.Rack != "" && !slices.Contains(racks[i], n.Rack) {
					racks[i] = append(racks[i], n.Rack)
				}
			}
		}
		g.Topics[name] = racks
	}
	c.classic.counted = counted
	if c.classic.skip {
		c.sync(now, nil, out)
		return
	}
	k := c.classic.assignor
	c.consult(now, "assignor "+k.name, k.own, now.Add(c.cfg.MaxPoll), fmt.Sprintf("max.poll.interval.ms, %s", c.cfg.MaxPoll), func() any {
		a, err := k.Assign(g)
		return division{a, err}
	}, func(now time.Time, d any, out *Effects) { c.divided(now, d.(division), out) }, out)
}

// division is what an assignor has decided.
type division struct {
	parts assign.Assignment
	err   error
}

// divided tells the members what they get.
func (c *Core) divided(now time.Time, d division, out *Effects) {
	if d.err != nil {
		c.fail(fmt.Errorf("assignor %s: %w", c.classic.assignor.name, d.err), out)
		return
	}
	a, counted := d.parts, c.classic.counted
	total, given := 0, 0
	for _, n := range counted {
		total += n
	}
	for _, parts := range a {
		given += len(parts)
	}
	c.classic.open = c.openUntil(now, given < total)
	assignments := []msg.SyncGroupRequestSyncGroupRequestAssignment{}
	for i := range c.classic.members {
		id := c.classic.members[i].ID
		b, err := assign.AppendAssignment(nil, a[id])
		if err != nil {
			c.fail(err, out)
			return
		}
		assignments = append(assignments, msg.SyncGroupRequestSyncGroupRequestAssignment{MemberID: id, Assignment: b})
	}
	c.sync(now, assignments, out)
	for name := range counted { // there may be others since the assignor was asked
		c.recount(c.snap.Topic(name))
	}
}

// openUntil is when a member joins again because partitions may have no owner: a leader that has kept some back, because another member still owned them and was to give them up first (KIP-429). That member joins again when it has; but if
// it is static, and was started anew in between, it does not know, and the group does not notice its return. A leader that is static and back itself does not know either; brokers before 3.2 do not tell it that it leads (KIP-814), so there any
// static member that is back joins again.
func (c *Core) openUntil(now time.Time, some bool) time.Time {
	if some && c.classic.assignor.cooperative {
		return now.Add(c.cfg.Session)
	}
	return time.Time{}
}

// recount lets the partitions be divided anew if a topic has others now than when the member divided them. While it is joining they will be.
func (c *Core) recount(t *cluster.Topic) {
	if t == nil || c.state != Syncing && c.state != Taking && c.state != Stable {
		return
	}
	if n, counts := c.classic.counted[t.Name]; counts && len(t.Partitions) != n {
		c.rejoin, c.reason = true, "topics have changed"
	}
}
