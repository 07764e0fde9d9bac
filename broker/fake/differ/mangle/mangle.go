// Package mangle makes requests that no client sends: it changes bytes of frames, mostly where fields begin and end.
package mangle

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Field is a piece of a frame that is read at once: a number, a length, or what a length is of.
type Field struct {
	Name     string // as the schema has it; those of the header begin with "header"
	From, To int    // in the frame without its size
}

// longest is how many bytes of a frame are looked at for fields: what comes behind is one.
const longest = 2000

// Fields gives the fields of a request frame (without its size) in the order of the wire. Where the reading of a part of it stops is where a field begins.
func Fields(frame []byte) []Field {
	f := protocol.ReadRequest(frame)
	if f.Request == nil {
		return []Field{{"header", 0, len(frame)}}
	}
	starts := []Field{{Name: "header API key"}, {Name: "header version", From: 2}, {Name: "header correlation", From: 4}}
	begins := func(name string, at int) {
		if at > starts[len(starts)-1].From {
			starts = append(starts, Field{Name: name, From: at})
		}
	}
	hv := f.Request.HeaderVersion(f.Version)
	var h msg.RequestHeader
	body, _ := wire.Read(&h, frame, hv)
	for n := 8; n < body; n++ {
		if at, name, ok := stops(&h, frame[:n], hv); ok {
			begins("header "+name, at)
		}
	}
	for n := range min(len(frame)-body, longest) {
		if at, name, ok := stops(protocol.NewRequest(f.Header.RequestApiKey), frame[body:body+n], f.Version); ok {
			begins(name, body+at)
		}
	}
	for i := range starts {
		starts[i].To = len(frame)
		if i+1 < len(starts) {
			starts[i].To = starts[i+1].From
		}
	}
	return starts
}

// stops reads what ends too early, and tells where it stops, and at which field.
func stops(m protocol.Message, b []byte, version int16) (at int, name string, ok bool) {
	n, err := wire.Read(m, b, version)
	if !errors.Is(err, wire.ErrShort) && !errors.Is(err, wire.ErrLength) {
		return 0, "", false
	}
	words := strings.Fields(err.Error())
	if i := slices.Index(words, "at"); i > 0 {
		name = words[i-1]
	}
	return n, name, true
}

// Frame gives a request frame (without its size) with some bytes changed. The same draws change frames alike that differ only in the values of their ids.
func Frame(rng *rand.Rand, frame []byte) []byte {
	out := slices.Clone(frame)
	fields := Fields(frame)
	for range 1 + rng.IntN(4)/3 {
		f := fields[rng.IntN(len(fields))]
		if f.From < 8 && rng.IntN(8) > 0 { // what the header begins with is soon seen
			f = fields[rng.IntN(len(fields))]
		}
		f.From, f.To = min(f.From, len(out)), min(f.To, len(out))
		out = change(rng, out, f)
	}
	return out
}

// varints are such that are at the edges, too long, or longer than they need be.
var varints = [][]byte{{0}, {1}, {2}, {3}, {0x7f}, {0x80, 1}, {0x80, 0}, {0x81, 0x80, 0}, {0xff, 0xff, 3}, {0x80, 0x80, 4}, {0xff, 0xff, 0xff, 0xff, 7}, {0x80, 0x80, 0x80, 0x80, 8}, {0xff, 0xff, 0xff, 0xff, 0xf}, {0xff, 0xff, 0xff, 0xff, 0x1f},
	{0x81, 0x80, 0x80, 0x80, 0x10}, {0x81, 0x80, 0x80, 0x80, 0x80, 0}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}}

// texts are such that are no UTF-8, or rare.
var texts = [][]byte{{0xff}, {0xff, 0xfe}, {0xc0, 0x80}, {0xed, 0xa0, 0x80}, {0xe2, 0x82}, {0xe2, 0x82, 'x'}, {0xf0, 0x9f, 0x98, 0x80}, {0xf0, 0x9f, 0x98}, {0xf4, 0x90, 0x80, 0x80}, {0}, {0xc3, 0xa9}, {0xef, 0xbf, 0xbd}, {0xf8, 0x88, 0x80, 0x80, 0x80}, {' '}}

// tags are sections of tagged fields: unknown ones, one twice, in descending order, of more than there is.
var tags = [][]byte{{1, 0, 0}, {1, 0, 1, 0}, {1, 99, 3, 1, 2, 3}, {2, 5, 0, 5, 0}, {2, 5, 0, 4, 0}, {2, 4, 1, 9, 5, 0}, {1, 5, 100}, {2, 7, 0}, {1, 0xff, 0xff, 0xff, 0xff, 7, 0}, {1, 0xff, 0xff, 0xff, 0xff, 0xf, 0}, {1, 0x85, 0, 0}, {0x81, 0, 5, 0}, {0xff, 0xff, 0xff, 0xff, 0xf},
	{3, 0, 0, 1, 0, 2, 0}, {1, 1, 1, 1}, {1, 2, 1, 0}}

// numbers are at the edges of their width.
var numbers = []int64{0, 1, 2, 3, 5, -1, -2, -3, -1 << 15, 1<<15 - 1, 1 << 15, -1 << 31, 1<<31 - 1, -1 << 63, 1<<63 - 1, 255, 256, 65535}

func change(rng *rand.Rand, b []byte, f Field) []byte {
	width := f.To - f.From
	put := func(from, to int, with ...byte) []byte { return slices.Concat(b[:from], with, b[to:]) }
	inside := f.From
	if width > 0 {
		inside += rng.IntN(width)
	}
	switch rng.IntN(12) {
	case 0, 1, 2: // another number
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(numbers[rng.IntN(len(numbers))]))
		switch width {
		case 1, 2, 4, 8:
			return put(f.From, f.To, n[8-width:]...)
		case 0:
			return b
		}
		return put(inside, inside+1, n[7])
	case 3, 4: // another varint, or one behind which something is left
		return put(f.From, f.From+min(width, 1), varints[rng.IntN(len(varints))]...)
	case 5: // no UTF-8
		with := texts[rng.IntN(len(texts))]
		return put(inside, min(inside+len(with), len(b)), with...)
	case 6: // tagged fields
		with := tags[rng.IntN(len(tags))]
		if rng.IntN(2) == 0 && len(b) > 0 && b[len(b)-1] == 0 {
			return put(len(b)-1, len(b), with...)
		}
		return put(f.From, f.From+min(width, 1), with...)
	case 7: // it ends here
		return slices.Clone(b[:inside])
	case 8: // more at the end
		return append(b, []byte{0, 1, 0xff}[rng.IntN(3)], byte(rng.Uint32()))
	case 9: // something is left out, or comes twice
		if rng.IntN(2) == 0 {
			return put(f.From, f.To)
		}
		return put(f.To, f.To, b[f.From:f.To]...)
	case 10: // one more, or one less
		if width == 0 {
			return b
		}
		out := slices.Clone(b)
		out[f.To-1] += byte(rng.IntN(2)*2 - 1)
		return out
	default: // a byte that is anything
		if width == 0 {
			return b
		}
		return put(inside, inside+1, byte(rng.Uint32()))
	}
}

// Harmless tells whether a request may be sent to a broker that others use, and is answered soon. It is false of
//
//   - topics with more than 50 partitions, and configurations of brokers: others would notice,
//   - APIs that are not in offered,
//   - what waits for long: fetches of more than half a second,
//   - changes of topics that are to be done within less than ten seconds: busy brokers take longer.
func Harmless(frame []byte, offered protocol.Ranges) bool {
	if len(frame) < 8 {
		return true
	}
	if _, ok := offered.Get(int16(binary.BigEndian.Uint16(frame))); !ok {
		return false
	}
	const most = 50
	switch m := protocol.ReadRequest(frame).Request.(type) {
	case *msg.CreateTopicsRequest:
		if hasty(m.TimeoutMs) {
			return false
		}
		for _, t := range m.Topics {
			if t.NumPartitions > most || len(t.Assignments) > most {
				return false
			}
		}
	case *msg.CreatePartitionsRequest:
		if hasty(m.TimeoutMs) {
			return false
		}
		for _, t := range m.Topics {
			if t.Count > most {
				return false
			}
		}
	case *msg.AlterConfigsRequest:
		return !slices.ContainsFunc(m.Resources, func(r msg.AlterConfigsRequestAlterConfigsResource) bool { return r.ResourceType > topic })
	case *msg.IncrementalAlterConfigsRequest:
		return !slices.ContainsFunc(m.Resources, func(r msg.IncrementalAlterConfigsRequestAlterConfigsResource) bool { return r.ResourceType > topic })
	case *msg.FetchRequest:
		return m.MaxWaitMs <= 500
	}
	return true
}

// hasty tells whether it is a matter of chance that a controller does something within a time.
func hasty(timeoutMs int32) bool { return timeoutMs > 0 && timeoutMs < 10_000 }

// topic is the type of resources that topics are; those behind it are brokers, their loggers, and what clients share.
const topic = 2
