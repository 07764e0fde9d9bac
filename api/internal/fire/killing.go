package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
)

// session is the brokers' session time-out: so long the cluster needs to notice that one is away.
const session = 3 * time.Second

// settled is how long a cluster is left alone before the next fault.
const settled = 2 * time.Second

// warm is how long a cluster that was just started may work before its first fault, and a broker that was started again before the next: its code is compiled as it runs. (A broker that becomes a leader seconds after
// its start needs up to two seconds for its first records, whoever writes them.)
const warm = 10 * time.Second

// times gives how often a fault is repeated.
func (s *settings) times(short, long int) int {
	switch {
	case s.repeats > 0:
		return s.repeats
	case s.long:
		return long
	}
	return short
}

// with runs faults under load, and verifies what was written.
func with(ctx context.Context, s *settings, k *kafka, r *report, faults func(l *load) error, options ...api.ClientOption) error {
	if s.log != nil {
		options = append(options, api.Logger(s.log), api.Hooks(broker.Hooks{
			Changed: func(c *cluster.Snapshot) {
				var leaders []string
				for _, t := range c.Topics() {
					for _, p := range t.Partitions {
						leaders = append(leaders, fmt.Sprintf("%d in %d", p.Leader, p.LeaderEpoch))
					}
				}
				s.log.Info("metadata", "leaders", leaders)
			},
			Suspect: func(node int32) { s.log.Info("suspect", "node", node) },
		}))
	}
	rate := s.rate
	if rate == 0 {
		rate = 1000
	}
	l, err := begin(ctx, k, r.name, 6, rate, s.keyed, options...)
	if err != nil {
		return err
	}
	l.loud = s.log != nil
	for _, b := range s.besides {
		if err == nil {
			err = l.join(ctx, b.name, b.command, l.partitions.Load())
		}
	}
	begun := time.Now()
	if err == nil {
		err = l.flowing(begun, hang)
	}
	for _, p := range l.peers {
		if err == nil {
			err = p.flowing(begun, hang)
		}
	}
	if err == nil {
		time.Sleep(warm)
		err = faults(l)
	}
	records, wrong := l.end(ctx)
	for _, p := range l.peers {
		r.notes = append(r.notes, p.end())
	}
	r.records, r.wrong = r.records+records, append(r.wrong, wrong...)
	return err
}

// fault breaks something, mends it, and notes the gaps: of the partitions that the broker has led. Peers get as much time as they need, within a minute; what they show is not judged.
func (l *load) fault(ctx context.Context, r *report, w *row, node int32, strike, mend func() error) error {
	type watched struct {
		*flow
		*row
		leaders []int32
	}
	all := []watched{{&l.flow, w, l.leaders(ctx, l.topic)}}
	for _, p := range l.peers {
		all = append(all, watched{&p.flow, r.row(w.fault+", "+p.name, 0, 0), l.leaders(ctx, p.topic)})
	}
	for _, x := range all {
		x.fresh()
	}
	if err := strike(); err != nil {
		return err
	}
	struck := time.Now()
	if s := r.log; s != nil {
		s.Info("struck", "fault", w.fault, "node", node)
	}
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	own := make(chan time.Time, 1)
	if node > 0 {
		go func() { own <- l.replaced(asking, node) }()
	}
	err := l.flowing(struck, hang) // all partitions go on while it is away
	if node > 0 {
		time.AfterFunc(time.Second, cancel) // there are none: it was away too short
		if at := <-own; !at.IsZero() {
			x := r.row(w.fault+", until another broker tells of new leaders", 0, 0)
			x.produce, x.consume = append(x.produce, at.Sub(struck)), append(x.consume, at.Sub(struck))
		}
	}
	for _, p := range l.peers {
		_ = p.flowing(struck, 30*time.Second)
	}
	if e := mend(); err == nil {
		err = e
	}
	if err == nil {
		err = l.whole(ctx)
	}
	mended := time.Now()
	if err == nil {
		err = l.flowing(mended, hang)
	}
	for _, p := range l.peers {
		_ = p.flowing(mended, 60*time.Second)
	}
	time.Sleep(settled)
	for _, x := range all {
		if r.log != nil {
			x.tell(r.log)
		}
		produce, consume := x.gaps()
		for i := range produce {
			if node < 0 || i < len(x.leaders) && x.leaders[i] == node {
				x.produce, x.consume = append(x.produce, produce[i]), append(x.consume, consume[i])
			}
		}
	}
	r.faults++
	return err
}

// warms lets a broker that was started again lead its partitions for a while, in the long form.
func (l *load) warms(ctx context.Context, s *settings) error {
	if !s.long {
		return nil
	}
	if err := l.controller(ctx, &msg.ElectLeadersRequest{TimeoutMs: 30000}); err != nil {
		return err
	}
	time.Sleep(warm)
	return nil
}

// replaced waits until another broker tells that a broker leads no partition, and gives the time: no client can be faster. It is zero if ctx ends before.
func (l *load) replaced(ctx context.Context, node int32) time.Time {
	req := &msg.MetadataRequest{}
	req.SetDefaults()
	req.Topics = []msg.MetadataRequestMetadataRequestTopic{{Name: &l.topic}}
	for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		got, err := broker.Call(ctx, l.client.System().Cluster(), broker.Route{Req: req, To: broker.Target{Kind: broker.ToNode, Node: node%3 + 1}})
		if err != nil {
			continue
		}
		for _, t := range got.Resp.(*msg.MetadataResponse).Topics {
			if len(t.Partitions) > 0 && !slices.ContainsFunc(t.Partitions, func(p msg.MetadataResponseMetadataResponsePartition) bool {
				return p.LeaderID == node || p.LeaderID < 0
			}) {
				return time.Now()
			}
		}
	}
	return time.Time{}
}

// leader gives the leader of a partition, -1 if it has none.
func (l *load) leader(ctx context.Context, i int) int32 {
	if nodes := l.leaders(ctx, l.topic); len(nodes) > 0 {
		return nodes[i%len(nodes)]
	}
	return -1
}

func kill(ctx context.Context, s *settings, k *kafka, r *report) error {
	w := r.row("kill -9 of the leader", session+2*time.Second, session+3*time.Second)
	return with(ctx, s, k, r, func(l *load) error {
		for i := range s.times(3, 10) {
			node := l.leader(ctx, i)
			if err := l.fault(ctx, r, w, node, func() error { return k.signal(node, "KILL") }, func() error { return k.restart(node) }); err != nil {
				return fmt.Errorf("kill %d, of broker %d: %w", i+1, node, err)
			}
			if err := l.warms(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
}

func roll(ctx context.Context, s *settings, k *kafka, r *report) error {
	w := r.row("restart", 1500*time.Millisecond, 3*time.Second)
	return with(ctx, s, k, r, func(l *load) error {
		for i := range s.times(1, 10) {
			for node := int32(1); node <= 3; node++ {
				if err := l.fault(ctx, r, w, node, func() error { return k.signal(node, "TERM") }, func() error { return k.restart(node) }); err != nil {
					return fmt.Errorf("roll %d, of broker %d: %w", i+1, node, err)
				}
				if err := l.warms(ctx, s); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
