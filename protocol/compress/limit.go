package compress

import (
	"fmt"
	"sync"
)

// Limit bounds what one piece of compressed data may become.
type Limit struct {
	// Bytes is the most that may come out; zero means DefaultBytes. The ratio is not bounded: a thousand like records are packed more than ten thousand times by zstd.
	Bytes int
}

// DefaultBytes is the default of Limit.Bytes.
const DefaultBytes = 256 << 20

func (l Limit) bytes() int {
	if l.Bytes <= 0 {
		return DefaultBytes
	}
	return l.Bytes
}

// SizeError says that more would come out of compressed data than is allowed. It is an ErrTooBig.
type SizeError struct {
	Codec  Codec
	Packed int // bytes that were to be decompressed
	Size   int // at least so many would come out
	Limit  int // so many are allowed
}

// Error tells the sizes.
func (e *SizeError) Error() string {
	return fmt.Sprintf("%v: %d bytes of %s hold %d or more, and %d are allowed", ErrTooBig, e.Packed, e.Codec, e.Size, e.Limit)
}

// Is tells that it is an ErrTooBig.
func (e *SizeError) Is(target error) bool { return target == ErrTooBig }

// tooBig is what the codecs give; Decompress completes it.
func tooBig(size, limit int) error { return &SizeError{Size: size, Limit: limit} }

// room gives dst capacity for n bytes more.
func room(dst []byte, n int) []byte {
	if cap(dst)-len(dst) >= n {
		return dst
	}
	return append(make([]byte, 0, len(dst)+n), dst...)
}

// scratchBytes is how much is decompressed in memory of the pool, where the caller has none to be used again: what it gets is as large as what came out.
const scratchBytes = 1<<20 + zstdSlack

var scratches sync.Pool // of *[]byte

// inScratch calls f with memory of the pool, and gives a copy of what f has appended, or, if that has outgrown the memory, that itself; with an error nothing.
func inScratch(f func(dst []byte) ([]byte, error)) ([]byte, error) {
	s, _ := scratches.Get().(*[]byte)
	if s == nil {
		s = new([]byte)
		*s = make([]byte, 0, scratchBytes)
	}
	defer scratches.Put(s)
	out, err := f(*s)
	switch {
	case err != nil:
		return nil, err
	case len(out) <= cap(*s):
		out = append([]byte(nil), out...)
	}
	return out, nil
}
