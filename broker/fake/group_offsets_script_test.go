package fake_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// seenPartition is what an answer tells of a partition.
type seenPartition struct {
	topic string
	index int32
	shown string
}

func (s *script) seenPartitions(parts []seenPartition) string {
	return ofPartitions(s, parts, func(p seenPartition) (string, int32) { return p.topic, p.index }, func(p seenPartition) string { return p.shown })
}

func (s *script) offsetCommit(l *cue) string {
	m := s.speaker(l)
	req := &msg.OffsetCommitRequest{GroupID: s.name(l.words[1]), GenerationIDOrMemberEpoch: m.epoch, MemberID: m.id, GroupInstanceID: m.instance, RetentionTimeMs: number(s.t, option(l, "retention", "-1"))}
	for _, w := range l.words[3:] {
		place, offset, _ := strings.Cut(w, "=")
		offset, size, _ := strings.Cut(offset, "+")
		topic, n := s.at(place)
		if size == "" {
			size = option(l, "metadata", "0")
		}
		req.Topics = append(req.Topics, msg.OffsetCommitRequestOffsetCommitRequestTopic{Name: topic, Partitions: []msg.OffsetCommitRequestOffsetCommitRequestPartition{{PartitionIndex: n, CommittedOffset: number(s.t, offset),
			CommittedLeaderEpoch: -1, CommitTimestamp: -1, CommittedMetadata: wire.Ptr(strings.Repeat("m", int(number(s.t, size))))}}})
	}
	return say(s, l, m, 9, req, func(r *msg.OffsetCommitResponse, _ int16) string {
		var parts []seenPartition
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				parts = append(parts, seenPartition{t.Name, p.PartitionIndex, code(p.ErrorCode)})
			}
		}
		return s.seenPartitions(parts)
	})
}

func (s *script) offsetFetch(l *cue) string {
	m := s.speaker(l)
	var topics []msg.OffsetFetchRequestOffsetFetchRequestTopic
	stable := slices.Contains(l.words, "stable")
	for _, w := range l.words[3:] {
		if w == "stable" {
			continue
		}
		topic, n := s.at(w)
		topics = append(topics, msg.OffsetFetchRequestOffsetFetchRequestTopic{Name: topic, PartitionIndexes: []int32{n}})
	}
	usual := min(9, s.on.highest(msg.OffsetFetchAPI))
	if l.version >= 0 {
		usual = l.version
	}
	req := &msg.OffsetFetchRequest{RequireStable: stable}
	groups := strings.Split(l.words[1], ",")
	if usual < 8 {
		req.GroupID, req.Topics = s.name(groups[0]), topics
	} else {
		for _, g := range groups {
			in := msg.OffsetFetchRequestOffsetFetchRequestGroup{}
			in.SetDefaults()
			in.GroupID = s.name(g)
			if l.words[2] != "-" {
				in.MemberID, in.MemberEpoch = &m.id, m.epoch
			}
			for _, t := range topics {
				in.Topics = append(in.Topics, msg.OffsetFetchRequestOffsetFetchRequestTopics{Name: t.Name, PartitionIndexes: t.PartitionIndexes})
			}
			req.Groups = append(req.Groups, in)
		}
	}
	return say(s, l, m, usual, req, func(r *msg.OffsetFetchResponse, version int16) string {
		one := func(offset int64, epoch int32, metadata *string, c int16) string {
			return fmt.Sprintf("%s %d epoch %d %s", code(c), offset, epoch, null(metadata))
		}
		if version < 8 {
			var parts []seenPartition
			for _, t := range r.Topics {
				for _, p := range t.Partitions {
					parts = append(parts, seenPartition{t.Name, p.PartitionIndex, one(p.CommittedOffset, p.CommittedLeaderEpoch, p.Metadata, p.ErrorCode)})
				}
			}
			return code(r.ErrorCode) + " " + s.seenPartitions(parts)
		}
		var out []string
		slices.SortFunc(r.Groups, func(a, b msg.OffsetFetchResponseOffsetFetchResponseGroup) int {
			return strings.Compare(a.GroupID, b.GroupID)
		})
		for _, g := range r.Groups {
			var parts []seenPartition
			for _, t := range g.Topics {
				for _, p := range t.Partitions {
					parts = append(parts, seenPartition{t.Name, p.PartitionIndex, one(p.CommittedOffset, p.CommittedLeaderEpoch, p.Metadata, p.ErrorCode)})
				}
			}
			out = append(out, fmt.Sprintf("%s: %s %s", s.shown(g.GroupID), code(g.ErrorCode), s.seenPartitions(parts)))
		}
		return strings.Join(out, "; ")
	})
}

func (s *script) offsetDelete(l *cue) string {
	req := &msg.OffsetDeleteRequest{GroupID: s.name(l.words[1])}
	for _, w := range l.words[2:] {
		topic, n := s.at(w)
		req.Topics = append(req.Topics, msg.OffsetDeleteRequestOffsetDeleteRequestTopic{Name: topic, Partitions: []msg.OffsetDeleteRequestOffsetDeleteRequestPartition{{PartitionIndex: n}}})
	}
	return say(s, l, &scriptMember{name: "-"}, 0, req, func(r *msg.OffsetDeleteResponse, _ int16) string {
		var parts []seenPartition
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				parts = append(parts, seenPartition{t.Name, p.PartitionIndex, code(p.ErrorCode)})
			}
		}
		return code(r.ErrorCode) + " " + s.seenPartitions(parts)
	})
}

func (s *script) names(words []string) (out []string) {
	for _, w := range words {
		out = append(out, s.name(w))
	}
	return out
}

func (s *script) deleteGroups(l *cue) string {
	return say(s, l, &scriptMember{name: "-"}, 2, &msg.DeleteGroupsRequest{GroupsNames: s.names(l.words[1:])}, func(r *msg.DeleteGroupsResponse, _ int16) string {
		var out []string
		for _, g := range r.Results {
			out = append(out, s.shown(g.GroupID)+" "+code(g.ErrorCode))
		}
		slices.Sort(out)
		return strings.Join(out, ", ")
	})
}

func (s *script) listGroups(l *cue) string {
	req := &msg.ListGroupsRequest{}
	if v, ok := l.options["states"]; ok {
		if s.on.highest(req.APIKey()) < 4 {
			return none
		}
		req.StatesFilter = strings.Split(v, ",")
	}
	if v, ok := l.options["types"]; ok {
		if s.on.highest(req.APIKey()) < 5 {
			return none
		}
		req.TypesFilter = strings.Split(v, ",")
	}
	return say(s, l, &scriptMember{name: "-"}, 5, req, func(r *msg.ListGroupsResponse, _ int16) string {
		var out []string
		for _, g := range r.Groups {
			if s.prefix != "" && strings.HasPrefix(g.GroupID, s.prefix) {
				out = append(out, fmt.Sprintf("%s %q %q %q", s.shown(g.GroupID), g.ProtocolType, g.GroupState, g.GroupType))
			}
		}
		slices.Sort(out)
		return strings.TrimSuffix(code(r.ErrorCode)+" "+strings.Join(out, ", "), " ")
	})
}

func (s *script) describeGroups(l *cue) string {
	return say(s, l, &scriptMember{name: "-"}, 6, &msg.DescribeGroupsRequest{Groups: s.names(l.words[1:])}, func(r *msg.DescribeGroupsResponse, _ int16) string {
		var out []string
		for _, g := range r.Groups {
			shown := fmt.Sprintf("%s: %s %q type %q protocol %q", s.shown(g.GroupID), code(g.ErrorCode), g.GroupState, g.ProtocolType, g.ProtocolData)
			var members []string
			for _, m := range g.Members {
				members = append(members, fmt.Sprintf("; %s %s %s %s", s.idName(m.MemberID), null(m.GroupInstanceID), s.read(m.MemberMetadata), s.read(m.MemberAssignment)))
			}
			slices.Sort(members)
			out = append(out, shown+strings.Join(members, ""))
		}
		slices.Sort(out)
		return strings.Join(out, " | ")
	})
}

func (s *script) consumerGroupDescribe(l *cue) string {
	return say(s, l, &scriptMember{name: "-"}, 1, &msg.ConsumerGroupDescribeRequest{GroupIDs: s.names(l.words[1:])}, func(r *msg.ConsumerGroupDescribeResponse, _ int16) string {
		var out []string
		parts := func(a msg.ConsumerGroupDescribeResponseAssignment) string {
			var out []string
			for _, t := range a.TopicPartitions {
				slices.Sort(t.Partitions)
				out = append(out, fmt.Sprintf("%s%v", s.shown(t.TopicName), t.Partitions))
			}
			slices.Sort(out)
			return strings.Join(out, " ")
		}
		for _, g := range r.Groups {
			shown := fmt.Sprintf("%s: %s %q epoch %d assignment %d %q", s.shown(g.GroupID), code(g.ErrorCode), g.GroupState, g.GroupEpoch, g.AssignmentEpoch, g.AssignorName)
			var members []string
			for _, m := range g.Members {
				for i, t := range m.SubscribedTopicNames {
					m.SubscribedTopicNames[i] = s.shown(t)
				}
				slices.Sort(m.SubscribedTopicNames)
				regex := "null"
				if m.SubscribedTopicRegex != nil {
					regex = fmt.Sprintf("%q", s.shown(*m.SubscribedTopicRegex))
				}
				members = append(members, fmt.Sprintf("; %s %s rack %s epoch %d topics %v regex %s has %s, to have %s, type %d", s.idName(m.MemberID), null(m.InstanceID), null(m.RackID), m.MemberEpoch, m.SubscribedTopicNames, regex,
					parts(m.Assignment), parts(m.TargetAssignment), m.MemberType))
			}
			slices.Sort(members)
			out = append(out, shown+strings.Join(members, ""))
		}
		slices.Sort(out)
		return strings.Join(out, " | ")
	})
}
