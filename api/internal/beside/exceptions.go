package main

import (
	"slices"
	"strconv"
	"strings"
)

// exception is a difference that is meant, or that Java's client is to be blamed for. It holds only where the steps before have brought it about.
type exception struct {
	name, reason string
	match        func(h history, d *difference) bool
}

var exceptions = []exception{
	{"at an old position in a new topic", "a topic is deleted and created again before Java's client hears of it: it goes on at its offset, or at the end of the new topic if that comes before it, and kactor begins as auto.offset.reset says", func(h history, d *difference) bool {
		return d.Step.Op == "settle" && (d.Field == "records" && less(d.results[0].Records, d.results[1].Records, h.recreated) || d.Field == "error" && d.results[1].Err == "" && beyond(d.results[0], h.recreated))
	}},
	{"told of no offset after a seek", "Java's consumer of the consumer protocol looks for a position beside the application, and tells once more after a seek that there was none: what it had asked the coordinator is kept until it is told", func(h history, d *difference) bool {
		return d.Step.Op == "settle" && d.Field == "errors" && h.protocol == "consumer" && h.config("auto.offset.reset") == "none" && h.sought() &&
			len(full(d.results[1].Errors)) == 0 && slices.Equal(d.results[0].Errors["m0"], []string{"no offset"})
	}},
	{"commits what is deleted before it joins again", "Java's consumer of the classic protocol tries to commit the position in a topic that was deleted, until max.poll.interval.ms is over, before it joins its group again; kactor gives up what is not there", func(h history, d *difference) bool {
		return d.Step.Op == "settle" && d.Field == "error" && d.results[0].Err == errSettled.Error() && d.results[1].Err == "" && h.protocol == "classic" && h.config("enable.auto.commit") == "true" &&
			slices.ContainsFunc(d.results[0].Parts["m0"], h.deleted) && !slices.ContainsFunc(d.results[1].Parts["m0"], h.deleted)
	}},
	{"paused past a rebalance", "Java's consumer of the classic protocol forgets that partitions are paused when it gives everything up to join its group again; kactor keeps them paused", func(h history, d *difference) bool {
		again := func(part string) bool { // it was given up and given back, and is paused
			return h.paused(part) && slices.ContainsFunc(d.results[0].Events["m0"], func(e string) bool {
				return strings.HasPrefix(e, "revoked ") && slices.Contains(strings.Fields(e), part)
			})
		}
		return d.Step.Op == "settle" && d.Field == "records" && h.protocol == "classic" && !strings.HasSuffix(h.config("partition.assignment.strategy"), "CooperativeStickyAssignor") && less(d.results[1].Records, d.results[0].Records, again)
	}},
	{"a position that was reset is committed", "kactor commits at once where auto.offset.reset has led it, if it commits by itself; Java's client waits for auto.commit.interval.ms, and forgets it if the partition is not assigned any more", func(h history, d *difference) bool {
		return d.Step.Op == "group" && d.Field == "offsets" && h.config("enable.auto.commit") == "true" && more(d.results[0].Offsets, d.results[1].Offsets, h.givenUp)
	}},
	{"commits as nobody", "Java's consumer of the consumer protocol has left its group because nobody polled, and commits like a consumer without a group, which is allowed while the group has no members; kactor's commit is refused", func(h history, d *difference) bool {
		return d.Step.Op == "commit" && d.Field == "error" && h.protocol == "consumer" && h.stalled() && d.results[0].Err == "" && d.results[1].Err == errFenced
	}},
	{"in a new topic before the group gives it", "Java's consumer of the consumer protocol follows the name into a topic that was created again, and begins with it once more when the group gives it; kactor reads it when it is given", func(h history, d *difference) bool {
		return d.Step.Op == "settle" && d.Field == "records" && h.protocol == "consumer" && h.config("enable.auto.commit") == "false" && begunTwice(d.results[0].Records, d.results[1].Records, h.recreated)
	}},
}

// history is what was done before a step that showed a difference.
type history struct {
	protocol string
	steps    []Step
}

// config is what the last member was opened with.
func (h history) config(name string) string {
	for _, s := range slices.Backward(h.steps) {
		if s.Op == "open" {
			return s.Config[name]
		}
	}
	return ""
}

// recreated tells whether a partition's topic was deleted and created again.
func (h history) recreated(part string) bool {
	topic, deleted := topicOf(part), false
	for _, s := range h.steps {
		deleted = deleted || s.Op == "delete" && s.Topic == topic
		if deleted && s.Op == "create" && s.Topic == topic {
			return true
		}
	}
	return false
}

// deleted tells whether a partition's topic was deleted and is not there.
func (h history) deleted(part string) bool {
	gone := false
	for _, s := range h.steps {
		if s.Topic == topicOf(part) {
			gone = s.Op == "delete" || gone && s.Op != "create"
		}
	}
	return gone
}

// paused tells whether a partition was paused and not resumed.
func (h history) paused(part string) bool {
	paused := false
	for _, s := range h.steps {
		switch s.Op {
		case "pause", "resume":
			if slices.Contains(s.Parts, part) {
				paused = s.Op == "pause"
			}
		case "open", "close", "unsubscribe":
			paused = false
		}
	}
	return paused
}

// sought tells whether there was a seek after the last step that polls, or the one before: an error that is under way may come after a short one.
func (h history) sought() bool {
	polls := 0
	for _, s := range slices.Backward(h.steps) {
		switch s.Op {
		case "seek":
			return true
		case "settle", "poll", "take", "commit async":
			if polls++; polls > 1 {
				return false
			}
		}
	}
	return false
}

// stalled tells whether the only member has not polled for longer than max.poll.interval.ms.
func (h history) stalled() bool {
	members := 0
	for _, s := range h.steps {
		switch s.Op {
		case "open":
			members++
		case "close":
			members--
		}
	}
	for _, s := range slices.Backward(h.steps) {
		switch s.Op {
		case "stall":
			limit, err := strconv.ParseInt(h.config("max.poll.interval.ms"), 10, 64)
			return members == 1 && err == nil && s.Count > limit
		case "settle", "poll", "take", "commit async":
			return false
		}
	}
	return false
}

// givenUp tells whether a partition was assigned by hand and is not any more.
func (h history) givenUp(part string) bool {
	had, has := false, false
	for _, s := range h.steps {
		if s.Op == "assign" {
			has = slices.Contains(s.Parts, part)
			had = had || has
		}
	}
	return had && !has
}

// beyond tells whether a client waits for nothing but the ends of partitions to reach its positions, where that may be. With read_committed an end is where a transaction began that is under way.
func beyond(r Result, may func(part string) bool) bool {
	for p, at := range r.Where {
		if at[0] <= at[1] || !may(p) {
			return false
		}
	}
	return r.Err == errSettled.Error() && len(r.Where) > 0
}

// more tells whether all has what some has, and beyond that only partitions that may be there.
func more(some, all map[string]string, may func(part string) bool) bool {
	for p, o := range some {
		if all[p] != o {
			return false
		}
	}
	for p := range all {
		if _, has := some[p]; !has && !may(p) {
			return false
		}
	}
	return true
}

// less tells whether of each partition the end of what others read was read, and not all; less only of partitions where that may be, and none read a line twice.
func less(some, all map[string][]string, may func(part string) bool) bool {
	fewer := false
	for p := range some {
		if len(all[p]) == 0 && len(some[p]) > 0 {
			return false
		}
	}
	for p, full := range all {
		had := some[p]
		n := len(full) - len(had)
		if n < 0 || n > 0 && !may(p) || !slices.Equal(full[n:], had) || twice(full) {
			return false
		}
		fewer = fewer || n > 0
	}
	return fewer
}

// begunTwice tells whether somebody has read all that was read, and before that some of it, only of partitions where that may be; all has no line twice.
func begunTwice(some, all map[string][]string, may func(part string) bool) bool {
	for p, had := range some {
		n := len(had) - len(all[p])
		if n < 0 || n > 0 && !may(p) || twice(all[p]) || !slices.Equal(had[n:], all[p]) || slices.ContainsFunc(had[:n], func(l string) bool { return !slices.Contains(all[p], l) }) {
			return false
		}
	}
	return len(full(some)) == len(full(all))
}

func twice(lines []string) bool {
	lines = slices.Sorted(slices.Values(lines))
	return len(slices.Compact(slices.Clone(lines))) < len(lines)
}

// explained finds the exception that a difference is; nil: it is none.
func explained(s Script, d *difference) *exception {
	h := history{s.Protocol, s.Steps[:d.At]}
	for i := range exceptions {
		if exceptions[i].match(h, d) {
			return &exceptions[i]
		}
	}
	return nil
}
