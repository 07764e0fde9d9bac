package fake

import (
	"cmp"
	"slices"
	"unicode/utf16"
)

// inHashOrder gives things in the order in which Java goes over a HashMap that has them by their keys. Where Kafka keeps things in one, what comes first depends on it. Keys that fall together stay as they are.
func inHashOrder[T any](things []T, key func(T) string) []T {
	size := uint32(16)
	for len(things) > int(size)*3/4 {
		size *= 2
	}
	place := func(t T) uint32 {
		h := uint32(0)
		for _, u := range utf16.Encode([]rune(key(t))) {
			h = 31*h + uint32(u)
		}
		return (h ^ h>>16) & (size - 1)
	}
	sorted := slices.Clone(things)
	slices.SortStableFunc(sorted, func(a, b T) int { return cmp.Compare(place(a), place(b)) })
	return sorted
}
