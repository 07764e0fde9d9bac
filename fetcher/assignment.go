package fetcher

import (
	"fmt"
	"slices"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/fetcher/internal/plan"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Assign begins to read partitions; those that are assigned already are moved to the new place.
func (f *Fetcher) Assign(starts ...Begin) {
	f.buf.mu.Lock()
	defer f.buf.mu.Unlock()
	f.assign(starts)
}

// mostAtOnce partitions are begun with in one step of the actor.
const mostAtOnce = 10_000

// assign is Assign with the buffer's lock held.
func (f *Fetcher) assign(starts []Begin) {
	var all []plan.Start
	var dropped []plan.Taking
	var still []cluster.TopicPartition
	var wake []*role.Waiter
	for _, s := range starts {
		if p := f.buf.byTP[s.TopicPartition]; s.released && (p == nil || !p.held) { // it was sought, or is gone
			continue
		}
		offset := s.Offset
		if !s.Time.IsZero() {
			offset = AtDefault
		}
		p := plan.Start{TopicPartition: s.TopicPartition, Offset: s.Offset, Epoch: s.Epoch - 1}
		gen, d := f.buf.assign(s.TopicPartition, offset, p.Epoch)
		place := f.buf.byTP[s.TopicPartition]
		p.Gen, p.ID = gen, place.given
		dropped = append(dropped, d...)
		if place.life.state.Load() == paused {
			still = append(still, s.TopicPartition)
		}
		if offset >= 0 {
			wake = append(wake, place.waiters...)
			place.waiters = nil
		}
		if !s.Time.IsZero() {
			p.ByTime, p.Time = true, Timestamp(s.Time)
		}
		all = append(all, p)
	}
	if len(dropped) > 0 {
		f.buf.give(dropped)
	}
	for _, w := range wake {
		f.world.Wake(w)
	}
	for starts := range slices.Chunk(all, mostAtOnce) {
		f.self.Tell(&plan.Assign{Starts: starts})
	}
	if len(still) > 0 { // the core has not heard of a pause while they were held
		f.self.Tell(&plan.Pause{Parts: still, On: true})
	}
}

// Hold assigns partitions that are not read before Release says where they begin, or a seek. Until then they have no position. Of topics that ids names no other is read, whichever has the name.
func (f *Fetcher) Hold(ids map[string]wire.UUID, parts ...cluster.TopicPartition) {
	f.buf.mu.Lock()
	defer f.buf.mu.Unlock()
	for _, tp := range parts {
		f.buf.assign(tp, AtDefault, -1)
		p := f.buf.byTP[tp]
		p.held, p.given, p.topic = true, ids[tp.Topic], ids[tp.Topic]
	}
}

// Release begins to read partitions that are still held. Any goroutine may call it.
func (f *Fetcher) Release(starts ...Begin) {
	for i := range starts {
		starts[i].released = true
	}
	f.Assign(starts...)
}

// Seek moves partitions that are assigned. What was fetched before is dropped, also if it is being read just now.
func (f *Fetcher) Seek(starts ...Begin) error {
	f.buf.mu.Lock()
	defer f.buf.mu.Unlock()
	for _, s := range starts {
		if f.buf.byTP[s.TopicPartition] == nil {
			return fmt.Errorf("seek %s: %w", s.TopicPartition, ErrNotAssigned)
		}
		if s.Offset < AtDefault {
			return fmt.Errorf("seek %s: %d is no offset", s.TopicPartition, s.Offset)
		}
	}
	f.assign(starts)
	return nil
}

// Unassign ends the reading of partitions.
func (f *Fetcher) Unassign(parts ...cluster.TopicPartition) {
	f.buf.mu.Lock()
	defer f.buf.mu.Unlock()
	dropped, wake := f.buf.revoke(parts...)
	if len(dropped) > 0 {
		f.buf.give(dropped)
	}
	for _, w := range wake {
		f.world.Wake(w)
	}
	f.self.Tell(&plan.Revoke{Parts: parts})
}

// Pause stops the reading of partitions: when it returns nothing of them is given out any more. What is fetched is kept.
func (f *Fetcher) Pause(parts ...cluster.TopicPartition) error { return f.pause(parts, asked, true) }

// Resume lets partitions go on that were stopped by Pause.
func (f *Fetcher) Resume(parts ...cluster.TopicPartition) error { return f.pause(parts, asked, false) }

// Rest is Pause and Resume for a reader that has no room for more of a partition, or is to wait: a reason of its own. A partition goes on when there is neither, and Paused does not tell of this one.
func (f *Fetcher) Rest(tp cluster.TopicPartition, on bool) error {
	return f.pause([]cluster.TopicPartition{tp}, resting, on)
}

func (f *Fetcher) pause(parts []cluster.TopicPartition, why pauses, on bool) error {
	f.buf.mu.Lock()
	defer f.buf.mu.Unlock()
	for _, tp := range parts {
		if f.buf.byTP[tp] == nil {
			return fmt.Errorf("pause or resume %s: %w", tp, ErrNotAssigned)
		}
	}
	var changed []cluster.TopicPartition
	for _, tp := range parts {
		if f.buf.byTP[tp].pause(why, on) {
			changed = append(changed, tp)
		}
	}
	if len(changed) > 0 {
		f.self.Tell(&plan.Pause{Parts: changed, On: on})
	}
	if !on {
		f.world.Wake(f.buf.wait)
	}
	return nil
}

// Assignment gives the partitions that are assigned, in order.
func (f *Fetcher) Assignment() []cluster.TopicPartition {
	return f.list(func(*place) bool { return true })
}

// Paused gives the partitions that were stopped by Pause, in order.
func (f *Fetcher) Paused() []cluster.TopicPartition {
	return f.list(func(p *place) bool { return p.pauses&asked != 0 })
}

func (f *Fetcher) list(keep func(*place) bool) (parts []cluster.TopicPartition) {
	f.buf.mu.Lock()
	defer f.buf.mu.Unlock()
	for _, p := range f.buf.order {
		if keep(p) {
			parts = append(parts, p.tp)
		}
	}
	slices.SortFunc(parts, cluster.TopicPartition.Compare)
	return parts
}

// Parts is how many partitions are assigned.
func (f *Fetcher) Parts() int {
	f.buf.mu.Lock()
	defer f.buf.mu.Unlock()
	return len(f.buf.order)
}
