package sender

import (
	"math/bits"
	"sync"
)

// chunks are the memory of batches, and are used again. Their capacities are powers of two from smallest on, below the size of a whole batch, and that size. Those that are in use are bounded by the credits that are taken for each; those
// that are kept for the next use go when others are needed and all would be more than the limit.
type chunks struct {
	whole  int   // batch.size
	limit  int64 // buffer.memory, in bytes, like those below
	poison bool
	mu     sync.Mutex
	used   int64
	kept   int64
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
	class, ok := c.class(room)
	c.mu.Lock()
	c.used += int64(room)
	if ok && len(c.free[class]) > 0 {
		b := c.take(class)
		c.mu.Unlock()
		return b[:0]
	}
	for class := maxChunkClass; class >= 0 && c.used+c.kept > c.limit; class-- {
		for len(c.free[class]) > 0 && c.used+c.kept > c.limit {
			c.take(class)
		}
	}
	c.mu.Unlock()
	return make([]byte, 0, room)
}

// take takes one of those that are kept. The lock is held.
func (c *chunks) take(class int) []byte {
	last := len(c.free[class]) - 1
	b := c.free[class][last]
	c.free[class][last] = nil
	c.free[class] = c.free[class][:last]
	c.kept -= int64(cap(b))
	return b
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
	c.mu.Lock()
	c.used -= int64(cap(b))
	if ok {
		c.kept += int64(cap(b))
		c.free[class] = append(c.free[class], b)
	}
	c.mu.Unlock()
}
