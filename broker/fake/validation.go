package fake

import (
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
	timed := !s.appendTime && (s.before != unbounded || s.after != unbounded && b.MaxTimestamp-now > s.after)
	if !s.compact && !timed {
		return protocol.None
	}
	it, _, err := b.Records(nil, limit)
	if err != nil {
		return protocol.CorruptMessage
	}
	code := protocol.None
	bad := func(i int32, why protocol.Code, text string) {
		if code != protocol.InvalidTimestamp { // it is told, if there is one
			code = why
		}
		r.RecordErrors = append(r.RecordErrors, msg.ProduceResponseBatchIndexAndErrorMessage{BatchIndex: i, BatchIndexErrorMessage: &text})
	}
	var v record.View
	for i := int32(0); it.Next(&v); i++ {
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
	if b.ProducerID < 0 {
		return !b.Transactional
	}
	return b.ProducerEpoch >= 0 && b.BaseSequence >= 0
}

// stored gives a batch as it will stand in the log: with the broker's time, and in the topic's codec. Its header is changed with it.
func (c *Cluster) stored(s *settings, b *record.Batch) ([]byte, protocol.Code) {
	if !s.recompresses(b) {
		bytes := slices.Clone(b.Bytes())
		if s.appendTime {
			b.LogAppendTime, b.MaxTimestamp = true, c.now.UnixMilli()
			record.Seal(bytes, &b.Info)
		}
		if int64(len(bytes)) > s.segmentBytes {
			return nil, protocol.RecordListTooLarge
		}
		return bytes, protocol.None
	}
	records, err := views(b)
	if err != nil || len(records) == 0 {
		return nil, protocol.CorruptMessage
	}
	b.BaseTimestamp = records[0].Timestamp // whatever it was before (MemoryRecordsBuilder)
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

// views gives the records of a batch.
func views(b *record.Batch) ([]record.View, error) {
	it, _, err := b.Records(nil, limit)
	if err != nil {
		return nil, err
	}
	var out []record.View
	for v := (record.View{}); it.Next(&v); {
		out = append(out, v)
	}
	return out, it.Err()
}
