package fake_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/wire"
)

// What these tests expect was seen on Kafka 4.3.0, where the fake was held against it with random requests (see package differ).

func one(t *testing.T) (*bench, fake.ConnID) {
	b := newBench(t, fake.Config{Topics: []fake.Topic{{Name: "a"}, {Name: "b"}}})
	return b, b.connect(1)
}

func TestAnErrorTellsNothingOfTheLog(t *testing.T) {
	b, k := one(t)
	b.produce(k, "a", 0, batch(-1, -1, -1, "x"))
	d := b.fetch(k, "a", 0, 5)
	b.code("beyond the end", d.ErrorCode, protocol.OffsetOutOfRange)
	if d.HighWatermark != -1 || d.LastStableOffset != -1 || d.LogStartOffset != -1 || d.AbortedTransactions != nil {
		t.Errorf("%+v", d)
	}
}

func TestAFetchEndsWithAPartOfABatch(t *testing.T) {
	b, k := one(t)
	first, second := batch(-1, -1, -1, "x"), batch(-1, -1, -1, "yy")
	b.produce(k, "a", 0, first)
	b.produce(k, "a", 0, second)
	for _, c := range []struct{ limit, want int }{{0, len(first)}, {1, len(first)}, {len(first), len(first)}, {len(first) + 10, len(first) + 10}, {1 << 20, len(first) + len(second)}} {
		m := fetchRequest("a", 0, 0, 0, 0)
		m.Topics[0].Partitions[0].PartitionMaxBytes = int32(c.limit)
		if got := ask(b, k, m, &msg.FetchResponse{}, 12).Responses[0].Partitions[0].Records; len(got) != c.want {
			t.Errorf("%d bytes for a limit of %d, not %d", len(got), c.limit, c.want)
		}
		m.MaxBytes, m.Topics[0].Partitions[0].PartitionMaxBytes = int32(c.limit), 1<<20
		if got := ask(b, k, m, &msg.FetchResponse{}, 12).Responses[0].Partitions[0].Records; len(got) != c.want {
			t.Errorf("%d bytes for a limit of %d of the whole answer, not %d", len(got), c.limit, c.want)
		}
	}
}

func TestSessionsTellAgainWhatWasRefused(t *testing.T) {
	b, k := one(t)
	m := fetchRequest("a", 0, 0, 0, 0)
	m.SessionEpoch = 0
	s := ask(b, k, m, &msg.FetchResponse{}, 12)
	next := func(epoch int32) *msg.FetchResponse {
		m.SessionID, m.SessionEpoch = s.SessionID, epoch
		return ask(b, k, m, &msg.FetchResponse{}, 12)
	}
	if r := next(1); len(r.Responses) != 0 {
		t.Errorf("nothing is new, and %+v is told", r.Responses)
	}
	m.Topics[0].Partitions[0].CurrentLeaderEpoch = 7
	if r := next(2); len(r.Responses) != 1 {
		t.Error("an error is not told")
	}
	m.Topics[0].Partitions[0].CurrentLeaderEpoch = -1
	if r := next(3); len(r.Responses) != 1 || r.Responses[0].Partitions[0].ErrorCode != 0 {
		t.Errorf("after an error: %+v", r.Responses)
	}
	b.code("by ids in a session of names", ask(b, k, &msg.FetchRequest{SessionID: s.SessionID, SessionEpoch: 4, ReplicaState: msg.FetchRequestReplicaState{ReplicaID: -1, ReplicaEpoch: -1}, ReplicaID: -1}, &msg.FetchResponse{}, 13).ErrorCode, protocol.FetchSessionTopicIDError)
	m.Topics, m.ForgottenTopicsData = nil, []msg.FetchRequestForgottenTopic{{Topic: "a", Partitions: []int32{0}}}
	if r := next(4); r.SessionID != 0 || r.ErrorCode != 0 {
		t.Errorf("with nothing left in it the session goes on: %+v", r)
	}
	b.code("the session that has ended", next(5).ErrorCode, protocol.FetchSessionIDNotFound)
}

func TestPlacesThatAVersionDoesNotKnow(t *testing.T) {
	b, k := one(t)
	for _, c := range []struct {
		timestamp int64
		version   int16
		want      protocol.Code
	}{{-1, 1, protocol.None}, {-3, 6, protocol.UnsupportedVersion}, {-3, 7, protocol.None}, {-4, 7, protocol.UnsupportedVersion}, {-4, 8, protocol.None}, {-5, 8, protocol.UnsupportedVersion}, {-7, 10, protocol.UnsupportedVersion}} {
		r := ask(b, k, &msg.ListOffsetsRequest{ReplicaID: -1, Topics: []msg.ListOffsetsRequestListOffsetsTopic{{Name: "a", Partitions: []msg.ListOffsetsRequestListOffsetsPartition{{CurrentLeaderEpoch: -1, MaxNumOffsets: 1, Timestamp: c.timestamp}}}}},
			&msg.ListOffsetsResponse{}, c.version)
		b.code("a place", r.Topics[0].Partitions[0].ErrorCode, c.want)
	}
}

func TestBatchesThatNoProducerSends(t *testing.T) {
	b, k := one(t)
	good := batch(-1, -1, -1, "x")
	moved := bytes.Clone(good)
	moved[7] = 5
	for name, raw := range map[string][]byte{"two": append(bytes.Clone(good), good...), "none": {}, "half of one": good[:len(good)-3], "one with an offset of its own": moved} {
		r := b.produce(k, "a", 0, raw)
		b.code(name, r.ErrorCode, protocol.InvalidRecord)
	}
}

func TestMetadataTellsEachTopicOnce(t *testing.T) {
	b, k := one(t)
	a := msg.MetadataRequestMetadataRequestTopic{Name: wire.Ptr("a")}
	r := ask(b, k, &msg.MetadataRequest{Topics: []msg.MetadataRequestMetadataRequestTopic{a, a}, IncludeTopicAuthorizedOperations: true}, &msg.MetadataResponse{}, 12)
	if len(r.Topics) != 1 || r.Topics[0].TopicAuthorizedOperations != 3576 {
		t.Errorf("%+v", r.Topics)
	}
}

func TestSmallThingsThatKafkaChecks(t *testing.T) {
	b, k := one(t)
	b.code("the end of no epoch", ask(b, k, &msg.OffsetForLeaderEpochRequest{ReplicaID: -1, Topics: []msg.OffsetForLeaderEpochRequestOffsetForLeaderTopic{{Topic: "a",
		Partitions: []msg.OffsetForLeaderEpochRequestOffsetForLeaderPartition{{CurrentLeaderEpoch: -1, LeaderEpoch: -1}}}}}, &msg.OffsetForLeaderEpochResponse{}, 4).Topics[0].Partitions[0].ErrorCode, protocol.None)
	b.code("coordinators of nothing", ask(b, k, &msg.FindCoordinatorRequest{KeyType: 3, CoordinatorKeys: []string{"x"}}, &msg.FindCoordinatorResponse{}, 4).Coordinators[0].ErrorCode, protocol.InvalidRequest)
	for kind, want := range map[int8]protocol.Code{1: protocol.None, 2: protocol.MismatchedEndpointType, 3: protocol.UnsupportedEndpointType} {
		b.code("endpoints", ask(b, k, &msg.DescribeClusterRequest{EndpointType: kind}, &msg.DescribeClusterResponse{}, 1).ErrorCode, want)
	}
	if s := ask(b, k, &msg.DescribeTransactionsRequest{TransactionalIDs: []string{"x"}}, &msg.DescribeTransactionsResponse{}, 0).TransactionStates[0]; s.TransactionalID != "x" {
		t.Errorf("%+v", s)
	}
}

// A transaction whose first records were deleted keeps the batch unstable that the log begins in.
func TestStableOffsetOfADeletedBeginning(t *testing.T) {
	b, k := one(t)
	if _, err := b.c.Transact("a", 0, 7, []byte("x"), []byte("y")); err != nil {
		t.Fatal(err)
	}
	ask(b, k, &msg.DeleteRecordsRequest{Topics: []msg.DeleteRecordsRequestDeleteRecordsTopic{{Name: "a", Partitions: []msg.DeleteRecordsRequestDeleteRecordsPartition{{Offset: 1}}}}}, &msg.DeleteRecordsResponse{}, 2)
	if d := b.fetch(k, "a", 0, 1); d.LastStableOffset != 0 || d.LogStartOffset != 1 {
		t.Errorf("%+v", d)
	}
}

// A transaction begins with what a leader is asked, whatever else is wrong with that; and a committed newest record is told of only when it is stable.
func TestARefusedBatchBeginsATransaction(t *testing.T) {
	b, k := one(t)
	p := ask(b, k, &msg.InitProducerIdRequest{TransactionalID: wire.Ptr("t"), TransactionTimeoutMs: 60000, ProducerID: -1, ProducerEpoch: -1}, &msg.InitProducerIdResponse{}, 4)
	raw := make([]byte, record.Overhead)
	raw = record.AppendRecord(raw, 0, 0, nil, []byte("x"), nil)
	record.Seal(raw, &record.Info{Magic: 2, LeaderEpoch: -1, Count: 1, BaseTimestamp: 1000, MaxTimestamp: 1000, ProducerID: p.ProducerID, ProducerEpoch: p.ProducerEpoch, Transactional: true})
	state := func() string {
		return ask(b, k, &msg.DescribeTransactionsRequest{TransactionalIDs: []string{"t"}}, &msg.DescribeTransactionsResponse{}, 0).TransactionStates[0].TransactionState
	}
	produce := func(acks int16) protocol.Code {
		m := produceRequest(acks, "a", 0, raw)
		m.TransactionalID = wire.Ptr("t")
		return protocol.Code(ask(b, k, m, &msg.ProduceResponse{}, 12).Responses[0].PartitionResponses[0].ErrorCode)
	}
	if got := produce(2); got != protocol.InvalidRequiredAcks || state() != "Ongoing" {
		t.Errorf("%s, and the transaction is %s", got, state())
	}
	if got := produce(-1); got != protocol.None {
		t.Error(got)
	}
	for isolation, want := range []int64{0, -1} {
		r := ask(b, k, &msg.ListOffsetsRequest{ReplicaID: -1, IsolationLevel: int8(isolation), Topics: []msg.ListOffsetsRequestListOffsetsTopic{{Name: "a",
			Partitions: []msg.ListOffsetsRequestListOffsetsPartition{{CurrentLeaderEpoch: -1, MaxNumOffsets: 1, Timestamp: -3}}}}}, &msg.ListOffsetsResponse{}, 7)
		if got := r.Topics[0].Partitions[0].Offset; got != want {
			t.Errorf("isolation %d: the newest is at %d, not %d", isolation, got, want)
		}
	}
}

// What is wrong with a request is told in Kafka's order.
func TestTheFirstThingThatIsWrongIsTold(t *testing.T) {
	b, k := one(t)
	alter := func(kind int8, name, config string, op int8) int16 {
		return ask(b, k, &msg.IncrementalAlterConfigsRequest{ValidateOnly: true, Resources: []msg.IncrementalAlterConfigsRequestAlterConfigsResource{{ResourceType: kind, ResourceName: name,
			Configs: []msg.IncrementalAlterConfigsRequestAlterableConfig{{Name: config, ConfigOperation: op, Value: wire.Ptr("1000")}}}}}, &msg.IncrementalAlterConfigsResponse{}, 1).Responses[0].ErrorCode
	}
	b.code("a configuration that there is not, of a topic that there is not", alter(2, "none", "nonsense", 0), protocol.InvalidConfig)
	twice := []msg.AlterConfigsRequestAlterableConfig{{Name: "retention.ms", Value: wire.Ptr("1000")}, {Name: "retention.ms", Value: wire.Ptr("1000")}}
	b.code("a configuration twice", ask(b, k, &msg.AlterConfigsRequest{Resources: []msg.AlterConfigsRequestAlterConfigsResource{{ResourceType: 2, ResourceName: "none", Configs: twice}}}, &msg.AlterConfigsResponse{}, 2).Responses[0].ErrorCode,
		protocol.InvalidRequest)
	b.code("a topic that there is not", alter(2, "none", "retention.ms", 0), protocol.UnknownTopicOrPartition)
	b.code("an operation that there is not, for a topic", alter(2, "a", "retention.ms", 4), protocol.UnknownServerError)
	for _, second := range []string{"b", "", "./"} { // the controller fails before it looks at names
		if got := alterTwo(b, k, second); got[0] != protocol.UnknownServerError || got[1] != protocol.UnknownServerError {
			t.Errorf("a topic with an operation that there is not, and topic %q: %v", second, got)
		}
	}
	b.code("an operation that there is not, for all brokers", alter(4, "", "log.retention.ms", 4), protocol.InvalidRequest)
	for _, r := range ask(b, k, &msg.CreateTopicsRequest{TimeoutMs: 1000, ValidateOnly: true, Topics: []msg.CreateTopicsRequestCreatableTopic{{Name: "c", NumPartitions: 10_001, ReplicationFactor: 1}, {Name: "a", NumPartitions: 1, ReplicationFactor: 1}}},
		&msg.CreateTopicsResponse{}, 7).Topics {
		b.code("a request for too many partitions: "+r.Name, r.ErrorCode, protocol.PolicyViolation)
	}
	page := func(cursor *msg.DescribeTopicPartitionsRequestCursor, name string) *msg.DescribeTopicPartitionsResponseDescribeTopicPartitionsResponseTopic {
		req := &msg.DescribeTopicPartitionsRequest{ResponsePartitionLimit: 9, Cursor: cursor, Topics: []msg.DescribeTopicPartitionsRequestTopicRequest{{Name: name}}}
		return &ask(b, k, req, &msg.DescribeTopicPartitionsResponse{}, 0).Topics[0]
	}
	b.code("a cursor before the first partition, and a name that is none", page(&msg.DescribeTopicPartitionsRequestCursor{PartitionIndex: -1}, "").ErrorCode, protocol.InvalidRequest)
	if got := page(nil, "none"); got.TopicAuthorizedOperations != 3576 {
		t.Errorf("a topic that there is not: %+v", got)
	}
	groups := ask(b, k, &msg.DeleteGroupsRequest{GroupsNames: []string{"g", "g"}}, &msg.DeleteGroupsResponse{}, 2)
	if len(groups.Results) != 1 {
		t.Errorf("a group that is named twice: %+v", groups.Results)
	}
}

func TestAGroupIsNotMadeByWhatIsRefused(t *testing.T) {
	b, k := one(t)
	beat := func(member string, regex *string) protocol.Code {
		req := &msg.ConsumerGroupHeartbeatRequest{}
		req.SetDefaults()
		req.GroupID, req.MemberID, req.InstanceID, req.RebalanceTimeoutMs, req.SubscribedTopicNames, req.SubscribedTopicRegex = "g", member, wire.Ptr("i"), 60_000, []string{"a"}, regex
		req.TopicPartitions = []msg.ConsumerGroupHeartbeatRequestTopicPartitions{}
		return protocol.Code(ask(b, k, req, &msg.ConsumerGroupHeartbeatResponse{}, 1).ErrorCode)
	}
	wrong := wire.Ptr("(")
	b.code("an expression that is none", int16(beat("m", wrong)), protocol.InvalidRegularExpression)
	b.code("the group", ask(b, k, &msg.ConsumerGroupDescribeRequest{GroupIDs: []string{"g"}}, &msg.ConsumerGroupDescribeResponse{}, 1).Groups[0].ErrorCode, protocol.GroupIDNotFound)
	b.code("the group when somebody has come", int16(beat("m", nil)), protocol.None)
	b.code("an instance that is taken, and an expression that is none", int16(beat("n", wrong)), protocol.UnreleasedInstanceID)
}

func TestAnIDThatWasGivenToADynamicMemberIsNoStaticOnes(t *testing.T) {
	b, k := one(t)
	join := func(id string, instance *string) *msg.JoinGroupResponse {
		return ask(b, k, &msg.JoinGroupRequest{GroupID: "g", MemberID: id, GroupInstanceID: instance, SessionTimeoutMs: 60_000, RebalanceTimeoutMs: 60_000, ProtocolType: "consumer",
			Protocols: []msg.JoinGroupRequestJoinGroupRequestProtocol{{Name: "range", Metadata: []byte{}}}}, &msg.JoinGroupResponse{}, 9)
	}
	first := join("", nil)
	b.code("a member without an id", first.ErrorCode, protocol.MemberIDRequired)
	if r := join(first.MemberID, wire.Ptr("i")); protocol.Code(r.ErrorCode) != protocol.UnknownServerError || r.MemberID != "" {
		t.Errorf("%+v", r)
	}
}

// alterTwo alters topic a as it cannot be, and another as it could.
func alterTwo(b *bench, k fake.ConnID, second string) (codes []protocol.Code) {
	req := &msg.IncrementalAlterConfigsRequest{}
	for i, name := range []string{"a", second} {
		req.Resources = append(req.Resources, msg.IncrementalAlterConfigsRequestAlterConfigsResource{ResourceType: 2, ResourceName: name,
			Configs: []msg.IncrementalAlterConfigsRequestAlterableConfig{{Name: "retention.ms", ConfigOperation: int8(4 * (1 - i)), Value: wire.Ptr("1000")}}})
	}
	for _, r := range ask(b, k, req, &msg.IncrementalAlterConfigsResponse{}, 1).Responses {
		codes = append(codes, protocol.Code(r.ErrorCode))
	}
	return codes
}

// The minimum of replicas in sync is the cluster's, and always set (ConfigurationControlManager).
func TestConfigurationsOfBrokersThatCannotBe(t *testing.T) {
	b, k := one(t)
	type config = msg.IncrementalAlterConfigsRequestAlterableConfig
	list := config{Name: "num.partitions", ConfigOperation: 2, Value: wire.Ptr("3")} // it is none, and not to be changed either
	set, remove := config{Name: "min.insync.replicas", Value: wire.Ptr("1")}, config{Name: "min.insync.replicas", ConfigOperation: 1}
	for _, x := range []struct {
		what, broker string
		change       config
		want         protocol.Code
	}{
		{"set", "", set, protocol.None}, {"removed", "", remove, protocol.InvalidConfig}, {"set of a broker", "1", set, protocol.InvalidConfig}, {"removed of a broker", "1", remove, protocol.InvalidConfig},
		{"no list", "1", list, protocol.InvalidConfig},
	} {
		req := &msg.IncrementalAlterConfigsRequest{Resources: []msg.IncrementalAlterConfigsRequestAlterConfigsResource{{ResourceType: 4, ResourceName: x.broker, Configs: []config{x.change}}}}
		b.code(x.what, ask(b, k, req, &msg.IncrementalAlterConfigsResponse{}, 1).Responses[0].ErrorCode, x.want)
	}
	type value = msg.AlterConfigsRequestAlterableConfig
	for _, x := range []struct {
		what, broker string
		values       []value
		want         protocol.Code
	}{
		{"nothing", "", nil, protocol.InvalidConfig}, {"nothing of a broker", "1", nil, protocol.None}, {"something else", "", []value{{Name: "message.max.bytes", Value: wire.Ptr("2000000")}}, protocol.InvalidConfig},
		{"both", "", []value{{Name: "min.insync.replicas", Value: wire.Ptr("1")}, {Name: "message.max.bytes", Value: wire.Ptr("2000000")}}, protocol.None},
	} {
		req := &msg.AlterConfigsRequest{Resources: []msg.AlterConfigsRequestAlterConfigsResource{{ResourceType: 4, ResourceName: x.broker, Configs: x.values}}}
		b.code("all but "+x.what, ask(b, k, req, &msg.AlterConfigsResponse{}, 1).Responses[0].ErrorCode, x.want)
	}
}

// What is noted of a transaction that is being verified is forgotten as its producer is: what comes later is the first (seen on Kafka 4.3.0).
func TestAVerificationIsForgotten(t *testing.T) {
	for _, c := range []struct {
		later time.Duration
		want  protocol.Code
	}{{time.Minute, protocol.None}, {2 * time.Hour, protocol.OutOfOrderSequenceNumber}} {
		b := newBench(t, fake.Config{Topics: []fake.Topic{{Name: "a"}}, Release: "4.3", ProducerExpiry: time.Hour})
		k := b.connect(1)
		p := ask(b, k, &msg.InitProducerIdRequest{TransactionalID: wire.Ptr("t"), TransactionTimeoutMs: 60000, ProducerID: -1, ProducerEpoch: -1}, &msg.InitProducerIdResponse{}, 4)
		produce := func(sequence int32, version int16) int16 {
			raw := record.AppendRecord(make([]byte, record.Overhead), 0, 0, nil, []byte("x"), nil)
			record.Seal(raw, &record.Info{Magic: 2, LeaderEpoch: -1, Count: 1, BaseTimestamp: b.at.UnixMilli(), MaxTimestamp: b.at.UnixMilli(), ProducerID: p.ProducerID, ProducerEpoch: p.ProducerEpoch, BaseSequence: sequence, Transactional: true})
			m := produceRequest(-1, "a", 0, raw)
			m.TransactionalID = wire.Ptr("t")
			return ask(b, k, m, &msg.ProduceResponse{}, version).Responses[0].PartitionResponses[0].ErrorCode
		}
		b.code("a batch of a transaction that has not begun", produce(1, 9), protocol.InvalidTxnState)
		b.later(c.later)
		b.code("a batch that begins one", produce(1, 12), c.want)
	}
}

// Acks that there are not are told before topics that nobody may write to, and before those what is not one batch.
func TestWhatIsWrongWithARequestIsToldBeforeItsTopics(t *testing.T) {
	b := newBench(t, fake.Config{InternalTopics: true})
	k := b.connect(1)
	code := func(acks int16, records []byte) int16 {
		return ask(b, k, produceRequest(acks, "__consumer_offsets", 0, records), &msg.ProduceResponse{}, 9).Responses[0].PartitionResponses[0].ErrorCode
	}
	b.code("acks", code(2, batch(-1, -1, -1, "x")), protocol.InvalidRequiredAcks)
	b.code("no batch", code(-1, []byte{}), protocol.InvalidRecord)
	b.code("the topic", code(-1, batch(-1, -1, -1, "x")), protocol.InvalidTopicException)
	raw := record.AppendRecord(make([]byte, record.Overhead), 0, 0, nil, []byte("x"), nil)
	record.Seal(raw, &record.Info{Magic: 2, LeaderEpoch: -1, Count: 1, ProducerID: 7, Transactional: true})
	b.code("whose transaction", code(-1, raw), protocol.TransactionalIDAuthorizationFailed)
	b.code("a part of a batch is of no transaction", code(-1, raw[:len(raw)-3]), protocol.InvalidRecord)
}

// A broker writes anew what comes in another codec than the topic's, and cannot do that with a producer that has no epoch; as it comes it is taken.
func TestABatchThatCannotBeWrittenAnew(t *testing.T) {
	b := newBench(t, fake.Config{Topics: []fake.Topic{{Name: "own", Config: map[string]string{"compression.type": "gzip"}}, {Name: "any"}}})
	k := b.connect(1)
	b.code("another codec", b.produce(k, "own", 0, batch(7, -1, 0, "x")).ErrorCode, protocol.UnknownServerError)
	b.code("any codec", b.produce(k, "any", 0, batch(7, -1, 0, "x")).ErrorCode, protocol.None)
}

// A batch that is written anew counts times from its first record, whatever it did before (seen on Kafka 4.3.0).
func TestABatchThatIsWrittenAnewBeginsWithItsFirstRecord(t *testing.T) {
	b := newBench(t, fake.Config{Topics: []fake.Topic{{Name: "own", Config: map[string]string{"compression.type": "gzip"}}}})
	k := b.connect(1)
	raw := make([]byte, record.Overhead)
	raw = record.AppendRecord(raw, 0, 18, nil, []byte("x"), nil)
	raw = record.AppendRecord(raw, 1, 7, nil, []byte("y"), nil)
	record.Seal(raw, &record.Info{Magic: 2, LeaderEpoch: -1, LastOffsetDelta: 1, Count: 2, BaseTimestamp: 1000, MaxTimestamp: 1018, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1})
	b.code("the batch", b.produce(k, "own", 0, raw).ErrorCode, protocol.None)
	got, _, ok, err := record.Next(b.fetch(k, "own", 0, 0).Records)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if got.BaseTimestamp != 1018 || got.MaxTimestamp != 1018 {
		t.Fatalf("it begins at %d and ends at %d, expected 1018 and 1018", got.BaseTimestamp, got.MaxTimestamp)
	}
	var times []int64
	it, _, err := got.Records(nil, compress.Limit{Bytes: 1 << 20})
	for v := (record.View{}); err == nil && it.Next(&v); {
		times = append(times, v.Timestamp)
	}
	if err != nil || !slices.Equal(times, []int64{1018, 1007}) {
		t.Fatalf("its records are of %v (%v), expected 1018 and 1007", times, err)
	}
}

// What brokers find wrong does not come to the controller, and what it finds wrong with an alteration it tells before it looks at the name of the topic.
func TestWhoFindsAnAlterationWrong(t *testing.T) {
	b, k := one(t)
	type config = msg.IncrementalAlterConfigsRequestAlterableConfig
	req := &msg.IncrementalAlterConfigsRequest{Resources: []msg.IncrementalAlterConfigsRequestAlterConfigsResource{
		{ResourceType: 2, ResourceName: "a", Configs: []config{{Name: "nonsense", ConfigOperation: 4}}},
		{ResourceType: 2, ResourceName: "none", Configs: []config{{Name: "cleanup.policy", ConfigOperation: 3, Value: wire.Ptr("compact")}}},
		{ResourceType: 2, ResourceName: ".", Configs: []config{{Name: "min.cleanable.dirty.ratio", ConfigOperation: 3, Value: wire.Ptr("1")}}},
	}}
	resp := ask(b, k, req, &msg.IncrementalAlterConfigsResponse{}, 1)
	for i, want := range []protocol.Code{protocol.InvalidRequest, protocol.UnknownTopicOrPartition, protocol.InvalidConfig} {
		b.code(resp.Responses[i].ResourceName, resp.Responses[i].ErrorCode, want)
	}
}

// A group that cannot become one of the new protocol is not found, whatever else is wrong.
func TestAGroupThatCannotBeUpgradedIsNotFound(t *testing.T) {
	b, k := one(t)
	join := &msg.JoinGroupRequest{GroupID: "g", GroupInstanceID: wire.Ptr("i"), SessionTimeoutMs: 60_000, RebalanceTimeoutMs: 60_000, ProtocolType: "consumer",
		Protocols: []msg.JoinGroupRequestJoinGroupRequestProtocol{{Name: "range", Metadata: []byte{}}}}
	b.code("a member that says nothing of topics", ask(b, k, join, &msg.JoinGroupResponse{}, 9).ErrorCode, protocol.None)
	req := &msg.ConsumerGroupHeartbeatRequest{}
	req.SetDefaults()
	req.GroupID, req.MemberID, req.RebalanceTimeoutMs, req.SubscribedTopicNames, req.SubscribedTopicRegex = "g", "m", 60_000, []string{"a"}, wire.Ptr("(")
	req.TopicPartitions = []msg.ConsumerGroupHeartbeatRequestTopicPartitions{}
	b.code("an expression that is none", ask(b, k, req, &msg.ConsumerGroupHeartbeatResponse{}, 1).ErrorCode, protocol.GroupIDNotFound)
}
