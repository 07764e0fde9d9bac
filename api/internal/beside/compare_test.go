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

func TestWhatWasReadOfANewTopicFromAnOldPosition(t *testing.T) {
	all := map[string][]string{"t/0": {"a", "b"}, "t/1": {"c"}}
	for _, c := range []struct {
		some map[string][]string
		want bool
	}{
		{map[string][]string{"t/0": {"b"}, "t/1": {"c"}}, true},
		{map[string][]string{"t/1": {"c"}}, true},
		{all, false},
		{map[string][]string{"t/0": {"a"}, "t/1": {"c"}}, false},
		{map[string][]string{"t/0": {"x", "a", "b"}}, false},
	} {
		if got := less(c.some, all); got != c.want {
			t.Errorf("%v: %v", c.some, got)
		}
	}
}
