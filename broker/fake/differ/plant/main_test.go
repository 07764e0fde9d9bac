package main

import (
	"os"
	"path/filepath"
	"testing"
)

// The text that a leniency replaces follows the fake.
func TestLenienciesFitTheSource(t *testing.T) {
	for _, l := range leniencies {
		text, err := os.ReadFile(filepath.Join("..", "..", l.file))
		if err != nil {
			t.Fatal(err)
		}
		if err := l.fits(string(text)); err != nil {
			t.Errorf("%s: %s: %v", l.name, l.file, err)
		}
	}
}
