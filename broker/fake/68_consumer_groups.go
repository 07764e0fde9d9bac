package fake

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// modernGroup is a group whose coordinator divides the partitions (KIP-848): each change raises the epoch and gives every member a target, and the members go towards it, one
// step with each heartbeat.
type modernGroup struct {
	epoch   int32
	members []*modernMember // by id
	counted map[string]int  // partitions of the topics when they were divided
	changes uint64          // of the cluster when they were last counted
}

type set map[topicPartition]bool

type modernMember struct {
	id, instance, client string
	epoch                int32
	previous             int32
	left                 bool // static, and away
	topics               []string
	regex                *regexp.Regexp
	rebalance            time.Duration
	expires, revokeBy    time.Time
	target               set
	assigned             set            // it may have these
	revoking             set            // it must give these up
	classic              *classicMember // it speaks the classic protocol
	rejoinBy             time.Time      // and has been told to join again
}

func (g *modernGroup) member(id string) *modernMember {
	for _, m := range g.members {
		if m.id == id {
			return m
		}
	}
	return nil
}

func (g *modernGroup) static(instance string) *modernMember {
	for _, m := range g.members {
		if instance != "" && m.instance == instance {
			return m
		}
	}
	return nil
}

func (g *modernGroup) add(m *modernMember) {
	i, _ := slices.BinarySearchFunc(g.members, m.id, func(o *modernMember, id string) int { return strings.Compare(o.id, id) })
	g.members = slices.Insert(g.members, i, m)
}

// rename lets a member go on under another id.
func (g *modernGroup) rename(m *modernMember, id string) {
	m.id = id
	slices.SortFunc(g.members, func(a, b *modernMember) int { return strings.Compare(a.id, b.id) })
}

// unowned tells whether nobody but m has a partition or has to give it up.
func (g *modernGroup) unowned(tp topicPartition, m *modernMember) bool {
	return !slices.ContainsFunc(g.members, func(o *modernMember) bool { return o != m && (o.assigned[tp] || o.revoking[tp]) })
}

// expired tells whether a member has to go.
func (m *modernMember) expired(now time.Time) bool {
	late := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	return late(m.expires) || late(m.revokeBy) || late(m.rejoinBy)
}

// state is that of the group as Kafka names it.
func (g *modernGroup) state() string {
	for _, m := range g.members {
		if m.epoch != g.epoch && !m.left || len(m.revoking) > 0 || !maps.Equal(m.assigned, m.target) {
			return "Reconciling"
		}
	}
	return "Stable"
}

// tickModern removes members that were not heard of or do not give up what they must, and divides anew when topics have changed.
func (c *Cluster) tickModern(g *group) {
	x := &g.modern
	if slices.ContainsFunc(x.members, func(m *modernMember) bool { return m.expired(c.now) }) {
		for _, m := range slices.Clone(x.members) {
			if m.expired(c.now) {
				c.removeModern(g, m)
			}
		}
	}
	if len(x.members) > 0 && c.outgrown(x) {
		c.retarget(g)
	}
}

// outgrown tells whether topics that somebody reads have come, gone or grown since they were divided.
func (c *Cluster) outgrown(x *modernGroup) bool {
	if x.changes == c.changes {
		return false
	}
	x.changes = c.changes
	return !maps.Equal(x.counted, c.count(x))
}

func (c *Cluster) removeModern(g *group, m *modernMember) {
	g.modern.members = slices.DeleteFunc(g.modern.members, func(o *modernMember) bool { return o == m })
	if !c.downgrade(g) {
		c.retarget(g)
	}
}

func (m *modernMember) reads(topic string) bool {
	return slices.Contains(m.topics, topic) || m.regex != nil && m.regex.MatchString(topic)
}

// count gives the partitions of each topic that somebody reads.
func (c *Cluster) count(x *modernGroup) map[string]int {
	n := map[string]int{}
	for _, t := range c.topics {
		if slices.ContainsFunc(x.members, func(m *modernMember) bool { return m.reads(t.name) }) {
			n[t.name] = len(t.partitions)
		}
	}
	return n
}

// retarget divides the partitions: everybody keeps what he has, as far as it is fair.
func (c *Cluster) retarget(g *group) {
	x := &g.modern
	x.epoch++
	x.counted, x.changes = c.count(x), c.changes
	owner := map[topicPartition]*modernMember{}
	for _, m := range x.members {
		for tp := range m.target {
			if m.reads(tp.topic) && int(tp.partition) < x.counted[tp.topic] {
				owner[tp] = m
			}
		}
		m.target = set{}
	}
	var all []topicPartition
	for _, t := range c.topics {
		for p := range x.counted[t.name] {
			all = append(all, topicPartition{t.name, int32(p)})
		}
	}
	for _, tp := range all {
		if m := owner[tp]; m != nil {
			m.target[tp] = true
		}
	}
	least := func(topic string) (best *modernMember) {
		for _, m := range x.members {
			if m.reads(topic) && (best == nil || len(m.target) < len(best.target)) {
				best = m
			}
		}
		return best
	}
	for _, tp := range all {
		if owner[tp] == nil {
			if m := least(tp.topic); m != nil {
				m.target[tp] = true
				owner[tp] = m
			}
		}
	}
	for moved := true; moved; {
		moved = false
		for _, tp := range all {
			from, to := owner[tp], least(tp.topic)
			if from != nil && to != nil && len(from.target) > len(to.target)+1 {
				delete(from.target, tp)
				to.target[tp] = true
				owner[tp] = to
				moved = true
			}
		}
	}
}

func (c *Cluster) consumerGroupHeartbeat(q *call) {
	req := q.Req.(*msg.ConsumerGroupHeartbeatRequest)
	resp := &msg.ConsumerGroupHeartbeatResponse{}
	resp.SetDefaults()
	resp.HeartbeatIntervalMs = int32(c.cfg.GroupHeartbeat.Milliseconds())
	resp.MemberID = &req.MemberID
	g, code := c.coordinated(q, req.GroupID)
	if code == protocol.None && c.cfg.NoConsumerProtocol {
		code = protocol.UnsupportedVersion
	}
	if code == protocol.None {
		code = soundHeartbeat(req)
	}
	if code == protocol.None && (len(g.classic.members) > 0 && (req.MemberEpoch != 0 || !c.upgrade(g))) {
		code = protocol.GroupIDNotFound
	}
	if code == protocol.None {
		code = c.beatModern(q, g, req, resp)
	}
	resp.ErrorCode = int16(code)
	c.reply(q, resp)
}

func (c *Cluster) beatModern(q *call, g *group, req *msg.ConsumerGroupHeartbeatRequest, resp *msg.ConsumerGroupHeartbeatResponse) protocol.Code {
	x := &g.modern
	m := x.member(req.MemberID)
	instance := text(req.InstanceID)
	if instance != "" { // a static member is found by its instance
		m = x.static(instance)
	}
	if req.MemberEpoch < 0 {
		return c.leaveModern(g, m, req, resp)
	}
	var regex *regexp.Regexp
	if r := text(req.SubscribedTopicRegex); r != "" {
		var err error
		if regex, err = regexp.Compile("^(?:" + r + ")$"); err != nil {
			return protocol.InvalidRegularExpression
		}
	}
	if a := text(req.ServerAssignor); a != "" && a != "uniform" && a != "range" {
		return protocol.UnsupportedAssignor
	}
	changed := false
	if req.MemberEpoch == 0 {
		if m != nil && instance != "" {
			if !m.left && m.classic == nil { // also when it says so itself (throwIfInstanceIdIsUnreleased)
				return protocol.UnreleasedInstanceID
			}
			m.epoch, m.previous = 0, 0 // it is back, and gets what it had
			x.rename(m, req.MemberID)
		}
		if m == nil {
			m = &modernMember{id: req.MemberID, instance: instance, target: set{}}
			x.add(m)
			changed = true
		}
		m.classic, m.rejoinBy = nil, time.Time{}
		m.left, m.assigned, m.revoking, m.revokeBy = false, set{}, set{}, time.Time{}
		m.client, m.rebalance = q.client, time.Duration(req.RebalanceTimeoutMs)*time.Millisecond
	} else {
		switch {
		case m == nil:
			return protocol.UnknownMemberID
		case m.id != req.MemberID:
			return protocol.FencedInstanceID
		case !c.soundEpoch(m, req):
			return protocol.FencedMemberEpoch
		}
	}
	m.expires = c.now.Add(c.cfg.GroupSession)
	if req.SubscribedTopicNames != nil && !slices.Equal(m.topics, req.SubscribedTopicNames) {
		m.topics = slices.Clone(req.SubscribedTopicNames)
		changed = true
	}
	if req.SubscribedTopicRegex != nil && (regex == nil) != (m.regex == nil) || regex != nil && regex.String() != m.regex.String() {
		m.regex = regex
		changed = true
	}
	if changed || c.outgrown(x) {
		c.retarget(g)
	}
	had := maps.Clone(m.assigned)
	c.step(g, m, c.ownedBy(req))
	resp.MemberEpoch = m.epoch
	// Who has missed an answer says everything (GroupMetadataManager.consumerGroupHeartbeat: isFullRequest): else it hears of its assignment only when it changes.
	full := req.TopicPartitions != nil && req.RebalanceTimeoutMs != -1 && (req.SubscribedTopicNames != nil || req.SubscribedTopicRegex != nil)
	if req.MemberEpoch == 0 || full || !maps.Equal(had, m.assigned) {
		resp.Assignment = &msg.ConsumerGroupHeartbeatResponseAssignment{TopicPartitions: c.byID(m.assigned)}
	}
	return protocol.None
}

// soundHeartbeat holds a heartbeat against what Kafka demands of its fields (GroupMetadataManager.throwIfConsumerGroupHeartbeatRequestIsInvalid).
func soundHeartbeat(req *msg.ConsumerGroupHeartbeatRequest) protocol.Code {
	empty := func(s *string) bool { return s != nil && *s == "" }
	first := req.MemberEpoch == 0
	switch {
	case req.GroupID == "", req.MemberID == "", empty(req.InstanceID), empty(req.RackID),
		first && (req.RebalanceTimeoutMs == -1 || req.TopicPartitions == nil || len(req.TopicPartitions) > 0 || req.SubscribedTopicNames == nil && req.SubscribedTopicRegex == nil),
		req.MemberEpoch == -2 && req.InstanceID == nil, req.MemberEpoch < -2:
		return protocol.InvalidRequest
	}
	return protocol.None
}

// ownedBy is what a member says that it owns; nil: it does not say.
func (c *Cluster) ownedBy(req *msg.ConsumerGroupHeartbeatRequest) set {
	if req.TopicPartitions == nil {
		return nil
	}
	owned := set{}
	for _, t := range req.TopicPartitions {
		name := "" // of a topic that is gone
		if topic := c.topicByID(t.TopicID); topic != nil {
			name = topic.name
		}
		for _, p := range t.Partitions {
			owned[topicPartition{name, p}] = true
		}
	}
	return owned
}

// soundEpoch tells whether a member comes with its epoch, or with the one before: the answer that raised it may have been lost. Then it must say what it owns, and own nothing but what it has
// (GroupMetadataManager.throwIfConsumerGroupMemberEpochIsInvalid, isSubset).
func (c *Cluster) soundEpoch(m *modernMember, req *msg.ConsumerGroupHeartbeatRequest) bool {
	if req.MemberEpoch >= m.epoch || m.left {
		return req.MemberEpoch == m.epoch && !m.left
	}
	owned := c.ownedBy(req)
	if owned == nil || req.MemberEpoch != m.previous {
		return false
	}
	for tp := range owned {
		if !m.assigned[tp] {
			return false
		}
	}
	return true
}

func (c *Cluster) leaveModern(g *group, m *modernMember, req *msg.ConsumerGroupHeartbeatRequest, resp *msg.ConsumerGroupHeartbeatResponse) protocol.Code {
	switch {
	case m == nil:
		return protocol.UnknownMemberID
	case m.id != req.MemberID:
		return protocol.FencedInstanceID
	}
	resp.MemberEpoch = req.MemberEpoch
	if req.MemberEpoch == -2 {
		m.left, m.expires, m.assigned, m.revoking, m.revokeBy = true, c.now.Add(c.cfg.GroupSession), set{}, set{}, time.Time{}
		return protocol.None
	}
	c.removeModern(g, m)
	return protocol.None
}

// step brings a member towards its target: what it must not have it gives up first; what others still have it gets when they have given it up.
func (c *Cluster) step(g *group, m *modernMember, owned set) {
	if len(m.revoking) > 0 && owned != nil {
		maps.DeleteFunc(m.revoking, func(tp topicPartition, _ bool) bool { return !owned[tp] })
		if len(m.revoking) == 0 {
			m.revokeBy = time.Time{}
		}
	}
	if len(m.revoking) > 0 {
		return
	}
	keep, revoke := set{}, set{}
	for tp := range m.assigned {
		if m.target[tp] {
			keep[tp] = true
		} else {
			revoke[tp] = true
		}
	}
	if len(revoke) > 0 {
		m.assigned, m.revoking, m.revokeBy = keep, revoke, c.now.Add(m.rebalance)
		return
	}
	for tp := range m.target {
		if g.modern.unowned(tp, m) {
			keep[tp] = true
		}
	}
	m.assigned = keep
	if m.epoch != g.modern.epoch {
		m.previous, m.epoch = m.epoch, g.modern.epoch
	}
}

// byID gives partitions by the ids of their topics, in order.
func (c *Cluster) byID(parts set) []msg.ConsumerGroupHeartbeatResponseTopicPartitions {
	out := []msg.ConsumerGroupHeartbeatResponseTopicPartitions{}
	for _, t := range c.topics {
		var of []int32
		for p := range t.partitions {
			if parts[topicPartition{t.name, int32(p)}] {
				of = append(of, int32(p))
			}
		}
		if len(of) > 0 {
			out = append(out, msg.ConsumerGroupHeartbeatResponseTopicPartitions{TopicID: t.id, Partitions: of})
		}
	}
	return out
}
