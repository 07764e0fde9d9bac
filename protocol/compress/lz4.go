package compress

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/bits"
	"sync"

	"github.com/pierrec/lz4/v4"
)

var (
	lz4Writers [10]sync.Pool // by level
	lz4Readers sync.Pool
)

var lz4Levels = [...]lz4.CompressionLevel{lz4.Fast, lz4.Level1, lz4.Level2, lz4.Level3, lz4.Level4, lz4.Level5, lz4.Level6, lz4.Level7, lz4.Level8, lz4.Level9}

func lz4Compress(dst, src []byte, level int) ([]byte, error) {
	if level == DefaultLevel || level < 0 {
		level = 0
	}
	level = min(level, 9)
	out := &sink{dst}
	w, _ := lz4Writers[level].Get().(*lz4.Writer)
	if w == nil {
		w = lz4.NewWriter(out)
		if err := w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false), lz4.ConcurrencyOption(1), lz4.CompressionLevelOption(lz4Levels[level])); err != nil {
			return dst, err
		}
	} else {
		w.Reset(out)
	}
	defer lz4Writers[level].Put(w)
	if _, err := w.Write(src); err != nil {
		return dst, err
	}
	if err := w.Close(); err != nil {
		return dst, err
	}
	return out.b, nil
}

func lz4Decompress(dst, src []byte, allowed int) ([]byte, error) {
	head, err := lz4Header(src)
	if err != nil {
		return dst, err
	}
	in := io.Reader(bytes.NewReader(src))
	if src[len(head)-1] != head[len(head)-1] {
		in = io.MultiReader(bytes.NewReader(head), bytes.NewReader(src[len(head):]))
	}
	r, _ := lz4Readers.Get().(*lz4.Reader)
	if r == nil {
		r = lz4.NewReader(in)
		if err := r.Apply(lz4.ConcurrencyOption(1)); err != nil {
			return dst, err
		}
	} else {
		r.Reset(in)
	}
	dst, err = readAll(dst, r, allowed, 4*len(src))
	r.Reset(nil)
	lz4Readers.Put(r)
	return dst, err
}

// lz4Header gives the frame header with the right checksum. Clients before 0.10 computed the checksum over the magic number, too (KAFKA-3160): that is accepted
// wherever it is met.
func lz4Header(src []byte) ([]byte, error) {
	const least = 7
	if len(src) < least || binary.LittleEndian.Uint32(src) != 0x184d2204 {
		return nil, errors.New("no lz4 frame")
	}
	n := least
	if src[4]&8 != 0 { // content size
		n += 8
	}
	if src[4]&1 != 0 { // dictionary id
		n += 4
	}
	if len(src) < n {
		return nil, errors.New("the frame header is cut off")
	}
	right := byte(xxh32(src[4:n-1]) >> 8)
	if got := src[n-1]; got != right && got != byte(xxh32(src[:n-1])>>8) {
		return nil, errors.New("the checksum of the frame header is wrong")
	}
	head := append([]byte(nil), src[:n]...)
	head[n-1] = right
	return head, nil
}

// LZ4Legacy gives an lz4 frame the header checksum that readers of message format 0 expect: over the magic number, too. It changes b.
func LZ4Legacy(b []byte) error {
	head, err := lz4Header(b)
	if err != nil {
		return err
	}
	n := len(head)
	b[n-1] = byte(xxh32(b[:n-1]) >> 8)
	return nil
}

// xxh32 is xxHash of 32 bits, seed 0, for the few bytes of a frame header.
func xxh32(b []byte) uint32 {
	const p1, p2, p3, p4, p5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393
	n := uint32(len(b))
	h := uint32(p5)
	if len(b) >= 16 {
		v := [4]uint32{606290984, p2, 0, 1640531535} // seed+p1+p2, seed+p2, seed, seed-p1
		for len(b) >= 16 {
			for i := range v {
				v[i] = bits.RotateLeft32(v[i]+binary.LittleEndian.Uint32(b[4*i:])*p2, 13) * p1
			}
			b = b[16:]
		}
		h = bits.RotateLeft32(v[0], 1) + bits.RotateLeft32(v[1], 7) + bits.RotateLeft32(v[2], 12) + bits.RotateLeft32(v[3], 18)
	}
	h += n
	for ; len(b) >= 4; b = b[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(b)*p3, 17) * p4
	}
	for _, c := range b {
		h = bits.RotateLeft32(h+uint32(c)*p5, 11) * p1
	}
	h = (h ^ h>>15) * p2
	h = (h ^ h>>13) * p3
	return h ^ h>>16
}
