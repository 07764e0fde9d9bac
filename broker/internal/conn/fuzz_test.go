package conn

import (
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// FuzzConnection plays histories of a connection: callers, links that open, write, break and stand still, and a broker that may say anything. Each byte of the script is a choice.
func FuzzConnection(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(script(seed, 300))
	}
	f.Fuzz(playScript)
}

// TestRandomHistoriesOfAConnection plays some in every run.
func TestRandomHistoriesOfAConnection(t *testing.T) {
	seen := map[string]int{}
	histories := uint64(3000)
	if testing.Short() {
		histories = 500
	}
	for seed := range histories {
		h := newHistory(t, script(seed, 400))
		h.play()
		if t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, h.text())
		}
		for _, e := range h.ends {
			seen[e]++
		}
	}
	for _, what := range []string{"answered", "written", "timeout", "closed", "moved", "refused", "fatal", "throttled", "broken"} {
		if seen[what] == 0 {
			t.Errorf("no call of %d histories has ended so: %s; ends: %v", histories, what, seen)
		}
	}
}

func playScript(t *testing.T, script []byte) {
	h := newHistory(t, script)
	h.play()
	if t.Failed() {
		t.Fatal(h.text())
	}
}

func script(seed uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, 5))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// history is a connection with everything around it, and what must hold of it.
type history struct {
	*bench
	script  []byte
	past    []string
	links   []*wireLink // the last is the present one
	calls   map[*Call]*fate
	order   []*Call
	resolve uint64 // to be answered; 0: nothing is
	ends    []string
	over    bool
}

// fate is what has become of a call.
type fate struct {
	link            *wireLink // it was sent on
	ended, released int
	answered        bool // its answer was handed over
	written         bool
}

// wireLink is a link with the broker at its other end.
type wireLink struct {
	gen            uint64
	opened, closed bool
	broken         bool
	raised         bool
	frames         []*Call // sent and not written; nil: the connection's own
	asked          []protocol.RequestFrame
	told           bool // the versions, or they are assumed
	unread         int  // bytes handed over and not consumed
}

func newHistory(t *testing.T, script []byte) *history {
	h := &history{script: script, calls: map[*Call]*fate{}}
	h.bench = newBench(t, func(c *Config) {
		c.Window = 1 + h.pick(4)
		c.MaxIdle = time.Duration(h.pick(3)) * 20 * time.Second
		if h.pick(3) == 0 {
			c.Host = "127.0.0.1"
		}
		name := []string{"", "", "0.9.0", "2.1"}[h.pick(4)]
		if name != "" {
			c.Versions, _ = protocol.Release(name)
		}
		if h.pick(4) == 0 {
			c.Fallback, _ = protocol.Release("0.10.0")
		}
	})
	return h
}

// pick is a choice of n; the script is played to its end, and then always 0.
func (h *history) pick(n int) int {
	if len(h.script) == 0 {
		return 0
	}
	b := h.script[0]
	h.script = h.script[1:]
	return int(b) % n
}

func (h *history) text() (s string) {
	for _, line := range h.past[max(0, len(h.past)-60):] {
		s += line + "\n"
	}
	return s
}

// link gives one of the links for which holds; nil: there is none.
func (h *history) link(holds func(*wireLink) bool) *wireLink {
	var some []*wireLink
	for _, l := range h.links {
		if !l.broken && holds(l) {
			some = append(some, l)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return some[len(some)-1-h.pick(len(some))]
}

func (h *history) do(what string, m Message) {
	h.past = append(h.past, what+" when "+h.c.State().String())
	h.look(h.step(m))
}

func (h *history) wait(d time.Duration) {
	h.past = append(h.past, "later "+d.String()+" when "+h.c.State().String())
	h.look(h.later(d))
	for range 3 { // one thing may follow from another
		if next := h.c.Next(); next.IsZero() || next.After(h.now) {
			return
		}
		h.look(h.later(0))
	}
	h.t.Errorf("it is woken again and again, and nothing happens; it is %s", h.c.State())
}

// look performs the effects, in their order, and holds them against what must be.
func (h *history) look(out *Effects) {
	var now *wireLink
	if n := len(h.links); n > 0 && !h.links[n-1].closed {
		now = h.links[n-1]
	}
	if out.CloseLink && now != nil {
		now.closed, now = true, nil
	}
	if out.Resolve {
		h.resolve = out.Gen
	}
	if out.Dial != "" {
		if now != nil || h.c.state != Dialling {
			h.t.Errorf("a link is opened that nobody will close; it is %s", h.c.State())
		}
		now = &wireLink{gen: out.Gen, told: !h.asks()}
		h.links = append(h.links, now)
	}
	if out.Raise {
		if now == nil || !now.told || now.raised {
			h.t.Errorf("the limit rises: %+v", now)
			return
		}
		now.raised = true
	}
	for _, segments := range out.Send {
		if now == nil || !now.opened || now.broken {
			h.t.Error("a frame is sent without a link")
			return
		}
		h.sends(now, protocol.ReadRequest(slices.Concat(segments...)[protocol.SizeLen:]))
	}
	for _, c := range out.Released {
		switch f := h.calls[c]; {
		case f.released > 0:
			h.t.Error("a call is released twice")
		case f.link != nil && !f.written && !f.link.broken && !h.over:
			h.t.Error("a call is released, and its link still reads it")
		}
		h.calls[c].released++
	}
	if out.Consumed > 0 && now != nil {
		if now.unread -= out.Consumed; now.unread < 0 {
			h.t.Error("more is given back than was received on the link")
		}
	}
	for _, e := range out.Ends {
		h.ended(e)
	}
	n := 0
	for _, c := range h.c.flight {
		if c.then == nil {
			n++
		}
	}
	if n > h.c.cfg.Window {
		h.t.Errorf("%d calls are in flight, the window is %d", n, h.c.cfg.Window)
	}
	if h.c.state == Ready && len(h.c.flight) == 0 && len(h.c.waiting) > 0 && !h.now.Before(h.c.holdUntil) {
		h.t.Error("calls wait, and nothing is in their way")
	}
}

// asks tells whether the broker is to be asked for its versions.
func (h *history) asks() bool { return h.c.asking != unasked }

func (h *history) sends(l *wireLink, f protocol.RequestFrame) {
	l.asked = append(l.asked, f)
	if f.Header.RequestApiKey == msg.ApiVersionsAPI {
		l.frames = append(l.frames, nil)
		return
	}
	i := slices.IndexFunc(h.order, func(c *Call) bool {
		return c.id == f.Header.CorrelationID && c.transmitted && h.calls[c].link == nil && h.calls[c].ended == 0
	})
	switch {
	case i < 0:
		h.t.Error("something is sent that nobody has asked for, or that was ended")
		return
	case !l.raised:
		h.t.Error("a call is sent before the versions are known")
	}
	h.calls[h.order[i]].link = l
	l.frames = append(l.frames, h.order[i])
}

func (h *history) ended(e End) {
	f := h.calls[e.Call]
	if f.ended++; f.ended > 1 {
		h.t.Error("a call is told twice")
	}
	how := "broken"
	switch {
	case e.Err == nil && e.Call.OneWay:
		how = "written"
		if !f.written {
			h.t.Error("a call is told as written, and is not")
		}
	case e.Err == nil:
		how = "answered"
		if !f.answered || e.Resp == nil {
			h.t.Error("a call has an answer that did not come")
		}
	case errors.Is(e.Err, ErrThrottled):
		how = "throttled"
	case errors.Is(e.Err, ErrTimeout):
		how = "timeout"
	case errors.Is(e.Err, ErrClosed):
		how = "closed"
	case errors.Is(e.Err, ErrMoved):
		how = "moved"
	case errors.Is(e.Err, ErrFatal):
		how = "fatal"
	case errors.Is(e.Err, errRefused):
		how = "refused"
	}
	if e.Sent != (f.link != nil) {
		h.t.Errorf("%s: told as sent: %t, sent: %t", how, e.Sent, f.link != nil)
	}
	h.ends = append(h.ends, how)
}

var errRefused = errors.New("not with that version")

// play plays the script, then closes everything: then everybody has an end, and nothing is kept.
func (h *history) play() {
	for len(h.script) > 0 && !h.t.Failed() {
		h.one()
	}
	h.do("close", &Close{Deadline: h.now.Add(time.Second)})
	h.wait(2 * time.Second)
	for _, l := range h.links {
		if !l.broken {
			l.broken = true
			h.do("broken at last", &Broken{Gen: l.gen, Err: io.EOF})
		}
	}
	if !h.c.finished {
		h.t.Error("it does not finish")
	}
	h.over = true
	h.out = Effects{}
	h.c.Abort(ErrClosed, &h.out)
	h.look(&h.out)
	for c, f := range h.calls {
		if f.ended != 1 || f.released != 1 {
			h.t.Errorf("call %d was ended %d times and released %d times, expected once each", c.id, f.ended, f.released)
		}
	}
}

// one lets one thing happen.
func (h *history) one() {
	if h.pick(40) == 0 { // the process stands still: what happens next is looked at before what should have happened
		h.now = h.now.Add(time.Duration(h.pick(30)) * time.Second)
	}
	switch k := h.pick(18); k {
	case 0, 1, 2, 3:
		h.calling()
	case 4:
		if h.resolve != 0 {
			m := &Resolved{Gen: h.resolve, Addrs: []string{"10.0.0.1", "10.0.0.2"}[:1+h.pick(2)]}
			if h.pick(4) == 0 {
				m.Addrs, m.Err = nil, errors.New("no such host")
			}
			h.resolve = 0
			h.do("resolved", m)
		}
	case 5, 6:
		if l := h.link(func(l *wireLink) bool { return !l.opened && !l.closed }); l != nil {
			l.opened = true
			h.do("opened", &Opened{Gen: l.gen})
		}
	case 7, 8, 9:
		if l := h.link(func(l *wireLink) bool { return len(l.frames) > 0 }); l != nil {
			if c := l.frames[0]; c != nil {
				h.calls[c].written = true
			}
			l.frames = l.frames[1:]
			h.do("flushed", &Flushed{Gen: l.gen})
		}
	case 10, 11, 12, 13:
		h.say()
	case 14:
		// The links before it are gone, too.
		i := slices.IndexFunc(h.links, func(l *wireLink) bool { return !l.broken })
		if i >= 0 && (h.links[i].closed || h.pick(3) == 0) {
			h.links[i].broken = true
			h.do("broken", &Broken{Gen: h.links[i].gen, Err: []error{io.EOF, protocol.ErrNotKafka, protocol.ErrFrameSize}[max(0, h.pick(6)-3)]})
		}
	case 15:
		h.do("moved", &Moved{})
	case 16:
		if h.pick(20) == 0 {
			h.do("close", &Close{Deadline: h.now.Add(time.Duration(h.pick(20)) * time.Second)})
		}
	default:
		d := time.Duration(h.pick(100)) * 30 * time.Millisecond
		if next := h.c.Next(); !next.IsZero() && h.pick(2) == 0 {
			d = max(0, next.Sub(h.now))
		}
		h.wait(d)
	}
}

func (h *history) calling() {
	c := &Call{Req: &msg.MetadataRequest{AllowAutoTopicCreation: true, Topics: []msg.MetadataRequestMetadataRequestTopic{}}, Deadline: h.now.Add(time.Duration(h.pick(20)) * time.Second), Owner: h, OneWay: h.pick(5) == 0}
	if h.pick(12) == 0 {
		c.Fit = func(int16, protocol.Request) error { return errRefused }
	}
	if moved := h.pick(5); moved < 2 {
		c.Moved = func() bool { return moved == 0 }
	}
	h.calls[c] = &fate{}
	h.order = append(h.order, c)
	h.do("call", c)
}

// say lets the broker say something: mostly what it was asked for first.
func (h *history) say() {
	l := h.link(func(l *wireLink) bool { return l.opened && !l.closed })
	if l == nil {
		return
	}
	var frame []byte
	what := "answer"
	switch k := h.pick(24); {
	case k == 0 || len(l.asked) == 0: // anything, asked for or not
		if k > 1 {
			return
		}
		frame, what = make([]byte, h.pick(16)), "nonsense"
		for i := range frame {
			frame[i] = byte(h.pick(256))
		}
		if len(frame) > 0 {
			frame[0] = 0x7f // not the number of what was asked
		}
	default:
		f := l.asked[0]
		l.asked = l.asked[1:]
		i := slices.IndexFunc(h.order, func(c *Call) bool {
			return h.calls[c].link == l && c.id == f.Header.CorrelationID
		})
		if i >= 0 && h.order[i].OneWay {
			return
		}
		b, err := protocol.AppendResponse(nil, h.answerTo(f.Header.RequestApiKey, &f.Version), f.Version, f.Header.CorrelationID)
		if err != nil {
			h.t.Fatal(err)
		}
		switch frame = b[protocol.SizeLen:]; k {
		case 1:
			frame, what = frame[:h.pick(len(frame))], "part of an answer"
		case 2:
			for range 1 + h.pick(3) {
				frame[4+h.pick(len(frame)-4)] ^= byte(1 + h.pick(255))
			}
			what = "spoilt answer"
		}
		if i >= 0 {
			h.calls[h.order[i]].answered = true
		} else {
			l.told = true // also if it is spoilt: it may still be read
		}
	}
	l.unread += len(frame)
	h.do(what, &Received{Gen: l.gen, Frame: frame})
	if what == "answer" && errors.Is(h.out.Down, protocol.ErrCorrelation) {
		h.t.Error("the answer to what was asked is not known")
	}
}

// answerTo is an answer to a request; it may be one that refuses the version, which is written in version 0.
func (h *history) answerTo(api int16, version *int16) protocol.Response {
	if api == msg.ApiVersionsAPI {
		m := versions(9)
		if h.pick(6) == 0 {
			m.ErrorCode, m.ApiKeys = int16(protocol.UnsupportedVersion), m.ApiKeys[:h.pick(2)]
			*version = 0
		}
		return m
	}
	m := &msg.MetadataResponse{}
	m.SetDefaults()
	if *version >= 3 && h.pick(8) == 0 {
		m.ThrottleTimeMs = int32(h.pick(40)) * 500
	}
	return m
}
