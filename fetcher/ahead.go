package fetcher

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/record"
)

// While the reader is at one batch, others decompress those that come next. What is decompressed and not read is bounded twice: by how many batches there are, and by their bytes.
const (
	maxAhead   = 8
	aheadBytes = 4 << 20
	aheadMost  = 2 * aheadBytes // of one batch
	// worthAhead is how many bytes must come out of a batch: less is decompressed faster than another processor is woken.
	worthAhead = 16 << 10
	// slack is how many times the guess may come out: what is more is left to the reader, who has one batch at a time. So what is decompressed ahead stays within its bytes, whatever it turns out to be, and no
	// worker is long at it.
	slack = 2
)

// crowded is how many times the reader does not look ahead after no worker had time for a batch: the processors have other things to do.
const crowded = 16

// ahead is a batch that is decompressed before the reader has come to it. Who takes it first does the work: a worker, or the reader, who then does not wait.
type ahead struct {
	batch record.Batch
	left  int // bytes of the chunk behind the batch: its place
	guess int // how many bytes may come out
	limit compress.Limit
	long  bool // it may be large
	crc   bool
	frame *frame
	buf   []byte // memory to be used again
	world role.World
	wait  *role.Waiter

	taken, ready atomic.Bool
	out          []byte
	err          error

	work func() // run
}

// begin lets a worker decompress a batch of c.
func (c *Chunk) begin(b record.Batch, left, guess int) *ahead {
	var a *ahead
	if last := len(c.buf.idle) - 1; last >= 0 {
		a = c.buf.idle[last]
		c.buf.idle = c.buf.idle[:last]
		a.taken.Store(false)
		a.ready.Store(false)
	} else {
		a = &ahead{world: c.buf.world, wait: role.NewWaiter()}
		a.work = a.run
	}
	a.batch, a.left, a.guess, a.crc, a.frame = b, left, guess, c.buf.crc, c.frame
	a.limit = compress.Limit{Bytes: slack * max(guess, worthAhead)}
	a.out, a.err, a.buf = nil, nil, nil
	if c.buf.reuses {
		a.buf = c.buf.scratch()
	}
	if a.frame != nil {
		a.frame.hold()
	}
	a.world.Offload(a.work)
	return a
}

// hugeBytes is how much may come out of a batch of gzip while memory for it grows, because it takes long to find out how much there will be. Else that is found out first: what is above decompress.max.bytes takes no memory then, and the
// other no more than it must.
const hugeBytes = 32 << 20

// startLong lets a worker decompress a batch whose checksum is right, however much comes out of it. The reader is woken when that is done.
func (b *buffer) startLong(batch record.Batch, f *frame) *ahead {
	a := &ahead{batch: batch, limit: b.limit, long: true, frame: f, world: b.world, wait: b.wait}
	if f != nil {
		f.hold()
	}
	b.world.Offload(a.run)
	return a
}

// run is the worker's part.
func (a *ahead) run() {
	if a.taken.Swap(true) {
		return
	}
	if a.crc {
		a.err = a.batch.CheckCRC()
	}
	if a.err == nil {
		a.out, a.err = a.unpack()
	}
	if a.frame != nil {
		a.frame.release()
	}
	a.ready.Store(true)
	a.world.Wake(a.wait)
}

func (a *ahead) unpack() ([]byte, error) {
	if !a.long {
		return a.batch.Unpack(a.buf, a.limit)
	}
	if a.batch.Codec == compress.Gzip {
		if out, err := a.batch.Unpack(nil, compress.Limit{Bytes: min(hugeBytes, cmp.Or(a.limit.Bytes, hugeBytes))}); !errors.Is(err, compress.ErrTooBig) || a.limit.Bytes > 0 && a.limit.Bytes <= hugeBytes {
			return out, err
		}
	}
	return a.batch.UnpackExactly(a.limit)
}

// drop takes the work back; it returns false if a worker has begun.
func (a *ahead) drop() bool {
	if a.taken.Swap(true) {
		return false
	}
	if a.frame != nil {
		a.frame.release()
	}
	return true
}

// await gives what came out; ok is false if nobody has begun, or if it is too large to be done ahead: then it is the reader's work.
func (a *ahead) await() (out []byte, err error, ok bool) { //nolint:revive // ok is about both
	if a.drop() {
		return nil, nil, false
	}
	for !a.ready.Load() {
		_ = a.world.Park(context.Background(), a.wait)
	}
	out, err = a.out, a.err
	a.out = nil // the records' memory must not live as long as this is kept for its next use
	return out, err, !errors.Is(err, compress.ErrTooBig)
}

// lookAhead lets workers begin with the batches that come next, until there are most. How much will come out is guessed from the batch before.
func (c *Chunk) lookAhead(most int) {
	if c.buf.crowded > 0 {
		c.buf.crowded--
		return
	}
	if len(c.ahead) == 0 {
		c.seen = c.rest
	}
	for len(c.ahead) < most && c.buf.ratio > 0 {
		b, rest, ok, err := record.Next(c.seen)
		if err != nil || !ok || b.Codec == compress.None || b.LastOffset() < c.from || b.Control || c.buf.committed && b.Transactional && c.aborted.left()+len(c.active) > 0 {
			return
		}
		guess := int(float64(b.Packed()) * c.buf.ratio)
		if guess < c.buf.worth || guess > aheadMost || len(c.ahead) > 0 && c.unread+guess > aheadBytes {
			return
		}
		a := c.begin(b, len(rest), guess)
		c.seen, c.ahead, c.unread = rest, append(c.ahead, a), c.unread+guess
	}
}

// begun gives the batch behind which left bytes are, if it was looked at ahead.
func (c *Chunk) begun(left int) *ahead {
	for len(c.ahead) > 0 && c.ahead[0].left >= left {
		a := c.ahead[0]
		c.ahead[0] = nil
		c.ahead, c.unread = c.ahead[1:], c.unread-a.guess
		if a.left == left {
			return a
		}
		a.drop()
	}
	return nil
}

// busy tells whether another chunk than c has a batch that was decompressed at length and is not read.
func (b *buffer) busy(c *Chunk) bool { return b.long != nil && b.long != c && b.long.long != nil }

// yield lets go of what was decompressed at length of a chunk that is not to be read now: others may wait for their turn. It is decompressed again when its turn comes.
func (b *buffer) yield(open func(cluster.TopicPartition) bool) {
	k := b.long
	if k == nil || k.long == nil || !k.long.ready.Load() {
		return
	}
	state := k.life.state.Load()
	if state == going && (open == nil || open(k.TopicPartition)) {
		return
	}
	if state == ended || slices.ContainsFunc(b.order, func(p *place) bool { return len(p.chunks) > 0 && p.chunks[0].queued }) {
		k.long, b.long = nil, nil
	}
}
