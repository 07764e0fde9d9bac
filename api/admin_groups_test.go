package api

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"testing"
)

// A million groups took a second to be sorted, whatever the context.
func TestSortingEndsWithItsContext(t *testing.T) {
	list := make([]int, 100_000)
	for i := range list {
		list[i] = rand.Int()
	}
	if err := sortWithin(t.Context(), list, cmp.Compare); err != nil || !slices.IsSorted(list) {
		t.Fatalf("it is not sorted, and this is why: %v", err)
	}
	slices.Reverse(list[:50_000])
	ctx, cancel := context.WithCancel(t.Context())
	compared := 0
	err := sortWithin(ctx, list, func(a, b int) int {
		if compared++; compared == 5000 {
			cancel()
		}
		return cmp.Compare(a, b)
	})
	if err == nil || compared > 5000+1024 {
		t.Errorf("%v after %d comparisons", err, compared)
	}
}
