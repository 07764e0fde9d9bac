package drain

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/trouble"
	"github.com/kactor-go/kactor/protocol/wire"
	"github.com/kactor-go/kactor/sender/internal/batch"
)

// idempotent are the numbers of a producer without transactions: one id, and an epoch for each partition. A partition whose log has lost something begins anew in the next epoch (KIP-360); the others go on in
// theirs, because what they have under way must keep its numbers to be recognized.
//
// A leader takes a batch only behind the one before it, and recognizes the last five: but only if it knows the producer. One it has forgotten may begin with any sequence (ProducerAppendInfo.checkSequence), and it
// forgets: after producer.id.expiration.ms by the time of the records, or when it was elected without having what the producer wrote. So that nothing is taken before what it comes behind, a batch goes alone until
// the leader has taken it wherever that may have happened: at first, after silence, after a failure, with a new leader. And where it has happened all the same, nothing is inferred from it.
type idempotent struct {
	c        *Core
	known    bool // id and epoch are there
	wanted   bool // something waits for them
	asked    bool
	id       int64
	epoch    int16
	failures int          // one after the other
	retryAt  time.Time    // it is not asked for before
	pace     trouble.Pace // of ids that have brought nothing into a log
	denied   error        // why there is none: what needs one before retryAt ends with it
}

// sequence is where a partition is in its epoch.
type sequence struct {
	topic wire.UUID // of the topic when numbering began: created again it is another, and begins anew
	set   bool
	id    int64
	epoch int16
	next  int32
	renew bool      // begin the next epoch as soon as nothing is in flight
	last  uint64    // serial of the latest batch of this epoch that is in the log
	sure  bool      // the leader knows the producer: the next batch may follow before this one is answered
	heard time.Time // when it last showed that
	under int32     // the leader's epoch then
}

// silence is after what time a leader may have forgotten the producer, as far as it takes care of that. The shortest that brokers are configured with is much longer; it costs a round trip.
const silence = 10 * time.Second

// lastEpoch is the last epoch of a producer id; then another id is asked for. As KIP-360 has it for coordinators, 32,767 is not used.
const lastEpoch = math.MaxInt16 - 1

func (s *sequence) has(b *batch.Batch) bool {
	return b.Numbered && b.ProducerID == s.id && b.Epoch == s.epoch
}

func (n *idempotent) may(now time.Time, p *part, out *Effects) verdict {
	s := &p.seq
	again := s.set && p.topic != s.topic && p.topic != (wire.UUID{}) && s.topic != (wire.UUID{}) // the topic was created again: its log knows nothing of this producer
	renew := s.renew || again || p.queue[0].Anew
	if len(p.flight) > 0 && (renew || !s.sure || p.led != s.under) {
		return drop
	}
	if renew {
		if n.renew(p, again, out); len(p.queue) == 0 || p.queue[0].Packing { // another may be the first now
			return drop
		}
	}
	switch {
	case s.set || n.known:
		return send
	case n.denied != nil && now.Before(n.retryAt):
		n.deny(p, out)
		return drop
	}
	n.wanted = true
	return wait
}

// renew lets a partition begin at 0 in the next epoch, and numbers what is queued anew; nothing of it is in flight. Not so what may have been written, or may still be on its way to a broker that leads
// again before the log knows of the next epoch: it would be there twice.
func (n *idempotent) renew(p *part, otherTopic bool, out *Effects) {
	s := &p.seq
	p.queue = slices.DeleteFunc(p.queue, func(b *batch.Batch) bool {
		switch {
		case b.Maybe && b.Numbered:
			n.c.settle(b, -1, -1, fmt.Errorf("%w: the partition begins a new epoch, and it was sent in the old one: %w", ErrUncertain, b.LastErr), out)
			return true
		case b.Serial < s.last && !otherTopic:
			n.c.settle(b, -1, -1, passed(b.LastErr), out)
			return true
		}
		b.Numbered, b.Sealed, b.Anew = false, false, false
		return false
	})
	next := sequence{topic: p.topic, set: true, id: s.id, epoch: s.epoch + 1}
	if s.epoch >= lastEpoch {
		next = sequence{}
		n.known = n.known && n.id != s.id
	}
	*s = next
}

// passed is why a batch is given up that is not in the log while one behind it is.
func passed(err error) error {
	if err == nil {
		err = protocol.OutOfOrderSequenceNumber
	}
	return fmt.Errorf("what comes behind it is in the log: %w", err)
}

func (n *idempotent) going(now time.Time, p *part, b *batch.Batch) {
	s := &p.seq
	if !s.set {
		*s = sequence{topic: p.topic, set: true, id: n.id, epoch: n.epoch}
	}
	if s.topic == (wire.UUID{}) {
		s.topic = p.topic
	}
	if p.settling || len(p.flight) == 0 && (p.led != s.under || p.home.node != p.node || now.Sub(s.heard) >= silence) {
		s.sure = false
	}
	s.under = p.led
	if b.Numbered {
		return
	}
	b.ProducerID, b.Epoch, b.Sequence, b.Numbered, b.Sealed = s.id, s.epoch, s.next, true, false
	s.next = record.AddSequence(s.next, b.Count)
}

func (n *idempotent) written(now time.Time, p *part, b *batch.Batch) {
	n.pace.Forward()
	if s := &p.seq; s.has(b) {
		s.last, s.sure, s.heard = max(s.last, b.Serial), true, now
	}
}

// refused deals with a broker that misses something before this batch, or does not remember the producer as this client does. If something before it is still under way or queued, it only has to go again behind
// that. If it is the first, then the log has lost what was before, or it was rejected or given up; this batch and those behind it are not in the log, and they begin anew in the next epoch. If one
// behind it is in the log, the leader has taken that for the first of a producer that it did not know: this one comes too late. Nothing tells whether it was there before.
func (n *idempotent) refused(now time.Time, b *batch.Batch, code protocol.Code, out *Effects) {
	p := of(b)
	s := &p.seq
	if s.has(b) && b.Serial < s.last {
		n.c.refuse(b, passed(code), out)
		return
	}
	b.LastErr = code
	before := func(o *batch.Batch) bool { return o != b && o.Serial < b.Serial }
	if slices.ContainsFunc(p.flight, before) || slices.ContainsFunc(p.queue, before) {
		b.Spared++ // the failure is that of the other
		n.c.again(now, b, asItIs, out)
		return
	}
	s.renew = s.renew || s.has(b)
	d := atOnce
	if b.Sequence == 0 { // it has just begun anew
		d = backOff
	}
	n.c.again(now, b, d, out)
}

func (n *idempotent) shrunk(b *batch.Batch) { b.Numbered, b.Sealed, b.Anew = false, false, true }

func (n *idempotent) ask(now time.Time, out *Effects) {
	wanted := n.wanted && !n.known && !n.asked
	n.wanted = false
	if !wanted {
		return
	}
	at := n.retryAt
	if until, waits := n.pace.Waits(now); waits && until.After(at) {
		at = until
	}
	if now.Before(at) {
		n.c.at(at)
		return
	}
	n.asked, out.AskIdentity = true, true
}

func (n *idempotent) told(now time.Time, m *Identity, out *Effects) {
	n.asked, n.denied = false, nil
	if m.Unsupported && !n.c.cfg.Required { // brokers before 0.11 have no ids: at least once is what they can do
		n.c.ids = plain{n.c}
		return
	}
	if m.Err == nil && (m.ID < 0 || m.Epoch < 0) {
		m = &Identity{Err: fmt.Errorf("%w: id %d, epoch %d", ErrIdentity, m.ID, m.Epoch)}
	}
	if m.Err == nil {
		n.pace.Vain(now, n.c.retry())
		n.known, n.id, n.epoch, n.failures = true, m.ID, m.Epoch, 0
		return
	}
	n.failures++
	n.retryAt = now.Add(n.c.pause(n.failures))
	again := retriable(m.Err) && !m.Unsupported
	if !again {
		n.denied = m.Err
	}
	for _, p := range n.c.parts {
		switch {
		case p.seq.set || len(p.queue) == 0:
		case again:
			p.queue[0].LastErr = m.Err
		default:
			n.deny(p, out)
		}
	}
}

// deny ends what is queued of a partition, because there is no id for it.
func (n *idempotent) deny(p *part, out *Effects) {
	queue := p.queue
	p.queue = nil
	for _, b := range queue {
		n.c.settle(b, -1, -1, fmt.Errorf("no producer id: %w", n.denied), out)
	}
}
