package sender

import (
	"sync"
	"sync/atomic"
	"testing"
)

// A chunk is in one hand at a time, whoever else takes and gives back.
func TestChunksAreNotShared(t *testing.T) {
	const goroutines, rounds = 8, 20_000
	c := chunks{whole: 1 << 14, limit: 1 << 20}
	var held sync.Map // by the first byte's address
	var shared atomic.Int32
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for i := range rounds {
				b := c.get(c.room(1 << (10 + i%5)))[:1]
				owner, _ := held.LoadOrStore(&b[0], new(atomic.Int32))
				if owner.(*atomic.Int32).Add(1) != 1 {
					shared.Add(1)
				}
				owner.(*atomic.Int32).Add(-1)
				c.put(b)
			}
		})
	}
	all.Wait()
	if n := shared.Load(); n > 0 {
		t.Errorf("%d times a chunk was in two hands", n)
	}
}

// Chunks of each size were kept for ever: a producer whose batches were small first and grew had several times buffer.memory.
func TestChunksThatAreKeptAreWithinBufferMemory(t *testing.T) {
	c := chunks{whole: 1 << 14, limit: 1 << 20}
	for _, size := range []int{1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 10} {
		var all [][]byte
		for range int(c.limit) / size {
			all = append(all, c.get(size))
		}
		for _, b := range all {
			c.put(b)
		}
		kept := 0
		for _, free := range c.free {
			for _, b := range free {
				kept += cap(b)
			}
		}
		if kept != int(c.limit) {
			t.Errorf("%d bytes are kept when all of %d were used in chunks of %d", kept, c.limit, size)
		}
	}
}
