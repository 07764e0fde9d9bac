package fetcher

import (
	"iter"
	"slices"

	"github.com/kactor-go/kactor/protocol/msg"
)

// aborted are the aborted transactions of a chunk that have not begun yet where it is read: a heap by first offset, as brokers give them as they ended. An answer may name millions, so the heap is made a piece at a time.
type aborted struct {
	txns []msg.FetchResponseAbortedTransaction
	raw  int // so many at the front are not in order yet
}

func newAborted(txns []msg.FetchResponseAbortedTransaction) aborted {
	return aborted{txns, len(txns) / 2}
}

func (a *aborted) clone() aborted { return aborted{slices.Clone(a.txns), a.raw} }

// left is how many there are.
func (a *aborted) left() int { return len(a.txns) }

// ready makes the heap as far as the work allows, and tells whether it is made.
func (a *aborted) ready(work *int) bool {
	for ; a.raw > 0; a.raw-- {
		if *work <= 0 {
			return false
		}
		*work -= stepWork
		a.down(a.raw - 1)
	}
	return true
}

// until takes out those that begin at an offset or before, and gives their producers.
func (a *aborted) until(offset int64, work *int) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for len(a.txns) > 0 && a.txns[0].FirstOffset <= offset {
			producer, last := a.txns[0].ProducerID, len(a.txns)-1
			a.txns[0] = a.txns[last]
			a.txns = a.txns[:last]
			a.down(0)
			*work -= stepWork
			if !yield(producer) {
				return
			}
		}
	}
}

// down moves the transaction at i to its place among those behind it.
func (a *aborted) down(i int) {
	for {
		k := 2*i + 1
		if k >= len(a.txns) {
			return
		}
		if k+1 < len(a.txns) && a.txns[k+1].FirstOffset < a.txns[k].FirstOffset {
			k++
		}
		if a.txns[i].FirstOffset <= a.txns[k].FirstOffset {
			return
		}
		a.txns[i], a.txns[k] = a.txns[k], a.txns[i]
		i = k
	}
}
