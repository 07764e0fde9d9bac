package meta

import (
	"math"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol/cluster"
)

// peer is what is known of a broker, or of a bootstrap address (negative ids).
type peer struct {
	cluster.Node
	up       bool
	upAt     time.Time // since when, if it is
	suspect  bool
	shunned  bool      // not to be asked for metadata: the client has begun anew with the bootstrap addresses
	failing  time.Time // since when it cannot be reached, if it was not
	failures int       // tries in a row that have failed, until it was up for longer than the longest back-off: else it only seemed to be well
	retryAt  time.Time
	vainAt   time.Time // since when it is asked for metadata in vain, if it is
	vain     int       // questions for metadata in a row that have brought nothing, whatever became of the connection
	askAt    time.Time // not asked for metadata before
	unfit    error     // its last answer was refused for this
	wrong    bool      // something was wrong with it
	placed   int       // requests it has not answered
	asked    uint64    // when it was asked a question last, in the order of questions
	err      error
	fatal    bool // no retry can help
	barred   bool // it is not to be connected to, for err
}

// unreachable tells whether there is no way to it at present.
func (p *peer) unreachable() bool { return !p.up && (p.failures > 0 || p.suspect || p.barred) }

// barren tells whether it was asked for metadata in vain a moment ago: one that has not been asked yet is the better choice, though there is no connection to it so far.
func (p *peer) barren(now time.Time, longest time.Duration) bool {
	return p.vain > 0 && now.Before(p.askAt.Add(barrenFor*longest))
}

// barrenFor is for how many times retry.backoff.max.ms.
const barrenFor = 5

// restsUntil is when it may be tried again, or asked for metadata again.
func (p *peer) restsUntil(metadata bool) time.Time {
	if metadata {
		return latest(p.retryAt, p.askAt)
	}
	return p.retryAt
}

// Suspects is how many brokers are suspect.
func (c *Core) Suspects() int { return c.suspects }

// suspect notes whether a broker is suspect.
func (c *Core) suspect(p *peer, is bool) {
	switch {
	case is && !p.suspect:
		c.suspects++
	case !is && p.suspect:
		c.suspects--
	}
	p.suspect = is
}

// Knows tells whether a node, or a bootstrap address, is one that requests may go to.
func (c *Core) Knows(id int32) bool { return c.peer(id) != nil }

// Peers are the ids of those that may be connected to: of bootstrap addresses where no others are known.
func (c *Core) Peers() (ids []int32) {
	for _, p := range c.peers {
		if !p.barred {
			ids = append(ids, p.ID)
		}
	}
	if nodes := slices.DeleteFunc(slices.Clone(ids), func(id int32) bool { return id < 0 }); len(nodes) > 0 {
		return nodes
	}
	return ids
}

// Peer is where one of them is.
func (c *Core) Peer(id int32) (cluster.Node, bool) {
	p := c.peer(id)
	if p == nil || p.barred {
		return cluster.Node{}, false
	}
	return p.Node, true
}

func (c *Core) peer(id int32) *peer { return c.byID[id] }

// meet adds a peer.
func (c *Core) meet(p *peer) {
	c.peers = append(c.peers, p)
	c.byID[p.ID] = p
}

// late makes a broker suspect. What it was asked for is asked for elsewhere: a broker that stands still must not hold up the news of who leads, or coordinates, in its place.
func (c *Core) late(now time.Time, id int32) {
	p := c.peer(id)
	if p == nil || p.suspect {
		return
	}
	c.suspect(p, true)
	if r := &c.refresh; r.inFlight && r.peer == id {
		r.until, r.moves = time.Time{}, r.moves+1
	}
	c.elsewhere(now, id)
	c.refresh.want(now)
	for _, k := range c.coords {
		if k.node == id && k.placed > 0 {
			c.doubt(now, k)
		}
	}
	c.recover(now)
}

// elsewhere makes what a broker was asked for be asked for at another.
func (c *Core) elsewhere(now time.Time, id int32) {
	if r := &c.refresh; r.inFlight && r.peer == id {
		c.putBack(now)
	}
	for _, k := range c.coords {
		if k.asked && k.peer == id {
			k.asked = false
			c.coordAt(now)
		}
	}
}

// reached notes that there is a way to a broker.
func (c *Core) reached(now time.Time, id int32) {
	p := c.peer(id)
	if p == nil {
		return
	}
	if !p.up {
		p.up, p.upAt = true, now
	}
	c.suspect(p, false)
	p.retryAt, p.err, p.fatal = time.Time{}, nil, false
}

func (c *Core) down(now time.Time, m *Down) {
	p := c.peer(m.Peer)
	if p == nil {
		return
	}
	if p.up && now.Sub(p.upAt) > c.cfg.BackoffMax {
		p.failures = 0
	}
	if p.up || p.failures == 0 {
		p.failing = now
	}
	p.up, p.err, p.fatal = false, m.Err, m.Fatal
	if p.failures == 0 || !now.Before(p.retryAt) { // one for each try, however many calls, or connections, have ended by it
		p.failures++
		p.retryAt = now.Add(c.backoff(p.failures))
	}
	if r := &c.refresh; r.inFlight && r.peer == m.Peer {
		c.inVain(now, m.Peer)
	}
	c.elsewhere(now, m.Peer)
	for _, k := range c.coords {
		if k.node == m.Peer {
			c.lose(now, k)
		}
	}
	if m.Peer >= 0 { // that it is still away is not as much news as that it is
		at := now
		if p.failures > 1 {
			at = latest(now, c.refresh.last.Add(c.backoff(p.failures-1)))
		}
		c.refresh.want(at)
	}
	c.recover(now)
}

// giveUpIf refuses what waits when every broker that is known has failed so that no retry can help: to wait for the deadline would only hide why.
func (c *Core) giveUpIf(fatal bool, out *Effects) {
	if fatal && !slices.ContainsFunc(c.peers, func(p *peer) bool { return !p.fatal && p.unfit == nil }) {
		c.refuseAll(c.why(Target{}), out)
	}
}

// recover asks the bootstrap addresses again, beside the known brokers, when none of those can be reached (KIP-899).
func (c *Core) recover(now time.Time) {
	if !c.cfg.Recover {
		return
	}
	for _, p := range c.peers {
		if p.ID < 0 || !p.unreachable() {
			return
		}
	}
	c.addBootstrap()
	c.refresh.want(now)
}

// rebootstrap begins anew with the bootstrap addresses (KIP-1102): nobody else is asked for metadata until there is an answer. Requests to the known brokers go on.
func (c *Core) rebootstrap() {
	for _, p := range c.peers {
		p.shunned = p.ID >= 0
	}
	c.addBootstrap()
}

// addBootstrap adds the bootstrap addresses to the brokers, in any order.
func (c *Core) addBootstrap() {
	from := len(c.peers)
	for _, n := range c.cfg.Bootstrap {
		if c.peer(n.ID) == nil {
			c.meet(&peer{Node: n})
		}
	}
	added := c.peers[from:]
	c.cfg.Rand.Shuffle(len(added), func(i, j int) { added[i], added[j] = added[j], added[i] })
}

// reconcile makes the peers those of the snapshot. Bootstrap addresses are not needed any more then, unless there is no way to any of those.
func (c *Core) reconcile(out *Effects) {
	peers := make([]*peer, 0, len(c.snap.Nodes))
	byID := make(map[int32]*peer, len(c.snap.Nodes))
	reachable := false
	for _, n := range c.snap.Nodes {
		p := c.peer(n.ID)
		switch {
		case p == nil:
			p = c.advertised(n, out)
		case p.Host != n.Host || p.Port != n.Port: // it has moved: connections to the old address are of no use
			out.Gone = append(out.Gone, p.Node)
			p = c.advertised(n, out)
		default:
			p.Rack, p.shunned = n.Rack, false
		}
		peers = append(peers, p)
		byID[p.ID] = p
		reachable = reachable || !p.unreachable()
	}
	for _, p := range c.peers {
		if _, still := byID[p.ID]; still {
			continue
		}
		if p.ID < 0 && !reachable {
			peers = append(peers, p)
			byID[p.ID] = p
			continue
		}
		out.Gone = append(out.Gone, p.Node)
	}
	c.peers, c.byID, c.suspects = peers, byID, 0
	for _, p := range peers {
		if p.suspect {
			c.suspects++
		}
	}
}

// advertised is a peer that the cluster has named.
func (c *Core) advertised(n cluster.Node, out *Effects) *peer {
	p := &peer{Node: n}
	if c.cfg.Bar == nil {
		return p
	}
	if err := c.cfg.Bar(n); err != nil {
		p.err, p.fatal, p.barred = err, true, true
		out.Barred = append(out.Barred, n)
	}
	return p
}

// asking is how many of the brokers that are listed can be asked for metadata, or could be within contraryAway.
func (c *Core) asking(now time.Time) (n int) {
	for _, p := range c.peers {
		away := p.barred || p.unreachable() && now.Sub(p.failing) >= contraryAway || p.vain > 0 && now.Sub(p.vainAt) >= contraryAway
		if p.ID >= 0 && !away {
			n++
		}
	}
	return n
}

// nobody is no broker's id; those of bootstrap addresses are negative.
const nobody = math.MinInt32

// Untried tells whether there is a broker to try besides these.
func (c *Core) Untried(now time.Time, not []int32) bool {
	return slices.ContainsFunc(c.peers, func(p *peer) bool {
		return !p.shunned && !p.barred && !slices.Contains(not, p.ID) && !now.Before(p.retryAt)
	})
}

// anyPeer gives the least busy broker that answers; failing that, one that may be tried.
func (c *Core) anyPeer(now time.Time, not []int32) *peer {
	return c.best(now, false, not, func(a, b *peer) bool { return a.placed < b.placed })
}

// questioned gives the broker that a question goes to: each in turn, because one may be cut off from the others, and not know what has changed. Those of not are the last to be taken of those that may be.
func (c *Core) questioned(now time.Time, metadata bool, not ...int32) *peer {
	return c.best(now, metadata, not, func(a, b *peer) bool { return a.asked < b.asked })
}

func (c *Core) best(now time.Time, metadata bool, not []int32, less func(a, b *peer) bool) *peer {
	rank := func(p *peer) (n int) {
		for i, bad := range []bool{!p.up, metadata && p.barren(now, c.cfg.BackoffMax), p.suspect, slices.Contains(not, p.ID), now.Before(p.restsUntil(metadata))} {
			if bad {
				n += 1 << i
			}
		}
		return n
	}
	var best *peer
	least := 0
	for _, p := range c.peers {
		if p.shunned || p.barred {
			continue
		}
		if n := rank(p); best == nil || n < least || n == least && less(p, best) {
			best, least = p, n
		}
	}
	if best != nil && now.Before(best.restsUntil(metadata)) {
		return nil
	}
	return best
}

// rested is when the first of the brokers may be asked for metadata again.
func (c *Core) rested(now time.Time) (at time.Time) {
	for _, p := range c.peers {
		if !p.shunned && !p.barred {
			at = earlier(at, p.restsUntil(true))
		}
	}
	if !at.After(now) {
		return now.Add(c.cfg.BackoffFirst)
	}
	return at
}

// question notes that one goes to a broker.
func (c *Core) question(p *peer) {
	c.questions++
	p.asked = c.questions
	p.placed++
}
