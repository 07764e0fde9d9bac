package fake

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/wire"
)

// kind is the type of a configuration, by its number in DescribeConfigs.
type kind int8

const (
	kindBoolean kind = 1
	kindString  kind = 2
	kindInt     kind = 3
	kindLong    kind = 5
	kindDouble  kind = 6
	kindList    kind = 7
)

// property is a configuration that topics or brokers have.
type property struct {
	name     string
	kind     kind
	value    string // default; "NULL" is none
	synonyms string // of a topic's: those of brokers that it falls back on, the first that is set, in order
	check    check
	since    string // release; "": ever
	until    string // first release without it
	fixed    bool   // of a broker's: it cannot be changed while the broker runs
}

// properties are configurations by name, in order.
type properties []property

func (ps properties) find(name string) *property {
	i, ok := slices.BinarySearchFunc(ps, name, func(p property, n string) int { return cmp.Compare(p.name, n) })
	if !ok {
		return nil
	}
	return &ps[i]
}

// propertiesOf gives the configurations that topics and brokers of a release have.
func propertiesOf(release string) (topics, brokers properties) {
	propertiesMu.Lock()
	defer propertiesMu.Unlock()
	if p, ok := propertiesBy[release]; ok {
		return p[0], p[1]
	}
	of := func(all properties) (out properties) {
		for _, p := range all {
			if (p.since == "" || isSince(release, p.since)) && (p.until == "" || !isSince(release, p.until)) {
				out = append(out, p)
			}
		}
		return out
	}
	p := [2]properties{of(everyTopicProperty), of(everyBrokerProperty)}
	propertiesBy[release] = p
	return p[0], p[1]
}

var (
	propertiesMu sync.Mutex
	propertiesBy = map[string][2]properties{}
)

// check is what the values of a configuration may be beyond its type.
type check struct {
	allows func(string) bool
	says   string // what it allows
}

// valid tells whether a value is one that the configuration may have.
func (p *property) valid(v string) bool {
	v = javaTrim(v)
	switch p.kind {
	case kindBoolean:
		if !strings.EqualFold(v, "true") && !strings.EqualFold(v, "false") {
			return false
		}
	case kindInt:
		if _, err := strconv.ParseInt(v, 10, 32); err != nil {
			return false
		}
	case kindLong:
		if _, err := strconv.ParseInt(v, 10, 64); err != nil {
			return false
		}
	case kindDouble:
		if _, ok := javaDouble(v); !ok {
			return false
		}
	}
	return p.check.allows == nil || p.check.allows(v)
}

// allowed says in words what values the configuration may have.
func (p *property) allowed() string {
	kinds := map[kind]string{kindBoolean: "true or false", kindInt: "a whole number of 32 bits", kindLong: "a whole number of 64 bits", kindDouble: "a number"}
	switch of := kinds[p.kind]; {
	case of == "":
		return p.check.says
	case p.check.says == "":
		return of
	default:
		return of + ", " + p.check.says
	}
}

// told gives a value as Kafka tells it: as it was understood.
func (p *property) told(v string) string {
	if v == absent {
		return v
	}
	trimmed := javaTrim(v)
	switch p.kind {
	case kindBoolean:
		return strings.ToLower(trimmed)
	case kindInt, kindLong:
		if n, err := strconv.ParseInt(trimmed, 10, 64); err == nil {
			return strconv.FormatInt(n, 10)
		}
	case kindDouble:
		if f, ok := javaDouble(trimmed); ok {
			return doubleText(f)
		}
	case kindString:
		return trimmed
	case kindList:
		return strings.Join(javaList(trimmed), ",")
	}
	return v
}

// javaList reads a list as Kafka does (ConfigDef): all that is between commas, also nothing; of nothing at all it is empty.
func javaList(v string) []string {
	if v = javaTrim(v); v == "" {
		return nil
	}
	values := strings.Split(v, ",")
	for i := range values {
		values[i] = strings.TrimSpace(values[i])
	}
	return values
}

// javaTrim takes away what Java does (String.trim): spaces, and all characters before them.
func javaTrim(s string) string { return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' }) }

// doubles are the numbers that Java reads (Double.valueOf): "1e3", "0.5f", "0x1p3", "NaN", but not "nan" or "inf".
var doubles = regexp.MustCompile(`^([+-]?(?:NaN|Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|0[xX](?:[0-9a-fA-F]+\.?|[0-9a-fA-F]*\.[0-9a-fA-F]+)[pP][+-]?[0-9]+))[fFdD]?$`)

// javaDouble reads a number as Java does; what is too large is infinite.
func javaDouble(v string) (float64, bool) {
	m := doubles.FindStringSubmatch(v)
	switch {
	case m == nil:
		return 0, false
	case strings.HasSuffix(m[1], "NaN"), strings.HasSuffix(m[1], "Infinity"):
		f, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimLeft(m[1], "+-"), "inity"), 64)
		if m[1][0] == '-' {
			f = -f
		}
		return f, m[1] == v
	}
	f, _ := strconv.ParseFloat(m[1], 64)
	return f, true
}

// doubleText writes a number as Java does (Double.toString): 0.5, 1.0, 1.0E-5.
func doubleText(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 0):
		return strings.TrimPrefix(strconv.FormatFloat(f, 'f', -1, 64), "+") + "inity"
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-3 || a >= 1e7) {
		format = 'E'
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, format, -1, 64), "E")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	if exponent == "" {
		return mantissa
	}
	n, _ := strconv.Atoi(exponent)
	return mantissa + "E" + strconv.Itoa(n)
}

// least, between and the like are what values may be.
func least(lowest int64) check {
	return check{between(lowest, unbounded).allows, fmt.Sprintf("%d or more", lowest)}
}

func between(lowest, highest int64) check {
	return check{func(v string) bool {
		n, _ := strconv.ParseInt(v, 10, 64)
		return lowest <= n && n <= highest
	}, fmt.Sprintf("from %d to %d", lowest, highest)}
}

// notZero is for times that are none if they are negative.
var notZero = check{func(v string) bool {
	n, _ := strconv.ParseInt(v, 10, 64)
	return n != 0
}, "but not 0"}

func oneOf(values ...string) check {
	return check{func(v string) bool { return slices.Contains(values, v) }, "one of " + strings.Join(values, ", ")}
}

func someOf(values ...string) check {
	return check{func(v string) bool {
		return !slices.ContainsFunc(javaList(v), func(w string) bool { return !slices.Contains(values, w) })
	}, "a list of " + strings.Join(values, ", ")}
}

var fraction = check{func(v string) bool {
	n, _ := javaDouble(v)
	return !(n < 0) && !(n > 1) // what is no number is in no way out of it, for Java
}, "from 0 to 1"}

var replicaList = check{func(v string) bool {
	return v == "*" || !slices.ContainsFunc(list(v), func(w string) bool {
		partition, broker, ok := strings.Cut(w, ":")
		_, err := strconv.Atoi(partition)
		_, err2 := strconv.Atoi(broker)
		return !ok || err != nil || err2 != nil
	})
}, "* or a list of PARTITION:BROKER"}

var gzipLevel = check{func(v string) bool { return v == "-1" || between(1, 9).allows(v) }, "-1 or from 1 to 9"}

// noTieredStorage refuses what brokers cannot do that have none.
var noTieredStorage = check{func(v string) bool { return strings.EqualFold(v, "false") }, "and not true: there is no tiered storage"}

// metadataVersion is a release, with or without the version of its protocol.
var metadataVersion = check{func(v string) bool {
	v, _, _ = strings.Cut(v, "-")
	for _, w := range strings.Split(v, ".") {
		if _, err := strconv.Atoi(w); err != nil {
			return false
		}
	}
	return v != ""
}, "a release"}

// checkConfigs holds what a topic is to have against what a topic may have.
func (c *Cluster) checkConfigs(set map[string]string) refusal {
	for _, name := range slices.Sorted(maps.Keys(set)) {
		p := c.ofTopics.find(name)
		switch {
		case p == nil:
			return refuse(protocol.InvalidConfig, "topics have no configuration %s", name)
		case !p.valid(set[name]):
			return refuse(protocol.InvalidConfig, "%s=%s is not possible: it is %s", name, set[name], p.allowed())
		}
	}
	lag := func(name string) (int64, bool) {
		n, err := strconv.ParseInt(javaTrim(set[name]), 10, 64)
		return n, err == nil
	}
	lowest, ok := lag("min.compaction.lag.ms")
	highest, ok2 := lag("max.compaction.lag.ms")
	if ok && ok2 && lowest > highest {
		return refuse(protocol.InvalidConfig, "min.compaction.lag.ms=%d is more than max.compaction.lag.ms=%d", lowest, highest)
	}
	return refusal{}
}

// refusal is what is answered to what cannot be done; the zero value to what can.
type refusal struct {
	code protocol.Code
	why  string
}

// refuse says in words what is wrong.
func refuse(code protocol.Code, format string, args ...any) refusal {
	return refusal{code, fmt.Sprintf(format, args...)}
}

// message is what is told with the code: what is wrong, or what the code means where nothing else is known; null where nothing is wrong.
func (r refusal) message() *string {
	switch {
	case r.code == protocol.None:
		return nil
	case r.why == "":
		return wire.Ptr(r.code.Description())
	}
	return wire.Ptr(r.why)
}
