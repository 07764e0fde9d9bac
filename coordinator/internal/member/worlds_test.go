package member_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/kactor-go/kactor/actors/sim/explore"
	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/coordinator/internal/member"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/wire"
)

// The worlds of a group: two members with their applications, two partitions and a coordinator, in every order (explore_test.go). worldclassic_test.go and worldconsumer_test.go have the coordinators.

// rules are what there is and what may happen in a world.
type rules struct {
	name    string
	change  func(*member.Config)
	members int
	faults  int
	commits int  // how many the applications make
	loses   bool // requests and answers are lost
	kills   bool // a member's process ends
	leaves  bool // a member is closed
	late    bool // an application does not poll in time
	moves   bool // another broker becomes the coordinator: calls under way end
	forgets bool // the coordinator forgets a member
	denies  bool // committed offsets are refused once
	fails   bool // a commit is refused once
	eager   bool // members give up everything before they join
	behind  bool // an application may commit what it has given up
	slow    bool // an application takes its time
}

// coordinator is a group's.
type coordinator interface {
	// handle takes a call, and answers it, now or later.
	handle(w *world, p *process, c *call)
	// next is when something happens by itself; the zero time: nothing will.
	next() time.Time
	tick(w *world)
	// owns tells whether a member may commit for a partition.
	owns(id string, partition int32) bool
	// forget lets a member's place go.
	forget(w *world, id string)
}

// call is a request of a member under way.
type call struct {
	of      *member.Call
	handled bool
	answer  *member.Answer // nil: there is none yet
}

// process is a member, and its application.
type process struct {
	n       int
	core    *member.Core
	alive   bool
	leaving bool
	left    bool
	calls   []*call
	work    *member.Rebalance // what the application is to do
	taken   bool              // and cannot be recalled any more
	held    bool
	has     []int32 // what the application believes to own
	begun   []int32 // and knows where to begin with
	lost    []int32 // what it was reading before that was lost: it may try to commit it
	outside bool    // the group has gone on without it, and it could not know
	idle    bool    // it does not poll
	asks    bool    // whether it is back in time
	slow    bool    // it takes its time with what it is told
	commits int     // under way
}

// world is one of them.
type world struct {
	rules   rules
	now     time.Time
	group   coordinator
	all     []*process
	faults  int
	commits int
	stored  [2]int64 // offsets committed
	bad     string
}

var work = wire.UUID{7}

// maxPoll is max.poll.interval.ms.
const maxPoll = 24 * time.Second

// steady is a source of random numbers that knows one.
type steady struct{}

func (steady) Uint64() uint64 { return 1 << 63 }

func newWorld(r rules) *world {
	w := &world{rules: r, now: time.Unix(1_800_000_000, 0), faults: r.faults, commits: r.commits}
	snap := cluster.New(cluster.Snapshot{}, &cluster.Topic{Name: "work", ID: work, Partitions: make([]cluster.Partition, 2)})
	for n := range r.members {
		cfg := member.Config{Group: "g", ID: fmt.Sprint("member ", n+1), Assignors: []assign.Assignor{assign.Range{}}, Session: 9 * time.Second, Heartbeat: 3 * time.Second, MaxPoll: maxPoll, MaxAge: 6 * time.Second, RequestTimeout: 5 * time.Second,
			BackoffFirst: time.Second, BackoffMax: time.Second, MaxMembers: 10, MaxSubscription: 1 << 10, Rand: rand.New(steady{})}
		if r.change != nil {
			r.change(&cfg)
		}
		if n == 0 {
			if w.group = coordinator(&classic{}); cfg.Protocol == member.Consumer {
				w.group = &consumer{}
			}
		}
		w.all = append(w.all, &process{n: n + 1, core: member.New(cfg, snap)})
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
	for i, p := range w.all {
		switch {
		case p.alive:
			w.ofProcess(p, add)
		case !p.left && (i == 0 || w.all[i-1].alive || w.all[i-1].left): // they are alike: the first begins first
			add("subscribes member", p.n, func() {
				p.alive = true
				w.step(p, &member.Subscribe{Topics: []string{"work"}})
			})
		}
	}
	if at := w.next(); !at.IsZero() && !w.busy() {
		add("time passes", 0, func() { w.tick(at) })
	}
	if w.faults > 0 {
		out = w.faulty(out)
	}
	return out
}

// ofProcess is what a member, its application and the coordinator do.
func (w *world) ofProcess(p *process, add func(string, int, func())) {
	if len(p.calls) > 0 {
		c := p.calls[0]
		switch {
		case c.answer != nil:
			add("an answer comes to member", p.n, func() {
				p.calls = p.calls[1:]
				w.step(p, c.answer)
			})
		case !c.handled:
			add(fmt.Sprintf("the coordinator handles %s of member", kinds[c.of.Kind]), p.n, func() {
				c.handled = true
				w.group.handle(w, p, c)
			})
		}
	}
	switch {
	case p.work != nil && w.rules.slow && !p.taken:
		add("begins with what it is told, the application of member", p.n, func() { p.taken = true })
	case p.work != nil && !p.held:
		add("gives up and holds what it is told, the application of member", p.n, func() { w.hold(p) })
	case p.work != nil:
		add("is done, the application of member", p.n, func() {
			seq := p.work.Seq
			p.work, p.taken, p.held, p.slow = nil, false, false, false
			w.step(p, &member.Done{Seq: seq})
		})
	}
	if p.idle {
		add("polls again, the application of member", p.n, func() {
			p.idle = false
			w.step(p, &member.Polled{At: w.now})
		})
	}
	if w.commits > 0 && p.work == nil && !p.leaving {
		for _, n := range append(slices.Clone(p.has), p.lost...) {
			add(fmt.Sprintf("partition %d is committed by member", n), p.n, func() { w.commit(p, n) })
		}
	}
	if w.rules.leaves && !p.leaving && p.n == 1 {
		add("is closed member", p.n, func() {
			p.leaving = true
			w.step(p, &member.Leave{Deadline: w.now.Add(5 * time.Second), Final: true, Owner: p.n})
		})
	}
}

// hold is what the application does first of what it is told.
func (w *world) hold(p *process) {
	r := p.work
	p.taken, p.held = true, true
	for _, q := range r.Revoke {
		if r.Lost || w.rules.behind {
			p.lost = []int32{q.Partition}
		}
		drop(&p.has, q.Partition)
		drop(&p.begun, q.Partition)
	}
	for _, q := range r.Assign {
		if slices.Contains(p.has, q.Partition) {
			w.bad = fmt.Sprintf("member %d is given partition %d, which it has", p.n, q.Partition)
		}
		p.has = append(p.has, q.Partition)
		slices.Sort(p.has)
	}
	w.step(p, &member.Held{Seq: r.Seq})
}

func drop(list *[]int32, n int32) {
	*list = slices.DeleteFunc(slices.Clone(*list), func(o int32) bool { return o == n })
}

func (w *world) commit(p *process, n int32) {
	w.commits--
	p.commits++
	w.step(p, &member.Commit{Offsets: []member.Offset{{TopicPartition: member.Partition{Topic: "work", Partition: n}, Offset: 1}}, Deadline: w.now.Add(20 * time.Second), Owner: n})
}

// stores is called by the coordinator for an offset that a member commits.
func (w *world) stores(p *process, id string, n int32, offset int64, epoch int32) {
	if !w.group.owns(id, n) {
		w.bad = fmt.Sprintf("partition %d is committed by member %d, which does not own it", n, p.n)
	}
	if epoch != -1 {
		w.bad = fmt.Sprintf("partition %d is committed with leader epoch %d, and none was told", n, epoch)
	}
	w.stored[n] = offset
}

// next is when something happens by itself.
func (w *world) next() (t time.Time) {
	add := func(at time.Time) {
		if !at.IsZero() && (t.IsZero() || at.Before(t)) {
			t = at
		}
	}
	for _, p := range w.all {
		if p.alive {
			add(p.core.Next())
		}
	}
	add(w.group.next())
	return t
}

// busy tells whether something is under way that takes no time.
func (w *world) busy() bool {
	return slices.ContainsFunc(w.all, func(p *process) bool {
		return !p.alive && !p.left || p.alive && (p.work != nil && !p.slow || p.idle || len(p.calls) > 0 && (p.calls[0].answer != nil || !p.calls[0].handled))
	})
}

func (w *world) tick(to time.Time) {
	if to.After(w.now) {
		w.now = to
	}
	w.group.tick(w)
	for _, p := range w.all {
		for range 8 {
			next := p.core.Next()
			if !p.alive || next.IsZero() || next.After(w.now) {
				break
			}
			out := member.Effects{}
			p.core.Tick(w.now, &out)
			w.perform(p, &out)
		}
		if next := p.core.Next(); p.alive && !next.IsZero() && !next.After(w.now) {
			w.bad = fmt.Sprintf("what is due of member %d is due for ever", p.n)
		}
	}
}

func (w *world) step(p *process, m member.Message) {
	out := member.Effects{}
	p.core.Step(w.now, m, &out)
	w.perform(p, &out)
	w.judge(p, m)
	if len(p.has) == 0 && p.work == nil && p.core.Identity().State == member.Joining { // it begins anew
		p.outside = false
	}
}

// judge looks at what an application believes to own, and has been told nothing of.
func (w *world) judge(p *process, m member.Message) {
	if !p.alive || p.work != nil || len(p.has) == 0 {
		return
	}
	who := p.core.Identity()
	_, back := m.(*member.Returned)
	switch {
	case who.State == member.Joining && who.Generation < 0:
		w.bad = fmt.Sprintf("member %d joins anew, and its application is not told what it has lost", p.n)
	case back:
		w.bad = fmt.Sprintf("the application of member %d is back too late, and goes on reading", p.n)
	case who.State == member.Joining && w.rules.eager:
		w.bad = fmt.Sprintf("member %d joins, and has given up nothing", p.n)
	}
}

// perform does what a core wants, in its order.
func (w *world) perform(p *process, out *member.Effects) {
	for _, c := range out.Calls {
		p.calls = append(p.calls, &call{of: c})
	}
	for _, o := range out.Begins {
		n := o.Partition
		if !slices.Contains(p.has, n) || slices.Contains(p.begun, n) {
			w.bad = fmt.Sprintf("member %d begins with partition %d, which it has not, or begins again", p.n, n)
		}
		p.begun = append(p.begun, n)
		slices.Sort(p.begun)
	}
	for _, r := range out.Results {
		p.commits--
		if n := r.Owner.(int32); r.Err == nil && w.stored[n] == 0 {
			w.bad = fmt.Sprintf("partition %d is told as committed, and is not", n)
		}
	}
	if out.Drop {
		p.work, p.taken, p.held, p.has, p.begun = nil, false, false, nil, nil
	}
	recalled := out.Recall != 0 && p.work != nil && p.work.Seq == out.Recall && !p.taken
	if recalled {
		p.work = out.Instead
	}
	if out.Rebalance != nil {
		if p.work != nil {
			w.bad = fmt.Sprintf("member %d is given two things to do", p.n)
		}
		p.work, p.taken, p.held = out.Rebalance, false, false
	}
	if recalled {
		w.step(p, &member.Recalled{Seq: out.Recall})
	}
	p.idle = p.idle || out.Idle
	if slices.Contains(out.Settled, any(p.n)) {
		p.asks = false
	}
	if out.AskPolled {
		w.step(p, &member.Polled{At: w.now})
	}
	if len(out.Left) > 0 {
		p.alive, p.left, p.calls = false, true, nil
	}
	for _, err := range out.Errors {
		if w.faults == w.rules.faults && !p.left && !p.leaving {
			w.bad = fmt.Sprintf("member %d tells an error for nothing: %v", p.n, err)
		}
	}
}

// Wrong implements explore.World.
func (w *world) Wrong() string {
	if w.bad != "" {
		return w.bad
	}
	var owners [2][]int
	for _, p := range w.all {
		for _, n := range p.has {
			if p.alive && !p.outside {
				owners[n] = append(owners[n], p.n)
			}
		}
	}
	for n, o := range owners {
		if len(o) > 1 {
			return fmt.Sprintf("partition %d has %d owners", n, len(o))
		}
	}
	return ""
}

// Rest implements explore.World: each partition has its owner, who reads it.
func (w *world) Rest() bool {
	read, alive := 0, 0
	for _, p := range w.all {
		if p.alive {
			alive++
			if p.core.Identity().State != member.Stable || p.commits > 0 || p.leaving {
				return false
			}
			read += len(p.begun)
		}
	}
	fair := !slices.ContainsFunc(w.all, func(p *process) bool { return p.alive && len(p.begun)*alive != len(w.stored) })
	return !w.busy() && fair && (read == len(w.stored) || alive == 0)
}

var errLost = errors.New("connection reset")

var kinds = [...]string{"the join", "the sync", "the heartbeat", "the goodbye", "the heartbeat", "the commit", "the question for offsets"}
