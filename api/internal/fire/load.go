package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/wire"
)

// load is what goes on while things break: producers that write to every partition at an even pace, and a group of two that reads.
type load struct {
	client     *api.Client // for looking only: it never goes through the proxies
	topic      string
	partitions atomic.Int32
	rate       int      // records a second
	keys       [][]byte // of records that are hashed to the partitions; nil: partitions are named
	options    []api.ClientOption
	hosts      []string

	flow
	history *sim.History // under flow's lock
	failed  []string
	ends    []ending // of records that were rejected
	peers   []*peer
	loud    bool         // peers may print what they log
	damaged atomic.Int64 // records that came with a wrong checksum

	stop    context.CancelFunc
	writing sync.WaitGroup
	reading sync.WaitGroup
	halt    context.CancelFunc
	reads   context.Context // ends with halt
}

// ending is why records of a producer and a partition were rejected.
type ending struct {
	name      string
	partition int32
	count     int
	first     error
}

// rejected notes a record that was rejected. The lock is held.
func (l *load) rejected(name string, partition int32, err error) {
	i := slices.IndexFunc(l.ends, func(e ending) bool { return e.name == name && e.partition == partition })
	if i < 0 {
		i = len(l.ends)
		l.ends = append(l.ends, ending{name: name, partition: partition, first: err})
	}
	l.ends[i].count++
}

// begin creates a topic and sets producers and consumers to work.
func begin(ctx context.Context, k *kafka, name string, partitions int32, rate int, keyed bool, options ...api.ClientOption) (*load, error) {
	client, err := api.Dial(ctx, api.Brokers(k.hosts...), api.ClientID("looker"))
	if err != nil {
		return nil, err
	}
	l := &load{client: client, topic: fmt.Sprintf("%s-%d", name, time.Now().UnixMilli()), rate: rate, options: options, hosts: k.hosts, history: sim.NewHistory()}
	l.widen(partitions)
	l.partitions.Store(partitions)
	if err := l.create(ctx, l.topic, partitions); err != nil {
		return nil, err
	}
	if err := l.whole(ctx); err != nil {
		return nil, err
	}
	if keyed {
		l.keys = keys(partitions)
	}
	var writes context.Context
	writes, l.stop = context.WithCancel(ctx)
	l.reads, l.halt = context.WithCancel(ctx)
	for i := range 2 {
		if err := l.consumer(l.reads, fmt.Sprintf("consumer-%d", i)); err != nil {
			return nil, err
		}
		if err := l.producer(writes, fmt.Sprintf("producer-%d", i)); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// create creates a topic. The partitions of all topics have their replicas in the same order, so that a fault hits the same of each.
func (l *load) create(ctx context.Context, topic string, partitions int32) error {
	t := msg.CreateTopicsRequestCreatableTopic{Name: topic, NumPartitions: -1, ReplicationFactor: -1, Configs: []msg.CreateTopicsRequestCreatableTopicConfig{{Name: "min.insync.replicas", Value: wire.Ptr("2")}}}
	for i := range partitions {
		t.Assignments = append(t.Assignments, msg.CreateTopicsRequestCreatableReplicaAssignment{PartitionIndex: i, BrokerIDs: []int32{i%3 + 1, (i+1)%3 + 1, (i+2)%3 + 1}})
	}
	return withAllBrokers(ctx, func() error {
		reply, err := broker.Call(ctx, l.client.System().Cluster(), broker.Route{Req: &msg.CreateTopicsRequest{TimeoutMs: 30000, Topics: []msg.CreateTopicsRequestCreatableTopic{t}}, To: broker.Target{Kind: broker.ToController}})
		if err != nil {
			return err
		}
		for _, t := range reply.Resp.(*msg.CreateTopicsResponse).Topics {
			if code := protocol.Code(t.ErrorCode); code != protocol.None && code != protocol.TopicAlreadyExists { // asked again, because an answer was lost
				return fmt.Errorf("create %s: %w", topic, code)
			}
		}
		return nil
	})
}

// lasts tells whether a consumer was told of something that goes away by itself, and has lasted long: a cluster on a slow machine may need ten seconds for another coordinator.
func lasts(err error) bool {
	var code protocol.Code
	return errors.As(err, &code) && code.Retriable()
}

// withAllBrokers creates something again until the controller counts on all brokers: one that was slow for a moment is out for a while.
func withAllBrokers(ctx context.Context, create func() error) error {
	for end := time.Now().Add(hang); ; {
		err := create()
		if !errors.Is(err, protocol.InvalidReplicaAssignment) && !errors.Is(err, protocol.InvalidReplicationFactor) || time.Now().After(end) {
			return err
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

func (l *load) dial(ctx context.Context) (*api.Client, error) {
	return api.Dial(ctx, append([]api.ClientOption{api.Brokers(l.hosts...), api.Lazy()}, l.options...)...)
}

func (l *load) fail(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = append(l.failed, fmt.Sprintf(format, args...))
}

func (l *load) producer(ctx context.Context, name string) error {
	client, err := l.dial(ctx)
	if err != nil {
		return err
	}
	p, err := client.Producer()
	if err != nil {
		return err
	}
	l.writing.Go(func() {
		// Ten times a second a share of the records, one partition after the other.
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		next := int32(0)
		for ctx.Err() == nil {
			for range max(1, l.rate/20) {
				l.send(p, name, next%l.partitions.Load())
				next++
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
		end, cancel := context.WithTimeout(context.Background(), hang)
		defer cancel()
		if err := p.Flush(end); err != nil {
			l.fail("%s: flush: %v", name, err)
		}
		l.close(name, client)
	})
	return nil
}

// close closes a client.
func (l *load) close(name string, client *api.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	if err := client.Shutdown(ctx); err != nil {
		l.fail("%s: close: %v", name, err)
	}
}

func (l *load) send(p *api.Producer, name string, partition int32) {
	l.mu.Lock()
	send, value := l.history.Send(name, l.topic, 100)
	l.mu.Unlock()
	done := func(placed api.RecordMetadata, err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		switch {
		case err == nil:
			l.history.Done(send, sim.Acked, placed.Partition, placed.Offset)
			l.acked[placed.Partition].event(time.Now(), placed.Offset)
		case errors.Is(err, api.ErrUncertain):
			l.history.Done(send, sim.Uncertain, -1, -1)
		default:
			l.history.Done(send, sim.Rejected, -1, -1)
			l.rejected(name, partition, err)
		}
	}
	r := &api.Record{Topic: l.topic, Partition: partition, Fixed: true, Value: value}
	if l.keys != nil {
		r = &api.Record{Topic: l.topic, Key: l.keys[partition], Value: value}
	}
	if err := p.Send(context.Background(), r, done); err != nil {
		done(api.RecordMetadata{}, err)
	}
}

func (l *load) consumer(ctx context.Context, name string) error {
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
	k, err := client.Consumer("group-"+l.topic, api.Topics(l.topic), api.Property("auto.offset.reset", "earliest"), api.OnRebalance(api.RebalanceListener{OnAssigned: assigned}))
	if err != nil {
		return err
	}
	l.reading.Go(func() {
		for ctx.Err() == nil {
			records, err := k.Poll(ctx)
			if errors.Is(err, record.ErrCRC) { // the network has changed it: it is fetched again
				l.damaged.Add(1)
			} else if err != nil && ctx.Err() == nil && !lasts(err) {
				l.fail("%s: %v", name, err)
			}
			l.mu.Lock()
			now := time.Now()
			for _, r := range records {
				if string(r.Value) == probed {
					continue
				}
				l.history.Read(name, sim.Partition{Topic: r.Topic, Index: r.Partition}, r.Offset, r.Value)
				l.read[r.Partition].event(now, r.Offset)
			}
			l.mu.Unlock()
		}
		l.close(name, client)
	})
	return nil
}

// leaders gives the leader of each partition of a topic, -1 if it has none.
func (l *load) leaders(ctx context.Context, topic string) []int32 {
	var nodes []int32
	topics, err := l.client.Admin().DescribeTopics(ctx, topic)
	if d := topics[topic]; err == nil && d.Err == nil {
		for _, p := range d.Topic.Partitions {
			nodes = append(nodes, p.Leader)
		}
	}
	return nodes
}

// whole waits until every partition has a leader and three replicas in sync.
func (l *load) whole(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, hang)
	defer cancel()
	why := "no answer"
	for ctx.Err() == nil {
		topics, err := l.client.Admin().DescribeTopics(ctx, l.topic)
		if d := topics[l.topic]; err == nil && d.Err == nil && len(d.Topic.Partitions) >= int(l.partitions.Load()) {
			why = ""
			for _, p := range d.Topic.Partitions {
				if p.Leader < 0 || len(p.ISR) < 3 {
					why = fmt.Sprintf("partition %d is led by %d, in sync are %v", p.Index, p.Leader, p.ISR)
				}
			}
			if why == "" {
				return nil
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
	return fmt.Errorf("the cluster is not whole after %s: %s", hang, why)
}

// end stops the load, waits until everything was read, and gives the number of records and what is wrong with them.
func (l *load) end(ctx context.Context) (records int, wrong []string) {
	l.stop()
	l.writing.Wait()
	for end := time.Now().Add(hang); !l.caughtUp() && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	l.halt()
	l.reading.Wait()
	logs, err := l.logs(ctx)
	if err != nil {
		wrong = append(wrong, "the logs cannot be read: "+err.Error())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.ends {
		wrong = append(wrong, fmt.Sprintf("%s: %d records of partition %d were rejected, the first: %v", e.name, e.count, e.partition, e.first))
	}
	wrong = append(wrong, l.failed...)
	if err == nil {
		wrong = append(wrong, l.history.VerifyLogs(logs, true)...)
	}
	_ = l.client.Shutdown(ctx)
	return l.history.Count(sim.Acked), wrong
}

// logs reads every partition from its beginning to its end.
func (l *load) logs(ctx context.Context) (map[sim.Partition][]sim.Logged, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	k, err := l.client.Consumer("")
	if err != nil {
		return nil, err
	}
	var parts []api.TopicPartition
	for i := range l.partitions.Load() {
		parts = append(parts, api.TopicPartition{Topic: l.topic, Partition: i})
	}
	ends, err := k.EndOffsets(ctx, parts...)
	if err == nil {
		err = k.AssignAt(api.AtStart, parts...)
	}
	if err != nil {
		return nil, err
	}
	logs := map[sim.Partition][]sim.Logged{}
	for _, tp := range parts {
		for {
			at, err := k.Position(ctx, tp)
			if err != nil {
				return nil, err
			}
			if at >= ends[tp] {
				break
			}
			records, err := k.Poll(ctx)
			if err != nil {
				return nil, err
			}
			for _, r := range records {
				if string(r.Value) == probed {
					continue
				}
				p := sim.Partition{Topic: r.Topic, Index: r.Partition}
				logs[p] = append(logs[p], sim.Logged{Offset: r.Offset, Value: string(r.Value)})
			}
		}
	}
	return logs, k.Shutdown(ctx)
}
