package api

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kactor-go/kactor/protocol/printable"
	"github.com/kactor-go/kactor/protocol/wire"
)

//go:generate go run ./internal/gen -options ../schemas/options.json -foreign ../schemas/foreign.json -profiles ../schemas/profiles.json -out options_gen.go

// option is a row of the table made from schemas/options.json.
type option struct {
	name, role, kind, def, doc string
	bounded                    bool
	min, max                   int64
	aliases, values            []string
	synonyms                   map[string]string // of values; what begins with ! is why there is none
	scaled                     map[string]int64  // names in another unit, and how many of ours that is
}

// foreignKey is a name of another client that is no option here.
type foreignKey struct {
	why     string
	refused bool     // it is an error; else it changes nothing
	inert   []string // values that ask for what is done anyway
}

// canonical is a name as the tables have it.
func canonical(name string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "_", ".")
}

// lookUp finds an option by any of its names. Values by that name are to be multiplied by scale.
func lookUp(name string) (o *option, scale int64) {
	name = canonical(name)
	for i := range options {
		o := &options[i]
		if o.name == name || slices.Contains(o.aliases, name) {
			return o, 1
		}
		if n := o.scaled[name]; n > 0 {
			return o, n
		}
	}
	return nil, 0
}

// foreigner finds a name of other clients that is no option here. One that ends in .* stands for all that begin so.
func foreigner(name string) (f foreignKey, ok bool) {
	name = canonical(name)
	if f, ok = foreign[name]; ok {
		return f, ok
	}
	for prefix := name; ; {
		dot := strings.LastIndexByte(prefix, '.')
		if dot < 0 {
			return f, false
		}
		prefix = prefix[:dot]
		if f, ok = foreign[prefix+".*"]; ok {
			return f, ok
		}
	}
}

// property sets an option by name.
func (s *settings) property(name, value string) error {
	if err := wire.CheckText(name); err != nil {
		return fmt.Errorf("a property's name: %w", err)
	}
	o, scale := lookUp(name)
	if o == nil {
		return s.foreignProperty(name, strings.TrimSpace(value))
	}
	v, err := o.parse(value, scale)
	if err != nil {
		return fmt.Errorf("%s: %w", o.name, err)
	}
	if s.of != ofClient && o.role != ofAny && o.role != s.of {
		if h, ok := s.held[o.name]; ok && h.value == o.canonical(v) { // as a file that everything is made with has it
			return nil
		}
		return misplaced(o.name, o.role, s.of)
	}
	if s.of == ofClient { // what is said for all comes after what a profile says for some
		delete(s.profiled[ofProducer], o.name)
		delete(s.profiled[ofConsumer], o.name)
	}
	if err := setters[o.name](s, v); err != nil {
		return fmt.Errorf("%s: %w", o.name, err)
	}
	s.hold(o.name, o.canonical(v))
	return nil
}

// foreignProperty deals with a name that is no option: of another client, or of nobody.
func (s *settings) foreignProperty(name, value string) error {
	f, ok := foreigner(name)
	switch {
	case !ok:
		err := fmt.Errorf("unknown property %q", printable.Text(name))
		if near := nearest(name); near != "" {
			err = fmt.Errorf("%w; did you mean %q?", err, near)
		}
		s.unknown = append(s.unknown, err)
	case value == "" || slices.ContainsFunc(f.inert, func(v string) bool { return strings.EqualFold(v, strings.ReplaceAll(value, " ", "")) }):
	case f.refused:
		return fmt.Errorf("%s: %s", name, f.why)
	default:
		s.notes = append(s.notes, note{name, "changes nothing: " + f.why})
	}
	return nil
}

// value is a parsed value.
type value struct {
	text string
	n    int64
	d    time.Duration
	on   bool
	list []string
}

func (o *option) parse(text string, scale int64) (v value, err error) {
	v.text = strings.TrimSpace(text)
	if err := wire.CheckText(v.text); err != nil {
		return v, err
	}
	switch o.kind {
	case "int":
		v.n, err = strconv.ParseInt(v.text, 10, 64)
	case "bytes":
		if v.n, err = parseSize(v.text); v.n > math.MaxInt64/scale {
			err = strconv.ErrRange
		}
		v.n *= scale
	case "ms":
		v.d, err = parseDuration(v.text)
		v.n = v.d.Milliseconds()
	case "bool":
		v.on, err = strconv.ParseBool(strings.ToLower(v.text))
	case "list":
		for part := range strings.SplitSeq(v.text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				v.list = append(v.list, part)
			}
		}
	case "enum":
		if v.text, err = o.word(v.text); err != nil {
			return v, err
		}
	}
	if err != nil {
		return v, fmt.Errorf("%q is no value of type %s", v.text, o.kind)
	}
	if o.bounded && (v.n < o.min || o.max != 0 && v.n > o.max) {
		if o.max != 0 {
			return v, fmt.Errorf("%s is not between %d and %d", v.text, o.min, o.max)
		}
		return v, fmt.Errorf("%s is less than %d", v.text, o.min)
	}
	return v, nil
}

// word gives one of the option's values, which may be written in small letters or capitals, or as other clients call it.
func (o *option) word(text string) (string, error) {
	for _, v := range o.values {
		if strings.EqualFold(v, text) {
			return v, nil
		}
	}
	for name, v := range o.synonyms {
		if strings.EqualFold(name, text) {
			if why, refused := strings.CutPrefix(v, "!"); refused {
				return "", fmt.Errorf("%s: %s", text, why)
			}
			return v, nil
		}
	}
	return "", fmt.Errorf("%q is none of %s", printable.Text(text), strings.Join(o.values, ", "))
}

func parseDuration(s string) (time.Duration, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.Duration(n) * time.Millisecond, nil
	}
	return time.ParseDuration(s)
}

var units = []struct {
	name string
	n    int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1000}, {"MB", 1_000_000}, {"GB", 1_000_000_000}}

func parseSize(s string) (int64, error) {
	for _, u := range units {
		if n, ok := strings.CutSuffix(s, u.name); ok {
			v, err := strconv.ParseInt(strings.TrimSpace(n), 10, 64)
			return v * u.n, err
		}
	}
	return strconv.ParseInt(s, 10, 64)
}

// nearest is the option whose name is most like name; "" if none is much like it.
func nearest(name string) string {
	name = canonical(name)
	best, least := "", 2+len(name)/5
	for i := range options {
		for _, n := range append(options[i].aliases, options[i].name) {
			if d := distance(name, n); d < least {
				best, least = n, d
			}
		}
	}
	return best
}

// distance is how many letters must change to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost++
			}
			last = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
