package member

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/printable"
	"github.com/kactor-go/kactor/protocol/trouble"
	"github.com/kactor-go/kactor/protocol/wire"
)

// fetches are the questions for committed offsets: the application's, and those for where new partitions begin. One request of each kind is under way at a time.
type fetches struct {
	list     []*Fetch // the application's
	flight   *Call
	askAt    time.Time
	failures int
	pace     trouble.Pace

	begins  []begin // in order
	begun   *Call
	trouble trouble.State // of the group's, which all have
	finding trouble.Pace
	stale   bool // what is owned has changed
	byName  map[string]bool
}

// begin is a partition that is to be read from where the group has committed, as soon as that is known. What stands in its way stands in no other's.
type begin struct {
	Partition
	manual  bool  // the application has assigned it
	asked   *Call // last: what another says was asked for before it was owned anew, and others may have committed since
	trouble trouble.State
}

// begin looks for where partitions begin.
func (o *fetches) begin(manual bool, parts []Partition) {
	if !slices.IsSortedFunc(parts, Partition.Compare) {
		parts = slices.SortedFunc(slices.Values(parts), Partition.Compare)
	}
	before := o.begins
	o.begins = make([]begin, 0, len(before)+len(parts))
	for _, p := range slices.Compact(slices.Clone(parts)) {
		for len(before) > 0 && before[0].Compare(p) < 0 {
			o.begins, before = append(o.begins, before[0]), before[1:]
		}
		if len(before) == 0 || before[0].Partition != p {
			o.begins = append(o.begins, begin{Partition: p, manual: manual})
		}
	}
	o.begins = append(o.begins, before...)
}

// forgo ends the search for partitions that are not assigned any more.
func (o *fetches) forgo(parts []Partition) {
	if len(o.begins) == 0 {
		return
	}
	gone := make(map[Partition]bool, len(parts))
	for _, p := range parts {
		gone[p] = true
	}
	o.begins = slices.DeleteFunc(o.begins, func(b begin) bool { return gone[b.Partition] })
}

func (o *fetches) next(failed bool) (t time.Time) {
	for _, m := range o.list {
		t = earlier(t, m.Deadline)
		if o.flight == nil {
			t = earlier(t, o.askAt)
		}
	}
	if o.begun == nil && !failed {
		for i := range o.begins {
			t = earlier(t, later(o.trouble.RetryAt, o.begins[i].trouble.RetryAt))
		}
	}
	return t
}

func (c *Core) driveFetches(now time.Time, out *Effects) {
	o := &c.fetches
	o.list = slices.DeleteFunc(o.list, func(m *Fetch) bool {
		err := c.err
		if c.state != Failed {
			if now.Before(m.Deadline) {
				return false
			}
			err = fmt.Errorf("committed offsets of group %s: %w", printable.Text(c.cfg.Group), protocol.RequestTimedOut)
		}
		out.Results = append(out.Results, Result{Owner: m.Owner, Err: err})
		return true
	})
	if len(o.list) > 0 && o.flight == nil && !now.Before(o.askAt) {
		var parts []Partition
		for _, m := range o.list {
			parts = append(parts, m.Parts...)
		}
		o.flight = c.ask(parts, &Call{fetches: slices.Clone(o.list), at: now})
		out.Calls = append(out.Calls, o.flight)
	}
	if o.stale {
		o.stale = false
		r := refusals{c: c}
		o.begins = slices.DeleteFunc(o.begins, func(b begin) bool { return !b.manual && !r.owned(b.Partition) }) // what was lost meanwhile
	}
	if o.begun != nil || now.Before(o.trouble.RetryAt) || c.state == Failed {
		return
	}
	var due []Partition
	var call *Call
	for i := range o.begins {
		if len(due) == MostAsked {
			break
		}
		if b := &o.begins[i]; !now.Before(b.trouble.RetryAt) {
			if call == nil {
				call = &Call{at: now}
			}
			due = append(due, b.Partition)
			b.asked = call
		}
	}
	if len(due) > 0 {
		o.begun = c.ask(due, call)
		out.Calls = append(out.Calls, o.begun)
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
			if id == (wire.UUID{}) || c.fetches.byName[p.Topic] && (call.fetches != nil || c.ids[p.Topic] == (wire.UUID{})) {
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
	got, code := readOffsets(m)
	err := m.Err
	if err == nil {
		err = code.Err()
	}
	passing := m.Err != nil && !m.Unsupported && !m.Closed || again(code)
	if passing && !m.Moved {
		out.Forget = out.Forget || m.Err != nil || elsewhere(code)
	}
	switch o := &c.fetches; m.Call {
	case o.flight:
		o.flight = nil
		c.answerFetches(now, m, got, err, passing, out)
	case o.begun:
		o.begun = nil
		c.beginWith(now, m, got, err, passing, out)
	}
}

// unnamed lets a topic be asked for by its name: nobody has the id that was asked for. Who has deleted the topic has deleted what was committed for it, and of one that was created again this finds the offsets. A partition that the
// group has given by id does not begin so, but waits until the coordinator has heard of the id, or the group takes it away.
func (c *Core) unnamed(topic string, out *Effects) {
	if c.fetches.byName == nil {
		c.fetches.byName = map[string]bool{}
	}
	c.fetches.byName[topic] = true
	out.Refresh = append(out.Refresh, topic)
}

// answerFetches answers the application's questions, those that have an answer.
func (c *Core) answerFetches(now time.Time, m *Answer, got map[Partition]found, err error, passing bool, out *Effects) {
	o := &c.fetches
	asked := m.Call.fetches
	later := false
	o.list = slices.DeleteFunc(o.list, func(f *Fetch) bool {
		if passing || !slices.Contains(asked, f) {
			return false
		}
		r := Result{Owner: f.Owner, Err: err}
		wait := false
		for _, p := range f.Parts {
			k, ok := got[p]
			switch {
			case err != nil:
				continue
			case !ok:
				k.code = protocol.UnknownServerError
			case k.code == protocol.UnknownTopicID:
				c.unnamed(p.Topic, out)
				wait = true
			case again(k.code) || k.code == protocol.UnstableOffsetCommit:
				wait = true
				out.Forget = out.Forget || elsewhere(k.code) // before version 2 each partition is told
			}
			if k.code != protocol.None {
				r.Err = fmt.Errorf("committed offset of %s in group %s: %w", p, printable.Text(c.cfg.Group), k.code)
			}
			k.TopicPartition = p
			r.Offsets = append(r.Offsets, k.Offset)
		}
		if wait {
			later = true
			return false
		}
		out.Results = append(out.Results, r)
		return true
	})
	switch {
	case m.Moved:
		o.askAt = vainly(&o.pace, m.Call)
	case passing || later:
		o.failures++
		o.askAt = now.Add(c.backoff().After(o.failures))
	default:
		o.failures = 0
		o.pace.Forward()
	}
}

// beginWith lets partitions begin whose offsets are known. The others are tried again: what is a refusal the application is told, at once and then from time to time.
func (c *Core) beginWith(now time.Time, m *Answer, got map[Partition]found, err error, passing bool, out *Effects) {
	o := &c.fetches
	switch {
	case m.Closed:
		o.begins = nil
		return
	case m.Moved:
		o.trouble.RetryAt = vainly(&o.finding, m.Call)
		return
	case err != nil:
		if o.trouble.Met(now, kindOf(err, passing), err, c.backoff()) {
			out.Errors = append(out.Errors, fmt.Errorf("committed offsets of group %s: %w", printable.Text(c.cfg.Group), err))
		}
		return
	}
	o.trouble.Over()
	o.begins = slices.DeleteFunc(o.begins, func(b begin) bool {
		if b.asked != m.Call {
			return false
		}
		k, ok := got[b.Partition]
		known := ok && k.code == protocol.None
		if known {
			o.finding.Forward()
			out.Begins = append(out.Begins, k.Offset)
		}
		return known
	})
	for i := range o.begins {
		b := &o.begins[i]
		if b.asked != m.Call {
			continue
		}
		code := protocol.UnknownServerError // it was left out
		if k, ok := got[b.Partition]; ok {
			code = k.code
		}
		passes := again(code) || code == protocol.UnstableOffsetCommit || code == protocol.UnknownTopicID
		if code == protocol.UnknownTopicID {
			c.unnamed(b.Topic, out)
		}
		out.Forget = out.Forget || elsewhere(code)
		if b.trouble.Met(now, kindOf(code, passes), code, c.backoff()) {
			out.Errors = append(out.Errors, fmt.Errorf("committed offset of %s in group %s: %w", b.Partition, printable.Text(c.cfg.Group), code))
		}
	}
}

// kindOf tells when a trouble is to be told: what does not pass by itself at once.
func kindOf(err error, passing bool) trouble.Kind {
	var code protocol.Code
	if passing || errors.As(err, &code) && code.Retriable() {
		return trouble.Passing
	}
	return trouble.Lasting
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
		f := found{Offset{TopicPartition: Partition{Topic: topic, Partition: index}, Offset: offset, LeaderEpoch: cluster.EpochOf(epoch)}, protocol.Code(code)}
		if metadata != nil {
			f.Metadata = *metadata
		}
		if offset < 0 {
			f.Offset.Offset, f.LeaderEpoch = -1, cluster.LeaderEpoch{}
		}
		got[f.TopicPartition] = f
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
	names := map[wire.UUID]string{}
	for _, asked := range m.Call.Req.(*msg.OffsetFetchRequest).Groups[0].Topics {
		names[asked.TopicID] = asked.Name
	}
	for g := range resp.Groups {
		code = protocol.Code(resp.Groups[g].ErrorCode)
		for i := range resp.Groups[g].Topics {
			t := &resp.Groups[g].Topics[i]
			name := t.Name
			if m.Version >= 10 {
				name = names[t.TopicID]
			}
			for k := range t.Partitions {
				p := &t.Partitions[k]
				put(name, p.PartitionIndex, p.CommittedOffset, p.CommittedLeaderEpoch, p.Metadata, p.ErrorCode)
			}
		}
	}
	return got, code
}
