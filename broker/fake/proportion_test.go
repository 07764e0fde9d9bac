//go:build unix && !race

package fake_test

import (
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// effort is how much of the processor's time a request takes on a new cluster, and how many bytes are allocated for it.
func effort(t *testing.T, frame []byte) (work time.Duration, bytes uint64) {
	t.Helper()
	b := newBench(t, fake.Config{Topics: []fake.Topic{{Name: "a", Partitions: 3}}})
	k := b.connect(1)
	runtime.GC()
	var before, behind runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := processorTime(t)
	b.c.Handle(b.at, k, frame)
	work = processorTime(t) - begun
	runtime.ReadMemStats(&behind)
	return work, behind.TotalAlloc - before.TotalAlloc
}

// processorTime is how long the process has kept processors busy: others on the machine do not count.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// What a request costs is in proportion to its bytes, whatever there is many of in it: eight times as many elements are eight times the work, not sixty-four times, and a byte of it is worth so many bytes of memory and no more.
func TestNothingInARequestCostsMoreThanItsLength(t *testing.T) {
	fake.Audit(false)
	defer fake.Audit(true)
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	const few, times, most, each, tries = 1000, 8, 24, 1000, 8
	const little = 5 * time.Millisecond // less than any work is that grows with the square
	ranges := fakeRanges(t)
	for _, key := range protocol.APIKeys() {
		own, ok := ranges.Get(key)
		if !ok {
			continue
		}
		f := &filler{}
		m := protocol.NewRequest(key)
		f.fill("", reflect.ValueOf(m).Elem())
		for _, list := range slices.Compact(slices.Sorted(slices.Values(f.lists))) {
			for _, same := range []bool{false, true} {
				small, large := filled(key, own.Max, list, few, same), filled(key, own.Max, list, few*times, same)
				if small == nil {
					continue
				}
				what := fmt.Sprintf("%s v%d, many of %s (same: %v)", protocol.APIName(key), own.Max, list[1:], same)
				if _, bytes := effort(t, large); bytes > uint64(each*len(large)+4<<20) {
					t.Errorf("%s: %d bytes for %d", what, bytes, len(large))
				}
				ratio, least := 0.0, time.Hour
				for range tries { // the least of the one and of the other: what else the process does is no work of theirs
					a, _ := effort(t, small)
					b, _ := effort(t, large)
					least = min(least, b)
					if ratio = float64(b) / float64(max(a, time.Microsecond)); ratio < most || least < little {
						break
					}
				}
				if ratio >= most && least >= little {
					t.Errorf("%s: %.1f times the work", what, ratio)
				}
			}
		}
	}
}

// fakeRanges are the versions that a cluster tells.
func fakeRanges(t *testing.T) protocol.Ranges {
	b := newBench(t, fake.Config{})
	return protocol.RangesOf(ask(b, b.connect(1), &msg.ApiVersionsRequest{}, &msg.ApiVersionsResponse{}, 0))
}
