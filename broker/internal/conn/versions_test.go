package conn

import (
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// picky is a broker that answers some versions of ApiVersions only, and how it does not answer the others.
type picky struct {
	answers func(version int16) bool
	silent  bool
}

// connect plays the attempts of a connection until it is ready or an attempt has failed, and gives the versions that were asked for.
func (p picky) connect(b *bench) (asked []int16) {
	b.t.Helper()
	for range 10 {
		switch b.c.State() {
		case Idle:
			if b.out.Down != nil || b.c.Pending() == 0 {
				return asked
			}
			b.later(b.c.Next().Sub(b.now))
		case Resolving:
			b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"10.0.0.1"}})
		case Dialling:
			b.step(&Opened{Gen: b.c.gen})
		case Negotiating:
			f := b.sent()
			asked = append(asked, f.Version)
			switch {
			case p.answers(f.Version):
				b.answer(f, versions(9))
			case p.silent:
				b.later(10 * time.Second)
			default:
				b.step(&Broken{Gen: b.c.gen, Err: io.EOF})
			}
		case Ready:
			return asked
		}
	}
	b.t.Fatalf("it does not come to an end: %v", asked)
	return nil
}

// up calls, and connects.
func (p picky) up(b *bench) []int16 {
	b.t.Helper()
	b.step(b.call(func(m *Call) { m.Deadline = b.now.Add(time.Hour) }))
	return p.connect(b)
}

func (b *bench) asked(got []int16, want ...int16) {
	b.t.Helper()
	if !slices.Equal(got, want) {
		b.t.Fatalf("versions %v of ApiVersions were asked for, expected %v", got, want)
	}
}

// TestAVersionOfTheQuestionThatEndsTheConnectionIsNotAskedAgain has Azure Event Hubs, which resets the connection at version 4, and older ones that know only the first: who waits does not notice, and what was learnt is remembered, and
// forgotten in time.
func TestAVersionOfTheQuestionThatEndsTheConnectionIsNotAskedAgain(t *testing.T) {
	b := newBench(t, nil)
	hub := picky{answers: func(v int16) bool { return v <= 3 }}
	b.asked(hub.up(b), 4, 3)
	b.state(Ready)
	if n := len(b.out.Ends); n != 0 {
		t.Fatalf("%d calls were ended", n)
	}
	again := func() []int16 {
		b.step(&Broken{Gen: b.c.gen, Err: io.EOF})
		b.out = Effects{}
		return hub.up(b)
	}
	b.asked(again(), 3)
	b.now = b.now.Add(learntFor / 2)
	b.asked(again(), 3)
	b.now = b.now.Add(learntFor / 2)
	b.asked(again(), 4, 3)
	learnt := b.c.Learnt()
	b = newBench(t, func(c *Config) { c.Learnt = learnt }) // another connection to the same address
	b.asked(hub.up(b), 3)

	b = newBench(t, nil)
	b.asked(picky{answers: func(v int16) bool { return v == 0 }}.up(b), 4, 3, 0)
	b.asked(picky{answers: func(int16) bool { return false }}.up(newBench(t, nil)), 4, 3, 0)
}

// TestSilenceIsAnsweredWithALowerVersionTheNextTime: who waits is told when the time is over, as always.
func TestSilenceIsAnsweredWithALowerVersionTheNextTime(t *testing.T) {
	b := newBench(t, nil)
	mute := picky{answers: func(v int16) bool { return v <= 3 }, silent: true}
	b.asked(mute.up(b), 4)
	if len(b.out.Ends) != 1 || !errors.Is(b.out.Ends[0].Err, ErrTimeout) {
		t.Fatalf("%+v", b.out.Ends)
	}
	b.out = Effects{}
	b.asked(mute.up(b), 3)
	b.state(Ready)

	b = newBench(t, nil) // a broker that stood still and then was started again: what it said before is nothing to go by
	b.asked(picky{answers: func(int16) bool { return false }, silent: true}.up(b), 4)
	b.step(b.call())
	b.later(time.Second)
	b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"10.0.0.1"}})
	b.step(&Broken{Gen: b.c.gen, Err: errors.New("refused")})
	b.out = Effects{}
	b.asked(picky{answers: func(int16) bool { return true }}.up(b), 4)
}

// TestWhatSaysWhatThePeerIsIsBelieved: it is not asked again in other ways.
func TestWhatSaysWhatThePeerIsIsBelieved(t *testing.T) {
	for _, err := range []error{protocol.ErrNotKafka, protocol.ErrFrameSize} {
		b := newBench(t, nil)
		b.step(b.call())
		b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"10.0.0.1"}})
		b.step(&Opened{Gen: b.c.gen})
		if out := b.step(&Broken{Gen: b.c.gen, Err: err}); out.Dial != "" || len(out.Ends) != 1 || !errors.Is(out.Ends[0].Err, err) {
			t.Errorf("%v: %+v", err, out)
		}
	}
}

// TestARefusedVersionIsUsedAsKafkaMeansIt: the answer to a version that is not known comes in version 0 and may say which are.
func TestARefusedVersionIsUsedAsKafkaMeansIt(t *testing.T) {
	for _, c := range []struct {
		name  string
		as    int16 // the version of the answer
		tells []msg.ApiVersionsResponseApiVersion
		next  int16 // -1: the end
	}{
		{"older ones are known", 0, []msg.ApiVersionsResponseApiVersion{{ApiKey: msg.ApiVersionsAPI, MaxVersion: 2}}, 2},
		{"the same is known, and refused", 0, []msg.ApiVersionsResponseApiVersion{{ApiKey: msg.ApiVersionsAPI, MaxVersion: 4}}, 3},
		{"nothing is told", 0, nil, 0},
		{"other APIs are told", 0, []msg.ApiVersionsResponseApiVersion{{ApiKey: msg.MetadataAPI, MaxVersion: 2}}, 0},
		{"only newer ones are known", 0, []msg.ApiVersionsResponseApiVersion{{ApiKey: msg.ApiVersionsAPI, MinVersion: 5, MaxVersion: 9}}, -1},
		{"in the version that was asked for", 4, []msg.ApiVersionsResponseApiVersion{{ApiKey: msg.ApiVersionsAPI, MaxVersion: 1}}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, nil)
			b.step(b.call())
			b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"10.0.0.1"}})
			b.step(&Opened{Gen: b.c.gen})
			f := b.sent()
			f.Version = c.as
			out := b.answer(f, &msg.ApiVersionsResponse{ErrorCode: int16(protocol.UnsupportedVersion), ApiKeys: c.tells, FinalizedFeaturesEpoch: -1})
			if c.next < 0 {
				if len(out.Ends) != 1 || !errors.Is(out.Ends[0].Err, ErrUnsupported) || !errors.Is(out.Ends[0].Err, protocol.UnsupportedVersion) {
					t.Fatalf("%+v", out)
				}
				return
			}
			if f = b.sent(); f.Version != c.next {
				t.Fatalf("v%d is asked for next, expected v%d", f.Version, c.next)
			}
			b.answer(f, versions(9))
			b.state(Ready)
		})
	}
}

// TestARefusalOfTheFirstVersionIsTheEnd: there is no older one to ask for.
func TestARefusalOfTheFirstVersionIsTheEnd(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Learnt = Learnt{Version: 0, Until: time.Unix(2000, 0)} })
	b.step(b.call())
	b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"10.0.0.1"}})
	b.step(&Opened{Gen: b.c.gen})
	out := b.answer(b.sent(), &msg.ApiVersionsResponse{ErrorCode: int16(protocol.UnsupportedVersion)})
	if len(out.Ends) != 1 || !errors.Is(out.Ends[0].Err, protocol.UnsupportedVersion) {
		t.Fatalf("%+v", out)
	}
}

// TestAReleaseIsACapAndAFallback has broker.version, and broker.version.fallback, which is no cap.
func TestAReleaseIsACapAndAFallback(t *testing.T) {
	ranges := func(name string) protocol.Ranges {
		r, err := protocol.Release(name)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	metadata := func(b *bench) int16 {
		r, _ := b.c.Versions().Get(msg.MetadataAPI)
		return r.Max
	}
	open, shut := picky{answers: func(int16) bool { return true }}, picky{answers: func(int16) bool { return false }}
	for _, c := range []struct {
		name              string
		version, fallback string
		broker            picky
		asked             []int16
		metadata          int16 // the newest version that is used; the broker tells 9
	}{
		{"a new release is a cap", "1.1", "", open, []int16{1}, 5},
		{"and a fallback", "1.1", "", shut, []int16{1, 0}, 5},
		{"one newer than the broker changes nothing", "4.3", "", open, []int16{4}, 9},
		{"an old one is not asked", "0.9.0", "", shut, nil, 0},
		{"a fallback is no cap", "", "0.10.0", open, []int16{4}, 9},
		{"it is a fallback", "", "0.10.0", shut, []int16{4, 3, 0}, 1},
		{"also to what cannot be asked", "", "0.8.2", shut, []int16{4, 3, 0}, 0},
	} {
		b := newBench(t, func(cfg *Config) {
			if c.version != "" {
				cfg.Versions = ranges(c.version)
			}
			if c.fallback != "" {
				cfg.Fallback = ranges(c.fallback)
			}
		})
		got := c.broker.up(b)
		if b.c.State() != Ready || !slices.Equal(got, c.asked) || metadata(b) != c.metadata {
			t.Errorf("%s: %s, asked %v, metadata to v%d; expected %v and v%d", c.name, b.c.State(), got, metadata(b), c.asked, c.metadata)
		}
	}
}

// What does not fit what a broker has told may fit now: it is asked once more, and the call waits for that, at once the first time, because an answer may have been wrong, and later and later then, each time on a new connection, if nothing
// else is under way on this one.
func TestWhatABrokerDoesNotSpeakIsAskedForAgain(t *testing.T) {
	fetch := func(m *Call) { m.Req = &msg.FetchRequest{} }
	versions := func(more bool) *msg.ApiVersionsResponse {
		m := versions(9)
		if more {
			m.ApiKeys = append(m.ApiKeys, msg.ApiVersionsResponseApiVersion{ApiKey: msg.FetchAPI, MaxVersion: 11})
		}
		return m
	}
	const times = 12
	b := newBench(t, nil)
	b.idle()
	var pause time.Duration
	for i := range times {
		if out := b.step(b.call(fetch)); len(out.Ends) != 0 || out.CloseLink != (i > 0) {
			t.Fatalf("time %d: %+v", i, out)
		}
		if i > 0 {
			for !b.out.Resolve { // there are not many connections at once
				b.later(b.c.Next().Sub(b.now))
			}
			b.step(&Resolved{Gen: b.c.gen, Addrs: []string{"10.0.0.1"}})
			b.step(&Opened{Gen: b.c.gen})
		}
		f := b.sent()
		if f.Header.RequestApiKey != msg.ApiVersionsAPI {
			t.Fatalf("asked for %d", f.Header.RequestApiKey)
		}
		b.step(&Flushed{Gen: b.c.gen})
		last := i == times-1
		out := b.answer(f, versions(last))
		if last {
			if f := b.sent(); f.Header.RequestApiKey != msg.FetchAPI || f.Version != 11 || !out.Up {
				t.Fatalf("%+v, %+v", f.Header, out)
			}
			break
		}
		var lacks *Lacking
		if len(out.Ends) != 1 || !errors.Is(out.Ends[0].Err, ErrUnsupported) || len(out.Send) != 0 || !errors.As(out.Ends[0].Err, &lacks) || lacks.API != msg.FetchAPI || lacks.Need.Min > lacks.Need.Max {
			t.Fatalf("behind the same answer: %+v", out)
		}
		if b.c.doubtAt.After(b.now) {
			if out := b.step(b.call(fetch)); len(out.Ends) != 1 || len(out.Send) != 0 {
				t.Fatalf("asked again at once: %+v", out)
			}
			next := b.c.doubtAt.Sub(b.now)
			if next < pause/2 || next > b.c.cfg.BackoffMax {
				t.Errorf("time %d: asked again after %s, and %s before", i, next, pause)
			}
			pause = next
			b.later(next)
		}
	}
	if pause < b.c.cfg.BackoffMax/2 {
		t.Errorf("asked again after %s still", pause)
	}
}

// What is under way on a connection does not end because it does not speak something else.
func TestABrokerIsAskedAgainBesideWhatItIsAsked(t *testing.T) {
	b := newBench(t, nil)
	b.idle()
	b.c.doubts = 5
	b.step(b.call())
	if out := b.step(b.call(func(m *Call) { m.Req = &msg.FetchRequest{} })); out.CloseLink || len(out.Ends) > 0 || b.sent().Header.RequestApiKey != msg.ApiVersionsAPI {
		t.Fatalf("%+v", out)
	}
}
