// Package actors is the asynchronous door: a client as a tree of actors under the embedder's own actor system, or under one of its own.
//
//	Start --> supervisor "kactor" -+- cluster -+- connection (one for each broker and purpose)
//	                               +- sender  (one for each producer)
//	                               +- fetcher (one for each consumer)
//	                               '- coordinator (one for each consumer with a group)
//
//	actors.go  Start, System: make roles, stop them in stages
//	role       the kit of which roles are made
//	sim        the simulated world
//	DESIGN.md  how it is built, and why
//
// A role that fails by a bug answers everybody who waits, refuses what comes later, and is told to Config.Failed. It is not restarted.
package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/coordinator"
	"github.com/kactor-go/kactor/fetcher"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/printable"
	"github.com/kactor-go/kactor/sender"
)

// Config of a client.
type Config struct {
	Broker  broker.Config
	Network broker.NetworkConfig
	// World, if not nil, is lived in instead of the real one: a simulated world. Network is its own then.
	World role.World
	// Logger gets warnings and bugs, of one cause a line in ten seconds at most; nil discards them.
	Logger *slog.Logger
	// Hooks are told what happens in the cluster actor.
	Hooks broker.Hooks
	// Failed is told when a role fails by a bug. It must only note or tell.
	Failed func(error)
}

// DefaultConfig is the configuration of the Java client 4.3.
func DefaultConfig() Config { return Config{Broker: broker.Default()} }

// System is a client: its actors and their lives.
type System struct {
	cfg    Config
	world  role.World
	own    *role.System // nil in a world of somebody else
	tree   *role.Tree
	client *broker.Client

	mu       sync.Mutex
	senders  []*sender.Sender
	fetchers []*fetcher.Fetcher
	groups   []*coordinator.Coordinator
	closed   bool
	turning  int          // callers that start or end roles now
	idle     *role.Waiter // who closes waits until there are none
	hurry    func()       // who closes does not wait any longer; set with closed
	over     *role.Promise[struct{}]
}

// ErrClosed says that the client is closed.
var ErrClosed = broker.ErrClosed

// Start starts a client under the embedder's actor system, or under one of its own when system is nil. It connects when something is asked of it.
func Start(system *actor.ActorSystem, cfg Config) (*System, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if err := cfg.Broker.Validate(); err != nil {
		return nil, err
	}
	s := &System{cfg: cfg, world: cfg.World, idle: role.NewWaiter()}
	if s.world == nil {
		cfg.Network.SetupTimeout = cfg.Broker.SetupTimeout
		s.own = role.NewSystem(system, broker.NewNetwork(cfg.Network), cfg.Logger)
		s.world = s.own
	}
	cfg.Logger = role.LogSparing(cfg.Logger, s.world)
	s.cfg.Logger = cfg.Logger
	s.over = role.NewPromise[struct{}](s.world)
	hooks := cfg.Hooks
	if hooks.Slow == nil {
		hooks.Slow = func(step string, took time.Duration) {
			cfg.Logger.Warn("an actor was slow", "step", step, "took", took)
		}
	}
	aside := role.NewAside(s.world)
	s.tree = role.NewTree(s.world, "kactor", func(step string, took time.Duration) {
		aside.Do("hook Slow", func() { hooks.Slow(step, took) })
	})
	if hooks.Refresh == nil && cfg.Logger.Enabled(context.Background(), slog.LevelDebug) {
		hooks.Refresh = func(topics []string, why string) {
			cfg.Logger.Debug("metadata is asked for", "topics", some(topics), "why", why)
		}
	}
	if hooks.Barred == nil {
		hooks.Barred = func(nodes []cluster.Node) {
			var addrs []string
			for _, n := range nodes {
				addrs = append(addrs, n.Addr())
			}
			cfg.Logger.Warn("the cluster advertises addresses that allowed.brokers does not have: they are not connected to", "addresses", some(addrs))
		}
	}
	if hooks.Strange == nil {
		hooks.Strange = func(was, is string) {
			cfg.Logger.Warn("a broker is of another cluster than before", "was", printable.Text(was), "is", printable.Text(is))
		}
	}
	if hooks.Lacking == nil {
		hooks.Lacking = func(api, addr string, final bool) {
			what := "it is asked for again"
			switch {
			case final && api == "InitProducerId":
				what = "producers write without idempotence: records may be written twice, or in another order; enable.idempotence=false says that it is meant, =true refuses it"
			case final:
				what = "who needs it is told"
			}
			cfg.Logger.Warn("brokers say that they do not support what others of their release do", "api", api, "broker", printable.Text(addr), "what", what)
		}
	}
	var err error
	if s.client, err = broker.Start(s.tree, cfg.Broker, hooks, s.failed); err != nil {
		return nil, errors.Join(err, s.tree.Stop(context.Background()))
	}
	return s, nil
}

// mostNames stand in one line.
const mostNames = 10

// some gives a few of the names, of topics or whatever, for a line of the log.
func some(all []string) []string {
	var names []string
	for _, n := range all[:min(len(all), mostNames)] {
		names = append(names, printable.Text(n))
	}
	if more := len(all) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return names
}

// Logger is what the client logs with, in the name of its roles.
func (s *System) Logger() *slog.Logger { return s.cfg.Logger }

func (s *System) failed(err error) {
	s.cfg.Logger.Error("a role failed", "err", err)
	if s.cfg.Failed != nil {
		s.cfg.Failed(err)
	}
}

// World is the world the client lives in.
func (s *System) World() role.World { return s.world }

// Cluster is the cluster actor: requests are routed through it.
func (s *System) Cluster() *broker.Client { return s.client }

// Producer starts a sender.
func (s *System) Producer(cfg sender.Config) (*sender.Sender, error) {
	return begin(s, &s.senders, func() (*sender.Sender, error) { return sender.Start(s.tree, s.client, cfg, s.failed) })
}

// Fetcher starts a fetcher.
func (s *System) Fetcher(cfg fetcher.Config) (*fetcher.Fetcher, error) {
	return begin(s, &s.fetchers, func() (*fetcher.Fetcher, error) {
		return fetcher.Start(s.tree, s.client, cfg, s.note, s.failed)
	})
}

// Coordinator starts the membership of a consumer that reads with f in a group.
func (s *System) Coordinator(f *fetcher.Fetcher, cfg coordinator.Config) (*coordinator.Coordinator, error) {
	return begin(s, &s.groups, func() (*coordinator.Coordinator, error) {
		return coordinator.Start(s.tree, s.client, f, cfg, func(what, text string) {
			s.cfg.Logger.Warn(what, "group", printable.Text(cfg.Group), "what", text)
		}, s.failed)
	})
}

// note logs what a fetcher tells.
func (s *System) note(what, partition, text string) {
	if partition == "" {
		s.cfg.Logger.Warn(what, "what", text)
		return
	}
	s.cfg.Logger.Warn(what, "partition", partition, "what", text)
}

// ending is a role that can be ended.
type ending interface {
	Over() bool
	Stop(ctx context.Context) error
}

// begin starts a role and adds it to list. Close waits until it is there: the mail of who asks a tree that has ended for an actor is lost.
func begin[R ending](s *System, list *[]R, start func() (R, error)) (r R, err error) {
	s.Sweep()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return r, ErrClosed
	}
	s.turning++
	s.mu.Unlock()
	started := false
	defer func() { // also when a function of the application's panics meanwhile
		s.mu.Lock()
		defer s.mu.Unlock()
		s.turned()
		if started {
			*list = append(*list, r)
			if s.closed { // who closes ends it
				err = ErrClosed
			}
		}
	}()
	r, err = start()
	started = err == nil
	return r, err
}

// turned says that a role is started, or some are ended. s.mu is held.
func (s *System) turned() {
	if s.turning--; s.turning == 0 && s.closed {
		s.world.Wake(s.idle)
	}
}

// Sweep ends the actors of producers and consumers that are closed and whose requests have come back. Whenever one is opened or closed that is done; the last ends with the client.
func (s *System) Sweep() {
	s.ending(func() []ending {
		return append(sweep(&s.senders), append(sweep(&s.groups), sweep(&s.fetchers)...)...)
	})
}

// ending ends the roles that list gives. Close waits for that: who asks an actor to end that has ended is told nothing.
func (s *System) ending(list func() []ending) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	over := list()
	s.turning++
	s.mu.Unlock()
	for _, r := range over {
		_ = r.Stop(context.Background())
	}
	s.mu.Lock()
	s.turned()
	s.mu.Unlock()
}

func sweep[R ending](list *[]R) (over []ending) {
	*list = slices.DeleteFunc(*list, func(r R) bool {
		if r.Over() {
			over = append(over, r)
			return true
		}
		return false
	})
	return over
}

// Closable tells whether the calling goroutine may close all producers: see sender.Sender.
func (s *System) Closable() error {
	s.mu.Lock()
	senders := slices.Clone(s.senders)
	s.mu.Unlock()
	for _, p := range senders {
		if err := p.Closable(); err != nil {
			return err
		}
	}
	return nil
}

// Close stops the client in stages: producers flush until ctx ends and give what is left its outcome, consumers leave their groups and end their sessions, connections wait for answers until ctx ends and
// close, and the actors end. With an embedder's actor system only the client's own subtree ends. Where two close it, both return when all is over, and the one who waits less decides how long that takes. Within a
// completion, and within a partitioner for which records are held, it changes nothing and returns sender.ErrReentered.
func (s *System) Close(ctx context.Context) error { return s.CloseAfter(ctx, nil) }

// CloseAfter is Close, before which producers flush for at most half of the time, and then something else is done while everything still works: members of groups commit and leave when all that their handlers have produced is written.
func (s *System) CloseAfter(ctx context.Context, before func(context.Context) error) error {
	if err := s.Closable(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return s.closedBeside(ctx)
	}
	s.closed = true
	ctx, s.hurry = context.WithCancel(ctx)
	defer s.hurry()
	s.mu.Unlock()
	err := s.lull(ctx, before)
	err = errors.Join(err, s.close(ctx))
	s.over.Complete(struct{}{}, nil)
	return err
}

// lull is what comes before the end.
func (s *System) lull(ctx context.Context, before func(context.Context) error) error {
	if before == nil {
		return nil
	}
	s.mu.Lock()
	senders := slices.Clone(s.senders)
	s.mu.Unlock()
	half, cancel := role.Part(s.world, ctx, 1, 2)
	_ = together(s.world, senders, func(p *sender.Sender) error { return p.Flush(half) }) // records have its errors as their outcomes
	cancel()
	return before(ctx)
}

// together does the same with some roles at once, and waits for all: one for which it takes long must not take the time of the others.
func together[R any](w role.World, roles []R, do func(R) error) error {
	done := make([]*role.Promise[struct{}], len(roles))
	for i, r := range roles {
		done[i] = role.NewPromise[struct{}](w)
		w.Go("close", func() { done[i].Complete(struct{}{}, do(r)) })
	}
	errs := make([]error, len(roles))
	for i, p := range done {
		_, errs[i] = p.Get(context.Background())
	}
	return errors.Join(errs...)
}

// closedBeside waits for the end of a close that somebody else has begun, who may wait longer.
func (s *System) closedBeside(ctx context.Context) error {
	_, err := s.over.Get(ctx)
	if err != nil {
		s.hurry()
		_, _ = s.over.Get(context.WithoutCancel(ctx))
	}
	return err
}

// close closes the client: no role is begun any more.
func (s *System) close(ctx context.Context) error {
	s.mu.Lock()
	for s.turning > 0 { // at most for as long as it takes to start or to end an actor
		s.mu.Unlock()
		_ = s.world.Park(context.WithoutCancel(ctx), s.idle)
		s.mu.Lock()
	}
	senders, fetchers, groups := slices.Clone(s.senders), slices.Clone(s.fetchers), slices.Clone(s.groups)
	s.mu.Unlock()
	errs := []error{together(s.world, senders, func(p *sender.Sender) error { return p.Close(ctx) })}
	_ = together(s.world, groups, func(g *coordinator.Coordinator) error {
		defer g.End()
		return g.Leave(ctx, coordinator.LeaveDefault, true) // who is not told finds out
	})
	for _, f := range fetchers {
		errs = append(errs, f.Close(context.WithoutCancel(ctx)))
	}
	errs = append(errs, s.client.Stop(ctx))
	// The roles' last requests have come back: nobody tells them anything any more.
	last := context.WithoutCancel(ctx)
	for _, p := range senders {
		errs = append(errs, p.Stop(last))
	}
	for _, g := range groups {
		errs = append(errs, g.Stop(last))
	}
	for _, f := range fetchers {
		errs = append(errs, f.Stop(last))
	}
	errs = append(errs, s.tree.Stop(last))
	if s.own != nil {
		s.own.Close()
	}
	return errors.Join(errs...)
}
