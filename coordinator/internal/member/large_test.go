package member

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// large is a group: its topics, and what its members say when they join.
type large struct {
	snap    *cluster.Snapshot
	topics  []string
	members []msg.JoinGroupResponseJoinGroupResponseMember
}

// newLarge makes a group. Each member owns what is its part, if they own anything.
func newLarge(tb testing.TB, members, topics, partitions int, own bool) *large {
	l := &large{}
	var all []*cluster.Topic
	var parts []Partition
	for i := range topics {
		t := &cluster.Topic{Name: fmt.Sprintf("topic-%05d", i), ID: wire.UUID{7, byte(i >> 8), byte(i)}, Partitions: make([]cluster.Partition, partitions)}
		for p := range t.Partitions {
			t.Partitions[p].Replicas = []int32{1, 2, 3}
			parts = append(parts, Partition{Topic: t.Name, Partition: int32(p)})
		}
		all, l.topics = append(all, t), append(l.topics, t.Name)
	}
	l.snap = cluster.New(cluster.Snapshot{Version: 2, Nodes: []cluster.Node{{ID: 1}, {ID: 2}, {ID: 3}}}, all...)
	for i := range members {
		m := assign.Member{Topics: l.topics, Generation: -1}
		if own {
			n := len(parts) / members
			m.Owned, m.Generation = parts[i*n:(i+1)*n], 1
		}
		b, err := assign.AppendSubscription(nil, &m)
		if err != nil {
			tb.Fatal(err)
		}
		l.members = append(l.members, msg.JoinGroupResponseJoinGroupResponseMember{MemberID: fmt.Sprintf("member-%04d", i), Metadata: b})
	}
	return l
}

// BenchmarkLeader is a leader of 1,000 members that divides 50,000 partitions: how long the longest step of the actor takes, and what is done beside it.
func BenchmarkLeader(b *testing.B) {
	for _, a := range []assign.Assignor{assign.Range{}, assign.RoundRobin{}, assign.Sticky{}, assign.CooperativeSticky{}} {
		for _, topics := range []int{1, 100, 1000} {
			for _, own := range []bool{false, true} {
				if own && !a.Cooperative() {
					continue
				}
				b.Run(fmt.Sprintf("%s/%d topics/owned %v", a.Name(), topics, own), func(b *testing.B) {
					l := newLarge(b, 1000, topics, 50_000/topics, own)
					var longest, beside time.Duration
					for range b.N {
						step, aside := l.lead(b, a)
						longest, beside = max(longest, step), max(beside, aside)
					}
					b.ReportMetric(float64(longest.Microseconds())/1000, "ms/longest-step")
					b.ReportMetric(float64(beside.Microseconds())/1000, "ms/beside")
				})
			}
		}
	}
}

// lead lets a member join as the leader, until it has what is its own.
func (l *large) lead(tb testing.TB, a assign.Assignor) (longest, beside time.Duration) {
	b := newBench(nil, func(c *Config) { c.Assignors = []assign.Assignor{a} })
	step := func(m Message) Effects {
		begin := time.Now()
		out := b.step(m)
		longest = max(longest, time.Since(begin))
		return out
	}
	step(&Changed{Snapshot: l.snap})
	out, name := step(&Subscribe{Topics: l.topics}), a.Name()
	for b.c.state != Stable {
		switch {
		case len(out.Asks) > 0:
			begin := time.Now()
			told := out.Asks[0].Run()
			beside += time.Since(begin)
			out = step(told)
		case out.Rebalance != nil:
			r := out.Rebalance
			step(&Held{Seq: r.Seq})
			out = step(&Done{Seq: r.Seq})
		case len(out.Calls) > 0 && out.Calls[0].Kind == JoinCall:
			out = step(&Answer{Call: out.Calls[0], Version: 9, Resp: &msg.JoinGroupResponse{GenerationID: 2, ProtocolName: &name, Leader: l.members[0].MemberID, MemberID: l.members[0].MemberID, Members: l.members}})
		case len(out.Calls) > 0 && out.Calls[0].Kind == SyncCall:
			out = step(&Answer{Call: out.Calls[0], Version: 5, Resp: &msg.SyncGroupResponse{Assignment: out.Calls[0].Req.(*msg.SyncGroupRequest).Assignments[0].Assignment}})
		default:
			tb.Fatalf("nothing to do in state %s: %+v", b.c.state, out)
		}
	}
	return longest, beside
}

// BenchmarkMember is a member that is given many partitions, all that it has is taken, and so on: what a partition costs.
func BenchmarkMember(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var all []int32
			for i := range n {
				all = append(all, int32(i))
			}
			for range b.N {
				k := newBench(nil, func(c *Config) { c.Protocol = Consumer })
				call := k.step(&Subscribe{Topics: []string{"work"}}).Calls[0]
				for epoch, parts := range [][]int32{all, nil, all, all[:n/2]} {
					out := k.answer(call, target(int32(epoch+1), parts...))
					k.step(&Held{Seq: out.Rebalance.Seq})
					k.step(&Done{Seq: out.Rebalance.Seq})
					if call = k.c.call; call == nil {
						call = k.later(time.Second).Calls[0]
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/partition")
		})
	}
}

// What is much is not done on the actor: heartbeats go on meanwhile.
func TestWhatIsMuchIsReadAndDividedBesideTheActor(t *testing.T) {
	l := newLarge(t, 1000, 50, 10, false)
	b := newBench(t, nil)
	b.step(&Changed{Snapshot: l.snap})
	name := "range"
	call := b.call(b.step(&Subscribe{Topics: l.topics}), JoinCall)
	out := b.answer(call, &msg.JoinGroupResponse{GenerationID: 2, ProtocolName: &name, Leader: "member-0000", MemberID: "member-0000", Members: l.members})
	for _, what := range []string{"reading the subscriptions of the members", "assignor range"} {
		if len(out.Asks) != 1 || out.Asks[0].What() != what {
			t.Fatalf("asked for %+v, expected %s", out.Asks, what)
		}
		ask := out.Asks[0]
		b.answer(b.call(b.later(3*time.Second), HeartbeatCall), &msg.HeartbeatResponse{})
		out = b.step(ask.Run())
	}
	if sync := b.call(out, SyncCall).Req.(*msg.SyncGroupRequest); len(sync.Assignments) != 1000 {
		t.Errorf("%d members are given something", len(sync.Assignments))
	}
}

// Who leads more members than it may is no leader. Members whose subscription is too large, or cannot be read, get nothing, and that is one note.
func TestTheLimitsOfALeader(t *testing.T) {
	l := newLarge(t, 5, 2, 3, false)
	for _, k := range []struct {
		members, bytes int
		bad            []string
		notes          int
		err            string
	}{{5, 1 << 10, nil, 0, ""}, {4, 1 << 10, nil, 0, "group g: join: the group has 5 members, and a leader divides among 4 at most (group.max.members)"}, {5, 1 << 10, []string{"\x00\x03\x7f\xff\xff\xff", "\x00\x03\x7f\xff\xff\xff"}, 1, ""},
		{5, 1 << 10, []string{string(make([]byte, 2000))}, 1, ""}} {
		b := newBench(t, func(c *Config) { c.MaxMembers, c.MaxSubscription = k.members, k.bytes })
		b.step(&Changed{Snapshot: l.snap})
		call, name := b.call(b.step(&Subscribe{Topics: l.topics}), JoinCall), "range"
		resp := &msg.JoinGroupResponse{GenerationID: 2, ProtocolName: &name, Leader: "member-0000", MemberID: "member-0000"}
		resp.Members = append(resp.Members, l.members...)
		for i, bytes := range k.bad {
			resp.Members[1+i].Metadata = []byte(bytes)
		}
		out := b.answer(call, resp)
		if k.err != "" {
			if len(out.Errors) != 1 || out.Errors[0].Error() != k.err || b.c.state != Failed {
				t.Errorf("%+v: %v", k, out.Errors)
			}
			continue
		}
		if sync := b.call(out, SyncCall).Req.(*msg.SyncGroupRequest); len(sync.Assignments) != 5-len(k.bad) || len(out.Notes) != k.notes {
			t.Errorf("%+v: %d members get something, noted %q", k, len(sync.Assignments), out.Notes)
		}
		if k.notes > 0 && !strings.Contains(out.Notes[0].Text, fmt.Sprintf("%d of 5 members get nothing", len(k.bad))) {
			t.Errorf("%+v: %q", k, out.Notes)
		}
	}
}
