package fetcher

import (
	"slices"

	"github.com/kactor-go/kactor/protocol/cluster"
)

// failed is what the application has not been told yet of a partition.
type failed struct {
	cluster.TopicPartition
	err error
}

// failures are what the application has not been told yet, in order. What is forgotten stays in the list until its turn comes, or the list has become twice as long: each of many partitions may be forgotten.
type failures struct {
	list []failed
	base int                            // the number of the first in the list
	past map[cluster.TopicPartition]int // what has a lower number, of this partition, is forgotten
	most int                            // so long the list may become until it is gone through
}

// leastFailures is how long the list may be at least.
const leastFailures = 64

func (f *failures) add(tp cluster.TopicPartition, err error) {
	if len(f.list) >= max(f.most, leastFailures) {
		at := f.base - 1
		list := slices.DeleteFunc(f.list, func(o failed) bool {
			at++
			return at < f.past[o.TopicPartition]
		})
		*f = failures{list: list, most: 2 * len(list)}
	}
	f.list = append(f.list, failed{tp, err})
}

// forget forgets what is to be told of a partition.
func (f *failures) forget(tp cluster.TopicPartition) {
	if len(f.list) == 0 {
		return
	}
	if f.past == nil {
		f.past = map[cluster.TopicPartition]int{}
	}
	f.past[tp] = f.base + len(f.list)
}

// next takes what is to be told; nil: nothing.
func (f *failures) next() error {
	for len(f.list) > 0 {
		o, n := f.list[0], f.base
		told := n >= f.past[o.TopicPartition]
		if f.list, f.base = f.list[1:], f.base+1; len(f.list) == 0 {
			*f = failures{}
		}
		if told {
			return o.err
		}
	}
	return nil
}
