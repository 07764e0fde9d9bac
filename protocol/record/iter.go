package record

import (
	"fmt"

	"github.com/kactor-go/kactor/protocol/compress"
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
	err   error
}

// Records gives the records of the batch. Compressed ones are decompressed behind buf[:0], which is returned for the next use; the records alias it then.
func (b *Batch) Records(buf []byte, limit compress.Limit) (Iter, []byte, error) {
	data := b.data
	if b.Codec != compress.None {
		out, err := b.Codec.Decompress(buf[:0], data, limit)
		if err != nil {
			return Iter{}, buf, &Error{b.BaseOffset, b.Magic, err}
		}
		data, buf = out, out
	}
	it := Iter{b: b, data: data, left: b.Count, last: -1}
	if b.Magic < 2 {
		if err := it.legacy(); err != nil {
			return Iter{}, buf, &Error{b.BaseOffset, b.Magic, err}
		}
	}
	return it, buf, nil
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
	if it.b != nil && it.b.Magic < 2 {
		return it.nextLegacy(v)
	}
	if it.left <= 0 {
		if len(it.data) > 0 && it.err == nil {
			return it.fail("%d bytes behind the last record", len(it.data))
		}
		return false
	}
	size, n := wire.Varint32(it.data)
	if n <= 0 || size < 0 || int(size) > len(it.data)-n {
		return it.fail("a length of %d in %d bytes", size, len(it.data))
	}
	r := it.data[n : n+int(size)]
	it.data = it.data[n+int(size):]
	it.left--
	return it.record(v, r)
}

func (it *Iter) record(v *View, r []byte) bool {
	if len(r) < 1 {
		return it.fail("empty")
	}
	r = r[1:]
	ts, n := wire.Varint64(r)
	if n <= 0 {
		return it.fail("timestamp")
	}
	r = r[n:]
	delta, n := wire.Varint32(r)
	if n <= 0 || int64(delta) <= it.last || delta > it.b.LastOffsetDelta {
		return it.fail("offset delta %d after %d, last %d", delta, it.last, it.b.LastOffsetDelta)
	}
	it.last = int64(delta)
	r = r[n:]
	var ok bool
	if v.Key, r, ok = field(r); !ok {
		return it.fail("key")
	}
	if v.Value, r, ok = field(r); !ok {
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
	v.Offset = it.b.BaseOffset + int64(delta)
	v.Timestamp = it.b.BaseTimestamp + ts
	if it.b.LogAppendTime {
		v.Timestamp = it.b.MaxTimestamp
	}
	return true
}

// field reads bytes behind their length; nil for null.
func field(r []byte) (f, rest []byte, ok bool) {
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

// HeaderCount is how many headers the record has.
func (v *View) HeaderCount() int { return int(v.count) }

// Headers appends the record's headers to dst. Their values alias the batch; their keys are copied.
func (v *View) Headers(dst []Header) ([]Header, error) {
	r := v.headers
	for range v.count {
		key, rest, ok := field(r)
		if !ok || key == nil {
			return dst, fmt.Errorf("record at offset %d: %w: key of a header", v.Offset, ErrRecord)
		}
		value, rest, ok := field(rest)
		if !ok {
			return dst, fmt.Errorf("record at offset %d: %w: value of header %q", v.Offset, ErrRecord, key)
		}
		dst = append(dst, Header{string(key), value})
		r = rest
	}
	if len(r) > 0 {
		return dst, fmt.Errorf("record at offset %d: %w: %d bytes left over", v.Offset, ErrRecord, len(r))
	}
	return dst, nil
}
