package api

import (
	"slices"
	"time"

	"github.com/kactor-go/kactor/fetcher"
)

// fullFor is how long a partition has no room before it is not fetched any more: what was fetched ahead of it takes its part of the fetcher's memory.
const fullFor = time.Second

// look gives what is to be taken in, of a partition that has room, and tells whether nothing is being handled. Partitions that must wait are not fetched meanwhile.
func (w *work) look() (k *fetcher.Chunk, rest bool, err error) {
	parts := w.c.fetcher.Parts()
	now := w.c.world.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.core.Divide(parts)
	for tp := range w.resting {
		if !w.waits(tp) {
			delete(w.resting, tp)
			_ = w.c.fetcher.Rest(tp, false)
		}
	}
	if !w.restAt.IsZero() && !now.Before(w.restAt) {
		w.restFull(now)
	}
	w.hungry = false
	k, err = w.c.fetcher.ReadyOf(func(tp TopicPartition) bool {
		if units, _ := w.core.Room(tp); units > 0 {
			delete(w.full, tp)
			return true
		}
		w.hungry = true
		if _, ok := w.full[tp]; !ok {
			w.full[tp] = now
		}
		return false
	})
	if len(w.full) > 0 && w.restAt.IsZero() {
		w.restAt = now.Add(fullFor)
		w.arm()
	}
	return k, w.core.Empty(), err
}

// waits tells whether a partition is not to be fetched: its records wait for a time, or there is no room for more.
func (w *work) waits(tp TopicPartition) bool {
	units, _ := w.core.Room(tp)
	return units == 0 || w.core.Waits(tp)
}

// restFull lets the partitions rest that have had no room for long. The lock is held.
func (w *work) restFull(now time.Time) {
	w.restAt = time.Time{}
	for tp, since := range w.full {
		at := since.Add(fullFor)
		switch {
		case !w.waits(tp):
			delete(w.full, tp)
		case !now.Before(at):
			delete(w.full, tp)
			w.stop(tp)
		case w.restAt.IsZero() || at.Before(w.restAt):
			w.restAt = at
		}
	}
	w.arm()
}

// stop lets a partition rest. The lock is held.
func (w *work) stop(tp TopicPartition) {
	if !w.resting[tp] {
		w.resting[tp] = true
		_ = w.c.fetcher.Rest(tp, true)
	}
}

// heed lets the core know which of some partitions the application has paused, as the fetcher says. It is called after each change: whoever is the last to come here has seen them all.
func (w *work) heed(parts []TopicPartition) {
	w.mu.Lock()
	defer w.mu.Unlock()
	paused := w.c.fetcher.Paused()
	for _, tp := range parts {
		_, on := slices.BinarySearchFunc(paused, tp, TopicPartition.Compare)
		w.core.Pause(tp, on)
	}
	w.wake(w.core.Ready())
}
