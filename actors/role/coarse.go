package role

import (
	"sync"
	"sync/atomic"
	"time"
)

// coarse is a clock that is read often: a ticker keeps the milliseconds while somebody reads them and stops when nobody does.
// time.Now costs about as much as encoding three records.
type coarse struct {
	ms      atomic.Int64 // zero: the ticker does not run
	read    atomic.Bool  // somebody has read since the last look
	mu      sync.Mutex
	running bool
}

const (
	coarseStep  = time.Millisecond
	coarseQuiet = 50 // steps without a reader after which the ticker ends
)

func (c *coarse) nowMs() int64 {
	if ms := c.ms.Load(); ms != 0 {
		if !c.read.Load() {
			c.read.Store(true)
		}
		return ms
	}
	c.mu.Lock()
	if !c.running {
		c.running = true
		go c.keep()
	}
	c.mu.Unlock()
	return time.Now().UnixMilli()
}

func (c *coarse) keep() {
	t := time.NewTicker(coarseStep)
	defer t.Stop()
	for quiet := 0; quiet < coarseQuiet; quiet++ {
		c.ms.Store(time.Now().UnixMilli())
		<-t.C
		if c.read.Swap(false) {
			quiet = 0
		}
	}
	c.mu.Lock()
	c.ms.Store(0)
	c.running = false
	c.mu.Unlock()
}
