package compress

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"github.com/pierrec/lz4/v4"
)

var lz4Writers [10]sync.Pool // by level

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

const (
	lz4Magic     = 0x184d2204
	lz4Skippable = 0x184d2a50 // sixteen of them
	lz4Window    = 64 << 10   // so far back linked blocks refer
)

// lz4Frame is the header of a frame.
type lz4Frame struct {
	size                   int // of the header
	linked, blockSums, sum bool
	content                uint64 // bytes of the frame, if declared
	hasContent             bool
	block                  int // bytes of a block at most
	hasDictionary          bool
}

// lz4Decompress reads one frame after the other, block by block, into the output: a frame whose blocks may have 4 MiB costs no more than what is in it. What is behind them and is no frame is left out, as the Java client does.
func lz4Decompress(dst, src []byte, allowed int) ([]byte, error) {
	if len(src) == 0 {
		return dst, errors.New("no lz4 frame")
	}
	start := len(dst)
	if cap(dst) == 0 && 4*len(src) <= scratchBytes {
		return inScratch(func(dst []byte) ([]byte, error) { return lz4Decompress(dst, src, allowed) })
	} else if cap(dst) == 0 {
		dst = room(dst, min(4*len(src), allowed))
	}
	for frames := 0; len(src) > 0; {
		if len(src) >= 8 && binary.LittleEndian.Uint32(src)&^15 == lz4Skippable {
			n := uint64(binary.LittleEndian.Uint32(src[4:]))
			if n > uint64(len(src)-8) {
				return dst, errors.New("a frame to be skipped is cut off")
			}
			src = src[8+n:]
			continue
		}
		if frames > 0 && (len(src) < 4 || binary.LittleEndian.Uint32(src) != lz4Magic) {
			break
		}
		f, err := lz4Header(src)
		if err != nil {
			return dst, err
		}
		frames++
		if dst, src, err = f.decompress(dst, src[f.size:], start+allowed); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// decompress appends the blocks of a frame to dst until that has more than most bytes, and gives what is behind the frame.
func (f *lz4Frame) decompress(dst, src []byte, most int) (out, rest []byte, err error) {
	first := len(dst)
	if f.hasDictionary {
		return dst, src, errors.New("a frame that needs a dictionary")
	}
	if f.content > uint64(most-first) {
		return dst, src, tooBig(int(min(f.content, 1<<62)), most)
	}
	for {
		if len(src) < 4 {
			return dst, src, errors.New("a frame is cut off")
		}
		n := binary.LittleEndian.Uint32(src)
		src = src[4:]
		if n == 0 {
			break
		}
		stored := n&(1<<31) != 0
		n &^= 1 << 31
		if uint64(n) > uint64(len(src)) || int(n) > f.block {
			return dst, src, fmt.Errorf("a block of %d bytes in the %d that are left, blocks of %d", n, len(src), f.block)
		}
		block := src[:n]
		src = src[n:]
		if f.blockSums {
			if len(src) < 4 || binary.LittleEndian.Uint32(src) != xxh32(block) {
				return dst, src, errors.New("the checksum of a block is wrong")
			}
			src = src[4:]
		}
		if stored {
			dst = append(dst, block...)
		} else if dst, err = f.unpack(dst, block, first); err != nil {
			return dst, src, err
		}
		if len(dst) > most {
			return dst, src, tooBig(len(dst), most)
		}
	}
	if f.sum {
		if len(src) < 4 || binary.LittleEndian.Uint32(src) != xxh32(dst[first:]) {
			return dst, src, errors.New("the checksum of a frame is wrong")
		}
		src = src[4:]
	}
	if f.hasContent && uint64(len(dst)-first) != f.content {
		return dst, src, fmt.Errorf("a frame of %d bytes that says it has %d", len(dst)-first, f.content)
	}
	return dst, src, nil
}

// unpack appends one block to dst, in which its frame begins at first. A frame says only how much a block may hold: 4 MiB with most clients of Go, for batches of a few KiB. So a block is tried in the room there is, and in twice as
// much where that was too little.
func (f *lz4Frame) unpack(dst, block []byte, first int) ([]byte, error) {
	at, most := len(dst), min(f.block, 255*len(block)) // each byte adds at most 255
	for size := min(max(cap(dst)-at, 4*len(block)), most); ; size = min(2*size, most) {
		dst = slices.Grow(dst, size)
		var n int
		var err error
		if f.linked && at > first {
			n, err = lz4.UncompressBlockWithDict(block, dst[at:at+size], dst[max(first, at-lz4Window):at])
		} else {
			n, err = lz4.UncompressBlock(block, dst[at:at+size])
		}
		if err == nil || size == most {
			return dst[:at+n], err
		}
	}
}

// lz4Header reads the header of a frame. Clients before 0.10 computed its checksum over the magic number, too (KAFKA-3160): that is accepted wherever it is met.
func lz4Header(src []byte) (f lz4Frame, err error) {
	const least = 7
	if len(src) < least || binary.LittleEndian.Uint32(src) != lz4Magic {
		return f, errors.New("no lz4 frame")
	}
	flags, sizes := src[4], src[5]
	if flags>>6 != 1 || flags&2 != 0 || sizes&0x8f != 0 || sizes>>4 < 4 {
		return f, fmt.Errorf("a frame header %02x %02x that nobody knows", flags, sizes)
	}
	f.linked, f.blockSums, f.hasContent, f.sum, f.hasDictionary = flags&0x20 == 0, flags&0x10 != 0, flags&8 != 0, flags&4 != 0, flags&1 != 0
	f.block = 64 << 10 << (2 * (sizes>>4 - 4)) // 64 KiB, 256 KiB, 1 MiB, 4 MiB
	f.size = least
	if f.hasContent {
		f.size += 8
	}
	if f.hasDictionary {
		f.size += 4
	}
	if len(src) < f.size {
		return f, errors.New("the frame header is cut off")
	}
	if f.hasContent {
		f.content = binary.LittleEndian.Uint64(src[6:])
	}
	n := f.size - 1
	if got := src[n]; got != byte(xxh32(src[4:n])>>8) && got != byte(xxh32(src[:n])>>8) {
		return f, errors.New("the checksum of the frame header is wrong")
	}
	return f, nil
}

// LZ4Legacy gives an lz4 frame the header checksum that readers of message format 0 expect: over the magic number, too. It changes b.
func LZ4Legacy(b []byte) error {
	f, err := lz4Header(b)
	if err != nil {
		return err
	}
	n := f.size
	b[n-1] = byte(xxh32(b[:n-1]) >> 8)
	return nil
}

// xxh32 is xxHash of 32 bits, seed 0.
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
