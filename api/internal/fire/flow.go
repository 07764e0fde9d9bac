package main

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// hang is how long anything may take that is to happen at all, also on a slow machine: longer than delivery.timeout.ms, so that what clients stand still for is told by their records, and how long they do by the gaps.
const hang = 3 * time.Minute

// flow is when records were acknowledged and read, by partition.
type flow struct {
	mu          sync.Mutex
	acked, read []gap
}

// gap is the longest time between two events of a partition.
type gap struct {
	last    time.Time
	longest time.Duration
	ended   time.Time // when the longest was over
	top     int64     // the highest offset
}

func (g *gap) event(now time.Time, offset int64) {
	if !g.last.IsZero() {
		if d := now.Sub(g.last); d > g.longest {
			g.longest, g.ended = d, now
		}
	}
	g.last, g.top = now, max(g.top, offset)
}

// widen makes room for partitions.
func (f *flow) widen(partitions int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for int32(len(f.acked)) < partitions {
		f.acked, f.read = append(f.acked, gap{top: -1}), append(f.read, gap{top: -1})
	}
}

// fresh forgets the gaps there were.
func (f *flow) fresh() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.acked {
		f.acked[i].longest, f.read[i].longest = 0, 0
	}
}

// gaps gives the longest gap of each partition since fresh; one that lasts counts as long as it has lasted.
func (f *flow) gaps() (produce, consume []time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	for i := range f.acked {
		produce = append(produce, max(f.acked[i].longest, now.Sub(f.acked[i].last)))
		consume = append(consume, max(f.read[i].longest, now.Sub(f.read[i].last)))
	}
	return produce, consume
}

// tell logs the longest gaps, and when they were over.
func (f *flow) tell(log *slog.Logger) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.acked {
		log.Info("gaps", "partition", i, "produce", f.acked[i].longest, "until", f.acked[i].ended.Format(timeOfDay), "consume", f.read[i].longest, "till", f.read[i].ended.Format(timeOfDay))
	}
}

const timeOfDay = "15:04:05.000"

// flowing waits until every partition has had an acknowledgement and a reading since a time.
func (f *flow) flowing(since time.Time, limit time.Duration) error {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		f.mu.Lock()
		all := true
		for i := range f.acked {
			all = all && f.acked[i].last.After(since) && f.read[i].last.After(since)
		}
		f.mu.Unlock()
		if all {
			return nil
		}
	}
	return fmt.Errorf("not every partition is written and read %s after %s", limit, since.Format(time.TimeOnly))
}

// caughtUp tells whether everything that was acknowledged was read.
func (f *flow) caughtUp() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.acked {
		if f.read[i].top < f.acked[i].top {
			return false
		}
	}
	return true
}
