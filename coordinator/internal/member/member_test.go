package member

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// bench steps a core and plays the coordinator.
type bench struct {
	t   *testing.T
	c   *Core
	now time.Time
	out Effects
}

var work = wire.UUID{7}

func newBench(t *testing.T, change func(*Config)) *bench {
	cfg := Config{Group: "g", ID: "me", Assignors: []assign.Assignor{assign.Range{}}, Session: 10 * time.Second, Heartbeat: 3 * time.Second, MaxPoll: time.Minute, AutoCommit: true, AutoInterval: 5 * time.Second,
		MaxAge: time.Hour, RequestTimeout: 5 * time.Second, BackoffFirst: 100 * time.Millisecond, BackoffMax: time.Second, MaxMembers: 2000, MaxSubscription: 1 << 20, Rand: rand.New(rand.NewPCG(1, 2))}
	if change != nil {
		change(&cfg)
	}
	snap := cluster.New(cluster.Snapshot{}, &cluster.Topic{Name: "work", ID: work, Partitions: make([]cluster.Partition, 4)})
	return &bench{t: t, c: New(cfg, snap), now: time.Unix(1_800_000_000, 0)}
}

func (b *bench) step(m Message) Effects {
	b.out = Effects{}
	b.c.Step(b.now, m, &b.out)
	return b.out
}

func (b *bench) later(d time.Duration) Effects {
	b.now = b.now.Add(d)
	b.out = Effects{}
	b.c.Tick(b.now, &b.out)
	return b.out
}

// calls gives the only call of a kind in the effects.
func (b *bench) call(out Effects, k Kind) *Call {
	b.t.Helper()
	for _, c := range out.Calls {
		if c.Kind == k {
			return c
		}
	}
	b.t.Fatalf("no call of kind %d in %+v (%s)", k, out, b.c.state)
	return nil
}

func (b *bench) answer(c *Call, resp protocol.Response) Effects {
	return b.step(&Answer{Call: c, Resp: resp, Version: 9})
}

func (b *bench) is(s State) {
	b.t.Helper()
	if b.c.state != s {
		b.t.Fatalf("the state is %s, expected %s", b.c.state, s)
	}
}

func parts(n ...int32) (out []Partition) {
	for _, i := range n {
		out = append(out, Partition{Topic: "work", Partition: i})
	}
	return out
}

// takes lets the application do what it is asked for, and gives it.
func (b *bench) takes(out Effects) *Rebalance {
	b.t.Helper()
	r := out.Rebalance
	if r == nil {
		b.t.Fatalf("nothing for the application in %+v (%s)", out, b.c.state)
	}
	held := b.step(&Held{Seq: r.Seq})
	done := b.step(&Done{Seq: r.Seq})
	b.out.Calls = append(held.Calls, done.Calls...)
	b.out.Rebalance = done.Rebalance
	return r
}

// member joins a classic group as a follower in a generation and owns partitions.
func (b *bench) member(generation int32, own ...int32) {
	b.t.Helper()
	out := b.step(&Subscribe{Topics: []string{"work"}})
	b.assigned(b.call(out, JoinCall), generation, own...)
}

func (b *bench) assigned(join *Call, generation int32, own ...int32) *Rebalance {
	b.t.Helper()
	r := b.given(join, generation, own...)
	b.is(Stable)
	return r
}

// given lets the application take what the group gives it. It may have to join again at once.
func (b *bench) given(join *Call, generation int32, own ...int32) *Rebalance {
	b.t.Helper()
	name := b.c.cfg.Assignors[0].Name()
	out := b.answer(join, &msg.JoinGroupResponse{GenerationID: generation, ProtocolName: &name, Leader: "other", MemberID: "me"})
	a, err := assign.AppendAssignment(nil, parts(own...))
	if err != nil {
		b.t.Fatal(err)
	}
	return b.takes(b.answer(b.call(out, SyncCall), &msg.SyncGroupResponse{Assignment: a}))
}

func (b *bench) commit(offset int64, partition int32) Effects {
	return b.step(&Commit{Offsets: []Offset{{TopicPartition: parts(partition)[0], Offset: offset}}, Deadline: b.now.Add(30 * time.Second), Owner: offset})
}

func committedAnswer(code protocol.Code, partition int32) *msg.OffsetCommitResponse {
	return &msg.OffsetCommitResponse{Topics: []msg.OffsetCommitResponseOffsetCommitResponseTopic{{Name: "work", Partitions: []msg.OffsetCommitResponseOffsetCommitResponsePartition{{PartitionIndex: partition, ErrorCode: int16(code)}}}}}
}

func TestAMemberIdIsAskedForFirst(t *testing.T) {
	b := newBench(t, nil)
	out := b.step(&Subscribe{Topics: []string{"work"}})
	out = b.answer(b.call(out, JoinCall), &msg.JoinGroupResponse{ErrorCode: int16(protocol.MemberIDRequired), MemberID: "given", GenerationID: -1})
	if id := b.call(out, JoinCall).Req.(*msg.JoinGroupRequest).MemberID; id != "given" {
		t.Errorf("the second join names %q", id)
	}
}

func TestALeaderDividesWhenItKnowsTheTopics(t *testing.T) {
	b := newBench(t, nil)
	out := b.step(&Subscribe{Topics: []string{"late", "work"}})
	name := "range"
	m := assign.Member{Topics: []string{"late", "work"}, Generation: -1}
	metadata, err := assign.AppendSubscription(nil, &m)
	if err != nil {
		t.Fatal(err)
	}
	out = b.answer(b.call(out, JoinCall), &msg.JoinGroupResponse{GenerationID: 1, ProtocolName: &name, Leader: "me", MemberID: "me",
		Members: []msg.JoinGroupResponseJoinGroupResponseMember{{MemberID: "me", Metadata: metadata}, {MemberID: "you", Metadata: metadata}}})
	b.is(Assigning)
	if !slices.Contains(out.Refresh, "late") {
		t.Errorf("metadata is asked for %v", out.Refresh)
	}
	out = b.step(&Changed{cluster.New(cluster.Snapshot{}, &cluster.Topic{Name: "late", Partitions: make([]cluster.Partition, 2)}, &cluster.Topic{Name: "work", ID: work, Partitions: make([]cluster.Partition, 4)})})
	req := b.call(out, SyncCall).Req.(*msg.SyncGroupRequest)
	total := 0
	for _, a := range req.Assignments {
		got, err := assign.ReadAssignment(a.Assignment)
		if err != nil || len(got) != 3 {
			t.Errorf("%s gets %v, %v", a.MemberID, got, err)
		}
		total += len(got)
	}
	if total != 6 {
		t.Errorf("%d partitions are given out", total)
	}
}

func TestEagerMembersGiveEverythingUpFirst(t *testing.T) {
	b := newBench(t, nil)
	b.member(1, 0, 1)
	out := b.later(3 * time.Second)
	out = b.answer(b.call(out, HeartbeatCall), &msg.HeartbeatResponse{ErrorCode: int16(protocol.RebalanceInProgress)})
	b.is(Giving)
	if len(out.Calls) != 0 || !slices.Equal(out.Rebalance.Revoke, parts(0, 1)) {
		t.Fatalf("%+v", out)
	}
	if out := b.later(3 * time.Second); b.call(out, HeartbeatCall) == nil { // the application takes its time, and the group hears of the member
		t.Fatal("no heartbeat")
	}
	b.step(&Held{Seq: b.c.pending.Seq})
	b.call(b.step(&Done{Seq: b.c.pending.Seq}), JoinCall)
}

func TestCooperativeMembersKeepWhatStays(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Assignors = []assign.Assignor{assign.CooperativeSticky{}} })
	b.member(1, 0, 1)
	out := b.later(3 * time.Second)
	out = b.answer(b.call(out, HeartbeatCall), &msg.HeartbeatResponse{ErrorCode: int16(protocol.RebalanceInProgress)})
	join := b.call(out, JoinCall)
	name := "cooperative-sticky"
	out = b.answer(join, &msg.JoinGroupResponse{GenerationID: 2, ProtocolName: &name, Leader: "other", MemberID: "me"})
	a, _ := assign.AppendAssignment(nil, parts(0, 3))
	r := b.takes(b.answer(b.call(out, SyncCall), &msg.SyncGroupResponse{Assignment: a}))
	if !slices.Equal(r.Revoke, parts(1)) || !slices.Equal(r.Assign, parts(3)) {
		t.Fatalf("%+v", r)
	}
	again := b.call(b.out, JoinCall).Req.(*msg.JoinGroupRequest) // so that somebody else can have what was given up
	m, err := assign.ReadSubscription(again.Protocols[0].Metadata)
	if err != nil || !slices.Equal(m.Owned, parts(0, 3)) || m.Generation != 2 {
		t.Errorf("it joins with %+v, %v", m, err)
	}
}

func TestPartitionsBeginWhereTheGroupHasCommitted(t *testing.T) {
	b := newBench(t, nil)
	out := b.step(&Subscribe{Topics: []string{"work"}})
	b.assigned(b.call(out, JoinCall), 1, 0, 1)
	ask := b.call(b.out, FetchCall)
	resp := &msg.OffsetFetchResponse{Groups: []msg.OffsetFetchResponseOffsetFetchResponseGroup{{GroupID: "g", Topics: []msg.OffsetFetchResponseOffsetFetchResponseTopics{{Name: "work",
		Partitions: []msg.OffsetFetchResponseOffsetFetchResponsePartitions{{PartitionIndex: 0, CommittedOffset: 42, CommittedLeaderEpoch: 3}, {PartitionIndex: 1, CommittedOffset: -1, CommittedLeaderEpoch: -1}}}}}}}
	out = b.answer(ask, resp)
	if len(out.Begins) != 2 || out.Begins[0].Offset != 42 || out.Begins[0].LeaderEpoch.Int() != 3 || out.Begins[1].Offset != -1 {
		t.Errorf("%+v", out.Begins)
	}
}

func TestOnlyTheOwnerCommits(t *testing.T) {
	b := newBench(t, nil)
	b.member(1, 0)
	out := b.commit(5, 1)
	if len(out.Results) != 1 || !errors.Is(out.Results[0].Err, ErrNotOwned) || len(out.Calls) != 0 {
		t.Fatalf("%+v", out)
	}
	out = b.commit(5, 0)
	if req := b.call(out, CommitCall).Req.(*msg.OffsetCommitRequest); req.MemberID != "me" || req.GenerationIDOrMemberEpoch != 1 {
		t.Fatalf("%+v", req)
	}
	if out = b.answer(b.call(out, CommitCall), committedAnswer(protocol.None, 0)); out.Results[0].Err != nil || out.Results[0].Owner != int64(5) {
		t.Fatalf("%+v", out.Results)
	}
}

// Seed 937 of the group swarm: a group that is empty takes the commits of anybody who names no generation.
func TestAFencedMemberDoesNotCommit(t *testing.T) {
	b := newBench(t, nil)
	b.member(1, 0)
	first := b.commit(5, 0)
	b.commit(6, 0)
	out := b.later(3 * time.Second)
	out = b.answer(b.call(out, HeartbeatCall), &msg.HeartbeatResponse{ErrorCode: int16(protocol.UnknownMemberID)})
	b.is(Losing)
	if len(out.Results) != 2 || !errors.Is(out.Results[0].Err, ErrFenced) || !out.Rebalance.Lost {
		t.Fatalf("%+v", out)
	}
	if late := b.answer(b.call(first, CommitCall), committedAnswer(protocol.NotCoordinator, 0)); len(late.Calls) != 0 || len(late.Results) != 0 {
		t.Errorf("a late answer: %+v", late)
	}
	if out = b.commit(7, 0); len(out.Calls) != 0 || !errors.Is(out.Results[0].Err, ErrFenced) {
		t.Errorf("%+v", out)
	}
}

// Seed 1329 of the group swarm.
func TestWhoWaitsInASyncIsAlive(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Assignors = []assign.Assignor{assign.CooperativeSticky{}} })
	b.member(1, 0)
	b.step(&Enforce{Reason: "for the test"})
	name := "cooperative-sticky"
	out := b.answer(b.c.call, &msg.JoinGroupResponse{GenerationID: 2, ProtocolName: &name, Leader: "other", MemberID: "me"})
	sync := b.call(out, SyncCall)
	b.later(30 * time.Second)
	out = b.answer(sync, &msg.SyncGroupResponse{ErrorCode: int16(protocol.RebalanceInProgress)})
	b.is(Joining)
	if out.Rebalance != nil {
		t.Errorf("the application is told of %+v", out.Rebalance)
	}
}

// Seed 768 of the group swarm.
func TestACommitThatCrossesWithAJoinIsRepeated(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Assignors = []assign.Assignor{assign.CooperativeSticky{}} })
	b.member(1, 0)
	call := b.call(b.commit(5, 0), CommitCall)
	b.step(&Enforce{Reason: "for the test"})
	out := b.answer(call, committedAnswer(protocol.IllegalGeneration, 0))
	b.is(Joining)
	if len(out.Results) != 0 || out.Rebalance != nil {
		t.Fatalf("%+v", out)
	}
	b.assigned(b.c.call, 2, 0)
	out = b.later(time.Second)
	if req := b.call(out, CommitCall).Req.(*msg.OffsetCommitRequest); req.GenerationIDOrMemberEpoch != 2 {
		t.Errorf("%+v", req)
	}
}

func TestASessionWithoutAnswersIsLost(t *testing.T) {
	b := newBench(t, nil)
	b.member(1, 0)
	b.later(3 * time.Second)
	out := b.later(7 * time.Second)
	b.is(Losing)
	if !out.Rebalance.Lost || !slices.Equal(out.Rebalance.Revoke, parts(0)) {
		t.Errorf("%+v", out.Rebalance)
	}
}

func TestAnApplicationThatDoesNotPollIsLeftOut(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Session = time.Hour })
	b.member(1, 0)
	out := b.later(time.Minute)
	if !out.AskPolled {
		t.Fatalf("%+v", out)
	}
	out = b.step(&Polled{At: b.now.Add(-2 * time.Minute)})
	b.is(Expired)
	if b.call(out, LeaveCall); !out.Idle || out.Rebalance == nil || !out.Rebalance.Lost { // what it polls next is that
		t.Fatalf("%+v", out)
	}
	if out := b.commit(5, 0); len(out.Calls) > 0 || len(out.Results) != 1 || !errors.Is(out.Results[0].Err, ErrFenced) {
		t.Errorf("a late commit: %+v", out)
	}
	b.takes(out)
	if len(b.out.Calls) > 0 {
		t.Errorf("it joins before it polls: %+v", b.out.Calls)
	}
	b.call(b.step(&Polled{At: b.now}), JoinCall)
}

func TestWhatTheApplicationHasNotBegunWithIsTakenBack(t *testing.T) {
	b := newBench(t, nil)
	b.member(1, 0)
	out := b.later(3 * time.Second)
	out = b.answer(b.call(out, HeartbeatCall), &msg.HeartbeatResponse{ErrorCode: int16(protocol.RebalanceInProgress)})
	seq := out.Rebalance.Seq
	out = b.later(3 * time.Second)
	out = b.answer(b.call(out, HeartbeatCall), &msg.HeartbeatResponse{ErrorCode: int16(protocol.UnknownMemberID)})
	if out.Recall != seq || out.Rebalance != nil || out.Instead == nil || !out.Instead.Lost { // at once: nothing may be given out before
		t.Fatalf("%+v", out)
	}
	b.step(&Held{Seq: out.Instead.Seq}) // the application may be faster than what tells that the other was recalled
	b.step(&Recalled{Seq: seq})
	b.step(&Done{Seq: out.Instead.Seq})
	if b.is(Joining); len(b.c.owned) > 0 {
		t.Errorf("it owns %v", b.c.owned)
	}
}

// An application that has begun to take partitions over goes on with that, although they are lost meanwhile: it must be told of the loss.
func TestWhatIsLostWhileItIsTakenOverIsTold(t *testing.T) {
	b := reconciled(t, nil, 1)
	out := b.answer(b.call(b.later(time.Second), ConsumerCall), target(2, 0))
	r := out.Rebalance
	out = b.answer(b.call(b.later(time.Second), ConsumerCall), &msg.ConsumerGroupHeartbeatResponse{ErrorCode: int16(protocol.FencedMemberEpoch)})
	if out.Recall != r.Seq || !slices.Equal(out.Instead.Revoke, parts(1)) {
		t.Fatalf("%+v", out)
	}
	if out = b.step(&Held{Seq: r.Seq}); len(out.Begins) > 0 || len(out.Calls) > 0 {
		t.Errorf("what is lost is begun with: %+v", out)
	}
	out = b.step(&Done{Seq: r.Seq})
	if out.Rebalance == nil || !out.Rebalance.Lost || !slices.Equal(out.Rebalance.Revoke, parts(0)) {
		t.Fatalf("%+v", out.Rebalance)
	}
	b.takes(out)
	if b.is(Joining); len(b.c.owned) > 0 {
		t.Errorf("it owns %v", b.c.owned)
	}
}

// reconciled is a member of a KIP-848 group that owns partitions.
func reconciled(t *testing.T, change func(*Config), own ...int32) *bench {
	b := newBench(t, func(c *Config) {
		c.Protocol = Consumer
		if change != nil {
			change(c)
		}
	})
	out := b.step(&Subscribe{Topics: []string{"work"}})
	call := b.call(out, ConsumerCall)
	if req := call.Req.(*msg.ConsumerGroupHeartbeatRequest); req.MemberEpoch != 0 || req.MemberID != "me" || req.TopicPartitions == nil || len(req.TopicPartitions) != 0 {
		t.Fatalf("%+v", req)
	}
	b.takes(b.answer(call, target(1, own...)))
	ack := b.call(b.out, ConsumerCall)
	if req := ack.Req.(*msg.ConsumerGroupHeartbeatRequest); len(req.TopicPartitions) != 1 || !slices.Equal(req.TopicPartitions[0].Partitions, own) {
		t.Fatalf("%+v", req)
	}
	b.answer(ack, &msg.ConsumerGroupHeartbeatResponse{MemberEpoch: 1, HeartbeatIntervalMs: 1000})
	b.is(Stable)
	return b
}

func target(epoch int32, own ...int32) *msg.ConsumerGroupHeartbeatResponse {
	return &msg.ConsumerGroupHeartbeatResponse{MemberEpoch: epoch, HeartbeatIntervalMs: 1000,
		Assignment: &msg.ConsumerGroupHeartbeatResponseAssignment{TopicPartitions: []msg.ConsumerGroupHeartbeatResponseTopicPartitions{{TopicID: work, Partitions: own}}}}
}

func TestTheCoordinatorsIntervalIsObeyed(t *testing.T) {
	b := reconciled(t, nil, 0, 1)
	if at := b.c.Next(); at.Sub(b.now) > time.Second {
		t.Errorf("the next heartbeat is due in %s", at.Sub(b.now))
	}
	req := b.call(b.later(time.Second), ConsumerCall).Req.(*msg.ConsumerGroupHeartbeatRequest)
	if req.MemberEpoch != 1 || req.SubscribedTopicNames != nil || req.TopicPartitions != nil {
		t.Errorf("nothing is new, but it says %+v", req)
	}
}

func TestWhatIsRevokedIsToldWhenItIsGivenUp(t *testing.T) {
	b := reconciled(t, nil, 0, 1)
	out := b.answer(b.call(b.later(time.Second), ConsumerCall), target(1, 0))
	b.is(Taking)
	if !slices.Equal(out.Rebalance.Revoke, parts(1)) || len(out.Calls) != 0 {
		t.Fatalf("%+v", out)
	}
	if req := b.call(b.later(time.Second), ConsumerCall).Req.(*msg.ConsumerGroupHeartbeatRequest); req.TopicPartitions != nil { // the listener is at it
		t.Fatalf("%+v", req)
	}
}

func TestAFencedEpochLosesEverythingAndKeepsTheId(t *testing.T) {
	b := reconciled(t, nil, 0, 1)
	out := b.answer(b.call(b.later(time.Second), ConsumerCall), &msg.ConsumerGroupHeartbeatResponse{ErrorCode: int16(protocol.FencedMemberEpoch)})
	if !out.Rebalance.Lost {
		t.Fatalf("%+v", out)
	}
	b.takes(out)
	if req := b.call(b.out, ConsumerCall).Req.(*msg.ConsumerGroupHeartbeatRequest); req.MemberEpoch != 0 || req.MemberID != "me" {
		t.Errorf("%+v", req)
	}
}

func TestHowMembersLeave(t *testing.T) {
	for _, c := range []struct {
		instance string
		how      Leaving
		epoch    int32
		told     bool
	}{{"", LeaveDefault, -1, true}, {"", RemainInGroup, 0, false}, {"i", LeaveDefault, -2, true}, {"i", LeaveGroup, -1, true}, {"i", RemainInGroup, -2, true}} {
		b := reconciled(t, func(cfg *Config) { cfg.Instance = c.instance }, 0)
		out := b.step(&Leave{How: c.how, Deadline: b.now.Add(time.Second), Final: true, Owner: "who"})
		if !c.told {
			if len(out.Calls) != 0 || len(out.Left) != 1 {
				t.Errorf("%+v: %+v", c, out)
			}
			continue
		}
		call := b.call(out, ConsumerCall)
		if got := call.Req.(*msg.ConsumerGroupHeartbeatRequest).MemberEpoch; got != c.epoch || len(out.Left) != 0 {
			t.Errorf("%+v: epoch %d", c, got)
		}
		if out = b.answer(call, &msg.ConsumerGroupHeartbeatResponse{}); len(out.Left) != 1 {
			t.Errorf("%+v: %+v", c, out)
		}
	}
}

// TestAutoFallsBackToTheClassicProtocol: where the cluster does not have the other, and where the group is a classic one that must stay so, which Kafka 4.3 tells with GROUP_ID_NOT_FOUND
// (group.consumer.migration.policy=disabled). Such a member tried to join for ever.
func TestAutoFallsBackToTheClassicProtocol(t *testing.T) {
	for _, code := range []protocol.Code{protocol.UnsupportedVersion, protocol.GroupIDNotFound} {
		b := newBench(t, func(c *Config) { c.Protocol = Auto })
		out := b.step(&Subscribe{Topics: []string{"work"}})
		out = b.answer(b.call(out, ConsumerCall), &msg.ConsumerGroupHeartbeatResponse{ErrorCode: int16(code)})
		if code == protocol.UnsupportedVersion { // it has to be said twice
			out = b.answer(b.call(b.later(time.Second), ConsumerCall), &msg.ConsumerGroupHeartbeatResponse{ErrorCode: int16(code)})
		}
		if req := b.call(out, JoinCall).Req.(*msg.JoinGroupRequest); req.MemberID != "" || len(out.Notes) != 1 {
			t.Errorf("%s: %+v, %v", code, req, out.Notes)
		}
	}
}

func TestTopicsThatMayNotBeReadAreToldOnce(t *testing.T) {
	b := reconciled(t, nil, 0)
	told := 0
	out := b.later(time.Second)
	for range 5 {
		out = b.answer(b.call(out, ConsumerCall), &msg.ConsumerGroupHeartbeatResponse{ErrorCode: int16(protocol.TopicAuthorizationFailed)})
		told += len(out.Errors)
		b.is(Stable)
		out = b.later(5 * time.Second)
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}

func TestAbortEndsEverythingThatIsWaitedFor(t *testing.T) {
	b := newBench(t, nil)
	b.member(1, 0)
	b.commit(5, 0)
	b.commit(6, 0)
	b.step(&Fetch{Parts: parts(0), Deadline: b.now.Add(time.Minute), Owner: "fetch"})
	b.step(&Leave{Deadline: b.now.Add(time.Minute), Owner: "leave"})
	var out Effects
	b.c.Abort(errors.New("a bug"), &out)
	if len(out.Results) != 3 || len(out.Left) != 1 {
		t.Errorf("%+v", out)
	}
	out = Effects{}
	b.c.Refuse(&Commit{Owner: 1}, errors.New("a bug"), &out)
	if len(out.Results) != 1 || !b.c.Next().IsZero() {
		t.Errorf("%+v, next %s", out, b.c.Next())
	}
}

// TestAStaticMemberThatIsBackJoinsAgainIfItMayLead: nobody may know of partitions that the leader has kept back. Who only follows leaves the group alone: that is what static members are for.
func TestAStaticMemberThatIsBackJoinsAgainIfItMayLead(t *testing.T) {
	for _, k := range []struct {
		name     string
		assignor string
		version  int16
		leader   string
		again    bool
	}{
		{"a follower", "cooperative-sticky", 9, "other", false},
		{"the leader", "cooperative-sticky", 9, "me", true},
		{"of a broker before 3.2", "cooperative-sticky", 8, "other", true},
		{"with an assignor that keeps nothing back", "range", 9, "me", false},
	} {
		b := newBench(t, func(c *Config) {
			a, err := assign.Named(k.assignor)
			if err != nil {
				t.Fatal(err)
			}
			c.Instance, c.Assignors = "one", []assign.Assignor{a}
		})
		join := b.call(b.step(&Subscribe{Topics: []string{"work"}}), JoinCall)
		sync := b.call(b.step(&Answer{Call: join, Version: k.version, Resp: &msg.JoinGroupResponse{GenerationID: 3, ProtocolName: &k.assignor, Leader: k.leader, MemberID: "me", SkipAssignment: k.leader == "me"}}), SyncCall)
		a, err := assign.AppendAssignment(nil, parts(0))
		if err != nil {
			t.Fatal(err)
		}
		b.takes(b.answer(sync, &msg.SyncGroupResponse{Assignment: a}))
		joined := false
		for at := b.now.Add(b.c.cfg.Session + b.c.cfg.Heartbeat); b.now.Before(at) && !joined; {
			out := b.later(b.c.cfg.Heartbeat)
			for _, c := range out.Calls {
				joined = joined || c.Kind == JoinCall
				if c.Kind == HeartbeatCall {
					b.answer(c, &msg.HeartbeatResponse{})
				}
			}
		}
		if joined != k.again {
			t.Errorf("%s: joined again: %v, expected %v", k.name, joined, k.again)
		}
	}
}

// TestTheSameSubscriptionAgainChangesNothing: whoever commits nothing would read again what was read since.
func TestTheSameSubscriptionAgainChangesNothing(t *testing.T) {
	work := func(topic string) bool { return topic == "work" }
	b := newBench(t, nil)
	b.member(1, 0, 1)
	for _, again := range []*Subscribe{{Topics: []string{"work"}}, {Topics: []string{"work", "work"}}, {Pattern: work}} {
		out := b.step(again)
		if again.Pattern != nil {
			out = b.step(&Listed{Topics: []Listing{{Name: "work"}, {Name: "other"}}})
			for _, a := range out.Asks {
				out = b.step(a.Run())
			}
		}
		if b.is(Stable); out.Rebalance != nil || len(out.Calls) != 0 {
			t.Errorf("%+v: %+v", again, out)
		}
	}
	if out := b.step(&Subscribe{Topics: []string{"other"}}); out.Rebalance == nil {
		t.Errorf("another subscription: %+v", out)
	}
}

// TestNoTopicIsLostByAnAnswerThatDoesNotKnow: a pattern matches on what it has matched while a broker cannot say whether it is there, and takes nothing new from such an answer.
func TestNoTopicIsLostByAnAnswerThatDoesNotKnow(t *testing.T) {
	b := newBench(t, nil)
	b.member(1, 0, 1)
	ask := func(resp *msg.MetadataResponse) Effects {
		b.step(&Subscribe{Pattern: func(topic string) bool { return topic != "other" }})
		out := b.step(List(resp))
		for _, a := range out.Asks {
			out = b.step(a.Run())
		}
		return out
	}
	topic := func(name string, code protocol.Code) msg.MetadataResponseMetadataResponseTopic {
		return msg.MetadataResponseMetadataResponseTopic{Name: &name, ErrorCode: int16(code)}
	}
	for _, k := range []struct {
		name string
		resp msg.MetadataResponse
		same bool
	}{
		{"the answer is an error", msg.MetadataResponse{ErrorCode: int16(protocol.CoordinatorLoadInProgress)}, true},
		{"the leader is being elected", msg.MetadataResponse{Topics: []msg.MetadataResponseMetadataResponseTopic{topic("work", protocol.LeaderNotAvailable), topic("new", protocol.LeaderNotAvailable)}}, true},
		{"it is there", msg.MetadataResponse{Topics: []msg.MetadataResponseMetadataResponseTopic{topic("work", protocol.None), topic("other", protocol.None)}}, true},
		{"it is gone", msg.MetadataResponse{Topics: []msg.MetadataResponseMetadataResponseTopic{topic("work", protocol.UnknownTopicOrPartition)}}, false},
	} {
		if out := ask(&k.resp); (out.Rebalance == nil && len(out.Calls) == 0) != k.same {
			t.Errorf("%s: %+v", k.name, out)
		}
	}
}
