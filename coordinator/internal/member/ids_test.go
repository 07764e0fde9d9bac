package member

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// reborn is a topic that has the name of work.
var reborn = wire.UUID{8}

// beat answers the heartbeat that is due with what the group gives of topics by id.
func (b *bench) beat(epoch int32, ids ...wire.UUID) (*msg.ConsumerGroupHeartbeatRequest, Effects) {
	b.t.Helper()
	call := b.call(b.later(time.Second), ConsumerCall)
	resp := &msg.ConsumerGroupHeartbeatResponse{MemberEpoch: epoch, HeartbeatIntervalMs: 1000, Assignment: &msg.ConsumerGroupHeartbeatResponseAssignment{}}
	for _, id := range ids {
		resp.Assignment.TopicPartitions = append(resp.Assignment.TopicPartitions, msg.ConsumerGroupHeartbeatResponseTopicPartitions{TopicID: id, Partitions: []int32{0, 1}})
	}
	return call.Req.(*msg.ConsumerGroupHeartbeatRequest), b.answer(call, resp)
}

// TestAnotherTopicOfTheNameIsTakenWhenTheOldOneIsGivenUp has the group give a topic that was created again in the place of the old one, in one answer. Both were one for the member, and the listener was told nothing.
func TestAnotherTopicOfTheNameIsTakenWhenTheOldOneIsGivenUp(t *testing.T) {
	b := reconciled(t, nil, 0, 1)
	b.step(topicAs(reborn, 0))
	_, out := b.beat(2, reborn)
	if r := b.takes(out); !slices.Equal(r.Revoke, parts(0, 1)) || len(r.Assign) > 0 {
		t.Fatalf("%+v", r)
	}
	call := b.call(b.out, ConsumerCall)
	if req := call.Req.(*msg.ConsumerGroupHeartbeatRequest); req.TopicPartitions == nil || len(req.TopicPartitions) > 0 {
		t.Fatalf("it says that it has %+v", req.TopicPartitions)
	}
	out = b.answer(call, &msg.ConsumerGroupHeartbeatResponse{MemberEpoch: 2, HeartbeatIntervalMs: 1000})
	if r := b.takes(out); !slices.Equal(r.Assign, parts(0, 1)) || r.IDs["work"] != reborn {
		t.Fatalf("%+v", r)
	}
	req := b.call(b.out, ConsumerCall).Req.(*msg.ConsumerGroupHeartbeatRequest)
	if len(req.TopicPartitions) != 1 || req.TopicPartitions[0].TopicID != reborn {
		t.Errorf("it says that it has %+v", req.TopicPartitions)
	}
	late := b.step(&Answer{Call: b.c.fetches.begun, Version: 10, Resp: offsetsAnswer(0, 0, 0)}) // it was asked for the old one
	if len(late.Begins) > 0 {
		t.Errorf("the new one begins with %v", late.Begins)
	}
	if asked := b.call(late, FetchCall).Req.(*msg.OffsetFetchRequest).Groups[0].Topics; asked[0].TopicID != reborn {
		t.Errorf("it asks for the offsets of %+v", asked)
	}
}

// TestWhatIsOwnedIsToldByTheIdThatWasGiven: the group has gone on to the new topic while the listener is at giving the old one up.
func TestWhatIsOwnedIsToldByTheIdThatWasGiven(t *testing.T) {
	b := reconciled(t, nil, 0, 1)
	b.step(topicAs(reborn, 0))
	_, out := b.beat(2, reborn)
	b.is(Taking)
	b.step(&Answer{Call: b.call(b.later(time.Second), ConsumerCall), Err: errors.New("lost"), Sent: true})
	req := b.call(b.later(time.Second), ConsumerCall).Req.(*msg.ConsumerGroupHeartbeatRequest)
	if len(req.TopicPartitions) != 1 || req.TopicPartitions[0].TopicID != work {
		t.Errorf("after %+v it says that it has %+v", out.Rebalance, req.TopicPartitions)
	}
}

// TestOffsetsAreCommittedOfTheTopicThatTheGroupHasGiven: coordinators before Kafka 4.2 take offsets by name and cannot tell, and one that is named no topic is told the one that is owned.
func TestOffsetsAreCommittedOfTheTopicThatTheGroupHasGiven(t *testing.T) {
	b := reconciled(t, nil, 0, 1)
	call := b.call(b.commits(commitOf(at(0, 5, wire.UUID{}))), CommitCall)
	if id := call.Req.(*msg.OffsetCommitRequest).Topics[0].TopicID; id != work {
		t.Errorf("it is committed under %v", id)
	}
	b.step(commitAnswer(call, 0))
	b.step(topicAs(reborn, 0))
	if out := b.commits(commitOf(at(0, 6, wire.UUID{}))); len(out.Results) != 1 || !errors.Is(out.Results[0].Err, protocol.UnknownTopicID) {
		t.Errorf("of the old topic: %+v", out)
	}
	b = reconciled(t, nil, 0, 1)
	_, out := b.beat(2)
	b.takes(out)
	b.answer(b.call(b.out, ConsumerCall), &msg.ConsumerGroupHeartbeatResponse{MemberEpoch: 2, HeartbeatIntervalMs: 1000})
	b.step(&Changed{Snapshot: b.c.snap.With(nil, []string{"work"})})
	_, out = b.beat(3, reborn)
	if out.List { // metadata does not know it yet
		out = b.step(&Listed{Topics: []Listing{{Name: "work", ID: reborn}}})
	}
	b.takes(out)
	if out = b.commits(commitOf(at(0, 7, work))); len(out.Results) != 1 || !errors.Is(out.Results[0].Err, protocol.UnknownTopicID) {
		t.Errorf("of the old topic, while the new one is owned: %+v", out)
	}
}

// TestATopicThatTheGroupHasGivenIsNotBegunByName: what is committed under the name may be of another one.
func TestATopicThatTheGroupHasGivenIsNotBegunByName(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Protocol = Consumer })
	b.takes(b.answer(b.call(b.step(&Subscribe{Topics: []string{"work"}}), ConsumerCall), target(1, 0)))
	ask := b.call(b.out, FetchCall)
	for range 3 {
		if asked := ask.Req.(*msg.OffsetFetchRequest).Groups[0].Topics; ask.Capped || asked[0].TopicID != work {
			t.Fatalf("it asks for %+v, by name: %v", asked, ask.Capped)
		}
		if out := b.step(&Answer{Call: ask, Version: 10, Resp: offsetsAnswer(0, protocol.UnknownTopicID)}); len(out.Begins) > 0 {
			t.Fatalf("%+v", out)
		}
		ask = nil
		for ask == nil {
			for _, c := range b.later(500 * time.Millisecond).Calls {
				if c.Kind == FetchCall {
					ask = c
				}
			}
		}
	}
}
