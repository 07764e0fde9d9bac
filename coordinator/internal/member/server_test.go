package member

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// What is here are sequences of events that a coordinator of Kafka brings about, and that went wrong once.

// A partition is given up while its offset is being asked for, and comes back: what was committed in between by others is where it begins.
func TestAnOffsetThatWasAskedForBeforeOthersHadThePartitionDoesNotCount(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Assignors = []assign.Assignor{assign.CooperativeSticky{}} })
	b.member(1, 0, 1)
	old := b.c.fetches.begun
	b.step(&Enforce{Reason: "for the test"})
	b.given(b.c.call, 2, 0)    // the other is given up,
	b.given(b.c.call, 3, 0, 1) // and comes back
	out := b.answer(old, offsetsAnswer(0, 0, 0))
	if len(out.Begins) != 1 || out.Begins[0].TopicPartition != parts(0)[0] {
		t.Fatalf("%+v", out.Begins)
	}
	out = b.answer(b.call(out, FetchCall), offsetsAnswer(0, 0, 0))
	if len(out.Begins) != 1 || out.Begins[0].TopicPartition != parts(1)[0] || len(b.c.fetches.begins) != 0 {
		t.Errorf("%+v", out.Begins)
	}
}

// Offsets of version 1 have no error of the whole answer: each partition says that the broker is not the coordinator.
func TestAnOldCoordinatorThatIsNoneAnyMoreIsLookedForAnew(t *testing.T) {
	b := newBench(t, nil)
	out := b.step(&Fetch{Parts: parts(0), Deadline: b.now.Add(time.Minute), Owner: 1})
	resp := &msg.OffsetFetchResponse{Topics: []msg.OffsetFetchResponseOffsetFetchResponseTopic{{Name: "work",
		Partitions: []msg.OffsetFetchResponseOffsetFetchResponsePartition{{CommittedOffset: -1, ErrorCode: int16(protocol.NotCoordinator)}}}}}
	out = b.step(&Answer{Call: b.call(out, FetchCall), Version: 1, Resp: resp})
	if !out.Forget || len(out.Results) > 0 {
		t.Errorf("%+v", out)
	}
}

// The application is giving up all of a topic, whose metadata was forgotten, and a heartbeat is lost: the next says that it is owned still, under its id. Else the coordinator would give it to others.
func TestWhatIsBeingGivenUpIsToldUnderItsId(t *testing.T) {
	b := reconciled(t, nil, 0, 1)
	b.step(&Changed{Snapshot: cluster.New(cluster.Snapshot{Version: 2})})
	other := target(1, 0)
	other.Assignment.TopicPartitions[0].TopicID = wire.UUID{9}
	b.answer(b.call(b.later(time.Second), ConsumerCall), other)
	b.is(Taking)
	b.step(&Answer{Call: b.call(b.later(time.Second), ConsumerCall), Err: errors.New("lost")})
	req := b.call(b.later(time.Second), ConsumerCall).Req.(*msg.ConsumerGroupHeartbeatRequest)
	if len(req.TopicPartitions) != 1 || req.TopicPartitions[0].TopicID != work {
		t.Errorf("%+v", req.TopicPartitions)
	}
}

// A pattern that is left out of a heartbeat is as before.
func TestAPatternIsTakenBack(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Protocol = Consumer })
	out := b.step(&Subscribe{Regex: "w.*"})
	b.takes(b.answer(b.call(out, ConsumerCall), target(1, 0)))
	b.answer(b.c.call, &msg.ConsumerGroupHeartbeatResponse{MemberEpoch: 1, HeartbeatIntervalMs: 1000})
	for range 2 { // the first is lost
		b.step(&Subscribe{Topics: []string{"work"}})
		req := b.c.call.Req.(*msg.ConsumerGroupHeartbeatRequest)
		if req.SubscribedTopicRegex == nil || *req.SubscribedTopicRegex != "" || !slices.Equal(req.SubscribedTopicNames, []string{"work"}) {
			t.Fatalf("%+v", req)
		}
		b.step(&Answer{Call: b.c.call, Err: errors.New("lost")})
		b.later(2 * time.Second)
	}
}

// leader is a leader of a classic group that has divided two topics.
func leader(t *testing.T) *bench {
	b := newBench(t, func(c *Config) {
		c.Assignors, c.Session = []assign.Assignor{assign.CooperativeSticky{}}, time.Hour
	})
	b.step(topics(1, 4, 2))
	b.step(&Subscribe{Topics: []string{"more", "work"}})
	b.leads(1)
	return b
}

func topics(version int64, work, more int) *Changed {
	return &Changed{Snapshot: cluster.New(cluster.Snapshot{Version: version}, &cluster.Topic{Name: "work", ID: wire.UUID{7}, Partitions: make([]cluster.Partition, work)},
		&cluster.Topic{Name: "more", ID: wire.UUID{8}, Partitions: make([]cluster.Partition, more)})}
}

// leads answers a join: the member leads, and is alone.
func (b *bench) leads(generation int32) {
	b.t.Helper()
	b.led(generation)
	assignment := b.c.call.Req.(*msg.SyncGroupRequest).Assignments[0].Assignment
	b.takes(b.answer(b.c.call, &msg.SyncGroupResponse{Assignment: assignment}))
	b.is(Stable)
}

func (b *bench) led(generation int32) Effects {
	b.t.Helper()
	metadata, err := assign.AppendSubscription(nil, &assign.Member{Topics: []string{"more", "work"}})
	if err != nil {
		b.t.Fatal(err)
	}
	return b.answer(b.c.call, &msg.JoinGroupResponse{GenerationID: generation, ProtocolName: &b.c.kinds[0].name, Leader: "me", MemberID: "me",
		Members: []msg.JoinGroupResponseJoinGroupResponseMember{{MemberID: "me", Metadata: metadata}}})
}

// A topic has got more partitions. While the leader joins for their sake, other pictures of the cluster come.
func TestNewPartitionsAreDividedOnce(t *testing.T) {
	b := leader(t)
	b.call(b.step(topics(2, 5, 2)), JoinCall)
	b.step(topics(3, 5, 2))
	b.step(&Changed{Snapshot: b.c.snap.With(nil, nil)})
	b.leads(2)
	if b.c.call != nil || b.c.rejoin || len(b.c.owned) != 7 {
		t.Errorf("it owns %v, and joins again: %v, because %s", b.c.owned, b.c.rejoin, b.c.reason)
	}
	b.call(b.step(topics(4, 5, 3)), JoinCall)
}

// slow is an assignor of the application's.
type slow struct{ assign.CooperativeSticky }

// An assignor is dividing what there is when more comes.
func TestPartitionsThatComeWhileTheAssignorIsAtItAreDividedNext(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Assignors, c.Session = []assign.Assignor{slow{}}, time.Hour })
	b.step(topics(1, 4, 2))
	out := b.step(&Subscribe{Topics: []string{"more", "work"}})
	b.step(out.Asks[0].Run())
	out = b.led(1)
	told := out.Asks[0].Run()
	b.step(topics(2, 5, 2))
	sync := b.call(b.step(told), SyncCall)
	out = b.answer(sync, &msg.SyncGroupResponse{Assignment: sync.Req.(*msg.SyncGroupRequest).Assignments[0].Assignment})
	b.takes(out)
	if b.is(Joining); b.c.reason != "topics have changed" {
		t.Errorf("it joins again because %q", b.c.reason)
	}
}

// With __consumer_offsets below min.insync.replicas members join, and none can be given anything: each sync ends with COORDINATOR_NOT_AVAILABLE.
func TestWhoCannotBecomeAMemberSaysSoAndTriesLessAndLess(t *testing.T) {
	name := "range"
	for _, k := range []struct {
		what   string
		change func(*Config)
		answer func(*Call) *Answer
	}{
		{"sync", func(*Config) {}, func(c *Call) *Answer {
			if c.Kind == JoinCall {
				return &Answer{Resp: &msg.JoinGroupResponse{GenerationID: 1, ProtocolName: &name, Leader: "other", MemberID: "me"}}
			}
			return &Answer{Resp: &msg.SyncGroupResponse{ErrorCode: int16(protocol.CoordinatorNotAvailable)}}
		}},
		{"join", func(*Config) {}, func(*Call) *Answer { return &Answer{Err: errors.New("no coordinator")} }},
		{"join, which the coordinator did not expect", func(*Config) {}, func(*Call) *Answer {
			return &Answer{Resp: &msg.JoinGroupResponse{ErrorCode: int16(protocol.UnknownServerError)}}
		}},
		{"a classic group with the id", func(c *Config) { c.Protocol = Consumer }, func(*Call) *Answer {
			return &Answer{Resp: &msg.ConsumerGroupHeartbeatResponse{ErrorCode: int16(protocol.GroupIDNotFound)}}
		}},
	} {
		b := newBench(t, k.change)
		calls, begin := b.step(&Subscribe{Topics: []string{"work"}}).Calls, b.now
		asked := 0
		var told []time.Duration
		for b.now.Sub(begin) < 25*time.Second {
			if len(calls) == 0 {
				calls = b.later(max(time.Millisecond, b.c.Next().Sub(b.now))).Calls
				continue
			}
			a := k.answer(calls[0])
			a.Call, a.Version = calls[0], 9
			out := b.step(a)
			for range out.Errors {
				told = append(told, b.now.Sub(begin).Truncate(time.Second))
			}
			calls = append(calls[1:], out.Calls...)
			if asked++; asked > 200 || b.c.state == Failed {
				t.Fatalf("%s: asked %d times in %s, the state is %s", k.what, asked, b.now.Sub(begin), b.c.state)
			}
		}
		if asked > 80 || len(told) != 2 || told[0] < 10*time.Second || told[0] > 11*time.Second {
			t.Errorf("%s: asked %d times, told after %v", k.what, asked, told)
		}
	}
}

// The coordinator has kept a member waiting for longer than its session, and is shut down. The next one gives every member of the group a new session.
func TestWhoWaitedForACoordinatorThatIsNoneAnyMoreIsAlive(t *testing.T) {
	name := "cooperative-sticky"
	for what, a := range map[string]*Answer{
		"it says so":                        {Resp: &msg.JoinGroupResponse{ErrorCode: int16(protocol.NotCoordinator)}},
		"another is known":                  {Err: errors.New("moved"), Moved: true},
		"its connection is cut":             {Err: errors.New("cut"), Sent: true},
		"it says so in the sync":            {Resp: &msg.SyncGroupResponse{ErrorCode: int16(protocol.NotCoordinator)}},
		"nobody has had it: it may be lost": {Err: errors.New("no coordinator")},
	} {
		b := newBench(t, func(c *Config) { c.Assignors = []assign.Assignor{assign.CooperativeSticky{}} })
		b.member(1, 0)
		b.step(&Enforce{Reason: "for the test"})
		if _, sync := a.Resp.(*msg.SyncGroupResponse); sync {
			b.answer(b.c.call, &msg.JoinGroupResponse{GenerationID: 2, ProtocolName: &name, Leader: "other", MemberID: "me"})
		}
		a.Call, a.Version = b.c.call, 9
		b.later(30 * time.Second)
		out := b.step(a)
		if lost := out.Rebalance != nil; lost != (a.Err != nil && !a.Moved && !a.Sent) {
			t.Errorf("%s: %s, lost: %v", what, b.c.state, lost)
			continue
		}
		if out.Rebalance == nil { // from then on its session counts
			for range 12 {
				for b.c.call != nil {
					b.step(&Answer{Call: b.c.call, Err: errors.New("no coordinator")})
				}
				b.later(time.Second)
			}
			b.is(Losing)
		}
	}
}

// The coordinator moves just when a member leaves: the next one must hear of it, or the group waits for the member.
func TestAGoodbyeThatTheCoordinatorDidNotHearIsRepeated(t *testing.T) {
	for what, a := range map[string]*Answer{"it is none": {}, "another is known": {Err: errors.New("moved"), Moved: true}, "its connection is cut": {Err: errors.New("cut"), Sent: true}} {
		for _, proto := range []Protocol{Classic, Consumer} {
			var b *bench
			kind, resp := LeaveCall, protocol.Response(&msg.LeaveGroupResponse{ErrorCode: int16(protocol.NotCoordinator)})
			if proto == Consumer {
				b = reconciled(t, nil, 0)
				kind, resp = ConsumerCall, &msg.ConsumerGroupHeartbeatResponse{ErrorCode: int16(protocol.NotCoordinator)}
			} else {
				b = newBench(t, nil)
				b.member(1, 0)
			}
			answer := *a
			if answer.Call = b.call(b.step(&Leave{Deadline: b.now.Add(5 * time.Second), Owner: "who"}), kind); a.Err == nil {
				answer.Resp = resp
			}
			if out := b.step(&answer); len(out.Left) > 0 {
				t.Errorf("%s, %d: it is not said again", what, proto)
				continue
			} else if !a.Moved && !out.Forget {
				t.Errorf("%s, %d: the coordinator is not looked for", what, proto)
			}
			if b.c.call == nil {
				b.later(b.c.Next().Sub(b.now))
			}
			again := b.c.call
			answer.Call = again
			b.step(&answer) // and again, until the time is over
			for len(b.out.Left) == 0 {
				if b.later(max(time.Millisecond, b.c.Next().Sub(b.now))); b.c.call != nil {
					left := b.out.Left
					answer.Call = b.c.call
					b.step(&answer)
					b.out.Left = append(left, b.out.Left...)
				}
			}
			b.is(Unjoined)
		}
	}
}

func TestAGoodbyeThatNobodyCanHearIsNotRepeated(t *testing.T) {
	b := newBench(t, nil)
	b.member(1, 0)
	bye := b.call(b.step(&Leave{Deadline: b.now.Add(5 * time.Second), Owner: "who"}), LeaveCall)
	if out := b.step(&Answer{Call: bye, Err: errors.New("no coordinator")}); len(out.Left) != 1 {
		t.Errorf("%+v", out)
	}
}

// Another process has the member's group.instance.id: whatever the member asks first tells.
func TestAStaticMemberWhosePlaceIsTakenIsFenced(t *testing.T) {
	code := int16(protocol.FencedInstanceID)
	name := "range"
	for _, k := range []Kind{JoinCall, SyncCall, HeartbeatCall} {
		b := newBench(t, func(c *Config) { c.Instance = "i" })
		out := b.step(&Subscribe{Topics: []string{"work"}})
		switch k {
		case JoinCall:
			out = b.answer(b.call(out, JoinCall), &msg.JoinGroupResponse{ErrorCode: code})
		case SyncCall:
			out = b.answer(b.call(out, JoinCall), &msg.JoinGroupResponse{GenerationID: 1, ProtocolName: &name, Leader: "other", MemberID: "me"})
			out = b.answer(b.call(out, SyncCall), &msg.SyncGroupResponse{ErrorCode: code})
		default:
			b.assigned(b.call(out, JoinCall), 1, 0)
			out = b.answer(b.call(b.later(3*time.Second), HeartbeatCall), &msg.HeartbeatResponse{ErrorCode: code})
		}
		if b.is(Failed); len(out.Errors) != 1 || !errors.Is(out.Errors[0], ErrFenced) || !errors.Is(out.Errors[0], protocol.FencedInstanceID) {
			t.Errorf("call %d: %v", k, out.Errors)
		}
	}
}

// TestWhatIsNotSubscribedToIsNotTaken: a static member that comes back is given what it had before (seen on Kafka 4.3.0). If the group does not begin anew when it joins again, it takes the rest.
func TestWhatIsNotSubscribedToIsNotTaken(t *testing.T) {
	name := "range"
	given := func(b *bench, join *Call, generation int32, target ...Partition) Effects {
		out := b.answer(join, &msg.JoinGroupResponse{GenerationID: generation, ProtocolName: &name, Leader: "other", MemberID: "me"})
		a, err := assign.AppendAssignment(nil, target)
		if err != nil {
			t.Fatal(err)
		}
		return b.answer(b.call(out, SyncCall), &msg.SyncGroupResponse{Assignment: a})
	}
	work, other := Partition{Topic: "work"}, Partition{Topic: "other"}
	for _, anew := range []bool{true, false} {
		b := newBench(t, func(c *Config) { c.Instance = "i" })
		out := given(b, b.call(b.step(&Subscribe{Topics: []string{"work"}}), JoinCall), 7, other, work)
		if out.Rebalance != nil {
			t.Fatalf("it takes %v", out.Rebalance.Assign)
		}
		again := b.call(out, JoinCall)
		if anew {
			out = given(b, again, 8, work)
		} else {
			out = given(b, again, 7, other, work)
		}
		if r := b.takes(out); !slices.Equal(r.Assign, []Partition{work}) || len(r.Revoke) != 0 {
			t.Errorf("it takes %v and gives up %v", r.Assign, r.Revoke)
		}
		b.is(Stable)
	}
}

// KIP-800: the coordinator writes down why a member joins.
func TestTheReasonOfAJoinIsOfThisJoin(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Assignors = []assign.Assignor{assign.CooperativeSticky{}} })
	b.member(1, 0)
	b.step(&Enforce{Reason: "for the test"})
	if r := b.c.call.Req.(*msg.JoinGroupRequest).Reason; r == nil || *r != "for the test" {
		t.Fatalf("it joins because %v", r)
	}
	b.step(&Answer{Call: b.c.call, Err: errors.New("lost")})
	if r := b.call(b.later(time.Second), JoinCall).Req.(*msg.JoinGroupRequest).Reason; r == nil || *r != "for the test" {
		t.Fatalf("when it is repeated it joins because %v", r)
	}
	b.assigned(b.c.call, 2, 0)
	out := b.answer(b.call(b.later(3*time.Second), HeartbeatCall), &msg.HeartbeatResponse{ErrorCode: int16(protocol.UnknownMemberID)})
	b.takes(out)
	if r := b.call(b.out, JoinCall).Req.(*msg.JoinGroupRequest).Reason; r != nil {
		t.Errorf("who was fenced joins because %q", *r)
	}
}
