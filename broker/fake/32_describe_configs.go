package fake

import (
	"slices"
	"strconv"
	"strings"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Kinds of resources that have configurations.
const (
	topicResource   int8 = 2
	brokerResource  int8 = 4
	loggerResource  int8 = 8
	metricsResource int8 = 16 // of clients
	groupResource   int8 = 32
)

// resources are all kinds that Kafka 4.3 has. Here topics and brokers have configurations.
var resources = []int8{topicResource, brokerResource, loggerResource, metricsResource, groupResource}

// describeConfigs answers DescribeConfigs (32).
func (c *Cluster) describeConfigs(q *call) {
	req := q.Req.(*msg.DescribeConfigsRequest)
	resp := &msg.DescribeConfigsResponse{}
	injected := c.injected(q.Key)
	if injected == protocol.None && slices.ContainsFunc(req.Resources, func(r msg.DescribeConfigsRequestDescribeConfigsResource) bool {
		return !slices.Contains(resources, r.ResourceType)
	}) {
		injected = protocol.InvalidRequest // nobody can say who may see that: all is refused
	}
	for i := range req.Resources {
		in := &req.Resources[i]
		out := msg.DescribeConfigsResponseDescribeConfigsResult{ResourceType: in.ResourceType, ResourceName: in.ResourceName, ErrorMessage: wire.Ptr("")} // where there is no error it is not null, as elsewhere
		no := refusal{code: injected}
		if injected == protocol.None {
			out.Configs, no = c.describedConfigs(q, in, req)
		}
		if no.code != protocol.None {
			out.ErrorCode, out.ErrorMessage = int16(no.code), no.message()
		}
		resp.Results = append(resp.Results, out)
	}
	c.reply(q, resp)
}

func (c *Cluster) describedConfigs(q *call, in *msg.DescribeConfigsRequestDescribeConfigsResource, req *msg.DescribeConfigsRequest) (out []msg.DescribeConfigsResponseDescribeConfigsResourceResult, no refusal) {
	var of properties
	var chain func(p *property) []synonym
	value := func(p *property) string { return p.value }
	switch in.ResourceType {
	case topicResource:
		if !legal(in.ResourceName) {
			return nil, refuse(protocol.InvalidTopicException, "%q is no name of a topic: %s", in.ResourceName, legalNames)
		}
		t := c.topic(in.ResourceName)
		if t == nil {
			return nil, refuse(protocol.UnknownTopicOrPartition, "there is no topic %q", in.ResourceName)
		}
		of, chain = c.ofTopics, func(p *property) []synonym { return c.chain(t, p, q.Node) }
		value = func(p *property) string { v, _ := c.effective(t, p, q.Node); return v }
	case brokerResource:
		if in.ResourceName != "" && !names(in.ResourceName, q.Node) {
			return nil, refuse(protocol.InvalidRequest, "this is broker %d, which tells its own configurations only, not those of %q", q.Node, in.ResourceName)
		}
		of, chain = c.ofBrokers, func(p *property) []synonym { return c.chainOfBroker(c.namesOf(p), q.Node) }
		if in.ResourceName == "" {
			chain = func(p *property) []synonym {
				return slices.DeleteFunc(c.chainOfBroker([]string{p.name}, 0), func(y synonym) bool { return y.source != ofAllBrokers })
			}
		}
	case loggerResource: // the fake has no loggers
		if !names(in.ResourceName, q.Node) {
			return nil, refuse(protocol.InvalidRequest, "this is broker %d, which tells of its own loggers only, not those of %q", q.Node, in.ResourceName)
		}
		return []msg.DescribeConfigsResponseDescribeConfigsResourceResult{}, refusal{}
	default:
		return nil, refuse(protocol.InvalidRequest, "%s has no configurations", resource{in.ResourceType, in.ResourceName})
	}
	for i := range of {
		p := &of[i]
		if len(in.ConfigurationKeys) > 0 && !slices.Contains(in.ConfigurationKeys, p.name) {
			continue
		}
		values := chain(p)
		if in.ResourceType == brokerResource && in.ResourceName == "" && len(values) == 0 {
			continue
		}
		d := p.described(q, value(p), values, req)
		if d.Value != nil && in.ResourceName != "" { // those of all brokers are told as they were written
			d.Value = wire.Ptr(c.told(p, *d.Value))
		}
		d.IsDefault = q.Version == 0 && d.ConfigSource == ofDefault && !c.atLeast("2.7") // later nobody sets it (ConfigHelper)
		out = append(out, d)
	}
	return out, refusal{}
}

// names tells whether a number is that of a node, however it is written: it is read as a number.
func names(number string, node int32) bool {
	n, err := strconv.ParseInt(number, 10, 32)
	return err == nil && int32(n) == node
}

func (p *property) described(q *call, value string, values []synonym, req *msg.DescribeConfigsRequest) (r msg.DescribeConfigsResponseDescribeConfigsResourceResult) {
	r.SetDefaults()
	r.Documentation = nil
	r.Name, r.ConfigType, r.ReadOnly = p.name, int8(p.kind), p.fixed
	r.Value, r.ConfigSource = wire.Ptr(value), ofDefault
	if len(values) > 0 {
		r.Value, r.ConfigSource = wire.Ptr(p.scaled(values[0].name, values[0].value)), values[0].source
	}
	if *r.Value == absent {
		r.Value = nil
	}
	if q.Version >= 1 && req.IncludeSynonyms {
		for _, y := range values {
			r.Synonyms = append(r.Synonyms, msg.DescribeConfigsResponseDescribeConfigsSynonym{Name: y.name, Value: wire.Ptr(y.value), Source: y.source})
		}
	}
	if q.Version >= 3 && req.IncludeDocumentation {
		r.Documentation = wire.Ptr("See Kafka's documentation of " + p.name + ".")
	}
	return r
}

// namesOf gives the name of a broker's configuration, and of those that stand in for it.
func (c *Cluster) namesOf(p *property) []string {
	for i := range c.ofTopics {
		if names := list(c.ofTopics[i].synonyms); len(names) > 1 && names[0] == p.name {
			return names
		}
	}
	return []string{p.name}
}

// told gives a value as it is described: from 4.2 on each word of a list once (KIP-1161).
func (c *Cluster) told(p *property, v string) string {
	v = p.told(v)
	if p.kind != kindList || !c.atLeast("4.2") {
		return v
	}
	var once []string
	for _, w := range javaList(v) {
		if !slices.Contains(once, w) {
			once = append(once, w)
		}
	}
	return strings.Join(once, ",")
}
