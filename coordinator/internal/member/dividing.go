package member

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/printable"
)

// metadataWait is how long a leader waits for metadata of topics that it did not know.
const metadataWait = 5 * time.Second

// Work of a leader up to this is done at once, on the actor: of more it is asked as an assignor of the application's is, so that heartbeats go on meanwhile.
const (
	lightBytes = 64 << 10 // of all subscriptions
	lightWork  = 10_000   // partitions, and topics of members
)

// roll is who the members are.
type roll struct {
	members []assign.Member
	topics  []string // those that any of them subscribes to, in order
	unread  int      // members whose subscription cannot be read, and who get nothing
	why     error    // of the first of them
}

// callRoll finds out what the members subscribe to.
func callRoll(list []msg.JoinGroupResponseJoinGroupResponseMember, most int) (r roll) {
	topics := map[string]bool{}
	r.members = make([]assign.Member, 0, len(list))
	for i := range list {
		in := &list[i]
		member, err := assign.Member{}, error(nil)
		if len(in.Metadata) > most {
			err = fmt.Errorf("a subscription of %d bytes, of at most %d (group.max.subscription.bytes)", len(in.Metadata), most)
		} else {
			member, err = assign.ReadSubscription(in.Metadata)
		}
		if err != nil {
			if r.unread++; r.unread == 1 {
				r.why = fmt.Errorf("member \"%s\": %w", printable.Text(in.MemberID), err)
			}
			continue
		}
		member.ID = in.MemberID
		if in.GroupInstanceID != nil {
			member.Instance = *in.GroupInstanceID
		}
		for _, t := range member.Topics {
			topics[t] = true
		}
		r.members = append(r.members, member)
	}
	r.topics = slices.Sorted(maps.Keys(topics))
	return r
}

// gather finds out among whom the leader divides, and what.
func (c *Core) gather(now time.Time, list []msg.JoinGroupResponseJoinGroupResponseMember, out *Effects) {
	if len(list) > c.cfg.MaxMembers {
		c.fail(fmt.Errorf("join: the group has %d members, and a leader divides among %d at most (group.max.members)", len(list), c.cfg.MaxMembers), out)
		return
	}
	bytes, most := 0, c.cfg.MaxSubscription
	for i := range list {
		bytes += len(list[i].Metadata)
	}
	c.consult(now, "reading the subscriptions of the members", bytes <= lightBytes, now.Add(c.cfg.MaxPoll), c.maxPoll(), func() any { return callRoll(list, most) }, func(now time.Time, v any, out *Effects) {
		r := v.(roll)
		if r.unread > 0 {
			out.Notes = append(out.Notes, Note{"a member cannot be understood", fmt.Sprintf("%d of %d members get nothing, because what they subscribe to cannot be read; the first: %v", r.unread, len(list), r.why)})
		}
		c.classic.members, c.classic.topics, c.classic.until = r.members, r.topics, now.Add(metadataWait)
		for _, t := range r.topics {
			if c.snap.Topic(t) == nil {
				out.Refresh = append(out.Refresh, t)
			}
		}
	}, out)
}

func (c *Core) maxPoll() string { return fmt.Sprintf("max.poll.interval.ms, %s", c.cfg.MaxPoll) }

// divide divides the partitions, as soon as metadata is there.
func (c *Core) divide(now time.Time, out *Effects) {
	if c.asked.ask != nil {
		return
	}
	counted, total := make(map[string]int, len(c.classic.topics)), 0
	for _, name := range c.classic.topics {
		t := c.snap.Topic(name)
		if t == nil && now.Before(c.classic.until) {
			return
		}
		counted[name] = 0
		if t != nil {
			counted[name] = len(t.Partitions)
			total += len(t.Partitions)
		}
	}
	c.classic.counted = counted
	if c.classic.skip {
		c.sync(now, nil, out)
		return
	}
	k, snap, generation, members, topics := c.classic.assignor, c.snap, c.generation, c.classic.members, c.classic.topics
	light := total+len(members)*len(topics) <= lightWork && replicas(snap, topics) <= 10*lightWork
	c.consult(now, "assignor "+k.name, k.own && light, now.Add(c.cfg.MaxPoll), c.maxPoll(), func() any {
		return divideBy(k, assign.Group{Members: members, Topics: racks(snap, topics), Generation: generation})
	}, func(now time.Time, d any, out *Effects) { c.divided(now, total, d.(division), out) }, out)
}

// mostRacks are looked at for a partition: it has replicas on some brokers, and not on thousands.
const mostRacks = 64

// replicas counts those of topics.
func replicas(snap *cluster.Snapshot, topics []string) (n int) {
	for _, name := range topics {
		if t := snap.Topic(name); t != nil {
			for i := range t.Partitions {
				n += len(t.Partitions[i].Replicas)
			}
		}
	}
	return n
}

// racks are the partitions of topics, each with the racks of its replicas.
func racks(snap *cluster.Snapshot, topics []string) map[string][]assign.Racks {
	out := make(map[string][]assign.Racks, len(topics))
	for _, name := range topics {
		t := snap.Topic(name)
		if t == nil || len(t.Partitions) == 0 {
			continue
		}
		racks := make([]assign.Racks, len(t.Partitions))
		for i := range t.Partitions {
			for _, id := range t.Partitions[i].Replicas {
				if len(racks[i]) == mostRacks {
					break
				}
				if n, ok := snap.Node(id); ok && n.Rack != "" && !slices.Contains(racks[i], n.Rack) {
					racks[i] = append(racks[i], n.Rack)
				}
			}
		}
		out[name] = racks
	}
	return out
}

// division is what an assignor has decided, as the members are told.
type division struct {
	given       int // partitions
	assignments []msg.SyncGroupRequestSyncGroupRequestAssignment
	err         error
}

func divideBy(k kind, g assign.Group) (d division) {
	a, err := k.Assign(g)
	if err != nil {
		return division{err: fmt.Errorf("assignor %s: %w", k.name, err)}
	}
	for _, parts := range a {
		d.given += len(parts)
	}
	d.assignments = make([]msg.SyncGroupRequestSyncGroupRequestAssignment, len(g.Members))
	for i := range g.Members {
		id := g.Members[i].ID
		b, err := assign.AppendAssignment(nil, a[id])
		if err != nil {
			return division{err: err}
		}
		d.assignments[i] = msg.SyncGroupRequestSyncGroupRequestAssignment{MemberID: id, Assignment: b}
	}
	return d
}

// divided tells the members what they get, of so many partitions.
func (c *Core) divided(now time.Time, total int, d division, out *Effects) {
	if d.err != nil {
		c.fail(d.err, out)
		return
	}
	c.classic.open = c.openUntil(now, d.given < total)
	c.sync(now, d.assignments, out)
	for name := range c.classic.counted { // there may be others since the assignor was asked
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
