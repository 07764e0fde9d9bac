package member

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/printable"
	"github.com/kactor-go/kactor/protocol/trouble"
	"github.com/kactor-go/kactor/protocol/wire"
)

// classic is what the classic protocol knows besides the membership.
type classic struct {
	assignor kind // what the group agreed upon
	leads    bool
	skip     bool            // the leader has nothing to divide: a static one that is back (KIP-814)
	members  []assign.Member // whom the leader divides among
	topics   []string        // those that any of them subscribes to, in order
	until    time.Time       // it waits for metadata so long
	counted  map[string]int  // partitions of each topic when they were divided, by who has divided them; 0: the topic was not known
	open     time.Time       // it joins again then, because partitions may have no owner; zero: they have, as far as it knows
}

// cooperative tells whether members keep what they own during a rebalance: only when every assignor that they may agree upon allows it.
func (c *Core) cooperative() bool {
	return !slices.ContainsFunc(c.kinds, func(k kind) bool { return !k.cooperative })
}

func (c *Core) driveClassic(now time.Time, out *Effects) {
	if ends := c.sessionEnds(); !ends.IsZero() && !now.Before(ends) {
		out.Notes = append(out.Notes, Note{"no heartbeat was answered", fmt.Sprintf("for session.timeout.ms, %s", c.cfg.Session)})
		c.lose(out)
	}
	if c.state == Unjoined && c.sub.any() && (c.sub.pattern == nil || !c.sub.listing) {
		c.prepare(out)
	}
	if open := c.classic.open; c.state == Stable && !open.IsZero() && !now.Before(open) {
		c.classic.open = time.Time{}
		c.rejoin, c.reason = true, "partitions may have no owner"
	}
	if c.state == Stable && c.rejoin {
		c.prepare(out)
	}
	if c.state == Assigning {
		c.divide(now, out)
	}
	if c.state == Joining && c.call == nil && c.asked.ask == nil && !now.Before(c.openAt()) {
		c.describe(now, out)
	}
	c.driveBeat(now, out)
}

// sessionEnds is when the group will have gone on without the member; the zero time while the coordinator itself lets it wait, or it is no member.
func (c *Core) sessionEnds() time.Time {
	if c.proto != Classic || c.generation < 0 || c.call != nil || c.leaving != nil {
		return time.Time{}
	}
	return c.ends
}

// prepare gives up what must be given up before the member joins: everything, or with a cooperative assignor what is not subscribed to any more.
func (c *Core) prepare(out *Effects) {
	give := slices.Clone(c.owned)
	if c.cooperative() {
		give = slices.DeleteFunc(give, func(p Partition) bool {
			_, wanted := slices.BinarySearch(c.sub.topics, p.Topic)
			return wanted
		})
	}
	if len(give) == 0 {
		c.become(Joining)
		return
	}
	c.become(Giving)
	c.gave = c.generation
	c.offer(&Rebalance{Revoke: give}, out)
}

func pointer(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// describe asks the assignors what to send along, then joins. Meanwhile the group hears nothing of the member.
func (c *Core) describe(now time.Time, out *Effects) {
	c.rejoin = false
	last, gen := slices.Clone(c.last), c.lastGen
	own := !slices.ContainsFunc(c.kinds, func(k kind) bool { return !k.own })
	c.consult(now, "UserData of an assignor", own, now.Add(c.cfg.Session), fmt.Sprintf("session.timeout.ms, %s", c.cfg.Session), func() any {
		var all [][]byte
		for _, k := range c.kinds {
			all = append(all, k.UserData(last, gen))
		}
		return all
	}, func(now time.Time, data any, out *Effects) { c.join(now, data.([][]byte), out) }, out)
}

func (c *Core) join(now time.Time, data [][]byte, out *Effects) {
	req := &msg.JoinGroupRequest{}
	req.SetDefaults()
	req.GroupID, req.MemberID, req.ProtocolType, req.GroupInstanceID = c.cfg.Group, c.id, "consumer", pointer(c.cfg.Instance)
	req.SessionTimeoutMs, req.RebalanceTimeoutMs = int32(c.cfg.Session.Milliseconds()), int32(min(c.cfg.MaxPoll.Milliseconds(), 1<<31-1))
	req.Reason = pointer(c.reason)
	for i, k := range c.kinds {
		m := assign.Member{Topics: c.sub.topics, Owned: c.owned, Generation: c.generation, Rack: c.cfg.Rack, UserData: data[i]}
		if m.Generation < 0 {
			m.Generation = c.lastGen
		}
		b, err := assign.AppendSubscription(nil, &m)
		if err != nil {
			c.fail(err, out)
			return
		}
		req.Protocols = append(req.Protocols, msg.JoinGroupRequestJoinGroupRequestProtocol{Name: k.name, Metadata: b})
	}
	c.send(now, &Call{Kind: JoinCall, Req: req, Timeout: c.cfg.MaxPoll + 5*time.Second, Wait: c.cfg.MaxPoll, generation: c.generation}, out)
}

func (c *Core) send(now time.Time, call *Call, out *Effects) {
	call.at = now
	c.call = call
	out.Calls = append(out.Calls, call)
}

// tell sends what nobody waits for the answer of.
func (c *Core) tell(req protocol.Request, kind Kind, out *Effects) {
	out.Calls = append(out.Calls, &Call{Kind: kind, Req: req, Timeout: c.cfg.RequestTimeout, leaving: true})
}

// hindered deals with what every answer can bring; it reports whether the call is to be repeated later.
func (c *Core) hindered(now time.Time, m *Answer, code protocol.Code, out *Effects) bool {
	if !m.Moved && m.Err == nil && !transient(code) {
		return false
	}
	c.said = protocol.None
	c.restless(now, m.Call)
	if m.Moved {
		c.retryAt = now
		return true
	}
	out.Forget = out.Forget || m.Err != nil || elsewhere(code)
	err := m.Err
	if err == nil {
		err = code
	}
	c.later(now, err, out)
	return true
}

// kept lets the session go on later by as long as a coordinator has kept the member waiting: it has not let it go meanwhile, and who is the coordinator after it gives every member a new session.
func (c *Core) kept(now time.Time, m *Answer) {
	if !c.ends.IsZero() && (m.Err == nil || m.Moved || m.Sent) {
		c.ends = c.ends.Add(now.Sub(m.Call.at))
	}
}

func (c *Core) joined(now time.Time, m *Answer, out *Effects) {
	if m.Unsupported || m.Closed {
		c.fail(m.Err, out)
		return
	}
	resp, _ := m.Resp.(*msg.JoinGroupResponse)
	code := protocol.None
	if resp != nil {
		code = protocol.Code(resp.ErrorCode)
	}
	c.kept(now, m)
	if c.hindered(now, m, code, out) {
		return
	}
	if code == protocol.MemberIDRequired || code == protocol.UnknownMemberID {
		c.turned(now, m.Call, code)
	} else {
		c.restless(now, m.Call)
	}
	switch code {
	case protocol.None:
		if resp.GenerationID < 0 || resp.MemberID == "" {
			c.puts(now, trouble.Lasting, fmt.Errorf("join: %w: member \"%s\", generation %d", ErrBroker, printable.Text(resp.MemberID), resp.GenerationID), out)
			return
		}
	case protocol.MemberIDRequired:
		if c.id != "" { // it has one
			c.met(now, trouble.Passing, code, out)
		}
		c.id = resp.MemberID
		return
	case protocol.UnknownMemberID, protocol.IllegalGeneration:
		c.met(now, trouble.Passing, code, out)
		if code == protocol.UnknownMemberID {
			c.id = ""
		}
		if c.generation >= 0 && len(c.owned) > 0 {
			c.lose(out)
		}
		c.generation, c.gave = -1, -1
		return
	case protocol.RebalanceInProgress:
		c.ends = now.Add(c.cfg.Session)
		c.later(now, code, out)
		return
	case protocol.FencedInstanceID:
		c.supplanted(code, out)
		return
	default:
		c.fail(fmt.Errorf("join: %w", code), out)
		return
	}
	back := c.cfg.Instance != "" && c.id != resp.MemberID && (resp.SkipAssignment || m.Version < 9)
	c.id, c.generation = resp.MemberID, resp.GenerationID
	c.beatAt, c.ends = now.Add(c.cfg.Heartbeat), now.Add(c.cfg.Session)
	name := ""
	if resp.ProtocolName != nil {
		name = *resp.ProtocolName
	}
	i := slices.IndexFunc(c.kinds, func(k kind) bool { return k.name == name })
	if i < 0 {
		c.fail(fmt.Errorf("join: the group uses the assignor \"%s\"", printable.Text(name)), out)
		return
	}
	c.classic = classic{assignor: c.kinds[i], leads: resp.Leader == resp.MemberID, skip: resp.SkipAssignment}
	c.classic.open = c.openUntil(now, back)
	if !c.classic.leads {
		c.sync(now, nil, out)
		return
	}
	c.become(Assigning)
	c.gather(now, resp.Members, out)
}

func (c *Core) sync(now time.Time, assignments []msg.SyncGroupRequestSyncGroupRequestAssignment, out *Effects) {
	req := &msg.SyncGroupRequest{GroupID: c.cfg.Group, GenerationID: c.generation, MemberID: c.id, GroupInstanceID: pointer(c.cfg.Instance), ProtocolType: wire.Ptr("consumer"),
		ProtocolName: wire.Ptr(c.classic.assignor.name), Assignments: assignments}
	if assignments == nil {
		req.Assignments = []msg.SyncGroupRequestSyncGroupRequestAssignment{}
	}
	c.become(Syncing)
	c.send(now, &Call{Kind: SyncCall, Req: req, Timeout: c.cfg.MaxPoll + 5*time.Second, Wait: c.cfg.MaxPoll, generation: c.generation}, out)
}

func (c *Core) synced(now time.Time, m *Answer, out *Effects) {
	resp, _ := m.Resp.(*msg.SyncGroupResponse)
	code := protocol.None
	if resp != nil {
		code = protocol.Code(resp.ErrorCode)
	}
	c.kept(now, m)
	if m.Unsupported {
		c.fail(m.Err, out)
		return
	}
	if c.hindered(now, m, code, out) { // whether the group went on without us a new join finds out
		c.become(Joining)
		return
	}
	switch code {
	case protocol.None:
	case protocol.RebalanceInProgress:
		c.ends = now.Add(c.cfg.Session) // the coordinator has kept it waiting, and knows it
		c.become(Joining)
		return
	case protocol.UnknownMemberID, protocol.IllegalGeneration:
		c.turned(now, m.Call, code)
		c.met(now, trouble.Passing, code, out)
		c.outdated(code, out)
		return
	case protocol.FencedInstanceID:
		c.supplanted(code, out)
		return
	default:
		c.fail(fmt.Errorf("sync: %w", code), out)
		return
	}
	target, err := assign.ReadAssignment(resp.Assignment)
	if err != nil {
		c.fail(err, out)
		return
	}
	c.trouble.Over()
	c.ends, c.beatAt = now.Add(c.cfg.Session), now.Add(c.cfg.Heartbeat)
	unmet := c.unmet(target)
	if len(unmet) == 0 {
		c.given(target, matching{}, out)
		return
	}
	pattern := c.sub.pattern
	c.consult(now, "the function that matches topics", false, c.ends, fmt.Sprintf("session.timeout.ms, %s", c.cfg.Session), func() any { return match(pattern, unmet) }, func(_ time.Time, m any, out *Effects) {
		c.given(target, m.(matching), out)
	}, out)
}

// given takes an assignment: also is what the pattern matches of it that it had not met.
func (c *Core) given(target []Partition, also matching, out *Effects) {
	if also.err != nil {
		out.Errors = append(out.Errors, also.err)
	}
	own := c.wanted(target, also.topics)
	switch {
	case len(own) == len(target):
		c.foreign, c.strangers = -1, false
	case c.foreign < 0:
		c.foreign, c.reason = c.generation, "the assignment has topics that are not subscribed to"
		c.become(Joining)
		return
	case c.foreign != c.generation:
		c.strange(without(target, own)[0].String(), out)
	}
	target = own
	c.last, c.lastGen = target, c.generation
	c.become(Taking)
	r := c.change(target)
	r.Back = c.gave >= 0 && c.gave+1 == c.generation
	c.gave = -1
	c.offer(r, out)
}

// wanted are the partitions of an assignment that are subscribed to. The others are left from a subscription of before: a coordinator gives a static member that comes back what it had, whatever it asks for now. As Java's
// client does, the member joins again then, once, which lets the group begin anew if it leads; what comes again in the same generation is left alone, and what comes in another one is told.
func (c *Core) wanted(target []Partition, also []string) []Partition {
	var known extent
	return slices.DeleteFunc(slices.Clone(target), func(p Partition) bool {
		_, matches := slices.BinarySearch(also, p.Topic)
		return !known.has(c.snap, p) || !matches && !c.subscribed(p.Topic)
	})
}

// unmet are the topics of an assignment that the pattern of the subscription has not met yet: the leader knew them first, or they are none of it.
func (c *Core) unmet(target []Partition) (names []string) {
	if c.sub.pattern == nil {
		return nil
	}
	for _, p := range target {
		if n := len(names); !c.subscribed(p.Topic) && (n == 0 || names[n-1] != p.Topic) {
			names = append(names, p.Topic)
		}
	}
	return names
}

// change is what the application has to do so that it owns the target.
func (c *Core) change(target []Partition) *Rebalance {
	return &Rebalance{Given: true, Revoke: without(c.owned, target), Assign: without(target, c.owned)}
}

// without are the partitions of all that are not among some; both are in order.
func without(all, some []Partition) (out []Partition) {
	for _, p := range all {
		for len(some) > 0 && some[0].Compare(p) < 0 {
			some = some[1:]
		}
		if len(some) == 0 || some[0] != p {
			out = append(out, p)
		}
	}
	return out
}

// with are the partitions of both, which are in order.
func with(all, more []Partition) []Partition {
	out := make([]Partition, 0, len(all)+len(more))
	for _, p := range more {
		for len(all) > 0 && all[0].Compare(p) < 0 {
			out, all = append(out, all[0]), all[1:]
		}
		out = append(out, p)
	}
	return append(out, all...)
}

// outdated deals with a group that does not know the member or its generation any more.
func (c *Core) outdated(code protocol.Code, out *Effects) {
	if code == protocol.UnknownMemberID && c.proto == Classic {
		c.id = ""
	}
	out.Notes = append(out.Notes, Note{"the member joins again after " + code.Error(), ""})
	c.lose(out)
}

// supplanted ends the membership of a static member whose place another one has.
func (c *Core) supplanted(code protocol.Code, out *Effects) {
	c.fail(errors.Join(ErrFenced, fmt.Errorf("another member has the group.instance.id \"%s\": %w", printable.Text(c.cfg.Instance), code)), out)
}

// beats tells whether the group expects heartbeats.
func (c *Core) beats() bool {
	return c.proto == Classic && c.generation >= 0 && c.leaving == nil && (c.state == Stable || c.state == Giving || c.state == Taking || c.state == Assigning)
}

func (c *Core) nextBeat() time.Time {
	switch {
	case c.proto == Consumer:
		return c.nextConsumerBeat()
	case !c.beats() || c.beat != nil:
		return time.Time{}
	}
	return later(c.beatAt, c.heldUntil())
}

func (c *Core) driveBeat(now time.Time, out *Effects) {
	if at := c.nextBeat(); at.IsZero() || now.Before(at) {
		return
	}
	req := &msg.HeartbeatRequest{GroupID: c.cfg.Group, GenerationID: c.generation, MemberID: c.id, GroupInstanceID: pointer(c.cfg.Instance)}
	c.beat = &Call{Kind: HeartbeatCall, Req: req, Timeout: min(c.cfg.RequestTimeout, c.cfg.Session), generation: c.generation, at: now}
	c.beatAt = now.Add(c.cfg.Heartbeat)
	out.Calls = append(out.Calls, c.beat)
}

func (c *Core) beaten(now time.Time, m *Answer, out *Effects) {
	if m.Call.generation != c.generation || !c.beats() {
		return
	}
	c.lasts(m.Call)
	if m.Unsupported {
		c.fail(m.Err, out)
		return
	}
	resp, _ := m.Resp.(*msg.HeartbeatResponse)
	code := protocol.None
	if resp != nil {
		code = protocol.Code(resp.ErrorCode)
	}
	if c.hindered(now, m, code, out) {
		c.beatAt = earlier(c.retryAt, now.Add(c.cfg.Heartbeat))
		return
	}
	switch code {
	case protocol.None, protocol.RebalanceInProgress:
		c.trouble.Over()
		c.ends = now.Add(c.cfg.Session)
		if code != protocol.None && (c.state == Stable || c.state == Taking) {
			c.rejoin, c.reason = true, "the group is rebalancing"
		}
		if code != protocol.None {
			c.restless(now, m.Call)
		}
	case protocol.UnknownMemberID, protocol.IllegalGeneration:
		c.turned(now, m.Call, code)
		c.outdated(code, out)
	case protocol.FencedInstanceID:
		c.supplanted(code, out)
	default:
		c.fail(fmt.Errorf("heartbeat: %w", code), out)
	}
}

func (c *Core) goodbyeClassic(reason string) protocol.Request {
	return &msg.LeaveGroupRequest{GroupID: c.cfg.Group, MemberID: c.id, Members: []msg.LeaveGroupRequestMemberIdentity{{MemberID: c.id, GroupInstanceID: pointer(c.cfg.Instance), Reason: pointer(reason)}}}
}
