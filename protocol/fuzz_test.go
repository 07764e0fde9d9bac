package protocol_test

import (
	"bytes"
	"encoding/hex"
	"runtime"
	"testing"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/wire"
)

// inProportion runs what reads b, and holds what it allocates against the bytes: the least of some runs if it is too much, since the runtime
// allocates too. Telling of an error, and an empty message, may take some more.
func inProportion(t *testing.T, b []byte, read func()) {
	const said = 4 << 10
	most, n := uint64(wire.MaxGrowth*len(b)+wire.FreeGrowth+said), uint64(0)
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		read()
		runtime.ReadMemStats(&after)
		if n = after.TotalAlloc - before.TotalAlloc; n <= most {
			return
		}
	}
	t.Fatalf("%d bytes took %d", len(b), n)
}

// FuzzRead reads any bytes as any message. It must not panic nor take more memory than is in proportion, and what it can read it can write
// and read again.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"requests", "responses"} {
		n := 0
		eachVector(f, name, func(line []byte) {
			if n++; n%40 != 0 {
				return
			}
			v, _, _ := parseVector(f, line)
			b, _ := hex.DecodeString(v.Hex)
			f.Add(*v.APIKey, v.Version, v.Kind == "request", b)
		})
	}
	f.Fuzz(func(t *testing.T, key, version int16, request bool, b []byte) {
		make := func() protocol.Message {
			if request {
				if m := protocol.NewRequest(key); m != nil {
					return m
				}
			} else if m := protocol.NewResponse(key); m != nil {
				return m
			}
			return nil
		}
		m := make()
		if m == nil {
			return
		}
		var err error
		inProportion(t, b, func() {
			m = make()
			err = protocol.Read(m, b, version)
		})
		if err != nil {
			return
		}
		once, err := protocol.Append(nil, m, version)
		if err != nil {
			t.Fatalf("%s v%d was read but cannot be written: %v", m.MessageName(), version, err)
		}
		again := make()
		if err := protocol.Read(again, once, version); err != nil {
			t.Fatalf("%s v%d was written but cannot be read: %v", m.MessageName(), version, err)
		}
		if twice, err := protocol.Append(nil, again, version); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%s v%d: written as %x, then as %x, %v", m.MessageName(), version, once, twice, err)
		}
	})
}

// FuzzFrame reads any bytes as a request frame and as a size prefix.
func FuzzFrame(f *testing.F) {
	b, _ := protocol.AppendRequest(nil, protocol.NewRequest(3), 12, 7, nil)
	f.Add(b)
	fetch := append([]byte{0, 1, 0, 12, 0, 0, 0, 1, 0xff, 0xff, 0}, make([]byte, 25)...)
	f.Add(append(wire.AppendUvarint(fetch, 30_001), bytes.Repeat([]byte{1, 1, 0}, 30_000)...)) // of topics without names and partitions
	f.Add([]byte("HTTP/1.1 400 Bad Request"))
	f.Add([]byte{0x15, 3, 3, 0, 2, 2, 40})
	f.Fuzz(func(t *testing.T, b []byte) {
		inProportion(t, b, func() { protocol.ReadRequest(b) })
		if len(b) >= protocol.SizeLen {
			if n, err := protocol.FrameSize([4]byte(b), 1<<20); err == nil && (n < 4 || n > 1<<20) {
				t.Fatalf("size %d was let through", n)
			}
		}
	})
}
