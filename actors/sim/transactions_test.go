package sim_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// TestTransactions plays seeds: three brokers, transactional producers that commit, abort, crash and take too long, an idempotent one between them, and consumers of what is committed and of all there is, under a storm. Nothing of a
// transaction that was aborted may be read as committed, and of any other all or nothing.
func TestTransactions(t *testing.T) {
	if playOne(t, func(s script) (string, fmt.Stringer, error) {
		_, r := transactionSeed(s, *every)
		return r.summary(), &r.log, r.err
	}) {
		return
	}
	playSeeds(t, func(s script) (tally, error) {
		p, r := transactionSeed(s, false)
		return tally{"records": r.acked, "committed": p.h.Transactions(sim.Committed), "aborted": p.h.Transactions(sim.Aborted), "undecided": p.h.Transactions(sim.Undecided), "faults": r.faults, "steps": r.steps}, r.err
	})
}

// transactionSeed plays one seed.
func transactionSeed(s script, tracing bool) (*transactionPlay, *result) {
	p := &transactionPlay{}
	return p, playSwarm(s, tracing, &p.play, p.run)
}

// transactionPlay is a play with transactions.
type transactionPlay struct {
	play
	parts []sim.Partition
	stop  time.Time // no transaction is begun any more
}

// patience is how long after the storm a transactor tries what has to be done.
const patience = 2 * time.Minute

// ended tells whether there is no use in trying on.
func (p *transactionPlay) ended() bool {
	return p.over || len(p.failed) > 0 || !p.healed.IsZero() && p.w.Now().Sub(p.healed) > patience
}

func (p *transactionPlay) run(w *sim.World) error {
	rng := w.Rand()
	kinds := []struct {
		release string
		version int
	}{{"4.3", 2}, {"4.3", 2}, {"4.0", 2}, {"4.3", 1}, {"4.0", -1}, {"3.9", -1}, {"2.8", -1}}
	kind := kinds[rng.IntN(len(kinds))]
	cfg := fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: "one", Partitions: 1}, {Name: "five", Partitions: 5}}, Seed: w.Seed(), Release: kind.release, TransactionVersion: kind.version,
		SessionTimeout: time.Duration(rng.IntN(9000)) * time.Millisecond, TransactionCheck: time.Second, MarkerDelay: time.Duration(rng.IntN(3)*rng.IntN(500)) * time.Millisecond}
	var err error
	if p.c, err = fake.NewCluster(cfg); err != nil {
		return err
	}
	w.Tracef("release %s, transaction.version %d, session time-out %s", kind.release, kind.version, cfg.SessionTimeout)
	p.n = sim.NewNetwork(w, p.c)
	p.c.Observe(p.intact)
	p.storm = sim.NewStorm(w, p.n)
	p.storm.Without = p.script.without
	p.parts = []sim.Partition{{Topic: "one"}}
	for i := range int32(5) {
		p.parts = append(p.parts, sim.Partition{Topic: "five", Index: i})
	}
	ctx := context.Background()
	span := time.Duration(10+rng.IntN(30)) * time.Second
	p.stop = w.Now().Add(6 * span)
	var clients []*api.Client
	dial := func() (*api.Client, error) {
		c, err := api.Dial(ctx, api.World(w), api.Lazy(), api.Brokers("broker-1:9092", "broker-2:9092", "broker-3:9092"), api.Properties(map[string]string{
			"request.timeout.ms": fmt.Sprint(2000 + rng.IntN(4000)), "fetch.max.wait.ms": fmt.Sprint(500 + rng.IntN(1400)), "socket.connection.setup.timeout.ms": "2000", "auto.offset.reset": "earliest",
			"batch.size": []string{"200", "1000", "16384"}[rng.IntN(3)], "max.partition.fetch.bytes": []string{"500", "100000"}[rng.IntN(2)]}))
		clients = append(clients, c)
		return c, err
	}
	consume := func(name string, topics []api.TopicPartition, opts ...api.ConsumerOption) error {
		client, err := dial()
		if err == nil {
			p.workers.Go(w, name, func() { p.consume(ctx, client, name, topics, opts...) })
		}
		return err
	}
	all := []api.TopicPartition{}
	for _, q := range p.parts {
		all = append(all, api.TopicPartition{Topic: q.Topic, Partition: q.Index})
	}
	p.h.ReadCommitted("committed")
	if err := errors.Join(consume("committed", all, api.Property("isolation.level", "read_committed")), consume("all", all)); err != nil {
		return err
	}
	var names []string
	for i := range 1 + rng.IntN(3) {
		x := &transactor{p: p, rng: w.Rand(), name: fmt.Sprintf("txn-%d", i), raises: kind.version == 2}
		if x.a, err = newAsker(w, kind.release); err != nil {
			return err
		}
		names = append(names, x.name)
		count := 5 + rng.IntN(20)
		if p.script.records > 0 {
			count = min(count, p.script.records)
		}
		p.sending++
		p.workers.Go(w, x.name, func() {
			defer func() { p.sending-- }()
			x.live(ctx, count, span)
		})
	}
	if rng.IntN(2) == 0 {
		client, err := dial()
		if err != nil {
			return err
		}
		p.sending++
		p.workers.Go(w, "producer", func() { p.produce(ctx, client, "producer", span) })
	}
	if rng.IntN(2) == 0 {
		w.Go("coordinators", func() { p.trouble(ctx, names) })
	}
	if err := p.storm.Blow(ctx, 5+rng.IntN(30), span); err != nil {
		return err
	}
	p.healed = w.Now()
	heal, cancel := w.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if err := p.workers.Wait(heal, w); err != nil {
		p.fail("not drained: %d producers are still at work: %w\n%s", p.sending, err, strings.Join(p.behind, "\n"))
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
	if found := p.h.Verify(p.c, p.topics, len(p.failed) == 0); len(found) > 0 {
		p.fail("%d anomalies:\n\t%s", len(found), strings.Join(found[:min(10, len(found))], "\n\t"))
	}
	return errors.Join(p.failed...)
}

// trouble moves the coordinators of transactions, and lets them refuse, while there is a storm.
func (p *transactionPlay) trouble(ctx context.Context, names []string) {
	rng := p.w.Rand()
	keys := []int16{msg.InitProducerIdAPI, msg.AddPartitionsToTxnAPI, msg.EndTxnAPI}
	codes := []protocol.Code{protocol.CoordinatorLoadInProgress, protocol.CoordinatorNotAvailable, protocol.NotCoordinator, protocol.ConcurrentTransactions}
	for p.healed.IsZero() && p.w.Sleep(ctx, time.Duration(rng.IntN(4000))*time.Millisecond) == nil {
		p.n.Do(func(c *fake.Cluster) {
			if rng.IntN(2) == 0 {
				c.MoveTransactionCoordinator(names[rng.IntN(len(names))], int32(rng.IntN(c.Nodes()))+1)
			} else {
				c.FailNext(keys[rng.IntN(len(keys))], codes[rng.IntN(len(codes))])
			}
		})
	}
}
