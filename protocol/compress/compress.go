// Package compress has the codecs of record batches: gzip, snappy, lz4 and zstd.
//
//	compress.go  Codec: names, compress and decompress
//	size.go      how much will come out
//	limit.go     how much may come out, and the error when it is more
//	gzip.go  snappy.go  lz4.go  zstd.go
//
// Encoders and decoders are pooled, and what they give does not depend on the pool. Decompression never trusts a declared size: output grows with the data up to a limit on its size, and nothing else is allocated that
// grows with what the data declares (windows, blocks). Whatever the Java client writes is read, and what it reads: see testdata/Packed.java.
package compress

import (
	"errors"
	"fmt"
	"math"
)

// Codec is a compression as record batches name it in the lowest three bits of their attributes.
type Codec int8

// The codecs.
const (
	None   Codec = 0
	Gzip   Codec = 1
	Snappy Codec = 2
	LZ4    Codec = 3
	Zstd   Codec = 4 // KIP-110, Kafka 2.1
)

// DefaultLevel asks for a codec's own level: gzip 6, lz4 fast, zstd 1. Snappy has no levels.
const DefaultLevel = -1 << 30

// Errors of decompression.
var (
	ErrUnknown = errors.New("unknown compression codec")
	ErrTooBig  = errors.New("decompressed data exceeds its limit")
	ErrCorrupt = errors.New("compressed data is corrupt")
)

var names = [...]string{"none", "gzip", "snappy", "lz4", "zstd"}

// String is the name in Kafka's properties: none, gzip, snappy, lz4 or zstd.
func (c Codec) String() string {
	if c < 0 || int(c) >= len(names) {
		return fmt.Sprintf("codec %d", int8(c))
	}
	return names[c]
}

// Parse reads a name.
func Parse(name string) (Codec, error) {
	for i, n := range names {
		if n == name {
			return Codec(i), nil
		}
	}
	return None, fmt.Errorf("%w: %q; there are none, gzip, snappy, lz4 and zstd", ErrUnknown, name)
}

// Levels gives the lowest and highest level of a codec; both zero where it has none.
func (c Codec) Levels() (lowest, highest int) {
	switch c {
	case Gzip:
		return 1, 9
	case LZ4:
		return 1, 17
	case Zstd:
		return -131072, 22
	}
	return 0, 0
}

// Compress appends src in compressed form to dst. level is DefaultLevel or one of the codec's; levels are mapped to the nearest the
// library has.
func (c Codec) Compress(dst, src []byte, level int) ([]byte, error) {
	switch c {
	case None:
		return append(dst, src...), nil
	case Gzip:
		return gzipCompress(dst, src, level)
	case Snappy:
		return snappyCompress(dst, src), nil
	case LZ4:
		return lz4Compress(dst, src, level)
	case Zstd:
		return zstdCompress(dst, src, level)
	}
	return dst, fmt.Errorf("%w: %d", ErrUnknown, int8(c))
}

// Decompress appends what src holds to dst. If that is more than the limit allows, the error is a *SizeError.
func (c Codec) Decompress(dst, src []byte, limit Limit) ([]byte, error) {
	allowed := min(limit.bytes(), math.MaxInt-len(dst))
	var err error
	switch c {
	case None:
		return append(dst, src...), nil
	case Gzip:
		dst, err = gzipDecompress(dst, src, allowed)
	case Snappy:
		dst, err = snappyDecompress(dst, src, allowed)
	case LZ4:
		dst, err = lz4Decompress(dst, src, allowed)
	case Zstd:
		dst, err = zstdDecompress(dst, src, allowed)
	default:
		return dst, fmt.Errorf("%w: %d", ErrUnknown, int8(c))
	}
	if err == nil {
		return dst, nil
	}
	var size *SizeError
	if errors.As(err, &size) {
		size.Codec, size.Packed, size.Limit = c, len(src), allowed
		return dst, err
	}
	return dst, fmt.Errorf("%s, %d bytes: %w: %w", c, len(src), ErrCorrupt, err)
}

// sink appends what is written to it.
type sink struct{ b []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}
