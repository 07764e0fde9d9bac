package record

import (
	"encoding/binary"

	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Header is a header of a record (KIP-82). A nil Value is null.
type Header struct {
	Key   string
	Value []byte
}

// Overhead is the size of a batch's fixed header.
const Overhead = 61

// Bits of a batch's attributes.
const (
	attrCodec         = 0x07
	attrLogAppendTime = 0x08
	attrTransactional = 0x10
	attrControl       = 0x20
	attrDeleteHorizon = 0x40
)

// None of a producer's fields.
const (
	NoProducerID    int64 = -1
	NoProducerEpoch int16 = -1
	NoSequence      int32 = -1
	NoTimestamp     int64 = -1
)

// Size is the number of bytes that AppendRecord appends.
func Size(offsetDelta int32, timestampDelta int64, key, value []byte, headers []Header) int {
	n := bodySize(zigzag(int64(offsetDelta)), zigzag(timestampDelta), key, value, headers)
	return length(zigzag(int64(n))) + n
}

// Bound is a number of bytes that AppendRecord never appends more than, whatever the deltas; it is cheaper than Size, and at most 37 bytes and 8 a header above it.
func Bound(key, value []byte, headers []Header) int {
	n := len(key) + len(value) + 5 + 1 + 10 + 5 + 5 + 5 + 5
	for i := range headers {
		n += len(headers[i].Key) + len(headers[i].Value) + 10
	}
	return n
}

func bodySize(offset, timestamp uint64, key, value []byte, headers []Header) int {
	n := 1 + length(timestamp) + length(offset) + fieldSize(key) + fieldSize(value) + length(zigzag(int64(len(headers))))
	for i := range headers {
		n += length(zigzag(int64(len(headers[i].Key)))) + len(headers[i].Key) + fieldSize(headers[i].Value)
	}
	return n
}

func fieldSize(b []byte) int {
	if b == nil {
		return 1
	}
	return length(zigzag(int64(len(b)))) + len(b)
}

func zigzag(v int64) uint64 { return uint64(v)<<1 ^ uint64(v>>63) }

// length is the size of a varint; nearly all have one byte or two.
func length(v uint64) int {
	if v < 1<<7 {
		return 1
	}
	if v < 1<<14 {
		return 2
	}
	return wire.UvarintLen(v)
}

// put appends a varint.
func put(dst []byte, v uint64) []byte {
	if v < 1<<7 {
		return append(dst, byte(v))
	}
	if v < 1<<14 {
		return append(dst, byte(v)|0x80, byte(v>>7))
	}
	return wire.AppendUvarint(dst, v)
}

// AppendRecord encodes a record of a batch of magic 2 behind dst. A nil key or value is null. The deltas are to the base offset (so the record's
// number in the batch, from 0) and to the base timestamp, in milliseconds.
func AppendRecord(dst []byte, offsetDelta int32, timestampDelta int64, key, value []byte, headers []Header) []byte {
	offset, timestamp := zigzag(int64(offsetDelta)), zigzag(timestampDelta)
	dst = put(dst, uint64(bodySize(offset, timestamp, key, value, headers))<<1)
	dst = append(dst, 0) // attributes: none are defined
	dst = put(dst, timestamp)
	dst = put(dst, offset)
	dst = appendField(dst, key)
	dst = appendField(dst, value)
	dst = put(dst, uint64(len(headers))<<1)
	for i := range headers {
		dst = put(dst, uint64(len(headers[i].Key))<<1)
		dst = append(dst, headers[i].Key...)
		dst = appendField(dst, headers[i].Value)
	}
	return dst
}

func appendField(dst, b []byte) []byte {
	if b == nil {
		return append(dst, 1) // -1
	}
	dst = put(dst, uint64(len(b))<<1)
	return append(dst, b...)
}

// Info is the fixed header of a batch of magic 2. Of the older formats only what they have is set.
type Info struct {
	BaseOffset      int64
	LeaderEpoch     int32 // of the partition when the broker wrote the batch; -1 in what a producer sends
	Magic           int8
	Codec           compress.Codec
	LogAppendTime   bool // the broker set the time: MaxTimestamp is that of every record
	Transactional   bool
	Control         bool
	DeleteHorizon   bool  // BaseTimestamp is the time from which on markers may be cleaned (KIP-534)
	LastOffsetDelta int32 // of the last offset; the last record may have been compacted away
	BaseTimestamp   int64 // milliseconds since 1970
	MaxTimestamp    int64
	ProducerID      int64
	ProducerEpoch   int16
	BaseSequence    int32
	Count           int32
}

func (h *Info) attributes() (a uint16) {
	a = uint16(h.Codec) & attrCodec
	for _, f := range [...]struct {
		is  bool
		bit uint16
	}{{h.LogAppendTime, attrLogAppendTime}, {h.Transactional, attrTransactional}, {h.Control, attrControl}, {h.DeleteHorizon, attrDeleteHorizon}} {
		if f.is {
			a |= f.bit
		}
	}
	return a
}

// Seal writes the fixed header into the first Overhead bytes of b, behind which the encoded, perhaps compressed, records already stand, and
// computes the checksum. h.Magic must be 2.
func Seal(b []byte, h *Info) {
	be := binary.BigEndian
	_ = b[Overhead-1]
	be.PutUint64(b, uint64(h.BaseOffset))
	be.PutUint32(b[8:], uint32(len(b)-12))
	be.PutUint32(b[12:], uint32(h.LeaderEpoch))
	b[16] = 2
	be.PutUint16(b[21:], h.attributes())
	be.PutUint32(b[23:], uint32(h.LastOffsetDelta))
	be.PutUint64(b[27:], uint64(h.BaseTimestamp))
	be.PutUint64(b[35:], uint64(h.MaxTimestamp))
	be.PutUint64(b[43:], uint64(h.ProducerID))
	be.PutUint16(b[51:], uint16(h.ProducerEpoch))
	be.PutUint32(b[53:], uint32(h.BaseSequence))
	be.PutUint32(b[57:], uint32(h.Count))
	be.PutUint32(b[17:], CRC32C(b[21:]))
}

// Assign changes the producer's fields of a sealed batch and its checksum; the records stay as they are.
func Assign(b []byte, producerID int64, producerEpoch int16, baseSequence int32) {
	be := binary.BigEndian
	be.PutUint64(b[43:], uint64(producerID))
	be.PutUint16(b[51:], uint16(producerEpoch))
	be.PutUint32(b[53:], uint32(baseSequence))
	be.PutUint32(b[17:], CRC32C(b[21:]))
}

// SetOffset is what a broker writes into a batch it appends: neither field is under the checksum.
func SetOffset(b []byte, baseOffset int64, leaderEpoch int32) {
	binary.BigEndian.PutUint64(b, uint64(baseOffset))
	binary.BigEndian.PutUint32(b[12:], uint32(leaderEpoch))
}
