package main

import (
	"context"
	"fmt"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/protocol/cluster"
)

// session is the brokers' session time-out: so long the cluster needs to notice that one is away.
const session = 3 * time.Second

// settled is how long a cluster is left alone before the next fault.
const settled = 2 * time.Second

// times gives how often a fault is repeated.
func (s *settings) times(short, long int) int {
	switch {
	case s.repeats > 0:
		return s.repeats
	case s.long:
		return long
	}
	return short
}

// with runs faults under load, and verifies what was written.
func with(ctx context.Context, s *settings, k *kafka, r *report, faults func(l *load) error, options ...api.Option) error {
	if s.log != nil {
		options = append(options, api.Logger(s.log), api.Hooks(broker.Hooks{
			Changed: func(c *cluster.Snapshot) {
				var leaders []string
				for _, t := range c.Topics {
					for _, p := range t.Partitions {
						leaders = append(leaders, fmt.Sprintf("%d in %d", p.Leader, p.LeaderEpoch))
					}
				}
				s.log.Info("metadata", "leaders", leaders)
			},
			Suspect: func(node int32) { s.log.Info("suspect", "node", node) },
		}))
	}
	l, err := begin(ctx, k, r.name, 6, s.rate, options...)
	if err != nil {
		return err
	}
	err = l.flowing(time.Now(), 30*time.Second)
	if err == nil {
		err = faults(l)
	}
	records, wrong := l.end(ctx)
	r.records, r.wrong = r.records+records, append(r.wrong, wrong...)
	return err
}

// fault breaks something, mends it, and notes the gaps: of the partitions that the broker has led.
func (l *load) fault(ctx context.Context, r *report, w *row, node int32, strike, mend func() error) error {
	led := map[int]bool{}
	for i := range l.partitions.Load() {
		led[int(i)] = l.leader(ctx, i) == node
	}
	l.fresh()
	if err := strike(); err != nil {
		return err
	}
	struck := time.Now()
	if s := r.log; s != nil {
		s.Info("struck", "fault", w.fault, "node", node)
	}
	err := l.flowing(struck, 60*time.Second) // all partitions go on while it is away
	if e := mend(); err == nil {
		err = e
	}
	if err == nil {
		err = l.whole(ctx, 90*time.Second)
	}
	if err == nil {
		err = l.flowing(time.Now(), 60*time.Second)
	}
	time.Sleep(settled)
	produce, consume := l.gaps()
	for i := range produce {
		if led[i] || node < 0 {
			w.produce, w.consume = append(w.produce, produce[i]), append(w.consume, consume[i])
		}
	}
	r.faults++
	return err
}

func kill(ctx context.Context, s *settings, k *kafka, r *report) error {
	w := r.row("kill -9 of the leader", session+2*time.Second, session+3*time.Second)
	return with(ctx, s, k, r, func(l *load) error {
		for i := range s.times(3, 10) {
			node := l.leader(ctx, int32(i)%l.partitions.Load())
			if err := l.fault(ctx, r, w, node, func() error { return k.signal(node, "KILL") }, func() error { return k.restart(node) }); err != nil {
				return fmt.Errorf("kill %d, of broker %d: %w", i+1, node, err)
			}
		}
		return nil
	})
}

func pause(ctx context.Context, s *settings, k *kafka, r *report) error {
	lengths := []time.Duration{2 * time.Second, 12 * time.Second}
	if s.long {
		lengths = append(lengths, 60*time.Second)
	}
	return with(ctx, s, k, r, func(l *load) error {
		for i := range s.times(1, 10) {
			for _, d := range lengths {
				r.row(fmt.Sprintf("pause of %s", d), session+3*time.Second, session+4*time.Second)
				w := r.row(fmt.Sprintf("pause of %s", d), 0, 0)
				node := l.leader(ctx, int32(i)%l.partitions.Load())
				over := make(chan error, 1)
				strike := func() error {
					time.AfterFunc(d, func() { over <- k.signal(node, "CONT") })
					return k.signal(node, "STOP")
				}
				mend := func() error { return <-over }
				if err := l.fault(ctx, r, w, node, strike, mend); err != nil {
					return fmt.Errorf("pause %d of %s, of broker %d: %w", i+1, d, node, err)
				}
			}
		}
		return nil
	})
}

func roll(ctx context.Context, s *settings, k *kafka, r *report) error {
	w := r.row("restart", 1500*time.Millisecond, 3*time.Second)
	return with(ctx, s, k, r, func(l *load) error {
		for i := range s.times(1, 10) {
			for node := int32(1); node <= 3; node++ {
				if err := l.fault(ctx, r, w, node, func() error { return k.signal(node, "TERM") }, func() error { return k.restart(node) }); err != nil {
					return fmt.Errorf("roll %d, of broker %d: %w", i+1, node, err)
				}
			}
		}
		return nil
	})
}
