package conn

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/wire"
)

// release tells that the link does not read the bytes of a call any more: only then may its buffers be used again.
func (c *Core) release(m *Call, out *Effects) {
	if m.Owner != nil {
		out.Released = append(out.Released, m)
	}
}

// releaseLink releases what a link that is gone had not written. The links before it are gone, too.
func (c *Core) releaseLink(gen uint64, out *Effects) {
	for len(c.unflushed) > 0 && c.unflushed[0].gen <= gen {
		c.release(c.unflushed[0].call, out)
		c.unflushed = c.unflushed[1:]
	}
}

// flushed takes note that the oldest frame of a link has been written. That is all a one-way call waits for. It may come before the end of the link before is told, which had frames of its own.
func (c *Core) flushed(now time.Time, gen uint64, out *Effects) {
	i := slices.IndexFunc(c.unflushed, func(u unflushed) bool { return u.gen == gen })
	if i < 0 {
		return
	}
	m := c.unflushed[i].call
	c.unflushed = slices.Delete(c.unflushed, i, i+1)
	if m.OneWay && !m.ghost {
		c.lastUse = now
		if c.suspect && len(c.flight) == 0 { // it takes what is written, and nothing else is waited for
			c.suspect, out.Alive = false, true
		}
		c.end(now, m, End{Version: m.version, Sent: true}, out)
	}
	c.release(m, out)
}

// unwritten is the oldest one-way call that is not written; nil: there is none.
func (c *Core) unwritten() *Call {
	for _, u := range c.unflushed {
		if u.call.OneWay && !u.call.ghost {
			return u.call
		}
	}
	return nil
}

// live is how many calls somebody still waits for.
func (c *Core) live() int {
	n := len(c.waiting)
	if d := c.decoding; d != nil && !d.call.ghost {
		n++
	}
	for _, f := range c.flight {
		if !f.ghost && f.then == nil {
			n++
		}
	}
	for _, u := range c.unflushed {
		if u.call.OneWay && !u.call.ghost {
			n++
		}
	}
	return n
}

func (c *Core) call(now time.Time, m *Call, out *Effects) {
	if m.Accepted.IsZero() {
		m.Accepted = now
	}
	if c.closing || c.state == Closed {
		c.end(now, m, End{Err: c.why}, out)
		return
	}
	if c.refused != nil && c.state == Idle && now.Before(c.retryAt) {
		c.end(now, m, End{Err: c.refused.Err, Phase: c.refused.Phase}, out)
		out.Down = c.refused.Err // who chooses among brokers is to try another
		return
	}
	c.lastUse = now
	c.waiting = append(c.waiting, m)
}

// ask sends a call of the connection's own, and closes the gate until then has its answer. It goes before all that wait, whatever the window says.
func (c *Core) ask(now time.Time, req protocol.Request, version int16, deadline time.Time, then func(*Core, time.Time, []byte, *Effects), out *Effects) {
	m := &Call{Req: req, Deadline: deadline, Accepted: now, then: then}
	if err := c.transmit(now, m, version, out); err != nil {
		c.broken(now, err, out)
		return
	}
	c.own = m
}

// open tells whether the gate is: whether what others ask may be sent.
func (c *Core) open() bool { return c.state == Ready && c.own == nil }

// send moves calls from waiting into flight.
func (c *Core) send(now time.Time, out *Effects) {
	if !now.Before(c.holdUntil) {
		c.holdUntil = time.Time{}
	}
	for len(c.waiting) > 0 && len(c.flight) < c.cfg.Window && !now.Before(c.holdUntil) && c.open() {
		m := c.waiting[0]
		version, err := c.version(m)
		if err == nil && m.Fit != nil {
			if err = m.Fit(version, m.Req); err != nil {
				err = c.lacks(m, version+1, err)
			}
		}
		if err != nil && c.doubtful(now) {
			c.askAgain(now, out)
			return
		}
		c.waiting[0] = nil
		c.waiting = c.waiting[1:]
		if err == nil {
			err = c.transmit(now, m, version, out)
		}
		if err != nil {
			c.end(now, m, End{Err: err}, out)
		}
	}
}

func (c *Core) version(m *Call) (int16, error) {
	key := m.Req.APIKey()
	theirs, ok := c.versions.Get(key)
	if !ok {
		return -1, c.lacks(m, m.MinVersion, fmt.Errorf("%w: %s is not among its APIs", ErrUnsupported, protocol.APIName(key)))
	}
	version, ok := protocol.Negotiate(key, c.versions)
	switch {
	case m.MaxVersion < 0:
		version = min(version, 0)
	case m.MaxVersion > 0:
		version = min(version, m.MaxVersion)
	}
	if !ok || version < m.MinVersion || version < theirs.Min {
		return -1, c.lacks(m, m.MinVersion, fmt.Errorf("%w: %s has v%d to v%d", ErrUnsupported, protocol.APIName(key), theirs.Min, theirs.Max))
	}
	return version, nil
}

// lacks says that the broker does not have what a call needs: a version from least on, as far as the client has them and the call may use them.
func (c *Core) lacks(m *Call, least int16, err error) error {
	key := m.Req.APIKey()
	own, _ := protocol.Own(key)
	switch {
	case m.MaxVersion < 0:
		own.Max = min(own.Max, 0)
	case m.MaxVersion > 0:
		own.Max = min(own.Max, m.MaxVersion)
	}
	return &Lacking{API: key, Need: protocol.Range{Min: max(own.Min, least), Max: own.Max}, Err: err}
}

// transmit encodes a call and puts it into flight. Records fields are not copied.
func (c *Core) transmit(now time.Time, m *Call, version int16, out *Effects) error {
	id := c.nextID
	c.nextID = (c.nextID + 1) & 0x7fffffff
	_, segments, err := protocol.AppendRequestSpliced(nil, m.Req, version, id, c.cfg.ClientID, nil)
	if err != nil { // a newer version may be able to say it, but not what is too long
		least := version + 1
		if errors.Is(err, wire.ErrLength) {
			least = math.MaxInt16
		}
		return c.lacks(m, least, fmt.Errorf("%w: %w", ErrUnsupported, err))
	}
	out.Send = append(out.Send, segments)
	c.unflushed = append(c.unflushed, unflushed{c.gen, m})
	m.id, m.version, m.sent, m.transmitted = id, version, now, true
	m.late = now.Add(m.Wait + max(c.cfg.LateFloor, 4*c.rtt))
	c.lastUse = now
	if !m.OneWay { // a one-way call ends when it is written
		c.flight = append(c.flight, m)
	}
	return nil
}

// measured takes note of how long an answer took. What was slow once is soon forgotten: with a broker that stands still now it would be waited for as long as then, 18 s instead of 2 with an answer that took 12.
func (c *Core) measured(took time.Duration) {
	took = min(took, mostLate*c.cfg.LateFloor/4)
	switch {
	case c.rtt == 0:
		c.rtt = took
	case took < c.rtt:
		c.rtt -= (c.rtt - took) / 2
	default:
		c.rtt += (took - c.rtt) / 8
	}
}

// mostLate is after how many times LateFloor an answer is late at the latest, however long others took.
const mostLate = 10

// received takes an answer. Brokers answer in order, so it must be that of the oldest call.
func (c *Core) received(now time.Time, frame []byte, out *Effects) {
	out.Consumed += len(frame)
	id, err := protocol.CorrelationID(frame)
	if err == nil && (len(c.flight) == 0 || c.flight[0].id != id) {
		err = fmt.Errorf("%w: %d", protocol.ErrCorrelation, id)
	}
	if err != nil {
		c.broken(now, err, out)
		return
	}
	m := c.flight[0]
	c.flight[0] = nil
	c.flight = c.flight[1:]
	c.lastUse = now
	out.Alive, c.suspect = true, false
	if m.Wait == 0 {
		c.measured(now.Sub(m.sent))
	}
	switch {
	case m.then != nil:
		c.own = nil
		m.then(c, now, frame, out)
	case !m.ghost:
		c.answered(now, m, frame, out)
	}
}

// briefly is how many bytes an answer may take in memory to be read on the actor: that is a matter of a few milliseconds. What has more, as the metadata of a hundred thousand partitions, is read beside it, and what comes behind waits.
const briefly = 1 << 20

// answered reads the answer to a call, or lets it be read.
func (c *Core) answered(now time.Time, m *Call, frame []byte, out *Effects) {
	resp := m.Req.NewResponse()
	err := protocol.ReadResponseBriefly(resp, frame, m.version, briefly)
	if errors.Is(err, wire.ErrMuch) {
		out.Consumed -= len(frame) // it counts until it is read
		c.decoding = &Decode{c.gen, m, m.version, frame}
		out.Decode = c.decoding
		return
	}
	c.read(now, m, resp, frame, err, out)
}

// decoded takes an answer that was read beside the actor, and what the link has told since. Whether anybody waited for it meanwhile is for them to say: it has come.
func (c *Core) decoded(now time.Time, m *Decoded, out *Effects) {
	d := m.of
	if c.decoding != d {
		return // the connection has ended
	}
	c.decoding = nil
	out.Consumed += len(d.frame)
	c.read(now, d.call, m.resp, d.frame, m.err, out)
	for c.decoding == nil && len(c.behind) > 0 {
		next := c.behind[0]
		c.behind[0] = nil
		c.behind = c.behind[1:]
		c.heard(now, next, out)
	}
}

// read gives a call its answer.
func (c *Core) read(now time.Time, m *Call, resp protocol.Response, frame []byte, err error, out *Effects) {
	if err != nil {
		c.answer(now, m, End{Err: unread{err}, Sent: true}, out)
		out.Unread = true
		c.broken(now, err, out)
		return
	}
	if !c.proven && c.cfg.Openings != nil {
		c.cfg.Openings.Used(c.address())
	}
	c.proven = true
	c.throttle(now, resp, m.version, out)
	c.answer(now, m, End{Resp: resp, Version: m.version, Frame: frame, Sent: true}, out)
}

// answer ends a call, unless it was ended while its answer was read.
func (c *Core) answer(now time.Time, m *Call, e End, out *Effects) {
	if !m.ghost {
		c.end(now, m, e, out)
	}
}

// throttle holds back what waits if the answer asks for that: from the versions on in which it does (KIP-219), and not longer than anybody would wait for an answer.
func (c *Core) throttle(now time.Time, resp protocol.Response, version int16, out *Effects) {
	t, ok := resp.(interface{ Throttled() int32 })
	if !ok || t.Throttled() <= 0 {
		return
	}
	out.Throttle = time.Duration(t.Throttled()) * time.Millisecond
	if !protocol.ThrottledAhead(resp.APIKey(), version) {
		return
	}
	if until := now.Add(min(out.Throttle, c.cfg.ThrottleMax)); until.After(c.holdUntil) {
		c.holdUntil = until
	}
}

func (c *Core) failFlight(now time.Time, err error, out *Effects) {
	flight, behind := c.flight, c.behind
	if d := c.decoding; d != nil {
		flight = append([]*Call{d.call}, flight...)
	}
	c.flight, c.own, c.decoding, c.behind = nil, nil, nil, nil
	for i, m := range flight {
		why := err
		if i == 0 && errors.Is(err, protocol.ErrFrameSize) { // brokers answer in order: it is the oldest call's
			why, out.Unread = unread{err}, true
		}
		if !m.ghost {
			c.end(now, m, End{Err: why, Sent: true}, out)
		}
	}
	for _, u := range c.unflushed { // some of its bytes may have left
		if m := u.call; m.OneWay && !m.ghost {
			m.ghost = true
			c.end(now, m, End{Err: err, Sent: true}, out)
		}
	}
	for _, m := range behind {
		if m, ok := m.(*Broken); ok {
			c.releaseLink(m.Gen, out)
		}
	}
}

// moved ends the calls whose work is elsewhere; their answers, if they come, are thrown away.
func (c *Core) moved(now time.Time, out *Effects) {
	for _, m := range c.flight {
		if !m.ghost && m.Moved != nil && m.Moved() {
			m.ghost = true
			c.end(now, m, End{Err: ErrMoved, Sent: true}, out)
		}
	}
	kept := c.waiting[:0]
	for _, m := range c.waiting {
		if m.Moved != nil && m.Moved() {
			c.end(now, m, End{Err: ErrMoved}, out)
		} else {
			kept = append(kept, m)
		}
	}
	clear(c.waiting[len(kept):])
	c.waiting = kept
}

func (c *Core) expireFlight(now time.Time, out *Effects) {
	lost := false
	if d := c.decoding; d != nil && !d.call.ghost && !now.Before(d.call.Deadline) {
		d.call.ghost = true
		c.end(now, d.call, End{Err: ErrTimeout, Sent: true}, out)
	}
	for _, m := range c.flight {
		if !now.Before(m.Deadline) {
			lost = c.decoding == nil // else its answer may be there, behind the one that is being read
			if !m.ghost {
				m.ghost = true
				c.end(now, m, End{Err: ErrTimeout, Sent: true}, out)
			}
		}
	}
	m := c.unwritten()
	if m != nil && !now.Before(m.Deadline) { // whatever is behind it is not written either
		lost, m.ghost = true, true
		c.end(now, m, End{Err: ErrTimeout, Sent: true}, out)
	}
	if lost { // its answer would be taken for that of the next call
		c.broken(now, fmt.Errorf("%w to an earlier request", ErrTimeout), out)
		return
	}
	if !c.suspect && (len(c.flight) > 0 && c.decoding == nil && !now.Before(c.flight[0].late) || m != nil && !now.Before(m.late)) {
		c.isLate(now, out)
	}
}

// isLate makes the broker suspect. What another can answer is asked there.
func (c *Core) isLate(now time.Time, out *Effects) {
	c.suspect, out.Late = true, true
	for _, m := range c.flight {
		if m.Anywhere && m.Replayable && !m.ghost {
			m.ghost = true
			c.end(now, m, End{Err: ErrElsewhere, Sent: true}, out)
		}
	}
	kept := c.waiting[:0]
	for _, m := range c.waiting {
		if m.Anywhere {
			c.end(now, m, End{Err: ErrElsewhere, Phase: c.state.String()}, out)
		} else {
			kept = append(kept, m)
		}
	}
	clear(c.waiting[len(kept):])
	c.waiting = kept
}

func (c *Core) end(now time.Time, m *Call, e End, out *Effects) {
	e.Call, e.Elapsed = m, now.Sub(m.Accepted)
	if e.Phase == "" {
		e.Phase = Ready.String()
	}
	if m.Owner == nil {
		return
	}
	out.Ends = append(out.Ends, e)
	if !m.transmitted {
		c.release(m, out)
	}
}
