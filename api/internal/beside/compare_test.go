package main

import (
	"reflect"
	"slices"
	"testing"
)

func TestASeedMakesOneScript(t *testing.T) {
	for seed := range uint64(200) {
		for _, protocol := range []string{"classic", "consumer"} {
			s := generate(seed, protocol, "")
			if len(s.Steps) == 0 || !reflect.DeepEqual(s, generate(seed, protocol, "")) {
				t.Fatalf("seed %d makes %d steps, and others the next time", seed, len(s.Steps))
			}
		}
	}
}

func TestWhatAGroupReadsDoesNotDependOnWhenItIsRebalanced(t *testing.T) {
	found := 0
	for seed := range uint64(400) {
		s := generate(seed, []string{"classic", "consumer"}[seed%2], "recreate")
		topics, auto, begun := map[string]bool{}, false, ""
		for i, step := range s.Steps {
			switch step.Op {
			case "open":
				auto = step.Config["enable.auto.commit"] == "true"
			case "subscribe":
				for _, n := range step.Topics {
					topics[n] = true
				}
			case "pattern":
				topics["t0"], topics["t1"] = true, slices.ContainsFunc(s.Steps[:i], func(s Step) bool { return s.Op == "create" && s.Topic == "t1" })
			case "delete":
				if !topics["t0"] || !topics["t1"] || auto {
					continue
				}
				found++
				if s.Steps[i-1].Op != "commit" {
					t.Errorf("seed %d: a topic is deleted in step %d, and what was read before of the other one may not be committed", seed, i)
				}
				begun = step.Topic
			case "settle":
				if s.Steps[i-1].Op != "delete" {
					begun = ""
				}
			case "produce", "begin", "transaction":
				for _, r := range step.Records {
					if begun != "" && topicOf(r.Part) != begun {
						t.Errorf("seed %d: step %d writes to %s before the group has %s again", seed, i, r.Part, begun)
					}
				}
			}
		}
	}
	if found == 0 {
		t.Error("no such script")
	}
}

func TestCallsOfListenersWithoutWhatIsOpen(t *testing.T) {
	for _, c := range []struct{ calls, want []string }{
		{[]string{"assigned ", "assigned t/0", "assigned t/1"}, []string{"assigned t/0 t/1"}},
		{[]string{"revoked t/0", "assigned t/0", "revoked t/0", "assigned t/0 t/1"}, []string{"revoked t/0", "assigned t/0 t/1"}},
		{[]string{"lost t/0", "assigned t/0"}, []string{"lost t/0", "assigned t/0"}},
	} {
		if got := plain(c.calls); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q", c.calls, got)
		}
	}
}

func TestWhoHasWhatIsOpenOnceThereWereTwoMembers(t *testing.T) {
	parts := func(m, p string) Result { return Result{Parts: map[string][]string{m: {p}}} }
	settle := Step{Op: "settle"}
	c := newComparer()
	c.compare(0, Step{Op: "open", Member: "m0"}, Result{}, Result{})
	if c.compare(1, settle, parts("m0", "t/0"), parts("m0", "t/1")) == nil {
		t.Error("one member has other partitions, and that is no difference")
	}
	c.compare(2, Step{Op: "open", Member: "m1"}, Result{}, Result{})
	c.compare(3, Step{Op: "close", Member: "m1"}, Result{}, Result{})
	if d := c.compare(4, settle, parts("m0", "t/0"), parts("m0", "t/1")); d != nil {
		t.Error(d)
	}
	c = newComparer()
	for _, m := range []string{"m0", "m1"} {
		c.compare(0, Step{Op: "open", Member: m, Config: map[string]string{"partition.assignment.strategy": "org.apache.kafka.clients.consumer.RangeAssignor"}}, Result{}, Result{})
	}
	if c.compare(1, settle, parts("m0", "t/0"), parts("m0", "t/1")) == nil {
		t.Error("ranges follow the members' names, and other ones are no difference")
	}
}

func TestExceptionsHoldOnlyAfterWhatBringsThemAbout(t *testing.T) {
	open := Step{Op: "open", Member: "m0", Config: map[string]string{"enable.auto.commit": "true", "auto.offset.reset": "none"}}
	settle, seek, group := Step{Op: "settle"}, Step{Op: "seek", Member: "m0", Parts: []string{"t/0"}}, Step{Op: "group"}
	gone := []Step{open, {Op: "delete", Topic: "t"}, {Op: "create", Topic: "t", Count: 2}}
	given := []Step{open, {Op: "assign", Parts: []string{"t/0", "t/1"}}, {Op: "assign", Parts: []string{"t/1"}}}
	all := map[string][]string{"t/0": {"a", "b"}, "t/1": {"c"}, "o/0": {"d"}}
	read := func(java, kactor map[string][]string) *difference {
		return &difference{Step: settle, Field: "records", results: [2]Result{{Records: java}, {Records: kactor}}}
	}
	lost := &difference{Step: settle, Field: "errors", results: [2]Result{{Errors: map[string][]string{"m0": {"no offset"}}}}}
	committed := func(java, kactor map[string]string) *difference {
		return &difference{Step: group, Field: "offsets", results: [2]Result{{Offsets: java}, {Offsets: kactor}}}
	}
	waits := func(java ...string) *difference {
		return &difference{Step: settle, Field: "error", results: [2]Result{{Err: "not settled", Parts: map[string][]string{"m0": java}}, {Parts: map[string][]string{"m0": {"o/0"}}}}}
	}
	type parts = map[string]string
	halted := []Step{open, {Op: "pause", Member: "m0", Parts: []string{"t/0"}}}
	rebalanced := func(java map[string][]string) *difference {
		return &difference{Step: settle, Field: "records", results: [2]Result{{Records: java, Events: map[string][]string{"m0": {"revoked t/0 t/1", "assigned t/0 t/1"}}}, {Records: map[string][]string{"t/1": {"c"}}}}}
	}
	beyond := func(where map[string][2]int64) *difference {
		return &difference{Step: settle, Field: "error", results: [2]Result{{Err: "not settled", Where: where}, {}}}
	}
	type ends = map[string][2]int64
	late := []Step{{Op: "open", Member: "m0", Config: parts{"max.poll.interval.ms": "6000"}}, settle, {Op: "stall", Count: 9000}}
	commits := func(java, kactor string) *difference {
		return &difference{Step: Step{Op: "commit", Member: "m0"}, Field: "error", results: [2]Result{{Err: java}, {Err: kactor}}}
	}
	old, sought, held, stood, reset, nobody, early := exceptions[0].name, exceptions[1].name, exceptions[2].name, exceptions[3].name, exceptions[4].name, exceptions[5].name, exceptions[6].name
	ungiven := append([]Step{{Op: "open", Member: "m0", Config: parts{"enable.auto.commit": "false"}}}, gone[1:]...)
	double := map[string][]string{"t/0": {"b", "a", "b"}, "t/1": {"c"}, "o/0": {"d"}}
	for _, c := range []struct {
		what     string
		protocol string
		before   []Step
		d        *difference
		want     string
	}{
		{"the end of one partition", "classic", gone, read(map[string][]string{"t/0": {"b"}, "t/1": {"c"}, "o/0": {"d"}}, all), old},
		{"nothing of one partition", "classic", gone, read(map[string][]string{"t/1": {"c"}, "o/0": {"d"}}, all), old},
		{"no topic was deleted", "classic", []Step{open}, read(map[string][]string{"t/1": {"c"}, "o/0": {"d"}}, all), ""},
		{"it was not created again", "classic", gone[:2], read(map[string][]string{"t/1": {"c"}, "o/0": {"d"}}, all), ""},
		{"another topic is read less of", "classic", gone, read(map[string][]string{"t/0": {"b"}, "t/1": {"c"}}, all), ""},
		{"the beginning", "classic", gone, read(map[string][]string{"t/0": {"a"}, "t/1": {"c"}, "o/0": {"d"}}, all), ""},
		{"other records", "classic", gone, read(map[string][]string{"t/0": {"x"}}, all), ""},
		{"more partitions", "classic", gone, read(map[string][]string{"t/0": {"b"}, "t/2": {"c"}}, map[string][]string{"t/0": {"a", "b"}}), ""},
		{"read twice", "classic", gone, read(map[string][]string{"t/0": {"a", "b"}}, map[string][]string{"t/0": {"a", "b", "a", "b"}}), ""},
		{"the end of one partition, and then all of it", "consumer", ungiven, read(double, all), early},
		{"the same in the other protocol", "classic", ungiven, read(double, all), ""},
		{"the same where the group keeps positions", "consumer", gone, read(double, all), ""},
		{"the same of a topic that was not created again", "consumer", ungiven[:2], read(double, all), ""},
		{"the same of another topic", "consumer", ungiven, read(map[string][]string{"t/0": {"a", "b"}, "t/1": {"c"}, "o/0": {"d", "d"}}, all), ""},
		{"all of it, and then the end", "consumer", ungiven, read(map[string][]string{"t/0": {"a", "b", "b"}, "t/1": {"c"}, "o/0": {"d"}}, all), ""},
		{"twice with kactor", "consumer", ungiven, read(all, double), ""},
		{"behind the end", "consumer", gone, beyond(ends{"t/0": {3, 0}, "t/1": {4, 1}}), old},
		{"behind the end of another topic", "consumer", gone, beyond(ends{"t/0": {3, 0}, "o/0": {4, 1}}), ""},
		{"before the end", "consumer", gone, beyond(ends{"t/0": {3, 0}, "t/1": {1, 4}}), ""},
		{"behind the end of what was not created again", "consumer", gone[:2], beyond(ends{"t/0": {3, 0}}), ""},
		{"waits for something else", "consumer", gone, beyond(nil), ""},
		{"after a seek", "consumer", []Step{open, settle, seek}, lost, sought},
		{"after a seek, in the other protocol", "classic", []Step{open, settle, seek}, lost, ""},
		{"polled once since the seek", "consumer", []Step{open, seek, settle}, lost, sought},
		{"polled since the seek", "consumer", []Step{open, seek, settle, settle}, lost, ""},
		{"without a seek", "consumer", []Step{open}, lost, ""},
		{"still has what is deleted", "classic", gone[:2], waits("t/0", "o/0"), held},
		{"still has what is deleted, in the other protocol", "consumer", gone[:2], waits("t/0", "o/0"), ""},
		{"has what was created again", "classic", gone, waits("t/0", "o/0"), ""},
		{"has what was not deleted", "classic", gone[:2], waits("o/0"), ""},
		{"was paused", "classic", halted, rebalanced(map[string][]string{"t/0": {"a"}, "t/1": {"c"}}), stood},
		{"was paused, in the other protocol", "consumer", halted, rebalanced(map[string][]string{"t/0": {"a"}, "t/1": {"c"}}), ""},
		{"was paused, and another is read less of", "classic", halted, rebalanced(map[string][]string{"t/0": {"a"}, "t/1": {"b", "c"}}), ""},
		{"was resumed", "classic", append(slices.Clone(halted), Step{Op: "resume", Parts: []string{"t/0"}}), rebalanced(map[string][]string{"t/0": {"a"}, "t/1": {"c"}}), ""},
		{"one more is committed", "classic", given, committed(parts{"t/1": "3"}, parts{"t/0": "4", "t/1": "3"}), reset},
		{"another offset", "classic", given, committed(parts{"t/1": "3"}, parts{"t/0": "4", "t/1": "2"}), ""},
		{"the partition is still assigned", "classic", given[:2], committed(parts{"t/1": "3"}, parts{"t/0": "4", "t/1": "3"}), ""},
		{"the partition never was", "classic", given, committed(parts{"t/1": "3"}, parts{"t/1": "3", "t/2": "1"}), ""},
		{"nobody has polled", "consumer", late, commits("", "fenced"), nobody},
		{"nobody has polled, in the other protocol", "classic", late, commits("", "fenced"), ""},
		{"nobody has polled for a while", "consumer", append(late[:2:2], Step{Op: "stall", Count: 5000}), commits("", "fenced"), ""},
		{"polled since", "consumer", append(slices.Clone(late), settle), commits("", "fenced"), ""},
		{"the group has another member", "consumer", append([]Step{{Op: "open", Member: "m1"}}, late...), commits("", "fenced"), ""},
		{"another is refused", "consumer", late, commits("fenced", ""), ""},
		{"nobody commits by itself", "classic", append([]Step{{Op: "open", Config: parts{"enable.auto.commit": "false"}}}, given[1:]...), committed(parts{}, parts{"t/0": "4"}), ""},
	} {
		c.d.At = len(c.before)
		got := ""
		if e := explained(Script{Protocol: c.protocol, Steps: append(slices.Clone(c.before), c.d.Step)}, c.d); e != nil {
			got = e.name
		}
		if got != c.want {
			t.Errorf("%s: %q", c.what, got)
		}
	}
}
