package fake

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// A group of the classic protocol becomes one of the new protocol when the first new member joins, and goes back when the last has left (KIP-848). In between its classic members
// are members like the others, who join, sync and beat as they always did: they get what the coordinator has chosen for them.

// subscription is what a classic member reads and owns, as it said when it joined.
func (m *classicMember) subscription() (*msg.ConsumerProtocolSubscription, bool) {
	if len(m.protocols) == 0 {
		return nil, false
	}
	s := &msg.ConsumerProtocolSubscription{}
	_, err := protocol.ReadVersioned(s, m.protocols[0].Metadata)
	return s, err == nil
}

// upgraded gives what each member of a classic group has: what it was given last, or what it said when it joined since.
func (k *classicGroup) upgraded() map[*classicMember]set {
	has := map[*classicMember]set{}
	taken := set{}
	for _, m := range k.members {
		has[m] = set{}
		a := &msg.ConsumerProtocolAssignment{}
		if _, err := protocol.ReadVersioned(a, m.assignment); err != nil || k.state == groupCompleting || m.join != nil {
			continue
		}
		for _, t := range a.AssignedPartitions {
			for _, p := range t.Partitions {
				has[m][topicPartition{t.Topic, p}], taken[topicPartition{t.Topic, p}] = true, true
			}
		}
	}
	for _, m := range k.members {
		s, _ := m.subscription()
		for tp := range owned(s) {
			if !taken[tp] {
				has[m][tp], taken[tp] = true, true
			}
		}
	}
	return has
}

func owned(s *msg.ConsumerProtocolSubscription) set {
	out := set{}
	for _, t := range s.OwnedPartitions {
		for _, p := range t.Partitions {
			out[topicPartition{t.Topic, p}] = true
		}
	}
	return out
}

// upgrade makes a classic group one of the new protocol; its members keep what they have. It tells whether it can be: not with members that are no consumers.
func (c *Cluster) upgrade(g *group) bool {
	k, x := &g.classic, &g.modern
	for _, m := range k.members {
		if _, ok := m.subscription(); !ok {
			return false
		}
	}
	has := k.upgraded()
	var answers []answer
	for _, m := range k.members {
		s, _ := m.subscription()
		x.add(&modernMember{id: m.id, instance: m.instance, client: m.client, epoch: k.generation, topics: s.Topics, rebalance: m.rebalance, expires: c.now.Add(m.session),
			target: has[m], assigned: maps.Clone(has[m]), revoking: set{}, classic: m})
		if m.join != nil {
			answers = append(answers, answer{m.join, &msg.JoinGroupResponse{ErrorCode: int16(protocol.RebalanceInProgress), ProtocolName: new(string), MemberID: m.id}})
		}
		if m.sync != nil {
			answers = append(answers, answer{m.sync, &msg.SyncGroupResponse{ErrorCode: int16(protocol.RebalanceInProgress)}})
		}
		m.join, m.sync = nil, nil
	}
	x.epoch = max(x.epoch, k.generation)
	g.classic = classicGroup{}
	c.retarget(g)
	for _, a := range answers {
		c.reply(a.to, a.resp)
	}
	return true
}

// downgrade makes a group a classic one again, if all its members are: they divide the partitions among them. The group's epoch is the generation: who has not reached it must join anew.
func (c *Cluster) downgrade(g *group) bool {
	x := &g.modern
	if len(x.members) == 0 || slices.ContainsFunc(x.members, func(m *modernMember) bool { return m.classic == nil }) {
		return false
	}
	k := &g.classic
	*k = classicGroup{state: groupStable, generation: x.epoch}
	for _, m := range x.members {
		o := m.classic
		o.id, o.expires, o.assignment = m.id, c.now.Add(o.session), classicAssignment(m.assigned)
		k.members = append(k.members, o)
	}
	k.leader, k.protocol = k.members[0].id, k.vote()
	x.members, x.counted = nil, nil
	c.prepare(g)
	c.completeJoin(g)
	return true
}

// classicAssignment is what a classic member gets.
func classicAssignment(parts set) []byte {
	a := &msg.ConsumerProtocolAssignment{}
	for _, tp := range slices.SortedFunc(maps.Keys(parts), func(a, b topicPartition) int {
		if d := strings.Compare(a.topic, b.topic); d != 0 {
			return d
		}
		return int(a.partition - b.partition)
	}) {
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
	kind, name := "consumer", ""
	refused := func(code protocol.Code) *msg.JoinGroupResponse {
		return &msg.JoinGroupResponse{ErrorCode: int16(code), MemberID: req.MemberID, ProtocolName: &name, GenerationID: -1}
	}
	x := &g.modern
	in := &classicMember{client: q.client}
	in.update(req)
	s, ok := in.subscription()
	if !ok {
		return refused(protocol.InconsistentGroupProtocol)
	}
	instance := text(req.GroupInstanceID)
	m := x.member(req.MemberID)
	switch other := x.static(instance); {
	case other != nil && req.MemberID == "": // a static member is back
		m = other
		x.rename(m, instance+"-"+c.memberID(q))
	case other != nil && other.id != req.MemberID:
		return refused(protocol.FencedInstanceID)
	case req.MemberID == "" && instance == "" && q.Version >= 4:
		req.MemberID = c.memberID(q)
		return refused(protocol.MemberIDRequired)
	case m == nil:
		id := req.MemberID
		if id == "" {
			id = strings.TrimPrefix(instance+"-", "-") + c.memberID(q)
		}
		m = &modernMember{id: id, instance: instance, target: set{}, assigned: set{}, revoking: set{}}
		x.add(m)
	}
	fresh := m.classic == nil
	in.id, in.instance = m.id, instance
	m.classic, m.left, m.client, m.rebalance, m.expires = in, false, q.client, in.rebalance, c.now.Add(in.session)
	m.rejoinBy = time.Time{}
	if topics := s.Topics; fresh || m.regex != nil || !slices.Equal(m.topics, topics) {
		m.topics, m.regex = slices.Clone(topics), nil
		c.retarget(g)
	}
	has := owned(s)
	for tp := range m.assigned { // what it has given up before it joined
		if !has[tp] && !m.target[tp] {
			delete(m.assigned, tp)
		}
	}
	c.step(g, m, has)
	name = in.protocols[0].Name
	return &msg.JoinGroupResponse{GenerationID: m.epoch, ProtocolType: &kind, ProtocolName: &name, MemberID: m.id}
}

// knownModern finds the classic member of a request.
func (x *modernGroup) knownModern(id string, instance *string, generation int32) (*modernMember, protocol.Code) {
	if other := x.static(text(instance)); other != nil && other.id != id {
		return nil, protocol.FencedInstanceID
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
	if code == protocol.None && m.epoch < g.modern.epoch && len(m.revoking) == 0 {
		code = protocol.RebalanceInProgress
	}
	if code != protocol.None {
		return &msg.SyncGroupResponse{ErrorCode: int16(code)}
	}
	m.expires = c.now.Add(m.classic.session)
	kind, name := "consumer", m.classic.protocols[0].Name
	return &msg.SyncGroupResponse{ProtocolType: &kind, ProtocolName: &name, Assignment: classicAssignment(m.assigned)}
}

// beatClassic tells a classic member whether it has to join again: there is something to give up, or something to be had.
func (c *Cluster) beatClassic(g *group, req *msg.HeartbeatRequest) protocol.Code {
	m, code := g.modern.knownModern(req.MemberID, req.GroupInstanceID, req.GenerationID)
	if code != protocol.None {
		return code
	}
	m.expires = c.now.Add(m.classic.session)
	news := m.epoch < g.modern.epoch || len(m.revoking) > 0
	for tp := range m.target {
		news = news || !m.assigned[tp] && g.modern.unowned(tp, m)
	}
	if !news {
		return protocol.None
	}
	if m.rejoinBy.IsZero() {
		m.rejoinBy = c.now.Add(m.rebalance)
	}
	return protocol.RebalanceInProgress
}
