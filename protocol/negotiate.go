package protocol

import (
	"fmt"
	"strings"

	"github.com/kactor-go/kactor/protocol/msg"
)

// Range is a range of versions of one API; Min > Max is none.
type Range struct{ Min, Max int16 }

// Ranges are the versions of each API that somebody speaks, by API key.
type Ranges struct{ m map[int16]Range }

// NewRanges makes an empty set.
func NewRanges() Ranges { return Ranges{map[int16]Range{}} }

// Set says which versions of an API are spoken.
func (r Ranges) Set(key int16, v Range) { r.m[key] = v }

// Get gives the versions of an API; ok is false where it is not spoken at all.
func (r Ranges) Get(key int16) (v Range, ok bool) {
	v, ok = r.m[key]
	return v, ok
}

// Known reports whether anything is known.
func (r Ranges) Known() bool { return len(r.m) > 0 }

// Within gives those of the versions that limit has, too: what is left of a broker's where a client is to use no more than a release has.
func (r Ranges) Within(limit Ranges) Ranges {
	out := NewRanges()
	for key, v := range r.m {
		if most, ok := limit.m[key]; ok {
			out.m[key] = Range{v.Min, min(v.Max, most.Max)}
		}
	}
	return out
}

// Own is the range that this client speaks of an API. A version that is not final in the newest release is left out.
func Own(key int16) (Range, bool) {
	m := msg.NewRequest(key)
	if m == nil {
		return Range{1, 0}, false
	}
	lowest, _ := m.Versions()
	return Range{lowest, msg.Stable(key)}, true
}

// Negotiate gives the highest version of an API that this client and the broker both speak.
func Negotiate(key int16, broker Ranges) (version int16, ok bool) {
	own, ok := Own(key)
	if !ok {
		return -1, false
	}
	theirs, ok := broker.Get(key)
	if !ok {
		return -1, false
	}
	version = min(own.Max, theirs.Max)
	if version < max(own.Min, theirs.Min) {
		return -1, false
	}
	return version, true
}

type releaseRange struct{ key, min, max int16 }

type releaseFacts struct {
	name string
	apis []releaseRange
}

// Releases are the names of the minor releases of Kafka that are known, oldest first: "0.8.0" to "4.3".
func Releases() []string {
	names := make([]string, len(releases))
	for i := range releases {
		names[i] = releases[i].name
	}
	return names
}

// Release gives the versions that the brokers of a release speak. name may be a patch release ("3.9.1"), or a line ("0.10": its newest).
func Release(name string) (Ranges, error) {
	found := -1
	for i := range releases {
		n := releases[i].name
		if n == name || strings.HasPrefix(name, n+".") || strings.HasPrefix(n, name+".") {
			found = i
		}
	}
	if found < 0 {
		return Ranges{}, fmt.Errorf("%q is no release of Kafka that is known: there are %s to %s", name, releases[0].name, releases[len(releases)-1].name)
	}
	r := NewRanges()
	for _, a := range releases[found].apis {
		r.Set(a.key, Range{a.min, a.max})
	}
	return r, nil
}

// RangesOf reads the ranges out of an ApiVersions answer.
func RangesOf(m *msg.ApiVersionsResponse) Ranges {
	r := NewRanges()
	for _, a := range m.ApiKeys {
		r.Set(a.ApiKey, Range{a.MinVersion, a.MaxVersion})
	}
	return r
}
