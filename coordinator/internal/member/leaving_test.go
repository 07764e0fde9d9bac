package member

import (
	"testing"
	"time"

	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/protocol/msg"
)

// A leader that cannot divide the partitions fails for good. Closed, it said nothing, and the others waited for it until its session was over, 45 s.
func TestALeaderThatHasFailedLeaves(t *testing.T) {
	b := newBench(t, func(c *Config) { c.MaxMembers = 1 })
	name := "range"
	sub, err := assign.AppendSubscription(nil, &assign.Member{Topics: []string{"work"}, Generation: -1})
	if err != nil {
		t.Fatal(err)
	}
	call := b.call(b.step(&Subscribe{Topics: []string{"work"}}), JoinCall)
	b.answer(call, &msg.JoinGroupResponse{GenerationID: 2, ProtocolName: &name, Leader: "me", MemberID: "me", Members: []msg.JoinGroupResponseJoinGroupResponseMember{{MemberID: "me", Metadata: sub}, {MemberID: "other", Metadata: sub}}})
	if b.c.state != Failed {
		t.Fatalf("the state is %s", b.c.state)
	}
	out := b.step(&Leave{Deadline: b.now.Add(time.Minute), Final: true, Owner: 1})
	if bye, ok := b.call(out, LeaveCall).Req.(*msg.LeaveGroupRequest); !ok || bye.Members[0].MemberID != "me" {
		t.Errorf("closed, it says %+v", bye)
	}
}
