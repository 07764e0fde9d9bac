package main

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// message emits one message with its structs.
func message(m *Message, a *API) string {
	w := &writer{m: m}
	kind := "is a format of Kafka's own data."
	if a != nil {
		kind = fmt.Sprintf("belongs to API %s (key %d).", a.Name, a.Key)
	}
	flexible := "never flexible"
	if !m.flexible.none() {
		flexible = fmt.Sprintf("flexible from v%d", m.flexible.from)
	}
	w.pf("\n// %s %s Versions %d to %d, %s.\n", m.Name, kind, m.valid.from, m.valid.to, flexible)
	w.structType(m.Name, m.Fields)
	w.pf("\n// MessageName is %q.\nfunc (*%s) MessageName() string { return %q }\n", m.Name, m.Name, m.Name)
	w.pf("\n// Versions gives the lowest and the highest version.\nfunc (*%s) Versions() (lowest, highest int16) { return %d, %d }\n", m.Name, m.valid.from, m.valid.to)
	flex := "false"
	if !m.flexible.none() {
		flex = fmt.Sprintf("version >= %d", m.flexible.from)
		if m.flexible.to != m.valid.to {
			flex += fmt.Sprintf(" && version <= %d", m.flexible.to)
		}
	}
	param := "version"
	if flex == "false" {
		param = "_"
	}
	w.pf("\n// Flexible tells whether a version has tagged fields.\nfunc (*%s) Flexible(%s int16) bool { return %s }\n", m.Name, param, flex)
	if a != nil {
		w.api(a)
	}
	w.functions(m.Name, m.Fields, true)
	for _, s := range m.structs {
		name := s.structName
		w.pf("\n// %s is a part of %s.\n", name, m.Name)
		w.structType(name, s.Fields)
		w.functions(name, s.Fields, false)
	}
	return w.String()
}

type writer struct {
	strings.Builder
	m *Message
}

func (w *writer) pf(format string, args ...any) { fmt.Fprintf(w, format, args...) }

func (w *writer) api(a *API) {
	n := w.m.Name
	w.pf("\n// APIKey is %d.\nfunc (*%s) APIKey() int16 { return %d }\n", a.Key, n, a.Key)
	versions := a.HeaderVersions.Request
	if w.m == a.Response {
		versions = a.HeaderVersions.Response
	}
	w.pf("\n// HeaderVersion is the version of the header that goes with a version of the message.\n")
	type step struct {
		span   span
		header int16
	}
	var steps []step
	for k, h := range versions {
		s, _ := parseSpan(k, w.m.valid)
		steps = append(steps, step{s, h})
	}
	sort.Slice(steps, func(i, j int) bool { return steps[i].span.from < steps[j].span.from })
	if len(steps) == 1 {
		w.pf("func (*%s) HeaderVersion(int16) int16 { return %d }\n", n, steps[0].header)
	} else {
		w.pf("func (*%s) HeaderVersion(version int16) int16 {\nswitch {\n", n)
		for _, s := range steps[:len(steps)-1] {
			w.pf("case version <= %d:\nreturn %d\n", s.span.to, s.header)
		}
		w.pf("}\nreturn %d\n}\n", steps[len(steps)-1].header)
	}
	for _, f := range w.m.Fields {
		if f.Name == "ThrottleTimeMs" {
			w.pf("\n// Throttled is how long the broker wants the client to hold back, in milliseconds (KIP-219).\nfunc (m *%s) Throttled() int32 { return m.ThrottleTimeMs }\n", n)
		}
	}
	if w.m == a.Request {
		w.pf("\n// NewResponse makes an empty response.\nfunc (*%s) NewResponse() wire.Response { return &%s{} }\n", n, a.Response.Name)
	}
}

// goType is the type of a field.
func (f *Field) goType() string {
	t := plainTypes[f.element]
	if f.structName != "" {
		t = f.structName
	}
	switch {
	case f.array:
		return "[]" + t
	case f.element == "bytes" || f.element == "records":
		return t
	case !f.nullable.none():
		return "*" + t
	}
	return t
}

func (w *writer) structType(name string, fields []*Field) {
	w.pf("type %s struct {\n", name)
	for _, f := range fields {
		w.pf("%s %s // %s\n", f.goName, f.goType(), f.note(w.m))
	}
	if !w.m.flexible.none() {
		w.pf("UnknownTags *wire.Tags // tagged fields this client does not know\n")
	}
	w.pf("}\n")
}

// note is the comment behind a field.
func (f *Field) note(m *Message) string {
	n := "v" + f.Versions
	if f.versions == m.valid {
		n = "all versions"
	}
	if !f.tagged.none() {
		n += fmt.Sprintf(", tag %d", *f.Tag)
	}
	if !f.nullable.none() {
		n += ", null in v" + f.NullableVersions
	}
	if d := f.fill(); d != "" {
		if f.structName != "" || f.array {
			d = "not null"
		}
		n += ", default " + strings.TrimSuffix(strings.TrimPrefix(d, "wire.Ptr("), ")")
	}
	if f.EntityType != "" {
		n += ", " + f.EntityType
	}
	return n
}

// fill is the default as Go, where it is not the zero value; else "".
func (f *Field) fill() string {
	d := string(f.Default)
	isNull := d == "null"
	switch {
	case f.array:
		if isNull || f.nullable.none() {
			return ""
		}
		return f.goType() + "{}"
	case f.structName != "":
		if f.nullable.none() || isNull {
			return ""
		}
		return "wire.Made((*" + f.structName + ").SetDefaults)" // null is not its default
	case f.element == "bytes" || f.element == "records":
		if isNull || f.nullable.none() {
			return ""
		}
		return "[]byte{}"
	case f.element == "string" && !f.nullable.none():
		if isNull {
			return ""
		}
		if d == "" {
			d = `""`
		}
		return "wire.Ptr(" + d + ")"
	case d == "" || isNull || d == "false" || d == "0" || d == `""`:
		return ""
	}
	if s, err := strconv.Unquote(d); err == nil && f.element != "string" {
		return s
	}
	return d
}

// walked is a default as a walk sets it.
func walked(fill string) string { return strings.Replace(fill, "wire.Ptr(", "c.Default(", 1) }

// differsStrictly is differs, but null and empty are not the same: of tagged fields the default alone is left out.
func (f *Field) differsStrictly() string {
	if f.fill() != "" && !f.nullable.none() {
		v := "m." + f.goName
		if f.structName != "" && !f.array {
			return v + " == nil || !" + v + ".isDefault()"
		}
		if f.element == "string" && !f.array {
			return v + " == nil || *" + v + " != " + strings.TrimSuffix(strings.TrimPrefix(f.fill(), "wire.Ptr("), ")")
		}
		return v + " == nil || len(" + v + ") > 0"
	}
	return f.differs()
}

// differs is the condition under which a field differs from its default.
func (f *Field) differs() string {
	v := "m." + f.goName
	switch {
	case f.array, f.element == "bytes", f.element == "records":
		if f.fill() == "" && !f.nullable.none() {
			return v + " != nil"
		}
		return "len(" + v + ") > 0"
	case f.structName != "" && f.nullable.none():
		return "!" + v + ".isDefault()"
	case f.structName != "":
		return v + " != nil"
	case f.element == "string" && !f.nullable.none():
		if d := f.fill(); d != "" {
			return fmt.Sprintf("%s != nil && *%s != %s", v, v, strings.TrimSuffix(strings.TrimPrefix(d, "wire.Ptr("), ")"))
		}
		return v + " != nil"
	case f.element == "bool":
		if f.fill() == "true" {
			return "!" + v
		}
		return v
	case f.element == "uuid":
		return v + " != wire.UUID{}"
	case f.element == "string":
		return v + " != " + cmpDefault(f.fill(), `""`)
	}
	return v + " != " + cmpDefault(f.fill(), "0")
}

func cmpDefault(d, zero string) string {
	if d == "" {
		return zero
	}
	return d
}

func (w *writer) functions(name string, fields []*Field, top bool) {
	var fills []string
	for _, f := range fields {
		if d := f.fill(); d != "" {
			fills = append(fills, fmt.Sprintf("m.%s = %s\n", f.goName, d))
		} else if f.structName != "" && !f.array && f.nullable.none() {
			fills = append(fills, fmt.Sprintf("m.%s.SetDefaults()\n", f.goName))
		}
	}
	zero := name + "{}"
	w.pf("\n// SetDefaults sets every field to its default.\nfunc (m *%s) SetDefaults() {\n*m = %s\n%s}\n", name, zero, strings.Join(fills, ""))
	if !top && w.needsIsDefault(name) {
		w.pf("\nfunc (m *%s) isDefault() bool {\nreturn !(", name)
		for i, f := range fields {
			if i > 0 {
				w.pf(" || ")
			}
			w.pf("%s", parens(f.differs()))
		}
		w.pf(")\n}\n")
	}
	w.pf("\n// Walk visits the fields in the order of the wire.\nfunc (m *%s) Walk(c *wire.Codec) {\n", name)
	if len(fills) > 0 {
		w.pf("if c.Parses() {\nm.SetDefaults()\n}\n")
	}
	for _, f := range fields {
		w.field(f)
	}
	w.tags(fields)
	w.pf("}\n")
}

func parens(s string) string {
	if strings.Contains(s, "&&") || strings.Contains(s, "{}") {
		return "(" + s + ")"
	}
	return s
}

func (w *writer) needsIsDefault(name string) bool {
	need := false
	var look func([]*Field)
	look = func(fs []*Field) {
		for _, f := range fs {
			if f.structName == name && !f.array && (f.nullable.none() || f.fill() != "") {
				need = true
			}
			look(f.Fields)
		}
	}
	look(w.m.Fields)
	for _, c := range w.m.CommonStructs {
		look(c.Fields)
	}
	return need
}

// field emits the ordinary walk of a field, where it has one.
func (w *writer) field(f *Field) {
	plain := minus(f.versions, f.tagged)
	if len(plain) == 0 {
		return
	}
	op := w.op(f)
	if len(plain) == 1 && plain[0].holds(w.m.valid) {
		w.pf("%s\n", op)
		return
	}
	w.pf("if %s {\n%s\n}", w.cond(plain), op)
	if !f.tagged.none() { // it is a tagged field elsewhere
		w.pf("\n")
		return
	}
	if d := f.fill(); d != "" {
		w.pf(" else if c.Fills() {\nm.%s = %s\n}", f.goName, walked(d))
	} else if f.structName != "" && !f.array && f.nullable.none() {
		w.pf(" else if c.Fills() {\nm.%s.SetDefaults()\n}", f.goName)
	}
	if !f.Ignorable {
		w.pf(" else if c.Writes() && %s {\nc.Refuse(%q)\n}", parens(f.differs()), f.jsonName)
	}
	w.pf("\n")
}

// minus is a without b, as at most two ranges.
func minus(a, b span) (out []span) {
	b = b.meet(a)
	if a.none() {
		return nil
	}
	if b.none() {
		return []span{a}
	}
	if a.from < b.from {
		out = append(out, span{a.from, b.from - 1})
	}
	if b.to < a.to {
		out = append(out, span{b.to + 1, a.to})
	}
	return out
}

// cond is the condition that the version is in one of the ranges.
func (w *writer) cond(spans []span) string {
	var parts []string
	for _, s := range spans {
		var c []string
		if s.from > w.m.valid.from {
			c = append(c, fmt.Sprintf("c.Version >= %d", s.from))
		}
		if s.to < w.m.valid.to {
			c = append(c, fmt.Sprintf("c.Version <= %d", s.to))
		}
		if s.from == s.to && len(c) == 2 {
			c = []string{fmt.Sprintf("c.Version == %d", s.from)}
		}
		parts = append(parts, strings.Join(c, " && "))
	}
	slices.Sort(parts)
	return strings.Join(parts, " || ")
}

var methods = map[string]string{
	"bool": "Bool", "int8": "Int8", "int16": "Int16", "uint16": "Uint16", "int32": "Int32", "uint32": "Uint32", "int64": "Int64",
	"float64": "Float64", "string": "String", "uuid": "UUID", "bytes": "Bytes", "records": "Records",
}

// op is the call that walks a field.
func (w *writer) op(f *Field) string {
	ref := "&m." + f.goName
	null := w.nullable(f)
	var op string
	switch {
	case f.array && f.structName != "":
		op = fmt.Sprintf("wire.Array(c, %q, %s, (*%s).Walk, %s, %d)", f.jsonName, ref, f.structName, null, w.m.leastElement(f))
	case f.array:
		op = fmt.Sprintf("c.%ss(%q, %s, %s)", methods[f.element], f.jsonName, ref, null)
	case f.structName != "" && f.nullable.none():
		op = fmt.Sprintf("wire.Struct(c, %q, %s, (*%s).Walk)", f.jsonName, ref, f.structName)
	case f.structName != "":
		op = fmt.Sprintf("wire.NullStruct(c, %q, %s, (*%s).Walk, %s)", f.jsonName, ref, f.structName, null)
	case f.element == "bytes" || f.element == "records":
		op = fmt.Sprintf("c.%s(%q, %s, %s)", methods[f.element], f.jsonName, ref, null)
	case f.element == "string" && !f.nullable.none():
		op = fmt.Sprintf("c.NullString(%q, %s, %s)", f.jsonName, ref, null)
	default:
		op = fmt.Sprintf("c.%s(%q, %s)", methods[f.element], f.jsonName, ref)
	}
	if f.FlexibleVersions == "none" { // the client id of the request header keeps the old encoding (KIP-482)
		op = "flex := c.Flex\nc.Flex = false\n" + op + "\nc.Flex = flex"
	}
	return op
}

var sizes = map[string]int{"bool": 1, "int8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "float64": 8, "uuid": 16}

// leastElement is how many bytes an element of an array of structs takes at least, in any version.
func (m *Message) leastElement(f *Field) int {
	least := math.MaxInt
	for v := f.versions.from; v <= f.versions.to; v++ {
		least = min(least, m.leastStruct(f, v))
	}
	return max(least, 1)
}

func (m *Message) leastStruct(f *Field, version int16) (n int) {
	at := span{version, version}
	flex := m.flexible.holds(at)
	if flex {
		n++ // how many tagged fields
	}
	for _, p := range m.structOf(f).Fields {
		switch {
		case !p.versions.holds(at) || p.tagged.holds(at):
		case !p.array && p.structName != "" && p.nullable.none():
			n += m.leastStruct(p, version)
		case !p.array && p.structName != "" || flex && sizes[p.element] == 0 || flex && p.array:
			n++ // null, or a length
		case p.array || p.element == "bytes" || p.element == "records":
			n += 4
		case p.element == "string":
			n += 2
		default:
			n += sizes[p.element]
		}
	}
	return n
}

// structOf is where the struct of a field is given.
func (m *Message) structOf(f *Field) *Field {
	return m.structs[slices.IndexFunc(m.structs, func(s *Field) bool { return s.structName == f.structName })]
}

// nullable is the condition under which null is allowed.
func (w *writer) nullable(f *Field) string {
	switch {
	case f.nullable.none():
		return "false"
	case f.nullable.holds(f.versions):
		return "true"
	}
	return w.cond([]span{f.nullable})
}

// tags emits the tagged fields.
func (w *writer) tags(fields []*Field) {
	if w.m.flexible.none() {
		return
	}
	var tagged []*Field
	for _, f := range fields {
		if !f.tagged.none() {
			tagged = append(tagged, f)
		}
	}
	w.pf("if !c.Flex {\nreturn\n}\n")
	if len(tagged) == 0 {
		w.pf("c.Tags(&m.UnknownTags)\n")
		return
	}
	slices.SortFunc(tagged, func(a, b *Field) int { return *a.Tag - *b.Tag })
	guard := func(f *Field) string {
		if f.tagged.holds(w.m.flexible) {
			return ""
		}
		return w.cond([]span{f.tagged})
	}
	w.pf("if c.Reads() {\n")
	for _, f := range tagged {
		if d := f.fill(); d != "" {
			if g := guard(f); g != "" {
				w.pf("if %s {\nm.%s = %s\n}\n", g, f.goName, walked(d))
			} else {
				w.pf("m.%s = %s\n", f.goName, walked(d))
			}
		} else if f.structName != "" && !f.array && f.nullable.none() {
			w.pf("m.%s.SetDefaults()\n", f.goName)
		}
	}
	w.pf("tags := c.OpenTags()\nfor c.NextTag() {\nswitch {\n")
	for _, f := range tagged {
		g := guard(f)
		if g != "" {
			g = " && " + parens(g)
		}
		w.pf("case c.Tag() == %d%s:\n%s\n", *f.Tag, g, w.op(f))
	}
	w.pf("default:\nc.KeepTag(&m.UnknownTags)\n}\n}\nc.CloseTags(tags)\nreturn\n}\n")
	w.pf("n := m.UnknownTags.Len()\n")
	for _, f := range tagged {
		cond := parens(f.differsStrictly())
		if g := guard(f); g != "" {
			cond = g + " && (" + cond + ")"
		}
		w.pf("if %s {\nn++\n}", cond)
		if g := guard(f); g != "" && !f.Ignorable && minus(f.versions, f.tagged) == nil {
			w.pf(" else if c.Writes() && %s {\nc.Refuse(%q)\n}", parens(f.differs()), f.jsonName)
		}
		w.pf("\n")
	}
	w.pf("c.TagCount(n)\n")
	for _, f := range tagged {
		cond := "c.Fills() || " + parens(f.differsStrictly())
		if g := guard(f); g != "" {
			cond = g + " && (" + cond + ")"
		}
		w.pf("if %s {\ntag := c.OpenTag(%d)\n%s\nc.CloseTag(tag)\n}\n", cond, *f.Tag, w.op(f))
	}
	w.pf("c.PutTags(m.UnknownTags)\n")
}
