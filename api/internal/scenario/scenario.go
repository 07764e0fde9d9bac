// Package scenario is one suite of behaviour for three backends: the simulated world, the fake cluster over TCP, and real Apache Kafka.
//
//	scenario.go  T: what a scenario works with      group_kit.go, handling_kit.go  and one of groups, or of Handle
//	producing.go, produced_records.go, placing.go  how records are written, what they are, where they go
//	fetching.go, positions.go, offsets.go, limits.go, interceptors.go  how records are read, from where, and what may be in between
//	groups.go, group_offsets.go, group_subscriptions.go, shares.go  who reads what, what is committed, what is subscribed to
//	handling.go, handling_interceptors.go, handling_groups.go, failures.go
//	sim_test.go  in virtual time, from seeds        tcp_test.go  the fake over TCP      real_test.go  real brokers (build tag live)
//
// A scenario talks to the facade only, and to Cluster for failures. It runs unchanged on every backend.
package scenario

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/protocol"
)

// Scenario is one behaviour.
type Scenario struct {
	Name string
	Run  func(t *T)
}

// Calm tells whether the scenario is one of those that do nothing to brokers and mostly wait: they may run beside each other.
func (s Scenario) Calm() bool {
	return strings.HasPrefix(s.Name, "group ") && !strings.Contains(s.Name, "fails")
}

// All gives the scenarios, by area.
func All() []Scenario {
	return slices.Concat(producing, produced, placing, fetching, positions, intercepting, limits, offsets, metadata, failures, handling, handlingIntercepted, sharing, groups, groupOffsets, groupSubscriptions, groupHandling,
		brokersMatch)
}

// Cluster is what a scenario may do to brokers; their ids count from 1 on the fake and from 1 on real clusters, too.
type Cluster interface {
	Stop(node int32)
	Start(node int32)
	Pause(node int32)
	Resume(node int32)
}

// Env is a backend.
type Env struct {
	World   role.World
	Brokers []string
	Options []api.ClientOption // for every client
	Cluster Cluster
	Nodes   int
	Unique  string // makes the names of topics unique
	Modern  bool   // there is group.protocol=consumer
	Real    bool   // time is real: the machine may be slow
}

// T is a running scenario.
type T struct {
	Env
	ctx     context.Context
	topics  int
	clients []*api.Client
	mu      sync.Mutex
	lost    []error // of records that were sent
}

// failure carries an error out of a scenario.
type failure struct{ error }

// The limits of how long a scenario may take, and closing a client, in virtual time. Where time is real a limit ends what hangs, and is no judge of a slow machine; but it is shorter than metadata.max.age.ms, which mends much.
const (
	limit   = 2 * time.Minute
	closing = 20 * time.Second
	hang    = 4 * time.Minute
)

// most gives a limit.
func (e *Env) most(virtual time.Duration) time.Duration {
	if e.Real {
		return hang
	}
	return virtual
}

// Play runs a scenario on a backend.
func Play(ctx context.Context, env Env, s Scenario) (err error) {
	ctx, cancel := env.World.WithTimeout(ctx, env.most(limit))
	defer cancel()
	t := &T{Env: env, ctx: ctx}
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(failure)
			if !ok {
				panic(r)
			}
			err = f.error
		}
		for _, c := range t.clients {
			end, cancel := env.World.WithTimeout(context.WithoutCancel(ctx), env.most(closing))
			err = errors.Join(err, c.Shutdown(end))
			cancel()
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", s.Name, err)
		}
	}()
	s.Run(t)
	return nil
}

// Failf ends the scenario.
func (t *T) Failf(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }

// ok fails on an error.
func (t *T) ok(err error) {
	if err != nil {
		panic(failure{err})
	}
}

// is fails unless err is target.
func (t *T) is(err, target error) {
	if !errors.Is(err, target) {
		t.Failf("the error is %v, expected %v", err, target)
	}
}

func equal[V comparable](t *T, what string, got, want V) {
	if got != want {
		t.Failf("%s: got %v, expected %v", what, got, want)
	}
}

// within gives a context of the world's time.
func (t *T) within(d time.Duration) (context.Context, context.CancelFunc) {
	return t.World.WithTimeout(t.ctx, d)
}

// patiently tries what is to be seen when time d is over. Where time is real a slow machine may not have come so far: then it is tried again with more, and the last try decides.
func (t *T) patiently(d time.Duration, try func(d time.Duration)) {
	for ; t.Real && d < 20*time.Second; d *= 5 {
		if passes(func() { try(d) }) {
			return
		}
	}
	try(d)
}

// passes tells whether f does not fail.
func passes(f func()) (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, failed := r.(failure); !failed {
				panic(r)
			}
		}
	}()
	f()
	return true
}

// lasting is max.block.ms.
func lasting(d time.Duration) api.Option {
	return props("max.block.ms", fmt.Sprint(d.Milliseconds()))
}

// over gives a context that has ended.
func (t *T) over() context.Context {
	ctx, cancel := context.WithCancel(t.ctx)
	cancel()
	return ctx
}

// sleep lets time pass.
func (t *T) sleep(d time.Duration) {
	w := role.NewWaiter()
	timer := t.World.NewTimer(func() { t.World.Wake(w) })
	timer.Set(t.World.Now().Add(d))
	t.ok(t.World.Park(t.ctx, w))
}

// running is something that goes on beside the scenario.
type running struct {
	t    *T
	done *role.Promise[struct{}]
}

// goes runs f beside the scenario.
func (t *T) goes(name string, f func() error) *running {
	r := &running{t, role.NewPromise[struct{}](t.World)}
	t.World.Go(name, func() {
		var err error
		defer func() {
			if p := recover(); p != nil {
				fail, ok := p.(failure)
				if !ok {
					panic(p)
				}
				err = fail.error
			}
			r.done.Complete(struct{}{}, err)
		}()
		err = f()
	})
	return r
}

// wait waits for it.
func (r *running) wait() {
	_, err := r.done.Get(r.t.ctx)
	r.t.ok(err)
}

// dial makes a client that is closed at the end.
func (t *T) dial(opts ...api.ClientOption) *api.Client {
	c, err := api.Dial(t.ctx, slices.Concat([]api.ClientOption{api.Brokers(t.Brokers...), api.ClientID("scenario")}, t.Options, opts)...)
	t.ok(err)
	t.clients = append(t.clients, c)
	return c
}

func props(kv ...string) api.Option {
	m := map[string]string{}
	for i := 0; i+1 < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return api.Properties(m)
}

// name gives a name for a topic that nobody has used.
func (t *T) name() string {
	t.topics++
	return fmt.Sprintf("scenario-%s-%d", t.Unique, t.topics)
}

// topic creates a topic and waits until all its partitions have leaders.
func (t *T) topic(c *api.Client, partitions int32, configs ...string) string {
	name := t.name()
	t.create(c, name, partitions, configs...)
	return name
}

func (t *T) create(c *api.Client, name string, partitions int32, configs ...string) {
	cfg := map[string]string{}
	for i := 0; i+1 < len(configs); i += 2 {
		cfg[configs[i]] = configs[i+1]
	}
	var err error
	for range 20 { // right after a broker has come back a controller may refuse three replicas
		var results map[string]error
		if results, err = c.Admin().CreateTopics(t.ctx, api.NewTopic{Name: name, Partitions: partitions, Replicas: int16(min(3, t.Nodes)), Configs: cfg}); err == nil {
			err = results[name]
		}
		if err == nil || !errors.Is(err, protocol.InvalidReplicationFactor) {
			break
		}
		t.sleep(500 * time.Millisecond)
	}
	t.ok(err)
	t.led(c, name, partitions)
}

// led waits until a topic has so many partitions and each has a leader.
func (t *T) led(c *api.Client, name string, partitions int32) {
	for {
		topics, err := c.Admin().DescribeTopics(t.ctx, name)
		t.ok(err)
		if d := topics[name]; d.Err == nil && d.Topic != nil && len(d.Topic.Partitions) == int(partitions) {
			if !slices.ContainsFunc(d.Topic.Partitions, func(p api.Partition) bool { return p.Leader < 0 }) {
				return
			}
		}
		t.sleep(100 * time.Millisecond)
	}
}

func (t *T) producer(c *api.Client, opts ...api.ProducerOption) *api.Producer {
	p, err := c.Producer(opts...)
	t.ok(err)
	return p
}

// parts names the first n partitions of a topic.
func parts(topic string, n int32) (out []api.TopicPartition) {
	for i := range n {
		out = append(out, api.TopicPartition{Topic: topic, Partition: i})
	}
	return out
}

// reader makes a consumer that reads partitions from their start.
func (t *T) reader(c *api.Client, from []api.TopicPartition, opts ...api.ConsumerOption) *api.Consumer {
	k, err := c.Consumer("", slices.Concat([]api.ConsumerOption{props("auto.offset.reset", "earliest")}, opts)...)
	t.ok(err)
	t.ok(k.Assign(from...))
	return k
}

// produce writes one record and fails if it cannot.
func (t *T) produce(p *api.Producer, r *api.Record) api.RecordMetadata {
	placed, err := p.Produce(t.ctx, r)
	t.ok(err)
	return placed
}

// send hands a record over; flush tells if it could not be written.
func (t *T) send(p *api.Producer, r *api.Record) {
	t.ok(p.Send(t.ctx, r, func(_ api.RecordMetadata, err error) {
		if err != nil {
			t.mu.Lock()
			t.lost = append(t.lost, err)
			t.mu.Unlock()
		}
	}))
}

// flush waits for everything that was sent.
func (t *T) flush(p *api.Producer) {
	t.ok(p.Flush(t.ctx))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ok(errors.Join(t.lost...))
}

// fill writes n records with values "0", "1", ... to one partition and waits for them.
func (t *T) fill(p *api.Producer, topic string, partition int32, n int) {
	var records []*api.Record
	for i := range n {
		records = append(records, &api.Record{Topic: topic, Partition: partition, Fixed: true, Value: fmt.Append(nil, i)})
	}
	t.ok(p.ProduceAll(t.ctx, records...))
}

// read polls until there are n records; more are a failure.
func (t *T) read(k *api.Consumer, n int) []*api.Record {
	var got []*api.Record
	for len(got) < n {
		records, err := k.Poll(t.ctx)
		if err != nil {
			t.Failf("after %d of %d records: %w", len(got), n, err)
		}
		got = append(got, records...)
	}
	equal(t, "records", len(got), n)
	return got
}

// none sees to it that nothing more comes.
func (t *T) none(k *api.Consumer) {
	ctx, cancel := t.within(1500 * time.Millisecond)
	defer cancel()
	for {
		records, err := k.Poll(ctx)
		if len(records) > 0 {
			t.Failf("%d records too many, the first is %s/%d@%d %q", len(records), records[0].Topic, records[0].Partition, records[0].Offset, records[0].Value)
		}
		if ctx.Err() != nil {
			return
		}
		t.ok(err)
	}
}

// inOrder sees to it that the records of each partition are "0", "1", ... at the offsets 0, 1, ...
func (t *T) inOrder(records []*api.Record) {
	next := map[int32]int64{}
	for _, r := range records {
		want := next[r.Partition]
		if r.Offset != want || string(r.Value) != fmt.Sprint(want) {
			t.Failf("partition %d: record %d is %q at offset %d", r.Partition, want, r.Value, r.Offset)
		}
		next[r.Partition]++
	}
}

func values(records []*api.Record) string {
	var out []string
	for _, r := range records {
		out = append(out, string(r.Value))
	}
	return strings.Join(out, " ")
}
