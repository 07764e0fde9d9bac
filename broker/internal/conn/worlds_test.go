package conn_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/kactor-go/kactor/actors/sim/explore"
	"github.com/kactor-go/kactor/broker/internal/conn"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// The worlds of a connection: two calls, the links that it opens one after the other, and the broker at their other end, in every order (explore_test.go). worldlinks_test.go has the links.

// rules are what there is and what may happen in a world.
type rules struct {
	name     string
	change   func(*conn.Config)
	calls    []func(*conn.Call)
	faults   int
	versions bool  // the broker may not know the version of ApiVersions, or end the connection for it
	breaks   bool  // links end
	strange  bool  // the broker says what nobody can make sense of
	slow     bool  // time passes while something is under way
	moves    bool  // the work of calls that can be moved moves
	closes   bool  // the connection is closed
	fatal    bool  // what listens there does not speak Kafka's protocol
	throttle int32 // milliseconds that an answer may ask to wait
	brief    bool  // what is waited then is less than calls have time
	twice    bool  // the end of a link is told once more
	room     int   // of frames before the limit is raised; 0: any size fits
}

// world is one of them.
type world struct {
	rules     rules
	core      *conn.Core
	now       time.Time
	calls     []*fate
	next      int // call to be made
	resolving uint64
	links     []*link
	faults    int
	moved     bool
	closed    bool
	finished  bool
	bad       string
}

// fate is what becomes of a call.
type fate struct {
	call            *conn.Call
	sent            bool // to a link
	written         bool
	ended, released int
	hurt            bool // something has gone wrong that it may fail for
}

// steady is a source of random numbers that knows one.
type steady struct{}

func (steady) Uint64() uint64 { return 1 << 63 }

func newWorld(r rules) *world {
	w := &world{rules: r, now: time.Unix(1000, 0), faults: r.faults}
	cfg := conn.Config{Host: "broker", Port: 9092, ClientID: wire.Ptr("test"), SetupTimeout: 10 * time.Second, Window: 5, BackoffFirst: 100 * time.Millisecond, BackoffMax: 100 * time.Millisecond, LateFloor: time.Second,
		ThrottleMax: 5 * time.Second, Rand: rand.New(steady{})}
	if r.change != nil {
		r.change(&cfg)
	}
	w.core = conn.New(cfg)
	return w
}

// Now implements explore.World.
func (w *world) Now() time.Time { return w.now }

// Events implements explore.World.
func (w *world) Events() (out []explore.Event) {
	add := func(name string, of int, do func()) {
		out = append(out, explore.Event{Name: name, Of: of, Do: do})
	}
	fault := func(name string, of int, do func()) {
		if w.faults > 0 {
			out = append(out, explore.Event{Name: name, Of: of, Fault: true, Do: func() { w.faults--; do() }})
		}
	}
	if w.next < len(w.rules.calls) {
		add("call", w.next+1, w.call)
	}
	if gen := w.resolving; gen != 0 {
		add("the broker's address", 0, func() {
			w.resolving = 0
			w.step(&conn.Resolved{Gen: gen, Addrs: []string{"10.0.0.1"}})
		})
		if w.rules.breaks {
			fault("no address", 0, func() {
				w.hurt(true)
				w.resolving = 0
				w.step(&conn.Resolved{Gen: gen, Err: errors.New("no such host")})
			})
		}
	}
	for i, l := range w.links {
		w.ofLink(i+1, l, add, fault)
	}
	if next := w.core.Next(); !next.IsZero() {
		switch {
		case !w.busy():
			add("time passes", 0, func() { w.tick(next) })
		case w.rules.slow:
			fault("time passes, slowly answered", 0, func() {
				w.hurt(true)
				w.tick(next)
			})
		}
	}
	if w.rules.moves && !w.moved {
		add("the work moves", 0, func() {
			w.moved = true
			w.step(&conn.Moved{})
		})
	}
	if w.rules.closes && !w.closed {
		add("close", 0, func() {
			w.closed = true
			w.step(&conn.Close{Deadline: w.now.Add(2 * time.Second)})
		})
	}
	return out
}

// hurt notes that something goes wrong: what is under way may fail; with a link that was ready only what was sent on it.
func (w *world) hurt(all bool) {
	for _, f := range w.calls {
		f.hurt = f.hurt || f.ended == 0 && (all || f.sent || w.core.State() != conn.Ready)
	}
}

// call makes the next call.
func (w *world) call() {
	n := w.next
	w.next++
	m := &conn.Call{Req: &msg.MetadataRequest{AllowAutoTopicCreation: true, Topics: []msg.MetadataRequestMetadataRequestTopic{}}, Deadline: w.now.Add(5 * time.Second), Owner: n}
	if change := w.rules.calls[n]; change != nil {
		change(m)
	}
	if m.Moved != nil {
		m.Moved = func() bool { return w.moved }
	}
	w.calls = append(w.calls, &fate{call: m})
	w.step(m)
}

// busy tells whether something is under way that is faster than time-outs. The end of a link that was closed is not: its writer may hang.
func (w *world) busy() bool {
	return w.resolving != 0 || slices.ContainsFunc(w.links, func(l *link) bool {
		return !l.broken && !l.closed && (!l.opened || len(l.frames) > 0 || len(l.asked) > 0 || len(l.arriving) > 0)
	})
}

func (w *world) tick(to time.Time) {
	if to.After(w.now) {
		w.now = to
	}
	for range 3 { // one thing may follow from another
		out := conn.Effects{}
		w.core.Tick(w.now, &out)
		w.perform(&out)
		if next := w.core.Next(); next.IsZero() || next.After(w.now) {
			return
		}
	}
	w.bad = "it is woken again and again, and nothing happens"
}

func (w *world) step(m conn.Message) {
	out := conn.Effects{}
	w.core.Step(w.now, m, &out)
	w.perform(&out)
}

// link gives the present one.
func (w *world) link() *link {
	if n := len(w.links); n > 0 && !w.links[n-1].closed && !w.links[n-1].broken {
		return w.links[n-1]
	}
	return nil
}

// perform does what the core wants, in its order.
func (w *world) perform(out *conn.Effects) {
	if l := w.link(); out.CloseLink && l != nil {
		l.closed = true
	}
	if out.Resolve {
		w.resolving = out.Gen
	}
	if out.Dial != "" {
		if w.link() != nil {
			w.bad = "a link is opened beside another"
		}
		w.links = append(w.links, &link{gen: out.Gen})
	}
	if l := w.link(); out.Raise && l != nil {
		l.raised = true
	}
	for _, segments := range out.Send {
		w.send(protocol.ReadRequest(slices.Concat(segments...)[protocol.SizeLen:]))
	}
	for _, c := range out.Released {
		f := w.calls[c.Owner.(int)]
		if f.released++; f.released > 1 {
			w.bad = "a call is released twice"
		}
		if slices.ContainsFunc(w.links, func(l *link) bool { return !l.broken && l.reads(c.Owner.(int)) }) {
			w.bad = "a call is released, and a link still reads it"
		}
	}
	for _, e := range out.Ends {
		w.ended(e)
	}
	w.finished = w.finished || out.Finished
	if w.core.State() == conn.Ready && w.link() != nil && w.rules.room > 0 && !w.link().raised {
		w.bad = "the frames of a broker that is known are limited"
	}
}

func (w *world) send(f protocol.RequestFrame) {
	l := w.link()
	switch {
	case f.Err != nil:
		w.bad = "what is sent cannot be read: " + f.Err.Error()
		return
	case l == nil || !l.opened:
		w.bad = "a frame is sent without a link"
		return
	}
	r := asked{api: f.Header.RequestApiKey, version: f.Version, id: f.Header.CorrelationID, call: -1}
	if r.api != msg.ApiVersionsAPI {
		for n, c := range w.calls {
			if !c.sent && c.ended == 0 { // they go in their order
				r.call = n
				break
			}
		}
		if r.call < 0 || w.finished {
			w.bad = "a call is sent that was ended, or twice"
			return
		}
		if !l.told {
			w.bad = "a call is sent before the versions are known"
		}
		w.calls[r.call].sent = true
		r.oneWay = w.calls[r.call].call.OneWay
	}
	l.frames = append(l.frames, r)
}

// ended notes the end of a call.
func (w *world) ended(e conn.End) {
	n := e.Call.Owner.(int)
	f := w.calls[n]
	if f.ended++; f.ended > 1 {
		w.bad = fmt.Sprintf("call %d is ended twice", n+1)
	}
	switch {
	case e.Err == nil && e.Call.OneWay:
		if !f.written {
			w.bad = fmt.Sprintf("call %d is told as written, and is not", n+1)
		}
	case e.Err == nil:
		r, ok := e.Resp.(*msg.MetadataResponse)
		if !ok || r.ClusterID == nil || *r.ClusterID != strconv.Itoa(n) {
			w.bad = fmt.Sprintf("call %d has another's answer", n+1)
		}
	case !w.closed && !f.hurt && !errors.Is(e.Err, conn.ErrMoved) && !errors.Is(e.Err, protocol.ErrNotKafka) && (w.rules.brief || !errors.Is(e.Err, conn.ErrThrottled)): // what was wrong before it was made may last so long
		w.bad = fmt.Sprintf("call %d fails, and nothing has gone wrong since it was made: %v", n+1, e.Err)
	case errors.Is(e.Err, conn.ErrMoved) && (!w.moved || e.Call.Moved == nil):
		w.bad = fmt.Sprintf("call %d is told as moved, and nothing has", n+1)
	case e.Sent != f.sent:
		w.bad = fmt.Sprintf("call %d is told as sent: %t, and that is not so", n+1, e.Sent)
	}
	if w.now.After(e.Call.Deadline.Add(time.Second)) {
		w.bad = fmt.Sprintf("call %d is ended long after its time", n+1)
	}
}

// Wrong implements explore.World.
func (w *world) Wrong() string {
	for n, c := range w.calls {
		if w.bad == "" && c.ended == 0 && w.now.After(c.call.Deadline.Add(time.Second)) {
			return fmt.Sprintf("call %d has no end long after its time", n+1)
		}
	}
	return w.bad
}

// Rest implements explore.World.
func (w *world) Rest() bool {
	if w.busy() || w.next < len(w.rules.calls) || w.closed != w.finished {
		return false
	}
	for _, c := range w.calls {
		if c.ended != 1 || c.released != 1 {
			return false
		}
	}
	return true
}

var errReset = io.EOF
