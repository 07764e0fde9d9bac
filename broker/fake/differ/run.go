package differ

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Runner plays scripts on two sides.
type Runner struct {
	Kafka, Fake string // addresses
	// Workers is how many scripts are played at once.
	Workers int
	// Pause is waited for between the steps of a script that is played again, to see whether a difference is one.
	Pause time.Duration
	// Open are kinds of differences that are known and not mended yet: they are counted, and nobody is told.
	Open map[string]bool
	// Found is told of each kind of difference once, when its script is as small as it gets.
	Found func(*Difference)

	ranges protocol.Ranges
	began  int64
	last   atomic.Int64
	cover  Cover
}

// Report is what a run has come to.
type Report struct {
	Scripts, Answers int
	Fleeting         int            // differences that were not there when the script was played slowly
	Kinds            map[string]int // differences, by kind
	Open             map[string]int // those that are known
	Cover            *Cover
	Took             time.Duration
}

func (r *Report) String() string {
	out := fmt.Sprintf("%d scripts, %d answers compared in %s (%.0f an hour), %d kinds of differences, %d fleeting ones\n", r.Scripts, r.Answers, r.Took.Round(time.Second), float64(r.Answers)/r.Took.Hours(), len(r.Kinds), r.Fleeting)
	for _, kind := range slices.Sorted(maps.Keys(r.Kinds)) {
		out += fmt.Sprintf("  %5d times %s\n", r.Kinds[kind], kind)
	}
	for _, kind := range slices.Sorted(maps.Keys(r.Open)) {
		out += fmt.Sprintf("  known: %5d times %s\n", r.Open[kind], kind)
	}
	return out + r.Cover.String()
}

// Ready asks both sides what they have, and waits until their coordinators answer.
func (r *Runner) Ready() error {
	kafka, fake := &peer{addr: r.Kafka}, &peer{addr: r.Fake}
	defer kafka.close()
	defer fake.close()
	theirs, err := kafka.rangesOf()
	if err != nil {
		return err
	}
	own, err := fake.rangesOf()
	if err != nil {
		return err
	}
	r.ranges, r.began = both(theirs, own), time.Now().UnixNano()/1000
	s := &side{"Kafka", kafka, newWorld("ready-", time.Now(), r.ranges)}
	return s.until("the coordinators do not answer", func() (bool, error) {
		a, err := kafka.ask(&msg.InitProducerIdRequest{TransactionalID: wire.Ptr("ready"), TransactionTimeoutMs: 60_000, ProducerID: -1, ProducerEpoch: -1}, 1)
		if err != nil {
			return false, err
		}
		for _, kind := range []int8{0, 1} {
			if _, err := kafka.ask(&msg.FindCoordinatorRequest{Key: "ready", KeyType: kind}, 1); err != nil {
				return false, err
			}
		}
		b, err := kafka.ask(&msg.OffsetFetchRequest{GroupID: "ready", Topics: []msg.OffsetFetchRequestOffsetFetchRequestTopic{}}, 5)
		if err != nil {
			return false, err
		}
		return a.(*msg.InitProducerIdResponse).ErrorCode == 0 && b.(*msg.OffsetFetchResponse).ErrorCode == 0, nil
	})
}

// both are the versions that both sides have.
func both(a, b protocol.Ranges) protocol.Ranges {
	out := protocol.NewRanges()
	for _, key := range protocol.APIKeys() {
		x, ok := a.Get(key)
		y, also := b.Get(key)
		if lowest, highest := max(x.Min, y.Min), min(x.Max, y.Max); ok && also && lowest <= highest {
			out.Set(key, protocol.Range{Min: lowest, Max: highest})
		}
	}
	return out
}

// Run plays the scripts that next gives, until it gives no more or the context ends.
func (r *Runner) Run(ctx context.Context, next func() (Script, bool)) (*Report, error) {
	report := &Report{Kinds: map[string]int{}, Open: map[string]int{}, Cover: &r.cover}
	began := time.Now()
	var mu sync.Mutex
	var work sync.WaitGroup
	var errs []error
	one := func() bool {
		mu.Lock()
		s, ok := next()
		ok = ok && ctx.Err() == nil && len(errs) == 0
		if ok {
			report.Scripts++
		}
		mu.Unlock()
		if !ok {
			return false
		}
		d, err := r.play(s, 0)
		if d == nil && err == nil {
			return true
		}
		mu.Lock()
		if err != nil {
			errs = append(errs, err)
			mu.Unlock()
			return false
		}
		if r.Open[d.Kind()] {
			report.Open[d.Kind()]++
			mu.Unlock()
			return true
		}
		report.Kinds[d.Kind()]++
		first := report.Kinds[d.Kind()] == 1
		mu.Unlock()
		if !first {
			return true
		}
		small, err := r.Shrink(d)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil:
			errs = append(errs, err)
			return false
		case small == nil: // the next of its kind is looked at again
			report.Fleeting++
			delete(report.Kinds, d.Kind())
		default:
			r.Found(small)
		}
		return true
	}
	for range max(r.Workers, 1) {
		work.Go(func() {
			for one() {
			}
		})
	}
	work.Wait()
	report.Took, report.Answers = time.Since(began), r.cover.Answers()
	return report, errors.Join(errs...)
}
