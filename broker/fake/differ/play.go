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

// idle is how long nothing is done: longer than anything lasts that a script of [Expiry] asks for, counted from the times of its records.
const idle = 4 * time.Second

// surely is how long nothing expires that a script of [Expiry] asks for, with something to spare.
const surely = 800 * time.Millisecond

// side is a cluster in a script.
type side struct {
	name string
	peer *peer
	w    *world
	// publishes is set of a cluster whose parts hear of changes one after the other, published is how often that was waited for.
	publishes bool
	published int
	probe     *probe // nil of the fake, which goes by configurations at once
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
	made    member // by the broker
	frame   []byte // that was sent, if some bytes of it were changed
}

// member is one of a group whose id the broker has made up.
type member struct{ group, id string }

// madeBy gives the member of an answer.
func madeBy(req protocol.Request, resp protocol.Response) member {
	switch q := req.(type) {
	case *msg.JoinGroupRequest:
		if q.MemberID == "" {
			return member{q.GroupID, resp.(*msg.JoinGroupResponse).MemberID}
		}
	case *msg.ConsumerGroupHeartbeatRequest:
		if id := resp.(*msg.ConsumerGroupHeartbeatResponse).MemberID; q.MemberID == "" && id != nil {
			return member{q.GroupID, *id}
		}
	}
	return member{}
}

// played is what a script has come to.
type played struct {
	found []*Difference // those of one answer that nobody knew of: the script ends with it
	known []string      // kinds of the others
}

// playing is a script on both sides.
type playing struct {
	r           *Runner
	script      Script
	kafka, fake *side
	transcript  strings.Builder
	out         *played
	awake       time.Time // when it has idled last
}

func (p *playing) sides() []*side { return []*side{p.kafka, p.fake} }

// play plays a script on both sides until they have answered differently, or do not have the same any more. pause is how long is waited behind each step: what only differs because one side was not ready does not
// differ then.
func (r *Runner) play(s Script, pause time.Duration) (*played, error) {
	began := time.Now()
	prefix := fmt.Sprintf("d%d-", r.last.Add(1)+r.began)
	p := &playing{r: r, script: s, out: &played{},
		kafka: &side{name: "Kafka", peer: &peer{addr: r.Kafka}, w: newWorld(prefix, began, r.ranges), publishes: r.publishes, probe: &r.probe},
		fake:  &side{name: "the fake", peer: &peer{addr: r.Fake}, w: newWorld(prefix, began, r.ranges)}}
	defer p.kafka.peer.close()
	defer p.fake.peer.close()
	defer p.sweep()
	if p.awake = began; s.Theme() == Expiry {
		p.kafka.w.brief, p.fake.w.brief, pause = true, true, 0
	}
	for i, step := range s.Steps {
		if more, err := p.step(i, operationOf(step.Op), step); err != nil || !more {
			return p.out, err
		}
		time.Sleep(pause)
	}
	return p.out, nil
}

// step plays a step; false if nothing behind it can be compared.
func (p *playing) step(i int, op *operation, step Step) (more bool, err error) {
	if op.ask == nil {
		time.Sleep(idle)
		p.awake = time.Now()
		fmt.Fprintf(&p.transcript, "%d. %s\n", i, op.name)
		return true, p.settle(i, op)
	}
	if p.kafka.w.brief && time.Since(p.awake) > surely {
		return true, nil // what has expired meanwhile is a matter of chance, until it idles again
	}
	defer p.beside(op)()
	p.kafka.w.now = time.Now()
	p.fake.w.now = p.kafka.w.now
	ask := (*side).step
	if p.script.mangles(step) {
		ask = (*side).mangled
	}
	a, err := ask(p.kafka, op, step)
	if err != nil {
		return false, fmt.Errorf("step %d of %s: Kafka: %w", i, p.script, err)
	}
	if a.made.group != "" {
		p.r.made.Store(a.made.group, a.made.id)
		defer p.r.made.Delete(a.made.group)
	}
	b, err := ask(p.fake, op, step)
	if err != nil {
		return false, fmt.Errorf("step %d of %s: the fake: %w", i, p.script, err)
	}
	if a.skipped && b.skipped {
		return true, nil
	}
	if p.kafka.w.brief && time.Since(p.fake.w.now) > surely { // it has waited for others, or for what expires
		return false, nil
	}
	if a.frame != nil && !alikeFrames(a.frame, b.frame) {
		return false, nil
	}
	p.note(i, op, step, a)
	if !p.compare(i, op, a, b) {
		return false, nil
	}
	for _, it := range []*answer{a, b} {
		if it.learn != nil {
			it.learn()
		}
	}
	return true, p.settle(i, op)
}

// compare notes how answers differ; false if nothing behind them can be compared.
func (p *playing) compare(i int, op *operation, a, b *answer) bool {
	differ := differences(a.request, b.request)
	goesOn := len(differ) == 0
	if !goesOn && len(p.out.known) > 0 { // drawn from answers that are known to differ
		return false
	}
	for k := range differ {
		differ[k].path = "request " + differ[k].path
	}
	if goesOn {
		differ = differences(a.lines, b.lines)
	}
	for _, l := range differ {
		d := &Difference{Script: p.script, At: i, API: op.api(), Version: a.version, Request: a.asked, Path: l.path, Kafka: l.kafka, Fake: l.fake, Transcript: p.transcript.String()}
		if p.r.Open[d.Kind()] {
			p.out.known = append(p.out.known, d.Kind())
		} else if !slices.ContainsFunc(p.out.found, func(o *Difference) bool { return o.Kind() == d.Kind() }) {
			p.out.found = append(p.out.found, d)
		}
		goesOn = goesOn && (op.reads() || op.refuses() && refused(l.path, a.lines, b.lines))
	}
	if len(differ) == 0 && p.script.mangles(p.script.Steps[i]) {
		p.r.mangled.Add(1)
		return len(a.lines) == 0 || a.lines[0].value != "silent" // what waits is answered when the connection has ended
	}
	if len(differ) == 0 {
		p.r.cover.add(op.api(), a.version, a.lines)
		if a.passed != nil && b.passed != nil && len(differences(a.passed, b.passed)) == 0 {
			p.r.cover.add(op.api(), a.version, a.passed)
		}
		return true
	}
	return len(p.out.found) == 0 && goesOn && maps.Equal(p.kafka.w.names.counts, p.fake.w.names.counts)
}

// settle waits until both sides have done what the answer before has promised.
func (p *playing) settle(i int, op *operation) error {
	for _, it := range p.sides() {
		if err := it.settle(op.after); err != nil {
			return fmt.Errorf("behind step %d of %s: %s: %w", i, p.script, it.name, err)
		}
	}
	return nil
}

func (p *playing) note(i int, op *operation, step Step, a *answer) {
	out, what := &p.transcript, ""
	if p.script.mangles(step) {
		what = " in other bytes"
	}
	fmt.Fprintf(out, "%d. %s%s v%d %s\n", i, op.name, what, a.version, a.asked)
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
	for until := time.Now().Add(passes); ; time.Sleep(5 * time.Millisecond) {
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
		a.made, a.lines = madeBy(req, resp), flatten(op.api(), resp, s.w)
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
