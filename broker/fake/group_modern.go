package fake

import (
	"bytes"
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/wire"
)

// modernGroup is a group whose coordinator divides the partitions (KIP-848): each change raises the epoch, the next heartbeat gives every member a target, and the members go towards it, one step with each heartbeat.
type modernGroup struct {
	epoch   int32
	divided int32              // the epoch of the targets
	members []*modernMember    // by id
	statics map[string]string  // the member of each instance. A member that joins under another instance leaves the one that it had behind, and so it stays
	ousted  *modernMember      // whose id another one has taken over with this request: what it had is nobody's with the next one
	counted map[string]counted // the topics when they were divided
	changes uint64             // of the cluster when they were last counted
	same    bool               // all members read the same topics
}

// topicIDPartition is a partition of a topic as it is in this life: one of the same name that is created again is another.
type topicIDPartition struct {
	topicPartition
	id wire.UUID
}

func idPartition(t *topic, partition int32) topicIDPartition {
	return topicIDPartition{topicPartition{t.name, partition}, t.id}
}

func (a topicIDPartition) compare(b topicIDPartition) int {
	return cmp.Or(a.topicPartition.compare(b.topicPartition), bytes.Compare(a.id[:], b.id[:]))
}

type set map[topicIDPartition]bool

// counted is how many partitions a topic had.
type counted struct {
	id         wire.UUID
	partitions int
}

type modernMember struct {
	id, instance, client string
	joined               uint64 // see GroupMember
	rack                 *string
	assignor             string
	epoch                int32
	previous             int32
	state                memberState
	topics               []string
	regex                *regexp.Regexp
	pattern              string         // of regex
	wanted               *regexp.Regexp // what regex will be when it is known what matches
	rebalance            time.Duration
	expires, revokeBy    time.Time
	target               set
	assigned             set                        // it may have these
	revoking             set                        // it must give these up
	since                map[topicIDPartition]int32 // the epoch in which it was given each of both
	classic              *classicMember             // it speaks the classic protocol
	rejoinBy             time.Time                  // and has been told to join again
	syncBy               time.Time                  // and has joined, and is to sync
	upgraded             bool                       // and has not joined since the group became one of the new protocol
}

// memberState is how far a member is on its way to its target.
type memberState uint8

const (
	memberStable     memberState = iota
	memberUnrevoked              // it has something to give up
	memberUnreleased             // others have to give up something for it
)

func (g *modernGroup) member(id string) *modernMember {
	for _, m := range g.members {
		if m.id == id {
			return m
		}
	}
	return nil
}

// static finds the member of an instance.
func (g *modernGroup) static(instance string) *modernMember {
	if id, ok := g.statics[instance]; ok {
		return g.member(id)
	}
	return nil
}

// gone tells whether an instance is that of a member which is not there any more: Kafka lets nobody join under it again.
func (g *modernGroup) gone(instance string) bool {
	id, ok := g.statics[instance]
	return ok && g.member(id) == nil
}

// instantiate lets a member be that of an instance; without a name it stays what it was.
func (g *modernGroup) instantiate(m *modernMember, instance string) {
	if instance == "" {
		return
	}
	if g.statics == nil {
		g.statics = map[string]string{}
	}
	m.instance, g.statics[instance] = instance, m.id
}

func (g *modernGroup) add(m *modernMember) {
	i, _ := slices.BinarySearchFunc(g.members, m.id, func(o *modernMember, id string) int { return strings.Compare(o.id, id) })
	g.members = slices.Insert(g.members, i, m)
	g.instantiate(m, m.instance)
}

// drop takes a member out.
func (g *modernGroup) drop(m *modernMember) {
	g.members = slices.DeleteFunc(g.members, func(o *modernMember) bool { return o == m })
	delete(g.statics, m.instance)
}

// rename lets a static member go on under another id; who had that id is no more.
func (g *modernGroup) rename(m *modernMember, id string) {
	if other := g.member(id); other != nil && other != m {
		g.ousted = other
		g.drop(other)
	}
	m.id = id
	g.instantiate(m, m.instance)
	slices.SortFunc(g.members, func(a, b *modernMember) int { return strings.Compare(a.id, b.id) })
}

// unowned tells whether nobody but m has a partition or has to give it up.
func (g *modernGroup) unowned(tp topicIDPartition, m *modernMember) bool {
	has := func(o *modernMember) bool { return o.assigned[tp] || o.revoking[tp] }
	return !slices.ContainsFunc(g.members, func(o *modernMember) bool { return o != m && has(o) }) && (g.ousted == nil || !has(g.ousted))
}

// expired tells whether a member has to go.
func (m *modernMember) expired(now time.Time) bool {
	late := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	return late(m.expires) || late(m.revokeBy) || late(m.rejoinBy) || late(m.syncBy)
}

// phase is the state of the group as Kafka names it.
func (g *modernGroup) phase() string {
	switch {
	case len(g.members) == 0:
		return "Empty"
	case g.epoch > g.divided:
		return "Assigning"
	case slices.ContainsFunc(g.members, func(m *modernMember) bool { return m.state != memberStable || m.epoch != g.divided }):
		return "Reconciling"
	}
	return "Stable"
}

// tickModern removes members that were not heard of or do not give up what they must.
func (c *Cluster) tickModern(g *group) {
	if !slices.ContainsFunc(g.modern.members, func(m *modernMember) bool { return m.expired(c.now) }) {
		return
	}
	for _, m := range slices.SortedStableFunc(slices.Values(g.modern.members), soonest) {
		if m.expired(c.now) {
			c.removeModern(g, m)
		}
	}
}

// soonest puts members in the order in which their sessions end; of those that end together, who has come along from the classic protocol is first, as it was noted first.
func soonest(a, b *modernMember) int {
	switch d := a.expires.Compare(b.expires); {
	case d != 0 || a.upgraded == b.upgraded:
		return d
	case a.upgraded:
		return -1
	}
	return 1
}

func (c *Cluster) removeModern(g *group, m *modernMember) {
	g.modern.drop(m)
	if !c.downgrade(g) {
		c.bump(g)
	}
}

func (m *modernMember) reads(topic string) bool {
	return slices.Contains(m.topics, topic) || m.regex != nil && m.regex.MatchString(topic)
}

// count gives the partitions of each topic that somebody reads.
func (c *Cluster) count(x *modernGroup) map[string]counted {
	n := map[string]counted{}
	for _, t := range c.topics {
		if slices.ContainsFunc(x.members, func(m *modernMember) bool { return m.reads(t.name) }) {
			n[t.name] = counted{t.id, len(t.partitions)}
		}
	}
	return n
}

// bump raises the epoch: something is different, and the partitions have to be divided anew.
func (c *Cluster) bump(g *group) {
	g.modern.epoch++
	g.modern.counted, g.modern.changes = c.count(&g.modern), c.changes
	g.modern.same = g.modern.alike()
}

// outgrown tells whether topics that somebody reads have come, gone or grown since they were divided.
func (c *Cluster) outgrown(x *modernGroup) bool {
	if x.changes == c.changes {
		return false
	}
	x.changes = c.changes
	return !maps.Equal(x.counted, c.count(x))
}

// divide gives every member a target, if there is something new since that was done last, and tells whether there was. An assignor may fail. heard is the member that brought it about.
func (c *Cluster) divide(g *group, heard *modernMember) (anew bool, code protocol.Code) {
	x := &g.modern
	if x.divided == x.epoch {
		return false, protocol.None
	}
	x.divided = x.epoch
	switch {
	case x.assignor(heard) == "range":
		c.divideRange(x)
	case x.same:
		c.divideAlike(x)
	case c.atLeast("4.0"):
		c.divideUnlike(x)
	case !c.divideByMoves(x):
		return true, protocol.UnknownServerError
	}
	return true, protocol.None
}

// saved gives a function that makes a group what it is now: a coordinator keeps nothing of a request for which an assignor fails.
func (c *Cluster) saved(g *group) (restore func()) {
	if c.atLeast("4.0") || len(g.modern.members) == 0 { // nothing fails
		return func() {}
	}
	was := g.modern
	was.statics, was.members = maps.Clone(was.statics), nil
	for _, m := range g.modern.members {
		o := *m
		o.target, o.assigned, o.revoking, o.since = maps.Clone(m.target), maps.Clone(m.assigned), maps.Clone(m.revoking), maps.Clone(m.since)
		was.members = append(was.members, &o)
	}
	return func() { g.modern = was }
}

// reconcile brings a member towards its target: what it must not have it gives up first; what others still have it gets when they have given it up. owned is what it says that it has, nil if it does not say; changed, that it
// reads something else now (CurrentAssignmentBuilder).
func (c *Cluster) reconcile(g *group, m *modernMember, owned set, changed bool) {
	before := m.state
	switch {
	case m.state == memberStable && m.epoch == g.modern.divided, m.state == memberUnrevoked && m.owns(m.revoking, owned):
		if changed && c.atLeast("4.2") {
			m.unsubscribe(owned)
		}
	default:
		c.next(g, m, owned)
	}
	switch {
	case m.state != memberUnrevoked:
		m.revokeBy = time.Time{}
	case before != memberUnrevoked:
		m.revokeBy = c.now.Add(m.rebalance)
	}
}

// owns tells whether a member still has one of these; who does not say, has.
func (m *modernMember) owns(parts, owned set) bool {
	if owned == nil {
		return true
	}
	for tp := range parts {
		if owned[tp] {
			return true
		}
	}
	return false
}

// unsubscribe takes away what a member does not read any more, before its group is divided anew.
func (m *modernMember) unsubscribe(owned set) {
	keep, revoke := set{}, maps.Clone(m.revoking)
	if revoke == nil {
		revoke = set{}
	}
	for tp := range m.assigned {
		if m.reads(tp.topic) {
			keep[tp] = true
		} else {
			revoke[tp] = true
		}
	}
	if len(keep) == len(m.assigned) {
		return
	}
	m.assigned, m.previous = keep, m.epoch
	if m.owns(revoke, owned) {
		m.revoking, m.state = revoke, memberUnrevoked
	}
}

// next is the next step of a member.
func (c *Cluster) next(g *group, m *modernMember, owned set) {
	m.previous = m.epoch // even where the epoch stays the same
	// Before 4.2 targets may have what a member does not read any more, and what it has to give up it is not given again before the next heartbeat.
	late := !c.atLeast("4.2")
	reads := func(tp topicIDPartition) bool { return late || m.reads(tp.topic) }
	keep, revoke := set{}, set{}
	for tp := range m.assigned {
		if m.target[tp] && reads(tp) {
			keep[tp] = true
		} else {
			revoke[tp] = true
		}
	}
	if len(revoke) > 0 && m.owns(revoke, owned) {
		if late && m.state == memberUnrevoked { // it has given up something, and was a step further thereby
			m.epoch++
		}
		m.assigned, m.revoking, m.state = keep, revoke, memberUnrevoked
		return
	}
	m.state = memberStable
	for tp := range revoke {
		delete(m.since, tp)
	}
	for tp := range m.revoking {
		delete(m.since, tp)
	}
	for tp := range m.target {
		switch {
		case keep[tp] || !reads(tp):
		case g.modern.unowned(tp, m) && !(late && m.revoking[tp]):
			keep[tp] = true
			m.since[tp] = g.modern.divided
		default:
			m.state = memberUnreleased
		}
	}
	m.assigned, m.revoking = keep, set{}
	m.epoch = g.modern.divided
}
