package sim_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/broker/fake/tamper"
	"github.com/kactor-go/kactor/protocol/msg"
)

// TestTampered plays seeds: somebody changes answers on their way, now and then one, or for seconds every answer of an API in the same field. Whatever comes, no call outlasts its context by more than a moment, nobody is given a
// record that nobody has produced to that topic, nobody asks in a hurry who gets no further, and twenty seconds after it is over all goes on.
func TestTampered(t *testing.T) {
	playTampered(t, (*tamper.Proxy).Insist)
}

// TestTamperedInTurns is TestTampered with answers that are changed to another value each time, and right ones between them.
func TestTamperedInTurns(t *testing.T) {
	playTampered(t, (*tamper.Proxy).Vary)
}

// playTampered plays seeds: change begins a change to the answers of an API.
func playTampered(t *testing.T, change func(p *tamper.Proxy, key int16)) {
	t.Helper()
	if playOne(t, func(s script) (string, fmt.Stringer, error) {
		p := tamperedSeed(s, true, change)
		return p.summary(), &p.log, p.err
	}) {
		return
	}
	playSeeds(t, func(s script) (tally, error) {
		p := tamperedSeed(s, false, change)
		return tally{"records": p.got, "changes": p.proxy.Count()}, p.err
	})
}

const (
	tamperedTopic = "work"
	// peace is how long after the last change all goes on.
	peace = 20 * time.Second
	// moment is how long a call may outlast its context.
	moment = 100 * time.Millisecond
)

// tamperedPlay is one seed.
type tamperedPlay struct {
	w      *sim.World
	n      *sim.Network
	rng    *rand.Rand
	proxy  *tamper.Proxy
	change func(p *tamper.Proxy, key int16)
	sent   map[string]bool // values that were handed to the producer
	got    int
	calm   time.Time            // since when nobody tampers
	news   map[string]time.Time // when each has last got further
	over   bool
	failed []error
	work   sim.Group
	err    error
	log    strings.Builder
}

func (p *tamperedPlay) summary() string {
	return fmt.Sprintf("%d records, %d changes, %s of virtual time", p.got, p.proxy.Count(), p.w.Now().Sub(sim.Epoch))
}

func tamperedSeed(s script, tracing bool, change func(p *tamper.Proxy, key int16)) *tamperedPlay {
	w := sim.New(s.seed)
	p := &tamperedPlay{w: w, change: change, sent: map[string]bool{}, news: map[string]time.Time{}}
	if tracing {
		w.Trace(&p.log)
	}
	if p.err = w.Run(p.run); p.err != nil {
		p.err = fmt.Errorf("seed %d, after %s: %w", s.seed, w.Now().Sub(sim.Epoch), p.err)
	}
	return p
}

func (p *tamperedPlay) fail(format string, args ...any) {
	p.failed = append(p.failed, fmt.Errorf(format, args...))
}

func (p *tamperedPlay) run(w *sim.World) error {
	p.rng = w.Rand()
	release := []string{"4.3", "4.3", "4.0", "3.9", "2.8", "1.1"}[p.rng.IntN(6)]
	protocol := "classic"
	if release[0] == '4' && p.rng.IntN(3) > 0 {
		protocol = "consumer"
	}
	c, err := fake.NewCluster(fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: tamperedTopic, Partitions: 3}}, Seed: w.Seed(), Release: release, GroupMinSession: time.Second, GroupSession: 6 * time.Second, GroupHeartbeat: 500 * time.Millisecond})
	if err != nil {
		return err
	}
	p.n = sim.NewNetwork(w, c)
	p.n.Rates.Strict = true
	p.proxy = tamper.New(w.Rand())
	p.n.Tamper = p.proxy
	ctx := context.Background()
	p.work.Go(w, "producer", func() { p.produce(ctx) })
	p.work.Go(w, "member", func() { p.consume(ctx, "member", "g", protocol) })
	p.work.Go(w, "reader", func() { p.consume(ctx, "reader", "", "") })
	p.work.Go(w, "admin", func() { p.administer(ctx) })
	_ = w.Sleep(ctx, 3*time.Second)
	keys := []int16{msg.ProduceAPI, msg.FetchAPI, msg.FetchAPI, msg.MetadataAPI, msg.ListOffsetsAPI, msg.OffsetCommitAPI, msg.OffsetFetchAPI, msg.FindCoordinatorAPI, msg.ApiVersionsAPI, msg.InitProducerIdAPI, msg.OffsetForLeaderEpochAPI}
	if protocol == "consumer" {
		keys = append(keys, msg.ConsumerGroupHeartbeatAPI, msg.ConsumerGroupHeartbeatAPI)
	} else {
		keys = append(keys, msg.JoinGroupAPI, msg.SyncGroupAPI, msg.HeartbeatAPI)
	}
	for range 4 + p.rng.IntN(6) {
		p.proxy.Share = []int{0, 20, 200}[p.rng.IntN(3)]
		if p.proxy.Relent(); p.rng.IntN(3) > 0 {
			p.change(p.proxy, keys[p.rng.IntN(len(keys))])
		}
		_ = w.Sleep(ctx, time.Duration(500+p.rng.IntN(5000))*time.Millisecond)
		w.Tracef("until now %d in a thousand, and %s", p.proxy.Share, p.proxy.Insisted())
	}
	p.proxy.Share = 0
	p.proxy.Relent()
	p.calm = w.Now()
	w.Tracef("nobody tampers any more")
	p.work.Go(w, "neighbour", func() { p.visit(ctx, protocol) })
	_ = w.Sleep(ctx, peace)
	for _, who := range []string{"producer", "member", "reader", "admin"} {
		since := p.calm
		if who == "member" {
			since = p.calm.Add(peace / 3) // its neighbour is gone
		}
		if at := p.news[who]; !at.After(since) {
			p.fail("the %s has got nothing in %s of peace (release %s, protocol %s)", who, peace, release, protocol)
		}
	}
	p.over = true
	end, cancel := w.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := p.work.Wait(end, w); err != nil {
		p.fail("somebody is still at work: %w", err)
	}
	return errors.Join(p.failed...)
}

// within calls f with a context that ends after d, and sees to it that it ends with that.
func (p *tamperedPlay) within(ctx context.Context, d time.Duration, what string, f func(ctx context.Context)) {
	ctx, cancel := p.w.WithTimeout(ctx, d)
	defer cancel()
	begun := p.w.Now()
	f(ctx)
	if took := p.w.Now().Sub(begun); took > d+moment {
		p.fail("%s with a context of %s took %s", what, d, took)
	}
}

func (p *tamperedPlay) dial(ctx context.Context, name string) *api.Client {
	client, err := api.Dial(ctx, api.World(p.w), api.Lazy(), api.Logger(slog.New(slog.NewTextHandler(teller{p, name}, &slog.HandlerOptions{Level: slog.LevelDebug}))), api.Brokers("broker-1:9092", "broker-2:9092", "broker-3:9092"), api.Properties(map[string]string{"client.id": name, "request.timeout.ms": "3000",
		"delivery.timeout.ms": "6000", "socket.connection.setup.timeout.ms": "2000"}))
	if err != nil {
		p.fail("%s: %w", name, err)
	}
	return client
}

// teller puts log lines into the trace.
type teller struct {
	p    *tamperedPlay
	name string
}

func (t teller) Write(b []byte) (int, error) {
	_, line, _ := strings.Cut(strings.TrimSpace(string(b)), " ") // the time is the trace's
	t.p.w.Tracef("%s logs %s", t.name, line)
	return len(b), nil
}

func (p *tamperedPlay) further(who string, n int) {
	p.news[who] = p.w.Now()
	p.n.Rates.Further(who, n)
}

func (p *tamperedPlay) produce(ctx context.Context) {
	client := p.dial(ctx, "producer")
	producer, err := client.Producer(api.Property("compression.type", []string{"none", "lz4"}[p.rng.IntN(2)]))
	if err != nil {
		p.fail("producer: %w", err)
		return
	}
	for i := 0; !p.over; i++ {
		value := fmt.Sprintf("record-%d", i)
		p.sent[value] = true
		p.within(ctx, 4*time.Second, "Produce", func(ctx context.Context) {
			if _, err := producer.Produce(ctx, &api.Record{Topic: tamperedTopic, Value: []byte(value)}); err == nil {
				p.further("producer", 1)
			} else {
				p.w.Tracef("producer: %v", err)
			}
		})
		_ = p.w.Sleep(ctx, time.Duration(p.rng.IntN(200))*time.Millisecond)
	}
	p.within(ctx, 2*time.Second, "Producer.Close", func(ctx context.Context) { _ = producer.Shutdown(ctx) })
	p.within(ctx, 2*time.Second, "Close", func(ctx context.Context) { _ = client.Shutdown(ctx) })
}

func (p *tamperedPlay) consume(ctx context.Context, name, group, protocol string) {
	client := p.dial(ctx, name)
	for !p.over {
		props := map[string]string{"auto.offset.reset": "earliest"}
		if group != "" {
			props = memberProps(protocol)
		}
		consumer, err := client.Consumer(group, api.Properties(props))
		if err != nil {
			p.fail("%s: %w", name, err)
			return
		}
		if group != "" {
			err = consumer.Subscribe(tamperedTopic)
		} else {
			err = consumer.Assign(api.TopicPartition{Topic: tamperedTopic}, api.TopicPartition{Topic: tamperedTopic, Partition: 1}, api.TopicPartition{Topic: tamperedTopic, Partition: 2})
		}
		if err != nil {
			p.fail("%s: %w", name, err)
			return
		}
		for failures := 0; !p.over && failures < 5; {
			p.within(ctx, time.Second, "Poll", func(ctx context.Context) {
				records, err := consumer.Poll(ctx)
				p.took(name, records)
				switch {
				case len(records) > 0:
					failures = 0
				case err != nil && ctx.Err() == nil:
					failures++
					p.w.Tracef("%s: %v", name, err)
				}
			})
			if failures > 0 {
				_ = p.w.Sleep(ctx, 100*time.Millisecond)
			}
		}
		p.within(ctx, time.Second, "Consumer.Close", func(ctx context.Context) { _ = consumer.Shutdown(ctx) })
	}
	p.within(ctx, 2*time.Second, "Close", func(ctx context.Context) { _ = client.Shutdown(ctx) })
}

// visit joins the group for a while: who was told that another leads, or that nothing is his, cannot know better before the group rebalances again.
func (p *tamperedPlay) visit(ctx context.Context, protocol string) {
	client := p.dial(ctx, "neighbour")
	consumer, err := client.Consumer("g", api.Topics(tamperedTopic), api.Properties(memberProps(protocol)))
	if err != nil {
		p.fail("neighbour: %w", err)
		return
	}
	for until := p.w.Now().Add(peace / 4); p.w.Now().Before(until); {
		p.within(ctx, time.Second, "Poll", func(ctx context.Context) {
			records, _ := consumer.Poll(ctx)
			p.took("neighbour", records)
		})
	}
	p.within(ctx, 2*time.Second, "Close", func(ctx context.Context) { _ = client.Shutdown(ctx) })
}

func memberProps(protocol string) map[string]string {
	props := map[string]string{"auto.offset.reset": "earliest", "auto.commit.interval.ms": "500", "group.protocol": protocol, "max.poll.interval.ms": "8000"}
	if protocol == "classic" {
		props["session.timeout.ms"], props["heartbeat.interval.ms"] = "6000", "500"
	}
	return props
}

// took looks at records: they are of the topic, and somebody has produced them.
func (p *tamperedPlay) took(name string, records []*api.Record) {
	for _, r := range records {
		if r.Topic != tamperedTopic || !p.sent[string(r.Value)] {
			p.fail("%s was given a record of %s that nobody has produced: %.60q", name, r.Topic, r.Value)
		}
		p.got++
	}
	if len(records) > 0 {
		p.further(name, len(records))
	}
}

func (p *tamperedPlay) administer(ctx context.Context) {
	client := p.dial(ctx, "admin")
	for i := 0; !p.over; i++ {
		var err error
		p.within(ctx, 2*time.Second, "a call of Admin", func(ctx context.Context) {
			switch admin := client.Admin(); i % 4 {
			case 0:
				_, err = admin.DescribeTopics(ctx, tamperedTopic)
			case 1:
				_, err = admin.ListGroups(ctx, api.GroupFilter{})
			case 2:
				_, err = admin.DescribeGroups(ctx, "g")
			default:
				_, err = admin.CreateTopics(ctx, api.NewTopic{Name: fmt.Sprintf("topic-%d", i)})
			}
		})
		if err == nil {
			p.further("admin", 1)
		}
		_ = p.w.Sleep(ctx, time.Duration(300+p.rng.IntN(1000))*time.Millisecond)
	}
	p.within(ctx, 2*time.Second, "Close", func(ctx context.Context) { _ = client.Shutdown(ctx) })
}
