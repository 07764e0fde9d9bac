package fake

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kactor-go/kactor/protocol"
)

// ownFields are the fields of a Config that brokers' configurations have to be given in, by Kafka's names.
var ownFields = map[string]string{
	"broker.id": "Nodes", "node.id": "Nodes", "broker.rack": "Racks", "listeners": "Port", "port": "Port", "advertised.listeners": "Host",
	"producer.id.expiration.ms": "ProducerExpiry", "transaction.max.timeout.ms": "MaxTransactionTimeout", "transaction.abort.timed.out.transaction.cleanup.interval.ms": "TransactionCheck",
	"broker.session.timeout.ms": "SessionTimeout", "zookeeper.session.timeout.ms": "SessionTimeout", "group.consumer.session.timeout.ms": "GroupSession", "group.consumer.heartbeat.interval.ms": "GroupHeartbeat",
	"group.min.session.timeout.ms": "GroupMinSession", "group.max.session.timeout.ms": "GroupMaxSession", "group.max.size": "GroupMaxSize", "group.consumer.max.size": "GroupMaxSize",
	"offsets.retention.minutes": "OffsetsRetention", "offsets.retention.check.interval.ms": "OffsetsCheck", "offset.metadata.max.bytes": "MaxOffsetMetadata", "group.coordinator.rebalance.protocols": "NoConsumerProtocol",
}

// reconcile checks Broker, and makes it and the fields that are configurations of brokers, too, say the same: what is told to clients is what is done.
func (c *Config) reconcile() (errs []error) {
	c.Broker = maps.Clone(c.Broker)
	if c.Broker == nil {
		c.Broker = map[string]string{}
	}
	if _, err := protocol.Release(c.Release); err != nil {
		return nil // nobody knows which configurations there are
	}
	_, possible := propertiesOf(c.Release)
	for _, name := range slices.Sorted(maps.Keys(c.Broker)) {
		if err := checkStatic(possible, name, c.Broker[name]); err != nil {
			errs = append(errs, err)
			delete(c.Broker, name)
		}
	}
	for _, f := range []struct {
		field, name string
		value       *int
	}{
		{"DefaultPartitions", "num.partitions", &c.DefaultPartitions}, {"MaxMessage", "message.max.bytes", &c.MaxMessage}, {"MinISR", "min.insync.replicas", &c.MinISR},
	} {
		v, said := c.Broker[f.name]
		n, _ := strconv.Atoi(strings.TrimSpace(v))
		switch {
		case said && *f.value > 0 && n != *f.value:
			errs = append(errs, fmt.Errorf("fake: Broker has %s=%s, and %s is %d: leave one of them out", f.name, v, f.field, *f.value))
		case said:
			*f.value = n
		case *f.value > 0:
			c.Broker[f.name] = strconv.Itoa(*f.value)
		}
	}
	if _, said := c.Broker["connections.max.idle.ms"]; !said {
		c.Broker["connections.max.idle.ms"] = "-1"
	}
	const create, factor = "auto.create.topics.enable", "default.replication.factor"
	v, said := c.Broker[create]
	switch on := strings.EqualFold(strings.TrimSpace(v), "true"); {
	case said && c.AutoCreate && !on:
		errs = append(errs, fmt.Errorf("fake: Broker has %s=%s, and AutoCreate is true: leave one of them out", create, v))
	case said:
		c.AutoCreate = on
	case !c.AutoCreate:
		c.Broker[create] = "false"
	}
	if v, said := c.Broker[factor]; !said && c.Nodes > 1 {
		c.Broker[factor] = strconv.Itoa(min(3, c.Nodes))
	} else if said && c.replicas() > c.Nodes {
		errs = append(errs, fmt.Errorf("fake: Broker has %s=%s, and Nodes is %d: there are no more replicas than brokers", factor, v, c.Nodes))
	}
	return errs
}

// checkStatic tells what is wrong with a configuration that all brokers are to have.
func checkStatic(possible properties, name, value string) error {
	p := possible.find(name)
	if name == "log.initial.task.delay.ms" { // of any release, though only later ones tell it
		p = everyBrokerProperty.find(name)
	}
	switch field := ownFields[name]; {
	case field != "":
		return fmt.Errorf("fake: Broker has %s=%s: give it in the field %s of the Config", name, value, field)
	case p == nil:
		var names []string
		for i := range possible {
			if n := possible[i].name; ownFields[n] == "" {
				names = append(names, n)
			}
		}
		return fmt.Errorf("fake: Broker has %s=%s, which the fake does not act on, or the release does not know; it acts on %s", name, value, strings.Join(names, ", "))
	case !p.valid(value):
		return fmt.Errorf("fake: Broker has %s=%s: it is %s", name, value, p.allowed())
	case name == "unclean.leader.election.enable" && strings.EqualFold(strings.TrimSpace(value), "true"):
		return fmt.Errorf("fake: Broker has %s=%s: the fake elects nobody who is not in sync; Cluster.Truncate does what that would", name, value)
	}
	return nil
}

// replicas is how many a topic has that is made without a number (default.replication.factor).
func (c *Config) replicas() int {
	n, err := strconv.Atoi(strings.TrimSpace(c.Broker["default.replication.factor"]))
	if err != nil {
		return 1
	}
	return n
}

// statically gives a number that brokers have from their start.
func (c *Cluster) statically(name string) int32 {
	v, said := c.static[name]
	if !said {
		v = c.ofBrokers.find(name).value
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(v), 10, 32)
	return int32(n)
}
