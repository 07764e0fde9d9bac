package sender

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/sender/internal/batch"
)

// batches are used again, with the entries they have room for. Each is held twice: by the core, until it knows the batch no more, and by who calls its completions.
var batches = sync.Pool{New: func() any { return &batch.Batch{Hold: new(atomic.Int32)} }}

func newBatch(to cluster.TopicPartition, buf []byte, now time.Time) *batch.Batch {
	b := batches.Get().(*batch.Batch)
	b.Reset(to, buf, now)
	b.Hold.(*atomic.Int32).Store(2)
	return b
}

// release ends one hold.
func release(b *batch.Batch) {
	h, ok := b.Hold.(*atomic.Int32)
	if !ok {
		return
	}
	switch n := h.Add(-1); {
	case n < 0:
		panic("sender: a batch was released too often")
	case n == 0:
		clear(b.Entries)
		b.Entries = b.Entries[:0]
		batches.Put(b)
	}
}
