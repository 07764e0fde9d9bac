package fetcher

import (
	"fmt"
	"maps"
	"slices"

	"github.com/kactor-go/kactor/protocol/cluster"
)

// PartitionErrors tells why a question has no answer for some of the partitions that were asked for. Those that are not in Errors have theirs.
type PartitionErrors struct {
	Act    string // what was asked for
	Errors map[cluster.TopicPartition]error
}

// Error counts, and tells the first.
func (e *PartitionErrors) Error() string {
	parts := e.parts()
	if len(parts) == 0 {
		return e.Act + ": no partition has failed"
	}
	first := fmt.Sprintf("%s of %s: %v", e.Act, parts[0], e.Errors[parts[0]])
	if more := len(parts) - 1; more > 0 {
		first += fmt.Sprintf(" (and %d more partitions)", more)
	}
	return first
}

// Unwrap gives the errors, in order of topic and partition.
func (e *PartitionErrors) Unwrap() []error {
	var errs []error
	for _, tp := range e.parts() {
		errs = append(errs, e.Errors[tp])
	}
	return errs
}

func (e *PartitionErrors) parts() []cluster.TopicPartition {
	return slices.SortedFunc(maps.Keys(e.Errors), cluster.TopicPartition.Compare)
}
