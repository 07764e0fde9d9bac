package compress

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// maxWindow is the largest window that a frame may ask for: what the Java client's library allows by default.
const maxWindow = 8 << 20

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

func zstdDecompress(dst, src []byte, allowed int) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(src); err != nil {
		return dst, err
	}
	if h.WindowSize > maxWindow && !h.SingleSegment {
		return dst, fmt.Errorf("%w: a window of %d bytes, %d allowed", ErrTooBig, h.WindowSize, maxWindow)
	}
	if h.HasFCS && h.FrameContentSize > uint64(allowed) {
		return dst, fmt.Errorf("%w: %d bytes declared, %d allowed", ErrTooBig, h.FrameContentSize, allowed)
	}
	d, _ := zstdDecoders.Get().(*zstd.Decoder)
	if d == nil {
		var err error
		if d, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(DefaultBytes)); err != nil {
			return dst, err
		}
	}
	defer zstdDecoders.Put(d)
	if err := d.Reset(bytes.NewReader(src)); err != nil {
		return dst, err
	}
	guess := 4 * len(src)
	if h.HasFCS {
		guess = int(min(h.FrameContentSize, uint64(64*len(src)))) + 1
	}
	return readAll(dst, d, allowed, guess)
}
