package compress

import (
	"errors"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// maxWindow is the largest window that a frame may ask for: what the Java client's library allows by default (window log 27). It costs no memory here.
const maxWindow = 128 << 20

// zstdBlock is the most that comes out of a block.
const zstdBlock = 128 << 10

// zstdSlack is what the library wants to be free behind the output to go its fast way.
const zstdSlack = 64

var (
	zstdEncoders [5]sync.Pool // by the library's level
	zstdDecoders sync.Pool
)

func zstdCompress(dst, src []byte, level int) ([]byte, error) {
	l := zstd.SpeedFastest // of the library's levels: on records it takes 0.6 of the time of level 3, and packs them as small
	if level != DefaultLevel {
		l = zstd.EncoderLevelFromZstd(level)
	}
	e, _ := zstdEncoders[l].Get().(*zstd.Encoder)
	if e == nil {
		var err error
		if e, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(l), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<18)); err != nil {
			return dst, err
		}
	}
	defer zstdEncoders[l].Put(e)
	return e.EncodeAll(src, dst), nil
}

// zstdDecompress decompresses into the output itself, which is the window, too: a frame that asks for 128 MiB of it, as every batch of compression.zstd.level 22 does, costs no more than another.
//
// How much may come out is seen from the heads of the blocks. Where that is not much, there is room for all of it, in memory of the pool if dst has none: what is given back is not larger than it must be. Where it is much, room grows
// fourfold whenever it is not enough, and the work begins anew.
func zstdDecompress(dst, src []byte, allowed int) ([]byte, error) {
	most, err := zstdBound(src)
	if err != nil {
		return dst, err
	}
	d, _ := zstdDecoders.Get().(*zstd.Decoder)
	if d == nil {
		if d, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecodeAllCapLimit(true)); err != nil {
			return dst, err
		}
	}
	defer zstdDecoders.Put(d)
	most += zstdSlack
	if cap(dst) == 0 && most <= scratchBytes && most <= allowed {
		return inScratch(func(dst []byte) ([]byte, error) { return d.DecodeAll(src, dst) })
	}
	at := len(dst)
	dst = room(dst, min(most, max(scratchBytes, 16*len(src)), allowed))
	for {
		space := min(cap(dst)-at, allowed)
		out, err := d.DecodeAll(src, dst[at:at:at+space])
		switch {
		case err == nil:
			return dst[:at+len(out)], nil
		case space >= most || !errors.Is(err, zstd.ErrDecoderSizeExceeded) && len(out)+zstdBlock+zstdSlack < space: // it was not for want of room, of which the library tells in two ways
			return dst, err
		case space == allowed:
			return dst, tooBig(allowed+1, allowed)
		}
		dst = room(dst, min(4*space, allowed))
	}
}

// zstdBound is how much may come out of src at most, as the heads of its frames and blocks tell. It is no promise that so much does.
func zstdBound(src []byte) (int, error) {
	total := 0
	for len(src) > 0 {
		var h zstd.Header
		if err := h.Decode(src); err != nil {
			return 0, err
		}
		if h.Skippable {
			if uint64(h.SkippableSize) > uint64(len(src)-h.HeaderSize) {
				return 0, errors.New("a frame to be skipped is cut off")
			}
			src = src[h.HeaderSize+int(h.SkippableSize):]
			continue
		}
		src = src[h.HeaderSize:]
		frame := 0
		for last := false; !last; {
			if len(src) < 3 {
				return 0, errors.New("a frame is cut off")
			}
			head := uint32(src[0]) | uint32(src[1])<<8 | uint32(src[2])<<16
			last = head&1 != 0
			size, takes := int(head>>3), int(head>>3)
			switch head >> 1 & 3 {
			case 1: // one byte, so many times
				takes = 1
			case 2:
				size = zstdBlock
			case 3:
				return 0, errors.New("a block of a kind that nobody knows")
			}
			if takes > len(src)-3 || size > zstdBlock {
				return 0, errors.New("a block is cut off")
			}
			src = src[3+takes:]
			frame += size
		}
		if h.HasFCS {
			frame = int(min(uint64(frame), h.FrameContentSize))
		}
		total += frame
		if h.HasCheckSum {
			if len(src) < 4 {
				return 0, errors.New("a frame is cut off")
			}
			src = src[4:]
		}
	}
	return total, nil
}
