package main

import (
	"fmt"
	"slices"
)

// assignParts gives the one member partitions.
func (g *generator) assignParts() {
	g.parts = g.some(g.all())
	g.add(Step{Op: "assign", Member: "m0", Parts: g.parts})
	for p := range g.paused {
		if !slices.Contains(g.parts, p) {
			delete(g.paused, p)
		}
	}
	g.ready("m0")
}

// byHand is a consumer whose partitions are assigned by hand.
func (g *generator) byHand() {
	g.open("m0")
	if g.IntN(4) == 0 {
		g.add(Step{Op: "poll", Member: "m0"})
	}
	g.assignParts()
	for range 6 + g.IntN(10) {
		switch g.IntN(12) {
		case 0:
			g.assignParts()
		case 1:
			g.wrong()
		default:
			g.any()
		}
	}
	g.settle("m0")
	g.finish("m0")
}

// alone is a consumer that is the only member of its group.
func (g *generator) alone() {
	g.open("m0")
	g.subscribeTo("m0")
	for range 5 + g.IntN(8) {
		switch g.IntN(14) {
		case 0:
			g.settle("m0")
			if g.subscribed() == nil { // names do not follow a pattern
				continue
			}
			g.subscribeTo("m0")
		case 1:
			g.settle("m0")
			g.add(Step{Op: "commit", Member: "m0"}) // kactor's Unsubscribe does, if it commits automatically; Java's does not
			g.add(Step{Op: "unsubscribe", Member: "m0"})
			clear(g.paused)
			g.subscribeTo("m0")
		case 2:
			if g.lost() || g.lasting() {
				continue
			}
			g.settle("m0")
			t := g.topic()
			g.topics[t]++
			g.add(Step{Op: "grow", Topic: t, Count: int64(g.topics[t])})
			g.settle("m0")
			if len(g.subscribed()) > 0 {
				g.parts = g.all(g.subscribed()...)
			}
		case 3:
			g.settle("m0")
			g.add(Step{Op: "close", Member: "m0"})
			g.add(Step{Op: "group"})
			if g.IntN(2) == 0 && g.config["auto.offset.reset"] != "latest" {
				g.write()
			}
			clear(g.paused)
			g.open("m0")
			g.subscribeTo("m0")
		case 4:
			g.wrong()
		default:
			g.any()
		}
	}
	g.settle("m0")
	g.finish("m0")
}

// subscribed are the topics of the last subscription.
func (g *generator) subscribed() []string {
	for _, s := range slices.Backward(g.script.Steps) {
		switch s.Op {
		case "open", "unsubscribe":
			return []string{}
		case "subscribe":
			return s.Topics
		case "pattern":
			return nil
		}
	}
	return nil
}

func (g *generator) subscribeTo(member string) {
	var names []string
	for t := range g.topics {
		names = append(names, t)
	}
	slices.Sort(names)
	if len(g.subscribed()) == 0 && g.IntN(3) == 0 {
		g.add(Step{Op: "pattern", Member: member, Topic: "t[0-9]"})
		g.parts = g.all()
	} else {
		names = g.some(names)
		g.add(Step{Op: "subscribe", Member: member, Topics: names})
		g.parts = g.all(names...)
	}
	for p := range g.paused {
		if !slices.Contains(g.parts, p) {
			delete(g.paused, p)
		}
	}
	g.ready(member)
}

// together is a group of some members that come and go.
func (g *generator) together() {
	var members []string
	born := 0
	join := func() {
		m := fmt.Sprintf("m%d", born)
		born++
		g.open(m)
		g.add(Step{Op: "subscribe", Member: m, Topics: []string{"t0"}})
		members = append(members, m)
		g.settle(members...)
	}
	calm := func() { // all is read and committed: where a partition goes on does not depend on when it is given up
		g.settle(members...)
		for _, m := range members {
			g.add(Step{Op: "commit", Member: m})
		}
	}
	join()
	for range 5 + g.IntN(6) {
		switch n := g.IntN(8); {
		case n < 2 && len(members) < 3:
			calm()
			join()
		case n < 4 && len(members) > 1:
			calm()
			i := g.IntN(len(members))
			g.add(Step{Op: "close", Member: members[i]})
			members = slices.Delete(members, i, i+1)
			g.settle(members...)
		case n == 4:
			calm()
			g.topics["t0"]++
			g.add(Step{Op: "grow", Topic: "t0", Count: int64(g.topics["t0"])})
			g.settle(members...)
		case n == 5:
			calm()
			g.add(Step{Op: "group"})
		default:
			g.write()
			g.settle(members...)
		}
	}
	calm()
	g.finish(members...)
}

// stalling is a group of which a member does not poll for longer than max.poll.interval.ms.
func (g *generator) stalling() {
	g.config["max.poll.interval.ms"] = "6000"
	g.open("m0")
	g.add(Step{Op: "subscribe", Member: "m0", Topics: []string{"t0"}})
	g.settle("m0")
	if g.config["auto.offset.reset"] != "latest" {
		g.write()
	}
	g.settle("m0")
	if g.IntN(2) == 0 {
		g.add(Step{Op: "commit", Member: "m0"})
	}
	g.add(Step{Op: "stall", Count: 9000})
	switch g.IntN(3) {
	case 0:
		g.add(Step{Op: "commit", Member: "m0"})
	case 1:
		g.open("m1")
		g.add(Step{Op: "subscribe", Member: "m1", Topics: []string{"t0"}})
		g.settle("m1")
		g.add(Step{Op: "commit", Member: "m1"})
		g.settle("m0", "m1")
		g.finish("m0", "m1")
		return
	}
	g.settle("m0")
	g.write()
	g.settle("m0")
	g.finish("m0")
}

// recreating is a consumer whose topic is deleted and created again.
func (g *generator) recreating() {
	g.open("m0")
	if g.IntN(3) == 0 {
		g.assignParts()
	} else {
		g.subscribeTo("m0")
	}
	names, manual := g.subscribed(), g.config["enable.auto.commit"] == "false" // nil: all
	several := manual && len(g.topics) > 1 && (names == nil || len(names) > 1) // what was read and not committed is read once more, if the group is rebalanced
	for range 1 + g.IntN(3) {
		g.write()
		g.settle("m0")
		if g.group && g.IntN(2) == 0 {
			g.add(Step{Op: "commit", Member: "m0"})
		}
		t, n := g.topic(), 0
		n = g.topics[t]
		g.finishOpen()
		if several { // where other topics are read from then does not depend on what was read before
			g.add(Step{Op: "commit", Member: "m0"})
		}
		g.add(Step{Op: "delete", Topic: t})
		if g.IntN(2) == 0 {
			g.settle("m0")
		}
		g.create(t, n)
		if g.config["auto.offset.reset"] == "latest" {
			g.settle("m0")
		}
		if several {
			g.writeTo(g.all(t))
		} else {
			g.write()
		}
		g.settle("m0")
		g.write()
		g.settle("m0")
	}
	g.finish("m0")
}

// finishOpen ends the transaction that is under way: one in a topic that is deleted has another end.
func (g *generator) finishOpen() {
	if g.under {
		g.under = false
		g.add(Step{Op: "finish", Commit: true})
		g.settle("m0")
	}
}
