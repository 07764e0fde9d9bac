package plan

import (
	"slices"
	"testing"
	"time"
)

// TestASilentLeaderIsAskedAbout lets a leader bring nothing: another broker is asked, after 2 s, then 3, then 4.5.
func TestASilentLeaderIsAskedAbout(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 40)
	r := b.fetch()
	begun := b.now
	var asked []time.Duration
	for range 20 { // the broker holds each fetch back for half a second, and answers with nothing
		b.later(500 * time.Millisecond)
		for _, d := range b.out.Doubts {
			if d.Node != 1 || !slices.Equal(d.Topics, []string{"a"}) {
				t.Fatalf("%+v", d)
			}
			asked = append(asked, b.now.Sub(begun))
		}
		b.answer(r)
		r = b.fetch()
	}
	if want := []time.Duration{2 * time.Second, 5 * time.Second, 9500 * time.Millisecond}; !slices.Equal(asked, want) {
		t.Errorf("asked after %v, expected %v", asked, want)
	}
}

// TestWhoBringsLittleMayBeSilentForLong has an answer with records every ten seconds.
func TestWhoBringsLittleMayBeSilentForLong(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 0)
	r := b.fetch()
	asked := 0
	for i := range 40 {
		asked = 0
		for range 20 {
			b.later(500 * time.Millisecond)
			asked += len(b.out.Doubts)
			b.answer(r)
			r = b.fetch()
		}
		b.records(r, 0, int64(i), 1)
		r = b.fetch()
		b.step(&Taken{Chunks: []Taking{{TopicPartition: tp(0), Gen: b.gens[0], Bytes: 70}}})
	}
	if asked != 0 {
		t.Errorf("asked %d times in the last ten seconds, although they were as silent as all others", asked)
	}
}

// TestAReplicaThatBringsNothingIsLeft has a follower that is read from because it is near, and does not follow any more.
func TestAReplicaThatBringsNothingIsLeft(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Rack = "r" })
	b.assign(0, 40)
	redirect := data(0)
	redirect.PreferredReadReplica = 3
	b.answer(b.fetch(), redirect)
	r := b.fetch()
	if r.Node != 3 {
		t.Fatalf("fetches from %d", r.Node)
	}
	b.later(2 * time.Second)
	b.answer(r)
	if r = b.fetch(); r.Node != 1 {
		t.Errorf("fetches from %d, expected the leader", r.Node)
	}
}

// TestALeaderOlderThanThePositionIsNotAsked begins behind a record of epoch 7, and is told of a leader of epoch 5.
func TestALeaderOlderThanThePositionIsNotAsked(t *testing.T) {
	begin := func(b *bench) {
		b.gen++
		b.gens[0] = b.gen
		b.step(&Assign{Starts: []Start{{TopicPartition: tp(0), Gen: b.gen, Offset: 40, Epoch: 7}}})
	}
	b := newBench(t, nil)
	begin(b)
	if len(b.out.Fetch)+len(b.out.Check) != 0 || len(b.out.Doubts) != 1 || b.out.Doubts[0].Node != 1 {
		t.Fatalf("%+v", b.out)
	}
	b.step(&Changed{snapshot(7, 2, 2, 1)})
	if r := b.fetch(); r.Node != 2 {
		t.Errorf("fetches from %d", r.Node)
	}
	b = newBench(t, nil)
	begin(b)
	for range staleLimit {
		b.later(time.Second)
	}
	if len(b.out.Check) != 1 {
		t.Errorf("nobody knows a newer leader, and this one is not asked: %+v", b.out)
	}
}
