package fake

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/wire"
)

type topic struct {
	name       string
	id         wire.UUID
	partitions []*partition
	configs    map[string]string   // that were set for it
	set        settings            // what they come to
	at         map[int32]*settings // the same at brokers that are configured otherwise than the others
	minISR     int                 // that a test has set, be it more than there are replicas; 0: as configured
}

// minISR is how many replicas must be in sync for acks=all. More than there are replicas is as many as there are (KIP-966).
func (c *Cluster) minISR(p *partition, node int32) int {
	needed := p.topic.own(node).minISR
	if c.rules.capped {
		needed = min(needed, len(p.replicas))
	}
	return cmp.Or(p.topic.minISR, needed)
}

// partition is a log with its leadership. What the leader has, every replica in sync has: there is one log.
type partition struct {
	topic     *topic
	index     int32
	replicas  []int32
	isr       []int32
	leader    int32   // -1: none
	leaders   []int32 // so far
	epoch     int32
	start     int64 // log start offset
	end       int64 // log end offset, which is also the high watermark
	log       []entry
	segments  []segment
	cleaned   int64 // the log was compacted up to here
	batchwise bool  // the last stable offset is that of a batch, be it that the log begins in it
	epochs    []epochStart
	changes   uint64 // of the log and of who leads, so far
	producers map[int64]*producer
	verifying map[int64]verifying // by producer
	transactions
}

// limit bounds what is decompressed.
var limit = compress.Limit{Bytes: 256 << 20}

// entry is a batch of magic 2 in the log.
type entry struct {
	base, last int64
	newest     int64 // timestamp
	epoch      int32
	bytes      []byte
	at         time.Time // when it was appended
	indexed    bool      // the offset index of its segment has an entry for it
}

type epochStart struct {
	epoch int32
	start int64
}

func (c *Cluster) create(t Topic) *topic {
	if t.Partitions == 0 {
		t.Partitions = c.cfg.DefaultPartitions
	}
	if t.Replicas == 0 {
		t.Replicas = c.cfg.replicas()
	}
	n := &topic{name: t.Name, id: c.uuid(), configs: t.configs()}
	c.settle(n)
	c.grow(n, t.Partitions, t.Replicas)
	i, _ := slices.BinarySearchFunc(c.topics, t.Name, func(t *topic, n string) int { return strings.Compare(t.name, n) })
	c.topics = slices.Insert(c.topics, i, n)
	c.topicIDs[n.id] = n
	return n
}

// grow adds partitions up to the given number; leaders go round the brokers.
func (c *Cluster) grow(t *topic, partitions, replicas int) {
	c.changes++
	for i := len(t.partitions); i < partitions; i++ {
		p := &partition{topic: t, index: int32(i), producers: map[int64]*producer{}, batchwise: c.kraft()}
		for r := range replicas {
			p.replicas = append(p.replicas, int32((i+r)%c.cfg.Nodes)+1)
		}
		p.settleLeader(c)
		p.epochs = []epochStart{{0, 0}}
		t.partitions = append(t.partitions, p)
	}
}

// settleLeader gives a new partition its first leader: the first replica that runs.
func (p *partition) settleLeader(c *Cluster) {
	p.isr = slices.DeleteFunc(slices.Clone(p.replicas), func(id int32) bool { return c.node(id).fenced })
	p.leader, p.leaders = -1, nil
	if len(p.isr) > 0 {
		p.leader = p.isr[0]
		p.leaders = []int32{p.leader}
	}
}

// lead makes a node the leader, in a new epoch.
func (p *partition) lead(node int32) {
	p.changes++
	p.leader = node
	p.epoch++
	if node >= 0 {
		p.leaders = append(p.leaders, node)
		p.epochs = slices.DeleteFunc(p.epochs, func(e epochStart) bool { return e.start >= p.end }) // one in which nothing was written is forgotten (LeaderEpochFileCache.maybeTruncateNonMonotonicEntries)
		p.epochs = append(p.epochs, epochStart{p.epoch, p.end})
	}
}

// append puts a batch of magic 2 at the end of the log. bytes is taken over.
func (p *partition) append(b *record.Batch, bytes []byte, now time.Time) (base int64) {
	p.changes++
	indexed := p.roll(b.MaxTimestamp, len(bytes), now)
	base = p.end
	record.SetOffset(bytes, base, p.epoch)
	last := base + int64(b.LastOffsetDelta)
	p.log = append(p.log, entry{base, last, b.MaxTimestamp, p.epoch, bytes, now, indexed})
	p.end = last + 1
	p.note(b, base, last)
	return base
}

// find gives the index of the batch that holds offset, or of the next.
func (p *partition) find(offset int64) int {
	i, _ := slices.BinarySearchFunc(p.log, offset, func(e entry, o int64) int {
		if e.last < o {
			return -1
		}
		return 1
	})
	return i
}

// read gives batches from the one that holds offset on, below end, up to max bytes but at least one if first is set; n is how many. Behind them comes the beginning of the next one, as far as there is room.
func (p *partition) read(offset, end int64, max int, first bool) (records []byte, n int) {
	i := p.find(offset)
	if i < len(p.log) {
		end = min(end, p.segmentEnd(p.log[i].base))
	}
	for ; i < len(p.log); i++ {
		e := &p.log[i]
		if e.last >= end {
			break
		}
		if room := max - len(records); len(e.bytes) > room && (n > 0 || !first) {
			if room > 0 { // Kafka sends what is in a range of its file: LogSegment.read
				records = append(records, e.bytes[:room]...)
			}
			break
		}
		records = append(records, e.bytes...)
		n++
	}
	return records, n
}

// any tells whether there is a batch from offset on that ends before end.
func (p *partition) any(offset, end int64) bool {
	i := p.find(offset)
	return i < len(p.log) && p.log[i].last < end
}

// epochEnd gives the end of the largest epoch not above the one asked for (KIP-279), as Kafka's LeaderEpochFileCache.endOffsetFor: of an epoch before all that are known the end is where those begin, and nothing (-1, -1) is known
// of one after them.
func (p *partition) epochEnd(epoch int32) (found int32, end int64) {
	i, known := slices.BinarySearchFunc(p.epochs, epoch, func(e epochStart, epoch int32) int { return cmp.Compare(e.epoch, epoch) })
	last := len(p.epochs) - 1
	switch {
	case epoch == -1: // others below 0 are epochs before all
		return -1, -1
	case known && i == last:
		return epoch, p.end
	case known:
		return epoch, p.epochs[i+1].start
	case i > last:
		return -1, -1
	case i == 0:
		return epoch, p.epochs[0].start
	}
	return p.epochs[i-1].epoch, p.epochs[i].start
}

// forgetBefore drops the epochs that ended before the log begins (LeaderEpochFileCache.truncateFromStart).
func (p *partition) forgetBefore(start int64) {
	for len(p.epochs) > 1 && p.epochs[1].start <= start {
		p.epochs = p.epochs[1:]
	}
	if len(p.epochs) > 0 {
		p.epochs[0].start = max(p.epochs[0].start, start)
	}
}

// truncate drops everything from offset on, as an unclean election does.
func (p *partition) truncate(offset int64, rules *producerRules) {
	p.changes++
	p.log = slices.DeleteFunc(p.log, func(e entry) bool { return e.last >= offset })
	p.end = p.start
	if len(p.log) > 0 {
		p.end = max(p.start, p.log[len(p.log)-1].last+1)
	}
	p.epochs = slices.DeleteFunc(p.epochs, func(e epochStart) bool { return e.start > p.end })
	p.cleaned = min(p.cleaned, p.end)
	p.cutSegments()
	clear(p.producers)
	clear(p.verifying)
	p.transactions = transactions{}
	for i := range p.log {
		b, _, _, _ := record.Next(p.log[i].bytes)
		p.note(&b, p.log[i].base, p.log[i].last)
		p.know(&b, p.log[i].base, p.log[i].at, rules)
	}
}

// modern gives a record set of any format as batches of magic 2, each of most bytes at most, and what is wrong with the first one that is not sound.
func (c *Cluster) modern(raw []byte, most int) ([]record.Batch, protocol.Code) {
	var out []record.Batch
	var old []byte
	var n int32
	var first, newest int64
	rest := raw
	for len(rest) > 0 {
		b, next, ok, err := record.Next(rest)
		if err == nil && !ok { // a part of one is none
			break
		}
		if err != nil && !denied(&b, err) || b.CheckCRC() != nil {
			return nil, protocol.CorruptMessage
		}
		if rest = next; b.Magic == 2 {
			if len(b.Bytes()) > most {
				return nil, protocol.MessageTooLarge
			}
			if code := or(headed(&b), c.inspect(&b)); code != protocol.None {
				return nil, code
			}
			out = append(out, b)
			continue
		}
		it, _, err := b.Records(nil, limit)
		if err != nil {
			return nil, protocol.CorruptMessage
		}
		for v := (record.View{}); it.Next(&v); n++ {
			if n == 0 {
				first, newest = v.Timestamp, v.Timestamp
			}
			newest = max(newest, v.Timestamp)
			old = record.AppendRecord(old, n, v.Timestamp-first, v.Key, v.Value, nil)
		}
		if it.Err() != nil {
			return nil, protocol.InvalidRecord
		}
	}
	if n > 0 {
		bytes := append(make([]byte, record.Overhead), old...)
		record.Seal(bytes, &record.Info{Magic: 2, LastOffsetDelta: n - 1, Count: n, BaseTimestamp: first, MaxTimestamp: newest,
			ProducerID: record.NoProducerID, ProducerEpoch: record.NoProducerEpoch, BaseSequence: record.NoSequence})
		b, _, _, _ := record.Next(bytes)
		out = append(out, b)
	}
	if len(out) == 0 {
		return nil, protocol.InvalidRecord
	}
	return out, protocol.None
}

// denied tells whether a batch of magic 2 cannot be read for what it says of its records: that there are fewer than none.
func denied(b *record.Batch, err error) bool {
	return b.Magic == 2 && errors.Is(err, record.ErrRecord) && (b.LastOffsetDelta < 0 || b.Count < 0)
}

// headed refuses batches that no producer writes, for what stands before their records.
func headed(b *record.Batch) protocol.Code {
	if b.Control || b.BaseOffset != 0 || b.ProducerID >= 0 && b.BaseSequence < 0 {
		return protocol.InvalidRecord
	}
	return protocol.None
}
