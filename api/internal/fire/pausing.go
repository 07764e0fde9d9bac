package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/sender"
)

// The bounds of how far a client may be behind the cluster itself, as the probe sees it.
const (
	behindP95  = time.Second
	behindMost = 1500 * time.Millisecond
)

// crew is consumers beside those of the load: a group, or one that commits synchronously.
type crew struct {
	flow
	name, group string
	commits     flow // acked: of one that commits synchronously
	commit      bool
	failed      map[string]int // commits, by their error; under flow's lock
}

// offsetParts is how many partitions the offsets topic has; see start.
const offsetParts = 8

// hire lets a crew work on the load's topic.
func (l *load) hire(ctx context.Context, name string, members int, commit bool, options ...api.ConsumerOption) (*crew, error) {
	c := &crew{name: name, commit: commit, failed: map[string]int{}, group: alike(l.topic+"-"+name+"-", "group-"+l.topic, offsetParts)}
	c.widen(l.partitions.Load())
	c.commits.widen(1)
	for i := range members {
		if err := l.member(ctx, c, fmt.Sprintf("%s-%d", name, i), options...); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (l *load) member(ctx context.Context, c *crew, name string, options ...api.ConsumerOption) error {
	client, err := l.dial(ctx)
	if err != nil {
		return err
	}
	assigned := func(_ context.Context, parts []api.TopicPartition) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, tp := range parts {
			l.history.Begin(name, sim.Partition{Topic: tp.Topic, Index: tp.Partition}, -1)
		}
	}
	options = append([]api.ConsumerOption{api.Topics(l.topic), api.Property("auto.offset.reset", "earliest"), api.Property("enable.auto.commit", fmt.Sprint(!c.commit)),
		api.OnRebalance(api.RebalanceListener{OnAssigned: assigned})}, options...)
	k, err := client.Consumer(c.group, options...)
	if err != nil {
		return err
	}
	l.reading.Go(func() {
		for ctx.Err() == nil {
			short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			records, err := k.Poll(short)
			if err != nil && short.Err() == nil && !lasts(err) {
				l.fail("%s: %v", name, err)
			}
			cancel()
			l.note(name, &c.flow, records)
			if c.commit && ctx.Err() == nil {
				c.committed(k.Commit(ctx))
			}
		}
		l.close(name, client)
	})
	return nil
}

// note takes what a consumer has read; what the probe has written is nothing.
func (l *load) note(name string, f *flow, records []*api.Record) {
	now := time.Now()
	for _, r := range records {
		if string(r.Value) == probed {
			continue
		}
		l.mu.Lock()
		l.history.Read(name, sim.Partition{Topic: r.Topic, Index: r.Partition}, r.Offset, r.Value)
		l.mu.Unlock()
		f.mu.Lock()
		f.read[r.Partition].event(now, r.Offset)
		f.mu.Unlock()
	}
}

func (c *crew) committed(err error) {
	if err != nil {
		c.mu.Lock()
		c.failed[err.Error()]++
		c.mu.Unlock()
		return
	}
	c.commits.mu.Lock()
	c.commits.acked[0].event(time.Now(), 0)
	c.commits.mu.Unlock()
}

// keys gives each partition a key that is hashed to it.
func keys(partitions int32) [][]byte {
	out := make([][]byte, partitions)
	for i, left := 0, partitions; left > 0; i++ {
		key := fmt.Appendf(nil, "key-%d", i)
		if p := sender.HashPartition(key, int(partitions)); out[p] == nil {
			out[p] = key
			left--
		}
	}
	return out
}

// victim is whom a pause hits.
type victim struct {
	role string
	node func(ctx context.Context, l *load, i int) (int32, error)
}

var victims = []victim{
	{"leader", func(ctx context.Context, l *load, i int) (int32, error) { return l.leader(ctx, i), nil }},
	{"coordinator", func(ctx context.Context, l *load, _ int) (int32, error) {
		node, _, err := coordinatorOf(ctx, l.hosts[0], "group-"+l.topic)
		return node, err
	}},
	{"controller", func(ctx context.Context, l *load, _ int) (int32, error) { return controllerOf(ctx, l.hosts[0]) }},
}

// pause stops a broker for a while, and tells how far clients are behind the cluster itself.
func pause(ctx context.Context, s *settings, k *kafka, r *report) error {
	lengths := []time.Duration{2 * time.Second, 12 * time.Second}
	if s.long {
		lengths = append(lengths, 30*time.Second)
	}
	keyed := *s
	keyed.keyed = true
	return with(ctx, &keyed, k, r, func(l *load) error {
		var crews []*crew
		for _, c := range []struct {
			name    string
			members int
			commit  bool
			options []api.ConsumerOption
		}{{"committer", 1, true, nil}, {"classic", 3, false, nil}, {"kip848", 3, false, []api.ConsumerOption{api.Property("group.protocol", "consumer")}}} {
			hired, err := l.hire(l.reads, c.name, c.members, c.commit, c.options...)
			if err != nil {
				return err
			}
			crews = append(crews, hired)
		}
		p := startProbe(ctx, l.hosts, l.topic, l.partitions.Load(), alike(l.topic+"-probe-", "group-"+l.topic, offsetParts))
		defer p.end()
		since := time.Now()
		for _, c := range crews {
			if err := c.readSince(since); err != nil {
				return err
			}
		}
		for i := range s.times(1, 4) {
			for n, d := range lengths {
				for v, who := range victims {
					if !s.long && s.repeats == 0 && v != n { // the short form: each length once
						continue
					}
					node, err := who.node(ctx, l, i)
					if err == nil {
						err = l.pauses(ctx, r, p, crews, fmt.Sprintf("pause of %s", d), who.role, node, d, func(signal string) error { return k.signal(node, signal) })
					}
					if err != nil {
						return fmt.Errorf("pause %d of %s, of the %s, broker %d: %w", i+1, d, who.role, node, err)
					}
				}
			}
		}
		for _, c := range crews {
			for text, n := range c.failed {
				r.notes = append(r.notes, fmt.Sprintf("%s: %d times %s", c.name, n, text))
			}
		}
		return nil
	})
}

// atLeast gives the times of all, none of them shorter than d.
func atLeast(all []time.Duration, d time.Duration) []time.Duration {
	out := slices.Clone(all)
	for i := range out {
		out[i] = max(out[i], d)
	}
	return out
}

// pauses is one pause.
func (l *load) pauses(ctx context.Context, r *report, p *probe, crews []*crew, fault, role string, node int32, d time.Duration, signal func(string) error) error {
	flows := []*flow{&l.flow, &p.flow, &p.commits}
	for _, c := range crews {
		flows = append(flows, &c.flow, &c.commits)
	}
	for _, f := range flows {
		f.fresh()
	}
	for _, x := range l.peers {
		x.fresh()
	}
	p.away.Store(node)
	if err := signal("STOP"); err != nil {
		return err
	}
	struck := time.Now()
	err := sleep(ctx, d)
	if e := signal("CONT"); err == nil {
		err = e
	}
	p.away.Store(0)
	mended := time.Now()
	if err == nil {
		err = l.whole(ctx)
	}
	for _, f := range flows {
		if f != &p.flow && f != &p.commits && err == nil && len(f.read) > 1 {
			err = f.readSince(mended)
		}
	}
	if err == nil {
		err = l.flowing(mended, hang)
	}
	if err != nil {
		return err
	}
	for _, x := range l.peers {
		_ = x.flowing(mended, time.Minute) // what they show is not judged
	}
	time.Sleep(settled)
	silent, _ := p.gaps()
	uncommitted, _ := p.commits.gaps()
	if r.log != nil {
		r.log.Info("silent", "fault", fault, "role", role, "node", node, "struck", struck.Format(timeOfDay), "produce", silent, "commit", uncommitted)
	}
	add := func(who, what string, gaps, cluster []time.Duration) {
		if r.log != nil {
			r.log.Info("silent", "who", who, "to", what, "gaps", gaps)
		}
		for i := range min(len(gaps), len(cluster)) {
			r.behind(fault, who, what).add(gaps[i], cluster[i])
		}
	}
	produce, consume := l.gaps()
	add("kactor", "produce with keys", produce, silent)
	add("kactor", "consume, group of two", consume, silent)
	for _, c := range crews {
		_, consume := c.gaps()
		cluster := silent
		if c.commit { // it does not read on until the cluster takes its commit
			commits, _ := c.commits.gaps()
			add("kactor", "commit", commits, uncommitted)
			cluster = atLeast(silent, uncommitted[0])
		}
		add("kactor", "consume, "+c.name, consume, cluster)
	}
	for _, x := range l.peers {
		produce, consume := x.gaps()
		add(x.name, "produce", produce, silent)
		add(x.name, "consume", consume, silent)
	}
	r.faults++
	return nil
}

// readSince waits until every partition was read since a time.
func (f *flow) readSince(since time.Time) error {
	for end := time.Now().Add(hang); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		f.mu.Lock()
		all := true
		for i := range f.read {
			all = all && f.read[i].last.After(since)
		}
		f.mu.Unlock()
		if all {
			return nil
		}
	}
	return fmt.Errorf("not every partition is read %s after %s", hang, since.Format(time.TimeOnly))
}

// sleep waits.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return errors.Join(errors.New("stopped"), ctx.Err())
	}
}
