package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/api"
)

// dialBench makes a client with the settings of the comparison.
func dialBench(ctx context.Context, o *benchOptions) (*api.Client, error) {
	p := map[string]string{"bootstrap.servers": o.broker, "compression.type": o.compression, "acks": o.acks,
		"enable.idempotence": strconv.FormatBool(o.idempotent), "auto.offset.reset": "earliest"}
	if !o.defaults {
		p["linger.ms"] = strconv.Itoa(o.linger)
		p["batch.size"] = strconv.Itoa(o.batchBytes)
		p["max.request.size"] = strconv.Itoa(max(o.batchBytes+1<<16, 1<<20))
		p["buffer.memory"] = strconv.Itoa(64 << 20)
	}
	return api.Dial(ctx, api.Properties(p), api.Lazy())
}

// producing is a producer with what it sends.
type producing struct {
	client   *api.Client
	producer *api.Producer
	topic    string
	values   [][]byte
	keys     [][]byte
}

// openProducer connects and sends one record.
func openProducer(ctx context.Context, o *benchOptions, values [][]byte) (*producing, error) {
	keys, err := benchKeys(o)
	if err != nil {
		return nil, err
	}
	p := &producing{topic: o.topic, values: values, keys: keys}
	if p.client, err = dialBench(ctx, o); err != nil {
		return nil, err
	}
	if p.producer, err = p.client.Producer(); err != nil {
		return nil, err
	}
	_, err = p.producer.Produce(ctx, p.record(0))
	return p, err
}

func (p *producing) record(i int) *api.Record {
	r := &api.Record{Topic: p.topic, Value: p.values[i%len(p.values)]}
	if p.keys != nil {
		r.Key = p.keys[i%len(p.keys)]
	}
	return r
}

func (p *producing) close(ctx context.Context) error { return p.client.Shutdown(ctx) }

func benchProduce(ctx context.Context, o *benchOptions, r *benchResult) error {
	values, err := payload(o)
	if err != nil {
		return err
	}
	p, err := openProducer(ctx, o, values)
	if err != nil {
		return err
	}
	var acked, failed atomic.Int64
	done := make(chan struct{})
	count := int64(o.count)
	acknowledged := func(_ api.RecordMetadata, err error) {
		if err != nil {
			failed.Add(1)
		}
		if acked.Add(1) == count {
			close(done)
		}
	}
	runtime.GC()
	w := begin()
	sent := make(chan error, o.goroutines)
	for g := range o.goroutines {
		go func() {
			for i := g * o.count / o.goroutines; i < (g+1)*o.count/o.goroutines; i++ {
				if err := p.producer.Send(ctx, p.record(i), acknowledged); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
	}
	for range o.goroutines {
		if err := <-sent; err != nil {
			return err
		}
	}
	<-done
	w.end(r, o.count, o.count*o.size)
	r.Failed = int(failed.Load())
	return p.close(ctx)
}

func benchSync(ctx context.Context, o *benchOptions, r *benchResult) error {
	values, err := payload(o)
	if err != nil {
		return err
	}
	p, err := openProducer(ctx, o, values)
	if err != nil {
		return err
	}
	took := make([]int64, o.count)
	runtime.GC()
	w := begin()
	for i := range took {
		begun := time.Now()
		if _, err := p.producer.Produce(ctx, p.record(i)); err != nil {
			r.Failed++
		}
		took[i] = int64(time.Since(begun))
	}
	w.end(r, o.count, o.count*o.size)
	r.quantiles(took)
	return p.close(ctx)
}

// openConsumer assigns all partitions, from the start or from the end.
func openConsumer(ctx context.Context, o *benchOptions, at int64) (*api.Client, *api.Consumer, error) {
	client, err := dialBench(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	consumer, err := client.Consumer("")
	if err != nil {
		return nil, nil, err
	}
	parts := make([]api.TopicPartition, o.partitions)
	for i := range parts {
		parts[i] = api.TopicPartition{Topic: o.topic, Partition: int32(i)}
	}
	return client, consumer, consumer.AssignAt(at, parts...)
}

// each calls f with the value of each record until it returns false.
func each(ctx context.Context, o *benchOptions, consumer *api.Consumer, f func(value []byte) bool) error {
	if o.variant == "views" {
		var v api.View
		for batch, err := range consumer.Batches(ctx) {
			if err != nil {
				return err
			}
			for batch.Next(&v) {
				if !f(v.Value) {
					return nil
				}
			}
			if err := batch.Err(); err != nil {
				return err
			}
		}
		return ctx.Err()
	}
	for record, err := range consumer.Records(ctx) {
		if err != nil {
			return err
		}
		if !f(record.Value) {
			return nil
		}
	}
	return ctx.Err()
}

func benchConsume(ctx context.Context, o *benchOptions, r *benchResult) error {
	n, size := 0, 0
	w := begin()
	client, consumer, err := openConsumer(ctx, o, api.AtStart)
	if err != nil {
		return err
	}
	err = each(ctx, o, consumer, func(value []byte) bool {
		n++
		size += len(value)
		return n < o.count
	})
	if err != nil {
		return err
	}
	w.end(r, n, size)
	return client.Shutdown(ctx)
}

// stampLen is the length of the time that begins a value in mode latency: Unix time in nanoseconds.
const stampLen = 19

// stamped makes a value of mode latency: the time, a blank, what it is for, and dots up to size.
func stamped(size int, kind byte) []byte {
	v := bytes.Repeat([]byte("."), max(size, stampLen+2))
	strconv.AppendInt(v[:0], time.Now().UnixNano(), 10)
	v[stampLen], v[stampLen+1] = ' ', kind
	return v
}

// stampOf reads it back.
func stampOf(v []byte) (sent int64, kind byte, ok bool) {
	if len(v) < stampLen+2 {
		return 0, 0, false
	}
	sent, err := strconv.ParseInt(string(v[:stampLen]), 10, 64)
	return sent, v[stampLen+1], err == nil
}

// warmUp is how many seconds of mode latency are not measured.
const warmUp = 2

// benchLatency produces at a steady rate and consumes what it produces, in one process.
func benchLatency(ctx context.Context, o *benchOptions, r *benchResult) error {
	if o.rate <= 0 {
		return fmt.Errorf("--rate %d: a number of records a second is wanted", o.rate)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, err := openProducer(ctx, o, [][]byte{make([]byte, o.size)})
	if err != nil {
		return err
	}
	_, consumer, err := openConsumer(ctx, o, api.AtEnd)
	if err != nil {
		return err
	}
	took := make([]int64, 0, o.count)
	first, done := make(chan struct{}), make(chan error, 1)
	go func() {
		seen := false
		done <- each(ctx, o, consumer, func(value []byte) bool {
			now := time.Now().UnixNano()
			sent, kind, ok := stampOf(value)
			if ok && !seen {
				seen = true
				close(first)
			}
			if ok && kind == 'm' {
				took = append(took, now-sent)
			}
			return len(took) < o.count
		})
	}()
	var failed atomic.Int64
	send := func(kind byte) error {
		return p.producer.Send(ctx, &api.Record{Topic: o.topic, Value: stamped(o.size, kind)}, func(_ api.RecordMetadata, err error) {
			if err != nil {
				failed.Add(1)
			}
		})
	}
	if err := until(first, 20*time.Millisecond, func() error { return send('p') }); err != nil {
		return err
	}
	var w *window
	next := time.Now()
	for i := range o.count + warmUp*o.rate {
		time.Sleep(time.Until(next))
		next = next.Add(time.Second / time.Duration(o.rate))
		kind := byte('m')
		if i < warmUp*o.rate {
			kind = 'w'
		} else if w == nil {
			w = begin()
		}
		if err := send(kind); err != nil {
			return err
		}
	}
	if err := <-done; err != nil {
		return err
	}
	w.end(r, o.count, o.count*o.size)
	r.Failed = int(failed.Load())
	r.quantiles(took)
	return nil
}

// until repeats f every d until c is closed.
func until(c chan struct{}, d time.Duration, f func() error) error {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		if err := f(); err != nil {
			return err
		}
		select {
		case <-c:
			return nil
		case <-tick.C:
		}
	}
}

// settle is how long mode idle waits before it measures.
const settle = 5 * time.Second

func benchIdle(ctx context.Context, o *benchOptions, r *benchResult) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	_, consumer, err := openConsumer(ctx, o, api.AtEnd)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- each(ctx, o, consumer, func([]byte) bool { return true }) }()
	time.Sleep(settle)
	w := begin()
	select {
	case <-time.After(time.Duration(o.seconds) * time.Second):
	case err := <-ended:
		return err
	}
	w.end(r, 0, 0)
	r.CPUPerM = (r.UserS + r.SysS) / r.WallS * 1000
	r.Note = "cpu_s_per_m is ms CPU per second idle"
	return nil
}

func benchStartup(ctx context.Context, o *benchOptions, r *benchResult) error {
	p, err := openProducer(ctx, o, [][]byte{make([]byte, o.size)})
	if err != nil {
		return err
	}
	t0, err := strconv.ParseInt(os.Getenv("BENCH_T0_NS"), 10, 64)
	if err == nil {
		r.StartMs = float64(time.Now().UnixNano()-t0) / 1e6
	}
	r.UserS, r.SysS = cpuSeconds()
	r.Records = 1
	return p.close(ctx)
}
