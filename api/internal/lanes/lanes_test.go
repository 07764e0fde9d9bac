package lanes_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/api/internal/lanes"
	"github.com/kactor-go/kactor/protocol/cluster"
)

func tp(n int) cluster.TopicPartition { return cluster.TopicPartition{Topic: "t", Partition: int32(n)} }

// model runs random records through a core and looks at what it does.
type model struct {
	t       *testing.T
	order   lanes.Order
	c       *lanes.Core
	now     time.Time
	running []*lanes.Unit
	busy    map[string]bool
	began   map[string]int64       // the last offset of a lane
	open    map[int]map[int64]bool // by partition, what is not finished
	held    [3]int                 // how many those are
	cut     map[*lanes.Unit]bool   // those that run and were forgotten; true: nothing waits for them
	stopped [3]bool
	done    int
}

func (m *model) lane(u *lanes.Unit) string {
	key, _ := u.Value.(string)
	switch {
	case m.order == lanes.ByPartition:
		return fmt.Sprint(u.Partition)
	case m.order == lanes.Unordered || key == "":
		return fmt.Sprint(u.Partition, " ", u.Offset)
	}
	return fmt.Sprint(u.Partition, " ", key)
}

func (m *model) take() bool {
	u := m.c.Take(m.now)
	if u == nil {
		return false
	}
	l := m.lane(u)
	switch {
	case m.busy[l]:
		m.t.Fatalf("two of lane %q at a time", l)
	case u.Offset <= m.began[l]:
		m.t.Fatalf("offset %d of lane %q after %d", u.Offset, l, m.began[l])
	case u.Due.After(m.now):
		m.t.Fatalf("offset %d is run before its time", u.Offset)
	case m.c.Paused(u.TopicPartition) || m.stopped[u.Partition]:
		m.t.Fatalf("%v is paused or stopped", u.TopicPartition)
	}
	m.busy[l], m.began[l] = true, u.Offset
	m.running = append(m.running, u)
	return true
}

func (m *model) finish(i int) {
	u := m.running[i]
	m.running = append(m.running[:i], m.running[i+1:]...)
	free, cut := m.cut[u]
	if !free {
		delete(m.busy, m.lane(u))
	}
	m.c.Done(u)
	if cut {
		delete(m.cut, u)
		return
	}
	delete(m.open[int(u.Partition)], u.Offset)
	m.held[u.Partition]--
	m.done++
}

// forget frees the lanes of a partition.
func (m *model) forget(p int) {
	for _, u := range m.running {
		if free, cut := m.cut[u]; cut && !free && int(u.Partition) == p {
			m.cut[u] = true
			delete(m.busy, m.lane(u))
		}
	}
}

// back lets the reader go back: nothing of the partition is finished from there on.
func (m *model) back(p int, to int64) (forgotten int) {
	for o := range m.open[p] {
		if o >= to {
			delete(m.open[p], o)
			forgotten++
		}
	}
	m.held[p] -= forgotten
	for _, u := range m.running {
		if _, cut := m.cut[u]; !cut && int(u.Partition) == p && u.Offset >= to {
			alone := m.order == lanes.Unordered || m.order == lanes.ByKey && u.Value == ""
			if m.cut[u] = alone; alone {
				delete(m.busy, m.lane(u))
			}
		}
	}
	for l := range m.began {
		if strings.HasPrefix(l, fmt.Sprint(p)) {
			m.began[l] = min(m.began[l], to-1)
		}
	}
	return forgotten
}

// runs is how many units of a partition run.
func (m *model) runs(p int) (n int) {
	for _, u := range m.running {
		if int(u.Partition) == p {
			n++
		}
	}
	return n
}

func (m *model) check() {
	for p := range 3 {
		low, _, ok := m.c.Low(tp(p))
		want := int64(-1)
		for o := range m.open[p] {
			if want < 0 || o < want {
				want = o
			}
		}
		units, bytes := m.c.Room(tp(p))
		switch all := m.held[0] + m.held[1] + m.held[2]; {
		case all > mostHeld:
			m.t.Fatalf("%d units of 10 bytes are held", all)
		case units < 0 || bytes < 0 || (units == 0) != (bytes == 0):
			m.t.Fatalf("partition %d has room for %d units, %d bytes", p, units, bytes)
		case m.held[p] == 0 && units == 0:
			m.t.Fatalf("partition %d has nothing, and no room: %v are held", p, m.held)
		}
		if ok != (want >= 0) || ok && low != want {
			m.t.Fatalf("partition %d: everything below %d is finished, it says %d, %v", p, want, low, ok)
		}
		if n := m.c.Running(tp(p)); n != m.runs(p) {
			m.t.Fatalf("partition %d: %d run, it says %d", p, m.runs(p), n)
		}
	}
}

// mostHeld is what three partitions can hold of a bound of 300 bytes in units of 10: those that wait for a time, or are paused, count for that bound alone. A unit may be added that goes beyond a share.
const mostHeld = 30 + 3

// TestOrderAndWhatIsFinished plays random histories.
func TestOrderAndWhatIsFinished(t *testing.T) {
	histories := uint64(600)
	if testing.Short() {
		histories = 60
	}
	for seed := range histories {
		rng := rand.New(rand.NewPCG(seed, 1))
		m := &model{t: t, order: lanes.Order(seed % 3), now: time.Unix(1000, 0), busy: map[string]bool{}, began: map[string]int64{}, open: map[int]map[int64]bool{0: {}, 1: {}, 2: {}}, cut: map[*lanes.Unit]bool{}}
		m.c = lanes.New(m.order, 20, 300)
		m.c.Divide(3)
		next, added := [3]int64{1, 1, 1}, 0
		for step := 0; m.done < 200; step++ {
			if step > 100000 {
				t.Fatalf("seed %d: only %d of %d records are finished; the next at %s, now is %s", seed, m.done, added, m.c.Next(), m.now)
			}
			switch n := rng.IntN(10); {
			case rng.IntN(40) == 0:
				p := rng.IntN(3)
				switch to := max(1, next[p]-rng.Int64N(20)); rng.IntN(4) {
				case 0:
					m.stopped[p] = true
					m.c.Stop(tp(p))
				case 1:
					m.stopped[p] = false
					m.c.Forget(tp(p))
					added -= m.back(p, 0)
					m.forget(p)
				default:
					m.c.Back(tp(p), to)
					added -= m.back(p, to)
					next[p] = to
				}
			case n < 3 && added < 200:
				p := rng.IntN(3)
				if units, _ := m.c.Room(tp(p)); units == 0 {
					break
				}
				m.held[p]++
				u := &lanes.Unit{TopicPartition: tp(p), Offset: next[p], Value: "", Bytes: 10}
				next[p] += 1 + rng.Int64N(3)
				var key []byte
				if k := rng.IntN(4); k > 0 {
					u.Value = fmt.Sprint("key", k)
					key = []byte(u.Value.(string))
				}
				if rng.IntN(5) == 0 {
					u.Due = m.now.Add(time.Duration(rng.IntN(20)) * time.Second)
				}
				m.open[p][u.Offset] = true
				m.c.Add(u, key)
				added++
			case n < 5:
				m.take()
			case n < 8 && len(m.running) > 0:
				m.finish(rng.IntN(len(m.running)))
			case n == 8:
				m.now = m.now.Add(time.Second)
			case n == 9:
				m.c.Pause(tp(rng.IntN(3)), rng.IntN(4) == 0)
			}
			m.check()
		}
		for len(m.running) > 0 {
			m.finish(0)
		}
		if n := room(m.c, 0); n != 3+5 || m.c.Take(m.now) != nil || len(m.c.Open()) != 0 {
			t.Fatalf("seed %d: something is left: room for %d", seed, n)
		}
	}
}

// room is for how many units of a partition there is room.
func room(c *lanes.Core, p int) int {
	n, _ := c.Room(tp(p))
	return n
}

// fill adds units of a partition as long as there is room.
func fill(c *lanes.Core, p int, bytes int) (n int) {
	for ; n < 100000 && room(c, p) > 0; n++ {
		c.Add(&lanes.Unit{TopicPartition: tp(p), Offset: int64(n), Bytes: bytes}, nil)
	}
	return n
}

// TestShares has partitions that do not get on: whatever they have, another still has its share, and together they stay within the bounds.
func TestShares(t *testing.T) {
	for _, n := range []struct{ parts, bytes, most int }{{1, 1, 1000}, {2, 1, 1000}, {10, 1, 1000}, {100, 1, 1000}, {3000, 1, 3500}, {1, 100, 1000}, {10, 100, 1000}, {10, 10000, 10}, {100, 2500, 40}, {100, 1 << 20, 1}} {
		c := lanes.New(lanes.ByPartition, 1000, 100000)
		c.Divide(n.parts)
		all, least := 0, 1<<30
		for p := range n.parts {
			got := fill(c, p, n.bytes)
			all, least = all+got, min(least, got)
		}
		share := min(1000, 100000/n.bytes) / 2 / n.parts
		if all > n.most || least < share {
			t.Errorf("%d partitions, units of %d bytes: %d are held, the partition that has least holds %d, its share is %d", n.parts, n.bytes, all, least, share)
		}
		if p := n.parts / 2; n.bytes == 1 { // one that is empty again
			for c.Running(tp(0), tp(p)) < 2 {
				c.Take(time.Time{})
			}
			c.Drop(tp(p))
			if got := fill(c, p, 1); got < max(1, 500/n.parts) {
				t.Errorf("%d partitions: only %d of one are taken, when it is dropped", n.parts, got)
			}
		}
	}
}

// TestOneActivePartitionOfMany has most of what others do not use.
func TestOneActivePartitionOfMany(t *testing.T) {
	c := lanes.New(lanes.Unordered, 1024, 1<<20)
	c.Divide(100)
	if n := fill(c, 0, 1); n < 256 {
		t.Errorf("%d records of the only partition that has some are taken", n)
	}
}

// TestFilled: a partition that was filled has room for half a share before it is added to again.
func TestFilled(t *testing.T) {
	c := lanes.New(lanes.ByPartition, 80, 1<<20)
	c.Divide(2)
	n := fill(c, 0, 1)
	for done := 1; done <= 20; done++ {
		c.Done(c.Take(time.Time{}))
		if got := room(c, 0); got > 0 != (n-done <= 20+10) && got < 10 {
			t.Errorf("after %d of %d there is room for %d", done, n, got)
		}
	}
	if room(c, 0) < 10 {
		t.Errorf("room for %d", room(c, 0))
	}
}

// TestPausedDoNotCount: what is paused leaves its place to others, but not its memory.
func TestPausedDoNotCount(t *testing.T) {
	c := lanes.New(lanes.ByPartition, 100, 1000)
	c.Divide(2)
	before := fill(c, 1, 1)
	c.Drop(tp(1))
	fill(c, 0, 1)
	c.Pause(tp(0), true)
	if n := fill(c, 1, 1); n != before {
		t.Errorf("%d records beside a partition that is paused, %d alone", n, before)
	}
	c.Drop(tp(1))
	for o := range int64(10) {
		c.Add(&lanes.Unit{TopicPartition: tp(0), Offset: 1000 + o, Bytes: 200}, nil)
	}
	if n := room(c, 1); n != 0 {
		t.Errorf("room for %d beside 2,000 bytes of a bound of 1,000", n)
	}
}

// TestDropped forgets a partition while one of its records runs and another waits.
func TestDropped(t *testing.T) {
	c := lanes.New(lanes.ByKey, 10, 1<<20)
	now := time.Unix(1000, 0)
	for o := range int64(3) {
		c.Add(&lanes.Unit{TopicPartition: tp(0), Offset: o}, []byte("a"))
	}
	c.Add(&lanes.Unit{TopicPartition: tp(0), Offset: 3, Due: now.Add(time.Second)}, []byte("b"))
	c.Add(&lanes.Unit{TopicPartition: tp(1), Offset: 0}, nil)
	if n := room(c, 0); n != 10-3 || !c.Waits(tp(0)) {
		t.Fatalf("room for %d; waits: %v", n, c.Waits(tp(0)))
	}
	u := c.Take(now)
	if c.Running(tp(0), tp(1)) != 1 {
		t.Fatal("one runs")
	}
	c.Stop(tp(0))
	c.Drop(tp(0))
	c.Done(u)
	if other := c.Take(now.Add(time.Hour)); other == nil || other.Partition != 1 {
		t.Fatalf("taken: %+v", other)
	}
	if again := c.Take(now.Add(time.Hour)); again != nil {
		t.Fatalf("taken: %+v", again)
	}
	if n := room(c, 1); n != 9 || room(c, 0) != 10 || !c.Next().IsZero() {
		t.Fatalf("room for %d", n)
	}
}

// TestUndone has a record that is not finished: nothing of its lane begins any more, also what is added later, and other lanes go on.
func TestUndone(t *testing.T) {
	for _, order := range []lanes.Order{lanes.ByPartition, lanes.ByKey} {
		c := lanes.New(order, 10, 1<<20)
		for o := range int64(2) {
			c.Add(&lanes.Unit{TopicPartition: tp(0), Offset: o}, []byte("a"))
		}
		c.Undone(c.Take(time.Time{}))
		c.Add(&lanes.Unit{TopicPartition: tp(0), Offset: 2}, []byte("a"))
		c.Add(&lanes.Unit{TopicPartition: tp(1), Offset: 7}, []byte("a"))
		if u := c.Take(time.Time{}); u == nil || u.Partition != 1 || c.Take(time.Time{}) != nil {
			t.Errorf("order %d: taken: %+v", order, u)
		}
		if low, _, ok := c.Low(tp(0)); low != 0 || !ok || c.Running(tp(0)) != 0 {
			t.Errorf("order %d: everything below %d is finished, %d run", order, low, c.Running(tp(0)))
		}
	}
}

// TestEpochs: what is committed has the leader epoch of the record before, also when that was committed by somebody else.
func TestEpochs(t *testing.T) {
	c := lanes.New(lanes.ByPartition, 10, 1<<20)
	c.Add(&lanes.Unit{TopicPartition: tp(0), Offset: 7, Before: 3}, nil)
	c.Add(&lanes.Unit{TopicPartition: tp(0), Offset: 8, Before: 5}, nil)
	for _, want := range []int32{3, 5} {
		if _, epoch, _ := c.Low(tp(0)); epoch != want {
			t.Errorf("the epoch is %d, not %d", epoch, want)
		}
		c.Done(c.Take(time.Time{}))
	}
}

// TestStray has a record that runs when its partition is dropped: it counts as running until it is done, also when the partition is there again.
func TestStray(t *testing.T) {
	c := lanes.New(lanes.ByPartition, 10, 1<<20)
	c.Add(&lanes.Unit{TopicPartition: tp(0), Offset: 0}, nil)
	u := c.Take(time.Time{})
	c.Drop(tp(0))
	c.Add(&lanes.Unit{TopicPartition: tp(0), Offset: 0}, nil)
	v := c.Take(time.Time{})
	for _, end := range []func(){func() { c.Done(u) }, func() { c.Undone(v) }} {
		if c.Running(tp(0)) == 0 {
			t.Error("nothing runs")
		}
		end()
	}
	if n := c.Running(tp(0)); n != 0 {
		t.Errorf("%d run", n)
	}
}

// TestOneRecordOfSeveral has two units of an offset: it is finished when both are.
func TestOneRecordOfSeveral(t *testing.T) {
	c := lanes.New(lanes.ByKey, 10, 1<<20)
	for i, o := range []int64{5, 5, 6} {
		c.Add(&lanes.Unit{TopicPartition: tp(0), Offset: o}, []byte{byte(i)})
	}
	first, second := c.Take(time.Time{}), c.Take(time.Time{})
	c.Done(second)
	if low, _, ok := c.Low(tp(0)); low != 5 || !ok {
		t.Errorf("everything below %d is finished, %v", low, ok)
	}
	c.Done(first)
	if low, _, ok := c.Low(tp(0)); low != 6 || !ok {
		t.Errorf("everything below %d is finished, %v", low, ok)
	}
}

// TestTheLogWasCut has records that are not there any more: what was before them is not forgotten, or it would never be handled, and what comes in their place is handled after what runs of their keys.
func TestTheLogWasCut(t *testing.T) {
	for _, order := range []lanes.Order{lanes.ByPartition, lanes.ByKey, lanes.Unordered} {
		c := lanes.New(order, 10, 1<<20)
		for o := range int64(6) {
			c.Add(&lanes.Unit{TopicPartition: tp(0), Offset: o, Bytes: 1}, []byte{byte(o % 3)})
		}
		var began []*lanes.Unit
		for u := c.Take(time.Time{}); u != nil; u = c.Take(time.Time{}) {
			began = append(began, u)
		}
		c.Back(tp(0), 2)
		if low, _, ok := c.Low(tp(0)); low != 0 || !ok || c.Running(tp(0)) != len(began) {
			t.Fatalf("order %d: everything below %d is finished, %v; %d run", order, low, ok, c.Running(tp(0)))
		}
		c.Add(&lanes.Unit{TopicPartition: tp(0), Offset: 2, Bytes: 1}, []byte{2})
		if again := c.Take(time.Time{}); (again != nil) != (order == lanes.Unordered) {
			t.Fatalf("order %d: taken: %+v", order, again)
		} else if again != nil {
			c.Done(again)
		}
		var ended []int64
		for len(began) > 0 {
			u := began[0]
			began = began[1:]
			ended = append(ended, u.Offset)
			c.Done(u)
			for v := c.Take(time.Time{}); v != nil; v = c.Take(time.Time{}) {
				began = append(began, v)
			}
		}
		if want := map[lanes.Order]string{lanes.ByPartition: "[0 1 2]", lanes.ByKey: "[0 1 2 2]", lanes.Unordered: "[0 1 2 3 4 5]"}[order]; fmt.Sprint(ended) != want || !c.Empty() || c.Running(tp(0)) != 0 || room(c, 0) != 10 {
			t.Errorf("order %d: handled %v, expected %s; empty: %v, room for %d", order, ended, want, c.Empty(), room(c, 0))
		}
	}
}

// TestAllThatRunsWasCut has nothing before what comes again: it waits for what runs of its key all the same. Two handlers had records of one key.
func TestAllThatRunsWasCut(t *testing.T) {
	for _, before := range []bool{false, true} { // is there something before that ends first
		for _, undone := range []bool{false, true} {
			c := lanes.New(lanes.ByKey, 10, 1<<20)
			var first *lanes.Unit
			if before {
				c.Add(&lanes.Unit{TopicPartition: tp(0), Offset: 0}, []byte("b"))
				first = c.Take(time.Time{})
			}
			c.Add(&lanes.Unit{TopicPartition: tp(0), Offset: 1}, []byte("a"))
			cut := c.Take(time.Time{})
			c.Back(tp(0), 1)
			if before {
				c.Done(first)
			}
			if _, _, open := c.Low(tp(0)); open || !c.Empty() || len(c.Open()) != 0 || c.Running(tp(0)) != 1 {
				t.Errorf("something is to be finished, or not one runs but %d", c.Running(tp(0)))
			}
			c.Add(&lanes.Unit{TopicPartition: tp(0), Offset: 1}, []byte("a"))
			if u := c.Take(time.Time{}); u != nil {
				t.Errorf("offset %d runs twice", u.Offset)
			}
			if undone {
				c.Undone(cut)
				if u := c.Take(time.Time{}); u != nil || c.Running(tp(0)) != 0 {
					t.Errorf("taken: %+v", u)
				}
				continue
			}
			c.Done(cut)
			if u := c.Take(time.Time{}); u == nil || u.Offset != 1 {
				t.Errorf("taken: %+v", u)
			} else if c.Done(u); !c.Empty() || c.Running(tp(0)) != 0 || room(c, 0) != 10 {
				t.Error("something is left")
			}
		}
	}
}

// TestStoppedBeforeItIsRead: what is read of a partition that is being given up does not begin, also if it is sought meanwhile; when it is given up and assigned again it does.
func TestStoppedBeforeItIsRead(t *testing.T) {
	c := lanes.New(lanes.ByPartition, 10, 1<<20)
	c.Stop(tp(0))
	c.Pause(tp(0), true)
	for range 2 {
		c.Add(&lanes.Unit{TopicPartition: tp(0), Offset: 7}, nil)
		if u := c.Take(time.Time{}); u != nil {
			t.Errorf("offset %d begins", u.Offset)
		}
		if low, _, ok := c.Low(tp(0)); low != 7 || !ok {
			t.Errorf("everything below %d is finished, %v", low, ok)
		}
		c.Drop(tp(0))
	}
	c.Forget(tp(0))
	c.Add(&lanes.Unit{TopicPartition: tp(0), Offset: 8}, nil)
	if u := c.Take(time.Time{}); u == nil || u.Offset != 8 {
		t.Errorf("taken: %+v", u)
	}
}

// TestReadAgain goes back to a partition's first records: what had not begun is forgotten, and comes again.
func TestReadAgain(t *testing.T) {
	c := lanes.New(lanes.ByPartition, 10, 1<<20)
	for o := range int64(3) {
		c.Add(&lanes.Unit{TopicPartition: tp(0), Offset: o}, nil)
	}
	c.Done(c.Take(time.Time{}))
	c.Back(tp(0), 1)
	c.Add(&lanes.Unit{TopicPartition: tp(0), Offset: 1}, nil)
	if low, _, ok := c.Low(tp(0)); low != 1 || !ok {
		t.Fatalf("everything below %d is finished", low)
	}
	if u := c.Take(time.Time{}); u.Offset != 1 || c.Take(time.Time{}) != nil {
		t.Fatalf("offset %d is first", u.Offset)
	}
	if n := room(c, 0); n != 9 {
		t.Fatalf("room for %d", n)
	}
}

// BenchmarkRecord is what a record costs beside its handling, with 100 keys.
func BenchmarkRecord(b *testing.B) {
	c := lanes.New(lanes.ByKey, 100, 1<<20)
	keys := make([][]byte, 100)
	for i := range keys {
		keys[i] = fmt.Append(nil, "key-", i)
	}
	b.ReportAllocs()
	for i := range b.N {
		c.Add(&lanes.Unit{TopicPartition: tp(i % 4), Offset: int64(i)}, keys[i%100])
		c.Done(c.Take(time.Time{}))
	}
}
