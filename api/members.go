package api

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// members are a client's consumers that have a group.
type members struct {
	mu   sync.Mutex
	list []*Consumer
}

func (m *members) add(k *Consumer) {
	m.mu.Lock()
	m.list = append(m.list, k)
	m.mu.Unlock()
}

func (m *members) remove(k *Consumer) {
	m.mu.Lock()
	m.list = slices.DeleteFunc(m.list, func(o *Consumer) bool { return o == k })
	m.mu.Unlock()
}

// close closes all.
func (m *members) close(ctx context.Context) (err error) {
	m.mu.Lock()
	list := slices.Clone(m.list)
	m.mu.Unlock()
	for _, k := range list {
		err = errors.Join(err, k.Close(ctx))
	}
	return err
}
