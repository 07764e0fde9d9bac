package differ

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Script is a list of steps that a seed gives.
type Script struct {
	Seed    uint64
	Steps   []Step
	Mangled bool // most steps are followed by their requests once more, with some bytes changed (see bytes.go)
}

// Step is one request. What is in it is drawn from its own seed.
type Step struct {
	Number int // in the script as it was generated
	Op     string
	Seed   uint64
}

// Theme is what most of a script is about: one of [Themes].
func (s Script) Theme() string { return Themes[s.Seed%uint64(len(Themes))] }

// Length is how many steps a script has at most.
const Length = 60

// Generate makes the script of a seed. Each has one of the themes, because what belongs together must meet often.
func Generate(seed uint64) Script {
	rng := rand.New(rand.NewPCG(seed, 0x646966666572))
	theme := int(seed % uint64(len(Themes)))
	total := 0
	for i := range operations {
		total += operations[i].weights[theme]
	}
	s := Script{Seed: seed}
	add := func(op string) { s.Steps = append(s.Steps, Step{len(s.Steps), op, rng.Uint64()}) }
	add("CreateTopics")
	for range Length/2 + rng.IntN(Length/2) {
		at := rng.IntN(total)
		for i := range operations {
			if at -= operations[i].weights[theme]; at < 0 {
				add(operations[i].name)
				break
			}
		}
	}
	return s
}

// String gives the script as [Parse] reads it: the seed, and the numbers of the steps that are left of it.
func (s Script) String() string {
	numbers := make([]string, len(s.Steps))
	for i, step := range s.Steps {
		numbers[i] = strconv.Itoa(step.Number)
	}
	mark := ""
	if s.Mangled {
		mark = mangledMark
	}
	return fmt.Sprintf("%s%d:%s", mark, s.Seed, strings.Join(numbers, ","))
}

// mangledMark begins a script whose requests are mangled.
const mangledMark = "bytes"

// Parse reads a script: a seed, perhaps followed by a colon and the numbers of the steps that are to be played. With "bytes" before it requests are mangled.
func Parse(text string) (Script, error) {
	text, mangled := strings.CutPrefix(text, mangledMark)
	seed, list, some := strings.Cut(text, ":")
	n, err := strconv.ParseUint(seed, 10, 64)
	if err != nil {
		return Script{}, fmt.Errorf("differ: seed %q: %w", seed, err)
	}
	all := Generate(n)
	all.Mangled = mangled
	if !some {
		return all, nil
	}
	s := Script{Seed: n, Mangled: mangled}
	for word := range strings.SplitSeq(list, ",") {
		i, err := strconv.Atoi(word)
		if err != nil || i < 0 || i >= len(all.Steps) {
			return Script{}, fmt.Errorf("differ: the script of seed %d has no step %q", n, word)
		}
		s.Steps = append(s.Steps, all.Steps[i])
	}
	return s, nil
}
