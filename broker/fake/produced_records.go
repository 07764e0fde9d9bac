package fake

import (
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/wire"
)

// inspect looks at a batch of magic 2 as a broker does before it looks at what it says (LogValidator.validateBatch, DefaultRecordBatch), and gives it the timestamp of its newest record, whatever stood there.
func (c *Cluster) inspect(b *record.Batch) protocol.Code {
	switch {
	case b.Codec > compress.Zstd: // it has no name
		return protocol.UnknownServerError
	case b.Count <= 0 || b.LastOffsetDelta != b.Count-1:
		return protocol.InvalidRecord
	}
	it, _, err := b.Records(nil, limit)
	if err != nil {
		return protocol.UnknownServerError
	}
	newest := int64(record.NoTimestamp)
	for v := (record.View{}); it.Next(&v); {
		newest = max(newest, v.Timestamp)
	}
	if it.Err() != nil {
		plain, code := c.rewritten(b)
		if code != protocol.None {
			return code
		}
		newest = record.NoTimestamp
		each(&plain, func(v *record.View) { newest = max(newest, v.Timestamp) })
	}
	b.MaxTimestamp = newest
	return protocol.None
}

// miscounted tells whether the records of a batch have other offsets than 0, 1, 2 ...: it cannot stay as it is. What has it written anew has not read the keys of compressed ones if it comes in the topic's codec, and fails.
func miscounted(b *record.Batch) bool {
	it, _, err := b.Records(nil, limit)
	if err != nil {
		return false
	}
	for v := (record.View{}); it.Next(&v); {
	}
	if it.Err() == nil {
		return false
	}
	raw, _ := unpacked(b)
	for i := range b.Count {
		r, rest, _ := readProduced(raw)
		if r.offset != i {
			return true
		}
		raw = rest
	}
	return false
}

// rewritten gives a batch as it would be with records that everybody can read. Brokers read some that clients do not: any offsets, which they give anew, and any length below 0 for null.
func (c *Cluster) rewritten(b *record.Batch) (record.Batch, protocol.Code) {
	raw, err := unpacked(b)
	if err != nil {
		return record.Batch{}, protocol.UnknownServerError
	}
	bytes := make([]byte, record.Overhead)
	for i := range b.Count {
		if _, n := wire.Varint32(raw); n < 0 && (b.Codec == compress.None || !c.kraft()) { // the size is read outside of what makes a bad record of it
			return record.Batch{}, protocol.UnknownServerError
		}
		r, rest, ok := readProduced(raw)
		if !ok {
			return record.Batch{}, protocol.InvalidRecord
		}
		bytes, raw = record.AppendRecord(bytes, i, r.timestamp, r.key, r.value, r.headers), rest
	}
	if len(raw) > 0 {
		return record.Batch{}, protocol.InvalidRecord
	}
	info := b.Info
	info.Codec = compress.None
	record.Seal(bytes, &info)
	plain, _, _, err := record.Next(bytes)
	if err != nil {
		return record.Batch{}, protocol.InvalidRecord
	}
	return plain, protocol.None
}

func unpacked(b *record.Batch) ([]byte, error) {
	if b.Codec == compress.None {
		return b.Bytes()[record.Overhead:], nil
	}
	return b.Unpack(nil, limit)
}

// producedRecord is a record as it stands in a batch.
type producedRecord struct {
	timestamp  int64 // delta
	offset     int32 // delta
	key, value []byte
	headers    []record.Header
}

// readProduced reads a record as DefaultRecord.readFrom does.
func readProduced(raw []byte) (r producedRecord, rest []byte, ok bool) {
	size, n := wire.Varint32(raw)
	if n <= 0 || size < 1 || int(size) > len(raw)-n {
		return r, nil, false
	}
	in := producedReader{raw: raw[n+1 : n+int(size)]} // behind the attributes
	r.timestamp, r.offset = in.long(), in.int()
	r.key, r.value = in.bytes(), in.bytes()
	count := in.int()
	for range max(0, min(int(count), len(in.raw))) {
		key := in.bytes()
		in.failed = in.failed || key == nil
		r.headers = append(r.headers, record.Header{Key: string(key), Value: in.bytes()})
	}
	return r, raw[n+int(size):], !in.failed && count >= 0 && int(count) == len(r.headers) && len(in.raw) == 0
}

type producedReader struct {
	raw    []byte
	failed bool
}

func (in *producedReader) step(n int) {
	if n <= 0 {
		in.failed, n = true, 0
	}
	in.raw = in.raw[n:]
}

func (in *producedReader) int() int32 {
	v, n := wire.Varint32(in.raw)
	in.step(n)
	return v
}

func (in *producedReader) long() int64 {
	v, n := wire.Varint64(in.raw)
	in.step(n)
	return v
}

// bytes reads a length and as many bytes; below 0 there are none, and the field is null.
func (in *producedReader) bytes() []byte {
	size := int(in.int())
	if size < 0 || in.failed {
		return nil
	}
	if size > len(in.raw) {
		in.failed = true
		return nil
	}
	out := in.raw[:size:size]
	in.raw = in.raw[size:]
	return out
}
