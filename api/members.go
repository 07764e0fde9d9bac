package api

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/kactor-go/kactor/actors/role"
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

// closable tells whether the calling goroutine may close them: not within a function of the application's that one of them is calling.
func (m *members) closable() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.list {
		if err := k.closable(); err != nil {
			return err
		}
	}
	return nil
}

// close closes all.
func (m *members) close(ctx context.Context) (err error) {
	m.mu.Lock()
	list := slices.Clone(m.list)
	m.mu.Unlock()
	for i, k := range list { // each has its share of the time that is left
		err = errors.Join(err, func() error {
			share, cancel := role.Part(k.world, ctx, 1, time.Duration(len(list)-i))
			defer cancel()
			return k.Shutdown(share)
		}())
	}
	return err
}
