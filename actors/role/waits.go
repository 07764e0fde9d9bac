package role

import (
	"slices"
	"sync"
)

// Waits are the callers that wait for an actor. Mail of an actor that is stopped is lost, so who stops it ends their waiting. The zero value is ready.
type Waits struct {
	mu   sync.Mutex
	next uint64
	list []wait // in the order they came
	over error
}

type wait struct {
	id  uint64
	end func(error)
}

// Add notes a caller: end will be called when the actor is gone, unless done was called before. done tells whether it was the first and end is not called: an actor may answer beside whoever stops it and does not wait for that.
// After Close Add gives the error of Close.
func (w *Waits) Add(end func(error)) (done func() (first bool), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over != nil {
		return nil, w.over
	}
	w.next++
	id := w.next
	w.list = append(w.list, wait{id, end})
	return func() bool { return w.remove(id) }, nil
}

func (w *Waits) remove(id uint64) (found bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := len(w.list)
	w.list = slices.DeleteFunc(w.list, func(e wait) bool { return e.id == id })
	return len(w.list) < before
}

// Close ends the waiting of all with err, and that of all who come.
func (w *Waits) Close(err error) {
	w.mu.Lock()
	list := w.list
	w.list, w.over = nil, err
	w.mu.Unlock()
	for _, e := range list {
		e.end(err)
	}
}
