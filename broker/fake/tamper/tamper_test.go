package tamper_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/kactor-go/kactor/broker/fake/tamper"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

func heartbeat(t *testing.T, epoch int32) []byte {
	t.Helper()
	m := &msg.ConsumerGroupHeartbeatResponse{MemberID: wire.Ptr("m"), MemberEpoch: epoch, HeartbeatIntervalMs: 3000}
	frame, err := protocol.AppendResponse(nil, m, 1, 7)
	if err != nil {
		t.Fatal(err)
	}
	return frame[protocol.SizeLen:]
}

// Who insists changes one field of every answer of an API to the same value, and nothing of the others.
func TestInsist(t *testing.T) {
	paths := map[string]bool{}
	for seed := range uint64(200) {
		p := tamper.New(rand.New(rand.NewPCG(seed, 0)))
		p.Insist(msg.ConsumerGroupHeartbeatAPI)
		var first []byte
		for range 5 {
			frame := heartbeat(t, 4)
			out := p.Answer(msg.ConsumerGroupHeartbeatAPI, 1, frame)
			if !bytes.Equal(frame, heartbeat(t, 4)) {
				t.Fatal("the frame itself was changed")
			}
			if len(out.Frames) != 1 || out.Cut || out.Delay != 0 {
				t.Fatalf("seed %d: %+v", seed, out)
			}
			if first == nil {
				first = out.Frames[0]
			}
			if !bytes.Equal(first, out.Frames[0]) {
				t.Errorf("seed %d, %s: the same answer is changed in two ways", seed, p.Insisted())
			}
			if other := p.Answer(msg.HeartbeatAPI, 4, frame); other.Change != "" {
				t.Errorf("seed %d: an answer of another API is changed: %s", seed, other.Change)
			}
		}
		paths[p.Insisted()[:len("ConsumerGroupHeartbeat.")+8]] = true
		p.Relent()
		if out := p.Answer(msg.ConsumerGroupHeartbeatAPI, 1, heartbeat(t, 4)); out.Change != "" {
			t.Errorf("seed %d: still %s", seed, out.Change)
		}
	}
	if len(paths) < 6 {
		t.Errorf("only these fields: %v", paths)
	}
}

// Who varies changes one field of some answers of an API, each time to another value, and lets the others pass.
func TestVary(t *testing.T) {
	every, most := map[int]bool{}, 0
	for seed := range uint64(200) {
		p := tamper.New(rand.New(rand.NewPCG(seed, 0)))
		p.Vary(msg.ConsumerGroupHeartbeatAPI)
		frame := heartbeat(t, 4)
		first, values := 0, map[string]bool{}
		for i := 1; i <= 12; i++ {
			out := p.Answer(msg.ConsumerGroupHeartbeatAPI, 1, frame)
			if out.Change == "" {
				continue
			}
			if first == 0 {
				first = i
			}
			if i%first != 0 {
				t.Errorf("seed %d: of every %d answers the %dth is changed: %s", seed, first, i, p.Insisted())
			}
			values[string(out.Frames[0])] = true
		}
		every[first] = true
		most = max(most, len(values))
	}
	if !every[1] || !every[2] || !every[3] || most < 6 {
		t.Errorf("one of so many is changed: %v, to %d values at the most", every, most)
	}
}

// Now and then any answer is changed, of every API and version, and never by a panic.
func TestShare(t *testing.T) {
	p := tamper.New(rand.New(rand.NewPCG(1, 2)))
	p.Share = 500
	all, changed := 0, 0
	for round := range 20 {
		for key := range int16(100) {
			for version := range int16(20) {
				m := protocol.NewResponse(key)
				if m == nil {
					continue
				}
				frame, err := protocol.AppendResponse(nil, m, version, int32(round))
				if err != nil {
					continue
				}
				out := p.Answer(key, version, frame[protocol.SizeLen:])
				all++
				if out.Change != "" {
					changed++
				}
			}
		}
	}
	if changed < all/3 || changed > all*2/3 || p.Count() != changed {
		t.Errorf("%d of %d are changed, counted %d", changed, all, p.Count())
	}
}
