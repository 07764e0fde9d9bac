package broker

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
)

// frames reads frames into memory that was used before. Small ones are not worth it. What is not used from one garbage collection to the next is left to the collector; a
// sync.Pool would do that, too, but what one processor gives back another often does not find there.
type frames struct {
	mu      sync.Mutex
	free    []spare
	watched bool
}

// spare is memory to be used again.
type spare struct {
	memory []byte
	stale  bool // it was there at the last collection
}

const (
	smallestSpare = 64 << 10
	largestSpare  = 128 << 20
	mostSpares    = 64
	// startFrame is how much is allocated for a frame at once: a longer one grows with what really comes.
	startFrame = 256 << 10
)

// get gives n bytes of any content if there is memory to be used again; nil if not.
func (f *frames) get(n int) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	best := -1
	for i, s := range f.free {
		if c := cap(s.memory); c >= n && c/2 <= n && (best < 0 || c < cap(f.free[best].memory)) { // not a large one for something small
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	b := f.free[best].memory
	f.free = slices.Delete(f.free, best, best+1)
	return b[:n]
}

func (f *frames) put(frame []byte) {
	if cap(frame) < smallestSpare || cap(frame) > largestSpare {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.free) == mostSpares {
		return
	}
	f.free = append(f.free, spare{memory: frame[:cap(frame)]})
	if !f.watched {
		f.watch()
	}
}

// watch lets age be called at the next garbage collection: then an object that nobody refers to is found. f's lock is held.
func (f *frames) watch() {
	f.watched = true
	runtime.AddCleanup(new([16]byte), (*frames).age, f)
}

// age forgets what was not used since the collection before.
func (f *frames) age() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.free = slices.DeleteFunc(f.free, func(s spare) bool { return s.stale })
	for i := range f.free {
		f.free[i].stale = true
	}
	if f.watched = len(f.free) > 0; f.watched {
		f.watch()
	}
}

// read reads a frame of n bytes.
func (f *frames) read(r io.Reader, n int) ([]byte, error) {
	if n < smallestSpare {
		frame := make([]byte, n)
		return frame, fill(r, frame, n)
	}
	if frame := f.get(n); frame != nil {
		return frame, fill(r, frame, n)
	}
	room := n + n/8 // so that it serves others, too, that are a little larger
	frame := make([]byte, min(n, startFrame), min(room, startFrame))
	if err := fill(r, frame, n); err != nil {
		return nil, err
	}
	for len(frame) < n {
		have := len(frame)
		grown := make([]byte, min(n, 4*have), min(room, 4*have))
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
