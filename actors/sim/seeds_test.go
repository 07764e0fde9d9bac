package sim_test

import (
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	oneSeed  = flag.Uint64("seed", 0, "play only this seed, with a trace of its faults when it fails")
	seeds    = flag.Int("seeds", 300, "how many seeds a swarm plays")
	fromSeed = flag.Uint64("from", 1, "the first seed of a swarm")
	without  = flag.String("without", "", "with -seed: numbers of faults that are left out, separated by commas")
	records  = flag.Int("records", 0, "with -seed: how many records a producer sends at most; 0: as the seed says")
	smaller  = flag.Bool("smaller", true, "make a seed that fails smaller")
	every    = flag.Bool("steps", false, "with -seed: print every step")
)

// tally is what seeds have amounted to, by what is counted.
type tally map[string]int

func (t tally) String() string {
	out := ""
	for _, what := range []string{"seeds", "records", "committed", "aborted", "undecided", "assignments", "lives", "changes", "faults", "steps"} {
		if n, ok := t[what]; ok {
			out += fmt.Sprintf(", %d %s", n, what)
		}
	}
	return out[2:]
}

// TestMain lets the garbage collector come more rarely: what a seed needs is little, and gone after it. With -short few seeds are played.
func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		*seeds = min(*seeds, 40)
	}
	debug.SetGCPercent(1600)
	m.Run()
}

// playOne plays the seed that the flags name, and tells all of it if that fails; false: they name none.
func playOne(t *testing.T, play func(s script) (summary string, log fmt.Stringer, err error)) bool {
	if *oneSeed == 0 {
		return false
	}
	t.Helper()
	summary, log, err := play(ofFlags(t))
	t.Logf("seed %d: %s", *oneSeed, summary)
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	return true
}

// playSeeds plays as many seeds as the flags say, until one fails. That is told, and made smaller.
func playSeeds(t *testing.T, play func(s script) (tally, error)) {
	var next atomic.Int64
	var failed atomic.Bool
	var mu sync.Mutex
	sum := tally{}
	var wg sync.WaitGroup
	begun := time.Now()
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for !failed.Load() {
				n := next.Add(1) - 1
				if n >= int64(*seeds) {
					return
				}
				s := script{seed: *fromSeed + uint64(n)}
				got, err := play(s)
				if err != nil && !failed.Swap(true) {
					t.Errorf("%v\nreplay: go test ./actors/sim -run '%s$' -seed %d", err, t.Name(), s.seed)
					if *smaller {
						small := shrink(s, got["faults"], func(s script) bool {
							_, err := play(s)
							return err != nil
						})
						t.Logf("made smaller: %s\nkeep it as a line of testdata/seeds.txt: %s %s", small.flags(), strings.ToLower(strings.TrimPrefix(t.Name(), "Test")), small)
					}
				}
				mu.Lock()
				sum["seeds"]++
				for what, n := range got {
					sum[what] += n
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("%v, %.0f seeds a minute", sum, float64(sum["seeds"])/time.Since(begun).Minutes())
}
