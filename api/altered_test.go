package api_test

import (
	"slices"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/protocol"
)

// altered is a network on which answers are changed on their way.
type altered struct {
	role.Network
	alter func(key, version int16, resp protocol.Response) (changed bool)
}

func (n *altered) Dial(address, host string, sink role.Sink) role.Link {
	l := &alteredLink{sink: sink, n: n, asked: map[int32]protocol.RequestFrame{}}
	l.Link = n.Network.Dial(address, host, l)
	return l
}

// alteredLink is a connection of it, and its sink.
type alteredLink struct {
	role.Link
	sink  role.Sink
	n     *altered
	asked map[int32]protocol.RequestFrame
}

func (l *alteredLink) Send(segments [][]byte) {
	q := protocol.ReadRequest(slices.Concat(segments...)[protocol.SizeLen:])
	l.asked[q.Header.CorrelationID] = q
	l.Link.Send(segments)
}

// Consumed does nothing: an answer that was changed has another length. What has come was given back then.
func (l *alteredLink) Consumed(int)     {}
func (l *alteredLink) Opened()          { l.sink.Opened() }
func (l *alteredLink) Flushed()         { l.sink.Flushed() }
func (l *alteredLink) Broken(err error) { l.sink.Broken(err) }
func (l *alteredLink) Received(frame []byte) {
	l.Link.Consumed(len(frame))
	id, err := protocol.CorrelationID(frame)
	q := l.asked[id]
	delete(l.asked, id)
	if err == nil && q.Request != nil {
		key := q.Header.RequestApiKey
		resp := protocol.NewResponse(key)
		if protocol.ReadResponse(resp, frame, q.Version) == nil && l.n.alter(key, q.Version, resp) {
			if changed, err := protocol.AppendResponse(nil, resp, q.Version, id); err == nil {
				frame = changed[protocol.SizeLen:]
			}
		}
	}
	l.sink.Received(frame)
}
