package main

import (
	"errors"
	"fmt"
	"io"
)

// outcome is what the plays of one script showed.
type outcome struct {
	seen  []*difference // of each play that differed without an exception
	meant *exception
	stuck []error // of each play that showed nothing
	err   error
}

// enoughPlays are how many plays that show something judge a script, and how many that show nothing end it.
const enoughPlays = 3

// differs tells whether a difference came more than once.
func (o *outcome) differs() bool { return len(o.seen) > 1 }

// repeat plays a script until it shows no difference. One that was seen is looked for in other plays: until it was seen twice, or in one of three. A play that is stuck shows nothing and is played again.
func repeat(play func() (*difference, error), explain func(*difference) *exception) (o outcome) {
	for shown := 0; shown < enoughPlays && len(o.stuck) < enoughPlays && !o.differs(); {
		d, err := play()
		var s *stuck
		if errors.As(err, &s) {
			o.stuck = append(o.stuck, err)
			continue
		}
		if err != nil {
			o.err = err
			return o
		}
		shown++
		if d == nil && len(o.seen) == 0 {
			return o
		}
		if d == nil {
			continue
		}
		e := explain(d)
		if e == nil {
			o.seen = append(o.seen, d)
			continue
		}
		if o.meant = e; len(o.seen) == 0 {
			return o
		}
	}
	return o
}

// tally counts the scripts by their outcomes.
type tally struct {
	w                                          io.Writer
	scripts, same, once, differ, stuck, broken int
	meant                                      map[string]int
}

func (t *tally) add(s Script, o outcome) { // and tells at once what is not as it shall
	t.scripts++
	name := fmt.Sprintf("seed %d %s %s", s.Seed, s.Protocol, s.Kind)
	tell := func(format string, args ...any) {
		fmt.Fprintf(t.w, name+": "+format+"\n", args...)
	}
	for _, d := range o.seen {
		if o.differs() {
			tell("%v", d)
		} else {
			tell("in one play: %v", d)
		}
	}
	switch {
	case o.err != nil:
		t.broken++
		tell("%v", o.err)
	case o.differs():
		t.differ++
	case len(o.stuck) == enoughPlays:
		t.stuck++
		tell("stuck: %v", o.stuck[0])
	case len(o.seen) > 0:
		t.once++
	case o.meant != nil:
		if t.meant == nil {
			t.meant = map[string]int{}
		}
		t.meant[o.meant.name]++
	default:
		t.same++
	}
}

// most are how many of so many scripts may be stuck: more, and the generator makes what cannot be played.
func most(scripts int) int { return scripts / 20 }

// report writes the counts, and tells what is wrong.
func (t *tally) report() error {
	for _, e := range exceptions {
		if t.meant[e.name] > 0 {
			fmt.Fprintf(t.w, "%d as they shall: %s: %s\n", t.meant[e.name], e.name, e.reason)
		}
	}
	fmt.Fprintf(t.w, "%d scripts: %d the same, %d differ in one play of three, %d in more, %d stuck\n", t.scripts, t.same, t.once, t.differ, t.stuck)
	if t.differ+t.broken > 0 || t.stuck > most(t.scripts) {
		return fmt.Errorf("%d scripts differ, %d could not be played, %d show nothing", t.differ, t.broken, t.stuck)
	}
	return nil
}
