package fake

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/record"
)

// Aborted is one aborted transaction of a partition.
type Aborted struct {
	Producer    int64
	First, Last int64 // offsets of its first record and of its marker
}

// transactions is what a partition knows of transactions, as Kafka's ProducerStateManager and its transaction index.
type transactions struct {
	open    map[int64]int64 // by producer: the first offset of the transaction under way
	aborted []Aborted       // in the order of their ends
}

func (t *transactions) clone() transactions {
	out := transactions{aborted: slices.Clip(t.aborted), open: map[int64]int64{}}
	for producer, first := range t.open {
		out.open[producer] = first
	}
	return out
}

// note takes a batch into account that is being appended.
func (t *transactions) note(b *record.Batch, base, last int64) {
	if !b.Transactional {
		return
	}
	first, open := t.open[b.ProducerID]
	switch {
	case !b.Control && !open:
		if t.open == nil {
			t.open = map[int64]int64{}
		}
		t.open[b.ProducerID] = base
	case b.Control && open:
		delete(t.open, b.ProducerID)
		if kind, _, err := markerOf(b); err == nil && kind == record.Abort {
			t.aborted = append(t.aborted, Aborted{b.ProducerID, first, last})
		}
	}
}

func markerOf(b *record.Batch) (kind record.ControlType, coordinator int32, err error) {
	var v record.View
	it, _, err := b.Records(nil, limit)
	if err != nil || !it.Next(&v) {
		return 0, -1, cmp.Or(err, fmt.Errorf("fake: a marker without a record"))
	}
	return record.Control(&v)
}

// markerKind tells what a marker says.
func markerKind(b *record.Batch) record.ControlType {
	kind, _, _ := markerOf(b)
	return kind
}

// coordinatorOfMarker is the epoch of the coordinator that wrote a marker.
func coordinatorOfMarker(b *record.Batch) int32 {
	_, coordinator, _ := markerOf(b)
	return coordinator
}

// lastStable is the offset below which all transactions are decided.
func (p *partition) lastStable() int64 {
	stable := p.end
	for _, first := range p.open {
		if first < p.start { // Kafka names the batch that the log begins in, and before 3.0 where it begins
			first = p.start
			if i := p.find(p.start); i < len(p.log) && p.batchwise {
				first = p.log[i].base
			}
		}
		stable = min(stable, first)
	}
	return stable
}

// abortedIn gives the aborted transactions that an answer names with records of n batches from the one that holds offset on: as Kafka's LocalLog.addAbortedTransactions all that end at offset or later and begin before the upper
// bound of what was read. That comes from the offset index of the segment, which is sparse: the transactions of batches behind may be named, too.
func (p *partition) abortedIn(offset int64, n int) (out []Aborted) {
	upper := p.segmentEnd(offset)
	behind, first := p.find(offset)+n, true
	for i := p.find(p.segmentBase(offset)); i < len(p.log) && p.log[i].base < upper; i++ {
		switch {
		case !p.log[i].indexed:
			continue
		case i > behind, i == behind && !first: // AbstractIndex.binarySearch does not find the first entry
			upper = p.log[i].last
		}
		first = false
	}
	for _, a := range p.aborted {
		if a.Last >= offset && a.First < upper {
			out = append(out, a)
		}
	}
	return out
}

// Transact appends a batch of a transactional producer, which begins a transaction or goes on with it. No client takes part: consumers are to be tried with such logs. As with acks=all nothing is appended while no leader can
// commit it: then the error is [protocol.NotEnoughReplicas].
func (c *Cluster) Transact(topic string, index int32, producer int64, values ...[]byte) (offset int64, err error) {
	p, err := c.committing(topic, index)
	if err != nil {
		return 0, err
	}
	info := record.Info{Magic: 2, LastOffsetDelta: int32(len(values)) - 1, Count: int32(len(values)), ProducerID: producer, Transactional: true,
		BaseTimestamp: c.now.UnixMilli(), MaxTimestamp: c.now.UnixMilli()}
	if k := p.producers[producer]; k != nil {
		info.ProducerEpoch, info.BaseSequence = k.epoch, record.AddSequence(k.last(), 1)
	}
	bytes := make([]byte, record.Overhead)
	for i, v := range values {
		bytes = record.AppendRecord(bytes, int32(i), 0, nil, v, nil)
	}
	return c.write(p, bytes, &info), nil
}

// EndTransaction appends the marker that commits or aborts the transaction of a producer, where Transact would append.
func (c *Cluster) EndTransaction(topic string, index int32, producer int64, commit bool) (offset int64, err error) {
	p, err := c.committing(topic, index)
	if err != nil {
		return 0, err
	}
	var epoch int16
	if k := p.producers[producer]; k != nil {
		epoch = k.epoch
	}
	return c.mark(p, marker{producer: producer, epoch: epoch, commit: commit}), nil
}

// marker is what ends a transaction in a partition.
type marker struct {
	producer    int64
	epoch       int16
	commit      bool
	coordinator int32 // epoch of who writes it
}

// mark appends a marker.
func (c *Cluster) mark(p *partition, m marker) (offset int64) {
	kind := byte(record.Abort)
	if m.commit {
		kind = byte(record.Commit)
	}
	info := record.Info{Magic: 2, Count: 1, ProducerID: m.producer, ProducerEpoch: m.epoch, BaseSequence: record.NoSequence, Transactional: true, Control: true,
		BaseTimestamp: c.now.UnixMilli(), MaxTimestamp: c.now.UnixMilli(), LogAppendTime: p.topic.own(p.leader).appendTime}
	value := binary.BigEndian.AppendUint32(make([]byte, 2), uint32(m.coordinator))
	bytes := record.AppendRecord(make([]byte, record.Overhead), 0, 0, []byte{0, 0, 0, kind}, value, nil)
	return c.write(p, bytes, &info)
}

// committing finds a partition whose leader can commit what it appends. What another replica had beyond a leader that runs would be read from it and then be missing at the leader, in the same epoch: no Kafka does that.
func (c *Cluster) committing(topic string, index int32) (*partition, error) {
	p, err := c.partition(topic, index)
	if err != nil {
		return nil, err
	}
	if n := c.node(p.leader); n == nil || n.down || n.paused || n.alone != nil || len(p.isr) < c.minISR(p, p.leader) {
		return nil, fmt.Errorf("fake: %s/%d is led by %d: %w", topic, index, p.leader, protocol.NotEnoughReplicas)
	}
	return p, nil
}

func (c *Cluster) write(p *partition, bytes []byte, info *record.Info) int64 {
	record.Seal(bytes, info)
	b, _, _, _ := record.Next(bytes)
	base := p.append(&b, bytes, c.now)
	p.know(&b, base, c.now, &c.rules)
	c.wakeFetches()
	return base
}

// Clean removes what Kafka's log cleaner removes of aborted transactions: first their records, and what has no records any more at the next call - the marker, and the transaction from the index (Cleaner.cleanInto,
// CleanedTransactionMetadata). The last batch of the log stays, and so does what is not stable.
func (c *Cluster) Clean(topic string, index int32) error {
	p, err := c.partition(topic, index)
	if err != nil {
		return err
	}
	stable := p.lastStable()
	p.changes++
	kept := p.aborted[:0:0]
	p.log = slices.Clone(p.log) // a broker that is cut off has its own: see picture
	for _, a := range p.aborted {
		records, marker := false, false
		p.log = slices.DeleteFunc(slices.Clone(p.log), func(e entry) bool { // a broker that is cut off, or behind, has the log as it was
			b, _, _, _ := record.Next(e.bytes)
			if b.ProducerID != a.Producer || e.base < a.First || e.last > a.Last || e.last >= stable || e.last == p.end-1 || !b.Transactional {
				return false
			}
			marker = marker || b.Control
			records = records || !b.Control
			return !b.Control
		})
		if records || !marker {
			kept = append(kept, a)
			continue
		}
		p.log = slices.DeleteFunc(p.log, func(e entry) bool { return e.base == a.Last })
	}
	p.aborted = kept
	return nil
}

// LastStable is the offset of a partition below which all transactions are decided; -1 if there is no such partition.
func (c *Cluster) LastStable(topic string, index int32) int64 {
	p, err := c.partition(topic, index)
	if err != nil {
		return -1
	}
	return p.lastStable()
}

// AbortedTransactions gives those of a partition that are in its index.
func (c *Cluster) AbortedTransactions(topic string, index int32) []Aborted {
	p, err := c.partition(topic, index)
	if err != nil {
		return nil
	}
	return slices.Clone(p.aborted)
}
