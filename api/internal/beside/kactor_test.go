package main

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestWhoDoesNotPollInTimeIsFoundOut(t *testing.T) {
	for _, c := range []struct {
		what  string
		steps []Step
		want  string
	}{
		{"it polls no more than it must", []Step{{Op: "wait", Count: 2900}}, "no member"},
		{"nobody polls", []Step{{Op: "wait", Count: 3100}}, "not polled in time"},
		{"that nobody polls is meant", []Step{{Op: "stall", Count: 9000}, {Op: "wait", Count: 9000}}, "no member"},
	} {
		synctest.Test(t, func(t *testing.T) {
			k := &kactor{scripts: map[string]*script{"p": {members: map[string]*member{"m0": {limit: 6 * time.Second, polled: time.Now()}}, turn: make(chan struct{}, 1)}}}
			got := ""
			for _, s := range append(c.steps, Step{Op: "position", Member: "m1"}) {
				if s.Op == "wait" {
					time.Sleep(time.Duration(s.Count) * time.Millisecond)
					continue
				}
				s.Prefix = "p"
				r, err := k.do(t.Context(), s)
				if err != nil {
					t.Fatal(err)
				}
				got = r.Err
			}
			if got != c.want {
				t.Errorf("%s: %s", c.what, got)
			}
		})
	}
}
