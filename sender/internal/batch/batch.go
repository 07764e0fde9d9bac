// Package batch is one batch of records on its way to a partition.
//
//	open --closed--> queued --sent--> in flight --answer--> settled
//	                    ^                 |
//	                    +----- again -----+
//
// While it is open it belongs to the callers who append, under their partition's lock; closed it belongs to the sender's core. Its buffer
// may be used again only when the batch is settled and nobody reads its bytes any more.
package batch

import (
	"math"
	"time"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Completion is told what became of one record, exactly once.
type Completion interface {
	Done(p cluster.RecordMetadata, err error)
}

// Entry is what a completion needs of one record.
type Entry struct {
	Done Completion
	Time int64
}

// Batch is a batch. What an append touches comes first.
type Batch struct {
	Buf        []byte // record.Overhead bytes for the header, then the encoded records
	Entries    []Entry
	BaseTime   int64
	NewestTime int64
	Count      int32
	Codec      compress.Codec

	To       cluster.TopicPartition
	Serial   uint64    // in the order of closing; the parts of a split batch lie between it and the next
	Gap      uint64    // room behind Serial for parts
	Packed   bool      // the records in Buf are compressed
	Credits  int64     // taken for Buf
	Created  time.Time // the first record's arrival
	Deadline time.Time // delivery.timeout.ms after that
	Hold     any       // the owner's
	Told     bool      // the owner's: its outcome is on its way to who waits for it

	// What follows is the core's.
	Owner      any
	TopicID    wire.UUID // that its latest request names; zero: none was known
	ProducerID int64
	Epoch      int16
	Sequence   int32
	Numbered   bool // the three above are set; they stay for life, but for an epoch bump
	Sealed     bool // the header is written for them
	Anew       bool // it has fewer records than had its numbers: it cannot go under any of this epoch
	Packing    bool // compression is under way
	Maybe      bool // it may have been written
	Flying     bool // a request with it has not been answered
	Settled    bool
	Freed      bool // Buf was given back
	Gone       bool // the core knows it no more
	OnWire     int  // requests whose bytes somebody may still read
	Attempts   int
	Spared     int // attempts that failed because of another batch: they are no retries of this one
	LastErr    error
	Split      bool // a part of a larger one: do not count its buffer twice
}

// New opens a batch in buf.
func New(to cluster.TopicPartition, buf []byte, now time.Time) *Batch {
	b := &Batch{}
	b.Reset(to, buf, now)
	return b
}

// Reset opens another batch in buf, in the place of one that is over.
func (b *Batch) Reset(to cluster.TopicPartition, buf []byte, now time.Time) {
	clear(b.Entries)
	*b = Batch{To: to, Buf: buf[:record.Overhead], Entries: b.Entries[:0], Created: now, ProducerID: record.NoProducerID, Epoch: record.NoProducerEpoch,
		Sequence: record.NoSequence, Hold: b.Hold}
}

// Fits tells whether a record of about n bytes can be appended without going over limit.
func (b *Batch) Fits(n, limit int) bool {
	return b.Count == 0 || len(b.Buf)+n <= limit && len(b.Buf)+n <= cap(b.Buf)
}

// Append encodes a record at the end.
func (b *Batch) Append(timestamp int64, key, value []byte, headers []record.Header, done Completion) {
	if b.Count == 0 {
		b.BaseTime, b.NewestTime = timestamp, timestamp
	}
	b.NewestTime = max(b.NewestTime, timestamp)
	b.Buf = record.AppendRecord(b.Buf, b.Count, timestamp-b.BaseTime, key, value, headers)
	b.Entries = append(b.Entries, Entry{done, timestamp})
	b.Count++
}

// Bytes gives what is sent: the batch with its header written.
func (b *Batch) Bytes(transactional bool) []byte {
	if b.Sealed {
		return b.Buf
	}
	codec := compress.None
	if b.Packed {
		codec = b.Codec
	}
	record.Seal(b.Buf, &record.Info{Magic: 2, Codec: codec, LeaderEpoch: -1, LastOffsetDelta: b.Count - 1, Count: b.Count, BaseTimestamp: b.BaseTime,
		MaxTimestamp: b.NewestTime, ProducerID: b.ProducerID, ProducerEpoch: b.Epoch, BaseSequence: b.Sequence, Transactional: transactional})
	b.Sealed = true
	return b.Buf
}

// Size is the number of bytes that are sent.
func (b *Batch) Size() int { return len(b.Buf) }

// Pack compresses the records where they are, by way of scratch, which is returned for the next use. Records that do not become smaller stay as they are.
func (b *Batch) Pack(scratch []byte, level int) ([]byte, error) {
	records := b.Buf[record.Overhead:]
	out, err := b.Codec.Compress(scratch[:0], records, level)
	if err != nil {
		return scratch, err
	}
	if len(out) < len(records) {
		b.Buf, b.Packed = b.Buf[:record.Overhead+copy(records, out)], true
	}
	return out, nil
}

// Halve splits a batch that is too large in two, with the sequences it had. The parts have buffers of their own.
func (b *Batch) Halve() (first, second *Batch, err error) {
	half := b.Count / 2
	first, second = b.part(), b.part()
	err = b.deal(func(i int32) *Batch {
		if i < half {
			return first
		}
		return second
	})
	first.Gap, second.Gap = b.Gap/2, b.Gap/2
	second.Serial += b.Gap / 2
	if b.Numbered {
		second.Sequence = record.AddSequence(b.Sequence, half)
	}
	return first, second, err
}

// Without gives a batch of the records that are not bad, in a buffer of its own.
func (b *Batch) Without(bad func(i int32) bool) (*Batch, error) {
	rest := b.part()
	return rest, b.deal(func(i int32) *Batch {
		if bad(i) {
			return nil
		}
		return rest
	})
}

// Only gives record number i as a batch that is not to be sent: it has no bytes, only what its completion needs.
func (b *Batch) Only(i int32) *Batch {
	return &Batch{To: b.To, Serial: b.Serial, Created: b.Created, Deadline: b.Deadline, Entries: []Entry{b.Entries[i]}, Count: 1, Split: true}
}

// part opens a batch for some of b's records.
func (b *Batch) part() *Batch {
	p := New(b.To, make([]byte, 0, record.Overhead), b.Created)
	p.Codec, p.Deadline, p.Attempts, p.Spared, p.LastErr, p.Maybe, p.Split = b.Codec, b.Deadline, b.Attempts, b.Spared, b.LastErr, b.Maybe, true
	p.ProducerID, p.Epoch, p.Sequence, p.Numbered = b.ProducerID, b.Epoch, b.Sequence, b.Numbered
	p.Serial, p.Gap = b.Serial, b.Gap
	return p
}

// deal appends each record to the batch that to gives; nil: to none.
func (b *Batch) deal(to func(i int32) *Batch) error {
	view, _, _, err := record.Next(b.Bytes(false))
	if err != nil {
		return err
	}
	it, _, err := view.Records(nil, compress.Limit{Bytes: math.MaxInt})
	if err != nil {
		return err
	}
	var v record.View
	var headers []record.Header
	for i := int32(0); it.Next(&v); i++ {
		if headers, err = v.Headers(headers[:0]); err != nil {
			return err
		}
		if p := to(i); p != nil {
			p.Append(b.Entries[i].Time, v.Key, v.Value, headers, b.Entries[i].Done)
		}
	}
	return it.Err()
}
