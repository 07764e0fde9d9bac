package api_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/coordinator/assign"
	metadata "github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/sender"
)

// deed is what a function of the application's does when it is called first.
type deed struct {
	done    atomic.Bool
	entered chan struct{} // closed then
	act     func()
	client  *api.Client
}

// aimed is a partitioner.
type aimed struct{ d *deed }

func (a aimed) Partition(*metadata.Topic, []byte, int) int32 { a.d.do(); return 0 }

func (d *deed) do() {
	if !d.done.Swap(true) {
		close(d.entered)
		d.act()
	}
}

// ofUser are assignor, interceptor, logger and serde of the application's.
type ofUser struct {
	assign.Range
	d     *deed
	where string
}

func (u ofUser) Name() string { return "mine" }

func (u ofUser) UserData(parts []assign.Partition, generation int32) []byte {
	if u.where == "UserData" {
		u.d.do()
	}
	return nil
}

func (u ofUser) Assign(g assign.Group) (assign.Assignment, error) {
	if u.where == "Assign" {
		u.d.do()
	}
	return u.Range.Assign(g)
}

func (u ofUser) OnConsume(records []*api.Record) []*api.Record {
	if u.where == "OnConsume" {
		u.d.do()
	}
	return records
}

func (u ofUser) OnCommit([]api.OffsetAndMetadata) {
	if u.where == "OnCommit" {
		u.d.do()
	}
}

func (u ofUser) Enabled(context.Context, slog.Level) bool { return true }

func (u ofUser) Handle(context.Context, slog.Record) error { u.d.do(); return nil }

func (u ofUser) WithAttrs([]slog.Attr) slog.Handler { return u }

func (u ofUser) WithGroup(string) slog.Handler { return u }

// reading is how a consumer is used until ctx ends; what it panics with is the application's own.
type reading func(ctx context.Context, k *api.Consumer)

func polls(ctx context.Context, k *api.Consumer) {
	for ctx.Err() == nil {
		_ = panics(func() { _, _ = k.Poll(ctx) })
	}
}

func handles(h func(*deed), opts ...func(*deed) api.HandleOption) func(*deed) reading {
	return func(d *deed) reading {
		return func(ctx context.Context, k *api.Consumer) {
			list := []api.HandleOption{api.DrainTimeout(100 * time.Millisecond)}
			for _, o := range opts {
				list = append(list, o(d))
			}
			for ctx.Err() == nil {
				_ = panics(func() { _ = k.Handle(ctx, func(context.Context, *api.Record) error { h(d); return nil }, list...) })
			}
		}
	}
}

// function is a place where a consumer calls the application. Those that end the consumer's membership when they fail say so.
type function struct {
	name    string
	options func(*deed) []api.ConsumerOption
	client  func(*deed) api.ClientOption
	uses    func(*deed) reading // polls if nil
	pattern bool                // SubscribeMatching
	ends    bool                // a panic ends the membership
	aside   bool                // it is called beside the goroutine that reads: it may not read
}

var functions = []function{
	{name: "listener, assigned", options: func(d *deed) []api.ConsumerOption {
		return []api.ConsumerOption{api.OnRebalance(api.RebalanceListener{OnAssigned: func(context.Context, []api.TopicPartition) { d.do() }})}
	}},
	{name: "pattern", pattern: true, aside: true},
	{name: "assignor, UserData", ends: true, aside: true, options: func(d *deed) []api.ConsumerOption {
		return []api.ConsumerOption{api.Assignors(ofUser{d: d, where: "UserData"})}
	}},
	{name: "assignor, Assign", ends: true, aside: true, options: func(d *deed) []api.ConsumerOption {
		return []api.ConsumerOption{api.Assignors(ofUser{d: d, where: "Assign"})}
	}},
	{name: "interceptor, OnConsume", options: func(d *deed) []api.ConsumerOption {
		return []api.ConsumerOption{api.ConsumerInterceptors(ofUser{d: d, where: "OnConsume"})}
	}},
	{name: "interceptor, OnConsume of Handle", options: func(d *deed) []api.ConsumerOption {
		return []api.ConsumerOption{api.ConsumerInterceptors(ofUser{d: d, where: "OnConsume"})}
	}, uses: handles(func(*deed) {})},
	{name: "interceptor, OnCommit", options: func(d *deed) []api.ConsumerOption {
		return []api.ConsumerOption{api.ConsumerInterceptors(ofUser{d: d, where: "OnCommit"})}
	}},
	{name: "OnCommit", options: func(d *deed) []api.ConsumerOption {
		return []api.ConsumerOption{api.OnCommit(func([]api.OffsetAndMetadata, error) { d.do() })}
	}},
	{name: "CommitAsync", uses: func(d *deed) reading {
		return func(ctx context.Context, k *api.Consumer) {
			for ctx.Err() == nil {
				_ = panics(func() {
					if records, err := k.Poll(ctx); err == nil && len(records) > 0 {
						_ = k.CommitAsync(func(error) { d.do() })
					}
				})
			}
		}
	}},
	{name: "deserializer", uses: func(d *deed) reading {
		read := api.Topic[string, string]{Name: "t", Key: api.String, Value: api.SerdeFuncs[string]{From: func(string, []api.Header, []byte) (string, error) { d.do(); return "", nil }}}
		return func(ctx context.Context, k *api.Consumer) {
			for ctx.Err() == nil {
				_ = panics(func() {
					for range read.Records(ctx, k) { //nolint:revive // the deserializer is what is called
					}
				})
			}
		}
	}},
	{name: "handler", uses: handles((*deed).do)},
	{name: "OnReset", options: func(d *deed) []api.ConsumerOption {
		return []api.ConsumerOption{api.OnReset(func(api.PositionReset) { d.do() })}
	}, uses: func(*deed) reading {
		return func(ctx context.Context, k *api.Consumer) {
			for ctx.Err() == nil {
				_ = panics(func() { _, _ = k.Poll(ctx) })
				_ = k.Seek(api.TopicPartition{Topic: "t"}, 1<<40)
			}
		}
	}},
	{name: "OnHandleError", pattern: true, uses: func(d *deed) reading {
		return handles(func(*deed) {}, func(own *deed) api.HandleOption { return api.OnHandleError(func(error) { own.do() }) })(d)
	}},
	{name: "partitioner of the dead letters' producer", uses: func(d *deed) reading {
		return func(ctx context.Context, k *api.Consumer) {
			p, err := d.client.Producer(api.Partitioner(func(*rand.Rand) sender.Partitioner { return aimed{d} }))
			if err != nil {
				panic(err)
			}
			if _, err := d.client.Admin().CreateTopics(ctx, api.NewTopic{Name: "dead", Partitions: 1, Replicas: 1}); err != nil {
				panic(err)
			}
			for ctx.Err() == nil {
				_ = k.Handle(ctx, func(context.Context, *api.Record) error { return errors.New("on purpose") }, api.DeadLetter(p, "dead"), api.DrainTimeout(100*time.Millisecond))
			}
		}
	}},
	{name: "loop", uses: func(d *deed) reading {
		return func(ctx context.Context, k *api.Consumer) {
			for ctx.Err() == nil {
				_ = panics(func() {
					for range k.Records(ctx) {
						d.do()
					}
				})
			}
		}
	}},
	{name: "logger", aside: true, client: func(d *deed) api.ClientOption { return api.Logger(slog.New(ofUser{d: d})) }},
	{name: "hook", aside: true, client: func(d *deed) api.ClientOption {
		return api.Hooks(broker.Hooks{Changed: func(*metadata.Snapshot) { d.do() }})
	}},
}

// TestFunctionsOfTheApplication has each of them panic, block and call the consumer: the client goes on, other consumers read, and the consumer does too, or can be closed.
func TestFunctionsOfTheApplication(t *testing.T) {
	for _, f := range functions {
		for _, what := range []string{"panics", "blocks", "calls back"} {
			t.Run(f.name+" "+what, func(t *testing.T) { misbehaves(t, f, what) })
		}
	}
}

func misbehaves(t *testing.T, f function, what string) {
	release := make(chan struct{})
	made := make(chan *api.Consumer, 1)
	d := &deed{entered: make(chan struct{}), act: func() { panic("on purpose") }}
	back := make(chan error, 1)
	switch what {
	case "blocks":
		d.act = func() { <-release }
	case "calls back":
		d.act = func() { back <- callsBack(<-made, !f.aside) }
	}
	own := []api.ConsumerOption{api.Property("auto.commit.interval.ms", "20")}
	var ofClient []api.ClientOption
	if f.client != nil {
		ofClient = append(ofClient, f.client(d))
	}
	if f.options != nil {
		own = append(own, f.options(d)...)
	}
	client := dialed(t, ofClient...)
	d.client = client
	released := sync.OnceFunc(func() { close(release) })
	t.Cleanup(released) // before the client is closed
	p, err := client.Producer()
	if err != nil {
		t.Fatal(err)
	}
	bad, err := client.Consumer(t.Name(), own...)
	if err != nil {
		t.Fatal(err)
	}
	var wrong atomic.Bool
	if f.pattern {
		err = bad.SubscribeMatching("mine", func(topic string) bool {
			if f.name == "OnHandleError" { // that is what goes wrong
				if !wrong.Swap(true) {
					panic("on purpose")
				}
			} else {
				d.do()
			}
			return topic == "t"
		})
	} else {
		err = bad.Subscribe("t")
	}
	if err != nil {
		t.Fatal(err)
	}
	made <- bad // not before: what the function does to it must not keep it from being subscribed
	produced(t, p)
	use := reading(polls)
	if f.uses != nil {
		use = f.uses(d)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	used := make(chan struct{})
	go func() { defer close(used); use(ctx, bad) }()
	t.Cleanup(func() {
		released()
		stop()
		within(t, "the loop", func() { <-used })
	})
	within(t, "the function", func() {
		for {
			select {
			case <-d.entered:
				return
			case <-time.After(50 * time.Millisecond):
				produced(t, p)
			}
		}
	})
	if what == "calls back" {
		within(t, "a call from the function", func() {
			if err := <-back; err != nil {
				t.Error(err)
			}
		})
	}
	produced(t, p)
	other, err := client.Consumer("")
	if err != nil {
		t.Fatal(err)
	}
	within(t, "another consumer", func() {
		if err := other.AssignAt(0, api.TopicPartition{Topic: "t"}); err != nil {
			t.Error(err)
		}
		if records, err := other.Poll(context.Background()); err != nil || len(records) == 0 {
			t.Errorf("another consumer: %d records, %v", len(records), err)
		}
	})
	if what == "panics" {
		stop()
		within(t, "the loop", func() { <-used })
		within(t, "Poll after a panic", func() { goesOn(t, bad, p, f) })
	}
	short, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	within(t, "Close", func() { _ = panics(func() { _ = bad.Shutdown(short) }) })
}

// goesOn reads on after a panic.
func goesOn(t *testing.T, k *api.Consumer, p *api.Producer, f function) {
	for {
		produced(t, p)
		short, cancel := context.WithTimeout(context.Background(), time.Second)
		records, err := k.Poll(short)
		cancel()
		var fatal *api.GroupError
		switch {
		case f.ends && errors.As(err, &fatal):
			if !strings.Contains(err.Error(), "panicked: on purpose") {
				t.Errorf("the error is %v", err)
			}
			return
		case len(records) > 0 && !f.ends:
			return
		}
	}
}

// callsBack calls what a consumer has, each with little time: it works, or there is an error at once. With reads also what is for one goroutine.
func callsBack(k *api.Consumer, reads bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	tp := api.TopicPartition{Topic: "t"}
	if reads {
		_, _ = k.Poll(ctx)
		_ = k.Handle(ctx, func(context.Context, *api.Record) error { return nil }, api.DrainTimeout(0))
	}
	_ = k.Commit(ctx)
	_ = k.CommitAsync(nil)
	_ = k.Seek(tp, 0)
	_ = k.Pause(tp)
	_ = k.Resume(tp)
	_, _ = k.Position(ctx, tp)
	_, _ = k.Committed(ctx, tp)
	_ = k.Unassign()
	k.Wakeup()
	err := k.Subscribe("t")
	if err == nil || errors.Is(err, api.ErrIllegalState) {
		err = nil
	}
	_ = k.Unsubscribe(ctx)
	_ = k.Shutdown(ctx)
	return err
}

// TestWhatIsCommittedAutomaticallyIsCommittedAgain when the application has committed another offset since, or the position is the same and the record before it is not known any more: the last word is the automatic one's.
func TestWhatIsCommittedAutomaticallyIsCommittedAgain(t *testing.T) {
	tp := api.TopicPartition{Topic: "t"}
	for name, between := range map[string]func(k *api.Consumer) error{
		"Commit": func(k *api.Consumer) error {
			return k.Commit(context.Background(), api.OffsetAndMetadata{TopicPartition: tp, Offset: 1})
		},
		"CommitAsync": func(k *api.Consumer) error {
			told := false
			err := k.CommitAsync(func(error) { told = true }, api.OffsetAndMetadata{TopicPartition: tp, Offset: 1})
			for err == nil && !told {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
				_, _ = k.Poll(ctx)
				cancel()
			}
			return err
		},
		"Seek": func(k *api.Consumer) error { return k.Seek(tp, 3) },
	} {
		t.Run(name, func(t *testing.T) {
			client := dialed(t, api.Property("auto.commit.interval.ms", "20"))
			p, err := client.Producer()
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				produced(t, p)
			}
			k, err := client.Consumer("g", api.Topics("t"))
			if err != nil {
				t.Fatal(err)
			}
			until := func(what string, done func(api.OffsetAndMetadata) bool) {
				within(t, what, func() {
					for had := map[api.TopicPartition]api.OffsetAndMetadata{}; !done(had[tp]); {
						ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
						_, _ = k.Poll(ctx)
						cancel()
						if had, err = k.Committed(context.Background(), tp); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			until("the first commit", func(o api.OffsetAndMetadata) bool { return o.Offset == 3 && o.LeaderEpoch.Int() >= 0 })
			within(t, name, func() { err = between(k) })
			if err != nil {
				t.Fatal(err)
			}
			if name == "Seek" {
				until("a commit of the position without an epoch", func(o api.OffsetAndMetadata) bool { return o.Offset == 3 && o.LeaderEpoch.Int() < 0 })
				return
			}
			until("the next commit", func(o api.OffsetAndMetadata) bool { return o.Offset == 3 })
		})
	}
}
