package meta

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

type bench struct {
	t   *testing.T
	c   *Core
	now time.Time
	out Effects
}

func newBench(t *testing.T, change func(*Config)) *bench {
	cfg := Config{MaxAge: 5 * time.Minute, TopicIdle: 5 * time.Minute, BackoffFirst: 100 * time.Millisecond, BackoffMax: time.Second, Timeout: 30 * time.Second,
		Recover: true, Rebootstrap: 5 * time.Minute, AutoCreate: true, Rand: rand.New(rand.NewPCG(1, 1)),
		Bootstrap: []cluster.Node{{ID: -1, Host: "seed-1", Port: 9092}, {ID: -2, Host: "seed-2", Port: 9092}}}
	if change != nil {
		change(&cfg)
	}
	return &bench{t: t, c: New(cfg), now: time.Unix(1000, 0)}
}

func (b *bench) step(m Message) *Effects {
	switch m := m.(type) { // answers belong to the last question
	case *Metadata:
		if m.Ask == 0 {
			m.Ask = b.c.refresh.ask
		}
	case *Coordinator:
		m.Ask = b.c.coordinator(m.Key, m.KeyType).ask
	}
	b.out = Effects{}
	b.c.Step(b.now, m, &b.out)
	for b.out.More {
		b.out.More = false
		b.c.Step(b.now, &More{}, &b.out)
	}
	return &b.out
}

func (b *bench) later(d time.Duration) *Effects {
	b.now = b.now.Add(d)
	b.out = Effects{}
	b.c.Tick(b.now, &b.out)
	if next := b.c.Next(); !next.IsZero() && !next.After(b.now) { // its actor would do nothing else
		b.t.Errorf("at %s, %s is due still", b.now, next)
	}
	return &b.out
}

// metadata is an answer: nodes 1 to 3, and topic "a" whose partitions are led as given, in these epochs.
func metadata(leaders, epochs []int32) *msg.MetadataResponse {
	m := &msg.MetadataResponse{ControllerID: 1, ClusterID: wire.Ptr("c")}
	for i := range int32(3) {
		m.Brokers = append(m.Brokers, msg.MetadataResponseMetadataResponseBroker{NodeID: i + 1, Host: "broker", Port: 9092 + i})
	}
	t := msg.MetadataResponseMetadataResponseTopic{Name: wire.Ptr("a")}
	for i, l := range leaders {
		t.Partitions = append(t.Partitions, msg.MetadataResponseMetadataResponsePartition{PartitionIndex: int32(i), LeaderID: l, LeaderEpoch: epochs[i]})
	}
	m.Topics = append(m.Topics, t)
	return m
}

// known brings the core to know the cluster with topic "a".
func (b *bench) known() *bench {
	b.t.Helper()
	out := b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode})
	if out.Metadata == nil {
		b.t.Fatal("metadata is not asked for")
	}
	b.step(&Ended{Peer: out.Peer.ID})
	if out := b.step(&Metadata{Resp: metadata([]int32{1, 2}, []int32{5, 5}), Version: 12}); out.Publish == nil {
		b.t.Fatal("no snapshot")
	}
	return b
}

func leader(p int32) *Route {
	return &Route{Target: Target{Kind: ToLeader, Topic: "a", Partition: p}, Deadline: time.Unix(1030, 0), Owner: p}
}

func (b *bench) placed(node int32) {
	b.t.Helper()
	if len(b.out.Place) != 1 || b.out.Place[0].Peer.ID != node {
		b.t.Fatalf("placed %+v, expected node %d; refused %+v", b.out.Place, node, b.out.Refuse)
	}
}

func TestRequestsGoWhereTheyBelong(t *testing.T) {
	b := newBench(t, nil).known()
	b.step(leader(1))
	b.placed(2)
	b.step(&Route{Target: Target{Kind: ToController}})
	b.placed(1)
	b.step(&Route{Target: Target{Kind: ToNode, Node: 3}})
	b.placed(3)
	b.step(&Route{Target: Target{Kind: ToNode, Node: 1}})
	b.step(&Route{Target: Target{Kind: ToNode, Node: 2}})
	b.step(&Route{Target: Target{Kind: Any}}) // the least busy one
	b.placed(3)
	out := b.step(&Route{Target: Target{Kind: ToNode, Node: 9}})
	if len(out.Refuse) != 1 || !errors.Is(out.Refuse[0].Err, ErrNoBroker) {
		t.Fatalf("%+v", out)
	}
}

func TestARequestWaitsUntilItsLeaderIsKnown(t *testing.T) {
	b := newBench(t, nil)
	out := b.step(leader(0))
	if out.Metadata == nil || len(out.Place) != 0 {
		t.Fatalf("%+v", out)
	}
	if topics := out.Metadata.Topics; len(topics) != 1 || *topics[0].Name != "a" {
		t.Fatalf("asked for %+v", topics)
	}
	b.step(&Metadata{Resp: metadata([]int32{3}, []int32{1}), Version: 12})
	b.placed(3)
}

func TestARequestEndsAtItsDeadline(t *testing.T) {
	b := newBench(t, nil)
	b.step(leader(0))
	out := b.later(30 * time.Second)
	if len(out.Refuse) != 1 || !errors.Is(out.Refuse[0].Err, ErrNoLeader) {
		t.Fatalf("%+v", out)
	}
}

// TestLeadersNeverGoBack has rule R1: an answer that is older than what is known changes nothing.
func TestLeadersNeverGoBack(t *testing.T) {
	b := newBench(t, nil).known()
	b.step(Hints{{TopicPartition: cluster.TopicPartition{Topic: "a", Partition: 0}, Leader: 3, Epoch: 6}})
	if node, epoch := b.c.Snapshot().Leader("a", 0); node != 3 || epoch != 6 {
		t.Fatalf("after the hint: node %d, epoch %d", node, epoch)
	}
	b.step(Hints{{TopicPartition: cluster.TopicPartition{Topic: "a", Partition: 0}, Leader: 2, Epoch: 6}})
	b.step(Hints{{TopicPartition: cluster.TopicPartition{Topic: "a", Partition: 0}, Leader: 9, Epoch: 9}}) // a node nobody knows
	b.step(&Refresh{Except: cluster.NoNode})
	b.later(time.Second)
	b.step(&Metadata{Resp: metadata([]int32{1, 2}, []int32{5, 7}), Version: 12})
	if node, epoch := b.c.Snapshot().Leader("a", 0); node != 3 || epoch != 6 {
		t.Fatalf("after old metadata: node %d, epoch %d", node, epoch)
	}
	if _, epoch := b.c.Snapshot().Leader("a", 1); epoch != 7 {
		t.Fatalf("what is new was not taken: epoch %d", epoch)
	}
}

func TestATopicThatIsUnknownForAMomentKeepsItsPartitions(t *testing.T) {
	b := newBench(t, nil).known()
	b.step(&Refresh{Except: cluster.NoNode})
	b.later(time.Second)
	m := metadata(nil, nil)
	m.Topics[0].ErrorCode = int16(protocol.UnknownTopicOrPartition)
	b.step(&Metadata{Resp: m, Version: 12})
	topic := b.c.Snapshot().Topic("a")
	if topic.Err != protocol.UnknownTopicOrPartition || len(topic.Partitions) != 2 {
		t.Fatalf("%+v", topic)
	}
}

func TestWishesAreOneRequest(t *testing.T) {
	b := newBench(t, nil).known()
	b.now = b.now.Add(time.Minute)
	if out := b.step(&Refresh{Topics: []string{"b"}, Except: cluster.NoNode, Owner: "first"}); out.Metadata == nil {
		t.Fatal("not asked")
	}
	if out := b.step(&Refresh{Topics: []string{"c"}, Except: cluster.NoNode, Owner: "second"}); out.Metadata != nil {
		t.Fatal("asked twice at a time")
	}
	out := b.step(&Metadata{Resp: metadata([]int32{1}, []int32{5}), Version: 12})
	if len(out.Fresh) != 1 || out.Fresh[0] != "first" {
		t.Fatalf("told %v", out.Fresh)
	}
	if out.Metadata == nil || len(out.Metadata.Topics) != 1 || *out.Metadata.Topics[0].Name != "c" { // at once, and only what is new
		t.Fatalf("%+v", out.Metadata)
	}
	if out := b.step(&Metadata{Resp: metadata([]int32{1}, []int32{5}), Version: 12}); len(out.Fresh) != 1 || out.Fresh[0] != "second" {
		t.Fatalf("told %v", out.Fresh)
	}
}

func TestMetadataIsRefreshedWhenItIsOld(t *testing.T) {
	b := newBench(t, nil).known()
	if next := b.c.Next(); !next.Equal(b.now.Add(5 * time.Minute)) {
		t.Fatalf("next at %v", next.Sub(b.now))
	}
	if out := b.later(5 * time.Minute); out.Metadata == nil {
		t.Fatal("not asked")
	}
}

// TestATopicThatIsNotThereIsAskedForAgain has a topic that a broker does not know, as one that was created a moment ago: who has subscribed to it must not wait for metadata.max.age.ms.
func TestATopicThatIsNotThereIsAskedForAgain(t *testing.T) {
	b := newBench(t, nil).known()
	lacking := func() *msg.MetadataResponse {
		m := metadata([]int32{1, 2}, []int32{5, 5})
		m.Topics = append(m.Topics, msg.MetadataResponseMetadataResponseTopic{Name: wire.Ptr("b"), ErrorCode: int16(protocol.UnknownTopicOrPartition)})
		return m
	}
	b.later(time.Second)
	b.step(&Refresh{Topics: []string{"b"}, Except: cluster.NoNode})
	var waits []time.Duration
	for range 10 {
		if b.out.Metadata == nil {
			t.Fatal("metadata is not asked for")
		}
		b.step(&Metadata{Resp: lacking(), Version: 12})
		next := b.c.Next()
		waits = append(waits, next.Sub(b.now))
		b.later(next.Sub(b.now))
	}
	if waits[0] != 100*time.Millisecond || waits[1] != 200*time.Millisecond || waits[9] != time.Second {
		t.Errorf("asked again after %v", waits)
	}
	b.step(&Metadata{Resp: metadata([]int32{1, 2}, []int32{5, 5}), Version: 12})
	if out := b.later(time.Minute); out.Metadata != nil {
		t.Error("asked for again although it is there")
	}
}

// TestAnotherClusterIsTold: with both ids, whenever it is another; who tells none is of the same.
func TestAnotherClusterIsTold(t *testing.T) {
	b := newBench(t, nil)
	var told []Strange
	for _, id := range []string{"", "c", "c", "", "c", "d", "d", "", "c"} {
		m := metadata([]int32{1, 2}, []int32{5, 5})
		if m.ClusterID = nil; id != "" {
			m.ClusterID = &id
		}
		if !b.c.refresh.inFlight {
			b.later(time.Second)
			b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode})
		}
		peer := b.c.refresh.peer
		if out := b.step(&Metadata{Resp: m, Version: 12}); out.Strange != nil {
			told = append(told, *out.Strange)
		}
		b.step(&Ended{Peer: peer})
	}
	if want := []Strange{{"c", "d"}, {"d", "c"}}; !slices.Equal(told, want) {
		t.Errorf("told %v, expected %v", told, want)
	}
}

// TestManyTopicsThatAreNotThereAreOneRequest: whenever they were wished, and however long it takes, there are not more requests for them than for one.
func TestManyTopicsThatAreNotThereAreOneRequest(t *testing.T) {
	const many = 300
	for _, create := range []bool{true, false} {
		b := newBench(t, func(c *Config) { c.AutoCreate, c.TopicIdle = create, 0 }).known()
		rng := rand.New(rand.NewPCG(1, 2))
		var asked []time.Time
		most := 0
		end := b.now.Add(5 * time.Minute)
		for n := 0; b.now.Before(end); {
			var out *Effects
			if n < many && rng.IntN(2) == 0 {
				out = b.step(&Refresh{Topics: []string{strconv.Itoa(n)}, Shared: n%2 == 0, Except: cluster.NoNode})
				n++
			} else {
				out = b.later(min(b.c.Next().Sub(b.now), time.Duration(rng.IntN(30))*time.Millisecond))
			}
			for out.Metadata != nil {
				if n == many {
					asked, most = append(asked, b.now), len(out.Metadata.Topics)
				}
				resp := lacking(out.Metadata)
				b.step(&Ended{Peer: out.Peer.ID})
				b.step(&Metadata{Resp: resp, Version: 12})
			}
		}
		for i, at := range asked {
			if i >= 6 && at.Sub(asked[i-6]) < time.Second && at.Sub(asked[0]) > 3*time.Second {
				t.Errorf("creating %t: seven requests within %s", create, at.Sub(asked[i-6]))
			}
		}
		if n := len(asked); n > 330 || most < many {
			t.Errorf("creating %t: %d requests in five minutes, the last for %d of %d topics", create, n, most, many)
		}
	}
}

// lacking is an answer that says of all topics that there are none.
func lacking(m *msg.MetadataRequest) *msg.MetadataResponse {
	resp := metadata(nil, nil)
	resp.Topics = nil
	for _, t := range m.Topics {
		resp.Topics = append(resp.Topics, msg.MetadataResponseMetadataResponseTopic{Name: t.Name, ErrorCode: int16(protocol.UnknownTopicOrPartition)})
	}
	return resp
}

func TestASuspectBrokerIsNotAsked(t *testing.T) {
	b := newBench(t, nil).known()
	b.step(&Up{Peer: 1})
	b.now = b.now.Add(time.Second)
	out := b.step(&Late{Peer: 1})
	if out.Metadata == nil || out.Peer.ID == 1 {
		t.Fatalf("asked %+v", out.Peer)
	}
	out = b.step(&Metadata{Resp: metadata([]int32{2, 2}, []int32{6, 5}), Version: 12})
	if len(out.Moved) != 1 || out.Moved[0] != 1 {
		t.Fatalf("moved %v", out.Moved)
	}
	b.step(&Up{Peer: 1})
	if b.c.Suspects() != 0 {
		t.Fatal("it answers again, and is suspect")
	}
}

// TestALeaderThatIsAwayIsSoonReplaced: who leads in its place is asked for again and again, as long as an election may last, and not for ever: it may be unreachable for this client only.
func TestALeaderThatIsAwayIsSoonReplaced(t *testing.T) {
	b := newBench(t, nil).known()
	b.step(&Down{Peer: 1, Err: errors.New("refused")})
	asked := 0
	for end := b.now.Add(time.Minute); b.now.Before(end); {
		if b.c.Next().IsZero() {
			break
		}
		if out := b.later(b.c.Next().Sub(b.now)); out.Metadata != nil {
			asked++
			b.step(&Metadata{Resp: metadata([]int32{1, 2}, []int32{5, 5}), Version: 12})
		}
	}
	if asked < 50 || asked > 70 {
		t.Fatalf("asked %d times within a minute", asked)
	}
}

// TestAQuestionIsAskedElsewhereAlsoWhenAllAreSuspect: when one broker stands still, all others hold produce requests back until it is out of the ISR, and are suspect, too.
func TestAQuestionIsAskedElsewhereAlsoWhenAllAreSuspect(t *testing.T) {
	b := newBench(t, nil).known()
	b.c.cfg.LateAfter = 500 * time.Millisecond
	b.now = b.now.Add(time.Second)
	b.step(&Late{Peer: 1})
	b.step(&Metadata{Resp: metadata([]int32{1, 2}, []int32{5, 5}), Version: 12})
	b.step(&Late{Peer: 2})
	b.step(&Metadata{Resp: metadata([]int32{1, 2}, []int32{5, 5}), Version: 12})
	b.now = b.now.Add(time.Second)
	var asked []int32
	out := b.step(&Refresh{Except: cluster.NoNode, Owner: "w"})
	for range 4 { // 0.5, 1, 2 and 4 s
		if out.Metadata != nil {
			asked = append(asked, out.Peer.ID)
		}
		out = b.later(b.c.Next().Sub(b.now))
	}
	for i := 1; i < len(asked); i++ {
		if asked[i] == asked[i-1] {
			t.Fatalf("asked %v", asked)
		}
	}
	if len(asked) < 3 {
		t.Fatalf("asked %v", asked)
	}
	ask := b.c.refresh.ask
	out = b.step(&Metadata{Ask: ask, Resp: metadata([]int32{2, 2}, []int32{6, 5}), Version: 12})
	if len(out.Fresh) != 1 || b.c.refresh.moves != 0 {
		t.Fatalf("%+v", out)
	}
}

// TestABrokerThatStandsStillHoldsUpNobody has rule R1: what a suspect broker was asked for is asked for elsewhere, and its own answer no longer counts.
func TestABrokerThatStandsStillHoldsUpNobody(t *testing.T) {
	b := newBench(t, nil).known()
	b.now = b.now.Add(time.Second)
	out := b.step(&Refresh{Except: cluster.NoNode, Owner: "w"})
	still, ask := out.Peer.ID, out.MetaAsk
	out = b.step(&Late{Peer: still})
	if out.Metadata == nil || out.Peer.ID == still {
		t.Fatalf("asked %+v", out.Peer)
	}
	if out := b.step(&Metadata{Ask: ask, Resp: metadata([]int32{1}, []int32{1}), Version: 12}); len(out.Fresh) != 0 {
		t.Fatal("the answer to the old question counts")
	}
	if out := b.step(&Metadata{Resp: metadata([]int32{2, 2}, []int32{6, 5}), Version: 12}); len(out.Fresh) != 1 || len(out.Moved) != 1 {
		t.Fatalf("%+v", out)
	}
	if out := b.later(250 * time.Millisecond); out.Metadata == nil { // it still has the call: who leads may change any moment
		t.Fatal("metadata is not asked for again")
	}
}

func TestFailuresBackOffAndFindAnotherBroker(t *testing.T) {
	b := newBench(t, nil)
	out := b.step(&Refresh{Except: cluster.NoNode, Owner: "w"})
	first := out.Peer.ID
	out = b.step(&Down{Peer: first, Err: errors.New("refused")})
	if out.Metadata == nil || out.Peer.ID == first {
		t.Fatalf("asked %d again", out.Peer.ID)
	}
}

// TestNobodyCanBeReachedAndTheBootstrapAddressesAreAskedAgain has KIP-899: the only broker was replaced, and has another address. A client stood still for five minutes.
func TestNobodyCanBeReachedAndTheBootstrapAddressesAreAskedAgain(t *testing.T) {
	for _, none := range []bool{false, true} {
		b := newBench(t, func(c *Config) { c.Recover = !none }).known()
		b.later(time.Second)
		asked := int32(0)
		for id := range int32(3) {
			if asked < 0 {
				t.Fatal("asked although brokers are left")
			}
			if out := b.step(&Down{Peer: id + 1, Err: errors.New("refused")}); out.Metadata != nil {
				asked = out.Peer.ID
			}
		}
		if asked < 0 == none {
			t.Fatalf("with metadata.recovery.strategy=none %v: asked is %d", none, asked)
		}
		if none {
			continue
		}
		m := metadata([]int32{1, 2}, []int32{5, 5})
		for i := range m.Brokers {
			m.Brokers[i].Host = "elsewhere"
		}
		out := b.step(&Metadata{Resp: m, Version: 12})
		if len(out.Gone) != 5 { // all that was known, the bootstrap addresses too
			t.Fatalf("gone are %v", out.Gone)
		}
		b.step(&Route{Target: Target{Kind: ToNode, Node: 1}})
		if got := b.out.Place[0].Peer.Host; got != "elsewhere" {
			t.Fatalf("placed at %s", got)
		}
	}
}

// TestNobodyAnswersAndTheClientBeginsAnew has KIP-1102: brokers that can be reached give no metadata for long, or say so themselves. A trigger of 0 is any attempt that has failed.
func TestNobodyAnswersAndTheClientBeginsAnew(t *testing.T) {
	for _, after := range []time.Duration{0, time.Minute} {
		b := newBench(t, func(c *Config) { c.Rebootstrap = after }).known()
		b.later(time.Second)
		start := b.now
		out := b.step(&Refresh{Topics: []string{"new"}, Except: cluster.NoNode})
		for out.Metadata == nil || out.Peer.ID >= 0 {
			if b.now.Sub(start) > 2*time.Minute {
				t.Fatal("the bootstrap addresses are not tried again")
			}
			if out.Metadata != nil {
				out = b.step(&Metadata{Err: errors.New("no answer")})
			} else {
				out = b.later(100 * time.Millisecond)
			}
		}
		if took := b.now.Sub(start); took < after || took > after+5*time.Second/2 { // two back-offs
			t.Fatalf("after %s, with a trigger of %s", took, after)
		}
		if out := b.step(leader(0)); len(out.Place) != 1 {
			t.Fatal("what is known is not used any more")
		}
	}
	b := newBench(t, nil).known()
	b.later(time.Second)
	b.step(&Refresh{Except: cluster.NoNode, Owner: "w"})
	b.step(&Metadata{Resp: &msg.MetadataResponse{ErrorCode: int16(protocol.RebootstrapRequired)}, Version: 13})
	for range 5 {
		out := b.later(2 * time.Second)
		if out.Metadata == nil || out.Peer.ID >= 0 {
			t.Fatalf("asked is %+v", out.Peer)
		}
		b.step(&Metadata{Err: errors.New("refused")})
	}
	b.later(2 * time.Second)
	m := metadata([]int32{1, 2}, []int32{5, 5})
	m.Brokers[0].Host = "elsewhere"
	out := b.step(&Metadata{Resp: m, Version: 13})
	if !slices.ContainsFunc(out.Gone, func(n cluster.Node) bool { return n.ID == 1 && n.Host == "broker" }) || len(out.Fresh) != 1 {
		t.Fatalf("gone are %v", out.Gone)
	}
}

func TestABrokerThatMovesLosesItsConnections(t *testing.T) {
	b := newBench(t, nil).known()
	b.now = b.now.Add(time.Second)
	b.step(&Refresh{Except: cluster.NoNode})
	m := metadata([]int32{1, 2}, []int32{5, 5})
	m.Brokers[1].Host = "elsewhere"
	m.Brokers = m.Brokers[:2]
	out := b.step(&Metadata{Resp: m, Version: 12})
	if len(out.Gone) != 2 { // 2 has moved, 3 is gone
		t.Fatalf("gone are %v", out.Gone)
	}
}

func TestCoordinatorsAreLookedUpOnce(t *testing.T) {
	b := newBench(t, nil).known()
	route := &Route{Target: Target{Kind: ToCoordinator, Key: "g"}, Deadline: b.now.Add(time.Minute), Owner: 1}
	if out := b.step(route); len(out.Ask) != 1 || out.Ask[0].Key != "g" {
		t.Fatalf("%+v", out)
	}
	if out := b.step(&Route{Target: Target{Kind: ToCoordinator, Key: "g"}, Deadline: b.now.Add(time.Minute), Owner: 2}); len(out.Ask) != 0 {
		t.Fatal("asked twice")
	}
	b.step(&Coordinator{Key: "g", Version: 4, Resp: &msg.FindCoordinatorResponse{Coordinators: []msg.FindCoordinatorResponseCoordinator{{Key: "g", ErrorCode: int16(protocol.CoordinatorNotAvailable)}}}})
	if out := b.later(time.Second); len(out.Ask) != 1 {
		t.Fatal("not asked again")
	}
	out := b.step(&Coordinator{Key: "g", Version: 3, Resp: &msg.FindCoordinatorResponse{NodeID: 2, Host: "broker", Port: 9093}})
	if len(out.Place) != 2 || out.Place[0].Peer.ID != 2 {
		t.Fatalf("%+v", out.Place)
	}
	b.step(&Forget{Key: "g"})
	if out := b.step(route); len(out.Ask) != 1 {
		t.Fatal("what was forgotten is not asked for")
	}
	out = b.step(&Coordinator{Key: "g", Version: 3, Resp: &msg.FindCoordinatorResponse{ErrorCode: int16(protocol.GroupAuthorizationFailed)}})
	if len(out.Refuse) != 1 || !errors.Is(out.Refuse[0].Err, protocol.GroupAuthorizationFailed) {
		t.Fatalf("%+v", out.Refuse)
	}
}

func TestHostileMetadataIsRefused(t *testing.T) {
	b := newBench(t, nil).known()
	b.now = b.now.Add(time.Second)
	b.step(&Refresh{Except: cluster.NoNode})
	m := metadata([]int32{1}, []int32{9})
	m.Topics[0].Partitions[0].PartitionIndex = 1 << 30
	b.step(&Metadata{Resp: m, Version: 12})
	if topic := b.c.Snapshot().Topic("a"); topic.Err != protocol.None || len(topic.Partitions) != 2 || topic.Partitions[0].Leader != 1 {
		t.Fatalf("%d partitions, %v", len(topic.Partitions), topic.Err)
	}
	if out := b.later(time.Second); out.Metadata == nil {
		t.Fatal("nobody is asked again")
	}
}

// A topic has partitions, and they are numbered from 0: what an answer says else is not known for metadata.max.age.ms, and a group's leader does not give away nothing.
func TestATopicOfNoPartitionsIsAskedForAgain(t *testing.T) {
	for name, spoil := range map[string]func(*msg.MetadataResponseMetadataResponseTopic){
		"none":     func(m *msg.MetadataResponseMetadataResponseTopic) { m.Partitions = nil },
		"far":      func(m *msg.MetadataResponseMetadataResponseTopic) { m.Partitions[0].PartitionIndex = 1 << 30 },
		"negative": func(m *msg.MetadataResponseMetadataResponseTopic) { m.Partitions[0].PartitionIndex = -1 },
	} {
		b := newBench(t, nil)
		b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode})
		m := metadata([]int32{1}, []int32{9})
		m.Topics[0].Partitions = m.Topics[0].Partitions[:1]
		spoil(&m.Topics[0])
		b.step(&Metadata{Resp: m, Version: 12})
		if topic := b.c.Snapshot().Topic("a"); topic == nil || topic.Err != protocol.UnknownServerError || len(topic.Partitions) != 0 {
			t.Errorf("%s: %+v", name, topic)
		}
		if out := b.later(time.Second); out.Metadata == nil {
			t.Errorf("%s: nobody is asked again", name)
		}
		b.step(&Metadata{Resp: metadata([]int32{1}, []int32{9}), Version: 12})
		if topic := b.c.Snapshot().Topic("a"); topic.Err != protocol.None || len(topic.Partitions) == 0 {
			t.Errorf("%s, then well: %+v", name, topic)
		}
	}
}

// TestNoBrokerIsAskedForANameThatCannotBeSent: it would hang up, and tell nothing of the topics beside it.
func TestNoBrokerIsAskedForANameThatCannotBeSent(t *testing.T) {
	for _, bad := range []string{strings.Repeat("a", wire.MaxText+1), "a\xffb"} {
		b := newBench(t, nil).known()
		b.now = b.now.Add(time.Second)
		out := b.step(&Refresh{Topics: []string{"b", bad}, Except: cluster.NoNode, Owner: "who waits"})
		if out.Metadata == nil || len(out.Metadata.Topics) != 1 || *out.Metadata.Topics[0].Name != "b" {
			t.Fatalf("asked for %+v", out.Metadata)
		}
		if topic := b.c.Snapshot().Topic(bad); topic == nil || topic.Err != protocol.InvalidTopicException {
			t.Fatalf("it is known as %+v", topic)
		}
		if out := b.step(&Metadata{Resp: metadata([]int32{1}, []int32{5}), Version: 12}); len(out.Fresh) != 1 {
			t.Fatalf("told %v", out.Fresh)
		}
		if out := b.step(&Refresh{Topics: []string{bad}, Except: cluster.NoNode, Owner: "who waits for that"}); len(out.Fresh) != 1 || out.Metadata != nil {
			t.Fatalf("told %v", out.Fresh)
		}
		b.now = b.now.Add(4 * time.Minute)
		if out := b.step(&Refresh{Except: cluster.NoNode}); out.Metadata == nil || slices.ContainsFunc(out.Metadata.Topics, func(m msg.MetadataRequestMetadataRequestTopic) bool { return *m.Name == bad }) {
			t.Fatalf("with all, asked for %+v", out.Metadata)
		}
		out = b.step(&Route{Target: Target{Kind: ToLeader, Topic: bad}, Deadline: b.now.Add(time.Minute), Owner: "a request"})
		if len(out.Refuse) != 1 || out.Refuse[0].Owner != "a request" || out.Refuse[0].Err != protocol.InvalidTopicException {
			t.Fatalf("refused %+v", out.Refuse)
		}
	}
}

func TestClosedRefusesEverything(t *testing.T) {
	b := newBench(t, nil)
	b.step(leader(0))
	out := b.step(&Close{})
	if len(out.Refuse) != 1 || !errors.Is(out.Refuse[0].Err, ErrClosed) {
		t.Fatalf("%+v", out)
	}
	if out := b.step(leader(1)); len(out.Refuse) != 1 {
		t.Fatal("taken")
	}
	if out := b.step(&Refresh{Owner: 1, Except: cluster.NoNode}); len(out.Refuse) != 1 {
		t.Fatal("taken")
	}
	if !b.c.Next().IsZero() {
		t.Fatal("a deadline")
	}
}

// TestABrokerInDoubtIsNotAsked has a broker whose own word is in doubt: another one is asked, and each in turn otherwise. But it is asked when no other may be.
func TestABrokerInDoubtIsNotAsked(t *testing.T) {
	b := newBench(t, nil).known()
	asked := func(except int32) int32 {
		b.later(time.Second)
		out := b.step(&Refresh{Except: except})
		if out.Metadata == nil {
			t.Fatal("nobody is asked")
		}
		peer := out.Peer.ID
		b.step(&Ended{Peer: peer})
		b.step(&Metadata{Resp: metadata([]int32{1, 2, 3}, []int32{5, 5, 5}), Version: 12})
		return peer
	}
	for id := range int32(3) {
		b.step(&Up{Peer: id + 1})
	}
	for range 3 {
		for id := range int32(3) {
			if got := asked(id + 1); got == id+1 {
				t.Errorf("broker %d is asked about itself", got)
			}
		}
	}
	if first, second := asked(cluster.NoNode), asked(cluster.NoNode); first == second {
		t.Errorf("broker %d is asked twice in a row", first)
	}
	for range 5 { // a back-off of a second, and more than the next question comes after
		b.now = b.now.Add(time.Second)
		for _, id := range []int32{2, 3} {
			b.step(&Down{Peer: id, Err: errors.New("refused")})
		}
	}
	b.step(&Metadata{Resp: metadata([]int32{1, 1, 1}, []int32{6, 6, 6}), Version: 12}) // of what they have led to
	b.now = b.now.Add(300 * time.Millisecond)
	if out := b.step(&Refresh{Except: 1}); out.Metadata != nil && out.Peer.ID != 1 {
		t.Errorf("broker %d is asked in its back-off", out.Peer.ID)
	} else if out.Metadata == nil {
		t.Error("nobody is asked, although broker 1 answers")
	}
}

// TestWhatNoRetryCanHelpIsToldWhoWaits: not the first time that a broker cannot be used, but when that is so of all.
func TestWhatNoRetryCanHelpIsToldWhoWaits(t *testing.T) {
	b := newBench(t, nil)
	b.step(&Refresh{Except: cluster.NoNode, Owner: "refresh"})
	b.step(leader(0))
	wrong := errors.New("unknown authority")
	if out := b.step(&Down{Peer: -1, Err: wrong, Fatal: true}); len(out.Refuse) != 0 {
		t.Fatalf("refused although another may do: %+v", out.Refuse)
	}
	if out := b.step(&Down{Peer: -2, Err: errors.New("refused")}); len(out.Refuse) != 0 {
		t.Fatalf("refused although another may come back: %+v", out.Refuse)
	}
	out := b.step(&Down{Peer: -2, Err: wrong, Fatal: true})
	if len(out.Refuse) != 2 || !errors.Is(out.Refuse[0].Err, wrong) || !errors.Is(out.Refuse[0].Err, ErrNoBroker) {
		t.Fatalf("refused: %+v", out.Refuse)
	}
	b.step(&Up{Peer: -1})
	b.step(leader(0))
	if out := b.step(&Down{Peer: -2, Err: wrong, Fatal: true}); len(out.Refuse) != 0 {
		t.Fatalf("refused although one is well: %+v", out.Refuse)
	}
}

// The hints of one answer make one picture, however many there are: 10,000 made 10,000, each with a copy of all partitions, and kept the actor busy for 13 s when a broker left.
func TestHintsOfAnAnswerMakeOnePicture(t *testing.T) {
	b := newBench(t, nil)
	b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode})
	const n = 1000
	leaders, epochs := make([]int32, n), make([]int32, n)
	for i := range leaders {
		leaders[i], epochs[i] = 1, 5
	}
	b.step(&Metadata{Resp: metadata(leaders, epochs), Version: 12})
	var hints Hints
	for i := range int32(n) {
		hints = append(hints, Hint{TopicPartition: cluster.TopicPartition{Topic: "a", Partition: i}, Leader: 2, Epoch: 6})
	}
	hints = append(hints, Hint{TopicPartition: cluster.TopicPartition{Topic: "a"}, Leader: 3, Epoch: 6}, Hint{TopicPartition: cluster.TopicPartition{Topic: "none"}, Leader: 2, Epoch: 6},
		Hint{TopicPartition: cluster.TopicPartition{Topic: "a", Partition: 7}, Leader: 9, Epoch: 7, Node: &cluster.Node{ID: 9, Host: "nine", Port: 9}}, Hint{TopicPartition: cluster.TopicPartition{Topic: "a", Partition: 8}, Leader: 9, Epoch: 7})
	before := b.c.snap
	out := b.step(hints)
	if out.Publish == nil || out.Publish.Version != before.Version+1 {
		t.Fatalf("%+v", out.Publish)
	}
	for _, p := range out.Publish.Topic("a").Partitions {
		want, epoch := int32(2), int32(6)
		if p.Index == 7 || p.Index == 8 {
			want, epoch = 9, 7
		}
		if p.Leader != want || p.LeaderEpoch != epoch {
			t.Fatalf("%+v", p)
		}
	}
	if i := slices.IndexFunc(out.Publish.Nodes, func(n cluster.Node) bool { return n.Host == "nine" }); i != len(before.Nodes) || before.Topic("a").Partitions[0].Leader != 1 {
		t.Errorf("brokers %+v; the picture before has leader %d", out.Publish.Nodes, before.Topic("a").Partitions[0].Leader)
	}
}

// No more brokers are known by hints than an answer may list, and none whose hint is not taken.
func TestHintsBringNotMoreBrokersThanThereMayBe(t *testing.T) {
	b := newBench(t, func(c *Config) { c.MaxBrokers = 5 })
	b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode})
	b.step(&Metadata{Resp: metadata(make([]int32, 10), make([]int32, 10)), Version: 12})
	before := len(b.c.snap.Nodes)
	var hints Hints
	for i := range int32(10) {
		hints = append(hints, Hint{TopicPartition: cluster.TopicPartition{Topic: "a", Partition: i}, Leader: 100 + i, Epoch: 7, Node: &cluster.Node{ID: 100 + i, Host: "many", Port: 9}})
	}
	hints[0].Epoch = -1 // nothing new
	b.step(hints)
	got := b.c.snap.Nodes
	if before >= 5 || len(got) != 5 || slices.ContainsFunc(got, func(n cluster.Node) bool { return n.ID == 100 }) {
		t.Errorf("before %d, now %+v", before, got)
	}
}
