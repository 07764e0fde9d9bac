package sim

import (
	"encoding/binary"
	"io"

	"github.com/kactor-go/kactor/broker/fake/tamper"
	"github.com/kactor-go/kactor/protocol"
)

// question is a request that has left its client.
type question struct{ key, version int16 }

// asks takes note of a request: how often its client asks, and what is answered later.
func (l *link) asks(frame []byte) {
	if len(frame) < 10 {
		return
	}
	q := question{int16(binary.BigEndian.Uint16(frame)), int16(binary.BigEndian.Uint16(frame[2:]))}
	if n := int(int16(binary.BigEndian.Uint16(frame[8:]))); n > 0 && len(frame) >= 10+n {
		l.client = string(frame[10 : 10+n])
	}
	if l.asked == nil {
		l.asked = map[int32]question{}
	}
	l.asked[int32(binary.BigEndian.Uint32(frame[4:]))] = q
	if l.n.w.tracing != nil {
		l.n.w.Tracef("%s asks broker %d: %s v%d %+v", l.client, l.node, protocol.APIName(q.key), q.version, protocol.ReadRequest(frame).Request)
	}
	if err := l.n.Rates.asked(l.n.w.Now(), l, q.key); err != nil {
		l.n.w.Report(err)
	}
}

// answer sends an answer of the cluster on its way, changed if somebody tampers with it.
func (l *link) answer(frame []byte) {
	id := int32(binary.BigEndian.Uint32(frame))
	q, ok := l.asked[id]
	delete(l.asked, id)
	out := tamper.Outcome{Frames: [][]byte{frame}}
	if ok && l.n.Tamper != nil {
		if out = l.n.Tamper.Answer(q.key, q.version, frame); out.Change != "" {
			l.n.w.Tracef("an answer of %s to %s is changed: %s", protocol.APIName(q.key), l.client, out.Change)
		}
	}
	for _, f := range out.Frames {
		if l.n.w.tracing != nil {
			m := protocol.NewResponse(q.key)
			l.n.w.Tracef("broker %d answers %s: %s %+v (%v)", l.node, l.client, protocol.APIName(q.key), m, protocol.ReadResponse(m, f, q.version))
		}
		l.down.pushLate(out.Delay, func() { l.receive(f) })
	}
	if out.Cut {
		l.down.pushLate(out.Delay, func() { l.breaks(io.ErrUnexpectedEOF) })
	}
}
