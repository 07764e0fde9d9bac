package api

import (
	"context"
	"fmt"
	"slices"

	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Admin looks after topics. Many go in, a map comes out, with an error for each that failed; the error beside the map is of the whole request.
type Admin struct{ client *Client }

// Admin gives the client's admin.
func (c *Client) Admin() *Admin { return &Admin{c} }

// NewTopic is a topic to be created.
type NewTopic struct {
	Name       string
	Partitions int32             // -1: the broker's default
	Replicas   int16             // -1: the broker's default
	Configs    map[string]string // "cleanup.policy" and so on
}

func metadataProbe() protocol.Request {
	return &msg.MetadataRequest{Topics: []msg.MetadataRequestMetadataRequestTopic{}, AllowAutoTopicCreation: true}
}

// timeoutMs is what brokers are told about how long they may take.
func (a *Admin) timeoutMs() int32 {
	return int32(a.client.settings.broker.RequestTimeout.Milliseconds())
}

// controller sends a request to the controller. Since KRaft every broker passes it on.
func (a *Admin) controller(ctx context.Context, req protocol.Request) (broker.Reply, error) {
	return broker.Call(ctx, a.client.system.Cluster(), broker.Route{Req: req, To: broker.Target{Kind: broker.ToController}})
}

func codeError(what string, code int16, message *string) error {
	if code == 0 {
		return nil
	}
	if message != nil && *message != "" {
		return fmt.Errorf("%s: %w: %s", what, protocol.Code(code), *message)
	}
	return fmt.Errorf("%s: %w", what, protocol.Code(code))
}

// CreateTopics creates topics. It returns when the controller has done so; brokers may need a moment more to learn of it.
func (a *Admin) CreateTopics(ctx context.Context, topics ...NewTopic) (map[string]error, error) {
	req := &msg.CreateTopicsRequest{TimeoutMs: a.timeoutMs()}
	for _, t := range topics {
		in := msg.CreateTopicsRequestCreatableTopic{Name: t.Name, NumPartitions: t.Partitions, ReplicationFactor: t.Replicas}
		for _, k := range sortedKeys(t.Configs) {
			in.Configs = append(in.Configs, msg.CreateTopicsRequestCreatableTopicConfig{Name: k, Value: wire.Ptr(t.Configs[k])})
		}
		req.Topics = append(req.Topics, in)
	}
	reply, err := a.controller(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("create topics: %w", public(err))
	}
	out := map[string]error{}
	for _, r := range reply.Resp.(*msg.CreateTopicsResponse).Topics {
		out[r.Name] = codeError("create topic "+r.Name, r.ErrorCode, r.ErrorMessage)
	}
	return out, nil
}

func sortedKeys(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// DeleteTopics deletes topics by name.
func (a *Admin) DeleteTopics(ctx context.Context, names ...string) (map[string]error, error) {
	req := &msg.DeleteTopicsRequest{TimeoutMs: a.timeoutMs()}
	reply, err := broker.Call(ctx, a.client.system.Cluster(), broker.Route{Req: req, To: broker.Target{Kind: broker.ToController},
		Fit: func(version int16, _ protocol.Request) error {
			req.TopicNames, req.Topics = nil, nil
			if version < 6 {
				req.TopicNames = names
				return nil
			}
			for _, n := range names {
				req.Topics = append(req.Topics, msg.DeleteTopicsRequestDeleteTopicState{Name: wire.Ptr(n)})
			}
			return nil
		}})
	if err != nil {
		return nil, fmt.Errorf("delete topics: %w", public(err))
	}
	out := map[string]error{}
	for _, r := range reply.Resp.(*msg.DeleteTopicsResponse).Responses {
		if r.Name != nil {
			out[*r.Name] = codeError("delete topic "+*r.Name, r.ErrorCode, r.ErrorMessage)
		}
	}
	return out, nil
}

// CreatePartitions raises the numbers of partitions of topics to those given.
func (a *Admin) CreatePartitions(ctx context.Context, counts map[string]int32) (map[string]error, error) {
	req := &msg.CreatePartitionsRequest{TimeoutMs: a.timeoutMs()}
	for name, n := range counts {
		req.Topics = append(req.Topics, msg.CreatePartitionsRequestCreatePartitionsTopic{Name: name, Count: n})
	}
	slices.SortFunc(req.Topics, func(a, b msg.CreatePartitionsRequestCreatePartitionsTopic) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	reply, err := a.controller(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("create partitions: %w", public(err))
	}
	out := map[string]error{}
	for _, r := range reply.Resp.(*msg.CreatePartitionsResponse).Results {
		out[r.Name] = codeError("create partitions of "+r.Name, r.ErrorCode, r.ErrorMessage)
	}
	return out, nil
}

// Described is a topic, or why it cannot be described.
type Described struct {
	Topic *cluster.Topic
	Err   error
}

// DescribeTopics asks for topics by name; without names for all there are.
func (a *Admin) DescribeTopics(ctx context.Context, names ...string) (map[string]Described, error) {
	req := &msg.MetadataRequest{}
	req.SetDefaults()
	req.AllowAutoTopicCreation = false
	for _, n := range names {
		req.Topics = append(req.Topics, msg.MetadataRequestMetadataRequestTopic{Name: wire.Ptr(n)})
	}
	if len(names) == 0 {
		req.Topics = nil // all
	}
	reply, err := broker.Call(ctx, a.client.system.Cluster(), broker.Route{Req: req, Fit: func(version int16, _ protocol.Request) error {
		if version < 4 {
			req.AllowAutoTopicCreation = true // it cannot be said
		}
		if version == 0 && len(names) == 0 {
			req.Topics = []msg.MetadataRequestMetadataRequestTopic{}
		}
		return nil
	}})
	if err != nil {
		return nil, fmt.Errorf("describe topics: %w", public(err))
	}
	out := map[string]Described{}
	m := reply.Resp.(*msg.MetadataResponse)
	for i := range m.Topics {
		t := &m.Topics[i]
		if t.Name == nil {
			continue
		}
		d := Described{Err: codeError("topic "+*t.Name, t.ErrorCode, nil)}
		if d.Err == nil {
			d.Topic = &cluster.Topic{Name: *t.Name, ID: t.TopicID, Internal: t.IsInternal}
			for _, p := range t.Partitions {
				d.Topic.Partitions = append(d.Topic.Partitions, cluster.Partition{Index: p.PartitionIndex, Leader: p.LeaderID, LeaderEpoch: p.LeaderEpoch,
					Replicas: p.ReplicaNodes, ISR: p.IsrNodes, Offline: p.OfflineReplicas, Err: protocol.Code(p.ErrorCode)})
			}
			slices.SortFunc(d.Topic.Partitions, func(a, b cluster.Partition) int { return int(a.Index) - int(b.Index) })
		}
		out[*t.Name] = d
	}
	return out, nil
}
