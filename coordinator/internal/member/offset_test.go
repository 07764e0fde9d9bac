package member

import (
	"fmt"
	"testing"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// An application commits what it has counted itself, and names no leader epoch: the group must not begin at epoch 0, which every log has lost records since.
func TestACommitWithoutALeaderEpochSaysThatItIsNotKnown(t *testing.T) {
	b := newBench(t, nil)
	b.member(1, 0)
	for want, o := range map[int32]Offset{-1: {TopicPartition: parts(0)[0], Offset: 5}, 0: {TopicPartition: parts(0)[0], Offset: 5, LeaderEpoch: cluster.EpochOf(0)}, 4: {TopicPartition: parts(0)[0], Offset: 5, LeaderEpoch: cluster.EpochOf(4)}} {
		call := b.call(b.step(&Commit{Offsets: []Offset{o}, Deadline: b.now.Add(1e9), Owner: 1}), CommitCall)
		if got := call.Req.(*msg.OffsetCommitRequest).Topics[0].Partitions[0].CommittedLeaderEpoch; got != want {
			t.Errorf("%v is sent with leader epoch %d, expected %d", o, got, want)
		}
		b.answer(call, committedAnswer(0, 0))
	}
}

func TestAnOffsetIsPrintedWithEverythingItSays(t *testing.T) {
	o := Offset{TopicPartition: parts(2)[0], Offset: 1234}
	if got := fmt.Sprint(o); got != "work/2 at 1234, leader epoch unknown" {
		t.Error(got)
	}
	o.LeaderEpoch, o.Metadata, o.TopicID = cluster.EpochOf(3), "mine", wire.UUID{1}
	if got := fmt.Sprintf("%+v", []Offset{o}); got != `[work/2 at 1234, leader epoch 3, topic id AQAAAAAAAAAAAAAAAAAAAA, metadata "mine"]` {
		t.Error(got)
	}
}
