package broker

import (
	"fmt"
	"io"
	"math/bits"
	"sync"
)

// frames reads frames into memory that was used before. Small ones are not worth it.
type frames struct {
	classes [maxClass - minClass + 1]sync.Pool // of *[]byte with a capacity of 2^class at least
}

const (
	minClass = 16 // 64 KiB
	maxClass = 27
	// startFrame is how much is allocated for a frame at once: a longer one grows with what really comes.
	startFrame = 4 << 20
)

// class is the smallest class whose memory holds n bytes.
func class(n int) int { return max(bits.Len(uint(n-1)), minClass) }

// get gives n bytes of any content if there is memory to be used again; nil if not.
func (f *frames) get(n int) []byte {
	for c := class(n); c <= min(class(n)+1, maxClass); c++ { // not a large one for something small
		if p, ok := f.classes[c-minClass].Get().(*[]byte); ok {
			return (*p)[:n]
		}
	}
	return nil
}

func (f *frames) put(frame []byte) {
	c := bits.Len(uint(cap(frame))) - 1 // the class that it can serve whole
	if c < minClass || c > maxClass {
		return
	}
	frame = frame[:cap(frame)]
	f.classes[c-minClass].Put(&frame)
}

// read reads a frame of n bytes.
func (f *frames) read(r io.Reader, n int) ([]byte, error) {
	if n <= 1<<minClass {
		frame := make([]byte, n)
		return frame, fill(r, frame, n)
	}
	if frame := f.get(n); frame != nil {
		return frame, fill(r, frame, n)
	}
	frame := make([]byte, min(n, startFrame), min(1<<class(n), startFrame))
	if err := fill(r, frame, n); err != nil {
		return nil, err
	}
	for len(frame) < n {
		have := len(frame)
		grown := make([]byte, min(n, 4*have), min(1<<class(n), 4*have))
		copy(grown, frame)
		f.put(frame)
		if err := fill(r, grown[have:], n); err != nil {
			return nil, err
		}
		frame = grown
	}
	return frame, nil
}

func fill(r io.Reader, b []byte, n int) error {
	if _, err := io.ReadFull(r, b); err != nil {
		return fmt.Errorf("in the middle of a frame of %d bytes: %w", n, err)
	}
	return nil
}
