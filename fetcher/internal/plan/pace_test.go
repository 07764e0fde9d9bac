package plan

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/trouble"
	"github.com/kactor-go/kactor/protocol/wire"
)

// crowd lets brokers answer at once for a while, with records read at once, and gives when each broker was asked, and what was told. Metadata changes nothing.
func (b *bench) crowd(span time.Duration, fetched func(*Request) Message, read func(*Chunk) Taking, listed func(*Query) Message) (asked map[int32][]time.Time, told []Failure) {
	asked = map[int32][]time.Time{}
	begun, all := b.now, 0
	note := func(node int32) {
		asked[node] = append(asked[node], b.now)
		if all++; all > 5000 {
			b.t.Fatalf("asked %d times in %s", all, b.now.Sub(begun))
		}
	}
	queue := []Effects{b.out}
	for b.now.Sub(begun) < span {
		if len(queue) == 0 {
			if b.c.Next().IsZero() {
				b.t.Fatal("nothing is to be done any more")
			}
			queue = append(queue, *b.later(max(time.Millisecond, b.c.Next().Sub(b.now))))
		}
		out := queue[0]
		queue = queue[1:]
		told = append(told, out.Fail...)
		step := func(m Message) { queue = append(queue, *b.step(m)) }
		for _, r := range out.Fetch {
			note(r.Node)
			step(fetched(r))
		}
		for _, k := range out.Chunks {
			step(&Taken{Chunks: []Taking{read(k)}})
		}
		for _, q := range out.List {
			note(q.Node)
			step(listed(q))
		}
		for _, q := range out.Check {
			note(q.Node)
			step(&Checked{Query: q, Resp: &msg.OffsetForLeaderEpochResponse{}})
		}
	}
	return asked, told
}

// seldom sees to it that nobody was asked more than so often within any second.
func (b *bench) seldom(name string, most int, asked map[int32][]time.Time) {
	b.t.Helper()
	for node, at := range asked {
		for i := most; i < len(at); i++ {
			if at[i].Sub(at[i-most]) < time.Second {
				b.t.Errorf("%s: broker %d was asked %d times within %s", name, node, most+1, at[i].Sub(at[i-most]))
				return
			}
		}
	}
}

// taking is what a reader makes of a chunk: it reads it to its end.
func taking(k *Chunk) Taking {
	t := Taking{TopicPartition: k.TopicPartition, Gen: k.Gen, Bytes: k.Bytes, Life: k.Life}
	end, _, ok := lastOf(k.Records)
	switch _, _, whole, err := record.Next(k.Records); {
	case err != nil || whole && !ok:
		t.Back, t.At, t.Epoch, t.Err = true, k.Offset, -1, errors.New("damaged")
	case !ok && k.Bytes >= int64(k.Room):
		t.Back, t.At, t.Epoch, t.Grow = true, k.Offset, -1, true
	case !ok:
		t.Vain = errors.New("cut off")
	case end < k.Offset:
		t.Vain = errors.New("before the position")
	}
	return t
}

// all answers for all partitions that are wanted.
func all(r *Request, part func(p int32, offset int64) msg.FetchResponsePartitionData) *Fetched {
	t := msg.FetchResponseFetchableTopicResponse{TopicID: wire.UUID{1}}
	for _, w := range r.Wants {
		t.Partitions = append(t.Partitions, part(w.Partition, w.Offset))
	}
	return &Fetched{Request: r, Version: 13, Resp: &msg.FetchResponse{SessionID: 7, Responses: []msg.FetchResponseFetchableTopicResponse{t}}}
}

func offsetOf(q *Query, offset int64, code protocol.Code) *Listed {
	t := msg.ListOffsetsResponseListOffsetsTopicResponse{Name: "a"}
	for _, p := range q.Parts {
		a := msg.ListOffsetsResponseListOffsetsPartitionResponse{}
		a.SetDefaults()
		a.PartitionIndex, a.Offset, a.ErrorCode = p.Partition, offset, int16(code)
		t.Partitions = append(t.Partitions, a)
	}
	return &Listed{Query: q, Version: 7, Resp: &msg.ListOffsetsResponse{Topics: []msg.ListOffsetsResponseListOffsetsTopicResponse{t}}}
}

// TestWhoGetsNoFurtherDoesNotHurry has brokers that answer at once, each in its way of bringing nothing, for partitions that are at different places. What is damaged, or brings nothing, is told.
func TestWhoGetsNoFurtherDoesNotHurry(t *testing.T) {
	one := func(p int32, f func(*msg.FetchResponsePartitionData, int64)) func(int32, int64) msg.FetchResponsePartitionData {
		return func(q int32, offset int64) msg.FetchResponsePartitionData {
			d := data(q)
			if p < 0 || p == q {
				f(&d, offset)
			}
			return d
		}
	}
	sets := func(f func(offset int64) []byte) func(*Request) Message {
		return func(r *Request) Message {
			return all(r, one(-1, func(d *msg.FetchResponsePartitionData, offset int64) { d.Records = f(offset) }))
		}
	}
	code := func(code protocol.Code) func(*Request) Message {
		return func(r *Request) Message {
			return all(r, one(-1, func(d *msg.FetchResponsePartitionData, _ int64) { d.ErrorCode = int16(code) }))
		}
	}
	whole := func(code protocol.Code, session int32) func(*Request) Message {
		return func(r *Request) Message {
			return &Fetched{Request: r, Version: 13, Resp: &msg.FetchResponse{ErrorCode: int16(code), SessionID: session}}
		}
	}
	n := 0
	for _, c := range []struct {
		name   string
		answer func(*Request) Message
		told   bool
	}{
		{"nothing", sets(func(int64) []byte { return nil }), false},
		{"nothing in a session", whole(0, 7), false},
		{"no session", whole(0, 0), false},
		{"a negative session", whole(0, -1), false},
		{"an unknown session", whole(protocol.FetchSessionIDNotFound, 0), false},
		{"topic ids that do not fit the session", whole(protocol.FetchSessionTopicIDError, 0), false},
		{"moved", func(r *Request) Message { return &Fetched{Request: r, Err: errors.New("moved"), Moved: true} }, false},
		{"a cut batch", sets(func(o int64) []byte { return batch(o, 5, 1)[:60] }), true},
		{"one byte", sets(func(int64) []byte { return []byte{0} }), true},
		{"records before the position", sets(func(o int64) []byte { return batch(o-3, 5, 3) }), true},
		{"the highest offset", sets(func(int64) []byte { return batch(math.MaxInt64, 5, 1) }), true},
		{"offsets past the highest", sets(func(int64) []byte { return batch(math.MaxInt64-5, 5, 100) }), true},
		{"negative offsets", sets(func(int64) []byte { return batch(-200, 5, 500) }), true},
		{"an unknown format", sets(func(o int64) []byte { raw := batch(o, 5, 1); raw[16] = 3; return raw }), true},
		{"out of range", code(protocol.OffsetOutOfRange), false},
		{"an unknown topic", code(protocol.UnknownTopicID), false},
		{"all errors", func(r *Request) Message {
			n++
			return code([]protocol.Code{protocol.OffsetOutOfRange, protocol.NotLeaderOrFollower, protocol.FencedLeaderEpoch, protocol.UnknownTopicID, protocol.UnknownLeaderEpoch, protocol.CorruptMessage}[n%6])(r)
		}, true},
		{"a circle of followers", func(r *Request) Message {
			return all(r, one(-1, func(d *msg.FetchResponsePartitionData, _ int64) { d.PreferredReadReplica = 1 + r.Node%3 }))
		}, false},
		{"other logs", func(r *Request) Message {
			n++
			return all(r, one(-1, func(d *msg.FetchResponsePartitionData, offset int64) {
				d.DivergingEpoch = msg.FetchResponseEpochEndOffset{Epoch: 4, EndOffset: offset - int64(n%2)}
			}))
		}, false},
		{"nothing, and one partition is damaged", func(r *Request) Message {
			return all(r, one(2, func(d *msg.FetchResponsePartitionData, o int64) { d.Records = batch(o-1, 5, 1) }))
		}, true},
		{"nobody's partitions", func(r *Request) Message {
			m := all(r, one(-1, func(d *msg.FetchResponsePartitionData, o int64) { d.PartitionIndex, d.Records = 77, batch(o, 5, 1) }))
			return m
		}, false},
	} {
		for _, beside := range []bool{false, true} {
			b := newBench(t, nil)
			b.c.snap = snapshot(5, 1, 2, 1, 1, 1)
			first := Effects{}
			for _, p := range []int32{0, 1, 2, 3, 4} {
				b.assign(p, 100+int64(p))
				first.Fetch = append(first.Fetch, b.out.Fetch...)
			}
			b.out = first
			answer := c.answer
			if beside { // the leader changes again and again, as far as anybody hears
				i := int32(0)
				answer = func(r *Request) Message {
					for k := range b.c.parts {
						b.c.parts[k].trouble.Hurry()
					}
					i++
					return c.answer(r)
				}
			}
			asked, told := b.crowd(20*time.Second, answer, taking, func(q *Query) Message { return offsetOf(q, 100, protocol.None) })
			b.seldom(fmt.Sprint(c.name, ", hurried: ", beside), 20, asked)
			if c.told && !beside && len(told) == 0 {
				t.Errorf("%s: nothing was told", c.name)
			}
		}
	}
}

// TestQuestionsForOffsetsDoNotHurry has brokers that answer them with what is none, for partitions each of which is asked for at its own time.
func TestQuestionsForOffsetsDoNotHurry(t *testing.T) {
	for _, c := range []struct {
		name   string
		offset int64
		code   protocol.Code
	}{{"no end", -1, 0}, {"a negative offset", -7, 0}, {"the least", math.MinInt64, 0}, {"an offset that nobody can go on from", math.MaxInt64, 0}, {"another leader", 0, protocol.NotLeaderOrFollower}, {"an error", 0, protocol.UnknownServerError}} {
		b := newBench(t, func(c *Config) { c.Policy = ResetLatest })
		topic := &cluster.Topic{Name: "a", ID: wire.UUID{1}}
		for i := range int32(100) {
			topic.Partitions = append(topic.Partitions, cluster.Partition{Index: i, Leader: 1, LeaderEpoch: 5})
		}
		b.c.snap = cluster.New(cluster.Snapshot{Nodes: []cluster.Node{{ID: 1}}}, topic)
		first := Effects{}
		for i := range topic.Partitions {
			b.now = b.now.Add(7 * time.Millisecond)
			b.assign(int32(i), AtDefault)
			first.List = append(first.List, b.out.List...)
		}
		b.out = Effects{}
		b.now = b.now.Add(time.Second)
		for _, q := range first.List { // that of each comes at its time
			b.now = b.now.Add(7 * time.Millisecond)
			b.step(offsetOf(q, c.offset, c.code))
			b.out = Effects{}
		}
		asked, told := b.crowd(20*time.Second, func(*Request) Message { t.Fatal("it is fetched"); return nil }, taking, func(q *Query) Message { return offsetOf(q, c.offset, c.code) })
		b.seldom(c.name, 20, asked)
		if len(told) == 0 {
			t.Errorf("%s: nothing was told", c.name)
		}
	}
}

// TestWhatBringsNothingIsToldTheThirdTime, with the partition and the position, and is over when something has come.
func TestWhatBringsNothingIsToldTheThirdTime(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 50)
	bad := errors.New("before the position")
	for i := range 3 {
		r := b.fetch()
		b.records(r, 0, 40, 3)
		if len(b.out.Fetch) != 0 {
			t.Fatal("more is asked for before it was read")
		}
		b.step(&Taken{Chunks: []Taking{{TopicPartition: tp(0), Gen: 1, Bytes: b.c.parts[0].bytes, Vain: bad}}})
		if i == 2 {
			b.failed(bad)
			if f := b.out.Fail[0]; f.TopicPartition != tp(0) || f.Offset != 50 || !f.Again || f.Keeps {
				t.Fatalf("told %+v", f)
			}
			break
		}
		if len(b.out.Fail) != 0 {
			t.Fatalf("told %+v", b.out.Fail)
		}
		if i == 1 {
			b.later(100 * time.Millisecond)
		}
	}
	b.later(time.Second)
	b.records(b.fetch(), 0, 50, 3)
	b.step(&Taken{Chunks: []Taking{{TopicPartition: tp(0), Gen: 1, Bytes: b.c.parts[0].bytes}}})
	if p := b.c.parts[0]; p.trouble.Err != nil || p.vains != 0 {
		t.Fatalf("it has come, and is still in trouble: %+v", p.trouble)
	}
}

// TestResetsOfAPositionThatIsNoneAreToldSeldom has a position that is given and denied again and again: what each reset is told as does not come more often than a trouble, also if what was read is read again in between. Where the
// log's beginning goes on before the reader it does.
func TestResetsOfAPositionThatIsNoneAreToldSeldom(t *testing.T) {
	for _, c := range []struct {
		name       string
		reads      bool
		step       int64 // from one beginning of the log to the next
		first      int64
		loud, most int
	}{{"nothing is read", false, 0, 0, 1, 3}, {"the same is read again", true, 0, 0, 4, 8}, {"the log goes on", true, 100, 100, 20, 20}} {
		b := newBench(t, nil)
		b.assign(0, 50)
		loud, begun := 0, b.now
		for i := range int64(20) {
			b.answer(b.fetch(), refusal(0, protocol.OffsetOutOfRange))
			for len(b.out.List) == 0 {
				b.later(b.c.Next().Sub(b.now))
			}
			b.listed(protocol.None, c.first+c.step*i)
			if !b.out.Places[0].Quiet {
				loud++
			}
			for len(b.out.Fetch) == 0 {
				b.later(b.c.Next().Sub(b.now))
			}
			if c.reads {
				b.records(b.fetch(), 0, c.first+c.step*i, 1)
				next := b.out
				b.step(&Taken{Chunks: []Taking{taking(next.Chunks[0])}})
				b.out = next
			}
		}
		if loud < c.loud || loud > c.most {
			t.Errorf("%s: told %d times", c.name, loud)
		}
		if took := b.now.Sub(begun); c.step > 0 && took > 0 || c.step == 0 && took < 10*time.Second {
			t.Errorf("%s: it takes %s", c.name, took)
		}
	}
}

// TestWhoIsSentBackDoesNotHurry has brokers that give records, whose offsets are no good or are denied later: what was read is read again. After a while without that it is free again.
func TestWhoIsSentBackDoesNotHurry(t *testing.T) {
	records := func(d *msg.FetchResponsePartitionData, o int64) { d.Records = batch(o, 5, 10) }
	for _, c := range []struct {
		name   string
		policy uint8
		part   func(d *msg.FetchResponsePartitionData, o int64)
	}{
		{"a gap", ResetEarliest, func(d *msg.FetchResponsePartitionData, o int64) {
			switch {
			case o < 90:
				records(d, o)
			case o < 100:
				records(d, 1<<40)
			default:
				d.ErrorCode = int16(protocol.OffsetOutOfRange)
			}
		}},
		{"a gap, and the end", ResetLatest, func(d *msg.FetchResponsePartitionData, o int64) {
			if records(d, 1<<40); o > 100 {
				d.Records, d.ErrorCode = nil, int16(protocol.OffsetOutOfRange)
			}
		}},
		{"another log", ResetEarliest, func(d *msg.FetchResponsePartitionData, o int64) {
			if records(d, o); o > 100 {
				d.Records, d.DivergingEpoch = nil, msg.FetchResponseEpochEndOffset{Epoch: 4, EndOffset: 20}
			}
		}},
	} {
		b := newBench(t, func(cfg *Config) { cfg.Policy = c.policy })
		b.assign(0, 50)
		answer := func(r *Request) Message {
			return all(r, func(p int32, o int64) msg.FetchResponsePartitionData {
				d := data(p)
				c.part(&d, o)
				return d
			})
		}
		at := int64(0)
		if c.policy == ResetLatest {
			at = 50
		}
		asked, _ := b.crowd(20*time.Second, answer, taking, func(q *Query) Message { return offsetOf(q, at, protocol.None) })
		if n := len(asked[1]); n < 40 || n > 400 { // a few for each time it is sent back, once in a second at last
			t.Errorf("%s: asked %d times in 20 s", c.name, n)
		}
		p := b.c.parts[0]
		if !p.back.Held() {
			t.Errorf("%s: it is free", c.name)
		}
		if b.c.sent(b.now.Add(trouble.Pause), p, 7, 6); p.back.Held() {
			t.Errorf("%s: after a while it is not free again", c.name)
		}
	}
}

// TestATopicThatIsCreatedAgainAndAgain has metadata that tells another id each time: what follows is done, and told, ever more rarely.
func TestATopicThatIsCreatedAgainAndAgain(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 0)
	loud, lists := 0, 0
	for i := range 200 {
		topic := *b.c.snap.Topics()[0]
		topic.ID = wire.UUID{2, byte(i)}
		b.now = b.now.Add(10 * time.Millisecond)
		b.step(&Changed{Snapshot: b.c.snap.With([]*cluster.Topic{&topic}, nil)})
		for len(b.out.List) > 0 {
			lists++
			b.listed(protocol.None, 0)
			for _, p := range b.out.Places {
				if p.Position >= 0 && !p.Quiet {
					loud++
				}
			}
		}
	}
	if loud > 5 || lists > 20 {
		t.Errorf("in two seconds it was told %d times, and asked for offsets %d times", loud, lists)
	}
}

// TestHonestWaysAreNotSlowed: a new leader, a follower to read from, a batch larger than what was asked for.
func TestHonestWaysAreNotSlowed(t *testing.T) {
	b := newBench(t, func(c *Config) { c.PartitionBytes = 20 })
	b.assign(0, 50)
	r := b.fetch()
	for range 3 { // it has 70 bytes and more
		d := data(0)
		d.Records = batch(50, 5, 3)[:r.Wants[0].MaxBytes]
		b.answer(r, d)
		b.step(&Taken{Chunks: []Taking{taking(b.out.Chunks[0])}})
		r = b.fetch()
	}
	if r.Wants[0].MaxBytes != 160 {
		t.Fatalf("%d bytes are asked for", r.Wants[0].MaxBytes)
	}
	d := data(0)
	d.PreferredReadReplica = 3
	b.answer(r, d)
	if r = b.fetch(); r.Node != 3 {
		t.Fatalf("node %d is asked", r.Node)
	}
	b.records(r, 0, 50, 3)
	k := b.out.Chunks[0]
	r = b.fetch()
	b.step(&Taken{Chunks: []Taking{taking(k)}})
	for epoch := int32(6); epoch < 8; epoch++ {
		next := snapshot(epoch, 2+epoch%2)
		next.Version = int64(epoch)
		b.answer(r, refusal(0, protocol.NotLeaderOrFollower))
		b.step(&Changed{next})
		b.checked(b.out.Check[0], 5, 100)
		if r = b.fetch(); r.Node != 2+epoch%2 {
			t.Fatalf("node %d is asked", r.Node)
		}
	}
}

// TestTheOthersDoNotWaitForOneThatGetsNowhere has a partition with which nothing can be done, and another whose records come one by one.
func TestTheOthersDoNotWaitForOneThatGetsNowhere(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 50)
	first := b.out
	b.assign(2, 50)
	b.out = first
	bad, good, begun := 0, 0, b.now
	asked, told := b.crowd(10*time.Second, func(r *Request) Message {
		if b.now = b.now.Add(10 * time.Millisecond); r.Aside {
			bad += len(r.Wants)
			return all(r, func(p int32, o int64) msg.FetchResponsePartitionData {
				d := data(p)
				d.Records = batch(o-1, 5, 1)
				return d
			})
		}
		return all(r, func(p int32, o int64) msg.FetchResponsePartitionData {
			d := data(p)
			if d.Records = batch(o, 5, 1); p == 0 {
				d.Records = batch(o-1, 5, 1)
				bad++
			} else {
				good++
			}
			return d
		})
	}, taking, nil)
	if span := b.now.Sub(begun); good < 800 || bad > 30 || bad < 10 || len(told) == 0 || len(asked[1]) > 1100 {
		t.Errorf("in %s: %d times the good one, %d times the other, told %d times", span, good, bad, len(told))
	}
}

// TestAnAnswerIsLookedThroughOnce: what a broker answers is not looked through for each partition that was asked for.
func TestAnAnswerIsLookedThroughOnce(t *testing.T) {
	q := &Query{}
	m := &msg.ListOffsetsResponse{Topics: make([]msg.ListOffsetsResponseListOffsetsTopicResponse, 1)}
	m.Topics[0].Name = "a"
	e := &msg.OffsetForLeaderEpochResponse{Topics: make([]msg.OffsetForLeaderEpochResponseOffsetForLeaderTopicResult, 1)}
	e.Topics[0].Topic = "a"
	const parts = 30_000
	for i := range int32(parts) {
		q.Parts = append(q.Parts, QueryPart{TopicPartition: tp(i)})
		for range 2 { // the first counts
			m.Topics[0].Partitions = append(m.Topics[0].Partitions, msg.ListOffsetsResponseListOffsetsPartitionResponse{PartitionIndex: parts - 1 - i})
			e.Topics[0].Partitions = append(e.Topics[0].Partitions, msg.OffsetForLeaderEpochResponseEpochEndOffset{Partition: parts - 1 - i})
		}
	}
	for i, a := range Answers(m, q.index()) {
		if a != &m.Topics[0].Partitions[2*(parts-1-i)] {
			t.Fatalf("the answer for %d is %+v", i, a)
		}
	}
	for i, a := range (&Checked{Query: q, Resp: e}).answers() {
		if a != &e.Topics[0].Partitions[2*(parts-1-i)] {
			t.Fatalf("the answer for %d is %+v", i, a)
		}
	}
}

func TestOffsetsHaveTheirRange(t *testing.T) {
	for _, c := range []struct {
		version       int16
		offset        int64
		epoch, leader int32
		want          int64
		wantEpoch     int32
		bad           bool
	}{
		{7, 5, 3, 4, 5, 3, false}, {7, 5, 4, 4, 5, 4, false}, {7, 5, 5, 4, 5, -1, false}, {7, 5, 5, -1, 5, 5, false}, {7, 5, -9, 4, 5, -1, false}, {3, 5, 4, 4, 5, -1, false}, {7, -1, 3, 4, -1, -1, false},
		{7, -2, 3, 4, -1, -1, true}, {7, math.MinInt64, 3, 4, -1, -1, true}, {7, math.MaxInt64, 3, 4, -1, -1, true}, {7, math.MaxInt64 - 1, 3, 4, math.MaxInt64 - 1, 3, false}, {0, 5, 3, 4, 5, -1, false},
	} {
		a := msg.ListOffsetsResponseListOffsetsPartitionResponse{Offset: c.offset, LeaderEpoch: c.epoch, OldStyleOffsets: []int64{c.offset}}
		offset, epoch, err := Offset(&a, c.version, c.leader)
		if offset != c.want || epoch != c.wantEpoch || (err != nil) != c.bad {
			t.Errorf("%+v: offset %d, epoch %d, %v", c, offset, epoch, err)
		}
		if err != nil && !strings.Contains(err.Error(), fmt.Sprint(c.offset)) {
			t.Errorf("%v", err)
		}
	}
}
