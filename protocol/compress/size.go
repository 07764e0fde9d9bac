package compress

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// guessBytes is how much the heads of zstd's blocks are believed to hold: it may be some times less.
const guessBytes = 32 << 20

// pieceBytes is how much is decompressed at a time where only the size is wanted.
const pieceBytes = 64 << 10

// Bound tells how many bytes come out of src at most, without having them in memory: room for so many, and it is decompressed at once. It is what does come out, but with zstd may be some more. It takes little time, except with gzip, and
// with zstd where it is much, or not sure that the limit allows it: then it takes as long as Decompress. If more would come out than the limit allows, the error is a *SizeError. Data that is corrupt may have a bound: Decompress tells.
func (c Codec) Bound(src []byte, limit Limit) (int, error) {
	allowed := limit.bytes()
	var n int
	var err error
	switch c {
	case None:
		return len(src), nil
	case Gzip:
		n, err = gzipSize(src, allowed)
	case Snappy:
		n, err = snappySize(src)
	case LZ4:
		n, err = lz4Size(src)
	case Zstd:
		if n, err = zstdBound(src); err == nil && n > min(allowed, guessBytes) {
			n, err = zstdSize(src, allowed)
		}
	default:
		return 0, fmt.Errorf("%w: %d", ErrUnknown, int8(c))
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s, %d bytes: %w: %w", c, len(src), ErrCorrupt, err)
	case n > allowed:
		return 0, &SizeError{Codec: c, Packed: len(src), Size: n, Limit: allowed}
	}
	return n, nil
}

// count reads what there is, until it is more than allowed.
func count(r io.Reader, allowed int) (n int, err error) {
	piece := make([]byte, pieceBytes)
	for n <= allowed && err == nil {
		var some int
		some, err = r.Read(piece)
		n += some
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

func gzipSize(src []byte, allowed int) (int, error) {
	in := bytes.NewReader(src)
	r, err := gzip.NewReader(in)
	total := 0
	for err == nil && total <= allowed {
		r.Multistream(false)
		var n int
		n, err = count(r, allowed-total)
		total += n
		if err != nil || in.Len() == 0 || r.Reset(in) != nil {
			break
		}
	}
	return total, err
}

// snappySize adds up what the blocks say: one of which less or more comes out is corrupt.
func snappySize(src []byte) (total int, err error) {
	if !bytes.HasPrefix(src, xerial[:8]) {
		return snappyDeclared(src)
	}
	for len(src) > 4 {
		if bytes.HasPrefix(src, xerial[:8]) {
			src = src[min(len(src), len(xerial)):]
			continue
		}
		size := binary.BigEndian.Uint32(src)
		if int64(size) > int64(len(src)-4) {
			break
		}
		n, err := snappyDeclared(src[4 : 4+size])
		if err != nil {
			return total, err
		}
		total += n
		src = src[4+size:]
	}
	return total, nil
}

// lz4Size adds up the sequences of all blocks.
func lz4Size(src []byte) (total int, err error) {
	for frames := 0; len(src) > 0; frames++ {
		if len(src) >= 8 && binary.LittleEndian.Uint32(src)&^15 == lz4Skippable {
			n := uint64(binary.LittleEndian.Uint32(src[4:]))
			if n > uint64(len(src)-8) {
				return 0, errors.New("a frame to be skipped is cut off")
			}
			src = src[8+n:]
			continue
		}
		if frames > 0 && (len(src) < 4 || binary.LittleEndian.Uint32(src) != lz4Magic) {
			break
		}
		f, err := lz4Header(src)
		if err != nil {
			return 0, err
		}
		src = src[f.size:]
		for len(src) >= 4 {
			head := binary.LittleEndian.Uint32(src)
			src = src[4:]
			if head == 0 {
				break
			}
			n := int(head &^ (1 << 31))
			if n > len(src) {
				return 0, errors.New("a block is cut off")
			}
			if total += n; head&(1<<31) == 0 {
				total += lz4BlockSize(src[:n]) - n
			}
			src = src[n:]
			if f.blockSums {
				src = src[min(len(src), 4):]
			}
		}
		if f.sum {
			src = src[min(len(src), 4):]
		}
	}
	return total, nil
}

// lz4BlockSize is how much the sequences of a block stand for: literals, and copies of what was before.
func lz4BlockSize(b []byte) (total int) {
	long := func(n int) int { // 15 goes on, 255 at a time
		for more := n == 15; more && len(b) > 0; b = b[1:] {
			n += int(b[0])
			more = b[0] == 255
		}
		return n
	}
	for len(b) > 0 {
		token := b[0]
		b = b[1:]
		literals := min(long(int(token>>4)), len(b))
		total += literals
		b = b[literals:]
		if len(b) < 2 {
			break
		}
		b = b[2:]
		total += long(int(token&15)) + 4
	}
	return total
}

// zstdSize decompresses piece by piece: what it keeps is the window.
func zstdSize(src []byte, allowed int) (int, error) {
	d, err := zstd.NewReader(bytes.NewReader(src), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return 0, err
	}
	defer d.Close()
	return count(d, allowed)
}
