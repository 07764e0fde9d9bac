package fake

import (
	"regexp"
	"slices"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// legalTopic matches names of topics: 1 to 249 letters, digits, dots, underscores and hyphens, but not "." and "..".
var legalTopic = regexp.MustCompile(`^([a-zA-Z0-9_-][a-zA-Z0-9._-]{0,248}|\.[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,247}|\.\.[a-zA-Z0-9._-]{1,247})$`)

func (c *Cluster) metadata(q *call) {
	req := q.Req.(*msg.MetadataRequest)
	resp := &msg.MetadataResponse{ClusterID: wire.Ptr(c.id), ControllerID: c.controller}
	resp.ClusterAuthorizedOperations = -2147483648
	for _, n := range c.nodes {
		if (n.fenced || n.down) && n != q.conn.node {
			continue
		}
		host, port := c.cfg.Host(n.id)
		b := msg.MetadataResponseMetadataResponseBroker{NodeID: n.id, Host: host, Port: port}
		if n.rack != "" {
			b.Rack = wire.Ptr(n.rack)
		}
		resp.Brokers = append(resp.Brokers, b)
	}
	if req.IncludeClusterAuthorizedOperations {
		resp.ClusterAuthorizedOperations = clusterOperations
	}
	injected := c.injected(q.Key)
	topics := c.topics
	switch n := q.conn.node; {
	case n.alone != nil:
		topics = n.alone
	case n.stale != nil:
		topics = n.stale
	}
	if req.Topics == nil || q.Version == 0 && len(req.Topics) == 0 {
		for _, t := range topics {
			resp.Topics = append(resp.Topics, c.describeTopic(t, t.name, injected))
		}
		c.replyMetadata(q, resp)
		return
	}
	if code := c.unnamed(q, req); code != protocol.None {
		c.reply(q, failedMetadata(req, code))
		return
	}
	byID := slices.ContainsFunc(req.Topics, func(t msg.MetadataRequestMetadataRequestTopic) bool { return t.TopicID != wire.UUID{} })
	type key struct {
		name string
		id   wire.UUID
	}
	seen := map[key]bool{}
	for i := range req.Topics {
		in, k := &req.Topics[i], key{id: req.Topics[i].TopicID}
		if byID && in.TopicID == (wire.UUID{}) {
			continue // who asks by ids is not told of names
		}
		if !byID {
			k.name = text(in.Name)
		}
		if seen[k] {
			continue // Kafka reads them into a set
		}
		seen[k] = true
		if byID || in.Name == nil {
			t := c.topicByID(in.TopicID)
			if t == nil {
				unknown := msg.MetadataResponseMetadataResponseTopic{}
				unknown.SetDefaults()
				unknown.ErrorCode, unknown.Name, unknown.TopicID = int16(protocol.UnknownTopicID), nil, in.TopicID
				resp.Topics = append(resp.Topics, unknown)
				continue
			}
			resp.Topics = append(resp.Topics, c.describeTopic(t, t.name, injected))
			continue
		}
		t := named(topics, *in.Name)
		if t == nil && c.cfg.AutoCreate && (q.Version < 4 || req.AllowAutoTopicCreation) && legal(*in.Name) && c.topic(*in.Name) == nil {
			if c.checkName(*in.Name, alike(c.topics)).code == protocol.None { // if one is in the way that only is like it, nobody is told
				c.create(Topic{Name: *in.Name})
			}
			first := protocol.LeaderNotAvailable
			if c.kraft() { // the controller is asked by the way (AutoTopicCreationManager)
				first = protocol.UnknownTopicOrPartition
			}
			resp.Topics = append(resp.Topics, c.describeTopic(nil, *in.Name, first))
			continue
		}
		resp.Topics = append(resp.Topics, c.describeTopic(t, *in.Name, injected))
	}
	c.replyMetadata(q, resp)
}

// unnamed refuses what is asked for neither by name nor by id, and by id where there are none yet: Kafka fails at the former itself, where it does not look for it.
func (c *Cluster) unnamed(q *call, req *msg.MetadataRequest) protocol.Code {
	nobody, ids := false, false
	for i := range req.Topics {
		ids = ids || req.Topics[i].TopicID != (wire.UUID{})
		nobody = nobody || req.Topics[i].Name == nil
	}
	switch {
	case (nobody || ids) && q.Version < 12:
		return protocol.InvalidRequest
	case nobody && !ids:
		return protocol.UnknownServerError
	}
	return protocol.None
}

// failedMetadata says of all topics that the request has failed (MetadataRequest.getErrorResponse).
func failedMetadata(req *msg.MetadataRequest, code protocol.Code) *msg.MetadataResponse {
	resp := &msg.MetadataResponse{}
	resp.SetDefaults()
	for i := range req.Topics {
		t := msg.MetadataResponseMetadataResponseTopic{}
		t.SetDefaults()
		t.ErrorCode, t.Name, t.TopicID = int16(code), wire.Ptr(text(req.Topics[i].Name)), req.Topics[i].TopicID
		resp.Topics = append(resp.Topics, t)
	}
	return resp
}

// What a client may do where there are no rules: all that there is (AclEntry.supportedOperations), a bit for each operation.
const (
	topicOperations   = 0xdf8
	clusterOperations = 0x1fa0
)

// replyMetadata answers, and tells of the topics what the client may do with them, if it has asked.
func (c *Cluster) replyMetadata(q *call, resp *msg.MetadataResponse) {
	for i := range resp.Topics {
		if q.Req.(*msg.MetadataRequest).IncludeTopicAuthorizedOperations && resp.Topics[i].Name != nil {
			resp.Topics[i].TopicAuthorizedOperations = topicOperations
		}
	}
	c.reply(q, resp)
}

func (c *Cluster) describeTopic(t *topic, name string, injected protocol.Code) msg.MetadataResponseMetadataResponseTopic {
	out := msg.MetadataResponseMetadataResponseTopic{Name: wire.Ptr(name), ErrorCode: int16(injected), Partitions: []msg.MetadataResponseMetadataResponsePartition{}}
	out.TopicAuthorizedOperations = -2147483648
	switch {
	case injected != protocol.None:
		return out
	case !legal(name):
		out.ErrorCode = int16(protocol.InvalidTopicException)
		return out
	case t == nil:
		out.ErrorCode = int16(protocol.UnknownTopicOrPartition)
		return out
	}
	out.TopicID, out.IsInternal = t.id, internal(name)
	for _, p := range t.partitions {
		r := msg.MetadataResponseMetadataResponsePartition{PartitionIndex: p.index, LeaderID: p.leader, LeaderEpoch: p.epoch,
			ReplicaNodes: p.replicas, IsrNodes: p.isr, OfflineReplicas: []int32{}}
		if p.leader < 0 {
			r.ErrorCode = int16(protocol.LeaderNotAvailable)
		}
		for _, id := range p.replicas {
			if n := c.node(id); n.down || n.fenced {
				r.OfflineReplicas = append(r.OfflineReplicas, id)
			}
		}
		out.Partitions = append(out.Partitions, r)
	}
	return out
}
