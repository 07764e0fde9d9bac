package differ

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/kactor-go/kactor/protocol"
)

// seen is what was answered: equally by both sides.
type seen struct {
	api     string
	version int16
	code    string
}

// closed stands for the code where the connection was closed instead of an answer.
const closed = "closed"

// Cover counts the answers that were compared, by API, version and error code.
type Cover struct {
	mu      sync.Mutex
	answers int
	counts  map[seen]int
}

func (c *Cover) add(api string, version int16, lines []line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[seen]int{}
	}
	c.answers++
	coded := false
	for _, l := range lines {
		switch {
		case strings.HasSuffix(l.path, "ErrorCode"):
			c.counts[seen{api, version, l.value}]++
			coded = true
		case strings.HasSuffix(l.path, ".closed"):
			code := "NONE"
			if l.value == "true" {
				code = closed
			}
			c.counts[seen{api, version, code}]++
			coded = true
		}
	}
	if !coded {
		c.counts[seen{api, version, "NONE"}]++
	}
}

// cells are the codes that were answered, in any version.
func (c *Cover) cells() map[Cell]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[Cell]bool{}
	for s := range c.counts {
		out[Cell{s.api, s.code}] = true
	}
	return out
}

// Answers is how many were compared and equal.
func (c *Cover) Answers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answers
}

// String tells for each API the codes with their counts, and how many combinations of version and code there were.
func (c *Cover) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	codes, versions, all := map[string]map[string]int{}, map[string]map[int16]bool{}, map[string]int{}
	for s, n := range c.counts {
		if codes[s.api] == nil {
			codes[s.api], versions[s.api] = map[string]int{}, map[int16]bool{}
		}
		codes[s.api][s.code] += n
		versions[s.api][s.version] = true
		all[s.api]++
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%d answers, %d combinations of API, version and code\n", c.answers, len(c.counts))
	for _, key := range protocol.APIKeys() {
		api := protocol.APIName(key)
		if !slices.ContainsFunc(operations, func(o operation) bool { return o.key == key }) {
			continue
		}
		if codes[api] == nil {
			fmt.Fprintf(&out, "  %s: never\n", api)
			continue
		}
		fmt.Fprintf(&out, "  %s (%d versions, %d combinations):", api, len(versions[api]), all[api])
		names := []string{}
		for code := range codes[api] {
			names = append(names, code)
		}
		slices.SortFunc(names, func(a, b string) int {
			if d := codes[api][b] - codes[api][a]; d != 0 {
				return d
			}
			return strings.Compare(a, b)
		})
		for _, code := range names {
			fmt.Fprintf(&out, " %s %d,", code, codes[api][code])
		}
		fmt.Fprintln(&out)
	}
	return strings.ReplaceAll(out.String(), ",\n", "\n")
}
