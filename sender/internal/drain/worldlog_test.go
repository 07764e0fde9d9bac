package drain_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/wire"
)

// log is a partition's, with what its leader knows of producers (ProducerAppendInfo, ProducerStateEntry). All replicas have the same, unless a world says something else.
type log struct {
	acks    int16
	most    int  // records of a batch that is not too large; 0: any number
	spoilt  int  // a record that is not valid, from 1 on; 0: all are
	old     bool // it says DUPLICATE_SEQUENCE_NUMBER
	known   bool
	id      int64
	epoch   int16
	last    int32
	cache   [][2]int32 // first and last sequence of the latest five batches
	batches []appended
	lost    []int // records that were in it
}

// appended is a batch in the log.
type appended struct {
	id      int64
	epoch   int16
	first   int32
	records []int
}

// handle lets a broker deal with a call. says is what it answers instead of success: before the append, or after it where that code may come so.
func (l *log) handle(c *call, leads bool, topic wire.UUID, says protocol.Code, now time.Time) {
	c.handled, c.base = true, -1
	switch {
	case !leads:
		c.code = protocol.NotLeaderOrFollower
	case c.topic != topic:
		c.code = protocol.UnknownTopicID
	case says != protocol.None && !afterAppend(says):
		c.code = says
	default:
		if c.code = l.append(c); c.code == protocol.None {
			c.code = says
		}
	}
}

// afterAppend tells which codes a leader gives after it has appended.
func afterAppend(code protocol.Code) bool {
	switch code {
	case protocol.NotEnoughReplicasAfterAppend, protocol.RequestTimedOut, protocol.KafkaStorageError, protocol.NotLeaderOrFollower, protocol.UnknownServerError:
		return true
	}
	return false
}

func (l *log) append(c *call) protocol.Code {
	if l.most > 0 && len(c.records) > l.most {
		return protocol.MessageTooLarge
	}
	if i := slices.Index(c.records, l.spoilt-1); i >= 0 {
		c.bad = []int32{int32(i)}
		return protocol.InvalidRecord
	}
	last := c.first + int32(len(c.records)) - 1
	if c.id >= 0 {
		known := l.known && c.id == l.id
		switch {
		case known && c.epoch == l.epoch && slices.Contains(l.cache, [2]int32{c.first, last}):
			if l.old {
				return protocol.DuplicateSequenceNumber
			}
			c.base = l.base(c)
			return protocol.None
		case known && c.epoch < l.epoch:
			return protocol.InvalidProducerEpoch
		case known && c.epoch > l.epoch && c.first != 0, known && c.epoch == l.epoch && c.first != l.last+1:
			return protocol.OutOfOrderSequenceNumber
		}
	}
	c.base = l.end()
	b := appended{c.id, c.epoch, c.first, c.records}
	l.batches = append(l.batches, b)
	l.remember(b)
	return protocol.None
}

// remember notes what a batch says of its producer.
func (l *log) remember(b appended) {
	if b.id < 0 {
		return
	}
	if !l.known || b.id != l.id || b.epoch != l.epoch {
		l.cache = nil
	}
	last := b.first + int32(len(b.records)) - 1
	l.known, l.id, l.epoch, l.last = true, b.id, b.epoch, last
	if l.cache = append(l.cache, [2]int32{b.first, last}); len(l.cache) > 5 {
		l.cache = l.cache[1:]
	}
}

func (l *log) forget() { l.known, l.id, l.epoch, l.last, l.cache = false, 0, 0, 0, nil }

// lose drops the latest batches, and what is known of the producer is what the others say.
func (l *log) lose(n int) {
	keep := max(0, len(l.batches)-n)
	for _, b := range l.batches[keep:] {
		l.lost = append(l.lost, b.records...)
	}
	l.batches = l.batches[:keep]
	l.forget()
	for _, b := range l.batches {
		l.remember(b)
	}
}

func (l *log) end() (n int64) {
	for _, b := range l.batches {
		n += int64(len(b.records))
	}
	return n
}

// base is the offset of a batch that is there.
func (l *log) base(c *call) (n int64) {
	for _, b := range l.batches {
		if b.id == c.id && b.epoch == c.epoch && b.first == c.first {
			return n
		}
		n += int64(len(b.records))
	}
	return -1
}

// has tells whether a record is at an offset, or was.
func (l *log) has(record int, offset int64) bool {
	all := l.records()
	return slices.Contains(l.lost, record) || offset < int64(len(all)) && all[offset] == record
}

func (l *log) records() (out []int) {
	for _, b := range l.batches {
		out = append(out, b.records...)
	}
	return out
}

// wrong holds what was told against the log. loose: what is there twice, or out of order, may be.
func (l *log) wrong(told [][]verdict, loose bool) string {
	all := l.records()
	for i, n := range all {
		if !loose && slices.Contains(all[:i], n) {
			return fmt.Sprintf("record %d is in the log twice", n+1)
		}
		if !loose && i > 0 && n < all[i-1] {
			return fmt.Sprintf("record %d comes behind record %d", n+1, all[i-1]+1)
		}
	}
	for n, t := range told {
		there := slices.Contains(all, n) || slices.Contains(l.lost, n)
		switch {
		case len(t) > 1:
			return fmt.Sprintf("record %d has two outcomes", n+1)
		case len(t) == 1 && t[0] == written && !there && l.acks != 0:
			return fmt.Sprintf("record %d is told as written, and is not in the log", n+1)
		case len(t) == 1 && t[0] == rejected && there:
			return fmt.Sprintf("record %d is told as not written, and is in the log", n+1)
		}
	}
	return ""
}
