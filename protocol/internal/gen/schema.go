package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// API is one file of schemas/apis.
type API struct {
	Key            int16  `json:"apiKey"`
	Name           string `json:"name"`
	ValidVersions  string `json:"validVersions"`
	Unstable       bool   `json:"latestVersionUnstable"`
	HeaderVersions struct {
		Request  map[string]int16 `json:"request"`
		Response map[string]int16 `json:"response"`
	} `json:"headerVersions"`
	Request  *Message `json:"request"`
	Response *Message `json:"response"`
}

// Message is a request, a response or another format.
type Message struct {
	Name             string   `json:"name"`
	RecordType       *int16   `json:"recordType"`
	Role             string   `json:"role"`
	ValidVersions    string   `json:"validVersions"`
	FlexibleVersions string   `json:"flexibleVersions"`
	Fields           []*Field `json:"fields"`
	CommonStructs    []*Field `json:"commonStructs"`

	valid, flexible span
	structs         []*Field // in the order of their first use
}

// Field is a field; of a common struct Name and Fields only.
type Field struct {
	Name             string          `json:"name"`
	Type             string          `json:"type"`
	Versions         string          `json:"versions"`
	NullableVersions string          `json:"nullableVersions"`
	TaggedVersions   string          `json:"taggedVersions"`
	FlexibleVersions string          `json:"flexibleVersions"`
	Tag              *int            `json:"tag"`
	Default          json.RawMessage `json:"default"`
	Ignorable        bool            `json:"ignorable"`
	EntityType       string          `json:"entityType"`
	Fields           []*Field        `json:"fields"`

	versions, nullable, tagged span
	goName, jsonName           string
	element                    string // type without []
	array                      bool
	structName                 string // Go name of the struct type, or ""
}

// span is a range of versions; from > to is none.
type span struct{ from, to int16 }

func (s span) none() bool        { return s.from > s.to }
func (s span) holds(o span) bool { return s.from <= o.from && o.to <= s.to }
func (s span) meet(o span) span  { return span{max(s.from, o.from), min(s.to, o.to)} }

func parseSpan(s string, within span) (span, error) {
	switch {
	case s == "" || s == "none":
		return span{1, 0}, nil
	case strings.HasSuffix(s, "+"):
		n, err := strconv.ParseInt(strings.TrimSuffix(s, "+"), 10, 16)
		return span{int16(n), within.to}, err
	}
	a, b, ok := strings.Cut(s, "-")
	if !ok {
		b = a
	}
	from, err := strconv.ParseInt(a, 10, 16)
	if err != nil {
		return span{}, err
	}
	to, err := strconv.ParseInt(b, 10, 16)
	return span{int16(from), int16(to)}, err
}

type group struct {
	name     string
	messages []*Message
}

type schemas struct {
	apis     []*API
	groups   []group
	errors   []errorFact
	releases releaseFacts
}

type errorFact struct {
	Code                   int16  `json:"code"`
	Name                   string `json:"name"`
	Retriable              bool   `json:"retriable"`
	RefreshMetadata        bool   `json:"refreshMetadata"`
	InvalidMetadata        bool   `json:"invalidMetadata"`
	ApplicationRecoverable bool   `json:"applicationRecoverable"`
	TransactionAbortable   bool   `json:"transactionAbortable"`
	InvalidConfiguration   bool   `json:"invalidConfiguration"`
	Authentication         bool   `json:"authentication"`
	Authorization          bool   `json:"authorization"`
	Since                  string `json:"since"`
	Description            string `json:"description"`
}

type releaseFacts struct {
	Releases map[string]struct {
		APIs map[string]struct {
			Key       int16    `json:"apiKey"`
			Min       int16    `json:"min"`
			Max       int16    `json:"max"`
			StableMax *int16   `json:"stableMax"`
			Unstable  bool     `json:"unstable"`
			Listeners []string `json:"listeners"`
		} `json:"apis"`
	} `json:"releases"`
}

func load(dir string) (*schemas, error) {
	s := &schemas{}
	paths, err := filepath.Glob(filepath.Join(dir, "apis", "*.json"))
	if err != nil {
		return nil, err
	}
	for _, p := range paths {
		a := &API{}
		if err := read(p, a); err != nil {
			return nil, err
		}
		for _, m := range []*Message{a.Request, a.Response} {
			if err := m.prepare(); err != nil {
				return nil, fmt.Errorf("%s: %w", p, err)
			}
		}
		s.apis = append(s.apis, a)
	}
	slices.SortFunc(s.apis, func(a, b *API) int { return int(a.Key) - int(b.Key) })
	for _, g := range []struct{ name, pattern string }{
		{"headers", "headers/*.json"}, {"data", "{data,extra}/*.json"}, {"coordinator", "coordinator/*.json"},
	} {
		messages, err := loadGroup(dir, g.pattern)
		if err != nil {
			return nil, err
		}
		s.groups = append(s.groups, group{g.name, messages})
	}
	var e struct{ Errors []errorFact }
	if err := read(filepath.Join(dir, "errors.json"), &e); err != nil {
		return nil, err
	}
	s.errors = e.Errors
	return s, read(filepath.Join(dir, "releases.json"), &s.releases)
}

func loadGroup(dir, pattern string) ([]*Message, error) {
	patterns := []string{pattern}
	if rest, ok := strings.CutPrefix(pattern, "{data,extra}"); ok {
		patterns = []string{"data" + rest, "extra" + rest}
	}
	var messages []*Message
	for _, pattern := range patterns {
		paths, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
		if err != nil {
			return nil, err
		}
		for _, p := range paths {
			m := &Message{}
			if err := read(p, m); err != nil {
				return nil, err
			}
			if err := m.prepare(); err != nil {
				return nil, fmt.Errorf("%s: %w", p, err)
			}
			messages = append(messages, m)
		}
	}
	return messages, nil
}

func read(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

var idWord = regexp.MustCompile(`Id(s?)([A-Z0-9]|$)`)

// goName is the name of a field in Go: Id becomes ID.
func goName(s string) string {
	return idWord.ReplaceAllString(strings.ToUpper(s[:1])+s[1:], "ID$1$2")
}

var plainTypes = map[string]string{
	"bool": "bool", "int8": "int8", "int16": "int16", "uint16": "uint16", "int32": "int32", "uint32": "uint32", "int64": "int64",
	"float64": "float64", "string": "string", "uuid": "wire.UUID", "bytes": "[]byte", "records": "[]byte",
}

// prepare parses ranges and collects the structs.
func (m *Message) prepare() (err error) {
	if m.valid, err = parseSpan(m.ValidVersions, span{}); err != nil {
		return err
	}
	if m.flexible, err = parseSpan(m.FlexibleVersions, m.valid); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, c := range m.CommonStructs {
		seen[c.Name] = true
		c.structName = m.Name + goName(c.Name)
	}
	if err := m.prepareFields(m.Fields, seen); err != nil {
		return err
	}
	for _, c := range m.CommonStructs {
		m.structs = append(m.structs, c)
		if err := m.prepareFields(c.Fields, seen); err != nil {
			return err
		}
	}
	return nil
}

func (m *Message) prepareFields(fields []*Field, seen map[string]bool) (err error) {
	names := map[string]bool{}
	for _, f := range fields {
		if names[f.Name] {
			return fmt.Errorf("field %s stands twice", f.Name)
		}
		names[f.Name] = true
		f.goName, f.jsonName = goName(f.Name), strings.ToLower(f.Name[:1])+f.Name[1:]
		f.element, f.array = strings.CutPrefix(f.Type, "[]")
		if f.versions, err = parseSpan(f.Versions, m.valid); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		if f.nullable, err = parseSpan(f.NullableVersions, m.valid); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		if f.tagged, err = parseSpan(f.TaggedVersions, m.valid); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		if plainTypes[f.element] != "" {
			continue
		}
		f.structName = m.Name + goName(f.element)
		if f.Fields == nil {
			continue
		}
		if seen[f.element] {
			return fmt.Errorf("struct %s is given twice", f.element)
		}
		seen[f.element] = true
		m.structs = append(m.structs, f)
		if err := m.prepareFields(f.Fields, seen); err != nil {
			return err
		}
	}
	return m.checkTags(fields)
}

// checkTags tells whether the tags of each version are the lowest: an unknown field is never before a known one, as wire.Codec has it.
func (m *Message) checkTags(fields []*Field) error {
	for v := m.valid.from; v <= m.valid.to; v++ {
		top, n := -1, 0
		for _, f := range fields {
			if f.tagged.holds(span{v, v}) {
				top, n = max(top, *f.Tag), n+1
			}
		}
		if top+1 != n {
			return fmt.Errorf("version %d has %d tags up to %d", v, n, top)
		}
	}
	return nil
}
