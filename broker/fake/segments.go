package fake

import (
	"slices"
	"time"
)

// segment is a part of a log. Retention deletes whole segments, and the cleaner leaves the last alone, which is the active one.
type segment struct {
	base     int64
	first    int64 // timestamp of its first batch; -1: it is empty
	newest   int64 // the latest timestamp of what was appended, also of records that are deleted; -1: none
	size     int64
	bare     int64 // bytes behind the last entry of its offset index
	modified int64 // when it was appended to last, in milliseconds
}

// roll begins another segment before a batch is appended, if the active one is full, or old by the batch's time (LogSegment.shouldRoll), and tells whether the offset index gets an entry for the batch.
func (p *partition) roll(timestamp int64, size int, now time.Time) (indexed bool) {
	at := now.UnixMilli()
	if len(p.segments) == 0 {
		p.segments = append(p.segments, segment{base: p.end, first: -1, newest: -1, modified: at})
	}
	s, active := p.topic.own(p.leader), &p.segments[len(p.segments)-1]
	waited := timestamp - active.first
	if active.first < 0 {
		waited = at - active.modified
	}
	if active.size > 0 && (active.size > s.segmentBytes-int64(size) || waited > s.segmentMs) {
		p.begin(at)
		active = &p.segments[len(p.segments)-1]
	}
	if active.size == 0 {
		active.first = timestamp
	}
	active.size += int64(size)
	active.newest, active.modified = max(active.newest, timestamp), at
	return active.index(size, s.indexInterval)
}

// index tells whether the offset index gets an entry for a batch that is appended (LogSegment.append): it has one for every so many bytes.
func (s *segment) index(size int, interval int64) bool {
	indexed := s.bare > interval
	if indexed {
		s.bare = 0
	}
	s.bare += int64(size)
	return indexed
}

// segmentEnd is where the segment ends that holds an offset: what a fetch gives ends there.
func (p *partition) segmentEnd(offset int64) int64 {
	for i := 1; i < len(p.segments); i++ {
		if p.segments[i].base > offset {
			return p.segments[i].base
		}
	}
	return p.end
}

// segmentBase is where the segment begins that holds an offset.
func (p *partition) segmentBase(offset int64) (base int64) {
	for _, s := range p.segments {
		if s.base <= offset {
			base = s.base
		}
	}
	return base
}

// begin begins a segment at the end of the log. A broker that is cut off has the segments as they were: see picture.
func (p *partition) begin(at int64) {
	p.segments = append(slices.Clone(p.segments), segment{base: p.end, first: -1, newest: -1, modified: at})
}

// within gives the batches of a segment: from which on, and up to which.
func (p *partition) within(i int) []entry {
	from, to := p.find(p.segments[i].base), len(p.log)
	if i+1 < len(p.segments) {
		to = p.find(p.segments[i+1].base)
	}
	return p.log[from:to]
}

// latest is the latest timestamp of a segment; where there is none, when it was appended to (LogSegment.largestTimestamp).
func (s *segment) latest() int64 {
	if s.newest < 0 {
		return s.modified
	}
	return s.newest
}

// cutSegments makes the segments fit a log that has become shorter at its end.
func (p *partition) cutSegments() {
	n := len(p.segments)
	for n > 1 && p.segments[n-1].base > p.end {
		n--
	}
	p.segments = slices.Clone(p.segments[:n])
	if n == 0 {
		return
	}
	active := &p.segments[n-1]
	active.base, active.size, active.newest = min(active.base, p.end), 0, -1
	for _, e := range p.within(n - 1) {
		active.size += int64(len(e.bytes))
		active.newest = max(active.newest, e.newest)
	}
}

// Roll begins a new segment in every partition of a topic, as brokers do when segment.ms has passed: what was written until now can be compacted then, and is deleted apart from what comes.
func (c *Cluster) Roll(topic string) error {
	t, err := c.existing(topic)
	if err != nil {
		return err
	}
	for _, p := range t.partitions {
		if n := len(p.segments); n > 0 && p.segments[n-1].size > 0 {
			p.begin(c.now.UnixMilli())
		}
	}
	return nil
}
