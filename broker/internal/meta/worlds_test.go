package meta

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/kactor-go/kactor/actors/sim/explore"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// The worlds of who knows the cluster: brokers that hear of what has changed one after the other, or not at all, questions for metadata and for a coordinator under way, and a call that looks for its broker, in every order
// (explore_test.go).

// rules are what there is and what may happen in a world.
type rules struct {
	name      string
	nodes     int
	ids       bool // topics have ids
	wishes    int  // for metadata
	call      bool // one goes to the leader
	group     bool // one goes to the coordinator of a group
	faults    int
	moves     bool // another broker leads, or coordinates
	cuts      bool // a broker hears nothing any more, and answers
	leaves    bool // a broker cannot be reached
	stands    bool // the first broker stands still: another leads and coordinates in its place
	recreates bool // the topic is created again: its epochs begin anew
	maxAge    time.Duration
	lasts     time.Duration
}

// world is one of them.
type world struct {
	rules   rules
	core    *Core
	now     time.Time
	truth   view
	brokers []broker
	asks    []*ask
	calls   []*call
	wishes  int
	faults  int
	lives   []int32 // of the topic, that were told
	was     view
	asked   int // how often something was asked of who has not heard yet
	waited  int // how often time has passed since there was news
	bad     string
}

// longEnough is how often something may happen while a broker has not heard of the news: in the end it has.
const longEnough = 4

// view is what a broker knows.
type view struct {
	life, leader, epoch, coordinator int32
}

// broker is one.
type broker struct {
	sees              view
	cut, away, stands bool
	late              bool // it was told so
}

// ask is a question under way.
type ask struct {
	peer int32
	meta *Metadata    // nil: it is for a coordinator
	coor *Coordinator //
	done bool
}

// call is one that looks for its broker.
type call struct {
	target Target
	node   int32 // it is under way to; 0: none
	given  *Coordinated
	made   bool
	ended  bool
}

const (
	topic = "a"
	group = "g"
)

// steady is a source of random numbers that knows one.
type steady struct{}

func (steady) Uint64() uint64 { return 1 << 63 }

func newWorld(r rules) *world {
	w := &world{rules: r, now: time.Unix(1000, 0), faults: r.faults, wishes: r.wishes, truth: view{life: 1, leader: 1, epoch: 5, coordinator: 1}}
	w.brokers = make([]broker, r.nodes)
	for i := range w.brokers {
		w.brokers[i].sees = w.truth
	}
	w.core = New(Config{MaxAge: r.maxAge, TopicIdle: 5 * time.Minute, BackoffFirst: 100 * time.Millisecond, BackoffMax: time.Second, Timeout: 30 * time.Second, LateAfter: 500 * time.Millisecond, Recover: true,
		Rebootstrap: 5 * time.Minute, Rand: rand.New(steady{}), Bootstrap: []cluster.Node{{ID: -1, Host: "seed", Port: 9092}}})
	w.step(&Refresh{Topics: []string{topic}, Except: cluster.NoNode})
	w.answer(0)
	for i := range w.brokers { // there are connections to all
		w.step(&Up{Peer: int32(i + 1)})
	}
	w.was = w.truth
	if r.call {
		w.calls = append(w.calls, &call{target: Target{Kind: ToLeader, Topic: topic}})
	}
	if r.group {
		w.calls = append(w.calls, &call{target: Target{Kind: ToCoordinator, Key: group}})
	}
	return w
}

func (w *world) broker(peer int32) *broker { return &w.brokers[max(peer, 1)-1] }

// Now implements explore.World.
func (w *world) Now() time.Time { return w.now }

// Events implements explore.World.
func (w *world) Events() (out []explore.Event) {
	add := func(name string, of int, do func()) {
		out = append(out, explore.Event{Name: name, Of: of, Do: do})
	}
	for i := range w.brokers {
		w.ofBroker(i, add)
	}
	for i, a := range w.asks {
		b := w.broker(a.peer)
		switch {
		case a.done:
			add("an answer comes of broker", int(max(a.peer, 1)), func() { w.answer(i) })
		case b.away:
			add("there is no way to broker", int(max(a.peer, 1)), func() { w.lose(i) })
		case w.handles(b):
			add("a question is handled by broker", int(max(a.peer, 1)), func() { w.handle(a) })
		}
	}
	for i, c := range w.calls {
		switch b := w.broker(c.node); {
		case !c.made:
			add("call", i+1, func() {
				c.made = true
				w.route(c)
			})
		case c.node == 0:
		case b.away:
			add("there is no way for call", i+1, func() { w.refused(c, true) })
		case w.handles(b):
			add("handled is call", i+1, func() { w.refused(c, false) })
		}
	}
	if w.wishes > 0 {
		add("metadata is wished for", 0, func() {
			w.wishes--
			w.step(&Refresh{Topics: []string{topic}, Except: cluster.NoNode})
		})
	}
	if next := w.core.Next(); !next.IsZero() && !w.busy() && (!w.settled() || next.Sub(w.now) < time.Second) && next.Before(w.end()) && (!w.lags() || w.waited < longEnough) {
		add("time passes", 0, func() {
			if w.waited++; next.After(w.now) {
				w.now = next
			}
			out := Effects{}
			w.core.Tick(w.now, &out)
			w.perform(&out)
			if next := w.core.Next(); !next.IsZero() && !next.After(w.now) {
				w.bad = "what was due is due still"
			}
		})
	}
	if w.faults > 0 {
		out = w.faulty(out)
	}
	return out
}

// end is when nobody looks any more.
func (w *world) end() time.Time { return time.Unix(1000, 0).Add(w.rules.lasts) }

// handles tells whether a broker does what it is asked. Who has not heard what all others have does that in the end.
func (w *world) handles(b *broker) bool {
	return !b.away && !b.stands && (b.cut || b.sees == w.truth || w.asked < longEnough)
}

// ofBroker adds what may happen to one.
func (w *world) ofBroker(i int, add func(name string, of int, do func())) {
	b := &w.brokers[i]
	if b.sees != w.truth && !b.cut {
		add("the news comes to broker", i+1, func() {
			b.sees = w.truth
			w.asked = 0
		})
	}
	if !b.stands && w.brokers[0].stands && w.truth.leader == 1 {
		add("leads and coordinates instead broker", i+1, func() { w.elect(i) })
	}
	waits := func(node int32) bool { return max(node, 1) == int32(i+1) }
	if b.stands && !b.late && (slices.ContainsFunc(w.asks, func(a *ask) bool { return waits(a.peer) }) || slices.ContainsFunc(w.calls, func(c *call) bool { return c.node != 0 && waits(c.node) })) {
		add("late is broker", i+1, func() {
			b.late = true
			w.step(&Late{Peer: int32(i + 1)})
		})
	}
}

// elect makes a broker the one that leads and coordinates. The others have not heard of it yet.
func (w *world) elect(i int) {
	w.truth.leader, w.truth.coordinator, w.truth.epoch = int32(i+1), int32(i+1), w.truth.epoch+1
	w.brokers[i].sees = w.truth
	w.asked, w.waited = 0, 0
}

// faulty adds what may go wrong.
func (w *world) faulty(out []explore.Event) []explore.Event {
	add := func(name string, of int, do func()) {
		out = append(out, explore.Event{Name: name, Of: of, Fault: true, Do: func() { w.faults--; do() }})
	}
	for i := range w.brokers {
		b := &w.brokers[i]
		if w.rules.moves && w.truth.leader != int32(i+1) && !b.away && !b.stands && !b.cut {
			add("leads and coordinates broker", i+1, func() { w.elect(i) })
		}
		if w.rules.cuts && b.sees != w.truth && !b.cut {
			add("hears nothing any more broker", i+1, func() { b.cut = true })
		}
		if w.rules.leaves && !b.away {
			add("away is broker", i+1, func() { b.away = true })
		}
	}
	if w.rules.stands && !w.brokers[0].stands {
		add("stands still broker", 1, func() { w.brokers[0].stands = true })
	}
	if w.rules.recreates {
		add("the topic is created again", 0, func() { w.truth.life, w.truth.leader, w.truth.epoch = w.truth.life+1, 1, 0 })
	}
	return out
}

// lags tells whether something is to be heard of, or is to come, that no fault is.
func (w *world) lags() bool {
	return w.brokers[0].stands && w.truth.leader == 1 || slices.ContainsFunc(w.brokers, func(b broker) bool { return b.sees != w.truth && !b.cut })
}

// busy tells whether something is under way that is faster than time-outs.
func (w *world) busy() bool {
	return w.lags() && w.asked >= longEnough || slices.ContainsFunc(w.asks, func(a *ask) bool { return a.done || !w.broker(a.peer).stands || !w.broker(a.peer).late }) ||
		slices.ContainsFunc(w.calls, func(c *call) bool {
			return !c.made || c.node != 0 && (!w.broker(c.node).stands || !w.broker(c.node).late)
		})
}

func (w *world) handle(a *ask) {
	a.done = true
	b := w.broker(a.peer)
	if b.sees != w.truth {
		w.asked++
	}
	if a.meta == nil {
		a.coor.Resp = &msg.FindCoordinatorResponse{Coordinators: []msg.FindCoordinatorResponseCoordinator{{Key: group, NodeID: b.sees.coordinator, Host: "broker", Port: 9092}}}
		return
	}
	m := &msg.MetadataResponse{ControllerID: 1, ClusterID: wire.Ptr("c")}
	for i := range w.brokers {
		m.Brokers = append(m.Brokers, msg.MetadataResponseMetadataResponseBroker{NodeID: int32(i + 1), Host: "broker", Port: 9092})
	}
	t := msg.MetadataResponseMetadataResponseTopic{Name: wire.Ptr(topic)}
	if w.rules.ids {
		t.TopicID = wire.UUID{byte(b.sees.life)}
	}
	t.Partitions = []msg.MetadataResponseMetadataResponsePartition{{LeaderID: b.sees.leader, LeaderEpoch: b.sees.epoch}}
	m.Topics = append(m.Topics, t)
	a.meta.Resp = m
}

func (w *world) take(i int) *ask {
	a := w.asks[i]
	w.asks = slices.Delete(slices.Clone(w.asks), i, i+1)
	return a
}

// answer brings an answer; newWorld has the first handled at once.
func (w *world) answer(i int) {
	a := w.take(i)
	if !a.done {
		w.handle(a)
	}
	w.broker(a.peer).late = false
	w.step(&Up{Peer: a.peer})
	w.told(a)
}

// lose is that a question comes to nobody.
func (w *world) lose(i int) {
	a := w.take(i)
	w.step(&Down{Peer: a.peer, Err: errAway})
	if a.meta != nil {
		a.meta.Err = errAway
	} else {
		a.coor.Err = errAway
	}
	w.told(a)
}

var errAway = errors.New("connection refused")

func (w *world) told(a *ask) {
	w.step(&Ended{Peer: a.peer})
	if a.meta != nil {
		w.step(a.meta)
	} else {
		w.step(a.coor)
	}
}

// route looks for the broker of a call.
func (w *world) route(c *call) {
	w.step(&Route{Target: c.target, Deadline: w.now.Add(time.Minute), Owner: c})
}

// refused is what becomes of a call at the broker that it was sent to: it is done, or sent to another when there is news.
func (w *world) refused(c *call, away bool) {
	node, given := c.node, c.given
	c.node, c.given = 0, nil
	if away {
		w.step(&Down{Peer: node, Err: errAway})
	} else {
		w.step(&Up{Peer: node})
	}
	b := w.broker(node)
	w.step(&Ended{Peer: node, Call: given})
	switch {
	case !away && (given == nil && b.sees.leader == node || given != nil && b.sees.coordinator == node):
		c.ended = true
	case given != nil:
		w.asked++
		w.step(&Forget{Key: group})
		w.route(c)
	default:
		w.step(&Refresh{Topics: []string{topic}, Except: node, Owner: c})
	}
}

func (w *world) step(m Message) {
	out := Effects{}
	w.core.Step(w.now, m, &out)
	w.perform(&out)
}

// perform does what the core wants, in its order.
func (w *world) perform(out *Effects) {
	if out.Publish != nil {
		w.published(out.Publish)
	}
	if out.Metadata != nil {
		if slices.ContainsFunc(w.asks, func(a *ask) bool { return a.meta != nil && a.peer == out.Peer.ID && !w.broker(a.peer).stands }) {
			w.bad = "a broker is asked twice for metadata"
		}
		w.asks = append(w.asks, &ask{peer: out.Peer.ID, meta: &Metadata{Ask: out.MetaAsk, Version: 12}})
	}
	for _, a := range out.Ask {
		w.asks = append(w.asks, &ask{peer: a.Peer.ID, coor: &Coordinator{Ask: a.Ask, Key: a.Key, KeyType: a.KeyType, Version: 4}})
	}
	for _, p := range out.Place {
		c := p.Owner.(*call)
		if c.node != 0 || c.ended {
			w.bad = "a call is sent twice"
		}
		c.node, c.given = p.Peer.ID, p.Call
	}
	for _, r := range out.Refuse {
		w.bad = "a call is given up before its time: " + r.Err.Error()
	}
	var again []*call
	for _, id := range out.Moved { // what waits there for nothing is asked of who has its place
		for _, c := range w.calls {
			if c.node == id && w.broker(id).stands && w.elsewhere(c) {
				again = append(again, c)
			}
		}
	}
	for _, o := range out.Fresh {
		again = append(again, o.(*call))
	}
	for _, c := range again {
		if c.node != 0 {
			node, given := c.node, c.given
			c.node, c.given = 0, nil
			w.step(&Ended{Peer: node, Call: given})
		}
		w.route(c)
	}
}

// elsewhere tells whether the core knows another broker for a call.
func (w *world) elsewhere(c *call) bool {
	p := w.core.find(w.now, c.target, nil)
	return p != nil && p.ID != c.node
}

// published holds what is told against what was: nothing of it goes back.
func (w *world) published(s *cluster.Snapshot) {
	t := s.Topic(topic)
	if t == nil || len(t.Partitions) == 0 {
		w.bad = "the topic is told to be gone"
		return
	}
	is := view{life: w.truth.life, leader: t.Partitions[0].Leader, epoch: t.Partitions[0].LeaderEpoch}
	if w.rules.ids {
		is.life = int32(t.ID[0])
	}
	switch {
	case is.life < w.was.life && slices.Contains(w.lives, is.life): // of one that was never told nobody can know that it is over
		w.bad = "the topic is told to be the one that was before"
	case is.epoch < w.was.epoch && is.life == w.was.life && !(w.rules.recreates && !w.rules.ids && w.truth.life > 1):
		w.bad = fmt.Sprintf("epoch %d is told after epoch %d", is.epoch, w.was.epoch)
	}
	w.was = is
	if !slices.Contains(w.lives, is.life) {
		w.lives = append(w.lives, is.life)
	}
}

// settled tells whether what is known is true, as far as somebody can tell, and every call has ended.
func (w *world) settled() bool {
	leader, epoch := w.core.Snapshot().Leader(topic, 0)
	if slices.ContainsFunc(w.brokers, func(b broker) bool { return b.cut }) {
		return false
	}
	known := leader == w.truth.leader && epoch == w.truth.epoch
	return (known || !w.rules.recreates) && !slices.ContainsFunc(w.calls, func(c *call) bool { return !c.ended })
}

// Wrong implements explore.World.
func (w *world) Wrong() string {
	for i := range w.brokers {
		n, id := 0, int32(i+1)
		for _, a := range w.asks {
			if a.peer == id {
				n++
			}
		}
		for _, c := range w.calls {
			if c.node == id {
				n++
			}
		}
		if p := w.core.peer(id); w.bad == "" && p != nil && p.placed != n {
			return fmt.Sprintf("%d requests are under way to broker %d, and %d are counted", n, id, p.placed)
		}
	}
	return w.bad
}

// Rest implements explore.World.
func (w *world) Rest() bool {
	if w.rules.cuts || w.rules.leaves {
		return true
	}
	return w.settled() && w.wishes == 0
}
