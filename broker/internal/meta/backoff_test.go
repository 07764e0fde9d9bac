package meta

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
)

// pace plays a cluster in virtual time: each question is dealt with a millisecond after it was asked.
type pace struct {
	*bench
	deal      func(p *pace, peer int32) // with a question
	questions []Effects
	asked     map[int32]int // questions by peer
	lookUps   int           // questions for a coordinator
	all       int
}

func (p *pace) note() {
	if p.out.Metadata != nil {
		p.questions = append(p.questions, p.out)
		p.asked[p.out.Peer.ID]++
		p.all++
	}
	p.lookUps += len(p.out.Ask)
}

func (p *pace) do(m Message) {
	p.step(m)
	p.note()
}

// run plays for so long. Every 50 ms something happens: beat.
func (p *pace) run(d time.Duration, beat func(n int)) {
	end, next := p.now.Add(d), p.now
	for n := 0; p.now.Before(end); {
		for len(p.questions) > 0 {
			q := p.questions[0]
			p.questions = p.questions[1:]
			p.later(time.Millisecond)
			p.note()
			p.do(&Ended{Peer: q.Peer.ID})
			p.deal(p, q.Peer.ID)
		}
		if !p.now.Before(next) {
			next = next.Add(50 * time.Millisecond)
			beat(n)
			n++
			continue
		}
		at := next
		if due := p.c.Next(); !due.IsZero() && due.Before(at) {
			at = due
		}
		p.later(max(at.Sub(p.now), 0))
		p.note()
	}
}

// What a back-off of a second allows within a minute, with 20 % of jitter, and the first few.
const allowed = 75 + 5

// TestWhoAnswersNothingIsAskedLessAndLessOften: whatever becomes of the questions for metadata, and however often somebody wishes it. Each wish, each request that was parked and each loss of a connection undid
// the back-off: where all brokers refused, the client asked without a pause.
func TestWhoAnswersNothingIsAskedLessAndLessOften(t *testing.T) {
	wrong := errors.New("refused")
	for _, c := range []struct {
		name string
		deal func(p *pace, peer int32)
	}{
		{"an error", func(p *pace, peer int32) { p.do(&Up{Peer: peer}); p.do(&Metadata{Err: wrong}) }},
		{"a code", func(p *pace, peer int32) {
			m := metadata([]int32{1}, []int32{9})
			m.ErrorCode = int16(protocol.UnknownServerError)
			p.do(&Up{Peer: peer})
			p.do(&Metadata{Resp: m, Version: 13})
		}},
		{"begin anew", func(p *pace, peer int32) {
			p.do(&Up{Peer: peer})
			p.do(&Metadata{Resp: &msg.MetadataResponse{ErrorCode: int16(protocol.RebootstrapRequired)}, Version: 13})
		}},
		{"no brokers", func(p *pace, peer int32) {
			p.do(&Up{Peer: peer})
			p.do(&Metadata{Resp: &msg.MetadataResponse{}, Version: 12})
		}},
		{"no connection", func(p *pace, peer int32) { p.do(&Metadata{Err: wrong}); p.do(&Down{Peer: peer, Err: wrong}) }},
		{"connection closed", func(p *pace, peer int32) {
			p.do(&Up{Peer: peer})
			p.do(&Metadata{Err: wrong})
			p.do(&Down{Peer: peer, Err: wrong})
		}},
		{"another connection closed", func(p *pace, peer int32) {
			p.do(&Up{Peer: peer})
			p.do(&Down{Peer: peer, Err: wrong})
		}},
		{"silence", func(p *pace, peer int32) {}},
	} {
		for _, known := range []bool{true, false} {
			b := newBench(t, func(c *Config) { c.LateAfter = 500 * time.Millisecond })
			if known {
				b.known()
			}
			p := &pace{bench: b, deal: c.deal, asked: map[int32]int{}}
			b.later(time.Second)
			p.run(time.Minute, func(n int) {
				p.do(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode, Owner: n})
				p.do(&Route{Target: Target{Kind: ToLeader, Topic: fmt.Sprint("b", n%3)}, Deadline: b.now.Add(time.Second), Owner: n})
				p.do(&Route{Target: Target{Kind: ToNode, Node: 9}, Deadline: b.now.Add(time.Second), Owner: n})
			})
			for peer, n := range p.asked {
				if n > allowed {
					t.Errorf("%s, brokers known %v: broker %d was asked %d times within a minute", c.name, known, peer, n)
				}
			}
			if p.all < 6 { // a silent one is waited for ever longer
				t.Errorf("%s, brokers known %v: asked only %d times", c.name, known, p.all)
			}
		}
	}
}

// TestABrokerThatIsWellIsAskedAtOnce: the back-off is that of those who answer nothing.
func TestABrokerThatIsWellIsAskedAtOnce(t *testing.T) {
	b := newBench(t, nil).known()
	b.later(time.Second)
	b.step(&Refresh{Except: cluster.NoNode, Owner: "w"})
	for range 2 {
		first := b.out.Peer.ID
		b.step(&Metadata{Err: errors.New("refused")})
		b.step(&Down{Peer: first, Err: errors.New("refused")})
		if b.out.Metadata == nil || b.out.Peer.ID == first {
			t.Fatalf("after node %d nobody is asked at once: %+v", first, b.out.Peer)
		}
	}
}

// TestBrokersThatAreAllAwayAreAskedAboutLessAndLessOften: the bootstrap addresses name only brokers that cannot be reached, as with the wrong advertised.listeners, and each try of each connection fails.
func TestBrokersThatAreAllAwayAreAskedAboutLessAndLessOften(t *testing.T) {
	b := newBench(t, nil)
	p := &pace{bench: b, asked: map[int32]int{}}
	p.deal = func(p *pace, peer int32) {
		if peer >= 0 {
			p.do(&Metadata{Err: errors.New("refused")})
			p.do(&Down{Peer: peer, Err: errors.New("refused")})
			return
		}
		p.do(&Up{Peer: peer})
		p.do(&Metadata{Resp: metadata([]int32{1, 2}, []int32{5, 5}), Version: 12})
	}
	p.do(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode})
	p.run(electionsLast, func(n int) { p.do(&Down{Peer: 1 + int32(n%3), Err: errors.New("refused")}) }) // others may be about to lead in their place
	p.asked, p.all = map[int32]int{}, 0
	p.run(time.Minute, func(n int) { p.do(&Down{Peer: 1 + int32(n%3), Err: errors.New("refused")}) })
	if p.all < 50 || p.all > allowed {
		t.Errorf("asked %d times within a minute: %v", p.all, p.asked)
	}
}

// TestWhatWaitsIsAskedForLessAndLessOften: a topic without a leader, one that is not there and a cluster without a controller were each asked for ten times a second, and for each new request, as long as one waited.
func TestWhatWaitsIsAskedForLessAndLessOften(t *testing.T) {
	for _, c := range []struct {
		name   string
		target Target
		answer *msg.MetadataResponse
		most   int
	}{
		{"no leader", Target{Kind: ToLeader, Topic: "a"}, metadata([]int32{-1}, []int32{9}), allowed},
		{"no partition", Target{Kind: ToLeader, Topic: "a", Partition: 5}, metadata([]int32{1}, []int32{9}), allowed},
		{"no topic", Target{Kind: ToLeader, Topic: "a"}, unknown(), 2 * allowed}, // it is asked for by itself, too
		{"no controller", Target{Kind: ToController}, metadata([]int32{1}, []int32{9}), allowed},
	} {
		b := newBench(t, nil)
		c.answer.ControllerID = -1
		p := &pace{bench: b, asked: map[int32]int{}, deal: func(p *pace, peer int32) { p.do(&Metadata{Resp: c.answer, Version: 12}) }}
		p.do(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode})
		p.run(time.Minute, func(n int) {
			p.do(&Route{Target: c.target, Deadline: b.now.Add(time.Minute), Owner: n})
		})
		if p.all < 50 || p.all > c.most {
			t.Errorf("%s: asked %d times within a minute", c.name, p.all)
		}
		c.answer = metadata([]int32{1, 1, 1, 1, 1, 1}, []int32{9, 9, 9, 9, 9, 9})
		placed := false
		p.deal = func(p *pace, peer int32) {
			p.do(&Metadata{Resp: c.answer, Version: 12})
			placed = placed || len(p.out.Place) > 1000
		}
		if p.run(2*time.Second, func(int) {}); !placed {
			t.Errorf("%s: what has waited does not go on", c.name)
		}
	}
}

// TestACoordinatorIsAskedForLessAndLessOften has all brokers refuse, while requests come.
func TestACoordinatorIsAskedForLessAndLessOften(t *testing.T) {
	b := newBench(t, nil).known()
	p := &pace{bench: b, asked: map[int32]int{}, deal: func(p *pace, peer int32) {
		p.do(&Metadata{Err: errors.New("refused")})
		p.do(&Down{Peer: peer, Err: errors.New("refused")})
	}}
	p.run(time.Minute, func(n int) {
		p.do(&Route{Target: Target{Kind: ToCoordinator, Key: "g"}, Deadline: b.now.Add(time.Second), Owner: n})
		if k := b.c.coordinator("g", 0); k.asked {
			peer := k.peer
			p.do(&Coordinator{Key: "g", Err: errors.New("refused")})
			p.do(&Down{Peer: peer, Err: errors.New("refused")})
		}
	})
	if p.lookUps < 20 || p.lookUps > allowed {
		t.Errorf("asked for %d times within a minute", p.lookUps)
	}
}

// TestATryThatFailsIsOneFailure: a burst of calls on a connection whose broker is not believed was a burst of failures, and the back-off the longest at once.
func TestATryThatFailsIsOneFailure(t *testing.T) {
	b := newBench(t, nil).known()
	b.step(&Up{Peer: 1})
	for _, wait := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, time.Second, time.Second} {
		for range 50 {
			b.step(&Down{Peer: 1, Err: errors.New("unknown authority"), Fatal: true})
		}
		if got := b.c.peer(1).retryAt.Sub(b.now); got != wait {
			t.Fatalf("the back-off is %s, expected %s", got, wait)
		}
		b.later(wait)
	}
	b.step(&Up{Peer: 1})
	b.later(500 * time.Millisecond)
	b.step(&Down{Peer: 1, Err: errors.New("closed")})
	if got := b.c.peer(1).retryAt.Sub(b.now); got != time.Second {
		t.Errorf("it only seemed to be well, and the back-off is %s", got)
	}
	b.step(&Up{Peer: 1})
	b.later(2 * time.Second)
	b.step(&Down{Peer: 1, Err: errors.New("closed")})
	if got := b.c.peer(1).retryAt.Sub(b.now); got != 100*time.Millisecond {
		t.Errorf("it was well, and the back-off is %s", got)
	}
}
