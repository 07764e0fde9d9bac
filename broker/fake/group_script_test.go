package fake_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// small is a cluster whose groups have narrow bounds, so that they can be met in a script:
//
//	group.min.session.timeout.ms=500 group.max.session.timeout.ms=60000 group.max.size=3 group.consumer.max.size=3 group.consumer.min.session.timeout.ms=1000 group.consumer.session.timeout.ms=3000
//	group.consumer.min.heartbeat.interval.ms=500 group.consumer.heartbeat.interval.ms=500 group.initial.rebalance.delay.ms=0
func small(release string) fake.Config {
	return fake.Config{Release: release, GroupMinSession: 500 * time.Millisecond, GroupMaxSession: time.Minute, GroupMaxSize: 3, GroupSession: 3 * time.Second, GroupHeartbeat: 500 * time.Millisecond}
}

// classicOnly is a cluster without the new protocol: in 3.9 it has another coordinator then.
func classicOnly(cfg fake.Config) fake.Config {
	cfg.NoConsumerProtocol = true
	return cfg
}

// groupLine plays a line of groups. M is a member: what it sends goes over a connection of its own, with the id, the generation or the epoch that it was given last; "-" is nobody.
//
//	JoinGroup G M [instance=I] [session=MS] [rebalance=MS] [type=T] [protocols=NAME:METADATA,...|none]
//	SyncGroup G M [M:ASSIGNMENT,...] [type=T] [protocol=P]
//	Heartbeat G M; LeaveGroup G M...         a member is M, M:INSTANCE or :INSTANCE
//	OffsetCommit G M TOPIC/N=OFFSET... [metadata=LENGTH] [retention=MS]
//	OffsetFetch G,... M [TOPIC/N...] [stable]     of all partitions, if none is named
//	OffsetDelete G TOPIC/N...; DeleteGroups G...
//	ListGroups [states=S,...] [types=T,...]; DescribeGroups G...
//	Consume G M [topics=T,...] [regex=R] [owned=T/N,...|none] [assignor=A] [rack=R] [rebalance=MS]     ConsumerGroupHeartbeat, with what is said and nothing else; ~T is the T that was deleted last
//	ConsumerGroupDescribe G...
//	delete TOPIC                             DeleteTopics
//	partitions TOPIC N                       CreatePartitions
//
// A line may name what else a member says of itself: id=M (the id of another; - for none, or one that is not known), instance=I, generation=N or epoch=N, where +1 is one more than it is. It ends with a "&" where the answer is
// not waited for: "answer M" does that, and "silent M" looks whether there is none yet.
func (s *script) groupLine(l *cue) (shown string, known bool) {
	w := l.words
	switch w[0] {
	case "JoinGroup":
		return s.joinGroup(l), true
	case "SyncGroup":
		return s.syncGroup(l), true
	case "Heartbeat":
		m := s.speaker(l)
		return say(s, l, m, 3, &msg.HeartbeatRequest{GroupID: s.name(w[1]), MemberID: m.id, GenerationID: m.epoch, GroupInstanceID: m.instance}, func(r *msg.HeartbeatResponse, _ int16) string { return code(r.ErrorCode) }), true
	case "LeaveGroup":
		return s.leaveGroup(l), true
	case "OffsetCommit":
		return s.offsetCommit(l), true
	case "OffsetFetch":
		return s.offsetFetch(l), true
	case "OffsetDelete":
		return s.offsetDelete(l), true
	case "DeleteGroups":
		return s.deleteGroups(l), true
	case "ListGroups":
		return s.listGroups(l), true
	case "DescribeGroups":
		return s.describeGroups(l), true
	case "Consume":
		return s.consume(l), true
	case "ConsumerGroupDescribe":
		return s.consumerGroupDescribe(l), true
	case "answer":
		return s.member(w[1]).answered(20 * time.Second), true
	case "silent":
		return s.member(w[1]).answered(300 * time.Millisecond), true
	case "delete":
		s.gone[s.name(w[1])] = s.seen[s.name(w[1])]
		m := s.ask(&msg.DeleteTopicsRequest{TopicNames: []string{s.name(w[1])}, TimeoutMs: 10000}, 4).(*msg.DeleteTopicsResponse)
		s.on.wait(500 * time.Millisecond)
		return code(m.Responses[0].ErrorCode), true
	case "partitions":
		m := s.ask(&msg.CreatePartitionsRequest{TimeoutMs: 10000, Topics: []msg.CreatePartitionsRequestCreatePartitionsTopic{{Name: s.name(w[1]), Count: int32(number(s.t, w[2]))}}}, 1).(*msg.CreatePartitionsResponse)
		s.on.wait(500 * time.Millisecond)
		return code(m.Results[0].ErrorCode), true
	}
	return "", false
}

// scriptMember is a member of a group, or who wants to be one.
type scriptMember struct {
	name     string
	ids      []string // that it was given
	id       string
	epoch    int32
	instance *string
	waits    func(limit time.Duration) string // for an answer
}

// answered shows what the member was answered; nothing: it was not, and still waits.
func (m *scriptMember) answered(limit time.Duration) string {
	if m.waits == nil {
		return "nothing is asked"
	}
	shown := m.waits(limit)
	if shown != "" {
		m.waits = nil
	}
	return shown
}

func (s *script) member(name string) *scriptMember {
	if s.members[name] == nil {
		s.members[name] = &scriptMember{name: name}
	}
	return s.members[name]
}

// speaker is the member of a line, as it says that it is.
func (s *script) speaker(l *cue) *scriptMember {
	m := &scriptMember{name: l.words[2], epoch: -1}
	if m.name != "-" {
		m = s.member(m.name)
	}
	out := *m
	if v, ok := l.options["id"]; ok {
		if o := s.members[v]; o != nil {
			v = o.id
		}
		out.id = strings.TrimPrefix(v, "-")
	}
	if v, ok := l.options["instance"]; ok {
		out.instance = nil
		if v != "-" {
			out.instance = wire.Ptr(strings.Trim(v, `"`))
		}
		m.instance = out.instance
	}
	for _, k := range []string{"generation", "epoch"} {
		v, ok := l.options[k]
		if more, is := strings.CutPrefix(v, "+"); is {
			out.epoch += int32(number(s.t, more))
		} else if ok {
			out.epoch = int32(number(s.t, v))
		}
	}
	return &out
}

// idName names an id by the member that got it.
func (s *script) idName(id string) string {
	for _, name := range slices.Sorted(maps.Keys(s.members)) {
		if i := slices.Index(s.members[name].ids, id); i >= 0 {
			return fmt.Sprintf("%s.%d", name, i+1)
		}
	}
	if len(id) > 20 { // of one who has not been told yet
		return "another"
	}
	return fmt.Sprintf("%q", id)
}

// given is what a member was told: who it is.
func (s *script) given(name, id string, epoch int32) {
	m := s.member(name)
	if id != "" && !slices.Contains(m.ids, id) {
		m.ids = append(m.ids, id)
	}
	m.id, m.epoch = id, epoch
}

// say sends what a member says, and shows the answer; or it leaves that to a later line.
func say[R protocol.Response](s *script, l *cue, m *scriptMember, usual int16, req protocol.Request, show func(R, int16) string) string {
	version := min(usual, s.on.highest(req.APIKey()))
	if l.version >= 0 {
		version = l.version
	}
	if version < s.on.lowest(req.APIKey()) || version > s.on.highest(req.APIKey()) {
		return none
	}
	conn := m.name
	if conn == "-" {
		conn = ""
	}
	s.on.post(s.t, conn, req, version)
	take := func(limit time.Duration) string {
		r := s.on.take(s.t, conn, req, version, limit)
		if r == nil {
			return ""
		}
		return show(r.(R), version)
	}
	if l.words[len(l.words)-1] == "&" {
		s.member(m.name).waits = take
		s.on.wait(300 * time.Millisecond)
		return ""
	}
	shown := take(time.Minute)
	if shown == "" {
		s.t.Fatalf("%T v%d is not answered", req, version)
	}
	return shown
}

func option(l *cue, name, usual string) string {
	if v, ok := l.options[name]; ok {
		return v
	}
	return usual
}

func (s *script) joinGroup(l *cue) string {
	m := s.speaker(l)
	req := &msg.JoinGroupRequest{GroupID: s.name(l.words[1]), SessionTimeoutMs: int32(number(s.t, option(l, "session", "30000"))), RebalanceTimeoutMs: int32(number(s.t, option(l, "rebalance", "30000"))),
		MemberID: m.id, GroupInstanceID: m.instance, ProtocolType: strings.Trim(option(l, "type", "consumer"), `"`)}
	for _, p := range listed(option(l, "protocols", "range:"+m.name)) {
		name, metadata, _ := strings.Cut(p, ":")
		req.Protocols = append(req.Protocols, msg.JoinGroupRequestJoinGroupRequestProtocol{Name: name, Metadata: s.metadata(metadata)})
	}
	return say(s, l, m, 9, req, func(r *msg.JoinGroupResponse, _ int16) string {
		if r.ErrorCode != 0 && protocol.Code(r.ErrorCode) != protocol.MemberIDRequired {
			return fmt.Sprintf("%s generation %d member %s leader %s type %s protocol %s", code(r.ErrorCode), r.GenerationID, s.idName(r.MemberID), s.idName(r.Leader), null(r.ProtocolType), null(r.ProtocolName))
		}
		s.given(m.name, r.MemberID, r.GenerationID)
		out := fmt.Sprintf("%s generation %d member %s leader %s type %s protocol %s", code(r.ErrorCode), r.GenerationID, s.idName(r.MemberID), s.idName(r.Leader), null(r.ProtocolType), null(r.ProtocolName))
		if r.SkipAssignment {
			out += " skips"
		}
		var of []string
		for _, o := range r.Members {
			of = append(of, fmt.Sprintf("; %s %s %s", s.idName(o.MemberID), null(o.GroupInstanceID), s.read(o.Metadata)))
		}
		slices.Sort(of) // in any order
		return out + strings.Join(of, "")
	})
}

// metadata makes a subscription of "T+T" with owned partitions "@T/N+T/N", if it has a plus or an at sign; else it is what it is.
func (s *script) metadata(text string) []byte {
	if !strings.ContainsAny(text, "+@") {
		return []byte(text)
	}
	topics, has, _ := strings.Cut(text, "@")
	sub := &msg.ConsumerProtocolSubscription{}
	sub.SetDefaults()
	for _, t := range strings.FieldsFunc(topics, func(r rune) bool { return r == '+' }) {
		sub.Topics = append(sub.Topics, s.name(t))
	}
	for _, p := range strings.FieldsFunc(has, func(r rune) bool { return r == '+' }) {
		topic, n := s.at(p)
		if i := len(sub.OwnedPartitions) - 1; i >= 0 && sub.OwnedPartitions[i].Topic == topic {
			sub.OwnedPartitions[i].Partitions = append(sub.OwnedPartitions[i].Partitions, n)
			continue
		}
		sub.OwnedPartitions = append(sub.OwnedPartitions, msg.ConsumerProtocolSubscriptionTopicPartition{Topic: topic, Partitions: []int32{n}})
	}
	b, err := protocol.AppendVersioned(nil, sub, 1)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// assignment makes an assignment of "@T/N+T/N"; else it is what it is.
func (s *script) assignment(text string) []byte {
	parts, is := strings.CutPrefix(text, "@")
	if !is {
		return []byte(text)
	}
	a := &msg.ConsumerProtocolAssignment{}
	for _, p := range strings.Split(parts, "+") {
		topic, n := s.at(p)
		if i := len(a.AssignedPartitions) - 1; i >= 0 && a.AssignedPartitions[i].Topic == topic {
			a.AssignedPartitions[i].Partitions = append(a.AssignedPartitions[i].Partitions, n)
			continue
		}
		a.AssignedPartitions = append(a.AssignedPartitions, msg.ConsumerProtocolAssignmentTopicPartition{Topic: topic, Partitions: []int32{n}})
	}
	b, err := protocol.AppendVersioned(nil, a, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func (s *script) read(b []byte) string {
	if len(b) > 1 && b[0] == 0 && b[1] == 1 {
		sub := &msg.ConsumerProtocolSubscription{}
		if _, err := protocol.ReadVersioned(sub, b); err == nil {
			for i := range sub.Topics {
				sub.Topics[i] = s.shown(sub.Topics[i])
			}
			return fmt.Sprintf("reads %v", sub.Topics)
		}
	}
	if len(b) > 1 && b[0] == 0 {
		a := &msg.ConsumerProtocolAssignment{}
		if _, err := protocol.ReadVersioned(a, b); err == nil {
			var out []string
			for _, t := range a.AssignedPartitions {
				slices.Sort(t.Partitions)
				out = append(out, fmt.Sprintf("%s%v", s.shown(t.Topic), t.Partitions))
			}
			slices.Sort(out)
			return "assigned " + strings.Join(out, " ")
		}
	}
	return fmt.Sprintf("%q", strings.ReplaceAll(string(b), s.prefix, ""))
}

func listed(text string) []string {
	if text == "none" {
		return nil
	}
	return strings.Split(text, ",")
}

func null(s *string) string {
	if s == nil {
		return "null"
	}
	return fmt.Sprintf("%q", *s)
}

func (s *script) syncGroup(l *cue) string {
	m := s.speaker(l)
	req := &msg.SyncGroupRequest{GroupID: s.name(l.words[1]), GenerationID: m.epoch, MemberID: m.id, GroupInstanceID: m.instance, ProtocolType: wire.Ptr(option(l, "type", "consumer")), ProtocolName: wire.Ptr(option(l, "protocol", "range"))}
	if len(l.words) > 3 && l.words[3] != "&" {
		for _, a := range listed(l.words[3]) {
			to, assignment, _ := strings.Cut(a, ":")
			req.Assignments = append(req.Assignments, msg.SyncGroupRequestSyncGroupRequestAssignment{MemberID: s.member(to).id, Assignment: s.assignment(assignment)})
		}
	}
	return say(s, l, m, 5, req, func(r *msg.SyncGroupResponse, _ int16) string {
		return fmt.Sprintf("%s type %s protocol %s %s", code(r.ErrorCode), null(r.ProtocolType), null(r.ProtocolName), s.read(r.Assignment))
	})
}

func (s *script) leaveGroup(l *cue) string {
	req := &msg.LeaveGroupRequest{GroupID: s.name(l.words[1])}
	for _, w := range l.words[2:] {
		name, instance, _ := strings.Cut(w, ":")
		in := msg.LeaveGroupRequestMemberIdentity{MemberID: name}
		if m := s.members[name]; m != nil {
			in.MemberID = m.id
		}
		if instance != "" {
			in.GroupInstanceID = &instance
		}
		req.Members = append(req.Members, in)
	}
	if l.version >= 0 && l.version < 3 {
		req.MemberID, req.Members = req.Members[0].MemberID, nil
	}
	return say(s, l, &scriptMember{name: "-"}, 5, req, func(r *msg.LeaveGroupResponse, _ int16) string {
		out := code(r.ErrorCode)
		for _, m := range r.Members {
			out += fmt.Sprintf("; %s %s %s", s.idName(m.MemberID), null(m.GroupInstanceID), code(m.ErrorCode))
		}
		return out
	})
}

func (s *script) consume(l *cue) string {
	m := s.speaker(l)
	if m.id == "" && l.options["id"] == "" && l.version != 0 {
		m.id = m.name
	}
	req := &msg.ConsumerGroupHeartbeatRequest{}
	req.SetDefaults()
	req.GroupID, req.MemberID, req.MemberEpoch, req.InstanceID = s.name(l.words[1]), m.id, m.epoch, m.instance
	req.RebalanceTimeoutMs = int32(number(s.t, option(l, "rebalance", "-1")))
	if v, ok := l.options["topics"]; ok {
		req.SubscribedTopicNames = []string{}
		for _, t := range listed(v) {
			req.SubscribedTopicNames = append(req.SubscribedTopicNames, s.name(t))
		}
	}
	if v, ok := l.options["regex"]; ok {
		if req.SubscribedTopicRegex = wire.Ptr(""); v != "none" {
			req.SubscribedTopicRegex = wire.Ptr(s.prefix + v)
		}
	}
	if v, ok := l.options["owned"]; ok {
		req.TopicPartitions = []msg.ConsumerGroupHeartbeatRequestTopicPartitions{}
		for _, p := range listed(v) {
			p, gone := strings.CutPrefix(p, "~")
			topic, n := s.at(p)
			id := s.gone[topic]
			if !gone {
				id = s.topicID(topic)
			}
			if i := len(req.TopicPartitions) - 1; i >= 0 && req.TopicPartitions[i].TopicID == id {
				req.TopicPartitions[i].Partitions = append(req.TopicPartitions[i].Partitions, n)
				continue
			}
			req.TopicPartitions = append(req.TopicPartitions, msg.ConsumerGroupHeartbeatRequestTopicPartitions{TopicID: id, Partitions: []int32{n}})
		}
	}
	if v, ok := l.options["assignor"]; ok {
		req.ServerAssignor = &v
	}
	if v, ok := l.options["rack"]; ok {
		req.RackID = wire.Ptr(strings.Trim(v, `"`))
	}
	return say(s, l, m, 1, req, func(r *msg.ConsumerGroupHeartbeatResponse, _ int16) string {
		if r.ErrorCode != 0 {
			return fmt.Sprintf("%s member %s epoch %d", code(r.ErrorCode), null(r.MemberID), r.MemberEpoch) + s.named(l, r.ErrorMessage)
		}
		id := ""
		if r.MemberID != nil {
			id = *r.MemberID
		}
		s.given(m.name, id, r.MemberEpoch)
		out := fmt.Sprintf("ok member %s epoch %d next %d", s.idName(id), r.MemberEpoch, r.HeartbeatIntervalMs)
		if r.Assignment != nil {
			var has []string
			for _, t := range r.Assignment.TopicPartitions {
				slices.Sort(t.Partitions)
				has = append(has, fmt.Sprintf(" %s%v", s.topicName(t.TopicID), t.Partitions))
			}
			slices.Sort(has)
			out += " assigned" + strings.Join(has, "")
		}
		return out
	})
}

func (s *script) topics() *msg.MetadataResponse {
	return s.ask(&msg.MetadataRequest{}, 12).(*msg.MetadataResponse)
}

// topicID is the id of a topic; one that is not there has an id all the same.
func (s *script) topicID(name string) wire.UUID {
	for _, t := range s.topics().Topics {
		if t.Name != nil && *t.Name == name {
			return t.TopicID
		}
	}
	return wire.UUID{15: 7}
}

func (s *script) topicName(id wire.UUID) string {
	for _, t := range s.topics().Topics {
		if t.TopicID == id {
			s.seen[*t.Name] = id
			return s.shown(*t.Name)
		}
	}
	for name, gone := range s.gone {
		if id == gone {
			return "~" + s.shown(name)
		}
	}
	return "unknown"
}

// ofPartitions shows something of each partition, in order.
func ofPartitions[P any](s *script, parts []P, name func(P) (string, int32), show func(P) string) string {
	slices.SortFunc(parts, func(a, b P) int {
		ta, na := name(a)
		tb, nb := name(b)
		return cmp.Or(strings.Compare(ta, tb), int(na-nb))
	})
	var out []string
	for _, p := range parts {
		t, n := name(p)
		out = append(out, fmt.Sprintf("%s/%d %s", s.shown(t), n, show(p)))
	}
	return strings.Join(out, ", ")
}
