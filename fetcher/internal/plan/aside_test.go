package plan

import (
	"testing"
	"time"
)

// TestASeekIsAskedForBesideAFetchThatIsHeldBack has a broker that waits for new records: what is sought meanwhile is asked for on another connection, and when that brings nothing it waits for the others.
func TestASeekIsAskedForBesideAFetchThatIsHeldBack(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 10)
	b.answer(b.fetch(), data(0))
	held := b.fetch()
	if out := b.assign(0, 3); len(out.Fetch) != 0 || b.c.Next().Sub(b.now) != brief {
		t.Fatalf("the answer may be on its way: %+v, %s", out.Fetch, b.c.Next())
	}
	b.later(brief)
	r := b.fetch()
	if !r.Aside || r.Wait != 0 || r.Ask.ID != 0 || r.Ask.Epoch != -1 || len(r.Ask.Send) != 1 || r.Wants[0].Offset != 3 {
		t.Fatalf("%+v", r)
	}
	b.records(r, 0, 3, 2)
	if r = b.fetch(); !r.Aside || r.Wants[0].Offset != 5 {
		t.Fatalf("there may be more: %+v", r)
	}
	b.answer(r, data(0))
	if len(b.out.Fetch) != 0 {
		t.Fatalf("nothing came: %+v", b.out.Fetch)
	}
	b.answer(held)
	if r = b.fetch(); r.Aside || r.Wants[0].Offset != 5 || r.Ask.ID != 7 || r.Ask.Epoch != 2 {
		t.Fatalf("the session goes on: %+v", r.Ask)
	}
	if b.c.used != r.Cost+b.c.parts[0].bytes {
		t.Fatalf("%d bytes of the budget are taken", b.c.used)
	}
}

func TestNothingIsAskedForBesideAFetchThatIsAnsweredSoon(t *testing.T) {
	b := newBench(t, func(c *Config) { c.MaxWait = brief })
	b.assign(0, 10)
	r := b.fetch()
	b.assign(0, 3)
	b.later(time.Minute)
	if len(b.out.Fetch) != 0 {
		t.Fatalf("%+v", b.out.Fetch)
	}
	b.answer(r, data(0))
	if b.fetch().Wants[0].Offset != 3 {
		t.Fatal("the seek is not followed")
	}
}
