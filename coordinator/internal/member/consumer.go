package member

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/printable"
	"github.com/kactor-go/kactor/protocol/trouble"
	"github.com/kactor-go/kactor/protocol/wire"
)

// remote is what the protocol of KIP-848 knows besides the membership: the coordinator divides the partitions and tells the member with its heartbeats.
type remote struct {
	interval time.Duration // as the coordinator wishes
	odd      bool          // it is told that it wishes another one
	targeted bool          // an assignment has come
	target   map[wire.UUID][]int32
	names    map[wire.UUID]string // of the target's topics, as far as they are known: that metadata forgets a topic takes nothing away
	asking   bool                 // for names
	askAt    time.Time
	asks     int                          // how often in a row nothing new was told
	listing  trouble.Pace                 // of the questions for names
	stale    bool                         // what there is to give up and to take is to be looked for anew
	unknown  bool                         // a name of the target's is not known
	told     struct{ topics, owned bool } // the coordinator knows them
	unsure   bool                         // an answer was lost: the coordinator may have raised the epoch, and takes the one before only from who says what it owns
	knocked  bool                         // a first heartbeat has gone: the coordinator may know the member
	matches  bool                         // the coordinator may have a pattern of the member's
	denied   bool                         // the application knows that topics may not be read
	ours     bool                         // the coordinator may have the instance of a static member by this member's id
	freeing  bool                         // the call under way releases it
	spoken   bool                         // a coordinator has taken a heartbeat: the cluster has the protocol, or had it
	refused  int                          // how often in a row a coordinator has not had it
	lacking  time.Time                    // since when
}

func (r *remote) reset() {
	*r = remote{interval: r.interval, odd: r.odd, names: r.names, denied: r.denied, ours: r.ours, matches: r.matches, listing: r.listing, spoken: r.spoken, refused: r.refused, lacking: r.lacking}
}

// Epochs with which members leave.
const (
	epochLeave       = -1
	epochLeaveStatic = -2
)

func (c *Core) driveConsumer(now time.Time, out *Effects) {
	if c.state == Unjoined && c.sub.any() && (c.sub.pattern == nil || !c.sub.listing) {
		c.become(Joining)
	}
	if c.state == Stable {
		c.rejoin = false
		if c.remote.told.owned { // else it is told first: the coordinator waits for it
			c.reconcile(now, out)
		}
	}
	if c.call != nil {
		return
	}
	switch c.state {
	case Joining:
		switch {
		case now.Before(c.openAt()):
		case c.remote.freeing:
			c.send(now, &Call{Kind: ConsumerCall, Req: c.goodbyeConsumer(), Timeout: c.cfg.RequestTimeout, generation: epochLeaveStatic}, out)
		default:
			c.heartbeat(now, 0, out)
		}
	case Stable, Taking:
		if at := c.nextConsumerBeat(); !at.IsZero() && !now.Before(at) {
			c.heartbeat(now, c.generation, out)
		}
	}
}

// nextConsumerBeat is when the next heartbeat is due; the zero time: none is.
func (c *Core) nextConsumerBeat() time.Time {
	if c.proto != Consumer || c.generation < 0 || c.call != nil || c.leaving != nil || c.state != Stable && c.state != Taking {
		return time.Time{}
	}
	at := c.beatAt
	if !c.remote.told.topics || c.state == Stable && !c.remote.told.owned { // there is news
		at = time.Unix(0, 1)
	}
	return later(at, c.openAt())
}

// heartbeat tells the coordinator what it does not know yet; with epoch 0 everything.
func (c *Core) heartbeat(now time.Time, epoch int32, out *Effects) {
	req := &msg.ConsumerGroupHeartbeatRequest{}
	req.SetDefaults()
	req.GroupID, req.MemberID, req.MemberEpoch, req.InstanceID = c.cfg.Group, c.id, epoch, pointer(c.cfg.Instance)
	call := &Call{Kind: ConsumerCall, Req: req, Timeout: c.cfg.RequestTimeout, generation: epoch}
	if epoch == 0 {
		c.remote.knocked = true
		req.RackID, req.RebalanceTimeoutMs, req.ServerAssignor = pointer(c.cfg.Rack), int32(min(c.cfg.MaxPoll.Milliseconds(), 1<<31-1)), pointer(c.cfg.Remote)
		req.TopicPartitions = []msg.ConsumerGroupHeartbeatRequestTopicPartitions{}
		c.remote.told.topics = false
	} else if c.remote.unsure || !c.remote.told.owned && c.state == Stable {
		req.RebalanceTimeoutMs = int32(min(c.cfg.MaxPoll.Milliseconds(), 1<<31-1))
		req.TopicPartitions = c.ownedByID()
	}
	if !c.remote.told.topics {
		req.SubscribedTopicNames = slices.Clone(c.sub.topics)
		if req.SubscribedTopicNames == nil {
			req.SubscribedTopicNames = []string{}
		}
		if c.sub.regex != "" || c.remote.matches { // an empty one takes the one before back: none would leave it
			req.SubscribedTopicRegex = wire.Ptr(c.sub.regex)
			call.Min = 1
			c.remote.matches = true
		}
	}
	c.remote.told.topics, c.remote.unsure = true, false
	c.remote.told.owned = c.remote.told.owned || c.state == Stable || epoch == 0
	c.send(now, call, out)
}

func (c *Core) ownedByID() []msg.ConsumerGroupHeartbeatRequestTopicPartitions {
	out := []msg.ConsumerGroupHeartbeatRequestTopicPartitions{}
	for i, p := range c.owned {
		if i == 0 || c.owned[i-1].Topic != p.Topic {
			if id := c.idOf(p.Topic); len(out) == 0 || out[len(out)-1].TopicID != id {
				out = append(out, msg.ConsumerGroupHeartbeatRequestTopicPartitions{TopicID: id})
			}
		}
		last := &out[len(out)-1]
		last.Partitions = append(last.Partitions, p.Partition)
	}
	return out
}

// givenBy notes by which ids new partitions were given, and forgets those of topics that are not owned any more.
func (c *Core) givenBy(ids map[string]wire.UUID) {
	maps.DeleteFunc(c.ids, func(topic string, _ wire.UUID) bool { return !c.reads(topic) })
	if len(ids) > 0 && c.ids == nil {
		c.ids = map[string]wire.UUID{}
	}
	maps.Copy(c.ids, ids)
}

// reads tells whether a partition of a topic is owned.
func (c *Core) reads(topic string) bool {
	i, _ := slices.BinarySearchFunc(c.owned, Partition{Topic: topic, Partition: math.MinInt32}, Partition.Compare)
	return i < len(c.owned) && c.owned[i].Topic == topic
}

// idOf gives the id under which a topic was assigned.
func (c *Core) idOf(topic string) wire.UUID {
	if id, ok := c.ids[topic]; ok {
		return id
	}
	for id := range c.remote.target {
		if c.nameOf(id) == topic {
			return id
		}
	}
	for id, name := range c.remote.names {
		if name == topic {
			return id
		}
	}
	if t := c.snap.Topic(topic); t != nil {
		return t.ID
	}
	return wire.UUID{}
}

func (c *Core) nameOf(id wire.UUID) string {
	if name, ok := c.remote.names[id]; ok {
		return name
	}
	if t := c.snap.TopicByID(id); t != nil {
		return t.Name
	}
	return ""
}

// learnNames keeps the names of the target's topics, and of those that are being given up: the coordinator is told by their ids that they are owned still. It keeps no others.
func (c *Core) learnNames() {
	names := make(map[wire.UUID]string, len(c.remote.target))
	for id, name := range c.remote.names {
		if c.reads(name) {
			names[id] = name
		}
	}
	for id := range c.remote.target {
		if name := c.nameOf(id); name != "" {
			names[id] = name
		}
	}
	c.remote.names, c.remote.stale = names, true
}

// named takes the names of topics.
func (c *Core) named(m *Listed) {
	c.remote.asking = false
	if len(m.Topics) == 0 {
		return
	}
	for _, t := range m.Topics {
		if _, wanted := c.remote.target[t.ID]; wanted {
			if c.remote.names == nil {
				c.remote.names = map[wire.UUID]string{}
			}
			if c.remote.names[t.ID] != t.Name {
				c.remote.asks, c.remote.stale = 0, true
				c.remote.listing.Forward()
			}
			c.remote.names[t.ID] = t.Name
		}
	}
}

// consumed takes the answer to a heartbeat.
func (c *Core) consumed(now time.Time, m *Answer, out *Effects) {
	if m.Closed || m.Unsupported && m.Nobody {
		c.fail(m.Err, out)
		return
	}
	resp, _ := m.Resp.(*msg.ConsumerGroupHeartbeatResponse)
	code := protocol.None
	if resp != nil {
		code = protocol.Code(resp.ErrorCode)
	}
	if m.Unsupported || c.refuses(now, m, code) {
		c.unsupported(m, out)
		return
	}
	if m.Call.generation > 0 {
		c.lasts(m.Call)
	}
	if code == protocol.UnsupportedVersion { // its coordinator may be one that is not upgraded yet, or gone back
		m.Err = fmt.Errorf("the coordinator does not have group.protocol=consumer: %w", code)
	}
	if c.hindered(now, m, code, out) { // what was told may not have been heard
		c.remote.ours = c.remote.ours || m.Call.generation == 0
		c.unheard()
		return
	}
	why := func() error {
		if resp.ErrorMessage != nil && *resp.ErrorMessage != "" {
			return fmt.Errorf("%w: %s", code, printable.Text(*resp.ErrorMessage))
		}
		return code
	}
	if c.remote.freeing && (code == protocol.None || code == protocol.UnknownMemberID || code == protocol.GroupIDNotFound) {
		c.remote.freeing, c.remote.ours = false, false
		return
	}
	switch code {
	case protocol.None:
	case protocol.UnreleasedInstanceID:
		if !c.remote.ours {
			c.fail(fmt.Errorf("heartbeat: %w", why()), out)
			return
		}
		// The coordinator takes a static member's id again only after it was released, also from the member itself: its join was heard and the answer lost, or it was fenced. It releases it, and joins then; if
		// another member has the instance, that is what it hears.
		c.restless(now, m.Call)
		c.remote.freeing = true
		return
	case protocol.UnknownMemberID, protocol.FencedMemberEpoch, protocol.GroupIDNotFound:
		if code == protocol.GroupIDNotFound && m.Call.generation == 0 && c.cfg.Protocol == Auto { // a join makes the group that is not there: it is a classic one that stays so (group.consumer.migration.policy, or what its members are)
			c.fallBack(fmt.Sprintf("a classic group that cannot become one of group.protocol=consumer (%v)", why()), out)
			return
		}
		c.turned(now, m.Call, code)
		if c.generation < 0 { // it was not a member; a new one has nothing to lose
			c.later(now, why(), out)
			return
		}
		c.outdated(code, out)
		return
	case protocol.TopicAuthorizationFailed:
		c.unheard()
		c.retryAt = now.Add(max(c.remote.interval, c.cfg.BackoffMax))
		if !c.remote.denied {
			c.remote.denied = true
			out.Errors = append(out.Errors, fmt.Errorf("group %s: %w", printable.Text(c.cfg.Group), why()))
		}
		return
	default:
		c.fail(fmt.Errorf("heartbeat: %w", why()), out)
		return
	}
	if resp.MemberEpoch < max(m.Call.generation, 0) { // epochs only grow
		c.restless(now, m.Call)
		c.unheard()
		c.puts(now, trouble.Lasting, fmt.Errorf("heartbeat: %w: epoch %d after %d", ErrBroker, resp.MemberEpoch, m.Call.generation), out)
		return
	}
	c.trouble.Over()
	c.retryAt, c.remote.denied, c.remote.spoken = time.Time{}, false, true
	c.generation, c.remote.ours = resp.MemberEpoch, true
	c.beatEvery(time.Duration(resp.HeartbeatIntervalMs)*time.Millisecond, out)
	c.beatAt = now.Add(c.remote.interval)
	joined := c.state == Joining
	if joined {
		c.become(Stable)
	}
	if resp.Assignment != nil && c.aim(resp.Assignment.TopicPartitions) || joined {
		c.restless(now, m.Call)
	}
}

// unheard notes that the coordinator may not have heard what it was told.
func (c *Core) unheard() {
	c.remote.told.topics, c.remote.told.owned, c.remote.unsure = false, false, true
}

// How often a coordinator may want heartbeats, and how rarely. Brokers let it be configured from 5 s (group.consumer.min.heartbeat.interval.ms) to 15 s (group.consumer.max.heartbeat.interval.ms); who is configured otherwise
// takes them sooner, too.
const (
	leastInterval = 100 * time.Millisecond
	mostInterval  = 15 * time.Second
)

// beatEvery takes the interval that the coordinator wishes, within reason.
func (c *Core) beatEvery(wish time.Duration, out *Effects) {
	c.remote.interval = min(max(wish, leastInterval), mostInterval)
	if c.remote.interval != wish && !c.remote.odd {
		c.remote.odd = true
		out.Notes = append(out.Notes, Note{"heartbeats are not sent as the coordinator wants them", fmt.Sprintf("it wants them every %s: they are sent every %s", wish, c.remote.interval)})
	}
}

// aim takes an assignment, and tells whether it is another one.
func (c *Core) aim(parts []msg.ConsumerGroupHeartbeatResponseTopicPartitions) (news bool) {
	target := make(map[wire.UUID][]int32, len(parts))
	for i := range parts {
		id := parts[i].TopicID
		if _, before := c.remote.target[id]; !before { // a name that nobody has asked for yet
			c.remote.askAt, c.remote.asks = time.Time{}, 0
		}
		target[id] = append(target[id], parts[i].Partitions...)
	}
	news = !c.remote.targeted || !maps.EqualFunc(target, c.remote.target, slices.Equal)
	c.remote.targeted, c.remote.target, c.remote.stale = true, target, true
	if news {
		c.learnNames()
	}
	return news
}

// fallBack goes on with the classic protocol: why tells what speaks against the other.
func (c *Core) fallBack(why string, out *Effects) {
	if c.sub.regex != "" {
		c.fail(ErrRegex, out)
		return
	}
	if c.state != Joining { // a cluster that has gone back to an older release
		c.lose(out)
	}
	c.proto, c.id, c.generation = Classic, "", -1
	out.Notes = append(out.Notes, Note{"the classic protocol is used", why})
}

// reconcile lets the application give up and take what the coordinator has decided. Topics whose names are not known yet come when they are, and one that has the name of another that is owned when that is given up: its offsets
// are others.
func (c *Core) reconcile(now time.Time, out *Effects) {
	if !c.remote.targeted || c.pending != nil {
		return
	}
	if c.remote.stale { // else it is as it was when it was looked at last
		c.remote.stale = false
		c.approach(out)
	}
	if _, waits := c.remote.listing.Waits(now); c.remote.unknown && !c.remote.asking && !waits && !now.Before(c.remote.askAt) {
		c.remote.asking, c.remote.askAt = true, now.Add(min(c.cfg.BackoffMax<<min(c.remote.asks, 20), c.cfg.MaxAge)) // it may not be for this member to see
		c.remote.asks++
		c.remote.listing.Vain(now, slowly)
		out.List = true
	}
}

// approach goes from what is owned towards the target, as far as its topics are known.
func (c *Core) approach(out *Effects) {
	type topic struct {
		name  string
		id    wire.UUID
		parts []int32
	}
	var topics []topic
	n := 0
	c.remote.unknown = false
	for id, parts := range c.remote.target {
		name := c.nameOf(id)
		if name == "" {
			c.remote.unknown = true
			continue
		}
		if had, ok := c.ids[name]; ok && had != id {
			continue
		}
		topics = append(topics, topic{name, id, parts})
		n += len(parts)
	}
	slices.SortFunc(topics, func(a, b topic) int { return strings.Compare(a.name, b.name) })
	target, ids, foreign := make([]Partition, 0, n), make(map[string]wire.UUID, len(topics)), ""
	var known extent
	for _, t := range topics {
		subscribed := c.subscribed(t.name)
		for _, p := range t.parts {
			k := Partition{Topic: t.name, Partition: p}
			if !known.has(c.snap, k) || !subscribed && !c.owns(k) { // what is owned stays until it is taken
				foreign = max(foreign, k.String())
				continue
			}
			target = append(target, k)
			ids[t.name] = t.id
		}
	}
	if c.remote.told.topics { // else it is of the subscription before
		c.strange(foreign, out)
	}
	if !slices.IsSortedFunc(target, Partition.Compare) { // mostly it is
		slices.SortFunc(target, Partition.Compare)
	}
	r := c.change(slices.Compact(target))
	r.Given = len(r.Assign) > 0
	if len(r.Assign) == 0 && len(r.Revoke) == 0 {
		return
	}
	for i, p := range r.Assign {
		if i > 0 && r.Assign[i-1].Topic == p.Topic {
			continue
		}
		if t := c.snap.Topic(p.Topic); t == nil || t.ID != ids[p.Topic] {
			out.Refresh = append(out.Refresh, p.Topic)
		}
	}
	if r.Given {
		r.IDs = ids
	}
	c.become(Taking)
	c.offer(r, out)
}

// subscribed tells whether a topic may be given: who lets the coordinator match a pattern does not know.
func (c *Core) subscribed(topic string) bool {
	if c.sub.regex != "" {
		return true
	}
	_, found := slices.BinarySearch(c.sub.topics, topic)
	return found
}

// strange tells once that the group gives what is not subscribed to, or cannot be: example is one such partition, empty if there is none any more. It is not taken.
func (c *Core) strange(example string, out *Effects) {
	if example != "" && !c.strangers {
		out.Notes = append(out.Notes, Note{"a partition is given of a topic that is not subscribed to, or that cannot be", fmt.Sprintf("\"%s\" is not read: %v", printable.Text(example), ErrBroker)})
	}
	c.strangers = example != ""
}

// goodbyeConsumer is the heartbeat that ends the membership. A static member's place is kept for its next start, unless the group is to be told.
func (c *Core) goodbyeConsumer() protocol.Request {
	req := &msg.ConsumerGroupHeartbeatRequest{}
	req.SetDefaults()
	req.GroupID, req.MemberID, req.MemberEpoch, req.InstanceID = c.cfg.Group, c.id, epochLeave, pointer(c.cfg.Instance)
	how := LeaveDefault
	if c.leaving != nil {
		how = c.leaving.How
	}
	if c.cfg.Instance != "" && how != LeaveGroup {
		req.MemberEpoch = epochLeaveStatic
	}
	if c.cfg.Instance == "" && how == RemainInGroup {
		return nil
	}
	return req
}
