package conn_test

import (
	"slices"
	"strconv"

	"github.com/kactor-go/kactor/broker/internal/conn"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// link is one, with the broker at its other end.
type link struct {
	gen            uint64
	opened, closed bool
	broken         bool // its end was told
	raised         bool // its frames may be large
	told           bool // the versions
	spoilt         bool // an answer that nobody can make sense of is on its way
	frames         []asked
	asked          []asked  // written, and to be answered
	arriving       [][]byte // answers
}

// asked is a request on a link.
type asked struct {
	api, version int16
	id           int32
	call         int // -1: the connection's own
	oneWay       bool
}

// reads tells whether it may still read the bytes of a call.
func (l *link) reads(call int) bool {
	return slices.ContainsFunc(l.frames, func(a asked) bool { return a.call == call })
}

// ofLink is what happens on a link.
func (w *world) ofLink(n int, l *link, add, fault func(string, int, func())) {
	if l.broken {
		if w.rules.twice {
			fault("once more told: the end of link", n, func() { w.step(&conn.Broken{Gen: l.gen, Err: errReset}) })
		}
		return
	}
	if l.closed {
		add("ended is link", n, func() {
			l.broken = true
			w.step(&conn.Broken{Gen: l.gen, Err: errReset})
		})
	}
	if !l.opened {
		if !l.closed {
			add("open is link", n, func() {
				l.opened = true
				w.step(&conn.Opened{Gen: l.gen})
			})
			w.breaks(n, l, fault)
		}
		return
	}
	if len(l.frames) > 0 {
		add("written is a frame on link", n, func() {
			a := l.frames[0]
			l.frames = l.frames[1:]
			if a.call >= 0 {
				w.calls[a.call].written = true
			}
			if !a.oneWay {
				l.asked = append(l.asked, a)
			}
			w.step(&conn.Flushed{Gen: l.gen})
		})
	}
	if len(l.arriving) > 0 {
		add("an answer comes on link", n, func() {
			frame := l.arriving[0]
			l.arriving = l.arriving[1:]
			if l.spoilt {
				w.hurt(false)
			}
			if !l.closed { // its reader is gone
				w.step(&conn.Received{Gen: l.gen, Frame: frame})
			}
		})
	}
	if l.closed {
		return
	}
	if len(l.asked) > 0 {
		w.says(n, l, add, fault)
	}
	w.breaks(n, l, fault)
}

// breaks are the ways in which a link ends by itself.
func (w *world) breaks(n int, l *link, fault func(string, int, func())) {
	if w.rules.breaks {
		fault("broken is link", n, func() {
			w.hurt(false)
			l.broken = true
			w.step(&conn.Broken{Gen: l.gen, Err: errReset})
		})
	}
	if w.rules.fatal {
		fault("no Kafka is at the end of link", n, func() {
			w.hurt(false)
			l.broken = true
			w.step(&conn.Broken{Gen: l.gen, Err: protocol.ErrNotKafka})
		})
	}
}

// says are the answers to what is asked first.
func (w *world) says(n int, l *link, add, fault func(string, int, func())) {
	a := l.asked[0]
	says := func(id int32, version int16, r protocol.Response) {
		b, err := protocol.AppendResponse(nil, r, version, id)
		if err != nil {
			panic(err)
		}
		l.asked = slices.Clone(l.asked[1:])
		l.arriving = append(l.arriving, b[protocol.SizeLen:])
	}
	if a.api == msg.ApiVersionsAPI {
		known := !w.rules.versions || a.version <= 3
		if known {
			add("versions are told on link", n, func() {
				l.told = true
				says(a.id, a.version, theVersions())
			})
		} else {
			add("not known is the version of ApiVersions on link", n, func() {
				says(a.id, 0, &msg.ApiVersionsResponse{ErrorCode: int16(protocol.UnsupportedVersion)})
			})
			fault("ended for the version of ApiVersions is link", n, func() {
				l.broken = true
				w.step(&conn.Broken{Gen: l.gen, Err: errReset})
			})
		}
		return
	}
	answer := func(throttle int32) *msg.MetadataResponse {
		r := &msg.MetadataResponse{}
		r.SetDefaults()
		text := strconv.Itoa(a.call)
		r.ClusterID, r.ThrottleTimeMs = &text, throttle
		return r
	}
	add("answered is a call on link", n, func() { says(a.id, a.version, answer(0)) })
	if w.rules.strange {
		fault("the answer of a later call comes first on link", n, func() {
			l.spoilt = true
			says(a.id+1, a.version, answer(0))
		})
		fault("spoilt is the answer on link", n, func() {
			l.spoilt = true
			says(a.id, a.version, answer(0))
			last := len(l.arriving) - 1
			l.arriving[last] = l.arriving[last][:6]
		})
	}
	if t := w.rules.throttle; t > 0 {
		fault("answered, and throttled, is a call on link", n, func() {
			says(a.id, a.version, answer(t))
		})
	}
}

// theVersions are what the broker speaks.
func theVersions() *msg.ApiVersionsResponse {
	return &msg.ApiVersionsResponse{FinalizedFeaturesEpoch: -1, ApiKeys: []msg.ApiVersionsResponseApiVersion{{ApiKey: msg.MetadataAPI, MaxVersion: 9}, {ApiKey: msg.ApiVersionsAPI, MaxVersion: 3}}}
}
