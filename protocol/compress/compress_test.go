package compress_test

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

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
		grown := allocated(func() { _, err = c.Decompress(nil, packed, compress.Limit{Bytes: 1 << 20}) })
		var size *compress.SizeError
		if !errors.Is(err, compress.ErrTooBig) || !errors.As(err, &size) {
			t.Fatalf("%s: %v", c, err)
		}
		if size.Codec != c || size.Packed != len(packed) || size.Limit != 1<<20 || size.Size <= 1<<20 {
			t.Errorf("%+v", size)
		}
		if grown > 16<<20 {
			t.Errorf("%s: %d MiB were allocated for a limit of one", c, grown>>20)
		}
		if out, err := c.Decompress(nil, packed, compress.Limit{Bytes: len(zeros)}); err != nil || len(out) != len(zeros) {
			t.Errorf("%s: what is allowed just so: %d bytes, %v", c, len(out), err)
		}
		for _, limit := range []int{1 << 20, len(zeros) - 1, len(zeros)} { // the size costs no memory, whatever it is
			var n int
			grown := allocated(func() { n, err = c.Bound(packed, compress.Limit{Bytes: limit}) })
			if fits := limit == len(zeros); fits && (n != limit || err != nil) || !fits && (!errors.As(err, &size) || size.Codec != c || size.Limit != limit || size.Size <= limit) {
				t.Errorf("%s: the size is %d, %v", c, n, err)
			}
			if grown > 4<<20 {
				t.Errorf("%s: %d MiB were allocated for the size", c, grown>>20)
			}
		}
	}
}

func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// Small data of one level of zstd (22) asks for a window of 128 MiB, and small lz4 data for blocks of 4 MiB.
func TestMemoryIsAskedForByWhatIsThereNotByWhatIsDeclared(t *testing.T) {
	wide, err := zstd.NewWriter(nil, zstd.WithWindowSize(128<<20), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	var z bytes.Buffer
	wide.Reset(&z)
	for range 2 { // not in one piece: then the frame would tell its size instead
		_, _ = wide.Write([]byte("hello"))
		_ = wide.Flush()
	}
	_ = wide.Close()
	var l bytes.Buffer
	blocks := lz4.NewWriter(&l)
	_ = blocks.Apply(lz4.BlockSizeOption(lz4.Block4Mb))
	_, _ = blocks.Write([]byte("hellohello"))
	_ = blocks.Close()
	for c, packed := range map[compress.Codec][]byte{compress.Zstd: z.Bytes(), compress.LZ4: l.Bytes()} {
		_, _ = c.Decompress(nil, packed, compress.Limit{}) // fills the pools
		var got []byte
		grown := allocated(func() { got, err = c.Decompress(nil, packed, compress.Limit{}) })
		if err != nil || string(got) != "hellohello" {
			t.Errorf("%s: %q, %v", c, got, err)
		}
		if grown > 4<<20 {
			t.Errorf("%s: %d KiB were allocated for ten bytes", c, grown>>10)
		}
	}
}

// TestWhatIsAllocatedIsWhatComesOut has frames as other clients write them: with the largest blocks and windows, whatever is in them.
func TestWhatIsAllocatedIsWhatComesOut(t *testing.T) {
	packers := map[string]func([]byte) []byte{
		"lz4 in blocks of 4 MiB": func(b []byte) []byte {
			var l bytes.Buffer
			w := lz4.NewWriter(&l)
			_ = w.Apply(lz4.BlockSizeOption(lz4.Block4Mb))
			_, _ = w.Write(b)
			_ = w.Close()
			return l.Bytes()
		},
		"snappy without a frame": func(b []byte) []byte { return s2.EncodeSnappy(nil, b) },
	}
	kinds := map[string]compress.Codec{"lz4 in blocks of 4 MiB": compress.LZ4, "snappy without a frame": compress.Snappy}
	for _, c := range codecs[1:] {
		kinds[c.String()] = c
		packers[c.String()] = func(b []byte) []byte {
			packed, err := c.Compress(nil, b, compress.DefaultLevel)
			if err != nil {
				t.Fatal(err)
			}
			return packed
		}
	}
	for name, pack := range packers {
		for _, size := range []int{100, 16 << 10, 64 << 10, 300 << 10, 2 << 20} {
			for contents, plain := range map[string][]byte{"text": text(size), "zeros": make([]byte, size)} {
				packed := pack(plain)
				for _, kept := range []bool{false, true} {
					const times = 4
					var dst []byte
					one := func() {
						if kept {
							dst = nil
						}
						got, err := kinds[name].Decompress(dst[:0], packed, compress.Limit{})
						if err != nil || !bytes.Equal(got, plain) {
							t.Fatalf("%s of %d bytes of %s: %d bytes, %v", name, size, contents, len(got), err)
						}
						dst = got
					}
					one() // fills the pools
					grown := allocated(func() {
						for range times {
							one()
						}
					})
					// What a pool has lost to the collector may be made again, a few times.
					if most := times*(4*size+4<<10) + 6<<20; grown > most {
						t.Errorf("%s of %d bytes of %s, kept %v: %d KiB were allocated, %d times", name, size, contents, kept, grown>>10, times)
					}
				}
			}
		}
	}
}

// What the Java client has packed, and has read again itself.
func TestWhatJavaWritesIsRead(t *testing.T) {
	file, err := os.Open("testdata/java.txt.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for {
		var name, codec, text string
		var size int
		var sum uint32
		if _, err := fmt.Fscan(lines, &name, &codec, &size, &sum, &text); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n++
		packed, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		c, err := compress.Parse(codec)
		if err != nil {
			t.Fatal(err)
		}
		for _, dst := range [][]byte{nil, make([]byte, 0, 10), make([]byte, 0, 4<<20), []byte("before")} {
			got, err := c.Decompress(dst, packed, compress.Limit{})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
			if got = got[len(dst):]; len(got) != size || crc32.ChecksumIEEE(got) != sum {
				t.Errorf("%s: %d bytes came out, Java reads %d", name, len(got), size)
			}
		}
		if n, err := c.Bound(packed, compress.Limit{}); n < size || n > size && c != compress.Zstd || err != nil {
			t.Errorf("%s: the bound is %d, Java reads %d: %v", name, n, size, err)
		}
	}
	if n < 30 {
		t.Fatalf("%d lines", n)
	}
}

func TestLZ4FramesOneBehindTheOtherAreRead(t *testing.T) {
	var all, want []byte
	for i, opts := range [][]lz4.Option{
		{lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false)},
		{lz4.BlockSizeOption(lz4.Block256Kb), lz4.ChecksumOption(true), lz4.BlockChecksumOption(true)},
		{lz4.BlockSizeOption(lz4.Block64Kb), lz4.SizeOption(300_000)},
	} {
		var b bytes.Buffer
		w := lz4.NewWriter(&b)
		if err := w.Apply(opts...); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(text(300_000))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		frame := b.Bytes()
		if i == 1 {
			if err := compress.LZ4Legacy(frame); err != nil {
				t.Fatal(err)
			}
		}
		all, want = append(all, frame...), append(want, text(300_000)...)
		all = append(all, 0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3) // to be skipped
		for _, behind := range []string{"", "\x00\x00\x00", "words behind it"} {
			got, err := compress.LZ4.Decompress([]byte("before"), append(bytes.Clone(all), behind...), compress.Limit{})
			if err != nil || !bytes.Equal(got[6:], want) {
				t.Fatalf("%d frames and %q: %d bytes, %v", i+1, behind, len(got), err)
			}
			if n, err := compress.LZ4.Bound(append(bytes.Clone(all), behind...), compress.Limit{}); n != len(want) || err != nil {
				t.Errorf("%d frames and %q: the size is %d, %v", i+1, behind, n, err)
			}
		}
		spoilt := bytes.Clone(all)
		spoilt[len(all)-len(frame)-11+100] ^= 0x10
		if got, err := compress.LZ4.Decompress(nil, spoilt, compress.Limit{}); i == 1 && !errors.Is(err, compress.ErrCorrupt) {
			t.Fatalf("a byte of a frame with checksums was changed: %d bytes, %v", len(got), err)
		}
	}
}

// Some writers let a block refer to the one before.
func TestLinkedBlocksOfLZ4AreRead(t *testing.T) {
	frame := []byte{0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0xc0}
	frame = append(append(frame, 11, 0, 0, 0x80), "hello world"...)
	frame = append(frame, 17, 0, 0, 0, 0x14, '!', 12, 0, 0xc0) // one byte, eight bytes from twelve back, twelve bytes
	frame = append(append(frame, "and good bye"...), 0, 0, 0, 0)
	got, err := compress.LZ4.Decompress([]byte("before"), frame, compress.Limit{})
	if err != nil || string(got) != "beforehello world!hello woand good bye" {
		t.Fatalf("%q, %v", got, err)
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
		if n, wrong := compress.Codec(codec).Bound(b, compress.Limit{Bytes: 1 << 20}); err == nil && (n < len(out) || wrong != nil) {
			t.Fatalf("%d bytes came out, and the bound is %d, %v", len(out), n, wrong)
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
	for _, size := range []int{16 << 10, 1 << 20} {
		src := text(size)
		for _, c := range codecs[1:] {
			packed, _ := c.Compress(nil, src, compress.DefaultLevel)
			for _, kept := range []bool{false, true} {
				b.Run(fmt.Sprintf("%s/bytes=%d/kept=%v", c, size, kept), func(b *testing.B) {
					b.SetBytes(int64(len(src)))
					b.ReportAllocs()
					var dst []byte
					for b.Loop() {
						if kept {
							dst = nil
						}
						dst, _ = c.Decompress(dst[:0], packed, compress.Limit{})
					}
				})
			}
		}
	}
}

// What came with an error was memory of the pool, where the caller had given none: who used it wrote into what others get.
func TestNoMemoryComesWithAnError(t *testing.T) {
	for _, c := range []compress.Codec{compress.Gzip, compress.Snappy, compress.LZ4, compress.Zstd} {
		packed, err := c.Compress(nil, bytes.Repeat([]byte("0123456789"), 1000), compress.DefaultLevel)
		if err != nil {
			t.Fatal(err)
		}
		out, err := c.Decompress(nil, packed[:len(packed)-3], compress.Limit{})
		if err == nil || cap(out) > 0 {
			t.Errorf("%s: %d bytes come with %v", c, cap(out), err)
		}
	}
}
