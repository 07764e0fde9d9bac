package fetcher

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/fetcher/internal/plan"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
)

// OffsetAt is the answer to a question for an offset.
type OffsetAt struct {
	Offset    int64     // -1: there is none
	Timestamp time.Time // of the record; zero where no time was asked for
	Epoch     int32     // leader epoch of the record; -1 where the broker does not tell
}

// Timestamp is a time as ListOffsets takes it, in milliseconds since 1970. What is before is the beginning of 1970, as no record is older: to brokers, negative times have other meanings (-1: behind the last record).
func Timestamp(t time.Time) int64 { return max(t.UnixMilli(), 0) }

// Offsets asks the leaders for offsets: what may be AtStart, AtEnd, or milliseconds since 1970 for the first record of that time or later. Partitions whose leaders move, or that are not known yet, are
// asked for again until ctx ends, and at most for limit. Where some have no answer the error is a *PartitionErrors, and the answers of the others come with it.
func Offsets(ctx context.Context, client *broker.Client, limit time.Duration, committed bool, what map[cluster.TopicPartition]int64) (map[cluster.TopicPartition]OffsetAt, error) {
	q := question{client: client, committed: committed, what: what, left: slices.SortedFunc(maps.Keys(what), cluster.TopicPartition.Compare),
		why: map[cluster.TopicPartition]error{}, failed: map[cluster.TopicPartition]error{}, out: make(map[cluster.TopicPartition]OffsetAt, len(what))}
	within, cancel := client.World().WithTimeout(ctx, limit)
	defer cancel()
	err := q.ask(within)
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		err = client.Because(fmt.Errorf("%w within %s", broker.ErrTimeout, limit))
	}
	for _, tp := range q.left {
		if q.failed[tp] = err; q.why[tp] != nil {
			q.failed[tp] = fmt.Errorf("%w: %w", err, q.why[tp])
		}
	}
	if len(q.failed) > 0 {
		return q.out, &PartitionErrors{Act: "offsets", Errors: q.failed}
	}
	return q.out, nil
}

// question is a question for offsets that is asked until all partitions have an answer.
type question struct {
	client    *broker.Client
	committed bool
	what      map[cluster.TopicPartition]int64
	left      []cluster.TopicPartition         // to be asked for, in order
	why       map[cluster.TopicPartition]error // what they have failed of last
	failed    map[cluster.TopicPartition]error // those that no further try helps
	out       map[cluster.TopicPartition]OffsetAt
}

// topics are those of the partitions that are left.
func (q *question) topics() (names []string) {
	for _, tp := range q.left {
		if n := len(names); n == 0 || names[n-1] != tp.Topic {
			names = append(names, tp.Topic)
		}
	}
	return names
}

// ask asks until nothing is left; what then is left cannot be asked for, because of err.
func (q *question) ask(ctx context.Context) error {
	w := q.client.World()
	pause := role.Backoff{Initial: 50 * time.Millisecond, Max: time.Second}
	snap, err := q.client.Snapshot(), error(nil)
	if slices.ContainsFunc(q.left, func(tp cluster.TopicPartition) bool { return snap.Partition(tp.Topic, tp.Partition) == nil }) {
		if snap, err = broker.Metadata(ctx, q.client, q.topics()...); err != nil {
			return err
		}
	}
	for attempt := 1; ; attempt++ {
		if err := q.once(ctx, snap); err != nil || len(q.left) == 0 {
			return err
		}
		t := role.NewWaiter()
		timer := w.NewTimer(func() { w.Wake(t) })
		timer.Set(w.Now().Add(pause.After(attempt, nil)))
		if err := w.Park(ctx, t); err != nil {
			return err
		}
		if snap, err = broker.Metadata(ctx, q.client, q.topics()...); err != nil {
			return err
		}
	}
}

// once asks each leader once. What must be asked for again is left; err ends it all.
func (q *question) once(ctx context.Context, snap *cluster.Snapshot) error {
	var again []cluster.TopicPartition
	var nodes []int32
	byNode := map[int32][]cluster.TopicPartition{}
	for _, tp := range q.left {
		node, _ := snap.Leader(tp.Topic, tp.Partition)
		if node < 0 {
			code := leaderless(snap, tp)
			if !code.Retriable() {
				q.failed[tp] = code
				continue
			}
			again, q.why[tp] = append(again, tp), code
			continue
		}
		if byNode[node] == nil {
			nodes = append(nodes, node)
		}
		byNode[node] = append(byNode[node], tp)
	}
	for i, node := range nodes {
		left, err := q.leader(ctx, snap, node, byNode[node])
		if again = append(again, left...); err != nil {
			for _, n := range nodes[i+1:] {
				again = append(again, byNode[n]...)
			}
			q.left = again
			return err
		}
	}
	slices.SortFunc(again, cluster.TopicPartition.Compare)
	q.left = again
	return nil
}

// leaderless tells why a partition has no leader.
func leaderless(snap *cluster.Snapshot, tp cluster.TopicPartition) protocol.Code {
	t := snap.Topic(tp.Topic)
	switch {
	case t == nil:
		return protocol.UnknownTopicOrPartition
	case t.Err != protocol.None:
		return t.Err
	case snap.Partition(tp.Topic, tp.Partition) == nil:
		return protocol.UnknownTopicOrPartition
	}
	return protocol.LeaderNotAvailable
}

// leader asks the leader of some partitions, and gives those that must be asked for again.
func (q *question) leader(ctx context.Context, snap *cluster.Snapshot, node int32, parts []cluster.TopicPartition) (again []cluster.TopicPartition, err error) {
	req := &msg.ListOffsetsRequest{}
	req.SetDefaults()
	req.ReplicaID = -1
	if q.committed {
		req.IsolationLevel = 1
	}
	var led []broker.Led
	at := make(map[cluster.TopicPartition]int, len(parts))
	for i, tp := range parts {
		at[tp] = i
		_, epoch := snap.Leader(tp.Topic, tp.Partition)
		addList(req, tp, epoch, q.what[tp])
		led = append(led, broker.Led{TopicPartition: tp, Epoch: epoch})
	}
	reply, err := broker.Call(ctx, q.client, broker.Route{Req: req, To: broker.Target{Kind: broker.ToNode, Node: node}, Partitions: led, Fit: fitList})
	switch {
	case err == nil:
	case ctx.Err() != nil || errors.Is(err, broker.ErrClosed):
		return parts, err
	default:
		for _, tp := range parts {
			if errors.Is(err, broker.ErrNobody) {
				q.failed[tp] = err
				continue
			}
			again, q.why[tp] = append(again, tp), err
		}
		return again, nil
	}
	answers := plan.Answers(reply.Resp.(*msg.ListOffsetsResponse), at)
	for i, tp := range parts {
		a := answers[i]
		if a == nil {
			again, q.why[tp] = append(again, tp), errors.New("the answer says nothing of it")
			continue
		}
		switch code := protocol.Code(a.ErrorCode); {
		case code == protocol.None:
			if q.out[tp], err = offsetAt(a, reply.Version, led[i].Epoch); err != nil {
				delete(q.out, tp)
				again, q.why[tp] = append(again, tp), err
			}
		case broker.Passes(broker.ToLeader, code):
			again, q.why[tp] = append(again, tp), code
		default:
			q.failed[tp] = code
		}
	}
	return again, nil
}

// offsetAt reads an answer of a leader of that epoch; -1: it is not known.
func offsetAt(a *msg.ListOffsetsResponseListOffsetsPartitionResponse, version int16, leader int32) (o OffsetAt, err error) {
	o.Offset, o.Epoch, err = plan.Offset(a, version, leader)
	if version > 0 && a.Timestamp >= 0 {
		o.Timestamp = time.UnixMilli(a.Timestamp)
	}
	return o, err
}
