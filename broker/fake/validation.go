package fake

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
)

// validate looks at the records of a batch as LogValidator does, before their numbers are looked at. Since 2.4 (KIP-467) every one that is refused is named; the batch is, whole.
func (c *Cluster) validate(t *topic, s *settings, b *record.Batch, r *msg.ProduceResponsePartitionProduceResponse) protocol.Code {
	now := c.now.UnixMilli()
	timed := !s.appendTime && (s.before != unbounded || s.after != unbounded && (b.MaxTimestamp-now > s.after || b.MaxTimestamp == record.NoTimestamp)) // times so late that they are negative are none
	if !s.compact && !timed {
		return protocol.None
	}
	records, err := c.views(b)
	if err != protocol.None {
		return err
	}
	code := protocol.None
	bad := func(i int32, why protocol.Code, text string) {
		if code != protocol.InvalidTimestamp { // it is told, if there is one
			code = why
		}
		r.RecordErrors = append(r.RecordErrors, msg.ProduceResponseBatchIndexAndErrorMessage{BatchIndex: i, BatchIndexErrorMessage: &text})
	}
	for k := range records {
		v, i := &records[k], int32(k)
		switch {
		case s.compact && v.Key == nil:
			bad(i, protocol.InvalidRecord, "no key, and topic "+t.name+" is compacted")
		case timed && v.Timestamp != record.NoTimestamp && (now-v.Timestamp > s.before || v.Timestamp-now > s.after):
			bad(i, protocol.InvalidTimestamp, fmt.Sprintf("the timestamp %d is too far from the broker's time", v.Timestamp))
		}
	}
	if code != protocol.None {
		text := fmt.Sprintf("%d records are not valid", len(r.RecordErrors))
		r.ErrorMessage = &text
		if !c.rules.names {
			r.RecordErrors, r.ErrorMessage = nil, nil
		}
	}
	return code
}

// recompresses tells whether a batch has to be written anew, in the topic's codec.
func (s *settings) recompresses(b *record.Batch) bool { return s.codec != nil && *s.codec != b.Codec }

// writable tells whether a broker can write a batch anew: it takes some that it would not write itself (MemoryRecordsBuilder).
func writable(b *record.Batch) bool {
	if b.ProducerID == record.NoProducerID {
		return !b.Transactional
	}
	return b.ProducerEpoch != record.NoProducerEpoch && b.BaseSequence >= 0
}

// stored gives a batch as it will stand in the log: with the broker's time, and in the topic's codec. Its header is changed with it.
func (c *Cluster) stored(s *settings, b *record.Batch) ([]byte, protocol.Code) {
	if !s.recompresses(b) {
		bytes := slices.Clone(b.Bytes())
		if s.appendTime {
			b.LogAppendTime, b.MaxTimestamp = true, c.now.UnixMilli()
		}
		if s.appendTime || b.MaxTimestamp != newestTold(bytes) {
			record.Seal(bytes, &b.Info)
		}
		if int64(len(bytes)) > s.segmentBytes {
			return nil, protocol.RecordListTooLarge
		}
		return bytes, protocol.None
	}
	records, code := c.views(b)
	if code != protocol.None {
		return nil, code
	}
	b.BaseTimestamp = records[0].Timestamp // whatever it was before (MemoryRecordsBuilder)
	if b.BaseTimestamp < 0 && b.BaseTimestamp != record.NoTimestamp {
		return nil, protocol.UnknownServerError
	}
	body, newest := encode(b, records, b.BaseTimestamp)
	b.MaxTimestamp = newest
	bytes, err := s.codec.Compress(make([]byte, record.Overhead), body, compress.DefaultLevel)
	if err != nil {
		return nil, protocol.UnknownServerError
	}
	b.Codec = *s.codec
	if s.appendTime {
		b.LogAppendTime, b.MaxTimestamp = true, c.now.UnixMilli()
	}
	record.Seal(bytes, &b.Info)
	switch {
	case len(bytes) > s.maxMessage:
		return nil, protocol.MessageTooLarge
	case int64(len(bytes)) > s.segmentBytes:
		return nil, protocol.RecordListTooLarge
	}
	return bytes, protocol.None
}

// newestTold is the timestamp of the newest record as the header of a batch has it.
func newestTold(batch []byte) int64 { return int64(binary.BigEndian.Uint64(batch[35:])) }

// views gives the records of a batch, at the offsets that they get.
func (c *Cluster) views(b *record.Batch) ([]record.View, protocol.Code) {
	it, _, err := b.Records(nil, limit)
	if err != nil {
		return nil, protocol.UnknownServerError
	}
	var out []record.View
	for v := (record.View{}); it.Next(&v); {
		out = append(out, v)
	}
	if it.Err() == nil {
		return out, protocol.None
	}
	plain, code := c.rewritten(b)
	out = out[:0]
	if code == protocol.None {
		each(&plain, func(v *record.View) { out = append(out, *v) })
	}
	return out, code
}
