package sim_test

import (
	"flag"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	oneSeed  = flag.Uint64("seed", 0, "play only this seed, with a trace of its faults when it fails")
	seeds    = flag.Int("seeds", 300, "how many seeds a swarm plays")
	fromSeed = flag.Uint64("from", 1, "the first seed of a swarm")
	every    = flag.Bool("steps", false, "with -seed: print every step")
)

// tally is what seeds have amounted to, by what is counted.
type tally map[string]int

func (t tally) String() string {
	out := ""
	for _, what := range []string{"seeds", "records", "assignments", "faults", "steps"} {
		if n, ok := t[what]; ok {
			out += fmt.Sprintf(", %d %s", n, what)
		}
	}
	return out[2:]
}

// playSeeds plays as many seeds as the flags say, until one fails.
func playSeeds(t *testing.T, play func(seed uint64) (tally, error)) {
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
				seed := *fromSeed + uint64(n)
				got, err := play(seed)
				if err != nil {
					failed.Store(true)
					t.Errorf("%v\nreplay: go test ./actors/sim -run %s -seed %d", err, t.Name(), seed)
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
