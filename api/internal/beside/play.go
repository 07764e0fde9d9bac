package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// player plays scripts with both clients.
type player struct {
	java   driver
	kactor driver
	run    string
	base   int64
	played atomic.Int64
	trace  bool
}

// world are the steps that Java does for both clients.
var world = []string{"create", "grow", "delete", "truncate", "produce", "begin", "finish", "transaction", "group"}

// hang ends what never ends by itself.
const hang = 5 * time.Minute

// play plays a script until the clients differ; nil: they do not.
func (p *player) play(ctx context.Context, s Script) (*difference, error) {
	name := fmt.Sprintf("%s-%d", p.run, p.played.Add(1))
	prefixes := [2]string{name + "j-", name + "k-"}
	compare, k := newComparer(s), newKnown()
	defer p.end(ctx, prefixes)
	for at, step := range slices.Clone(s.Steps) {
		k.note(&step)
		step.Base = p.base
		got, err := p.both(ctx, step, prefixes)
		if err != nil {
			return nil, fmt.Errorf("step %d: %w", at, err)
		}
		if p.trace {
			fmt.Printf("%d %s\n  java   %s\n  kactor %s\n", at, words(step), words(got[0]), words(got[1]))
		}
		if d := compare.compare(at, s.Steps[at], got[0], got[1]); d != nil {
			return d, nil
		}
	}
	return nil, nil
}

// both does a step with both clients, at the same time.
func (p *player) both(ctx context.Context, s Step, prefixes [2]string) (got [2]Result, err error) {
	ctx, cancel := context.WithTimeout(ctx, hang)
	defer cancel()
	drivers := [2]driver{p.java, p.kactor}
	if slices.Contains(world, s.Op) {
		drivers[1] = p.java
	}
	var errs [2]error
	var wg sync.WaitGroup
	for i, d := range drivers {
		own := s
		own.Prefix = prefixes[i]
		wg.Go(func() { got[i], errs[i] = d.do(ctx, own) })
	}
	wg.Wait()
	for _, e := range errs {
		if e != nil {
			err = e
		}
	}
	return got, err
}

// end closes what is open and removes the topics.
func (p *player) end(ctx context.Context, prefixes [2]string) {
	ctx = context.WithoutCancel(ctx)
	_, _ = p.kactor.do(ctx, Step{Op: "end", Prefix: prefixes[1]})
	for _, prefix := range prefixes {
		_, _ = p.java.do(ctx, Step{Op: "end", Prefix: prefix})
	}
}

// shrink leaves steps out while the clients still differ in the same way.
func (p *player) shrink(ctx context.Context, s Script, d *difference) (Script, *difference) {
	s.Steps = s.Steps[:d.At+1]
	for i := len(s.Steps) - 2; i >= 0 && ctx.Err() == nil; i-- {
		if i >= len(s.Steps)-1 {
			continue
		}
		less := s
		less.Steps = slices.Delete(slices.Clone(s.Steps), i, i+1)
		again, err := p.play(ctx, less)
		if err != nil || again == nil || again.Field != d.Field || again.Step.Op != d.Step.Op {
			continue
		}
		less.Steps = less.Steps[:again.At+1]
		s, d = less, again
	}
	return s, d
}
