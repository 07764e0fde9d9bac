package tamper

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
)

// Outcome is what becomes of an answer.
type Outcome struct {
	Frames [][]byte      // what the client gets, without size prefixes; none: the answer is lost
	Cut    bool          // the connection ends behind them
	Delay  time.Duration // all is so much late
	Change string        // what was done; empty: nothing
}

// Proxy changes answers. It belongs to one goroutine.
type Proxy struct {
	// Share is how many answers of a thousand are changed, each in its own way.
	Share int

	rng   *rand.Rand
	rule  *rule
	last  []byte // an answer of before
	count int
}

// New makes a proxy that lets everything pass.
func New(rng *rand.Rand) *Proxy { return &Proxy{rng: rng} }

// Count is how many answers it has changed.
func (p *Proxy) Count() int { return p.count }

// rule is one change to every answer of an API.
type rule struct {
	key  int16
	path string // the field, without indexes; empty: not known before an answer has come
	draw uint64 // what its value is drawn from

	every int // of its answers that one of so many is changed, each to another value; 0: all, to the same
	count int // of its answers that have come
}

// Insist has every answer of an API changed in the same field to the same value, or by the same rule, from now on; which field that is follows from the seed. Relent ends it.
func (p *Proxy) Insist(key int16) { p.rule = &rule{key: key, draw: p.rng.Uint64()} }

// Vary has answers of an API changed in the same field, each to another value: every answer, or the second, or the third of them. Who believes the latest is sent to and fro, and what is right comes between. Relent ends it.
func (p *Proxy) Vary(key int16) {
	p.rule = &rule{key: key, draw: p.rng.Uint64(), every: 1 + p.rng.IntN(3)}
}

// Relent ends what Insist or Vary has begun.
func (p *Proxy) Relent() { p.rule = nil }

// Insisted tells which field of which answers is changed; empty for none.
func (p *Proxy) Insisted() string {
	if p.rule == nil {
		return ""
	}
	how := ""
	if p.rule.every > 0 {
		how = fmt.Sprintf(", one of %d, another each time", p.rule.every)
	}
	return fmt.Sprintf("%s.%s (%x%s)", protocol.APIName(p.rule.key), p.rule.path, p.rule.draw, how)
}

// Answer decides what becomes of an answer to a request of this API and version. frame is not changed.
func (p *Proxy) Answer(key, version int16, frame []byte) Outcome {
	out := Outcome{Frames: [][]byte{frame}}
	switch {
	case p.rule != nil && p.rule.key == key:
		out = p.insist(version, frame)
	case p.rng.IntN(1000) < p.Share:
		out = p.once(key, version, frame)
	}
	if p.last == nil || p.rng.IntN(8) == 0 {
		p.last = slices.Clone(frame)
	}
	if out.Change != "" {
		p.count++
	}
	return out
}

// insist changes an answer as the rule says.
func (p *Proxy) insist(version int16, frame []byte) Outcome {
	out := Outcome{Frames: [][]byte{frame}}
	m, id, ok := read(p.rule.key, version, frame)
	if !ok {
		return out
	}
	fields := walk(m)
	if p.rule.path == "" {
		if len(fields) == 0 {
			return out
		}
		p.rule.path = fields[rand.New(rand.NewPCG(p.rule.draw, 1)).IntN(len(fields))].path
	}
	turn := uint64(0)
	if p.rule.every > 0 {
		if p.rule.count++; p.rule.count%p.rule.every != 0 {
			return out
		}
		turn = uint64(p.rule.count)
	}
	for _, f := range fields {
		if f.path == p.rule.path {
			out.Change = f.change(rand.New(rand.NewPCG(p.rule.draw, 2+turn)))
		}
	}
	if changed, err := protocol.AppendResponse(nil, m, version, id); err == nil && out.Change != "" {
		out.Frames = [][]byte{changed[protocol.SizeLen:]}
	}
	return out
}

// once changes one answer.
func (p *Proxy) once(key, version int16, frame []byte) Outcome {
	out := Outcome{Frames: [][]byte{frame}}
	switch n := p.rng.IntN(20); {
	case n < 12:
		m, id, ok := read(key, version, frame)
		if !ok {
			return out
		}
		fields := walk(m)
		if len(fields) == 0 {
			return out
		}
		for range 1 + p.rng.IntN(3) {
			f := fields[p.rng.IntN(len(fields))]
			out.Change += f.path + " " + f.change(p.rng) + "; "
			fields = walk(m) // some may be gone
		}
		if changed, err := protocol.AppendResponse(nil, m, version, id); err == nil {
			out.Frames = [][]byte{changed[protocol.SizeLen:]}
		}
	case n < 14:
		out.Change = "bytes"
		b := slices.Clone(frame)
		for range 1 + p.rng.IntN(4) {
			b[p.rng.IntN(len(b))] = []byte{0, 1, 0x7f, 0x80, 0xff, byte(p.rng.Uint32())}[p.rng.IntN(6)]
		}
		out.Frames = [][]byte{b}
	case n < 15:
		out.Change = "cut short"
		out.Frames = [][]byte{frame[:p.rng.IntN(len(frame))]}
		out.Cut = p.rng.IntN(2) == 0
	case n < 16:
		out.Change = "more behind it"
		out.Frames = [][]byte{append(slices.Clone(frame), make([]byte, 1+p.rng.IntN(100))...)}
	case n < 17:
		out.Change = "twice"
		out.Frames = [][]byte{frame, slices.Clone(frame)}
	case n < 18:
		out.Change = "another one"
		if b := slices.Clone(p.last); len(b) >= 4 && p.rng.IntN(2) == 0 {
			copy(b, frame[:4]) // as if it were the one
			out.Frames = [][]byte{b}
		} else if b != nil {
			out.Frames = [][]byte{b}
		}
	case n < 19:
		out.Change = "late"
		out.Delay = time.Duration(p.rng.IntN(8000)) * time.Millisecond
	default:
		out.Change = "lost"
		out.Frames, out.Cut = nil, p.rng.IntN(2) == 0
	}
	return out
}

// read decodes an answer.
func read(key, version int16, frame []byte) (m protocol.Response, id int32, ok bool) {
	m = protocol.NewResponse(key)
	if m == nil || len(frame) < 4 || protocol.ReadResponse(m, frame, version) != nil {
		return nil, 0, false
	}
	return m, int32(binary.BigEndian.Uint32(frame)), true
}
