package plan

import (
	"errors"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

func refusal(p int32, code protocol.Code) msg.FetchResponsePartitionData {
	d := data(p)
	d.ErrorCode = int16(code)
	return d
}

// answerAll answers what is asked, for a while, each time with a code for partition 0; the others get nothing new. It gives how often partition 0 was asked for and when, in seconds, it was told.
func (b *bench) answerAll(code protocol.Code, span time.Duration) (asked int, told []int) {
	begun := b.now
	pending := b.out
	for b.now.Sub(begun) < span {
		for _, f := range pending.Fail {
			if !f.Again {
				b.t.Fatalf("%v ends the partition", code)
			}
			told = append(told, int(b.now.Sub(begun)/time.Second))
		}
		switch {
		case len(pending.Fetch) > 0:
			r := pending.Fetch[0]
			var parts []msg.FetchResponsePartitionData
			for _, w := range r.Wants {
				if w.Partition == 0 {
					asked++
					parts = append(parts, refusal(0, code))
				}
			}
			if parts == nil { // nothing comes for half a second
				b.now = b.now.Add(r.Wait)
			}
			b.answer(r, parts...)
		case len(pending.List) > 0:
			asked++
			b.out = pending
			b.listed(code, -1)
		case len(pending.Check) > 0:
			asked++
			e := msg.OffsetForLeaderEpochResponseEpochEndOffset{ErrorCode: int16(code), LeaderEpoch: -1, EndOffset: -1}
			b.step(&Checked{Query: pending.Check[0], Resp: &msg.OffsetForLeaderEpochResponse{Topics: []msg.OffsetForLeaderEpochResponseOffsetForLeaderTopicResult{{Topic: "a",
				Partitions: []msg.OffsetForLeaderEpochResponseEpochEndOffset{e}}}}})
		default:
			next := b.c.Next()
			if next.IsZero() {
				b.t.Fatalf("%v: nothing is to be done any more", code)
			}
			b.later(next.Sub(b.now))
		}
		pending = b.out
	}
	b.out = pending
	return asked, told
}

// TestATroubleIsToldAndTriedAgain has what may be wrong with a partition: in each of the requests it is tried again, and told at a low rate.
func TestATroubleIsToldAndTriedAgain(t *testing.T) {
	requests := map[string]func(*bench){
		"Fetch":       func(b *bench) { b.assign(0, 10) },
		"ListOffsets": func(b *bench) { b.assign(0, AtStart) },
		"OffsetForLeaderEpoch": func(b *bench) {
			b.assign(0, 40)
			b.records(b.fetch(), 0, 40, 1)
			r := b.fetch()
			b.step(&Taken{Chunks: []Taking{{TopicPartition: tp(0), Gen: b.gens[0], Bytes: b.c.parts[0].bytes}}})
			b.step(&Changed{snapshot(6, 1, 2, 1)})
			b.answer(r)
		},
	}
	for name, begin := range requests {
		for _, c := range []struct {
			code  protocol.Code
			first int // second in which it is told first
		}{
			{protocol.TopicAuthorizationFailed, 0}, {protocol.CorruptMessage, 0}, {protocol.UnknownServerError, 10}, {protocol.KafkaStorageError, 10}, {protocol.FencedLeaderEpoch, 10},
			{protocol.UnknownTopicOrPartition, 10}, {protocol.UnknownTopicID, 10}, {protocol.NotLeaderOrFollower, 10}, {protocol.InvalidRequest, 0},
		} {
			b := newBench(t, nil)
			begin(b)
			asked, told := b.answerAll(c.code, 35*time.Second)
			if asked < 8 || asked > 100 {
				t.Errorf("%s, %v: asked %d times in 35 s", name, c.code, asked)
			}
			if len(told) < 2 || len(told) > 4 || told[0] < c.first || told[0] > c.first+2 {
				t.Errorf("%s, %v: told at %v", name, c.code, told)
			}
		}
	}
}

func TestAPartitionsTroubleDoesNotHoldUpItsNeighbour(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 10)
	r := b.fetch()
	b.assign(2, 10)
	b.answer(r, refusal(0, protocol.TopicAuthorizationFailed))
	if r = b.fetch(); len(r.Wants) != 1 || r.Wants[0].Partition != 2 {
		t.Fatalf("%+v", r.Wants)
	}
	b.later(100 * time.Millisecond)
	if r = b.fetch(); len(r.Wants) != 1 || r.Wants[0].Partition != 0 || !r.Aside { // and it does not wait for its neighbour, either
		t.Fatalf("%+v", r.Wants)
	}
	b.records(r, 0, 10, 1)
	if p := b.c.parts[0]; p.trouble.Err != nil || p.offset != 11 {
		t.Fatalf("after a good answer: %+v", p.trouble)
	}
}

func TestWhatWaitsForASeekIsToldAgain(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Policy = ResetNone })
	b.assign(0, AtDefault)
	told := len(b.out.Fail)
	for range 3 {
		b.later(b.c.Next().Sub(b.now))
		told += len(b.out.Fail)
	}
	if told != 4 || b.out.Fail[0].Again || !errors.Is(b.out.Fail[0].Err, ErrNoOffset) {
		t.Fatalf("told %d times: %+v", told, b.out.Fail)
	}
}

func TestAnErrorOfAWholeAnswerIsToldOfEachPartition(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 10)
	told := 0
	for begun := b.now; b.now.Sub(begun) < 15*time.Second; {
		if len(b.out.Fetch) > 0 {
			b.step(&Fetched{Request: b.fetch(), Version: 13, Resp: &msg.FetchResponse{ErrorCode: int16(protocol.UnknownServerError)}})
		} else {
			b.later(b.c.Next().Sub(b.now))
		}
		told += len(b.out.Fail)
	}
	if told != 1 {
		t.Errorf("told %d times in 15 s", told)
	}
}

// TestDamageIsToldWhenItStays has a batch whose bits are turned: once by the way, or in the log.
func TestDamageIsToldWhenItStays(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 0)
	damage := errors.New("turned bits")
	fetches, told := 0, 0
	for begun := b.now; b.now.Sub(begun) < 25*time.Second; {
		if len(b.out.Fetch) == 0 {
			b.later(b.c.Next().Sub(b.now))
			continue
		}
		fetches++
		r := b.fetch()
		b.records(r, 0, 0, 2)
		more := b.out.Fetch
		if (len(more) > 0) != (fetches == 1) {
			t.Fatalf("time %d: %d fetches of what is behind", fetches, len(more))
		}
		b.step(&Taken{Chunks: []Taking{{TopicPartition: tp(0), Gen: b.gens[0], Bytes: b.c.parts[0].bytes, Back: true, At: 0, Epoch: -1, Err: damage}}})
		told += len(b.out.Fail)
		if fetches == 1 && told > 0 {
			t.Fatal("the first time is told")
		}
		for _, r := range more {
			b.answer(r)
		}
	}
	if told != 3 || fetches > 40 {
		t.Fatalf("told %d times, fetched %d times in 25 s", told, fetches)
	}
	if len(b.out.Fetch) == 0 {
		b.later(time.Minute)
	}
	b.records(b.fetch(), 0, 0, 2)
	b.step(&Taken{Chunks: []Taking{{TopicPartition: tp(0), Gen: b.gens[0], Bytes: b.c.parts[0].bytes}}})
	if b.c.parts[0].trouble.Err != nil {
		t.Fatal("it was read, and is still in trouble")
	}
}

// asksFollower lets partition 0 be read from node 3, a follower.
func asksFollower(t *testing.T) (*bench, *Request) {
	b := newBench(t, nil)
	b.assign(0, 50)
	d := data(0)
	d.PreferredReadReplica = 3
	b.answer(b.fetch(), d)
	r := b.fetch()
	if r.Node != 3 {
		t.Fatalf("asked node %d", r.Node)
	}
	return b, r
}

// TestAFollowerIsNoWitness has followers that say that there is no such offset, or that the log is another: the leader is asked, whatever has happened to the follower's place meanwhile.
func TestAFollowerIsNoWitness(t *testing.T) {
	diverging := data(0)
	diverging.DivergingEpoch = msg.FetchResponseEpochEndOffset{Epoch: 4, EndOffset: 30}
	for name, meanwhile := range map[string]func(*bench){
		"nothing": func(*bench) {},
		"the leader changes": func(b *bench) {
			s := snapshot(6, 2, 2, 1)
			s.Version = 2
			b.step(&Changed{s})
		},
		"it brings nothing for long": func(b *bench) {
			for range 5 {
				b.later(b.c.Next().Sub(b.now))
			}
		},
	} {
		for what, d := range map[string]msg.FetchResponsePartitionData{"no such offset": refusal(0, protocol.OffsetOutOfRange), "another log": diverging} {
			b, r := asksFollower(t)
			meanwhile(b)
			b.answer(r, d)
			for range 3 {
				for _, e := range b.out.Places {
					if e.Why != "" {
						t.Errorf("%s, %s: %s", name, what, e.Why)
					}
				}
				if len(b.out.List) > 0 {
					t.Errorf("%s, %s: the position is reset", name, what)
				}
				if len(b.out.Fetch) > 0 {
					break
				}
				b.later(100 * time.Millisecond)
			}
			leader, _ := b.c.snap.Leader("a", 0)
			if r := b.fetch(); r.Node != leader || r.Wants[0].Offset != 50 {
				t.Errorf("%s, %s: node %d is asked for %d", name, what, r.Node, r.Wants[0].Offset)
			}
		}
	}
}

// TestPausedPartitionsMakeRoom has a budget that is taken up by what waits for a paused partition.
func TestPausedPartitionsMakeRoom(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Budget, c.PartitionBytes = 256<<10, 64<<10 })
	b.assign(0, 0)
	for offset := int64(0); len(b.out.Fetch) > 0; offset++ {
		r := b.fetch()
		d := data(0)
		d.Records = append(batch(offset, 5, 1), make([]byte, 110<<10)...)
		b.answer(r, d)
	}
	b.step(&Pause{Parts: []cluster.TopicPartition{tp(0)}, On: true})
	b.assign(1, 0)
	if len(b.out.Fetch) != 0 || len(b.out.Evict) != 1 || b.out.Evict[0].TopicPartition != tp(0) {
		t.Fatalf("%+v", b.out)
	}
	if b.later(b.c.Next().Sub(b.now)); len(b.out.Evict) != 1 {
		t.Fatal("it is not asked for again while the reader has it at hand")
	}
	b.step(&Taken{Chunks: []Taking{{TopicPartition: tp(0), Gen: b.gens[0], Bytes: b.c.parts[0].bytes, Dropped: true, Back: true, At: 0, Epoch: -1}}})
	if r := b.fetch(); r.Node != 2 || len(b.out.Fail) != 0 {
		t.Fatalf("%+v", b.out)
	}
	b.step(&Pause{Parts: []cluster.TopicPartition{tp(0)}, On: false})
	if r := b.fetch(); r.Node != 1 || r.Wants[0].Offset != 0 {
		t.Fatalf("after resume: %+v", r.Wants)
	}
}

func again(b *bench, id wire.UUID, epoch int32) *cluster.Snapshot {
	s := snapshot(epoch, 1, 2, 1)
	t := s.Topics()[0]
	t.ID = id
	return cluster.New(cluster.Snapshot{Nodes: s.Nodes, Version: b.c.snap.Version + 1}, t)
}

func TestAPositionDoesNotOutliveItsTopic(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 40)
	flying := b.fetch()
	if len(b.out.Places) != 1 || b.out.Places[0].Topic != (wire.UUID{1}) {
		t.Fatalf("the position is of no topic: %+v", b.out.Places)
	}
	b.step(&Changed{again(b, wire.UUID{2}, 0)}) // nothing was read yet
	if len(b.out.List) != 1 {
		t.Fatalf("%+v", b.out)
	}
	old := b.out.List[0]
	b.step(&Changed{again(b, wire.UUID{3}, 0)}) // and once more
	if len(b.out.List) != 1 {
		t.Fatalf("what was asked of the old topic is waited for: %+v", b.out)
	}
	asked := b.out
	b.out.List = []*Query{old}
	b.listed(protocol.None, 77)
	if p := b.c.parts[0]; p.state != Resetting {
		t.Fatalf("an answer of the old topic counts: %+v", p)
	}
	b.out = asked
	b.listed(protocol.None, 12)
	if p := b.out.Places[0]; p.Position != 12 || p.Topic != (wire.UUID{3}) {
		t.Fatalf("%+v", p)
	}
	b.step(&Fetched{Request: flying, Version: 12, Resp: &msg.FetchResponse{SessionID: 7, // by name, of the first life, and of the offset that is due
		Responses: []msg.FetchResponseFetchableTopicResponse{{Topic: "a", Partitions: []msg.FetchResponsePartitionData{func() msg.FetchResponsePartitionData {
			d := data(0)
			d.Records = batch(12, 5, 1)
			return d
		}()}}}}})
	if len(b.out.Chunks) != 0 {
		t.Fatalf("%+v", b.out.Chunks)
	}
}

// TestALogWhoseEpochsBeginAnew has a topic that was deleted and created again on brokers without topic ids: the leader is asked whether it knows the epoch that was read, and then reading begins anew.
func TestALogWhoseEpochsBeginAnew(t *testing.T) {
	for name, read := range map[string]bool{"records with an epoch were read": true, "nothing was read": false} {
		b := newBench(t, nil)
		b.c.snap = again(b, wire.UUID{}, 5)
		b.assign(0, 40)
		named := func(r *Request, d msg.FetchResponsePartitionData) {
			b.step(&Fetched{Request: r, Version: 11, Resp: &msg.FetchResponse{SessionID: 7,
				Responses: []msg.FetchResponseFetchableTopicResponse{{Topic: "a", Partitions: []msg.FetchResponsePartitionData{d}}}}})
		}
		d := data(0)
		if read {
			d.Records = batch(40, 5, 1)
		}
		named(b.fetch(), d)
		r := b.fetch()
		if read {
			b.step(&Taken{Chunks: []Taking{{TopicPartition: tp(0), Gen: b.gens[0], Bytes: b.c.parts[0].bytes}}})
		}
		b.step(&Changed{again(b, wire.UUID{}, 0)})
		named(r, refusal(0, protocol.UnknownLeaderEpoch))
		doubts := 0
		for i := 0; len(b.out.Check) == 0; i++ {
			if i > 50 {
				t.Fatalf("%s: the leader is never asked", name)
			}
			b.later(b.c.Next().Sub(b.now))
			doubts += len(b.out.Doubts)
		}
		if q := b.out.Check[0].Parts[0]; q.LastEpoch != 5 || q.LeaderEpoch != 0 || doubts == 0 {
			t.Fatalf("%s: %+v after %d doubts", name, q, doubts)
		}
		b.checked(b.out.Check[0], -1, -1)
		if len(b.out.List) != 1 {
			t.Fatalf("%s: the position is not reset: %+v", name, b.out)
		}
	}
}

func TestSessionsThatNobodyReadsInAreClosed(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 0)
	b.answer(b.fetch(), data(0))
	r := b.fetch()
	b.step(&Revoke{Parts: []cluster.TopicPartition{tp(0)}})
	b.answer(r, data(0))
	if len(b.out.End) != 1 || b.out.End[0] != (EndSession{1, 7}) || len(b.out.Fetch) != 0 {
		t.Fatalf("%+v", b.out)
	}
	if r := b.assign(0, 0).Fetch[0]; r.Ask.ID != 0 || r.Ask.Epoch != 0 {
		t.Fatalf("%+v", r.Ask)
	}
}

func TestCloseEndsTheSessionsOfFetchesUnderWay(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 0)
	b.answer(b.fetch(), data(0)) // one is asked for in its session
	b.assign(1, 0)               // the other opens one
	opening := b.fetch()
	if out := b.step(&Close{Owner: "c"}); len(out.End) != 1 || out.End[0] != (EndSession{1, 7}) {
		t.Fatalf("%+v", out.End)
	}
	b.step(&Fetched{Request: opening, Version: 13, Resp: &msg.FetchResponse{SessionID: 8}})
	if len(b.out.End) != 1 || b.out.End[0] != (EndSession{2, 8}) || len(b.out.Fetch) != 0 {
		t.Fatalf("%+v", b.out)
	}
}
