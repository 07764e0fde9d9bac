package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// difference is where the clients saw something else.
type difference struct {
	At     int // of the step
	Step   Step
	Field  string
	Java   string
	Kactor string

	results [2]Result // of Java and of kactor
}

func (d *difference) String() string {
	step, _ := json.Marshal(d.Step)
	return fmt.Sprintf("step %d %s: %s\n  java   %s\n  kactor %s", d.At, step, d.Field, d.Java, d.Kactor)
}

// comparer holds results of both clients against each other, step by step.
type comparer struct {
	open   map[string]bool // members, and whether they commit by themselves
	shared bool            // who has which partition is left open
}

func newComparer() *comparer { return &comparer{open: map[string]bool{}} }

// follow keeps up which members there are. Once there were two it is left open who has which partition, unless an assignor gives them out by the members' names: what one has that is alone again depends on what it
// had before.
func (c *comparer) follow(s Step) {
	switch s.Op {
	case "open":
		c.open[s.Member] = s.Config["enable.auto.commit"] == "true"
		c.shared = c.shared || len(c.open) > 1 && !strings.HasSuffix(s.Config["partition.assignment.strategy"], "RangeAssignor")
	case "close":
		delete(c.open, s.Member)
	}
}

// auto tells whether a member commits by itself.
func (c *comparer) auto() bool {
	for _, auto := range c.open {
		if auto {
			return true
		}
	}
	return false
}

// plain gives calls of a listener without what the protocols leave open: how often a group is rebalanced without effect for the member, and in how many calls.
func plain(events []string) []string {
	var out []string
	for _, e := range events {
		what, parts, _ := strings.Cut(e, " ")
		if parts == "" {
			continue
		}
		if n := len(out); n > 0 {
			before, had, _ := strings.Cut(out[n-1], " ")
			if before == "revoked" && what == "assigned" && had == parts {
				out = out[:n-1]
				continue
			}
			if before == what {
				all := slices.Concat(strings.Fields(had), strings.Fields(parts))
				slices.Sort(all)
				out[n-1] = what + " " + strings.Join(all, " ")
				continue
			}
		}
		out = append(out, e)
	}
	return out
}

func words(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// sizes are how many partitions members have, in order.
func sizes(parts map[string][]string) []int {
	var out []int
	for _, p := range parts {
		out = append(out, len(p))
	}
	slices.Sort(out)
	return out
}

func full[V any](m map[string][]V) map[string][]V {
	m = maps.Clone(m)
	maps.DeleteFunc(m, func(_ string, v []V) bool { return len(v) == 0 })
	return m
}

// compare gives the first difference of a step's results; nil: there is none.
func (c *comparer) compare(at int, s Step, java, kactor Result) *difference {
	differ := func(field string, j, k any) *difference {
		a, b := words(j), words(k)
		if a == b || len(a) <= 4 && len(b) <= 4 && (a == "{}" || a == "null" || a == "[]") && (b == "{}" || b == "null" || b == "[]") {
			return nil
		}
		if java.Text != "" {
			a += " (" + java.Text + ")"
		}
		if kactor.Text != "" {
			b += " (" + kactor.Text + ")"
		}
		return &difference{at, s, field, a, b, [2]Result{java, kactor}}
	}
	if d := differ("error", java.Err, kactor.Err); d != nil {
		return d
	}
	if d := differ("errors", full(java.Errors), full(kactor.Errors)); d != nil {
		return d
	}
	if len(full(java.Errors)) == 0 { // else how much was read before is open
		if d := differ("records", full(java.Records), full(kactor.Records)); d != nil {
			return d
		}
	}
	if java.Err == "" {
		c.follow(s)
	}
	if s.Op == "state" && slices.ContainsFunc(kactor.Parts["subscription"], func(t string) bool { return strings.HasPrefix(t, "^") }) { // Java tells the topics, kactor the pattern
		delete(java.Parts, "subscription")
		delete(kactor.Parts, "subscription")
	}
	if asks := s.Op == "group" || s.Op == "committed"; !asks || !c.auto() { // when a consumer commits by itself is left to it, until it is closed
		if d := differ("offsets", java.Offsets, kactor.Offsets); d != nil {
			return d
		}
	}
	if c.shared && s.Op == "settle" {
		return differ("sizes of assignments", sizes(java.Parts), sizes(kactor.Parts))
	}
	if d := differ("partitions", full(java.Parts), full(kactor.Parts)); d != nil || c.shared {
		return d
	}
	if d := differ("last calls of the listener", plain(java.Last), plain(kactor.Last)); d != nil {
		return d
	}
	calls := func(of Result) map[string][]string {
		out := map[string][]string{}
		for m, e := range of.Events {
			if e = plain(e); len(e) > 0 {
				out[m] = e
			}
		}
		return out
	}
	return differ("calls of the listener", calls(java), calls(kactor))
}
