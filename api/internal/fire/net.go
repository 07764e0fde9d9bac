package main

import (
	"context"
	"fmt"
	"time"

	"github.com/kactor-go/kactor/api"
)

const (
	// resume is how long clients may take to go on when a network is well again.
	resume = 2 * time.Second
	// request is their request.timeout.ms: only with it ends a connection whose next frame is longer than what comes.
	request = 5 * time.Second
)

// bad is a kind of bad network.
type bad struct {
	name string
	weather
	one    bool          // of one broker only
	flows  bool          // records flow all the same, although slowly
	longer time.Duration // that clients may take besides resume
}

var bads = []bad{
	{name: "latency of 50 to 100 ms", weather: weather{latency: 50 * time.Millisecond}, flows: true},
	{name: "latency of 0.5 to 1 s", weather: weather{latency: 500 * time.Millisecond}, flows: true},
	{name: "64 KiB/s", weather: weather{rate: 64 << 10}, flows: true},
	{name: "resets every 1 to 2 s", weather: weather{cutEvery: time.Second}, flows: true},
	{name: "answers cut in their middle", weather: weather{cutInto: true}, flows: true},
	{name: "what clients say is lost", weather: weather{noUp: true}, one: true},
	{name: "what brokers say is lost", weather: weather{noDown: true}, one: true},
	{name: "connected, and nothing passes", weather: weather{silent: true}},
	{name: "1 byte a second", weather: weather{rate: 1}, one: true},
	{name: "a bit turned in lengths", weather: weather{length: true}, flows: true, longer: request},
	{name: "a bit turned in records", weather: weather{records: true}, flows: true},
	{name: "another's correlation id", weather: weather{swap: true}, flows: true},
	{name: "one broker refuses", weather: weather{refuse: true}, one: true},
	{name: "all brokers refuse", weather: weather{refuse: true}},
}

// network plays bad networks between the clients and the brokers.
func badNetwork(ctx context.Context, s *settings, k *kafka, r *report) error {
	n, err := newNetwork(k.hosts)
	if err != nil {
		return err
	}
	defer n.close()
	span := 5 * time.Second
	if s.long {
		span = 20 * time.Second
	}
	err = with(ctx, s, k, r, func(l *load) error {
		for range s.times(1, 5) {
			for i, b := range bads {
				which := -1
				if b.one {
					which = i % 3
				}
				n.set(which, b.weather)
				begun := time.Now()
				time.Sleep(span)
				if b.flows {
					if err := l.flowing(begun, hang); err != nil {
						return fmt.Errorf("%s: %w", b.name, err)
					}
				}
				n.set(which, weather{})
				healed := time.Now()
				if err := l.flowing(healed, hang); err != nil {
					return fmt.Errorf("after %s: %w", b.name, err)
				}
				w := r.row("after "+b.name, 0, resume+b.longer)
				w.produce, w.consume = append(w.produce, time.Since(healed)), append(w.consume, time.Since(healed))
				r.faults++
			}
		}
		r.notes = append(r.notes, fmt.Sprintf("%d times records came with a wrong checksum", l.damaged.Load()))
		return nil
	}, api.Dialer(n.dial), api.Property("request.timeout.ms", fmt.Sprint(request.Milliseconds())))
	r.notes = append(r.notes, fmt.Sprintf("%d connections were cut", n.cuts.Load()))
	return err
}
