package fetcher

import (
	"github.com/kactor-go/kactor/fetcher/internal/plan"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/record"
)

// Chunk is what one fetch brought of one partition. One goroutine reads it, record by record; its records alias the answer's bytes, or those of
// the batch they were decompressed into, which live as long as a record refers to them.
type Chunk struct {
	cluster.TopicPartition
	LeaderEpoch   int32
	HighWatermark int64

	buf     *buffer
	gen     uint64
	bytes   int64
	rest    []byte
	from    int64 // records below were read before, or are before the position
	batch   record.Batch
	inBatch bool
	it      record.Iter
	scratch []byte // decompressed batch
	reuse   bool   // scratch may be used again: nobody keeps records
	crc     bool
	limit   compress.Limit
	aborted []abortedTxn
	active  map[int64]bool // producers in an aborted transaction
	read    bool           // committed only
	ended   bool
	err     error
	first   bool
}

type abortedTxn struct{ producer, first int64 }

func newChunk(b *buffer, p *place, k *plan.Chunk) *Chunk {
	c := &Chunk{TopicPartition: k.TopicPartition, LeaderEpoch: k.LeaderEpoch, HighWatermark: k.HighWatermark, buf: b, gen: k.Gen, bytes: k.Bytes, rest: k.Records, from: k.Offset, first: true}
	for _, a := range k.Aborted {
		c.aborted = append(c.aborted, abortedTxn{a.ProducerID, a.FirstOffset})
	}
	return c
}

// Next reads the next record into v and moves the position behind it. It returns false at the end of the chunk, when the chunk was dropped (a seek, a revocation), and at an error: see Err.
func (c *Chunk) Next(v *record.View) bool {
	if c.ended {
		return false
	}
	for {
		if !c.readable() || !c.inBatch && !c.open() {
			return false
		}
		for c.it.Next(v) {
			if v.Offset < c.from {
				continue
			}
			if !c.move(v.Offset + 1) {
				return false
			}
			return true
		}
		if err := c.it.Err(); err != nil {
			return c.fail(err)
		}
		c.inBatch = false
		if !c.move(max(c.from, c.batch.LastOffset()+1)) {
			return false
		}
	}
}

// readable tells whether the chunk may be read on: not while its partition is paused, and no more after a seek or a revocation.
func (c *Chunk) readable() bool {
	b := c.buf
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.place(c.TopicPartition, c.gen)
	c.ended = p == nil
	return p != nil && !p.paused
}

// move notes that everything below offset was read. It fails if the chunk is of a life before.
func (c *Chunk) move(offset int64) bool {
	c.from = offset
	b := c.buf
	b.mu.Lock()
	p := b.place(c.TopicPartition, c.gen)
	ok := p != nil && !p.paused
	if ok {
		p.position = offset
	}
	b.mu.Unlock()
	if !ok && p == nil {
		c.ended = true
	}
	return ok
}

// open goes to the next batch that has something to read.
func (c *Chunk) open() bool {
	for {
		b, rest, ok, err := record.Next(c.rest)
		if err != nil {
			return c.fail(err)
		}
		if !ok {
			return c.finish()
		}
		c.first = false
		c.rest = rest
		if b.LastOffset() < c.from {
			continue
		}
		c.batch = b
		if c.crc {
			if err := b.CheckCRC(); err != nil {
				return c.fail(err)
			}
		}
		if b.Control || c.read && c.isAborted(&b) {
			if b.Control && c.read {
				c.marker(&b)
			}
			if !c.move(b.LastOffset() + 1) {
				return false
			}
			continue
		}
		scratch := c.scratch
		if !c.reuse {
			scratch = nil
		}
		it, buf, err := c.batch.Records(scratch, c.limit)
		if err != nil {
			return c.fail(err)
		}
		c.it, c.inBatch = it, true
		if b.Codec != compress.None {
			c.scratch = buf
		}
		return true
	}
}

// isAborted tells whether a batch belongs to an aborted transaction. The list of them may come in any order.
func (c *Chunk) isAborted(b *record.Batch) bool {
	if !b.Transactional {
		return false
	}
	kept := c.aborted[:0]
	for _, a := range c.aborted {
		if a.first <= b.LastOffset() {
			if c.active == nil {
				c.active = map[int64]bool{}
			}
			c.active[a.producer] = true
		} else {
			kept = append(kept, a)
		}
	}
	c.aborted = kept
	return c.active[b.ProducerID]
}

// marker ends a transaction.
func (c *Chunk) marker(b *record.Batch) {
	it, _, err := b.Records(nil, c.limit)
	if err != nil {
		return
	}
	var v record.View
	for it.Next(&v) {
		if kind, _, err := record.Control(&v); err == nil && kind == record.Abort {
			delete(c.active, b.ProducerID)
		}
	}
}

// finish gives the chunk back.
func (c *Chunk) finish() bool {
	c.ended = true
	t := plan.Taking{TopicPartition: c.TopicPartition, Gen: c.gen, Bytes: c.bytes}
	if c.first && c.bytes > 0 { // not one whole batch: brokers before 0.10.1 cut them off
		t.Grow, t.Corrupt, t.At = true, true, c.from
	}
	c.buf.done(c, t)
	return false
}

// fail gives the chunk back and lets it be fetched again: bytes may have been damaged on the way.
func (c *Chunk) fail(err error) bool {
	c.ended = true
	c.err = &PartitionError{c.TopicPartition, c.from, err}
	c.buf.done(c, plan.Taking{TopicPartition: c.TopicPartition, Gen: c.gen, Bytes: c.bytes, Corrupt: true, At: c.from})
	return false
}

// Err is why Next ended: nil at the end of the chunk.
func (c *Chunk) Err() error { return c.err }

// Reuse lets the memory of decompressed records be used again with the next batch: for readers that keep none.
func (c *Chunk) Reuse() {
	if !c.reuse { // what was decompressed before may be kept by somebody
		c.reuse, c.scratch = true, nil
	}
}

// Keep ends Reuse: records that are read from now on stay valid.
func (c *Chunk) Keep() { c.reuse = false }
