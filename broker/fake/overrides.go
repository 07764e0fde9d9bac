package fake

import (
	"maps"
	"strconv"
	"strings"

	"github.com/kactor-go/kactor/protocol"
)

// Sources of configurations, by their numbers in DescribeConfigs.
const (
	ofTopic      int8 = 1
	ofBroker     int8 = 2
	ofAllBrokers int8 = 3
	ofFile       int8 = 4
	ofDefault    int8 = 5
)

// synonym is a value that a configuration has, or would have if those before it were not set.
type synonym struct {
	name, value string
	source      int8
}

// chain gives the values of a topic's configuration, the one that counts first. node is the broker that is asked; 0: none.
func (c *Cluster) chain(t *topic, p *property, node int32) (out []synonym) {
	if v, ok := t.configs[p.name]; ok {
		out = append(out, synonym{p.name, p.told(v), ofTopic})
	}
	return append(out, c.chainOfBroker(list(p.synonyms), node)...)
}

// chainOfBroker gives the values of a broker's configuration, whose name comes first, and of those that stand in for it. As Kafka tells them they begin with the configuration itself (KafkaConfig's synonyms).
func (c *Cluster) chainOfBroker(names []string, node int32) (out []synonym) {
	add := func(source int8, value func(name string) (string, bool)) {
		for _, name := range names {
			if v, ok := value(name); ok && (len(out) > 0 || name == names[0]) {
				out = append(out, synonym{name, v, source})
			}
		}
	}
	set := func(of map[string]string) func(string) (string, bool) {
		return func(name string) (string, bool) { v, ok := of[name]; return v, ok }
	}
	add(ofBroker, set(c.dynamic[strconv.Itoa(int(node))]))
	add(ofAllBrokers, set(c.dynamic[""]))
	add(ofFile, func(name string) (string, bool) {
		if name == "broker.id" || name == "node.id" {
			return strconv.Itoa(int(node)), true
		}
		v, ok := c.static[name]
		return v, ok
	})
	add(ofDefault, func(name string) (string, bool) {
		p := c.ofBrokers.find(name)
		if p == nil || p.value == absent {
			return "", false
		}
		return p.value, true
	})
	return out
}

// absent is the default of configurations that have none.
const absent = "NULL"

// effective gives the value of a topic's configuration that counts, and where it is from.
func (c *Cluster) effective(t *topic, p *property, node int32) (value string, source int8) {
	if v, ok := t.configs[p.name]; ok {
		return v, ofTopic
	}
	for _, name := range list(p.synonyms) {
		for _, from := range []struct {
			set    map[string]string
			source int8
		}{{c.dynamic[strconv.Itoa(int(node))], ofBroker}, {c.dynamic[""], ofAllBrokers}, {c.static, ofFile}} {
			if v, ok := from.set[name]; ok {
				return p.scaled(name, v), from.source
			}
		}
	}
	return p.value, ofDefault
}

// scaled gives the value of a broker's configuration in the unit of the topic's.
func (p *property) scaled(name, value string) string {
	times := int64(1)
	switch {
	case !strings.HasSuffix(p.name, ".ms"):
	case strings.HasSuffix(name, ".minutes"):
		times = 60_000
	case strings.HasSuffix(name, ".hours"):
		times = 3_600_000
	}
	if n, err := strconv.ParseInt(javaTrim(value), 10, 64); err == nil && n > 0 && times > 1 {
		return strconv.FormatInt(n*times, 10)
	}
	return value
}

// resettle works out what every topic comes to: something has changed for brokers.
func (c *Cluster) resettle() {
	for _, t := range c.topics {
		c.settle(t)
	}
	for _, n := range c.nodes {
		c.admitConns(n)
	}
	c.tickTransactions() // markers may have waited for replicas in sync
}

// SetTopicConfig changes a configuration of a topic by Kafka's name; an empty value takes it away, so that the default counts.
func (c *Cluster) SetTopicConfig(topic, name, value string) error {
	t, err := c.existing(topic)
	if err != nil {
		return err
	}
	set := maps.Clone(t.configs)
	if set == nil {
		set = map[string]string{}
	}
	set[name] = value
	if value == "" {
		delete(set, name)
	}
	if no := c.checkConfigs(set); no.code != protocol.None {
		return configError(topic, no)
	}
	c.configure(t, set)
	return nil
}

// configure gives a topic other configurations.
func (c *Cluster) configure(t *topic, set map[string]string) {
	t.configs = set
	c.settle(t)
	c.tickTransactions()
}
