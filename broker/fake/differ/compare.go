package differ

import (
	"fmt"
	"hash/fnv"
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
	rest := v.Bytes()
	for len(rest) > 0 {
		b, next, ok, err := record.Next(rest)
		if err != nil || !ok {
			break
		}
		rest = next
		w.showBatch(&out, &b)
	}
	if len(rest) > 0 {
		fmt.Fprintf(&out, "and %d bytes", len(rest))
	}
	if out.Len() == 0 {
		return "empty"
	}
	return strings.TrimSpace(out.String())
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
	h.Write(b.Bytes()[min(record.Overhead, len(b.Bytes())):])
	fmt.Fprintf(out, " %s %d records %08x] ", b.Codec, b.Count, h.Sum32())
}

// Difference is the first field of a script that the sides answer differently.
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

// firstDifference gives the first line that is not in both.
func firstDifference(kafka, fake []line) (path, of, other string, differ bool) {
	for i := range max(len(kafka), len(fake)) {
		switch {
		case i >= len(kafka):
			return fake[i].path, "-", fake[i].value, true
		case i >= len(fake):
			return kafka[i].path, kafka[i].value, "-", true
		case kafka[i].path != fake[i].path:
			return kafka[i].path, kafka[i].value, fmt.Sprintf("%s is %s", fake[i].path, fake[i].value), true
		case kafka[i].value != fake[i].value:
			return kafka[i].path, kafka[i].value, fake[i].value, true
		}
	}
	return "", "", "", false
}
