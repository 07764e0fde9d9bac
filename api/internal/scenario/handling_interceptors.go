package scenario

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/kactor-go/kactor/api"
)

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

func (messy) OnCommit([]api.OffsetAndMetadata) {}

// bare is an interceptor that gives records which do not say where they come from.
type bare struct{}

func (bare) OnConsume(records []*api.Record) (out []*api.Record) {
	for _, r := range records {
		out = append(out, &api.Record{Key: r.Key, Value: r.Value, Headers: r.Headers})
	}
	return out
}

func (bare) OnCommit([]api.OffsetAndMetadata) {}

// slowly is an interceptor that waits.
type slowly struct{ until func() }

func (s slowly) OnConsume(records []*api.Record) []*api.Record {
	s.until()
	return records
}

func (slowly) OnCommit([]api.OffsetAndMetadata) {}

// handlingIntercepted are what Handle makes of what interceptors make of records.
var handlingIntercepted = []Scenario{
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
			t.ok(k.Shutdown(t.ctx))
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
		t.ok(k.Shutdown(t.ctx))
	}},
}
