package record

import (
	"bytes"
	"fmt"

	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/printable"
	"github.com/kactor-go/kactor/protocol/wire"
)

// View is a record as it lies in a batch: the slices alias the batch's bytes, or the buffer it was decompressed into.
type View struct {
	Offset    int64
	Timestamp int64  // milliseconds since 1970; -1 in magic 0
	Key       []byte // nil is null
	Value     []byte // nil is null
	headers   []byte // encoded
	count     int32  // of headers
}

// Iter goes through the records of a batch. It allocates nothing.
type Iter struct {
	b     *Batch
	data  []byte
	left  int32
	delta int64 // what makes the inner offsets of a wrapper absolute
	last  int64 // delta of the record before
	stray bool  // see CheckOffsets
	err   error
}

// Records gives the records of the batch. Compressed ones are decompressed behind buf[:0], which is returned for the next use; the records alias it then.
func (b *Batch) Records(buf []byte, limit compress.Limit) (Iter, []byte, error) {
	if b.Codec == compress.None {
		it, err := b.Unpacked(nil)
		return it, buf, err
	}
	out, err := b.Unpack(buf, limit)
	if err != nil {
		return Iter{}, buf, err
	}
	it, err := b.Unpacked(out)
	return it, out, err
}

// Unpack decompresses a compressed batch behind buf[:0]. Unpacked gives the records in what it returns.
func (b *Batch) Unpack(buf []byte, limit compress.Limit) ([]byte, error) {
	out, err := b.Codec.Decompress(buf[:0], b.data, limit)
	if err != nil {
		return nil, &Error{b.BaseOffset, b.Magic, err}
	}
	return out, nil
}

// UnpackExactly is Unpack into memory of its own that is as large as it must be, which is found out first: it need not grow, and there is none where the limit does not allow what would come out.
func (b *Batch) UnpackExactly(limit compress.Limit) ([]byte, error) {
	n, err := b.Codec.Bound(b.data, limit)
	if err != nil {
		return nil, &Error{b.BaseOffset, b.Magic, err}
	}
	return b.Unpack(make([]byte, 0, n+slack), limit)
}

// slack is what codecs want to be free behind what comes out, or they take more memory.
const slack = 1 << 20

// Unpacked gives the records of a batch that was decompressed into data; of one that is not compressed data is of no meaning.
func (b *Batch) Unpacked(data []byte) (Iter, error) {
	if b.Codec == compress.None {
		data = b.data
	}
	it := Iter{b: b, data: data, left: b.Count, last: -1}
	if b.Magic < 2 {
		if err := it.legacy(); err != nil {
			return Iter{}, &Error{b.BaseOffset, b.Magic, err}
		}
	}
	return it, nil
}

// CheckOffsets tells whether the offsets of the messages in a wrapper of magic 0 or 1 are such that the last is the wrapper's own, as a log has them. Those of other batches are looked at one by one. It needs the iterator that Records gave,
// before its first Next.
func (it *Iter) CheckOffsets() error {
	if it.stray {
		return &Error{it.b.BaseOffset, it.b.Magic, fmt.Errorf("%w: offsets in a wrapper that are negative, or above its own", ErrRecord)}
	}
	return nil
}

// Packed is how many bytes the records have as they lie in the batch.
func (b *Batch) Packed() int { return len(b.data) }

// Own gives the records that are not read yet memory of their own, so that they outlive the batch's. Those of a compressed batch have it already.
func (it *Iter) Own() {
	if it.b == nil || it.b.Codec != compress.None {
		return
	}
	if it.b.Magic >= 2 {
		it.data = bytes.Clone(it.data)
		return
	}
	own, _, _, _ := Next(bytes.Clone(it.b.raw)) // it was read before
	*it.b, it.data = own, own.data
}

// Err is why Next ended, if not by the end of the batch.
func (it *Iter) Err() error { return it.err }

func (it *Iter) fail(format string, args ...any) bool {
	it.err = &Error{it.b.BaseOffset, it.b.Magic, fmt.Errorf("%w: %s", ErrRecord, fmt.Sprintf(format, args...))}
	it.left = 0
	return false
}

// Next reads the next record into v.
func (it *Iter) Next(v *View) bool {
	if it.left <= 0 {
		return it.finish()
	}
	if it.b.Magic < 2 {
		return it.nextLegacy(v)
	}
	// Nearly every number of a record has one byte or two: those are read here, without a call. What is longer, or wrong, is left to it.long, which starts anew.
	d := it.data
	if len(d) < 3 {
		return it.long(v)
	}
	size, i := uint(d[0]), 1
	if size >= 0x80 {
		if d[1] >= 0x80 {
			return it.long(v)
		}
		size, i = size&0x7f|uint(d[1])<<7, 2
	}
	end := i + int(size>>1)
	if size&1 != 0 || end-i < 7 || end > len(d) {
		return it.long(v)
	}
	r := d[i+1 : end] // behind the attributes
	var at, delta uint
	if at, i = uint(r[0]), 1; at >= 0x80 {
		if r[1] >= 0x80 {
			return it.long(v)
		}
		at, i = at&0x7f|uint(r[1])<<7, 2
	}
	if delta = uint(r[i]); delta >= 0x80 {
		if r[i+1] >= 0x80 {
			return it.long(v)
		}
		delta = delta&0x7f | uint(r[i+1])<<7
		i++
	}
	i++
	offset := int64(delta >> 1)
	if delta&1 != 0 || offset <= it.last || offset > int64(it.b.LastOffsetDelta) {
		return it.long(v)
	}
	var ok bool
	if v.Key, r, ok = field(r[i:]); !ok {
		return it.long(v)
	}
	if v.Value, r, ok = field(r); !ok || len(r) != 1 || r[0] != 0 {
		return it.long(v)
	}
	v.headers, v.count = nil, 0
	v.Offset = it.b.BaseOffset + offset
	v.Timestamp = it.b.BaseTimestamp + (int64(at>>1) ^ -int64(at&1))
	if it.b.LogAppendTime {
		v.Timestamp = it.b.MaxTimestamp
	}
	it.data = d[end:]
	it.left--
	it.last = offset
	return true
}

// field reads bytes whose length has one byte or two; nil for null.
func field(r []byte) (f, rest []byte, ok bool) {
	if len(r) < 2 {
		return nil, nil, false
	}
	n, i := uint(r[0]), uint(1)
	if n >= 0x80 {
		if r[1] >= 0x80 {
			return nil, nil, false
		}
		n, i = n&0x7f|uint(r[1])<<7, 2
	}
	if n == 1 {
		return nil, r[1:], true
	}
	end := i + n>>1
	if n&1 != 0 || end > uint(len(r)) {
		return nil, nil, false
	}
	return r[i:end:end], r[end:], true
}

// long reads any record.
func (it *Iter) long(v *View) bool {
	size, n := wire.Varint32(it.data)
	if n <= 0 || size < 1 || int(size) > len(it.data)-n {
		return it.fail("a length of %d in %d bytes", size, len(it.data))
	}
	end := n + int(size)
	r := it.data[n+1 : end] // behind the attributes
	it.data = it.data[end:]
	it.left--
	timestamp, n := wire.Varint64(r)
	if n <= 0 {
		return it.fail("timestamp")
	}
	r = r[n:]
	delta, n := wire.Varint32(r)
	if n <= 0 || int64(delta) <= it.last || delta > it.b.LastOffsetDelta {
		return it.fail("offset delta %d after %d, last %d", delta, it.last, it.b.LastOffsetDelta)
	}
	it.last = int64(delta)
	v.Offset = it.b.BaseOffset + int64(delta)
	v.Timestamp = it.b.BaseTimestamp + timestamp
	if it.b.LogAppendTime {
		v.Timestamp = it.b.MaxTimestamp
	}
	r = r[n:]
	var ok bool
	if v.Key, r, ok = longField(r); !ok {
		return it.fail("key")
	}
	if v.Value, r, ok = longField(r); !ok {
		return it.fail("value")
	}
	count, n := wire.Varint32(r)
	if n <= 0 || count < 0 || int(count) > len(r)/2 {
		return it.fail("number of headers")
	}
	v.headers, v.count = r[n:], count
	if count == 0 && len(r) > n {
		return it.fail("%d bytes left over", len(r)-n)
	}
	return true
}

// longField reads bytes behind their length; nil for null.
func longField(r []byte) (f, rest []byte, ok bool) {
	size, n := wire.Varint32(r)
	if n <= 0 || size < -1 || int(size) > len(r)-n {
		return nil, nil, false
	}
	if size < 0 {
		return nil, r[n:], true
	}
	end := n + int(size)
	return r[n:end:end], r[end:], true
}

// finish is the end of a batch.
func (it *Iter) finish() bool {
	if len(it.data) > 0 && it.err == nil && it.b != nil && it.b.Magic >= 2 {
		return it.fail("%d bytes behind the last record", len(it.data))
	}
	return false
}

// HeaderCount is how many headers the record has.
func (v *View) HeaderCount() int { return int(v.count) }

// Headers appends the record's headers to dst. Their values alias the batch; their keys are copied.
func (v *View) Headers(dst []Header) ([]Header, error) {
	r := v.headers
	for range v.count {
		key, rest, ok := longField(r)
		if !ok || key == nil {
			return dst, fmt.Errorf("record at offset %d: %w: key of a header", v.Offset, ErrRecord)
		}
		value, rest, ok := longField(rest)
		if !ok {
			return dst, fmt.Errorf("record at offset %d: %w: value of header \"%s\"", v.Offset, ErrRecord, printable.Text(string(key)))
		}
		dst = append(dst, Header{string(key), value})
		r = rest
	}
	if len(r) > 0 {
		return dst, fmt.Errorf("record at offset %d: %w: %d bytes left over", v.Offset, ErrRecord, len(r))
	}
	return dst, nil
}
