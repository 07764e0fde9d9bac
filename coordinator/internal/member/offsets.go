package member

import (
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// offsets are the commits and the questions for committed offsets: one request of each kind is under way at a time. Commits that have piled up meanwhile go together; what
// was committed later wins.
type offsets struct {
	commits  []*Commit // to be sent
	flying   []*Commit // under way
	retryAt  time.Time
	failures int

	fetches  []*Fetch
	fetching []*Fetch
	gaining  []gain
	flight   bool // a question for what is gained
	askAt    time.Time
	asks     int
}

// gain are partitions that came with a Rebalance, and whose offsets are to be found.
type gain struct {
	seq   uint64
	parts []Partition
}

func (o *offsets) gain(now time.Time, seq uint64, parts []Partition) {
	o.gaining = append(o.gaining, gain{seq, slices.Clone(parts)})
	o.askAt = now
}

func (o *offsets) next() time.Time {
	var t time.Time
	add := func(d time.Time) {
		if t.IsZero() || d.Before(t) {
			t = d
		}
	}
	if len(o.flying) == 0 {
		for _, m := range o.commits {
			add(m.Deadline)
		}
		if len(o.commits) > 0 {
			add(o.retryAt)
		}
	}
	if len(o.fetching) == 0 {
		for _, m := range o.fetches {
			add(m.Deadline)
		}
		if len(o.fetches) > 0 {
			add(o.askAt)
		}
	}
	if len(o.gaining) > 0 && !o.flight {
		add(o.askAt)
	}
	return t
}

func (c *Core) driveOffsets(now time.Time, out *Effects) {
	o := &c.offsets
	if c.state == Failed && len(o.commits)+len(o.fetches) > 0 {
		for _, m := range o.commits {
			out.Results = append(out.Results, Result{Owner: m.Owner, Err: c.err})
		}
		for _, m := range o.fetches {
			out.Results = append(out.Results, Result{Owner: m.Owner, Err: c.err})
		}
		o.commits, o.fetches = nil, nil
	}
	o.commits = slices.DeleteFunc(o.commits, func(m *Commit) bool {
		if now.Before(m.Deadline) {
			return false
		}
		out.Results = append(out.Results, Result{Owner: m.Owner, Err: fmt.Errorf("commit offsets of group %s: %w", c.cfg.Group, ErrUncommitted)})
		return true
	})
	o.fetches = slices.DeleteFunc(o.fetches, func(m *Fetch) bool {
		if now.Before(m.Deadline) {
			return false
		}
		out.Results = append(out.Results, Result{Owner: m.Owner, Err: fmt.Errorf("committed offsets of group %s: %w", c.cfg.Group, protocol.RequestTimedOut)})
		return true
	})
	if len(o.commits) > 0 && len(o.flying) == 0 && !now.Before(o.retryAt) {
		c.commit(out)
	}
	if len(o.fetches) > 0 && len(o.fetching) == 0 && !now.Before(o.askAt) {
		o.fetching, o.fetches = o.fetches, nil
		var parts []Partition
		for _, m := range o.fetching {
			parts = append(parts, m.Parts...)
		}
		out.Calls = append(out.Calls, c.ask(parts, &Call{fetches: o.fetching}))
	}
	o.gaining = slices.DeleteFunc(o.gaining, func(g gain) bool { // what was lost meanwhile
		return !slices.ContainsFunc(g.parts, func(p Partition) bool { return slices.Contains(c.owned, p) })
	})
	if len(o.gaining) > 0 && !o.flight && !now.Before(o.askAt) {
		o.flight = true
		g := o.gaining[0]
		out.Calls = append(out.Calls, c.ask(g.parts, &Call{gaining: g.seq, parts: g.parts}))
	}
}

// commit sends what is to be committed. Of a member only partitions that it owns are.
func (c *Core) commit(out *Effects) {
	o := &c.offsets
	latest := map[Partition]Offset{}
	for _, m := range o.commits {
		var err error
		for _, k := range m.Offsets {
			if c.member && (c.generation < 0 || !slices.Contains(c.owned, k.Partition) && c.leaving == nil) {
				err = fmt.Errorf("commit offset %d of %s in group %s: %w", k.Offset, k.Partition, c.cfg.Group, c.notOwned())
			}
		}
		if err != nil {
			out.Results = append(out.Results, Result{Owner: m.Owner, Err: err})
			continue
		}
		for _, k := range m.Offsets {
			latest[k.Partition] = k
		}
		o.flying = append(o.flying, m)
	}
	o.commits = nil
	if len(o.flying) == 0 {
		return
	}
	if len(latest) == 0 {
		for _, m := range o.flying {
			out.Results = append(out.Results, Result{Owner: m.Owner})
		}
		o.flying = nil
		return
	}
	req := &msg.OffsetCommitRequest{}
	req.SetDefaults()
	req.GroupID, req.GenerationIDOrMemberEpoch = c.cfg.Group, -1
	if c.cfg.Retention > 0 {
		req.RetentionTimeMs = c.cfg.Retention.Milliseconds()
	}
	if c.member {
		req.MemberID, req.GenerationIDOrMemberEpoch, req.GroupInstanceID = c.id, c.generation, pointer(c.cfg.Instance)
	}
	call := &Call{Kind: CommitCall, Req: req, Timeout: c.cfg.RequestTimeout, commits: o.flying, generation: req.GenerationIDOrMemberEpoch}
	parts := make([]Partition, 0, len(latest))
	for p := range latest {
		parts = append(parts, p)
	}
	slices.SortFunc(parts, Partition.Compare)
	for _, p := range parts {
		k := latest[p]
		last := len(req.Topics) - 1
		if last < 0 || req.Topics[last].Name != p.Topic {
			id := c.idOf(p.Topic)
			if id == (wire.UUID{}) {
				call.Max, call.Capped = 9, true
			}
			req.Topics = append(req.Topics, msg.OffsetCommitRequestOffsetCommitRequestTopic{Name: p.Topic, TopicID: id})
			last++
		}
		in := msg.OffsetCommitRequestOffsetCommitRequestPartition{}
		in.SetDefaults()
		in.PartitionIndex, in.CommittedOffset, in.CommittedLeaderEpoch, in.CommittedMetadata = p.Partition, k.Offset, k.LeaderEpoch.Int(), wire.Ptr(k.Metadata)
		req.Topics[last].Partitions = append(req.Topics[last].Partitions, in)
	}
	out.Calls = append(out.Calls, call)
}

// forsake ends the commits of a membership that is over: in the next one they would be out of date.
func (c *Core) forsake(out *Effects) {
	o := &c.offsets
	for _, m := range append(o.flying, o.commits...) {
		out.Results = append(out.Results, Result{Owner: m.Owner, Err: fmt.Errorf("commit offsets of group %s: %w", c.cfg.Group, ErrFenced)})
	}
	o.flying, o.commits, o.failures, o.retryAt = nil, nil, 0, time.Time{}
}

// joining tells whether the group may be in a new generation already, whose number is on its way.
func (c *Core) joining() bool {
	return c.state == Joining || c.state == Assigning || c.state == Syncing
}

func (c *Core) notOwned() error {
	if c.state == Losing || c.state == Expired || c.generation < 0 {
		return fmt.Errorf("%w: %w", ErrFenced, ErrNotOwned)
	}
	return ErrNotOwned
}

// committed takes the answer to a commit.
func (c *Core) committed(now time.Time, m *Answer, out *Effects) {
	o := &c.offsets
	flying := m.Call.commits
	if len(o.flying) == 0 || len(flying) == 0 || o.flying[0] != flying[0] {
		return
	}
	o.flying = nil
	codes := map[Partition]protocol.Code{}
	worst := protocol.None // that lets everything be repeated
	req := m.Call.Req.(*msg.OffsetCommitRequest)
	if resp, ok := m.Resp.(*msg.OffsetCommitResponse); ok {
		for i := range resp.Topics {
			t := &resp.Topics[i]
			name := t.Name
			for k := range req.Topics {
				if m.Version >= 10 && req.Topics[k].TopicID == t.TopicID {
					name = req.Topics[k].Name
				}
			}
			for _, p := range t.Partitions {
				code := protocol.Code(p.ErrorCode)
				codes[Partition{Topic: name, Partition: p.PartitionIndex}] = code
				switch {
				case again(code), code == protocol.RebalanceInProgress, code == protocol.StaleMemberEpoch, code == protocol.UnknownTopicOrPartition, code == protocol.UnknownTopicID,
					code == protocol.IllegalGeneration && c.generation >= 0 && (m.Call.generation != c.generation || c.joining()):
					worst = code
				}
			}
		}
	}
	if m.Err != nil && !m.Unsupported && !m.Closed || worst != protocol.None {
		out.Forget = out.Forget || m.Err != nil || elsewhere(worst)
		o.failures++
		o.retryAt = now.Add(min(c.cfg.BackoffFirst<<min(o.failures-1, 10), c.cfg.BackoffMax))
		o.commits = append(flying, o.commits...)
		return
	}
	o.failures = 0
	lost := false
	for _, f := range flying {
		err := m.Err
		for _, k := range f.Offsets {
			code, answered := codes[k.Partition]
			if !answered && err == nil {
				code = protocol.UnknownServerError
			}
			switch code {
			case protocol.None:
				continue
			case protocol.UnknownMemberID, protocol.IllegalGeneration, protocol.FencedMemberEpoch, protocol.FencedInstanceID:
				lost = true
				err = fmt.Errorf("commit offset %d of %s in group %s: %w: %w", k.Offset, k.Partition, c.cfg.Group, ErrFenced, code)
			default:
				err = fmt.Errorf("commit offset %d of %s in group %s: %w", k.Offset, k.Partition, c.cfg.Group, code)
			}
		}
		out.Results = append(out.Results, Result{Owner: f.Owner, Err: err})
	}
	if lost && m.Call.generation == c.generation && c.generation >= 0 && c.leaving == nil && c.state != Losing && c.state != Expired && c.state != Failed && !c.joining() {
		c.outdated(protocol.IllegalGeneration, out)
	}
}

// ask asks for committed offsets.
func (c *Core) ask(parts []Partition, call *Call) *Call {
	parts = slices.Clone(parts)
	slices.SortFunc(parts, Partition.Compare)
	parts = slices.Compact(parts)
	req := &msg.OffsetFetchRequest{}
	req.SetDefaults()
	req.GroupID, req.RequireStable = c.cfg.Group, c.cfg.Stable
	g := msg.OffsetFetchRequestOffsetFetchRequestGroup{}
	g.SetDefaults()
	g.GroupID, g.Topics = c.cfg.Group, []msg.OffsetFetchRequestOffsetFetchRequestTopics{}
	req.Topics = []msg.OffsetFetchRequestOffsetFetchRequestTopic{}
	for _, p := range parts {
		last := len(g.Topics) - 1
		if last < 0 || g.Topics[last].Name != p.Topic {
			id := c.idOf(p.Topic)
			if id == (wire.UUID{}) {
				call.Max, call.Capped = 9, true
			}
			g.Topics = append(g.Topics, msg.OffsetFetchRequestOffsetFetchRequestTopics{Name: p.Topic, TopicID: id})
			req.Topics = append(req.Topics, msg.OffsetFetchRequestOffsetFetchRequestTopic{Name: p.Topic})
			last++
		}
		g.Topics[last].PartitionIndexes = append(g.Topics[last].PartitionIndexes, p.Partition)
		req.Topics[last].PartitionIndexes = append(req.Topics[last].PartitionIndexes, p.Partition)
	}
	req.Groups = []msg.OffsetFetchRequestOffsetFetchRequestGroup{g}
	call.Kind, call.Req, call.Timeout = FetchCall, req, c.cfg.RequestTimeout
	return call
}

// fetched takes committed offsets.
func (c *Core) fetched(now time.Time, m *Answer, out *Effects) {
	o := &c.offsets
	ours := len(m.Call.fetches) > 0
	if ours && (len(o.fetching) == 0 || o.fetching[0] != m.Call.fetches[0]) {
		return
	}
	if ours {
		o.fetching = nil
	} else {
		o.flight = false
	}
	got, code := readOffsets(m)
	for p := range got {
		switch k := got[p].code; {
		case again(k), k == protocol.UnstableOffsetCommit, k == protocol.UnknownTopicID, k == protocol.UnknownTopicOrPartition, k == protocol.StaleMemberEpoch:
			code = k
		}
	}
	if m.Err != nil && !m.Unsupported && !m.Closed || again(code) || code == protocol.UnstableOffsetCommit || code == protocol.UnknownTopicID || code == protocol.UnknownTopicOrPartition {
		out.Forget = out.Forget || m.Err != nil || elsewhere(code)
		o.asks++
		o.askAt = now.Add(min(c.cfg.BackoffFirst<<min(o.asks-1, 10), c.cfg.BackoffMax))
		if ours {
			o.fetches = append(m.Call.fetches, o.fetches...)
		}
		return
	}
	o.asks = 0
	err := m.Err
	if err == nil {
		err = code.Err()
	}
	for _, f := range m.Call.fetches {
		r := Result{Owner: f.Owner, Err: err}
		for _, p := range f.Parts {
			k, ok := got[p]
			if err == nil && (!ok || k.code != protocol.None) {
				r.Err = fmt.Errorf("committed offset of %s in group %s: %w", p, c.cfg.Group, k.code)
			}
			k.Partition = p
			r.Offsets = append(r.Offsets, k.Offset)
		}
		out.Results = append(out.Results, r)
	}
	if ours {
		return
	}
	i := slices.IndexFunc(o.gaining, func(g gain) bool { return g.seq == m.Call.gaining })
	if i < 0 {
		return
	}
	o.gaining = slices.Delete(o.gaining, i, i+1)
	if err != nil {
		out.Errors = append(out.Errors, fmt.Errorf("committed offsets of group %s: %w", c.cfg.Group, err))
		return
	}
	for _, p := range m.Call.parts {
		k, ok := got[p]
		if !ok || k.code != protocol.None {
			out.Errors = append(out.Errors, fmt.Errorf("committed offset of %s in group %s: %w", p, c.cfg.Group, k.code))
			continue
		}
		if slices.Contains(c.owned, p) {
			k.Partition = p
			out.Begins = append(out.Begins, k.Offset)
		}
	}
}

type found struct {
	Offset
	code protocol.Code
}

// readOffsets reads an answer of any version.
func readOffsets(m *Answer) (got map[Partition]found, code protocol.Code) {
	resp, ok := m.Resp.(*msg.OffsetFetchResponse)
	if !ok {
		return nil, protocol.None
	}
	got = map[Partition]found{}
	put := func(topic string, index int32, offset int64, epoch int32, metadata *string, code int16) {
		f := found{Offset{Partition: Partition{Topic: topic, Partition: index}, Offset: offset, LeaderEpoch: cluster.EpochOf(epoch)}, protocol.Code(code)}
		if metadata != nil {
			f.Metadata = *metadata
		}
		if offset < 0 {
			f.Offset.Offset, f.LeaderEpoch = -1, cluster.LeaderEpoch{}
		}
		got[f.Partition] = f
	}
	if m.Version < 8 {
		for i := range resp.Topics {
			for k := range resp.Topics[i].Partitions {
				p := &resp.Topics[i].Partitions[k]
				put(resp.Topics[i].Name, p.PartitionIndex, p.CommittedOffset, p.CommittedLeaderEpoch, p.Metadata, p.ErrorCode)
			}
		}
		return got, protocol.Code(resp.ErrorCode)
	}
	req := m.Call.Req.(*msg.OffsetFetchRequest)
	for g := range resp.Groups {
		code = protocol.Code(resp.Groups[g].ErrorCode)
		for i := range resp.Groups[g].Topics {
			t := &resp.Groups[g].Topics[i]
			name := t.Name
			for _, asked := range req.Groups[0].Topics {
				if m.Version >= 10 && asked.TopicID == t.TopicID {
					name = asked.Name
				}
			}
			for k := range t.Partitions {
				p := &t.Partitions[k]
				put(name, p.PartitionIndex, p.CommittedOffset, p.CommittedLeaderEpoch, p.Metadata, p.ErrorCode)
			}
		}
	}
	return got, code
}
