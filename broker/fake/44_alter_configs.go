package fake

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// Operations of IncrementalAlterConfigs.
const (
	opSet int8 = iota
	opDelete
	opAppend
	opSubtract
)

// alteration is one change of a configuration.
type alteration struct {
	name      string
	operation int8
	value     *string
}

// odd tells whether an alteration is of no operation that there is.
func (a alteration) odd() bool { return a.operation < opSet || a.operation > opSubtract }

// resource is what has configurations.
type resource struct {
	kind int8
	name string
}

func (r resource) String() string {
	switch {
	case r.kind == topicResource:
		return fmt.Sprintf("topic %q", r.name)
	case r.kind == brokerResource && r.name == "":
		return "all brokers"
	case r.kind == brokerResource:
		return "broker " + r.name
	}
	return fmt.Sprintf("%q, of kind %d", r.name, r.kind)
}

func configError(topic string, r refusal) error {
	return fmt.Errorf("fake: topic %q: %s: %w", topic, r.why, r.code)
}

// alterConfigs answers IncrementalAlterConfigs (44).
func (c *Cluster) alterConfigs(q *call) {
	req := q.Req.(*msg.IncrementalAlterConfigsRequest)
	resp := &msg.IncrementalAlterConfigsResponse{}
	var named []resource
	changes := make([][]alteration, len(req.Resources))
	for i := range req.Resources {
		named = append(named, resource{req.Resources[i].ResourceType, req.Resources[i].ResourceName})
		for _, a := range req.Resources[i].Configs {
			changes[i] = append(changes[i], alteration{a.Name, a.ConfigOperation, a.Value})
		}
	}
	c.alterEach(q, named, changes, req.ValidateOnly, false, func(r resource, code int16, why *string) {
		resp.Responses = append(resp.Responses, msg.IncrementalAlterConfigsResponseAlterConfigsResourceResponse{ResourceType: r.kind, ResourceName: r.name, ErrorCode: code, ErrorMessage: why})
	})
	c.reply(q, resp)
}

// replaceConfigs answers AlterConfigs (33), which sets what it names and takes all else away.
func (c *Cluster) replaceConfigs(q *call) {
	req := q.Req.(*msg.AlterConfigsRequest)
	resp := &msg.AlterConfigsResponse{}
	var named []resource
	changes := make([][]alteration, len(req.Resources))
	for i := range req.Resources {
		named = append(named, resource{req.Resources[i].ResourceType, req.Resources[i].ResourceName})
		for _, a := range req.Resources[i].Configs {
			changes[i] = append(changes[i], alteration{a.Name, opSet, a.Value})
		}
	}
	if !c.kraft() && !readable(named, changes) {
		c.hangUp(q.conn)
		return
	}
	c.alterEach(q, named, changes, req.ValidateOnly, true, func(r resource, code int16, why *string) {
		resp.Responses = append(resp.Responses, msg.AlterConfigsResponseAlterConfigsResourceResponse{ResourceType: r.kind, ResourceName: r.name, ErrorCode: code, ErrorMessage: why})
	})
	c.reply(q, resp)
}

// readable tells whether brokers with ZooKeeper can read a request at all (AlterConfigsRequest.configs): each configuration has a value, and each resource is named once.
func readable(named []resource, changes [][]alteration) bool {
	seen := map[resource]bool{}
	for i, r := range named {
		if seen[r] || slices.ContainsFunc(changes[i], func(a alteration) bool { return a.value == nil }) {
			return false
		}
		seen[r] = true
	}
	return true
}

// alterEach changes the configurations of resources, and tells what came of each.
func (c *Cluster) alterEach(q *call, named []resource, changes [][]alteration, only, anew bool, tell func(r resource, code int16, why *string)) {
	injected := c.injected(q.Key)
	if !c.kraft() {
		if slices.ContainsFunc(named, func(r resource) bool { return r.kind != topicResource && r.kind != brokerResource }) {
			injected = or(injected, protocol.InvalidRequest) // nobody can say who may change that: all is refused
		} else {
			named, changes = lastOfEach(named, changes)
		}
	}
	mentions := map[resource]int{}
	for _, r := range named {
		mentions[r]++
	}
	// asked tells whether the broker asks the controller for a resource: it refuses others itself.
	asked := func(r resource, i int) bool {
		return r.kind == topicResource && mentions[r] == 1 && c.unsoundNames(changes[i], anew).code == protocol.None
	}
	failed := false // the controller, with the whole request
	for i, r := range named {
		failed = failed || c.kraft() && asked(r, i) && c.firstWrong(changes[i]).code == protocol.UnknownServerError
	}
	for i, r := range named {
		no := refusal{code: injected}
		switch {
		case injected != protocol.None:
		case mentions[r] > 1:
			no = refuse(protocol.InvalidRequest, "the request names %s twice", r)
		default:
			no = c.alter(q.Node, r, changes[i], only || failed, anew)
		}
		if failed && (no.code == protocol.None || asked(r, i)) {
			no = refusal{code: protocol.UnknownServerError}
		}
		tell(r, int16(no.code), no.message())
	}
}

// lastOfEach gives what is told of each resource last: brokers with ZooKeeper read a request into a map.
func lastOfEach(named []resource, changes [][]alteration) (of []resource, last [][]alteration) {
	at := map[resource]int{}
	for i, r := range named {
		at[r] = i
	}
	for i, r := range named {
		if at[r] == i {
			of, last = append(of, r), append(last, changes[i])
		}
	}
	return of, last
}

// alter changes the configurations of a resource, all or none.
func (c *Cluster) alter(node int32, r resource, changes []alteration, only, anew bool) refusal {
	if no := c.unsoundNames(changes, anew); no.code != protocol.None {
		return no
	}
	switch r.kind {
	case topicResource:
		return c.alterTopic(r.name, changes, only, anew)
	case brokerResource:
		return c.alterBroker(node, r.name, changes, only, anew)
	}
	return refuse(protocol.InvalidRequest, "%s has no configurations that can be changed", r)
}

// unsoundNames refuses what does not name each configuration once, with a value where there must be one: brokers look at that before they ask the controller.
func (c *Cluster) unsoundNames(changes []alteration, anew bool) refusal {
	seen := map[string]bool{}
	for _, a := range changes {
		switch {
		case seen[a.name] && (!anew || c.atLeast("3.0")):
			return refuse(protocol.InvalidRequest, "%s is named twice", a.name)
		case a.value == nil && a.operation != opDelete:
			return refuse(protocol.InvalidRequest, "%s is to have the value null", a.name)
		}
		seen[a.name] = true
	}
	return refusal{}
}

func (c *Cluster) alterTopic(name string, changes []alteration, only, anew bool) refusal {
	if !c.kraft() && !anew && (name == "" || name == "." || name == "..") { // there is no such path, and what the topic has is read first
		return refuse(protocol.InvalidRequest, "%q is no name of a topic", name)
	}
	if no := c.firstWrong(changes); no.code != protocol.None {
		return no
	}
	t, there := c.topic(name), true
	switch {
	case t == nil && !c.kraft():
		return refuse(protocol.UnknownTopicOrPartition, "there is no topic %q", name)
	case name == "":
		return refuse(protocol.InvalidRequest, "%q is no name of a topic", name)
	case !legal(name):
		return refuse(protocol.InvalidTopicException, "%q is no name of a topic", name)
	case t == nil: // what it is to get must be well all the same (ConfigurationControlManager.validateAlterConfig)
		t, there = &topic{name: name}, false
	}
	now := map[string]string{}
	if !anew {
		maps.Copy(now, t.configs)
	}
	for _, a := range changes {
		value := func(p *property) string { v, _ := c.effective(t, p, 0); return v }
		if !a.apply(now, c.ofTopics.find(a.name), value, !c.kraft()) {
			return a.noList(protocol.InvalidConfig)
		}
	}
	if no := c.checkConfigs(now); no.code != protocol.None {
		if unknown := func(a alteration) bool { return c.ofTopics.find(a.name) == nil }; !c.atLeast("3.0") && !slices.ContainsFunc(changes, unknown) {
			no.code = protocol.InvalidRequest // with ZooKeeper brokers tell values from names
		}
		return no
	}
	if !there {
		return refuse(protocol.UnknownTopicOrPartition, "there is no topic %q", name)
	}
	if !only {
		c.configure(t, now)
	}
	return refusal{}
}

// ofLists is the code for who appends to what is no list.
func (c *Cluster) ofLists() protocol.Code {
	if !c.kraft() {
		return protocol.InvalidRequest
	}
	return protocol.InvalidConfig
}

func (a alteration) noList(code protocol.Code) refusal {
	return refuse(code, "%s is no list: nothing can be appended to it, or subtracted", a.name)
}

// firstWrong is what is wrong first with the operations on a topic's configurations: the controller has them by their names, and fails with one that it does not know.
func (c *Cluster) firstWrong(changes []alteration) refusal {
	if c.kraft() {
		changes = inHashOrder(changes, func(a alteration) string { return a.name })
	}
	for _, a := range changes {
		switch {
		case a.odd(), a.lists() && !c.kraft() && c.ofTopics.find(a.name) == nil:
			return refusal{code: protocol.UnknownServerError}
		case a.lists() && !c.ofTopics.find(a.name).isList():
			return a.noList(c.ofLists())
		}
	}
	return refusal{}
}

// lists tells whether an alteration is of a list.
func (a alteration) lists() bool { return a.operation == opAppend || a.operation == opSubtract }

func (p *property) isList() bool { return p != nil && p.kind == kindList }

// apply makes one change; false if it is one of lists, and this is none. raw: lists are what is between their commas, and what is appended may be there already; so it is with ZooKeeper.
func (a alteration) apply(now map[string]string, p *property, value func(*property) string, raw bool) bool {
	switch a.operation {
	case opSet:
		now[a.name] = *a.value
	case opDelete:
		delete(now, a.name)
	case opAppend, opSubtract:
		if !p.isList() {
			return false
		}
		old, ok := now[a.name]
		if !ok {
			old = value(p)
		}
		values := list(old)
		if raw {
			values = strings.Split(old, ",") // of nothing one that is empty
		}
		now[a.name] = strings.Join(a.changed(values, raw), ",")
	}
	return true
}

// changed gives a list with values put behind it, or with each taken away once.
func (a alteration) changed(values []string, raw bool) []string {
	counts := map[string]int{}
	if a.operation == opSubtract {
		for _, v := range list(*a.value) {
			counts[v]++
		}
		return slices.DeleteFunc(values, func(v string) bool {
			counts[v]--
			return counts[v] >= 0
		})
	}
	for _, v := range values {
		counts[v]++
	}
	for _, v := range list(*a.value) {
		if counts[v] == 0 || raw {
			values = append(values, v)
		}
		counts[v]++
	}
	return values
}

// alterBroker changes the configurations of a broker, or of all: name is "" then. node is the broker that is asked.
func (c *Cluster) alterBroker(node int32, name string, changes []alteration, only, anew bool) refusal {
	if id, err := strconv.ParseInt(name, 10, 32); name != "" && err != nil {
		return refuse(protocol.InvalidRequest, "%q is no id of a broker", name)
	} else if name != "" && int32(id) != node {
		return refuse(protocol.InvalidRequest, "this is broker %d: only broker %d changes its own configurations", node, id)
	}
	now := map[string]string{}
	if !anew {
		maps.Copy(now, c.dynamic[name])
	}
	for _, a := range changes {
		switch {
		case a.odd() && !c.kraft():
			return refusal{code: protocol.UnknownServerError}
		case a.odd():
			return refuse(protocol.InvalidRequest, "%s: there is no operation %d", a.name, a.operation)
		}
		if !a.apply(now, c.ofBrokers.find(a.name), func(p *property) string { return p.value }, !c.kraft()) {
			return a.noList(c.ofLists())
		}
	}
	for _, a := range changes {
		if v, set := now[a.name]; set { // what is taken away is not looked at
			if why := c.unalterable(name, a.name, v); why != "" {
				return refuse(protocol.InvalidRequest, "%s=%s: %s", a.name, v, why)
			}
		}
	}
	if why := c.outlives(node, name, now); why != "" {
		return refuse(protocol.InvalidRequest, "%s", why)
	}
	if c.atLeast("4.1") && !keepsMinISR(name, changes, anew) {
		return refuse(protocol.InvalidConfig, "min.insync.replicas can be changed of all brokers together only, and not be taken away")
	}
	if !only {
		c.dynamic[name] = now
		c.resettle()
	}
	return refusal{}
}

// unalterable tells why a broker, or all of them, cannot get a configuration while they run (DynamicBrokerConfig.validateConfigs); nothing if they can. Names that nobody knows are let pass, as they are in Kafka: they may be those of
// a plug-in.
func (c *Cluster) unalterable(broker, name, value string) string {
	switch p := c.ofBrokers.find(name); {
	case p != nil && p.fixed || p == nil && c.fixedElsewhere(name):
		return "it cannot be changed while brokers run"
	case perListener(name):
		return "it is that of a listener: listener.name.LISTENER." + name
	case broker == "" && perBroker(name):
		return "brokers have it one by one: say which"
	case p != nil && !p.valid(value):
		return "it is " + p.allowed()
	}
	return ""
}

// outlives tells what is wrong if a broker would keep more in its own log than in all (DynamicRemoteLogConfig.validate): -2 is the same, and -1 is for ever. now is what the broker, or all if broker is "", would get.
func (c *Cluster) outlives(node int32, broker string, now map[string]string) string {
	before := c.dynamic[broker]
	c.dynamic[broker] = now
	defer func() { c.dynamic[broker] = before }()
	for _, name := range []string{"local.retention.ms", "local.retention.bytes"} {
		local, all := c.ofTopics.find(name), c.ofTopics.find(strings.TrimPrefix(name, "local."))
		if local == nil {
			return ""
		}
		value := func(p *property) int64 {
			v, _ := c.effective(&topic{}, p, node)
			n, _ := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			return n
		}
		if here, most := value(local), value(all); here != -2 && most >= 0 && (here == -1 || here > most) {
			return fmt.Sprintf("%s=%d is more than %s=%d", local.synonyms, here, "log."+all.name, most)
		}
	}
	return ""
}

// keepsMinISR tells whether what is changed of brokers leaves min.insync.replicas to the cluster: clusters that are made by 4.1 or later have eligible leader replicas (KIP-966), and with these it is the cluster's, always set, and
// not a single broker's (seen on 4.3).
func keepsMinISR(broker string, changes []alteration, anew bool) bool {
	i := slices.IndexFunc(changes, func(a alteration) bool { return a.name == "min.insync.replicas" })
	if broker != "" {
		return i < 0
	}
	return i < 0 && !anew || i >= 0 && changes[i].operation != opDelete
}
