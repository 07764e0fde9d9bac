package fetcher

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"weak"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/fetcher/internal/plan"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/record"
)

var tp = cluster.TopicPartition{Topic: "t"}

// spoiler is a network that overwrites what is given back to it.
type spoiler struct {
	role.Network
	freed int
}

func (s *spoiler) Free(frame []byte) {
	s.freed++
	spoil(frame)
}

// bench is a buffer with one partition, and answers that are put into it.
type bench struct {
	t    *testing.T
	buf  *buffer
	net  spoiler
	gen  uint64
	next int64
	back int // how often what is put in next was sent back before
}

// alone is a world without workers beside the reader: what is offloaded is done at once.
type alone struct{ role.World }

func (alone) Workers() int     { return 0 }
func (alone) Offload(f func()) { f() }

func newBench(t *testing.T) *bench {
	w := role.NewSystem(nil, nil, nil)
	t.Cleanup(w.Close)
	return newBenchIn(t, alone{w})
}

func newBenchIn(t *testing.T, w role.World) *bench {
	b := &bench{t: t, buf: &buffer{world: w, byTP: map[cluster.TopicPartition]*place{}, wait: role.NewWaiter(), give: func([]plan.Taking) {}, hold: func(int64) {}, large: 8 << 20, poison: true, crc: true}}
	b.seek(0)
	return b
}

func (b *bench) seek(offset int64) {
	b.buf.mu.Lock()
	b.gen, _ = b.buf.assign(tp, offset, -1)
	b.buf.mu.Unlock()
	b.next = offset
}

// answer puts an answer with batches of two records each into the buffer.
func (b *bench) answer(codec compress.Codec, batches int) {
	begin := b.next
	b.put(begin, b.encode(codec, batches))
}

// answerOf is answer for another partition, from its beginning.
func (b *bench) answerOf(to cluster.TopicPartition, gen uint64, codec compress.Codec, batches int) {
	next := b.next
	b.next = 0
	raw := b.encode(codec, batches)
	b.next = next
	b.putOf(to, gen, 0, raw)
}

func (b *bench) encode(codec compress.Codec, batches int) (raw []byte) {
	for range batches {
		one := make([]byte, record.Overhead)
		for i := range int32(2) {
			one = record.AppendRecord(one, i, 0, nil, value(b.next+int64(i)), []record.Header{{Key: "h", Value: value(b.next)}})
		}
		if codec != compress.None {
			packed, err := codec.Compress(make([]byte, record.Overhead), one[record.Overhead:], compress.DefaultLevel)
			if err != nil {
				b.t.Fatal(err)
			}
			one = packed
		}
		record.Seal(one, &record.Info{Magic: 2, Codec: codec, BaseOffset: b.next, LastOffsetDelta: 1, Count: 2})
		raw = append(raw, one...)
		b.next += 2
	}
	return raw
}

func (b *bench) put(begin int64, raw []byte) { b.putOf(tp, b.gen, begin, raw) }

func (b *bench) putOf(to cluster.TopicPartition, gen uint64, begin int64, raw []byte) {
	f := newFrame(raw, &b.net)
	b.buf.put(&plan.Effects{Chunks: []*plan.Chunk{{TopicPartition: to, Gen: gen, Offset: begin, Records: raw, Backs: b.back, Bytes: int64(len(raw)), Frame: f}}})
	f.release()
}

func value(offset int64) []byte { return fmt.Appendf(nil, "the value at offset %d", offset) }

func (b *bench) take() *Chunk {
	k, err := b.buf.take(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return k
}

func (b *bench) read(k *Chunk) record.View {
	b.t.Helper()
	var v record.View
	if !k.Next(&v) {
		b.t.Fatalf("no record: %v", k.Err())
	}
	b.holds(&v)
	return v
}

// holds sees to it that a view still has its bytes.
func (b *bench) holds(v *record.View) {
	b.t.Helper()
	h, err := v.Headers(nil)
	if !bytes.Equal(v.Value, value(v.Offset)) || err != nil || len(h) != 1 || !bytes.HasPrefix(h[0].Value, []byte("the value")) {
		b.t.Fatalf("the record at %d is %q with %q, %v", v.Offset, v.Value, h, err)
	}
}

func (b *bench) end(k *Chunk) {
	b.t.Helper()
	var v record.View
	if k.Next(&v) || k.Err() != nil {
		b.t.Fatalf("a record at %d, %v", v.Offset, k.Err())
	}
}

func (b *bench) freed(n int) {
	b.t.Helper()
	if b.net.freed != n {
		b.t.Fatalf("%d answers were freed, expected %d", b.net.freed, n)
	}
}

var codecs = []compress.Codec{compress.None, compress.LZ4}

func TestAnAnswerIsFreedWhenItsReaderGoesOn(t *testing.T) {
	for _, codec := range codecs {
		b := newBench(t)
		b.answer(codec, 1)
		b.answer(codec, 1)
		k := b.take()
		k.Reuse()
		b.read(k)
		v := b.read(k)
		b.end(k)
		b.holds(&v)
		b.freed(0)
		k = b.take()
		b.freed(1)
		k.Reuse()
		b.read(k)
		b.read(k)
		b.end(k)
		if b.take() != nil {
			t.Fatal("a third chunk")
		}
		b.freed(2)
	}
}

func TestRecordsThatAreKeptStayAsTheyAre(t *testing.T) {
	for _, codec := range codecs {
		b := newBench(t)
		b.answer(codec, 2)
		b.answer(codec, 2)
		var kept []record.View
		for range 2 {
			k := b.take()
			k.Keep()
			for range 4 {
				kept = append(kept, b.read(k))
			}
			b.end(k)
		}
		b.take()
		for i := range kept {
			b.holds(&kept[i])
		}
		b.freed(2) // the records are not in the answers
	}
}

func TestKeepAndReuseTakeTurnsWithinAChunk(t *testing.T) {
	for _, codec := range codecs {
		b := newBench(t)
		b.answer(codec, 6)
		b.answer(codec, 1)
		k := b.take()
		var kept []record.View
		for i := range 12 { // it changes in the middle of batches
			if i%4 == 1 {
				k.Keep()
			} else if i%4 == 3 {
				k.Reuse()
			}
			if v := b.read(k); i%4 == 1 || i%4 == 2 {
				kept = append(kept, v)
			}
		}
		b.end(k)
		k = b.take()
		k.Reuse()
		b.read(k)
		for i := range kept {
			b.holds(&kept[i])
		}
	}
}

func TestASeekWhileAChunkIsReadLeavesItsBytes(t *testing.T) {
	for _, codec := range codecs {
		b := newBench(t)
		b.answer(codec, 2)
		k := b.take()
		k.Reuse()
		v := b.read(k)
		b.seek(100)
		b.holds(&v)
		b.freed(0)
		b.end(k)
		b.holds(&v)
		b.answer(codec, 1)
		if k = b.take(); k.life.position.Load() != 100 {
			t.Fatalf("position %d", k.life.position.Load())
		}
		b.freed(1)
	}
}

func TestWhatIsDroppedUnreadIsFreedAtOnce(t *testing.T) {
	b := newBench(t)
	b.answer(compress.None, 1)
	b.seek(7)
	b.freed(1)
	b.answer(compress.None, 1)
	b.buf.mu.Lock()
	b.buf.revoke(tp)
	b.buf.mu.Unlock()
	b.freed(2)
	b.answer(compress.None, 1) // nobody is there for it
	b.freed(3)
}

// TestWhatIsPausedMakesRoom has three answers of a partition that is paused while its reader is in the middle of the first: the two behind are given back, and when the reader has gone on also what it has left.
func TestWhatIsPausedMakesRoom(t *testing.T) {
	b := newBench(t)
	var told []plan.Taking
	b.buf.give = func(t []plan.Taking) { told = append(told, t...) }
	evict := func() { b.buf.put(&plan.Effects{Evict: []plan.Eviction{{TopicPartition: tp, Gen: b.gen}}}) }
	for range 3 {
		b.answer(compress.None, 1)
	}
	evict()
	if len(told) != 0 {
		t.Fatalf("it is not paused: %+v", told)
	}
	k := b.take()
	b.read(k)
	b.buf.byTP[tp].pause(asked, true)
	evict()
	b.freed(2)
	if len(told) != 2 || told[0].Back || !told[0].Dropped || !told[1].Back || told[1].At != 2 {
		t.Fatalf("%+v", told)
	}
	if b.take() != nil {
		t.Fatal("it is paused")
	}
	evict()
	b.freed(3)
	if len(told) != 3 || !told[2].Back || told[2].At != 1 {
		t.Fatalf("%+v", told)
	}
	b.buf.byTP[tp].pause(asked, false)
	b.answer(compress.None, 1) // it was under way, and is of what comes later
	b.freed(4)
	b.next = 0
	raw := b.encode(compress.None, 1)
	b.back = 2
	b.put(1, raw)
	if v := b.read(b.take()); v.Offset != 1 {
		t.Fatalf("read %d", v.Offset)
	}
}

// TestAResetMovesWhoReadsNoMore has a position that is reset while its reader is in the middle of what was fetched before.
func TestAResetMovesWhoReadsNoMore(t *testing.T) {
	b := newBench(t)
	b.answer(compress.None, 2)
	k := b.take()
	b.read(k)
	b.buf.put(&plan.Effects{Places: []plan.Place{{TopicPartition: tp, Gen: b.gen, Position: 50, HighWater: -1, Reset: true, From: 1}}})
	b.end(k)
	if at := b.buf.byTP[tp].life.position.Load(); at != 50 {
		t.Fatalf("position %d", at)
	}
}

func TestAPausedChunkGoesOnWhereItWas(t *testing.T) {
	for _, codec := range codecs {
		b := newBench(t)
		b.answer(codec, 2)
		k := b.take()
		k.Reuse()
		b.read(k)
		p := b.buf.byTP[tp]
		p.pause(asked, true)
		b.end(k)
		if b.take() != nil {
			t.Fatal("a paused partition is given out")
		}
		p.pause(asked, false)
		k = b.take()
		for want := int64(1); want < 4; want++ {
			if v := b.read(k); v.Offset != want {
				t.Fatalf("offset %d, expected %d", v.Offset, want)
			}
		}
		b.end(k)
		b.take()
		b.freed(1)
	}
}

func TestAChunkThatWasReadIsNotKept(t *testing.T) {
	b := newBench(t)
	for range 3 {
		b.answer(compress.LZ4, 1)
	}
	read := func() weak.Pointer[Chunk] {
		k := b.take()
		k.Keep()
		b.read(k)
		b.read(k)
		b.end(k)
		return weak.Make(k)
	}
	first := read()
	read()
	runtime.GC()
	if first.Value() != nil {
		t.Fatal("the first chunk lives although it was read to its end and the next was taken")
	}
	if len(b.buf.byTP[tp].chunks) != 1 {
		t.Fatal("the third chunk is not there")
	}
}

func TestAChunkThatWasBegunIsGivenUntilItsEnd(t *testing.T) {
	b := newBench(t)
	b.answer(compress.None, 2)
	other := cluster.TopicPartition{Topic: "u"}
	b.buf.mu.Lock()
	gen, _ := b.buf.assign(other, 0, -1)
	b.buf.mu.Unlock()
	one := record.AppendRecord(make([]byte, record.Overhead), 0, 0, nil, value(0), nil)
	record.Seal(one, &record.Info{Magic: 2, Count: 1})
	b.buf.put(&plan.Effects{Chunks: []*plan.Chunk{{TopicPartition: other, Gen: gen, Records: one, Bytes: int64(len(one))}}})

	k := b.take()
	if k.TopicPartition != tp {
		t.Fatalf("first came %v", k.TopicPartition)
	}
	if k = b.take(); k.TopicPartition != other { // nothing of it was read: the other has its turn
		t.Fatalf("second came %v", k.TopicPartition)
	}
	k = b.take()
	for range 4 {
		if k.TopicPartition != tp {
			t.Fatalf("%v came before the chunk was at its end", k.TopicPartition)
		}
		b.read(k)
		k = b.take()
	}
	b.end(k)
	if k = b.take(); k.TopicPartition != other {
		t.Fatalf("at last came %v", k.TopicPartition)
	}
}

func TestAPeekLeavesTheChunkAsItWas(t *testing.T) {
	for _, codec := range codecs {
		b := newBench(t)
		b.answer(codec, 2)
		b.answer(codec, 1)
		k := b.take()
		k.Reuse()
		b.read(k)
		peek := k.Peek()
		var kept []record.View
		for range 3 {
			kept = append(kept, b.read(peek))
		}
		b.end(peek)
		if at := k.life.position.Load(); at != 1 {
			t.Fatalf("the peek moved the position to %d", at)
		}
		for want := int64(1); want < 4; want++ {
			k.Reuse()
			if v := b.read(k); v.Offset != want {
				t.Fatalf("offset %d, expected %d", v.Offset, want)
			}
		}
		b.end(k)
		k = b.take()
		k.Reuse()
		b.read(k)
		for i := range kept {
			b.holds(&kept[i])
		}
	}
}

// BenchmarkChunk reads a megabyte of records of 100 bytes as views; ns/record is what one costs from the answer to the application.
func BenchmarkChunk(b *testing.B) {
	raw := make([]byte, record.Overhead, 1<<20)
	n := int32(0)
	for ; len(raw) < 1<<20-200; n++ {
		raw = record.AppendRecord(raw, n, 0, nil, make([]byte, 100), nil)
	}
	record.Seal(raw, &record.Info{Magic: 2, LastOffsetDelta: n - 1, Count: n})
	buf := &buffer{crc: true}
	p := &place{tp: tp, life: &life{}}
	b.ReportAllocs()
	var v record.View
	for b.Loop() {
		k := newChunk(buf, p, &plan.Chunk{TopicPartition: tp, Records: raw})
		k.reuse = true
		for range n {
			if !k.Next(&v) {
				b.Fatal(k.Err())
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/record")
}

// TestNothingBehindADamagedChunkIsReadBeforeIt has more of the partition in the buffer, and coming in, when the damage is found: what is behind must not be read before what is damaged was fetched again.
func TestNothingBehindADamagedChunkIsReadBeforeIt(t *testing.T) {
	b := newBench(t)
	var told []plan.Taking
	b.buf.give = func(t []plan.Taking) { told = append(told, t...) }
	raw := b.encode(compress.None, 1)
	damaged := bytes.Clone(raw)
	damaged[len(damaged)-1] ^= 1
	b.put(0, damaged)
	b.answer(compress.None, 1)
	k := b.take()
	var v record.View
	if k.Next(&v) || k.Err() == nil {
		t.Fatalf("a damaged batch was read: %v", k.Err())
	}
	if len(told) != 2 || !told[0].Back || told[0].At != 0 || told[1].Back {
		t.Errorf("told %+v, expected both chunks, the first as damaged at 0", told)
	}
	b.answer(compress.None, 1) // asked for before the actor was told
	if k, _ := b.buf.take(nil); k != nil {
		t.Fatalf("offset %d is given although 0 was not read", k.Position())
	}
	if len(told) != 3 {
		t.Errorf("told %+v, expected also what came too late", told)
	}
	b.put(0, bytes.Clone(raw)) // so was this: what is told takes its place
	if k, _ := b.buf.take(nil); k != nil {
		t.Fatalf("offset %d is given, and will be again", k.Position())
	}
	b.back = 1
	b.put(0, bytes.Clone(raw))
	b.put(2, b.encode(compress.None, 1))
	if k = b.take(); k.Position() != 0 || !k.Next(&v) || v.Offset != 0 {
		t.Errorf("read from %d, expected 0", k.Position())
	}
}

// TestADamagedEndOfABatchIsNotBelieved has a batch that seems to end before the position.
func TestADamagedEndOfABatchIsNotBelieved(t *testing.T) {
	b := newBench(t)
	b.next = 6
	raw := b.encode(compress.None, 2)
	raw[23] ^= 0x80 // its offset delta is negative
	b.seek(6)
	b.put(6, raw)
	k := b.take()
	var v record.View
	if k.Next(&v) || k.Err() == nil {
		t.Errorf("offset %d was read, expected that the batch before is damaged: %v", v.Offset, k.Err())
	}
}

// TestWhatIsPutAsideIsReadOn has a reader that takes nothing of a partition for a while: others have their turn meanwhile, what the batch at hand was decompressed into is let go, and reading goes on with the next record.
func TestWhatIsPutAsideIsReadOn(t *testing.T) {
	for _, codec := range codecs {
		b := newBench(t)
		other := cluster.TopicPartition{Topic: "other"}
		b.buf.mu.Lock()
		gen, _ := b.buf.assign(other, 0, -1)
		b.buf.mu.Unlock()
		b.answer(codec, 2)
		k := b.take()
		k.Keep()
		first := b.read(k)
		open := func(to cluster.TopicPartition) bool { return to == other }
		if k, err := b.buf.take(open); k != nil || err != nil {
			t.Fatalf("%v, %v is given", k, err)
		}
		if !k.inBatch {
			t.Error("put aside, and nothing else is there")
		}
		b.answerOf(other, gen, codec, 1)
		next, err := b.buf.take(open)
		if err != nil || next.TopicPartition != other || k.inBatch {
			t.Fatalf("%v, %v is given; the batch at hand is kept: %v", next, err, k.inBatch)
		}
		b.read(next)
		b.read(next)
		b.end(next)
		if again := b.take(); again != k {
			t.Fatalf("%v is given", again)
		}
		for offset := first.Offset + 1; offset < 4; offset++ {
			if v := b.read(k); v.Offset != offset {
				t.Fatalf("%d is read, expected %d", v.Offset, offset)
			}
		}
		b.end(k)
		b.take()
		b.freed(2)
	}
}

// TestAPausedPartitionKeepsNoBatch: what the batch at hand was decompressed into is let go when its partition is paused.
func TestAPausedPartitionKeepsNoBatch(t *testing.T) {
	b := newBench(t)
	b.answer(compress.LZ4, 1)
	k := b.take()
	k.Keep()
	b.read(k)
	b.buf.byTP[tp].pause(asked, true)
	if b.take() != nil || k.inBatch {
		t.Errorf("the batch at hand is kept: %v", k.inBatch)
	}
	b.buf.byTP[tp].pause(asked, false)
	if b.take() != k {
		t.Fatal("it is not given again")
	}
	b.read(k)
	b.end(k)
}
