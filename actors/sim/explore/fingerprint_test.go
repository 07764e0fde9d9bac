package explore

import (
	"errors"
	"testing"
	"time"
)

// thing has some of everything that cores are made of.
type thing struct {
	n      int
	text   string
	list   []int
	next   *thing
	other  *thing
	byName map[string]int
	marked map[*thing]bool
	any    any
	err    error
	at     time.Time
	do     func()
	note   string
	id, of int64
}

func (t *thing) with(f func(*thing)) *thing {
	f(t)
	return t
}

func printOf(t *thing, now time.Time) fingerprint {
	return newPrinter([]string{"explore.thing.note"}, []string{"explore.thing.id", "explore.thing.of"}).of(t, now)
}

var start = time.Unix(1000, 5)

// TestWhatIsTheSame has pairs of values that were made in other ways, and are the same.
func TestWhatIsTheSame(t *testing.T) {
	for name, pair := range map[string][2]*thing{
		"where it is":     {{n: 1, next: &thing{text: "a"}}, {n: 1, next: &thing{text: "a"}}},
		"order of a map":  {{byName: map[string]int{"a": 1, "b": 2, "c": 3}}, {byName: map[string]int{"c": 3, "b": 2, "a": 1}}},
		"pointers as key": {{marked: map[*thing]bool{{n: 1}: true, {n: 2}: false}}, {marked: map[*thing]bool{{n: 2}: false, {n: 1}: true}}},
		"behind a slice":  {{list: []int{1, 2, 3}[:2]}, {list: []int{1, 2}}},
		"what is ignored": {{note: "a"}, {note: "b"}},
		"errors":          {{err: errors.New("a")}, {err: errors.New("a")}},
		"times":           {{at: start.Add(time.Second)}, {at: start.Add(time.Second).UTC()}},
		"names":           {{id: 5, of: 5}, {id: 7, of: 7}},
		"other names":     {{id: 5, of: 6}, {id: 9, of: 2}},
		"a circle":        {(&thing{}).with(func(t *thing) { t.next = t }), (&thing{}).with(func(t *thing) { t.next = t })},
	} {
		if printOf(pair[0], start) != printOf(pair[1], start) {
			t.Errorf("%s: it makes a difference", name)
		}
	}
}

// TestWhatIsAnother has values that differ, each from each.
func TestWhatIsAnother(t *testing.T) {
	shared, twin := &thing{n: 1}, &thing{n: 1}
	all := map[string]*thing{
		"nothing": {}, "a number": {n: 1}, "a text": {text: "a"}, "an empty list": {list: []int{}}, "a list": {list: []int{0}}, "a pointer": {next: &thing{}}, "two": {next: shared, other: twin}, "one twice": {next: shared, other: shared},
		"a map": {byName: map[string]int{}}, "a map of one": {byName: map[string]int{"a": 1}}, "another value": {byName: map[string]int{"a": 2}}, "an int": {any: 1}, "an int64": {any: int64(1)}, "an error": {err: errors.New("a")},
		"a time": {at: start}, "a later one": {at: start.Add(1)}, "a function": {do: func() {}}, "itself": (&thing{}).with(func(t *thing) { t.next = t }),
		"a name": {id: 1}, "two names": {id: 1, of: 2}, "a name twice": {id: 1, of: 1},
		"a key": {next: shared, marked: map[*thing]bool{shared: true}}, "another key": {next: shared, marked: map[*thing]bool{twin: true}},
	}
	met := map[fingerprint]string{}
	for name, v := range all {
		f := printOf(v, start)
		if other, again := met[f]; again {
			t.Errorf("%s looks like %s", name, other)
		}
		met[f] = name
	}
}

// TestTimesCountByHowFarTheyAre has the same an hour later.
func TestTimesCountByHowFarTheyAre(t *testing.T) {
	at := func(now time.Time, d time.Duration) fingerprint { return printOf(&thing{at: now.Add(d)}, now) }
	later := start.Add(time.Hour + 999_999_999*time.Nanosecond)
	if at(start, time.Second) != at(later, time.Second) || at(start, time.Second) == at(later, 2*time.Second) {
		t.Error("a time counts by itself")
	}
	if printOf(&thing{}, start) != printOf(&thing{}, later) {
		t.Error("no time counts by how far it is")
	}
}

// TestWhatIsLongAgo does not count by how long, if nobody looks so far back.
func TestWhatIsLongAgo(t *testing.T) {
	p := newPrinter(nil, nil)
	p.old = time.Minute
	at := func(d time.Duration) fingerprint { return p.of(&thing{at: start.Add(d)}, start) }
	if at(-time.Hour) != at(-2*time.Minute) || at(-time.Hour) == at(-time.Second) || at(time.Hour) == at(2*time.Hour) {
		t.Error("what is longer ago than a minute counts by how long, or what is not does not")
	}
}

func TestWhatIsNoPartOfAState(t *testing.T) {
	for name, v := range map[string]*thing{
		"a channel":          {any: make(chan int)},
		"the machine's time": {at: time.Now()},
		"keys without order": {marked: map[*thing]bool{{n: 1}: true, {n: 1}: false}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s has a fingerprint", name)
				}
			}()
			printOf(v, start)
		}()
	}
}
