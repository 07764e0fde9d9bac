package fake

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/record"
)

// oldFormat converts batches for clients that cannot read them: message sets of format 1 from Fetch version 2 on, 0 before (LazyDownConversionRecords). The first batch is converted before the answer begins: room is made for it,
// and if it cannot be converted that is an error. The rest is converted on the way, some batches at once, as far as it can be and has room in what the log gave; what is left of that is filled up with the beginning of a batch that nobody takes for one.
func (c *Cluster) oldFormat(q *call, raw []byte, from int64) ([]byte, protocol.Code) {
	magic := int8(0)
	if q.Version >= 2 {
		magic = 1
	}
	var out []byte
	for b, err := range record.Batches(raw) {
		if err != nil || len(out) > 0 {
			break
		}
		ok := false
		if out, ok = converted(&b, magic, from); !ok {
			return nil, protocol.UnsupportedCompressionType
		}
	}
	if len(out) > 0 {
		return c.oldFormatBehind(q, out, raw, magic, from), protocol.None
	}
	size := overflow
	if _, _, any, err := record.Next(raw); !any || err != nil { // there is nothing to convert
		if size = 0; !c.kraft() {
			return raw, protocol.None
		}
	}
	return filled([]byte{}, size), protocol.None
}

// oldFormatBehind gives the first batch that could be converted, and what there is behind the first of all: if that is another one, it is converted once more.
func (c *Cluster) oldFormatBehind(q *call, out, raw []byte, magic int8, from int64) []byte {
	size := max(len(raw), len(out))
	var chunk []byte // that is converted at once
	read := 0
	_, rest, _, _ := record.Next(raw)
	for b, err := range record.Batches(rest) {
		if err != nil {
			break
		}
		if n := len(b.Bytes()); read > 0 && read+n > convertedAtOnce {
			out, chunk, read = append(out, chunk...), nil, n
		} else {
			read += n
		}
		set, ok := converted(&b, magic, from)
		if !ok { // nothing of the chunk is sent, and nothing behind it; and what fills the answer up has to be one piece
			q.breaks = q.breaks || size-len(out) > convertedAtOnce
			return filled(out, size)
		}
		chunk = append(chunk, set...)
	}
	return filled(append(out, chunk...), size)
}

// convertedAtOnce is how much of a log is converted at once behind the first batch (LazyDownConversionRecordsSend.MAX_READ_SIZE).
const convertedAtOnce = 128 << 10

// overflow is how much there is at least of a batch that is not one: its offset and its size.
const overflow = 12

func filled(set []byte, size int) []byte {
	if len(set) >= size {
		return set[:size]
	}
	room := size - len(set)
	fill := make([]byte, max(room, overflow))
	binary.BigEndian.PutUint64(fill, 1<<64-1)
	binary.BigEndian.PutUint32(fill[8:], uint32(max(room+1, record.Overhead)))
	return append(set, fill[:room]...)
}

// converted gives a batch in a format; false if there is no such batch in it. Markers are none there. Single messages are left out that come before what is fetched.
func converted(b *record.Batch, magic int8, from int64) ([]byte, bool) {
	switch {
	case b.Control: // RecordsUtil.downConvert
		return nil, true
	case b.Codec == compress.Zstd:
		return nil, false
	}
	set, err := record.AppendLegacy(nil, b, magic, b.Codec, compress.DefaultLevel)
	if err != nil {
		return nil, true
	}
	for b.Codec == compress.None && len(set) >= overflow && int64(binary.BigEndian.Uint64(set)) < from {
		set = set[min(overflow+int(binary.BigEndian.Uint32(set[8:])), len(set)):]
	}
	if b.LogAppendTime && magic == 1 {
		stamp(set)
	}
	return set, true
}

// stamp notes in messages of magic 1 that their time is the broker's.
func stamp(set []byte) {
	const checksum, body, attributes, flag = 12, 16, 17, 0x08
	for len(set) > attributes {
		end := min(overflow+int(binary.BigEndian.Uint32(set[8:])), len(set))
		set[attributes] |= flag
		binary.BigEndian.PutUint32(set[checksum:], crc32.ChecksumIEEE(set[body:end]))
		set = set[end:]
	}
}
