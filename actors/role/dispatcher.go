package role

import (
	"runtime"
	"sync"
	"time"
)

// pool is a dispatcher of a few workers with one run list. A hop between two actors costs a fraction of that of
// protoactor's own dispatcher, which starts a goroutine for each mailbox that wakes. Workers start on demand, as many as there are processors, and then wait for more.
//
// An actor that works mostly tells the next one and is done: what it has scheduled is left to its own worker, because to wake another costs more than the work. Another is woken
// when there is a crowd, or when the last mailbox was begun with too long ago.
type pool struct {
	mu      sync.Mutex
	run     []func()
	head    int
	cond    sync.Cond
	workers int
	idle    int           // workers that wait
	waking  int           // of these, already signalled
	helping bool          // a goroutine that is no worker is at work
	begun   time.Duration // when the last mailbox was begun with, since birth
	birth   time.Time
	limit   int
	crowd   int           // how many mailboxes may wait for a worker that is at others
	patient time.Duration // see patience
	closed  bool
}

const (
	// patience is how long a worker may be at one mailbox before another is woken for the others.
	patience = time.Millisecond
	// smallCrowd is how many mailboxes of actors may wait for a worker that is at others.
	smallCrowd = 3
	// helpings is how many mailboxes a goroutine runs that is no worker.
	helpings = 16
)

func newPool(crowd int) *pool {
	p := &pool{limit: runtime.GOMAXPROCS(0), crowd: crowd, patient: patience, birth: time.Now()}
	p.cond.L = &p.mu
	return p
}

// Throughput is how many messages of one actor run before the worker lets others at the processor.
func (p *pool) Throughput() int { return 300 }

// Schedule puts f on the run list.
func (p *pool) Schedule(f func()) {
	p.mu.Lock()
	p.run = append(p.run, f)
	if !p.busy() || len(p.run)-p.head > p.crowd || p.waking == 0 && time.Since(p.birth)-p.begun > p.patient {
		p.hire()
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
	p.helping, p.begun = true, time.Since(p.birth)
	p.mu.Unlock()
	f()
	p.mu.Lock()
	for i := 0; i < helpings && p.head < len(p.run); i++ {
		p.step()
	}
	p.helping = false
	if p.head < len(p.run) {
		p.hire()
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
	p.begun = time.Since(p.birth)
	p.mu.Unlock()
	f()
	p.mu.Lock()
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

func (p *pool) work() {
	p.mu.Lock()
	for {
		for p.head == len(p.run) {
			if p.closed {
				p.workers--
				p.mu.Unlock()
				return
			}
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
