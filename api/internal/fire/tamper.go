package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/protocol/msg"
)

const (
	// peace is how long after the last change all goes on.
	peace = 20 * time.Second
	// moment is how long a call may outlast its context, besides what the machine stood still for.
	moment = 250 * time.Millisecond
	// hurry is how many requests of an API, connections or warnings of a client within a second are too many of one that gets no further.
	hurry = 20
)

// tampered plays rounds, several beside each other, in which answers are changed on their way: now and then one, or for seconds every answer of an API in the same field. Whatever comes, no call outlasts its context, nobody is given
// a record that nobody has produced to that topic, nobody who gets no further is in a hurry, and all goes on in the peace behind it. It is what TestTampered of the simulator is, with real brokers and real time.
func tampered(ctx context.Context, s *settings, k *kafka, r *report) error {
	m := &machine{begun: time.Now()}
	watch, end := context.WithCancel(ctx)
	defer end()
	go m.watch(watch)
	seed := s.seed
	switch {
	case seed > 0:
	case s.long:
		seed = uint64(time.Now().Unix()) * 1000
	default: // a check finds today what it has found yesterday
		seed = 1000
	}
	before := runtime.NumGoroutine()
	var lanes sync.WaitGroup
	var mu sync.Mutex // r's
	rounds, changes, calls, late := 0, 0, 0, time.Duration(0)
	for lane := range s.times(2, 6) {
		lanes.Go(func() {
			for round := 0; ctx.Err() == nil && (round == 0 || s.long && time.Since(m.begun) < s.span); round++ {
				t := &turmoil{seed: seed + uint64(round*100+lane), k: k, m: m, news: map[string]time.Time{}, second: map[string]int{}}
				t.play(ctx)
				mu.Lock()
				rounds, changes, calls, r.records, late = rounds+1, changes+t.proxy.count(), calls+t.calls, r.records+t.got, max(late, t.late)
				r.faults += t.faults
				r.wrong = append(r.wrong, t.failed...)
				for _, l := range t.lates {
					r.exceeds("%s", l)
				}
				if s.log != nil || len(t.failed) > 0 {
					fmt.Printf("tamper: %s, round %d: %d changes, %d records, %d wrong %s\n", time.Now().Format(time.TimeOnly), rounds, t.proxy.count(), t.got, len(t.failed), strings.Join(t.failed, "; "))
				}
				mu.Unlock()
			}
		})
	}
	lanes.Wait()
	for range 100 { // goroutines that are about to end
		if runtime.NumGoroutine() <= before+1 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before+1 {
		r.wrong = append(r.wrong, fmt.Sprintf("%d goroutines were left", n-before-1))
	}
	r.notes = append(r.notes, fmt.Sprintf("%d rounds, seeds from %d, %d answers changed; of %d calls the latest outlasted its context by %s", rounds, seed, changes, calls, late.Round(time.Millisecond)))
	return ctx.Err()
}

// machine is how long the whole process stood still, because others had the processors.
type machine struct {
	begun time.Time

	mu    sync.Mutex
	still []stillness
}

type stillness struct {
	at   time.Time
	long time.Duration
}

func (m *machine) watch(ctx context.Context) {
	const tick = 5 * time.Millisecond
	for last := time.Now(); sleep(ctx, tick) == nil; {
		now := time.Now()
		if d := now.Sub(last) - tick; d > tick {
			m.mu.Lock()
			if m.still = append(m.still, stillness{now, d}); len(m.still) > 10_000 {
				m.still = m.still[5_000:]
			}
			m.mu.Unlock()
		}
		last = now
	}
}

// since is the sum of what it stood still.
func (m *machine) since(t time.Time) (sum time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.still {
		if s.at.After(t) {
			sum += s.long
		}
	}
	return sum
}

// turmoil is one round: a topic, clients, and who tampers with what they are told.
type turmoil struct {
	seed  uint64
	k     *kafka
	m     *machine
	proxy *liar
	topic string
	more  []string     // topics that were made besides
	sent  atomic.Int64 // records "record-0" to before "record-SENT" were handed to the producer
	over  atomic.Bool
	work  sync.WaitGroup

	mu     sync.Mutex
	got    int
	faults int
	calls  int
	late   time.Duration
	lates  []string             // calls that outlasted their contexts
	calm   time.Time            // since when nobody tampers
	news   map[string]time.Time // when each has last got further
	failed []string
	trace  bytes.Buffer
	now    int64          // the second of
	second map[string]int // what each has done within it
}

func (t *turmoil) fail(format string, args ...any) {
	what := fmt.Sprintf("seed %d: ", t.seed) + fmt.Sprintf(format, args...)
	t.tell("WRONG " + what)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = append(t.failed, what)
}

// tell puts a line into the trace, which is written to a file if the round fails, or a call outlasts its context.
func (t *turmoil) tell(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.trace.Len() < 64<<20 {
		fmt.Fprintf(&t.trace, "%s %s\n", time.Now().Format("15:04:05.000"), line)
	}
}

// does notes that a client does something, of which it may do only so much within a second.
func (t *turmoil) does(client, what string) {
	t.mu.Lock()
	if s := time.Now().Unix(); s != t.now {
		t.now = s
		clear(t.second)
	}
	t.second[client+" "+what]++
	n, most := t.second[client+" "+what], hurry+t.second[client]
	t.mu.Unlock()
	if n == most+1 {
		t.fail("%s: %s, more than %d times within a second, and it gets no further", client, what, most)
	}
}

func (t *turmoil) further(client string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.news[client] = time.Now()
	t.second[client] += n
}

func (t *turmoil) play(ctx context.Context) {
	rng := rand.New(rand.NewPCG(t.seed, 0))
	protocol := "classic"
	if rng.IntN(3) > 0 {
		protocol = "consumer"
	}
	t.topic = fmt.Sprintf("tamper-%d", t.seed)
	var err error
	t.proxy, err = newLiar(t, rng.Uint64())
	if err != nil {
		t.fail("%v", err)
		return
	}
	defer t.proxy.close()
	looker, err := api.Dial(ctx, api.Brokers(t.k.hosts...), api.ClientID("looker"))
	if err == nil {
		defer looker.Shutdown(ctx)
		err = create(ctx, looker, t.topic, 3, 3)
	}
	if err != nil {
		t.fail("%v", err)
		return
	}
	t.work.Go(func() { t.produce(ctx) })
	t.work.Go(func() { t.consume(ctx, "member", t.topic, protocol) })
	t.work.Go(func() { t.consume(ctx, "reader", "", "") })
	t.work.Go(func() { t.administer(ctx) })
	_ = sleep(ctx, 5*time.Second)
	keys := []int16{msg.ProduceAPI, msg.FetchAPI, msg.FetchAPI, msg.MetadataAPI, msg.ListOffsetsAPI, msg.OffsetCommitAPI, msg.OffsetFetchAPI, msg.FindCoordinatorAPI, msg.ApiVersionsAPI, msg.InitProducerIdAPI, msg.OffsetForLeaderEpochAPI}
	if protocol == "consumer" {
		keys = append(keys, msg.ConsumerGroupHeartbeatAPI, msg.ConsumerGroupHeartbeatAPI)
	} else {
		keys = append(keys, msg.JoinGroupAPI, msg.SyncGroupAPI, msg.HeartbeatAPI)
	}
	for range 4 + rng.IntN(6) {
		share, key := []int{0, 20, 200}[rng.IntN(3)], int16(-1)
		if rng.IntN(3) > 0 {
			key = keys[rng.IntN(len(keys))]
		}
		t.proxy.tamper(share, key)
		t.faults++
		_ = sleep(ctx, time.Duration(500+rng.IntN(5000))*time.Millisecond)
		t.tell(fmt.Sprintf("until now %d in a thousand, and %s", share, t.proxy.insisted()))
	}
	t.proxy.tamper(0, -1)
	t.calm = time.Now()
	t.tell("nobody tampers any more")
	t.work.Go(func() { t.visit(ctx, protocol) })
	for len(t.waiting()) > 0 && time.Since(t.calm) < peace && ctx.Err() == nil {
		_ = sleep(ctx, 100*time.Millisecond)
	}
	if who := t.waiting(); len(who) > 0 && ctx.Err() == nil {
		t.fail("%s have got nothing in %s of peace (protocol %s)", strings.Join(who, ", "), peace, protocol)
	}
	t.over.Store(true)
	t.work.Wait()
	_, _ = looker.Admin().DeleteTopics(ctx, append(t.more, t.topic)...)
	if len(t.failed)+len(t.lates) > 0 {
		name := fmt.Sprintf("%s/fire-tamper-%d.log", os.TempDir(), t.seed)
		if err := os.WriteFile(name, t.trace.Bytes(), 0o600); err == nil {
			for _, list := range [][]string{t.failed, t.lates} {
				if len(list) > 0 {
					list[len(list)-1] += "; see " + name
				}
			}
		}
	}
}

// waiting are those who have got no further since nobody tampers.
func (t *turmoil) waiting() (who []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range []string{"producer", "member", "reader", "admin"} {
		since := t.calm
		if w == "member" {
			since = t.calm.Add(peace / 3) // its neighbour is gone
		}
		if !t.news[w].After(since) {
			who = append(who, w)
		}
	}
	return who
}

// within calls f with a context that ends after d, and sees to it that it ends with that.
func (t *turmoil) within(ctx context.Context, d time.Duration, client, what string, f func(ctx context.Context)) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	begun := time.Now()
	stuck := time.AfterFunc(d+moment, func() {
		stacks := make([]byte, 1<<20)
		t.tell(fmt.Sprintf("%s: %s outlasts its context of %s: %s", client, what, d, stacks[:runtime.Stack(stacks, true)]))
	})
	f(ctx)
	stuck.Stop()
	late := time.Since(begun) - d
	if late > moment {
		late -= t.m.since(begun)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls++
	t.late = max(t.late, late)
	if late > moment {
		t.lates = append(t.lates, fmt.Sprintf("seed %d: at %s %s: %s with a context of %s outlasted it by %s", t.seed, time.Now().Format(time.TimeOnly), client, what, d, late))
	}
}

// ear is where a client's log goes: into the trace, and warnings are counted.
type ear struct {
	t      *turmoil
	client string
}

func (e ear) Write(b []byte) (int, error) {
	_, line, _ := strings.Cut(strings.TrimSpace(string(b)), " ") // the time is the trace's
	e.t.tell(e.client + " logs " + line)
	if strings.HasPrefix(line, "level=WARN") || strings.HasPrefix(line, "level=ERROR") {
		e.t.does(e.client, "warnings")
	}
	return len(b), nil
}

func (t *turmoil) dial(ctx context.Context, name string) *api.Client {
	client, err := api.Dial(ctx, api.Lazy(), api.Dialer(t.proxy.dialer(name)), api.Logger(slog.New(slog.NewTextHandler(ear{t, name}, &slog.HandlerOptions{Level: slog.LevelDebug}))), api.Brokers(t.k.hosts...),
		api.Properties(map[string]string{"client.id": name, "request.timeout.ms": "3000", "delivery.timeout.ms": "6000", "socket.connection.setup.timeout.ms": "2000"}))
	if err != nil {
		panic(err) // Lazy: only options can be wrong
	}
	return client
}

func (t *turmoil) produce(ctx context.Context) {
	client := t.dial(ctx, "producer")
	producer, err := client.Producer(api.Property("compression.type", []string{"none", "lz4", "zstd"}[t.seed%3]))
	if err != nil {
		t.fail("producer: %v", err)
		return
	}
	for !t.over.Load() && ctx.Err() == nil {
		value := fmt.Sprintf("record-%d", t.sent.Add(1)-1)
		t.within(ctx, 4*time.Second, "producer", "Produce", func(ctx context.Context) {
			if _, err := producer.Produce(ctx, &api.Record{Topic: t.topic, Value: []byte(value)}); err == nil {
				t.further("producer", 1)
			} else {
				t.tell(fmt.Sprintf("producer: %v", err))
			}
		})
		_ = sleep(ctx, rand.N(200*time.Millisecond))
	}
	t.within(ctx, 2*time.Second, "producer", "Producer.Close", func(ctx context.Context) { _ = producer.Shutdown(ctx) })
	t.within(ctx, 2*time.Second, "producer", "Close", func(ctx context.Context) { _ = client.Shutdown(ctx) })
}

func (t *turmoil) consume(ctx context.Context, name, group, protocol string) {
	client := t.dial(ctx, name)
	for !t.over.Load() && ctx.Err() == nil {
		props := map[string]string{"auto.offset.reset": "earliest"}
		if group != "" {
			props = memberProps(protocol)
		}
		consumer, err := client.Consumer(group, api.Properties(props))
		switch {
		case err != nil:
		case group != "":
			err = consumer.Subscribe(t.topic)
		default:
			err = consumer.Assign(api.TopicPartition{Topic: t.topic}, api.TopicPartition{Topic: t.topic, Partition: 1}, api.TopicPartition{Topic: t.topic, Partition: 2})
		}
		if err != nil {
			t.fail("%s: %v", name, err)
			return
		}
		for failures := 0; !t.over.Load() && ctx.Err() == nil && failures < 5; {
			t.within(ctx, time.Second, name, "Poll", func(ctx context.Context) {
				records, err := consumer.Poll(ctx)
				t.took(name, records)
				switch {
				case len(records) > 0:
					failures = 0
				case err != nil && ctx.Err() == nil:
					failures++
					t.tell(fmt.Sprintf("%s: %v", name, err))
				}
			})
			if failures > 0 {
				_ = sleep(ctx, 100*time.Millisecond)
			}
		}
		t.within(ctx, time.Second, name, "Consumer.Close", func(ctx context.Context) { _ = consumer.Shutdown(ctx) })
	}
	t.within(ctx, 2*time.Second, name, "Close", func(ctx context.Context) { _ = client.Shutdown(ctx) })
}

// visit joins the group for a while: who was told that another leads, or that nothing is his, cannot know better before the group rebalances again.
func (t *turmoil) visit(ctx context.Context, protocol string) {
	client := t.dial(ctx, "neighbour")
	consumer, err := client.Consumer(t.topic, api.Topics(t.topic), api.Properties(memberProps(protocol)))
	if err != nil {
		t.fail("neighbour: %v", err)
		return
	}
	for until := time.Now().Add(peace / 4); time.Now().Before(until) && ctx.Err() == nil; {
		t.within(ctx, time.Second, "neighbour", "Poll", func(ctx context.Context) {
			records, _ := consumer.Poll(ctx)
			t.took("neighbour", records)
		})
	}
	t.within(ctx, 2*time.Second, "neighbour", "Close", func(ctx context.Context) { _ = client.Shutdown(ctx) })
}

func memberProps(protocol string) map[string]string {
	props := map[string]string{"auto.offset.reset": "earliest", "auto.commit.interval.ms": "500", "group.protocol": protocol, "max.poll.interval.ms": "8000"}
	if protocol == "classic" {
		props["session.timeout.ms"], props["heartbeat.interval.ms"] = "6000", "500"
	}
	return props
}

// took looks at records: they are of the topic, and somebody has produced them.
func (t *turmoil) took(name string, records []*api.Record) {
	for _, r := range records {
		var i int64
		if _, err := fmt.Sscanf(string(r.Value), "record-%d", &i); err != nil || r.Topic != t.topic || i < 0 || i >= t.sent.Load() || string(r.Value) != fmt.Sprintf("record-%d", i) {
			t.fail("%s was given a record of %s that nobody has produced: %.60q", name, r.Topic, r.Value)
		}
	}
	if len(records) > 0 {
		t.mu.Lock()
		t.got += len(records)
		t.mu.Unlock()
		t.further(name, len(records))
	}
}

func (t *turmoil) administer(ctx context.Context) {
	client := t.dial(ctx, "admin")
	for i := 0; !t.over.Load() && ctx.Err() == nil; i++ {
		var err error
		t.within(ctx, 2*time.Second, "admin", "a call of Admin", func(ctx context.Context) {
			switch admin := client.Admin(); i % 4 {
			case 0:
				_, err = admin.DescribeTopics(ctx, t.topic)
			case 1:
				_, err = admin.ListGroups(ctx, api.GroupFilter{})
			case 2:
				_, err = admin.DescribeGroups(ctx, t.topic)
			default:
				name := fmt.Sprintf("%s-%d", t.topic, i)
				t.more = append(t.more, name)
				_, err = admin.CreateTopics(ctx, api.NewTopic{Name: name})
			}
		})
		if err == nil {
			t.further("admin", 1)
		} else {
			t.tell(fmt.Sprintf("admin: %v", err))
		}
		_ = sleep(ctx, 300*time.Millisecond+rand.N(time.Second))
	}
	t.within(ctx, 2*time.Second, "admin", "Close", func(ctx context.Context) { _ = client.Shutdown(ctx) })
}
