package fake

import (
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// A group of the classic protocol becomes one of the new protocol when the first new member joins, and goes back when the last has left (KIP-848). In between its classic members
// are members like the others, who join, sync and beat as they always did: they get what the coordinator has chosen for them.

// subscription is what a classic member reads and owns, as it said when it joined.
func (m *classicMember) subscription() (*msg.ConsumerProtocolSubscription, bool) {
	if len(m.protocols) == 0 {
		return nil, false
	}
	return subscriptionOf(m.protocols[0].Metadata)
}

// readVersioned reads what consumers tell each other as brokers do: of a later version as far as they know it (ConsumerProtocol).
func readVersioned(m protocol.Message, b []byte) error {
	if len(b) < 2 {
		return wire.ErrShort
	}
	version := int16(binary.BigEndian.Uint16(b))
	_, highest := m.Versions()
	_, err := wire.ReadLoosely(m, b[2:], min(version, highest))
	return err
}

func subscriptionOf(metadata []byte) (*msg.ConsumerProtocolSubscription, bool) {
	s := &msg.ConsumerProtocolSubscription{}
	return s, readVersioned(s, metadata) == nil
}

// given is what a classic member was given last.
func (c *Cluster) given(m *classicMember) (set, error) {
	out := set{}
	if len(m.assignment) == 0 {
		return out, nil
	}
	a := &msg.ConsumerProtocolAssignment{}
	err := readVersioned(a, m.assignment)
	for _, t := range a.AssignedPartitions {
		c.include(out, t.Topic, t.Partitions)
	}
	return out, err
}

// owned is what a classic member says that it has. It knows topics by names: what it means is what they are now.
func (c *Cluster) owned(s *msg.ConsumerProtocolSubscription) set {
	out := set{}
	for _, t := range s.OwnedPartitions {
		c.include(out, t.Topic, t.Partitions)
	}
	return out
}

func (c *Cluster) include(to set, topic string, partitions []int32) {
	if t := c.topic(topic); t != nil {
		for _, p := range partitions {
			to[idPartition(t, p)] = true
		}
	}
}

// migrates tells whether groups with members change their protocol: group.consumer.migration.policy is "disabled" before 4.0 unless somebody sets it.
func (c *Cluster) migrates() bool { return c.atLeast("4.0") }

// upgradable tells whether a classic group can become one of the new protocol: not with members that are no consumers.
func (c *Cluster) upgradable(g *group) bool {
	if !c.migrates() {
		return false
	}
	for _, m := range g.classic.members {
		_, err := c.given(m)
		if _, ok := m.subscription(); !ok || g.classic.kind != consumerKind || err != nil {
			return false
		}
	}
	return true
}

// upgrade makes a classic group one of the new protocol; its members have what they were given last, also those that wait for an answer and have given it up.
func (c *Cluster) upgrade(g *group) {
	k, x := &g.classic, &g.modern
	type refusal struct {
		of     *call
		member string
	}
	var joins []refusal
	var answers []answer
	for _, m := range k.members {
		s, _ := m.subscription()
		has, _ := c.given(m)
		since := map[topicIDPartition]int32{}
		for tp := range has {
			since[tp] = k.generation
		}
		joined := m.joined
		if m.assignment == nil { // the leader was being waited for when somebody else joined: what the member had is forgotten (resetAndPropagateAssignmentError), and given to others as if it had left
			joined = c.membership()
		}
		x.add(&modernMember{id: m.id, joined: joined, instance: m.instance, client: m.client, epoch: k.generation, previous: k.generation, topics: slices.Compact(slices.Sorted(slices.Values(s.Topics))), rebalance: m.rebalance,
			expires: c.now.Add(m.session), target: has, assigned: maps.Clone(has), revoking: set{}, since: since, classic: m, upgraded: true})
		if m.join != nil {
			joins = append(joins, refusal{m.join, m.id})
		}
		if m.sync != nil {
			answers = append(answers, answer{m.sync, &msg.SyncGroupResponse{ErrorCode: int16(protocol.RebalanceInProgress)}})
		}
		m.join, m.sync = nil, nil
	}
	x.epoch, x.divided, x.counted, x.changes = k.generation, k.generation, c.count(x), c.changes
	g.consumer, g.classic = true, classicGroup{}
	c.keep(g) // also if nothing was kept of it before
	for _, j := range joins {
		c.failJoin(j.of, protocol.RebalanceInProgress, j.member)
	}
	for _, a := range answers {
		c.reply(a.to, a.resp)
	}
}

// downgrade makes a group a classic one again, if all its members are: they divide the partitions among them. The group's epoch is the generation: who has not reached it must join anew.
func (c *Cluster) downgrade(g *group) bool {
	x := &g.modern
	if !c.migrates() || len(x.members) == 0 || slices.ContainsFunc(x.members, func(m *modernMember) bool { return m.classic == nil }) {
		return false
	}
	c.becomeClassic(g)
	c.prepare(g)
	c.completeJoin(g)
	return true
}

// becomeClassic makes a group a classic one, in which nothing has to be divided anew.
func (c *Cluster) becomeClassic(g *group) {
	x := &g.modern
	g.consumer, g.classic = false, classicGroup{state: groupStable, kind: consumerKind, generation: x.epoch}
	k := &g.classic
	for _, m := range x.members {
		o := m.classic
		o.id, o.joined, o.expires, o.assignment = m.id, m.joined, c.now.Add(o.session), c.classicAssignment(m.target)
		k.members = append(k.members, o)
	}
	k.leader, k.protocol = k.members[0].id, k.vote()
	k.understand()
	g.modern = modernGroup{}
}

// classicAssignment is what a classic member gets: of topics that there are.
func (c *Cluster) classicAssignment(parts set) []byte {
	a := &msg.ConsumerProtocolAssignment{}
	for _, tp := range slices.SortedFunc(maps.Keys(parts), topicIDPartition.compare) {
		if c.topicByID(tp.id) == nil {
			continue
		}
		if n := len(a.AssignedPartitions); n == 0 || a.AssignedPartitions[n-1].Topic != tp.topic {
			a.AssignedPartitions = append(a.AssignedPartitions, msg.ConsumerProtocolAssignmentTopicPartition{Topic: tp.topic})
		}
		t := &a.AssignedPartitions[len(a.AssignedPartitions)-1]
		t.Partitions = append(t.Partitions, tp.partition)
	}
	b, err := protocol.AppendVersioned(nil, a, 0)
	if err != nil {
		panic(err) // it is made of nothing but names and numbers
	}
	return b
}

// joinModern lets a classic member join a group of the new protocol: it is answered at once.
func (c *Cluster) joinModern(q *call, g *group, req *msg.JoinGroupRequest) *msg.JoinGroupResponse {
	refused := func(code protocol.Code) *msg.JoinGroupResponse {
		out := &msg.JoinGroupResponse{ErrorCode: int16(code), GenerationID: -1}
		if code == protocol.MemberIDRequired {
			out.MemberID = req.MemberID
		}
		if q.Version < 7 {
			out.ProtocolName = new(string)
		}
		return out
	}
	x := &g.modern
	in := &classicMember{client: q.client}
	in.update(req)
	s, ok := in.subscription()
	switch {
	case c.cfg.GroupMaxSize > 0 && len(x.members) >= c.cfg.GroupMaxSize && x.member(req.MemberID) == nil:
		return refused(protocol.GroupMaxSizeReached)
	case !x.supports(req):
		return refused(protocol.InconsistentGroupProtocol)
	case req.MemberID == "" && req.GroupInstanceID == nil && q.Version >= 4:
		req.MemberID = c.memberID(q, g.id, "")
		return refused(protocol.MemberIDRequired)
	}
	wrong := protocol.None
	if !ok {
		wrong = protocol.UnknownServerError
	}
	restore, last := c.saved(g), c.isLast(x, req)
	m, code := c.joining(q, g.id, x, req, wrong)
	if code != protocol.None {
		return refused(code)
	}
	in.id, in.instance = m.id, m.instance
	m.classic, m.client, m.rebalance, m.expires = in, q.client, in.rebalance, c.now.Add(in.session)
	m.rejoinBy, m.syncBy, m.upgraded = time.Time{}, c.now.Add(in.rebalance), false
	topics := slices.Compact(slices.Sorted(slices.Values(s.Topics)))
	changed := m.regex != nil || !slices.Equal(m.topics, topics)
	m.topics, m.regex, m.pattern, m.wanted = topics, nil, "", nil
	answer := func(generation int32) *msg.JoinGroupResponse {
		return &msg.JoinGroupResponse{GenerationID: generation, ProtocolType: wire.Ptr(consumerKind), ProtocolName: wire.Ptr(in.protocols[0].Name), MemberID: m.id}
	}
	if anew := changed || c.outgrown(x); last && anew { // what it reads is for the classic group to divide: it is in no generation yet
		c.becomeClassic(g)
		c.prepare(g)
		return answer(0)
	} else if anew {
		c.bump(g)
	}
	if _, code := c.divide(g, m); code != protocol.None {
		restore()
		return refused(code)
	}
	c.reconcile(g, m, c.owned(s), changed)
	m.revokeBy = time.Time{}
	if last {
		c.becomeClassic(g)
	}
	return answer(m.epoch)
}

// isLast tells whether a classic member takes the place of the only one of the new protocol, as the same instance: the group becomes a classic one with it (GroupMetadataManager.validateOnlineDowngradeWithReplacedMember).
func (c *Cluster) isLast(x *modernGroup, req *msg.JoinGroupRequest) bool {
	if req.GroupInstanceID == nil || req.MemberID != "" || !c.migrates() {
		return false
	}
	was := x.static(*req.GroupInstanceID)
	return was != nil && was.classic == nil && !slices.ContainsFunc(x.members, func(m *modernMember) bool { return m != was && m.classic == nil })
}

// supports tells whether the classic members have a protocol that the joining one has, too.
func (x *modernGroup) supports(req *msg.JoinGroupRequest) bool {
	return req.ProtocolType == consumerKind && slices.ContainsFunc(req.Protocols, func(p msg.JoinGroupRequestJoinGroupRequestProtocol) bool {
		return !slices.ContainsFunc(x.members, func(m *modernMember) bool {
			return m.classic != nil && !slices.ContainsFunc(m.classic.protocols, func(o msg.JoinGroupRequestJoinGroupRequestProtocol) bool { return o.Name == p.Name })
		})
	})
}

// joining finds the member that joins, or takes it in, unless something else is wrong.
func (c *Cluster) joining(q *call, group string, x *modernGroup, req *msg.JoinGroupRequest, wrong protocol.Code) (*modernMember, protocol.Code) {
	if req.GroupInstanceID != nil {
		switch m := x.static(*req.GroupInstanceID); {
		case x.gone(*req.GroupInstanceID):
			return nil, protocol.UnknownMemberID
		case m != nil && req.MemberID != "" && m.id != req.MemberID:
			return nil, protocol.FencedInstanceID
		case m == nil && req.MemberID != "":
			return nil, protocol.UnknownMemberID
		case wrong != protocol.None:
			return nil, wrong
		case m != nil && req.MemberID == "": // it is back
			x.replace(m, c.memberID(q, group, m.instance))
			return m, protocol.None
		case m != nil:
			x.instantiate(m, *req.GroupInstanceID)
			return m, protocol.None
		}
	}
	m := x.member(req.MemberID)
	if m != nil || wrong != protocol.None {
		return m, wrong
	}
	id := req.MemberID
	if id == "" {
		id = c.memberID(q, group, text(req.GroupInstanceID))
	}
	m = &modernMember{id: id, joined: c.membership(), instance: text(req.GroupInstanceID), target: set{}, assigned: set{}, revoking: set{}, since: map[topicIDPartition]int32{}}
	x.add(m)
	return m, protocol.None
}

// knownModern finds the classic member of a request.
func (x *modernGroup) knownModern(id string, instance *string, generation int32) (*modernMember, protocol.Code) {
	if instance != nil {
		switch other := x.static(*instance); {
		case other == nil:
			return nil, protocol.UnknownMemberID
		case other.id != id:
			return nil, protocol.FencedInstanceID
		}
	}
	m := x.member(id)
	switch {
	case m == nil || m.classic == nil:
		return nil, protocol.UnknownMemberID
	case generation != m.epoch:
		return m, protocol.IllegalGeneration
	}
	return m, protocol.None
}

// syncModern tells a classic member what it has.
func (c *Cluster) syncModern(g *group, req *msg.SyncGroupRequest) *msg.SyncGroupResponse {
	m, code := g.modern.knownModern(req.MemberID, req.GroupInstanceID, req.GenerationID)
	if code == protocol.None && (req.ProtocolType != nil && *req.ProtocolType != consumerKind || req.ProtocolName != nil && *req.ProtocolName != m.classic.protocols[0].Name) {
		code = protocol.InconsistentGroupProtocol
	}
	if code == protocol.None && m.epoch < c.newest(&g.modern) && m.state != memberUnrevoked {
		c.wantJoin(m)
		code = protocol.RebalanceInProgress
	}
	if code != protocol.None {
		return &msg.SyncGroupResponse{ErrorCode: int16(code)}
	}
	m.expires, m.syncBy = c.now.Add(m.classic.session), time.Time{}
	return &msg.SyncGroupResponse{ProtocolType: wire.Ptr(consumerKind), ProtocolName: wire.Ptr(m.classic.protocols[0].Name), Assignment: c.classicAssignment(m.assigned)}
}

// newest is the epoch that classic members should be in: in 4.3 the partitions must have been divided in it.
func (c *Cluster) newest(x *modernGroup) int32 {
	if c.atLeast("4.3") {
		return x.divided
	}
	return x.epoch
}

// wantJoin gives a classic member its rebalance time-out to join again.
func (c *Cluster) wantJoin(m *modernMember) {
	if m.rejoinBy.IsZero() {
		m.rejoinBy = c.now.Add(m.rebalance)
	}
}

// beatClassic tells a classic member whether it has to join again: there is something to give up, or something to be had.
func (c *Cluster) beatClassic(g *group, req *msg.HeartbeatRequest) protocol.Code {
	m, code := g.modern.knownModern(req.MemberID, req.GroupInstanceID, req.GenerationID)
	if code != protocol.None {
		return code
	}
	m.expires = c.now.Add(m.classic.session)
	news := m.epoch < c.newest(&g.modern) || m.state == memberUnrevoked
	if m.state == memberUnreleased {
		waits := false
		for tp := range m.target {
			waits = waits || !m.assigned[tp] && !g.modern.unowned(tp, m)
		}
		news = news || !waits
	}
	if !news {
		return protocol.None
	}
	c.wantJoin(m)
	return protocol.RebalanceInProgress
}
