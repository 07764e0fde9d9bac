package member_test

import (
	"fmt"
	"slices"

	"github.com/kactor-go/kactor/actors/sim/explore"
	"github.com/kactor-go/kactor/coordinator/internal/member"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// faulty adds what may go wrong.
func (w *world) faulty(out []explore.Event) []explore.Event {
	add := func(name string, of int, do func()) {
		out = append(out, explore.Event{Name: name, Of: of, Fault: true, Do: func() { w.faults--; do() }})
	}
	for _, p := range w.all {
		if p.alive {
			w.ofProcessFails(p, add)
		}
	}
	return out
}

// standsStill lets max.poll.interval.ms pass: nobody does anything.
func (w *world) standsStill() {
	for _, o := range w.all {
		o.outside = true
	}
	w.now = w.now.Add(maxPoll)
}

func (w *world) ofProcessFails(p *process, add func(string, int, func())) {
	r := &w.rules
	if r.kills {
		add("killed is member", p.n, func() { p.alive, p.left, p.calls = false, true, nil })
	}
	if r.late && p.work == nil && !p.idle {
		add("has not polled in time, the application of member", p.n, func() {
			w.standsStill()
			p.asks = true
			if w.step(p, &member.Returned{Last: w.now.Add(-maxPoll), Owner: p.n}); p.asks {
				w.bad = fmt.Sprintf("the application of member %d is not told whether it is back in time", p.n)
			}
		})
		add("does not poll, the application of member", p.n, func() {
			w.standsStill()
			w.step(p, &member.Polled{At: w.now.Add(-maxPoll)})
		})
	}
	if r.slow && p.work != nil && !p.slow {
		add("takes its time, the application of member", p.n, func() { p.slow = true })
	}
	if r.forgets && p.core.Identity().Member != "" {
		add("the coordinator forgets member", p.n, func() {
			p.outside = true
			w.group.forget(w, p.core.Identity().Member)
		})
	}
	if len(p.calls) == 0 {
		return
	}
	c := p.calls[0]
	ends := func(sent, moved bool) {
		// What is held back by the coordinator is forgotten with its connection.
		p.calls = slices.Clone(p.calls[1:])
		w.step(p, &member.Answer{Call: c.of, Err: errLost, Sent: sent, Moved: moved})
	}
	if r.loses && !c.handled {
		add(fmt.Sprintf("lost is %s of member", kinds[c.of.Kind]), p.n, func() { ends(true, false) })
	}
	if r.loses && c.handled {
		add(fmt.Sprintf("lost is the answer to %s of member", kinds[c.of.Kind]), p.n, func() { ends(true, false) })
	}
	if r.moves && c.handled {
		add(fmt.Sprintf("the coordinator moves, and with it %s of member", kinds[c.of.Kind]), p.n, func() { ends(true, true) })
	}
	if r.denies && !c.handled && c.of.Kind == member.FetchCall {
		add("refused is the question for offsets of member", p.n, func() {
			c.handled = true
			c.answer = &member.Answer{Call: c.of, Version: 9, Resp: &msg.OffsetFetchResponse{Groups: []msg.OffsetFetchResponseOffsetFetchResponseGroup{{GroupID: "g", ErrorCode: int16(protocol.GroupAuthorizationFailed)}}}}
		})
	}
	if r.fails && !c.handled && c.of.Kind == member.CommitCall {
		add("refused is the commit of member", p.n, func() {
			c.handled = true
			c.answer = commitAnswer(c.of, protocol.TopicAuthorizationFailed)
		})
	}
}

// commitAnswer says the same of each partition.
func commitAnswer(c *member.Call, code protocol.Code) *member.Answer {
	resp := &msg.OffsetCommitResponse{}
	for _, t := range c.Req.(*msg.OffsetCommitRequest).Topics {
		out := msg.OffsetCommitResponseOffsetCommitResponseTopic{Name: t.Name}
		for _, q := range t.Partitions {
			out.Partitions = append(out.Partitions, msg.OffsetCommitResponseOffsetCommitResponsePartition{PartitionIndex: q.PartitionIndex, ErrorCode: int16(code)})
		}
		resp.Topics = append(resp.Topics, out)
	}
	return &member.Answer{Call: c, Version: 9, Resp: resp}
}

// offsets answers a question for committed offsets.
func (w *world) offsets(c *member.Call) *member.Answer {
	g := msg.OffsetFetchResponseOffsetFetchResponseGroup{GroupID: "g"}
	for _, t := range c.Req.(*msg.OffsetFetchRequest).Groups[0].Topics {
		out := msg.OffsetFetchResponseOffsetFetchResponseTopics{Name: t.Name}
		for _, n := range t.PartitionIndexes {
			out.Partitions = append(out.Partitions, msg.OffsetFetchResponseOffsetFetchResponsePartitions{PartitionIndex: n, CommittedOffset: w.stored[n], CommittedLeaderEpoch: -1})
		}
		g.Topics = append(g.Topics, out)
	}
	return &member.Answer{Call: c, Version: 9, Resp: &msg.OffsetFetchResponse{Groups: []msg.OffsetFetchResponseOffsetFetchResponseGroup{g}}}
}

// store takes a commit.
func (w *world) store(p *process, c *member.Call) *member.Answer {
	req := c.Req.(*msg.OffsetCommitRequest)
	for _, t := range req.Topics {
		for _, q := range t.Partitions {
			w.stores(p, req.MemberID, q.PartitionIndex, q.CommittedOffset, q.CommittedLeaderEpoch)
		}
	}
	return commitAnswer(c, protocol.None)
}
