package role_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/role"
)

// clocked is a world with a clock that the test sets.
type clocked struct {
	role.World
	now time.Time
	ran []func()
	bug []string
}

func (c *clocked) Now() time.Time        { return c.now }
func (c *clocked) Go(_ string, f func()) { c.ran = append(c.ran, f) }
func (c *clocked) Report(bug error)      { c.bug = append(c.bug, bug.Error()) }
func (c *clocked) at(seconds float64)    { c.now = time.Unix(1000, int64(seconds*1e9)) }
func (c *clocked) aside(a *role.Aside) {
	a.Do("the hook", func() { panic("on purpose") })
	for _, f := range c.ran {
		f()
	}
	c.ran = nil
}

// TestPanicsAreToldEveryTenSeconds has two functions, of which one panics ten times a second.
func TestPanicsAreToldEveryTenSeconds(t *testing.T) {
	w := &clocked{}
	p := role.NewPanics(w)
	var got []string
	note := func(what string) {
		if tell, kept := p.Met(what); tell {
			got = append(got, fmt.Sprintf("%s at %ds, and %d more", what, w.now.Unix()-1000, kept))
		}
	}
	for i := range 250 {
		w.at(float64(i) / 10)
		note("one")
		if i == 50 || i == 199 {
			note("other")
		}
	}
	if want := []string{"one at 0s, and 0 more", "other at 5s, and 0 more", "one at 10s, and 99 more", "other at 19s, and 0 more", "one at 20s, and 99 more"}; !slices.Equal(got, want) {
		t.Errorf("told: %q", got)
	}
}

// TestAHookThatPanicsAgainAndAgain is reported so.
func TestAHookThatPanicsAgainAndAgain(t *testing.T) {
	w := &clocked{}
	a := role.NewAside(w)
	for i := range 25 {
		w.at(float64(i))
		w.aside(a)
	}
	if want := []string{"the hook has panicked: on purpose", "the hook has panicked: on purpose (and 9 times since that was told last)", "the hook has panicked: on purpose (and 9 times since that was told last)"}; !slices.Equal(w.bug, want) {
		t.Errorf("reported: %q", w.bug)
	}
}

// TestAPanicOfTheApplicationIsNoBugOfOurs in the log.
func TestAPanicOfTheApplicationIsNoBugOfOurs(t *testing.T) {
	var log bytes.Buffer
	w := system(t, slog.New(slog.NewTextHandler(&log, nil)))
	role.NewPanics(w).Report("a hook", "the hook", "on purpose")
	if got := log.String(); !strings.Contains(got, "of the application's has panicked") || !strings.Contains(got, "the hook has panicked: on purpose") || strings.Contains(got, "please report") {
		t.Error(got)
	}
	log.Reset()
	w.Report(errors.New("an invariant"))
	if got := log.String(); !strings.Contains(got, "please report") {
		t.Error(got)
	}
	if w.Bugs() != 2 {
		t.Errorf("%d were counted", w.Bugs())
	}
}
