package trouble

import "time"

// Free is how many answers in a row may bring nothing forward before the next request has to wait: redirections, what changes on the way, and what was under way already are no trouble yet.
const Free = 3

// mostTurns is how many steps are taken at once by who was held back.
const mostTurns = 2

// restsAfter is after how many times the longest wait nobody who was held back is in a hurry any more.
const restsAfter = 5

// Pace holds back who asks one target again and again and gets no further, whatever the answers say: an error that is retried, nothing at all and at once, a redirection, a new epoch each time. The zero Pace is
// that of who has not asked yet.
//
//	fine --Vain (Free times)--> fine --Vain (at once, then later and later, Max at most)--> held back
//	  ^                                                                                      |
//	  +---------------------- Forward, or nothing asked for 5 times Max ----------------------+
type Pace struct {
	vain  int
	turns int // since it was held back
	at    time.Time
}

// Vain notes an answer that has brought nothing forward. The wait counts from when it was asked: who has waited for the answer has waited.
func (p *Pace) Vain(asked time.Time, b Backoff) {
	if p.turns = 0; p.Held() && asked.Sub(p.at) > restsAfter*b.Max {
		p.vain = 0
	}
	if p.vain++; p.vain > Free {
		p.at = asked.Add(b.After(p.vain - Free))
	}
}

// Turned is Vain for an answer that says something else than the one before, after which there is another step to take: what has held somebody back may be over. So the next request does not wait, twice for each time that one
// did.
func (p *Pace) Turned(asked time.Time, b Backoff) {
	if !p.Held() || p.turns >= mostTurns {
		p.Vain(asked, b)
		return
	}
	p.turns++
}

// Forward notes that something has gone forward.
func (p *Pace) Forward() { *p = Pace{} }

// Held tells whether more answers than are free have brought nothing forward.
func (p *Pace) Held() bool { return p.vain > Free }

// Waits tells until when nothing is to be asked; false if it may be now.
func (p *Pace) Waits(now time.Time) (until time.Time, waits bool) { return p.at, now.Before(p.at) }
