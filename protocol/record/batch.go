package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/kactor-go/kactor/protocol/compress"
)

// Reasons why records cannot be read. They come inside an *Error.
var (
	ErrCRC    = errors.New("checksum does not match")
	ErrLength = errors.New("length out of bounds")
	ErrMagic  = errors.New("unknown record format")
	ErrRecord = errors.New("malformed record")
)

// Error says which batch cannot be read.
type Error struct {
	Offset int64 // base offset of the batch
	Magic  int8
	Err    error
}

// Error names the offset.
func (e *Error) Error() string {
	return fmt.Sprintf("records at offset %d (format %d): %v", e.Offset, e.Magic, e.Err)
}

// Unwrap gives the reason.
func (e *Error) Unwrap() error { return e.Err }

// Batch is one batch as it stands in a records field: of magic 2, or one message of magic 0 or 1, which may be a wrapper of others. It aliases the
// bytes it was read from.
type Batch struct {
	Info
	raw  []byte // all of it
	data []byte // magic 2: the record section; older: the value
	key  []byte // magic 0 and 1
}

// Bytes are the bytes of the whole batch.
func (b *Batch) Bytes() []byte { return b.raw }

// LastOffset is the offset of the last record that was written in the batch; the position moves to the one after it, whether that record is
// still there or not.
func (b *Batch) LastOffset() int64 { return b.BaseOffset + int64(b.LastOffsetDelta) }

// MaxOffset is the highest offset that a record may have: a position behind it can still be told from none, and has one behind itself.
const MaxOffset = math.MaxInt64 - 2

// CheckOffsets tells whether a batch may be in a log: no offset is negative, and none above MaxOffset. No checksum guards the base offset.
func (b *Batch) CheckOffsets() error {
	if b.BaseOffset < 0 || b.BaseOffset > MaxOffset-int64(b.LastOffsetDelta) {
		return &Error{b.BaseOffset, b.Magic, fmt.Errorf("%w: %d offsets from %d on", ErrRecord, int64(b.LastOffsetDelta)+1, b.BaseOffset)}
	}
	return nil
}

// LastSequence is the sequence of the last record; -1 without a producer. Sequences wrap at 2^31.
func (b *Batch) LastSequence() int32 {
	if b.BaseSequence < 0 {
		return NoSequence
	}
	return AddSequence(b.BaseSequence, b.LastOffsetDelta)
}

// AddSequence adds to a sequence number, which wraps from 2^31-1 to 0.
func AddSequence(s, n int32) int32 { return int32((int64(s) + int64(n)) & 0x7fffffff) }

const (
	legacyHead = 12     // offset and size of a message
	legacyV0   = 4 + 2  // checksum, magic, attributes
	legacyV1   = 4 + 10 // and timestamp
)

// Next reads the first batch of raw. A batch that is cut off at the end is how fetches may end: then ok is false and err nil.
// rest is what follows the batch.
func Next(raw []byte) (b Batch, rest []byte, ok bool, err error) {
	if len(raw) < legacyHead+5 {
		return b, nil, false, nil
	}
	be := binary.BigEndian
	b.BaseOffset = int64(be.Uint64(raw))
	size := int64(int32(be.Uint32(raw[8:])))
	b.Magic = int8(raw[16])
	fail := func(err error) (Batch, []byte, bool, error) {
		return b, nil, false, &Error{b.BaseOffset, b.Magic, err}
	}
	if size < legacyV0 {
		return fail(fmt.Errorf("%w: %d bytes", ErrLength, size))
	}
	if size > int64(len(raw)-legacyHead) {
		return b, nil, false, nil
	}
	b.raw, rest = raw[:legacyHead+size:legacyHead+size], raw[legacyHead+size:]
	switch b.Magic {
	case 0, 1:
		err = b.parseLegacy()
	case 2:
		err = b.parse()
	default:
		err = ErrMagic
	}
	if err != nil {
		if b.Magic < 2 && binary.BigEndian.Uint32(b.raw[12:]) != CRC32(b.raw[16:]) {
			err = ErrCRC // the bytes are not what was written: that is the reason
		}
		return fail(err)
	}
	return b, rest, true, nil
}

func (b *Batch) parse() error {
	if len(b.raw) < Overhead {
		return fmt.Errorf("%w: a batch of %d bytes", ErrLength, len(b.raw))
	}
	r, be := b.raw, binary.BigEndian
	b.LeaderEpoch = int32(be.Uint32(r[12:]))
	a := be.Uint16(r[21:])
	b.Codec = compress.Codec(a & attrCodec)
	b.LogAppendTime, b.Transactional = a&attrLogAppendTime != 0, a&attrTransactional != 0
	b.Control, b.DeleteHorizon = a&attrControl != 0, a&attrDeleteHorizon != 0
	b.LastOffsetDelta = int32(be.Uint32(r[23:]))
	b.BaseTimestamp, b.MaxTimestamp = int64(be.Uint64(r[27:])), int64(be.Uint64(r[35:]))
	b.ProducerID, b.ProducerEpoch = int64(be.Uint64(r[43:])), int16(be.Uint16(r[51:]))
	b.BaseSequence, b.Count = int32(be.Uint32(r[53:])), int32(be.Uint32(r[57:]))
	b.data = r[Overhead:]
	if b.LastOffsetDelta < 0 || b.Count < 0 {
		return fmt.Errorf("%w: last offset delta %d, %d records", ErrRecord, b.LastOffsetDelta, b.Count)
	}
	return nil
}

// CheckCRC holds the batch against its checksum.
func (b *Batch) CheckCRC() error {
	be := binary.BigEndian
	want, got := be.Uint32(b.raw[12:]), uint32(0)
	if b.Magic == 2 {
		want, got = be.Uint32(b.raw[17:]), CRC32C(b.raw[21:])
	} else {
		got = CRC32(b.raw[16:])
	}
	if want != got {
		return &Error{b.BaseOffset, b.Magic, fmt.Errorf("%w: %08x, computed %08x", ErrCRC, want, got)}
	}
	return nil
}

// Checksum is the checksum that stands in the batch.
func (b *Batch) Checksum() uint32 {
	if b.Magic == 2 {
		return binary.BigEndian.Uint32(b.raw[17:])
	}
	return binary.BigEndian.Uint32(b.raw[12:])
}

// Batches goes through a records field. It ends with the first error; a batch that is cut off at the end is left out.
func Batches(raw []byte) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		for len(raw) > 0 {
			b, rest, ok, err := Next(raw)
			if err != nil {
				yield(b, err)
				return
			}
			if !ok || !yield(b, nil) {
				return
			}
			raw = rest
		}
	}
}
