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

// TestLives plays seeds: the topic of a group is deleted and created again, more than once, while its members come and go under a storm. What was committed of one life of the topic says nothing of the next: each begins with its
// first record, and nothing of the last may be left out. A group of KIP-848 gives topics by id, and a member reads no life that it was not given.
func TestLives(t *testing.T) {
	if playOne(t, func(s script) (string, fmt.Stringer, error) {
		p := lifeSeed(s, true)
		return fmt.Sprintf("%d lives, %d records handled", len(p.lives), p.handled), &p.log, p.err
	}) {
		return
	}
	playSeeds(t, func(s script) (tally, error) {
		p := lifeSeed(s, false)
		return tally{"records": p.handled, "assignments": p.assignments, "lives": len(p.lives), "faults": p.storm.Count}, p.err
	})
}

// lifePlay is one seed.
type lifePlay struct {
	w           *sim.World
	script      script
	n           *sim.Network
	c           *fake.Cluster
	storm       *sim.Storm
	lives       []*topicLife
	workers     sim.Group
	props       map[string]string
	failed      []error
	over        bool // members stay from now on
	done        bool
	handled     int
	assignments int
	err         error
	log         strings.Builder
}

// topicLife is one of the topic, by partition.
type topicLife struct {
	placed [lifeParts]map[int64]string // what was written where
	seen   [lifeParts]map[int64]bool   // handled
	low    [lifeParts]int64            // everything below was
}

const lifeParts = 2

func lifeSeed(s script, tracing bool) *lifePlay {
	p := &lifePlay{w: sim.New(s.seed), script: s}
	if tracing {
		p.w.Trace(&p.log)
	}
	if p.err = p.w.Run(p.run); p.err != nil {
		p.err = fmt.Errorf("seed %d, after %s, %v: %w", s.seed, p.w.Now().Sub(sim.Epoch), p.props, p.err)
	}
	return p
}

func (p *lifePlay) fail(format string, args ...any) {
	p.failed = append(p.failed, fmt.Errorf(format, args...))
}

func (p *lifePlay) run(w *sim.World) error {
	rng := w.Rand()
	p.props = []map[string]string{{"partition.assignment.strategy": "range"}, {"partition.assignment.strategy": "cooperative-sticky"}, {"group.protocol": "consumer"}, {"group.protocol": "consumer"}}[rng.IntN(4)]
	release := []string{"4.3", "4.2", "4.1", "4.0", "3.9"}[rng.IntN(5)]
	if release == "3.9" && p.props["group.protocol"] != "" {
		release = "4.0"
	}
	// A commit tells of which life it is from version 10 on (KIP-848), which brokers tell clients of from Kafka 4.2 on. Before, one that is late is taken for one of the next: so all is calm there between two lives, and for long.
	ranges, err := protocol.Release(release)
	if err != nil {
		return err
	}
	commits, _ := ranges.Get(msg.OffsetCommitAPI)
	calm := commits.Max < 10
	if p.c, err = fake.NewCluster(fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: groupWork, Partitions: lifeParts}}, Seed: w.Seed(), Release: release, SessionTimeout: time.Duration(rng.IntN(5000)) * time.Millisecond,
		GroupMinSession: time.Second, GroupSession: 6 * time.Second, GroupHeartbeat: 500 * time.Millisecond}); err != nil {
		return err
	}
	w.Tracef("release %s", release)
	p.n = sim.NewNetwork(w, p.c)
	p.storm = sim.NewStorm(w, p.n, groupName)
	p.storm.Without = p.script.without
	ctx := context.Background()
	for i := range 1 + rng.IntN(3) {
		p.workers.Go(w, fmt.Sprintf("slot-%d", i), func() { p.slot(ctx, fmt.Sprintf("slot-%d", i)) })
	}
	for life := range 2 + rng.IntN(3) {
		if life > 0 {
			var gone error
			p.n.Do(func(c *fake.Cluster) { gone = c.DeleteTopic(groupWork) })
			w.Tracef("deleted")
			_ = w.Sleep(ctx, p.gap(rng.IntN(4), calm))
			p.n.Do(func(c *fake.Cluster) { err = c.CreateTopic(fake.Topic{Name: groupWork, Partitions: lifeParts}) })
			w.Tracef("created")
			if err := errors.Join(gone, err); err != nil {
				return err
			}
		}
		p.lives = append(p.lives, &topicLife{})
		var writing sim.Group
		count := 5 + rng.IntN(40)
		if p.script.records > 0 {
			count = min(count, p.script.records)
		}
		writing.Go(w, "writer", func() { p.write(ctx, life, count) })
		if err := p.storm.Blow(ctx, 2+rng.IntN(8), time.Duration(3+rng.IntN(12))*time.Second); err != nil {
			return err
		}
		if err := writing.Wait(ctx, w); err != nil {
			return err
		}
		if calm || rng.IntN(2) == 0 { // as many as can are read
			_ = w.Sleep(ctx, time.Duration(15+rng.IntN(15))*time.Second)
		}
	}
	p.over = true
	heal, cancel := w.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for len(p.failed) == 0 && !p.settled() && heal.Err() == nil {
		_ = w.Sleep(heal, 200*time.Millisecond)
	}
	if len(p.failed) == 0 && heal.Err() != nil {
		p.fail("of the last life of the topic %v was handled after five minutes, of %v", p.lives[len(p.lives)-1].low, p.ends())
	}
	p.done = true
	end, cancel2 := w.WithTimeout(ctx, 2*time.Minute)
	defer cancel2()
	if err := p.workers.Wait(end, w); err != nil {
		p.fail("members are still at work: %w", err)
	}
	for i, end := range p.ends() {
		if at := p.c.Committed(groupName, groupWork, int32(i)); at > end {
			p.fail("offset %d of partition %d is committed, and the topic ends at %d", at, i, end)
		}
	}
	return errors.Join(p.failed...)
}

// gap is how long there is no topic.
func (p *lifePlay) gap(n int, calm bool) time.Duration {
	if calm {
		return 40 * time.Second
	}
	return []time.Duration{0, 300 * time.Millisecond, 3 * time.Second, 25 * time.Second}[n]
}

func (p *lifePlay) ends() (ends [lifeParts]int64) {
	for i := range ends {
		_, ends[i] = p.c.Offsets(groupWork, int32(i))
	}
	return ends
}

func (p *lifePlay) settled() bool { return p.lives[len(p.lives)-1].low == p.ends() }

// write writes the records of a life. None is under way when it ends.
func (p *lifePlay) write(ctx context.Context, life, count int) {
	rng := p.w.Rand()
	client, err := p.client(ctx)
	if err != nil {
		p.fail("writer: %w", err)
		return
	}
	defer func() { _ = client.Shutdown(ctx) }()
	producer, err := client.Producer()
	if err != nil {
		p.fail("writer: %w", err)
		return
	}
	for n := range count {
		i, value := int32(rng.IntN(lifeParts)), fmt.Sprintf("%d %d", life, n)
		_, _ = producer.Produce(ctx, &api.Record{Topic: groupWork, Partition: i, Fixed: true, Value: []byte(value)})
		if rng.IntN(3) == 0 {
			_ = p.w.Sleep(ctx, time.Duration(rng.IntN(700))*time.Millisecond)
		}
	}
}

func (p *lifePlay) client(ctx context.Context) (*api.Client, error) {
	return api.Dial(ctx, api.World(p.w), api.Lazy(), api.Brokers("broker-1:9092", "broker-2:9092", "broker-3:9092"), api.Properties(map[string]string{"request.timeout.ms": "4000", "metadata.max.age.ms": "5000",
		"socket.connection.setup.timeout.ms": "2000", "fetch.max.wait.ms": "500", "auto.offset.reset": "earliest", "allow.auto.create.topics": "false"}))
}

// slot has one member after the other.
func (p *lifePlay) slot(ctx context.Context, name string) {
	for n := 0; !p.done && len(p.failed) == 0; n++ {
		p.member(ctx, fmt.Sprintf("%s.%d", name, n))
	}
}

// lifeAt is where a member is in a partition.
type lifeAt struct {
	life int
	next int64 // -1: anywhere
	most int   // the last life that there was when the group gave the partition: it has not given a later one
}

func (p *lifePlay) member(ctx context.Context, name string) {
	rng := p.w.Rand()
	client, err := p.client(ctx)
	if err != nil {
		p.fail("%s: %w", name, err)
		return
	}
	auto := rng.IntN(2) == 0
	at := map[int32]lifeAt{}
	consumer, err := client.Consumer(groupName, api.Properties(p.props), api.Properties(map[string]string{"enable.auto.commit": fmt.Sprint(auto), "auto.commit.interval.ms": "500", "max.poll.interval.ms": "10000"}), api.Topics(groupWork),
		api.OnRebalance(api.RebalanceListener{OnAssigned: func(_ context.Context, parts []api.TopicPartition) {
			p.assignments += len(parts)
			for _, tp := range parts {
				at[tp.Partition] = lifeAt{-1, -1, len(p.lives) - 1}
			}
		}}))
	if err != nil {
		p.fail("%s: %w", name, err)
		return
	}
	ends := p.w.Now().Add(time.Duration(3+rng.IntN(30)) * time.Second)
	for !p.done && len(p.failed) == 0 && (p.over || p.w.Now().Before(ends)) {
		some, cancel := p.w.WithTimeout(ctx, 2*time.Second)
		records, err := consumer.Poll(some)
		cancel()
		if err != nil {
			p.w.Tracef("%s: %v", name, err)
		}
		for _, r := range records {
			at[r.Partition] = p.given(name, r, at[r.Partition])
		}
		if !auto && len(records) > 0 {
			commit, cancel := p.w.WithTimeout(ctx, 3*time.Second)
			if err := consumer.Commit(commit); err != nil {
				p.w.Tracef("%s: commit: %v", name, err)
			}
			cancel()
		}
	}
	closing, cancel := p.w.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_ = consumer.Shutdown(closing)
	_ = client.Shutdown(closing)
}

// given looks at a record that a member is given, and has it handled.
func (p *lifePlay) given(name string, r *api.Record, at lifeAt) lifeAt {
	var life, n int
	if _, err := fmt.Sscanf(string(r.Value), "%d %d", &life, &n); err != nil || life >= len(p.lives) {
		p.fail("%s was given %q", name, r.Value)
		return at
	}
	l, i := p.lives[life], r.Partition
	if l.seen[i] == nil {
		l.seen[i], l.placed[i] = map[int64]bool{}, map[int64]string{}
	}
	switch was, ever := l.placed[i][r.Offset]; {
	case ever && was != string(r.Value):
		p.fail("%s was given %q at offset %d of partition %d, where %q was", name, r.Value, r.Offset, i, was)
	case life > at.most && p.props["group.protocol"] == "consumer":
		p.fail("not given: %s reads partition %d of life %d, and the group has given it none after %d", name, i, life, at.most)
	case life < at.life:
		p.fail("%s was given %d of partition %d of a life of the topic before the one that it read", name, r.Offset, i)
	case life == at.life && r.Offset != at.next:
		p.fail("%s was given %d of partition %d, and expects %d", name, r.Offset, i, at.next)
	case life > at.life && r.Offset > l.low[i]:
		p.fail("offset of another life: %s begins with %d in partition %d of life %d, of which %d were handled", name, r.Offset, i, life, l.low[i])
	}
	l.placed[i][r.Offset], l.seen[i][r.Offset] = string(r.Value), true
	p.handled++
	for l.seen[i][l.low[i]] {
		l.low[i]++
	}
	return lifeAt{life, r.Offset + 1, at.most}
}
