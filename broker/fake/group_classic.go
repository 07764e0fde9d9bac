package fake

import (
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// classicGroup is a group whose members divide the partitions.
type classicGroup struct {
	state      groupState
	kind       string // of its protocols: "consumer"; empty: nobody has ever been a member
	generation int32
	protocol   string
	leader     string
	members    []*classicMember // in the order they joined
	pending    []pendingMember
	until      time.Time // the members have joined by then
	syncBy     time.Time // and synced by then
	emptied    time.Time // when the last member had left
	topics     []string  // that the members read, as they had said when the generation began
	unclear    bool      // nobody understands what they said
}

type groupState uint8

const (
	groupEmpty groupState = iota
	groupPreparing
	groupCompleting
	groupStable
)

func (s groupState) String() string {
	return [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable"}[s]
}

type classicMember struct {
	id, instance, client string
	joined               uint64 // see GroupMember
	session, rebalance   time.Duration
	expires              time.Time
	protocols            []msg.JoinGroupRequestJoinGroupRequestProtocol
	join, sync           *call
	synced               bool // in this generation
	behind               bool // static, and kept although it has not joined this generation
	assignment           []byte
}

// pendingMember has been given an id, and is expected with it.
type pendingMember struct {
	id      string
	expires time.Time
}

func (k *classicGroup) member(id string) *classicMember {
	for _, m := range k.members {
		if m.id == id {
			return m
		}
	}
	return nil
}

func (k *classicGroup) static(instance string) *classicMember {
	for _, m := range k.members {
		if instance != "" && m.instance == instance {
			return m
		}
	}
	return nil
}

// instance finds the member of a request: by its id, which must be that of its instance if it has one. Before 3.0 an instance that there is not does not matter.
func (c *Cluster) instance(k *classicGroup, id string, instance *string) (*classicMember, protocol.Code) {
	if instance != nil {
		switch other := k.static(*instance); {
		case other == nil && !c.atLeast("3.0"):
		case other == nil:
			return nil, protocol.UnknownMemberID
		case other.id != id:
			return nil, protocol.FencedInstanceID
		}
	}
	if m := k.member(id); m != nil {
		return m, protocol.None
	}
	return nil, protocol.UnknownMemberID
}

// known finds the member of a request that must be of the present generation.
func (c *Cluster) known(k *classicGroup, id string, instance *string, generation int32) (*classicMember, protocol.Code) {
	m, code := c.instance(k, id, instance)
	if code == protocol.None && generation != k.generation {
		code = protocol.IllegalGeneration
	}
	return m, code
}

// common tells whether all members have a protocol.
func (k *classicGroup) common(name string) bool {
	for _, m := range k.members {
		if !slices.ContainsFunc(m.protocols, func(p msg.JoinGroupRequestJoinGroupRequestProtocol) bool { return p.Name == name }) {
			return false
		}
	}
	return true
}

// vote gives the protocol that most members like best, of those that all have.
func (k *classicGroup) vote() string {
	votes := map[string]int{}
	for _, m := range k.members {
		for _, p := range m.protocols {
			if k.common(p.Name) {
				votes[p.Name]++
				break
			}
		}
	}
	best := ""
	for name, n := range votes {
		if best == "" || n > votes[best] || n == votes[best] && name < best {
			best = name
		}
	}
	return best
}

// patience is the rebalance time-out of the group: the longest of its members'.
func (k *classicGroup) patience() (longest time.Duration) {
	for _, m := range k.members {
		longest = max(longest, m.rebalance)
	}
	return longest
}

// prepare begins a rebalance: members are told with their heartbeats.
func (c *Cluster) prepare(g *group) {
	k := &g.classic
	if k.state == groupPreparing {
		return
	}
	var told []*call
	for _, m := range k.members {
		if m.sync != nil {
			told = append(told, m.sync)
			m.sync, m.expires = nil, c.now.Add(m.session)
		}
	}
	if k.state == groupCompleting { // what was to be given out counts no more, and what was before is forgotten (resetAndPropagateAssignmentWithError)
		for _, m := range k.members {
			m.assignment = nil
		}
	}
	first := k.state == groupEmpty // group.initial.rebalance.delay.ms is 0: nobody else is waited for
	k.state, k.syncBy = groupPreparing, time.Time{}
	k.until = c.now.Add(k.patience())
	if first {
		k.until = c.now
		c.finishJoin(g)
	}
	for _, q := range told { // last: an answer lets the connection go on with its next request
		c.reply(q, &msg.SyncGroupResponse{ErrorCode: int16(protocol.RebalanceInProgress)})
	}
}

// answer is an answer that is ready; it is given when the group is in order, because it lets a connection go on with its next request.
type answer struct {
	to   *call
	resp protocol.Response
}

// completeJoin answers the joins when all members have asked.
func (c *Cluster) completeJoin(g *group) {
	k := &g.classic
	if k.state == groupPreparing && len(k.pending) == 0 && !slices.ContainsFunc(k.members, func(m *classicMember) bool { return m.join == nil }) {
		c.finishJoin(g)
	}
}

// finishJoin begins a generation of those that have asked. Static members that have not asked stay as long as their sessions last, and if nobody has asked, that is waited for.
func (c *Cluster) finishJoin(g *group) {
	k := &g.classic
	k.members = slices.DeleteFunc(k.members, func(m *classicMember) bool { return m.join == nil && m.instance == "" })
	joined := slices.IndexFunc(k.members, func(m *classicMember) bool { return m.join != nil })
	if len(k.members) > 0 && joined < 0 {
		k.until = c.now.Add(k.patience())
		return
	}
	k.generation++
	if len(k.members) == 0 {
		k.state, k.leader, k.protocol, k.emptied = groupEmpty, "", "", c.now
		k.understand()
		c.keep(g)
		return
	}
	k.state = groupCompleting
	k.protocol = k.vote()
	k.understand()
	if m := k.member(k.leader); m == nil || m.join == nil {
		k.leader = k.members[joined].id
	}
	if c.atLeast("3.0") {
		k.syncBy = c.now.Add(k.patience())
	}
	var answers []answer
	for _, m := range k.members {
		m.synced, m.behind = false, m.join == nil
		if m.join != nil {
			answers = append(answers, answer{m.join, c.joinAnswer(g, m, m.join, false)})
			m.join, m.expires = nil, c.now.Add(m.session)
		}
	}
	for _, a := range answers {
		c.reply(a.to, a.resp)
	}
}

// understand notes what the members read. That holds for a generation: a static member that comes back with something else, and needs none, changes nothing of it (ClassicGroup.initNextGeneration).
func (k *classicGroup) understand() {
	k.topics, k.unclear = nil, false
	for _, m := range k.members {
		s, ok := subscriptionOf(m.metadata(k.protocol))
		k.topics, k.unclear = append(k.topics, s.Topics...), k.unclear || !ok
	}
}

// remove takes a member out; the others divide its partitions among them. As with Kafka, a member that waits for the leader to divide them is not answered any more.
func (c *Cluster) remove(g *group, m *classicMember) {
	k := &g.classic
	k.members = slices.DeleteFunc(k.members, func(o *classicMember) bool { return o == m })
	join := m.join
	m.join, m.sync = nil, nil
	c.prepare(g)
	c.completeJoin(g)
	if join != nil {
		c.failJoin(join, protocol.UnknownMemberID, "")
	}
}

// tickClassic removes members that were not heard of, and ends joins and syncs that last too long.
func (c *Cluster) tickClassic(g *group) {
	k := &g.classic
	k.pending = slices.DeleteFunc(k.pending, func(p pendingMember) bool { return !c.now.Before(p.expires) })
	if slices.ContainsFunc(k.members, c.silent) {
		for _, m := range slices.Clone(k.members) {
			if c.silent(m) {
				c.remove(g, m)
			}
		}
	}
	switch {
	case k.state == groupPreparing && !c.now.Before(k.until):
		c.finishJoin(g)
	case (k.state == groupCompleting || k.state == groupStable) && !k.syncBy.IsZero() && !c.now.Before(k.syncBy):
		c.dropUnsynced(g)
	}
	c.completeJoin(g)
}

// silent tells whether a member was not heard of for too long. One that waits for an answer is there.
func (c *Cluster) silent(m *classicMember) bool {
	return m.join == nil && m.sync == nil && !c.now.Before(m.expires)
}

// dropUnsynced removes members that have joined and not synced.
func (c *Cluster) dropUnsynced(g *group) {
	k := &g.classic
	k.syncBy = time.Time{}
	n := len(k.members)
	k.members = slices.DeleteFunc(k.members, func(m *classicMember) bool { return !m.synced })
	if len(k.members) < n {
		c.prepare(g)
	}
}

// nextClassic is when tickClassic is wanted.
func (k *classicGroup) next(add func(time.Time)) {
	for _, m := range k.members {
		if m.join == nil && m.sync == nil {
			add(m.expires)
		}
	}
	for _, p := range k.pending {
		add(p.expires)
	}
	if k.state == groupPreparing {
		add(k.until)
	}
	add(k.syncBy)
}
