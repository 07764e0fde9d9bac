package fake

import (
	"cmp"
	"slices"

	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/record"
)

// Compact does what Kafka's log cleaner does with a topic whose cleanup.policy has compact: of the records of a key the newest stays, with its offset, and records of aborted transactions go. Tombstones and markers of transactions
// without records go when they have been there for delete.retention.ms since they were cleaned first. The last batch of each producer stays, empty if need be, and from 4.0 on that of all that is cleaned. What is cleaned are segments that are not active any more (see Roll),
// from the start of the log to the first transaction that is under way, or to what is younger than min.compaction.lag.ms. It does not ask how much there is to do (min.cleanable.dirty.ratio, max.compaction.lag.ms): see Config.AutoClean.
func (c *Cluster) Compact(topic string) error {
	t, err := c.existing(topic)
	if err != nil {
		return err
	}
	for _, p := range t.partitions {
		if p.leader >= 0 && t.own(p.leader).compact {
			c.clean(p, t.own(p.leader))
		}
	}
	return nil
}

// cleanable is the offset up to which a log may be cleaned (LogCleanerManager.cleanableOffsets).
func (p *partition) cleanable(s *settings, now int64) int64 {
	last := len(p.segments) - 1
	if last < 0 {
		return p.start
	}
	end := min(p.lastStable(), p.segments[last].base)
	for i := 0; s.minCompactionLag > 0 && i < last; i++ {
		if p.segments[i].base >= p.cleaned && p.segments[i].latest() > now-s.minCompactionLag {
			return min(end, p.segments[i].base)
		}
	}
	return end
}

// cleaning is one pass of the cleaner through a log.
type cleaning struct {
	*settings
	now      int64
	newest   map[string]int64 // offsets by key
	latest   int64            // that newest knows of
	lasts    map[int64]*producer
	keepEnd  int64 // the batch that ends there stays, empty if need be (KAFKA-17076, Kafka 4.0); -1: none does
	horizons bool  // when tombstones and markers go stands in their batches (KIP-534)
	deletes  int64 // else: those go of segments that were appended to at this time, or before
}

func (c *Cluster) clean(p *partition, s *settings) {
	end := p.cleanable(s, c.now.UnixMilli())
	n := 0 // segments that are cleaned: whole
	for n < len(p.segments)-1 && p.segments[n+1].base <= end {
		n++
	}
	if n == 0 || p.segments[n].base <= p.cleaned {
		return
	}
	k := &cleaning{settings: s, now: c.now.UnixMilli(), newest: map[string]int64{}, lasts: p.producers, keepEnd: -1, horizons: c.atLeast("3.1")}
	if c.atLeast("4.0") {
		k.keepEnd = p.segments[n].base
	}
	for _, g := range p.segments[:n] {
		if g.base < p.cleaned {
			k.deletes = g.modified - s.deleteRetention
		}
	}
	to := p.find(p.segments[n].base)
	k.learn(p, to)
	p.changes++
	p.cleaned = p.segments[n].base
	k.sweep(p, n, to)
}

// learn notes which offset each key is found at last. What was aborted does not count.
func (k *cleaning) learn(p *partition, to int) {
	seen := newOutcomes(p.aborted)
	for i := range p.log[:to] {
		e := &p.log[i]
		b, _, _, _ := record.Next(e.bytes)
		k.latest = e.last
		if b.Control {
			seen.marker(&b, e.last)
			continue
		}
		if seen.batch(&b, e.last) {
			continue
		}
		each(&b, func(v *record.View) {
			if v.Key != nil {
				k.newest[string(v.Key)] = v.Offset
			}
		})
	}
}

func each(b *record.Batch, f func(v *record.View)) {
	it, _, err := b.Records(nil, limit)
	if err != nil {
		return
	}
	for v := (record.View{}); it.Next(&v); {
		f(&v)
	}
}

// sweep writes n segments anew; to is how many batches they have.
func (k *cleaning) sweep(p *partition, n, to int) {
	seen := newOutcomes(p.aborted)
	var kept []entry
	next := 0
	for i := range p.log[:to] {
		e := p.log[i]
		for next < n && p.segments[next].base <= e.base {
			next++
		}
		b, _, _, _ := record.Next(e.bytes)
		e.bytes = k.batch(&b, &e, seen, p.segments[max(next-1, 0)].modified)
		if e.bytes == nil {
			continue
		}
		b, _, _, _ = record.Next(e.bytes)
		e.newest = b.MaxTimestamp
		kept = append(kept, e)
	}
	cleaned := p.cleaned
	behind := slices.DeleteFunc(slices.Clone(p.aborted), func(a Aborted) bool { return a.Last < cleaned })
	p.aborted = append(seen.kept, behind...)
	segments := k.together(p.segments[:n], kept)
	p.log = append(kept, p.log[to:]...)
	p.segments = append(segments, p.segments[n:]...)
}

// together puts segments that have become small into one, up to segment.bytes (Cleaner.groupSegmentsBySize).
func (k *cleaning) together(old []segment, kept []entry) (out []segment) {
	sum := int64(0)
	for i, g := range old {
		if i == 0 || sum+g.size > k.segmentBytes {
			out = append(out, segment{base: g.base, first: -1, newest: -1})
			sum = 0
		}
		sum += g.size
		last := &out[len(out)-1]
		last.modified = max(last.modified, g.modified)
		for at := range kept {
			e := &kept[at]
			if e.base < g.base || i+1 < len(old) && e.base >= old[i+1].base {
				continue
			}
			if last.size == 0 {
				last.first = e.newest
			}
			last.size += int64(len(e.bytes))
			last.newest = max(last.newest, e.newest)
			e.indexed = last.index(len(e.bytes), k.indexInterval)
		}
	}
	return out
}

// batch gives what stays of a batch; nil: nothing (Cleaner.cleanInto, MemoryRecords.filterTo).
func (k *cleaning) batch(b *record.Batch, e *entry, seen *outcomes, modified int64) []byte {
	over, deletes := false, k.horizons && b.DeleteHorizon && b.BaseTimestamp <= k.now || !k.horizons && modified <= k.deletes
	if b.Control {
		over = seen.marker(b, e.last)
	} else {
		over = seen.batch(b, e.last)
	}
	empty := over && b.Control // the marker of a transaction that has no records any more
	discard := over && (!b.Control || deletes)
	var records []record.View
	dropped, tombstones := 0, false
	each(b, func(v *record.View) {
		if discard || !b.Control && !k.stays(v, deletes) {
			dropped++
			return
		}
		tombstones = tombstones || !b.Control && v.Value == nil
		records = append(records, *v)
	})
	switch {
	case len(records) == 0 && (dropped > 0 || b.Count == 0):
		if !k.last(b, e) && e.last+1 != k.keepEnd {
			return nil
		}
		info := b.Info
		info.Codec, info.Count, info.DeleteHorizon, info.BaseTimestamp = compress.None, 0, false, record.NoTimestamp
		bytes := make([]byte, record.Overhead)
		record.Seal(bytes, &info)
		return bytes
	case k.horizons && !b.DeleteHorizon && (tombstones || empty):
		return rewrite(b, records, k.now+k.deleteRetention, true)
	case dropped > 0:
		return rewrite(b, records, b.BaseTimestamp, b.DeleteHorizon)
	}
	return b.Bytes()
}

// stays tells whether a record stays: its key has none that is newer, and it is not a tombstone whose time is over.
func (k *cleaning) stays(v *record.View, deletes bool) bool {
	if v.Offset > k.latest {
		return true
	}
	newest, ok := k.newest[string(v.Key)]
	return v.Key != nil && (!ok || v.Offset >= newest) && (v.Value != nil || !deletes)
}

// last tells whether a batch is the last that a producer has written, or the marker of one of which there is nothing else.
func (k *cleaning) last(b *record.Batch, e *entry) bool {
	known := k.lasts[b.ProducerID]
	switch {
	case b.ProducerID < 0 || known == nil:
		return false
	case len(known.batches) == 0:
		return b.Control && b.ProducerEpoch == known.epoch
	}
	w := known.batches[len(known.batches)-1]
	return e.last == w.base+int64(w.last-w.first)&0x7fffffff
}

// rewrite makes a batch with some of the records of another: offsets, sequences and codec are the same.
func rewrite(b *record.Batch, records []record.View, base int64, horizon bool) []byte {
	info := b.Info
	info.DeleteHorizon, info.Count = horizon, int32(len(records))
	if !horizon {
		base = records[0].Timestamp
	}
	info.BaseTimestamp = base
	body, newest := encode(b, records, base)
	if !b.LogAppendTime {
		info.MaxTimestamp = newest
	}
	bytes := make([]byte, record.Overhead)
	packed, err := b.Codec.Compress(bytes, body, compress.DefaultLevel)
	if err != nil {
		packed = append(bytes, body...)
		info.Codec = compress.None
	}
	record.Seal(packed, &info)
	return packed
}

// encode gives records of a batch as they are written anew, from a base on, and the latest of their timestamps.
func encode(b *record.Batch, records []record.View, base int64) (body []byte, newest int64) {
	newest = records[0].Timestamp
	for i := range records {
		v := &records[i]
		newest = max(newest, v.Timestamp)
		headers, _ := v.Headers(nil)
		body = record.AppendRecord(body, int32(v.Offset-b.BaseOffset), v.Timestamp-base, v.Key, v.Value, headers)
	}
	return body, newest
}

// outcomes follows transactions through a log (CleanedTransactionMetadata).
type outcomes struct {
	aborted   []Aborted // that are still to come
	aborting  map[int64]*abortedSeen
	committed map[int64]bool // producers whose records were seen, and no marker yet
	kept      []Aborted      // that still have batches
}

type abortedSeen struct {
	Aborted
	batches bool
}

func newOutcomes(aborted []Aborted) *outcomes {
	o := &outcomes{aborted: slices.Clone(aborted), aborting: map[int64]*abortedSeen{}, committed: map[int64]bool{}}
	slices.SortStableFunc(o.aborted, func(a, b Aborted) int { return cmp.Compare(a.First, b.First) })
	return o
}

func (o *outcomes) upTo(offset int64) {
	for len(o.aborted) > 0 && o.aborted[0].First <= offset {
		o.aborting[o.aborted[0].Producer] = &abortedSeen{Aborted: o.aborted[0]}
		o.aborted = o.aborted[1:]
	}
}

// marker tells whether nothing was met of the transaction that a marker ends.
func (o *outcomes) marker(b *record.Batch, last int64) bool {
	o.upTo(last)
	if b.Count == 0 { // it stays for its producer only
		return true
	}
	if markerKind(b) == record.Abort {
		a := o.aborting[b.ProducerID]
		delete(o.aborting, b.ProducerID)
		if a == nil || !a.batches {
			return true
		}
		o.kept = append(o.kept, a.Aborted)
		return false
	}
	met := o.committed[b.ProducerID]
	delete(o.committed, b.ProducerID)
	return !met
}

// batch tells whether a batch was aborted.
func (o *outcomes) batch(b *record.Batch, last int64) bool {
	o.upTo(last)
	if !b.Transactional {
		return false
	}
	if a := o.aborting[b.ProducerID]; a != nil {
		a.batches = true
		return true
	}
	o.committed[b.ProducerID] = true
	return false
}
