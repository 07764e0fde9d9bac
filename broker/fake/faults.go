package fake

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
)

// Stop stops a broker: its connections are cut, and after the session time-out it loses its leaderships.
func (c *Cluster) Stop(now time.Time, id int32) {
	c.advance(now)
	n := c.node(id)
	if n == nil || n.down {
		return
	}
	c.changes++
	n.down, n.paused, n.sessions, n.stale, n.behind, n.alone, n.named = true, false, nil, nil, nil, nil, nil
	for _, k := range c.connsOf(n) {
		c.hangUp(k)
	}
	c.expel(n)
}

// Start starts a broker again that was stopped. It catches up at once and may lead again.
func (c *Cluster) Start(now time.Time, id int32) {
	c.advance(now)
	if n := c.node(id); n != nil && n.down {
		n.down = false
		c.admit(n)
		c.tickCleaning()
	}
}

// Pause stops a broker as SIGSTOP does: connections stay, requests pile up, and after the session time-out it loses its leaderships.
func (c *Cluster) Pause(now time.Time, id int32) {
	c.advance(now)
	if n := c.node(id); n != nil && !n.down && !n.paused {
		n.paused = true
		c.expel(n)
	}
}

// Resume lets a paused broker go on with the requests that have piled up. It has learnt by then who leads.
func (c *Cluster) Resume(now time.Time, id int32) {
	c.advance(now)
	n := c.node(id)
	if n == nil || !n.paused {
		return
	}
	n.paused = false
	if n.alone == nil {
		c.admit(n)
	}
	for _, k := range c.connsOf(n) {
		c.serve(k)
	}
}

func (c *Cluster) expel(n *node) {
	n.fenceAt = c.now.Add(c.cfg.SessionTimeout)
	if c.cfg.SessionTimeout == 0 {
		c.fence(n)
	}
}

// fence takes a broker's leaderships away and elects others in sync.
func (c *Cluster) fence(n *node) {
	c.changes++
	n.fenced = true
	for _, t := range c.topics {
		for _, p := range t.partitions {
			if !slices.Contains(p.isr, n.id) {
				continue
			}
			if len(p.isr) > 1 { // the last replica in sync stays, or the partition could never lead again
				p.isr = slices.DeleteFunc(p.isr, func(id int32) bool { return id == n.id })
			}
			if p.leader == n.id {
				c.elect(p)
			}
		}
	}
	if c.controller == n.id {
		for _, o := range c.nodes {
			if !o.down && !o.fenced {
				c.controller = o.id
				break
			}
		}
	}
}

// elect makes the first replica in sync that runs the leader.
func (c *Cluster) elect(p *partition) {
	for _, id := range p.replicas {
		if n := c.node(id); slices.Contains(p.isr, id) && !n.down && !n.fenced {
			if id != p.leader {
				p.lead(id)
			}
			return
		}
	}
	if p.leader >= 0 {
		p.lead(-1)
	}
}

// admit lets a broker into the cluster again.
func (c *Cluster) admit(n *node) {
	c.changes++
	n.fenced, n.fenceAt = false, time.Time{}
	for _, t := range c.topics {
		for _, p := range t.partitions {
			if !slices.Contains(p.replicas, n.id) {
				continue
			}
			if p.leader < 0 && slices.Contains(p.isr, n.id) {
				p.lead(n.id)
			}
			if p.leader >= 0 && !slices.Contains(p.isr, n.id) {
				p.isr = append(p.isr, n.id)
			}
		}
	}
	c.wakeFetches()
	c.tickTransactions() // markers may have waited for it
}

// partition finds a partition.
func (c *Cluster) partition(topic string, index int32) (*partition, error) {
	t := c.topic(topic)
	if t == nil || index < 0 || int(index) >= len(t.partitions) {
		return nil, fmt.Errorf("fake: there is no partition %s/%d", topic, index)
	}
	return t.partitions[index], nil
}

// existing finds a topic.
func (c *Cluster) existing(name string) (*topic, error) {
	t := c.topic(name)
	if t == nil {
		return nil, fmt.Errorf("fake: there is no topic %q", name)
	}
	return t, nil
}

// MoveLeader makes another replica in sync the leader.
func (c *Cluster) MoveLeader(topic string, index, node int32) error {
	p, err := c.partition(topic, index)
	if err != nil {
		return err
	}
	n := c.node(node)
	if n == nil || n.down || n.fenced || !slices.Contains(p.isr, node) {
		return fmt.Errorf("fake: node %d cannot lead %s/%d: in sync are %v", node, topic, index, p.isr)
	}
	p.lead(node)
	c.wakeFetches()
	c.tickTransactions()
	return nil
}

// ElectLeaders makes the preferred replica of every partition its leader again, where it is in sync.
func (c *Cluster) ElectLeaders() {
	for _, t := range c.topics {
		for _, p := range t.partitions {
			if p.leader != p.replicas[0] {
				c.electPreferred(p)
			}
		}
	}
	c.wakeFetches()
	c.tickTransactions()
}

// Truncate does what an unclean election does: what lies from offset on is lost, and the leader begins a new epoch.
func (c *Cluster) Truncate(topic string, index int32, offset int64) error {
	p, err := c.partition(topic, index)
	if err != nil {
		return err
	}
	p.truncate(offset, &c.rules)
	if p.leader >= 0 {
		p.lead(p.leader)
	}
	return nil
}

// ForgetProducers lets the leader of a partition forget all idempotent producers, as after producer.id.expiration.ms, or when an unclean election makes a replica the leader that has nothing of theirs.
func (c *Cluster) ForgetProducers(topic string, index int32) error {
	p, err := c.partition(topic, index)
	if err != nil {
		return err
	}
	clear(p.producers)
	return nil
}

// SetMinISR changes min.insync.replicas of a topic: with more than there are replicas nothing is appended with acks=all, and no marker; 0 is that of the cluster.
func (c *Cluster) SetMinISR(topic string, n int) error {
	t, err := c.existing(topic)
	if err != nil {
		return err
	}
	t.minISR = n
	c.tickTransactions()
	return nil
}

// Delay makes every answer of a broker so much later.
func (c *Cluster) Delay(id int32, d time.Duration) {
	if n := c.node(id); n != nil {
		n.delay = d
	}
}

// Throttle makes a broker ask its clients to hold back.
func (c *Cluster) Throttle(id int32, d time.Duration) {
	if n := c.node(id); n != nil {
		n.throttle = d
	}
}

// FreezeMetadata makes a broker tell the leaders of this moment from now on; Thaw ends it.
func (c *Cluster) FreezeMetadata(id int32) {
	n := c.node(id)
	if n == nil {
		return
	}
	n.stale, n.named = picture(c.topics), maps.Clone(c.moved)
}

// picture is a copy of topics as they are now.
func picture(topics []*topic) []*topic {
	out := []*topic{}
	for _, t := range topics {
		f := *t
		f.partitions = nil
		for _, p := range t.partitions {
			q := *p
			q.isr, q.epochs, q.transactions = slices.Clone(p.isr), slices.Clone(p.epochs), p.clone()
			f.partitions = append(f.partitions, &q)
		}
		out = append(out, &f)
	}
	return out
}

// pictured finds a partition in a picture; nil: it was not there, or belonged to another topic of its name.
func pictured(picture []*topic, p *partition) *partition {
	for _, t := range picture {
		if int(p.index) < len(t.partitions) && t.partitions[p.index].topic == p.topic {
			return t.partitions[p.index]
		}
	}
	return nil
}

// Isolate cuts a broker off from the others, but not from its clients, until Join: after the session time-out others lead in its place, but it does not know. It tells the leaders of this moment, refuses records, because
// it has no replicas in sync, and gives out those that were there, without an error. Before 2.1 metadata has no leader epochs, and nobody can tell which of two leaders is the new one: nothing happens then.
func (c *Cluster) Isolate(now time.Time, id int32) {
	c.advance(now)
	if n := c.node(id); n != nil && !n.down && n.alone == nil && c.atLeast("2.1") {
		c.changes++
		n.alone, n.named = picture(c.topics), maps.Clone(c.moved)
		c.expel(n)
	}
}

// Join ends Isolate.
func (c *Cluster) Join(now time.Time, id int32) {
	c.advance(now)
	if n := c.node(id); n != nil && n.alone != nil {
		c.changes++
		n.alone, n.named = nil, nil
		if !n.paused {
			c.admit(n)
		}
	}
}

// Informed is how many brokers tell the leaders of the moment: those whose metadata is not frozen, and that are not cut off from the others.
func (c *Cluster) Informed() (n int) {
	for _, o := range c.nodes {
		if o.stale == nil && o.alone == nil {
			n++
		}
	}
	return n
}

// FallBehind lets a broker lose half of each log that it follows, as with a disk, and get nothing of its leaders any more until CatchUp: consumers that still read from it (KIP-392) are told that there is no such offset, or
// that their log is another.
func (c *Cluster) FallBehind(id int32) {
	n := c.node(id)
	if n == nil || n.down {
		return
	}
	c.changes++
	has := c.topics
	if n.alone != nil {
		has = n.alone
	}
	n.behind = picture(has)
	for _, t := range n.behind {
		for _, q := range t.partitions {
			q.log, q.producers = slices.Clone(q.log), map[int64]*producer{}
			if len(q.log) > 0 {
				q.truncate(q.log[len(q.log)/2].base, &c.rules)
			}
		}
	}
}

// CatchUp ends FallBehind.
func (c *Cluster) CatchUp(id int32) {
	if n := c.node(id); n != nil {
		c.changes++
		n.behind = nil
		c.wakeFetches()
	}
}

// Thaw ends FreezeMetadata.
func (c *Cluster) Thaw(id int32) {
	if n := c.node(id); n != nil {
		n.stale = nil
		if n.alone == nil {
			n.named = nil
		}
	}
}

// CutConnections ends all connections to a broker.
func (c *Cluster) CutConnections(id int32) {
	if n := c.node(id); n != nil {
		for _, k := range c.connsOf(n) {
			c.hangUp(k)
		}
	}
}

// CreateTopic creates a topic.
func (c *Cluster) CreateTopic(t Topic) error {
	if t.Partitions == 0 {
		t.Partitions = c.cfg.DefaultPartitions
	}
	if t.Replicas == 0 {
		t.Replicas = c.cfg.replicas()
	}
	if no := c.checkTopic(t); no.code != protocol.None {
		return fmt.Errorf("fake: topic %q cannot be created: %s: %w", t.Name, no.why, no.code)
	}
	c.create(t)
	return nil
}

// DeleteTopic deletes a topic; created again it gets another id.
func (c *Cluster) DeleteTopic(name string) error {
	t, err := c.existing(name)
	if err != nil {
		return err
	}
	c.changes++
	c.topics = slices.DeleteFunc(c.topics, func(o *topic) bool { return o == t })
	delete(c.topicIDs, t.id)
	for _, g := range c.groups { // coordinators forget what was committed for it
		g.forgetTopic(name)
	}
	if !c.newCoordinator() { // and the old ones forget all groups that nobody is in and that have none left (GroupMetadataManager.cleanupGroupMetadata)
		c.groups = slices.DeleteFunc(c.groups, func(g *group) bool { return g.empty() && !g.hasOffsets() })
	}
	return nil
}
