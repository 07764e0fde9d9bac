package fake

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/kactor-go/kactor/protocol"
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
	check    func(string) bool
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
func propertiesOf(c *Cluster) (topics, brokers properties) {
	propertiesMu.Lock()
	defer propertiesMu.Unlock()
	if p, ok := propertiesBy[c.cfg.Release]; ok {
		return p[0], p[1]
	}
	of := func(all properties) (out properties) {
		for _, p := range all {
			if (p.since == "" || c.atLeast(p.since)) && (p.until == "" || !c.atLeast(p.until)) {
				out = append(out, p)
			}
		}
		return out
	}
	p := [2]properties{of(everyTopicProperty), of(everyBrokerProperty)}
	propertiesBy[c.cfg.Release] = p
	return p[0], p[1]
}

var (
	propertiesMu sync.Mutex
	propertiesBy = map[string][2]properties{}
)

// valid tells whether a value is one that the configuration may have.
func (p *property) valid(v string) bool {
	v = strings.TrimSpace(v)
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
		if _, err := strconv.ParseFloat(v, 64); err != nil {
			return false
		}
	}
	return p.check == nil || p.check(v)
}

// told gives a value as Kafka tells it: as it was understood.
func (p *property) told(v string) string {
	if v == absent {
		return v
	}
	trimmed := strings.TrimSpace(v)
	switch p.kind {
	case kindBoolean:
		return strings.ToLower(trimmed)
	case kindInt, kindLong:
		if n, err := strconv.ParseInt(trimmed, 10, 64); err == nil {
			return strconv.FormatInt(n, 10)
		}
	case kindDouble:
		if f, err := strconv.ParseFloat(trimmed, 64); err == nil {
			return javaDouble(f)
		}
	case kindList:
		values := strings.Split(trimmed, ",")
		for i := range values {
			values[i] = strings.TrimSpace(values[i])
		}
		return strings.Join(values, ",")
	}
	return v
}

// javaDouble writes a number as Java does (Double.toString): 0.5, 1.0, 1.0E-5.
func javaDouble(f float64) string {
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

// atMost, between and the like are what values may be.
func least(lowest int64) func(string) bool { return between(lowest, unbounded) }

func between(lowest, highest int64) func(string) bool {
	return func(v string) bool {
		n, _ := strconv.ParseInt(v, 10, 64)
		return lowest <= n && n <= highest
	}
}

func oneOf(values ...string) func(string) bool {
	return func(v string) bool { return slices.Contains(values, v) }
}

func someOf(values ...string) func(string) bool {
	return func(v string) bool {
		return !slices.ContainsFunc(list(v), func(w string) bool { return !slices.Contains(values, w) })
	}
}

func fraction(v string) bool {
	n, _ := strconv.ParseFloat(v, 64)
	return 0 <= n && n <= 1
}

// replicaList is "*", or a list of PARTITION:BROKER.
func replicaList(v string) bool {
	return v == "*" || !slices.ContainsFunc(list(v), func(w string) bool {
		partition, broker, ok := strings.Cut(w, ":")
		_, err := strconv.Atoi(partition)
		_, err2 := strconv.Atoi(broker)
		return !ok || err != nil || err2 != nil
	})
}

func gzipLevel(v string) bool { return v == "-1" || between(1, 9)(v) }

// noTieredStorage refuses what brokers cannot do that have none.
func noTieredStorage(v string) bool { return strings.EqualFold(v, "false") }

// metadataVersion is a release, with or without the version of its protocol.
func metadataVersion(v string) bool {
	v, _, _ = strings.Cut(v, "-")
	for _, w := range strings.Split(v, ".") {
		if _, err := strconv.Atoi(w); err != nil {
			return false
		}
	}
	return v != ""
}

// checkConfigs holds what a topic is to have against what a topic may have.
func (c *Cluster) checkConfigs(set map[string]string) protocol.Code {
	for name, v := range set {
		if p := c.ofTopics.find(name); p == nil || !p.valid(v) {
			return protocol.InvalidConfig
		}
	}
	lag := func(name string) (int64, bool) {
		n, err := strconv.ParseInt(set[name], 10, 64)
		return n, err == nil
	}
	lowest, ok := lag("min.compaction.lag.ms")
	highest, ok2 := lag("max.compaction.lag.ms")
	if ok && ok2 && lowest > highest {
		return protocol.InvalidConfig
	}
	return protocol.None
}
