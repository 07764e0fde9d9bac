package fake_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/wire"
)

// What these tests expect was seen on Kafka with requests that no client sends, byte by byte, on 4.3.0, 3.9.1 and 2.8.2 where the cases say so.

// on begins with a broker of a release.
func on(t *testing.T, release string) (*bench, fake.ConnID) {
	b := newBench(t, fake.Config{Release: release, Topics: []fake.Topic{{Name: "a", Partitions: 2}}})
	return b, b.connect(1)
}

func TestAnIsolationLevelThatIsNone(t *testing.T) {
	for _, c := range []struct {
		release          string
		aborted, records bool // are there, and empty: else null
	}{{"2.8", false, true}, {"3.9", true, false}, {"4.3", true, true}} {
		b, k := on(t, c.release)
		b.produce(k, "a", 0, batch(-1, -1, -1, "x"))
		m := fetchRequest("a", 0, 0, 0, 0)
		m.SessionEpoch = 0
		for i, level := range []int8{2, 5, -1} {
			m.IsolationLevel = level
			r := ask(b, k, m, &msg.FetchResponse{}, 11)
			d := r.Responses[0].Partitions[0]
			b.code(c.release+": fetch", r.ErrorCode, protocol.UnknownServerError)
			b.code(c.release+": fetch of the partition", d.ErrorCode, protocol.UnknownServerError)
			if d.HighWatermark != -1 || d.LogStartOffset != -1 || (d.AbortedTransactions != nil) != c.aborted || (d.Records != nil) != c.records || r.SessionID != 0 || b.c.Sessions(1) != 0 {
				t.Errorf("%s, level %d: %+v, %d sessions", c.release, i, r, b.c.Sessions(1))
			}
		}
		m.Topics[0].Topic = "nope" // then nothing is read
		b.code(c.release+": fetch of what is not there", ask(b, k, m, &msg.FetchResponse{}, 11).ErrorCode, protocol.None)
	}
}

func TestAnIsolationLevelThatIsNoneInASession(t *testing.T) {
	b, k := on(t, "4.3") // so it is on 3.9.1 and 2.8.2
	m := fetchRequest("a", 0, 0, 0, 0)
	m.SessionEpoch = 0
	s := ask(b, k, m, &msg.FetchResponse{}, 11)
	m.SessionID, m.SessionEpoch, m.IsolationLevel = s.SessionID, 1, 5
	r := ask(b, k, m, &msg.FetchResponse{}, 11)
	if b.code("fetch", r.ErrorCode, protocol.UnknownServerError); r.SessionID != s.SessionID {
		t.Errorf("session %d, not %d", r.SessionID, s.SessionID)
	}
	m.SessionEpoch, m.IsolationLevel = 2, 0
	b.code("the session goes on", ask(b, k, m, &msg.FetchResponse{}, 11).ErrorCode, protocol.None)
}

func TestWhoHasNoReplicaFetchesAsABroker(t *testing.T) {
	for _, c := range []struct {
		release string
		replica int32
		version int16
		epoch   int32
		want    protocol.Code
	}{
		{"4.3", 0, 11, -1, protocol.NotLeaderOrFollower}, {"4.3", 1, 11, -1, protocol.NotLeaderOrFollower}, {"4.3", 5, 4, -1, protocol.NotLeaderOrFollower},
		{"4.3", 5, 12, 0, protocol.UnknownLeaderEpoch}, {"4.3", 5, 9, 0, protocol.UnknownLeaderEpoch}, {"4.3", 5, 8, 0, protocol.NotLeaderOrFollower}, {"4.3", -2, 11, -1, protocol.None},
		{"3.9", 5, 3, -1, protocol.NotLeaderOrFollower}, {"3.9", 5, 12, 0, protocol.UnknownLeaderEpoch}, {"2.8", 5, 11, 0, protocol.None},
	} {
		b, k := on(t, c.release)
		m := fetchRequest("a", 0, 0, 0, 0)
		m.ReplicaID, m.Topics[0].Partitions[0].CurrentLeaderEpoch = c.replica, c.epoch
		d := ask(b, k, m, &msg.FetchResponse{}, c.version).Responses[0].Partitions[0]
		b.code("fetch", d.ErrorCode, c.want)
		if c.version >= 12 && d.CurrentLeader.LeaderID != -1 { // there is room for it since version 12, and it is told since 16
			t.Errorf("%+v: %+v", c, d)
		}
	}
}

func TestAFetchOfLessThanNothing(t *testing.T) {
	for _, release := range []string{"2.8", "3.9", "4.3"} {
		b, k := on(t, release)
		b.produce(k, "a", 0, batch(-1, -1, -1, "x"))
		b.produce(k, "a", 1, batch(-1, -1, -1, "x"))
		m := fetchRequest("a", 0, 0, 0, 0)
		m.MaxBytes = -1
		other := m.Topics[0].Partitions[0]
		other.Partition = 1
		m.Topics[0].Partitions = append(m.Topics[0].Partitions, other)
		r := ask(b, k, m, &msg.FetchResponse{}, 11).Responses[0].Partitions
		b.code(release+": the first", r[0].ErrorCode, protocol.UnknownServerError)
		if b.code(release+": the next", r[1].ErrorCode, protocol.None); r[0].HighWatermark != -1 || len(r[1].Records) == 0 { // nothing was read, and no limit is left that is below 0
			t.Errorf("%+v", r)
		}
		m.MaxBytes, m.Topics[0].Partitions = 1<<20, m.Topics[0].Partitions[:1]
		p := &m.Topics[0].Partitions[0]
		p.PartitionMaxBytes = -1
		b.code(release+": partition", ask(b, k, m, &msg.FetchResponse{}, 11).Responses[0].Partitions[0].ErrorCode, protocol.UnknownServerError)
		p.FetchOffset = 1
		b.code(release+": at the end nothing is read", ask(b, k, m, &msg.FetchResponse{}, 11).Responses[0].Partitions[0].ErrorCode, protocol.None)
		p.FetchOffset = 2
		b.code(release+": behind it", ask(b, k, m, &msg.FetchResponse{}, 11).Responses[0].Partitions[0].ErrorCode, protocol.OffsetOutOfRange)
	}
}

// offsetsOf asks for the end of partitions.
func offsetsOf(isolation int8, replica int32, timestamp int64, partitions ...int32) *msg.ListOffsetsRequest {
	m := &msg.ListOffsetsRequest{ReplicaID: replica, IsolationLevel: isolation, Topics: []msg.ListOffsetsRequestListOffsetsTopic{{Name: "a"}}}
	for _, p := range partitions {
		m.Topics[0].Partitions = append(m.Topics[0].Partitions, msg.ListOffsetsRequestListOffsetsPartition{PartitionIndex: p, CurrentLeaderEpoch: -1, Timestamp: timestamp, MaxNumOffsets: 1})
	}
	return m
}

func TestExtremesOfListOffsets(t *testing.T) {
	const none, invalid, server, unsupported = protocol.None, protocol.InvalidRequest, protocol.UnknownServerError, protocol.UnsupportedVersion
	for _, c := range []struct {
		what    string
		release string
		version int16
		req     *msg.ListOffsetsRequest
		want    []protocol.Code
	}{
		{"a partition twice", "4.3", 5, offsetsOf(0, -1, -1, 0, 1, 0), []protocol.Code{invalid, none}},
		{"a partition twice", "3.9", 5, offsetsOf(0, -1, -1, 0, 1, 0), []protocol.Code{invalid, none, invalid}},
		{"a partition twice", "2.8", 5, offsetsOf(0, -1, -1, 0, 0), []protocol.Code{invalid, invalid}},
		{"a partition twice", "3.9", 0, offsetsOf(0, -1, -1, 0, 0), []protocol.Code{none, none}},
		{"no partition", "4.3", 5, offsetsOf(0, -1, -1), nil},
		{"isolation", "4.3", 5, offsetsOf(9, -1, -1, 0, 0, 9), []protocol.Code{server, server, server}},
		{"isolation", "3.9", 2, offsetsOf(9, -1, -1, 0), []protocol.Code{server}},
		{"isolation", "2.8", 2, offsetsOf(-1, -1, -1, 0), []protocol.Code{server}},
		{"isolation, a partition twice", "3.9", 5, offsetsOf(9, -1, -1, 0, 0), []protocol.Code{invalid, invalid}},
		{"isolation, no place", "4.3", 5, offsetsOf(9, -1, -9, 0), []protocol.Code{server}},
		{"isolation, no place", "3.9", 5, offsetsOf(9, -1, -9, 0), []protocol.Code{unsupported}},
		{"isolation, a broker", "4.3", 5, offsetsOf(9, 3, -1, 0), []protocol.Code{server}},
		{"isolation, a broker", "3.9", 5, offsetsOf(9, 3, -1, 0), []protocol.Code{none}},
	} {
		b, k := on(t, c.release)
		var got []protocol.Code
		for _, topic := range ask(b, k, c.req, &msg.ListOffsetsResponse{}, c.version).Topics {
			for _, p := range topic.Partitions {
				got = append(got, protocol.Code(p.ErrorCode))
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s in %s: %v, expected %v", c.what, c.release, got, c.want)
		}
	}
}

// rawRecord makes a record of a size, no attributes, and what follows: numbers, and bytes.
func rawRecord(parts ...any) []byte {
	body := []byte{0}
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			body = wire.AppendVarint(body, int64(p))
		case string:
			body = append(body, p...)
		}
	}
	return append(wire.AppendVarint(nil, int64(len(body))), body...)
}

// rawBatch seals a batch of what need not be records; with may change what it says of them.
func rawBatch(codec compress.Codec, payload []byte, count int32, with func(*record.Info)) []byte {
	info := record.Info{Magic: 2, Codec: codec, LeaderEpoch: -1, LastOffsetDelta: count - 1, Count: count, BaseTimestamp: 1_700_000_000_000, MaxTimestamp: 1_700_000_000_000, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1}
	if with != nil {
		with(&info)
	}
	b := append(make([]byte, record.Overhead), payload...)
	record.Seal(b, &info)
	return b
}

// What was answered to batches that no producer writes. Each was sent to a topic, to one whose compression.type is gzip, and to one that is compacted; all releases answered the same but where another one is given.
func TestBatchesThatNoProducerWrites(t *testing.T) {
	packed := func(payload []byte) []byte {
		b, err := compress.Gzip.Compress(nil, payload, compress.DefaultLevel)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	as := func(id int64, epoch int16, sequence int32) func(*record.Info) {
		return func(i *record.Info) { i.ProducerID, i.ProducerEpoch, i.BaseSequence = id, epoch, sequence }
	}
	rec := func(delta, timestamp int) []byte { return rawRecord(timestamp, delta, 1, "k", 1, "v", 0) }
	two := func(first, second int) []byte { return slices.Concat(rec(first, 0), rec(second, 0)) }
	const none, corrupt, invalid, server, time, epoch = protocol.None, protocol.CorruptMessage, protocol.InvalidRecord, protocol.UnknownServerError, protocol.InvalidTimestamp, protocol.InvalidProducerEpoch
	same := func(c protocol.Code) [3]protocol.Code { return [3]protocol.Code{c, c, c} }
	null := rawRecord(0, 0, -2, -7, 0)
	for _, c := range []struct {
		what    string
		release string // "": all
		raw     []byte
		want    [3]protocol.Code
	}{
		{"fewer than no records", "", rawBatch(0, rec(0, 0), 1, func(i *record.Info) { i.Count = -1 }), same(invalid)},
		{"a last offset before the first", "", rawBatch(0, rec(0, 0), 1, func(i *record.Info) { i.LastOffsetDelta = -5 }), same(invalid)},
		{"no records", "", rawBatch(0, nil, 0, nil), same(invalid)},
		{"a magic of old", "", func() []byte { b := rawBatch(0, rec(0, 0), 1, nil); b[16] = 1; return b }(), same(invalid)},
		{"a checksum", "", func() []byte { b := rawBatch(0, rec(0, 0), 1, nil); b[17]++; return b }(), same(corrupt)},
		{"offsets downwards", "", rawBatch(0, two(1, 0), 2, nil), same(none)},
		{"an offset twice", "", rawBatch(0, two(0, 0), 2, nil), same(none)},
		{"an offset behind the last", "", rawBatch(0, rec(7, 0), 1, nil), same(none)},
		{"offsets downwards, compressed", "", rawBatch(compress.Gzip, packed(two(1, 0)), 2, nil), same(server)},
		{"lengths below null", "", rawBatch(0, null, 1, nil), [3]protocol.Code{none, none, invalid}},
		{"lengths below null, compressed", "", rawBatch(compress.Gzip, packed(null), 1, nil), [3]protocol.Code{none, none, invalid}},
		{"a key longer than its record", "", rawBatch(0, rawRecord(0, 0, 100, "k"), 1, nil), same(invalid)},
		{"headers, fewer than none", "", rawBatch(0, rawRecord(0, 0, 1, "k", 1, "v", -1), 1, nil), same(invalid)},
		{"something behind the records", "", rawBatch(0, append(rec(0, 0), 1, 2), 1, nil), same(invalid)},
		{"a size without an end", "", rawBatch(0, []byte(strings.Repeat("\xff", 30)), 1, nil), same(server)},
		{"a size without an end, compressed", "4.3", rawBatch(compress.Gzip, packed([]byte(strings.Repeat("\xff", 30))), 1, nil), same(invalid)},
		{"a size without an end, compressed", "2.8", rawBatch(compress.Gzip, packed([]byte(strings.Repeat("\xff", 30))), 1, nil), same(server)},
		{"gzip that is none", "", rawBatch(compress.Gzip, rec(0, 0), 1, nil), same(server)},
		{"gzip without its end", "", rawBatch(compress.Gzip, packed(rec(0, 0))[:20], 1, nil), same(server)},
		{"zstd that is none", "", rawBatch(compress.Zstd, rec(0, 0), 1, nil), same(server)},
		{"a codec without a name", "", rawBatch(6, rec(0, 0), 1, nil), same(server)},
		{"a late timestamp", "4.3", rawBatch(0, rec(0, 1<<62), 1, nil), same(time)},
		{"a late timestamp", "3.9", rawBatch(0, rec(0, 1<<62), 1, nil), same(none)},
		{"a late timestamp that is told for the batch alone", "4.3", rawBatch(0, rec(0, 0), 1, func(i *record.Info) { i.MaxTimestamp += 7_200_000 }), same(none)},
		{"a timestamp below none", "", rawBatch(0, rec(0, -1<<62), 1, nil), [3]protocol.Code{none, server, none}},
		{"an id without epoch and sequence", "", rawBatch(0, rec(0, 0), 1, as(5, -1, -1)), same(invalid)},
		{"an id without epoch", "", rawBatch(0, rec(0, 0), 1, as(5, -1, 3)), [3]protocol.Code{none, server, none}},
		{"an epoch below none", "", rawBatch(0, rec(0, 0), 1, as(5, -2, 0)), same(epoch)},
		{"an epoch and a sequence below none", "", rawBatch(0, rec(0, 0), 1, as(5, -2, -1)), same(invalid)},
		{"an id below none", "", rawBatch(0, rec(0, 0), 1, as(-2, 0, 0)), same(none)},
		{"an id below none, and no epoch", "", rawBatch(0, rec(0, 0), 1, as(-2, -1, -1)), [3]protocol.Code{none, server, none}},
	} {
		for _, release := range []string{"2.8", "3.9", "4.3"} {
			if c.release != "" && c.release != release {
				continue
			}
			b := newBench(t, fake.Config{Release: release, Topics: []fake.Topic{{Name: "a"}, {Name: "z", Config: map[string]string{"compression.type": "gzip"}}, {Name: "c", Compacted: true}}})
			k := b.connect(1)
			for i, topic := range []string{"a", "z", "c"} {
				b.code(fmt.Sprintf("%s to %s in %s", c.what, topic, release), b.produce(k, topic, 0, slices.Clone(c.raw)).ErrorCode, c.want[i])
			}
		}
	}
}

func TestABatchIsToldItsNewestTimestamp(t *testing.T) {
	b, k := on(t, "4.3") // so it is on 3.9.1 and 2.8.2
	b.produce(k, "a", 0, rawBatch(0, rawRecord(0, 0, 1, "k", 1, "v", 0), 1, func(i *record.Info) { i.MaxTimestamp += 7777 }))
	if got := int64(binary.BigEndian.Uint64(b.fetch(k, "a", 0, 0).Records[35:])); got != 1_700_000_000_000 {
		t.Errorf("%d", got)
	}
}

func TestWhatIsNamedTwiceOrNotAtAll(t *testing.T) {
	for _, release := range []string{"2.8", "3.9", "4.3"} {
		b, k := on(t, release)
		if r := ask(b, k, &msg.ProduceRequest{Acks: -1, TopicData: []msg.ProduceRequestTopicProduceData{{Name: "a", PartitionData: []msg.ProduceRequestPartitionProduceData{}}}}, &msg.ProduceResponse{}, 8); len(r.Responses) != 0 {
			t.Errorf("%s: %+v", release, r)
		}
		for name, want := range map[string]int{"a": 0, "nope": map[bool]int{true: 0, false: 1}[release == "2.8"]} {
			m := &msg.OffsetCommitRequest{GroupID: "g", GenerationIDOrMemberEpoch: -1, Topics: []msg.OffsetCommitRequestOffsetCommitRequestTopic{{Name: name}}}
			if r := ask(b, k, m, &msg.OffsetCommitResponse{}, 7); len(r.Topics) != want {
				t.Errorf("%s: %+v", release, r)
			}
		}
		b.produce(k, "a", 0, batch(-1, -1, -1, "x", "y", "z"))
		part := func(index int32, offset int64) msg.DeleteRecordsRequestDeleteRecordsPartition {
			return msg.DeleteRecordsRequestDeleteRecordsPartition{PartitionIndex: index, Offset: offset}
		}
		r := ask(b, k, &msg.DeleteRecordsRequest{Topics: []msg.DeleteRecordsRequestDeleteRecordsTopic{{Name: "b"}, {Name: "a", Partitions: []msg.DeleteRecordsRequestDeleteRecordsPartition{part(0, 99), part(0, 1)}}}}, &msg.DeleteRecordsResponse{}, 1)
		if len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 || r.Topics[0].Partitions[0].ErrorCode != 0 || r.Topics[0].Partitions[0].LowWatermark != 1 {
			t.Errorf("%s: %+v", release, r)
		}
		for _, c := range []struct {
			epoch, want int32
			end         int64
		}{{-1, -1, -1}, {-2, -2, 1}, {-5, -5, 1}, {0, 0, 3}} {
			m := &msg.OffsetForLeaderEpochRequest{ReplicaID: -1, Topics: []msg.OffsetForLeaderEpochRequestOffsetForLeaderTopic{{Topic: "a",
				Partitions: []msg.OffsetForLeaderEpochRequestOffsetForLeaderPartition{{CurrentLeaderEpoch: -1, LeaderEpoch: c.epoch}}}}}
			if p := ask(b, k, m, &msg.OffsetForLeaderEpochResponse{}, 3).Topics[0].Partitions[0]; p.LeaderEpoch != c.want || p.EndOffset != c.end {
				t.Errorf("%s, epoch %d: %+v", release, c.epoch, p)
			}
		}
	}
}

func TestNamesOfSoftwareAndBrokers(t *testing.T) {
	for _, c := range []struct {
		name, version string
		want          protocol.Code
	}{
		{"", "1", protocol.InvalidRequest}, {"a b", "1", protocol.InvalidRequest}, {"a", "", protocol.InvalidRequest}, {"a", "1 2", protocol.InvalidRequest}, {"-a", "1", protocol.InvalidRequest}, {"a", "1.", protocol.InvalidRequest},
		{"a_b", "1", protocol.InvalidRequest}, {"\u00e9", "1", protocol.InvalidRequest}, {"a.b-c", "1", protocol.None}, {"A9", "x", protocol.None},
	} {
		for _, release := range []string{"2.8", "3.9", "4.3"} {
			b, k := on(t, release)
			r := ask(b, k, &msg.ApiVersionsRequest{ClientSoftwareName: c.name, ClientSoftwareVersion: c.version}, &msg.ApiVersionsResponse{}, 3)
			if b.code(fmt.Sprintf("%q %q in %s", c.name, c.version, release), r.ErrorCode, c.want); (len(r.ApiKeys) == 0) != (c.want != protocol.None) {
				t.Errorf("%+v", r)
			}
		}
	}
	b, k := on(t, "4.3") // so it is on 3.9.1 and 2.8.2
	for name, want := range map[string]protocol.Code{"1": 0, "01": 0, "+1": 0, " 1": protocol.InvalidRequest, "-1": protocol.InvalidRequest, "2": protocol.InvalidRequest, "0x1": protocol.InvalidRequest, "99999999999": protocol.InvalidRequest} {
		m := &msg.DescribeConfigsRequest{Resources: []msg.DescribeConfigsRequestDescribeConfigsResource{{ResourceType: 4, ResourceName: name, ConfigurationKeys: []string{"none"}}}}
		r := ask(b, k, m, &msg.DescribeConfigsResponse{}, 4).Results[0]
		if b.code("broker "+name, r.ErrorCode, want); want == 0 && (r.ErrorMessage == nil || *r.ErrorMessage != "") { // in versions 1 to 4
			t.Errorf("the message of no error is %v", r.ErrorMessage)
		}
	}
}

// Requests without records for a partition are never answered since 3.0, whatever else is in them, and nothing behind them; 2.8.2 answers the partition with an error.
func TestNullRecords(t *testing.T) {
	for _, release := range []string{"2.8", "3.9", "4.3"} {
		b, k := on(t, release)
		m := produceRequest(-1, "a", 0, batch(-1, -1, -1, "x"))
		m.TopicData[0].PartitionData = append(m.TopicData[0].PartitionData, msg.ProduceRequestPartitionProduceData{Index: 1})
		b.send(k, m, 7)
		r, ok := answer(b, &msg.ProduceResponse{}, 7)
		if want := release == "2.8"; ok != want {
			t.Fatalf("%s: answered: %v", release, ok)
		}
		if ok {
			b.code("the partition", r.Responses[0].PartitionResponses[1].ErrorCode, protocol.UnknownServerError)
			continue
		}
		b.send(k, &msg.MetadataRequest{}, 4)
		if _, ok := answer(b, &msg.MetadataResponse{}, 4); ok {
			t.Errorf("%s: what is behind it is answered", release)
		}
		k = b.connect(1)
		if end := ask(b, k, offsetsOf(0, -1, -1, 0), &msg.ListOffsetsResponse{}, 5).Topics[0].Partitions[0].Offset; end != 0 {
			t.Errorf("%s: %d records", release, end)
		}
		m = produceRequest(-1, "none", 0, nil)
		b.code("of a topic that there is not", ask(b, k, m, &msg.ProduceResponse{}, 7).Responses[0].PartitionResponses[0].ErrorCode, protocol.UnknownTopicOrPartition)
	}
}

func TestMorePartitionsThanThereIsRoomFor(t *testing.T) {
	const none, server, invalid, late = protocol.None, protocol.UnknownServerError, protocol.InvalidPartitions, protocol.RequestTimedOut
	for _, release := range []string{"3.9", "4.3"} {
		for _, c := range []struct {
			count, timeout int32
			want           protocol.Code
		}{{1<<31 - 1, 1000, server}, {10_003, 1000, server}, {10_002, 1000, none}, {0, 1000, invalid}, {-1, 1000, invalid}, {3, 0, late}, {3, -1, late}} {
			b, k := on(t, release)
			m := &msg.CreatePartitionsRequest{TimeoutMs: c.timeout, ValidateOnly: true, Topics: []msg.CreatePartitionsRequestCreatePartitionsTopic{{Name: "a", Count: c.count}}}
			b.code(fmt.Sprintf("%d partitions in %d ms", c.count, c.timeout), ask(b, k, m, &msg.CreatePartitionsResponse{}, 1).Results[0].ErrorCode, c.want)
		}
	}
}

func TestConfigurationsOfLoggers(t *testing.T) {
	for name, want := range map[string]protocol.Code{"1": protocol.None, "": protocol.InvalidRequest, "2": protocol.InvalidRequest, "x": protocol.InvalidRequest} {
		b, k := on(t, "4.3") // so it is on 3.9.1
		m := &msg.DescribeConfigsRequest{Resources: []msg.DescribeConfigsRequestDescribeConfigsResource{{ResourceType: 8, ResourceName: name, ConfigurationKeys: []string{"none"}}}}
		b.code("loggers of "+name, ask(b, k, m, &msg.DescribeConfigsResponse{}, 4).Results[0].ErrorCode, want)
	}
}

// Values are read as Java reads them, and told as it writes them.
func TestNumbersOfConfigurations(t *testing.T) {
	for _, c := range []struct{ name, value, told string }{ // told "": it is refused
		{"min.cleanable.dirty.ratio", "NaN", "NaN"}, {"min.cleanable.dirty.ratio", "-NaN", "NaN"}, {"min.cleanable.dirty.ratio", "0.5f", "0.5"}, {"min.cleanable.dirty.ratio", "5e-1D", "0.5"}, {"min.cleanable.dirty.ratio", " .5 ", "0.5"},
		{"min.cleanable.dirty.ratio", "0x1p-1", "0.5"}, {"min.cleanable.dirty.ratio", "1.", "1.0"}, {"min.cleanable.dirty.ratio", "1e-999", "0.0"}, {"min.cleanable.dirty.ratio", "-0.0", "-0.0"}, {"min.cleanable.dirty.ratio", "0.00001", "1.0E-5"},
		{"min.cleanable.dirty.ratio", "nan", ""}, {"min.cleanable.dirty.ratio", "0x1", ""}, {"min.cleanable.dirty.ratio", "Infinity", ""}, {"min.cleanable.dirty.ratio", "1_0", ""}, {"min.cleanable.dirty.ratio", "inf", ""},
		{"min.insync.replicas", "+5", "5"}, {"min.insync.replicas", " 5 ", "5"}, {"min.insync.replicas", "\x005", "5"}, {"min.insync.replicas", "007", "7"}, {"min.insync.replicas", "0x10", ""}, {"min.insync.replicas", "1e3", ""},
		{"min.insync.replicas", "2147483648", ""}, {"min.insync.replicas", "5.0", ""}, {"min.insync.replicas", "\u00a05", ""}, {"min.insync.replicas", "1_0", ""}, {"min.insync.replicas", "", ""},
		{"retention.ms", "+5", "5"}, {"retention.ms", "-0", "0"}, {"retention.ms", "5L", ""}, {"retention.ms", "9223372036854775808", ""}, {"retention.ms", "-9223372036854775808", ""},
		{"preallocate", " TRUE ", "true"}, {"preallocate", "1", ""}, {"compression.type", " gzip ", "gzip"}, {"message.timestamp.type", "createtime", ""},
	} {
		b, k := on(t, "4.3") // so it is on 3.9.1
		set := &msg.IncrementalAlterConfigsRequest{Resources: []msg.IncrementalAlterConfigsRequestAlterConfigsResource{{ResourceType: 2, ResourceName: "a", Configs: []msg.IncrementalAlterConfigsRequestAlterableConfig{{Name: c.name, Value: &c.value}}}}}
		want := protocol.None
		if c.told == "" {
			want = protocol.InvalidConfig
		}
		b.code(fmt.Sprintf("%s=%q", c.name, c.value), ask(b, k, set, &msg.IncrementalAlterConfigsResponse{}, 1).Responses[0].ErrorCode, want)
		m := &msg.DescribeConfigsRequest{Resources: []msg.DescribeConfigsRequestDescribeConfigsResource{{ResourceType: 2, ResourceName: "a", ConfigurationKeys: []string{c.name}}}}
		if got := ask(b, k, m, &msg.DescribeConfigsResponse{}, 4).Results[0].Configs[0].Value; c.told != "" && *got != c.told {
			t.Errorf("%s=%q is told as %q", c.name, c.value, *got)
		}
	}
}

// Who asks for a session when there is no place for it has none: others are safe for two minutes.
func TestMoreSessionsThanThereArePlaces(t *testing.T) {
	for _, release := range []string{"2.8", "4.3"} {
		b, k := on(t, release)
		m := fetchRequest("a", 0, 0, 0, 0)
		m.SessionEpoch = 0
		begin := func() int32 { return ask(b, k, m, &msg.FetchResponse{}, 11).SessionID }
		first := begin()
		for range 999 {
			if begin() == 0 {
				t.Fatalf("%s: no place with %d sessions", release, b.c.Sessions(1))
			}
		}
		if id := begin(); id != 0 || b.c.Sessions(1) != 1000 {
			t.Errorf("%s: session %d of %d", release, id, b.c.Sessions(1))
		}
		b.later(2*time.Minute + time.Second)
		m.SessionID, m.SessionEpoch = first, 1
		b.code("it is used", ask(b, k, m, &msg.FetchResponse{}, 11).ErrorCode, protocol.None)
		m.SessionID, m.SessionEpoch = 0, 0
		for range 8 { // one of each part
			if begin() == 0 || b.c.Sessions(1) != 1000 {
				t.Errorf("%s: who was not used for long is not replaced: %d", release, b.c.Sessions(1))
			}
		}
		m.SessionID, m.SessionEpoch = first, 2
		b.code("it is there still", ask(b, k, m, &msg.FetchResponse{}, 11).ErrorCode, protocol.None)
		m.SessionID = -1 << 30
		want := protocol.FetchSessionIDNotFound
		if release == "4.3" { // there is nowhere to look for it
			want = protocol.UnknownServerError
		}
		b.code("an id that there cannot be", ask(b, k, m, &msg.FetchResponse{}, 11).ErrorCode, want)
	}
}

func TestMarkersOfOneProducer(t *testing.T) {
	for _, release := range []string{"2.8", "3.9", "4.3"} {
		b, k := on(t, release)
		type marker = msg.WriteTxnMarkersRequestWritableTxnMarker
		of := func(partitions ...int32) []msg.WriteTxnMarkersRequestWritableTxnMarkerTopic {
			return []msg.WriteTxnMarkersRequestWritableTxnMarkerTopic{{Name: "a", PartitionIndexes: partitions}}
		}
		r := ask(b, k, &msg.WriteTxnMarkersRequest{Markers: []marker{{ProducerID: 9, Topics: of(0)}, {ProducerID: 5}, {ProducerID: 8, Topics: of(0)}, {ProducerID: 9, Topics: of(0, 1), ProducerEpoch: -5}}}, &msg.WriteTxnMarkersResponse{}, 1)
		if len(r.Markers) != 2 || r.Markers[0].ProducerID != 9 || len(r.Markers[0].Topics) != 1 || len(r.Markers[0].Topics[0].Partitions) != 2 {
			t.Fatalf("%s: %+v", release, r)
		}
		b.code("what came last", r.Markers[0].Topics[0].Partitions[0].ErrorCode, protocol.InvalidProducerEpoch)
		b.send(k, &msg.WriteTxnMarkersRequest{Markers: []marker{{ProducerID: 9, Topics: of(0, 0)}}}, 1)
		if _, ok := answer(b, &msg.WriteTxnMarkersResponse{}, 1); ok != (release == "2.8") {
			t.Errorf("%s: a partition twice in a marker: answered: %v", release, ok)
		}
	}
}
