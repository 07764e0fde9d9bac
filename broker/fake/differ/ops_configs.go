package differ

import (
	"slices"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Kinds of what has configurations. There are more; none is 0, and the fake has no others.
const (
	ofTopics  int8 = 2
	ofBrokers int8 = 4
)

// brokerKeys are configurations of brokers that both sides have. The fake has no others.
var brokerKeys = []string{"message.max.bytes", "log.retention.ms", "log.retention.hours", "min.insync.replicas", "log.cleanup.policy", "num.partitions", "compression.type", "log.message.timestamp.type", "log.segment.bytes", "node.id",
	"auto.create.topics.enable", "default.replication.factor", "nonsense"}

// resource picks a topic, mostly.
func (d *draw) resource(w *world) (kind int8, name string) {
	switch d.IntN(12) {
	case 0:
		return ofBrokers, pick(d, "1", "1", "", "7", "-1", "x")
	case 1:
		return pick[int8](d, ofTopics, ofTopics, 0, 3), pick(d, "", ".", w.prefix+"!", internalTopic)
	}
	return ofTopics, w.name(d.topic())
}

func describeConfigs(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.DescribeConfigsRequest{}
	if d.version >= 1 {
		req.IncludeSynonyms = d.once(2)
	}
	if d.version >= 3 {
		req.IncludeDocumentation = d.once(3)
	}
	for range usual(d, 4, 1, 2) {
		in := msg.DescribeConfigsRequestDescribeConfigsResource{}
		switch in.ResourceType, in.ResourceName = d.resource(w); {
		case in.ResourceType == ofBrokers:
			in.ConfigurationKeys = append(in.ConfigurationKeys, pick(d, brokerKeys...))
		case d.once(3):
			in.ConfigurationKeys = []string{pick(d, configs...).name}
		}
		req.Resources = append(req.Resources, in)
	}
	return req, nil
}

// config is a configuration of topics with values that nothing expires by, and that leave the bytes of records alone; wrong are those that no topic may have.
type config struct {
	name         string
	right, wrong []string
}

var configs = []config{
	{"cleanup.policy", []string{"delete", "compact", "compact,delete"}, []string{"nonsense", "delete,nonsense"}},
	{"retention.ms", []string{"-1", "900000000"}, []string{"-2", "x"}},
	{"retention.bytes", []string{"-1", "1000000000"}, []string{"x"}},
	{"max.message.bytes", []string{"200", "1048588", "2000000"}, []string{"-1", "99999999999"}},
	{"message.timestamp.type", []string{"CreateTime", "LogAppendTime"}, []string{"nonsense", ""}},
	{"message.timestamp.after.max.ms", []string{"1000", "3600000"}, []string{"-1"}},
	{"message.timestamp.before.max.ms", []string{"1000", "9000000000"}, []string{"-1"}},
	{"min.insync.replicas", []string{"1", "2"}, []string{"0"}},
	{"compression.type", []string{"producer", "uncompressed"}, []string{"nonsense"}},
	{"segment.bytes", []string{"1048576"}, []string{"100", "1.5"}},
	{"preallocate", []string{"false"}, []string{"maybe"}},
	{"min.cleanable.dirty.ratio", []string{"0.5", "1"}, []string{"1.5"}},
	{"nonsense", nil, []string{"1"}},
}

// brokerConfigs are the same of brokers. One of no name that there is, is a matter of the broker's own; the fake has not all names.
var brokerConfigs = []config{
	{"log.retention.ms", []string{"900000000"}, []string{"x"}},
	{"message.max.bytes", []string{"2000000"}, []string{"-1"}},
	{"log.cleanup.policy", []string{"compact"}, []string{"nonsense"}},
	{"num.partitions", []string{"3"}, []string{"x"}},
}

// setting is one configuration with a value, mostly a right one.
func (d *draw) setting(kind int8) (name string, value *string) {
	c := pick(d, configs...)
	if kind == ofBrokers {
		c = pick(d, brokerConfigs...)
	}
	if len(c.right) == 0 || d.once(15) {
		return c.name, usual(d, 5, wire.Ptr(pick(d, c.wrong...)), nil)
	}
	return c.name, wire.Ptr(pick(d, c.right...))
}

// wrongSetting is one that no topic may have.
func (d *draw) wrongSetting() (name string, value *string) {
	c := pick(d, configs...)
	return c.name, wire.Ptr(pick(d, c.wrong...))
}

// shared tells whether all scripts have a resource: it is left as it is.
func shared(kind int8, name string) bool { return kind == ofBrokers || name == internalTopic }

func alterConfigs(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.AlterConfigsRequest{ValidateOnly: d.once(6)}
	for range usual(d, 6, 1, 2) {
		in := msg.AlterConfigsRequestAlterConfigsResource{}
		in.ResourceType, in.ResourceName = d.resource(w)
		if slices.ContainsFunc(req.Resources, func(o msg.AlterConfigsRequestAlterConfigsResource) bool {
			return o.ResourceType == in.ResourceType && o.ResourceName == in.ResourceName
		}) {
			continue // Kafka 4.3 never answers if one is named twice
		}
		req.ValidateOnly = req.ValidateOnly || shared(in.ResourceType, in.ResourceName)
		for range usual(d, 3, 1, 0, 2) {
			name, value := d.setting(in.ResourceType)
			in.Configs = append(in.Configs, msg.AlterConfigsRequestAlterableConfig{Name: name, Value: value})
		}
		req.Resources = append(req.Resources, in)
	}
	return req, func(m protocol.Response) {
		for _, r := range m.(*msg.AlterConfigsResponse).Responses {
			w.altered(r.ResourceName, r.ErrorCode, req.ValidateOnly)
		}
	}
}

// Operations of IncrementalAlterConfigs.
const (
	opSet int8 = iota
	opDelete
	opAppend
	opSubtract
)

func incrementalAlterConfigs(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.IncrementalAlterConfigsRequest{ValidateOnly: d.once(6)}
	for range usual(d, 6, 1, 2) {
		in := msg.IncrementalAlterConfigsRequestAlterConfigsResource{}
		in.ResourceType, in.ResourceName = d.resource(w)
		req.ValidateOnly = req.ValidateOnly || shared(in.ResourceType, in.ResourceName)
		for range usual(d, 3, 1, 0, 2) {
			c := msg.IncrementalAlterConfigsRequestAlterableConfig{}
			c.Name, c.Value = d.setting(in.ResourceType)
			switch c.ConfigOperation = usual(d, 3, opSet, opDelete, opDelete, opAppend, opSubtract, 4); {
			case c.ConfigOperation == opDelete:
				c.Value = nil
			case c.ConfigOperation > opDelete && in.ResourceType != ofBrokers && d.once(2):
				c.Name, c.Value = "cleanup.policy", wire.Ptr(pick(d, "compact", "delete"))
			}
			in.Configs = append(in.Configs, c)
		}
		req.Resources = append(req.Resources, in)
	}
	return req, func(m protocol.Response) {
		for _, r := range m.(*msg.IncrementalAlterConfigsResponse).Responses {
			w.altered(r.ResourceName, r.ErrorCode, req.ValidateOnly)
		}
	}
}

// altered learns that a topic has other configurations now: it may be of short segments, or of a codec of its own.
func (w *world) altered(name string, code int16, only bool) {
	if code != 0 || only {
		return
	}
	w.alters = true
	if t := w.topics[w.short(name)]; t != nil {
		t.short, t.packs = true, true
	}
}
