package fetcher

import (
	"errors"
	"fmt"
	"time"

	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/fetcher/internal/plan"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
)

// fetch sends a fetch request.
func (f *Fetcher) fetch(now time.Time, r *plan.Request) {
	req := &msg.FetchRequest{}
	req.SetDefaults()
	req.ReplicaID, req.MaxWaitMs, req.MinBytes, req.MaxBytes = -1, int32(r.Wait.Milliseconds()), int32(max(f.cfg.MinBytes, 1)), r.MaxByte
	req.SessionID, req.SessionEpoch, req.RackID = r.Ask.ID, r.Ask.Epoch, f.cfg.Rack
	if f.cfg.Committed {
		req.IsolationLevel = 1
	}
	req.Topics = []msg.FetchRequestFetchTopic{}
	for i := range r.Ask.Send {
		w := &r.Ask.Send[i]
		last := len(req.Topics) - 1
		if last < 0 || req.Topics[last].Topic != w.Topic {
			n := 1
			for i+n < len(r.Ask.Send) && r.Ask.Send[i+n].Topic == w.Topic {
				n++
			}
			req.Topics = append(req.Topics, msg.FetchRequestFetchTopic{Topic: w.Topic, TopicID: w.ID, Partitions: make([]msg.FetchRequestFetchPartition, 0, n)})
			last++
		}
		p := msg.FetchRequestFetchPartition{}
		p.SetDefaults()
		p.Partition, p.CurrentLeaderEpoch, p.FetchOffset, p.LastFetchedEpoch, p.LogStartOffset, p.PartitionMaxBytes = w.Partition, w.LeaderEpoch, w.Offset, w.LastEpoch, -1, w.MaxBytes
		req.Topics[last].Partitions = append(req.Topics[last].Partitions, p)
	}
	for _, w := range r.Ask.Forget {
		last := len(req.ForgottenTopicsData) - 1
		if last < 0 || req.ForgottenTopicsData[last].Topic != w.Topic {
			req.ForgottenTopicsData = append(req.ForgottenTopicsData, msg.FetchRequestForgottenTopic{Topic: w.Topic, TopicID: w.ID})
			last++
		}
		req.ForgottenTopicsData[last].Partitions = append(req.ForgottenTopicsData[last].Partitions, w.Partition)
	}
	led, _ := r.Led.([]broker.Led)
	if led == nil {
		led = make([]broker.Led, len(r.Wants))
		for i := range r.Wants {
			led[i] = broker.Led{TopicPartition: r.Wants[i].TopicPartition, Epoch: r.Wants[i].LeaderEpoch}
		}
		r.Led = led
	}
	route := &broker.Route{Req: req, To: broker.Target{Kind: broker.ToNode, Node: r.Node}, Purpose: broker.Fetch, Lane: f.caller.Lane(), Wait: r.Wait,
		Deadline: now.Add(f.cfg.RequestTimeout + r.Wait), Partitions: led}
	switch {
	case r.Apart:
		route.Purpose = broker.Apart
	case r.Aside:
		route.Purpose, route.Lane = broker.Calls, 0
	}
	if r.ByName {
		route.MaxVersion = 12
	}
	route.Fit = fitFetch
	route.Reply = func(reply broker.Reply) {
		m := &plan.Fetched{Request: r, Version: reply.Version, Err: reply.Err, Moved: errors.Is(reply.Err, broker.ErrMoved), Unread: errors.Is(reply.Err, broker.ErrUnread)}
		if errors.Is(reply.Err, broker.ErrNobody) { // told as a refusal is
			m.Err = fmt.Errorf("%w: %w", protocol.UnsupportedVersion, reply.Err)
		}
		if resp, ok := reply.Resp.(*msg.FetchResponse); ok {
			m.Resp, m.Frame = resp, newFrame(reply.Frame, f.world.Network())
		}
		if m.Moved { // not to be sent to the old leader again
			f.self.Tell(&plan.Changed{Snapshot: f.client.Snapshot()})
		}
		f.self.Tell(m)
	}
	f.caller.Send(route)
}

// errSession says that a request of a session would go to a broker that has none: it speaks an older version than the one that opened it.
var errSession = errors.New("the broker has no fetch sessions any more")

// fitFetch drops what an old broker cannot be told.
func fitFetch(version int16, m protocol.Request) error {
	req := m.(*msg.FetchRequest)
	if version < 7 {
		if req.SessionEpoch > 0 {
			return errSession
		}
		req.SessionID, req.SessionEpoch, req.ForgottenTopicsData = 0, -1, nil
	}
	if version < 12 { // the epoch of what was fetched is checked with OffsetForLeaderEpoch instead
		for i := range req.Topics {
			for k := range req.Topics[i].Partitions {
				req.Topics[i].Partitions[k].LastFetchedEpoch = -1
			}
		}
	}
	return nil
}

func (f *Fetcher) listOffsets(now time.Time, q *plan.Query) {
	req := &msg.ListOffsetsRequest{}
	req.SetDefaults()
	req.ReplicaID = -1
	if f.cfg.Committed {
		req.IsolationLevel = 1
	}
	for i := range q.Parts {
		addList(req, q.Parts[i].TopicPartition, q.Parts[i].LeaderEpoch, q.Parts[i].Timestamp)
	}
	f.caller.Send(&broker.Route{Req: req, To: broker.Target{Kind: broker.ToNode, Node: q.Node}, Deadline: now.Add(f.cfg.RequestTimeout), Partitions: ledOf(q), Fit: fitList,
		Reply: func(r broker.Reply) {
			m := &plan.Listed{Query: q, Version: r.Version, Err: r.Err, Fatal: errors.Is(r.Err, broker.ErrNobody) || errors.Is(r.Err, broker.ErrClosed)}
			if resp, ok := r.Resp.(*msg.ListOffsetsResponse); ok {
				m.Resp = resp
			}
			f.self.Tell(m)
		}})
}

// ledOf are the partitions of a query: it ends early when a broker that does not answer leads them no longer.
func ledOf(q *plan.Query) []broker.Led {
	led := make([]broker.Led, len(q.Parts))
	for i := range q.Parts {
		led[i] = broker.Led{TopicPartition: q.Parts[i].TopicPartition, Epoch: q.Parts[i].LeaderEpoch}
	}
	return led
}

func addList(req *msg.ListOffsetsRequest, tp cluster.TopicPartition, epoch int32, timestamp int64) {
	last := len(req.Topics) - 1
	if last < 0 || req.Topics[last].Name != tp.Topic {
		req.Topics = append(req.Topics, msg.ListOffsetsRequestListOffsetsTopic{Name: tp.Topic})
		last++
	}
	p := msg.ListOffsetsRequestListOffsetsPartition{}
	p.SetDefaults()
	p.PartitionIndex, p.CurrentLeaderEpoch, p.Timestamp, p.MaxNumOffsets = tp.Partition, epoch, timestamp, 1
	req.Topics[last].Partitions = append(req.Topics[last].Partitions, p)
}

// fitList drops what an old broker cannot be told: the isolation level.
func fitList(version int16, req protocol.Request) error {
	if version < 2 {
		req.(*msg.ListOffsetsRequest).IsolationLevel = 0
	}
	return nil
}

func (f *Fetcher) check(now time.Time, q *plan.Query) {
	req := &msg.OffsetForLeaderEpochRequest{}
	req.SetDefaults()
	req.ReplicaID = -1
	for i := range q.Parts {
		p := &q.Parts[i]
		last := len(req.Topics) - 1
		if last < 0 || req.Topics[last].Topic != p.Topic {
			req.Topics = append(req.Topics, msg.OffsetForLeaderEpochRequestOffsetForLeaderTopic{Topic: p.Topic})
			last++
		}
		req.Topics[last].Partitions = append(req.Topics[last].Partitions, msg.OffsetForLeaderEpochRequestOffsetForLeaderPartition{
			Partition: p.Partition, CurrentLeaderEpoch: p.LeaderEpoch, LeaderEpoch: p.LastEpoch})
	}
	f.caller.Send(&broker.Route{Req: req, MinVersion: 3, Optional: true, To: broker.Target{Kind: broker.ToNode, Node: q.Node}, Deadline: now.Add(f.cfg.RequestTimeout), Partitions: ledOf(q),
		Reply: func(r broker.Reply) {
			m := &plan.Checked{Query: q, Err: r.Err, Fatal: errors.Is(r.Err, broker.ErrUnsupported)}
			if resp, ok := r.Resp.(*msg.OffsetForLeaderEpochResponse); ok {
				m.Resp = resp
			}
			f.self.Tell(m)
		}})
}
