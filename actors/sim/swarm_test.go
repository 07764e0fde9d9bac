package sim_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/sender"
)

// TestSwarm plays seeds: three brokers, two producers, two consumers, 5 to 40 faults, then healing and draining, and no anomaly.
func TestSwarm(t *testing.T) {
	if playOne(t, func(s script) (string, fmt.Stringer, error) {
		r := swarm(s, *every)
		return r.summary(), &r.log, r.err
	}) {
		return
	}
	playSeeds(t, func(s script) (tally, error) {
		r := swarm(s, false)
		return tally{"records": r.acked, "faults": r.faults, "steps": int(r.steps)}, r.err
	})
}

// TestSameSeedSameHistory plays seeds twice and compares the hashes of everything that happened.
func TestSameSeedSameHistory(t *testing.T) {
	different := map[uint64]bool{}
	for seed := range uint64(10) {
		a, b := swarm(script{seed: seed + 1}, false), swarm(script{seed: seed + 1}, false)
		if a.hash != b.hash || a.steps != b.steps {
			t.Errorf("seed %d: %x after %d steps, then %x after %d", seed+1, a.hash, a.steps, b.hash, b.steps)
		}
		different[a.hash] = true
	}
	if len(different) != 10 {
		t.Errorf("10 seeds gave %d histories", len(different))
	}
	for seed := range uint64(10) {
		a, b := groupSeed(script{seed: seed + 1}, false), groupSeed(script{seed: seed + 1}, true)
		if a.w.Hash() != b.w.Hash() || a.w.Steps() != b.w.Steps() || a.err != nil {
			t.Errorf("groups, seed %d: %x after %d steps, then %x after %d; %v", seed+1, a.w.Hash(), a.w.Steps(), b.w.Hash(), b.w.Steps(), a.err)
		}
	}
}

// result is what became of one seed.
type result struct {
	err                   error
	acked, rejected, info int
	faults, steps         int
	hash                  uint64
	virtual               time.Duration
	log                   bytes.Buffer
}

func (r *result) summary() string {
	return fmt.Sprintf("%d acked, %d rejected, %d uncertain, %d faults, %d steps, %s of virtual time, hash %x", r.acked, r.rejected, r.info, r.faults, r.steps, r.virtual, r.hash)
}

// swarm plays one seed.
func swarm(s script, tracing bool) *result {
	p := &play{}
	return playSwarm(s, tracing, p, p.run)
}

// playSwarm plays one seed of a swarm: run is what happens in it, and p what run is of.
func playSwarm(s script, tracing bool, p *play, run func(w *sim.World) error) *result {
	r := &result{}
	w := sim.New(s.seed)
	if tracing {
		w.Trace(&r.log)
	}
	*p = play{w: w, script: s, h: sim.NewHistory(), topics: map[string]int{"one": 1, "five": 5}, untold: map[string]int{}}
	r.err = w.Run(run)
	if p.storm != nil {
		r.faults = p.storm.Count
	}
	r.acked, r.rejected, r.info = p.h.Count(sim.Acked), p.h.Count(sim.Rejected), p.h.Count(sim.Uncertain)
	r.steps, r.hash, r.virtual = w.Steps(), w.Hash(), w.Now().Sub(sim.Epoch)
	if r.err != nil {
		r.err = fmt.Errorf("seed %d, after %s: %w", s.seed, r.virtual, r.err)
	}
	return r
}

// play is one seed being played.
type play struct {
	w       *sim.World
	script  script
	n       *sim.Network
	c       *fake.Cluster
	h       *sim.History
	storm   *sim.Storm
	topics  map[string]int
	sending int            // producers that are not done
	untold  map[string]int // records of a producer whose outcome was not told
	failed  []error
	over    bool     // the clients are closed
	behind  []string // consumers that are not at the end, as of their last look
	workers sim.Group
	resume  time.Time // until when producers rest after half of their records; zero: they do not
	names   bool      // brokers name the records that are not valid
	healed  time.Time // when the storm was over
}

// recovered is how long after the storm every record has its outcome. A time-out that comes later is that of a record which the client had forgotten.
const recovered = 45 * time.Second

// late looks at the end of a record.
func (p *play) late(name string, r *api.Record, err error) {
	if errors.Is(err, sender.ErrTimeout) && !p.healed.IsZero() && p.w.Now().Sub(p.healed) > recovered {
		p.fail("%s: a record of %s timed out %s after the storm: %w", name, r.Topic, p.w.Now().Sub(p.healed), err)
	}
}

// expiry is after what time leaders forget producers, where some rest for as long. It is longer than any record is tried: otherwise it may be there twice. Brokers go by the time of the records, so these have that of the log: the wall
// clock of a client jumps by up to an hour.
const expiry = 3 * time.Minute

func (p *play) fail(format string, args ...any) {
	p.failed = append(p.failed, fmt.Errorf(format, args...))
}

func (p *play) run(w *sim.World) error {
	rng := w.Rand()
	idle := w.Seed()%8 == 2
	topics := []fake.Topic{{Name: "one", Partitions: p.topics["one"], Compacted: w.Seed()%4 == 1, LogAppendTime: idle}, {Name: "five", Partitions: p.topics["five"], LogAppendTime: idle}, {Name: "unanswered"}}
	releases := []string{"4.3", "4.3", "4.0", "3.9", "2.8", "2.1", "1.1", "0.11"}
	cfg := fake.Config{Nodes: 3, Topics: topics, Seed: w.Seed(), Release: releases[rng.IntN(len(releases))], SessionTimeout: time.Duration(rng.IntN(9000)) * time.Millisecond}
	if idle {
		cfg.ProducerExpiry = expiry
	}
	rack := ""
	if rng.IntN(3) == 0 {
		cfg.Racks, rack = []string{"a", "b", "c"}, "b"
	}
	var err error
	if p.c, err = fake.NewCluster(cfg); err != nil {
		return err
	}
	w.Tracef("release %s, session time-out %s", cfg.Release, cfg.SessionTimeout)
	p.n = sim.NewNetwork(w, p.c)
	p.c.Observe(p.intact)
	if w.Seed()%7 == 3 { // as Azure Event Hubs
		p.c.Seize(msg.ApiVersionsAPI, func(r fake.Request) fake.Action { return fake.Action{Cut: r.Version > 3} })
	}
	if w.Seed()%6 == 5 {
		p.wearOut()
	}
	p.names = slices.Contains([]string{"4.3", "4.0", "3.9", "2.8"}, cfg.Release)
	p.storm = sim.NewStorm(w, p.n)
	p.storm.Without = p.script.without
	ctx := context.Background()
	span := time.Duration(10+rng.IntN(30)) * time.Second
	if idle {
		p.resume = w.Now().Add(span + expiry + expiry/4)
	}

	var clients []*api.Client
	dial := func() (*api.Client, error) {
		request := 2000 + rng.IntN(4000)
		c, err := api.Dial(ctx, api.World(w), api.Lazy(), api.Hooks(broker.Hooks{Changed: p.forward()}), api.Brokers("broker-1:9092", "broker-2:9092", "broker-3:9092"), api.Properties(map[string]string{
			"request.timeout.ms": fmt.Sprint(request), "delivery.timeout.ms": fmt.Sprint([]int{request + 100, 8000, 120000}[rng.IntN(3)]), "fetch.max.wait.ms": fmt.Sprint(500 + rng.IntN(1400)),
			"socket.connection.setup.timeout.ms": "2000", "client.rack": rack, "auto.offset.reset": "earliest", "compression.type": []string{"none", "none", "lz4", "gzip"}[rng.IntN(4)],
			"batch.size": []string{"200", "1000", "16384"}[rng.IntN(3)], "max.partition.fetch.bytes": []string{"500", "100000"}[rng.IntN(2)],
			"buffer.memory": []string{"20000", "1000000"}[rng.IntN(2)]}))
		clients = append(clients, c)
		return c, err
	}
	p.sending = 2
	for i := range 2 {
		client, err := dial()
		if err != nil {
			return err
		}
		p.workers.Go(w, fmt.Sprintf("producer-%d", i), func() { p.produce(ctx, client, fmt.Sprintf("producer-%d", i), span) })
	}
	for i := range 2 {
		client, err := dial()
		if err != nil {
			return err
		}
		parts := []api.TopicPartition{{Topic: "one"}}
		for k := i; k < p.topics["five"]; k += 2 {
			parts = append(parts, api.TopicPartition{Topic: "five", Partition: int32(k)})
		}
		p.workers.Go(w, fmt.Sprintf("consumer-%d", i), func() { p.consume(ctx, client, fmt.Sprintf("consumer-%d", i), parts) })
	}
	if rng.IntN(3) == 0 {
		if err := p.c.CreateTopic(fake.Topic{Name: "txn", Partitions: 1}); err != nil {
			return err
		}
		p.topics["txn"] = 1
		client, err := dial()
		if err != nil {
			return err
		}
		p.sending++
		p.workers.Go(w, "transactions", func() { p.transact(ctx, "transactions", span) })
		p.h.ReadCommitted("committed")
		p.workers.Go(w, "committed", func() {
			p.consume(ctx, client, "committed", []api.TopicPartition{{Topic: "txn"}}, api.Property("isolation.level", "read_committed"))
		})
	}
	if rng.IntN(2) == 0 {
		client, err := dial()
		if err != nil {
			return err
		}
		p.sending++
		p.workers.Go(w, "hasty", func() { p.hurry(ctx, client, "hasty", span) })
	}
	if rng.IntN(3) == 0 {
		client, err := dial()
		if err != nil {
			return err
		}
		p.workers.Go(w, "unanswered", func() { p.unanswered(ctx, client, span) })
	}
	count := 5 + rng.IntN(36)
	if idle {
		if err := p.storm.Blow(ctx, count/2, span); err != nil {
			return err
		}
		if err := p.rest(ctx); err != nil {
			return err
		}
		p.n.Do(func(c *fake.Cluster) { // of what comes first some is refused
			for range rng.IntN(6) {
				c.FailNext(msg.ProduceAPI, protocol.NotEnoughReplicas)
			}
		})
		count -= count / 2
	}
	if err := p.storm.Blow(ctx, count, span); err != nil {
		return err
	}
	p.healed = w.Now()
	heal, cancel := w.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if err := p.workers.Wait(heal, w); err != nil {
		p.fail("not drained: %d producers are still at work, %d records pending: %w\n%s", p.sending, p.h.Count(sim.Pending), err, strings.Join(p.behind, "\n"))
	}
	p.over = true
	for _, c := range clients {
		closing, cancel := w.WithTimeout(ctx, 20*time.Second)
		if err := c.Shutdown(closing); err != nil {
			p.fail("close: %w", err)
		}
		cancel()
	}
	if err := w.Sleep(ctx, 10*time.Second); err != nil {
		return err
	}
	if n := p.n.Open(); n > 0 {
		p.fail("%d connections are open after all clients were closed", n)
	}
	if found := p.h.Verify(p.c, p.topics, len(p.failed) == 0); len(found) > 0 {
		p.fail("%d anomalies:\n\t%s", len(found), strings.Join(found[:min(10, len(found))], "\n\t"))
	}
	return errors.Join(p.failed...)
}

// rest lets time pass until leaders have forgotten who wrote before.
func (p *play) rest(ctx context.Context) error {
	return p.w.Sleep(ctx, max(0, p.resume.Sub(p.w.Now())))
}

// wearOut lets the ids of producers have few epochs left.
func (p *play) wearOut() {
	p.h.Unfenced = true
	id := int64(5000)
	p.c.Seize(msg.InitProducerIdAPI, func(fake.Request) fake.Action {
		id++
		m := &msg.InitProducerIdResponse{}
		m.SetDefaults()
		m.ProducerID, m.ProducerEpoch = id, math.MaxInt16-1
		return fake.Action{Reply: m}
	})
}

// forward gives what looks at a client's metadata: no partition goes back to an older leader.
func (p *play) forward() func(*cluster.Snapshot) {
	epochs := map[cluster.TopicPartition]int32{}
	return func(s *cluster.Snapshot) {
		for _, t := range s.Topics() {
			for _, q := range t.Partitions {
				tp := cluster.TopicPartition{Topic: t.Name, Partition: q.Index}
				if q.LeaderEpoch >= 0 && q.LeaderEpoch < epochs[tp] {
					p.fail("metadata went back to leader epoch %d of %v, %d was known", q.LeaderEpoch, tp, epochs[tp])
				}
				epochs[tp] = max(epochs[tp], q.LeaderEpoch)
			}
		}
	}
}

// intact looks at the batches that reach the brokers: a checksum that is wrong was made so by the client, because the network does not change anything.
func (p *play) intact(r fake.Request) {
	m, ok := r.Req.(*msg.ProduceRequest)
	if !ok {
		return
	}
	for _, t := range m.TopicData {
		for _, d := range t.PartitionData {
			b, _, whole, err := record.Next(d.Records)
			if err != nil || !whole || b.CheckCRC() != nil {
				p.fail("garbage was sent to %s/%d", t.Name, d.Index)
			}
		}
	}
}

// produce sends records until the storm is about over: some it waits for, most it does not.
func (p *play) produce(ctx context.Context, client *api.Client, name string, span time.Duration) {
	defer func() { p.sending-- }()
	rng := p.w.Rand()
	producer, err := client.Producer()
	if err != nil {
		p.fail("%s: %w", name, err)
		return
	}
	count := 40 + rng.IntN(80)
	for i := range count {
		if i == p.script.records && i > 0 {
			break
		}
		if most := p.script.records; !p.resume.IsZero() && (i == count/2 || most > 0 && i == most/2) {
			if err := p.rest(ctx); err != nil {
				p.fail("%s: %w", name, err)
			}
			for range 12 { // at once: what would be in flight together
				p.send(ctx, producer, name, rng)
			}
		}
		p.send(ctx, producer, name, rng)
		switch rng.IntN(8) {
		case 0:
			p.flush(ctx, producer, name)
		case 1, 2, 3:
			_ = p.w.Sleep(ctx, time.Duration(rng.Int64N(int64(4*span)/int64(count)+1)))
		}
	}
	p.flush(ctx, producer, name)
}

// flush waits for the outcomes of what a producer has sent.
func (p *play) flush(ctx context.Context, producer *api.Producer, name string) {
	if err := producer.Flush(ctx); err != nil {
		p.fail("%s: flush: %w", name, err)
	}
	if n := p.untold[name]; n > 0 {
		p.fail("%s: a flush has come back, and the outcome of %d records has not been told", name, n)
	}
}

// send sends a record, and notes what becomes of it. Now and then its context has ended: then nothing may be written.
func (p *play) send(ctx context.Context, producer *api.Producer, name string, rng *rand.Rand) {
	topic := "five"
	if rng.IntN(4) == 0 {
		topic = "one"
	}
	send, value := p.h.Send(name, topic, rng.IntN(120))
	record := &api.Record{Topic: topic, Value: value}
	if rng.IntN(2) == 0 {
		record.Key = fmt.Appendf(nil, "key-%d", rng.IntN(10))
	}
	done := func(placed api.RecordMetadata, err error) {
		p.untold[name]--
		p.late(name, record, err)
		switch {
		case err == nil:
			p.h.Done(send, sim.Acked, placed.Partition, placed.Offset)
		case errors.Is(err, api.ErrUncertain):
			p.h.Done(send, sim.Uncertain, -1, -1)
		default:
			p.h.Done(send, sim.Rejected, -1, -1)
			p.deserved(record, err)
		}
	}
	if rng.IntN(30) == 0 {
		over, cancel := context.WithCancel(ctx)
		cancel()
		if err := producer.Send(over, record, nil); !errors.Is(err, context.Canceled) {
			p.fail("%s: a record was taken although its context had ended: %v", name, err)
		}
		p.h.Done(send, sim.Rejected, -1, -1)
		return
	}
	p.untold[name]++
	if err := producer.Send(ctx, record, done); err != nil {
		p.untold[name]--
		p.h.Done(send, sim.Rejected, -1, -1)
	}
}

// transact writes transactions straight into the log of topic txn - those of several producers under way at once, some aborted - and now and then lets the cleaner go over it.
func (p *play) transact(ctx context.Context, name string, span time.Duration) {
	defer func() { p.sending-- }()
	rng := p.w.Rand()
	aborts := map[int64]bool{} // of the transactions under way
	step := func(do func(c *fake.Cluster) error) {
		for {
			var err error
			p.n.Do(func(c *fake.Cluster) { err = do(c) })
			switch {
			case err == nil:
				return
			case !errors.Is(err, protocol.NotEnoughReplicas):
				p.fail("%s: %w", name, err)
				return
			}
			if p.w.Sleep(ctx, 100*time.Millisecond) != nil { // as a producer would, it waits for a leader that can commit
				return
			}
		}
	}
	end := func(producer int64) {
		step(func(c *fake.Cluster) error {
			_, err := c.EndTransaction("txn", 0, producer, !aborts[producer])
			return err
		})
		delete(aborts, producer)
	}
	count := 20 + rng.IntN(60)
	for range count {
		producer := int64(1 + rng.IntN(3))
		if _, under := aborts[producer]; under && rng.IntN(2) == 0 {
			end(producer)
		} else {
			if !under {
				aborts[producer] = rng.IntN(2) == 0
			}
			var sends []*sim.Send
			var values [][]byte
			for range 1 + rng.IntN(3) {
				value := []byte("aborted")
				if !aborts[producer] {
					var s *sim.Send
					s, value = p.h.Send(fmt.Sprintf("%s-%d", name, producer), "txn", rng.IntN(120))
					sends = append(sends, s)
				}
				values = append(values, value)
			}
			step(func(c *fake.Cluster) error {
				base, err := c.Transact("txn", 0, producer, values...)
				if err != nil {
					return err
				}
				for i, s := range sends {
					p.h.Done(s, sim.Acked, 0, base+int64(i))
				}
				return nil
			})
		}
		if rng.IntN(10) == 0 {
			step(func(c *fake.Cluster) error { return c.Clean("txn", 0) })
		}
		if rng.IntN(3) == 0 {
			_ = p.w.Sleep(ctx, time.Duration(rng.Int64N(int64(6*span)/int64(count)+1)))
		}
	}
	for producer := int64(1); producer <= 3; producer++ {
		if _, under := aborts[producer]; under {
			end(producer)
		}
	}
}

// deserved looks at why a record was rejected: for what is wrong with it, not for others.
func (p *play) deserved(r *api.Record, err error) {
	switch {
	case errors.Is(err, protocol.InvalidRecord) && r.Key != nil && p.names:
		p.fail("a record is valid and was rejected: %w", err)
	case errors.Is(err, protocol.OutOfOrderSequenceNumber) && !errors.Is(err, api.ErrTimeout):
		p.fail("a record was overtaken by one behind it: %w", err)
	case errors.Is(err, protocol.InvalidProducerEpoch):
		p.fail("a record was rejected for an epoch that is older than the one before it: %w", err)
	}
}

// hurry sends some records and closes its client in the middle of it, without waiting.
func (p *play) hurry(ctx context.Context, client *api.Client, name string, span time.Duration) {
	defer func() { p.sending-- }()
	rng := p.w.Rand()
	producer, err := client.Producer()
	if err != nil {
		p.fail("%s: %w", name, err)
		return
	}
	_ = p.w.Sleep(ctx, time.Duration(rng.Int64N(int64(span))))
	for range 1 + rng.IntN(20) {
		p.send(ctx, producer, name, rng)
		if rng.IntN(4) == 0 {
			_ = p.w.Sleep(ctx, time.Duration(rng.Int64N(int64(100*time.Millisecond))))
		}
	}
	closing, cancel := context.WithCancel(ctx)
	cancel()
	_ = client.Shutdown(closing) // it tells what it did not wait for
}

// unanswered sends records with acks=0. They may get lost behind the client, but what is told as written has left it, whatever is closed then.
func (p *play) unanswered(ctx context.Context, client *api.Client, span time.Duration) {
	rng := p.w.Rand()
	producer, err := client.Producer(api.Property("acks", "0"), api.Property("compression.type", "none"))
	if err != nil {
		p.fail("unanswered: %w", err)
		return
	}
	var written [][]byte
	p.n.Written = func(frame []byte) {
		if bytes.Contains(frame, []byte("unanswered ")) {
			written = append(written, frame)
		}
	}
	for i := range 5 + rng.IntN(40) {
		value := fmt.Appendf(nil, "unanswered %d.", i)
		_ = producer.Send(ctx, &api.Record{Topic: "unanswered", Value: value}, func(_ api.RecordMetadata, err error) {
			if err == nil && !slices.ContainsFunc(written, func(frame []byte) bool { return bytes.Contains(frame, value) }) {
				p.fail("%s was told as written, and has not left the client", value)
			}
		})
		if rng.IntN(3) == 0 {
			_ = p.w.Sleep(ctx, time.Duration(rng.Int64N(int64(span/10))))
		}
	}
	if rng.IntN(2) == 0 {
		_ = producer.Flush(ctx)
	}
	closing, cancel := p.w.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	_ = client.Shutdown(closing)
}

// consume reads its partitions, one way or another, until the producers are done and it has seen the ends of the logs.
func (p *play) consume(ctx context.Context, client *api.Client, name string, parts []api.TopicPartition, opts ...api.ConsumerOption) {
	rng := p.w.Rand()
	consumer, err := client.Consumer("", append(opts, api.OnReset(func(r api.PositionReset) {
		p.w.Tracef("%s: position of %s reset from %d to %d: %s", name, r.TopicPartition, r.From, r.To, r.Cause)
	}))...)
	if err != nil {
		p.fail("%s: %w", name, err)
		return
	}
	for _, tp := range parts {
		p.h.Begin(name, sim.Partition{Topic: tp.Topic, Index: tp.Partition}, 0)
	}
	if err := consumer.Assign(parts...); err != nil {
		p.fail("%s: %w", name, err)
		return
	}
	read := func(topic string, partition int32, offset int64, value []byte) {
		if p.h.ReadsCommitted(name) && offset >= p.c.LastStable(topic, partition) {
			p.fail("%s was given %s/%d@%d, and it is not decided whether that is committed", name, topic, partition, offset)
		}
		p.h.Read(name, sim.Partition{Topic: topic, Index: partition}, offset, value)
	}
	views, slow := rng.IntN(2) == 0, rng.IntN(2) == 0
	for !p.caughtUp(ctx, consumer, parts) {
		if p.over {
			return
		}
		some, cancel := p.w.WithTimeout(ctx, 3*time.Second)
		if views {
			p.readViews(some, consumer, rng.IntN(20)+1, read)
		} else if records, err := consumer.Poll(some); err == nil || len(records) > 0 {
			for _, r := range records {
				read(r.Topic, r.Partition, r.Offset, r.Value)
			}
		}
		cancel()
		if slow && rng.IntN(3) == 0 { // so that more is fetched than read
			_ = p.w.Sleep(ctx, time.Duration(rng.Int64N(int64(3*time.Second))))
		}
		if rng.IntN(10) == 0 {
			p.pauseAWhile(ctx, consumer, parts[rng.IntN(len(parts))], read)
		}
		if rng.IntN(15) == 0 {
			p.goBack(ctx, consumer, name, parts[rng.IntN(len(parts))], rng)
		}
	}
}

// goBack seeks to somewhere before the position, mostly into the middle of a batch.
func (p *play) goBack(ctx context.Context, consumer *api.Consumer, name string, tp api.TopicPartition, rng *rand.Rand) {
	now, cancel := p.w.WithTimeout(ctx, time.Second)
	defer cancel()
	at, err := consumer.Position(now, tp)
	if err != nil || at == 0 {
		return
	}
	to := rng.Int64N(at)
	if err := consumer.Seek(tp, to); err != nil {
		p.fail("seek %s to %d: %w", tp, to, err)
	}
	p.h.Begin(name, sim.Partition{Topic: tp.Topic, Index: tp.Partition}, to)
}

// readViews reads some records as views and leaves the loop in the middle of a batch.
func (p *play) readViews(ctx context.Context, consumer *api.Consumer, count int, read func(string, int32, int64, []byte)) {
	var v api.View
	for batch, err := range consumer.Batches(ctx) {
		if err != nil {
			return
		}
		for batch.Next(&v) {
			read(batch.Topic, batch.Partition, v.Offset, v.Value)
			if count--; count == 0 {
				return
			}
		}
	}
}

// pauseAWhile pauses a partition: nothing of it may come until it is resumed.
func (p *play) pauseAWhile(ctx context.Context, consumer *api.Consumer, tp api.TopicPartition, read func(string, int32, int64, []byte)) {
	if err := consumer.Pause(tp); err != nil {
		p.fail("pause %s: %w", tp, err)
	}
	some, cancel := p.w.WithTimeout(ctx, time.Second)
	defer cancel()
	records, _ := consumer.Poll(some)
	for _, r := range records {
		if r.Topic == tp.Topic && r.Partition == tp.Partition {
			p.fail("%s@%d was given out although the partition is paused", tp, r.Offset)
		}
		read(r.Topic, r.Partition, r.Offset, r.Value)
	}
	if err := consumer.Resume(tp); err != nil {
		p.fail("resume %s: %w", tp, err)
	}
}

// caughtUp tells whether the producers are done and every position is at its end.
func (p *play) caughtUp(ctx context.Context, consumer *api.Consumer, parts []api.TopicPartition) bool {
	if p.sending > 0 {
		return false
	}
	now, cancel := p.w.WithTimeout(ctx, time.Second)
	defer cancel()
	p.behind = nil
	for _, tp := range parts {
		_, end := p.c.Offsets(tp.Topic, tp.Partition)
		if at, err := consumer.Position(now, tp); err != nil || at < end {
			leader, epoch := p.c.Leader(tp.Topic, tp.Partition)
			p.behind = append(p.behind, fmt.Sprintf("%s: %d of %d, led by %d in epoch %d, %v", tp, at, end, leader, epoch, err))
		}
	}
	return len(p.behind) == 0
}
