package fake_test

import (
	"slices"
	"testing"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
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
