package fake_test

import (
	"fmt"
	"maps"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

func TestConfigs(t *testing.T) {
	for _, b := range []struct {
		says string
		cfg  fake.Config
	}{
		{"-1 nodes", fake.Config{Nodes: -1}},
		{`"9.9" is no release; there are 0.10`, fake.Config{Release: "9.9"}},
		{"4.2, 4.3", fake.Config{Release: "5.0"}},
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
		{"-1 partitions", fake.Config{Topics: []fake.Topic{{Name: "a", Partitions: -1}}}},
		{`topic "a": MinISR is -1`, fake.Config{Topics: []fake.Topic{{Name: "a", MinISR: -1}}}},
		{`topics "a.b" and "a_b" collide`, fake.Config{Topics: []fake.Topic{{Name: "a.b"}, {Name: "a_b"}}}},
		{`topic "a": retention.ms=x is not possible`, fake.Config{Topics: []fake.Topic{{Name: "a", Config: map[string]string{"retention.ms": "x"}}}}},
		{"DefaultPartitions is -1", fake.Config{DefaultPartitions: -1}},
		{"DefaultPartitions is 100001", fake.Config{DefaultPartitions: 100_001}},
		{"MaxMessage is -1", fake.Config{MaxMessage: -1}},
		{"MinISR is -1", fake.Config{MinISR: -1}},
		{"GroupMaxSize is -1", fake.Config{GroupMaxSize: -1}},
		{"ProducerExpiry is -1ns", fake.Config{ProducerExpiry: -1}},
		{"SessionTimeout is -1ns", fake.Config{SessionTimeout: -1}},
		{"OffsetsCheck is -1s", fake.Config{OffsetsCheck: -time.Second}},
		{"foo=bar, which the fake does not act on", set("foo", "bar")},
		{"num.partitions", set("foo", "bar")},
		{"num.io.threads=5, which the fake does not act on", set("num.io.threads", "5")},
		{"max.connections=-1: it is a whole number of 32 bits, 0 or more", set("max.connections", "-1")},
		{"compression.gzip.level=5, which the fake does not act on, or the release does not know", fake.Config{Release: "2.8", Broker: map[string]string{"compression.gzip.level": "5"}}},
		{"broker.id=5: give it in the field Nodes", set("broker.id", "5")},
		{"group.max.size=5: give it in the field GroupMaxSize", set("group.max.size", "5")},
		{"num.partitions=x: it is a whole number of 32 bits, 1 or more", set("num.partitions", "x")},
		{"num.partitions=0", set("num.partitions", "0")},
		{"compression.type=lzo: it is one of uncompressed,", set("compression.type", "lzo")},
		{"auto.create.topics.enable=yes: it is true or false", set("auto.create.topics.enable", "yes")},
		{"log.retention.hours=0: it is a whole number of 32 bits, but not 0", set("log.retention.hours", "0")},
		{"default.replication.factor=2, and Nodes is 1", set("default.replication.factor", "2")},
		{"unclean.leader.election.enable=true: the fake elects nobody", set("unclean.leader.election.enable", "true")},
		{"auto.create.topics.enable=false, and AutoCreate is true", fake.Config{AutoCreate: true, Broker: map[string]string{"auto.create.topics.enable": "false"}}},
		{"num.partitions=2, and DefaultPartitions is 3", fake.Config{DefaultPartitions: 3, Broker: map[string]string{"num.partitions": "2"}}},
		{"message.max.bytes=2, and MaxMessage is 3", fake.Config{MaxMessage: 3, Broker: map[string]string{"message.max.bytes": "2"}}},
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

func set(name, value string) fake.Config {
	return fake.Config{Broker: map[string]string{name: value}}
}

// What is wrong is told by all that make a cluster, and all of it.
func TestAllThatIsWrongWithAConfigIsTold(t *testing.T) {
	cfg := fake.Config{DefaultPartitions: -1, Broker: map[string]string{"foo": "bar", "num.partitions": "x"}}
	_, listening := fake.Listen(cfg)
	_, piped := fake.Pipes(cfg)
	_, made := fake.NewCluster(cfg)
	for _, err := range []error{listening, piped, made} {
		for _, says := range []string{"DefaultPartitions is -1", "foo=bar", "num.partitions=x"} {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%v, expected %q", err, says)
			}
		}
	}
}

// What DescribeConfigs tells of brokers is what is done, whether it is said with Kafka's names, or in fields of the Config, or not at all.
func TestBrokersDoWhatTheyTell(t *testing.T) {
	for _, c := range []struct {
		cfg                         fake.Config
		partitions, replicas, large string
		creates                     string
	}{
		{fake.Config{Nodes: 2}, "1", "2", "1048588", "false"},
		{fake.Config{Nodes: 4}, "1", "3", "1048588", "false"},
		{fake.Config{Nodes: 2, DefaultPartitions: 5, AutoCreate: true, MaxMessage: 300}, "5", "2", "300", "true"},
		{fake.Config{Nodes: 2, Broker: map[string]string{"num.partitions": " 5", "auto.create.topics.enable": "TRUE", "default.replication.factor": "1", "message.max.bytes": "300"}}, "5", "1", "300", "true"},
	} {
		b := newBench(t, c.cfg)
		k := b.connect(1)
		want := map[string]string{"num.partitions": c.partitions, "default.replication.factor": c.replicas, "message.max.bytes": c.large, "auto.create.topics.enable": c.creates}
		if got := b.told(k); !maps.Equal(got, want) {
			t.Errorf("%+v: told %v, expected %v", c.cfg, got, want)
		}
		shape := c.partitions + " x " + c.replicas
		if r := ask(b, k, &msg.CreateTopicsRequest{TimeoutMs: 1000, Topics: []msg.CreateTopicsRequestCreatableTopic{{Name: "made", NumPartitions: -1, ReplicationFactor: -1}}}, &msg.CreateTopicsResponse{}, 7).Topics[0]; fmt.Sprint(r.NumPartitions, " x ", r.ReplicationFactor) != shape {
			t.Errorf("%+v: made %+v", c.cfg, r)
		}
		if err := b.c.CreateTopic(fake.Topic{Name: "tested"}); err != nil {
			t.Error(err)
		}
		found := func(name string) string {
			topics := ask(b, k, &msg.MetadataRequest{AllowAutoTopicCreation: true, Topics: []msg.MetadataRequestMetadataRequestTopic{{Name: wire.Ptr(name)}}}, &msg.MetadataResponse{}, 9).Topics
			if len(topics[0].Partitions) == 0 {
				return "none"
			}
			return fmt.Sprint(len(topics[0].Partitions), " x ", len(topics[0].Partitions[0].ReplicaNodes))
		}
		if got := found("tested"); got != shape {
			t.Errorf("%+v: a test made %s", c.cfg, got)
		}
		asked, expected := found("asked"), "none"
		if c.creates == "true" {
			asked, expected = found("asked"), shape
		}
		if asked != expected {
			t.Errorf("%+v: who asks for a topic gets %s", c.cfg, asked)
		}
		if found("as.ked"); found("as_ked") != "none" && found("as.ked") != "none" {
			t.Errorf("%+v: two names that collide", c.cfg)
		}
		code := protocol.None
		if c.large == "300" {
			code = protocol.MessageTooLarge
		}
		leader, _ := b.c.Leader("made", 0)
		b.code(c.large, b.produce(b.connect(leader), "made", 0, batch(-1, -1, -1, strings.Repeat("x", 300))).ErrorCode, code)
	}
}

// told are the configurations of the first broker that say how topics are made, and what they take.
func (b *bench) told(k fake.ConnID) map[string]string {
	out := map[string]string{}
	for _, r := range ask(b, k, &msg.DescribeConfigsRequest{Resources: []msg.DescribeConfigsRequestDescribeConfigsResource{{ResourceType: brokerResource, ResourceName: "1",
		ConfigurationKeys: []string{"num.partitions", "default.replication.factor", "message.max.bytes", "auto.create.topics.enable"}}}}, &msg.DescribeConfigsResponse{}, 4).Results[0].Configs {
		out[r.Name] = *r.Value
	}
	return out
}

// The offsets of groups are in as many partitions as brokers tell.
func TestOffsetsAreInAsManyPartitionsAsAreTold(t *testing.T) {
	b := newBench(t, fake.Config{InternalTopics: true, Broker: map[string]string{"offsets.topic.num.partitions": "3", "transaction.state.log.num.partitions": "2"}})
	counts := map[string]int{}
	for _, p := range b.c.Partitions() {
		counts[p.Topic]++
	}
	if counts["__consumer_offsets"] != 3 || counts["__transaction_state"] != 2 {
		t.Errorf("%v", counts)
	}
}

// A broker changes its own configurations, and no other's (seen on Kafka 4.3.0: a request for another one is refused).
func TestBrokersChangeTheirOwnConfigurations(t *testing.T) {
	b := newBench(t, fake.Config{Nodes: 2})
	for node, code := range map[int32]protocol.Code{1: protocol.InvalidRequest, 2: protocol.None} {
		r := ask(b, b.connect(node), &msg.IncrementalAlterConfigsRequest{Resources: []msg.IncrementalAlterConfigsRequestAlterConfigsResource{{ResourceType: brokerResource, ResourceName: "2",
			Configs: []msg.IncrementalAlterConfigsRequestAlterableConfig{{Name: "log.retention.ms", Value: wire.Ptr("5000")}}}}}, &msg.IncrementalAlterConfigsResponse{}, 1)
		b.code(fmt.Sprint("broker ", node), r.Responses[0].ErrorCode, code)
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
