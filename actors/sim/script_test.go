package sim_test

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// script is a seed, and what is left out of it.
type script struct {
	seed    uint64
	without []int // faults
	records int   // that a producer sends at most; 0: as the seed says
}

// String is as in testdata/seeds.txt.
func (s script) String() string {
	out := fmt.Sprint(s.seed)
	if s.records > 0 {
		out += fmt.Sprint(" records=", s.records)
	}
	if len(s.without) > 0 {
		out += " without=" + numbers(s.without)
	}
	return out
}

// flags replay it.
func (s script) flags() string {
	out := fmt.Sprint("-seed ", s.seed)
	if s.records > 0 {
		out += fmt.Sprint(" -records ", s.records)
	}
	if len(s.without) > 0 {
		out += " -without " + numbers(s.without)
	}
	return out
}

func numbers(list []int) string {
	var text []string
	for _, n := range list {
		text = append(text, strconv.Itoa(n))
	}
	return strings.Join(text, ",")
}

func parseNumbers(text string) (list []int, err error) {
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(word)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, nil
}

// parseScript reads what String gives.
func parseScript(text string) (s script, err error) {
	for i, word := range strings.Fields(text) {
		name, value, _ := strings.Cut(word, "=")
		switch {
		case i == 0:
			s.seed, err = strconv.ParseUint(word, 10, 64)
		case name == "records":
			s.records, err = strconv.Atoi(value)
		case name == "without":
			s.without, err = parseNumbers(value)
		default:
			err = fmt.Errorf("%q is not understood", word)
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// ofFlags is the script that the flags name.
func ofFlags(t *testing.T) script {
	s := script{seed: *oneSeed, records: *records}
	if *without != "" {
		var err error
		if s.without, err = parseNumbers(*without); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// tries is how often shrinking plays a script at most.
const tries = 300

// shrink leaves out of a failing script what it fails without: records by halves, then faults, in ever smaller groups.
func shrink(s script, faults int, fails func(script) bool) script {
	left := tries
	still := func(c script) bool {
		if left == 0 {
			return false
		}
		left--
		if !fails(c) {
			return false
		}
		s = c
		return true
	}
	for n := 64; n > 0; n /= 2 {
		c := s
		if c.records = n; !still(c) {
			break
		}
	}
	for size := max(1, faults/2); ; size /= 2 {
		for at := 0; at < faults; at += size {
			c := s
			c.without = slices.Clone(s.without)
			for i := at; i < min(at+size, faults); i++ {
				if !slices.Contains(c.without, i) {
					c.without = append(c.without, i)
				}
			}
			if slices.Sort(c.without); len(c.without) > len(s.without) {
				still(c)
			}
		}
		if size == 1 {
			return s
		}
	}
}

func TestShrink(t *testing.T) {
	// It fails with faults 3 and 17 and at least 5 records.
	fails := func(s script) bool {
		return !slices.Contains(s.without, 3) && !slices.Contains(s.without, 17) && (s.records == 0 || s.records >= 5)
	}
	s := shrink(script{seed: 9}, 20, fails)
	if !fails(s) || len(s.without) != 18 || s.records != 8 {
		t.Errorf("what is left: %v", s)
	}
	again, err := parseScript(s.String())
	if err != nil || again.String() != s.String() {
		t.Errorf("%q is read as %q: %v", s, again, err)
	}
}

// TestKeptSeeds plays seeds that have failed once: testdata/seeds.txt tells what each was.
func TestKeptSeeds(t *testing.T) {
	file, err := os.Open("testdata/seeds.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines, played := bufio.NewScanner(file), 0
	for lines.Scan() {
		text, _, _ := strings.Cut(lines.Text(), "#")
		kind, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
		if kind == "" {
			continue
		}
		s, err := parseScript(rest)
		if err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		switch kind {
		case "swarm":
			err = swarm(s, false).err
		case "transactions":
			_, r := transactionSeed(s, false)
			err = r.err
		case "lives":
			err = lifeSeed(s, false).err
		case "groups":
			err = groupSeed(s, false).err
		default:
			t.Fatalf("%q: there is no swarm of that kind", lines.Text())
		}
		if err != nil {
			t.Errorf("%s: %v", lines.Text(), err)
		}
		played++
	}
	if err := lines.Err(); err != nil || played == 0 {
		t.Errorf("%d seeds: %v", played, err)
	}
}
