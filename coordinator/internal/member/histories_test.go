package member

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
)

// codesOfAnswers are what a coordinator may say, most of the time that all is well.
var codesOfAnswers = []protocol.Code{0, 0, 0, 0, 0, 0, 0, 0, protocol.CoordinatorNotAvailable, protocol.NotCoordinator, protocol.CoordinatorLoadInProgress, protocol.UnknownMemberID, protocol.IllegalGeneration, protocol.RebalanceInProgress,
	protocol.FencedMemberEpoch, protocol.StaleMemberEpoch, protocol.MemberIDRequired, protocol.UnknownTopicID, protocol.UnknownTopicOrPartition, protocol.UnstableOffsetCommit, protocol.UnknownServerError, protocol.TopicAuthorizationFailed,
	protocol.GroupAuthorizationFailed, protocol.FencedInstanceID, protocol.UnreleasedInstanceID, protocol.UnsupportedVersion}

// history is a random life of a member: an application that commits, asks, changes its mind and leaves, and a coordinator that answers anything, late, or not at all. What must hold whatever happens: what is
// waited for ends once; what begins is owned and begins once; and as soon as the coordinator is well, the member owns what it is given, reads all of it, and nothing is waited for.
type history struct {
	*bench
	r     *rand.Rand
	calls []*Call
	work  *Rebalance
	taken bool // and it cannot be recalled any more
	held  bool
	idle  bool
	ended map[any]int
	asked int
	has   map[Partition]bool // what the application believes to own
	begin map[Partition]bool // of that what has not begun
	calm  bool
	trace []string
}

func TestHistories(t *testing.T) {
	histories := uint64(4000)
	if testing.Short() {
		histories = 400
	}
	for seed := range histories {
		h := &history{r: rand.New(rand.NewPCG(seed, 1)), ended: map[any]int{}, has: map[Partition]bool{}, begin: map[Partition]bool{}}
		if bad := h.play(t); bad != "" {
			t.Fatalf("seed %d: %s\n%s", seed, bad, strings.Join(h.trace[max(0, len(h.trace)-30):], "\n"))
		}
	}
}

func (h *history) play(t *testing.T) (bad string) {
	defer func() {
		if p := recover(); p != nil {
			bad = fmt.Sprint(p)
		}
	}()
	h.bench = newBench(t, func(c *Config) {
		c.Protocol, c.Rand = Protocol(h.r.IntN(3)), h.r
		if h.r.IntN(3) == 0 {
			c.Instance = "static"
		}
		if h.r.IntN(2) == 0 {
			c.Assignors = []assign.Assignor{assign.CooperativeSticky{}}
		}
	})
	h.tell("subscribe", &Subscribe{Topics: []string{"work"}})
	for range 60 {
		h.random()
	}
	if h.c.state == Unjoined {
		h.tell("subscribe", &Subscribe{Topics: []string{"work"}})
	}
	h.calm = true
	h.tell("the metadata is right", &Changed{Snapshot: cluster.New(cluster.Snapshot{Version: 1000}, &cluster.Topic{Name: "work", ID: work, Partitions: make([]cluster.Partition, 4)})})
	for range 300 {
		if h.well() {
			return ""
		}
		h.settle()
	}
	return fmt.Sprintf("%s, owns %v, to begin %v, %d of %d ended, rebalance %+v", h.c.state, h.c.owned, h.begin, len(h.ended), h.asked, h.work)
}

// well tells whether everything is as it is to be.
func (h *history) well() bool {
	if len(h.ended) != h.asked || h.work != nil {
		return false
	}
	return h.c.state == Failed && len(h.c.owned) == 0 || h.c.state == Stable && slices.Equal(h.c.owned, parts(0, 1)) && len(h.begin) == 0
}

// tell steps the core, and takes what comes of it as the actor and the application do.
func (h *history) tell(what string, m Message) {
	h.trace = append(h.trace, fmt.Sprintf("%s: %s", h.c.state, what))
	h.step(m)
	h.take()
}

func (h *history) wait(d time.Duration) {
	h.trace = append(h.trace, fmt.Sprintf("%s: %s later", h.c.state, d))
	h.later(d)
	h.take()
	for range 8 { // what is due is done, and is not due again: an actor would do nothing else
		next := h.c.Next()
		if next.IsZero() || next.After(h.now) {
			return
		}
		h.later(0)
		h.take()
	}
	panic(fmt.Sprintf("%s is due for ever", h.c.Next()))
}

func (h *history) take() {
	out := h.out
	h.calls = append(h.calls, out.Calls...)
	h.idle = h.idle || out.Idle
	for _, r := range out.Results {
		if h.ended[r.Owner]++; h.ended[r.Owner] > 1 {
			panic(fmt.Sprintf("%v has ended twice", r.Owner))
		}
	}
	for _, o := range out.Begins {
		if !h.begin[o.TopicPartition] {
			panic(fmt.Sprintf("%s begins, and is not owned or has begun", o))
		}
		delete(h.begin, o.TopicPartition)
	}
	if out.Drop {
		h.work, h.taken, h.held = nil, false, false
		clear(h.has)
		clear(h.begin)
	}
	recalled := out.Recall != 0 && h.work != nil && h.work.Seq == out.Recall && !h.taken
	if recalled {
		h.work = out.Instead
	}
	if out.Rebalance != nil {
		if h.work != nil {
			panic("two rebalances at a time")
		}
		h.work, h.taken, h.held = out.Rebalance, false, false
	}
	if recalled {
		h.tell("recalled", &Recalled{Seq: out.Recall})
	}
	if out.AskPolled {
		at := h.now
		if !h.calm && h.r.IntN(8) == 0 {
			at = h.now.Add(-2 * h.c.cfg.MaxPoll)
		}
		h.tell("polled", &Polled{At: at})
	}
}

// apply lets the application do the next part of a rebalance.
func (h *history) apply() {
	r := h.work
	if h.held {
		h.work, h.taken = nil, false
		h.tell("done", &Done{Seq: r.Seq})
		return
	}
	if h.taken = true; h.r.IntN(4) == 0 { // it commits before it gives up anything
		return
	}
	h.held = true
	for _, p := range r.Revoke {
		delete(h.has, p)
		delete(h.begin, p)
	}
	for _, p := range r.Assign {
		if h.has[p] {
			panic(fmt.Sprintf("%s is given to an application that has it", p))
		}
		h.has[p], h.begin[p] = true, true
	}
	h.tell(fmt.Sprintf("held %+v", *r), &Held{Seq: r.Seq})
}

// random does anything.
func (h *history) random() {
	switch k := h.r.IntN(14); {
	case k < 6 && len(h.calls) > 0:
		h.reply(h.r.IntN(len(h.calls)), codesOfAnswers[h.r.IntN(len(codesOfAnswers))])
	case k < 9 && h.work != nil:
		h.apply()
	case k == 9:
		h.asked++
		h.tell("commit", &Commit{Offsets: []Offset{{TopicPartition: parts(int32(h.r.IntN(2)))[0], Offset: int64(h.asked)}}, Ordered: h.r.IntN(2) == 0, Deadline: h.now.Add(20 * time.Second), Owner: h.asked})
	case k == 10:
		h.asked++
		h.tell("fetch", &Fetch{Parts: parts(0, 2), Deadline: h.now.Add(20 * time.Second), Owner: h.asked})
	case k == 11:
		h.rare()
	case k == 12 && h.idle:
		h.idle = false
		h.tell("polls again", &Polled{At: h.now})
	default:
		d := time.Duration(h.r.IntN(4000)) * time.Millisecond
		if next := h.c.Next(); h.r.IntN(3) > 0 && !next.IsZero() {
			d = max(0, next.Sub(h.now))
		}
		h.wait(d)
	}
}

func (h *history) rare() {
	switch h.r.IntN(5) {
	case 0:
		h.tell("enforce", &Enforce{Reason: "for the test"})
	case 1:
		h.tell("subscribe", &Subscribe{Topics: [][]string{{"work"}, {"other", "work"}}[h.r.IntN(2)]})
	case 2:
		h.tell("leave", &Leave{Deadline: h.now.Add(10 * time.Second)})
	case 3:
		h.tell("returned", &Returned{Last: h.now.Add(-time.Duration(h.r.IntN(2)) * h.c.cfg.MaxPoll)})
	case 4:
		var topics []*cluster.Topic
		if h.r.IntN(3) > 0 {
			topics = append(topics, &cluster.Topic{Name: "work", ID: work, Err: []protocol.Code{0, 0, protocol.UnknownTopicOrPartition}[h.r.IntN(3)], Partitions: make([]cluster.Partition, 4+h.r.IntN(2))})
		}
		h.tell("changed", &Changed{Snapshot: cluster.New(cluster.Snapshot{Version: int64(h.r.IntN(100))}, topics...)})
	}
}

// settle does what a sound application and a sound coordinator do.
func (h *history) settle() {
	switch {
	case h.work != nil:
		h.apply()
	case h.idle:
		h.idle = false
		h.tell("polls again", &Polled{At: h.now})
	case len(h.calls) > 0:
		h.reply(0, protocol.None)
	case h.c.state == Unjoined && h.c.leaving == nil:
		h.tell("subscribe", &Subscribe{Topics: []string{"work"}})
	default:
		next := h.c.Next()
		if next.IsZero() {
			panic("it waits for nothing")
		}
		h.wait(max(0, next.Sub(h.now)))
	}
}

// reply answers a call.
func (h *history) reply(i int, code protocol.Code) {
	c := h.calls[i]
	h.calls = slices.Delete(h.calls, i, i+1)
	a := &Answer{Call: c, Version: 9}
	switch n := h.r.IntN(12); {
	case h.calm:
	case n == 0:
		a.Err = errors.New("lost")
	case n == 1:
		a.Err, a.Moved = errors.New("moved"), true
	}
	if a.Err != nil {
		h.tell(fmt.Sprintf("call %d: %v", c.Kind, a.Err), a)
		return
	}
	ec := int16(code)
	own := parts(0, 1)
	if !h.calm {
		own = parts(0, 1, 2, 3)[:h.r.IntN(5)]
	}
	switch c.Kind {
	case JoinCall:
		name := h.c.cfg.Assignors[0].Name()
		resp := &msg.JoinGroupResponse{ErrorCode: ec, GenerationID: max(h.c.generation, h.c.lastGen, 0) + 1, ProtocolName: &name, MemberID: "me", Leader: "other"}
		if !h.calm && h.r.IntN(2) == 0 {
			resp.Leader = "me"
			metadata, _ := assign.AppendSubscription(nil, &assign.Member{Topics: []string{"work"}})
			resp.Members = append(resp.Members, msg.JoinGroupResponseJoinGroupResponseMember{MemberID: "me", Metadata: metadata})
		}
		a.Resp = resp
	case SyncCall:
		assignment, _ := assign.AppendAssignment(nil, own)
		a.Resp = &msg.SyncGroupResponse{ErrorCode: ec, Assignment: assignment}
	case HeartbeatCall:
		if h.calm && (h.c.state == Stable && !slices.Equal(h.c.owned, own)) { // it is to have something else
			ec = int16(protocol.RebalanceInProgress)
		}
		a.Resp = &msg.HeartbeatResponse{ErrorCode: ec}
	case LeaveCall:
		a.Resp = &msg.LeaveGroupResponse{ErrorCode: ec}
	case ConsumerCall:
		var numbers []int32
		for _, p := range own {
			numbers = append(numbers, p.Partition)
		}
		resp := target(h.c.generation+1, numbers...)
		resp.ErrorCode = ec
		if !h.calm && h.r.IntN(2) == 0 {
			resp.Assignment = nil
		}
		a.Resp = resp
	case CommitCall:
		resp := &msg.OffsetCommitResponse{}
		for _, k := range c.sent {
			resp.Topics = append(resp.Topics, committedAnswer(code, k.Partition).Topics...)
		}
		a.Resp = resp
	case FetchCall:
		var codes []protocol.Code
		for range 4 {
			codes = append(codes, code)
			if !h.calm {
				code = codesOfAnswers[h.r.IntN(len(codesOfAnswers))]
			}
		}
		resp := offsetsAnswer(0, codes...)
		if h.r.IntN(4) == 0 {
			resp = offsetsAnswer(code, codes...)
		}
		a.Resp = resp
	}
	h.tell(fmt.Sprintf("call %d: %s", c.Kind, code.Name()), a)
}
