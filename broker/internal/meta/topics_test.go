package meta

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// answerAll answers a request for metadata: every topic has a partition that node 1 leads.
func answerAll(m *msg.MetadataRequest) *msg.MetadataResponse {
	r := metadata(nil, nil)
	r.Topics = nil
	for i, in := range m.Topics {
		r.Topics = append(r.Topics, msg.MetadataResponseMetadataResponseTopic{Name: in.Name, TopicID: wire.UUID{9, byte(i), byte(i >> 8), byte(len(m.Topics))},
			Partitions: []msg.MetadataResponseMetadataResponsePartition{{LeaderID: 1}}})
	}
	return r
}

// TestNewTopicsAreAskedForOnce: each new topic made all topics be asked for, a back-off later. 500 topics took 27 s, and with 3,000 there were 4.5 million names.
func TestNewTopicsAreAskedForOnce(t *testing.T) {
	for _, together := range []bool{true, false} { // do all come while one is asked for, or one after the other
		b := newBench(t, nil).known()
		begun, names, requests := b.now, 0, 0
		var asked *msg.MetadataRequest
		answer := func() {
			names += len(asked.Topics)
			requests++
			b.now = b.now.Add(time.Millisecond)
			asked = b.step(&Metadata{Resp: answerAll(asked), Version: 12}).Metadata
		}
		for i := range 3000 {
			if out := b.step(&Refresh{Topics: []string{fmt.Sprint("n", i)}, Except: cluster.NoNode}); out.Metadata != nil {
				asked = out.Metadata
			}
			if asked == nil {
				t.Fatal("a new topic is not asked for at once")
			}
			if !together {
				answer()
			}
		}
		for asked != nil {
			answer()
		}
		if names != 3000 || together && requests > 2 {
			t.Errorf("%d names were asked for, in %d requests", names, requests)
		}
		if took := b.now.Sub(begun); took != time.Duration(requests)*time.Millisecond {
			t.Errorf("there was a wait: %s, %d answers", took, requests)
		}
		if n := len(b.c.snap.Topics()); n != 3001 {
			t.Errorf("%d topics are known", n)
		}
	}
}

// TestAnAnswerWithoutNewsIsNone: nobody is told of metadata in which nothing is different.
func TestAnAnswerWithoutNewsIsNone(t *testing.T) {
	b := newBench(t, nil).known()
	before := b.c.snap
	b.later(5 * time.Minute)
	out := b.step(&Metadata{Resp: metadata([]int32{1, 2}, []int32{5, 5}), Version: 12})
	if out.Publish != nil || b.c.snap != before {
		t.Error("the same metadata makes another snapshot")
	}
	b.c.snap.Topic("a").Touch()
	b.later(5 * time.Minute)
	out = b.step(&Metadata{Resp: metadata([]int32{1, 3}, []int32{5, 6}), Version: 12})
	if out.Publish == nil {
		t.Error("a new leader is not told")
	}
}

// TestATopicInUseIsNotForgotten: with metadata.max.idle.ms as long as metadata.max.age.ms, as by default, a topic that was being produced to was forgotten at the first refresh. One that nobody uses is.
func TestATopicInUseIsNotForgotten(t *testing.T) {
	for _, used := range []bool{true, false} {
		b := newBench(t, nil).known()
		for range 10 {
			if used {
				b.c.snap.Topic("a").Touch()
			}
			if out := b.later(b.c.Next().Sub(b.now)); out.Metadata != nil {
				b.step(&Metadata{Resp: answerAll(out.Metadata), Version: 12})
			}
		}
		if known := b.c.snap.Topic("a") != nil; known != used {
			t.Errorf("used %v: after %s the topic is known: %v", used, b.now.Sub(time.Unix(1000, 0)), known)
		}
	}
}

// ask lets metadata of topic "a" be asked for once more, and answers.
func (b *bench) answers(m *msg.MetadataResponse, version int16) {
	b.t.Helper()
	if !b.c.refresh.inFlight {
		b.later(time.Second)
	}
	if !b.c.refresh.inFlight {
		b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode})
	}
	peer := b.c.refresh.peer
	b.step(&Metadata{Resp: m, Version: version})
	b.step(&Ended{Peer: peer})
}

func withID(m *msg.MetadataResponse, id byte) *msg.MetadataResponse {
	for i := range m.Topics {
		m.Topics[i].TopicID = wire.UUID{id}
	}
	return m
}

func unknown() *msg.MetadataResponse {
	m := metadata(nil, nil)
	m.Topics[0].ErrorCode = int16(protocol.UnknownTopicOrPartition)
	return m
}

// TestADeletedTopicLeaves: who depends on it is told first, and it was there for ever. Created again it is a new one, whatever its epochs.
func TestADeletedTopicLeaves(t *testing.T) {
	for _, version := range []int16{9, 12} { // without and with topic ids
		b := newBench(t, nil)
		b.answers(withID(metadata([]int32{1, 2}, []int32{7, 7}), 1), version)
		b.answers(unknown(), version)
		if topic := b.c.snap.Topic("a"); topic.Err != protocol.UnknownTopicOrPartition || len(topic.Partitions) != 2 {
			t.Fatalf("it is gone at once, or nobody is told: %+v", topic)
		}
		for range 4 {
			b.answers(unknown(), version)
		}
		if topic := b.c.snap.Topic("a"); topic.Err != protocol.UnknownTopicOrPartition || len(topic.Partitions) != 0 || b.c.snap.TopicByID(wire.UUID{1}) != nil {
			t.Fatalf("it is still there: %+v", topic)
		}
		m := metadata([]int32{3}, []int32{0})
		if version >= 10 {
			withID(m, 2)
		}
		b.answers(m, version)
		if node, epoch := b.c.snap.Leader("a", 0); node != 3 || epoch != 0 || len(b.c.snap.Topic("a").Partitions) != 1 {
			t.Fatalf("created again it is led by node %d in epoch %d", node, epoch)
		}
	}
}

// TestALowerEpochIsBelievedAfterAWhile has the ways out of "leaders never go back": a topic created again on brokers without topic ids, or an epoch that was never true. A part of the brokers, which may be cut off from
// the others, is not believed.
func TestALowerEpochIsBelievedAfterAWhile(t *testing.T) {
	old := metadata([]int32{3, 2}, []int32{0, 5})
	b := newBench(t, nil)
	b.answers(metadata([]int32{1, 2}, []int32{1 << 30, 5}), 9)
	for n := 1; ; n++ {
		b.answers(old, 9)
		if node, _ := b.c.snap.Leader("a", 0); node == 3 {
			if n != 3 {
				t.Errorf("believed after %d answers", n)
			}
			break
		}
		if n == 3 {
			t.Fatal("still not believed")
		}
	}

	b = newBench(t, nil)
	b.answers(metadata([]int32{1, 2}, []int32{7, 5}), 9)
	for range 100 {
		b.step(&Down{Peer: 3})
		if b.c.refresh.inFlight && b.c.refresh.peer != 3 {
			b.step(&Metadata{Resp: old, Version: 9})
		}
		if node, _ := b.c.snap.Leader("a", 0); node == 3 {
			t.Fatal("two of three brokers are believed")
		}
		b.later(500 * time.Millisecond)
	}
}

// TestALowerEpochOfAllThatAreLeftIsBelieved: with one of three brokers away, a step back was believed only after metadata.max.age.ms. Two are believed who have listed nobody but each other for a while; who
// are cut off from the others list them still. One is not, nor two that do not agree on who there is.
func TestALowerEpochOfAllThatAreLeftIsBelieved(t *testing.T) {
	for _, c := range []struct {
		name     string
		listed   func(asked int32, n int) []int32
		believed bool
	}{
		{"each other", func(int32, int) []int32 { return []int32{1, 2} }, true},
		{"each other, when the third has long been away", func(_ int32, n int) []int32 {
			if n < 5 {
				return []int32{1, 2, 3}
			}
			return []int32{1, 2}
		}, true},
		{"also the third", func(int32, int) []int32 { return []int32{1, 2, 3} }, false},
		{"one of them the third", func(asked int32, n int) []int32 { return [][]int32{{1, 2, 3}, {1, 2}}[asked-1] }, false},
		{"only itself", func(asked int32, n int) []int32 { return []int32{asked} }, false},
		{"only the first", func(int32, int) []int32 { return []int32{1} }, false},
	} {
		b := newBench(t, nil)
		b.answers(metadata([]int32{3, 2}, []int32{7, 5}), 9)
		b.step(&Down{Peer: 3, Err: errors.New("away")})
		begun, n := b.now, 0
		for b.now.Sub(begun) < time.Minute {
			if peer := b.c.refresh.peer; b.c.refresh.inFlight && (peer == 3 || peer < 0) {
				b.step(&Metadata{Err: errors.New("away")})
				b.step(&Down{Peer: peer, Err: errors.New("away")})
			} else if b.c.refresh.inFlight {
				m := metadata([]int32{1, 2}, []int32{6, 5})
				all := m.Brokers
				m.Brokers = nil
				for _, id := range c.listed(peer, n) {
					m.Brokers = append(m.Brokers, all[id-1])
				}
				n++
				b.step(&Metadata{Resp: m, Version: 9})
			}
			if node, _ := b.c.snap.Leader("a", 0); node == 1 {
				break
			}
			b.later(100 * time.Millisecond)
		}
		took := b.now.Sub(begun)
		if c.believed != (took < time.Minute) || took < contraryFor {
			t.Errorf("%s: believed after %s and %d answers", c.name, took, n)
		}
		if n < 10 {
			t.Errorf("%s: asked only %d times", c.name, n)
		}
	}
}

// TestWhatContradictsTakesOnlySoMuchMemory: of two topics with more partitions than answers are counted for all are believed in the end, some after the others, and nothing is left behind.
func TestWhatContradictsTakesOnlySoMuchMemory(t *testing.T) {
	const partitions = mostContradicted + 100
	told := func(epoch int32) *msg.MetadataResponse {
		epochs := slices.Repeat([]int32{epoch}, partitions)
		m := metadata(slices.Repeat([]int32{epoch}, partitions), epochs)
		more := m.Topics[0]
		more.Name = wire.Ptr("b")
		m.Topics = append(m.Topics, more)
		return m
	}
	b := newBench(t, nil)
	b.step(&Refresh{Topics: []string{"a", "b"}, Except: cluster.NoNode})
	rounds := 0
	counted := func() (n int) {
		for _, i := range b.c.topics {
			n += len(i.back)
		}
		if n != b.c.contradicted || n > mostContradicted {
			t.Errorf("%d are counted, %d of them are known to be", n, b.c.contradicted)
		}
		return n
	}
	b.answers(told(2), 9)
	for ; counted() >= 0 && rounds < 30; rounds++ {
		if a, _ := b.c.snap.Leader("a", partitions-1); a == 1 {
			if other, _ := b.c.snap.Leader("b", partitions-1); other == 1 {
				break
			}
		}
		b.step(&Refresh{Topics: []string{"a", "b"}, Except: cluster.NoNode})
		b.answers(told(1), 9)
	}
	if n := counted(); n != 0 || rounds > 9 {
		t.Errorf("%d are counted after %d answers", n, rounds)
	}
	b.answers(told(2), 9)
	b.answers(told(1), 9)
	if counted() == 0 {
		t.Error("none is counted of what is told anew")
	}
	b.step(&Drop{Topics: []string{"a", "b"}})
	if n := b.c.contradicted; n != 0 {
		t.Errorf("%d are counted of topics that nobody wants", n)
	}
}

// TestWhoCannotBeAskedIsNotWaitedFor: where one of three brokers is left that can be asked, or two that do not agree on who there is, they are believed after a minute, and not after metadata.max.age.ms. As long as
// another can be asked, or could a moment ago, they are not.
func TestWhoCannotBeAskedIsNotWaitedFor(t *testing.T) {
	const backThen = 30 * time.Second
	for _, c := range []struct {
		name   string
		lists  []int32
		away   []int32       // since the begin
		silent []int32       // they can be connected to, and do not answer
		back   time.Duration // when they answer for once, and know better
		takes  time.Duration // 0: it is never believed
	}{
		{"one that lists all", []int32{1, 2, 3}, []int32{2, 3}, nil, 0, contraryAway},
		{"one that lists itself", []int32{1}, []int32{2, 3}, nil, 0, contraryAway},
		{"one, and two that are silent", []int32{1, 2, 3}, nil, []int32{2, 3}, 0, contraryAway},
		{"one, one that is away, one that is silent", []int32{1, 2, 3}, []int32{2}, []int32{3}, 0, contraryAway},
		{"two that list all", []int32{1, 2, 3}, []int32{3}, nil, 0, contraryAway},
		{"one that is refuted", []int32{1, 2, 3}, []int32{3}, []int32{2}, backThen, contraryAway + backThen},
	} {
		b := newBench(t, func(c *Config) { c.LateAfter = time.Second })
		b.answers(metadata([]int32{3, 2}, []int32{7, 5}), 9)
		for _, id := range c.away {
			b.step(&Down{Peer: id, Err: errors.New("away")})
		}
		begun, knew := b.now, false
		for n := 0; b.now.Sub(begun) < 3*time.Minute; n++ {
			if n%50 == 0 {
				b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode})
			}
			if peer := b.c.refresh.peer; b.c.refresh.inFlight {
				b.step(&Ended{Peer: peer})
				switch {
				case !knew && c.back > 0 && b.now.Sub(begun) >= c.back && peer != 1:
					knew = true
					b.step(&Up{Peer: peer})
					b.step(&Metadata{Resp: metadata([]int32{3, 2}, []int32{7, 5}), Version: 9})
				case slices.Contains(c.silent, peer):
					b.step(&Metadata{Err: errors.New("no answer")})
				case peer < 0 || slices.Contains(c.away, peer):
					b.step(&Down{Peer: peer, Err: errors.New("away")})
				default:
					m := metadata([]int32{1, 2}, []int32{6, 5})
					m.Brokers = slices.DeleteFunc(m.Brokers, func(n msg.MetadataResponseMetadataResponseBroker) bool { return !slices.Contains(c.lists, n.NodeID) })
					b.step(&Up{Peer: peer})
					b.step(&Metadata{Resp: m, Version: 9})
				}
			}
			if node, _ := b.c.snap.Leader("a", 0); node == 1 {
				break
			}
			b.later(100 * time.Millisecond)
		}
		if took := b.now.Sub(begun); took < c.takes || took > c.takes+10*time.Second {
			t.Errorf("%s: believed after %s", c.name, took)
		}
	}
}

// TestAnAnswerInBetweenRefutes: a broker that is behind is not believed however often it is asked, as long as others know better.
func TestAnAnswerInBetweenRefutes(t *testing.T) {
	b := newBench(t, nil)
	fresh, old := metadata([]int32{1, 2}, []int32{7, 5}), metadata([]int32{3, 2}, []int32{6, 5})
	b.answers(fresh, 9)
	for i := range 20 {
		b.answers(old, 9)
		if i%2 == 1 {
			b.answers(fresh, 9)
		}
		if node, _ := b.c.snap.Leader("a", 0); node != 1 {
			t.Fatalf("believed after %d answers", i)
		}
	}
}

// TestAHintOfALifeBeforeIsNotTaken has KIP-951: a request sent to a topic before it was created again is answered with a leader of that life. Where the hint does not say which topic it means it is believed until
// the brokers have said something else often enough.
func TestAHintOfALifeBeforeIsNotTaken(t *testing.T) {
	for _, id := range []wire.UUID{{1}, {}} {
		b := newBench(t, nil)
		b.answers(withID(metadata([]int32{1, 2}, []int32{7, 7}), 1), 12)
		now := withID(metadata([]int32{2, 2}, []int32{0, 0}), 2)
		b.answers(now, 12)
		b.step(Hints{{TopicPartition: cluster.TopicPartition{Topic: "a", Partition: 0}, TopicID: id, Leader: 3, Epoch: 8}})
		if node, _ := b.c.snap.Leader("a", 0); node == 3 && id != (wire.UUID{}) {
			t.Error("a hint about another topic is believed")
		}
		for range 3 {
			b.answers(now, 12)
		}
		if node, epoch := b.c.snap.Leader("a", 0); node != 2 {
			t.Errorf("led by node %d in epoch %d; all brokers say node 2", node, epoch)
		}
	}
}

// TestATopicDoesNotFlapBetweenItsLives: some brokers have not heard yet that it was created again, or have been left out of it.
func TestATopicDoesNotFlapBetweenItsLives(t *testing.T) {
	b := newBench(t, nil)
	old, again := withID(metadata([]int32{1, 2}, []int32{7, 7}), 1), withID(metadata([]int32{2, 2}, []int32{0, 0}), 2)
	b.answers(old, 12)
	flaps := 0
	for range 20 {
		for _, m := range []*msg.MetadataResponse{again, old, old, metadata([]int32{2, 2}, []int32{0, 0})} {
			before := b.c.snap.Topic("a").ID
			if b.answers(m, 12); b.c.snap.Topic("a").ID != before {
				flaps++
			}
		}
	}
	if id := b.c.snap.Topic("a").ID; flaps != 1 || id != (wire.UUID{2}) {
		t.Errorf("%d changes, the last to %v", flaps, id)
	}
	for range 4 { // it is the brokers who are right in the end
		b.answers(old, 12)
	}
	if id := b.c.snap.Topic("a").ID; id != (wire.UUID{1}) {
		t.Errorf("id %v, all brokers say another one", id)
	}
}

// Who sends to a topic that is not there asks more often than is asked by itself: each answer was one more entry of a list, for ever.
func TestATopicThatIsLackingIsListedOnce(t *testing.T) {
	b := newBench(t, nil)
	for range 50 {
		b.answers(unknown(), 12)
	}
	if n := len(b.c.refresh.due); n != 1 {
		t.Errorf("it is listed %d times", n)
	}
	b.answers(metadata([]int32{1}, []int32{0}), 12)
	if b.later(time.Minute); len(b.c.refresh.due) != 0 {
		t.Error("it is listed although it is there")
	}
	b.step(&Metadata{Resp: unknown(), Version: 12})
	b.answers(unknown(), 12)
	if len(b.c.refresh.due) != 1 {
		t.Error("it is not listed when it is gone again")
	}
}

// TestWhatIsAskedForInVainIsAskedForElsewhere: a question for some topics names them again when it has failed, and when its broker does not answer.
func TestWhatIsAskedForInVainIsAskedForElsewhere(t *testing.T) {
	for _, silent := range []bool{true, false} {
		b := newBench(t, func(c *Config) { c.LateAfter = 500 * time.Millisecond }).known()
		b.step(&Refresh{Topics: []string{"b"}, Except: cluster.NoNode})
		for b.out.Metadata == nil {
			b.later(b.c.Next().Sub(b.now))
		}
		first := b.out.Peer.ID
		if silent {
			b.out = Effects{}
		} else {
			b.step(&Metadata{Err: errors.New("the connection is gone")})
			b.step(&Down{Peer: first, Err: errors.New("the connection is gone")})
		}
		for b.out.Metadata == nil {
			b.later(b.c.Next().Sub(b.now))
		}
		if topics := b.out.Metadata.Topics; b.out.Peer.ID == first || !slices.ContainsFunc(topics, func(t msg.MetadataRequestMetadataRequestTopic) bool { return *t.Name == "b" }) {
			t.Errorf("silent %v: node %d is asked for %d topics after node %d", silent, b.out.Peer.ID, len(topics), first)
		}
	}
}

// TestATopicLosesNoPartitions: where partitions were added, a broker that had not heard of it yet was believed, and they were gone again.
func TestATopicLosesNoPartitions(t *testing.T) {
	b := newBench(t, nil)
	b.answers(withID(metadata([]int32{1, 2, 3}, []int32{7, 7, 0}), 1), 12)
	b.answers(withID(metadata([]int32{1, 2}, []int32{7, 8}), 1), 12)
	leaders := []int32{}
	for _, p := range b.c.snap.Topic("a").Partitions {
		leaders = append(leaders, p.Leader)
	}
	if !slices.Equal(leaders, []int32{1, 2, 3}) || b.c.snap.Topic("a").Partitions[1].LeaderEpoch != 8 {
		t.Fatalf("its partitions are %v", b.c.snap.Topic("a").Partitions)
	}
	b.answers(withID(metadata([]int32{1}, []int32{0}), 2), 12) // created again
	if n := len(b.c.snap.Topic("a").Partitions); n != 1 {
		t.Fatalf("created again with one partition it has %d", n)
	}
}

// TestPartitionsThatNeverWereAreGoneAgain: one answer that tells of a partition too many would have records written to it for as long as the client lives.
func TestPartitionsThatNeverWereAreGoneAgain(t *testing.T) {
	b := newBench(t, nil)
	b.answers(withID(metadata([]int32{1, 2, 3}, []int32{7, 7, 0}), 1), 12)
	for n := range contraryAnswers {
		if n := len(b.c.snap.Topic("a").Partitions); n != 3 {
			t.Fatalf("%d partitions", n)
		}
		b.answers(withID(metadata([]int32{1, 2}, []int32{7, 7}), 1), 12)
		if got := len(b.c.snap.Topic("a").Partitions); (got == 2) != (n == contraryAnswers-1) {
			t.Fatalf("%d partitions behind %d answers of all brokers", got, n+1)
		}
	}
}

// TestWhoTellsNoIDsContradictsNobody: an id that one answer has told was believed as long as one of three brokers told none, although all others went on telling the one before.
func TestWhoTellsNoIDsContradictsNobody(t *testing.T) {
	b := newBench(t, nil)
	tell := func(id byte) { b.answers(withID(metadata([]int32{1, 2}, []int32{7, 7}), id), 12) }
	tell(1)
	tell(2)
	for n := range 20 {
		if b.c.snap.Topic("a").ID == (wire.UUID{1}) {
			if n < contraryAnswers {
				t.Errorf("believed after %d answers", n)
			}
			return
		}
		if !b.c.refresh.inFlight {
			b.later(time.Second)
		}
		if !b.c.refresh.inFlight {
			b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode})
		}
		if b.c.refresh.peer == 3 {
			tell(0)
		} else {
			tell(1)
		}
	}
	t.Fatal("still not believed")
}
