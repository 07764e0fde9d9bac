package fetcher

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kactor-go/kactor/protocol/cluster"
)

// What is told is what a list gives out of which that is taken at once that is forgotten; and the list does not grow without end.
func TestFailuresAreToldInOrderButWhatIsForgotten(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var f failures
		var want []failed
		many := 1 + r.IntN(200)
		for n := range 3000 {
			tp := cluster.TopicPartition{Topic: "t", Partition: int32(r.IntN(many))}
			switch r.IntN(4) {
			case 0:
				f.forget(tp)
				want = slices.DeleteFunc(want, func(o failed) bool { return o.TopicPartition == tp })
			case 1, 2:
				err := fmt.Errorf("failure %d", n)
				if r.IntN(2) == 0 {
					f.forget(tp)
					want = slices.DeleteFunc(want, func(o failed) bool { return o.TopicPartition == tp })
				}
				f.add(tp, err)
				want = append(want, failed{tp, err})
			case 3:
				var next error
				if len(want) > 0 {
					next, want = want[0].err, want[1:]
				}
				if got := f.next(); !errors.Is(got, next) {
					t.Fatalf("seed %d, after %d: %v is told, expected %v", seed, n, got, next)
				}
			}
			if len(f.list) > max(leastFailures, 2*n) || len(f.past) > len(f.list)+many {
				t.Fatalf("seed %d: %d are kept, of %d", seed, len(f.list), len(want))
			}
		}
		for range 100 * many {
			tp := cluster.TopicPartition{Topic: "t", Partition: int32(r.IntN(many))}
			f.forget(tp)
			f.add(tp, errors.New("again"))
		}
		if len(f.list) > 2*len(want)+2*many+leastFailures+1 {
			t.Errorf("seed %d: %d are kept of %d partitions", seed, len(f.list), many)
		}
	}
}

// BenchmarkManyPartitions gives a buffer many partitions, has them all fail, and takes them away: what each costs.
func BenchmarkManyPartitions(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var parts []cluster.TopicPartition
			for i := range n {
				parts = append(parts, cluster.TopicPartition{Topic: "t", Partition: int32(i)})
			}
			for range b.N {
				k := &buffer{byTP: map[cluster.TopicPartition]*place{}}
				for range 2 {
					for _, tp := range parts {
						k.assign(tp, AtDefault, -1)
						k.fails.forget(tp)
						k.fails.add(tp, ErrClosed)
					}
				}
				k.revoke(parts...)
				if len(k.order) > 0 {
					b.Fatal("some are left")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/partition")
		})
	}
}
