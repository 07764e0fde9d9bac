package differ

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// idle is how long nothing is done: longer than anything lasts that a script of [Expiry] asks for.
const idle = 2500 * time.Millisecond

// side is a cluster in a script.
type side struct {
	name string
	peer *peer
	w    *world
	// publishes is set of a cluster whose parts hear of changes one after the other, published is how often that was waited for.
	publishes bool
	published int
}

// answer is what a side has answered to a step.
type answer struct {
	version int16
	request []line
	lines   []line
	passed  []line // what was answered at first, and passed by itself
	asked   string // the request as JSON
	learn   func()
	skipped bool
}

// played is what a script has come to.
type played struct {
	found []*Difference // those of one answer that nobody knew of: the script ends with it
	known []string      // kinds of the others
}

// play plays a script on both sides until they have answered differently, or do not have the same any more. pause is how long is waited behind each step: what only differs because one side was not ready does not
// differ then.
func (r *Runner) play(s Script, pause time.Duration) (*played, error) {
	began := time.Now()
	prefix := fmt.Sprintf("d%d-", r.last.Add(1)+r.began)
	kafka := &side{name: "Kafka", peer: &peer{addr: r.Kafka}, w: newWorld(prefix, began, r.ranges), publishes: r.publishes}
	fake := &side{name: "the fake", peer: &peer{addr: r.Fake}, w: newWorld(prefix, began, r.ranges)}
	defer kafka.peer.close()
	defer fake.peer.close()
	defer kafka.sweep()
	kafka.w.brief, fake.w.brief = s.Theme() == Expiry, s.Theme() == Expiry
	var transcript strings.Builder
	out := &played{}
	for i, step := range s.Steps {
		op := operationOf(step.Op)
		if op.ask == nil {
			time.Sleep(idle)
			for _, it := range []*side{kafka, fake} {
				if err := it.settle(op.after); err != nil {
					return nil, fmt.Errorf("behind step %d of %s: %s: %w", i, s, it.name, err)
				}
			}
			fmt.Fprintf(&transcript, "%d. %s\n", i, op.name)
			continue
		}
		kafka.w.now = time.Now()
		fake.w.now = kafka.w.now
		a, err := kafka.step(op, step)
		if err != nil {
			return nil, fmt.Errorf("step %d of %s: Kafka: %w", i, s, err)
		}
		b, err := fake.step(op, step)
		if err != nil {
			return nil, fmt.Errorf("step %d of %s: the fake: %w", i, s, err)
		}
		if a.skipped && b.skipped {
			continue
		}
		note(&transcript, i, op, a)
		asked := differences(a.request, b.request)
		if len(asked) > 0 && len(out.known) > 0 { // drawn from answers that are known to differ
			return out, nil
		}
		for k := range asked {
			asked[k].path = "request " + asked[k].path
		}
		differ := asked
		if len(asked) == 0 {
			differ = differences(a.lines, b.lines)
		}
		goesOn := len(asked) == 0
		for _, l := range differ {
			d := &Difference{Script: s, At: i, API: op.api(), Version: a.version, Request: a.asked, Path: l.path, Kafka: l.kafka, Fake: l.fake, Transcript: transcript.String()}
			if r.Open[d.Kind()] {
				out.known = append(out.known, d.Kind())
			} else if !slices.ContainsFunc(out.found, func(o *Difference) bool { return o.Kind() == d.Kind() }) {
				out.found = append(out.found, d)
			}
			goesOn = goesOn && (op.reads() || op.refuses() && refused(l.path, a.lines, b.lines))
		}
		if len(differ) == 0 {
			r.cover.add(op.api(), a.version, a.lines)
			if a.passed != nil && b.passed != nil && len(differences(a.passed, b.passed)) == 0 {
				r.cover.add(op.api(), a.version, a.passed)
			}
		}
		if len(differ) > 0 && (len(out.found) > 0 || !goesOn || !maps.Equal(kafka.w.names.counts, fake.w.names.counts)) {
			return out, nil
		}
		for _, it := range []*answer{a, b} {
			if it.learn != nil {
				it.learn()
			}
		}
		for _, it := range []*side{kafka, fake} {
			if err := it.settle(op.after); err != nil {
				return nil, fmt.Errorf("behind step %d of %s: %s: %w", i, s, it.name, err)
			}
		}
		time.Sleep(pause)
	}
	return out, nil
}

func note(out *strings.Builder, i int, op *operation, a *answer) {
	fmt.Fprintf(out, "%d. %s v%d %s\n", i, op.name, a.version, a.asked)
	for _, l := range a.lines {
		fmt.Fprintf(out, "      %s = %s\n", l.path, l.value)
	}
}

// step asks one request, again where what is answered passes by itself.
func (s *side) step(op *operation, step Step) (*answer, error) {
	known, ok := s.w.ranges.Get(op.key)
	if !ok {
		return &answer{skipped: true}, nil
	}
	var passed []line
	for until := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		d := newDraw(step.Seed, known)
		req, learn := op.ask(d, s.w)
		if req == nil {
			return &answer{skipped: true}, nil
		}
		a := &answer{version: d.version, request: flatten("request", req, s.w), passed: passed}
		if text, err := protocol.ToJSON(req, d.version); err == nil {
			a.asked = strings.ReplaceAll(string(compact(text)), s.w.prefix, "")
		}
		if p, ok := req.(*msg.ProduceRequest); ok && p.Acks == 0 {
			err := s.peer.tell(req, d.version)
			if err != nil && !errors.Is(err, errClosed) {
				return nil, err
			}
			a.lines = []line{{op.api() + ".closed", fmt.Sprint(err != nil)}}
			return a, nil
		}
		resp, err := s.peer.ask(req, d.version)
		switch {
		case errors.Is(err, errClosed):
			a.lines = []line{{op.api() + ".closed", "true"}}
			return a, nil
		case err != nil:
			return nil, err
		}
		a.lines = flatten(op.api(), resp, s.w)
		if passing(a.lines) && time.Now().Before(until) {
			if passed == nil {
				passed = a.lines
			}
			continue
		}
		if learn != nil {
			a.learn = func() { learn(resp) }
		}
		return a, nil
	}
}

func compact(text []byte) []byte {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return text
	}
	if out, err := json.Marshal(v); err == nil {
		return out
	}
	return text
}

// passing tells whether an answer says that the same request is answered otherwise in a moment.
func passing(lines []line) bool {
	for _, l := range lines {
		if !strings.HasSuffix(l.path, "ErrorCode") {
			continue
		}
		switch l.value {
		case protocol.CoordinatorNotAvailable.Name(), protocol.CoordinatorLoadInProgress.Name(), protocol.ConcurrentTransactions.Name(), protocol.LeaderNotAvailable.Name():
			return true
		}
	}
	return false
}
