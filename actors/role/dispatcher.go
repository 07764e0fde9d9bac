package role

import (
	"runtime"
	"sync"
	"time"
)

// pool is a dispatcher of a few workers with one run list. A hop between two actors costs a fraction of that of
// protoactor's own dispatcher, which starts a goroutine for each mailbox that wakes. Workers start on demand and end when
// there is nothing to do for them, so an idle client owns no goroutine here.
//
// An actor that works mostly tells the next one and is done: what it has scheduled is left to its own worker, because to wake another costs more than the work. If the
// worker does not come soon, the watch wakes one after all.
type pool struct {
	mu      sync.Mutex
	run     []func()
	head    int
	cond    sync.Cond
	workers int
	idle    int // workers that wait
	waking  int // of these, already signalled
	limit   int
	closed  bool

	watch    *time.Timer
	watching bool
}

// patience is how long a single mailbox waits for a worker that is busy.
const patience = time.Millisecond

func newPool(limit int) *pool {
	if limit <= 0 {
		limit = runtime.GOMAXPROCS(0)
	}
	p := &pool{limit: limit}
	p.cond.L = &p.mu
	return p
}

// Throughput is how many messages of one actor run before the worker lets others at the processor.
func (p *pool) Throughput() int { return 300 }

// Schedule puts f on the run list.
func (p *pool) Schedule(f func()) {
	p.mu.Lock()
	p.run = append(p.run, f)
	switch busy := p.workers - p.idle; {
	case busy == 0 && p.waking == 0 || len(p.run)-p.head > 1:
		p.hire()
	case p.watching:
	case p.watch == nil:
		p.watching, p.watch = true, time.AfterFunc(patience, p.look)
	default:
		p.watching = true
		p.watch.Reset(patience)
	}
	p.mu.Unlock()
}

// hire gets another worker, if there may be one more.
func (p *pool) hire() {
	switch {
	case p.idle > p.waking:
		p.waking++
		p.cond.Signal()
	case p.workers < p.limit:
		p.workers++
		go p.work()
	}
}

// look is the watch.
func (p *pool) look() {
	p.mu.Lock()
	if p.watching = p.head < len(p.run); p.watching {
		p.hire()
		p.watch.Reset(patience)
	}
	p.mu.Unlock()
}

func (p *pool) work() {
	p.mu.Lock()
	for {
		for p.head == len(p.run) {
			if p.closed {
				p.workers--
				p.mu.Unlock()
				return
			}
			if p.watching { // nothing is left to be watched: do not wake for it
				p.watching = false
				p.watch.Stop()
			}
			p.idle++
			p.cond.Wait()
			p.idle--
			p.waking = max(0, p.waking-1)
		}
		f := p.run[p.head]
		p.run[p.head] = nil
		p.head++
		if p.head == len(p.run) {
			p.run, p.head = p.run[:0], 0
		} else if p.head > 1024 && p.head*2 > len(p.run) {
			n := copy(p.run, p.run[p.head:])
			clear(p.run[n:])
			p.run, p.head = p.run[:n], 0
		}
		p.mu.Unlock()
		f()
		p.mu.Lock()
	}
}

// close lets the workers end when the list is empty. Work that is scheduled later still runs.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.cond.Broadcast()
	p.mu.Unlock()
}
