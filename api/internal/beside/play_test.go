package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
)

// clients are a driver that gives the same for both.
type clients func(s Step) Result

func (c clients) do(_ context.Context, s Step) (Result, error) { return c(s), nil }

func TestThatBothShowNothingIsNoAgreement(t *testing.T) {
	for _, c := range []struct{ op, err string }{{"settle", "not settled"}, {"commit async", "no outcome"}, {"commit", "no member"}, {"create", "TimeoutException"}} {
		both := clients(func(Step) Result { return Result{Err: c.err} })
		p := &player{java: both, kactor: both}
		var s *stuck
		if d, err := p.play(t.Context(), Script{Steps: []Step{{Op: c.op}}}); d != nil || !errors.As(err, &s) {
			t.Errorf("%s: %v, %v", c.err, d, err)
		}
	}
	java := clients(func(s Step) Result { // the first of the two
		if strings.HasSuffix(s.Prefix, "j-") && s.Op == "produce" {
			return Result{Err: "time-out"}
		}
		return Result{}
	})
	p := &player{java: java, kactor: java}
	var s *stuck
	if d, err := p.play(t.Context(), Script{Steps: []Step{{Op: "produce"}}}); d != nil || !errors.As(err, &s) {
		t.Errorf("what Java writes for one client fails: %v, %v", d, err)
	}
	slow := clients(func(Step) Result { return Result{Err: "not polled in time"} })
	for _, p := range []*player{{java: slow, kactor: clients(func(Step) Result { return Result{} })}, {java: clients(func(Step) Result { return Result{} }), kactor: slow}} {
		if d, err := p.play(t.Context(), Script{Steps: []Step{{Op: "settle"}}}); d != nil || !errors.As(err, &s) {
			t.Errorf("one has not polled in time: %v, %v", d, err)
		}
	}
	for _, c := range []struct{ op, err string }{{"commit", "fenced"}, {"truncate", "OffsetOutOfRangeException"}} {
		both := clients(func(Step) Result { return Result{Err: c.err} })
		p := &player{java: both, kactor: both}
		if d, err := p.play(t.Context(), Script{Steps: []Step{{Op: c.op}}}); d != nil || err != nil {
			t.Errorf("%s: %v, %v", c.err, d, err)
		}
	}
}

func TestWhatIsRefusedChangesNothing(t *testing.T) {
	var expect []string
	refuses := func(s Step) Result {
		if s.Op == "subscribe" {
			return Result{Err: "state"}
		}
		return Result{}
	}
	p := &player{java: clients(refuses), kactor: clients(func(s Step) Result {
		if s.Op == "settle" {
			expect = s.Expect
		}
		return refuses(s)
	})}
	d, err := p.play(t.Context(), Script{Steps: []Step{{Op: "create", Topic: "t", Count: 2}, {Op: "subscribe", Member: "m0", Topics: []string{"t"}}, {Op: "settle", Members: []string{"m0"}}}})
	if d != nil || err != nil || len(expect) > 0 {
		t.Errorf("%v, %v, expects %q", d, err, expect)
	}
}

// deaf is a driver that does not end a step.
type deaf chan struct{}

func (d deaf) do(context.Context, Step) (Result, error) {
	<-d
	return Result{}, nil
}

func TestAStepThatHangsEndsThePlay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := make(deaf)
		p := &player{java: clients(func(Step) Result { return Result{} }), kactor: hangs}
		_, err := p.play(t.Context(), Script{Steps: []Step{{Op: "commit"}}})
		if err == nil || !strings.Contains(err.Error(), `deaf: step "commit" does not end`) {
			t.Error(err)
		}
		close(hangs)
		synctest.Wait()
	})
}
