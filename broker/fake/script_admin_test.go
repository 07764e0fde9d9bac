package fake_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kactor-go/kactor/protocol/msg"
)

// adminVerbs are what scripts of tools ask. Of what is told of all topics those of the script are shown.
//
//	dirs all|none|TOPIC/N,N...                      DescribeLogDirs
//	moving all|TOPIC/N,N...                         ListPartitionReassignments
//	elect preferred|unclean|N all|TOPIC/N,N...      ElectLeaders
//	resources TYPE...                               ListConfigResources; brokers are shown by number, topics that are not internal by name
//	quotas [TYPE|TYPE=NAME|TYPE=default|N:TYPE=NAME...] [strict=yes]   DescribeClientQuotas; "" is no type, N a kind of match, and NAME may be NULL
//	scram all|none|USER...                          DescribeUserScramCredentials
var adminVerbs = map[string]func(*script, *cue) string{
	"dirs":      (*script).logDirs,
	"moving":    (*script).moving,
	"elect":     (*script).elect,
	"resources": (*script).configResources,
	"quotas":    (*script).quotas,
	"scram":     (*script).scram,
}

// partitions reads TOPIC/N,N.
func (s *script) partitions(w string) (topic string, partitions []int32) {
	name, list, _ := strings.Cut(w, "/")
	return s.fullName(name), s.brokers(list)
}

func (s *script) own(topic string) bool { return strings.HasPrefix(topic, s.prefix) }

// codeTold shows an error with what is said about it.
func codeTold(errorCode int16, message *string) string {
	out := code(errorCode)
	if message != nil && *message == "" {
		out += ` ""`
	} else if message != nil {
		out += " told"
	}
	return out
}

func (s *script) logDirs(l *cue) string {
	req := &msg.DescribeLogDirsRequest{}
	if l.words[1] != "all" {
		req.Topics = []msg.DescribeLogDirsRequestDescribableLogDirTopic{}
	}
	for _, w := range l.words[1:] {
		if w != "all" && w != "none" {
			topic, partitions := s.partitions(w)
			req.Topics = append(req.Topics, msg.DescribeLogDirsRequestDescribableLogDirTopic{Topic: topic, Partitions: partitions})
		}
	}
	m, version, ok := asked[*msg.DescribeLogDirsResponse](s, l, 5, req)
	if !ok {
		return none
	}
	out := code(m.ErrorCode)
	for _, d := range m.Results {
		out += "; a directory " + code(d.ErrorCode)
		if version >= 4 && d.TotalBytes > 0 && d.UsableBytes > 0 && d.UsableBytes < d.TotalBytes {
			out += " with room"
		}
		if version >= 5 && d.IsCordoned {
			out += " cordoned"
		}
		slices.SortFunc(d.Topics, func(a, b msg.DescribeLogDirsResponseDescribeLogDirsTopic) int { return strings.Compare(a.Name, b.Name) })
		for _, t := range d.Topics {
			if !s.own(t.Name) {
				continue
			}
			out += "\n    " + s.shown(t.Name)
			slices.SortFunc(t.Partitions, func(a, b msg.DescribeLogDirsResponseDescribeLogDirsPartition) int {
				return cmp.Compare(a.PartitionIndex, b.PartitionIndex)
			})
			for _, p := range t.Partitions {
				out += fmt.Sprintf(" %d: %d bytes lag %d", p.PartitionIndex, p.PartitionSize, p.OffsetLag)
				if p.IsFutureKey {
					out += " future"
				}
			}
		}
	}
	return out
}

func (s *script) moving(l *cue) string {
	req := &msg.ListPartitionReassignmentsRequest{TimeoutMs: 10000}
	for _, w := range l.words[1:] {
		if w != "all" {
			topic, partitions := s.partitions(w)
			req.Topics = append(req.Topics, msg.ListPartitionReassignmentsRequestListPartitionReassignmentsTopics{Name: topic, PartitionIndexes: partitions})
		}
	}
	m, _, ok := asked[*msg.ListPartitionReassignmentsResponse](s, l, 0, req)
	if !ok {
		return none
	}
	return fmt.Sprintf("%s, %d topics", codeTold(m.ErrorCode, m.ErrorMessage), len(m.Topics))
}

func (s *script) elect(l *cue) string {
	req := &msg.ElectLeadersRequest{TimeoutMs: 10000}
	switch l.words[1] {
	case "preferred":
	case "unclean":
		req.ElectionType = 1
	default:
		req.ElectionType = int8(number(s.t, l.words[1]))
	}
	if l.words[2] != "all" {
		req.TopicPartitions = []msg.ElectLeadersRequestTopicPartitions{}
	}
	for _, w := range l.words[2:] {
		if w != "all" && w != "none" {
			topic, partitions := s.partitions(w)
			req.TopicPartitions = append(req.TopicPartitions, msg.ElectLeadersRequestTopicPartitions{Topic: topic, Partitions: partitions})
		}
	}
	m, _, ok := asked[*msg.ElectLeadersResponse](s, l, 2, req)
	if !ok {
		return none
	}
	out := []string{code(m.ErrorCode)}
	for _, t := range m.ReplicaElectionResults {
		for _, p := range t.PartitionResult {
			out = append(out, fmt.Sprintf("%s/%d %s", s.shown(t.Topic), p.PartitionID, codeTold(p.ErrorCode, p.ErrorMessage)))
		}
	}
	slices.Sort(out[1:])
	return strings.Join(out, "; ")
}

func (s *script) configResources(l *cue) string {
	if len(l.words) > 1 && s.on.highest(msg.ListConfigResourcesAPI) < 1 {
		return none
	}
	req := &msg.ListConfigResourcesRequest{}
	for _, w := range l.words[1:] {
		req.ResourceTypes = append(req.ResourceTypes, int8(number(s.t, w)))
	}
	m, version, ok := asked[*msg.ListConfigResourcesResponse](s, l, 1, req)
	if !ok {
		return none
	}
	var out []string
	for _, r := range m.ConfigResources {
		if r.ResourceType == topicResource && !s.own(r.ResourceName) {
			continue
		}
		one := s.shown(r.ResourceName)
		if version >= 1 {
			one = fmt.Sprintf("%d %s", r.ResourceType, one)
		}
		out = append(out, one)
	}
	slices.Sort(out)
	return strings.Join(append([]string{code(m.ErrorCode)}, out...), "; ")
}

func (s *script) quotas(l *cue) string {
	req := &msg.DescribeClientQuotasRequest{Strict: l.options["strict"] != ""}
	for _, w := range l.all[1:] {
		c := msg.DescribeClientQuotasRequestComponentData{}
		kind, name, named := strings.Cut(w, "=")
		switch {
		case kind == "strict" || strings.HasPrefix(w, "v="):
			continue
		case !named:
			c.MatchType = 2
		case name == "default":
			c.MatchType = 1
		default:
			c.Match = nullable(name)
		}
		if n, rest, ok := strings.Cut(kind, ":"); ok {
			c.MatchType, kind = int8(number(s.t, n)), rest
		}
		if kind != `""` {
			c.EntityType = kind
		}
		req.Components = append(req.Components, c)
	}
	m, _, ok := asked[*msg.DescribeClientQuotasResponse](s, l, 1, req)
	if !ok {
		return none
	}
	out := codeTold(m.ErrorCode, m.ErrorMessage)
	if m.Entries == nil {
		return out + ", null"
	}
	return fmt.Sprintf("%s, %d entries", out, len(m.Entries))
}

func (s *script) scram(l *cue) string {
	req := &msg.DescribeUserScramCredentialsRequest{}
	if l.words[1] != "all" {
		req.Users = []msg.DescribeUserScramCredentialsRequestUserName{}
	}
	for _, w := range l.words[1:] {
		if w != "all" && w != "none" {
			req.Users = append(req.Users, msg.DescribeUserScramCredentialsRequestUserName{Name: strings.Trim(w, `"`)})
		}
	}
	m, _, ok := asked[*msg.DescribeUserScramCredentialsResponse](s, l, 0, req)
	if !ok {
		return none
	}
	out := []string{codeTold(m.ErrorCode, m.ErrorMessage)}
	for _, r := range m.Results {
		out = append(out, fmt.Sprintf("%q %s, %d", r.User, codeTold(r.ErrorCode, r.ErrorMessage), len(r.CredentialInfos)))
	}
	return strings.Join(out, "; ")
}
