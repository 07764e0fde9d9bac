package member_test

import (
	"slices"
	"time"

	"github.com/kactor-go/kactor/coordinator/internal/member"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// consumer is the coordinator of a group of KIP-848, as Kafka's GroupMetadataManager and CurrentAssignmentBuilder are. It divides by the order in which members came.
type consumer struct {
	epoch   int32
	members []*share
}

// share is a member as its coordinator knows it.
type share struct {
	id       string
	epoch    int32
	previous int32
	session  time.Time
	assigned []int32
	revoking []int32
	waits    bool // for the member to give up what is revoked
}

func (g *consumer) share(id string) *share {
	for _, s := range g.members {
		if s.id == id {
			return s
		}
	}
	return nil
}

// target is what a member is to have in the end.
func (g *consumer) target(s *share) (out []int32) {
	i := slices.Index(g.members, s)
	for n := range int32(2) {
		if int(n)*len(g.members)/2 == i {
			out = append(out, n)
		}
	}
	return out
}

func (g *consumer) owns(id string, partition int32) bool {
	s := g.share(id)
	return s != nil && (slices.Contains(s.assigned, partition) || slices.Contains(s.revoking, partition))
}

// free tells whether nobody else has a partition.
func (g *consumer) free(partition int32, s *share) bool {
	return !slices.ContainsFunc(g.members, func(o *share) bool { return o != s && g.owns(o.id, partition) })
}

func (g *consumer) next() (t time.Time) {
	for _, s := range g.members {
		if t.IsZero() || s.session.Before(t) {
			t = s.session
		}
	}
	return t
}

func (g *consumer) tick(w *world) {
	for _, s := range slices.Clone(g.members) {
		if !w.now.Before(s.session) {
			g.forget(w, s.id)
		}
	}
}

func (g *consumer) forget(_ *world, id string) {
	if s := g.share(id); s != nil {
		g.members = slices.DeleteFunc(slices.Clone(g.members), func(o *share) bool { return o == s })
		g.epoch++
	}
}

func (g *consumer) handle(w *world, p *process, c *call) {
	switch req := c.of.Req.(type) {
	case *msg.ConsumerGroupHeartbeatRequest:
		c.answer = &member.Answer{Call: c.of, Version: 1, Resp: g.beat(w, req)}
	case *msg.OffsetCommitRequest:
		s := g.share(req.MemberID)
		switch {
		case s == nil:
			c.answer = commitAnswer(c.of, protocol.UnknownMemberID)
		case s.epoch != req.GenerationIDOrMemberEpoch:
			c.answer = commitAnswer(c.of, protocol.StaleMemberEpoch)
		default:
			c.answer = w.store(p, c.of)
		}
	case *msg.OffsetFetchRequest:
		c.answer = w.offsets(c.of)
	}
}

func (g *consumer) beat(w *world, req *msg.ConsumerGroupHeartbeatRequest) *msg.ConsumerGroupHeartbeatResponse {
	refuse := func(code protocol.Code) *msg.ConsumerGroupHeartbeatResponse {
		return &msg.ConsumerGroupHeartbeatResponse{ErrorCode: int16(code)}
	}
	var owned []int32
	for _, t := range req.TopicPartitions {
		if t.TopicID != work {
			w.bad = "a member tells that it owns a topic that there is not"
		}
		owned = append(owned, t.Partitions...)
	}
	tells := req.TopicPartitions != nil
	s := g.share(req.MemberID)
	switch {
	case req.MemberEpoch < 0:
		if s == nil {
			return refuse(protocol.UnknownMemberID)
		}
		g.forget(w, s.id)
		return &msg.ConsumerGroupHeartbeatResponse{MemberEpoch: req.MemberEpoch}
	case req.MemberEpoch == 0 && s == nil:
		s = &share{id: req.MemberID}
		g.members = append(g.members, s)
		g.epoch++
	case s == nil:
		return refuse(protocol.UnknownMemberID)
	case req.MemberEpoch > s.epoch:
		return refuse(protocol.FencedMemberEpoch)
	case req.MemberEpoch < s.epoch && req.MemberEpoch != 0 && (req.MemberEpoch != s.previous || !tells || slices.ContainsFunc(owned, func(n int32) bool { return !slices.Contains(s.assigned, n) })):
		return refuse(protocol.FencedMemberEpoch)
	}
	s.session = w.now.Add(9 * time.Second)
	before := slices.Clone(s.assigned)
	g.reconcile(s, owned, tells)
	r := &msg.ConsumerGroupHeartbeatResponse{MemberID: &s.id, MemberEpoch: s.epoch, HeartbeatIntervalMs: 3000}
	if full := req.RebalanceTimeoutMs >= 0 && tells && req.SubscribedTopicNames != nil; req.MemberEpoch == 0 || full || !slices.Equal(before, s.assigned) {
		a := &msg.ConsumerGroupHeartbeatResponseAssignment{TopicPartitions: []msg.ConsumerGroupHeartbeatResponseTopicPartitions{}}
		if len(s.assigned) > 0 {
			a.TopicPartitions = append(a.TopicPartitions, msg.ConsumerGroupHeartbeatResponseTopicPartitions{TopicID: work, Partitions: slices.Clone(s.assigned)})
		}
		r.Assignment = a
	}
	return r
}

// reconcile brings a member nearer to its target: what it is to give up first; then it has what is free, in the group's epoch.
func (g *consumer) reconcile(s *share, owned []int32, tells bool) {
	in := func(list []int32) func(int32) bool { return func(n int32) bool { return slices.Contains(list, n) } }
	if s.waits {
		if !tells || slices.ContainsFunc(owned, in(s.revoking)) {
			return
		}
		s.waits, s.revoking = false, nil
	}
	target := g.target(s)
	var kept, revoked []int32
	for _, n := range s.assigned {
		if slices.Contains(target, n) {
			kept = append(kept, n)
		} else {
			revoked = append(revoked, n)
		}
	}
	s.assigned = kept
	if len(revoked) > 0 && (!tells || slices.ContainsFunc(owned, in(revoked))) {
		s.waits, s.revoking = true, revoked
		return
	}
	for _, n := range target {
		if !slices.Contains(s.assigned, n) && g.free(n, s) {
			s.assigned = append(s.assigned, n)
		}
	}
	slices.Sort(s.assigned)
	if s.epoch != g.epoch {
		s.previous, s.epoch = s.epoch, g.epoch
	}
}
