package fake_test

import (
	"testing"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// fetchSession is a session of a fetch (KIP-227) of topics by name.
type fetchSession struct {
	b     *bench
	k     fake.ConnID
	id    int32
	epoch int32
}

// fetch asks for what is told anew of partitions, in a version of Fetch.
func (s *fetchSession) fetch(version int16, maxBytes int32, parts ...*msg.FetchRequest) *msg.FetchResponse {
	s.b.t.Helper()
	req := fetchRequest("", 0, 0, 0, 0)
	req.SessionID, req.SessionEpoch, req.MaxBytes, req.Topics = s.id, s.epoch, maxBytes, nil
	for _, p := range parts {
		req.Topics = append(req.Topics, p.Topics...)
	}
	resp := ask(s.b, s.k, req, &msg.FetchResponse{}, version)
	s.id = resp.SessionID
	s.epoch++
	return resp
}

// What a session knows of a partition it knows in every version: the differential has found both on Kafka 4.3.
func TestAnOlderVersionInASessionKeepsItsEpochs(t *testing.T) {
	b := newBench(t, threeNodes())
	k := b.connect(1)
	current := fetchRequest("a", 0, 0, 0, 0)
	current.Topics[0].Partitions[0].CurrentLeaderEpoch = 7
	s := &fetchSession{b: b, k: k}
	s.fetch(11, 1<<20, current)
	b.code("a leader epoch told in version 11", s.fetch(7, 1<<20).Responses[0].Partitions[0].ErrorCode, protocol.UnknownLeaderEpoch)
	last := fetchRequest("a", 0, 0, 0, 0)
	last.Topics[0].Partitions[0].LastFetchedEpoch = 7
	s = &fetchSession{b: b, k: k}
	s.fetch(12, 1<<20, last)
	b.code("the epoch fetched last told in version 12", s.fetch(8, 1<<20).Responses[0].Partitions[0].ErrorCode, protocol.OffsetOutOfRange)
}

// Who has given records is read last the next time: else who is small would never have its turn behind one that fills the answer. Before 3.0 all that are told have had their turn: b that it has records now.
func TestPartitionsOfASessionTakeTurns(t *testing.T) {
	for release, turns := range map[string][]string{"4.3": {"a", "b", "a", "b"}, "2.8": {"a", "a", "b", "a"}} {
		b := newBench(t, fake.Config{Release: release, Topics: []fake.Topic{{Name: "a"}, {Name: "b"}}})
		k := b.connect(1)
		s := &fetchSession{b: b, k: k}
		s.fetch(12, 1, fetchRequest("a", 0, 0, 0, 0), fetchRequest("b", 0, 0, 0, 0))
		b.produce(k, "a", 0, batch(-1, -1, -1, "x"))
		b.produce(k, "b", 0, batch(-1, -1, -1, "x"))
		for _, want := range turns {
			got := ""
			for _, r := range s.fetch(12, 1).Responses {
				if len(r.Partitions[0].Records) > 0 {
					got += r.Topic
				}
			}
			if got != want {
				t.Fatalf("%s: records of %q, expected %q", release, got, want)
			}
		}
	}
}

// What a session says of a topic that is there again under another id.
func TestATopicOfASessionThatIsCreatedAgain(t *testing.T) {
	b := newBench(t, fake.Config{Topics: []fake.Topic{{Name: "a", Partitions: 2}}})
	k := b.connect(1)
	meta := func() protocol.UUID {
		return ask(b, k, &msg.MetadataRequest{}, &msg.MetadataResponse{}, 12).Topics[0].TopicID
	}
	var parts []*msg.FetchRequest
	for p := range int32(2) {
		r := fetchRequest("", p, 0, 0, 0)
		r.Topics[0].TopicID = meta()
		parts = append(parts, r)
	}
	s := &fetchSession{b: b, k: k}
	s.fetch(13, 1<<20, parts...)
	if err := b.c.DeleteTopic("a"); err != nil {
		t.Fatal(err)
	}
	for _, r := range s.fetch(13, 1<<20).Responses {
		b.code("deleted", r.Partitions[0].ErrorCode, protocol.UnknownTopicOrPartition)
	}
	if err := b.c.CreateTopic(fake.Topic{Name: "a", Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	got := s.fetch(13, 1<<20).Responses[0].Partitions
	b.code("there again", got[0].ErrorCode, protocol.InconsistentTopicID)
	b.code("there again without this partition", got[1].ErrorCode, protocol.UnknownTopicOrPartition)
}

// Before 3.0 a session that was told an epoch in version 12 has no answer in a version that cannot name where that epoch ends (differential, seed 99260 on 2.8).
func TestAnOlderVersionInASessionThatDiverges(t *testing.T) {
	for release, want := range map[string]protocol.Code{"2.8": protocol.UnsupportedVersion, "3.9": protocol.None} {
		b := newBench(t, fake.Config{Release: release, Topics: []fake.Topic{{Name: "a"}}})
		s := &fetchSession{b: b, k: b.connect(1)}
		last := fetchRequest("a", 0, 1000, 0, 0)
		last.Topics[0].Partitions[0].LastFetchedEpoch = 0
		s.fetch(12, 1<<20, last)
		b.code(release, s.fetch(9, 1<<20).ErrorCode, want)
	}
}
