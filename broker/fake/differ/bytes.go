package differ

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/kactor-go/kactor/broker/fake/differ/mangle"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// silence is how long the answer to a request is waited for whose bytes were changed: it may be one that waits for others.
const silence = 3 * time.Second

// mangles tells whether a step sends its request with some bytes changed. The world learns nothing of what is answered.
func (s Script) mangles(step Step) bool { return s.Mangled && step.Number > 0 && step.Seed%2 == 0 }

// mangled sends the request of a step with some bytes changed, and one behind it: there is an answer, or none but that to the one behind, or the connection is closed.
func (s *side) mangled(op *operation, step Step) (*answer, error) {
	known, ok := s.w.ranges.Get(op.key)
	if !ok {
		return &answer{skipped: true}, nil
	}
	for until := time.Now().Add(passes); ; time.Sleep(5 * time.Millisecond) {
		d := newDraw(step.Seed, known)
		req, _ := op.ask(d, s.w)
		if req == nil {
			return &answer{skipped: true}, nil
		}
		own, _ := protocol.Own(req.APIKey())
		whole, err := protocol.AppendRequest(nil, req, min(d.version, own.Max), 1<<20, wire.Ptr("differ"))
		if err != nil {
			return nil, err
		}
		frame := mangle.Frame(rand.New(rand.NewPCG(step.Seed, 0x6279746573)), whole[protocol.SizeLen:])
		if !mangle.Harmless(frame, s.w.ranges) || s.w.surprises(frame) {
			return &answer{skipped: true}, nil
		}
		a := &answer{version: d.version, frame: frame, asked: s.w.shownFrame(frame)}
		if len(frame) >= 4 {
			a.version = int16(binary.BigEndian.Uint16(frame[2:]))
		}
		body, err := s.peer.exchange(frame)
		if a.lines = outcome(op.api(), err); a.lines != nil {
			return a, nil
		}
		if err != nil {
			return nil, err
		}
		key := int16(binary.BigEndian.Uint16(frame))
		m := protocol.NewResponse(key)
		m.SetDefaults()
		if err := protocol.ReadResponse(m, body, a.version); err != nil && (key != msg.ApiVersionsAPI || protocol.ReadResponse(m, body, 0) != nil) {
			return nil, fmt.Errorf("the answer to %s cannot be read: %w: %x", a.asked, err, body)
		}
		a.lines = flatten(protocol.APIName(key), m, s.w)
		if asked := protocol.ReadRequest(frame).Request; asked != nil {
			a.made = madeBy(asked, m)
		}
		if passing(a.lines) && time.Now().Before(until) {
			continue
		}
		return a, nil
	}
}

// alikeFrames tells whether both sides were sent the same, but for the values of ids: what was left out or put in can make an id of one cluster something else than that of the other.
func alikeFrames(a, b []byte) bool {
	shape := func(frame []byte) (read bool, fields []mangle.Field) {
		return protocol.ReadRequest(frame).Request != nil, mangle.Fields(frame)
	}
	read, fields := shape(a)
	also, others := shape(b)
	return bytes.Equal(a, b) || read == also && slices.Equal(fields, others)
}

// outcome tells what became of a request that has no answer; nil if it has one.
func outcome(api string, err error) []line {
	switch timeout, ok := errors.AsType[net.Error](err); {
	case errors.Is(err, errClosed):
		return []line{{api + ".closed", "true"}}
	case errors.Is(err, errUnanswered):
		return []line{{api + ".closed", "false"}}
	case ok && timeout.Timeout():
		return []line{{api + ".closed", "silent"}}
	}
	return nil
}

// surprises tells whether a request does what nothing can be compared behind:
//
//   - it may delete topics that the script waits for, or create those whose end it waits for,
//   - it has a pattern: when Kafka looks for what matches it, and counts an epoch, is a matter of time,
//   - it has subscriptions with lengths that there is no room for: Kafka fails amid the change of the group, and leaves it as it is then.
func (w *world) surprises(frame []byte) bool {
	switch m := protocol.ReadRequest(frame).Request.(type) {
	case *msg.DeleteTopicsRequest:
		return true
	case *msg.ConsumerGroupHeartbeatRequest:
		return m.SubscribedTopicRegex != nil
	case *msg.JoinGroupRequest:
		return slices.ContainsFunc(m.Protocols, func(p msg.JoinGroupRequestJoinGroupRequestProtocol) bool { return !sound(p.Metadata) })
	case *msg.CreateTopicsRequest:
		return slices.ContainsFunc(m.Topics, func(t msg.CreateTopicsRequestCreatableTopic) bool {
			is := w.topics[w.short(t.Name)]
			return is != nil && is.gone
		})
	}
	return false
}

// sound tells whether what a consumer says when it joins has room for its lengths, as far as scripts have any: version, topics, user data.
func sound(metadata []byte) bool {
	if len(metadata) < 6 {
		return true
	}
	topics, rest := int32(binary.BigEndian.Uint32(metadata[2:])), metadata[6:]
	for range max(topics, 0) {
		if len(rest) < 2 {
			return false
		}
		n := int(binary.BigEndian.Uint16(rest))
		if len(rest) < 2+n {
			return false
		}
		rest = rest[2+n:]
	}
	return len(rest) < 4 || int(int32(binary.BigEndian.Uint32(rest))) <= len(rest)-4
}

// shownFrame shows bytes, and what they are read as.
func (w *world) shownFrame(frame []byte) string {
	f := protocol.ReadRequest(frame)
	shown := hex.EncodeToString(frame)
	if f.Request == nil {
		return fmt.Sprintf("%s (%v)", shown, f.Err)
	}
	if text, err := protocol.ToJSON(f.Request, f.Version); err == nil {
		shown += " = " + strings.ReplaceAll(string(compact(text)), w.prefix, "")
	}
	return shown
}

// errUnanswered is what a broker answers to requests that want no answer.
var errUnanswered = errors.New("there is no answer")

// exchange sends a frame and a request behind it, and gives the answer to the first: errClosed if the connection ended, errUnanswered if only the second is answered. After silence the connection is closed.
func (p *peer) exchange(frame []byte) ([]byte, error) {
	if err := p.open(); err != nil {
		return nil, err
	}
	p.last++
	behind, err := protocol.AppendRequest(nil, &msg.ApiVersionsRequest{}, 0, -p.last, nil)
	if err != nil {
		return nil, err
	}
	sized := append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...)
	if err := p.conn.SetDeadline(time.Now().Add(silence)); err != nil {
		return nil, err
	}
	if _, err := p.conn.Write(append(sized, behind...)); err != nil {
		p.close()
		return nil, errClosed
	}
	first, err := p.readAny()
	if err != nil {
		p.close()
		return nil, err
	}
	if int32(binary.BigEndian.Uint32(first)) == -p.last {
		return nil, errUnanswered
	}
	if len(frame) < 8 || [4]byte(first) != [4]byte(frame[4:8]) {
		return nil, fmt.Errorf("%w: %x", protocol.ErrCorrelation, first[:4])
	}
	if _, err := p.readAny(); err != nil {
		p.close()
		return nil, err
	}
	return first, nil
}
