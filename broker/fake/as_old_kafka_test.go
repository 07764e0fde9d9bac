package fake_test

import (
	"slices"
	"testing"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/wire"
)

// What these tests expect was seen on Kafka 3.9.1 and 2.8.2, where the fake was held against them with random requests (see package differ).

func oldOne(t *testing.T, release string) (*bench, fake.ConnID) {
	b := newBench(t, fake.Config{Release: release, Topics: []fake.Topic{{Name: "a"}, {Name: "b"}}})
	return b, b.connect(1)
}

// Version 0 of OffsetCommit keeps offsets in ZooKeeper: coordinators do not hear of them. With KRaft there is none.
func TestOffsetsOfVersion0(t *testing.T) {
	for _, c := range []struct {
		release         string
		committed, none protocol.Code
		offset          int64
	}{{"2.8", protocol.None, protocol.UnknownTopicOrPartition, 7}, {"3.9", protocol.UnsupportedVersion, protocol.UnsupportedVersion, -1}} {
		b, k := oldOne(t, c.release)
		m := &msg.OffsetCommitRequest{GroupID: "g", Topics: []msg.OffsetCommitRequestOffsetCommitRequestTopic{{Name: "a", Partitions: []msg.OffsetCommitRequestOffsetCommitRequestPartition{{CommitTimestamp: -1, CommittedLeaderEpoch: -1, CommittedOffset: 7, CommittedMetadata: wire.Ptr("")}}}}}
		b.code(c.release, ask(b, k, m, &msg.OffsetCommitResponse{}, 0).Topics[0].Partitions[0].ErrorCode, c.committed)
		fetched := func(topic string, version int16) msg.OffsetFetchResponseOffsetFetchResponsePartition {
			m := &msg.OffsetFetchRequest{GroupID: "g", Topics: []msg.OffsetFetchRequestOffsetFetchRequestTopic{{Name: topic, PartitionIndexes: []int32{0}}}}
			return ask(b, k, m, &msg.OffsetFetchResponse{}, version).Topics[0].Partitions[0]
		}
		if got := fetched("a", 0); got.CommittedOffset != c.offset || protocol.Code(got.ErrorCode) != c.committed {
			t.Errorf("%s: %+v", c.release, got)
		}
		b.code(c.release+", of another topic", fetched("b", 0).ErrorCode, c.none)
		if got := fetched("a", 1); got.CommittedOffset != -1 || got.ErrorCode != 0 {
			t.Errorf("%s: the coordinator has %+v", c.release, got)
		}
		if state, _ := b.c.DescribeGroup("g"); state != "Dead" {
			t.Errorf("%s: the group is %s", c.release, state)
		}
	}
}

func packed(codec compress.Codec) []byte {
	raw := make([]byte, record.Overhead)
	body := record.AppendRecord(nil, 0, 0, nil, []byte("value"), nil)
	raw, err := codec.Compress(raw, body, compress.DefaultLevel)
	if err != nil {
		panic(err)
	}
	record.Seal(raw, &record.Info{Magic: 2, LeaderEpoch: -1, Count: 1, BaseTimestamp: 1000, MaxTimestamp: 1000, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1, Codec: codec})
	return raw
}

// What is converted for old clients is filled up to what the log gave, with what no client takes for a batch.
func TestOldFormatsAreFilledUp(t *testing.T) {
	b, k := oldOne(t, "3.9")
	first := batch(-1, -1, -1, "x")
	b.produce(k, "a", 0, first)
	b.produce(k, "a", 0, packed(compress.Zstd))
	fetched := func(offset int64, limit int32, version int16) msg.FetchResponsePartitionData {
		m := fetchRequest("a", 0, offset, 0, 0)
		m.Topics[0].Partitions[0].PartitionMaxBytes = limit
		return ask(b, k, m, &msg.FetchResponse{}, version).Responses[0].Partitions[0]
	}
	d := fetched(0, 1<<20, 2)
	one, rest, ok, err := record.Next(d.Records)
	if !ok || err != nil || one.Magic != 1 || len(d.Records) != len(first)+len(packed(compress.Zstd)) {
		t.Errorf("%d bytes, %v, %v: %+v", len(d.Records), ok, err, one.Info)
	}
	if _, _, more, err := record.Next(rest); more || err != nil || len(rest) == 0 {
		t.Errorf("%d bytes behind it: %v, %v", len(rest), more, err)
	}
	if d := fetched(1, 1<<20, 2); protocol.Code(d.ErrorCode) != protocol.UnsupportedCompressionType || d.Records != nil {
		t.Errorf("zstd first: %+v", d)
	}
	if d := fetched(0, 5, 1); len(d.Records) != 0 {
		t.Errorf("%d bytes of a part of a batch", len(d.Records))
	}
	b, k = oldOne(t, "2.8")
	b.produce(k, "a", 0, first)
	if d := fetched(0, 5, 1); len(d.Records) != 5 {
		t.Errorf("2.8: %d bytes of a part of a batch", len(d.Records))
	}
}

// Version 0 of ListOffsets knows where segments begin that were written to before a time.
func TestOffsetsOfSegments(t *testing.T) {
	for _, release := range []string{"3.9", "2.8"} {
		b, k := oldOne(t, release)
		b.produce(k, "a", 0, batch(-1, -1, -1, "x", "y"))
		for _, c := range []struct {
			timestamp int64
			most      int32
			want      []int64
		}{{-1, 1, []int64{2}}, {-1, 5, []int64{2, 0}}, {-2, 5, []int64{0}}, {5000, 5, []int64{}}, {1 << 60, 5, []int64{2, 0}}} {
			m := &msg.ListOffsetsRequest{ReplicaID: -1, Topics: []msg.ListOffsetsRequestListOffsetsTopic{{Name: "a", Partitions: []msg.ListOffsetsRequestListOffsetsPartition{{CurrentLeaderEpoch: -1, Timestamp: c.timestamp, MaxNumOffsets: c.most}}}}}
			if got := ask(b, k, m, &msg.ListOffsetsResponse{}, 0).Topics[0].Partitions[0]; got.ErrorCode != 0 || !slices.Equal(got.OldStyleOffsets, c.want) {
				t.Errorf("%s, %d: %+v, not %v", release, c.timestamp, got, c.want)
			}
		}
	}
}

// Before 3.0 any negative time but those of the ends is one before all records.
func TestTimesBeforeAll(t *testing.T) {
	b, k := oldOne(t, "2.8")
	b.produce(k, "a", 0, batch(-1, -1, -1, "x"))
	for _, timestamp := range []int64{-3, -4, -6} {
		for topic, want := range map[string]int64{"a": 0, "b": -1} {
			m := &msg.ListOffsetsRequest{ReplicaID: -1, Topics: []msg.ListOffsetsRequestListOffsetsTopic{{Name: topic, Partitions: []msg.ListOffsetsRequestListOffsetsPartition{{CurrentLeaderEpoch: -1, MaxNumOffsets: 1, Timestamp: timestamp}}}}}
			if got := ask(b, k, m, &msg.ListOffsetsResponse{}, 5).Topics[0].Partitions[0]; got.ErrorCode != 0 || got.Offset != want {
				t.Errorf("%d of %s: %+v", timestamp, topic, got)
			}
		}
	}
}

// The old coordinator makes a group of what is refused for its size, and forgets groups that have nothing when a topic is deleted.
func TestGroupsThatHaveNothing(t *testing.T) {
	for release, want := range map[string]string{"2.8": "Empty"} {
		b, k := oldOne(t, release)
		m := &msg.OffsetCommitRequest{GroupID: "g", GenerationIDOrMemberEpoch: -1, Topics: []msg.OffsetCommitRequestOffsetCommitRequestTopic{{Name: "a", Partitions: []msg.OffsetCommitRequestOffsetCommitRequestPartition{{CommitTimestamp: -1, CommittedLeaderEpoch: -1, CommittedMetadata: wire.Ptr(string(make([]byte, 5000)))}}}}}
		b.code(release, ask(b, k, m, &msg.OffsetCommitResponse{}, 8).Topics[0].Partitions[0].ErrorCode, protocol.OffsetMetadataTooLarge)
		if state, _ := b.c.DescribeGroup("g"); state != want {
			t.Errorf("%s: the group is %s", release, state)
		}
		if err := b.c.DeleteTopic("b"); err != nil {
			t.Fatal(err)
		}
		if state, _ := b.c.DescribeGroup("g"); state != "Dead" {
			t.Errorf("%s: a topic was deleted, and the group is %s", release, state)
		}
	}
}

// With ZooKeeper each mention of a topic is answered.
func TestTopicsThatAreMentionedTwice(t *testing.T) {
	b, k := oldOne(t, "2.8")
	c := msg.CreateTopicsRequestCreatableTopic{Name: "c", NumPartitions: 1, ReplicationFactor: 1}
	made := ask(b, k, &msg.CreateTopicsRequest{Topics: []msg.CreateTopicsRequestCreatableTopic{c, c}}, &msg.CreateTopicsResponse{}, 5).Topics
	if len(made) != 2 || protocol.Code(made[0].ErrorCode) != protocol.InvalidRequest || made[1].ErrorCode != made[0].ErrorCode {
		t.Errorf("%+v", made)
	}
	c.NumPartitions, c.ReplicationFactor, c.Assignments = -1, -1, []msg.CreateTopicsRequestCreatableReplicaAssignment{{BrokerIDs: []int32{1}}, {BrokerIDs: []int32{1}}}
	if made := ask(b, k, &msg.CreateTopicsRequest{Topics: []msg.CreateTopicsRequestCreatableTopic{c}}, &msg.CreateTopicsResponse{}, 5).Topics; made[0].ErrorCode != 0 || made[0].NumPartitions != 1 {
		t.Errorf("partition 0 twice: %+v", made)
	}
	gone := ask(b, k, &msg.DeleteTopicsRequest{TopicNames: []string{"a", "a", "none"}}, &msg.DeleteTopicsResponse{}, 5).Responses
	if len(gone) != 3 || gone[0].ErrorCode != 0 || gone[1].ErrorCode != 0 || protocol.Code(gone[2].ErrorCode) != protocol.UnknownTopicOrPartition {
		t.Errorf("%+v", gone)
	}
}

// Before transactions were verified, what is wrong with a producer was seen when its offsets were written down.
func TestOffsetsOfProducersThatNobodyVerifies(t *testing.T) {
	b, k := oldOne(t, "2.8")
	for _, c := range []struct {
		producer   int64
		epoch      int16
		member     string
		metadata   int
		code, none protocol.Code // of a partition that there is, and of one that there is not
	}{{7, 3, "", 0, protocol.None, protocol.UnknownTopicOrPartition}, {7, 2, "", 0, protocol.InvalidProducerEpoch, protocol.UnknownTopicOrPartition}, {7, 2, "", 5000, protocol.OffsetMetadataTooLarge, protocol.UnknownTopicOrPartition},
		{7, -1, "", 0, protocol.UnknownServerError, protocol.UnknownServerError}, {7, 3, "nobody", 0, protocol.UnknownMemberID, protocol.UnknownTopicOrPartition}} {
		p := []msg.TxnOffsetCommitRequestTxnOffsetCommitRequestPartition{{CommittedLeaderEpoch: -1, CommittedMetadata: wire.Ptr(string(make([]byte, c.metadata)))}}
		m := &msg.TxnOffsetCommitRequest{TransactionalID: "x", GroupID: "g", ProducerID: c.producer, ProducerEpoch: c.epoch, GenerationID: -1, MemberID: c.member,
			Topics: []msg.TxnOffsetCommitRequestTxnOffsetCommitRequestTopic{{Name: "a", Partitions: p}, {Name: "none", Partitions: p}}}
		got := ask(b, k, m, &msg.TxnOffsetCommitResponse{}, 3).Topics
		b.code("a", got[0].Partitions[0].ErrorCode, c.code)
		b.code("none", got[1].Partitions[0].ErrorCode, c.none)
	}
}

// Before 3.0 the last stable offset may lie in a batch; and what is refused has no list of aborted transactions.
func TestStableOffsetsBefore3(t *testing.T) {
	for release, want := range map[string]int64{"2.8": 1, "3.9": 0} {
		b, k := oldOne(t, release)
		if _, err := b.c.Transact("a", 0, 7, []byte("x"), []byte("y")); err != nil {
			t.Fatal(err)
		}
		ask(b, k, &msg.DeleteRecordsRequest{Topics: []msg.DeleteRecordsRequestDeleteRecordsTopic{{Name: "a", Partitions: []msg.DeleteRecordsRequestDeleteRecordsPartition{{Offset: 1}}}}}, &msg.DeleteRecordsResponse{}, 2)
		if d := b.fetch(k, "a", 0, 1); d.LastStableOffset != want {
			t.Errorf("%s: %+v", release, d)
		}
		if d := b.fetch(k, "none", 0, 1); (d.AbortedTransactions == nil) != (release == "2.8") {
			t.Errorf("%s: %+v", release, d)
		}
	}
}

// Up to 4.0 topics of a Produce that are mentioned twice are put together.
func TestProduceMentionsATopicTwice(t *testing.T) {
	b := newBench(t, fake.Config{Release: "3.9", Topics: []fake.Topic{{Name: "a", Partitions: 2}}})
	k := b.connect(1)
	m := produceRequest(1, "a", 1, batch(-1, -1, -1, "x"))
	m.TopicData = append(m.TopicData, produceRequest(1, "a", 0, batch(-1, -1, -1, "x")).TopicData...)
	if r := ask(b, k, m, &msg.ProduceResponse{}, 9).Responses; len(r) != 1 || len(r[0].PartitionResponses) != 2 {
		t.Errorf("%+v", r)
	}
}

// In 3.9 who joins must read something, and each coordinator is asked for all groups.
func TestConsumerGroupsOf3(t *testing.T) {
	b, k := oldOne(t, "3.9")
	join := &msg.ConsumerGroupHeartbeatRequest{GroupID: "g", MemberID: "m", RebalanceTimeoutMs: 1000, SubscribedTopicNames: []string{}, TopicPartitions: []msg.ConsumerGroupHeartbeatRequestTopicPartitions{}}
	b.code("reads nothing", ask(b, k, join, &msg.ConsumerGroupHeartbeatResponse{}, 0).ErrorCode, protocol.InvalidRequest)
	join.SubscribedTopicNames = []string{"a"}
	if r := ask(b, k, join, &msg.ConsumerGroupHeartbeatResponse{}, 0); r.ErrorCode != 0 || r.MemberEpoch != 1 {
		t.Errorf("%+v", r)
	}
	codes := func(groups ...string) (out []protocol.Code) {
		for _, g := range ask(b, k, &msg.ConsumerGroupDescribeRequest{GroupIDs: groups}, &msg.ConsumerGroupDescribeResponse{}, 0).Groups {
			out = append(out, protocol.Code(g.ErrorCode))
		}
		return out
	}
	none := protocol.GroupIDNotFound
	if got := codes("g", "h"); !slices.Equal(got, []protocol.Code{protocol.None, none, none, none}) {
		t.Errorf("two groups: %v", got)
	}
	if got := codes("", "h"); !slices.Equal(got, []protocol.Code{protocol.UnknownServerError, protocol.UnknownServerError}) {
		t.Errorf("one without a name: %v", got)
	}
}

// 3.9 does not think of what could not be written down.
func TestAddPartitionsOfBrokers(t *testing.T) {
	b, k := oldOne(t, "3.9")
	p := ask(b, k, &msg.InitProducerIdRequest{TransactionalID: wire.Ptr("x"), TransactionTimeoutMs: 60000, ProducerID: -1, ProducerEpoch: -1}, &msg.InitProducerIdResponse{}, 4)
	m := &msg.AddPartitionsToTxnRequest{Transactions: []msg.AddPartitionsToTxnRequestAddPartitionsToTxnTransaction{{TransactionalID: "x", ProducerID: p.ProducerID, ProducerEpoch: p.ProducerEpoch, Topics: []msg.AddPartitionsToTxnRequestAddPartitionsToTxnTopic{{Name: "a", Partitions: []int32{0}}}}}}
	b.code("a", ask(b, k, m, &msg.AddPartitionsToTxnResponse{}, 5).ResultsByTransaction[0].TopicResults[0].ResultsByPartition[0].PartitionErrorCode, protocol.None)
}

// Who asks for a partition in a session of an earlier version is held against what the session knows of a later one.
func TestSessionsRememberLastFetchedEpochs(t *testing.T) {
	for _, release := range []string{"4.3", "2.8"} {
		b, k := oldOne(t, release)
		m := fetchRequest("a", 0, 0, 0, 0)
		m.SessionEpoch, m.Topics[0].Partitions[0].LastFetchedEpoch = 0, 5
		s := ask(b, k, m, &msg.FetchResponse{}, 12)
		b.code(release, s.Responses[0].Partitions[0].ErrorCode, protocol.OffsetOutOfRange)
		m.SessionID, m.SessionEpoch, m.Topics = s.SessionID, 1, nil
		if r := ask(b, k, m, &msg.FetchResponse{}, 11).Responses; len(r) != 1 || protocol.Code(r[0].Partitions[0].ErrorCode) != protocol.OffsetOutOfRange {
			t.Errorf("%s: %+v", release, r)
		}
	}
}

// Who asks for a topic that there is not yet is told first that it has no leader, with ZooKeeper; later, that it is unknown (seen on Kafka 2.8.2, 3.9.1 and 4.3.0).
func TestWhatIsToldOfATopicThatIsBeingCreated(t *testing.T) {
	for release, want := range map[string]protocol.Code{"2.8": protocol.LeaderNotAvailable, "3.9": protocol.UnknownTopicOrPartition, "4.3": protocol.UnknownTopicOrPartition} {
		b := newBench(t, fake.Config{Release: release, AutoCreate: true})
		k := b.connect(1)
		ask1 := func() int16 {
			return ask(b, k, &msg.MetadataRequest{AllowAutoTopicCreation: true, Topics: []msg.MetadataRequestMetadataRequestTopic{{Name: wire.Ptr("new")}}}, &msg.MetadataResponse{}, 4).Topics[0].ErrorCode
		}
		b.code(release+", first", ask1(), want)
		b.code(release+", then", ask1(), protocol.None)
	}
}
