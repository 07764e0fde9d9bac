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
	for i := range req.Topics {
		in := &req.Topics[i]
		if slices.ContainsFunc(req.Topics[:i], func(o msg.MetadataRequestMetadataRequestTopic) bool {
			return text(o.Name) == text(in.Name) && o.TopicID == in.TopicID
		}) {
			continue // Kafka reads them into a set
		}
		if in.TopicID == (wire.UUID{}) && slices.ContainsFunc(req.Topics, func(o msg.MetadataRequestMetadataRequestTopic) bool { return o.TopicID != wire.UUID{} }) {
			continue // who asks by ids is not told of names
		}
		if in.Name == nil {
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
		var t *topic
		for _, o := range topics {
			if o.name == *in.Name {
				t = o
			}
		}
		if t == nil && c.cfg.AutoCreate && (q.Version < 4 || req.AllowAutoTopicCreation) && legal(*in.Name) && c.topic(*in.Name) == nil {
			if c.checkName(*in.Name, c.topics).code == protocol.None { // if one is in the way that only is like it, nobody is told
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
