package fetcher

import (
	"errors"
	"fmt"
	"maps"

	"github.com/kactor-go/kactor/fetcher/internal/plan"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Chunk is what one fetch brought of one partition. One goroutine reads it, record by record; its records alias a copy of their batch, which lives as long as one of them
// is referenced, or after Reuse the answer's bytes.
type Chunk struct {
	cluster.TopicPartition
	LeaderEpoch   int32
	HighWatermark int64
	TopicID       wire.UUID // zero: not known

	buf     *buffer
	life    *life
	frame   *frame // nil: its memory is nobody's to give back
	left    bool   // it is not in the buffer any more; under the buffer's lock
	away    bool   // its reader has gone on to another, and reads it no more before it is given again: its memory may be given back meanwhile
	gen     uint64
	turn    int // of the topic's lives, for the core
	bytes   int64
	rest    []byte
	before  int32 // leader epoch of the record before the first; -1
	start   int64 // where the position was
	room    int64 // so many bytes were asked for
	from    int64 // records below were read before, or are before the position
	batch   record.Batch
	back    []byte // rest from batch on
	inBatch bool
	it      record.Iter
	scratch []byte // the decompressed batch, if it may be used again
	charged int64  // to the budget, for what it was decompressed to
	peek    bool   // it is a copy
	ahead   []*ahead
	seen    []byte // rest behind those
	unread  int    // bytes that come out of them
	long    *ahead // the batch that is read next, if it takes long
	queued  bool   // it would take long, and that of another chunk comes first
	reuse   bool   // nobody keeps records
	aborted aborted
	active  map[int64]bool // producers in an aborted transaction
	work    int            // that may be done before the reader is to have a look around
	pending bool           // it is to have one, and to go on
	ended   bool
	err     error
	first   bool
}

// A reader has a look around - at its context, and whether it is closed - at least each time that so many bytes have brought nothing for it: some milliseconds. A batch is as good as batchWork bytes besides its own, and one
// step with a list of transactions, or a record before the position, as stepWork.
const (
	lookAround = 4 << 20
	batchWork  = 256
	stepWork   = 32
)

// longBytes is what is decompressed while the reader waits, as it takes no longer than a look around may. Where more comes out a worker does it, and the chunk is not given again before that is done.
const longBytes = 4 << 20

func newChunk(b *buffer, p *place, k *plan.Chunk) *Chunk {
	c := &Chunk{TopicPartition: k.TopicPartition, LeaderEpoch: k.LeaderEpoch, HighWatermark: k.HighWatermark, TopicID: k.Topic, buf: b, life: p.life, gen: k.Gen, turn: k.Life, bytes: k.Bytes, rest: k.Records, before: k.Before, start: k.Offset, room: int64(k.Room),
		from: k.Offset, aborted: newAborted(k.Aborted), first: true}
	if f, ok := k.Frame.(*frame); ok {
		f.hold()
		c.frame = f
	}
	return c
}

// Next reads the next record into v and moves the position behind it. It returns false at the end of the chunk, when its partition is paused, when the chunk was
// dropped (a seek, a revocation), at an error, see Err, and when there was much that is not for the application, see Pending.
func (c *Chunk) Next(v *record.View) bool {
	c.work, c.pending = lookAround, false
	for c.readable() && (c.inBatch || c.open()) {
		for c.it.Next(v) {
			if v.Offset >= c.from {
				c.move(v.Offset + 1)
				return true
			}
			if c.work -= stepWork; c.work <= 0 {
				c.pending = true
				return false
			}
		}
		if err := c.it.Err(); err != nil {
			return c.fail(err)
		}
		c.inBatch = false
		if c.reuse && c.scratch != nil {
			c.spare()
		}
		c.buf.charge(c, 0)
		c.move(max(c.from, c.batch.LastOffset()+1))
	}
	return false
}

// Pending tells whether Next has ended only so that its reader can have a look around: at its context, and whether all is over. The chunk is given again at once.
func (c *Chunk) Pending() bool { return c.pending }

// spare keeps the memory of a batch for the next, unless it is so large that it counts.
func (c *Chunk) spare() {
	if int64(cap(c.scratch)) <= c.buf.large {
		c.buf.spares = append(c.buf.spares, c.scratch)
	}
	c.scratch = nil
}

// Peek gives a copy of the chunk: who reads it moves no position, and what it gives stays valid. The buffer does not know it, so nothing is given back when it ends.
func (c *Chunk) Peek() *Chunk {
	c.Keep()
	p := *c
	p.life = &life{}
	p.life.state.Store(c.life.state.Load())
	p.life.epoch.Store(c.life.epoch.Load())
	p.ahead, p.charged, p.peek = nil, 0, true
	p.aborted, p.active = c.aborted.clone(), maps.Clone(c.active)
	return &p
}

// Position is the offset that is read next.
func (c *Chunk) Position() int64 { return c.from }

// Epoch is the leader epoch of the record before Position; -1 if it is not known.
func (c *Chunk) Epoch() int32 { return c.life.epoch.Load() }

// RecordEpoch is the leader epoch of the record that was read last; -1 if it is not known.
func (c *Chunk) RecordEpoch() int32 { return c.epoch(&c.batch) }

// LogAppendTime tells whether the broker has set the time of the record that was read last.
func (c *Chunk) LogAppendTime() bool { return c.batch.LogAppendTime }

// readable tells whether the chunk may be read on: not while its partition is paused or its reader has another one, and no more after a seek or a revocation.
func (c *Chunk) readable() bool {
	if c.ended || c.away {
		return false
	}
	switch c.life.state.Load() {
	case going:
		return true
	case ended:
		c.ended = true
	}
	return false
}

// move notes that everything below offset was read.
func (c *Chunk) move(offset int64) {
	c.from = offset
	c.life.position.Store(offset)
}

// open goes to the next batch that has something to read.
func (c *Chunk) open() bool {
	for c.work > 0 && c.aborted.ready(&c.work) {
		b, rest, ok, err := record.Next(c.rest)
		if err == nil && ok {
			err = b.CheckOffsets()
		}
		if err != nil {
			return c.fail(err)
		}
		if !ok {
			return c.finish()
		}
		c.first = false
		c.back, c.rest = c.rest, rest
		c.work -= batchWork + len(b.Bytes())
		if b.LastOffset() < c.from {
			if c.buf.crc && b.CheckCRC() != nil { // it may not end where it seems to
				return c.fail(b.CheckCRC())
			}
			c.drops(&b)
			continue
		}
		c.batch = b
		var out []byte
		begun, ready := c.begun(len(rest)), false
		if c.long != nil {
			if c.waits() {
				return c.later()
			}
			out, err, ready = c.long.out, c.long.err, true
			c.long = nil
		} else if begun != nil {
			if out, err, ready = begun.await(); ready {
				c.buf.idle = append(c.buf.idle, begun)
			} else if c.buf.worth > 0 {
				c.buf.crowded = crowded
			}
		}
		if !ready && c.buf.crc {
			err = b.CheckCRC()
		}
		if err != nil {
			return c.fail(err)
		}
		if c.drops(&b) {
			c.life.epoch.Store(c.epoch(&b))
			c.move(b.LastOffset() + 1)
			continue
		}
		if b.Codec != compress.None {
			if limit := c.shortly(); !ready {
				short := limit == c.buf.limit
				if err = compress.ErrTooBig; short || float64(b.Packed())*c.buf.ratio <= longBytes {
					out, err = c.batch.Unpack(c.memory(begun), limit)
				}
				if !short && errors.Is(err, compress.ErrTooBig) {
					return c.later()
				}
			}
			if err != nil {
				return c.fail(err)
			}
			c.buf.ratio = float64(len(out)) / float64(b.Packed())
			if c.buf.charge(c, int64(cap(out))); c.charged == 0 {
				c.lookAhead(min(c.buf.world.Workers(), maxAhead))
			}
		}
		if c.it, err = c.batch.Unpacked(out); err == nil {
			err = c.it.CheckOffsets()
		}
		if err != nil {
			return c.fail(err)
		}
		c.inBatch = true
		c.life.epoch.Store(c.epoch(&b))
		if c.reuse {
			c.scratch = out
		} else {
			c.it.Own()
		}
		return true
	}
	c.pending = true
	return false
}

// shortly is how much may come out of a batch while the reader waits.
func (c *Chunk) shortly() compress.Limit {
	if c.buf.limit.Bytes > 0 && c.buf.limit.Bytes <= longBytes {
		return c.buf.limit
	}
	return compress.Limit{Bytes: longBytes}
}

// later goes back to before the batch, which a worker decompresses; a copy of the chunk leaves that to the chunk.
func (c *Chunk) later() bool {
	if c.long == nil && !c.peek {
		if c.queued = c.buf.busy(c); !c.queued {
			c.long, c.buf.long = c.buf.startLong(c.batch, c.frame), c
		}
	}
	c.rest = c.back
	if c.pending = c.long == nil || c.waits(); c.pending {
		return false
	}
	return c.open()
}

// waits tells whether a worker is at the batch that is to be read next, or is to be.
func (c *Chunk) waits() bool {
	return c.long != nil && !c.long.ready.Load() || c.queued && c.buf.busy(c)
}

// epoch is the leader epoch of a batch, or -1 if it is newer than the leader it was fetched from: no checksum guards it.
func (c *Chunk) epoch(b *record.Batch) int32 {
	if c.LeaderEpoch >= 0 && b.LeaderEpoch > c.LeaderEpoch {
		return -1
	}
	return b.LeaderEpoch
}

// memory is what a batch is decompressed into.
func (c *Chunk) memory(begun *ahead) []byte {
	switch {
	case !c.reuse:
		return nil
	case begun != nil && begun.buf != nil:
		return begun.buf
	}
	return c.buf.scratch()
}

// drops tells whether nothing of a batch is for the application: markers, and with read_committed what is of an aborted transaction. A transaction is one of those that the broker named from its first offset on, until its
// producer's next marker, whatever kind that is, and also if nothing but the marker was fetched: a later transaction of the producer is another. A marker may have lost its record to compaction.
func (c *Chunk) drops(b *record.Batch) bool {
	if !c.buf.committed || b.ProducerID < 0 {
		return b.Control
	}
	for producer := range c.aborted.until(b.LastOffset(), &c.work) {
		if c.active == nil {
			c.active = map[int64]bool{}
		}
		c.active[producer] = true
	}
	if b.Control {
		delete(c.active, b.ProducerID)
		return true
	}
	return b.Transactional && c.active[b.ProducerID]
}

// finish gives the chunk back.
func (c *Chunk) finish() bool {
	c.ended = true
	t := plan.Taking{TopicPartition: c.TopicPartition, Gen: c.gen, Bytes: c.bytes}
	switch {
	case c.first && c.bytes >= c.room && c.room < plan.MostRoom: // not one whole batch: brokers before 0.10.1 cut them off
		t.Grow, t.Back, t.At, t.Epoch, t.Life = true, true, c.from, c.life.epoch.Load(), c.turn
	case c.first:
		t.Vain = fmt.Errorf("%w: of the %d bytes that were asked for %d came, which hold no whole batch", record.ErrLength, c.room, c.bytes)
	case c.from == c.start:
		t.Vain = fmt.Errorf("%w: the records that came are all before the position", record.ErrRecord)
	}
	c.buf.done(c, t)
	c.buf.charge(c, 0)
	return false
}

// fail gives the chunk back and lets it be fetched again: bytes may have been damaged on the way.
func (c *Chunk) fail(err error) bool {
	c.ended = true
	c.buf.charge(c, 0)
	if errors.Is(err, compress.ErrTooBig) {
		err = fmt.Errorf("%w (decompress.max.bytes)", err)
	}
	c.err = &PartitionError{c.TopicPartition, c.from, err, true}
	c.buf.done(c, plan.Taking{TopicPartition: c.TopicPartition, Gen: c.gen, Bytes: c.bytes, Back: true, Err: err, At: c.from, Epoch: c.life.epoch.Load(), Life: c.turn})
	return false
}

// aside puts the chunk aside when its reader is in the middle of a batch and goes on elsewhere: what the batch was decompressed into is let go, and the batch opened again when its turn comes.
func (c *Chunk) aside() {
	if !c.inBatch {
		return
	}
	c.rest, c.inBatch, c.it = c.back, false, record.Iter{}
	if c.reuse && c.scratch != nil {
		c.spare()
	}
}

// Err is why Next ended: nil at the end of the chunk. What was damaged is fetched again by itself, and if it stays so Take tells.
func (c *Chunk) Err() error { return c.err }

// Reuse lets the memory of the records be used again when they were read: for readers that keep none.
func (c *Chunk) Reuse() {
	c.buf.reuses = true
	if !c.reuse { // what was decompressed before may be kept by somebody
		c.reuse, c.scratch = true, nil
	}
}

// Keep ends Reuse: records that are read from now on stay valid.
func (c *Chunk) Keep() {
	c.buf.reuses = false
	if c.reuse {
		c.reuse, c.scratch = false, nil
		if c.inBatch {
			c.it.Own()
		}
	}
}

// spoil overwrites memory that nobody may read.
func spoil(b []byte) {
	b = b[:cap(b)]
	for i := range b {
		b[i] = 0xdb
	}
}
