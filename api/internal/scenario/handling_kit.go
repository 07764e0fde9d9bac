package scenario

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/api"
)

// gate lets handlers wait until it is opened.
type gate struct {
	t *T
	p *role.Promise[struct{}]
}

func (t *T) gate() gate { return gate{t, role.NewPromise[struct{}](t.World)} }

func (g gate) open() { g.p.Settle(struct{}{}, nil) }

func (g gate) wait(ctx context.Context) error {
	_, err := g.p.Get(ctx)
	return err
}

// notes are what handlers have seen.
type notes struct {
	mu   sync.Mutex
	list []string
}

func (n *notes) add(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, fmt.Sprintf(format, args...))
}

func (n *notes) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.list)
}

func (n *notes) sorted() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(slices.Sorted(slices.Values(n.list)), " ")
}

// of gives what begins with the first prefix, in order, then what begins with the next.
func (n *notes) of(prefixes ...string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []string
	for _, p := range prefixes {
		for _, s := range n.list {
			if strings.HasPrefix(s, p) {
				out = append(out, s)
			}
		}
	}
	return strings.Join(out, " ")
}

// keyed writes records with keys, "a:0" for key a and value 0, to partition 0.
func (t *T) keyed(p *api.Producer, topic string, records ...string) {
	for _, r := range records {
		key, value, _ := strings.Cut(r, ":")
		t.produce(p, &api.Record{Topic: topic, Fixed: true, Key: []byte(key), Value: []byte(value)})
	}
}

// handles runs Handle beside the scenario until stop is called.
func (t *T) handles(k *api.Consumer, h api.Handler, opts ...api.HandleOption) (stop func(), run *running) {
	ctx, stop := context.WithCancel(t.ctx)
	return stop, t.goes("handle", func() error { return k.Handle(ctx, h, opts...) })
}

// asked is a context that tells when it was asked for its deadline.
type asked struct {
	context.Context
	deadline atomic.Bool
}

func (a *asked) Deadline() (time.Time, bool) {
	a.deadline.Store(true)
	return a.Context.Deadline()
}
