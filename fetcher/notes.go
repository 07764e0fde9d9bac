package fetcher

import "fmt"

// note is something for the log.
type note struct{ what, partition, text string } // partition is empty where it is of several

// notesOf is how many partitions of which the same is to be told at a time have a line each.
const notesOf = 3

// few gives a line to the first partitions of each kind, and one to all the others: a consumer of a thousand partitions that begins has a thousand positions to find.
func few(notes []note) []note {
	if len(notes) <= notesOf {
		return notes
	}
	told := map[string]int{}
	var out, more []note
	for _, n := range notes {
		switch told[n.what]++; {
		case told[n.what] <= notesOf:
			out = append(out, n)
		case told[n.what] == notesOf+1:
			more = append(more, note{what: n.what})
		}
	}
	for _, n := range more {
		out = append(out, note{n.what, "", fmt.Sprintf("and %d more partitions", told[n.what]-notesOf)})
	}
	return out
}
