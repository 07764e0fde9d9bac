package drain_test

import (
	"slices"
	"time"

	"github.com/kactor-go/kactor/actors/sim/explore"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/wire"
	"github.com/kactor-go/kactor/sender/internal/drain"
)

// faulty adds what may go wrong.
func (w *world) faulty(out []explore.Event) []explore.Event {
	add := func(name string, of int, do func()) {
		out = append(out, explore.Event{Name: name, Of: of, Fault: true, Do: func() { w.faults--; w.wounds(); do() }})
	}
	r := &w.rules
	for i := range w.brokers {
		w.ofBrokerFails(i, add)
	}
	if r.moves {
		add("the other broker leads", 0, func() { w.elect(0) })
	}
	if r.elects && len(w.log.batches) > 0 {
		add("the other broker leads, and lacks the latest batch", 0, func() { w.elect(1) })
	}
	if r.recreates {
		add("the topic is created again", 0, func() {
			w.log.lose(len(w.log.batches))
			w.topic = wire.UUID{w.topic[0] + 1}
			w.epoch = 0
			w.stale = true
		})
	}
	if r.forgets && !w.busy() && w.next > 0 && len(w.batches) == 0 { // it remembers for longer than anything is tried
		add("silence, after which the leader does not know the producer", 0, func() {
			w.log.forget()
			w.tick(w.now.Add(11 * time.Second))
		})
	}
	if next := w.core.Next(); r.slow && !next.IsZero() && w.busy() {
		add("time passes, slowly answered", 0, func() { w.tick(next) })
	}
	if r.noID && w.asked {
		add("no producer id today", 0, func() {
			w.asked = false
			w.step(&drain.Identity{Err: protocol.CoordinatorNotAvailable})
		})
		add("no producer id for you", 0, func() {
			w.asked = false
			w.step(&drain.Identity{Err: protocol.ClusterAuthorizationFailed})
		})
	}
	return out
}

// wounds notes that something goes wrong: what has no outcome may fail.
func (w *world) wounds() {
	for i := range w.hurt {
		w.hurt[i] = w.hurt[i] || len(w.told[i*w.rules.records]) == 0 || len(w.told[(i+1)*w.rules.records-1]) == 0
	}
}

// ofBrokerFails are the faults of a broker and its connection.
func (w *world) ofBrokerFails(i int, add func(string, int, func())) {
	b, node := &w.brokers[i], i+1
	open := slices.ContainsFunc(b.line, func(c *call) bool { return !c.ended })
	if w.rules.breaks && open {
		add("lost is all that is under way to and from broker", node, func() { w.end(node, false, true, false) })
		if slices.ContainsFunc(b.line, func(c *call) bool { return !c.handled && !c.ended }) {
			add("the connection ends, and what is under way comes still to broker", node, func() { w.end(node, true, true, false) })
		}
		if !slices.ContainsFunc(b.line, func(c *call) bool { return c.handled || c.ended || c.written }) {
			add("nothing can be sent to broker", node, func() { w.end(node, false, false, false) })
		}
	}
	if k := slices.IndexFunc(b.line, func(c *call) bool { return !c.handled && !c.ended }); k >= 0 && int32(node) == w.leader {
		for _, code := range w.rules.codes {
			add(code.Name()+" of broker", node, func() { w.handle(node, b.line[k], code) })
		}
	}
}

// end ends all calls of a broker's connection. comes: what is not handled is handled later; sent: some of it may have left.
func (w *world) end(node int, comes, sent, moved bool) {
	b := &w.brokers[node-1]
	for i, c := range b.line {
		if c.ended {
			continue
		}
		e := *c
		e.ended, e.sent, e.moved = true, sent, moved
		b.line[i] = &e
		if comes && !c.handled {
			late := *c
			b.still = append(b.still, &late)
		}
	}
}

// elect lets the other broker lead, without so many of the latest batches.
func (w *world) elect(lacks int) {
	if lacks > 0 {
		w.lacks = true
		w.log.lose(lacks)
	}
	w.leader = 3 - w.leader
	w.epoch++
	w.stale = true
}
