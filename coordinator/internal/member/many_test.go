package member

import (
	"errors"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
)

// asked is for how many partitions of topic work a call is.
func (b *bench) asked(call *Call) (parts []int32) {
	switch req := call.Req.(type) {
	case *msg.OffsetFetchRequest:
		for _, t := range req.Groups[0].Topics {
			parts = append(parts, t.PartitionIndexes...)
		}
	case *msg.OffsetCommitRequest:
		for _, t := range req.Topics {
			for _, p := range t.Partitions {
				parts = append(parts, p.PartitionIndex)
			}
		}
	}
	if len(parts) == 0 || len(parts) > MostAsked {
		b.t.Fatalf("%d partitions in a request", len(parts))
	}
	return parts
}

// crowded is a member that has just been given so many partitions, and what it asks for then.
func crowded(t *testing.T, n int) (*bench, Effects) {
	b := newBench(t, func(c *Config) { c.Protocol = Consumer })
	b.step(&Changed{Snapshot: cluster.New(cluster.Snapshot{Version: 1}, &cluster.Topic{Name: "work", ID: work, Partitions: make([]cluster.Partition, n)})})
	var all []int32
	for i := range n {
		all = append(all, int32(i))
	}
	out := b.answer(b.step(&Subscribe{Topics: []string{"work"}}).Calls[0], target(1, all...))
	return b, b.step(&Held{Seq: out.Rebalance.Seq})
}

// Of many partitions it is asked where they begin in one request after the other; so what each answer sets in motion is bounded.
func TestManyPartitionsBeginInTurn(t *testing.T) {
	const n = 2*MostAsked + 1000
	b, out := crowded(t, n)
	begun := map[int32]bool{}
	for requests := 1; len(begun) < n; requests++ {
		call := b.call(out, FetchCall)
		resp := &msg.OffsetFetchResponse{Groups: []msg.OffsetFetchResponseOffsetFetchResponseGroup{{}}}
		in := msg.OffsetFetchResponseOffsetFetchResponseTopics{Name: "work"}
		for _, p := range b.asked(call) {
			in.Partitions = append(in.Partitions, msg.OffsetFetchResponseOffsetFetchResponsePartitions{PartitionIndex: p, CommittedOffset: 7})
		}
		resp.Groups[0].Topics = append(resp.Groups[0].Topics, in)
		out = b.step(&Answer{Call: call, Resp: resp, Version: 9})
		for _, k := range out.Begins {
			begun[k.Partition] = true
		}
		if requests > 3 || len(out.Begins) != len(in.Partitions) {
			t.Fatalf("%d begin after request %d", len(out.Begins), requests)
		}
	}
	if len(out.Calls) > 0 {
		t.Errorf("asked again: %+v", out.Calls)
	}
}

// Many offsets are committed in one request after the other. Of what is committed twice the last counts, wherever it is; the outcome is told when all is written.
func TestManyOffsetsAreCommittedInTurn(t *testing.T) {
	const n = 2*MostAsked + 1000
	for _, code := range []protocol.Code{protocol.None, protocol.OffsetMetadataTooLarge} {
		b, _ := crowded(t, n)
		var offsets []Offset
		for _, last := range []int64{1, 2} {
			for i := range n {
				offsets = append(offsets, Offset{TopicPartition: Partition{Topic: "work", Partition: int32(i)}, Offset: last})
			}
		}
		out := b.step(&Commit{Offsets: offsets, Deadline: b.now.Add(time.Minute), Owner: "all"})
		written := map[int32]int64{}
		for requests := 1; len(out.Results) == 0; requests++ {
			call := b.call(out, CommitCall)
			resp := &msg.OffsetCommitResponse{Topics: []msg.OffsetCommitResponseOffsetCommitResponseTopic{{Name: "work"}}}
			for _, p := range b.asked(call) {
				k := msg.OffsetCommitResponseOffsetCommitResponsePartition{PartitionIndex: p}
				if p == n-1 {
					k.ErrorCode = int16(code)
				}
				resp.Topics[0].Partitions = append(resp.Topics[0].Partitions, k)
			}
			for _, p := range call.Req.(*msg.OffsetCommitRequest).Topics[0].Partitions {
				if _, twice := written[p.PartitionIndex]; twice {
					t.Fatalf("partition %d is committed twice", p.PartitionIndex)
				}
				written[p.PartitionIndex] = p.CommittedOffset
			}
			if out = b.step(&Answer{Call: call, Resp: resp, Version: 9}); requests > 3 {
				t.Fatal("it does not end")
			}
		}
		for p, offset := range written {
			if offset != 2 {
				t.Fatalf("offset %d of partition %d is committed", offset, p)
			}
		}
		if err := out.Results[0].Err; len(written) != n || code == protocol.None && err != nil || code != protocol.None && !errors.Is(err, code) {
			t.Errorf("%d are committed, %v", len(written), err)
		}
	}
}
