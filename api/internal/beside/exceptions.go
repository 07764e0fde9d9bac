package main

import "slices"

// exception is a difference that is meant, or that Java's client is to be blamed for.
type exception struct {
	name, reason string
	match        func(s Script, d *difference) bool
}

var exceptions = []exception{
	{"at an old position in a new topic", "a topic is deleted and created again before Java's client hears of it: it goes on at its offset, kactor begins as auto.offset.reset says", func(s Script, d *difference) bool {
		return s.Kind == "recreate" && d.Field == "records" && less(d.results[0].Records, d.results[1].Records)
	}},
	{"told of no offset after a seek", "Java's consumer of the consumer protocol looks for a position beside the application, and tells once more after a seek that there is none", func(s Script, d *difference) bool {
		return d.Field == "errors" && s.Protocol == "consumer" && len(full(d.results[1].Errors)) == 0 && slices.Equal(d.results[0].Errors["m0"], []string{"no offset"})
	}},
	{"a position that was reset is committed", "kactor commits at once where auto.offset.reset has led it, if it commits by itself; Java's client waits for auto.commit.interval.ms, and forgets it if the partition is not assigned any more", func(s Script, d *difference) bool {
		return s.Kind == "assign" && d.Step.Op == "group" && d.Field == "offsets" && within(d.results[0].Offsets, d.results[1].Offsets)
	}},
}

// within tells whether all that some has is in all.
func within(some, all map[string]string) bool {
	for p, o := range some {
		if all[p] != o {
			return false
		}
	}
	return true
}

// less tells whether of each partition the end of what others read was read, and not all.
func less(some, all map[string][]string) bool {
	fewer := false
	for p, had := range some {
		n := len(all[p]) - len(had)
		if n < 0 || !slices.Equal(all[p][n:], had) {
			return false
		}
	}
	for p := range all {
		fewer = fewer || len(some[p]) < len(all[p])
	}
	return fewer
}

// explained finds the exception that a difference is; nil: it is none.
func explained(s Script, d *difference) *exception {
	for i := range exceptions {
		if exceptions[i].match(s, d) {
			return &exceptions[i]
		}
	}
	return nil
}
