package fetcher

import (
	"errors"
	"slices"
	"testing"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/fetcher/internal/plan"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/record"
)

// workers is a world in which work that is offloaded is done when the test says so.
type workers struct {
	role.World
	work []func()
}

func (w *workers) Workers() int     { return 3 }
func (w *workers) Offload(f func()) { w.work = append(w.work, f) }

// do does the work that is there.
func (w *workers) do() {
	work := w.work
	w.work = nil
	for _, f := range work {
		f()
	}
}

func newWorkers(t *testing.T) *workers {
	w := role.NewSystem(nil, nil, nil)
	t.Cleanup(w.Close)
	return &workers{World: w}
}

func TestBatchesAreDecompressedAheadOfTheReader(t *testing.T) {
	for _, reuse := range []bool{false, true} {
		for _, every := range []int{0, 1, 2, 3, 5} { // the workers come in time never, always, sometimes
			w := newWorkers(t)
			b := newBenchIn(t, w)
			const batches = 10
			b.answer(compress.LZ4, batches)
			k := b.take()
			var kept []record.View
			for i := range 2 * batches {
				if reuse {
					k.Reuse()
				}
				if every > 0 && i%every == 0 {
					w.do()
				}
				v := b.read(k)
				if !reuse {
					kept = append(kept, v)
				}
			}
			b.end(k)
			w.do()
			b.take()
			for i := range kept {
				b.holds(&kept[i])
			}
			b.freed(1)
			if reuse && every == 1 && len(b.buf.spares) < 2 {
				t.Errorf("the memory of %d batches was kept to be used again, expected that of those ahead, too", len(b.buf.spares))
			}
		}
	}
}

func TestNoMoreIsDecompressedAheadThanWorkersCanDo(t *testing.T) {
	w := newWorkers(t)
	b := newBenchIn(t, w)
	b.answer(compress.Zstd, 10)
	k := b.take()
	b.read(k)
	if len(w.work) != 3 {
		t.Errorf("%d batches were begun with, expected one for each of 3 workers", len(w.work))
	}
	b.buf.ratio, b.buf.worth = 1, worthAhead
	w.work = nil
	b.answer(compress.Zstd, 10)
	for range 19 {
		b.read(k)
	}
	b.end(k)
	if w.work != nil {
		t.Errorf("%d small batches were begun with ahead", len(w.work))
	}
}

func TestTheFirstBatchOfTheNextChunkIsDecompressedAhead(t *testing.T) {
	w := newWorkers(t)
	b := newBenchIn(t, w)
	other := tp
	other.Partition++
	b.buf.mu.Lock()
	gen, _ := b.buf.assign(other, 0, -1)
	b.buf.mu.Unlock()
	b.answer(compress.Snappy, 1)
	k := b.take()
	b.read(k)
	b.read(k)
	b.end(k)
	b.answer(compress.Snappy, 1)
	b.answerOf(other, gen, compress.Snappy, 2)
	k = b.take()
	if len(w.work) != 1 {
		t.Fatalf("%d batches were begun with, expected the first of the next chunk", len(w.work))
	}
	w.do()
	b.read(k)
	b.read(k)
	b.end(k)
	if k = b.take(); k == nil || k.TopicPartition != other {
		t.Fatalf("the next chunk is %v, expected that of %v", k, other)
	}
	for range 4 {
		b.read(k)
	}
	b.end(k)
}

func TestASeekLeavesWhatIsDecompressedAhead(t *testing.T) {
	for _, before := range []bool{false, true} {
		w := newWorkers(t)
		b := newBenchIn(t, w)
		b.answer(compress.Gzip, 5)
		k := b.take()
		b.read(k)
		if before {
			w.do()
		}
		b.seek(4)
		b.take()
		w.do()
		b.freed(1)
		b.answer(compress.Gzip, 3)
		k = b.take()
		for want := range int64(6) {
			if v := b.read(k); v.Offset != 4+want {
				t.Fatalf("offset %d after a seek, expected %d", v.Offset, 4+want)
			}
			w.do()
		}
		b.end(k)
	}
}

func TestADamagedBatchIsToldWhereItIsAlthoughItWasFoundAhead(t *testing.T) {
	for _, ahead := range []bool{false, true} {
		w := newWorkers(t)
		b := newBenchIn(t, w)
		var told []plan.Taking
		b.buf.give = func(t []plan.Taking) { told = append(told, t...) }
		raw := b.encode(compress.LZ4, 3)
		raw[len(raw)-1] ^= 1 // in the last batch
		b.put(0, raw)
		k := b.take()
		var v record.View
		var read []int64
		for k.Next(&v) {
			read = append(read, v.Offset)
			if ahead {
				w.do()
			}
		}
		if !slices.Equal(read, []int64{0, 1, 2, 3}) || k.Err() == nil {
			t.Errorf("read %v, error %v", read, k.Err())
		}
		if len(told) != 1 || !told[0].Back || told[0].At != 4 {
			t.Errorf("told %+v, expected a damaged batch at 4", told)
		}
		w.do()
		b.take()
		b.freed(1)
	}
}

func TestABatchThatTurnsOutLargeIsLeftToTheReader(t *testing.T) {
	w := newWorkers(t)
	b := newBenchIn(t, w)
	b.answer(compress.Gzip, 1)
	b.put(2, b.zeros(compress.Zstd, 5<<20))
	k := b.take()
	b.read(k)
	w.do()
	b.read(k)
	b.end(k)
	k = b.take()
	b.buf.ratio, b.buf.worth = 1, 0
	k.lookAhead(1) // by the batch before nobody would think that so much comes out of this
	w.do()
	if a := k.ahead[0]; !errors.Is(a.err, compress.ErrTooBig) || cap(a.out) > 1<<20 {
		t.Fatalf("ahead of the reader a worker has made %d bytes, %v", cap(a.out), a.err)
	}
	var v record.View
	if k.Next(&v) || !k.Pending() {
		t.Fatal("the reader has made 5 MiB itself")
	}
	w.do()
	if b.take() != k || !k.Next(&v) || len(v.Value) != 5<<20 {
		t.Fatalf("%d bytes, %v", len(v.Value), k.Err())
	}
}
