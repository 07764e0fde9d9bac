package api

import (
	"cmp"
	"slices"

	"github.com/kactor-go/kactor/api/internal/lanes"
	"github.com/kactor-go/kactor/fetcher"
)

// item is a record and where it was read. What is finished is counted by where records were read, whatever interceptors make of them.
type item struct {
	*Record
	at     int64 // its offset
	before int32 // leader epoch of the record before; -1: not known
	err    error // it cannot be handled
}

// add takes records of a chunk in.
func (w *work) add(k *fetcher.Chunk) {
	k.Keep()
	before := k.Epoch()
	w.mu.Lock()
	w.core.Back(k.TopicPartition, k.Position())
	room, bytes := w.core.Room(k.TopicPartition)
	w.taking = &hand{TopicPartition: k.TopicPartition, from: k.Position(), epoch: before, topic: k.TopicID} // not finished before it is in the core
	w.mu.Unlock()
	var own owned
	var v View
	read := w.items[:0]
	for range min(room, w.c.poll) {
		if bytes <= 0 || !k.Next(&v) {
			break
		}
		bytes -= len(v.Key) + len(v.Value)
		r, err := own.record(k, &v)
		if err != nil {
			err = NotRetriable(&PartitionError{TopicPartition: k.TopicPartition, Offset: v.Offset, Err: err})
		}
		read = append(read, item{r, v.Offset, before, err})
		before = r.LeaderEpoch.Int()
	}
	w.items = read
	if len(w.c.set.onConsume) > 0 {
		w.enter(w.intercepted(read))
	} else {
		w.enter(read)
	}
	clear(read)
	w.mu.Lock()
	w.taking = nil
	if w.core.Waits(k.TopicPartition) {
		w.stop(k.TopicPartition)
	}
	w.wake(w.core.Ready())
	w.arm()
	w.mu.Unlock()
}

// intercepted passes records through the interceptors, and gives what comes out in the order in which it was read. So they may change, copy, double and reorder records, which breaks no lane, and leave some out, which counts as if they
// were handled. One that is none of those given, nor has the partition and the offset of one, goes behind the one that it stands behind; it may have been made of any, so none of them is finished before all are.
func (w *work) intercepted(read []item) []item {
	var records []*Record
	var out []item
	where := map[*Record]int{}
	at, strange := 0, false
	for i, one := range read {
		if one.err != nil {
			out = append(out, one)
			continue
		}
		if len(records) == 0 {
			at = i
		}
		where[one.Record] = i
		records = append(records, one.Record)
	}
	tp := w.taking.TopicPartition
	w.application(func() { records = w.c.consumed(records) })
	for _, r := range records {
		if r == nil {
			continue
		}
		if i, own := where[r]; own {
			at = i
		} else if i, known := slices.BinarySearchFunc(read, r.Offset, func(one item, offset int64) int { return cmp.Compare(one.at, offset) }); known && r.TopicPartition() == tp {
			at = i
		} else {
			strange = true
		}
		out = append(out, item{r, read[at].at, read[at].before, nil})
	}
	slices.SortStableFunc(out, func(a, b item) int { return cmp.Compare(a.at, b.at) })
	for i := range out {
		if strange {
			out[i].at, out[i].before = read[0].at, read[0].before
		}
	}
	return out
}

// enter puts records into the core.
func (w *work) enter(records []item) {
	now := w.c.world.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.taking.sought {
		return
	}
	tp := w.taking.TopicPartition
	after := w.delay(tp.Topic)
	for i := range records {
		r := &records[i]
		u := &lanes.Unit{TopicPartition: tp, Offset: r.at, Before: r.before, Topic: w.taking.topic, Bytes: len(r.Key) + len(r.Value), Value: r.Record}
		if r.err != nil {
			u.Value = &HandleError{r.Record, r.err}
		}
		if after > 0 {
			u.Due = now.Add(min(after, r.Timestamp.Add(after).Sub(now))) // who wrote it may have said that it comes from the future
		}
		w.core.Add(u, r.Key)
	}
	if _, ok := w.scopes[tp]; !ok && len(records) > 0 {
		w.scopes[tp] = newScope(w.ctx)
	}
}

// back forgets what was read of a partition from an offset on, when its position was set to that: the log may not have it any more.
func (w *work) back(tp TopicPartition, to int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.core.Back(tp, to)
}
