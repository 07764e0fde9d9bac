package differ

import (
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/wire"
)

// draw makes the random choices of a step.
type draw struct {
	*rand.Rand
	version int16
}

// newDraw begins with the version of the request: half of them are in the highest.
func newDraw(seed uint64, r protocol.Range) *draw {
	d := &draw{Rand: rand.New(rand.NewPCG(seed, 0x73746570)), version: r.Max}
	if d.once(2) {
		d.version = r.Min + int16(d.IntN(int(r.Max-r.Min)+1))
	}
	return d
}

// once is true once in n draws.
func (d *draw) once(n int) bool { return d.IntN(n) == 0 }

func pick[T any](d *draw, from ...T) T { return from[d.IntN(len(from))] }

// usual gives a value of the first kind, but once in n draws one of the others.
func usual[T any](d *draw, n int, value T, others ...T) T {
	if d.once(n) {
		return pick(d, others...)
	}
	return value
}

// topicNames are the topics of a script. The last is never created.
var topicNames = []string{"a", "b", "c", "none"}

// internalTopic is there on every broker, and is not the scripts'.
const internalTopic = "__consumer_offsets"

// topic picks one; a is there nearly always.
func (d *draw) topic() string {
	return pick(d, "a", "a", "a", "a", "a", "a", "b", "b", "b", "c", "c", usual(d, 8, "a", "none"))
}

// partition picks one that is there, mostly.
func (d *draw) partition(w *world, topic string) int32 {
	n := int32(1)
	if t := w.topics[topic]; t != nil && t.partitions > 0 {
		n = t.partitions
	}
	return usual(d, 25, d.Int32N(n), n, -1, 1000)
}

func (d *draw) places(w *world) []place {
	var out []place
	for range usual(d, 4, 1, 2, 3) {
		t := d.topic()
		p := place{t, d.partition(w, t)}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	slices.SortStableFunc(out, func(a, b place) int { return strings.Compare(a.topic, b.topic) }) // a topic is named once
	return out
}

// there picks a place that is there, if there is any.
func (d *draw) there(w *world) place {
	for _, n := range topicNames {
		if t := w.topics[n]; t != nil && !t.gone && t.partitions > 0 {
			return place{n, d.Int32N(t.partitions)}
		}
	}
	return place{"a", 0}
}

// offset picks one about the end of a partition.
func (d *draw) offset(w *world, p place) int64 {
	end := w.ends[p]
	return pick(d, 0, 0, end, end, max(end-1, 0), d.Int64N(end+1), d.Int64N(end+1), d.Int64N(end+1), usual(d, 6, 0, end+1, end+1000, -1, -2))
}

// leaderEpoch is what a client believes: the brokers of these checks never lose their leaderships.
func (d *draw) leaderEpoch() int32 { return usual[int32](d, 4, -1, 0, 0, 1, 7) }

// producer picks one that there is; nil else.
func (d *draw) producer(w *world, names ...string) *producerState {
	return w.producers[pick(d, names...)]
}

func (d *draw) epoch(p *producerState) int16 { return usual(d, 12, p.epoch, p.epoch+1, p.epoch-1) }

// epochIn is the epoch for a request; in the versions that tell a wrong one otherwise than later ones, up to last, it is wrong more often.
func (d *draw) epochIn(p *producerState, last int16) int16 {
	if d.version <= last && d.once(3) {
		return pick(d, p.epoch+1, max(p.epoch-2, 0))
	}
	return d.epoch(p)
}

func (d *draw) producerID(w *world, p *producerState) int64 {
	return usual(d, 30, p.id, w.stranger, -1)
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return wire.Ptr(s)
}
