package fake_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// electing asks for an election; partitions of u: none is for all.
func (b *bench) electing(k fake.ConnID, kind int8, partitions ...int32) string {
	req := &msg.ElectLeadersRequest{ElectionType: kind}
	if len(partitions) > 0 {
		req.TopicPartitions = []msg.ElectLeadersRequestTopicPartitions{{Topic: "u", Partitions: partitions}}
	}
	m := ask(b, k, req, &msg.ElectLeadersResponse{}, 2)
	var out []string
	for _, t := range m.ReplicaElectionResults {
		for _, p := range t.PartitionResult {
			out = append(out, fmt.Sprintf("%s/%d %s", t.Topic, p.PartitionID, code(p.ErrorCode)))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

// As three brokers of 4.3.0 did it: one is stopped, comes back and leads again when it is asked to; and one that is out of sync leads when there is no other, and that is asked for.
func TestLeadersAreElectedWhenAsked(t *testing.T) {
	b := newBench(t, fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: "u", Partitions: 4, Replicas: 2}}}) // of 0 and 3 the replicas are 1 and 2
	const preferred, unclean = 0, 1
	k := b.connect(3)
	expect := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, expected %q", what, got, want)
		}
	}
	b.c.Stop(b.at, 1)
	b.c.Take()
	expect("the preferred leader is down", b.electing(k, preferred, 0), "u/0 PREFERRED_LEADER_NOT_AVAILABLE")
	expect("of all", b.electing(k, preferred), "u/0 PREFERRED_LEADER_NOT_AVAILABLE; u/3 PREFERRED_LEADER_NOT_AVAILABLE")
	b.c.Start(b.at, 1)
	expect("it is back", b.electing(k, preferred, 0), "u/0 ok")
	expect("of all", b.electing(k, preferred), "u/3 ok")
	if leader, _ := b.c.Leader("u", 3); leader != 1 {
		t.Errorf("%d leads", leader)
	}
	b.c.Stop(b.at, 2)
	b.c.Stop(b.at, 1)
	expect("no replica is up", b.electing(k, unclean, 0), "u/0 ELIGIBLE_LEADERS_NOT_AVAILABLE")
	b.c.Start(b.at, 2)
	expect("the preferred leader is down", b.electing(k, preferred, 0), "u/0 PREFERRED_LEADER_NOT_AVAILABLE")
	expect("one is up that is not in sync", b.electing(k, unclean, 0), "u/0 ok")
	expect("of all", b.electing(k, unclean), "u/3 ok")
	expect("there is a leader", b.electing(k, unclean, 0), "u/0 ELECTION_NOT_NEEDED")
	if leader, _ := b.c.Leader("u", 0); leader != 2 {
		t.Errorf("%d leads", leader)
	}
	if r := b.produce(b.connect(2), "u", 0, batch(-1, -1, -1, "x")); protocol.Code(r.ErrorCode) != protocol.None {
		t.Errorf("it takes no records: %v", protocol.Code(r.ErrorCode))
	}
}
