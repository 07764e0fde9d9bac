package differ

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// createTopics creates a topic as applications do.
func createTopics(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	n := pick(d, "a", "b", "c")
	if t := w.topics["a"]; t == nil || t.gone && d.once(2) {
		n = "a"
	}
	in := msg.CreateTopicsRequestCreatableTopic{Name: w.name(n), NumPartitions: int32(1 + d.IntN(3)), ReplicationFactor: 1}
	with := func(name, value string) {
		in.Configs = []msg.CreateTopicsRequestCreatableTopicConfig{{Name: name, Value: wire.Ptr(value)}}
	}
	switch d.IntN(16) {
	case 0, 1:
		with("message.timestamp.type", "LogAppendTime")
	case 2, 3:
		with("cleanup.policy", "compact")
	case 4:
		with("max.message.bytes", "200")
	case 5:
		with("segment.bytes", strconv.Itoa(shortSegment))
	case 6:
		with("compression.type", "uncompressed")
	}
	req := &msg.CreateTopicsRequest{TimeoutMs: 30000, Topics: []msg.CreateTopicsRequestCreatableTopic{in}}
	return req, w.created(req)
}

// createTopicsOddly asks for what cannot be, among others.
func createTopicsOddly(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.CreateTopicsRequest{TimeoutMs: 30000, ValidateOnly: d.version >= 1 && d.once(4)}
	for range usual(d, 3, 1, 2) {
		in := msg.CreateTopicsRequestCreatableTopic{Name: w.name(pick(d, "a", "b", "c")), NumPartitions: int32(1 + d.IntN(3)), ReplicationFactor: 1}
		switch d.IntN(12) {
		case 5:
			name, value := d.setting(ofTopics)
			if d.once(2) {
				name, value = d.wrongSetting()
			}
			in.Configs = append(in.Configs, msg.CreateTopicsRequestCreatableTopicConfig{Name: name, Value: value})
		case 6:
			in.Name = internalTopic
		case 0:
			if in.NumPartitions = pick[int32](d, 0, -1, -2, 10_001); in.NumPartitions > 0 && w.keeper() && !req.ValidateOnly { // is taken, and keeps the broker busy for the rest of the day
				in.NumPartitions = 0
			}
		case 1:
			in.ReplicationFactor = pick[int16](d, 0, -1, 2, -2)
		case 2:
			in.Name = pick(d, "", ".", "..", w.prefix+"!", w.prefix+strings.Repeat("x", 250), w.prefix+" ")
		case 3, 4:
			in.NumPartitions, in.ReplicationFactor = -1, -1
			in.Assignments = []msg.CreateTopicsRequestCreatableReplicaAssignment{{PartitionIndex: 0, BrokerIDs: []int32{1}}, {PartitionIndex: 1, BrokerIDs: []int32{1}}}
			switch d.IntN(6) {
			case 0:
				in.Assignments[1].PartitionIndex = pick[int32](d, 0, 2)
			case 1:
				in.Assignments[1].BrokerIDs = pick(d, []int32{}, []int32{7}, []int32{1, 1})
				if w.keeper() && slices.Equal(in.Assignments[1].BrokerIDs, []int32{7}) { // is taken, and then nobody leads
					in.Assignments[1].BrokerIDs = []int32{1, 1}
				}
			case 2:
				in.NumPartitions = 2
			}
		}
		req.Topics = append(req.Topics, in)
	}
	return req, w.created(req)
}

// created learns which topics there are.
func (w *world) created(req *msg.CreateTopicsRequest) func(protocol.Response) {
	return func(m protocol.Response) {
		for _, t := range m.(*msg.CreateTopicsResponse).Topics {
			if t.ErrorCode == 0 && !req.ValidateOnly {
				with := slices.ContainsFunc(req.Topics, func(in msg.CreateTopicsRequestCreatableTopic) bool { return in.Name == t.Name && len(in.Configs) > 0 })
				w.topics[w.short(t.Name)] = &topicState{id: t.TopicID, again: w.topics[w.short(t.Name)] != nil, short: with, packs: with}
			}
		}
	}
}

// forget is for a topic that is no more: what was in it is gone.
func (w *world) forget(n string) {
	for _, p := range producerNames {
		if k := w.producers[p]; k != nil {
			maps.DeleteFunc(k.next, func(at place, _ int32) bool { return at.topic == n })
			k.wrote = slices.DeleteFunc(slices.Clone(k.wrote), func(at place) bool { return at.topic == n })
		}
	}
	for at := range w.ends {
		if at.topic == n {
			delete(w.ends, at)
		}
	}
	if t := w.topics[n]; t != nil {
		t.gone = true
	}
}

func deleteTopics(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.DeleteTopicsRequest{TimeoutMs: 30000}
	for range usual(d, 6, 1, 2) {
		n := usual(d, 10, pick(d, "a", "b", "b", "c", "c"), "none")
		switch {
		case d.version >= 6 && d.once(25):
			req.Topics = append(req.Topics, msg.DeleteTopicsRequestDeleteTopicState{Name: pick(d, nil, wire.Ptr(w.name(n))), TopicID: nobodys})
		case d.version >= 6 && d.once(25):
			req.Topics = append(req.Topics, msg.DeleteTopicsRequestDeleteTopicState{})
		case d.version < 6:
			req.TopicNames = append(req.TopicNames, w.name(n))
		case d.once(2):
			req.Topics = append(req.Topics, msg.DeleteTopicsRequestDeleteTopicState{TopicID: w.topicID(n)})
		default:
			req.Topics = append(req.Topics, msg.DeleteTopicsRequestDeleteTopicState{Name: wire.Ptr(w.name(n))})
		}
	}
	return req, func(m protocol.Response) {
		for _, r := range m.(*msg.DeleteTopicsResponse).Responses {
			if r.ErrorCode == 0 && r.Name != nil {
				w.forget(w.short(*r.Name))
			}
		}
	}
}

func createPartitions(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	n := d.topic()
	now := int32(1)
	if t := w.topics[n]; t != nil {
		now = t.partitions
	}
	in := msg.CreatePartitionsRequestCreatePartitionsTopic{Name: w.name(n), Count: usual(d, 3, min(now+1, 5), now, now-1, 0, -1)}
	if d.once(6) {
		in.Assignments = []msg.CreatePartitionsRequestCreatePartitionsAssignment{{BrokerIDs: usual(d, 2, []int32{1}, []int32{7}, []int32{}, []int32{1, 1})}}
	}
	req := &msg.CreatePartitionsRequest{TimeoutMs: 30000, ValidateOnly: d.once(6), Topics: []msg.CreatePartitionsRequestCreatePartitionsTopic{in}}
	if d.once(12) {
		req.Topics = append(req.Topics, in)
	}
	return req, func(m protocol.Response) {
		if t := w.topics[n]; t != nil && !req.ValidateOnly && m.(*msg.CreatePartitionsResponse).Results[0].ErrorCode == 0 {
			t.wanted = in.Count
		}
	}
}

func deleteRecords(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.DeleteRecordsRequest{TimeoutMs: 30000}
	if d.once(12) {
		req.Topics = []msg.DeleteRecordsRequestDeleteRecordsTopic{{Name: internalTopic, Partitions: []msg.DeleteRecordsRequestDeleteRecordsPartition{{PartitionIndex: int32(d.IntN(4))}}}}
		return req, nil
	}
	for _, p := range d.places(w) {
		in := msg.DeleteRecordsRequestDeleteRecordsPartition{PartitionIndex: p.partition, Offset: d.offset(w, p)}
		if i := len(req.Topics) - 1; i >= 0 && req.Topics[i].Name == w.name(p.topic) {
			req.Topics[i].Partitions = append(req.Topics[i].Partitions, in)
			continue
		}
		w.shortened[p.topic] = true
		req.Topics = append(req.Topics, msg.DeleteRecordsRequestDeleteRecordsTopic{Name: w.name(p.topic), Partitions: []msg.DeleteRecordsRequestDeleteRecordsPartition{in}})
	}
	return req, nil
}

func metadata(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.MetadataRequest{Topics: []msg.MetadataRequestMetadataRequestTopic{}, AllowAutoTopicCreation: d.version < 4 || d.once(2)}
	for range usual(d, 3, 1, 0, 2, 3) {
		n := d.topic()
		switch {
		case d.version >= 12 && d.once(3):
			req.Topics = append(req.Topics, msg.MetadataRequestMetadataRequestTopic{TopicID: w.topicID(n)})
		case d.once(20):
			req.Topics = append(req.Topics, msg.MetadataRequestMetadataRequestTopic{Name: wire.Ptr(pick(d, "", ".", w.prefix+"!", internalTopic))})
		default:
			req.Topics = append(req.Topics, msg.MetadataRequestMetadataRequestTopic{Name: wire.Ptr(w.name(n))})
		}
	}
	if len(req.Topics) == 0 && d.version == 0 { // that is all topics
		return nil, nil
	}
	if d.version >= 8 {
		req.IncludeTopicAuthorizedOperations = d.once(5)
	}
	if d.version >= 8 && d.version <= 10 {
		req.IncludeClusterAuthorizedOperations = d.once(5)
	}
	return req, nil
}

func describeCluster(d *draw, _ *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.DescribeClusterRequest{EndpointType: 1, IncludeClusterAuthorizedOperations: d.once(4)}
	if d.version >= 1 {
		req.EndpointType = usual[int8](d, 5, 1, 0, 2, 3)
	}
	if d.version >= 2 {
		req.IncludeFencedBrokers = d.once(3)
	}
	return req, nil
}

func apiVersions(d *draw, _ *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.ApiVersionsRequest{}
	if d.version >= 3 {
		req.ClientSoftwareName, req.ClientSoftwareVersion = "differ", "1.0"
	}
	if d.once(5) { // that nobody knows
		d.version += 20
	}
	return req, nil
}

func findCoordinator(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.FindCoordinatorRequest{}
	if d.version >= 1 {
		req.KeyType = usual[int8](d, 8, pick[int8](d, 0, 1), 3, -1)
	}
	if d.version < 4 {
		req.Key = usual(d, 8, w.name("g"), "")
		return req, nil
	}
	for range usual(d, 4, 1, 2, 0) {
		req.CoordinatorKeys = append(req.CoordinatorKeys, usual(d, 8, w.name(pick(d, "g", "h")), ""))
	}
	return req, nil
}

// describeTopicPartitions asks for a page, of the topics that it names: without names it would be those of all scripts.
func describeTopicPartitions(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.DescribeTopicPartitionsRequest{ResponsePartitionLimit: usual[int32](d, 2, 2000, 0, 1, 2, 3, -1)}
	for range usual(d, 2, 1, 2, 3) {
		req.Topics = append(req.Topics, msg.DescribeTopicPartitionsRequestTopicRequest{Name: usual(d, 12, w.name(d.topic()), "", w.prefix+"!", internalTopic)})
	}
	if d.once(3) {
		n := d.topic()
		req.Cursor = &msg.DescribeTopicPartitionsRequestCursor{TopicName: usual(d, 8, w.name(n), "", "~"), PartitionIndex: usual[int32](d, 6, int32(d.IntN(3)), -1, 7)}
	}
	return req, nil
}
