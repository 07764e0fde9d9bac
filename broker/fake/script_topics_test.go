package fake_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// topicVerbs are what scripts of topics ask.
//
//	create NAME[/PARTITIONS[/REPLICAS]]... [assign=B,B;B,B] [CONFIG=VALUE]... [validate=yes]   CreateTopics; NULL is no value; assign=1:B,B names the partition, too; ~NAME is a name without the prefix, LONG one that is too long
//	delete NAME|id:NAME|both:NAME|none|id:unknown...       DeleteTopics
//	grow NAME/COUNT... [assign=B,B;B] [validate=yes]       CreatePartitions
//	cut TOPIC/N=OFFSET...                                  DeleteRecords
//	cluster [endpoints=N] [fenced=yes]                     DescribeCluster
//	topics NAME...                                         Metadata, of topics
//	pages NAME... [limit=N] [from=NAME/N]                  DescribeTopicPartitions
//	ranges KEY...                                          ApiVersions, of these APIs
//	version KEY N [ZEROS]                                  a request of a version that there may not be, with so many zeros in it
var topicVerbs = map[string]func(*script, *cue) string{
	"create":  (*script).create,
	"delete":  (*script).deleteTopics,
	"grow":    (*script).grow,
	"cut":     (*script).cut,
	"cluster": (*script).cluster,
	"topics":  (*script).seenTopics,
	"pages":   (*script).pages,
	"ranges":  (*script).ranges,
	"version": (*script).version,
}

// fullName gives the name of a topic with the prefix; "~NAME" is without, and "LONG" one that is too long.
func (s *script) fullName(w string) string {
	switch {
	case strings.HasPrefix(w, "~"):
		return w[1:]
	case w == "LONG":
		return strings.Repeat("x", 250)
	}
	return s.name(w)
}

// nullable reads a value that may be null.
func nullable(v string) *string {
	if v == "NULL" {
		return nil
	}
	return &v
}

func (s *script) brokers(w string) (ids []int32) {
	for _, id := range strings.Split(w, ",") {
		if id != "" {
			ids = append(ids, int32(number(s.t, id)))
		}
	}
	return ids
}

// configs gives what a line has as configurations: their names have a dot, but for preallocate.
func (l *cue) configs() (out [][2]string) {
	for _, w := range l.all {
		if k, v, ok := strings.Cut(w, "="); ok && (strings.Contains(k, ".") || k == "preallocate") {
			out = append(out, [2]string{k, v})
		}
	}
	return out
}

func (s *script) create(l *cue) string {
	req := &msg.CreateTopicsRequest{TimeoutMs: 10000, ValidateOnly: l.options["validate"] != ""}
	for _, w := range l.words[1:] {
		name, counts, _ := strings.Cut(w, "/")
		partitions, replicas, _ := strings.Cut(counts, "/")
		t := msg.CreateTopicsRequestCreatableTopic{Name: s.fullName(name), NumPartitions: int32(number(s.t, cmp.Or(partitions, "1"))), ReplicationFactor: int16(number(s.t, cmp.Or(replicas, "1")))}
		if a, ok := l.options["assign"]; ok {
			for i, one := range strings.Split(a, ";") {
				index := fmt.Sprint(i)
				if n, ids, ok := strings.Cut(one, ":"); ok {
					index, one = n, ids
				}
				t.Assignments = append(t.Assignments, msg.CreateTopicsRequestCreatableReplicaAssignment{PartitionIndex: int32(number(s.t, index)), BrokerIDs: s.brokers(one)})
			}
		}
		for _, c := range l.configs() {
			t.Configs = append(t.Configs, msg.CreateTopicsRequestCreatableTopicConfig{Name: c[0], Value: nullable(c[1])})
		}
		req.Topics = append(req.Topics, t)
	}
	m, version, ok := asked[*msg.CreateTopicsResponse](s, l, 7, req)
	if !ok {
		return none
	}
	slices.SortStableFunc(m.Topics, func(a, b msg.CreateTopicsResponseCreatableTopicResult) int { return strings.Compare(a.Name, b.Name) })
	var out []string
	for i := range m.Topics {
		out = append(out, s.created(&m.Topics[i], version)+s.named(l, m.Topics[i].ErrorMessage))
	}
	if !req.ValidateOnly {
		s.appear(m.Topics)
	}
	return strings.Join(out, "; ")
}

func (s *script) created(t *msg.CreateTopicsResponseCreatableTopicResult, version int16) string {
	out := fmt.Sprintf("%s %s", s.shown(t.Name), code(t.ErrorCode))
	if version < 5 {
		return out
	}
	out += fmt.Sprintf(" %d x %d", t.NumPartitions, t.ReplicationFactor)
	if version >= 7 && t.TopicID != (wire.UUID{}) {
		out += " id"
	}
	if t.TopicConfigErrorCode != 0 {
		out += " configs " + code(t.TopicConfigErrorCode)
	}
	slices.SortFunc(t.Configs, func(a, b msg.CreateTopicsResponseCreatableTopicConfigs) int { return strings.Compare(a.Name, b.Name) })
	for _, c := range t.Configs {
		if c.ConfigSource != 5 {
			out += fmt.Sprintf(" %s=%s source %d", c.Name, shownValue(c.Value), c.ConfigSource)
		}
	}
	if t.Configs != nil && len(t.Configs) == 0 {
		out += " no configs"
	}
	return out
}

func shownValue(v *string) string {
	if v == nil {
		return "NULL"
	}
	return *v
}

// appear waits until leaders know of what was made.
func (s *script) appear(topics []msg.CreateTopicsResponseCreatableTopicResult) {
	for _, t := range topics {
		for i := int32(0); t.ErrorCode == 0 && i < max(t.NumPartitions, 1); i++ {
			s.led(t.Name, i)
		}
	}
}

// led waits until a partition has a leader that knows it.
func (s *script) led(topic string, partition int32) {
	for {
		switch code := s.ask(fetchRequest(topic, partition, 0, 0, 0), 11).(*msg.FetchResponse).Responses[0].Partitions[0].ErrorCode; protocol.Code(code) {
		case protocol.UnknownTopicOrPartition, protocol.NotLeaderOrFollower:
			s.on.wait(100 * time.Millisecond)
		default:
			return
		}
	}
}

// idOf asks for the id of a topic.
func (s *script) idOf(name string) protocol.UUID {
	if s.on.highest(msg.MetadataAPI) < 10 || name == "unknown" {
		return protocol.UUID{7}
	}
	m := s.ask(&msg.MetadataRequest{Topics: []msg.MetadataRequestMetadataRequestTopic{{Name: wire.Ptr(s.fullName(name))}}}, 10).(*msg.MetadataResponse)
	return m.Topics[0].TopicID
}

func (s *script) deleteTopics(l *cue) string {
	req := &msg.DeleteTopicsRequest{TimeoutMs: 10000}
	usual := int16(6)
	version := min(usual, s.on.highest(msg.DeleteTopicsAPI))
	if l.version >= 0 {
		version = l.version
	}
	ids := map[protocol.UUID]string{}
	for _, w := range l.words[1:] {
		how, name, ok := strings.Cut(w, ":")
		t := msg.DeleteTopicsRequestDeleteTopicState{}
		switch {
		case w == "none":
		case !ok:
			t.Name = wire.Ptr(s.fullName(w))
			req.TopicNames = append(req.TopicNames, s.fullName(w))
		case how == "both":
			t.Name, t.TopicID = wire.Ptr(s.fullName(name)), s.idOf(name)
		default:
			t.TopicID = s.idOf(name)
		}
		if t.TopicID != (protocol.UUID{}) {
			ids[t.TopicID] = name
		}
		req.Topics = append(req.Topics, t)
	}
	if version < 6 {
		req.Topics = nil
	} else {
		req.TopicNames = nil
	}
	m, version, ok := asked[*msg.DeleteTopicsResponse](s, l, usual, req)
	if !ok {
		return none
	}
	var out []string
	for _, r := range m.Responses {
		one := "NULL"
		if r.Name != nil {
			one = s.shown(*r.Name)
		}
		if version >= 6 && r.TopicID != (protocol.UUID{}) {
			one += " id " + cmp.Or(ids[r.TopicID], "told")
		}
		out = append(out, one+" "+code(r.ErrorCode))
	}
	slices.Sort(out) // Kafka answers in any order
	s.on.wait(500 * time.Millisecond)
	return strings.Join(out, "; ")
}

func (s *script) grow(l *cue) string {
	req := &msg.CreatePartitionsRequest{TimeoutMs: 10000, ValidateOnly: l.options["validate"] != ""}
	for _, w := range l.words[1:] {
		name, count, _ := strings.Cut(w, "/")
		t := msg.CreatePartitionsRequestCreatePartitionsTopic{Name: s.fullName(name), Count: int32(number(s.t, count))}
		if a, ok := l.options["assign"]; ok {
			t.Assignments = []msg.CreatePartitionsRequestCreatePartitionsAssignment{}
			for _, one := range strings.Split(a, ";") {
				t.Assignments = append(t.Assignments, msg.CreatePartitionsRequestCreatePartitionsAssignment{BrokerIDs: s.brokers(one)})
			}
		}
		req.Topics = append(req.Topics, t)
	}
	m, _, ok := asked[*msg.CreatePartitionsResponse](s, l, 3, req)
	if !ok {
		return none
	}
	var out []string
	for i, r := range m.Results {
		out = append(out, s.shown(r.Name)+" "+code(r.ErrorCode)+s.named(l, r.ErrorMessage))
		if r.ErrorCode == 0 && !req.ValidateOnly {
			s.led(r.Name, req.Topics[min(i, len(req.Topics)-1)].Count-1)
		}
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

func (s *script) cut(l *cue) string {
	req := &msg.DeleteRecordsRequest{TimeoutMs: 10000}
	for _, w := range l.words[1:] {
		place, offset, _ := strings.Cut(w, "=")
		topic, n, _ := strings.Cut(place, "/")
		req.Topics = append(req.Topics, msg.DeleteRecordsRequestDeleteRecordsTopic{Name: s.fullName(topic),
			Partitions: []msg.DeleteRecordsRequestDeleteRecordsPartition{{PartitionIndex: int32(number(s.t, n)), Offset: number(s.t, offset)}}})
	}
	m, _, ok := asked[*msg.DeleteRecordsResponse](s, l, 2, req)
	if !ok {
		return none
	}
	var out []string
	for _, t := range m.Topics {
		for _, p := range t.Partitions {
			out = append(out, fmt.Sprintf("%s/%d %s low %d", s.shown(t.Name), p.PartitionIndex, code(p.ErrorCode), p.LowWatermark))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

func (s *script) cluster(l *cue) string {
	if l.options["fenced"] != "" && s.on.highest(msg.DescribeClusterAPI) < 2 {
		return none
	}
	req := &msg.DescribeClusterRequest{EndpointType: 1, IncludeFencedBrokers: l.options["fenced"] != "", IncludeClusterAuthorizedOperations: l.options["operations"] != ""}
	if v, ok := l.options["endpoints"]; ok {
		req.EndpointType = int8(number(s.t, v))
	}
	m, version, ok := asked[*msg.DescribeClusterResponse](s, l, 2, req)
	if !ok {
		return none
	}
	out := fmt.Sprintf("%s controller %d", code(m.ErrorCode), m.ControllerID)
	if version >= 1 {
		out += fmt.Sprintf(" endpoints %d", m.EndpointType)
	}
	if m.ClusterID == "" {
		out += " no id"
	}
	out += fmt.Sprintf(" operations %d", m.ClusterAuthorizedOperations)
	for _, b := range m.Brokers {
		out += fmt.Sprintf("; %d rack %s", b.BrokerID, shownValue(b.Rack))
		if b.IsFenced {
			out += " fenced"
		}
	}
	return out
}

func (s *script) seenTopics(l *cue) string {
	req := &msg.MetadataRequest{}
	for _, w := range l.words[1:] {
		req.Topics = append(req.Topics, msg.MetadataRequestMetadataRequestTopic{Name: wire.Ptr(s.fullName(w))})
	}
	m, _, ok := asked[*msg.MetadataResponse](s, l, 9, req)
	if !ok {
		return none
	}
	var out []string
	for _, t := range m.Topics {
		one := fmt.Sprintf("%s %s %d", s.shown(*t.Name), code(t.ErrorCode), len(t.Partitions))
		if t.IsInternal {
			one += " internal"
		}
		slices.SortFunc(t.Partitions, func(a, b msg.MetadataResponseMetadataResponsePartition) int {
			return cmp.Compare(a.PartitionIndex, b.PartitionIndex)
		})
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 || p.PartitionIndex >= 3 {
				continue
			}
			one += fmt.Sprintf(" %d:%d%v", p.PartitionIndex, p.LeaderID, p.ReplicaNodes)
		}
		out = append(out, one)
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

func (s *script) pages(l *cue) string {
	req := &msg.DescribeTopicPartitionsRequest{ResponsePartitionLimit: 2000}
	for _, w := range l.words[1:] {
		req.Topics = append(req.Topics, msg.DescribeTopicPartitionsRequestTopicRequest{Name: s.fullName(w)})
	}
	if v, ok := l.options["limit"]; ok {
		req.ResponsePartitionLimit = int32(number(s.t, v))
	}
	if v, ok := l.options["from"]; ok {
		topic, n, _ := strings.Cut(v, "/")
		req.Cursor = &msg.DescribeTopicPartitionsRequestCursor{TopicName: s.fullName(topic), PartitionIndex: int32(number(s.t, n))}
	}
	m, _, ok := asked[*msg.DescribeTopicPartitionsResponse](s, l, 0, req)
	if !ok {
		return none
	}
	var out []string
	for _, t := range m.Topics {
		one := fmt.Sprintf("%s %s", s.shown(shownValue(t.Name)), code(t.ErrorCode))
		if t.TopicID != (wire.UUID{}) {
			one += " id"
		}
		if t.IsInternal {
			one += " internal"
		}
		for _, p := range t.Partitions {
			one += fmt.Sprintf(" %d:%s %d@%d %v%v%v%v%v", p.PartitionIndex, code(p.ErrorCode), p.LeaderID, p.LeaderEpoch, p.ReplicaNodes, p.IsrNodes, p.EligibleLeaderReplicas, p.LastKnownElr, p.OfflineReplicas)
		}
		out = append(out, one)
	}
	if m.NextCursor != nil {
		out = append(out, fmt.Sprintf("next %s/%d", s.shown(m.NextCursor.TopicName), m.NextCursor.PartitionIndex))
	}
	return strings.Join(out, "; ")
}

// version sends the header of a request, of version 1, with a body of zeros.
func (s *script) ranges(l *cue) string {
	m, _, _ := asked[*msg.ApiVersionsResponse](s, l, 3, &msg.ApiVersionsRequest{ClientSoftwareName: "script", ClientSoftwareVersion: "1"})
	all := protocol.RangesOf(m)
	var out []string
	for _, w := range l.words[1:] {
		key := int16(number(s.t, w))
		if r, ok := all.Get(key); ok {
			out = append(out, fmt.Sprintf("%s %d-%d", protocol.APIName(key), r.Min, r.Max))
		} else {
			out = append(out, protocol.APIName(key)+" "+none)
		}
	}
	return strings.Join(out, ", ")
}

func (s *script) version(l *cue) string {
	key, version := int16(number(s.t, l.words[1])), int16(number(s.t, l.words[2]))
	body := []byte{byte(key >> 8), byte(key), byte(version >> 8), byte(version), 0, 0, 0, 9, 0, 1, 'x'}
	if len(l.words) > 3 {
		body = append(body, make([]byte, number(s.t, l.words[3]))...)
	}
	answer := s.on.send(s.t, body)
	if answer == nil {
		return "closed"
	}
	if key != msg.ApiVersionsAPI {
		return "answered"
	}
	m := &msg.ApiVersionsResponse{}
	if err := protocol.ReadResponse(m, answer, 0); err != nil {
		return "an answer of another version"
	}
	out := code(m.ErrorCode)
	for _, a := range m.ApiKeys {
		if a.ApiKey == msg.ApiVersionsAPI {
			out += fmt.Sprintf(" %d to %d", a.MinVersion, a.MaxVersion)
		}
	}
	return out
}
