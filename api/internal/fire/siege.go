package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/kactor-go/kactor/api"
)

// assault is how much a siege does in a round.
type assault struct {
	kills, pauses int
	cuts          int64
	records       int64
	every         time.Duration // a connection is cut so often
}

// siege kills and pauses brokers while connections are cut all the time. How long clients stand still is not looked at, only what becomes of the records.
func siege(ctx context.Context, s *settings, k *kafka, r *report) error {
	rounds, a := s.times(1, 10), assault{kills: 20, pauses: 10, cuts: 1000, records: 1_000_000, every: 200 * time.Millisecond}
	if !s.long {
		a = assault{kills: 2, pauses: 2, cuts: 50, records: 50_000, every: 200 * time.Millisecond}
	}
	fast := *s
	if fast.rate == 0 {
		fast.rate = 5000
	}
	n, err := newNetwork(k.hosts)
	if err != nil {
		return err
	}
	defer n.close()
	var kills, pauses int
	for i := range rounds {
		err := with(ctx, &fast, k, r, func(l *load) error {
			before := n.cuts.Load()
			over := n.snip(a.every)
			defer over()
			for _, what := range rand.Perm(a.kills + a.pauses) {
				node := int32(rand.IntN(3)) + 1
				var err error
				if what < a.kills {
					kills++
					if err = k.signal(node, "KILL"); err == nil {
						time.Sleep(rand.N(5 * time.Second))
						err = k.restart(node)
					}
				} else {
					pauses++
					if err = k.signal(node, "STOP"); err == nil {
						time.Sleep(time.Second + rand.N(7*time.Second))
						err = k.signal(node, "CONT")
					}
				}
				if err == nil {
					err = l.whole(ctx)
				}
				if err != nil {
					return err
				}
				r.faults++
			}
			for n.cuts.Load()-before < a.cuts || l.written() < a.records {
				time.Sleep(100 * time.Millisecond)
				if err := ctx.Err(); err != nil {
					return err
				}
			}
			return nil
		}, api.Dialer(n.dial))
		if err != nil {
			return fmt.Errorf("round %d: %w", i+1, err)
		}
	}
	r.notes = append(r.notes, fmt.Sprintf("%d kills, %d pauses, %d connections cut", kills, pauses, n.cuts.Load()))
	return nil
}

// written is about how many records are in the logs.
func (f *flow) written() (n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range f.acked {
		n += g.top + 1
	}
	return n
}

// snip resets a connection now and then, until it is told to end.
func (n *network) snip(every time.Duration) (end func()) {
	over := make(chan struct{})
	go func() {
		for {
			select {
			case <-over:
				return
			case <-time.After(every/2 + rand.N(every)):
			}
			p := n.proxies[rand.IntN(len(n.proxies))]
			p.mu.Lock()
			for c := range p.conns { // in no order
				p.reset(c)
				break
			}
			p.mu.Unlock()
		}
	}()
	return func() { close(over) }
}
