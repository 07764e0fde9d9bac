package fake_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kactor-go/kactor/protocol/msg"
)

// configVerbs are what scripts of configurations ask.
//
//	configs topic|broker|N NAME [KEY...] [synonyms=yes] [docs=yes]  DescribeConfigs; without keys all are shown, with NONE an empty list is asked
//	alter topic|broker|N NAME set:K=V|append:K=V|subtract:K=V|delete:K|N:K=V... [validate=yes]   IncrementalAlterConfigs
//	replace topic|broker|N NAME K=V... [validate=yes]               AlterConfigs
//
// NAME may be "" for all brokers. Resources of several names are separated by commas.
var configVerbs = map[string]func(*script, *cue) string{
	"configs": (*script).describeConfigs,
	"alter":   (*script).alterConfigs,
	"replace": (*script).replaceConfigs,
}

const (
	topicResource  = 2
	brokerResource = 4
)

func (s *script) resources(l *cue) (kind int8, names []string) {
	switch l.words[1] {
	case "topic":
		kind = topicResource
	case "broker":
		kind = brokerResource
	default:
		kind = int8(number(s.t, l.words[1]))
	}
	for _, n := range strings.Split(l.words[2], ",") {
		switch {
		case n == `""`:
			names = append(names, "")
		case kind == brokerResource:
			names = append(names, n)
		default:
			names = append(names, s.fullName(n))
		}
	}
	return kind, names
}

func (s *script) describeConfigs(l *cue) string {
	kind, names := s.resources(l)
	req := &msg.DescribeConfigsRequest{IncludeSynonyms: l.options["synonyms"] != "", IncludeDocumentation: l.options["docs"] != ""}
	for _, n := range names {
		r := msg.DescribeConfigsRequestDescribeConfigsResource{ResourceType: kind, ResourceName: n}
		if len(l.words) > 3 {
			r.ConfigurationKeys = []string{}
			for _, k := range l.words[3:] {
				if k != "NONE" {
					r.ConfigurationKeys = append(r.ConfigurationKeys, k)
				}
			}
		}
		req.Resources = append(req.Resources, r)
	}
	m, version, ok := asked[*msg.DescribeConfigsResponse](s, l, 4, req)
	if !ok {
		return none
	}
	var out []string
	for i := range m.Results {
		r := &m.Results[i]
		one := s.outcome(l, r.ResourceType, r.ResourceName, r.ErrorCode, r.ErrorMessage)
		slices.SortFunc(r.Configs, func(a, b msg.DescribeConfigsResponseDescribeConfigsResourceResult) int {
			return strings.Compare(a.Name, b.Name)
		})
		for k := range r.Configs {
			one += "\n    " + described(&r.Configs[k], version)
		}
		out = append(out, one)
	}
	slices.Sort(out)
	return strings.Join(out, "\n  ")
}

func described(c *msg.DescribeConfigsResponseDescribeConfigsResourceResult, version int16) string {
	out := fmt.Sprintf("%s=%s", c.Name, shownValue(c.Value))
	if version == 0 {
		out += fmt.Sprintf(" default %v", c.IsDefault)
	} else {
		out += fmt.Sprintf(" source %d", c.ConfigSource)
	}
	if c.ReadOnly {
		out += " read-only"
	}
	if c.IsSensitive {
		out += " sensitive"
	}
	if version >= 3 {
		out += fmt.Sprintf(" type %d", c.ConfigType)
		if c.Documentation != nil {
			out += " documented"
		}
	}
	for _, y := range c.Synonyms {
		out += fmt.Sprintf(" [%s=%s source %d]", y.Name, shownValue(y.Value), y.Source)
	}
	return out
}

var operations = map[string]int8{"set": 0, "delete": 1, "append": 2, "subtract": 3}

// outcome is what came of a resource.
func (s *script) outcome(l *cue, kind int8, name string, errorCode int16, message *string) string {
	return fmt.Sprintf("%d %s %s", kind, s.shown(name), code(errorCode)) + s.named(l, message)
}

// altered waits until all brokers know what was altered.
func (s *script) altered(outcomes []string) string {
	slices.Sort(outcomes)
	s.on.wait(settling)
	return strings.Join(outcomes, "; ")
}

func (s *script) alterConfigs(l *cue) string {
	kind, names := s.resources(l)
	req := &msg.IncrementalAlterConfigsRequest{ValidateOnly: l.options["validate"] != ""}
	for _, n := range names {
		r := msg.IncrementalAlterConfigsRequestAlterConfigsResource{ResourceType: kind, ResourceName: n}
		for _, w := range l.all[3:] {
			how, rest, ok := strings.Cut(w, ":")
			if !ok {
				continue
			}
			op, known := operations[how]
			if !known {
				op = int8(number(s.t, how))
			}
			k, v, ok := strings.Cut(rest, "=")
			c := msg.IncrementalAlterConfigsRequestAlterableConfig{Name: k, ConfigOperation: op}
			if ok {
				c.Value = nullable(v)
			}
			r.Configs = append(r.Configs, c)
		}
		req.Resources = append(req.Resources, r)
	}
	m, _, ok := asked[*msg.IncrementalAlterConfigsResponse](s, l, 1, req)
	if !ok {
		return none
	}
	var out []string
	for _, r := range m.Responses {
		out = append(out, s.outcome(l, r.ResourceType, r.ResourceName, r.ErrorCode, r.ErrorMessage))
	}
	return s.altered(out)
}

func (s *script) replaceConfigs(l *cue) string {
	kind, names := s.resources(l)
	req := &msg.AlterConfigsRequest{ValidateOnly: l.options["validate"] != ""}
	for _, n := range names {
		r := msg.AlterConfigsRequestAlterConfigsResource{ResourceType: kind, ResourceName: n}
		for _, c := range l.configs() {
			r.Configs = append(r.Configs, msg.AlterConfigsRequestAlterableConfig{Name: c[0], Value: nullable(c[1])})
		}
		req.Resources = append(req.Resources, r)
	}
	m, _, ok := asked[*msg.AlterConfigsResponse](s, l, 2, req)
	if !ok {
		return none
	}
	var out []string
	for _, r := range m.Responses {
		out = append(out, s.outcome(l, r.ResourceType, r.ResourceName, r.ErrorCode, r.ErrorMessage))
	}
	return s.altered(out)
}
