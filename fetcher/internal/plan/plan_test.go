package plan

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/wire"
)

// bench is a fetcher's core on a test's bench, with a cluster of topic "a": partition 0 led by node 1, partition 1 by node 2, partition 2 by node 1.
type bench struct {
	t    *testing.T
	c    *Core
	now  time.Time
	out  Effects
	gen  uint64
	gens map[int32]uint64
}

func snapshot(epoch int32, leaders ...int32) *cluster.Snapshot {
	t := &cluster.Topic{Name: "a", ID: wire.UUID{1}}
	for i, l := range leaders {
		t.Partitions = append(t.Partitions, cluster.Partition{Index: int32(i), Leader: l, LeaderEpoch: epoch})
	}
	return cluster.New(cluster.Snapshot{Nodes: []cluster.Node{{ID: 1}, {ID: 2}, {ID: 3}}}, t)
}

func newBench(t *testing.T, change func(*Config)) *bench {
	cfg := Config{MinBytes: 1, MaxBytes: 50 << 20, PartitionBytes: 1 << 20, MaxWait: 500 * time.Millisecond, Budget: 64 << 20, Policy: ResetEarliest, RequestTimeout: 30 * time.Second,
		BackoffFirst: 100 * time.Millisecond, BackoffMax: time.Second, ReplicaAge: 5 * time.Minute}
	if change != nil {
		change(&cfg)
	}
	return &bench{t: t, c: New(cfg, snapshot(5, 1, 2, 1)), now: time.Unix(1000, 0), gens: map[int32]uint64{}}
}

func (b *bench) step(m Message) *Effects {
	b.out = Effects{}
	b.c.Step(b.now, m, &b.out)
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

func tp(p int32) cluster.TopicPartition { return cluster.TopicPartition{Topic: "a", Partition: p} }

func (b *bench) assign(p int32, offset int64) *Effects {
	b.gen++
	b.gens[p] = b.gen
	return b.step(&Assign{Starts: []Start{{TopicPartition: tp(p), Gen: b.gen, Offset: offset, Epoch: -1}}})
}

// fetch gives the one fetch of the last step.
func (b *bench) fetch() *Request {
	b.t.Helper()
	if len(b.out.Fetch) != 1 {
		b.t.Fatalf("%d fetches", len(b.out.Fetch))
	}
	return b.out.Fetch[0]
}

func data(p int32) msg.FetchResponsePartitionData {
	d := msg.FetchResponsePartitionData{}
	d.SetDefaults()
	d.PartitionIndex, d.PreferredReadReplica, d.HighWatermark, d.LastStableOffset = p, -1, 100, 100
	return d
}

// batch makes a batch of n records at an offset.
func batch(offset int64, epoch int32, n int32) []byte {
	raw := make([]byte, record.Overhead)
	for i := range n {
		raw = record.AppendRecord(raw, i, 0, nil, []byte("v"), nil)
	}
	record.Seal(raw, &record.Info{Magic: 2, LastOffsetDelta: n - 1, Count: n, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1})
	record.SetOffset(raw, offset, epoch)
	return raw
}

func (b *bench) answer(r *Request, parts ...msg.FetchResponsePartitionData) *Effects {
	return b.step(&Fetched{Request: r, Version: 13, Resp: &msg.FetchResponse{SessionID: 7,
		Responses: []msg.FetchResponseFetchableTopicResponse{{TopicID: wire.UUID{1}, Partitions: parts}}}})
}

func (b *bench) records(r *Request, p int32, offset int64, n int32) *Effects {
	d := data(p)
	d.Records = batch(offset, 5, n)
	return b.answer(r, d)
}

func (b *bench) failed(want error) {
	b.t.Helper()
	if len(b.out.Fail) != 1 || !errors.Is(b.out.Fail[0].Err, want) {
		b.t.Fatalf("told %+v, expected %v", b.out.Fail, want)
	}
}

func (b *bench) listed(code protocol.Code, offset int64) *Effects {
	b.t.Helper()
	if len(b.out.List) != 1 {
		b.t.Fatalf("%d queries", len(b.out.List))
	}
	q := b.out.List[0]
	r := msg.ListOffsetsResponseListOffsetsPartitionResponse{}
	r.SetDefaults()
	r.PartitionIndex, r.ErrorCode, r.Offset, r.LeaderEpoch = q.Parts[0].Partition, int16(code), offset, 4
	return b.step(&Listed{Query: q, Version: 7, Resp: &msg.ListOffsetsResponse{Topics: []msg.ListOffsetsResponseListOffsetsTopicResponse{{Name: "a",
		Partitions: []msg.ListOffsetsResponseListOffsetsPartitionResponse{r}}}}})
}

// checked answers where an epoch ends.
func (b *bench) checked(q *Query, epoch int32, end int64) *Effects {
	e := msg.OffsetForLeaderEpochResponseEpochEndOffset{Partition: q.Parts[0].Partition, LeaderEpoch: epoch, EndOffset: end}
	return b.step(&Checked{Query: q, Resp: &msg.OffsetForLeaderEpochResponse{Topics: []msg.OffsetForLeaderEpochResponseOffsetForLeaderTopicResult{{Topic: "a",
		Partitions: []msg.OffsetForLeaderEpochResponseEpochEndOffset{e}}}}})
}

func TestFetchingFromAnOffset(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 40)
	r := b.fetch()
	if r.Node != 1 || len(r.Wants) != 1 || r.Wants[0].Offset != 40 || r.Wants[0].LeaderEpoch != 5 || r.ByName {
		t.Fatalf("%+v", r)
	}
	out := b.records(r, 0, 38, 5) // the batch that holds it begins before
	if len(out.Chunks) != 1 || out.Chunks[0].Offset != 40 {
		t.Fatalf("%+v", out.Chunks)
	}
	if r := b.fetch(); r.Wants[0].Offset != 43 || r.Wants[0].LastEpoch != 5 || r.Ask.ID != 7 || r.Ask.Epoch != 1 {
		t.Fatalf("the next: %+v", r)
	}
}

func TestOneFetchForEachBrokerAtATime(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 0)
	r := b.fetch()
	if out := b.assign(2, 0); len(out.Fetch) != 0 {
		t.Fatal("a second fetch to node 1")
	}
	if out := b.assign(1, 0); len(out.Fetch) != 1 || out.Fetch[0].Node != 2 {
		t.Fatal("no fetch to node 2")
	}
	if out := b.answer(r); len(out.Fetch) != 1 || len(out.Fetch[0].Wants) != 2 {
		t.Fatalf("%+v", out.Fetch)
	}
}

func TestResets(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy uint8
		offset int64
		asks   int64
	}{
		{"earliest", ResetEarliest, AtDefault, earliest}, {"latest", ResetLatest, AtDefault, latest},
		{"the start, whatever the policy", ResetNone, AtStart, earliest}, {"the end, whatever the policy", ResetNone, AtEnd, latest},
	} {
		b := newBench(t, func(cfg *Config) { cfg.Policy = c.policy })
		out := b.assign(0, c.offset)
		if len(out.List) != 1 || out.List[0].Parts[0].Timestamp != c.asks {
			t.Errorf("%s: %+v", c.name, out.List)
			continue
		}
		b.listed(protocol.None, 12)
		if r := b.fetch(); r.Wants[0].Offset != 12 || r.Wants[0].LastEpoch != -1 || b.c.part(tp(0), b.gens[0]).lastEpoch != 4 || len(b.out.Places) != 1 || b.out.Places[0].Position != 12 {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
}

func TestNoPolicyTells(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Policy = ResetNone })
	b.assign(0, AtDefault)
	b.failed(ErrNoOffset)
	if out := b.assign(0, 3); len(out.Fetch) != 1 { // a seek mends it
		t.Fatal("no fetch after a seek")
	}
}

func TestResetErrors(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, AtStart)
	out := b.listed(protocol.NotLeaderOrFollower, -1)
	if len(out.Refresh) != 1 || len(out.List) != 0 {
		t.Fatalf("%+v", out)
	}
	b.later(100 * time.Millisecond)
	b.listed(protocol.TopicAuthorizationFailed, -1)
	b.failed(protocol.TopicAuthorizationFailed)
}

func TestATimeAfterTheLastRecordIsTheEnd(t *testing.T) {
	b := newBench(t, nil)
	b.gen++
	b.step(&Assign{Starts: []Start{{TopicPartition: tp(0), Gen: b.gen, ByTime: true, Time: 5000, Epoch: -1}}})
	b.listed(protocol.None, -1)
	if len(b.out.List) != 1 || b.out.List[0].Parts[0].Timestamp != latest {
		t.Fatalf("%+v", b.out.List)
	}
}

func TestOffsetsOutOfRange(t *testing.T) {
	refused := data(0)
	refused.ErrorCode = int16(protocol.OffsetOutOfRange)
	b := newBench(t, nil)
	b.assign(0, 1000)
	b.answer(b.fetch(), refused)
	if len(b.out.List) != 1 || b.out.List[0].Parts[0].Timestamp != earliest {
		t.Fatalf("%+v", b.out)
	}
	b = newBench(t, func(c *Config) { c.Policy = ResetNone })
	b.assign(0, 1000)
	b.answer(b.fetch(), refused)
	b.failed(protocol.OffsetOutOfRange)
}

// TestTopicsThatAreCreatedAgain has a topic whose new log has the offset that is due: reading begins anew all the same.
func TestTopicsThatAreCreatedAgain(t *testing.T) {
	again := func(b *bench) (out *Effects, flying *Request) {
		b.assign(0, 40)
		b.records(b.fetch(), 0, 40, 3)
		flying = b.fetch()
		topic := *b.c.snap.Topics()[0]
		topic.ID = wire.UUID{2}
		return b.step(&Changed{Snapshot: b.c.snap.With([]*cluster.Topic{&topic}, nil)}), flying
	}
	b := newBench(t, nil)
	out, flying := again(b)
	if len(out.List) != 1 || out.List[0].Parts[0].Timestamp != earliest || len(out.Places) == 0 || out.Places[0].Why == "" {
		t.Fatalf("%+v", out)
	}
	b.listed(protocol.None, 0)
	b.records(flying, 0, 43, 3) // of the old log: it comes too late
	if len(b.out.Chunks) != 0 {
		t.Fatalf("%+v", b.out.Chunks)
	}
	if r := b.fetch(); r.Wants[0].Offset != 0 || r.Wants[0].ID != (wire.UUID{2}) {
		t.Fatalf("%+v", r.Wants)
	}
	b = newBench(t, func(c *Config) { c.Policy = ResetNone })
	again(b)
	b.failed(protocol.OffsetOutOfRange)
}

// TestWhatWasOfTheOldTopicIsNotFetchedAgainOfTheNew has a chunk come back when the new topic's position is known already: damaged, or thrown away because its partition is paused.
func TestWhatWasOfTheOldTopicIsNotFetchedAgainOfTheNew(t *testing.T) {
	for _, damage := range []error{nil, record.ErrRecord} {
		b := newBench(t, nil)
		b.assign(0, 40)
		b.records(b.fetch(), 0, 40, 3)
		old, flying := b.out.Chunks[0], b.fetch()
		topic := *b.c.snap.Topics()[0]
		topic.ID = wire.UUID{2}
		b.step(&Changed{Snapshot: b.c.snap.With([]*cluster.Topic{&topic}, nil)})
		b.listed(protocol.None, 0)
		b.answer(flying)
		if r := b.fetch(); r.Wants[0].Offset != 0 {
			t.Fatalf("%+v", r.Wants)
		}
		back := Taking{TopicPartition: old.TopicPartition, Gen: old.Gen, Bytes: old.Bytes, Back: true, At: 40, Epoch: 3, Life: old.Life, Err: damage}
		if out := b.step(&Taken{Chunks: []Taking{back}}); len(out.Fail) != 0 || b.c.parts[0].offset != 0 || !b.c.parts[0].trouble.RetryAt.IsZero() {
			t.Errorf("damage %v: offset %d of the new topic is read, tried again at %v", damage, b.c.parts[0].offset, b.c.parts[0].trouble.RetryAt)
		}
	}
}

// TestFollowers has KIP-392: a replica nearby is read from, and is no witness for what is out of range.
func TestFollowers(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 10)
	d := data(0)
	d.PreferredReadReplica = 3
	b.answer(b.fetch(), d)
	r := b.fetch()
	if r.Node != 3 {
		t.Fatalf("fetches from %d", r.Node)
	}
	d = data(0)
	d.ErrorCode = int16(protocol.OffsetOutOfRange)
	b.answer(r, d)
	b.later(100 * time.Millisecond)
	if r = b.fetch(); r.Node != 1 || r.Wants[0].Offset != 10 {
		t.Fatalf("%+v", r)
	}
}

// TestTruncation has KIP-320, as an answer of the fetch and as a check before it.
func TestTruncation(t *testing.T) {
	diverging := data(0)
	diverging.DivergingEpoch = msg.FetchResponseEpochEndOffset{Epoch: 4, EndOffset: 30}
	b := newBench(t, nil)
	b.assign(0, 40)
	b.answer(b.fetch(), diverging)
	if r := b.fetch(); r.Wants[0].Offset != 30 || len(b.out.Places) != 1 || b.out.Places[0].Why == "" {
		t.Fatalf("%+v, %+v", r, b.out.Places)
	}
	b = newBench(t, func(c *Config) { c.Policy = ResetNone })
	b.assign(0, 40)
	b.answer(b.fetch(), diverging)
	var told *Truncation
	if len(b.out.Fail) != 1 || !errors.As(b.out.Fail[0].Err, &told) || told.Position != 40 || told.Divergent != 30 {
		t.Fatalf("%+v", b.out.Fail)
	}

	b = newBench(t, nil)
	b.assign(0, 40)
	b.records(b.fetch(), 0, 40, 1)
	r := b.fetch()
	b.step(&Changed{snapshot(6, 1, 2, 1)})
	b.answer(r, data(0))
	if len(b.out.Check) != 1 || b.out.Check[0].Parts[0].LastEpoch != 5 || b.out.Check[0].Parts[0].LeaderEpoch != 6 {
		t.Fatalf("%+v", b.out)
	}
	b.checked(b.out.Check[0], 5, 41)
	if r = b.fetch(); r.Wants[0].Offset != 41 || r.Wants[0].LeaderEpoch != 6 {
		t.Fatalf("%+v", r)
	}
}

func TestErrorsOfAFetch(t *testing.T) {
	for _, c := range []struct {
		code  protocol.Code
		tells bool
	}{
		{protocol.NotLeaderOrFollower, false}, {protocol.UnknownTopicOrPartition, false}, {protocol.UnknownTopicID, false}, {protocol.FencedLeaderEpoch, false},
		{protocol.KafkaStorageError, false}, {protocol.UnknownServerError, false}, {protocol.TopicAuthorizationFailed, true},
	} {
		b := newBench(t, nil)
		b.assign(0, 10)
		d := data(0)
		d.ErrorCode = int16(c.code)
		b.answer(b.fetch(), d)
		if c.tells {
			b.failed(c.code)
			continue
		}
		if len(b.out.Refresh) != 1 || len(b.out.Fetch) != 0 {
			t.Errorf("%v: %+v", c.code, b.out)
		}
		b.later(100 * time.Millisecond)
		if r := b.fetch(); r.Wants[0].Offset != 10 {
			t.Errorf("%v: fetches from %d", c.code, r.Wants[0].Offset)
		}
	}
}

func TestAHintIsPassedOn(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 10)
	d := data(0)
	d.ErrorCode = int16(protocol.NotLeaderOrFollower)
	d.CurrentLeader = msg.FetchResponseLeaderIDAndEpoch{LeaderID: 3, LeaderEpoch: 6}
	if out := b.answer(b.fetch(), d); len(out.Hints) != 1 || out.Hints[0].Leader != 3 || out.Hints[0].Epoch != 6 || out.Hints[0].Topic != (wire.UUID{1}) {
		t.Fatalf("%+v", out.Hints)
	}
}

func TestAFailedFetchEndsTheSessionAndBacksOff(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 0)
	b.records(b.fetch(), 0, 0, 1)
	r := b.fetch()
	b.step(&Fetched{Request: r, Err: errors.New("reset")})
	if len(b.out.Fetch) != 0 || len(b.out.Refresh) != 1 {
		t.Fatalf("%+v", b.out)
	}
	b.later(100 * time.Millisecond)
	if r := b.fetch(); r.Ask.ID != 7 || r.Ask.Epoch != 0 || len(r.Ask.Send) != 1 || r.Wants[0].Offset != 1 { // a new session that closes the old
		t.Fatalf("%+v", r.Ask)
	}
}

func TestALostSessionIsOpenedAnewAtOnce(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 0)
	b.records(b.fetch(), 0, 0, 1)
	b.step(&Fetched{Request: b.fetch(), Version: 13, Resp: &msg.FetchResponse{ErrorCode: int16(protocol.FetchSessionIDNotFound)}})
	if r := b.fetch(); r.Ask.Epoch != 0 || len(r.Ask.Send) != 1 {
		t.Fatalf("%+v", r.Ask)
	}
}

func TestPausedAndFullPartitionsAreNotFetched(t *testing.T) {
	b := newBench(t, func(c *Config) { c.PartitionBytes = 100 })
	b.assign(0, 0)
	for i := range int64(ahead) {
		b.records(b.fetch(), 0, i, 1)
	}
	if len(b.out.Fetch) != 0 {
		t.Fatal("it is fetched although so many chunks wait")
	}
	b.step(&Taken{Chunks: []Taking{{TopicPartition: tp(0), Gen: b.gens[0], Bytes: 70}}})
	r := b.fetch()
	b.step(&Pause{Parts: []cluster.TopicPartition{tp(0)}, On: true})
	if out := b.answer(r, data(0)); len(out.Fetch) != 0 {
		t.Fatal("it is fetched although it is paused")
	}
	if out := b.step(&Pause{Parts: []cluster.TopicPartition{tp(0)}}); len(out.Fetch) != 1 {
		t.Fatal("it does not go on")
	}
}

func TestSmallChunksDoNotFillAPartition(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 0)
	for i := range int64(many) {
		b.records(b.fetch(), 0, i, 1)
	}
	if len(b.out.Fetch) != 0 {
		t.Fatal("there is no end to it")
	}
}

func TestTheOthersOfAFullPartitionAreAskedForBriefly(t *testing.T) {
	b := newBench(t, func(c *Config) { c.PartitionBytes = 100 })
	b.assign(2, 0) // of the same broker
	r := b.fetch()
	b.assign(0, 0)
	b.nothing(r)
	for i := range int64(ahead) {
		if r = b.fetch(); r.Wait != 500*time.Millisecond {
			t.Fatalf("held back for %s", r.Wait)
		}
		b.records(r, 0, i, 1)
	}
	for wait := brief; wait < 500*time.Millisecond; wait *= 2 {
		if r = b.fetch(); len(r.Wants) != 1 || r.Wait != wait {
			t.Fatalf("%d partitions are held back for %s, expected %s", len(r.Wants), r.Wait, wait)
		}
		b.nothing(r)
	}
	r = b.fetch()
	b.step(&Taken{Chunks: []Taking{{TopicPartition: tp(0), Gen: b.gens[0], Bytes: 70}}})
	b.nothing(r)
	if r = b.fetch(); len(r.Wants) != 2 || r.Wait != 500*time.Millisecond {
		t.Fatalf("%d partitions are held back for %s", len(r.Wants), r.Wait)
	}
}

func TestTheBudgetIsKeptAndSharedInTurn(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Budget = least + least/2 })
	b.assign(0, 0)
	first := b.fetch()
	if first.Cost > least {
		t.Fatalf("reserved %d", first.Cost)
	}
	b.assign(1, 0)
	if len(b.out.Fetch) != 0 {
		t.Fatal("more is reserved than there is")
	}
	b.answer(first, data(0))
	if len(b.out.Fetch) == 0 || b.out.Fetch[0].Node != 2 {
		t.Fatal("the broker that waited longer is not first")
	}
}

func TestAnswersOfALifeBeforeAreDropped(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 0)
	r := b.fetch()
	b.assign(0, 50) // a seek
	if out := b.records(r, 0, 0, 3); len(out.Chunks) != 0 {
		t.Fatal("what was fetched before the seek is given out")
	}
	if r = b.fetch(); r.Wants[0].Offset != 50 {
		t.Fatalf("fetches from %d", r.Wants[0].Offset)
	}
	b.step(&Revoke{Parts: []cluster.TopicPartition{tp(0)}})
	if out := b.records(r, 0, 50, 3); len(out.Chunks) != 0 || len(out.Fetch) != 0 {
		t.Fatal("it is fetched although it is revoked")
	}
}

func TestPartitionsNobodyAskedForAreIgnored(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 0)
	d := data(2)
	d.Records = batch(0, 5, 1)
	if out := b.answer(b.fetch(), d); len(out.Chunks) != 0 {
		t.Fatal("taken")
	}
}

func TestDamagedChunksAreFetchedAgain(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 0)
	b.records(b.fetch(), 0, 0, 3)
	r := b.fetch()
	b.step(&Taken{Chunks: []Taking{{TopicPartition: tp(0), Gen: b.gens[0], Bytes: 70, Back: true, At: 0}}})
	b.answer(r, data(0))
	if r := b.fetch(); r.Wants[0].Offset != 0 {
		t.Fatalf("fetches from %d", r.Wants[0].Offset)
	}
}

// checking has fetched offsets 40 to 42 of a partition, and holds its log against a new leader's.
func checking(t *testing.T) (*bench, *Query) {
	b := newBench(t, nil)
	b.assign(0, 40)
	b.records(b.fetch(), 0, 40, 3)
	r := b.fetch()
	b.step(&Changed{snapshot(6, 1, 2, 1)})
	b.answer(r, data(0))
	return b, b.out.Check[0]
}

// TestADamagedChunkIsFetchedAgainAlsoWhileTheLogIsChecked has a new leader between a damaged chunk's fetch and its reading.
func TestADamagedChunkIsFetchedAgainAlsoWhileTheLogIsChecked(t *testing.T) {
	b, q := checking(t)
	b.step(&Taken{Chunks: []Taking{{TopicPartition: tp(0), Gen: b.gens[0], Bytes: 70, Back: true, At: 41, Epoch: 4}}})
	b.checked(q, 5, 43)
	if r := b.fetch(); r.Wants[0].Offset != 41 || r.Wants[0].LastEpoch != -1 || b.c.part(tp(0), b.gens[0]).lastEpoch != 4 {
		t.Fatalf("fetches %+v, expected from 41", r.Wants[0])
	}
}

// TestALogIsNotCheckedForWhatWasDamaged has a new leader, a first batch that is damaged, so that nothing is known of what lies before the position, and a check that fails, or that was for what the damaged batch said.
func TestALogIsNotCheckedForWhatWasDamaged(t *testing.T) {
	for name, answer := range map[string]func(b *bench, q *Query){
		"failed":   func(b *bench, q *Query) { b.step(&Checked{Query: q, Err: errors.New("broken")}) },
		"negative": func(b *bench, q *Query) { b.checked(q, -1, -1) },
	} {
		b, q := checking(t)
		b.step(&Taken{Chunks: []Taking{{TopicPartition: tp(0), Gen: b.gens[0], Bytes: 70, Back: true, At: 40, Epoch: -1}}})
		answer(b, q)
		if len(b.out.Fetch) == 0 {
			b.later(time.Second)
		}
		if len(b.out.Check)+len(b.out.List)+len(b.out.Places) != 0 {
			t.Errorf("%s: %+v", name, b.out)
		}
		if r := b.fetch(); r.Wants[0].Offset != 40 || r.Wants[0].LastEpoch != -1 {
			t.Errorf("%s: fetches %+v", name, r.Wants[0])
		}
	}
}

// TestALogThatSeemsToBeTruncatedIsAskedAgain has a batch whose epoch was damaged, which no checksum tells: the log seems to have lost it. The epoch of the leader that it was fetched from tells the truth.
func TestALogThatSeemsToBeTruncatedIsAskedAgain(t *testing.T) {
	damaged := func() (*bench, *Query) {
		b := newBench(t, nil)
		b.assign(0, 40)
		d := data(0)
		d.Records = batch(40, 2, 3) // it was 4
		b.answer(b.fetch(), d)
		r := b.fetch()
		b.step(&Taken{Chunks: []Taking{{TopicPartition: tp(0), Gen: b.gens[0], Bytes: int64(len(d.Records))}}})
		b.step(&Changed{snapshot(6, 1, 2, 1)})
		b.answer(r, data(0))
		b.checked(b.out.Check[0], 2, 10) // where epoch 3 began
		if len(b.out.Check) != 1 || b.out.Check[0].Parts[0].LastEpoch != 5 || len(b.out.Places) != 0 {
			t.Fatalf("%+v", b.out)
		}
		return b, b.out.Check[0]
	}
	b, q := damaged()
	b.checked(q, 4, 43)
	if r := b.fetch(); r.Wants[0].Offset != 43 || len(b.out.Places) != 0 {
		t.Errorf("fetches %+v", r.Wants[0])
	}
	b, q = damaged()
	b.checked(q, 4, 41)
	if r := b.fetch(); r.Wants[0].Offset != 41 || len(b.out.Places) != 1 {
		t.Errorf("a log that is truncated indeed: %+v, %+v", r.Wants[0], b.out.Places)
	}
}

// TestNoOffsetIsGivenUpBeforeWhatWasFetchedIsRead damages what an offset and an epoch were taken from: a broker has neither, which is no reason to go anywhere else.
func TestNoOffsetIsGivenUpBeforeWhatWasFetchedIsRead(t *testing.T) {
	out := data(0)
	out.ErrorCode = int16(protocol.OffsetOutOfRange)
	diverging := data(0)
	diverging.DivergingEpoch = msg.FetchResponseEpochEndOffset{Epoch: 4, EndOffset: 30}
	for name, refusal := range map[string]msg.FetchResponsePartitionData{"out of range": out, "diverging": diverging} {
		b := newBench(t, nil)
		b.assign(0, 40)
		b.records(b.fetch(), 0, 40, 3)
		b.answer(b.fetch(), refusal)
		if len(b.out.List)+len(b.out.Places)+len(b.out.Fetch) != 0 {
			t.Errorf("%s: %+v", name, b.out)
		}
		b.step(&Taken{Chunks: []Taking{{TopicPartition: tp(0), Gen: b.gens[0], Bytes: 70, Back: true, At: 40, Epoch: -1}}})
		if r := b.fetch(); r.Wants[0].Offset != 40 || r.Wants[0].LastEpoch != -1 {
			t.Errorf("%s: fetches %+v", name, r.Wants[0])
		}
		b.answer(b.fetch(), refusal)
		if len(b.out.List)+len(b.out.Places) == 0 {
			t.Errorf("%s: nothing is in doubt, but it is not believed: %+v", name, b.out)
		}
	}
	b, q := checking(t)
	b.checked(q, 5, 41)
	if len(b.out.Fetch)+len(b.out.Check)+len(b.out.Places) != 0 {
		t.Errorf("checked: %+v", b.out)
	}
	b.step(&Taken{Chunks: []Taking{{TopicPartition: tp(0), Gen: b.gens[0], Bytes: 70}}})
	b.checked(b.out.Check[0], 5, 41)
	if r := b.fetch(); r.Wants[0].Offset != 41 || len(b.out.Places) != 1 {
		t.Errorf("a log that is truncated indeed: %+v, %+v", r.Wants[0], b.out.Places)
	}
}

func TestEpochsThatCannotBeAreNotTold(t *testing.T) {
	for _, epoch := range []int32{6, 1 << 20, 3} {
		b := newBench(t, nil)
		b.assign(0, 40)
		d := data(0)
		d.Records = append(batch(40, 4, 1), batch(41, 4, 1)...)
		b.answer(b.fetch(), d)
		d.Records = batch(42, epoch, 1)
		b.answer(b.fetch(), d)
		if r := b.c.part(tp(0), b.gens[0]); r.lastEpoch != -1 || r.offset != 43 {
			t.Errorf("epoch %d after 4, of a leader of epoch 5: %d is told, and %d asked for", epoch, r.lastEpoch, r.offset)
		}
	}
}

func TestWithoutALeaderMetadataIsAskedFor(t *testing.T) {
	b := newBench(t, nil)
	b.step(&Changed{snapshot(5, -1, 2, 1)})
	out := b.assign(0, 0)
	if len(out.Fetch) != 0 || len(out.Refresh) == 0 || b.c.Next().IsZero() {
		t.Fatalf("%+v", out)
	}
	b.step(&Changed{snapshot(6, 3, 2, 1)})
	if r := b.fetch(); r.Node != 3 {
		t.Fatalf("fetches from %d", r.Node)
	}
}

func TestCloseEndsTheSessions(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 0)
	b.records(b.fetch(), 0, 0, 1)
	r := b.fetch()
	b.step(&Pause{Parts: []cluster.TopicPartition{tp(0)}, On: true})
	b.answer(r, data(0))
	out := b.step(&Close{Owner: "c"})
	if len(out.End) != 1 || out.End[0].ID != 7 || out.Closed != "c" || !b.c.Next().IsZero() {
		t.Fatalf("%+v", out)
	}
}

func TestAbortTellsEveryReader(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 0)
	b.assign(1, 0)
	bug := errors.New("bug")
	b.out = Effects{}
	b.c.Abort(bug, &b.out)
	if len(b.out.Fail) != 2 {
		t.Fatalf("%+v", b.out.Fail)
	}
	b.out = Effects{}
	b.c.Refuse(&Assign{Starts: []Start{{TopicPartition: tp(2), Gen: 9}}}, bug, &b.out)
	b.failed(bug)
}

// nothing answers a fetch with nothing, after the time it was given.
func (b *bench) nothing(r *Request) *Effects {
	b.now = b.now.Add(r.Wait)
	return b.step(&Fetched{Request: r, Version: 13, Resp: &msg.FetchResponse{SessionID: 7}})
}

func TestAnEmptyAnswerRepeatsTheRequest(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 10)
	r := b.fetch()
	b.nothing(r)
	again := b.fetch()
	if len(again.Ask.Send) != 0 || again.Ask.ID != 7 || again.Ask.Epoch != 1 || &again.Wants[0] != &r.Wants[0] {
		t.Fatalf("asked for %+v", again.Ask)
	}
	b.assign(2, 20) // its broker is being asked: it waits
	if len(b.out.Fetch) != 0 {
		t.Fatal("two fetches of one broker")
	}
	b.nothing(again)
	both := b.fetch()
	if len(both.Wants) != 2 || len(both.Ask.Send) != 1 || both.Ask.Send[0].Offset != 20 {
		t.Fatalf("asked for %+v of %+v", both.Ask, both.Wants)
	}
	b.nothing(both)
	last := b.fetch()
	b.records(last, 0, 10, 3) // the answer of a repetition counts
	if len(b.out.Chunks) != 1 {
		t.Fatal("no records")
	}
	if next := b.fetch(); len(next.Ask.Send) != 1 || next.Ask.Send[0].Offset != 13 {
		t.Fatalf("asked for %+v", next.Ask)
	}
}

func TestARepeatedRequestIsMadeAnewAfterAWhile(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 10)
	r := b.fetch()
	b.now = b.now.Add(renewal)
	b.nothing(r)
	if again := b.fetch(); &again.Wants[0] == &r.Wants[0] {
		t.Fatal("it was repeated")
	}
}

// BenchmarkPoll is one empty answer and the next request, with nothing changed.
func BenchmarkPoll(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("partitions=%d", n), func(b *testing.B) {
			topic := &cluster.Topic{Name: "a", ID: wire.UUID{1}}
			m := &Assign{}
			for i := range int32(n) {
				topic.Partitions = append(topic.Partitions, cluster.Partition{Index: i, Leader: 1})
				m.Starts = append(m.Starts, Start{TopicPartition: tp(i), Gen: 1, Epoch: -1})
			}
			c := New(Config{MaxBytes: 50 << 20, PartitionBytes: 1 << 20, MaxWait: time.Microsecond, Budget: 64 << 20}, cluster.New(cluster.Snapshot{Nodes: []cluster.Node{{ID: 1}}}, topic))
			var out Effects
			now := time.Unix(1000, 0)
			c.Step(now, m, &out)
			resp := &msg.FetchResponse{SessionID: 7}
			b.ReportAllocs()
			for b.Loop() {
				r := out.Fetch[0]
				now = now.Add(r.Wait)
				out.Reset()
				c.Step(now, &Fetched{Request: r, Version: 13, Resp: resp}, &out)
			}
		})
	}
}
