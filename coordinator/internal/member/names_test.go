package member

import (
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// TestNamesThatNobodyTellsAreAskedForLessAndLessOften has a target with a topic that the member does not see. All topics were listed each second, for as long as it lasted.
func TestNamesThatNobodyTellsAreAskedForLessAndLessOften(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Protocol, c.MaxPoll = Consumer, 10*time.Hour })
	begun := b.now
	var lists []time.Duration
	target := func(ids ...wire.UUID) *msg.ConsumerGroupHeartbeatResponse {
		r := &msg.ConsumerGroupHeartbeatResponse{MemberEpoch: 1, HeartbeatIntervalMs: 500, Assignment: &msg.ConsumerGroupHeartbeatResponseAssignment{}}
		for _, id := range ids {
			r.Assignment.TopicPartitions = append(r.Assignment.TopicPartitions, msg.ConsumerGroupHeartbeatResponseTopicPartitions{TopicID: id, Partitions: []int32{0}})
		}
		return r
	}
	out := b.step(&Subscribe{Topics: []string{"work"}})
	resp := target(wire.UUID{1})
	beat := func() {
		for outs := []Effects{out}; len(outs) > 0; outs = outs[1:] {
			if outs[0].List {
				lists = append(lists, b.now.Sub(begun))
				outs = append(outs, b.step(&Listed{Topics: []Listing{{Name: "work", ID: work}}}))
			}
			for _, call := range outs[0].Calls {
				outs = append(outs, b.answer(call, resp))
				resp = &msg.ConsumerGroupHeartbeatResponse{MemberEpoch: 1, HeartbeatIntervalMs: 500}
			}
		}
		out = b.later(500 * time.Millisecond)
	}
	for b.now.Sub(begun) < time.Hour {
		beat()
	}
	if n := len(lists); n < 10 || n > 14 || lists[0] != 0 {
		t.Errorf("all topics were listed %d times in an hour: %v", n, lists)
	}
	lists, resp = nil, target(wire.UUID{1}, wire.UUID{2})
	b.now, begun = b.now.Add(time.Second), b.now
	for b.now.Sub(begun) < 10*time.Second {
		beat()
	}
	if len(lists) < 3 || !slices.IsSorted(lists) || lists[0] > 2*time.Second {
		t.Errorf("for another topic they were listed at %v", lists)
	}
}
