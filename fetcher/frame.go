package fetcher

import (
	"sync/atomic"

	"github.com/kactor-go/kactor/actors/role"
)

// frame is the memory of one answer. The actor holds it while it takes the answer apart, and each chunk until its reader has gone on to the next; then
// it is used again.
type frame struct {
	raw  []byte
	net  role.Network
	held atomic.Int32
}

func newFrame(raw []byte, net role.Network) *frame {
	f := &frame{raw: raw, net: net}
	f.held.Store(1)
	return f
}

func (f *frame) hold() { f.held.Add(1) }

func (f *frame) release() {
	switch n := f.held.Add(-1); {
	case n < 0:
		panic("fetcher: a frame was released twice")
	case n == 0:
		f.net.Free(f.raw)
	}
}
