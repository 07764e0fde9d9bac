package record_test

import (
	"fmt"
	"testing"

	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/record"
)

// sample is a sealed batch of n records of 100 bytes.
func sample(n int32, keyed bool) []byte {
	raw := make([]byte, record.Overhead, record.Overhead+int(n)*140)
	for i := range n {
		var key []byte
		if keyed {
			key = fmt.Appendf(nil, "user-%08d", i)
		}
		raw = record.AppendRecord(raw, i, int64(i/100), key, fmt.Appendf(nil, "%0100d", i), nil)
	}
	record.Seal(raw, &record.Info{Magic: 2, LastOffsetDelta: n - 1, Count: n, LeaderEpoch: -1})
	return raw
}

func BenchmarkAppendRecord(b *testing.B) {
	value := make([]byte, 100)
	dst := make([]byte, 0, 1<<20)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if len(dst) > 1<<20-200 {
			dst = dst[:0]
		}
		dst = record.AppendRecord(dst, int32(i%9000), 3, nil, value, nil)
	}
}

func BenchmarkSeal(b *testing.B) {
	raw := sample(1000, false)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		record.Seal(raw, &record.Info{Magic: 2, LastOffsetDelta: 999, Count: 1000})
	}
}

// BenchmarkRead goes through a batch of 1,000 records; ns/record is what one costs.
func BenchmarkRead(b *testing.B) {
	for _, keyed := range []bool{false, true} {
		b.Run(fmt.Sprintf("keyed=%v", keyed), func(b *testing.B) {
			raw := sample(1000, keyed)
			b.ReportAllocs()
			var v record.View
			for b.Loop() {
				batch, _, _, _ := record.Next(raw)
				it, _, err := batch.Records(nil, compress.Limit{})
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for it.Next(&v) {
					n += len(v.Value)
				}
				if n != 100_000 {
					b.Fatal(n, it.Err())
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
		})
	}
}
