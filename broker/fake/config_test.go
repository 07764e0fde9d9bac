package fake_test

import (
	"net"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

func TestConfigs(t *testing.T) {
	for _, b := range []struct {
		says string
		cfg  fake.Config
	}{
		{"-1 nodes", fake.Config{Nodes: -1}},
		{`"9.9" is no release`, fake.Config{Release: "9.9"}},
		{"release 0.9; 0.10 is the first", fake.Config{Release: "0.9"}},
		{"port 65535 for the first of 2 brokers", fake.Config{Port: 65535, Nodes: 2}},
		{"port -1", fake.Config{Port: -1}},
		{`topic "a b"`, fake.Config{Topics: []fake.Topic{{Name: "a b"}}}},
		{`topic ""`, fake.Config{Topics: []fake.Topic{{}}}},
		{`topic "."`, fake.Config{Topics: []fake.Topic{{Name: "."}}}},
		{`topic ".."`, fake.Config{Topics: []fake.Topic{{Name: ".."}}}},
		{"1 to 249", fake.Config{Topics: []fake.Topic{{Name: strings.Repeat("n", 250)}}}},
		{`topic "a" is there twice`, fake.Config{Topics: []fake.Topic{{Name: "a"}, {Name: "a"}}}},
		{"2 replicas on 1 nodes", fake.Config{Topics: []fake.Topic{{Name: "a", Replicas: 2}}}},
		{"100001 partitions", fake.Config{Topics: []fake.Topic{{Name: "a", Partitions: 100_001}}}},
	} {
		if _, err := fake.NewCluster(b.cfg); err == nil || !strings.Contains(err.Error(), b.says) {
			t.Errorf("%+v: %v, expected %q", b.cfg, err, b.says)
		}
	}
	for _, name := range []string{"...", "..a", ".a", "a.b_c-D9", strings.Repeat("n", 249), "." + strings.Repeat("n", 248), ".." + strings.Repeat(".", 247)} {
		if _, err := fake.NewCluster(fake.Config{Topics: []fake.Topic{{Name: name}}}); err != nil {
			t.Error(err)
		}
	}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	server, err := fake.Listen(fake.Config{Port: l.Addr().(*net.TCPAddr).Port})
	if err == nil {
		server.Close()
		t.Fatal("a port was taken that is in use")
	}
	if !strings.Contains(err.Error(), "broker 1: listen tcp "+l.Addr().String()) {
		t.Error(err)
	}
}

// Who needs to know the ids of members can give them.
func TestIDsOfMembersAreGiven(t *testing.T) {
	ids := map[string][]string{"classic": {"one", "two"}, "modern": {"three"}}
	b := newBench(t, fake.Config{Topics: []fake.Topic{{Name: "a"}}, MemberID: func(group string) (id string) {
		if len(ids[group]) > 0 {
			id, ids[group] = ids[group][0], ids[group][1:]
		}
		return id
	}})
	k := b.connect(1)
	join := func(group string, instance *string) string {
		return ask(b, k, &msg.JoinGroupRequest{GroupID: group, GroupInstanceID: instance, SessionTimeoutMs: 10_000, RebalanceTimeoutMs: 10_000, ProtocolType: "consumer",
			Protocols: []msg.JoinGroupRequestJoinGroupRequestProtocol{{Name: "range", Metadata: []byte("x")}}}, &msg.JoinGroupResponse{}, 5).MemberID
	}
	if first, restarted, made := join("classic", wire.Ptr("i")), join("classic", wire.Ptr("i")), join("other", nil); first != "one" || restarted != "two" || made == "" {
		t.Errorf("%q, %q and %q, expected one, two and one that is made up", first, restarted, made)
	}
	beat := &msg.ConsumerGroupHeartbeatRequest{GroupID: "modern", RebalanceTimeoutMs: 10_000, SubscribedTopicNames: []string{"a"}, TopicPartitions: []msg.ConsumerGroupHeartbeatRequestTopicPartitions{}}
	if id := ask(b, k, beat, &msg.ConsumerGroupHeartbeatResponse{}, 0).MemberID; id == nil || *id != "three" {
		t.Errorf("%v, expected three", id)
	}
}
