package scenario

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/protocol"
)

// flavour is a way for groups to divide partitions.
type flavour struct {
	name  string
	props []string
}

var flavours = []flavour{
	{"range", []string{"partition.assignment.strategy", "range", "session.timeout.ms", "6000", "heartbeat.interval.ms", "500"}},
	{"cooperative-sticky", []string{"partition.assignment.strategy", "cooperative-sticky", "session.timeout.ms", "6000", "heartbeat.interval.ms", "500"}},
	{"consumer", []string{"group.protocol", "consumer"}},
}

func (f flavour) modern() bool { return f.name == "consumer" }

// incremental tells whether members keep what they own while others come and go.
func (f flavour) incremental() bool { return f.name != "range" }

// G is a scenario's group.
type G struct {
	*T
	flavour
	client *api.Client
	shared *api.Client // of all members, if it is set
	group  string
	topic  string
	ledger ledger
}

// ledger has what members have read.
type ledger struct {
	mu   sync.Mutex
	seen map[string]int // by partition and value
	all  int
}

func (l *ledger) add(r *api.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = map[string]int{}
	}
	l.seen[fmt.Sprintf("%d:%s", r.Partition, r.Value)]++
	l.all++
}

func (l *ledger) distinct() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.seen)
}

func (l *ledger) total() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all
}

// grouped is a scenario for every flavour. Where the cluster does not have the consumer protocol, that flavour has a clear error to show.
func grouped(name string, partitions int32, run func(g *G)) (out []Scenario) {
	for _, f := range flavours {
		out = append(out, Scenario{"group " + f.name + ": " + name, func(t *T) {
			c := t.dial()
			g := &G{T: t, flavour: f, client: c, topic: t.topic(c, partitions)}
			g.group = "group-" + g.topic
			if f.modern() && !t.Modern {
				g.refused()
				return
			}
			run(g)
		}})
	}
	return out
}

// refused sees to it that an old cluster is told of clearly.
func (g *G) refused() {
	k := g.consumer()
	t := g.T
	t.ok(k.Subscribe(g.topic))
	_, err := k.Poll(t.ctx)
	t.is(err, protocol.UnsupportedVersion)
	var e *api.GroupError
	if !errors.As(err, &e) || !strings.Contains(err.Error(), "group.protocol=consumer") {
		t.Failf("the error is %v", err)
	}
	if errors.Is(err, broker.ErrUnsupported) && (!errors.Is(err, broker.ErrNobody) || !strings.Contains(err.Error(), "ConsumerGroupHeartbeat on node ") || !strings.Contains(err.Error(), "is needed")) {
		t.Failf("the error says neither what is needed nor who lacks it: %v", err)
	}
	t.ok(k.Shutdown(t.ctx))
}

// consumer makes a consumer of the group, on a client of its own if none is shared.
func (g *G) consumer(opts ...api.ConsumerOption) *api.Consumer {
	c := g.shared
	if c == nil {
		c = g.dial()
	}
	own := []api.ConsumerOption{props(slices.Concat([]string{"auto.offset.reset", "earliest"}, g.props)...)}
	if g.Real && !g.modern() { // who is as slow as that is not gone
		own = append(own, props("session.timeout.ms", "30000"))
	}
	k, err := c.Consumer(g.group, slices.Concat(own, opts)...)
	g.ok(err)
	return k
}

// member reads on its own until it is stopped.
type member struct {
	g    *G
	k    *api.Consumer
	stop context.CancelFunc
	run  *running

	mu       sync.Mutex
	assigned int // calls of the listener
	revoked  int
	lost     int
	own      map[api.TopicPartition]bool
	wrong    error
}

// joins makes a member that reads and fills the ledger.
func (g *G) joins(opts ...api.ConsumerOption) *member {
	m := &member{g: g, own: map[api.TopicPartition]bool{}}
	listener := api.RebalanceListener{
		OnAssigned: func(_ context.Context, parts []api.TopicPartition) { m.listen(&m.assigned, parts, true) },
		OnRevoked:  func(_ context.Context, parts []api.TopicPartition) { m.listen(&m.revoked, parts, false) },
		OnLost:     func(_ context.Context, parts []api.TopicPartition) { m.listen(&m.lost, parts, false) },
	}
	m.k = g.consumer(append([]api.ConsumerOption{api.Topics(g.topic), api.OnRebalance(listener)}, opts...)...)
	var ctx context.Context
	ctx, m.stop = context.WithCancel(g.ctx)
	m.run = g.goes("member", func() error {
		for r, err := range m.k.Records(ctx) {
			if err != nil {
				return err
			}
			g.ledger.add(r)
		}
		return nil
	})
	return m
}

func (m *member) listen(count *int, parts []api.TopicPartition, gets bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(parts) > 0 { // a rebalance that changes nothing does not count
		*count++
	}
	for _, tp := range parts {
		if m.own[tp] == gets {
			m.wrong = fmt.Errorf("%s: assigned %v, but owned was %v", tp, gets, m.own[tp])
		}
		m.own[tp] = gets
		if !gets {
			delete(m.own, tp)
		}
	}
}

func (m *member) owns() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.own)
}

func (m *member) counts() (assigned, revoked, lost int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.assigned, m.revoked, m.lost
}

// halt stops reading, and waits until it has.
func (m *member) halt() {
	m.stop()
	m.run.wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.g.ok(m.wrong)
}

// leave stops reading and closes the consumer.
func (m *member) leave(how ...api.Leaving) {
	m.halt()
	m.g.ok(m.k.Shutdown(m.g.ctx, how...))
}

// until waits for a condition.
func (t *T) until(what string, cond func() bool) {
	for !cond() {
		if t.ctx.Err() != nil {
			t.Failf("waited in vain: %s", what)
		}
		w, cancel := t.within(20 * time.Millisecond)
		_ = t.World.Park(w, role.NewWaiter())
		cancel()
	}
}

// write fills every partition with values from..to-1.
func (g *G) write(partitions int32, from, to int) {
	p := g.producer(g.client)
	for i := from; i < to; i++ {
		for n := range partitions {
			g.send(p, &api.Record{Topic: g.topic, Partition: n, Fixed: true, Value: fmt.Append(nil, i)})
		}
	}
	g.flush(p)
	g.ok(p.Shutdown(g.ctx))
}

// share waits until the members own so many partitions each.
func (g *G) share(want map[*member]int) {
	g.until(fmt.Sprintf("the shares %v", slices.Sorted(maps.Values(want))), func() bool {
		for m, n := range want {
			if m.owns() != n {
				return false
			}
		}
		return true
	})
}
