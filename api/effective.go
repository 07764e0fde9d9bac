package api

import (
	"slices"
	"strconv"
	"strings"
)

// Setting is an option with the value that holds.
type Setting struct {
	Name   string // as [Property] takes it
	Value  string // as [Property] takes it: milliseconds, bytes, true or false
	Source string // "default"; "profile NAME"; "file PATH"; "code" for every other option; or the name of the option that it follows from
}

// String gives "linger.ms=5 (default)".
func (s Setting) String() string { return s.Name + "=" + s.Value + " (" + s.Source + ")" }

// Effective returns the options of the client with the values that hold, in the order of their names. Options that were set to a value of code, as [TLS] does, are there under the name of the property that they stand for.
func (c *Client) Effective() []Setting {
	s, err := c.settings.finished()
	if err != nil { // it was none when the client was made
		s = c.settings
	}
	return s.effective(ofClient)
}

// Effective returns the options of the producer with the values that hold, in the order of their names. Those of its client are not among them.
func (p *Producer) Effective() []Setting { return p.set.effective(ofProducer) }

// Effective returns the options of the consumer with the values that hold, in the order of their names. Those of its client are not among them.
func (c *Consumer) Effective() []Setting { return c.set.effective(ofConsumer) }

// Where values come from.
const (
	byDefault     = "default"
	profileSource = "profile " // before its name
	fileSource    = "file "    // before its path
	byCode        = "code"
	ofCode        = "(a function)" // instead of a value that a property could have
)

// held is the value of an option, and where it comes from.
type held struct{ value, from string }

// hold notes the value of an option that has been set.
func (s *settings) hold(name, value string) { s.held[name] = held{value, s.source} }

// wished tells whether somebody has asked for the value of an option: it is neither the default, nor a profile's, nor does it follow from others.
func (s *settings) wished(name string) bool {
	h, ok := s.held[name]
	return ok && (h.from == byCode || strings.HasPrefix(h.from, fileSource))
}

// effective gives the options of a role and of all roles.
func (s *settings) effective(role string) []Setting {
	var list []Setting
	for i := range options {
		o := &options[i]
		if o.role != role && o.role != ofAny {
			continue
		}
		h, ok := s.held[o.name]
		if !ok {
			h = held{o.def, byDefault}
		}
		list = append(list, Setting{o.name, h.value, h.from})
	}
	slices.SortFunc(list, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// canonical is a parsed value as Property takes it, in the option's unit.
func (o *option) canonical(v value) string {
	switch o.kind {
	case "int", "bytes":
		return strconv.FormatInt(v.n, 10)
	case "ms":
		if v.d%1e6 != 0 { // which milliseconds do not tell
			return v.d.String()
		}
		return strconv.FormatInt(v.n, 10)
	case "bool":
		return strconv.FormatBool(v.on)
	case "list":
		return strings.Join(v.list, ",")
	}
	return v.text
}

// from makes what f sets come from there.
func (s *settings) from(source string, f func() error) error {
	before := s.source
	s.source = source
	defer func() { s.source = before }()
	return f()
}
