package fake

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
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

func configError(topic, name, value string, code protocol.Code) error {
	return fmt.Errorf("fake: topic %q: %s=%s: %w", topic, name, value, code)
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
	for i, r := range named {
		if slices.Contains(named[:i], r) || slices.ContainsFunc(changes[i], func(a alteration) bool { return a.value == nil }) {
			return false
		}
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
	again := func(r resource, i int) bool { return slices.Index(named, r) != i || slices.Contains(named[i+1:], r) }
	// asked tells whether the broker asks the controller for a resource: it refuses others itself.
	asked := func(r resource, i int) bool {
		return r.kind == topicResource && !again(r, i) && c.soundNames(changes[i], anew)
	}
	failed := false // the controller, with the whole request
	for i, r := range named {
		failed = failed || c.kraft() && asked(r, i) && c.firstWrong(changes[i]) == protocol.UnknownServerError
	}
	for i, r := range named {
		code := injected
		switch {
		case code != protocol.None:
		case again(r, i):
			code = protocol.InvalidRequest
		default:
			code = c.alter(r, changes[i], only || failed, anew)
		}
		if failed && (code == protocol.None || asked(r, i)) {
			code = protocol.UnknownServerError
		}
		var why *string
		if code != protocol.None {
			why = wire.Ptr(code.Description())
		}
		tell(r, int16(code), why)
	}
}

// lastOfEach gives what is told of each resource last: brokers with ZooKeeper read a request into a map.
func lastOfEach(named []resource, changes [][]alteration) (of []resource, last [][]alteration) {
	for i, r := range named {
		if !slices.Contains(named[i+1:], r) {
			of, last = append(of, r), append(last, changes[i])
		}
	}
	return of, last
}

// alter changes the configurations of a resource, all or none.
func (c *Cluster) alter(r resource, changes []alteration, only, anew bool) protocol.Code {
	if !c.soundNames(changes, anew) {
		return protocol.InvalidRequest
	}
	switch r.kind {
	case topicResource:
		return c.alterTopic(r.name, changes, only, anew)
	case brokerResource:
		return c.alterBroker(r.name, changes, only, anew)
	}
	return protocol.InvalidRequest
}

// soundNames tells whether each configuration is named once, with a value where there must be one: brokers look at that before they ask the controller.
func (c *Cluster) soundNames(changes []alteration, anew bool) bool {
	for i, a := range changes {
		if slices.ContainsFunc(changes[:i], func(o alteration) bool { return o.name == a.name }) && (!anew || c.atLeast("3.0")) || a.value == nil && a.operation != opDelete {
			return false
		}
	}
	return true
}

func (c *Cluster) alterTopic(name string, changes []alteration, only, anew bool) protocol.Code {
	if !c.kraft() && !anew && (name == "" || name == "." || name == "..") { // there is no such path, and what the topic has is read first
		return protocol.InvalidRequest
	}
	if code := c.firstWrong(changes); code != protocol.None {
		return code
	}
	t, there := c.topic(name), true
	switch {
	case t == nil && !c.kraft():
		return protocol.UnknownTopicOrPartition
	case name == "":
		return protocol.InvalidRequest
	case !legal(name):
		return protocol.InvalidTopicException
	case t == nil: // what it is to get must be well all the same (ConfigurationControlManager.validateAlterConfig)
		t, there = &topic{name: name}, false
	}
	now := map[string]string{}
	if !anew {
		maps.Copy(now, t.configs)
	}
	for _, a := range changes {
		value := func(p *property) string { v, _ := c.effective(t, p, 0); return v }
		if code := a.apply(now, c.ofTopics.find(a.name), value, !c.kraft()); code != protocol.None {
			return code
		}
	}
	if code := c.checkConfigs(now); code != protocol.None {
		if unknown := func(a alteration) bool { return c.ofTopics.find(a.name) == nil }; !c.atLeast("3.0") && !slices.ContainsFunc(changes, unknown) {
			return protocol.InvalidRequest // with ZooKeeper brokers tell values from names
		}
		return code
	}
	if !there {
		return protocol.UnknownTopicOrPartition
	}
	if !only {
		c.configure(t, now)
	}
	return protocol.None
}

// noList is what is told of who appends to what is no list.
func (c *Cluster) noList() protocol.Code {
	if !c.kraft() {
		return protocol.InvalidRequest
	}
	return protocol.InvalidConfig
}

// firstWrong is what is wrong first with the operations on a topic's configurations: the controller has them by their names, and fails with one that it does not know.
func (c *Cluster) firstWrong(changes []alteration) protocol.Code {
	if c.kraft() {
		changes = inHashOrder(changes, func(a alteration) string { return a.name })
	}
	for _, a := range changes {
		switch {
		case a.odd(), a.lists() && !c.kraft() && c.ofTopics.find(a.name) == nil:
			return protocol.UnknownServerError
		case a.lists() && !c.ofTopics.find(a.name).isList():
			return c.noList()
		}
	}
	return protocol.None
}

// lists tells whether an alteration is of a list.
func (a alteration) lists() bool { return a.operation == opAppend || a.operation == opSubtract }

func (p *property) isList() bool { return p != nil && p.kind == kindList }

// apply makes one change. raw: lists are what is between their commas, and what is appended may be there already; so it is with ZooKeeper.
func (a alteration) apply(now map[string]string, p *property, value func(*property) string, raw bool) protocol.Code {
	switch a.operation {
	case opSet:
		now[a.name] = *a.value
	case opDelete:
		delete(now, a.name)
	case opAppend, opSubtract:
		if !p.isList() {
			return protocol.InvalidConfig
		}
		old, ok := now[a.name]
		if !ok {
			old = value(p)
		}
		values := list(old)
		if raw {
			values = strings.Split(old, ",") // of nothing one that is empty
		}
		for _, v := range list(*a.value) {
			i := slices.Index(values, v)
			switch {
			case a.operation == opAppend && (i < 0 || raw):
				values = append(values, v)
			case a.operation == opSubtract && i >= 0:
				values = slices.Delete(values, i, i+1)
			}
		}
		now[a.name] = strings.Join(values, ",")
	}
	return protocol.None
}

func (c *Cluster) alterBroker(name string, changes []alteration, only, anew bool) protocol.Code {
	if name != "" {
		n, err := strconv.Atoi(name)
		if err != nil || n < 0 {
			return protocol.InvalidRequest
		}
		if c.node(int32(n)) == nil {
			return protocol.InvalidRequest
		}
	}
	now := map[string]string{}
	if !anew {
		maps.Copy(now, c.dynamic[name])
	}
	for _, a := range changes {
		switch {
		case a.odd() && !c.kraft():
			return protocol.UnknownServerError
		case a.odd():
			return protocol.InvalidRequest
		}
		if code := a.apply(now, c.ofBrokers.find(a.name), func(p *property) string { return p.value }, !c.kraft()); code != protocol.None {
			return c.noList()
		}
	}
	for _, a := range changes {
		p := c.ofBrokers.find(a.name)
		if v, ok := now[a.name]; p != nil && ok && (p.fixed || !p.valid(v)) { // what is taken away is not looked at
			return protocol.InvalidRequest
		}
	}
	if c.atLeast("4.1") && !keepsMinISR(name, changes, anew) {
		return protocol.InvalidConfig
	}
	if !only {
		c.dynamic[name] = now
		c.resettle()
	}
	return protocol.None
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
