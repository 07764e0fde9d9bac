package fetcher

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/fetcher/internal/plan"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
)

// FuzzChunk reads what a broker says are the records of a partition: any bytes, with any list of aborted transactions. Reading ends, offsets rise, the answer's memory is given back, and no more is allocated than the limits of
// decompression allow.
func FuzzChunk(f *testing.F) {
	b := &bench{t: &testing.T{}}
	for codec := range compress.Zstd + 1 {
		b.next = 0
		f.Add(b.encode(codec, 3), byte(codec), []byte{0, 1, 1, 2})
	}
	w := role.NewSystem(nil, nil, nil)
	f.Cleanup(w.Close)
	f.Fuzz(func(t *testing.T, raw []byte, how byte, aborted []byte) {
		hands := &workers{World: w}
		b := newBenchIn(t, hands)
		b.buf.crc, b.buf.committed = how&1 == 0, how&2 == 0
		b.buf.limit = compress.Limit{Bytes: 1 << 20}
		answer := bytes.Clone(raw)
		frame := newFrame(answer, &b.net)
		chunk := &plan.Chunk{TopicPartition: tp, Gen: b.gen, Records: answer, Bytes: int64(len(raw)), Frame: frame}
		for ; len(aborted) > 1; aborted = aborted[2:] {
			chunk.Aborted = append(chunk.Aborted, msg.FetchResponseAbortedTransaction{ProducerID: int64(aborted[0]), FirstOffset: int64(aborted[1])})
		}
		b.buf.put(&plan.Effects{Chunks: []*plan.Chunk{chunk}})
		frame.release()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		last := int64(-1)
		for k := b.take(); k != nil; k = b.take() {
			if how&4 == 0 {
				k.Reuse()
			}
			var v record.View
			for k.Next(&v) {
				if v.Offset <= last {
					t.Fatalf("offset %d after %d", v.Offset, last)
				}
				last = v.Offset
				_, _ = v.Headers(nil)
				if how&8 == 0 {
					hands.do()
				}
			}
			if k.Err() != nil {
				break
			}
		}
		hands.do()
		runtime.ReadMemStats(&after)
		batches := 0
		for range record.Batches(raw) {
			batches++
		}
		// Each batch may give a megabyte, and a third of that is garbage while it grows; the headers of a record cost less than 64 times theirs.
		if most := uint64((4+3*batches)<<20 + 300*len(raw)); after.TotalAlloc-before.TotalAlloc > most {
			t.Fatalf("%d bytes were allocated for %d", after.TotalAlloc-before.TotalAlloc, len(raw))
		}
		b.buf.mu.Lock()
		b.buf.drop(b.buf.byTP[tp])
		b.buf.mu.Unlock()
		b.take()
		hands.do()
		b.freed(1)
	})
}
