package fetcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
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

// Offsets asks the leaders for offsets: what may be AtStart, AtEnd, or milliseconds since 1970 for the first record of that time or later. Partitions whose leaders move are
// asked again until ctx ends.
func Offsets(ctx context.Context, client *broker.Client, committed bool, what map[cluster.TopicPartition]int64) (map[cluster.TopicPartition]OffsetAt, error) {
	left := make([]cluster.TopicPartition, 0, len(what))
	var topics []string
	for tp := range what {
		left = append(left, tp)
		if !slices.Contains(topics, tp.Topic) {
			topics = append(topics, tp.Topic)
		}
	}
	slices.SortFunc(left, cluster.TopicPartition.Compare)
	slices.Sort(topics)
	out := make(map[cluster.TopicPartition]OffsetAt, len(what))
	w := client.World()
	pause := role.Backoff{Initial: 50 * time.Millisecond, Max: time.Second}
	snap := client.Snapshot()
	if slices.ContainsFunc(left, func(tp cluster.TopicPartition) bool { return snap.Partition(tp.Topic, tp.Partition) == nil }) {
		var err error
		if snap, err = broker.Metadata(ctx, client, topics...); err != nil {
			return nil, err
		}
	}
	var last error
	for attempt := 1; len(left) > 0; attempt++ {
		if attempt > 1 {
			t := role.NewWaiter()
			timer := w.NewTimer(func() { w.Wake(t) })
			timer.Set(w.Now().Add(pause.After(attempt-1, nil)))
			err := w.Park(ctx, t)
			if err == nil {
				snap, err = broker.Metadata(ctx, client, topics...)
			}
			if err != nil {
				return nil, fmt.Errorf("offsets of %s: %w", left[0], errors.Join(err, last))
			}
		}
		var err error
		if left, last, err = offsetsOnce(ctx, client, snap, committed, what, left, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// offsetsOnce asks each leader once. What must be asked again is returned, with the reason; err is final.
func offsetsOnce(ctx context.Context, client *broker.Client, snap *cluster.Snapshot, committed bool, what map[cluster.TopicPartition]int64, parts []cluster.TopicPartition,
	out map[cluster.TopicPartition]OffsetAt) (again []cluster.TopicPartition, why, err error) {
	var nodes []int32
	byNode := map[int32][]cluster.TopicPartition{}
	for _, tp := range parts {
		node, _ := snap.Leader(tp.Topic, tp.Partition)
		if node < 0 {
			why = protocol.LeaderNotAvailable
			if t := snap.Topic(tp.Topic); t != nil && t.Err != protocol.None {
				why = t.Err
				if !t.Err.Retriable() {
					return nil, nil, fmt.Errorf("offsets of %s: %w", tp, t.Err)
				}
			}
			again = append(again, tp)
			continue
		}
		if byNode[node] == nil {
			nodes = append(nodes, node)
		}
		byNode[node] = append(byNode[node], tp)
	}
	for _, node := range nodes {
		req := &msg.ListOffsetsRequest{}
		req.SetDefaults()
		req.ReplicaID = -1
		if committed {
			req.IsolationLevel = 1
		}
		var led []broker.Led
		for _, tp := range byNode[node] {
			_, epoch := snap.Leader(tp.Topic, tp.Partition)
			addList(req, tp, epoch, what[tp])
			led = append(led, broker.Led{TopicPartition: tp, Epoch: epoch})
		}
		reply, err := broker.Call(ctx, client, broker.Route{Req: req, To: broker.Target{Kind: broker.ToNode, Node: node}, Partitions: led, Fit: fitList})
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, broker.ErrClosed) || errors.Is(err, broker.ErrUnsupported) {
				return nil, nil, fmt.Errorf("offsets of %s: %w", byNode[node][0], err)
			}
			why = err
			again = append(again, byNode[node]...)
			continue
		}
		for _, tp := range byNode[node] {
			a := find(reply.Resp.(*msg.ListOffsetsResponse), tp)
			if a == nil {
				again, why = append(again, tp), errors.New("the answer says nothing of it")
				continue
			}
			if code := protocol.Code(a.ErrorCode); code != protocol.None {
				if !broker.Passes(broker.ToLeader, code) {
					return nil, nil, fmt.Errorf("offsets of %s: %w", tp, code)
				}
				again, why = append(again, tp), code
				continue
			}
			out[tp] = offsetAt(a, reply.Version)
		}
	}
	slices.SortFunc(again, cluster.TopicPartition.Compare)
	return again, why, nil
}

func find(m *msg.ListOffsetsResponse, tp cluster.TopicPartition) *msg.ListOffsetsResponseListOffsetsPartitionResponse {
	for i := range m.Topics {
		for k := range m.Topics[i].Partitions {
			if m.Topics[i].Name == tp.Topic && m.Topics[i].Partitions[k].PartitionIndex == tp.Partition {
				return &m.Topics[i].Partitions[k]
			}
		}
	}
	return nil
}

func offsetAt(a *msg.ListOffsetsResponseListOffsetsPartitionResponse, version int16) OffsetAt {
	o := OffsetAt{Offset: a.Offset, Epoch: -1}
	if version == 0 {
		o.Offset = -1
		if len(a.OldStyleOffsets) > 0 {
			o.Offset = a.OldStyleOffsets[0]
		}
		return o
	}
	if a.Timestamp >= 0 {
		o.Timestamp = time.UnixMilli(a.Timestamp)
	}
	if version >= 4 {
		o.Epoch = a.LeaderEpoch
	}
	return o
}
