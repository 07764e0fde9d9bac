package plan

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
)

// What comes and goes together keeps its order. Of a partition that is named twice the last counts, and a topic is asked for once.
func TestManyPartitionsComeAndGoTogether(t *testing.T) {
	b := newBench(t, nil)
	b.assign(1, 7)
	m := &Assign{}
	for gen, p := range []int32{5, 3, 1, 3, 0} {
		m.Starts = append(m.Starts, Start{TopicPartition: tp(p), Gen: uint64(10 + gen), Offset: int64(gen), Epoch: -1})
	}
	if out := b.step(m); !slices.Equal(out.Refresh, []string{"a"}) {
		t.Errorf("asked for %v", out.Refresh)
	}
	have := func() (list []int32) {
		for _, p := range b.c.parts {
			list = append(list, p.Partition)
		}
		return list
	}
	if got := have(); !slices.Equal(got, []int32{0, 1, 3, 5}) || b.c.part(tp(3), 13) == nil || b.c.part(tp(1), 12) == nil {
		t.Fatalf("it has %v", got)
	}
	b.step(&Revoke{Parts: []cluster.TopicPartition{tp(5), tp(9), tp(1), tp(1)}})
	if got := have(); !slices.Equal(got, []int32{0, 3}) {
		t.Errorf("it has %v", got)
	}
}

// An answer about very many partitions is taken in one step, and what is to be asked next is found in another.
func TestAnAnswerAboutManyPartitions(t *testing.T) {
	const n = much + 1
	leaders := make([]int32, n)
	m := &Assign{}
	for i := range leaders {
		leaders[i] = 1
		m.Starts = append(m.Starts, Start{TopicPartition: tp(int32(i)), Gen: 1, Offset: 7, Epoch: -1})
	}
	b := newBench(t, nil)
	s := snapshot(5, leaders...)
	s.Version = 1
	b.step(&Changed{Snapshot: s})
	b.step(m)
	r := b.fetch()
	var parts []msg.FetchResponsePartitionData
	for i := range leaders {
		d := data(int32(n - 1 - i))
		d.HighWatermark = 1000 + int64(d.PartitionIndex)
		parts = append(parts, d)
	}
	out := b.answer(r, parts...)
	if len(out.Fetch) != 0 || len(out.Places) != n || b.c.Next() != b.now {
		t.Fatalf("%d places, %d fetches, next at %s", len(out.Places), len(out.Fetch), b.c.Next())
	}
	for _, p := range out.Places {
		if p.HighWater != 1000+int64(p.Partition) {
			t.Fatalf("%+v", p)
		}
	}
	b.later(0)
	if next := b.fetch(); len(next.Wants) != n || next.Ask.Epoch != 1 || len(next.Ask.Send) != 0 {
		t.Errorf("%d are wanted, %d told", len(next.Wants), len(next.Ask.Send))
	}
}

// Of many topics without a leader each is asked for once.
func TestManyTopicsAreAskedForOnce(t *testing.T) {
	b := newBench(t, nil)
	m := &Assign{}
	for i := range 5 * fewWishes {
		for p := range int32(2) {
			m.Starts = append(m.Starts, Start{TopicPartition: cluster.TopicPartition{Topic: fmt.Sprint("t", i), Partition: p}, Gen: 1, Offset: 7, Epoch: -1})
		}
	}
	for n, step := range []func() *Effects{func() *Effects { return b.step(m) }, func() *Effects { return b.later(time.Minute) }} {
		out := step()
		if slices.Sort(out.Refresh); len(out.Refresh) != 5*fewWishes || len(slices.Compact(out.Refresh)) != 5*fewWishes {
			t.Errorf("step %d: asked for %d topics, %v", n, len(out.Refresh), out.Refresh)
		}
	}
}

// TestPartitionsWithoutALeaderAskTogether has twenty partitions of one topic that were given one after the other: each asked for the topic by itself, which made twenty questions a second for as long as they had no leader.
func TestPartitionsWithoutALeaderAskTogether(t *testing.T) {
	b := newBench(t, nil)
	asked := 0
	for i := range int32(20) {
		b.gens[100+i] = 1
		b.step(&Assign{Starts: []Start{{TopicPartition: tp(100 + i), Gen: 1, Offset: 50, Epoch: 5}}})
		b.later(47 * time.Millisecond)
	}
	for begun := b.now; b.now.Sub(begun) < 20*time.Second; {
		b.later(max(time.Millisecond, b.c.Next().Sub(b.now)))
		asked += len(b.out.Refresh)
	}
	if asked < 15 || asked > 60 {
		t.Errorf("the topic is asked for %d times in 20 s", asked)
	}
}

// TestVeryManyPartitionsAreNamedInPieces: a step that named 95,000 partitions to a broker took 50 ms. All are asked for without a wait in between, and what is known stays in the session.
func TestVeryManyPartitionsAreNamedInPieces(t *testing.T) {
	const n = 95_000
	b := newBench(t, nil)
	s := snapshot(5, slices.Repeat([]int32{1}, n)...)
	s.Version = 1
	b.step(&Changed{Snapshot: s})
	var r *Request
	for from := int32(0); from < n; from += 10_000 {
		m := &Assign{}
		for i := from; i < min(from+10_000, n); i++ {
			m.Starts = append(m.Starts, Start{TopicPartition: tp(i), Gen: 1, Offset: 7, Epoch: -1})
		}
		if b.step(m); from == 0 {
			r = b.fetch()
		} else if len(b.out.Fetch) > 0 {
			t.Fatal("it asks while it is waiting")
		}
	}
	begun := b.now
	for named := len(r.Ask.Send); ; named += len(r.Ask.Send) {
		if len(r.Ask.Send) > mostNamed || len(r.Ask.Forget) > 0 || len(r.Wants) != named || (r.Wait == 0) != (named > 10_000 && named < n) {
			t.Fatalf("%d are named, %d forgotten, %d of %d wanted, waiting %v", len(r.Ask.Send), len(r.Ask.Forget), len(r.Wants), named, r.Wait)
		}
		if named == n {
			break
		}
		if b.answer(r); len(b.out.Fetch) == 0 {
			b.now = b.c.Next()
			b.later(0)
		}
		r = b.fetch()
	}
	if b.now.Sub(begun) > 200*time.Millisecond {
		t.Errorf("it takes %v", b.now.Sub(begun))
	}
}
