package fake_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/wire"
)

// bench is a cluster on a test's bench: requests go in as frames, answers come out, and the time is the test's.
type bench struct {
	t  *testing.T
	c  *fake.Cluster
	at time.Time
	id int32
}

func newBench(t *testing.T, cfg fake.Config) *bench {
	t.Helper()
	c, err := fake.NewCluster(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t: t, c: c, at: time.Unix(1_700_000_000, 0)}
}

func (b *bench) connect(node int32) fake.ConnID {
	b.t.Helper()
	id, ok := b.c.Connect(node)
	if !ok {
		b.t.Fatalf("node %d takes no connections", node)
	}
	return id
}

// send hands a request over.
func (b *bench) send(k fake.ConnID, m protocol.Request, version int16) {
	b.t.Helper()
	b.id++
	frame, err := protocol.AppendRequest(nil, m, version, b.id, wire.Ptr("bench"))
	if err != nil {
		b.t.Fatal(err)
	}
	b.c.Handle(b.at, k, frame[protocol.SizeLen:])
}

// later lets time pass.
func (b *bench) later(d time.Duration) {
	b.at = b.at.Add(d)
	b.c.Tick(b.at)
}

// answer takes the one answer there is; nil if there is none.
func answer[R protocol.Response](b *bench, m R, version int16) (R, bool) {
	b.t.Helper()
	out := b.c.Take()
	var none R
	if len(out) == 0 {
		return none, false
	}
	if len(out) > 1 || out[0].Close {
		b.t.Fatalf("answers: %+v", out)
	}
	if err := protocol.ReadResponse(m, out[0].Frame[protocol.SizeLen:], version); err != nil {
		b.t.Fatal(err)
	}
	return m, true
}

func ask[R protocol.Response](b *bench, k fake.ConnID, req protocol.Request, m R, version int16) R {
	b.t.Helper()
	b.send(k, req, version)
	m, ok := answer(b, m, version)
	if !ok {
		b.t.Fatalf("%T v%d was not answered", req, version)
	}
	return m
}

// batch makes a batch of records with the values given.
func batch(id int64, epoch int16, sequence int32, values ...string) []byte {
	raw := make([]byte, record.Overhead)
	for i, v := range values {
		raw = record.AppendRecord(raw, int32(i), 0, nil, []byte(v), nil)
	}
	record.Seal(raw, &record.Info{Magic: 2, LeaderEpoch: -1, LastOffsetDelta: int32(len(values)) - 1, Count: int32(len(values)), BaseTimestamp: 1000, MaxTimestamp: 1000,
		ProducerID: id, ProducerEpoch: epoch, BaseSequence: sequence})
	return raw
}

func produceRequest(acks int16, topic string, partition int32, records []byte) *msg.ProduceRequest {
	return &msg.ProduceRequest{Acks: acks, TimeoutMs: 1000, TopicData: []msg.ProduceRequestTopicProduceData{{Name: topic,
		PartitionData: []msg.ProduceRequestPartitionProduceData{{Index: partition, Records: records}}}}}
}

func (b *bench) produce(k fake.ConnID, topic string, partition int32, records []byte) msg.ProduceResponsePartitionProduceResponse {
	b.t.Helper()
	return ask(b, k, produceRequest(-1, topic, partition, records), &msg.ProduceResponse{}, 9).Responses[0].PartitionResponses[0]
}

func fetchRequest(topic string, partition int32, offset int64, wait, minBytes int32) *msg.FetchRequest {
	m := protocol.NewRequest(msg.FetchAPI).(*msg.FetchRequest)
	m.ReplicaID, m.MaxWaitMs, m.MinBytes, m.SessionEpoch, m.MaxBytes = -1, wait, minBytes, -1, 1<<20
	p := msg.FetchRequestFetchPartition{}
	p.SetDefaults()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, offset, 1<<20
	m.Topics = []msg.FetchRequestFetchTopic{{Topic: topic, Partitions: []msg.FetchRequestFetchPartition{p}}}
	return m
}

func (b *bench) fetch(k fake.ConnID, topic string, partition int32, offset int64) msg.FetchResponsePartitionData {
	b.t.Helper()
	return ask(b, k, fetchRequest(topic, partition, offset, 0, 0), &msg.FetchResponse{}, 12).Responses[0].Partitions[0]
}

func (b *bench) code(what string, got int16, want protocol.Code) {
	b.t.Helper()
	if protocol.Code(got) != want {
		b.t.Fatalf("%s: %v, expected %v", what, protocol.Code(got), want)
	}
}

func threeNodes() fake.Config {
	return fake.Config{Nodes: 3, SessionTimeout: 3 * time.Second, Topics: []fake.Topic{{Name: "a", Partitions: 3}}}
}

func TestWhatIsProducedCanBeFetched(t *testing.T) {
	b := newBench(t, threeNodes())
	k := b.connect(1)
	b.code("produce", b.produce(k, "a", 0, batch(-1, -1, -1, "x", "y")).ErrorCode, protocol.None)
	if r := b.produce(k, "a", 0, batch(-1, -1, -1, "z")); r.BaseOffset != 2 {
		t.Fatalf("the second batch is at %d", r.BaseOffset)
	}
	d := b.fetch(k, "a", 0, 1)
	if d.HighWatermark != 3 || len(d.Records) == 0 {
		t.Fatalf("fetched %+v", d)
	}
	first, rest, ok, err := record.Next(d.Records)
	if err != nil || !ok || first.BaseOffset != 0 || len(rest) == 0 || first.CheckCRC() != nil {
		t.Fatalf("the batch that holds offset 1 begins at %d, %v", first.BaseOffset, err)
	}
	b.code("beyond the end", b.fetch(k, "a", 0, 9).ErrorCode, protocol.OffsetOutOfRange)
	b.code("elsewhere", b.fetch(k, "a", 1, 0).ErrorCode, protocol.None) // a follower serves consumers
	b.code("unknown", b.fetch(k, "nobody", 0, 0).ErrorCode, protocol.UnknownTopicOrPartition)
}

func TestBrokensBatchesAreRefused(t *testing.T) {
	b := newBench(t, threeNodes())
	k := b.connect(1)
	damaged := batch(-1, -1, -1, "x")
	damaged[len(damaged)-1] ^= 1
	b.code("damaged", b.produce(k, "a", 0, damaged).ErrorCode, protocol.CorruptMessage)
	b.code("not the leader", b.produce(k, "a", 1, batch(-1, -1, -1, "x")).ErrorCode, protocol.NotLeaderOrFollower)
	b.code("too large", b.produce(k, "a", 0, batch(-1, -1, -1, string(make([]byte, 2<<20)))).ErrorCode, protocol.MessageTooLarge)
	if _, end := b.c.Offsets("a", 0); end != 0 {
		t.Fatalf("%d records are in the log", end)
	}
}

// TestSequences has the rules of KIP-98 and KIP-360.
func TestSequences(t *testing.T) {
	b := newBench(t, threeNodes())
	k := b.connect(1)
	resp := ask(b, k, &msg.InitProducerIdRequest{ProducerID: -1, ProducerEpoch: -1}, &msg.InitProducerIdResponse{}, 4)
	id, epoch := resp.ProducerID, resp.ProducerEpoch
	for _, step := range []struct {
		what     string
		epoch    int16
		sequence int32
		count    int
		code     protocol.Code
		base     int64
	}{
		{"the first", epoch, 0, 2, protocol.None, 0},
		{"the next", epoch, 2, 1, protocol.None, 2},
		{"the first again", epoch, 0, 2, protocol.None, 0},
		{"with a gap", epoch, 9, 1, protocol.OutOfOrderSequenceNumber, -1},
		{"a new epoch not from 0", epoch + 1, 3, 1, protocol.OutOfOrderSequenceNumber, -1},
		{"a new epoch", epoch + 1, 0, 1, protocol.None, 3},
		{"the old epoch", epoch, 3, 1, protocol.InvalidProducerEpoch, -1},
	} {
		r := b.produce(k, "a", 0, batch(id, step.epoch, step.sequence, make([]string, step.count)...))
		b.code(step.what, r.ErrorCode, step.code)
		if r.BaseOffset != step.base {
			t.Fatalf("%s: offset %d, expected %d", step.what, r.BaseOffset, step.base)
		}
	}
}

func TestAFetchWaitsForData(t *testing.T) {
	b := newBench(t, threeNodes())
	reader, writer := b.connect(1), b.connect(1)
	b.send(reader, fetchRequest("a", 0, 0, 500, 1), 12)
	if _, early := answer(b, &msg.FetchResponse{}, 12); early {
		t.Fatal("it was answered without data")
	}
	if next := b.c.Next(); !next.Equal(b.at.Add(500 * time.Millisecond)) {
		t.Fatalf("the next deadline is %v", next)
	}
	b.send(writer, produceRequest(0, "a", 0, batch(-1, -1, -1, "x")), 9) // acks=0 has no answer
	if m, ok := answer(b, &msg.FetchResponse{}, 12); !ok || len(m.Responses[0].Partitions[0].Records) == 0 {
		t.Fatal("the data did not wake the fetch")
	}
	b.send(reader, fetchRequest("a", 0, 1, 500, 1), 12)
	b.later(500 * time.Millisecond)
	if m, ok := answer(b, &msg.FetchResponse{}, 12); !ok || len(m.Responses[0].Partitions[0].Records) != 0 {
		t.Fatal("the wait did not end")
	}
}

// TestSessions has the rules of KIP-227.
func TestSessions(t *testing.T) {
	b := newBench(t, threeNodes())
	k := b.connect(1)
	full := fetchRequest("a", 0, 0, 0, 0)
	full.SessionEpoch = 0
	id := ask(b, k, full, &msg.FetchResponse{}, 12).SessionID
	if id == 0 {
		t.Fatal("no session")
	}
	next := func(epoch int32) *msg.FetchResponse {
		m := fetchRequest("a", 0, 0, 0, 0)
		m.SessionID, m.SessionEpoch, m.Topics = id, epoch, []msg.FetchRequestFetchTopic{}
		return ask(b, k, m, &msg.FetchResponse{}, 12)
	}
	if m := next(1); len(m.Responses) != 0 || m.ErrorCode != 0 {
		t.Fatalf("nothing is new, but told was %+v", m)
	}
	b.produce(k, "a", 0, batch(-1, -1, -1, "x"))
	if m := next(2); len(m.Responses) != 1 {
		t.Fatalf("what is new was not told: %+v", m)
	}
	b.code("a wrong epoch", next(9).ErrorCode, protocol.InvalidFetchSessionEpoch)
	id = 4711
	b.code("a wrong id", next(1).ErrorCode, protocol.FetchSessionIDNotFound)
}

// A topic that is named twice is refused once; so is an id that nobody knows.
func TestTopicsThatAreToBeDeletedTwice(t *testing.T) {
	b := newBench(t, fake.Config{Topics: []fake.Topic{{Name: "a"}, {Name: "b"}}})
	k := b.connect(1)
	id := protocol.UUID{7}
	req := &msg.DeleteTopicsRequest{TimeoutMs: 1000, Topics: []msg.DeleteTopicsRequestDeleteTopicState{{TopicID: id}, {Name: wire.Ptr("a")}, {TopicID: id}, {Name: wire.Ptr("a")}, {Name: wire.Ptr("b")}}}
	var got []string
	for _, r := range ask(b, k, req, &msg.DeleteTopicsResponse{}, 6).Responses {
		name := "-"
		if r.Name != nil {
			name = *r.Name
		}
		got = append(got, fmt.Sprintf("%s %v %s", name, r.TopicID == id, protocol.Code(r.ErrorCode).Name()))
	}
	if want := []string{"a false INVALID_REQUEST", "- true INVALID_REQUEST", "b false NONE"}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}

// What every coordinator says before it looks for a group.
func TestGroupsWithoutAName(t *testing.T) {
	b := newBench(t, fake.Config{})
	k := b.connect(1)
	b.code("heartbeat", ask(b, k, &msg.HeartbeatRequest{MemberID: "m", GenerationID: 1}, &msg.HeartbeatResponse{}, 4).ErrorCode, protocol.InvalidGroupID)
	kind := wire.Ptr("consumer")
	b.code("sync", ask(b, k, &msg.SyncGroupRequest{MemberID: "m", GenerationID: 1, ProtocolType: kind, ProtocolName: kind}, &msg.SyncGroupResponse{}, 5).ErrorCode, protocol.InvalidGroupID)
	b.code("sync without a protocol", ask(b, k, &msg.SyncGroupRequest{GroupID: "g", MemberID: "m", GenerationID: 1, ProtocolType: kind}, &msg.SyncGroupResponse{}, 5).ErrorCode, protocol.InconsistentGroupProtocol)
}

// Who asks what may be done with a group is told, also of one that is not there, if that is no error.
func TestWhatMayBeDoneWithAGroup(t *testing.T) {
	b := newBench(t, fake.Config{})
	k := b.connect(1)
	describe := func(version int16, include bool) int32 {
		return ask(b, k, &msg.DescribeGroupsRequest{Groups: []string{"g"}, IncludeAuthorizedOperations: include}, &msg.DescribeGroupsResponse{}, version).Groups[0].AuthorizedOperations
	}
	if all, untold, refused := describe(5, true), describe(5, false), describe(6, true); all != 3400 || untold != -1<<31 || refused != -1<<31 {
		t.Errorf("%d, %d, %d", all, untold, refused)
	}
}

// Who commits without metadata gets empty metadata back.
func TestOffsetsWithoutMetadata(t *testing.T) {
	b := newBench(t, fake.Config{Topics: []fake.Topic{{Name: "a"}}})
	k := b.connect(1)
	commit := &msg.OffsetCommitRequest{GroupID: "g", GenerationIDOrMemberEpoch: -1, RetentionTimeMs: -1, Topics: []msg.OffsetCommitRequestOffsetCommitRequestTopic{{Name: "a",
		Partitions: []msg.OffsetCommitRequestOffsetCommitRequestPartition{{CommittedOffset: 3, CommittedLeaderEpoch: -1, CommitTimestamp: -1}}}}}
	b.code("commit", ask(b, k, commit, &msg.OffsetCommitResponse{}, 8).Topics[0].Partitions[0].ErrorCode, protocol.None)
	fetch := &msg.OffsetFetchRequest{GroupID: "g", Topics: []msg.OffsetFetchRequestOffsetFetchRequestTopic{{Name: "a", PartitionIndexes: []int32{0}}}}
	if p := ask(b, k, fetch, &msg.OffsetFetchResponse{}, 7).Topics[0].Partitions[0]; p.CommittedOffset != 3 || p.Metadata == nil || *p.Metadata != "" {
		t.Errorf("%+v", p)
	}
}

func TestLeadersMoveWhenABrokerStops(t *testing.T) {
	b := newBench(t, threeNodes())
	k := b.connect(1)
	b.produce(k, "a", 0, batch(-1, -1, -1, "x"))
	b.c.Stop(b.at, 1)
	if out := b.c.Take(); len(out) != 1 || !out[0].Close {
		t.Fatalf("the connection was not cut: %+v", out)
	}
	if _, ok := b.c.Connect(1); ok {
		t.Fatal("a stopped broker takes connections")
	}
	if leader, _ := b.c.Leader("a", 0); leader != 1 {
		t.Fatalf("the leader moved to %d before the session time-out", leader)
	}
	b.later(3 * time.Second)
	leader, epoch := b.c.Leader("a", 0)
	if leader != 2 || epoch != 1 {
		t.Fatalf("led by %d in epoch %d", leader, epoch)
	}
	m := ask(b, b.connect(2), &msg.MetadataRequest{Topics: nil, AllowAutoTopicCreation: true}, &msg.MetadataResponse{}, 9)
	if len(m.Brokers) != 2 || m.Topics[0].Partitions[0].LeaderID != 2 {
		t.Fatalf("metadata: %+v", m)
	}
	b.c.Start(b.at, 1)
	b.c.ElectLeaders()
	if leader, epoch = b.c.Leader("a", 0); leader != 1 || epoch != 2 {
		t.Fatalf("led by %d in epoch %d after the election", leader, epoch)
	}
	end := ask(b, b.connect(1), &msg.OffsetForLeaderEpochRequest{ReplicaID: -1, Topics: []msg.OffsetForLeaderEpochRequestOffsetForLeaderTopic{{Topic: "a",
		Partitions: []msg.OffsetForLeaderEpochRequestOffsetForLeaderPartition{{Partition: 0, CurrentLeaderEpoch: -1, LeaderEpoch: 0}}}}}, &msg.OffsetForLeaderEpochResponse{}, 4)
	if p := end.Topics[0].Partitions[0]; p.EndOffset != 1 || p.LeaderEpoch != 0 {
		t.Fatalf("epoch 0 ends at %+v", p)
	}
}

func TestAPausedBrokerAnswersWhenItGoesOn(t *testing.T) {
	b := newBench(t, threeNodes())
	k := b.connect(1)
	b.c.Pause(b.at, 1)
	b.send(k, produceRequest(-1, "a", 0, batch(-1, -1, -1, "x")), 9)
	b.later(10 * time.Second)
	if out := b.c.Take(); len(out) != 0 {
		t.Fatalf("a paused broker answered: %+v", out)
	}
	b.c.Resume(b.at, 1)
	m, ok := answer(b, &msg.ProduceResponse{}, 9)
	if !ok {
		t.Fatal("no answer")
	}
	b.code("it leads no more", m.Responses[0].PartitionResponses[0].ErrorCode, protocol.NotLeaderOrFollower)
}

func TestATruncatedLogDiverges(t *testing.T) {
	b := newBench(t, threeNodes())
	k := b.connect(1)
	b.produce(k, "a", 0, batch(-1, -1, -1, "x"))
	b.produce(k, "a", 0, batch(-1, -1, -1, "y"))
	if err := b.c.Truncate("a", 0, 1); err != nil {
		t.Fatal(err)
	}
	m := fetchRequest("a", 0, 2, 0, 0)
	m.Topics[0].Partitions[0].LastFetchedEpoch = 0
	d := ask(b, k, m, &msg.FetchResponse{}, 12).Responses[0].Partitions[0]
	if d.DivergingEpoch.EndOffset != 1 || d.DivergingEpoch.Epoch != 0 {
		t.Fatalf("the log agrees up to %+v", d.DivergingEpoch)
	}
}

func TestAReplicaNearbyIsPreferred(t *testing.T) {
	cfg := threeNodes()
	cfg.Racks = []string{"r1", "r2", "r3"}
	b := newBench(t, cfg)
	m := fetchRequest("a", 0, 0, 0, 0)
	m.RackID = "r3"
	if d := ask(b, b.connect(1), m, &msg.FetchResponse{}, 12).Responses[0].Partitions[0]; d.PreferredReadReplica != 3 {
		t.Fatalf("preferred is %d", d.PreferredReadReplica)
	}
	if d := ask(b, b.connect(3), m, &msg.FetchResponse{}, 12).Responses[0].Partitions[0]; d.ErrorCode != 0 || d.PreferredReadReplica >= 0 {
		t.Fatalf("the follower says %+v", d)
	}
}

// A follower that gets nothing of its leaders any more has what it had of each topic, and no more than it had when it was cut off.
func TestAFollowerThatFallsBehindHasWhatItHad(t *testing.T) {
	b := newBench(t, fake.Config{Release: "2.4", Nodes: 3, SessionTimeout: 3 * time.Second, Topics: []fake.Topic{{Name: "a", Replicas: 3}, {Name: "b", Replicas: 3}}})
	end := func(topic string, want int64) {
		t.Helper()
		d := ask(b, b.connect(3), fetchRequest(topic, 0, 0, 0, 0), &msg.FetchResponse{}, 11).Responses[0].Partitions[0]
		b.code("the follower's answer", d.ErrorCode, protocol.None)
		if d.HighWatermark != want {
			t.Errorf("%s ends at %d, expected %d", topic, d.HighWatermark, want)
		}
	}
	produce := func(topic string) {
		leader, _ := b.c.Leader(topic, 0)
		r := ask(b, b.connect(leader), produceRequest(-1, topic, 0, batch(-1, -1, -1, "x")), &msg.ProduceResponse{}, 8).Responses[0].PartitionResponses[0]
		b.code("produce", r.ErrorCode, protocol.None)
	}
	for _, topic := range []string{"a", "b"} {
		if err := b.c.MoveLeader(topic, 0, 2); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 {
		produce("b")
	}
	b.c.FallBehind(3)
	end("a", 0)
	end("b", 2)
	b.c.CatchUp(3)
	b.c.Isolate(b.at, 3)
	b.later(time.Minute)
	for _, node := range []int32{1, 2} {
		if err := b.c.MoveLeader("b", 0, node); err != nil {
			t.Fatal(err)
		}
		produce("b")
		produce("b")
	}
	b.c.FallBehind(3)
	end("b", 2)
}

func TestRequestsAreSeizedFailedAndDelayed(t *testing.T) {
	b := newBench(t, threeNodes())
	k := b.connect(1)
	b.c.FailNext(msg.ProduceAPI, protocol.NotEnoughReplicas)
	b.code("failed", b.produce(k, "a", 0, batch(-1, -1, -1, "x")).ErrorCode, protocol.NotEnoughReplicas)
	release := b.c.Seize(msg.ProduceAPI, func(r fake.Request) fake.Action {
		if r.Node != 1 || r.Version != 9 {
			t.Errorf("seized %+v", r)
		}
		return fake.Action{Delay: time.Second}
	})
	b.send(k, produceRequest(-1, "a", 0, batch(-1, -1, -1, "x")), 9)
	if _, early := answer(b, &msg.ProduceResponse{}, 9); early {
		t.Fatal("it was not delayed")
	}
	b.later(time.Second)
	if _, ok := answer(b, &msg.ProduceResponse{}, 9); !ok {
		t.Fatal("it was not answered after its delay")
	}
	release()
	b.c.Seize(fake.AnyKey, func(fake.Request) fake.Action { return fake.Action{Cut: true} })
	b.send(k, produceRequest(-1, "a", 0, batch(-1, -1, -1, "x")), 9)
	if out := b.c.Take(); len(out) != 1 || !out[0].Close {
		t.Fatalf("the connection was not cut: %+v", out)
	}
	if _, end := b.c.Offsets("a", 0); end != 2 { // the delayed one and the one whose answer was cut
		t.Fatalf("%d records are in the log", end)
	}
}

// TestEveryReleaseSpeaksItsVersions asks for the versions of each release and produces and fetches with the highest and the lowest it has.
func TestEveryReleaseSpeaksItsVersions(t *testing.T) {
	for _, release := range []string{"0.10", "0.11", "1.1", "2.1", "2.4", "2.8", "3.9", "4.0", "4.3"} {
		t.Run(release, func(t *testing.T) {
			cfg := threeNodes()
			cfg.Release = release
			b := newBench(t, cfg)
			k := b.connect(1)
			known, err := protocol.Release(release)
			if err != nil {
				t.Fatal(err)
			}
			told := protocol.RangesOf(ask(b, k, &msg.ApiVersionsRequest{}, &msg.ApiVersionsResponse{}, 0))
			for _, key := range []int16{msg.ProduceAPI, msg.FetchAPI, msg.MetadataAPI, msg.ListOffsetsAPI} {
				want, _ := known.Get(key)
				if key == msg.ProduceAPI {
					want.Min = 0 // is told by all
				}
				if got, ok := told.Get(key); !ok || got != want {
					t.Errorf("%s: told are %v, the release has %v", protocol.APIName(key), got, want)
				}
			}
			versions, _ := known.Get(msg.ProduceAPI)
			fetches, _ := told.Get(msg.FetchAPI)
			version := min(versions.Max, 12) // from 13 on topics have ids
			raw := batch(-1, -1, -1, "x")
			if version < 3 {
				raw = record.AppendMessage(nil, 1, 0, 1000, 0, nil, []byte("x"))
			}
			r := ask(b, k, produceRequest(-1, "a", 0, raw), &msg.ProduceResponse{}, version).Responses[0].PartitionResponses[0]
			b.code("produce", r.ErrorCode, protocol.None)
			for _, v := range []int16{fetches.Min, min(fetches.Max, 12)} {
				m := fetchRequest("a", 0, 0, 0, 0)
				if v < 7 {
					m.SessionEpoch = -1
				}
				d := ask(b, k, m, &msg.FetchResponse{}, v).Responses[0].Partitions[0]
				got, _, ok, err := record.Next(d.Records)
				if err != nil || !ok || got.Count == 0 && got.Magic == 2 {
					t.Errorf("fetch v%d: %d bytes, %v", v, len(d.Records), err)
				}
			}
		})
	}
}

func TestUnknownRequestsHangUp(t *testing.T) {
	b := newBench(t, threeNodes())
	k := b.connect(1)
	b.send(k, &msg.ApiVersionsRequest{ClientSoftwareName: "x", ClientSoftwareVersion: "1"}, 4)
	b.c.Take()
	b.c.Handle(b.at, k, []byte{0x7f, 0xff, 0, 0, 0, 0, 0, 1, 0xff, 0xff})
	if out := b.c.Take(); len(out) != 1 || !out[0].Close {
		t.Fatalf("answers: %+v", out)
	}
}

func TestTheSameCallsGiveTheSameBytes(t *testing.T) {
	play := func() string {
		b := newBench(t, threeNodes())
		k := b.connect(1)
		out := ""
		for _, m := range []protocol.Request{&msg.MetadataRequest{AllowAutoTopicCreation: true}, produceRequest(-1, "a", 0, batch(-1, -1, -1, "x")), fetchRequest("a", 0, 0, 0, 0)} {
			b.send(k, m, 9)
			for _, r := range b.c.Take() {
				out += fmt.Sprintf("%x\n", r.Frame)
			}
		}
		return out
	}
	if a, b := play(), play(); a != b {
		t.Errorf("first\n%s\nthen\n%s", a, b)
	}
}

// FuzzHandle hands any bytes to a broker as a request. It must not panic.
func FuzzHandle(f *testing.F) {
	seed := func(m protocol.Request, version int16) {
		frame, err := protocol.AppendRequest(nil, m, version, 1, nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame[protocol.SizeLen:])
	}
	seed(&msg.ApiVersionsRequest{}, 0)
	seed(&msg.MetadataRequest{AllowAutoTopicCreation: true}, 9)
	seed(produceRequest(-1, "a", 0, batch(1, 0, 0, "x")), 9)
	seed(fetchRequest("a", 0, 0, 10, 1), 12)
	seed(&msg.InitProducerIdRequest{ProducerID: -1, ProducerEpoch: -1}, 4)
	f.Fuzz(func(t *testing.T, frame []byte) {
		c, err := fake.NewCluster(threeNodes())
		if err != nil {
			t.Fatal(err)
		}
		k, _ := c.Connect(1)
		now := time.Unix(0, 0)
		c.Handle(now, k, frame)
		c.Take()
		c.Tick(now.Add(time.Minute))
		c.Take()
	})
}

// TestThrottledClientsAreNotListenedTo has KIP-219: since 2.0 the answer comes at once and the connection is muted, before that the answer itself is late.
func TestThrottledClientsAreNotListenedTo(t *testing.T) {
	for _, c := range []struct {
		release string
		version int16
		atOnce  bool
	}{{"1.1", 7, false}, {"2.0", 7, true}, {"2.0", 8, true}} {
		b := newBench(t, fake.Config{Nodes: 1, Release: c.release, Topics: []fake.Topic{{Name: "t"}}})
		b.c.Throttle(1, time.Second)
		k := b.connect(1)
		fetch := &msg.FetchRequest{}
		fetch.SetDefaults()
		fetch.Topics = []msg.FetchRequestFetchTopic{}
		fetch.ForgottenTopicsData = []msg.FetchRequestForgottenTopic{}
		b.send(k, fetch, c.version)
		b.send(k, &msg.ApiVersionsRequest{}, 0)
		resp, now := answer(b, &msg.FetchResponse{}, c.version)
		if now != c.atOnce {
			t.Errorf("%s: answered at once: %t", c.release, now)
		}
		b.later(time.Second)
		if !now {
			out := b.c.Take()
			if len(out) != 2 {
				t.Errorf("%s: %d answers after the time", c.release, len(out))
			}
			continue
		}
		if resp.ThrottleTimeMs != 1000 {
			t.Errorf("%s: told %d ms", c.release, resp.ThrottleTimeMs)
		}
		if _, ok := answer(b, &msg.ApiVersionsResponse{}, 0); !ok {
			t.Errorf("%s: what came meanwhile is not answered", c.release)
		}
	}
}

// A partition that a request mentions more than once gets the last records that are one batch; of others the error is told (seen on Kafka 2.8, 3.9 and 4.3).
func TestPartitionsThatAreMentionedTwice(t *testing.T) {
	b := newBench(t, fake.Config{Topics: []fake.Topic{{Name: "a", Partitions: 2}}})
	k := b.connect(1)
	one, two := batch(-1, -1, -1, "x"), batch(-1, -1, -1, "x", "y")
	type mention struct {
		partition int32
		records   []byte
	}
	for _, c := range []struct {
		topics [][]mention
		want   string
	}{
		{[][]mention{{{0, one}}, {{1, one}}}, "0 NONE 0, 1 NONE 0, "},
		{[][]mention{{{0, one}}, {{0, two}}}, "0 NONE 1, "},
		{[][]mention{{{0, one}, {0, two}}}, "0 NONE 3, "},
		{[][]mention{{{0, one}, {1, one}, {0, []byte{1}}}}, "0 INVALID_RECORD -1, 1 NONE 1, "},
		{[][]mention{{{0, one}}}, "0 NONE 6, "},
	} {
		req := &msg.ProduceRequest{Acks: -1, TimeoutMs: 1000}
		for _, topic := range c.topics {
			d := msg.ProduceRequestTopicProduceData{Name: "a"}
			for _, m := range topic {
				d.PartitionData = append(d.PartitionData, msg.ProduceRequestPartitionProduceData{Index: m.partition, Records: slices.Clone(m.records)})
			}
			req.TopicData = append(req.TopicData, d)
		}
		resp := ask(b, k, req, &msg.ProduceResponse{}, 9)
		got := ""
		for _, topic := range resp.Responses {
			for _, p := range topic.PartitionResponses {
				got += fmt.Sprintf("%d %s %d, ", p.Index, protocol.Code(p.ErrorCode).Name(), p.BaseOffset)
			}
		}
		if len(resp.Responses) != 1 || got != c.want {
			t.Fatalf("%d topics, %s, expected one, %s", len(resp.Responses), got, c.want)
		}
	}
}
