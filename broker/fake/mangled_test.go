package fake_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/broker/fake/differ/mangle"
	"github.com/kactor-go/kactor/protocol"
)

// plainFrames are a request of each version of each API that a cluster has, with one element in each list where it has all fields, and else with none.
func plainFrames(t testing.TB) (frames [][]byte) {
	var clusters []*fake.Cluster
	for _, release := range []string{"2.8", "4.3"} {
		c, err := fake.NewCluster(fake.Config{Release: release})
		if err != nil {
			t.Fatal(err)
		}
		clusters = append(clusters, c)
	}
	for _, key := range protocol.APIKeys() {
		own, _ := protocol.Own(key)
		for v := own.Min; v <= own.Max; v++ {
			if !slices.ContainsFunc(clusters, func(c *fake.Cluster) bool { return fake.Offers(c, key, v) }) {
				continue
			}
			frame := filled(key, v, "", 0, true)
			if frame == nil { // it has not all fields
				m := protocol.NewRequest(key)
				m.SetDefaults()
				whole, err := protocol.AppendRequest(nil, m, v, 1, nil)
				if err != nil {
					t.Fatal(err)
				}
				frame = whole[protocol.SizeLen:]
			}
			frames = append(frames, frame)
		}
	}
	return frames
}

// history plays requests with changed bytes, and some raw ones, on several connections. What is allocated is in proportion to what came, but for what a request may ask for in few bytes: topics of ten thousand partitions, all that there is.
func history(t testing.TB, frames [][]byte, seed uint64, raw []byte, requests int) {
	rng := rand.New(rand.NewPCG(seed, 0x6d616e676c65))
	c, err := fake.NewCluster(fake.Config{Nodes: 2, InternalTopics: rng.IntN(2) == 0, Release: []string{"2.8", "3.9", "4.3"}[rng.IntN(3)], AutoCreate: rng.IntN(2) == 0, Topics: []fake.Topic{{Name: "a", Partitions: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0)
	var conns []fake.ConnID
	var before, behind runtime.MemStats
	runtime.ReadMemStats(&before)
	came := 0
	for range requests {
		if len(conns) < 3 {
			k, _ := c.Connect(int32(1 + rng.IntN(2)))
			conns = append(conns, k)
		}
		frame := raw
		if len(raw) == 0 || rng.IntN(4) > 0 {
			frame = mangle.Frame(rng, frames[rng.IntN(len(frames))])
		}
		came += len(frame)
		at := rng.IntN(len(conns))
		c.Handle(now, conns[at], frame)
		for _, r := range c.Take() {
			if r.Close {
				conns = dropped(conns, r.Conn)
			}
		}
		if rng.IntN(8) == 0 {
			now = now.Add(time.Duration(rng.IntN(20)) * time.Second)
			c.Tick(now)
		}
	}
	runtime.ReadMemStats(&behind)
	if got, most := behind.TotalAlloc-before.TotalAlloc, uint64(came*1000+requests*(8<<20)); got > most {
		t.Fatalf("seed %d: %d bytes were allocated for %d that came", seed, got, came)
	}
}

func dropped(conns []fake.ConnID, gone fake.ConnID) (out []fake.ConnID) {
	for _, k := range conns {
		if k != gone {
			out = append(out, k)
		}
	}
	return out
}

// Whatever bytes come, at most a connection ends.
func TestRequestsInOtherBytes(t *testing.T) {
	frames := plainFrames(t)
	if len(frames) < 150 {
		t.Fatalf("%d frames", len(frames))
	}
	for seed := range uint64(150) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { history(t, frames, seed, nil, 100) })
	}
}

// FuzzRequests plays histories of requests in other bytes, with one that is whatever the fuzzer makes of it.
func FuzzRequests(f *testing.F) {
	frames := plainFrames(f)
	for i, frame := range frames {
		if i%10 == 0 {
			f.Add(uint64(i), frame)
		}
	}
	f.Fuzz(func(t *testing.T, seed uint64, raw []byte) { history(t, frames, seed, raw, 20) })
}
