package compress_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/kactor-go/kactor/protocol/compress"
)

var codecs = []compress.Codec{compress.None, compress.Gzip, compress.Snappy, compress.LZ4, compress.Zstd}

// text is compressible, but not by much.
func text(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 0, n)
	for len(b) < n {
		b = fmt.Appendf(b, "user-%08d;click;%x;", r.IntN(65536), r.Uint32())
	}
	return b[:n]
}

func TestEveryCodecGivesBackWhatItGot(t *testing.T) {
	for _, c := range codecs {
		for _, n := range []int{0, 1, 100, 32 << 10, 32<<10 + 1, 1 << 20} {
			src := text(n)
			lowest, highest := c.Levels()
			for _, level := range []int{compress.DefaultLevel, lowest, highest} {
				packed, err := c.Compress([]byte("before"), src, level)
				if err != nil {
					t.Fatal(c, err)
				}
				got, err := c.Decompress([]byte("before"), packed[6:], compress.Limit{})
				if err != nil || !bytes.Equal(got[6:], src) || string(got[:6]) != "before" {
					t.Fatalf("%s, %d bytes, level %d: %d came back, %v", c, n, level, len(got)-6, err)
				}
			}
		}
	}
}

func TestBombsAreRefusedBeforeTheyGrow(t *testing.T) {
	zeros := make([]byte, 32<<20)
	for _, c := range codecs[1:] {
		packed, err := c.Compress(nil, zeros, compress.DefaultLevel)
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = c.Decompress(nil, packed, compress.Limit{Bytes: 1 << 20})
		runtime.ReadMemStats(&after)
		if !errors.Is(err, compress.ErrTooBig) {
			t.Errorf("%s: %v", c, err)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
			t.Errorf("%s: %d MiB were allocated for a limit of one", c, grown>>20)
		}
	}
	packed, _ := compress.Zstd.Compress(nil, zeros, compress.DefaultLevel) // 32 MiB in a few KiB
	if _, err := compress.Zstd.Decompress(nil, packed, compress.Limit{Ratio: 10}); !errors.Is(err, compress.ErrTooBig) {
		t.Errorf("a ratio of %d: %v", len(zeros)/len(packed), err)
	}
}

func TestLegacyLZ4HeaderIsRead(t *testing.T) {
	packed, err := compress.LZ4.Compress(nil, text(1000), compress.DefaultLevel)
	if err != nil {
		t.Fatal(err)
	}
	right := bytes.Clone(packed)
	if err := compress.LZ4Legacy(packed); err != nil || bytes.Equal(packed, right) {
		t.Fatal("the header did not change", err)
	}
	got, err := compress.LZ4.Decompress(nil, packed, compress.Limit{})
	if err != nil || !bytes.Equal(got, text(1000)) {
		t.Fatal(err)
	}
	packed[6] ^= 0x55
	if _, err := compress.LZ4.Decompress(nil, packed, compress.Limit{}); !errors.Is(err, compress.ErrCorrupt) {
		t.Fatal("a wrong header checksum was accepted", err)
	}
}

func TestNamesAndUnknownCodecs(t *testing.T) {
	for _, c := range codecs {
		if p, err := compress.Parse(c.String()); p != c || err != nil {
			t.Error(c, err)
		}
	}
	if _, err := compress.Parse("brotli"); !errors.Is(err, compress.ErrUnknown) {
		t.Error(err)
	}
	if _, err := compress.Codec(7).Decompress(nil, nil, compress.Limit{}); !errors.Is(err, compress.ErrUnknown) {
		t.Error(err)
	}
}

// FuzzDecompress feeds any bytes to every codec: no panic, no more output than allowed.
func FuzzDecompress(f *testing.F) {
	for _, c := range codecs[1:] {
		b, _ := c.Compress(nil, text(5000), compress.DefaultLevel)
		f.Add(int8(c), b)
	}
	f.Fuzz(func(t *testing.T, codec int8, b []byte) {
		if codec < 1 || codec > 4 {
			return
		}
		out, err := compress.Codec(codec).Decompress(nil, b, compress.Limit{Bytes: 1 << 20})
		if err == nil && len(out) > 1<<20 {
			t.Fatalf("%d bytes came out", len(out))
		}
	})
}

func ExampleCodec_Compress() {
	packed, _ := compress.Zstd.Compress(nil, bytes.Repeat([]byte("kafka "), 1000), compress.DefaultLevel)
	whole, err := compress.Zstd.Decompress(nil, packed, compress.Limit{})
	fmt.Println(len(packed) < 100, len(whole), err)
	// Output: true 6000 <nil>
}

func BenchmarkCompress(b *testing.B) {
	src := text(1 << 20)
	for _, c := range codecs[1:] {
		b.Run(c.String(), func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst, _ = c.Compress(dst[:0], src, compress.DefaultLevel)
			}
		})
	}
}

func BenchmarkDecompress(b *testing.B) {
	src := text(1 << 20)
	for _, c := range codecs[1:] {
		b.Run(c.String(), func(b *testing.B) {
			packed, _ := c.Compress(nil, src, compress.DefaultLevel)
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst, _ = c.Decompress(dst[:0], packed, compress.Limit{})
			}
		})
	}
}
