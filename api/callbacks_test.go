package api_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/coordinator/assign"
	metadata "github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/sender"
)

// within fails the test if f does not return; how long it takes does not matter.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	over := make(chan struct{})
	go func() {
		defer close(over)
		f()
	}()
	select {
	case <-over:
	case <-time.After(time.Minute):
		t.Fatalf("%s does not return", what)
	}
}

// patiently tries what must come to be within a time, and gives it more and more: what a slow machine does not bring about in a second is no fault.
func patiently(t *testing.T, try func(d time.Duration) error) {
	t.Helper()
	var err error
	for _, d := range []time.Duration{time.Second, 3 * time.Second, 8 * time.Second} { // Dial takes ten seconds at most
		if err = try(d); err == nil {
			return
		}
	}
	t.Error(err)
}

// panics tells what f panics with.
func panics(f func()) (value any) {
	defer func() { value = recover() }()
	f()
	return nil
}

func dialed(t *testing.T, opts ...api.ClientOption) *api.Client {
	t.Helper()
	client, err := api.Dial(t.Context(), append([]api.ClientOption{api.Brokers(listen(t).Addrs()...), api.Property("auto.offset.reset", "earliest")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := client.Shutdown(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return client
}

func produced(t *testing.T, p *api.Producer) {
	t.Helper()
	within(t, "Produce", func() {
		if _, err := p.Produce(context.Background(), &api.Record{Topic: "t", Partition: 0, Fixed: true, Value: []byte("v")}); err != nil {
			t.Errorf("produce: %v", err)
		}
	})
}

func TestFunctionOfARecordThatPanics(t *testing.T) {
	p, err := dialed(t).Producer()
	if err != nil {
		t.Fatal(err)
	}
	var called atomic.Int32
	for i := range 10 {
		err := p.Send(t.Context(), &api.Record{Topic: "t", Partition: 0, Fixed: true}, func(api.RecordMetadata, error) {
			if called.Add(1); i%2 == 0 {
				panic("on purpose")
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	within(t, "Flush", func() { err = p.Flush(context.Background()) })
	if err != nil || called.Load() != 10 {
		t.Errorf("flush: %v, %d functions were called", err, called.Load())
	}
	produced(t, p)
}

func TestFunctionOfARecordThatBlocks(t *testing.T) {
	client := dialed(t)
	p, err := client.Producer()
	if err != nil {
		t.Fatal(err)
	}
	release, blocked := make(chan struct{}), make(chan struct{})
	if err := p.Send(t.Context(), &api.Record{Topic: "t", Partition: 0, Fixed: true}, func(api.RecordMetadata, error) { close(blocked); <-release }); err != nil {
		t.Fatal(err)
	}
	<-blocked
	other, err := client.Producer()
	if err != nil {
		t.Fatal(err)
	}
	produced(t, other)
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	within(t, "Close", func() { err = p.Shutdown(short) })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close beside a function that blocks: %v", err)
	}
	close(release)
}

// What a callback waits for comes behind it: it stood still for ever, and every other caller of the producer with it. Java's client refuses that, too (KAFKA-10790).
func TestFunctionOfARecordThatCallsTheProducer(t *testing.T) {
	client := dialed(t)
	p, err := client.Producer()
	if err != nil {
		t.Fatal(err)
	}
	r := &api.Record{Topic: "t", Partition: 0, Fixed: true}
	sent, written, refused := make(chan error, 1), make(chan error, 1), make(chan map[string]error, 1)
	err = p.Send(t.Context(), r, func(api.RecordMetadata, error) {
		ctx := context.Background()
		_, produce := p.Produce(ctx, r)
		refused <- map[string]error{"flush": p.Flush(ctx), "produce": produce, "produce all": p.ProduceAll(ctx, r), "close": p.Shutdown(ctx), "close of the client": client.Shutdown(ctx)}
		sent <- p.Send(ctx, r, func(_ api.RecordMetadata, err error) { written <- err })
	})
	if err != nil {
		t.Fatal(err)
	}
	within(t, "a function that calls the producer", func() {
		for what, err := range <-refused {
			if !errors.Is(err, api.ErrIllegalState) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := errors.Join(<-sent, <-written); err != nil {
			t.Errorf("a record that is sent by a function: %v", err)
		}
	})
	produced(t, p)
}

// A test that fails in a callback ends the goroutine it runs on: the callbacks behind it are called all the same.
func TestFunctionOfARecordThatEndsItsGoroutine(t *testing.T) {
	p, err := dialed(t).Producer()
	if err != nil {
		t.Fatal(err)
	}
	var called atomic.Int32
	for i := range 10 {
		err := p.Send(t.Context(), &api.Record{Topic: "t", Partition: 0, Fixed: true}, func(api.RecordMetadata, error) {
			if called.Add(1); i%3 == 0 {
				runtime.Goexit()
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	within(t, "Flush", func() { err = p.Flush(context.Background()) })
	if err != nil || called.Load() != 10 {
		t.Errorf("flush: %v, %d functions were called", err, called.Load())
	}
	within(t, "Close", func() { err = p.Shutdown(context.Background()) })
	if err != nil {
		t.Error(err)
	}
}

type broken struct{ calls *int }

func (b broken) Partition(*metadata.Topic, []byte, int) int32 {
	if *b.calls++; *b.calls == 1 {
		panic("on purpose")
	}
	return 0
}

// A partitioner's panic is the error of the record that it was asked about: whether the topic is known, and the caller asks, or not yet, and the record is placed later.
func TestPartitionerThatPanics(t *testing.T) {
	calls := new(int)
	p, err := dialed(t).Producer(api.Partitioner(func(*rand.Rand) sender.Partitioner { return broken{calls} }))
	if err != nil {
		t.Fatal(err)
	}
	for _, known := range []string{"a topic that is not known yet", "one that is"} {
		*calls = 0
		within(t, "Produce", func() { _, err = p.Produce(context.Background(), &api.Record{Topic: "t"}) })
		if err == nil || !strings.Contains(err.Error(), "on purpose") {
			t.Errorf("%s: %v", known, err)
		}
	}
	within(t, "Send", func() { err = p.Send(context.Background(), &api.Record{Topic: "t"}, nil) })
	if err != nil {
		t.Error(err)
	}
}

type leaving struct{ calls *atomic.Int32 }

func (l leaving) Partition(*metadata.Topic, []byte, int) int32 {
	if l.calls.Add(1) == 2 {
		runtime.Goexit()
	}
	return 0
}

// A test that fails in a partitioner ends the goroutine it runs on. Where that was the producer's own, what was held for a topic was never placed, and Flush and Close waited for ever.
func TestPartitionerThatEndsItsGoroutine(t *testing.T) {
	calls := new(atomic.Int32)
	client := dialed(t)
	p, err := client.Producer(api.Partitioner(func(*rand.Rand) sender.Partitioner { return leaving{calls} }))
	if err != nil {
		t.Fatal(err)
	}
	var told, failed atomic.Int32
	for range 4 {
		err := p.Send(context.Background(), &api.Record{Topic: "later"}, func(_ api.RecordMetadata, err error) {
			if told.Add(1); err != nil {
				failed.Add(1)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if calls.Load() != 0 {
		t.Fatal("the topic is there already")
	}
	if _, err := client.Admin().CreateTopics(context.Background(), api.NewTopic{Name: "later", Partitions: 1, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	within(t, "Flush", func() { err = p.Flush(context.Background()) })
	if err != nil || told.Load() != 4 || failed.Load() != 1 {
		t.Errorf("flush: %v, %d outcomes, %d of them errors", err, told.Load(), failed.Load())
	}
	within(t, "Close", func() { err = p.Shutdown(context.Background()) })
	if err != nil {
		t.Error(err)
	}
}

func TestHooksThatPanic(t *testing.T) {
	p, err := dialed(t, api.Hooks(broker.Hooks{Changed: func(*metadata.Snapshot) { panic("on purpose") }})).Producer()
	if err != nil {
		t.Fatal(err)
	}
	produced(t, p)
}

// member polls until its listener was called as often as it should be.
func member(t *testing.T, client *api.Client, l api.RebalanceListener, opts ...api.ConsumerOption) *api.Consumer {
	t.Helper()
	k, err := client.Consumer(t.Name(), append(opts, api.Topics("t"), api.OnRebalance(l))...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestListenerThatPanics(t *testing.T) {
	client := dialed(t)
	p, err := client.Producer()
	if err != nil {
		t.Fatal(err)
	}
	produced(t, p)
	k := member(t, client, api.RebalanceListener{
		OnAssigned: func(context.Context, []api.TopicPartition) { panic("assigned") },
		OnRevoked:  func(context.Context, []api.TopicPartition) { panic("revoked") },
	})
	within(t, "Poll", func() {
		if what := panics(func() { _, _ = k.Poll(context.Background()) }); what != "assigned" {
			t.Errorf("poll panicked with %v", what)
		}
	})
	within(t, "Poll after a panic", func() {
		if records, err := k.Poll(context.Background()); err != nil || len(records) == 0 {
			t.Errorf("%d records, %v", len(records), err)
		}
	})
	within(t, "Close", func() {
		if what := panics(func() { _ = k.Shutdown(context.Background()) }); what != "revoked" {
			t.Errorf("close panicked with %v", what)
		}
	})
	next := member(t, client, api.RebalanceListener{})
	produced(t, p)
	within(t, "Poll of the next member", func() {
		if records, err := next.Poll(context.Background()); err != nil || len(records) == 0 {
			t.Errorf("the next member: %d records, %v", len(records), err)
		}
	})
}

func TestListenerThatCallsTheConsumer(t *testing.T) {
	client := dialed(t)
	p, err := client.Producer()
	if err != nil {
		t.Fatal(err)
	}
	produced(t, p)
	var k *api.Consumer
	refused := map[string]error{}
	l := api.RebalanceListener{OnAssigned: func(ctx context.Context, parts []api.TopicPartition) {
		if len(k.Assignment()) == 0 || len(k.Subscription()) != 1 {
			t.Errorf("assigned are %v, subscribed to is %v", k.Assignment(), k.Subscription())
		}
		for what, err := range map[string]error{"pause": k.Pause(parts...), "resume": k.Resume(parts...), "seek": k.Seek(parts[0], 0), "commit": k.Commit(ctx, api.OffsetAndMetadata{TopicPartition: parts[0], Offset: 0})} {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := k.Committed(ctx, parts...); err != nil {
			t.Errorf("committed: %v", err)
		}
		_, refused["poll"] = k.Poll(context.Background())
		refused["close"] = k.Shutdown(context.Background())
		refused["subscribe"] = k.Subscribe("t")
		refused["unsubscribe"] = k.Unsubscribe(context.Background())
		k.Listen(api.RebalanceListener{})
	}}
	k = member(t, client, l)
	within(t, "Poll", func() {
		for got := 0; got == 0; {
			records, err := k.Poll(context.Background())
			if err != nil {
				t.Errorf("poll: %v", err)
				return
			}
			got = len(records)
		}
	})
	if len(refused) != 4 {
		t.Fatalf("the listener was not called: %v", refused)
	}
	for what, err := range refused {
		if !errors.Is(err, api.ErrIllegalState) {
			t.Errorf("%s within a listener: %v", what, err)
		}
	}
}

func TestListenerThatBlocks(t *testing.T) {
	blocked, release := make(chan struct{}), make(chan struct{})
	k := member(t, dialed(t), api.RebalanceListener{OnAssigned: func(context.Context, []api.TopicPartition) { close(blocked); <-release }})
	polled := make(chan error, 1)
	polling, stop := context.WithCancel(t.Context())
	go func() {
		_, err := k.Poll(polling)
		polled <- err
	}()
	<-blocked
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var err error
	within(t, "Close", func() { err = k.Shutdown(short) })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close beside a listener that blocks: %v", err)
	}
	close(release)
	stop()
	within(t, "Poll", func() { <-polled })
	within(t, "Close", func() { err = k.Shutdown(context.Background()) })
	if err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestFunctionsOfCommitsThatPanic(t *testing.T) {
	client := dialed(t)
	p, err := client.Producer()
	if err != nil {
		t.Fatal(err)
	}
	produced(t, p)
	k := member(t, client, api.RebalanceListener{})
	var called atomic.Int32
	within(t, "Poll", func() {
		if _, err := k.Poll(context.Background()); err != nil {
			t.Errorf("poll: %v", err)
		}
		for range 2 {
			if err := k.CommitAsync(func(error) { called.Add(1); panic("committed") }); err != nil {
				t.Errorf("commit: %v", err)
			}
		}
		for called.Load() < 2 {
			short, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
			_ = panics(func() { _, _ = k.Poll(short) })
			cancel()
		}
	})
	produced(t, p)
	within(t, "Poll", func() {
		if records, err := k.Poll(context.Background()); err != nil || len(records) == 0 {
			t.Errorf("%d records, %v", len(records), err)
		}
	})
}

// TestAHandlerThatEndsItsGoroutine ends as one does that fails: a test's FailNow does so.
func TestAHandlerThatEndsItsGoroutine(t *testing.T) {
	client, end := cluster()
	defer end()
	producer, err := client.Producer()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := producer.Produce(t.Context(), &api.Record{Topic: "orders"}); err != nil {
		t.Fatal(err)
	}
	consumer, err := client.Consumer("", api.Property("auto.offset.reset", "earliest"))
	if err == nil {
		err = consumer.Assign(api.TopicPartition{Topic: "orders"})
	}
	if err != nil {
		t.Fatal(err)
	}
	err = consumer.Handle(t.Context(), func(context.Context, *api.Record) error {
		runtime.Goexit()
		return nil
	}, api.Concurrency(1))
	var failed *api.HandleError
	if !errors.As(err, &failed) || failed.Record.Offset != 0 {
		t.Errorf("the error is %v", err)
	}
}

// nameless is an assignor that panics when its name is asked for.
type nameless struct{ assign.Range }

func (nameless) Name() string { panic("no name") }

// A consumer that cannot be started, because an assignor panics, keeps nobody from closing the client: who did was still waiting after its context had ended.
func TestAnAssignorThatPanicsDoesNotKeepTheClientOpen(t *testing.T) {
	client := dialed(t)
	if what := panics(func() { _, _ = client.Consumer("g", api.Assignors(nameless{})) }); what != "no name" {
		t.Errorf("it panicked with %v", what)
	}
	within(t, "Close", func() {
		if err := client.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// A listener has the time that the group gives it, not what is left of the Poll that called it: a commit in it failed.
func TestAListenersContextIsNotThatOfPoll(t *testing.T) {
	client := dialed(t)
	p, err := client.Producer()
	if err != nil {
		t.Fatal(err)
	}
	produced(t, p)
	type key struct{}
	called, commits := 0, []error{}
	var k *api.Consumer
	k = member(t, client, api.RebalanceListener{OnAssigned: func(ctx context.Context, parts []api.TopicPartition) {
		called++
		<-time.After(20 * time.Millisecond)
		if ctx.Value(key{}) != "value" {
			t.Error("the values of Poll's context are lost")
		}
		commits = append(commits, k.Commit(ctx, api.OffsetAndMetadata{TopicPartition: parts[0], Offset: 1}))
	}})
	within(t, "Poll", func() {
		for called == 0 {
			ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), key{}, "value"), 10*time.Millisecond)
			_, _ = k.Poll(ctx)
			cancel()
		}
	})
	if err := errors.Join(commits...); err != nil {
		t.Error(err)
	}
}
