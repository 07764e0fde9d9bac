package member_test

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/coordinator/internal/member"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// phase of a classic group.
type phase uint8

const (
	empty phase = iota
	preparing
	completing
	settled
)

// classic is the coordinator of a classic group, as Kafka's GroupCoordinator is.
type classic struct {
	phase      phase
	generation int32
	members    []*seat // in the order they came
	pending    []string
	leader     string
	names      int       // of members
	ends       time.Time // of the rebalance
	protocol   string
}

// seat is a member as its coordinator knows it.
type seat struct {
	id         string
	session    time.Time
	metadata   []byte
	join, sync *call
	assignment []byte
}

func (g *classic) seat(id string) *seat {
	for _, s := range g.members {
		if s.id == id {
			return s
		}
	}
	return nil
}

func (g *classic) owns(id string, partition int32) bool {
	s := g.seat(id)
	if s == nil {
		return false
	}
	parts, _ := assign.ReadAssignment(s.assignment)
	return slices.ContainsFunc(parts, func(p member.Partition) bool { return p.Partition == partition })
}

func (g *classic) next() (t time.Time) {
	if g.phase == preparing {
		t = g.ends
	}
	for _, s := range g.members {
		if s.join == nil && s.sync == nil && (t.IsZero() || s.session.Before(t)) {
			t = s.session
		}
	}
	return t
}

func (g *classic) tick(w *world) {
	for _, s := range slices.Clone(g.members) {
		if s.join == nil && s.sync == nil && !w.now.Before(s.session) {
			if w.rules.slow {
				w.bad = "a member that is alive is let go, because it has said nothing"
			}
			g.remove(w, s)
		}
	}
	if g.phase == preparing && !w.now.Before(g.ends) {
		g.members = slices.DeleteFunc(g.members, func(s *seat) bool { return s.join == nil })
		g.complete(w)
	}
}

func (g *classic) forget(w *world, id string) {
	if s := g.seat(id); s != nil && s.join == nil && s.sync == nil {
		g.remove(w, s)
	}
}

func (g *classic) remove(w *world, s *seat) {
	g.members = slices.DeleteFunc(slices.Clone(g.members), func(o *seat) bool { return o == s })
	switch g.phase {
	case completing, settled:
		g.prepare(w)
	case preparing:
		g.complete(w)
	}
}

func (g *classic) handle(w *world, p *process, c *call) {
	switch req := c.of.Req.(type) {
	case *msg.JoinGroupRequest:
		g.join(w, c, req)
	case *msg.SyncGroupRequest:
		g.synced(w, c, req)
	case *msg.HeartbeatRequest:
		code, s := g.known(req.MemberID, req.GenerationID)
		if code == protocol.None {
			s.session = w.now.Add(9 * time.Second)
			if g.phase == preparing {
				code = protocol.RebalanceInProgress
			}
		}
		c.answer = &member.Answer{Call: c.of, Version: 4, Resp: &msg.HeartbeatResponse{ErrorCode: int16(code)}}
	case *msg.LeaveGroupRequest:
		code := protocol.UnknownMemberID
		if s := g.seat(req.MemberID); s != nil {
			code = protocol.None
			g.remove(w, s)
		}
		c.answer = &member.Answer{Call: c.of, Version: 3, Resp: &msg.LeaveGroupResponse{ErrorCode: int16(code)}}
	case *msg.OffsetCommitRequest:
		code, s := g.known(req.MemberID, req.GenerationIDOrMemberEpoch)
		if code == protocol.None && g.phase == completing {
			code = protocol.RebalanceInProgress
		}
		if code != protocol.None {
			c.answer = commitAnswer(c.of, code)
			return
		}
		s.session = w.now.Add(9 * time.Second)
		c.answer = w.store(p, c.of)
	case *msg.OffsetFetchRequest:
		c.answer = w.offsets(c.of)
	}
}

// known looks a member up.
func (g *classic) known(id string, generation int32) (protocol.Code, *seat) {
	s := g.seat(id)
	switch {
	case s == nil:
		return protocol.UnknownMemberID, nil
	case generation != g.generation:
		return protocol.IllegalGeneration, nil
	}
	return protocol.None, s
}

func (g *classic) refuse(c *call, code protocol.Code, id string) {
	c.answer = &member.Answer{Call: c.of, Version: 9, Resp: &msg.JoinGroupResponse{ErrorCode: int16(code), MemberID: id, GenerationID: -1}}
}

func (g *classic) join(w *world, c *call, req *msg.JoinGroupRequest) {
	metadata := req.Protocols[0].Metadata
	g.protocol = req.Protocols[0].Name
	s := g.seat(req.MemberID)
	switch {
	case req.MemberID == "":
		g.names++
		id := fmt.Sprint("name ", g.names)
		g.pending = append(g.pending, id)
		g.refuse(c, protocol.MemberIDRequired, id)
		return
	case s == nil && !slices.Contains(g.pending, req.MemberID):
		g.refuse(c, protocol.UnknownMemberID, req.MemberID)
		return
	case s == nil:
		g.pending = slices.DeleteFunc(g.pending, func(id string) bool { return id == req.MemberID })
		s = &seat{id: req.MemberID}
		g.members = append(g.members, s)
	case g.phase == completing && bytes.Equal(s.metadata, metadata), g.phase == settled && bytes.Equal(s.metadata, metadata) && s.id != g.leader:
		g.joined(s, c)
		return
	}
	s.metadata, s.join = metadata, c
	if g.phase != preparing {
		g.prepare(w)
		return
	}
	g.complete(w)
}

// prepare begins a rebalance.
func (g *classic) prepare(w *world) {
	for _, s := range g.members {
		if s.sync != nil {
			s.sync.answer = syncAnswer(s.sync.of, protocol.RebalanceInProgress, nil)
			s.sync, s.session = nil, w.now.Add(9*time.Second)
		}
	}
	g.phase, g.ends = preparing, w.now.Add(24*time.Second)
	g.complete(w)
}

// complete ends it, if all have joined.
func (g *classic) complete(w *world) {
	if slices.ContainsFunc(g.members, func(s *seat) bool { return s.join == nil }) {
		return
	}
	g.generation++
	g.ends = time.Time{}
	if len(g.members) == 0 {
		g.phase, g.leader = empty, ""
		return
	}
	g.phase = completing
	if g.seat(g.leader) == nil {
		g.leader = g.members[0].id
	}
	for _, s := range g.members {
		c := s.join
		s.join, s.session = nil, w.now.Add(9*time.Second)
		g.joined(s, c)
	}
}

func (g *classic) joined(s *seat, c *call) {
	r := &msg.JoinGroupResponse{GenerationID: g.generation, ProtocolName: &g.protocol, Leader: g.leader, MemberID: s.id}
	if s.id == g.leader {
		for _, o := range g.members {
			r.Members = append(r.Members, msg.JoinGroupResponseJoinGroupResponseMember{MemberID: o.id, Metadata: o.metadata})
		}
	}
	c.answer = &member.Answer{Call: c.of, Version: 9, Resp: r}
}

func syncAnswer(c *member.Call, code protocol.Code, assignment []byte) *member.Answer {
	return &member.Answer{Call: c, Version: 5, Resp: &msg.SyncGroupResponse{ErrorCode: int16(code), Assignment: assignment}}
}

func (g *classic) synced(w *world, c *call, req *msg.SyncGroupRequest) {
	code, s := g.known(req.MemberID, req.GenerationID)
	if code == protocol.None && g.phase == preparing {
		code = protocol.RebalanceInProgress
	}
	if code != protocol.None {
		c.answer = syncAnswer(c.of, code, nil)
		return
	}
	s.session = w.now.Add(9 * time.Second)
	if g.phase == settled {
		c.answer = syncAnswer(c.of, protocol.None, s.assignment)
		return
	}
	s.sync = c
	if s.id != g.leader {
		return
	}
	g.phase = settled
	for _, o := range g.members {
		o.assignment = nil
		for _, a := range req.Assignments {
			if a.MemberID == o.id {
				o.assignment = a.Assignment
			}
		}
		if o.sync != nil {
			o.sync.answer = syncAnswer(o.sync.of, protocol.None, o.assignment)
			o.sync, o.session = nil, w.now.Add(9*time.Second)
		}
	}
}
