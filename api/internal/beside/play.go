package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	trace  bool   // print what each play saw
	keep   string // the folder for what plays saw that show a difference, or nothing; "": it is not kept
}

// world are the steps that Java does for both clients.
var world = []string{"create", "grow", "delete", "truncate", "produce", "begin", "finish", "transaction", "group"}

// hang ends what never ends by itself.
const hang = 5 * time.Minute

// stuck is a step that has not been done on either side: the script waits for what does not come, or the cluster refuses what shall happen beside the consumers. That both say so shows nothing.
type stuck struct {
	at      int
	step    Step
	results [2]Result
}

func (s *stuck) Error() string {
	return fmt.Sprintf("step %d %s shows nothing\n  java   %s\n  kactor %s", s.at, words(s.step), words(s.results[0]), words(s.results[1]))
}

// unfinished are the errors of the drivers themselves.
var unfinished = []string{errNoMember.Error(), errSettled.Error(), errOutcome.Error()}

// isStuck tells whether a step was done on neither side, or too late on one; of those that Java does for both clients, whether one was not done. Only deleting records may be refused: there may be fewer.
func isStuck(s Step, got [2]Result) bool {
	if slices.Contains(world, s.Op) && s.Op != "truncate" {
		return got[0].Err != "" || got[1].Err != ""
	}
	return got[0].Err == errLate.Error() || got[1].Err == errLate.Error() || slices.Contains(unfinished, got[0].Err) && slices.Contains(unfinished, got[1].Err)
}

// play plays a script until the clients differ; nil: they do not.
func (p *player) play(ctx context.Context, s Script) (*difference, error) {
	name := fmt.Sprintf("%s-%d", p.run, p.played.Add(1))
	var seen strings.Builder
	d, err := p.follow(ctx, s, name, &seen)
	if p.trace {
		fmt.Print(seen.String())
	}
	if d != nil || err != nil {
		fmt.Fprintf(&seen, "%v, %v\n", d, err)
		err = errors.Join(err, p.transcript(s, name, seen.String()))
	}
	return d, err
}

// transcript keeps what a play saw.
func (p *player) transcript(s Script, name, seen string) error {
	if p.keep == "" {
		return nil
	}
	return os.WriteFile(filepath.Join(p.keep, fmt.Sprintf("%d-%s-%s.txt", s.Seed, s.Protocol, name)), []byte(seen), 0o600)
}

// follow plays a script, and writes down what is seen.
func (p *player) follow(ctx context.Context, s Script, name string, seen *strings.Builder) (*difference, error) {
	prefixes := [2]string{name + "j-", name + "k-"}
	began := time.Now()
	compare, k := newComparer(), newKnown()
	defer p.end(ctx, prefixes)
	for at, step := range slices.Clone(s.Steps) {
		k.complete(&step)
		step.Base = p.base
		got, err := p.both(ctx, step, prefixes)
		if err != nil {
			return nil, fmt.Errorf("step %d: %w", at, err)
		}
		fmt.Fprintf(seen, "%d %s, done %v after the beginning\n  java   %s\n  kactor %s\n", at, words(step), time.Since(began).Round(time.Millisecond), words(got[0]), words(got[1]))
		if isStuck(step, got) {
			return nil, &stuck{at, step, got}
		}
		if d := compare.compare(at, s.Steps[at], got[0], got[1]); d != nil {
			return d, nil
		}
		if got[0].Err == "" {
			k.took(step)
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
		wg.Go(func() { got[i], errs[i] = bounded(ctx, d, own) })
	}
	wg.Wait()
	return got, errors.Join(errs[:]...)
}

// bounded does a step, and waits no longer than the context lasts: not all calls of a client take one.
func bounded(ctx context.Context, d driver, s Step) (Result, error) {
	type answer struct {
		Result
		error
	}
	done := make(chan answer, 1)
	go func() {
		r, err := d.do(ctx, s)
		done <- answer{r, err}
	}()
	select {
	case a := <-done:
		return a.Result, a.error
	case <-ctx.Done():
	}
	select { // the driver knows better what did not end, if it heeds the context
	case a := <-done:
		return a.Result, a.error
	case <-time.After(enough):
		return Result{}, fmt.Errorf("%s: step %q does not end: %w", strings.TrimPrefix(fmt.Sprintf("%T", d), "*main."), s.Op, context.Cause(ctx))
	}
}

// end closes what is open and removes the topics.
func (p *player) end(ctx context.Context, prefixes [2]string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hang)
	defer cancel()
	_, _ = bounded(ctx, p.kactor, Step{Op: "end", Prefix: prefixes[1]})
	for _, prefix := range prefixes {
		_, _ = bounded(ctx, p.java, Step{Op: "end", Prefix: prefix})
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
