package main

import (
	"context"
	"fmt"
	"time"

	"github.com/kactor-go/kactor/api"
)

// partition cuts one of three brokers off, in each of the ways there are, for longer than the cluster needs to notice.
func partition(ctx context.Context, s *settings, k *kafka, r *report) error {
	n, err := newNetwork(k.hosts)
	if err != nil {
		return err
	}
	defer n.close()
	splits := []struct {
		name          string
		links, client bool // which ways to the broker are cut
		others        bool // the clients reach only the broker that is cut off
	}{
		{name: "a broker cut off from the others", links: true},
		{name: "a broker cut off from the others and from the clients", links: true, client: true},
		{name: "a broker cut off from the clients", client: true},
		{name: "a broker cut off from the others, and the clients see only it", links: true, others: true},
	}
	span := 12 * time.Second
	return with(ctx, s, k, r, func(l *load) error {
		for range s.times(1, 3) {
			for i, split := range splits {
				majority := split.links && !split.others
				for node := int32(1); node <= 3; node++ {
					if !s.long && s.repeats == 0 && int(node) != i%3+1 { // the short form: each way once
						continue
					}
					begun := time.Now()
					l.fresh()
					if split.links {
						k.links.isolate(node)
					}
					for j := range int32(3) {
						if split.client && j+1 == node || split.others && j+1 != node {
							n.set(int(j), weather{silent: true})
						}
					}
					var err error
					if majority { // two brokers and the clients see each other: all partitions go on
						own := r.row(split.name+", until another broker tells of new leaders", 0, 0)
						d := l.replaced(ctx, node).Sub(begun)
						own.produce, own.consume = append(own.produce, d), append(own.consume, d)
						err = l.flowing(begun, hang)
						w := r.row(split.name, session+3*time.Second, session+4*time.Second)
						produce, consume := l.gaps()
						w.produce, w.consume = append(w.produce, produce...), append(w.consume, consume...)
					}
					time.Sleep(time.Until(begun.Add(span)))
					k.links.join()
					n.set(-1, weather{})
					healed := time.Now()
					if err == nil {
						err = l.flowing(healed, hang)
					}
					w := r.row("after "+split.name, 0, 0)
					w.produce, w.consume = append(w.produce, time.Since(healed)), append(w.consume, time.Since(healed))
					if err == nil {
						err = l.whole(ctx)
					}
					if err != nil {
						return fmt.Errorf("%s, broker %d: %w", split.name, node, err)
					}
					r.faults++
					time.Sleep(settled)
				}
			}
		}
		return nil
	}, api.Dialer(n.dial))
}
