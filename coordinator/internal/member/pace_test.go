package member

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// hostile is a coordinator that lets nobody get on. It answers at once; nil: nothing is wrong with the call.
type hostile struct {
	what   string
	change func(*Config)
	answer func(n int, c *Call) *Answer // of the nth call of that kind
}

func coded(code protocol.Code) func(int, *Call) *Answer {
	return func(_ int, c *Call) *Answer {
		switch c.Kind {
		case JoinCall:
			return &Answer{Resp: &msg.JoinGroupResponse{ErrorCode: int16(code), MemberID: "x"}}
		case ConsumerCall:
			return &Answer{Resp: &msg.ConsumerGroupHeartbeatResponse{ErrorCode: int16(code)}}
		}
		return nil
	}
}

func synced(code protocol.Code) func(int, *Call) *Answer {
	return func(_ int, c *Call) *Answer {
		if c.Kind == SyncCall {
			return &Answer{Resp: &msg.SyncGroupResponse{ErrorCode: int16(code)}}
		}
		return nil
	}
}

func beats(f func(n int, r *msg.ConsumerGroupHeartbeatResponse)) func(int, *Call) *Answer {
	return func(n int, c *Call) *Answer {
		if c.Kind != ConsumerCall {
			return nil
		}
		r := target(int32(n+1), 0, 1)
		f(n, r)
		return &Answer{Resp: r}
	}
}

func moved(k Kind) func(int, *Call) *Answer {
	return func(_ int, c *Call) *Answer {
		if c.Kind == k {
			return &Answer{Err: errors.New("moved"), Moved: true}
		}
		return nil
	}
}

// refused is a commit, all of it.
func refused(code protocol.Code) func(int, *Call) *Answer {
	return func(_ int, c *Call) *Answer {
		if c.Kind != CommitCall {
			return nil
		}
		return &Answer{Resp: committedAnswer(code, 0)}
	}
}

func sound(b *bench, n int, c *Call) *Answer {
	name := "range"
	switch c.Kind {
	case JoinCall:
		return &Answer{Resp: &msg.JoinGroupResponse{GenerationID: int32(n + 1), ProtocolName: &name, Leader: "other", MemberID: "me"}}
	case SyncCall:
		a, err := assign.AppendAssignment(nil, parts(0, 1))
		if err != nil {
			b.t.Fatal(err)
		}
		return &Answer{Resp: &msg.SyncGroupResponse{Assignment: a}}
	case ConsumerCall:
		return &Answer{Resp: target(int32(n+1), 0, 1)}
	case CommitCall:
		return &Answer{Resp: committedAnswer(protocol.None, 0)}
	case FetchCall:
		return &Answer{Resp: offsetsAnswer(0, 0, 0)}
	}
	return &Answer{Resp: &msg.HeartbeatResponse{}}
}

// Whatever a coordinator answers, and however fast, a member that gets no further asks less and less often: at most 20 times in any second, and twice a second after a while. What it notes for the log is 5 lines in any second at most.
func TestWhoGetsNoFurtherDoesNotHurry(t *testing.T) {
	remote := func(c *Config) { c.Protocol = Consumer }
	for _, k := range []hostile{
		{"join: UNKNOWN_MEMBER_ID", nil, coded(protocol.UnknownMemberID)},
		{"join: MEMBER_ID_REQUIRED", nil, coded(protocol.MemberIDRequired)},
		{"join: UNKNOWN_MEMBER_ID and MEMBER_ID_REQUIRED", nil, func(n int, c *Call) *Answer {
			return coded([]protocol.Code{protocol.UnknownMemberID, protocol.MemberIDRequired}[n%2])(n, c)
		}},
		{"join: ILLEGAL_GENERATION", nil, coded(protocol.IllegalGeneration)},
		{"join: REBALANCE_IN_PROGRESS", nil, coded(protocol.RebalanceInProgress)},
		{"join: moved", nil, moved(JoinCall)},
		{"join: generation -1", nil, func(_ int, c *Call) *Answer {
			name := "range"
			return &Answer{Resp: &msg.JoinGroupResponse{GenerationID: -1, ProtocolName: &name, Leader: "other", MemberID: "me"}}
		}},
		{"sync: REBALANCE_IN_PROGRESS", nil, synced(protocol.RebalanceInProgress)},
		{"sync: ILLEGAL_GENERATION", nil, synced(protocol.IllegalGeneration)},
		{"sync: UNKNOWN_MEMBER_ID", nil, synced(protocol.UnknownMemberID)},
		{"sync: moved", nil, moved(SyncCall)},
		{"sync: what is not subscribed to", nil, func(_ int, c *Call) *Answer {
			if c.Kind != SyncCall {
				return nil
			}
			a, _ := assign.AppendAssignment(nil, []Partition{{Topic: "other"}, {Topic: "work", Partition: -1}})
			return &Answer{Resp: &msg.SyncGroupResponse{Assignment: a}}
		}},
		{"heartbeat: rebalances that do not end", func(c *Config) { c.Heartbeat = time.Millisecond }, func(_ int, c *Call) *Answer {
			if c.Kind != HeartbeatCall {
				return nil
			}
			return &Answer{Resp: &msg.HeartbeatResponse{ErrorCode: int16(protocol.RebalanceInProgress)}}
		}},
		{"heartbeat: UNKNOWN_MEMBER_ID", func(c *Config) { c.Heartbeat = time.Millisecond }, func(_ int, c *Call) *Answer {
			if c.Kind != HeartbeatCall {
				return nil
			}
			return &Answer{Resp: &msg.HeartbeatResponse{ErrorCode: int16(protocol.UnknownMemberID)}}
		}},
		{"heartbeat: moved", func(c *Config) { c.Heartbeat = time.Second }, moved(HeartbeatCall)},
		{"offsets: moved", nil, moved(FetchCall)},
		{"commits: moved", nil, moved(CommitCall)},
		{"commits: UNKNOWN_MEMBER_ID", nil, refused(protocol.UnknownMemberID)},
		{"commits: ILLEGAL_GENERATION", nil, refused(protocol.IllegalGeneration)},
		{"commits: FENCED_INSTANCE_ID", nil, refused(protocol.FencedInstanceID)},
		{"commits: REBALANCE_IN_PROGRESS", nil, refused(protocol.RebalanceInProgress)},
		{"commits: GROUP_AUTHORIZATION_FAILED", nil, refused(protocol.GroupAuthorizationFailed)},
		{"KIP-848: commits: UNKNOWN_MEMBER_ID", remote, refused(protocol.UnknownMemberID)},
		{"KIP-848: commits: STALE_MEMBER_EPOCH", remote, refused(protocol.StaleMemberEpoch)},
		{"KIP-848: commits: FENCED_MEMBER_EPOCH", remote, refused(protocol.FencedMemberEpoch)},
		{"KIP-848: UNKNOWN_MEMBER_ID", remote, coded(protocol.UnknownMemberID)},
		{"KIP-848: moved", remote, moved(ConsumerCall)},
		{"KIP-848: offsets: moved", remote, moved(FetchCall)},
		{"KIP-848: epoch -1", remote, beats(func(_ int, r *msg.ConsumerGroupHeartbeatResponse) { r.MemberEpoch = -1 })},
		{"KIP-848: epoch -5", remote, beats(func(_ int, r *msg.ConsumerGroupHeartbeatResponse) { r.MemberEpoch = -5 })},
		{"KIP-848: epoch 0", remote, beats(func(_ int, r *msg.ConsumerGroupHeartbeatResponse) { r.MemberEpoch = 0 })},
		{"KIP-848: epochs go back", remote, beats(func(n int, r *msg.ConsumerGroupHeartbeatResponse) {
			r.MemberEpoch, r.HeartbeatIntervalMs = int32(1000-n), 5
		})},
		{"KIP-848: every 0 ms", remote, beats(func(_ int, r *msg.ConsumerGroupHeartbeatResponse) { r.HeartbeatIntervalMs = 0 })},
		{"KIP-848: every ms", remote, beats(func(_ int, r *msg.ConsumerGroupHeartbeatResponse) { r.HeartbeatIntervalMs = 1 })},
		{"KIP-848: every -2147483648 ms", remote, beats(func(_ int, r *msg.ConsumerGroupHeartbeatResponse) { r.HeartbeatIntervalMs = math.MinInt32 })},
		{"KIP-848: fenced every second time", remote, beats(func(n int, r *msg.ConsumerGroupHeartbeatResponse) {
			if n%2 == 1 {
				r.ErrorCode = int16(protocol.FencedMemberEpoch)
			}
		})},
		{"KIP-848: fenced every third time", remote, beats(func(n int, r *msg.ConsumerGroupHeartbeatResponse) {
			if n%3 == 2 {
				r.ErrorCode = int16(protocol.UnknownMemberID)
			}
			r.HeartbeatIntervalMs = 1
		})},
		{"KIP-848: fenced, and released each time", func(c *Config) { c.Protocol, c.Instance = Consumer, "i" }, beats(func(n int, r *msg.ConsumerGroupHeartbeatResponse) {
			r.ErrorCode = int16([]protocol.Code{protocol.None, protocol.FencedMemberEpoch, protocol.UnreleasedInstanceID, protocol.None}[n%4]) // to a join, a heartbeat, a join and a goodbye
		})},
		{"KIP-848: the assignment comes and goes", remote, beats(func(n int, r *msg.ConsumerGroupHeartbeatResponse) {
			if r.HeartbeatIntervalMs = 1; n%2 == 1 {
				r.Assignment.TopicPartitions = nil
			}
		})},
		{"KIP-848: topics that nobody knows, others each time", remote, beats(func(n int, r *msg.ConsumerGroupHeartbeatResponse) {
			r.HeartbeatIntervalMs = 1
			r.Assignment.TopicPartitions[0].TopicID = wire.UUID{9, byte(n), byte(n >> 8)}
		})},
	} {
		t.Run(k.what, func(t *testing.T) { k.play(t) })
	}
}

// play has the member ask for half a minute. Its application does at once what it is told, and commits.
func (k *hostile) play(t *testing.T) {
	b := newBench(t, k.change)
	begin := b.now
	var asked, lists, noted []time.Time
	counts := map[Kind]int{}
	var out Effects
	var calls []*Call
	take := func(got Effects) {
		calls = append(calls, got.Calls...)
		for range got.Notes {
			noted = append(noted, b.now)
		}
		if got.List {
			lists = append(lists, b.now)
			calls = append(calls, nil)
		}
		if got.Rebalance != nil {
			out = got
		}
	}
	take(b.step(&Subscribe{Topics: []string{"work"}}))
	for b.now.Sub(begin) < 30*time.Second {
		switch {
		case out.Rebalance != nil:
			r := out.Rebalance
			out = Effects{}
			take(b.step(&Held{Seq: r.Seq}))
			take(b.step(&Done{Seq: r.Seq}))
			if len(b.c.owned) > 0 && !b.c.commits.open() {
				take(b.commit(1, 0))
			}
		case len(calls) > 0 && calls[0] == nil:
			calls = calls[1:]
			take(b.step(&Listed{Topics: []Listing{{Name: "work", ID: work}}}))
		case len(calls) > 0:
			c := calls[0]
			calls = calls[1:]
			asked = append(asked, b.now)
			a := k.answer(counts[c.Kind], c)
			if a == nil {
				a = sound(b, counts[c.Kind], c)
			}
			counts[c.Kind]++
			a.Call, a.Version = c, 9
			take(b.step(a))
		default:
			at := b.c.Next()
			if at.IsZero() {
				t.Fatalf("nothing is to come, the state is %s", b.c.state)
			}
			if at.After(b.now) {
				b.now = at
			}
			take(b.later(0))
		}
		if len(asked) > 2000 || b.c.state == Failed {
			break
		}
	}
	for what, list := range map[string][]time.Time{"asked": asked, "lists": lists} {
		few(t, what, list, 20)
	}
	few(t, "notes", noted, 5)
	if len(asked) > 12*30 {
		t.Errorf("asked %d times in %s: %v", len(asked), b.now.Sub(begin), counts)
	}
	if b.c.state == Failed {
		t.Errorf("it has failed: %v", b.c.err)
	}
}

// few sees to it that no more than so many are within a second.
func few(t *testing.T, what string, list []time.Time, most int) {
	t.Helper()
	for i := most; i < len(list); i++ {
		if d := list[i].Sub(list[i-most]); d < time.Second {
			t.Errorf("%s: %d within %s", what, most+1, d)
			return
		}
	}
}

// When long trouble is over a member is told that it is none, and gets an id. It joins one wait after the trouble at most: no step of these waits again.
func TestWhoWasInTroubleIsBackSoon(t *testing.T) {
	for _, code := range []protocol.Code{protocol.UnknownServerError, protocol.CoordinatorLoadInProgress, protocol.NotCoordinator, protocol.RebalanceInProgress, protocol.RequestTimedOut} {
		for _, remote := range []bool{false, true} {
			if remote && code == protocol.RebalanceInProgress {
				continue // no such answer
			}
			b := newBench(t, func(c *Config) {
				if remote {
					c.Protocol = Consumer
				}
			})
			kind := JoinCall
			if remote {
				kind = ConsumerCall
			}
			next := func(out Effects) *Call {
				if out.Rebalance != nil {
					calls := out.Calls
					b.takes(out)
					out = Effects{Calls: append(calls, b.out.Calls...)}
				}
				for i := 0; len(out.Calls) == 0; i++ {
					if i > 100 {
						t.Fatalf("%s, KIP-848: %v: nothing is asked any more", code, remote)
					}
					out = b.later(max(0, b.c.Next().Sub(b.now)))
				}
				return b.call(out, kind)
			}
			say := func(call *Call, code protocol.Code) Effects {
				a := coded(code)(0, call)
				a.Call, a.Version = call, 9
				return b.step(a)
			}
			call := next(b.step(&Subscribe{Topics: []string{"work"}}))
			if remote {
				call = next(b.answer(call, target(1, 0)))
			}
			for range 10 {
				call = next(say(call, code))
			}
			well := b.now
			if call = next(say(call, protocol.UnknownMemberID)); !remote {
				next(say(call, protocol.MemberIDRequired))
			}
			if took := b.now.Sub(well); took > 0 {
				t.Errorf("%s, KIP-848: %v: it is a member after %s", code, remote, took)
			}
		}
	}
}

// The honest ways have a few answers that change the membership, one right after the other. None of them waits.
func TestARebalanceIsNotSlowed(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Assignors = []assign.Assignor{assign.CooperativeSticky{}} })
	out := b.step(&Subscribe{Topics: []string{"work"}})
	out = b.answer(b.call(out, JoinCall), &msg.JoinGroupResponse{ErrorCode: int16(protocol.MemberIDRequired), MemberID: "me"})
	b.given(b.call(out, JoinCall), 1, 0, 1, 2)
	b.step(&Enforce{Reason: "for the test"})
	b.given(b.c.call, 2, 0, 1) // and joins again, because it has given something up
	b.assigned(b.c.call, 3, 0, 1)
	for range 3 {
		out := b.later(b.c.cfg.Heartbeat)
		b.answer(b.call(out, HeartbeatCall), &msg.HeartbeatResponse{})
	}
	if at := b.c.openAt(); !at.IsZero() {
		t.Errorf("it is held back until %s", at)
	}
	c := reconciled(t, nil, 0, 1)
	c.takes(c.answer(c.call(c.later(time.Second), ConsumerCall), target(2, 0)))
	c.takes(c.answer(c.call(c.out, ConsumerCall), target(3, 0, 2)))
	c.call(c.out, ConsumerCall)
}

// What no coordinator says that works is told at once, and not obeyed: the member stays what it was.
func TestAnEpochThatGoesBackIsNotObeyed(t *testing.T) {
	for _, epoch := range []int32{-1, -2, -5, math.MinInt32, 4} {
		b := reconciled(t, nil, 0, 1)
		b.answer(b.call(b.later(time.Second), ConsumerCall), &msg.ConsumerGroupHeartbeatResponse{MemberEpoch: 5, HeartbeatIntervalMs: 1000})
		out := b.answer(b.call(b.later(time.Second), ConsumerCall), &msg.ConsumerGroupHeartbeatResponse{MemberEpoch: epoch, HeartbeatIntervalMs: 1000})
		if len(out.Errors) != 1 || !errors.Is(out.Errors[0], ErrBroker) || b.c.generation != 5 || b.c.state != Stable || len(b.c.owned) != 2 {
			t.Errorf("epoch %d: %v, %s in epoch %d with %v", epoch, out.Errors, b.c.state, b.c.generation, b.c.owned)
		}
		req := b.call(b.later(time.Second), ConsumerCall).Req.(*msg.ConsumerGroupHeartbeatRequest)
		if req.MemberEpoch != 5 || req.TopicPartitions == nil || req.SubscribedTopicNames == nil {
			t.Errorf("epoch %d: it says then %+v", epoch, req)
		}
	}
}

// A coordinator that wants heartbeats never, or all the time, gets them within reason, and that is noted once.
func TestTheIntervalOfHeartbeatsIsWithinReason(t *testing.T) {
	for wish, want := range map[int32]time.Duration{math.MinInt32: leastInterval, 0: leastInterval, 1: leastInterval, 100: leastInterval, 5000: 5 * time.Second, 15000: mostInterval, 15001: mostInterval, math.MaxInt32: mostInterval} {
		b := newBench(t, func(c *Config) { c.Protocol = Consumer })
		call, notes := b.call(b.step(&Subscribe{Topics: []string{"work"}}), ConsumerCall), 0
		for range 3 {
			out := b.answer(call, &msg.ConsumerGroupHeartbeatResponse{MemberEpoch: 1, HeartbeatIntervalMs: wish})
			if d := b.c.beatAt.Sub(b.now); d != want {
				t.Errorf("%d ms: the next is due after %s", wish, d)
			}
			notes += len(out.Notes)
			call = b.call(b.later(want+time.Second), ConsumerCall)
		}
		if odd := time.Duration(wish)*time.Millisecond != want; notes != 1 && odd || notes != 0 && !odd {
			t.Errorf("%d ms: noted %d times", wish, notes)
		}
	}
}

// What the leader has found before this member's pattern has met it is read, if the pattern matches.
func TestAPatternIsAskedForWhatTheLeaderHasFound(t *testing.T) {
	b := newBench(t, nil)
	out := b.step(&Subscribe{Pattern: func(topic string) bool { return topic == "work" || topic == "more" }})
	out = b.step(&Listed{Topics: []Listing{{Name: "other"}, {Name: "work"}}})
	call := b.call(b.step(out.Asks[0].Run()), JoinCall)
	a, err := assign.AppendAssignment(nil, append([]Partition{{Topic: "more", Partition: 1}, {Topic: "other"}}, parts(0)...))
	if err != nil {
		t.Fatal(err)
	}
	name := "range"
	for generation := range int32(2) { // it joins again once
		out = b.answer(call, &msg.JoinGroupResponse{GenerationID: generation + 1, ProtocolName: &name, Leader: "other", MemberID: "me"})
		out = b.step(b.answer(b.call(out, SyncCall), &msg.SyncGroupResponse{Assignment: a}).Asks[0].Run())
		if generation == 0 {
			call = b.call(out, JoinCall)
		}
	}
	if r := b.takes(out); len(r.Assign) != 2 || r.Assign[0].Topic != "more" || r.Assign[1] != parts(0)[0] || len(out.Notes) != 1 {
		t.Errorf("it is given %v, noted %q", r.Assign, out.Notes)
	}
	b.is(Stable)
}

// Topics that are not subscribed to, and partitions that cannot be, are not read. The group may begin anew once; then it is told.
func TestWhatIsNotSubscribedToIsNotRead(t *testing.T) {
	b := newBench(t, nil)
	odd := append([]Partition{{Topic: "other"}, {Topic: "work", Partition: -1}}, parts(0)...)
	a, err := assign.AppendAssignment(nil, odd)
	if err != nil {
		t.Fatal(err)
	}
	name, notes := "range", 0
	call := b.call(b.step(&Subscribe{Topics: []string{"work"}}), JoinCall)
	for generation := range int32(4) {
		out := b.answer(call, &msg.JoinGroupResponse{GenerationID: generation + 1, ProtocolName: &name, Leader: "other", MemberID: "me"})
		out = b.answer(b.call(out, SyncCall), &msg.SyncGroupResponse{Assignment: a})
		notes += len(out.Notes)
		if generation == 0 {
			call = b.call(out, JoinCall)
			continue
		}
		if r := b.takes(out); len(r.Assign) != 1 || r.Assign[0] != parts(0)[0] {
			t.Fatalf("it is given %v", r.Assign)
		}
		b.step(&Enforce{Reason: "for the test"})
		b.takes(Effects{Rebalance: b.c.pending})
		b.later(time.Second)
		call = b.c.call
	}
	if notes != 1 {
		t.Errorf("noted %d times", notes)
	}

	b, notes = reconciled(t, nil, 0), 0
	b.step(&Changed{Snapshot: topics(2, 4, 2).Snapshot})
	for n := range 4 {
		r := target(int32(n+2), 0, -1, 1)
		r.Assignment.TopicPartitions = append(r.Assignment.TopicPartitions, msg.ConsumerGroupHeartbeatResponseTopicPartitions{TopicID: wire.UUID{8}, Partitions: []int32{0}})
		out := b.answer(b.call(b.later(2*time.Second), ConsumerCall), r)
		if notes += len(out.Notes); n == 0 {
			if r := b.takes(out); len(r.Assign) != 1 || r.Assign[0] != parts(1)[0] {
				t.Errorf("KIP-848: it is given %v", r.Assign)
			}
			b.answer(b.c.call, &msg.ConsumerGroupHeartbeatResponse{MemberEpoch: 2, HeartbeatIntervalMs: 1000})
		} else if out.Rebalance != nil {
			t.Errorf("KIP-848: %s", fmt.Sprint(out.Rebalance))
		}
	}
	if notes != 1 {
		t.Errorf("KIP-848: noted %d times", notes)
	}
	if r := b.takes(b.step(&Subscribe{Topics: []string{"more", "work"}})); len(r.Assign) != 1 || r.Assign[0].Topic != "more" {
		t.Errorf("of what is subscribed to then it is given %v", r.Assign)
	}
}
