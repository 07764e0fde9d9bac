package main

import (
	"path/filepath"
	"slices"
	"testing"
)

// TestWhatIsToBeReplacedIsThere finds out that a bug cannot be planted any more, because the code has changed, before somebody tries.
func TestWhatIsToBeReplacedIsThere(t *testing.T) {
	for _, m := range slices.Concat(mutations, ofGroups, ofFailing, ofRoutes) {
		if _, err := m.patched(filepath.Join("..", "..", "..", "..")); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
	}
}
