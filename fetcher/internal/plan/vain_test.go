package plan

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/trouble"
)

// in runs for a while in virtual time: answer is called with each fetch, epochs are as they were, and the log begins at 0. It gives how often something was asked for, and when, in seconds, something was told.
func (b *bench) in(span time.Duration, answer func(*Request)) (asked int, told []int) {
	begun := b.now
	next := b.out
	for b.now.Sub(begun) < span {
		out := next
		next = Effects{}
		for _, f := range out.Fail {
			if !f.Again {
				b.t.Fatalf("%v ends the partition", f.Err)
			}
			told = append(told, int(b.now.Sub(begun)/time.Second))
		}
		more := func() {
			next.Fetch, next.List, next.Check, next.Fail = append(next.Fetch, b.out.Fetch...), append(next.List, b.out.List...), append(next.Check, b.out.Check...), append(next.Fail, b.out.Fail...)
		}
		for _, r := range out.Fetch {
			asked++
			answer(r)
			more()
		}
		for _, q := range out.List {
			asked++
			b.out.List = []*Query{q}
			b.listed(protocol.None, 0)
			more()
		}
		for _, q := range out.Check {
			asked++
			b.checked(q, q.Parts[0].LastEpoch, 100)
			more()
		}
		if len(out.Fetch)+len(out.List)+len(out.Check) > 0 {
			if asked > 1000 {
				b.t.Fatalf("asked %d times in %s", asked, b.now.Sub(begun))
			}
			continue
		}
		if b.c.Next().IsZero() {
			b.t.Fatal("nothing is to be done any more")
		}
		b.later(max(time.Millisecond, b.c.Next().Sub(b.now)))
		next = b.out
	}
	b.out = next
	return asked, told
}

// TestAFollowerThatRefusesForEverIsTold has a leader that names a follower again and again, and a follower that gives nothing, each time for the same reason.
func TestAFollowerThatRefusesForEverIsTold(t *testing.T) {
	type reason struct {
		name   string
		first  int // second in which it is told first
		refuse func(*bench, *Request)
	}
	diverging := data(0)
	diverging.DivergingEpoch = msg.FetchResponseEpochEndOffset{Epoch: 4, EndOffset: 30}
	reasons := []reason{
		{"the leader is the one to read from", 10, func(b *bench, r *Request) {
			d := data(0)
			d.PreferredReadReplica = 1
			b.answer(r, d)
		}},
		{"it tells of another partition", 10, func(b *bench, r *Request) { b.answer(r, data(1)) }},
		{"another log", 10, func(b *bench, r *Request) { b.answer(r, diverging) }},
		{"no connection", 10, func(b *bench, r *Request) { b.step(&Fetched{Request: r, Err: errors.New("no connection")}) }},
		{"an error of the whole answer", 10, func(b *bench, r *Request) {
			b.step(&Fetched{Request: r, Version: 13, Resp: &msg.FetchResponse{ErrorCode: int16(protocol.UnknownServerError)}})
		}},
	}
	for code := protocol.Code(-1); code < 134; code++ {
		if code == protocol.None {
			continue
		}
		first := 10
		if kindOf(code) != trouble.Passing {
			first = 0
		}
		reasons = append(reasons, reason{code.Name(), first, func(b *bench, r *Request) { b.answer(r, refusal(0, code)) }})
	}
	for _, c := range reasons {
		b := newBench(t, nil)
		b.gens[0] = 1
		b.step(&Assign{Starts: []Start{{TopicPartition: tp(0), Gen: 1, Offset: 50, Epoch: 5}}})
		asked, told := b.in(35*time.Second, func(r *Request) {
			if r.Node == 3 {
				c.refuse(b, r)
				return
			}
			d := data(0)
			d.PreferredReadReplica = 3
			b.answer(r, d)
		})
		if asked < 10 || asked > 130 {
			t.Errorf("%s: asked %d times in 35 s", c.name, asked)
		}
		if len(told) < 2 || len(told) > 4 || told[0] < c.first || told[0] > c.first+2 {
			t.Errorf("%s: told at %v", c.name, told)
		}
		b.in(5*time.Second, func(r *Request) { // it is well again
			d := data(0)
			if d.PreferredReadReplica = 3; r.Node == 3 {
				d.PreferredReadReplica = -1
				b.now = b.now.Add(r.Wait)
			}
			b.answer(r, d)
		})
		if p := b.c.parts[0]; p.trouble.Err != nil && !p.trouble.Damaged() || p.lapsed { // what was damaged must be read first
			t.Errorf("%s: it has come, and is still in trouble: %+v", c.name, p.trouble)
		}
	}
}

func TestAReplicaThatNobodyKnowsIsTold(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 50)
	refreshed := false
	asked, told := b.in(25*time.Second, func(r *Request) {
		d := data(0)
		d.PreferredReadReplica = 9
		b.answer(r, d)
		refreshed = refreshed || len(b.out.Refresh) > 0
	})
	if asked > 50 || len(told) != 2 || told[0] != 10 || !refreshed {
		t.Errorf("asked %d times, told at %v, metadata asked for: %v", asked, told, refreshed)
	}
}

// TestAPositionThatIsGivenAndDeniedIsTold has a broker that says where the log begins, and that there is no such offset. The first time it is believed at once.
func TestAPositionThatIsGivenAndDeniedIsTold(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 50)
	if b.answer(b.fetch(), refusal(0, protocol.OffsetOutOfRange)); len(b.out.List) != 1 {
		t.Fatalf("%+v", b.out)
	}
	asked, told := b.in(25*time.Second, func(r *Request) { b.answer(r, refusal(0, protocol.OffsetOutOfRange)) })
	if asked > 70 || len(told) != 2 || told[0] < 10 || told[0] > 11 {
		t.Errorf("asked %d times, told at %v", asked, told)
	}
}

// TestALeaderThatCannotBeReachedIsTold has a leader that no connection leads to, and that remains the leader.
func TestALeaderThatCannotBeReachedIsTold(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 50)
	asked, told := b.in(25*time.Second, func(r *Request) { b.step(&Fetched{Request: r, Err: errors.New("no connection")}) })
	if asked > 40 || len(told) != 2 || told[0] < 10 || told[0] > 11 {
		t.Errorf("asked %d times, told at %v", asked, told)
	}
	b.in(renewal+time.Second, func(r *Request) { // nothing is new of it: it is left out
		b.now = b.now.Add(r.Wait)
		b.step(&Fetched{Request: r, Version: 13, Resp: &msg.FetchResponse{SessionID: 7}})
	})
	if p := b.c.parts[0]; p.trouble.Err != nil {
		t.Errorf("%+v", p.trouble)
	}
}

// TestWhatLastsIsToldWhateverItIs has partitions of which nothing is read for long, for any reasons one after the other: refusals of the leader, of a follower, of the log's epochs and offsets, damages.
func TestWhatLastsIsToldWhateverItIs(t *testing.T) {
	damage := errors.New("turned bits")
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := newBench(t, func(c *Config) { c.BackoffMax = 500 * time.Millisecond })
		b.gens[0] = 1
		b.step(&Assign{Starts: []Start{{TopicPartition: tp(0), Gen: 1, Offset: 50, Epoch: 5}}})
		reasons := make([]int, 1+r.IntN(4))
		for i := range reasons {
			reasons[i] = r.IntN(8)
		}
		n := 0
		_, told := b.in(40*time.Second, func(q *Request) {
			n++
			switch reasons[n%len(reasons)] {
			case 0:
				b.answer(q, refusal(0, protocol.NotLeaderOrFollower))
			case 1:
				b.answer(q, refusal(0, protocol.CorruptMessage))
			case 2:
				b.answer(q, refusal(0, protocol.TopicAuthorizationFailed))
			case 3, 4:
				d := data(0)
				d.PreferredReadReplica = 3
				if q.Node == 3 {
					d = refusal(0, protocol.ReplicaNotAvailable)
				}
				b.answer(q, d)
			case 5:
				b.step(&Fetched{Request: q, Err: errors.New("no connection")})
			case 6:
				if q.Node == 1 {
					b.answer(q, refusal(0, protocol.KafkaStorageError))
				} else {
					b.answer(q, refusal(0, protocol.OffsetOutOfRange))
				}
			case 7:
				p := b.c.parts[0]
				offset := p.offset
				b.records(q, 0, offset, 2)
				first := b.out
				if len(first.Chunks) == 0 { // it is of an offset that does not count any more
					return
				}
				b.step(&Taken{Chunks: []Taking{{TopicPartition: tp(0), Gen: 1, Bytes: p.bytes, Back: true, At: offset, Epoch: 5, Err: damage}}})
				b.out.Fetch, b.out.Fail = append(first.Fetch, b.out.Fetch...), append(first.Fail, b.out.Fail...)
			}
		})
		for i := range told {
			if i > 0 && told[i]-told[i-1] > 12 || i == 0 && told[0] > 12 {
				t.Errorf("seed %d: of %v told was at %v", seed, reasons, told)
			}
		}
		if len(told) < 3 {
			t.Errorf("seed %d: of %v told was at %v", seed, reasons, told)
		}
	}
}
