package api

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/printable"
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

// each sends a request about topics until all have an answer that is not an error that goes away by itself. attempt makes one about those that are left; answers gives what an answer says of each. A topic that it does not tell of has
// an error, as with Java's client ("The controller response did not contain a result for topic"), and one that was not asked about is none.
func (a *Admin) each(ctx context.Context, what string, names []string, attempt func(left []string) broker.Route, answers func(protocol.Response, func(name string, code int16, message *string))) (map[string]error, error) {
	out := map[string]error{}
	asked := map[string]bool{}
	for _, n := range names {
		asked[n] = true
	}
	left := names
	var kind broker.TargetKind
	_, err := broker.Insist(ctx, a.client.system.Cluster(), a.client.settings.group.Timeout, func() broker.Route {
		route := attempt(left)
		kind = route.To.Kind
		return route
	}, func(reply broker.Reply) (first protocol.Code) {
		var again []string
		answers(reply.Resp, func(name string, code int16, message *string) {
			if len(names) > 0 && !asked[name] {
				return
			}
			if out[name] = codeError(what+" "+printable.Text(name), code, message); broker.Passes(kind, protocol.Code(code)) {
				again, first = append(again, name), protocol.Code(code)
			}
		})
		left = again
		return first
	})
	if err != nil && len(out) == 0 {
		return nil, public(err)
	}
	for n := range asked {
		if _, told := out[n]; !told {
			out[n] = fmt.Errorf("%s %s: the answer does not tell of it: %w", what, printable.Text(n), protocol.UnknownServerError)
		}
	}
	return out, nil
}

func codeError(what string, code int16, message *string) error {
	if code == 0 {
		return nil
	}
	if message != nil && *message != "" {
		return fmt.Errorf("%s: %w: %s", what, protocol.Code(code), printable.Text(*message))
	}
	return fmt.Errorf("%s: %w", what, protocol.Code(code))
}

// CreateTopics creates topics. It returns when the controller has done so; brokers may need a moment more to learn of it.
func (a *Admin) CreateTopics(ctx context.Context, topics ...NewTopic) (map[string]error, error) {
	byName := map[string]msg.CreateTopicsRequestCreatableTopic{}
	var names []string
	for _, t := range topics {
		in := msg.CreateTopicsRequestCreatableTopic{Name: t.Name, NumPartitions: t.Partitions, ReplicationFactor: t.Replicas}
		for _, k := range sortedKeys(t.Configs) {
			in.Configs = append(in.Configs, msg.CreateTopicsRequestCreatableTopicConfig{Name: k, Value: wire.Ptr(t.Configs[k])})
		}
		byName[t.Name] = in
		names = append(names, t.Name)
	}
	out, err := a.each(ctx, "create topic", names, func(left []string) broker.Route {
		req := &msg.CreateTopicsRequest{TimeoutMs: a.timeoutMs()}
		for _, n := range left {
			req.Topics = append(req.Topics, byName[n])
		}
		return broker.Route{Req: req, To: broker.Target{Kind: broker.ToController}}
	}, func(resp protocol.Response, tell func(string, int16, *string)) {
		for _, r := range resp.(*msg.CreateTopicsResponse).Topics {
			tell(r.Name, r.ErrorCode, r.ErrorMessage)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("create topics: %w", err)
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
	out, err := a.each(ctx, "delete topic", names, func(left []string) broker.Route {
		req := &msg.DeleteTopicsRequest{TimeoutMs: a.timeoutMs()}
		return broker.Route{Req: req, To: broker.Target{Kind: broker.ToController}, Fit: func(version int16, _ protocol.Request) error {
			req.TopicNames, req.Topics = nil, nil
			if version < 6 {
				req.TopicNames = left
				return nil
			}
			for _, n := range left {
				req.Topics = append(req.Topics, msg.DeleteTopicsRequestDeleteTopicState{Name: wire.Ptr(n)})
			}
			return nil
		}}
	}, func(resp protocol.Response, tell func(string, int16, *string)) {
		for _, r := range resp.(*msg.DeleteTopicsResponse).Responses {
			if r.Name != nil {
				tell(*r.Name, r.ErrorCode, r.ErrorMessage)
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("delete topics: %w", err)
	}
	return out, nil
}

// CreatePartitions raises the numbers of partitions of topics to those given.
func (a *Admin) CreatePartitions(ctx context.Context, counts map[string]int32) (map[string]error, error) {
	out, err := a.each(ctx, "create partitions of", slices.Sorted(maps.Keys(counts)), func(left []string) broker.Route {
		req := &msg.CreatePartitionsRequest{TimeoutMs: a.timeoutMs()}
		for _, n := range left {
			req.Topics = append(req.Topics, msg.CreatePartitionsRequestCreatePartitionsTopic{Name: n, Count: counts[n]})
		}
		return broker.Route{Req: req, To: broker.Target{Kind: broker.ToController}}
	}, func(resp protocol.Response, tell func(string, int16, *string)) {
		for _, r := range resp.(*msg.CreatePartitionsResponse).Results {
			tell(r.Name, r.ErrorCode, r.ErrorMessage)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("create partitions: %w", err)
	}
	return out, nil
}

// TopicDescription is a topic, or why it cannot be described.
type TopicDescription struct {
	Topic *cluster.Topic
	Err   error
}

// DescribeTopics asks for topics by name; without names for all there are.
func (a *Admin) DescribeTopics(ctx context.Context, names ...string) (map[string]TopicDescription, error) {
	found := map[string]*cluster.Topic{}
	errs, err := a.each(ctx, "topic", names, func(left []string) broker.Route {
		req := &msg.MetadataRequest{}
		req.SetDefaults()
		req.AllowAutoTopicCreation = false
		for _, n := range left {
			req.Topics = append(req.Topics, msg.MetadataRequestMetadataRequestTopic{Name: wire.Ptr(n)})
		}
		if len(left) == 0 {
			req.Topics = nil // all
		}
		return broker.Route{Req: req, Replayable: true, Fit: func(version int16, _ protocol.Request) error {
			if version < 4 {
				req.AllowAutoTopicCreation = true // it cannot be said
			}
			if version == 0 && len(left) == 0 { // all
				req.Topics = []msg.MetadataRequestMetadataRequestTopic{}
			}
			return nil
		}}
	}, func(resp protocol.Response, tell func(string, int16, *string)) {
		m := resp.(*msg.MetadataResponse)
		for i := range m.Topics {
			if t := &m.Topics[i]; t.Name != nil {
				found[*t.Name] = described(t)
				tell(*t.Name, t.ErrorCode, nil)
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("describe topics: %w", err)
	}
	out := map[string]TopicDescription{}
	for name, err := range errs {
		if out[name] = (TopicDescription{Err: err}); err == nil {
			out[name] = TopicDescription{Topic: found[name]}
		}
	}
	return out, nil
}

func described(t *msg.MetadataResponseMetadataResponseTopic) *cluster.Topic {
	d := &cluster.Topic{Name: *t.Name, ID: t.TopicID, Internal: t.IsInternal}
	for _, p := range t.Partitions {
		d.Partitions = append(d.Partitions, cluster.Partition{Index: p.PartitionIndex, Leader: p.LeaderID, LeaderEpoch: p.LeaderEpoch,
			Replicas: p.ReplicaNodes, ISR: p.IsrNodes, Offline: p.OfflineReplicas, Err: protocol.Code(p.ErrorCode)})
	}
	slices.SortFunc(d.Partitions, func(a, b cluster.Partition) int { return int(a.Index) - int(b.Index) })
	return d
}
