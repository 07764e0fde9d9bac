package meta

import (
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/trouble"
)

// refresh is the state of asking for metadata: at most one request is in flight, wishes that come meanwhile are one more. A wish that names topics asks for these; only what is old, or a broker that is in
// trouble, is a reason to ask for all. How often a broker is asked in vain is up to the broker's own back-off (peer.askAt), which no wish and no news undoes.
type refresh struct {
	all    time.Time   // when to ask for all topics; zero: not before something happens
	some   time.Time   // when to look what else there is to ask for; zero: nothing
	due    []*interest // topics that are to be asked for, each at its time
	nodes  bool        // somebody wishes to know the nodes, or the controller
	except []int32     // who is not to be asked next, as long as there are others

	inFlight bool
	whole    bool     // it asks for all
	asked    []string // it asks for
	peer     int32    // who was asked last
	ask      uint64   // how often was asked
	patience
	failures int
	begun    time.Time    // when the first of the attempts was made since an answer came
	last     time.Time    // when an answer came last
	told     uint64       // to this question
	waits    waits        // of requests for the controller
	churn    trouble.Pace // of answers that move what the one before has moved
	churned  time.Time    // when the last came

	waiters  []any // of the request in flight
	someWait []any // of the next request
	allWait  []any // of the next request for all
}

// waits counts the answers in a row after which requests still waited for what they had told nothing of.
type waits struct {
	count int
	told  uint64 // the answer that was counted last
}

// again is when to ask again for what somebody waits for: at, or later, if answers have not helped. The last of them was told, and came then.
func (c *Core) again(at time.Time, w *waits, told uint64, then time.Time) time.Time {
	if told > w.told {
		w.told = told
		w.count++
	}
	if w.count == 0 {
		return at
	}
	return latest(at, then.Add(c.backoff(w.count)))
}

// want asks for everything at that time, if that is allowed.
func (r *refresh) want(at time.Time) { r.all = earlier(r.all, at) }

// askFor asks for a topic at that time. An answer to question need, or to a later one, will do.
func (r *refresh) askFor(at time.Time, i *interest, need uint64) {
	if i.askAt.IsZero() {
		r.due = append(r.due, i)
	}
	i.askAt = earlier(i.askAt, at)
	i.need = max(i.need, need)
	r.some = earlier(r.some, at)
}

// askNodes asks for the nodes and the controller at that time.
func (r *refresh) askNodes(at time.Time) {
	r.nodes = true
	r.some = earlier(r.some, at)
}

// serves tells whether the request in flight asks for a topic.
func (r *refresh) serves(i *interest) bool { return r.inFlight && i.asked == r.ask }

// soon is when a question may be repeated.
func (c *Core) soon(now time.Time) time.Time {
	at := now
	if t := c.refresh.last.Add(c.cfg.BackoffFirst / 2); !c.refresh.last.IsZero() && now.Before(t) {
		at = t
	}
	if until, waits := c.refresh.churn.Waits(now); waits {
		at = latest(at, until)
	}
	return at
}

// movedAgain is within how many times retry.backoff.max.ms what moves has moved again.
const movedAgain = 5

// churns notes whether an answer has moved what one before had moved a moment ago. Each such sends everybody elsewhere, so where it goes on like that it is asked less and less often.
func (c *Core) churns(now time.Time, does bool) {
	r := &c.refresh
	switch {
	case does:
		r.churn.Vain(now, c.retry())
		r.churned = now
	case now.Sub(r.churned) > movedAgain*c.cfg.BackoffMax:
		r.churn.Forward()
	}
}

// backoff is how long to wait after so many failures in a row.
func (c *Core) backoff(failures int) time.Duration {
	return min(c.cfg.BackoffFirst<<min(failures-1, 10), c.cfg.BackoffMax)
}

// jitter makes a time up to 20 % longer or shorter.
func (c *Core) jitter(d time.Duration) time.Duration {
	return d + time.Duration(float64(d)*0.2*(2*c.cfg.Rand.Float64()-1))
}

// wish takes a wish. A topic that is new is asked for at once; what an answer has told a moment ago, soon.
func (c *Core) wish(now time.Time, m *Refresh, out *Effects) {
	if c.closed {
		if m.Owner != nil {
			out.Refuse = append(out.Refuse, Refusal{m.Owner, ErrClosed})
		}
		return
	}
	r := &c.refresh
	whole := len(m.Topics) == 0 && !m.Nodes
	served := m.Shared && !whole && !m.Nodes // by the request in flight
	spurned := 0
	for _, t := range m.Topics {
		i, fresh := c.want(now, t)
		if i.bad {
			c.spurn(i, out)
			spurned++
			continue
		}
		at := now
		if !fresh {
			at = c.soon(now)
		}
		i.create = i.create || fresh || m.Shared && c.absent(t)
		if !m.Shared {
			r.askFor(at, i, r.ask+1)
			continue
		}
		served = served && r.serves(i)
		c.share(at, i)
	}
	if m.Except >= 0 {
		r.except = append(r.except, m.Except)
	}
	if whole {
		r.want(now)
	} else if m.Nodes {
		r.askNodes(c.soon(now))
	}
	switch {
	case m.Owner == nil:
	case spurned > 0 && spurned == len(m.Topics) && !m.Nodes: // there is nothing to ask
		out.Fresh = append(out.Fresh, m.Owner)
	case whole:
		r.allWait = append(r.allWait, m.Owner)
	case served:
		r.waiters = append(r.waiters, m.Owner)
	default:
		r.someWait = append(r.someWait, m.Owner)
	}
}

// absent tells whether it is not known that there is a topic.
func (c *Core) absent(name string) bool {
	t := c.snap.Topic(name)
	return t == nil || t.Err == protocol.UnknownTopicOrPartition
}

// share asks for a topic that somebody waits for, at that time or when its own back-off is over. If it is being asked for that is enough, whoever has wished it.
func (c *Core) share(at time.Time, i *interest) {
	r := &c.refresh
	if r.serves(i) {
		i.need = max(i.need, r.ask)
		return
	}
	r.askFor(c.again(at, &i.waits, i.told, i.toldAt), i, r.ask+1)
}

// unwish ends the wait of somebody who does not wait any more.
func (c *Core) unwish(owner any) {
	r := &c.refresh
	for _, list := range []*[]any{&r.waiters, &r.someWait, &r.allWait} {
		*list = slices.DeleteFunc(*list, func(o any) bool { return o == owner })
	}
}

// driveRefresh asks when it is time: not more often than the back-off allows.
func (c *Core) driveRefresh(now time.Time, out *Effects) {
	r := &c.refresh
	if r.inFlight && r.over(now) {
		c.putBack(now)
	}
	if r.inFlight {
		return
	}
	whole := !r.all.IsZero() && !now.Before(r.all)
	if whole && c.soon(now).After(now) {
		whole, r.all = false, c.soon(now)
	}
	if !whole && (r.some.IsZero() || now.Before(r.some)) {
		return
	}
	if !whole && !c.anyDue(now) {
		return
	}
	if r.begun.IsZero() {
		r.begun = now
	}
	p := c.otherPeer(now, &r.patience, true, r.peer, r.except...)
	if p == nil {
		c.fail(now)
		p = c.otherPeer(now, &r.patience, true, r.peer, r.except...)
	}
	if p == nil {
		at := c.rested(now)
		r.all, r.some = later(r.all, at), later(r.some, at)
		return
	}
	create := c.creates(now)
	switch {
	case create && (whole || r.nodes || !c.onlyCreates(now)): // a request says of all its topics whether they may be created: what else there is to ask for is next, and who waits waits for that
		r.asked, whole = c.takeDue(now, true), false
		r.some = now
	case whole:
		c.forgetIdle(now, out)
		c.forgetCoordinators(now, out)
		r.asked = c.askable()
		for _, i := range r.due {
			i.askAt = time.Time{}
		}
		r.all, r.some, r.due = time.Time{}, time.Time{}, nil
		r.waiters = append(append(r.waiters, r.allWait...), r.someWait...)
		r.nodes, r.allWait, r.someWait = false, nil, nil
	default:
		r.asked = c.takeDue(now, create)
		r.waiters = append(r.waiters, r.someWait...)
		r.nodes, r.someWait = false, nil
	}
	r.ask++
	m := &msg.MetadataRequest{AllowAutoTopicCreation: create, Topics: make([]msg.MetadataRequestMetadataRequestTopic, 0, len(r.asked))}
	for k, name := range r.asked {
		m.Topics = append(m.Topics, msg.MetadataRequestMetadataRequestTopic{Name: &r.asked[k]})
		c.topics[name].asked = r.ask
	}
	r.inFlight, r.whole, r.peer, r.except = true, whole, p.ID, nil
	c.question(p)
	out.Metadata, out.Peer, out.MetaAsk = m, p.Node, r.ask
	out.MetaWait = c.wait(now, &r.patience, len(r.asked))
}

// askable are the topics that can be asked for, by name.
func (c *Core) askable() (names []string) {
	for name, i := range c.topics {
		if !i.bad {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// wanted tells whether a topic still is to be asked for at its time.
func (c *Core) wanted(i *interest) bool { return i.told < i.need && c.topics[i.name] == i }

// isDue tells whether a topic is to be asked for now: what would follow in a moment goes along.
func (c *Core) isDue(now time.Time, i *interest) bool {
	return c.wanted(i) && !i.askAt.After(now.Add(c.cfg.BackoffFirst/2))
}

// goesAlong tells whether a topic is to be asked for if others are: one that is not there, when half of its wait is over. So many of them, whenever they were wished, soon are one request.
func (c *Core) goesAlong(now time.Time, i *interest) bool {
	return c.wanted(i) && !i.along.IsZero() && !now.Before(i.along)
}

// anyDue tells whether there is something to ask for besides all topics, and if not, when to look again.
func (c *Core) anyDue(now time.Time) bool {
	r := &c.refresh
	if r.nodes || len(r.someWait) > 0 || slices.ContainsFunc(r.due, func(i *interest) bool { return c.isDue(now, i) }) {
		return true
	}
	c.takeOut(func(*interest) bool { return false })
	return false
}

// creates tells whether a topic that is to be asked for now may be created.
func (c *Core) creates(now time.Time) bool {
	return c.cfg.AutoCreate && slices.ContainsFunc(c.refresh.due, func(i *interest) bool { return i.create && c.isDue(now, i) })
}

// onlyCreates tells whether all that are to be asked for now may be created.
func (c *Core) onlyCreates(now time.Time) bool {
	return !slices.ContainsFunc(c.refresh.due, func(i *interest) bool { return !i.create && c.isDue(now, i) })
}

// takeDue takes out the names of the topics that are to be asked for now, or only of those that may be created, and what needs no asking any more.
func (c *Core) takeDue(now time.Time, create bool) (names []string) {
	names = c.takeOut(func(i *interest) bool { return (i.create || !create) && (c.isDue(now, i) || c.goesAlong(now, i)) })
	slices.Sort(names)
	return names
}

// takeOut takes out the names of some topics, and what needs no asking any more.
func (c *Core) takeOut(some func(*interest) bool) (names []string) {
	r := &c.refresh
	r.some = time.Time{}
	kept := r.due[:0]
	for _, i := range r.due {
		switch {
		case some(i):
			names = append(names, i.name)
		case c.wanted(i):
			kept = append(kept, i)
			r.some = earlier(r.some, i.askAt)
			continue
		}
		i.askAt = time.Time{}
	}
	clear(r.due[len(kept):])
	r.due = kept
	return names
}

// putBack makes what the request in flight asks for be asked for at that time: now, if it is only that its broker does not answer. Its answer may still come.
func (c *Core) putBack(at time.Time) {
	r := &c.refresh
	r.inFlight = false
	if r.whole {
		r.all = earlier(r.all, at)
		r.allWait = append(r.waiters, r.allWait...)
	} else {
		r.askNodes(at)
		r.someWait = append(r.waiters, r.someWait...)
		for _, name := range r.asked {
			if i := c.topics[name]; i != nil && i.told < i.need {
				r.askFor(at, i, 0)
			}
		}
	}
	r.asked, r.waiters = nil, nil
}

// patience is how long a question waits for its answer before it is asked elsewhere, too: a broker handles the requests of a connection one after the other, and may hold one back for long (rule R1).
type patience struct {
	until time.Time
	moves int // how often it was asked elsewhere since there was an answer
}

// A broker needs time for each name. Without more patience for more names, a question for thousands of topics was asked of one broker after the other, and each answer came too late.
const (
	fewNames = 100                    // take no longer than one
	eachName = 500 * time.Microsecond // of those beyond
)

// over tells whether it is over.
func (p *patience) over(now time.Time) bool { return !p.until.IsZero() && !now.Before(p.until) }

// wait begins to wait for an answer to a question for so many names, longer each time. It gives how long its broker may hold it up: before, it is not late.
func (c *Core) wait(now time.Time, p *patience, names int) (held time.Duration) {
	p.until = time.Time{}
	if c.cfg.LateAfter <= 0 {
		return 0
	}
	d := c.cfg.LateAfter + time.Duration(max(names-fewNames, 0))*eachName
	d = min(d<<min(p.moves, 10), c.cfg.Timeout)
	if len(c.peers) > 1 {
		p.until = now.Add(d)
	}
	if names <= fewNames {
		return 0
	}
	return d - c.cfg.LateAfter
}

// otherPeer gives a broker to ask: not the last one, if that has not answered in time, and otherwise not except.
func (c *Core) otherPeer(now time.Time, p *patience, metadata bool, last int32, except ...int32) *peer {
	if !p.over(now) {
		return c.questioned(now, metadata, except...)
	}
	to := c.questioned(now, metadata, last)
	if to != nil {
		p.moves++
	}
	return to
}

// metadata takes an answer: at once what is wrong with it, and what it tells in pieces (merge).
func (c *Core) metadata(now time.Time, m *Metadata, out *Effects) {
	r := &c.refresh
	if c.closed {
		return
	}
	a := &answer{ask: m.Ask, resp: m.Resp, version: m.Version, peer: cluster.NoNode}
	err := m.Err
	var unfit error // the answer is refused
	switch {
	case err != nil:
	case m.Resp.ErrorCode != 0:
		err = protocol.Code(m.Resp.ErrorCode)
	case len(m.Resp.Brokers) == 0: // a broker that has only just started knows nobody
		err = fmt.Errorf("it names no brokers: %w", protocol.BrokerNotAvailable)
	default:
		unfit = c.fit(m.Resp)
		err = unfit
	}
	if m.Ask != r.ask || !r.inFlight { // somebody else was asked meanwhile: what it tells of topics is of use
		if a.late = true; err == nil {
			c.merge(now, a, out)
		}
		return
	}
	r.patience = patience{}
	if err != nil {
		if err == protocol.RebootstrapRequired && c.cfg.Recover { // KIP-1102
			c.rebootstrap()
		}
		if m.Err == nil {
			c.refused(r.peer, unfit, err, out)
		} else if p := c.peer(r.peer); p != nil { // what is wrong with the connection is told there
			p.unfit = nil
		}
		c.failed(now)
		c.giveUpIf(unfit != nil, out)
		return
	}
	c.refused(r.peer, nil, nil, out)
	if p := c.peer(r.peer); p != nil {
		p.vain, p.askAt = 0, time.Time{}
	}
	r.failures, r.begun, a.peer = 0, time.Time{}, r.peer
	c.merge(now, a, out)
}

// taken ends a question when its answer was taken.
func (c *Core) taken(now time.Time, a *answer, out *Effects) {
	defer c.unpark(now, out)
	r := &c.refresh
	if a.late || a.ask != r.ask || !r.inFlight { // or it was asked of somebody else while the answer was being taken
		return
	}
	r.inFlight, r.last, r.told = false, now, r.ask
	for _, name := range r.asked {
		if i := c.topics[name]; i != nil {
			i.told, i.toldAt = r.ask, now
		}
	}
	out.Fresh = append(out.Fresh, r.waiters...)
	r.waiters, r.asked = nil, nil
	if r.all.IsZero() {
		r.all = now.Add(c.cfg.MaxAge)
	}
	away := map[int32]bool{}
	soon := false // its partitions may soon be led elsewhere
	for _, p := range c.peers {
		soon = soon || p.suspect && p.placed > 0
		if p.unreachable() && now.Sub(p.failing) < electionsLast {
			away[p.ID] = true
		}
	}
	if soon || len(away) > 0 && c.lead(away) {
		r.all = earlier(r.all, now.Add(c.cfg.BackoffMax/4))
	}
}

// refused notes whether the answers of a broker are, for unfit, or what else is wrong with the last of them.
func (c *Core) refused(id int32, unfit, wrong error, out *Effects) {
	if p := c.peer(id); p != nil {
		if p.unfit = unfit; wrong != nil || p.wrong {
			out.Unfit = &Unfit{p.Node, wrong}
		}
		p.wrong = wrong != nil
	}
}

// failed puts off what was asked for.
func (c *Core) failed(now time.Time) {
	r := &c.refresh
	r.failures++
	c.inVain(now, r.peer)
	at := now.Add(c.jitter(c.backoff(r.failures)))
	c.putBack(at)
	r.all, r.some = later(r.all, at), later(r.some, at)
	c.fail(now)
}

// inVain notes that a broker was asked for metadata in vain.
func (c *Core) inVain(now time.Time, id int32) {
	if p := c.peer(id); p != nil {
		if p.vain++; p.vain == 1 {
			p.vainAt = now
		}
		p.askAt = now.Add(c.jitter(c.backoff(p.vain)))
	}
}

// fail notes that an attempt has failed.
func (c *Core) fail(now time.Time) {
	r := &c.refresh
	if c.cfg.Recover && now.Sub(r.begun) >= c.cfg.Rebootstrap { // KIP-1102
		c.rebootstrap()
		r.begun = now
	}
	c.recover(now)
}

// lacks tells whether a topic is not there. It may be new, and this broker may not have heard of it yet, or somebody is about to create it: it is asked for again soon, then less and less often.
func lacks(code protocol.Code) bool {
	return code == protocol.UnknownTopicOrPartition || code == protocol.UnknownTopicID || code == protocol.LeaderNotAvailable
}

// electionsLast is how long a cluster may need to let others lead in place of a broker that is away: its session time-out, 9 s unless configured, and some more.
const electionsLast = 15 * time.Second

// lead tells whether one of these brokers leads a partition.
func (c *Core) lead(nodes map[int32]bool) bool {
	for t := range c.snap.All() {
		for i := range t.Partitions {
			if nodes[t.Partitions[i].Leader] {
				return true
			}
		}
	}
	return false
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// later puts a time off, unless it is never.
func later(t, at time.Time) time.Time {
	if t.IsZero() || t.After(at) {
		return t
	}
	return at
}
