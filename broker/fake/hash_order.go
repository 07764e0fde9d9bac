package fake

import (
	"cmp"
	"slices"
	"unicode/utf16"
)

// inHashOrder gives things in the order in which Java goes over a HashMap that has them by their keys. Where Kafka keeps things in one, what comes first depends on it. Keys that fall together stay as they are.
func inHashOrder[T any](things []T, key func(T) string) []T {
	return byHash(things, func(t T) uint32 { return hashOf(key(t)) })
}

// byHash is inHashOrder for keys that are no strings.
func byHash[T any](things []T, hash func(T) uint32) []T {
	size := uint32(16)
	for len(things) > int(size)*3/4 {
		size *= 2
	}
	place := func(t T) uint32 {
		h := hash(t)
		return (h ^ h>>16) & (size - 1)
	}
	sorted := slices.Clone(things)
	slices.SortStableFunc(sorted, func(a, b T) int { return cmp.Compare(place(a), place(b)) })
	return sorted
}

// hashOf is that of a Java string.
func hashOf(s string) (h uint32) {
	for _, u := range utf16.Encode([]rune(s)) {
		h = 31*h + uint32(u)
	}
	return h
}

// inScalaOrder gives partitions in the order in which Scala goes over a mutable HashMap of them: those that fall together are in the order of their hashes.
func inScalaOrder(partitions []topicPartition) []topicPartition {
	size := uint32(16)
	for len(partitions) >= int(size)*3/4 {
		size *= 2
	}
	hash := func(tp topicPartition) uint32 {
		h := 31*(31+uint32(tp.partition)) + hashOf(tp.topic)
		return h ^ h>>16
	}
	slices.SortFunc(partitions, func(a, b topicPartition) int {
		x, y := hash(a), hash(b)
		return cmp.Or(cmp.Compare(x&(size-1), y&(size-1)), cmp.Compare(int32(x), int32(y)))
	})
	return partitions
}
