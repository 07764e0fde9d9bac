package fetcher

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kactor-go/kactor/fetcher/internal/plan"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
)

// of puts records into the buffer of which room bytes were asked for.
func (b *bench) of(begin int64, room int, raw []byte, aborted ...msg.FetchResponseAbortedTransaction) {
	f := newFrame(raw, &b.net)
	b.buf.put(&plan.Effects{Chunks: []*plan.Chunk{{TopicPartition: tp, Gen: b.gen, Offset: begin, Records: raw, Room: int32(room), Aborted: aborted, LeaderEpoch: -1, Bytes: int64(len(raw)), Frame: f}}})
	f.release()
}

// TestWhatBringsNothingSaysWhy has sets of records that hold none to go on from: the actor is told what is wrong, and the position stays.
func TestWhatBringsNothingSaysWhy(t *testing.T) {
	ten := newBench(t)
	ten.next = 10
	size := len(ten.encode(compress.None, 1))
	type told struct {
		vain, err error
		grow      bool
	}
	for _, c := range []struct {
		name string
		room int
		make func(raw []byte) []byte // of a batch at offsets 10 and 11
		from int64
		want told
	}{
		{"cut off, and more was asked for", size, func(raw []byte) []byte { return raw[:size-1] }, 10, told{vain: record.ErrLength}},
		{"cut off where it was full", size - 1, func(raw []byte) []byte { return raw[:size-1] }, 10, told{grow: true}},
		{"cut off, and no more is ever asked for", plan.MostRoom, func(raw []byte) []byte { return raw[:size-1] }, 10, told{vain: record.ErrLength}},
		{"one byte", size, func(raw []byte) []byte { return raw[:1] }, 10, told{vain: record.ErrLength}},
		{"a length past all bounds", 1 << 20, func(raw []byte) []byte { binary.BigEndian.PutUint32(raw[8:], math.MaxInt32); return raw }, 10, told{vain: record.ErrLength}},
		{"before the position", size, func(raw []byte) []byte { return raw }, 12, told{vain: record.ErrRecord}},
		{"the highest offset", size, func(raw []byte) []byte { record.SetOffset(raw, math.MaxInt64, 0); return raw }, 10, told{err: record.ErrRecord}},
		{"one that has none behind itself", size, func(raw []byte) []byte { record.SetOffset(raw, record.MaxOffset, 0); return raw }, 10, told{err: record.ErrRecord}},
		{"a negative offset", size, func(raw []byte) []byte { record.SetOffset(raw, -1, 0); return raw }, 0, told{err: record.ErrRecord}},
		{"the highest there may be", size, func(raw []byte) []byte { record.SetOffset(raw, record.MaxOffset-1, 0); return raw }, 10, told{}},
	} {
		b := newBench(t)
		b.seek(c.from)
		b.next = 10
		var got []plan.Taking
		b.buf.give = func(t []plan.Taking) { got = append(got, t...) }
		b.of(c.from, c.room, c.make(b.encode(compress.None, 1)))
		k := b.take()
		var v record.View
		n := 0
		for k.Next(&v) {
			n++
		}
		if len(got) != 1 {
			t.Fatalf("%s: told %+v", c.name, got)
		}
		g := got[0]
		if !errors.Is(g.Vain, c.want.vain) || !errors.Is(g.Err, c.want.err) || g.Grow != c.want.grow || (c.want == told{}) != (n == 2) {
			t.Errorf("%s: told %+v, after %d records", c.name, g, n)
		}
		if at := b.buf.byTP[tp].life.position.Load(); n == 0 && at != c.from || n > 0 && at != record.MaxOffset+1 {
			t.Errorf("%s: the position is %d", c.name, at)
		}
	}
}

// TestOffsetsInAWrapperAreItsOwn: the messages of an old batch may claim any offsets.
func TestOffsetsInAWrapperAreItsOwn(t *testing.T) {
	for _, c := range []struct {
		magic   int8
		inner   []int64
		wrapper int64
		want    []int64 // nil: it is damaged
	}{
		{1, []int64{0, 1, 2}, 12, []int64{10, 11, 12}}, {1, []int64{3, 7}, 12, []int64{12}}, {0, []int64{10, 11}, 11, []int64{10, 11}}, {0, []int64{5, 11}, 12, []int64{11}},
		{1, []int64{math.MinInt64, math.MaxInt64}, 12, nil}, {1, []int64{9, 0}, 12, nil}, {1, []int64{0, -1}, 12, nil}, {0, []int64{10, 13}, 12, nil}, {0, []int64{-3, 12}, 12, nil}, {0, []int64{math.MaxInt64, 10}, 12, nil},
	} {
		b := newBench(t)
		b.seek(10)
		var set []byte
		for _, o := range c.inner {
			set = record.AppendMessage(set, c.magic, o, 1000, compress.None, nil, []byte("v"))
		}
		packed, err := compress.Gzip.Compress(nil, set, compress.DefaultLevel)
		if err != nil {
			t.Fatal(err)
		}
		b.of(10, 1<<20, record.AppendMessage(nil, c.magic, c.wrapper, 1000, compress.Gzip, nil, packed))
		var got []int64
		k := b.take()
		for v := (record.View{}); k.Next(&v); {
			got = append(got, v.Offset)
		}
		if !slices.Equal(got, c.want) || errors.Is(k.Err(), record.ErrRecord) != (c.want == nil) {
			t.Errorf("format %d, %v in %d: read %v, %v", c.magic, c.inner, c.wrapper, got, k.Err())
		}
	}
}

// TestAbortedTransactionsComeInOrder holds the heap against a list that is sorted, with its making interrupted anywhere.
func TestAbortedTransactionsComeInOrder(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		txns := make([]msg.FetchResponseAbortedTransaction, r.IntN(50))
		for i := range txns {
			txns[i] = msg.FetchResponseAbortedTransaction{ProducerID: int64(i), FirstOffset: r.Int64N(40)}
		}
		sorted := slices.Clone(txns)
		slices.SortFunc(sorted, func(a, b msg.FetchResponseAbortedTransaction) int {
			return cmp.Or(cmp.Compare(a.FirstOffset, b.FirstOffset), cmp.Compare(a.ProducerID, b.ProducerID))
		})
		a := newAborted(txns)
		for work := 0; !a.ready(&work); work = stepWork * r.IntN(10) {
		}
		for at := int64(-1); at <= 40; at += 1 + r.Int64N(5) {
			var got, want []int64
			work := 0
			for p := range a.until(at, &work) {
				got = append(got, p)
			}
			for len(sorted) > 0 && sorted[0].FirstOffset <= at {
				want, sorted = append(want, sorted[0].ProducerID), sorted[1:]
			}
			if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
				t.Fatalf("seed %d: at %d %v have begun, expected %v", seed, at, got, want)
			}
		}
	}
}

// TestMuchThatIsNotForTheApplicationIsReadInPieces has an answer with a million aborted transactions and batches of them, and one that is before the position: whoever reads can look around again and again, and comes to the end.
func TestMuchThatIsNotForTheApplicationIsReadInPieces(t *testing.T) {
	b := newBench(t)
	b.buf.committed = true
	one := record.AppendRecord(make([]byte, record.Overhead), 0, 0, nil, []byte("v"), nil)
	record.Seal(one, &record.Info{Magic: 2, Count: 1, ProducerID: 7, Transactional: true})
	const batches = 50_000
	raw := make([]byte, 0, batches*len(one))
	for i := range int64(batches) {
		record.SetOffset(one, i, 0)
		raw = append(raw, one...)
	}
	aborted := []msg.FetchResponseAbortedTransaction{{ProducerID: 7}}
	for i := range int64(1_000_000) {
		aborted = append(aborted, msg.FetchResponseAbortedTransaction{ProducerID: 8, FirstOffset: math.MaxInt64 - i})
	}
	b.of(0, len(raw), raw, aborted...)
	last := record.AppendRecord(make([]byte, record.Overhead), 0, 0, nil, []byte("v"), nil)
	for i := range int32(200_000) {
		last = record.AppendRecord(last, i+1, 0, nil, []byte("v"), nil)
	}
	record.Seal(last, &record.Info{Magic: 2, Count: 200_001, LastOffsetDelta: 200_000})
	record.SetOffset(last, batches, 0)
	b.of(batches+200_000, len(last), bytes.Clone(last))
	var looks, records int
	var v record.View
	for k := b.take(); k != nil; k = b.take() {
		for k.Next(&v) {
			records++
		}
		if k.Err() != nil {
			t.Fatal(k.Err())
		}
		if k.Pending() {
			looks++
			if again := b.take(); again != k {
				t.Fatal("another is given before it is read")
			}
		}
	}
	if records != 1 || looks < 5 || looks > 20 {
		t.Errorf("%d records, and a look around %d times", records, looks)
	}
}

// TestNobodyWaitsForABatchThatTakesLong has a batch of which much comes out: a worker is at it, and until it is done the reader reads others, or waits as for records, also if it looks only.
func TestNobodyWaitsForABatchThatTakesLong(t *testing.T) {
	for _, codec := range []compress.Codec{compress.Gzip, compress.Snappy, compress.LZ4, compress.Zstd} {
		for _, limit := range []int{0, 6 << 20} {
			w := newWorkers(t)
			b := newBenchIn(t, w)
			b.buf.limit = compress.Limit{Bytes: limit}
			other := tp
			other.Partition++
			b.buf.mu.Lock()
			gen, _ := b.buf.assign(other, 0, -1)
			b.buf.mu.Unlock()
			b.put(0, append(b.zeros(codec, 7<<20), b.encode(codec, 1)...))
			k := b.take()
			k.Reuse()
			var v record.View
			if k.Peek().Next(&v) || len(w.work) > 0 {
				t.Fatal("who looks only has made it")
			}
			if k.Reuse(); k.Next(&v) || !k.Pending() || k.Err() != nil {
				t.Fatalf("%s: the reader has made 7 MiB itself: %v", codec, k.Err())
			}
			if b.take() != nil {
				t.Fatal("it is given before it is there")
			}
			b.answerOf(other, gen, codec, 1)
			second := b.take()
			b.read(second)
			b.read(second)
			b.end(second)
			w.do()
			if b.take() != k {
				t.Fatal("it is there, and is not given")
			}
			if limit > 0 {
				if k.Next(&v) || !errors.Is(k.Err(), compress.ErrTooBig) {
					t.Fatalf("%s: more came out than is allowed: %v", codec, k.Err())
				}
				continue
			}
			if peek := k.Peek(); !peek.Next(&v) || len(v.Value) != 7<<20 {
				t.Fatal("who looks does not see it")
			}
			if !k.Next(&v) || len(v.Value) != 7<<20 {
				t.Fatalf("%s: %d bytes, %v", codec, len(v.Value), k.Err())
			}
			b.read(k)
			b.read(k)
			b.end(k)
			w.do()
			b.take()
			b.freed(2)
		}
	}
}
