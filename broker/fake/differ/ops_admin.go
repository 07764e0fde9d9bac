package differ

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

func describeLogDirs(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.DescribeLogDirsRequest{}
	if d.once(4) {
		return req, nil // of all topics
	}
	req.Topics = []msg.DescribeLogDirsRequestDescribableLogDirTopic{}
	for _, p := range d.places(w) {
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != w.name(p.topic) {
			req.Topics = append(req.Topics, msg.DescribeLogDirsRequestDescribableLogDirTopic{Topic: w.name(p.topic)})
		}
		last := &req.Topics[len(req.Topics)-1]
		last.Partitions = append(last.Partitions, p.partition)
	}
	return req, nil
}

// electLeaders asks for elections that are not needed, as there is one broker. 2.8 does not answer who asks for a kind that there is not.
func electLeaders(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.ElectLeadersRequest{TimeoutMs: 30000}
	if d.version >= 1 {
		req.ElectionType = pick[int8](d, 0, 0, 1)
		if !w.keeper() {
			req.ElectionType = usual[int8](d, 4, req.ElectionType, 2, -1)
		}
	}
	if d.once(5) {
		return req, nil // of all topics
	}
	req.TopicPartitions = []msg.ElectLeadersRequestTopicPartitions{}
	for _, p := range d.places(w) {
		if n := len(req.TopicPartitions); n == 0 || req.TopicPartitions[n-1].Topic != w.name(p.topic) {
			req.TopicPartitions = append(req.TopicPartitions, msg.ElectLeadersRequestTopicPartitions{Topic: w.name(p.topic)})
		}
		last := &req.TopicPartitions[len(req.TopicPartitions)-1]
		last.Partitions = append(last.Partitions, p.partition)
		if d.once(8) {
			last.Partitions = append(last.Partitions, p.partition)
		}
	}
	return req, nil
}

func listReassignments(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.ListPartitionReassignmentsRequest{TimeoutMs: 30000}
	for range usual(d, 3, 1, 0) {
		t := d.topic()
		req.Topics = append(req.Topics, msg.ListPartitionReassignmentsRequestListPartitionReassignmentsTopics{Name: w.name(t), PartitionIndexes: []int32{d.partition(w, t)}})
	}
	return req, nil
}

func describeQuotas(d *draw, _ *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.DescribeClientQuotasRequest{Strict: d.once(3)}
	for range usual(d, 3, 1, 0, 2) {
		c := msg.DescribeClientQuotasRequestComponentData{EntityType: usual(d, 8, pick(d, "user", "client-id", "ip"), "", "nonsense"), MatchType: usual[int8](d, 8, pick[int8](d, 0, 1, 2), 3, -1)}
		if (c.MatchType == 0) != d.once(8) {
			c.Match = wire.Ptr(pick(d, "x", "", "127.0.0.1"))
		}
		req.Components = append(req.Components, c)
	}
	return req, nil
}

func describeScram(d *draw, _ *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.DescribeUserScramCredentialsRequest{}
	if d.once(4) {
		return req, nil // of all users
	}
	req.Users = []msg.DescribeUserScramCredentialsRequestUserName{}
	for range usual(d, 2, 1, 0, 2, 3) {
		req.Users = append(req.Users, msg.DescribeUserScramCredentialsRequestUserName{Name: pick(d, "x", "y", "z", "")})
	}
	return req, nil
}

func listConfigResources(d *draw, _ *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.ListConfigResourcesRequest{}
	for range usual(d, 2, 1, 0, 2) {
		if d.version >= 1 {
			req.ResourceTypes = append(req.ResourceTypes, usual[int8](d, 6, pick[int8](d, 2, 4, 8, 16, 32), 0, 3))
		}
	}
	return req, nil
}

// arrangeAdmin is arrange for what is told of all topics, of which a script's are its own.
func arrangeAdmin(m protocol.Message, w *world) {
	switch m := m.(type) {
	case *msg.DescribeLogDirsResponse:
		for i := range m.Results {
			r := &m.Results[i]
			r.Topics = ownBy(w, r.Topics, func(t *msg.DescribeLogDirsResponseDescribeLogDirsTopic) string { return t.Name })
			for k := range r.Topics {
				sortBy(r.Topics[k].Partitions, func(p *msg.DescribeLogDirsResponseDescribeLogDirsPartition) int32 { return p.PartitionIndex })
			}
		}
	case *msg.ElectLeadersResponse:
		m.ReplicaElectionResults = ownBy(w, m.ReplicaElectionResults, func(t *msg.ElectLeadersResponseReplicaElectionResult) string { return t.Topic })
		for i := range m.ReplicaElectionResults {
			sortBy(m.ReplicaElectionResults[i].PartitionResult, func(p *msg.ElectLeadersResponsePartitionResult) int32 { return p.PartitionID })
		}
	case *msg.DescribeClientQuotasResponse: // those of publish are Kafka's only
		m.Entries = slices.DeleteFunc(m.Entries, func(e msg.DescribeClientQuotasResponseEntryData) bool {
			return len(e.Values) == 1 && e.Values[0].Key == quota && e.Values[0].Value >= quotaFirst
		})
	case *msg.DescribeUserScramCredentialsResponse:
		sortBy(m.Results, func(r *msg.DescribeUserScramCredentialsResponseDescribeUserScramCredentialsResult) string {
			return r.User
		})
	case *msg.ListConfigResourcesResponse:
		topics := ownBy(w, m.ConfigResources, func(r *msg.ListConfigResourcesResponseConfigResource) string { return r.ResourceName })
		others := slices.DeleteFunc(slices.Clone(m.ConfigResources), func(r msg.ListConfigResourcesResponseConfigResource) bool { return r.ResourceType == ofTopics })
		sortBy(others, func(r *msg.ListConfigResourcesResponseConfigResource) int8 { return r.ResourceType })
		m.ConfigResources = append(others, topics...)
	}
}

func sortBy[T any, K cmp.Ordered](s []T, key func(*T) K) {
	slices.SortStableFunc(s, func(a, b T) int { return cmp.Compare(key(&a), key(&b)) })
}

// ownBy gives those that are named by the script, by name.
func ownBy[T any](w *world, s []T, name func(*T) string) (own []T) {
	for i := range s {
		if strings.HasPrefix(name(&s[i]), w.prefix) {
			own = append(own, s[i])
		}
	}
	sortBy(own, name)
	return own
}
