package differ

import (
	"fmt"
	"hash/fnv"
	"io"
	"iter"
	"reflect"
	"regexp"
	"strings"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/record"
)

// line is one field of a message, with ids and times replaced: the same on both sides, if the answers are.
type line struct{ path, value string }

// flatten gives all fields of a message. Nothing is left out but what [exceptions] has.
func flatten(api string, m protocol.Message, w *world) []line {
	arrange(m, w)
	f := &flattener{w: w}
	f.value(api, api, "", reflect.ValueOf(m).Elem())
	return f.out
}

type flattener struct {
	w   *world
	out []line
}

func (f *flattener) add(path, value string) { f.out = append(f.out, line{path, value}) }

// value adds what a value has. path has the indexes of lists, and bare has not.
func (f *flattener) value(path, bare, field string, v reflect.Value) {
	if e := exceptionOf(bare, field); e != nil {
		if shown := e.show(f.w, v); shown != "" {
			f.add(path, shown)
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			f.add(path, "null")
			return
		}
		f.value(path, bare, field, v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			f.value(path+"."+name, bare+"."+name, name, v.Field(i))
		}
	case reflect.Slice:
		f.list(path, bare, v)
	case reflect.String:
		f.add(path, fmt.Sprintf("%q", strings.ReplaceAll(v.String(), f.w.prefix, "")))
	default:
		if strings.HasSuffix(field, "ErrorCode") {
			f.add(path, codeName(int16(v.Int())))
			return
		}
		f.add(path, fmt.Sprint(v.Interface()))
	}
}

func (f *flattener) list(path, bare string, v reflect.Value) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		if v.IsNil() {
			f.add(path, "null")
			return
		}
		f.add(path, fmt.Sprintf("%x", v.Bytes()))
		return
	}
	if v.IsNil() {
		f.add(path+".len", "null")
		return
	}
	f.add(path+".len", fmt.Sprint(v.Len()))
	for i := range v.Len() {
		f.value(fmt.Sprintf("%s[%d]", path, i), bare, "", v.Index(i))
	}
}

func codeName(c int16) string {
	if c == 0 {
		return "NONE"
	}
	return protocol.Code(c).Name()
}

// showRecords shows batches, and what comes behind the last whole one.
func showRecords(w *world, v reflect.Value) string {
	if v.IsNil() {
		return "null"
	}
	var out strings.Builder
	rest, packed := v.Bytes(), false
	for len(rest) > 0 {
		b, next, ok, err := record.Next(rest)
		if err != nil || !ok {
			break
		}
		rest = next
		w.showBatch(&out, &b)
		packed = packed || b.Magic != 2 && b.Codec != compress.None
	}
	switch {
	case packed || packedAgain(rest):
		return strings.TrimSpace(out.String()) + goesOn
	case len(rest) > 0:
		fmt.Fprintf(&out, "and %d bytes", len(rest))
	}
	if out.Len() == 0 {
		return "empty"
	}
	return strings.TrimSpace(out.String())
}

// goesOn is the end of what may go on on the other side: how much room there is behind messages of an old format that were compressed for the answer depends on who has compressed them.
const goesOn = " ..."

// packedAgain tells whether what has no room is a message of an old format that was compressed for the answer, or may be one.
func packedAgain(rest []byte) bool {
	const offset, magic, attributes, codecs = 0, 16, 17, 7
	if len(rest) <= attributes {
		return len(rest) > 0 && rest[offset] == 0 // none is there where it is negative
	}
	return rest[magic] < 2 && rest[attributes]&codecs != 0
}

// alike tells whether two values are the same as far as they can be compared.
func alike(a, b string) bool {
	x, open := strings.CutSuffix(a, goesOn)
	y, also := strings.CutSuffix(b, goesOn)
	return a == b || open && also && (strings.HasPrefix(x, y) || strings.HasPrefix(y, x))
}

func (w *world) showBatch(out *strings.Builder, b *record.Batch) {
	if b.CheckCRC() != nil {
		fmt.Fprint(out, "corrupt ")
	}
	fmt.Fprintf(out, "[%d-%d epoch %d", b.BaseOffset, b.LastOffset(), b.LeaderEpoch)
	if b.Magic != 2 {
		fmt.Fprintf(out, " magic %d", b.Magic)
	}
	if b.ProducerID >= 0 {
		fmt.Fprintf(out, " %s/%d sequence %d", showID("producer")(w, reflect.ValueOf(b.ProducerID)), b.ProducerEpoch, b.BaseSequence)
	}
	if b.Transactional {
		fmt.Fprint(out, " transactional")
	}
	if b.LogAppendTime {
		fmt.Fprint(out, " stamped")
	}
	if b.DeleteHorizon {
		fmt.Fprint(out, " with a horizon")
	}
	fmt.Fprintf(out, " %s", w.shownTime(b.MaxTimestamp))
	if b.Control {
		var v record.View
		if it, _, err := b.Records(nil, compress.Limit{Bytes: 1 << 20}); err == nil && it.Next(&v) {
			kind, epoch, _ := record.Control(&v)
			fmt.Fprintf(out, " %s by coordinator %d", kind, epoch)
		}
		fmt.Fprint(out, "] ")
		return
	}
	h := fnv.New32a()
	if b.Magic == 2 {
		h.Write(b.Bytes()[min(record.Overhead, len(b.Bytes())):])
	} else { // were converted, and are compressed again
		w.hashMessages(h, b)
	}
	fmt.Fprintf(out, " %s %d records %08x] ", b.Codec, b.Count, h.Sum32())
}

// hashMessages goes by what messages of an old format say.
func (w *world) hashMessages(h io.Writer, b *record.Batch) {
	it, _, err := b.Records(nil, compress.Limit{Bytes: 1 << 20})
	if err != nil {
		return
	}
	var v record.View
	for it.Next(&v) {
		fmt.Fprintf(h, "%d %s %x %x\n", v.Offset, w.shownTime(v.Timestamp), v.Key, v.Value)
	}
}

// Difference is a field that the sides answer differently.
type Difference struct {
	Script      Script // as it was played
	At          int    // the step, in Script
	API         string
	Version     int16
	Path        string
	Kafka, Fake string
	Request     string
	Transcript  string
}

var indexes = regexp.MustCompile(`\[\d+\]`)

// Kind tells differences apart: the same field of the same API, and the same codes.
func (d *Difference) Kind() string {
	path := indexes.ReplaceAllString(d.Path, "")
	if strings.HasSuffix(path, "ErrorCode") || strings.HasSuffix(path, "closed") {
		return fmt.Sprintf("%s: Kafka %s, the fake %s", path, d.Kafka, d.Fake)
	}
	return path
}

func (d *Difference) String() string {
	return fmt.Sprintf("%s v%d, step %d of %s\n  %s\n    Kafka:    %s\n    the fake: %s", d.API, d.Version, d.At, d.Script, d.Path, d.Kafka, d.Fake)
}

// differing is a line that is not the same on both sides; "-" is for one that is not there.
type differing struct{ path, kafka, fake string }

// differences gives all lines that differ. If one side has closed the connection, that is the difference. What is in lists of different lengths, and in what one side has not, is not looked at: it is the list that differs then.
func differences(kafka, fake []line) []differing {
	closed := func(lines []line) bool { return len(lines) == 1 && strings.HasSuffix(lines[0].path, ".closed") }
	if closed(kafka) && !closed(fake) {
		return []differing{{kafka[0].path, kafka[0].value, "-"}}
	}
	if closed(fake) && !closed(kafka) {
		return []differing{{fake[0].path, "-", fake[0].value}}
	}
	theirs, own := byPath(kafka), byPath(fake)
	apart := func(path string) bool {
		for at := range parents(path) {
			if theirs[at+".len"] != own[at+".len"] || theirs[at] == "null" || own[at] == "null" {
				return true
			}
		}
		return false
	}
	var out []differing
	for _, l := range kafka {
		value, ok := own[l.path]
		if !ok {
			value = "-"
		}
		if !alike(value, l.value) && !apart(l.path) {
			out = append(out, differing{l.path, l.value, value})
		}
	}
	for _, l := range fake {
		if _, ok := theirs[l.path]; !ok && !apart(l.path) {
			out = append(out, differing{l.path, "-", l.value})
		}
	}
	return out
}

// parents gives the paths of what a field is in, from the inside out. The length of a list is not in it.
func parents(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for at := strings.TrimSuffix(path, ".len"); ; {
			i := strings.LastIndexAny(at, ".[")
			if i < 0 {
				return
			}
			if at = at[:i]; !yield(at) {
				return
			}
		}
	}
}

func byPath(lines []line) map[string]string {
	out := make(map[string]string, len(lines))
	for _, l := range lines {
		out[l.path] = l.value
	}
	return out
}

// refused tells whether both sides have refused what a field is about: an error is beside it, or beside what it is in.
func refused(path string, kafka, fake []line) bool {
	theirs, own := byPath(kafka), byPath(fake)
	wrong := func(code string) bool { return code != "" && code != "NONE" }
	for at := range parents(path) {
		if code := at + ".ErrorCode"; wrong(theirs[code]) && wrong(own[code]) {
			return true
		}
	}
	return false
}
