package scenario

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/api"
)

// gate lets handlers wait until it is opened.
type gate struct {
	t *T
	p *role.Promise[struct{}]
}

func (t *T) gate() gate { return gate{t, role.NewPromise[struct{}](t.World)} }

func (g gate) open() { g.p.Settle(struct{}{}, nil) }

func (g gate) wait(ctx context.Context) error {
	_, err := g.p.Get(ctx)
	return err
}

// notes are what handlers have seen.
type notes struct {
	mu   sync.Mutex
	list []string
}

func (n *notes) add(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, fmt.Sprintf(format, args...))
}

func (n *notes) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.list)
}

func (n *notes) sorted() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(slices.Sorted(slices.Values(n.list)), " ")
}

// of gives what begins with the first prefix, in order, then what begins with the next.
func (n *notes) of(prefixes ...string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []string
	for _, p := range prefixes {
		for _, s := range n.list {
			if strings.HasPrefix(s, p) {
				out = append(out, s)
			}
		}
	}
	return strings.Join(out, " ")
}

// keyed writes records with keys, "a:0" for key a and value 0, to partition 0.
func (t *T) keyed(p *api.Producer, topic string, records ...string) {
	for _, r := range records {
		key, value, _ := strings.Cut(r, ":")
		t.produce(p, &api.Record{Topic: topic, Fixed: true, Key: []byte(key), Value: []byte(value)})
	}
}

// handles runs Handle beside the scenario until stop is called.
func (t *T) handles(k *api.Consumer, h api.Handler, opts ...api.HandleOption) (stop func(), run *running) {
	ctx, stop := context.WithCancel(t.ctx)
	return stop, t.goes("handle", func() error { return k.Handle(ctx, h, opts...) })
}

// messy is an interceptor that does what interceptors may do, to each record by its value, and turns the order round. With madeUp it gives records that do not say where they come from.
type messy struct{ madeUp bool }

func (m messy) OnConsume(records []*api.Record) (out []*api.Record) {
	for _, r := range slices.Backward(records) {
		switch string(r.Value) {
		case "3", "11": // left out
		case "4":
			out = append(out, r, r)
		case "6":
			c := *r
			c.Value = []byte("six")
			out = append(out, &c)
		case "7":
			if m.madeUp {
				r = &api.Record{Value: []byte("seven")}
			}
			out = append(out, r)
		case "8":
			r.Topic, r.Partition, r.Offset = "elsewhere", 9, 0
			out = append(out, r)
		case "9":
			if out = append(out, r, nil); m.madeUp {
				out = append(out, &api.Record{Value: []byte("new")})
			}
		default:
			out = append(out, r)
		}
	}
	return out
}

func (messy) OnCommit([]api.Offset) {}

// bare is an interceptor that gives records which do not say where they come from.
type bare struct{}

func (bare) OnConsume(records []*api.Record) (out []*api.Record) {
	for _, r := range records {
		out = append(out, &api.Record{Key: r.Key, Value: r.Value, Headers: r.Headers})
	}
	return out
}

func (bare) OnCommit([]api.Offset) {}

// slowly is an interceptor that waits.
type slowly struct{ until func() }

func (s slowly) OnConsume(records []*api.Record) []*api.Record {
	s.until()
	return records
}

func (slowly) OnCommit([]api.Offset) {}

// handling is what Handle does.
var handling = []Scenario{
	{"handle: whatever interceptors make of records, what is committed was handled, and in the order of the log", func(t *T) {
		for i, order := range []api.Order{api.ByPartition, api.ByKey, api.ByPartition, api.ByKey} {
			madeUp := i >= 2
			c := t.dial()
			topic := t.topic(c, 1)
			t.fill(t.producer(c), topic, 0, 12)
			tp := api.TopicPartition{Topic: topic}
			k, err := c.Consumer("group-"+topic, props("auto.offset.reset", "earliest", "auto.commit.interval.ms", "50"), api.Topics(topic), api.ConsumerInterceptors(messy{madeUp}))
			t.ok(err)
			slow, seen := t.gate(), &notes{}
			stop, run := t.handles(k, func(ctx context.Context, r *api.Record) error {
				if string(r.Value) == "5" {
					if err := slow.wait(ctx); err != nil {
						return err
					}
				}
				seen.add("%s", r.Value)
				return nil
			}, api.OrderBy(order), api.Concurrency(1))
			committed := func(want int64) func() bool {
				return func() bool {
					got, err := k.Committed(t.ctx, tp)
					t.ok(err)
					if at := got[tp].Offset; at > want {
						t.Failf("%d is committed, only %d were handled", at, want)
					}
					return got[tp].Offset == want
				}
			}
			t.until("what is below the slow one", func() bool { return seen.count() >= 5 })
			if madeUp {
				t.ok(k.Commit(t.ctx))
				_ = committed(5)()
			} else {
				t.until("its commit", committed(5))
			}
			slow.open()
			t.until("all", committed(12))
			t.ok(k.Commit(t.ctx))
			equal(t, "handled", strings.Join(slices.DeleteFunc(strings.Fields(seen.of("")), func(s string) bool { return s == "7" || s == "seven" || s == "new" }), " "), "0 1 2 4 4 5 six 8 9 10")
			equal(t, "made up", seen.of("7", "seven", "new"), map[bool]string{true: "seven new", false: "7"}[madeUp])
			stop()
			run.wait()
			t.ok(k.Close(t.ctx))
		}
	}},
	{"handle: where a record that fails is passed on to is not the interceptors' word", func(t *T) {
		c := t.dial()
		work, soon, later, dead := t.topic(c, 1), t.topic(c, 1), t.topic(c, 1), t.topic(c, 1)
		p := t.producer(c)
		t.keyed(p, work, "k:0", "k:1")
		k, err := c.Consumer("group-"+work, props("auto.offset.reset", "earliest"), api.Topics(work, soon, later), api.ConsumerInterceptors(bare{}))
		t.ok(err)
		stop, run := t.handles(k, func(context.Context, *api.Record) error { return errors.New("never") }, api.Retry(p, api.RetryTopic{Topic: soon}, api.RetryTopic{Topic: later}), api.DeadLetter(p, dead))
		origins := &notes{}
		for _, r := range t.read(t.reader(c, parts(dead, 1)), 2) {
			from, ok := api.Origin(r)
			origins.add("%v,%s,%d", ok, strings.TrimPrefix(from.Topic, work), from.Passed)
		}
		equal(t, "dead letters are from", origins.sorted(), "true,,3 true,,3")
		stop()
		run.wait()
		t.ok(k.Close(t.ctx))
	}},
	{"handle: what was being read when its partition was given up is not handled", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		t.fill(t.producer(c), topic, 0, 5)
		for _, what := range []string{"unsubscribe", "assigned by hand"} {
			reading, slow, seen := t.gate(), t.gate(), &notes{}
			k, err := c.Consumer("group-"+topic, props("auto.offset.reset", "earliest"), api.ConsumerInterceptors(slowly{func() {
				reading.open()
				_ = slow.wait(t.ctx)
			}}))
			t.ok(err)
			tp := api.TopicPartition{Topic: topic}
			if what == "unsubscribe" {
				t.ok(k.Subscribe(topic))
			} else {
				t.ok(k.Assign(tp))
			}
			stop, run := t.handles(k, func(_ context.Context, r *api.Record) error {
				seen.add("%s", r.Value)
				return nil
			})
			t.ok(reading.wait(t.ctx))
			if what == "unsubscribe" {
				t.ok(k.Unsubscribe(t.ctx))
			} else {
				t.ok(k.Unassign(tp))
			}
			slow.open()
			t.sleep(100 * time.Millisecond)
			equal(t, what+", handled", seen.count(), 0)
			stop()
			_, _ = run.done.Get(t.ctx) // nothing is subscribed to
			got, err := k.Committed(t.ctx, tp)
			t.ok(err)
			equal(t, what+", committed", got[tp].Offset, 0)
			t.ok(k.Close(t.ctx))
		}
	}},
	{"handle: a paused partition that is given up and assigned again is not paused", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 2)
		p := t.producer(c)
		k := t.reader(c, parts(topic, 2))
		seen := &notes{}
		stop, run := t.handles(k, func(_ context.Context, r *api.Record) error {
			seen.add("%d:%s", r.Partition, r.Value)
			return nil
		})
		t.fill(p, topic, 1, 1)
		t.until("the other partition", func() bool { return seen.count() == 1 })
		first := parts(topic, 1)
		t.ok(k.Pause(first...))
		t.ok(k.Unassign(first...))
		t.ok(k.AssignAt(api.AtStart, first...))
		equal(t, "paused", len(k.Paused()), 0)
		t.fill(p, topic, 0, 1)
		t.until("what was paused", func() bool { return seen.count() == 2 })
		stop()
		run.wait()
	}},
	{"handle: records of a key are handled in order, and others need not wait for them", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		t.keyed(t.producer(c), topic, "a:0", "a:1", "b:0", "b:1", "c:0", "a:2", "b:2")
		k := t.reader(c, parts(topic, 1))
		slow, seen := t.gate(), &notes{}
		stop, run := t.handles(k, func(ctx context.Context, r *api.Record) error {
			if string(r.Key) == "a" {
				if err := slow.wait(ctx); err != nil {
					return err
				}
			}
			seen.add("%s%s", r.Key, r.Value)
			return nil
		}, api.OrderBy(api.ByKey), api.Concurrency(2))
		t.until("the others", func() bool { return seen.count() == 4 })
		equal(t, "handled", seen.of("a", "b", "c"), "b0 b1 b2 c0")
		slow.open()
		t.until("all", func() bool { return seen.count() == 7 })
		equal(t, "handled", seen.of("a", "b", "c"), "a0 a1 a2 b0 b1 b2 c0")
		stop()
		run.wait()
	}},
	{"handle: who seeks and ends it reads on where it was sought", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		t.fill(t.producer(c), topic, 0, 10)
		tp := api.TopicPartition{Topic: topic}
		for _, to := range []int64{2, 9} { // back and forth
			group := fmt.Sprint("group-", topic, to)
			k, err := c.Consumer(group, props("auto.offset.reset", "earliest"), api.Topics(topic))
			t.ok(err)
			ctx, stop := context.WithCancel(t.ctx)
			t.ok(k.Handle(ctx, func(ctx context.Context, r *api.Record) error {
				if r.Offset == 5 {
					wait, end := t.World.WithTimeout(t.ctx, time.Second) // all is read meanwhile
					defer end()
					_ = t.World.Park(wait, role.NewWaiter())
					defer stop()
					return k.Seek(tp, to)
				}
				if r.Offset == 6 {
					return t.World.Park(ctx, role.NewWaiter())
				}
				return nil
			}, api.Concurrency(1)))
			at, err := k.Position(t.ctx, tp)
			t.ok(err)
			equal(t, "position", at, to)
			had, err := k.Committed(t.ctx, tp)
			t.ok(err)
			equal(t, "committed", had[tp].Offset, to)
			t.ok(k.Close(t.ctx))
		}
	}},
	{"handle: what is committed was handled", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		t.fill(t.producer(c), topic, 0, 10)
		k, err := c.Consumer("group-"+topic, props("auto.offset.reset", "earliest", "auto.commit.interval.ms", "50"), api.Topics(topic))
		t.ok(err)
		slow, seen := t.gate(), &notes{}
		stop, run := t.handles(k, func(ctx context.Context, r *api.Record) error {
			if r.Offset == 3 {
				if err := slow.wait(ctx); err != nil {
					return err
				}
			}
			seen.add("%s", r.Value)
			return nil
		}, api.OrderBy(api.Unordered), api.Concurrency(4))
		committed := func() int64 {
			got, err := k.Committed(t.ctx, parts(topic, 1)...)
			t.ok(err)
			return got[parts(topic, 1)[0]].Offset
		}
		t.until("the others", func() bool { return seen.count() == 9 })
		t.ok(k.Commit(t.ctx))
		equal(t, "committed by hand", committed(), 3)
		t.until("automatic commits", func() bool { return committed() == 3 })
		slow.open()
		t.until("what was left", func() bool { return committed() == 10 })
		stop()
		run.wait()
		t.ok(k.Close(t.ctx))
	}},
	{"handle: a record that fails ends it, and is read again", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		t.fill(t.producer(c), topic, 0, 8)
		k, err := c.Consumer("group-"+topic, props("auto.offset.reset", "earliest"), api.Topics(topic))
		t.ok(err)
		cause, tries := errors.New("no stock"), 0
		err = k.Handle(t.ctx, func(_ context.Context, r *api.Record) error {
			if r.Offset == 5 {
				tries++
				return cause
			}
			return nil
		}, api.Attempts(3, 10*time.Millisecond))
		t.is(err, cause)
		var failed *api.HandleError
		if !errors.As(err, &failed) || failed.Record.Offset != 5 || tries != 3 || !strings.Contains(err.Error(), topic+"/0 at offset 5") {
			t.Failf("after %d attempts: %v", tries, err)
		}
		err = k.Handle(t.ctx, func(_ context.Context, r *api.Record) error {
			if r.Offset == 5 {
				panic("out of luck")
			}
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), "out of luck") {
			t.Failf("the error is %v", err)
		}
		got := t.read(k, 3)
		equal(t, "read again", values(got), "5 6 7")
		t.ok(k.Close(t.ctx))
	}},
	{"handle: retry topics and dead letters", func(t *T) {
		c := t.dial()
		work, soon, later, dead := t.topic(c, 1), t.topic(c, 1), t.topic(c, 1), t.topic(c, 1)
		p := t.producer(c)
		t.keyed(p, work, "k:fine", "k:once", "k:twice", "k:never", "k:hopeless", "k:last")
		k, err := c.Consumer("group-"+work, props("auto.offset.reset", "earliest"), api.Topics(work, soon, later))
		t.ok(err)
		begun := t.World.Now()
		early := errors.New("handled too early")
		done := &notes{}
		stop, run := t.handles(k, func(_ context.Context, r *api.Record) error {
			value, again := string(r.Value), slices.Index([]string{work, soon, later}, r.Topic)
			if age := t.World.Now().Sub(begun); age < []time.Duration{0, 200 * time.Millisecond, 600 * time.Millisecond}[again] {
				return early
			}
			if from, ok := api.Origin(r); ok != (again > 0) || ok && (from.Topic != work || from.Passed != again || from.Error == "") {
				return api.NotRetriable(fmt.Errorf("%s comes from %+v, %v", value, from, ok))
			}
			switch {
			case value == "hopeless":
				return api.NotRetriable(errors.New("hopeless"))
			case value == "never", value == "once" && again == 0, value == "twice" && again < 2:
				return errors.New("not now")
			}
			done.add("%s", value)
			return nil
		}, api.Retry(p, api.RetryTopic{Topic: soon, After: 200 * time.Millisecond}, api.RetryTopic{Topic: later, After: 400 * time.Millisecond}), api.DeadLetter(p, dead), api.Concurrency(2))
		letters := t.read(t.reader(c, parts(dead, 1)), 2)
		slices.SortFunc(letters, func(a, b *api.Record) int { return strings.Compare(string(a.Value), string(b.Value)) })
		t.until("all", func() bool { return done.count() == 4 })
		equal(t, "handled", done.sorted(), "fine last once twice")
		for i, want := range []struct {
			value, err string
			offset     int64
			passed     int
		}{{"hopeless", "hopeless", 4, 1}, {"never", "not now", 3, 3}} {
			from, ok := api.Origin(letters[i])
			if string(letters[i].Value) != want.value || string(letters[i].Key) != "k" || !ok || from.Topic != work || from.Offset != want.offset || from.Passed != want.passed || from.Error != want.err {
				t.Failf("dead letter %d is %q from %+v, %v", i, letters[i].Value, from, ok)
			}
		}
		stop()
		run.wait()
		t.until("everything is committed", func() bool {
			got, err := k.Committed(t.ctx, api.TopicPartition{Topic: work}, api.TopicPartition{Topic: soon}, api.TopicPartition{Topic: later})
			t.ok(err)
			return got[api.TopicPartition{Topic: work}].Offset == 6 && got[api.TopicPartition{Topic: soon}].Offset == 3 && got[api.TopicPartition{Topic: later}].Offset == 2
		})
		t.ok(k.Close(t.ctx))
	}},
	{"handle: a record that cannot be read is a dead letter", func(t *T) {
		c := t.dial()
		topic, dead := t.topic(c, 1), t.topic(c, 1)
		p := t.producer(c)
		t.keyed(p, topic, `k:1`, `k:{`, `k:2`)
		numbers := api.Topic[string, int]{Name: topic, Key: api.String, Value: api.JSON[int]{}}
		k := t.reader(c, parts(topic, 1))
		ctx, stop := context.WithCancel(t.ctx)
		sum := 0
		t.ok(numbers.Handle(ctx, k, func(_ context.Context, r api.Typed[string, int]) error {
			if sum += r.V; sum == 3 {
				stop()
			}
			return nil
		}, api.DeadLetter(p, dead), api.Attempts(5, time.Hour)))
		equal(t, "dead letter", values(t.read(t.reader(c, parts(dead, 1)), 1)), "{")
	}},
	{"handle: a paused partition is not handled, and what was read of it is kept", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 2)
		p := t.producer(c)
		k := t.reader(c, parts(topic, 2))
		slow, seen := t.gate(), &notes{}
		stop, run := t.handles(k, func(ctx context.Context, r *api.Record) error {
			seen.add("%d:%s", r.Partition, r.Value)
			return slow.wait(ctx)
		}, api.Concurrency(2))
		t.fill(p, topic, 0, 3)
		t.until("the first", func() bool { return seen.count() == 1 })
		t.ok(k.Pause(parts(topic, 1)...))
		slow.open()
		t.fill(p, topic, 1, 2)
		t.until("the other partition", func() bool { return seen.count() == 3 })
		equal(t, "handled", seen.sorted(), "0:0 1:0 1:1")
		equal(t, "paused", fmt.Sprint(k.Paused()), fmt.Sprint(parts(topic, 1)))
		t.ok(k.Resume(parts(topic, 1)...))
		t.until("all", func() bool { return seen.count() >= 5 })
		stop()
		run.wait()
	}},
	{"handle: a handler has a deadline, and may ask for more", func(t *T) {
		c, topic, _ := t.filled(1)
		k := t.reader(c, parts(topic, 1))
		t.patiently(100*time.Millisecond, func(d time.Duration) {
			tries := 0
			err := k.Handle(t.ctx, func(ctx context.Context, _ *api.Record) error {
				if tries++; tries == 1 {
					api.ExtendDeadline(ctx, time.Hour)
					t.sleep(3 * d)
					if ctx.Err() != nil {
						return api.NotRetriable(errors.New("it was not extended"))
					}
					return errors.New("again")
				}
				_ = t.World.Park(ctx, role.NewWaiter())
				return context.Cause(ctx)
			}, api.HandlerDeadline(d), api.Attempts(2, 0))
			t.is(err, api.ErrHandlerDeadline)
			t.is(err, context.DeadlineExceeded)
		})
	}},
	{"handle: calls that do not fit are refused", func(t *T) {
		c, topic, _ := t.filled(1)
		p := t.producer(c)
		k, err := c.Consumer("group-"+topic, props("auto.offset.reset", "earliest"), api.Topics(topic))
		t.ok(err)
		nothing := func(context.Context, *api.Record) error { return nil }
		for what, err := range map[string]error{
			"no handler":                             k.Handle(t.ctx, nil),
			"0 records cannot":                       k.Handle(t.ctx, nothing, api.Concurrency(0)),
			"fewer than are handled":                 k.Handle(t.ctx, nothing, api.Concurrency(5), api.InFlight(4)),
			"not subscribed to " + topic + "-retry":  k.Handle(t.ctx, nothing, api.Retry(p, api.RetryTopic{Topic: topic + "-retry"})),
			"the consumer is subscribed to " + topic: k.Handle(t.ctx, nothing, api.DeadLetter(p, topic)),
			"a producer and a topic are needed":      k.Handle(t.ctx, nothing, api.DeadLetter(nil, topic)),
		} {
			if err == nil || !strings.Contains(err.Error(), what) {
				t.Failf("the error is %v, expected %q", err, what)
			}
		}
		seen := &notes{}
		stop, run := t.handles(k, func(_ context.Context, r *api.Record) error { seen.add("%s", r.Value); return nil })
		t.until("handled", func() bool { return seen.count() > 0 })
		_, err = k.Poll(t.ctx)
		t.is(err, api.ErrIllegalState)
		t.is(k.Handle(t.ctx, nothing), api.ErrIllegalState)
		stop()
		run.wait()
		_, closing := t.handles(k, nothing)
		t.sleep(50 * time.Millisecond)
		t.ok(k.Close(t.ctx))
		if _, err := closing.done.Get(t.ctx); !errors.Is(err, api.ErrClosed) {
			t.Failf("the error is %v", err)
		}
	}},
}

// asked is a context that tells when it was asked for its deadline.
type asked struct {
	context.Context
	deadline atomic.Bool
}

func (a *asked) Deadline() (time.Time, bool) {
	a.deadline.Store(true)
	return a.Context.Deadline()
}

// groupHandling is Handle in groups.
var groupHandling = slices.Concat(
	grouped("handled records are handled once, whoever comes and goes", 6, func(g *G) {
		begin := func() (*api.Consumer, func(), *running, *notes) {
			own := &notes{}
			k := g.consumer(api.Topics(g.topic), api.OnRebalance(api.RebalanceListener{Assigned: func(_ context.Context, parts []api.TopicPartition) {
				for _, tp := range parts {
					own.add("%d", tp.Partition)
				}
			}}))
			stop, run := g.handles(k, func(_ context.Context, r *api.Record) error {
				g.sleep(2 * time.Millisecond)
				g.ledger.add(r)
				return nil
			}, api.OrderBy(api.ByKey), api.Concurrency(4), api.DrainTimeout(time.Minute))
			return k, stop, run, own
		}
		a, stopA, runA, ownA := begin()
		g.until("the first has partitions", func() bool { return ownA.count() >= 6 })
		writer := g.goes("writer", func() error { g.write(6, 0, 60); return nil })
		b, stopB, runB, ownB := begin()
		g.until("the second has partitions", func() bool { return ownB.count() >= 3 })
		writer.wait()
		stopA()
		runA.wait()
		g.ok(a.Close(g.ctx))
		g.write(6, 60, 80)
		g.until("all", func() bool { return g.ledger.distinct() == 480 })
		stopB()
		runB.wait()
		g.ok(b.Close(g.ctx))
		equal(g.T, "records handled", g.ledger.total(), 480)
	}),
	grouped("what has not begun is not handled when its partition is given up", 1, func(g *G) {
		g.write(1, 0, 20)
		slow, seen := g.gate(), &notes{}
		gone := false
		var wrong error
		k := g.consumer(api.Topics(g.topic), api.OnRebalance(api.RebalanceListener{Revoked: func(context.Context, []api.TopicPartition) { gone = true }}))
		ctx, stop := context.WithCancel(g.ctx)
		defer stop()
		run := g.goes("handle", func() error {
			return k.Handle(ctx, func(ctx context.Context, r *api.Record) error {
				if gone {
					wrong = fmt.Errorf("%d is handled, and the partition is gone", r.Offset)
				}
				seen.add("%d", r.Offset)
				return slow.wait(ctx)
			}, api.Concurrency(1))
		})
		g.until("the first", func() bool { return seen.count() == 1 })
		given := &asked{Context: g.ctx}
		leaving := g.goes("leaving", func() error { return k.Unsubscribe(given) })
		g.until("it waits for the handler, and how long it may is known", given.deadline.Load)
		slow.open()
		leaving.wait()
		_, err := run.done.Get(g.ctx)
		g.is(err, api.ErrIllegalState) // nothing is subscribed to
		g.ok(wrong)
		equal(g.T, "handled", seen.sorted(), "0")
		g.ok(k.Subscribe(g.topic))
		equal(g.T, "next", values(g.read(k, 19)[:2]), "1 2")
		g.ok(k.Close(g.ctx))
	}),
)
