package sender

import (
	"math/bits"
	"sync"
)

// chunks are the memory of batches, and are used again. Their capacities are powers of two from smallest on, below the size of a whole batch, and that size. How many there are is
// bounded by the credits that are taken for each.
type chunks struct {
	whole  int // batch.size
	poison bool
	mu     sync.Mutex
	free   [maxChunkClass + 1][][]byte // by the logarithm of the capacity; whole ones at 0
}

const (
	minChunkClass = 10
	maxChunkClass = 30
)

// room is the capacity of a chunk for n bytes.
func (c *chunks) room(n int) int {
	if n >= c.whole {
		return n
	}
	return min(1<<max(bits.Len(uint(n-1)), minChunkClass), c.whole)
}

// class is where chunks of a capacity that room has given are kept; ok is false for those of one large record, which are left to the collector.
func (c *chunks) class(room int) (class int, ok bool) {
	if room == c.whole {
		return 0, true
	}
	class = bits.Len(uint(room)) - 1
	return class, room < c.whole && room == 1<<class && class >= minChunkClass && class <= maxChunkClass
}

// get gives a chunk of a capacity that room has given.
func (c *chunks) get(room int) []byte {
	if class, ok := c.class(room); ok {
		c.mu.Lock()
		free := c.free[class]
		if last := len(free) - 1; last >= 0 {
			b := free[last][:0]
			c.free[class] = free[:last]
			c.mu.Unlock()
			return b
		}
		c.mu.Unlock()
	}
	return make([]byte, 0, room)
}

// put takes a chunk back.
func (c *chunks) put(b []byte) {
	b = b[:cap(b)]
	if c.poison {
		for i := range b {
			b[i] = 0xdb
		}
	}
	class, ok := c.class(cap(b))
	if !ok {
		return
	}
	c.mu.Lock()
	c.free[class] = append(c.free[class], b)
	c.mu.Unlock()
}
