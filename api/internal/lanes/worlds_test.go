package lanes_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/actors/sim/explore"
	"github.com/kactor-go/kactor/api/internal/lanes"
)

// The worlds of handlers: a reader that adds records where there is room, goes back and gives partitions up, and workers that handle what they are given, in every order (explore_test.go).

// rules are what there is and what may happen in a world.
type rules struct {
	name    string
	order   lanes.Order
	logs    []string // of each partition: the keys of its records; "-" is none, and a capital letter a record that waits for a second
	workers int
	most    int   // units that may be added at a time
	pauses  int   // of the first partition
	backs   []int // offsets to which the reader of the first partition goes back, one after the other
	gives   int   // how often the first partition is given up, and comes again
	faults  int
	fails   bool // a handler may not finish its record of the first partition
	hangs   bool // a partition may be given up while a record of it is being handled
}

// world is one of them.
type world struct {
	rules   rules
	core    *lanes.Core
	now     time.Time
	logs    []*log
	running []*run
	faults  int
	pauses  int
	paused  bool
	back    int
	gives   int
	giving  bool
	bad     string
}

// log is a partition and its reader.
type log struct {
	next    int64   // to be added
	open    []int64 // added and not finished
	handled []bool
	stuck   bool // a record of it ran and is not finished: it is given up next
}

// run is a record that is being handled.
type run struct {
	unit *lanes.Unit
	cut  bool // the reader has gone back before it
	free bool // and nothing waits for it
}

const second = time.Second

func newWorld(r rules) *world {
	w := &world{rules: r, now: time.Unix(1000, 0), faults: r.faults, pauses: r.pauses, gives: r.gives, core: lanes.New(r.order, r.most, 1000)}
	w.core.Divide(len(r.logs))
	for _, keys := range r.logs {
		w.logs = append(w.logs, &log{handled: make([]bool, len(keys))})
	}
	return w
}

// Now implements explore.World.
func (w *world) Now() time.Time { return w.now }

// Events implements explore.World.
func (w *world) Events() (out []explore.Event) {
	add := func(name string, of int, do func()) {
		out = append(out, explore.Event{Name: name, Of: of, Do: do})
	}
	for p, l := range w.logs {
		if units, _ := w.core.Room(tp(p)); units > 0 && int(l.next) < len(l.handled) && !(p == 0 && w.giving) {
			add(fmt.Sprintf("record %d is read of partition", l.next), p+1, func() { w.read(p) })
		}
	}
	if len(w.running) < w.rules.workers && w.core.Ready() > 0 {
		add("a handler begins", 0, w.take)
	}
	for i, r := range w.running {
		what := fmt.Sprintf("record %d of partition", r.unit.Offset)
		add("handled is "+what, int(r.unit.Partition)+1, func() { w.done(i) })
		if w.rules.fails && w.faults > 0 && r.unit.Partition == 0 {
			out = append(out, explore.Event{Name: "not finished is " + what, Of: int(r.unit.Partition) + 1, Fault: true, Do: func() { w.undone(i) }})
		}
	}
	if next := w.core.Next(); !next.IsZero() {
		add("time passes", 0, func() {
			w.now = next
			w.core.Ripen(w.now)
		})
	}
	switch {
	case w.paused:
		add("resume", 0, func() { w.pause(false) })
	case w.pauses > 0:
		add("pause", 0, func() {
			w.pauses--
			w.pause(true)
		})
	}
	if w.back < len(w.rules.backs) && w.rules.backs[w.back] < int(w.logs[0].next) && !w.giving {
		add("the reader goes back to", w.rules.backs[w.back], func() {
			w.back++
			w.goBack(int64(w.rules.backs[w.back-1]))
		})
	}
	switch {
	case w.giving && w.core.Running(tp(0)) == 0:
		add("given up is partition", 1, w.give)
	case w.giving && w.rules.hangs && w.faults > 0:
		out = append(out, explore.Event{Name: "lost is partition", Of: 1, Fault: true, Do: func() {
			w.faults--
			w.give()
		}})
	case !w.giving && (w.gives > 0 || w.logs[0].stuck):
		add("to be given up is partition", 1, func() {
			w.gives = max(w.gives-1, 0)
			w.giving = true
			w.core.Stop(tp(0))
		})
	}
	return out
}

func (w *world) read(p int) {
	l := w.logs[p]
	key := w.rules.logs[p][l.next]
	u := &lanes.Unit{TopicPartition: tp(p), Offset: l.next, Bytes: 1}
	var k []byte
	if key != '-' {
		k = []byte{key}
	}
	if key >= 'A' && key <= 'Z' {
		u.Due = w.now.Add(second)
	}
	l.open = append(l.open, l.next)
	l.next++
	w.core.Add(u, k)
}

// lane is what a record must wait for.
func (w *world) lane(u *lanes.Unit) string {
	key := w.rules.logs[u.Partition][u.Offset]
	switch {
	case w.rules.order == lanes.ByPartition:
		return fmt.Sprint(u.Partition)
	case w.rules.order == lanes.Unordered || key == '-':
		return fmt.Sprint(u.Partition, " ", u.Offset)
	}
	return fmt.Sprint(u.Partition, string(key))
}

func (w *world) take() {
	u := w.core.Take(w.now)
	if u == nil {
		return
	}
	switch {
	case u.Due.After(w.now):
		w.bad = fmt.Sprintf("record %d is handled before its time", u.Offset)
	case u.Partition == 0 && w.paused:
		w.bad = "a record is handled of a partition that is paused"
	case u.Partition == 0 && w.giving:
		w.bad = "a record is handled of a partition that is to be given up"
	}
	for _, r := range w.running {
		if !r.free && w.lane(r.unit) == w.lane(u) {
			w.bad = fmt.Sprintf("records %d and %d of a lane are handled at a time", r.unit.Offset, u.Offset)
		}
	}
	for _, o := range w.logs[u.Partition].open {
		if before := (&lanes.Unit{TopicPartition: u.TopicPartition, Offset: o}); o < u.Offset && w.lane(before) == w.lane(u) {
			w.bad = fmt.Sprintf("record %d is handled, and %d of its lane was to be before", u.Offset, o)
		}
	}
	w.running = append(w.running, &run{unit: u})
}

func (w *world) end(i int) *run {
	r := w.running[i]
	w.running = slices.Delete(w.running, i, i+1)
	return r
}

func (w *world) done(i int) {
	r := w.end(i)
	l := w.logs[r.unit.Partition]
	w.core.Done(r.unit)
	l.handled[r.unit.Offset] = true
	if !r.cut {
		l.open = slices.DeleteFunc(l.open, func(o int64) bool { return o == r.unit.Offset })
	}
}

func (w *world) undone(i int) {
	w.faults--
	r := w.end(i)
	w.core.Undone(r.unit)
	w.logs[r.unit.Partition].stuck = true
}

func (w *world) pause(on bool) {
	w.paused = on
	w.core.Pause(tp(0), on)
}

// goBack reads on at an offset that was read before.
func (w *world) goBack(to int64) {
	w.core.Back(tp(0), to)
	w.cut(to, w.rules.order == lanes.Unordered)
}

// cut forgets what was read of the first partition from an offset on.
func (w *world) cut(to int64, free bool) {
	l := w.logs[0]
	l.next = to
	l.open = slices.DeleteFunc(l.open, func(o int64) bool { return o >= to })
	for _, r := range w.running {
		if r.unit.Partition == 0 && r.unit.Offset >= to {
			r.cut = true
			r.free = r.free || free || w.rules.order == lanes.ByKey && w.rules.logs[0][r.unit.Offset] == '-'
		}
	}
}

// give ends the interest in the first partition, and begins anew with what was not finished.
func (w *world) give() {
	from := w.logs[0].next
	if low, _, ok := w.core.Low(tp(0)); ok {
		from = low
	}
	w.core.Forget(tp(0))
	w.giving, w.paused, w.logs[0].stuck = false, false, false
	w.cut(0, true)
	w.logs[0].next = from
}

// Wrong implements explore.World.
func (w *world) Wrong() string {
	for p, l := range w.logs {
		low, _, ok := w.core.Low(tp(p))
		units, bytes := w.core.Room(tp(p))
		runs := 0
		for _, r := range w.running {
			if int(r.unit.Partition) == p {
				runs++
			}
		}
		committed := l.next
		if ok {
			committed = low
		}
		switch {
		case slices.Contains(l.handled[:committed], false):
			return fmt.Sprintf("everything of partition %d below %d is told as finished, and %d is not", p+1, committed, slices.Index(l.handled, false))
		case ok != (len(l.open) > 0) || ok && low != slices.Min(l.open):
			return fmt.Sprintf("of partition %d %v are open, and it tells %d, %t", p+1, l.open, low, ok)
		case w.core.Running(tp(p)) != runs:
			return fmt.Sprintf("%d records of partition %d are handled, and it tells %d", runs, p+1, w.core.Running(tp(p)))
		case (units == 0) != (bytes == 0) || len(l.open) == 0 && units == 0:
			return fmt.Sprintf("partition %d has nothing, and no room", p+1)
		}
	}
	return w.bad
}

// Rest implements explore.World: everything is handled, and nothing is left of it.
func (w *world) Rest() bool {
	for p, l := range w.logs {
		if units, _ := w.core.Room(tp(p)); slices.Contains(l.handled, false) || len(l.open) > 0 || int(l.next) < len(l.handled) || l.stuck || units == 0 {
			return false
		}
	}
	return len(w.running) == 0 && w.core.Empty() && w.core.Ready() == 0 && w.core.Next().IsZero() && !w.paused && !w.giving
}
