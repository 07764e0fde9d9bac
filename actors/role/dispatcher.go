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
	idle    int  // workers that wait
	waking  int  // of these, already signalled
	helping bool // a goroutine that is no worker is at work
	limit   int
	closed  bool

	watch    *time.Timer
	watching bool
}

// crowd is how many mailboxes wait for a worker that is at others before another is woken.
const crowd = 3

// helpings is how many mailboxes a goroutine runs that is no worker.
const helpings = 16

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
	switch {
	case !p.busy() || len(p.run)-p.head > crowd:
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

// busy tells whether somebody is at work, or soon will be.
func (p *pool) busy() bool { return p.helping || p.workers > p.idle || p.waking > 0 }

// assist runs f, which tells actors something, and then runs what is on the list on the calling goroutine, if nobody is at work: to wake a worker would cost more, and the
// caller mostly goes to sleep next.
func (p *pool) assist(f func()) {
	p.mu.Lock()
	if p.busy() || p.closed {
		p.mu.Unlock()
		f()
		return
	}
	p.helping = true
	p.mu.Unlock()
	f()
	p.mu.Lock()
	for i := 0; i < helpings && p.head < len(p.run); i++ {
		p.step()
	}
	p.helping = false
	if p.head < len(p.run) {
		p.hire()
	} else {
		p.rest()
	}
	p.mu.Unlock()
}

// step runs the first mailbox of the list.
func (p *pool) step() {
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

// rest stops the watch: nothing is left to be watched, and it should not wake anybody.
func (p *pool) rest() {
	if p.watching {
		p.watching = false
		p.watch.Stop()
	}
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
			p.rest()
			p.idle++
			p.cond.Wait()
			p.idle--
			p.waking = max(0, p.waking-1)
		}
		p.step()
	}
}

// close lets the workers end when the list is empty. Work that is scheduled later still runs.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.cond.Broadcast()
	p.mu.Unlock()
}
