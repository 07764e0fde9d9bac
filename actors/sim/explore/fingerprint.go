package explore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"time"
)

// fingerprint is what equal states have in common and no others.
type fingerprint [16]byte

// printer takes fingerprints. It writes a value down as it is: what a pointer points to where it is met first, and its number where it is met again, so it does not matter where in memory something is; maps by their keys, and
// times by how far they are from now. What is behind the length of a slice does not count, nor which slices share their memory; a nil slice is another than an empty one, because code may ask. Of a function only whether there
// is one.
type printer struct {
	forget map[string]bool
	names  map[string]bool
	fields map[reflect.Type][]field // that count
	used   map[string]bool          // of forget and names
	buf    []byte
	now    time.Time
	old    time.Duration // what is longer ago is all the same; 0: it is not
	met    map[pointer]uint64
	named  map[int64]uint64
}

// field is one of a struct.
type field struct {
	at   int
	name bool // of its number only counts where else it is
}

// pointer is one with its type: that to a struct and that to its first field have the same address.
type pointer struct {
	address uintptr
	of      reflect.Type
}

func newPrinter(forget, names []string) *printer {
	p := &printer{forget: map[string]bool{}, names: map[string]bool{}, fields: map[reflect.Type][]field{}, used: map[string]bool{}, met: map[pointer]uint64{}, named: map[int64]uint64{}}
	for _, f := range names {
		p.names[f] = true
	}
	for _, f := range forget {
		p.forget[f] = true
	}
	return p
}

func (p *printer) of(v any, now time.Time) (f fingerprint) {
	p.buf, p.now = p.buf[:0], now
	clear(p.met)
	clear(p.named)
	p.value(reflect.ValueOf(v))
	sum := sha256.Sum256(p.buf)
	copy(f[:], sum[:])
	return f
}

// check sees to it that what is forgotten was there: names change.
func (p *printer) check() {
	for _, fields := range []map[string]bool{p.forget, p.names} {
		for f := range fields {
			if !p.used[f] {
				panic("explore: no state has " + f)
			}
		}
	}
}

func (p *printer) number(n uint64) { p.buf = binary.AppendUvarint(p.buf, n) }

var timeType = reflect.TypeFor[time.Time]()

func (p *printer) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Invalid:
		p.buf = append(p.buf, 'n')
	case reflect.Bool:
		if v.Bool() {
			p.buf = append(p.buf, 1)
		} else {
			p.buf = append(p.buf, 0)
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		p.buf = binary.AppendVarint(p.buf, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		p.number(v.Uint())
	case reflect.Float32, reflect.Float64:
		p.number(math.Float64bits(v.Float()))
	case reflect.String:
		p.number(uint64(v.Len()))
		p.buf = append(p.buf, v.String()...)
	case reflect.Struct:
		p.structure(v)
	case reflect.Pointer:
		p.pointer(v)
	case reflect.Interface:
		if v.IsNil() {
			p.buf = append(p.buf, 'n')
			return
		}
		p.buf = append(p.buf, v.Elem().Type().String()...)
		p.value(v.Elem())
	case reflect.Slice:
		if v.IsNil() {
			p.buf = append(p.buf, 'n')
			return
		}
		p.buf = append(p.buf, 's')
		p.number(uint64(v.Len()))
		p.elements(v)
	case reflect.Array:
		p.elements(v)
	case reflect.Map:
		p.mapping(v)
	case reflect.Func:
		if v.IsNil() {
			p.buf = append(p.buf, 'n')
		} else {
			p.buf = append(p.buf, 'f')
		}
	default:
		panic(fmt.Sprintf("explore: %s is no part of a state", v.Type()))
	}
}

func (p *printer) elements(v reflect.Value) {
	for i := range v.Len() {
		p.value(v.Index(i))
	}
}

func (p *printer) structure(v reflect.Value) {
	t := v.Type()
	if t == timeType {
		p.time(v)
		return
	}
	fields, known := p.fields[t]
	if !known {
		for i := range t.NumField() {
			name := t.String() + "." + t.Field(i).Name
			p.used[name] = true
			if !p.forget[name] {
				fields = append(fields, field{i, p.names[name]})
			}
		}
		p.fields[t] = fields
	}
	for _, f := range fields {
		if f.name {
			p.name(v.Field(f.at))
		} else {
			p.value(v.Field(f.at))
		}
	}
}

// name writes a number that is a name: which of those that were met it is. 0 is none.
func (p *printer) name(v reflect.Value) {
	var n int64
	if v.CanInt() {
		n = v.Int()
	} else {
		n = int64(v.Uint())
	}
	if n == 0 {
		p.number(0)
		return
	}
	if _, again := p.named[n]; !again {
		p.named[n] = uint64(len(p.named)) + 1
	}
	p.number(p.named[n])
}

// time writes how far a time is from now. It may be in a field that is not exported, so it is read from what a time.Time is made of; one with a reading of the machine's clock has no business in a state.
func (p *printer) time(v reflect.Value) {
	wall, seconds := v.Field(0).Uint(), v.Field(1).Int()
	if wall>>63 != 0 {
		panic("explore: a time of the machine's clock is in a state")
	}
	if wall == 0 && seconds == 0 {
		p.buf = append(p.buf, 'z')
		return
	}
	const zero = 62135596800 // seconds from year 1 to 1970
	p.buf = append(p.buf, 't')
	d := (seconds-zero-p.now.Unix())*int64(time.Second) + int64(wall) - int64(p.now.Nanosecond())
	if p.old > 0 {
		d = max(d, -int64(p.old))
	}
	p.buf = binary.AppendVarint(p.buf, d)
}

func (p *printer) pointer(v reflect.Value) {
	if v.IsNil() {
		p.buf = append(p.buf, 'n')
		return
	}
	key := pointer{v.Pointer(), v.Type()}
	if n, again := p.met[key]; again {
		p.buf = append(p.buf, 'r')
		p.number(n)
		return
	}
	p.met[key] = uint64(len(p.met))
	p.buf = append(p.buf, 'p')
	p.value(v.Elem())
}

// mapping writes the entries in the order of what their keys look like. Where those are pointers to what looks the same there is no order, and no fingerprint.
func (p *printer) mapping(v reflect.Value) {
	if v.IsNil() {
		p.buf = append(p.buf, 'n')
		return
	}
	p.buf = append(p.buf, 'm')
	p.number(uint64(v.Len()))
	type entry struct {
		looks      []byte
		key, value reflect.Value
	}
	var entries []entry
	for it := v.MapRange(); it.Next(); {
		alone := *p
		alone.buf, alone.met, alone.named = nil, maps.Clone(p.met), maps.Clone(p.named)
		alone.value(it.Key())
		entries = append(entries, entry{alone.buf, it.Key(), it.Value()})
	}
	slices.SortFunc(entries, func(a, b entry) int { return bytes.Compare(a.looks, b.looks) })
	for i, e := range entries {
		if i > 0 && bytes.Equal(e.looks, entries[i-1].looks) {
			panic(fmt.Sprintf("explore: two keys of %s look the same", v.Type()))
		}
		p.value(e.key)
		p.value(e.value)
	}
}
