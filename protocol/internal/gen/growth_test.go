//go:build !race

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// shape is what a frame is made of.
type shape struct {
	name    string
	present bool // what may be null is there
	text    int  // bytes of each text that is there
	bad     bool // they are not UTF-8
	knows   bool // tagged fields of the schema are there
	tags    int  // unknown tagged fields of each struct
	inner   int  // elements of the arrays on the way to the array that fills the frame
	behind  int  // elements of all other arrays
}

// worst are the shapes that take most memory for their bytes.
var worst = []shape{
	{name: "null", inner: 1},
	{name: "empty", present: true, inner: 1},
	{name: "tagged", present: true, knows: true, inner: 3},
	{name: "one unknown tag", tags: 1, inner: 1},
	{name: "a thousand unknown tags", tags: 1000, inner: 1},
	{name: "one in each array", present: true, inner: 1, behind: 1},
	{name: "texts of 2", text: 2, present: true, inner: 1},
	{name: "texts of 9", text: 9, present: true, inner: 3, behind: 1},
	{name: "texts of 9 that are none", text: 9, bad: true, present: true, inner: 3},
}

// honest are the smallest shapes that a broker or a client would send much of: nothing is there but names.
var honest = []shape{
	{name: "names", text: 12, inner: 2, behind: 1},
	{name: "names, nothing null", text: 12, present: true, inner: 2, behind: 1},
	{name: "names alone", text: 12, inner: 1},
}

// frames writes messages of one version from the facts alone.
type frames struct {
	m       *Message
	version int16
	flex    bool
	shape   shape
	many    *Field // the array that fills the frame
	path    map[*Field]bool
	n       int // its elements
	b       []byte
}

func within(s span, v int16) bool { return s.from <= v && v <= s.to }

func (w *frames) length(n int, plain int) {
	switch {
	case w.flex:
		w.b = wire.AppendUvarint(w.b, uint64(n+1))
	case plain == 2:
		w.b = binary.BigEndian.AppendUint16(w.b, uint16(n))
	default:
		w.b = binary.BigEndian.AppendUint32(w.b, uint32(n))
	}
}

func (w *frames) fields(fields []*Field) {
	var tagged []*Field
	for _, f := range fields {
		if !within(f.versions, w.version) {
			continue
		}
		if within(f.tagged, w.version) {
			if w.path[f] || w.shape.knows {
				tagged = append(tagged, f)
			}
			continue
		}
		w.field(f, false)
	}
	if !w.flex {
		return
	}
	sort.Slice(tagged, func(i, j int) bool { return *tagged[i].Tag < *tagged[j].Tag })
	w.b = wire.AppendUvarint(w.b, uint64(len(tagged)+w.shape.tags))
	for _, f := range tagged {
		w.b = wire.AppendUvarint(w.b, uint64(*f.Tag))
		old := w.b
		w.b = nil
		w.field(f, true)
		data := w.b
		w.b = append(wire.AppendUvarint(old, uint64(len(data))), data...)
	}
	for i := range w.shape.tags {
		w.b = wire.AppendUvarint(w.b, uint64(100+i))
		w.b = append(w.b, 0)
	}
}

func (w *frames) field(f *Field, inTag bool) {
	if f.FlexibleVersions == "none" {
		flex := w.flex
		w.flex = false
		defer func() { w.flex = flex }()
	}
	null := within(f.nullable, w.version) && !w.shape.present && !w.path[f]
	switch {
	case f.array:
		n := 0
		switch {
		case f == w.many:
			n = w.n
		case w.path[f]:
			n = w.shape.inner
		default:
			n = w.shape.behind
		}
		w.length(n, 4)
		if n > 0 { // all are alike
			start := len(w.b)
			w.element(f)
			w.b = append(w.b, bytes.Repeat(w.b[start:], n-1)...)
		}
	case f.structName != "":
		if !f.nullable.none() && within(f.nullable, w.version) {
			if null {
				if inTag {
					w.b = append(w.b, 0)
				} else {
					w.b = append(w.b, 0xff)
				}
				return
			}
			w.b = append(w.b, 1)
		}
		w.fields(w.m.structOf(f).Fields)
	case null && f.element == "string":
		w.length(-1, 2)
	case null:
		w.length(-1, 4)
	default:
		w.element(f)
	}
}

func (w *frames) element(f *Field) {
	switch {
	case f.structName != "":
		w.fields(w.m.structOf(f).Fields)
	case f.element == "string":
		w.length(w.shape.text, 2)
		letter := "a"
		if w.shape.bad {
			letter = "\xff"
		}
		w.b = append(w.b, strings.Repeat(letter, w.shape.text)...)
	case f.element == "bytes" || f.element == "records":
		w.length(0, 4)
	default:
		w.b = append(w.b, make([]byte, sizes[f.element])...)
	}
}

// frame has as many elements of the array that way ends with as size bytes hold; with no way, only what each struct has.
func frame(m *Message, version int16, s shape, way []*Field, size int) []byte {
	w := &frames{m: m, version: version, flex: within(m.flexible, version), shape: s, path: map[*Field]bool{}}
	for _, f := range way {
		w.path[f] = true
	}
	write := func(n int) []byte {
		w.n, w.b = n, nil
		w.fields(m.Fields)
		return w.b
	}
	if len(way) == 0 {
		return write(0)
	}
	w.many = way[len(way)-1]
	one, two := len(write(1)), len(write(2))
	return write(1 + max(0, size-one)/(two-one))
}

// ways are the ways to all arrays of a version, and none.
func ways(m *Message, version int16) [][]*Field {
	all := [][]*Field{nil}
	var look func(way, fields []*Field)
	look = func(way, fields []*Field) {
		for _, f := range fields {
			if !within(f.versions, version) {
				continue
			}
			way := append(way[:len(way):len(way)], f)
			if f.array {
				all = append(all, way)
			}
			if f.structName != "" {
				look(way, m.structOf(f).Fields)
			}
		}
	}
	look(nil, m.Fields)
	return all
}

// allocated is what f allocates, in bytes: the least of some runs if it is more than most, since the runtime allocates too.
func allocated(most uint64, f func()) uint64 {
	least := uint64(math.MaxUint64)
	for range 3 {
		var a, b runtime.MemStats
		runtime.ReadMemStats(&a)
		f()
		runtime.ReadMemStats(&b)
		if least = min(least, b.TotalAlloc-a.TotalAlloc); least <= most {
			break
		}
	}
	return least
}

// eachFrame gives the frames of every message, every version, every array, and every shape.
func eachFrame(t *testing.T, shapes []shape, each func(what string, made func() wire.Message, version int16, b []byte)) {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(1000))
	facts, err := load("../../../schemas")
	if err != nil {
		t.Fatal(err)
	}
	all := func(m *Message, made func() wire.Message) {
		for version := m.valid.from; version <= m.valid.to; version++ {
			for _, way := range ways(m, version) {
				what := fmt.Sprintf("%s v%d", m.Name, version)
				for _, f := range way {
					what += "." + f.Name
				}
				seen := map[string]bool{}
				for _, s := range shapes {
					if b := frame(m, version, s, way, 64<<10); !seen[string(b)] {
						seen[string(b)] = true
						each(what+", "+s.name, made, version, b)
					}
				}
			}
		}
	}
	for _, a := range facts.apis {
		all(a.Request, func() wire.Message { return msg.NewRequest(a.Key) })
		all(a.Response, func() wire.Message { return msg.NewRequest(a.Key).NewResponse() })
	}
	for _, g := range facts.groups {
		for _, m := range g.messages {
			all(m, func() wire.Message { return msg.NewData(m.Name) })
		}
	}
}

// said is what telling of an error may allocate.
const said = 2 << 10

// Reading takes memory in proportion to the bytes that came, whatever they are: of every version of every message, with as much as a frame
// holds of any of its arrays.
func TestWhatIsReadIsInProportion(t *testing.T) {
	refused := 0
	eachFrame(t, worst, func(what string, made func() wire.Message, version int16, b []byte) {
		for i, b := range [][]byte{b, b[:len(b)*3/4]} {
			m, most := made(), uint64(wire.MaxGrowth*len(b)+wire.FreeGrowth+said)
			var err error
			if n := allocated(most, func() { err = protocol.Read(m, b, version) }); n > most {
				t.Errorf("%s: %d bytes took %d, %.1f times, %v", what, len(b), n, float64(n)/float64(len(b)), err)
			}
			switch {
			case errors.Is(err, wire.ErrGrowth):
				refused++
			case i == 0 && err != nil:
				t.Errorf("%s: it was written wrong: %v", what, err)
			}
			if !strings.HasSuffix(what, worst[0].name) { // of one shape it is read as it is, and cut off
				break
			}
		}
	})
	if refused == 0 {
		t.Error("no frame was refused")
	}
}

// Who has not much time reads as much as it has time for, and what is more is told.
func TestWhatIsReadBrieflyIsBounded(t *testing.T) {
	const most = 8 << 10
	much := 0
	eachFrame(t, worst, func(what string, made func() wire.Message, version int16, b []byte) {
		m, bound := made(), uint64(most+said)
		var err error
		if n := allocated(bound, func() { _, err = wire.ReadBriefly(m, b, version, most) }); n > bound {
			t.Errorf("%s: %d bytes took %d, %v", what, len(b), n, err)
		}
		switch {
		case errors.Is(err, wire.ErrMuch):
			much++
		case err != nil:
			t.Errorf("%s: %v", what, err)
		}
		if _, err := wire.ReadBriefly(made(), b, version, 1<<30); err != nil && !errors.Is(err, wire.ErrGrowth) {
			t.Errorf("%s: %v", what, err)
		}
	})
	if much == 0 {
		t.Error("all of them are short")
	}
}

// meagre take more than their share, and wire.FreeGrowth is what lets them be read: nobody sends thousands of them.
var meagre = []string{
	"FetchResponse v0", "FetchResponse v1", "FetchResponse v2", "FetchResponse v3", // partitions without records, of brokers before 0.11
	"DeleteAclsResponse",                            // filters that found nothing
	"StreamsGroupHeartbeat", "StreamsGroupTopology", // topologies
	"UpdateMetadata",                                   // brokers without end points
	"CreatePartitionsRequest",                          // assignments without brokers
	"ListPartitionReassignments",                       // partitions without replicas
	"DescribeClientQuotasResponse", "AlterClientQuota", // quotas of nobody
}

// An honest frame is not refused, however long it is: what it takes in memory is within its share without what is free.
func TestHonestFramesAreRead(t *testing.T) {
	eachFrame(t, honest, func(what string, made func() wire.Message, version int16, b []byte) {
		if slices.ContainsFunc(meagre, func(s string) bool { return strings.HasPrefix(what, s) }) {
			return
		}
		m, most := made(), uint64(wire.MaxGrowth*len(b)+said)
		var err error
		if n := allocated(most, func() { err = protocol.Read(m, b, version) }); n > most || err != nil {
			t.Errorf("%s: %d bytes took %d, %.1f times, %v", what, len(b), n, float64(n)/float64(len(b)), err)
		}
	})
}
