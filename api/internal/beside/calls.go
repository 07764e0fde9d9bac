package main

import (
	"maps"
	"slices"
)

// any does something that the one member may do.
func (g *generator) any() {
	if len(g.parts) == 0 {
		return
	}
	one := []string{g.one(g.parts)}
	switch g.IntN(20) {
	case 0, 1, 2:
		g.write()
		g.settle("m0")
	case 3:
		if g.config["max.poll.records"] == "1" && !g.paused[one[0]] {
			if g.config["auto.offset.reset"] != "latest" {
				g.write()
			}
			g.add(Step{Op: "take", Member: "m0", Parts: one, Count: int64(1 + g.IntN(4))})
		}
	case 4, 5:
		g.ended()
		g.add(Step{Op: "seek", Member: "m0", Parts: one, Count: int64(g.IntN(12))})
		if g.lost() {
			g.ready("m0")
		} else {
			g.settled()
		}
	case 6:
		g.seekTo("beginning")
	case 7:
		g.seekTo("ending")
	case 8:
		some := g.some(g.parts)
		for _, p := range some {
			g.paused[p] = true
		}
		g.add(Step{Op: "pause", Member: "m0", Parts: some})
		g.write()
		g.settle("m0")
	case 9:
		some := g.some(g.parts)
		for _, p := range some {
			delete(g.paused, p)
		}
		g.add(Step{Op: "resume", Member: "m0", Parts: some})
		g.settle("m0")
	case 10:
		g.add(Step{Op: "position", Member: "m0", Parts: g.parts})
	case 11, 12:
		g.commit()
	case 13:
		if g.group {
			g.add(Step{Op: "committed", Member: "m0", Parts: g.parts})
		}
	case 14:
		g.add(Step{Op: []string{"ends", "beginnings"}[g.IntN(2)], Member: "m0", Parts: g.some(g.all())})
	case 15:
		times := map[string]int64{}
		for _, p := range g.some(g.all()) {
			times[p] = int64(g.IntN(g.serial+3))*1000 - int64(g.IntN(2))*7_200_000
		}
		g.add(Step{Op: "times", Member: "m0", Offsets: times})
	case 16:
		g.add(Step{Op: "state", Member: "m0"})
	case 17:
		g.truncate()
	case 18:
		g.add(Step{Op: "wakeup", Member: "m0"})
		g.add(Step{Op: "poll", Member: "m0"})
	case 19:
		if g.group {
			g.add(Step{Op: "group"})
		}
	}
}

// ended ends the transaction that is under way if its records are not read yet: a position behind its beginning is neither out of range nor ever the end.
func (g *generator) ended() {
	if g.config["isolation.level"] == "read_committed" {
		g.finishOpen()
	}
}

// settled lets the member find its positions, also those of paused partitions.
func (g *generator) settled() {
	g.settle("m0")
	if g.IntN(3) == 0 {
		g.add(Step{Op: "position", Member: "m0", Parts: g.parts})
	}
}

// seekTo moves partitions to an end. Where they are is asked at once: clients find out when they like.
func (g *generator) seekTo(op string) {
	some := g.some(g.parts)
	if len(some) == len(g.parts) && g.IntN(2) == 0 {
		some = nil
	}
	g.add(Step{Op: op, Member: "m0", Parts: some})
	g.add(Step{Op: "position", Member: "m0", Parts: g.parts})
	g.settle("m0")
}

func (g *generator) commit() {
	if !g.group {
		return
	}
	if g.IntN(2) == 0 { // positions are known then
		g.settle("m0")
		g.add(Step{Op: "position", Member: "m0", Parts: g.parts})
	}
	switch g.IntN(4) {
	case 0:
		g.add(Step{Op: "commit async", Member: "m0"})
	case 1:
		offsets := map[string]int64{}
		for _, p := range g.some(g.parts) {
			offsets[p] = int64(g.IntN(10))
		}
		g.add(Step{Op: "commit these", Member: "m0", Offsets: offsets, Metadata: []string{"", "some text"}[g.IntN(2)]})
	default:
		g.add(Step{Op: "commit", Member: "m0"})
	}
}

// truncate deletes records. Who has fetched them may read them or not: so all is read before.
func (g *generator) truncate() {
	if g.lost() || g.lasting() {
		return
	}
	if len(g.paused) > 0 {
		some := slices.Sorted(maps.Keys(g.paused))
		clear(g.paused)
		g.add(Step{Op: "resume", Member: "m0", Parts: some})
	}
	g.ended()
	g.settle("m0")
	p := g.one(g.parts)
	g.add(Step{Op: "truncate", Offsets: map[string]int64{p: int64(g.IntN(4))}})
	g.add(Step{Op: "seek", Member: "m0", Parts: []string{p}, Count: int64(g.IntN(3))})
	g.settled()
}

// wrong does something that is refused.
func (g *generator) wrong() {
	alien := []string{"other/0"}
	wrong := []Step{
		{Op: "seek", Parts: alien, Count: 3},
		{Op: "pause", Parts: alien},
		{Op: "resume", Parts: alien},
		{Op: "position", Parts: alien},
		{Op: "beginning", Parts: alien},
		{Op: "ending", Parts: alien},
	}
	if len(g.parts) > 0 {
		wrong = append(wrong, Step{Op: "seek", Parts: g.parts[:1], Count: -3})
	}
	if g.group {
		other := "subscribe"
		if g.script.Kind == "assign" {
			wrong = append(wrong, Step{Op: other, Topics: []string{"t0"}})
		} else {
			wrong = append(wrong, Step{Op: "assign", Parts: g.all()})
		}
		wrong = append(wrong, Step{Op: "commit these", Offsets: map[string]int64{"t0/0": -1}})
	} else {
		wrong = append(wrong, Step{Op: "commit"}, Step{Op: "subscribe", Topics: []string{"t0"}}, Step{Op: "committed", Parts: g.all()})
	}
	s := wrong[g.IntN(len(wrong))]
	s.Member = "m0"
	g.add(s)
}
