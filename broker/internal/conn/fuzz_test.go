package conn

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// FuzzConnection plays a connection with a broker that may say anything: each byte of the script is something that happens, and the bytes behind it are what the broker says. Whatever
// happens, nobody is forgotten or told twice, and no more is under way than the window allows.
func FuzzConnection(f *testing.F) {
	f.Add([]byte{0, 1, 2, 2, 3, 30, 0, 0, 0, 1, 'x', 5, 4})
	f.Add([]byte{0, 1, 6, 2, 2, 2, 7, 40, 8, 0, 3, 9, 1, 0, 4})
	f.Add([]byte{0, 1, 6, 2, 2, 7, 3, 4, 0, 0, 0, 0, 5, 10, 1, 4})
	f.Fuzz(func(t *testing.T, script []byte) {
		b := newBench(t, func(c *Config) { c.Host = "127.0.0.1" })
		type life struct{ ended, released int }
		calls := map[*Call]*life{}
		note := func() {
			for i := range b.out.Ends {
				calls[b.out.Ends[i].Call].ended++
			}
			for _, c := range b.out.Released {
				calls[c].released++
			}
			if n := len(b.c.flight); n > b.c.cfg.Window {
				t.Fatalf("%d calls are in flight, the window is %d", n, b.c.cfg.Window)
			}
		}
		versions := func() []byte { // the answer to what was asked for first
			resp := &msg.ApiVersionsResponse{ApiKeys: []msg.ApiVersionsResponseApiVersion{{ApiKey: msg.MetadataAPI, MaxVersion: 12}, {ApiKey: msg.ApiVersionsAPI, MaxVersion: 4}}}
			frame, err := protocol.AppendResponse(nil, resp, b.c.asking, b.c.nextID-1)
			if err != nil {
				t.Fatal(err)
			}
			return frame[protocol.SizeLen:]
		}
		for len(script) > 0 && len(calls) < 100 {
			what := script[0]
			script = script[1:]
			said := func() []byte { // the next bytes of the script
				if len(script) == 0 {
					return nil
				}
				n := min(int(script[0]), len(script)-1)
				frame := script[1 : 1+n]
				script = script[1+n:]
				return append([]byte(nil), frame...)
			}
			switch what % 11 {
			case 0, 2:
				c := b.call(func(c *Call) {
					c.Moved = func() bool { return what >= 128 }
					c.OneWay = what%3 == 0
				})
				calls[c] = &life{}
				b.step(c)
			case 1:
				b.step(&Opened{Gen: b.c.gen})
			case 3:
				b.step(&Received{Gen: b.c.gen, Frame: said()})
			case 4:
				b.step(&Close{Deadline: b.now.Add(time.Second)})
			case 5:
				b.step(&Broken{Gen: b.c.gen, Err: errors.New("cut")})
			case 6:
				if b.c.state != Negotiating {
					continue
				}
				b.step(&Received{Gen: b.c.gen, Frame: versions()})
			case 7: // the right number, and anything behind it
				frame := binary.BigEndian.AppendUint32(nil, 0)
				if len(b.c.flight) > 0 {
					binary.BigEndian.PutUint32(frame, uint32(b.c.flight[0].id))
				}
				b.step(&Received{Gen: b.c.gen, Frame: append(frame, said()...)})
			case 8:
				b.step(&Flushed{Gen: b.c.gen})
			case 9:
				b.step(&Moved{})
			case 10:
				b.later(time.Duration(what) * 100 * time.Millisecond)
			}
			note()
		}
		b.out = Effects{}
		b.c.Abort(ErrClosed, &b.out)
		note()
		for c, l := range calls {
			if l.ended != 1 || l.released != 1 {
				t.Fatalf("call %d was ended %d times and released %d times, expected once each", c.id, l.ended, l.released)
			}
		}
	})
}
