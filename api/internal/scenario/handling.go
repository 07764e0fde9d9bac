package scenario

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/api"
)

var handling = []Scenario{
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
			t.ok(k.Shutdown(t.ctx))
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
			t.ok(k.Shutdown(t.ctx))
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
		t.ok(k.Shutdown(t.ctx))
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
		t.ok(k.Shutdown(t.ctx))
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
		t.ok(k.Shutdown(t.ctx))
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
		t.ok(k.Shutdown(t.ctx))
		if _, err := closing.done.Get(t.ctx); !errors.Is(err, api.ErrClosed) {
			t.Failf("the error is %v", err)
		}
	}},
}
