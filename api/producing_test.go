package api_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/sender"
)

// watching is an interceptor of producers.
type watching struct {
	d     *deed
	where string
}

func (w watching) OnSend(r *api.Record) *api.Record {
	if w.where == "OnSend" {
		w.d.do()
	}
	return r
}

func (w watching) OnAcknowledgement(api.RecordMetadata, error) {
	if w.where == "OnAcknowledgement" {
		w.d.do()
	}
}

// calling is a place where a producer calls the application.
type calling struct {
	name    string
	option  func(*deed) api.ProducerOption
	done    bool // the function of a record is what is called
	known   bool // it is called for records that name no partition only: the topic can be known before
	later   bool // the topic is not known when the record is handed over
	alone   bool // one goroutine at a time may be in it, and others wait for it
	outcome bool // it is called with the outcome of a record
}

var callings = []calling{
	{name: "partitioner", alone: true, known: true, option: partitioned},
	{name: "partitioner of a topic that is not known yet", alone: true, later: true, option: partitioned},
	{name: "hash of a partitioner", known: true, option: hashed},
	{name: "hash of a partitioner, of a topic that is not known yet", later: true, option: hashed},
	{name: "maker of a partitioner", option: func(d *deed) api.ProducerOption {
		return api.Partitioner(func(r *rand.Rand) sender.Partitioner { d.do(); return sender.RoundRobin()(r) })
	}},
	{name: "OnSend", option: func(d *deed) api.ProducerOption { return api.ProducerInterceptors(watching{d, "OnSend"}) }},
	{name: "OnAcknowledgement", outcome: true, option: func(d *deed) api.ProducerOption { return api.ProducerInterceptors(watching{d, "OnAcknowledgement"}) }},
	{name: "function of a record", outcome: true, done: true, option: func(*deed) api.ProducerOption { return api.BatchSize(16384) }},
}

func partitioned(d *deed) api.ProducerOption {
	return api.Partitioner(func(*rand.Rand) sender.Partitioner { return aimed{d} })
}

func hashed(d *deed) api.ProducerOption {
	return api.Partitioner(sender.ByHash(func([]byte) uint32 { d.do(); return 0 }, 100))
}

// TestFunctionsThatAProducerCalls has each of them panic, block, end its goroutine, use its own producer and close it: it returns, other callers write to the same topic beside it, and the producer can be closed.
// A partitioner was called under a lock: one that sent to its own topic waited for itself for ever, and with one that blocked everybody who sent to its topic, and Close.
func TestFunctionsThatAProducerCalls(t *testing.T) {
	for _, c := range callings {
		for _, what := range []string{"panics", "blocks", "ends its goroutine", "calls back", "closes"} {
			t.Run(c.name+" "+what, func(t *testing.T) { c.misbehaves(t, what) })
		}
	}
}

// conduct is one of them in a test.
type conduct struct {
	calling
	what    string
	p       *api.Producer
	to      string // the topic
	d       *deed
	back    chan map[string]error // what came of a call from the function
	taken   atomic.Int32          // records that were handed over
	told    atomic.Int32          // and have an outcome
	wrong   atomic.Int32          // that is an error
	release chan struct{}
}

func (c calling) misbehaves(t *testing.T, what string) {
	client := dialed(t)
	x := &conduct{calling: c, what: what, to: "t", d: &deed{entered: make(chan struct{})}, back: make(chan map[string]error, 1), release: make(chan struct{})}
	t.Cleanup(func() { close(x.release) }) // before the client is closed
	x.d.act = x.act
	var err error
	if x.p, err = client.Producer(c.option(x.d)); err != nil {
		t.Fatal(err)
	}
	if c.later {
		x.to = "later"
	} else if c.known {
		produced(t, x.p)
	}
	sent := make(chan error, 1)
	go func() {
		err := errors.New("the goroutine has ended")
		defer func() { sent <- err }()
		err = x.p.Send(context.Background(), x.record(), func(_ api.RecordMetadata, err error) {
			x.told.Add(1)
			if c.done {
				x.d.do()
			}
		})
		if err == nil {
			x.taken.Add(1)
		}
	}()
	if c.later {
		within(t, "Send", func() {
			if err := <-sent; err != nil {
				t.Errorf("send: %v", err)
			}
		})
		if _, err := client.Admin().CreateTopics(context.Background(), api.NewTopic{Name: x.to, Partitions: 1, Replicas: 1}); err != nil {
			t.Fatal(err)
		}
	}
	within(t, "the function", func() { <-x.d.entered })
	if what == "calls back" || what == "closes" {
		within(t, "a call from the function", func() {
			for call, err := range <-x.back {
				if err != nil && !errors.Is(err, api.ErrIllegalState) {
					t.Errorf("%s: %v", call, err)
				}
			}
		})
	}
	if what != "closes" {
		x.others(t)
	}
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if what == "blocks" {
		ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
	} else if what != "closes" {
		within(t, "Flush", func() { err = x.p.Flush(ctx) })
		if err != nil || x.wrong.Load() > 0 {
			t.Errorf("flush: %v; %d of %d outcomes are errors", err, x.wrong.Load(), x.told.Load())
		}
	}
	defer cancel()
	within(t, "Close", func() { err = x.p.Shutdown(ctx) })
	if err != nil && ctx.Err() == nil {
		t.Errorf("close: %v", err)
	}
	if what != "blocks" {
		within(t, "Send", func() { x.ended(sent) })
	}
	if !(what == "blocks" && c.outcome) {
		within(t, "each outcome", func() {
			for x.told.Load() < x.taken.Load() {
				time.Sleep(time.Millisecond)
			}
		})
	}
}

// ended waits until the first record was handed over, or not.
func (x *conduct) ended(sent chan error) {
	if !x.later {
		<-sent
	}
}

// act is what the function does.
func (x *conduct) act() {
	ctx := context.Background()
	switch x.what {
	case "panics":
		panic("on purpose")
	case "blocks":
		<-x.release
	case "ends its goroutine":
		runtime.Goexit()
	case "closes":
		x.back <- map[string]error{"close": x.p.Shutdown(ctx)}
	case "calls back":
		_, produce := x.p.Produce(ctx, x.record())
		_, fixed := x.p.Produce(ctx, &api.Record{Topic: "t", Partition: 1, Fixed: true})
		_, partitions := x.p.Partitions(ctx, "t")
		x.back <- map[string]error{"produce": produce, "produce to a partition": fixed, "partitions": partitions, "flush": x.p.Flush(ctx),
			"send": x.send(ctx, x.record()), "try to send": x.try(x.record()), "flush what is held": x.p.Flush(ctx)}
	}
}

func (x *conduct) record() *api.Record { return &api.Record{Topic: x.to, Key: []byte("k")} }

func (x *conduct) note(_ api.RecordMetadata, err error) {
	if err != nil {
		x.wrong.Add(1)
	}
	x.told.Add(1)
}

func (x *conduct) send(ctx context.Context, r *api.Record) error {
	err := x.p.Send(ctx, r, x.note)
	if err == nil {
		x.taken.Add(1)
	}
	return err
}

func (x *conduct) try(r *api.Record) error {
	err := x.p.TrySend(r, x.note)
	if err == nil {
		x.taken.Add(1)
	}
	return err
}

// others are callers that use the producer at the same time, or behind it.
func (x *conduct) others(t *testing.T) {
	stuck := x.what == "blocks"
	ctx := context.Background()
	if !(stuck && x.outcome) { // whose outcomes are behind that of the record
		within(t, "a record that names its partition", func() {
			if _, err := x.p.Produce(ctx, &api.Record{Topic: "t", Partition: 1, Fixed: true}); err != nil {
				t.Errorf("a record that names its partition: %v", err)
			}
		})
	}
	within(t, "Send beside the function", func() {
		if err := x.send(ctx, &api.Record{Topic: x.to, Partition: 0, Fixed: true}); err != nil {
			t.Errorf("send beside the function: %v", err)
		}
	})
	waits := stuck && x.alone && !x.later // those that are held already do not wait
	if waits {
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		ctx = short
	}
	for how, err := range map[string]func() error{"Send": func() error { return x.send(ctx, x.record()) }, "TrySend": func() error { return x.try(x.record()) }} {
		within(t, how, func() {
			switch err := err(); {
			case !waits && err != nil, waits && !errors.Is(err, api.ErrPartitionerBusy) && !errors.Is(err, context.DeadlineExceeded):
				t.Errorf("%s of another caller: %v", how, err)
			}
		})
	}
}

// A record for a partition below -1, of a topic that was not known yet, ended the process.
func TestARecordForNoPartition(t *testing.T) {
	client := dialed(t)
	p, err := client.Producer()
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{"not known yet", "known"} {
		within(t, "Produce", func() { _, err = p.Produce(context.Background(), &api.Record{Topic: "t", Partition: -2, Fixed: true}) })
		if !errors.Is(err, api.ErrUnknownTopic) {
			t.Errorf("a topic that is %s: %v", topic, err)
		}
	}
	produced(t, p)
}

// TestManyRecordsThatWaitForATopicAndAskAPartitioner: placing one costs no more because others wait. What it costs is seen in what it allocates: with a list of those left for each it was gigabytes.
func TestManyRecordsThatWaitForATopicAndAskAPartitioner(t *testing.T) {
	const n = 20_000
	client := dialed(t)
	p, err := client.Producer(api.Partitioner(sender.RoundRobin()))
	if err != nil {
		t.Fatal(err)
	}
	var told, wrong atomic.Int64
	for range n {
		if err := p.Send(t.Context(), &api.Record{Topic: "later"}, func(_ api.RecordMetadata, err error) {
			told.Add(1)
			if err != nil {
				wrong.Add(1)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := client.Admin().CreateTopics(t.Context(), api.NewTopic{Name: "later", Partitions: 3, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	within(t, "Flush", func() {
		if err := p.Flush(t.Context()); err != nil {
			t.Error(err)
		}
	})
	runtime.ReadMemStats(&after)
	if told.Load() != n || wrong.Load() != 0 {
		t.Errorf("%d of %d records have an outcome, %d a wrong one", told.Load(), n, wrong.Load())
	}
	if each := (after.TotalAlloc - before.TotalAlloc) / n; each > 20_000 {
		t.Errorf("%d bytes were allocated for each record", each)
	}
}
