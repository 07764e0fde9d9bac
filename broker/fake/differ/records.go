package differ

import (
	"encoding/binary"
	"fmt"

	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/record"
)

// batch makes a batch of records for a partition, once in a while a wrong one. producer is nil for none.
func (d *draw) batch(w *world, p place, producer *producerState) []byte {
	count := int32(1 + d.IntN(4))
	info := record.Info{Magic: 2, LeaderEpoch: -1, LastOffsetDelta: count - 1, Count: count, BaseTimestamp: w.time(int64(d.IntN(1000))), ProducerID: record.NoProducerID, ProducerEpoch: record.NoProducerEpoch,
		BaseSequence: record.NoSequence}
	if d.once(60) {
		info.BaseTimestamp += 5 * 3600_000
	}
	if producer != nil {
		info.ProducerID, info.ProducerEpoch, info.Transactional = usual(d, 30, producer.id, w.stranger), d.epoch(producer), producer.transactional != ""
		next := producer.next[p]
		info.BaseSequence = usual(d, 5, next, next, 0, max(next-1, 0), max(next-count, 0), next+1, next+5)
		if d.once(40) {
			info.Transactional = !info.Transactional
		}
	}
	if t := w.topics[p.topic]; t != nil && t.packs && producer == nil && d.once(10) { // of a producer that has no epoch: a broker cannot write that anew
		info.ProducerID, info.BaseSequence = w.stranger, 0
	}
	if d.once(25) {
		return wrong(d, &info)
	}
	if t := w.topics[p.topic]; t != nil && t.short && d.once(12) {
		return long(&info)
	}
	bytes := make([]byte, record.Overhead)
	for i := range count {
		at := int64(d.IntN(50))
		info.MaxTimestamp = max(info.MaxTimestamp, info.BaseTimestamp+at)
		bytes = record.AppendRecord(bytes, i, at, d.key(), fmt.Appendf(nil, "%0*d", usual(d, 5, 3, 0, 100, 700), d.IntN(1000)), nil)
	}
	if codec := usual(d, 4, compress.None, compress.Gzip, compress.Snappy, compress.LZ4, compress.Zstd); codec != compress.None {
		if packed, err := codec.Compress(make([]byte, record.Overhead), bytes[record.Overhead:], compress.DefaultLevel); err == nil {
			bytes, info.Codec = packed, codec
		}
	}
	record.Seal(bytes, &info)
	return bytes
}

// shortSegment is the least that segment.bytes may be in Kafka 4.
const shortSegment = 1 << 20

// long makes a batch that is a little longer than the shortest segment, and not too long for a batch.
func long(info *record.Info) []byte {
	info.Count, info.LastOffsetDelta, info.MaxTimestamp = 1, 0, info.BaseTimestamp
	bytes := record.AppendRecord(make([]byte, record.Overhead), 0, 0, []byte("k"), make([]byte, shortSegment-record.Overhead-8), nil)
	record.Seal(bytes, info)
	return bytes
}

func (d *draw) key() []byte {
	if d.once(2) {
		return nil
	}
	return fmt.Appendf(nil, "k%d", d.IntN(3))
}

// wrong makes a batch that no producer sends.
func wrong(d *draw, info *record.Info) []byte {
	bytes := make([]byte, record.Overhead)
	for i := range info.Count {
		bytes = record.AppendRecord(bytes, i, 0, nil, []byte("v"), nil)
	}
	info.MaxTimestamp = info.BaseTimestamp
	switch d.IntN(9) {
	case 0: // a checksum that does not fit
		record.Seal(bytes, info)
		bytes[len(bytes)-1] ^= 1
	case 1: // more records than there are
		info.Count++
		record.Seal(bytes, info)
	case 2: // offsets that do not fit
		info.LastOffsetDelta++
		record.Seal(bytes, info)
	case 3: // a control batch
		info.Control = true
		record.Seal(bytes, info)
	case 4: // two batches
		record.Seal(bytes, info)
		bytes = append(bytes, bytes...)
	case 5: // half of one
		record.Seal(bytes, info)
		bytes = bytes[:len(bytes)-3]
	case 6: // none
		return []byte{}
	case 7: // an older format
		return record.AppendMessage(nil, 1, 0, info.BaseTimestamp, compress.None, []byte("k"), []byte("v"))
	case 8: // an offset that is none of its own
		record.Seal(bytes, info)
		binary.BigEndian.PutUint64(bytes, 5)
	}
	return bytes
}
