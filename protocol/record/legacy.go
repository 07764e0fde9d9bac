package record

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/kactor-go/kactor/protocol/compress"
)

// ErrHeaders says that a record with headers cannot be written in an old format.
var ErrHeaders = errors.New("record headers need Kafka 0.11 or newer")

func (b *Batch) parseLegacy() error {
	head := legacyV0
	if b.Magic == 1 {
		head = legacyV1
	}
	m := b.raw[legacyHead:]
	if len(m) < head+8 {
		return fmt.Errorf("%w: a message of %d bytes", ErrLength, len(m))
	}
	a := m[5]
	b.Codec = compress.Codec(a & attrCodec)
	b.LeaderEpoch, b.ProducerID, b.ProducerEpoch, b.BaseSequence = -1, NoProducerID, NoProducerEpoch, NoSequence
	b.BaseTimestamp, b.MaxTimestamp, b.Count = NoTimestamp, NoTimestamp, 1
	if b.Magic == 1 {
		b.LogAppendTime = a&attrLogAppendTime != 0
		b.MaxTimestamp = int64(binary.BigEndian.Uint64(m[6:]))
		b.BaseTimestamp = b.MaxTimestamp
	}
	var ok bool
	if b.key, m, ok = legacyField(m[head:]); ok {
		b.data, m, ok = legacyField(m)
	}
	if !ok || len(m) != 0 {
		return fmt.Errorf("%w: key or value", ErrRecord)
	}
	if b.Codec != compress.None && b.data == nil {
		return fmt.Errorf("%w: a compressed message without a value", ErrRecord)
	}
	return nil
}

func legacyField(r []byte) (f, rest []byte, ok bool) {
	if len(r) < 4 {
		return nil, nil, false
	}
	n := int64(int32(binary.BigEndian.Uint32(r)))
	r = r[4:]
	if n == -1 {
		return nil, r, true
	}
	if n < 0 || n > int64(len(r)) {
		return nil, nil, false
	}
	return r[:n:n], r[n:], true
}

// legacy prepares for the messages in a wrapper: in magic 1 their offsets are relative, and the wrapper has the last one's absolute offset.
func (it *Iter) legacy() error {
	if it.b.Codec == compress.None {
		return nil
	}
	last, n := int64(-1), int32(0)
	least, most := int64(0), int64(-1)
	for rest := it.data; len(rest) > 0; n++ {
		if len(rest) < legacyHead {
			return fmt.Errorf("%w: a message in a wrapper is cut off", ErrRecord)
		}
		size := int64(int32(binary.BigEndian.Uint32(rest[8:])))
		if size < legacyV0+8 || size > int64(len(rest)-legacyHead) {
			return fmt.Errorf("%w: a message of %d bytes in a wrapper", ErrLength, size)
		}
		last = int64(binary.BigEndian.Uint64(rest))
		least, most = min(least, last), max(most, last)
		rest = rest[legacyHead+size:]
	}
	it.left = n
	if it.b.Magic == 1 {
		it.delta = it.b.BaseOffset - last
	}
	it.stray = least < 0 || most > it.b.BaseOffset-it.delta
	return nil
}

// First is the offset of the first record of a wrapper of magic 0 or 1, which its head does not tell, and for other batches the base offset. It
// needs the iterator that Records gave, before its first Next.
func (it *Iter) First() int64 {
	if it.b.Magic == 2 || it.b.Codec == compress.None || len(it.data) < 8 {
		return it.b.BaseOffset
	}
	return int64(binary.BigEndian.Uint64(it.data)) + it.delta
}

func (it *Iter) nextLegacy(v *View) bool {
	if it.left <= 0 {
		return false
	}
	it.left--
	if it.b.Codec == compress.None {
		*v = View{Offset: it.b.BaseOffset, Timestamp: it.b.MaxTimestamp, Key: it.b.key, Value: it.b.data}
		return true
	}
	inner, rest, ok, err := Next(it.data)
	switch {
	case err != nil || !ok:
		return it.fail("a message in a wrapper: %v", err)
	case inner.Codec != compress.None:
		return it.fail("a wrapper in a wrapper")
	case inner.Magic != it.b.Magic:
		return it.fail("a message of format %d in a wrapper", inner.Magic)
	}
	it.data = rest
	*v = View{Offset: inner.BaseOffset + it.delta, Timestamp: inner.MaxTimestamp, Key: inner.key, Value: inner.data}
	if it.b.LogAppendTime {
		v.Timestamp = it.b.MaxTimestamp
	}
	return true
}

// AppendMessage writes a message of magic 0 or 1 behind dst; in magic 0 there is no timestamp. For a wrapper codec says how value is compressed.
func AppendMessage(dst []byte, magic int8, offset, timestamp int64, codec compress.Codec, key, value []byte) []byte {
	be := binary.BigEndian
	start := len(dst)
	dst = be.AppendUint64(dst, uint64(offset))
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0, byte(magic), byte(codec))
	if magic == 1 {
		dst = be.AppendUint64(dst, uint64(timestamp))
	}
	for _, f := range [...][]byte{key, value} {
		if f == nil {
			dst = be.AppendUint32(dst, 0xffffffff)
			continue
		}
		dst = be.AppendUint32(dst, uint32(len(f)))
		dst = append(dst, f...)
	}
	m := dst[start:]
	be.PutUint32(m[8:], uint32(len(m)-legacyHead))
	be.PutUint32(m[12:], CRC32(m[16:]))
	return dst
}

// AppendLegacy writes the records of a batch of magic 2 as a message set of magic 0 or 1, compressed with codec, for brokers before 0.11.
func AppendLegacy(dst []byte, b *Batch, magic int8, codec compress.Codec, level int) ([]byte, error) {
	if codec == compress.Zstd {
		return dst, errors.New("zstd needs Kafka 2.1 or newer")
	}
	it, _, err := b.Records(nil, compress.Limit{Bytes: 1 << 30})
	if err != nil {
		return dst, err
	}
	set := dst
	if codec != compress.None {
		set = nil
	}
	var v View
	n, last := int64(0), int64(0)
	newest := NoTimestamp
	for it.Next(&v) {
		if v.HeaderCount() > 0 {
			return dst, ErrHeaders
		}
		offset := v.Offset
		if magic == 1 && codec != compress.None { // relative in a wrapper
			offset = n
		}
		set = AppendMessage(set, magic, offset, v.Timestamp, compress.None, v.Key, v.Value)
		newest, last = max(newest, v.Timestamp), v.Offset
		n++
	}
	if it.Err() != nil || codec == compress.None {
		return set, it.Err()
	}
	packed, err := codec.Compress(nil, set, level)
	if err != nil {
		return dst, err
	}
	if codec == compress.LZ4 && magic == 0 {
		if err := compress.LZ4Legacy(packed); err != nil {
			return dst, err
		}
	}
	return AppendMessage(dst, magic, last, newest, codec, nil, packed), nil
}
