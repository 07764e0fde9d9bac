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
	// Cells are those that the fake can answer (see [Cells]); nil: nobody has listed them.
	Cells map[Cell]string

	ranges protocol.Ranges
	made   sync.Map // ids of members that Kafka has made up in the steps under way, by group
	// publishes tells whether changes of the cluster come to Kafka's coordinators by and by.
	publishes bool
	began     int64
	last      atomic.Int64
	mangled   atomic.Int64 // answers to requests whose bytes were changed
	cover     Cover
	deleting  sync.RWMutex // where ZooKeeper has the topics, nobody else does anything while some are deleted
	probe     probe
}

// Report is what a run has come to.
type Report struct {
	Scripts, Answers int
	Mangled          int // requests with changed bytes whose outcome was compared
	Kinds            map[string]*Kind
	Fleeting         map[string]int // differences that were not there when the script was played alone and slowly, by kind
	Open             map[string]int // those that are known
	Unseen           []string       // those that are known, and were not met
	Cover            *Cover
	Reached          *Reached // nil without a list of cells
	Took             time.Duration
}

// Kind is a kind of differences.
type Kind struct {
	Count int
	First int // the answers that had been compared when it was met
}

func (r *Report) String() string {
	out := fmt.Sprintf("%d scripts, %d answers compared in %s (%.0f an hour), %d kinds of differences\n", r.Scripts, r.Answers, r.Took.Round(time.Second), float64(r.Answers)/r.Took.Hours(), len(r.Kinds))
	if r.Mangled > 0 {
		out += fmt.Sprintf("%d requests in other bytes\n", r.Mangled)
	}
	for _, kind := range slices.Sorted(maps.Keys(r.Kinds)) {
		out += fmt.Sprintf("  %5d times %s (first behind %d answers)\n", r.Kinds[kind].Count, kind, r.Kinds[kind].First)
	}
	for _, kind := range slices.Sorted(maps.Keys(r.Fleeting)) {
		out += fmt.Sprintf("  did not come again: %5d times %s\n", r.Fleeting[kind], kind)
	}
	for _, kind := range slices.Sorted(maps.Keys(r.Open)) {
		out += fmt.Sprintf("  known: %5d times %s\n", r.Open[kind], kind)
	}
	for _, kind := range r.Unseen {
		out += fmt.Sprintf("  known, but not met: %s\n", kind)
	}
	out += r.Cover.String()
	if r.Reached != nil {
		out += r.Reached.String()
	}
	return out
}

// MemberID tells the fake what id Kafka has given the member that joins now (its Config.MemberID): who gets which partition depends on the hashes of ids.
func (r *Runner) MemberID(group string) string {
	id, _ := r.made.Load(group)
	text, _ := id.(string)
	return text
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
	_, r.publishes = theirs.Get(msg.AlterClientQuotasAPI)
	s := &side{name: "Kafka", peer: kafka, w: newWorld("ready-", time.Now(), r.ranges)}
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
		if key == msg.ProduceAPI && x.Max >= 12 { // 4.0 tells of three versions before that it has not
			x.Min = 3
		}
		if lowest, highest := max(x.Min, y.Min), min(x.Max, y.Max); ok && also && lowest <= highest {
			out.Set(key, protocol.Range{Min: lowest, Max: highest})
		}
	}
	return out
}

// Run plays the scripts that next gives, until it gives no more or the context ends.
func (r *Runner) Run(ctx context.Context, next func() (Script, bool)) (*Report, error) {
	u := &run{r: r, report: &Report{Kinds: map[string]*Kind{}, Fleeting: map[string]int{}, Open: map[string]int{}, Cover: &r.cover}, waiting: map[string][]*Difference{}}
	began := time.Now()
	side, end := context.WithCancel(ctx)
	defer end()
	go r.tidy(side)
	var work sync.WaitGroup
	for range max(r.Workers, 1) {
		work.Go(func() {
			for u.one(ctx, next) {
			}
		})
	}
	work.Wait()
	u.report.Took, u.report.Answers = time.Since(began), r.cover.Answers()
	u.report.Mangled = int(r.mangled.Load())
	for _, kind := range slices.Sorted(maps.Keys(r.Open)) {
		if u.report.Open[kind] == 0 {
			u.report.Unseen = append(u.report.Unseen, kind)
		}
	}
	if r.Cells != nil {
		u.report.Reached = r.cover.Reached(r.Cells)
	}
	return u.report, errors.Join(u.errs...)
}

// run is what the workers share.
type run struct {
	r       *Runner
	mu      sync.Mutex
	report  *Report
	waiting map[string][]*Difference // by kinds that somebody looks at: what the others have found of it
	errs    []error
	alone   sync.RWMutex // scripts that are played again have the brokers to themselves
}

// one plays a script; false if there is none.
func (u *run) one(ctx context.Context, next func() (Script, bool)) bool {
	u.mu.Lock()
	s, ok := next()
	ok = ok && ctx.Err() == nil && len(u.errs) == 0
	if ok {
		u.report.Scripts++
	}
	u.mu.Unlock()
	if !ok {
		return false
	}
	u.alone.RLock()
	p, err := u.r.play(s, 0)
	u.alone.RUnlock()
	if err != nil {
		return u.fail(err)
	}
	return u.take(ctx, p, 3)
}

func (u *run) fail(err error) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.errs = append(u.errs, err)
	return false
}

// take counts what a script has shown, and looks at what is new. again is how often a script whose differences do not come again is played once more, because nobody has seen what is behind them.
func (u *run) take(ctx context.Context, p *played, again int) bool {
	u.mu.Lock()
	for _, kind := range p.known {
		u.report.Open[kind]++
	}
	u.mu.Unlock()
	for _, d := range p.found {
		if !u.look(ctx, d, again) {
			return false
		}
	}
	return true
}

// look makes the script of a difference small, if it is the first of its kind. Those that others find meanwhile wait: the first may not come again.
func (u *run) look(ctx context.Context, d *Difference, again int) bool {
	kind := d.Kind()
	u.mu.Lock()
	if k := u.report.Kinds[kind]; k != nil {
		k.Count++
		u.mu.Unlock()
		return true
	}
	if others, busy := u.waiting[kind]; busy {
		u.waiting[kind] = append(others, d)
		u.mu.Unlock()
		return true
	}
	u.waiting[kind] = nil
	u.mu.Unlock()
	first := u.r.cover.Answers()
	for {
		small, behind, err := u.shrink(ctx, d)
		if err != nil {
			return u.fail(err)
		}
		u.mu.Lock()
		others := u.waiting[kind]
		if small != nil || len(others) == 0 {
			delete(u.waiting, kind)
		} else {
			u.waiting[kind] = others[1:]
		}
		if small != nil {
			u.report.Kinds[kind] = &Kind{1 + len(others), first}
			u.r.Found(small)
		} else {
			u.report.Fleeting[kind]++
		}
		u.mu.Unlock()
		if behind != nil && again > 0 && !u.take(ctx, behind, again-1) {
			return false
		}
		if small != nil || len(others) == 0 {
			return true
		}
		d = others[0]
	}
}

// shrink is [Runner.Shrink] while nobody else plays, unless the script idles most of its time. If the difference does not come again, behind is what the script shows instead.
func (u *run) shrink(ctx context.Context, d *Difference) (small *Difference, behind *played, err error) {
	var alone sync.Locker = &u.alone
	if d.Script.Theme() == Expiry {
		alone = u.alone.RLocker()
	}
	alone.Lock()
	defer alone.Unlock()
	small, err = u.r.Shrink(ctx, d)
	if small == nil && err == nil {
		behind, err = u.r.play(d.Script, u.r.Pause)
	}
	return small, behind, err
}
