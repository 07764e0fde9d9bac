package main

import (
	"errors"
	"strings"
	"testing"
)

func TestADifferenceIsLookedForAgain(t *testing.T) {
	meant := &exceptions[0]
	for _, c := range []struct {
		plays string // s the same, d a difference, m a meant one, n shows nothing, e cannot be played
		want  string // of the tally
		told  int    // lines
	}{
		{"s", "1 the same, 0 differ in one play of three, 0 in more, 0 stuck", 0},
		{"m", "0 the same, 0 differ in one play of three, 0 in more, 0 stuck", 1},
		{"dd", "0 the same, 0 differ in one play of three, 1 in more, 0 stuck", 2},
		{"dsd", "0 the same, 0 differ in one play of three, 1 in more, 0 stuck", 2},
		{"dss", "0 the same, 1 differ in one play of three, 0 in more, 0 stuck", 1},
		{"dms", "0 the same, 1 differ in one play of three, 0 in more, 0 stuck", 1},
		{"dnsn", "0 the same, 1 differ in one play of three, 0 in more, 0 stuck", 1},
		{"nns", "1 the same, 0 differ in one play of three, 0 in more, 0 stuck", 0},
		{"nnn", "0 the same, 0 differ in one play of three, 0 in more, 1 stuck", 1},
		{"dnnn", "0 the same, 0 differ in one play of three, 0 in more, 1 stuck", 2},
		{"de", "0 the same, 0 differ in one play of three, 0 in more, 0 stuck", 2},
	} {
		left := c.plays
		o := repeat(func() (*difference, error) {
			if left == "" {
				return nil, nil
			}
			one := left[0]
			left = left[1:]
			switch one {
			case 'd':
				return &difference{Field: "records"}, nil
			case 'm':
				return &difference{}, nil
			case 'n':
				return nil, &stuck{}
			case 'e':
				return nil, errors.New("refused")
			}
			return nil, nil
		}, func(d *difference) *exception {
			if d.Field == "" {
				return meant
			}
			return nil
		})
		var b strings.Builder
		sum := tally{w: &b}
		sum.add(Script{}, o)
		err := sum.report()
		if wrong := sum.differ+sum.stuck+sum.broken > 0; wrong != (err != nil) {
			t.Errorf("%s: %v", c.plays, err)
		}
		lines := 0
		for _, l := range strings.Split(b.String(), "\n") {
			if l != "" && !strings.HasPrefix(l, " ") {
				lines++
			}
		}
		if !strings.Contains(b.String(), c.want) || lines != c.told+1 {
			t.Errorf("%s: %s", c.plays, &b)
		}
	}
}
