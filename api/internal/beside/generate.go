package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// generator makes a script from a seed. It follows what its steps bring about as far as it must to ask only for what is determined: an offset is not committed before the position is known, and records are
// not written while a consumer that begins at the end may not have begun.
type generator struct {
	*rand.Rand
	script Script
	topics map[string]int // partitions of each
	under  bool           // a transaction is under way
	serial int            // of records
	config map[string]string
	group  bool
	paused map[string]bool
	parts  []string // what the one member has, where there is one
}

// kinds of scripts, by how often they come.
var kinds = []struct {
	name  string
	often int
	play  func(*generator)
}{
	{"assign", 35, (*generator).byHand},
	{"subscribe", 25, (*generator).alone},
	{"group", 20, (*generator).together},
	{"stall", 5, (*generator).stalling},
	{"recreate", 15, (*generator).recreating},
}

func generate(seed uint64, protocol, only string) Script {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 7)), topics: map[string]int{}, paused: map[string]bool{}}
	g.script = Script{Seed: seed, Protocol: protocol}
	n := g.IntN(100)
	for _, k := range kinds {
		if n -= k.often; n < 0 && only == "" || only == k.name {
			g.script.Kind = k.name
			g.begin(k.name)
			k.play(g)
			break
		}
	}
	return g.script
}

func (g *generator) add(s Step) { g.script.Steps = append(g.script.Steps, s) }

// begin makes topics with records, and chooses the configuration of the members.
func (g *generator) begin(kind string) {
	g.group = kind != "assign" || g.IntN(4) > 0
	reset := []string{"earliest", "earliest", "earliest", "latest", "by_duration:PT1H", "none"}[g.IntN(6)]
	topics, parts := 1+g.IntN(2), 1+g.IntN(3)
	if reset == "none" { // which error comes first is open where there are more
		topics, parts = 1, 1
	}
	g.config = map[string]string{"auto.offset.reset": reset, "enable.auto.commit": "false", "auto.commit.interval.ms": "3600000", "isolation.level": []string{"read_committed", "read_uncommitted"}[g.IntN(2)],
		"max.poll.records": []string{"1", "500"}[g.IntN(2)], "metadata.max.age.ms": "500", "allow.auto.create.topics": "false", "fetch.max.wait.ms": "100"}
	if g.group {
		g.config["group.id"] = "g"
		g.config["group.protocol"] = g.script.Protocol
		g.config["enable.auto.commit"] = strconv.FormatBool(g.IntN(2) == 0)
		if g.script.Protocol == "classic" {
			g.config["heartbeat.interval.ms"] = "300"
			g.config["partition.assignment.strategy"] = "org.apache.kafka.clients.consumer." + []string{"RangeAssignor", "RangeAssignor", "RoundRobinAssignor", "StickyAssignor", "CooperativeStickyAssignor"}[g.IntN(5)]
		}
		if g.IntN(5) == 0 {
			g.config["group.instance.id"] = "static"
		}
	}
	if kind == "group" || kind == "stall" {
		parts++
		delete(g.config, "group.instance.id")
	}
	if g.lost() && kind != "assign" && kind != "subscribe" {
		g.config["auto.offset.reset"] = "earliest"
	}
	for i := range topics {
		g.create(fmt.Sprintf("t%d", i), parts)
	}
	if g.lasting() {
		if kind != "assign" && kind != "subscribe" {
			g.config["auto.offset.reset"] = "latest"
		}
		for _, p := range g.all() {
			g.add(Step{Op: "produce", Records: g.fresh(p)})
		}
	}
	for range g.IntN(4) {
		g.write()
	}
}

// lasting tells whether partitions begin a while ago. Where no record is as new, Java's client waits for one, and kactor goes to the end: so there is one everywhere.
func (g *generator) lasting() bool {
	return strings.HasPrefix(g.config["auto.offset.reset"], "by_duration")
}

func (g *generator) fresh(part string) []Record {
	r := g.records([]string{part})[:1]
	r[0].Time = int64(g.serial) * 1000
	return r
}

func (g *generator) create(topic string, parts int) {
	g.topics[topic] = parts
	g.add(Step{Op: "create", Topic: topic, Count: int64(parts)})
}

// all are the partitions of topics that exist, in order.
func (g *generator) all(topics ...string) (out []string) {
	for _, t := range slices.Sorted(maps.Keys(g.topics)) {
		for p := range g.topics[t] {
			if len(topics) == 0 || slices.Contains(topics, t) {
				out = append(out, fmt.Sprintf("%s/%d", t, p))
			}
		}
	}
	return out
}

func (g *generator) topic() string {
	names := slices.Sorted(maps.Keys(g.topics))
	return names[g.IntN(len(names))]
}

func (g *generator) one(from []string) string { return from[g.IntN(len(from))] }

// some chooses at least one.
func (g *generator) some(from []string) []string {
	from = slices.Clone(from)
	g.Shuffle(len(from), func(i, k int) { from[i], from[k] = from[k], from[i] })
	from = from[:1+g.IntN(len(from))]
	slices.Sort(from)
	return from
}

func (g *generator) records(parts []string) (out []Record) {
	word := func(s string) *string { return &s }
	for range 1 + g.IntN(12) {
		g.serial++
		r := Record{Part: g.one(parts), Value: word(fmt.Sprintf("v%d", g.serial)), Time: int64(g.serial) * 1000}
		if g.IntN(3) == 0 {
			r.Time -= 7_200_000 // beyond what by_duration reads
		}
		if g.IntN(2) == 0 {
			r.Key = word(fmt.Sprintf("k%d", g.IntN(5)))
		}
		if g.IntN(8) == 0 {
			r.Value = nil
		}
		for i := range g.IntN(3) {
			h := [2]*string{word(fmt.Sprintf("h%d", i)), word("x")}
			if g.IntN(4) == 0 {
				h[1] = nil
			}
			r.Headers = append(r.Headers, h)
		}
		out = append(out, r)
	}
	return out
}

// write writes records, perhaps in a transaction.
func (g *generator) write() { g.writeTo(g.all()) }

func (g *generator) writeTo(parts []string) {
	s := Step{Op: "produce", Records: g.records(parts)}
	switch g.IntN(5) {
	case 0, 1:
		s.Op, s.Commit = "transaction", g.IntN(2) == 0
	case 2:
		if g.under {
			g.under = false
			s = Step{Op: "finish", Commit: g.IntN(2) == 0}
		} else if g.IntN(2) == 0 {
			g.under = true
			s.Op = "begin"
		}
	}
	if g.under && s.Op == "transaction" { // it would have the same id
		s.Op = "produce"
	}
	g.add(s)
}

func (g *generator) open(name string) {
	config := maps.Clone(g.config)
	g.add(Step{Op: "open", Member: name, Config: config})
}

func (g *generator) settle(members ...string) {
	s := Step{Op: "settle", Members: slices.Clone(members)}
	if g.script.Kind == "recreate" { // a position in the old topic may be the end of the new one: until clients hear of that nothing is certain
		s.Count = 3000
	}
	g.add(s)

}

// finish ends a script.
func (g *generator) finish(members ...string) {
	if g.under {
		g.add(Step{Op: "finish", Commit: g.IntN(2) == 0})
		if len(members) > 0 {
			g.settle(members...)
		}
	}
	for _, m := range members {
		g.add(Step{Op: "close", Member: m})
	}
	if g.group {
		g.add(Step{Op: "group"})
	}
}

// ready lets one member begin everywhere. With auto.offset.reset=none it may be told that it has no position, and is given one: how often it would be told is open.
func (g *generator) ready(member string) {
	g.settle(member)
	if !g.lost() {
		return
	}
	for _, p := range g.parts {
		g.add(Step{Op: "seek", Member: member, Parts: []string{p}, Count: 0})
	}
	g.settle(member)
}

// lost tells whether partitions are without a position where there is no record.
func (g *generator) lost() bool { return g.config["auto.offset.reset"] == "none" }
