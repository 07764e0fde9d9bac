package conn

import (
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// bench is a connection on a test's bench.
type bench struct {
	t   *testing.T
	c   *Core
	now time.Time
	out Effects // of the last step
}

func newBench(t *testing.T, change func(*Config)) *bench {
	cfg := Config{Host: "broker", Port: 9092, ClientID: wire.Ptr("test"), SetupTimeout: 10 * time.Second, MaxIdle: 9 * time.Minute, Window: 5, BackoffFirst: 100 * time.Millisecond,
		BackoffMax: time.Second, LateFloor: time.Second, ThrottleMax: 30 * time.Second, Rand: rand.New(rand.NewPCG(1, 1))}
	if change != nil {
		change(&cfg)
	}
	return &bench{t: t, c: New(cfg), now: time.Unix(1000, 0)}
}

func (b *bench) step(m Message) *Effects {
	b.out = Effects{}
	b.c.Step(b.now, m, &b.out)
	return &b.out
}

func (b *bench) later(d time.Duration) *Effects {
	b.now = b.now.Add(d)
	b.out = Effects{}
	b.c.Tick(b.now, &b.out)
	return &b.out
}

func (b *bench) state(want State) {
	b.t.Helper()
	if b.c.State() != want {
		b.t.Fatalf("the state is %s, expected %s", b.c.State(), want)
	}
}

// call makes a call of a metadata request; more change it.
func (b *bench) call(more ...func(*Call)) *Call {
	m := &Call{Req: &msg.MetadataRequest{AllowAutoTopicCreation: true}, Deadline: b.now.Add(30 * time.Second), Owner: "test"}
	for _, f := range more {
		f(m)
	}
	return m
}

// sent decodes the frame of the last step.
func (b *bench) sent() protocol.RequestFrame {
	b.t.Helper()
	if len(b.out.Send) != 1 {
		b.t.Fatalf("%d frames were sent", len(b.out.Send))
	}
	f := protocol.ReadRequest(slices.Concat(b.out.Send[0]...)[protocol.SizeLen:])
	if f.Err != nil {
		b.t.Fatal(f.Err)
	}
	return f
}

// answer hands over an answer to a frame.
func (b *bench) answer(f protocol.RequestFrame, m protocol.Response) *Effects {
	b.t.Helper()
	frame, err := protocol.AppendResponse(nil, m, f.Version, f.Header.CorrelationID)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.step(&Received{Gen: b.c.gen, Frame: frame[protocol.SizeLen:]})
}

func versions(metadata int16) *msg.ApiVersionsResponse {
	m := &msg.ApiVersionsResponse{FinalizedFeaturesEpoch: -1}
	for key, most := range map[int16]int16{msg.ApiVersionsAPI: 3, msg.MetadataAPI: metadata, msg.ProduceAPI: 9} {
		m.ApiKeys = append(m.ApiKeys, msg.ApiVersionsResponseApiVersion{ApiKey: key, MaxVersion: most})
	}
	return m
}

// ready brings the connection to Ready with one call in flight, whose frame it gives.
func (b *bench) ready(first *Call) protocol.RequestFrame {
	b.t.Helper()
	b.step(first)
	b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"10.0.0.1"}})
	b.step(&Opened{Gen: b.c.gen})
	f := b.sent()
	b.step(&Flushed{Gen: b.c.gen})
	out := b.answer(f, versions(9))
	if !out.Up {
		b.t.Fatal("it is not up")
	}
	b.state(Ready)
	return b.sent()
}

// idle brings the connection to Ready with nothing in flight.
func (b *bench) idle() {
	b.t.Helper()
	b.answer(b.ready(b.call()), &msg.MetadataResponse{})
	b.step(&Flushed{Gen: b.c.gen})
}

func TestACallOpensTheConnection(t *testing.T) {
	b := newBench(t, nil)
	b.state(Idle)
	if out := b.step(b.call()); !out.Resolve {
		t.Fatal("the host is not looked up")
	}
	b.state(Resolving)
	if out := b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"10.0.0.1", "::1"}}); out.Dial != "10.0.0.1:9092" {
		t.Fatalf("dials %q", out.Dial)
	}
	b.state(Dialling)
	if out := b.step(&Broken{Gen: b.c.gen, Err: io.EOF}); out.Dial != "[::1]:9092" { // all addresses are tried
		t.Fatalf("dials %q", out.Dial)
	}
	b.step(&Opened{Gen: b.c.gen})
	b.state(Negotiating)
	f := b.sent()
	if f.Header.RequestApiKey != msg.ApiVersionsAPI {
		t.Fatalf("asks %d", f.Header.RequestApiKey)
	}
	b.answer(f, versions(9))
	b.state(Ready)
	f = b.sent()
	if f.Header.RequestApiKey != msg.MetadataAPI || f.Version != 9 {
		t.Fatalf("sends %d v%d", f.Header.RequestApiKey, f.Version)
	}
	out := b.answer(f, &msg.MetadataResponse{})
	if len(out.Ends) != 1 || out.Ends[0].Err != nil || out.Ends[0].Version != 9 || !out.Ends[0].Sent {
		t.Fatalf("ends %+v", out.Ends)
	}
}

// TestVersionsAreNegotiatedWithOldBrokers has KIP-511: a version that is not known is answered in version 0, with or without what is known.
func TestVersionsAreNegotiatedWithOldBrokers(t *testing.T) {
	for _, c := range []struct {
		name string
		told []msg.ApiVersionsResponseApiVersion
		next int16
	}{
		{"says what it knows", []msg.ApiVersionsResponseApiVersion{{ApiKey: msg.ApiVersionsAPI, MaxVersion: 2}}, 2},
		{"says nothing", nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, nil)
			b.step(b.call())
			b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"10.0.0.1"}})
			b.step(&Opened{Gen: b.c.gen})
			f := b.sent()
			f.Version = 0
			b.answer(f, &msg.ApiVersionsResponse{ErrorCode: int16(protocol.UnsupportedVersion), ApiKeys: c.told, FinalizedFeaturesEpoch: -1})
			if f = b.sent(); f.Version != c.next {
				t.Fatalf("asks v%d next, expected v%d", f.Version, c.next)
			}
			b.answer(f, versions(1))
			if f = b.sent(); f.Version != 1 {
				t.Fatalf("sends v%d", f.Version)
			}
		})
	}
}

func TestBrokersThatCannotBeAskedAreNot(t *testing.T) {
	old, err := protocol.Release("0.9.0")
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, func(c *Config) { c.Versions = old })
	b.step(b.call(func(c *Call) {
		c.Req = &msg.MetadataRequest{AllowAutoTopicCreation: true, Topics: []msg.MetadataRequestMetadataRequestTopic{}}
	}))
	b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"10.0.0.1"}})
	b.step(&Opened{Gen: b.c.gen})
	if f := b.sent(); f.Header.RequestApiKey != msg.MetadataAPI || f.Version != 0 {
		t.Fatalf("sends %d v%d", f.Header.RequestApiKey, f.Version)
	}
}

func TestVersionLimits(t *testing.T) {
	for _, c := range []struct {
		name      string
		low, high int16
		want      int16 // -1: refused
	}{
		{"no limits", 0, 0, 9}, {"a cap", 0, 5, 5}, {"version 0", 0, -1, 0}, {"too new", 10, 0, -1},
	} {
		b := newBench(t, nil)
		b.ready(b.call())
		b.c.doubtAt = b.now.Add(time.Second)
		out := b.step(b.call(func(m *Call) { m.MinVersion, m.MaxVersion = c.low, c.high }))
		if c.want < 0 {
			if len(out.Ends) != 1 || !errors.Is(out.Ends[0].Err, ErrUnsupported) || out.Ends[0].Sent || len(out.Released) != 1 {
				t.Errorf("%s: %+v", c.name, out)
			}
			continue
		}
		if f := b.sent(); f.Version != c.want {
			t.Errorf("%s: v%d", c.name, f.Version)
		}
	}
}

func TestAnswersMustComeInOrder(t *testing.T) {
	b := newBench(t, nil)
	b.ready(b.call())
	b.step(b.call())
	second := b.sent()
	out := b.answer(second, &msg.MetadataResponse{}) // the first one's is missing
	if !out.CloseLink || len(out.Ends) != 2 || !errors.Is(out.Ends[0].Err, protocol.ErrCorrelation) || !out.Ends[0].Sent {
		t.Fatalf("%+v", out)
	}
	b.state(Idle)
}

func TestALateAnswerMakesTheBrokerSuspectAndALostOneCostsTheConnection(t *testing.T) {
	b := newBench(t, nil)
	b.ready(b.call())
	if out := b.later(time.Second); !out.Late || out.CloseLink {
		t.Fatalf("after a second: %+v", out)
	}
	if out := b.later(time.Second); out.Late {
		t.Fatal("it is told twice")
	}
	b.step(b.call(func(m *Call) { m.Deadline = b.now.Add(time.Hour) }))
	out := b.later(28 * time.Second)
	if !out.CloseLink || out.Down == nil || len(out.Ends) != 2 {
		t.Fatalf("at the deadline: %+v", out)
	}
	for i, e := range out.Ends {
		if !errors.Is(e.Err, ErrTimeout) || !e.Sent {
			t.Errorf("call %d: %+v", i, e)
		}
	}
}

// TestAConnectionThatDoesNotComeAboutMakesTheBrokerSuspect has a broker that is asked for the first time when it stands still already: its partitions may move, and what waits for it with them.
func TestAConnectionThatDoesNotComeAboutMakesTheBrokerSuspect(t *testing.T) {
	b := newBench(t, nil)
	moved := false
	b.step(b.call(func(m *Call) { m.Moved = func() bool { return moved } }))
	if next := b.c.Next(); next.Sub(b.now) != time.Second {
		t.Fatalf("looks again after %s", next.Sub(b.now))
	}
	if out := b.later(time.Second); !out.Late || out.CloseLink {
		t.Fatalf("after a second: %+v", out)
	}
	if out := b.later(time.Second); out.Late {
		t.Fatal("it is told twice")
	}
	moved = true
	if out := b.step(&Moved{}); len(out.Ends) != 1 || !errors.Is(out.Ends[0].Err, ErrMoved) || out.Ends[0].Sent {
		t.Fatalf("when it has moved: %+v", out)
	}
}

func TestWhatMayBeHeldBackIsNotLate(t *testing.T) {
	b := newBench(t, nil)
	f := b.ready(b.call())
	b.answer(f, &msg.MetadataResponse{})
	b.step(b.call(func(m *Call) { m.Wait = 5 * time.Second }))
	if out := b.later(5 * time.Second); out.Late {
		t.Fatal("late within its wait")
	}
	if out := b.later(time.Second); !out.Late {
		t.Fatal("not late")
	}
}

func TestWorkThatHasMovedIsFetchedBack(t *testing.T) {
	b := newBench(t, nil)
	moved := false
	f := b.ready(b.call(func(m *Call) { m.Moved = func() bool { return moved } }))
	if out := b.step(&Moved{}); len(out.Ends) != 0 {
		t.Fatal("it ended although nothing has moved")
	}
	moved = true
	out := b.step(&Moved{})
	if len(out.Ends) != 1 || !errors.Is(out.Ends[0].Err, ErrMoved) || !out.Ends[0].Sent {
		t.Fatalf("%+v", out.Ends)
	}
	if out := b.answer(f, &msg.MetadataResponse{}); len(out.Ends) != 0 || out.CloseLink {
		t.Fatalf("the answer that comes nevertheless: %+v", out)
	}
}

func TestBuffersAreReleasedWhenTheyAreWritten(t *testing.T) {
	b := newBench(t, nil)
	f := b.ready(b.call())
	out := b.answer(f, &msg.MetadataResponse{}) // an answer may overtake the note that all is written
	if len(out.Ends) != 1 || len(out.Released) != 0 {
		t.Fatalf("%+v", out)
	}
	if out := b.step(&Flushed{Gen: b.c.gen}); len(out.Released) != 1 {
		t.Fatal("not released")
	}
	b.step(b.call())
	gen := b.c.gen
	if out := b.later(30 * time.Second); len(out.Ends) != 1 || len(out.Released) != 0 { // the link may still read it
		t.Fatalf("%+v", out)
	}
	if out := b.step(&Broken{Gen: gen, Err: io.EOF}); len(out.Released) != 1 {
		t.Fatal("not released by the end of the link")
	}
}

func TestThrottledClientsHoldBack(t *testing.T) {
	b := newBench(t, nil)
	f := b.ready(b.call())
	if out := b.answer(f, &msg.MetadataResponse{ThrottleTimeMs: 500}); out.Throttle != 500*time.Millisecond {
		t.Fatalf("%+v", out)
	}
	if out := b.step(b.call()); len(out.Send) != 0 {
		t.Fatal("it does not hold back")
	}
	if next := b.c.Next(); !next.Equal(b.now.Add(500 * time.Millisecond)) {
		t.Fatalf("the next deadline is %v", next)
	}
	if out := b.later(500 * time.Millisecond); len(out.Send) != 1 {
		t.Fatal("it does not go on")
	}
}

// TestWhoIsThrottledMayBeSoAlready: before Kafka 2.0 the broker has held the answer back (KIP-219), and there is nothing to wait for.
func TestWhoIsThrottledMayBeSoAlready(t *testing.T) {
	for version, waits := range map[int16]bool{5: false, 6: true} {
		b := newBench(t, nil)
		b.step(b.call())
		b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"10.0.0.1"}})
		b.step(&Opened{Gen: b.c.gen})
		b.answer(b.sent(), versions(version))
		m := &msg.MetadataResponse{}
		m.SetDefaults()
		m.ThrottleTimeMs = 500
		if out := b.answer(b.sent(), m); out.Throttle != 500*time.Millisecond {
			t.Errorf("v%d: it is not told: %+v", version, out)
		}
		if out := b.step(b.call()); (len(out.Send) == 0) != waits {
			t.Errorf("v%d: %d frames were sent at once", version, len(out.Send))
		}
	}
}

// TestNobodyIsThrottledForEver has a broker that asks for 24 days: nothing is held back longer than request.timeout.ms for one answer, and who has waited in vain is told why.
func TestNobodyIsThrottledForEver(t *testing.T) {
	b := newBench(t, nil)
	f := b.ready(b.call())
	if out := b.answer(f, &msg.MetadataResponse{ThrottleTimeMs: 1<<31 - 1}); out.Throttle < 24*24*time.Hour {
		t.Fatalf("told %s", out.Throttle)
	}
	b.step(b.call(func(m *Call) { m.Deadline = b.now.Add(time.Second) }))
	b.step(b.call(func(m *Call) { m.Deadline = b.now.Add(time.Hour) }))
	if out := b.later(time.Second); len(out.Ends) != 1 || !errors.Is(out.Ends[0].Err, ErrThrottled) || !errors.Is(out.Ends[0].Err, ErrTimeout) || out.Ends[0].Sent {
		t.Fatalf("%+v", out.Ends)
	}
	if out := b.later(29 * time.Second); len(out.Send) != 1 {
		t.Fatal("it is still held back")
	}
}

func TestTheWindowIsKept(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Window = 2 })
	f := b.ready(b.call())
	if out := b.step(b.call()); len(out.Send) != 1 {
		t.Fatal("the second does not go")
	}
	if out := b.step(b.call()); len(out.Send) != 0 {
		t.Fatal("the third goes")
	}
	if out := b.answer(f, &msg.MetadataResponse{}); len(out.Send) != 1 {
		t.Fatal("the third does not follow")
	}
}

// TestABrokerMayCloseWhatNobodyUses: that is no failure to reach it. One that closes while it is asked something is.
func TestABrokerMayCloseWhatNobodyUses(t *testing.T) {
	for _, used := range []bool{false, true} {
		b := newBench(t, nil)
		b.answer(b.ready(b.call()), &msg.MetadataResponse{})
		want := ""
		if used {
			b.step(b.call())
			want = "request"
		}
		if out := b.step(&Broken{Gen: b.c.gen, Err: io.EOF}); out.Down == nil || out.DownPhase != want {
			t.Errorf("used: %t: %v, %q", used, out.Down, out.DownPhase)
		}
	}
}

func TestIdleConnectionsClose(t *testing.T) {
	b := newBench(t, nil)
	f := b.ready(b.call())
	b.answer(f, &msg.MetadataResponse{})
	if out := b.later(9 * time.Minute); !out.CloseLink || out.Down != nil {
		t.Fatalf("%+v", out)
	}
	b.state(Idle)
	if out := b.step(b.call()); !out.Resolve {
		t.Fatal("it does not open again")
	}
}

func TestReconnectingBacksOff(t *testing.T) {
	b := newBench(t, nil)
	var waits []time.Duration
	for range 6 {
		b.step(b.call())
		for b.c.State() == Idle {
			d := b.c.Next().Sub(b.now)
			waits = append(waits, d)
			b.later(d)
		}
		out := b.step(&Resolved{Gen: b.c.gen, Err: errors.New("no such host")})
		if len(out.Ends) != 1 || out.Ends[0].Phase != "dns" || out.Ends[0].Sent || out.Down == nil {
			t.Fatalf("%+v", out.Ends)
		}
	}
	for i, want := range []time.Duration{100, 200, 400, 800, 1000} {
		want *= time.Millisecond
		if waits[i] < want*8/10 || waits[i] > want*12/10 {
			t.Errorf("wait %d is %s, expected about %s", i, waits[i], want)
		}
	}
}

func TestSetupHasATimeout(t *testing.T) {
	b := newBench(t, nil)
	b.step(b.call())
	b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"10.0.0.1"}})
	out := b.later(10 * time.Second)
	if !out.CloseLink || len(out.Ends) != 1 || !errors.Is(out.Ends[0].Err, ErrTimeout) || out.Ends[0].Sent || out.Ends[0].Phase != "dial" {
		t.Fatalf("%+v", out)
	}
}

func TestEventsOfALinkThatIsGoneMeanNothing(t *testing.T) {
	b := newBench(t, nil)
	b.ready(b.call())
	old := b.c.gen
	b.step(&Broken{Gen: old, Err: io.EOF})
	b.state(Idle)
	b.step(&Opened{Gen: old})
	b.step(&Received{Gen: old, Frame: make([]byte, 8)})
	b.step(&Broken{Gen: old, Err: io.EOF})
	b.state(Idle)
}

func TestClosingWaitsForAnswers(t *testing.T) {
	b := newBench(t, nil)
	f := b.ready(b.call())
	b.step(&Flushed{Gen: b.c.gen})
	b.step(&Close{Deadline: b.now.Add(time.Second)})
	if out := b.step(b.call()); len(out.Ends) != 1 || !errors.Is(out.Ends[0].Err, ErrClosed) {
		t.Fatal("a new call is taken")
	}
	if out := b.answer(f, &msg.MetadataResponse{}); len(out.Ends) != 1 || out.Ends[0].Err != nil || !out.Finished || !out.CloseLink {
		t.Fatalf("%+v", out)
	}
	if out := b.step(&Bye{}); !out.Left {
		t.Fatal("it does not leave")
	}
}

func TestClosingEndsAtItsDeadline(t *testing.T) {
	b := newBench(t, nil)
	b.ready(b.call())
	gen := b.c.gen
	b.step(&Close{Deadline: b.now.Add(time.Second)})
	out := b.later(time.Second)
	if len(out.Ends) != 1 || !errors.Is(out.Ends[0].Err, ErrClosed) || !out.Ends[0].Sent || out.Finished {
		t.Fatalf("%+v", out)
	}
	if out := b.step(&Broken{Gen: gen, Err: io.EOF}); !out.Finished || len(out.Released) != 1 {
		t.Fatalf("%+v", out)
	}
}

// Who calls a broker that has left the cluster must not take the client for closed.
func TestCallsToABrokerThatHasLeftEndSo(t *testing.T) {
	b := newBench(t, nil)
	b.ready(b.call())
	b.step(&Close{Deadline: b.now.Add(time.Second), Why: ErrGone})
	if out := b.step(b.call()); len(out.Ends) != 1 || out.Ends[0].Err != ErrGone {
		t.Fatalf("%+v", out)
	}
	if out := b.later(time.Second); len(out.Ends) != 1 || out.Ends[0].Err != ErrGone {
		t.Fatalf("%+v", out)
	}
}

func TestACallThatCannotBeSentDoesNotHoldTheCloseUp(t *testing.T) { // seed 1015134
	b := newBench(t, nil)
	b.step(b.call(func(m *Call) { m.MinVersion = 99 }))
	b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"10.0.0.1"}})
	b.step(&Opened{Gen: b.c.gen})
	f := b.sent()
	b.step(&Flushed{Gen: b.c.gen})
	b.step(&Close{Deadline: b.now.Add(time.Minute)})
	b.answer(f, versions(9))
	f = b.sent() // once more
	b.step(&Flushed{Gen: b.c.gen})
	if out := b.answer(f, versions(9)); len(out.Ends) != 1 || !errors.Is(out.Ends[0].Err, ErrUnsupported) || !out.Finished {
		t.Fatalf("%+v", out)
	}
}

func TestAOneWayCallIsWrittenBeforeTheClose(t *testing.T) {
	b := newBench(t, nil)
	b.step(b.call(func(m *Call) { m.OneWay = true }))
	b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"10.0.0.1"}})
	b.step(&Opened{Gen: b.c.gen})
	f := b.sent()
	b.step(&Flushed{Gen: b.c.gen})
	b.step(&Close{Deadline: b.now.Add(time.Minute)})
	if out := b.answer(f, versions(9)); len(out.Send) != 1 || out.CloseLink {
		t.Fatalf("%+v", out)
	}
	if out := b.step(&Flushed{Gen: b.c.gen}); len(out.Ends) != 1 || !out.CloseLink || !out.Finished {
		t.Fatalf("%+v", out)
	}
}

func TestAFitMayRefuse(t *testing.T) {
	b := newBench(t, nil)
	b.idle()
	no := errors.New("not with that version")
	b.step(b.call(func(m *Call) { m.Fit = func(int16, protocol.Request) error { return no } }))
	f := b.sent()
	if f.Header.RequestApiKey != msg.ApiVersionsAPI {
		t.Fatalf("it is asked for %d", f.Header.RequestApiKey)
	}
	b.step(&Flushed{Gen: b.c.gen})
	out := b.answer(f, versions(9))
	if len(out.Ends) != 1 || !errors.Is(out.Ends[0].Err, no) || out.Ends[0].Sent {
		t.Fatalf("%+v", out.Ends)
	}
}

func TestARequestThatTheVersionCannotCarryIsUnsupported(t *testing.T) {
	b := newBench(t, nil)
	b.ready(b.call())
	out := b.step(b.call(func(m *Call) {
		m.Req, m.MaxVersion = &msg.MetadataRequest{AllowAutoTopicCreation: false}, 3 // the field came with version 4
	}))
	if len(out.Ends) != 1 || !errors.Is(out.Ends[0].Err, ErrUnsupported) || !strings.Contains(out.Ends[0].Err.Error(), "allowAutoTopicCreation") {
		t.Fatalf("%+v", out.Ends)
	}
}

// A broker hangs up at a text that is too long, and everybody else's requests on the connection are lost with it.
func TestARequestThatNoBrokerReadsIsNotSent(t *testing.T) {
	for _, version := range []int16{4, 12} {
		b := newBench(t, nil)
		b.ready(b.call())
		out := b.step(b.call(func(m *Call) {
			m.Req, m.MaxVersion = &msg.MetadataRequest{AllowAutoTopicCreation: true, Topics: []msg.MetadataRequestMetadataRequestTopic{{Name: wire.Ptr(strings.Repeat("a", 40_000))}}}, version
		}))
		if len(out.Ends) != 1 || !errors.Is(out.Ends[0].Err, ErrUnsupported) || !errors.Is(out.Ends[0].Err, wire.ErrLength) || out.Ends[0].Sent || len(out.Send) > 0 {
			t.Fatalf("%+v", out.Ends)
		}
		if l := new(Lacking); !errors.As(out.Ends[0].Err, &l) || l.Need.Min <= l.Need.Max {
			t.Errorf("a version would do: %+v", l)
		}
	}
}

// What is told as written without an answer was lost when the connection was closed behind it: it had only been handed to the link.
func TestOneWayCallsEndWhenTheyAreWritten(t *testing.T) {
	b := newBench(t, nil)
	b.idle()
	if out := b.step(b.call(func(m *Call) { m.OneWay = true })); len(out.Ends) != 0 || len(out.Send) != 1 {
		t.Fatalf("told before it is written: %+v", out)
	}
	if out := b.step(&Close{Deadline: b.now.Add(time.Minute)}); out.CloseLink {
		t.Fatal("the link is closed before it has written what it was given")
	}
	out := b.step(&Flushed{Gen: b.c.gen})
	if len(out.Ends) != 1 || out.Ends[0].Err != nil || !out.Ends[0].Sent || len(out.Released) != 1 || !out.CloseLink {
		t.Fatalf("%+v", out)
	}
}

func TestOneWayCallsThatMayNotBeWrittenFail(t *testing.T) {
	for name, end := range map[string]func(b *bench) Message{
		"the link breaks":               func(b *bench) Message { return &Broken{Gen: b.c.gen, Err: errors.New("reset")} },
		"nobody waits any longer":       func(b *bench) Message { return &Close{Deadline: b.now} },
		"another answer makes no sense": func(b *bench) Message { return &Received{Gen: b.c.gen, Frame: []byte{1}} },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			b.idle()
			b.step(b.call(func(m *Call) { m.OneWay = true }))
			gen := b.c.gen
			out := b.step(end(b))
			if len(out.Ends) != 1 || out.Ends[0].Err == nil || !out.Ends[0].Sent {
				t.Fatalf("%+v", out)
			}
			b.step(&Flushed{Gen: gen}) // it has been, after all
			b.step(&Broken{Gen: gen})
			if n := len(b.out.Ends); n != 0 {
				t.Fatal("told twice")
			}
		})
	}
}

// A broker that takes nothing any more was never found out by who asks for no answers.
func TestAOneWayCallHasADeadline(t *testing.T) {
	b := newBench(t, nil)
	b.idle()
	b.step(b.call(func(m *Call) { m.OneWay = true }))
	begun := b.now
	late := false
	for !b.out.CloseLink {
		next := b.c.Next()
		if !next.After(b.now) {
			t.Fatalf("nothing is waited for after %s", b.now.Sub(begun))
		}
		b.later(next.Sub(b.now))
		late = late || b.out.Late
	}
	if took := b.now.Sub(begun); took != 30*time.Second || !late || len(b.out.Ends) != 1 || !errors.Is(b.out.Ends[0].Err, ErrTimeout) || !b.out.Ends[0].Sent {
		t.Fatalf("after %s, suspect %v: %+v", took, late, b.out.Ends)
	}
}

func TestGarbageCostsTheConnection(t *testing.T) {
	b := newBench(t, nil)
	f := b.ready(b.call())
	frame := []byte{0, 0, 0, byte(f.Header.CorrelationID), 0xff}
	out := b.step(&Received{Gen: b.c.gen, Frame: frame})
	if !out.CloseLink || len(out.Ends) != 1 || out.Ends[0].Err == nil || !out.Ends[0].Sent {
		t.Fatalf("%+v", out)
	}
}

func TestAbortEndsEverything(t *testing.T) {
	b := newBench(t, nil)
	b.ready(b.call())
	bug := errors.New("bug")
	var out Effects
	b.c.Abort(bug, &out)
	if len(out.Ends) != 1 || !errors.Is(out.Ends[0].Err, bug) || len(out.Released) == 0 {
		t.Fatalf("%+v", out)
	}
	out = Effects{}
	b.c.Refuse(b.call(), bug, &out)
	if len(out.Ends) != 1 || len(out.Released) != 1 {
		t.Fatalf("%+v", out)
	}
}

func TestIllegalTransitionsPanic(t *testing.T) {
	defer func() {
		if r := recover(); r == nil || !strings.Contains(r.(string), "cannot become") {
			t.Errorf("%v", r)
		}
	}()
	newBench(t, nil).c.become(Ready)
}

// TestALinkThatOpensTooLateIsClosed has a process that stood still: the link is open, and the time to close it over, in one step.
func TestALinkThatOpensTooLateIsClosed(t *testing.T) {
	b := newBench(t, nil)
	b.step(b.call())
	b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"10.0.0.1"}})
	b.step(&Close{Deadline: b.now.Add(time.Second)})
	b.now = b.now.Add(2 * time.Second)
	out := b.step(&Opened{Gen: b.c.gen})
	b.state(Closed)
	if !out.CloseLink || len(out.Send) != 0 {
		t.Errorf("link closed: %v, and %d frames are to be sent", out.CloseLink, len(out.Send))
	}
}

// TestNoLinkIsOpenedThatIsToBeClosed has an address found when the time to close is over already, because the process stood still: a link that was opened then would be closed by nobody.
func TestNoLinkIsOpenedThatIsToBeClosed(t *testing.T) {
	b := newBench(t, nil)
	b.step(b.call())
	b.step(&Close{Deadline: b.now.Add(time.Second)})
	b.now = b.now.Add(2 * time.Second)
	if out := b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"10.0.0.1"}}); out.Dial != "" || !out.Finished || len(out.Ends) != 1 {
		t.Fatalf("dialled: %q, finished: %v, %d calls ended", out.Dial, out.Finished, len(out.Ends))
	}
	b.state(Closed)
}

// TestACallOfItsOwnClosesTheGate asks something in between, as for new credentials: what others ask waits for the answer to that, what is under way is answered, and the connection goes on.
func TestACallOfItsOwnClosesTheGate(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Window = 1 })
	first := b.ready(b.call())
	var got []byte
	b.out = Effects{}
	b.c.ask(b.now, &msg.MetadataRequest{AllowAutoTopicCreation: true}, 9, b.now.Add(time.Second), func(_ *Core, _ time.Time, frame []byte, _ *Effects) { got = frame }, &b.out)
	own := b.sent() // the window is full with the first: that does not hold it up
	b.step(b.call())
	if out := b.answer(first, &msg.MetadataResponse{}); len(out.Ends) != 1 || out.Ends[0].Err != nil || len(out.Send) != 0 {
		t.Fatalf("the answer to what was asked before: %+v", out)
	}
	if out := b.answer(own, &msg.MetadataResponse{}); got == nil || len(out.Ends) != 0 || len(out.Send) != 1 {
		t.Fatalf("the answer to its own: %+v", out)
	}
}

// TestAPeerMayNotSayMuchBeforeItIsKnown: the limit of frames rises with the versions, and before anything of others is sent.
func TestAPeerMayNotSayMuchBeforeItIsKnown(t *testing.T) {
	b := newBench(t, nil)
	b.step(b.call())
	b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"10.0.0.1"}})
	if out := b.step(&Opened{Gen: b.c.gen}); out.Raise {
		t.Fatal("the limit rises when it is open")
	}
	if out := b.answer(b.sent(), versions(9)); !out.Raise || len(out.Send) != 1 {
		t.Fatalf("%+v", out)
	}
}

// TestNobodyWaitsForItsOwnCalls closes a connection that has asked for the versions, and whose callers are gone.
func TestNobodyWaitsForItsOwnCalls(t *testing.T) {
	b := newBench(t, nil)
	b.step(b.call(func(m *Call) { m.Deadline = b.now.Add(time.Second) }))
	b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"10.0.0.1"}})
	b.step(&Opened{Gen: b.c.gen})
	b.step(&Flushed{Gen: b.c.gen})
	b.later(time.Second)
	if out := b.step(&Close{Deadline: b.now.Add(time.Minute)}); !out.Finished || !out.CloseLink {
		t.Fatalf("%+v", out)
	}
}

// TestWhatALinkThatIsGoneHadReceivedIsNotGivenBackToTheNext: it would read more than its budget.
func TestWhatALinkThatIsGoneHadReceivedIsNotGivenBackToTheNext(t *testing.T) {
	b := newBench(t, nil)
	f := b.ready(b.call())
	old := b.c.gen
	b.step(&Broken{Gen: old, Err: io.EOF})
	b.later(time.Second)
	b.step(b.call())
	b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"10.0.0.1"}})
	frame, err := protocol.AppendResponse(nil, &msg.MetadataResponse{}, f.Version, f.Header.CorrelationID)
	if err != nil {
		t.Fatal(err)
	}
	if out := b.step(&Received{Gen: old, Frame: frame[protocol.SizeLen:]}); out.Consumed != 0 {
		t.Fatalf("%d bytes are given back", out.Consumed)
	}
}

// TestWhatNobodyHasAskedForCostsTheConnection has a peer that speaks first, in frames, to a client that does not ask for versions, and to one that has its answer.
func TestWhatNobodyHasAskedForCostsTheConnection(t *testing.T) {
	old, err := protocol.Release("0.9.0")
	if err != nil {
		t.Fatal(err)
	}
	for _, versions := range []protocol.Ranges{{}, old} {
		b := newBench(t, func(c *Config) { c.Versions = versions })
		if versions.Known() {
			b.step(b.call(func(m *Call) {
				m.Fit = func(int16, protocol.Request) error { return errors.New("not with that version") }
			}))
			b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"10.0.0.1"}})
			b.step(&Opened{Gen: b.c.gen})
		} else {
			b.answer(b.ready(b.call()), &msg.MetadataResponse{})
		}
		b.state(Ready)
		out := b.step(&Received{Gen: b.c.gen, Frame: make([]byte, 8)})
		if !out.CloseLink || !errors.Is(out.Down, protocol.ErrCorrelation) || out.DownPhase != "request" {
			t.Errorf("told %v, at %q", out.Down, out.DownPhase)
		}
	}
}

// TestWhatNoRetryCanHelpIsToldAtOnce: also to who calls until the next attempt, which comes at the longest back-off; and what was put right is used then.
func TestWhatNoRetryCanHelpIsToldAtOnce(t *testing.T) {
	b := newBench(t, nil)
	b.step(b.call())
	b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"10.0.0.1"}})
	b.step(&Opened{Gen: b.c.gen})
	if out := b.step(&Broken{Gen: b.c.gen, Err: protocol.ErrNotKafka}); !errors.Is(out.Down, ErrFatal) || len(out.Ends) != 1 || !errors.Is(out.Ends[0].Err, protocol.ErrNotKafka) {
		t.Fatalf("%+v", out)
	}
	out := b.step(b.call())
	if len(out.Ends) != 1 || !errors.Is(out.Ends[0].Err, ErrFatal) || out.Ends[0].Sent || out.Ends[0].Phase != "api-versions" || len(out.Released) != 1 || out.Down == nil {
		t.Fatalf("a call soon after: %+v", out)
	}
	b.later(700 * time.Millisecond)
	for range 50 { // none of them is an attempt
		if out := b.step(b.call()); len(out.Ends) != 1 {
			t.Fatal("the next attempt is made too soon")
		}
	}
	if b.c.failures != 1 {
		t.Fatalf("one attempt is %d failures", b.c.failures)
	}
	b.later(600 * time.Millisecond)
	b.answer(b.ready(b.call()), &msg.MetadataResponse{})
	b.step(&Broken{Gen: b.c.gen, Err: io.EOF})
	if out := b.step(b.call()); len(out.Ends) != 0 {
		t.Fatal("what was wrong before is told again")
	}
}

// TestABrokenConnectionIsOneFailure, however much was under way: the first back-off follows.
func TestABrokenConnectionIsOneFailure(t *testing.T) {
	b := newBench(t, nil)
	b.answer(b.ready(b.call()), &msg.MetadataResponse{})
	for range 5 {
		b.step(b.call())
	}
	if out := b.step(&Broken{Gen: b.c.gen, Err: io.EOF}); len(out.Ends) != 5 {
		t.Fatalf("%d calls were ended", len(out.Ends))
	}
	b.step(b.call())
	if d := b.c.Next().Sub(b.now); d > 120*time.Millisecond {
		t.Errorf("the next attempt comes after %s", d)
	}
}

// TestAConnectionThatOnlySeemsToBeWellBacksOff has a listener that tells its versions and ends the connection at the next request, as those that want SASL do: it was connected to twenty times a second.
func TestAConnectionThatOnlySeemsToBeWellBacksOff(t *testing.T) {
	b := newBench(t, nil)
	var last time.Duration
	for range 6 {
		b.step(b.call())
		if b.c.State() == Idle {
			last = b.c.Next().Sub(b.now)
			b.later(last)
		}
		b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"10.0.0.1"}})
		b.step(&Opened{Gen: b.c.gen})
		b.answer(b.sent(), versions(9))
		b.step(&Broken{Gen: b.c.gen, Err: io.EOF})
	}
	if last < 800*time.Millisecond {
		t.Errorf("after five times it is connected to again after %s", last)
	}
}

// TestNotMoreThanFiveConnectionsASecond, whatever becomes of them; and in the long run one.
func TestNotMoreThanFiveConnectionsASecond(t *testing.T) {
	refused := func(b *bench) { b.step(&Broken{Gen: b.c.gen, Err: io.EOF}) }
	silent := func(b *bench) { // at the question for its versions, whatever their version
		b.step(&Opened{Gen: b.c.gen})
		b.step(&Broken{Gen: b.c.gen, Err: io.EOF})
	}
	well := func(b *bench) { // it answers one call, and hangs up
		b.step(&Opened{Gen: b.c.gen})
		b.answer(b.sent(), versions(9))
		if len(b.out.Send) == 1 {
			b.answer(b.sent(), &msg.MetadataResponse{})
		}
		b.step(&Broken{Gen: b.c.gen, Err: io.EOF})
	}
	lasting := func(b *bench) { // longer than it is ever held back, where that is short
		b.step(&Opened{Gen: b.c.gen})
		b.answer(b.sent(), versions(9))
		b.later(60 * time.Millisecond)
		b.step(&Broken{Gen: b.c.gen, Err: io.EOF})
	}
	for _, k := range []struct {
		name string
		peer func(b *bench)
		most time.Duration
	}{
		{"refused", refused, time.Second}, {"silent", silent, time.Second}, {"well", well, time.Second},
		{"refused, and soon tried again", refused, 200 * time.Millisecond}, {"silent, and soon asked again", silent, 200 * time.Millisecond}, {"well, and soon asked again", well, 200 * time.Millisecond},
		{"lasting for a moment", lasting, 50 * time.Millisecond},
	} {
		name, peer := k.name, k.peer
		b := newBench(t, func(c *Config) { c.Host, c.BackoffFirst, c.BackoffMax = "10.0.0.1", 50*time.Millisecond, k.most })
		begun, opened := b.now, []time.Time(nil)
		dials := func() bool { return b.out.Dial != "" }
		for b.now.Sub(begun) < 30*time.Second {
			if b.out = (Effects{}); len(b.c.waiting) == 0 {
				b.step(b.call())
			}
			for dials() {
				opened = append(opened, b.now)
				b.now = b.now.Add(time.Millisecond)
				peer(b)
			}
			if next := b.c.Next(); next.After(b.now) {
				b.now = next
			}
			b.later(0)
			for dials() {
				opened = append(opened, b.now)
				b.now = b.now.Add(time.Millisecond)
				peer(b)
			}
		}
		for i := range opened {
			if i >= burst && opened[i].Sub(opened[i-burst]) < time.Second {
				t.Errorf("%s: 6 connections within %s", name, opened[i].Sub(opened[i-burst]))
			}
		}
		if n := len(opened); n < 25 || n > 36 && k.most == time.Second {
			t.Errorf("%s: %d connections in 30 s", name, n)
		}
	}
}

// TestAConnectionThatHasLastedIsReplacedAtOnce: brokers are restarted.
func TestAConnectionThatHasLastedIsReplacedAtOnce(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Host = "10.0.0.1" })
	for range 20 {
		b.step(b.call())
		if b.out.Dial == "" {
			t.Fatal("it is not opened at once")
		}
		b.step(&Opened{Gen: b.c.gen})
		b.answer(b.sent(), versions(9))
		b.answer(b.sent(), &msg.MetadataResponse{})
		b.later(1100 * time.Millisecond)
		b.step(&Broken{Gen: b.c.gen, Err: io.EOF})
		b.later(150 * time.Millisecond)
	}
}

// TestOnlyAllowedAddressesAreDialled has a name of which only what it leads to is allowed.
func TestOnlyAllowedAddressesAreDialled(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Allowed = func(addr string) bool { return strings.HasPrefix(addr, "10.") } })
	b.step(b.call())
	if out := b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"127.0.0.1", "10.0.0.1"}}); out.Dial != "10.0.0.1:9092" {
		t.Fatalf("dials %q", out.Dial)
	}
	if out := b.step(&Broken{Gen: b.c.gen, Err: io.EOF}); out.Dial != "" || out.Down == nil {
		t.Fatalf("dials %q", out.Dial)
	}
	b.now = b.now.Add(time.Minute)
	b.step(b.call())
	out := b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"127.0.0.1"}})
	if len(out.Ends) != 1 || !errors.Is(out.Ends[0].Err, ErrNotAllowed) || !errors.Is(out.Down, ErrFatal) || out.Dial != "" {
		t.Fatalf("%+v", out)
	}
	if got, want := out.Down.Error(), "broker is at 127.0.0.1: not an address that allowed.brokers has"; got != want {
		t.Errorf("%q, expected %q", got, want)
	}
}
