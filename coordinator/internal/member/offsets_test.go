package member

import (
	"context"
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

// offsetsAnswer says 5 for each partition, or an error.
func offsetsAnswer(group protocol.Code, codes ...protocol.Code) *msg.OffsetFetchResponse {
	var parts []msg.OffsetFetchResponseOffsetFetchResponsePartitions
	for i, code := range codes {
		parts = append(parts, msg.OffsetFetchResponseOffsetFetchResponsePartitions{PartitionIndex: int32(i), CommittedOffset: 5, CommittedLeaderEpoch: -1, ErrorCode: int16(code), Metadata: wire.Ptr("")})
	}
	return &msg.OffsetFetchResponse{Groups: []msg.OffsetFetchResponseOffsetFetchResponseGroup{{GroupID: "g", ErrorCode: int16(group),
		Topics: []msg.OffsetFetchResponseOffsetFetchResponseTopics{{Name: "work", TopicID: work, Partitions: parts}}}}}
}

// topicAs is a picture of the cluster in which the topic has another id, or an error.
func topicAs(id wire.UUID, code protocol.Code) *Changed {
	t := &cluster.Topic{Name: "work", ID: id, Err: code, Partitions: make([]cluster.Partition, 4)}
	return &Changed{Snapshot: cluster.New(cluster.Snapshot{Version: 2}, t)}
}

// tells runs for a while, answers every question for offsets, and tells what began and when the application was told of errors.
func (b *bench) tells(d time.Duration, answer func(*Call) *msg.OffsetFetchResponse) (begun []Offset, told []time.Duration) {
	begin := b.now
	calls := b.out.Calls
	for b.now.Sub(begin) < d {
		var next []*Call
		for _, c := range calls {
			if c.Kind == FetchCall {
				out := b.step(&Answer{Call: c, Version: 9, Resp: answer(c)})
				begun = append(begun, out.Begins...)
				for range out.Errors {
					told = append(told, b.now.Sub(begin))
				}
				next = append(next, out.Calls...)
			}
		}
		calls = append(next, b.later(100*time.Millisecond).Calls...)
	}
	return begun, told
}

func TestWhatHindersOnePartitionHindersNoOther(t *testing.T) {
	for code, refusal := range map[protocol.Code]bool{protocol.TopicAuthorizationFailed: true, protocol.UnknownServerError: true, protocol.UnstableOffsetCommit: false, protocol.CoordinatorLoadInProgress: false} {
		b := newBench(t, func(c *Config) { c.Session, c.MaxPoll = time.Hour, time.Hour })
		b.member(1, 0, 1)
		allowed := b.now.Add(25 * time.Second)
		begun, told := b.tells(30*time.Second, func(*Call) *msg.OffsetFetchResponse {
			if b.now.Before(allowed) {
				return offsetsAnswer(0, 0, code)
			}
			return offsetsAnswer(0, 0, 0)
		})
		if len(begun) != 2 || begun[0].TopicPartition != parts(0)[0] || begun[1].TopicPartition != parts(1)[0] {
			t.Errorf("%s: begun are %v", code.Name(), begun)
		}
		want := 2 // a cluster's own affair is told when it lasts
		if refusal {
			want = 3
		}
		if len(told) != want || refusal && told[0] != 0 || told[1]-told[0] < 10*time.Second {
			t.Errorf("%s: told after %v", code.Name(), told)
		}
	}
}

func TestAGroupThatMayNotBeReadIsTriedAgain(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Session, c.MaxPoll = time.Hour, time.Hour })
	b.member(1, 0, 1)
	n := 0
	begun, told := b.tells(5*time.Second, func(*Call) *msg.OffsetFetchResponse {
		if n++; n == 1 {
			return offsetsAnswer(protocol.GroupAuthorizationFailed)
		}
		return offsetsAnswer(0, 0, 0)
	})
	if len(begun) != 2 || len(told) != 1 {
		t.Errorf("begun are %v, told %v", begun, told)
	}
}

// A topic was deleted while its partitions were given: nobody has the id. Its neighbours begin at once, and it is asked for by its name.
func TestOffsetsOfATopicWhoseIdIsGoneAreAskedForByName(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Session = time.Hour })
	b.member(1, 0, 1)
	ask := b.call(b.out, FetchCall)
	if ask.Capped {
		t.Fatal("it does not use the id that it knows")
	}
	out := b.step(&Answer{Call: ask, Version: 10, Resp: offsetsAnswer(0, 0, protocol.UnknownTopicID)})
	if len(out.Begins) != 1 || !slices.Equal(out.Refresh, []string{"work"}) || len(out.Errors) > 0 {
		t.Fatalf("%+v", out)
	}
	again := b.call(b.later(time.Second), FetchCall)
	if asked := again.Req.(*msg.OffsetFetchRequest).Topics[0].PartitionIndexes; !again.Capped || again.Max != 9 || !slices.Equal(asked, []int32{1}) {
		t.Errorf("it is asked again for %v, by name: %v", asked, again.Capped)
	}
	b.step(topicAs(wire.UUID{8}, 0))
	b.step(&Fetch{Parts: parts(2), Deadline: b.now.Add(time.Minute), Owner: 1})
	if ask = b.c.fetches.flight; ask.Capped {
		t.Error("it does not use the id of the topic that was created again")
	}
}

// The group's offsets of a deleted topic are gone with it.
func TestCommittedOffsetsOfADeletedTopicAreNone(t *testing.T) {
	b := newBench(t, nil)
	out := b.step(&Fetch{Parts: parts(0), Deadline: b.now.Add(time.Minute), Owner: 1})
	out = b.step(&Answer{Call: b.call(out, FetchCall), Version: 10, Resp: offsetsAnswer(0, protocol.UnknownTopicID)})
	if len(out.Results) > 0 {
		t.Fatalf("%+v", out.Results)
	}
	byName := b.call(b.later(time.Second), FetchCall)
	none := offsetsAnswer(0, 0)
	none.Groups[0].Topics[0].Partitions[0].CommittedOffset = -1
	out = b.step(&Answer{Call: byName, Version: 9, Resp: none})
	if len(out.Results) != 1 || out.Results[0].Err != nil || out.Results[0].Offsets[0].Offset != -1 {
		t.Errorf("%+v", out.Results)
	}
}

func TestPartitionsAssignedByHandBeginWhenTheirOffsetsCanBeHad(t *testing.T) {
	b := newBench(t, nil)
	b.step(&Manual{})
	b.step(&Begin{Parts: parts(0, 1)})
	n := 0
	begun, told := b.tells(5*time.Second, func(*Call) *msg.OffsetFetchResponse {
		if n++; n < 3 {
			return offsetsAnswer(0, protocol.TopicAuthorizationFailed, protocol.TopicAuthorizationFailed)
		}
		b.step(&Forgo{Parts: parts(1)})
		return offsetsAnswer(0, 0, 0)
	})
	if len(begun) != 1 || begun[0].TopicPartition != parts(0)[0] || len(told) != 2 {
		t.Errorf("begun are %v, told %v", begun, told)
	}
}

func commitOf(offsets ...Offset) *Commit { return &Commit{Offsets: offsets, Owner: offsets[0].Offset} }

func at(partition int32, offset int64, id wire.UUID) Offset {
	return Offset{TopicPartition: parts(partition)[0], Offset: offset, TopicID: id}
}

func (b *bench) commits(m *Commit) Effects {
	if m.Deadline.IsZero() {
		m.Deadline = b.now.Add(time.Minute)
	}
	return b.step(m)
}

// commitAnswer answers for partitions, one code each.
func commitAnswer(c *Call, codes ...protocol.Code) *Answer {
	var parts []msg.OffsetCommitResponseOffsetCommitResponsePartition
	for i, k := range c.sent {
		parts = append(parts, msg.OffsetCommitResponseOffsetCommitResponsePartition{PartitionIndex: k.Partition, ErrorCode: int16(codes[min(i, len(codes)-1)])})
	}
	return &Answer{Call: c, Version: 10, Resp: &msg.OffsetCommitResponse{Topics: []msg.OffsetCommitResponseOffsetCommitResponseTopic{{TopicID: c.sent[0].id, Partitions: parts}}}}
}

func TestACommitOfADeletedTopicEndsAndHoldsUpNoOther(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Session = time.Hour })
	b.member(1, 0, 1)
	out := b.commits(commitOf(at(1, 7, work), at(0, 5, work)))
	out = b.step(commitAnswer(b.call(out, CommitCall), 0, protocol.UnknownTopicID))
	if len(out.Results) > 0 || !slices.Equal(out.Refresh, []string{"work"}) {
		t.Fatalf("%+v", out)
	}
	next := b.call(b.commits(commitOf(at(0, 6, work))), CommitCall) // at once
	if len(next.sent) != 1 || next.sent[0].Offset.Offset != 6 {
		t.Fatalf("sent is %v", next.sent)
	}
	if out = b.step(commitAnswer(next, 0)); len(out.Results) != 1 || out.Results[0].Owner != int64(6) {
		t.Fatalf("%+v", out.Results)
	}
	b.step(topicAs(work, protocol.UnknownTopicOrPartition))
	begin := b.now
	for len(b.out.Results) == 0 {
		b.later(b.c.commits.next().Sub(b.now))
		for _, c := range b.out.Calls {
			if c.Kind == CommitCall {
				b.step(commitAnswer(c, protocol.UnknownTopicID))
			}
		}
		if b.now.Sub(begin) > 5*time.Second {
			t.Fatal("it is tried for ever")
		}
	}
	if r := b.out.Results[0]; !errors.Is(r.Err, protocol.UnknownTopicID) || r.Owner != int64(7) {
		t.Errorf("%+v", r)
	}
}

// The coordinator may hear of a new topic later than the client.
func TestACommitWaitsForACoordinatorThatDoesNotKnowTheTopicYet(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Session = time.Hour })
	b.member(1, 0)
	call := b.call(b.commits(commitOf(at(0, 5, work))), CommitCall)
	for range 8 {
		if out := b.step(commitAnswer(call, protocol.UnknownTopicID)); len(out.Results) > 0 {
			t.Fatalf("%+v", out.Results)
		}
		call = b.call(b.later(time.Second), CommitCall)
	}
	if out := b.step(commitAnswer(call, 0)); len(out.Results) != 1 || out.Results[0].Err != nil {
		t.Errorf("%+v", out.Results)
	}
}

func TestAnOffsetOfATopicThatWasCreatedAgainIsRefused(t *testing.T) {
	b := newBench(t, nil)
	b.member(1, 0, 1)
	again := wire.UUID{8}
	b.step(topicAs(again, 0))
	out := b.commits(commitOf(at(0, 100, work), at(1, 3, again))) // what was read of the new one is written
	call := b.call(out, CommitCall)
	if len(call.sent) != 1 || call.sent[0].Offset.Offset != 3 || call.Req.(*msg.OffsetCommitRequest).Topics[0].TopicID != again {
		t.Fatalf("sent is %v", call.sent)
	}
	if out = b.step(commitAnswer(call, 0)); len(out.Results) != 1 || !errors.Is(out.Results[0].Err, protocol.UnknownTopicID) {
		t.Errorf("%+v", out.Results)
	}
}

// The broker tells when the metadata cannot: the offset goes under the id that was read, whatever has the name.
func TestAnOffsetIsCommittedUnderTheIdThatWasRead(t *testing.T) {
	b := newBench(t, nil)
	b.member(1, 0)
	b.step(&Changed{Snapshot: cluster.New(cluster.Snapshot{Version: 2})})
	call := b.call(b.commits(commitOf(at(0, 100, wire.UUID{9}))), CommitCall)
	if call.Capped || call.Req.(*msg.OffsetCommitRequest).Topics[0].TopicID != (wire.UUID{9}) {
		t.Errorf("sent is %v, by name: %v", call.sent, call.Capped)
	}
}

func TestACommitIsRepeatedAtOnceWhereTheCoordinatorIsNow(t *testing.T) {
	b := newBench(t, nil)
	b.member(1, 0)
	first := b.call(b.commits(commitOf(at(0, 5, work))), CommitCall)
	b.commits(commitOf(at(0, 6, work)))
	out := b.step(&Answer{Call: first, Err: errors.New("moved"), Moved: true})
	again := b.call(out, CommitCall)
	if out.Forget || len(again.sent) != 1 || again.sent[0].Offset.Offset != 6 { // never the older one after the newer
		t.Fatalf("forget: %v, sent is %v", out.Forget, again.sent)
	}
	if late := b.step(commitAnswer(first, protocol.NotCoordinator)); len(late.Results)+len(late.Calls) > 0 {
		t.Fatalf("what comes of the old coordinator still counts: %+v", late)
	}
	out = b.step(commitAnswer(again, 0))
	if len(out.Results) != 2 || out.Results[0].Err != nil || out.Results[1].Err != nil {
		t.Errorf("%+v", out.Results)
	}
}

func TestCallsThatHaveMovedAreRepeatedAtOnce(t *testing.T) {
	moved := errors.New("moved")
	b := newBench(t, nil)
	join := b.call(b.step(&Subscribe{Topics: []string{"work"}}), JoinCall)
	out := b.step(&Answer{Call: join, Err: moved, Moved: true})
	if b.call(out, JoinCall); out.Forget {
		t.Error("join: the new coordinator is forgotten")
	}
	b.assigned(b.c.call, 1, 0)
	out = b.step(&Answer{Call: b.call(b.out, FetchCall), Err: moved, Moved: true})
	if b.call(out, FetchCall); out.Forget {
		t.Error("offsets: the new coordinator is forgotten")
	}
	beat := b.call(b.later(3*time.Second), HeartbeatCall)
	out = b.step(&Answer{Call: beat, Err: moved, Moved: true})
	if b.call(out, HeartbeatCall); out.Forget {
		t.Error("heartbeat: the new coordinator is forgotten")
	}
	m := reconciled(t, nil, 0)
	out = m.step(&Answer{Call: m.call(m.later(time.Second), ConsumerCall), Err: moved, Moved: true})
	if req := m.call(out, ConsumerCall).Req.(*msg.ConsumerGroupHeartbeatRequest); out.Forget || len(req.TopicPartitions) != 1 {
		t.Errorf("KIP-848: forget: %v, %+v", out.Forget, req)
	}
}

func TestOutcomesKeepTheOrderOfTheirCommits(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Session = time.Hour })
	b.member(1, 0, 1)
	ordered := func(o Offset) *Commit { return &Commit{Offsets: []Offset{o}, Ordered: true, Owner: o.Offset} }
	out := b.step(commitAnswer(b.call(b.commits(ordered(at(1, 1, work))), CommitCall), protocol.UnknownTopicOrPartition))
	second := b.call(b.commits(ordered(at(0, 2, work))), CommitCall)
	if out = b.step(commitAnswer(second, 0)); len(out.Results) > 0 {
		t.Fatalf("the second is told before the first: %+v", out.Results)
	}
	if out = b.step(commitAnswer(b.call(b.commits(commitOf(at(0, 3, work))), CommitCall), 0)); len(out.Results) != 1 { // who waits for it need not wait for others
		t.Fatalf("%+v", out.Results)
	}
	out = b.step(commitAnswer(b.call(b.later(time.Second), CommitCall), 0))
	if len(out.Results) != 2 || out.Results[0].Owner != int64(1) || out.Results[1].Owner != int64(2) {
		t.Errorf("%+v", out.Results)
	}
}

func TestACommitEndsAtItsDeadline(t *testing.T) {
	b := newBench(t, func(c *Config) { c.RequestTimeout = time.Hour })
	b.member(1, 0)
	m := commitOf(at(0, 5, work))
	m.Deadline = b.now.Add(2 * time.Second)
	b.commits(m)
	out := b.later(2 * time.Second)
	if len(out.Results) != 1 || !errors.Is(out.Results[0].Err, ErrUncommitted) {
		t.Fatalf("%+v", out.Results)
	}
	if out = b.step(commitAnswer(b.c.commits.flight, 0)); len(out.Results) > 0 {
		t.Errorf("it ends twice: %+v", out.Results)
	}
}

// The coordinator may have raised the epoch in the answer that was lost. It takes the one before only from who says what it owns (Kafka's GroupMetadataManager.throwIfConsumerGroupMemberEpochIsInvalid).
func TestAHeartbeatAfterALostOneSaysWhatIsOwned(t *testing.T) {
	b := reconciled(t, nil, 0, 1)
	b.answer(b.call(b.later(time.Second), ConsumerCall), target(2, 0))
	b.is(Taking) // the application is giving up 1
	lost := b.call(b.later(time.Second), ConsumerCall)
	b.step(&Answer{Call: lost, Err: context.DeadlineExceeded})
	again := b.call(b.later(time.Second), ConsumerCall)
	req := again.Req.(*msg.ConsumerGroupHeartbeatRequest)
	if len(req.TopicPartitions) != 1 || !slices.Equal(req.TopicPartitions[0].Partitions, []int32{0, 1}) || req.SubscribedTopicNames == nil {
		t.Fatalf("%+v", req)
	}
	b.answer(again, target(2, 0))
	b.is(Taking)
	if req = b.call(b.later(time.Second), ConsumerCall).Req.(*msg.ConsumerGroupHeartbeatRequest); req.TopicPartitions != nil {
		t.Errorf("what it owns is said again: %+v", req)
	}
}

// Nobody asks for the metadata of topics that the coordinator has found by a pattern, but the member itself.
func TestATopicThatMetadataForgetsIsNotGivenUp(t *testing.T) {
	b := reconciled(t, nil, 0, 1)
	if out := b.step(&Changed{Snapshot: cluster.New(cluster.Snapshot{Version: 2})}); out.Rebalance != nil {
		t.Fatalf("it gives up %v", out.Rebalance.Revoke)
	}
	out := b.answer(b.call(b.later(time.Second), ConsumerCall), target(2, 0))
	if out.Rebalance == nil || !slices.Equal(out.Rebalance.Revoke, parts(1)) {
		t.Errorf("%+v", out.Rebalance)
	}
	out = b.later(b.c.cfg.MaxAge / 2)
	if !slices.Contains(out.Refresh, "work") {
		t.Errorf("metadata is asked for %v", out.Refresh)
	}
}

// Who gives everything up for the group to divide anew gets some of it back, as it was. It is not as it was if somebody else may have had it.
func TestWhatComesBackAtOnceIsToldFromWhatOthersHad(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Session = time.Hour })
	b.member(1, 0)
	rejoin := func() *Call {
		b.step(&Enforce{Reason: "for the test"})
		b.takes(Effects{Rebalance: b.c.pending})
		return b.call(b.out, JoinCall)
	}
	if r := b.assigned(rejoin(), 2, 0); !r.Back {
		t.Error("in the next generation it is not told as coming back")
	}
	if r := b.assigned(rejoin(), 4, 0); r.Back {
		t.Error("there was a generation in between")
	}
	b.answer(rejoin(), &msg.JoinGroupResponse{ErrorCode: int16(protocol.UnknownMemberID)})
	if r := b.assigned(b.call(b.later(time.Second), JoinCall), 5, 0); r.Back {
		t.Error("the group had gone on without the member")
	}
	c := reconciled(t, nil, 0, 1)
	c.takes(c.answer(c.call(c.later(time.Second), ConsumerCall), target(2, 0)))
	if r := c.takes(c.answer(c.call(c.out, ConsumerCall), target(3, 0, 1))); r.Back {
		t.Error("KIP-848: another member has had it")
	}
}

func TestWhoComesBackLateHearsFirstWhetherItHasLostItsPartitions(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Config)
		away   time.Duration
		lost   bool
	}{{"in time", func(c *Config) { c.Session = time.Hour }, 59 * time.Second, false}, {"after max.poll.interval.ms", func(c *Config) { c.Session = time.Hour }, time.Minute, true},
		{"after its session", func(*Config) {}, 20 * time.Second, true}} {
		b := newBench(t, c.change)
		b.member(1, 0)
		last := b.now
		b.now = b.now.Add(c.away) // all stood still: no timer has gone off
		out := b.step(&Returned{Last: last, Owner: "who"})
		if len(out.Settled) != 1 || (out.Rebalance != nil) != c.lost || c.lost && !out.Rebalance.Lost {
			t.Errorf("%s: %+v", c.name, out)
		}
	}
}

func TestAFailureTakesNothingBackTwice(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Assignors = []assign.Assignor{assign.CooperativeSticky{}} })
	b.member(1, 0)
	out := b.answer(b.call(b.later(3*time.Second), HeartbeatCall), &msg.HeartbeatResponse{ErrorCode: int16(protocol.FencedInstanceID)})
	b.is(Failed)
	if out.Rebalance == nil || !out.Rebalance.Lost {
		t.Fatalf("%+v", out)
	}
	b.takes(out)
	if b.out.Rebalance != nil || len(b.c.owned) > 0 {
		t.Errorf("%+v", b.out.Rebalance)
	}
}

// A static member's join was heard, and the answer lost: the coordinator refuses the next one, because the member has the instance. Kafka 4.3 does so also for the same member id.
func TestAStaticMemberWhoseJoinWasHeardReleasesItself(t *testing.T) {
	join := func() (*bench, *Call) {
		b := newBench(t, func(c *Config) { c.Protocol, c.Instance = Consumer, "i" })
		return b, b.call(b.step(&Subscribe{Topics: []string{"work"}}), ConsumerCall)
	}
	unreleased := &msg.ConsumerGroupHeartbeatResponse{ErrorCode: int16(protocol.UnreleasedInstanceID)}
	b, call := join()
	if b.answer(call, unreleased); b.c.state != Failed { // somebody else has it
		t.Errorf("the state is %s", b.c.state)
	}
	for answer, want := range map[protocol.Code]State{protocol.None: Stable, protocol.UnknownMemberID: Stable, protocol.FencedInstanceID: Failed} {
		b, call = join()
		b.step(&Answer{Call: call, Err: context.DeadlineExceeded})
		out := b.answer(b.call(b.later(time.Second), ConsumerCall), unreleased)
		release := b.call(out, ConsumerCall)
		if req := release.Req.(*msg.ConsumerGroupHeartbeatRequest); req.MemberEpoch != epochLeaveStatic || req.MemberID != "me" {
			t.Fatalf("%+v", req)
		}
		out = b.answer(release, &msg.ConsumerGroupHeartbeatResponse{ErrorCode: int16(answer), MemberEpoch: epochLeaveStatic})
		if want == Stable {
			b.answer(b.call(out, ConsumerCall), &msg.ConsumerGroupHeartbeatResponse{MemberEpoch: 3, HeartbeatIntervalMs: 1000})
		}
		b.is(want)
	}
}
