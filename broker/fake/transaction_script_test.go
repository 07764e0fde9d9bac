package fake_test

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/wire"
)

// transactionLine plays a line of transactions.
//
//	init ID [timeout=MS] [as=P/EPOCH] [times=N]     InitProducerId; "-" is no transactional id
//	add ID P/EPOCH TOPIC/N...                       AddPartitionsToTxn; verify: only asks (v4)
//	offsets ID P/EPOCH GROUP                        AddOffsetsToTxn
//	commit ID P/EPOCH GROUP TOPIC/N=OFFSET[+BYTES]... [member=M]  TxnOffsetCommit with so much metadata, M as joined, with a "+1" or "-1" for another generation, or "nobody"
//	end ID P/EPOCH commit|abort                     EndTxn
//	produce ID P/EPOCH TOPIC/N SEQUENCE COUNT [plain] [acks=1]
//	markers P/EPOCH commit|abort TOPIC/N [coordinator=N] [tv=N]   WriteTxnMarkers
//	fetch TOPIC/N [committed] [from=OFFSET] [max=BYTES]   what a consumer gets
//	describe ID, producers TOPIC/N                  DescribeTransactions, DescribeProducers
//	list STATE... [producers=P,...] [duration=MS] [pattern=R]     ListTransactions, by default of the producers that the script knows
//	join GROUP MEMBER                               JoinGroup, SyncGroup
//	plain GROUP TOPIC/N=OFFSET, offset GROUP TOPIC/N [stable]     OffsetCommit, OffsetFetch
//	hold TOPIC, release TOPIC                       min.insync.replicas that there are not: no marker is written
//	settle                                          until all markers are written
func (s *script) transactionLine(l *cue) (shown string, known bool) {
	w := l.words
	switch w[0] {
	case "init":
		return s.init(l), true
	case "add", "verify":
		return s.add(l), true
	case "offsets":
		id, epoch := s.producer(w[2])
		if m, _, ok := asked[*msg.AddOffsetsToTxnResponse](s, l, 3, &msg.AddOffsetsToTxnRequest{TransactionalID: s.name(w[1]), ProducerID: id, ProducerEpoch: epoch, GroupID: s.name(w[3])}); ok {
			return code(m.ErrorCode), true
		}
	case "commit":
		return s.commit(l), true
	case "end":
		return s.end(l), true
	case "produce":
		return s.produce(l), true
	case "markers":
		return s.markers(l), true
	case "fetch":
		return s.fetch(l), true
	case "describe":
		return s.describe(l), true
	case "list":
		return s.list(l), true
	case "producers":
		return s.producers(l), true
	case "join":
		return s.join(l), true
	case "plain":
		return s.plain(l), true
	case "offset":
		return s.offset(l), true
	case "hold":
		s.on.minISR(s.t, s.name(w[1]), 2)
		return "", true
	case "release":
		s.on.minISR(s.t, s.name(w[1]), 1)
		return "", true
	case "settle":
		for s.ending() {
			s.on.wait(100 * time.Millisecond)
		}
		return "", true
	default:
		return "", false
	}
	return none, true
}

func (s *script) init(l *cue) string {
	req := &msg.InitProducerIdRequest{TransactionTimeoutMs: 60000, ProducerID: -1, ProducerEpoch: -1}
	if l.words[1] != "-" {
		req.TransactionalID = wire.Ptr(s.name(l.words[1]))
		s.begun[s.name(l.words[1])] = true
	}
	if v, ok := l.options["timeout"]; ok {
		req.TransactionTimeoutMs = int32(number(s.t, v))
	}
	if v, ok := l.options["as"]; ok {
		req.ProducerID, req.ProducerEpoch = s.producer(v)
	}
	if v, ok := l.options["times"]; ok {
		s.on.spend(s.t, req, number(s.t, v)-1)
	}
	m, _, ok := asked[*msg.InitProducerIdResponse](s, l, 4, req)
	if !ok {
		return none
	}
	return code(m.ErrorCode) + " " + s.producerName(m.ProducerID, int32(m.ProducerEpoch))
}

func (s *script) add(l *cue) string {
	id, epoch := s.producer(l.words[2])
	var topics []msg.AddPartitionsToTxnRequestAddPartitionsToTxnTopic
	for _, w := range l.words[3:] {
		topic, n := s.at(w)
		if i := len(topics) - 1; i >= 0 && topics[i].Name == topic {
			topics[i].Partitions = append(topics[i].Partitions, n)
			continue
		}
		topics = append(topics, msg.AddPartitionsToTxnRequestAddPartitionsToTxnTopic{Name: topic, Partitions: []int32{n}})
	}
	req := &msg.AddPartitionsToTxnRequest{}
	usual := int16(3)
	if l.words[0] == "verify" {
		usual = 5
	}
	if usual > 3 || l.version > 3 {
		req.Transactions = []msg.AddPartitionsToTxnRequestAddPartitionsToTxnTransaction{{TransactionalID: s.name(l.words[1]), ProducerID: id, ProducerEpoch: epoch, VerifyOnly: l.words[0] == "verify", Topics: topics}}
	} else {
		req.V3AndBelowTransactionalID, req.V3AndBelowProducerID, req.V3AndBelowProducerEpoch, req.V3AndBelowTopics = s.name(l.words[1]), id, epoch, topics
	}
	if usual > 3 && (s.on.highest(msg.AddPartitionsToTxnAPI) < 4 || s.on.transactionVersion() == 0) {
		return none
	}
	m, version, ok := asked[*msg.AddPartitionsToTxnResponse](s, l, usual, req)
	if !ok {
		return none
	}
	results := m.ResultsByTopicV3AndBelow
	if version > 3 {
		if m.ErrorCode != 0 || len(m.ResultsByTransaction) != 1 {
			return code(m.ErrorCode)
		}
		results = m.ResultsByTransaction[0].TopicResults
	}
	var out []string
	for _, w := range l.words[3:] { // Kafka answers in any order
		topic, n := s.at(w)
		for _, t := range results {
			for _, p := range t.ResultsByPartition {
				if t.Name == topic && p.PartitionIndex == n {
					out = append(out, code(p.PartitionErrorCode))
				}
			}
		}
	}
	return strings.Join(out, ", ")
}

func (s *script) commit(l *cue) string {
	id, epoch := s.producer(l.words[2])
	req := &msg.TxnOffsetCommitRequest{TransactionalID: s.name(l.words[1]), GroupID: s.name(l.words[3]), ProducerID: id, ProducerEpoch: epoch, GenerationID: -1}
	if name, ok := l.options["member"]; ok {
		name, later, _ := strings.Cut(name, "+")
		name, earlier, _ := strings.Cut(name, "-")
		req.MemberID = name
		if m := s.members[name]; m != nil {
			req.MemberID, req.GenerationID = m.id, m.epoch
		} else if m := s.joined[name]; m != nil {
			req.MemberID, req.GenerationID = m.MemberID, m.GenerationID
		} else {
			req.GenerationID = 1
		}
		if later != "" {
			req.GenerationID++
		}
		if earlier != "" {
			req.GenerationID--
		}
	}
	for _, w := range l.words[4:] {
		place, offset, _ := strings.Cut(w, "=")
		offset, size, _ := strings.Cut(offset, "+")
		topic, n := s.at(place)
		req.Topics = append(req.Topics, msg.TxnOffsetCommitRequestTxnOffsetCommitRequestTopic{Name: topic, Partitions: []msg.TxnOffsetCommitRequestTxnOffsetCommitRequestPartition{
			{PartitionIndex: n, CommittedOffset: number(s.t, offset), CommittedLeaderEpoch: -1, CommittedMetadata: wire.Ptr(strings.Repeat("m", int(number(s.t, cmp.Or(size, "0")))))}}})
	}
	if l.options["member"] != "" && s.on.highest(msg.TxnOffsetCommitAPI) < 3 {
		return none
	}
	m, _, ok := asked[*msg.TxnOffsetCommitResponse](s, l, 3, req)
	if !ok {
		return none
	}
	var out []string // in the order of the request: some brokers have the answers in maps
	for _, in := range req.Topics {
		for _, t := range m.Topics {
			for _, p := range t.Partitions {
				if t.Name == in.Name && p.PartitionIndex == in.Partitions[0].PartitionIndex {
					out = append(out, code(p.ErrorCode))
				}
			}
		}
	}
	return strings.Join(out, ", ")
}

func (s *script) end(l *cue) string {
	id, epoch := s.producer(l.words[2])
	m, version, ok := asked[*msg.EndTxnResponse](s, l, 3, &msg.EndTxnRequest{TransactionalID: s.name(l.words[1]), ProducerID: id, ProducerEpoch: epoch, Committed: l.words[3] == "commit"})
	switch {
	case !ok:
		return none
	case version >= 5:
		return code(m.ErrorCode) + " " + s.producerName(m.ProducerID, int32(m.ProducerEpoch))
	}
	return code(m.ErrorCode)
}

func (s *script) produce(l *cue) string {
	id, epoch := s.producer(l.words[2])
	topic, n := s.at(l.words[3])
	count := int32(number(s.t, l.words[5]))
	raw := make([]byte, record.Overhead)
	for i := range count {
		raw = record.AppendRecord(raw, i, 0, nil, []byte("v"), nil)
	}
	now := s.on.now().UnixMilli()
	record.Seal(raw, &record.Info{Magic: 2, LeaderEpoch: -1, LastOffsetDelta: count - 1, Count: count, BaseTimestamp: now, MaxTimestamp: now, ProducerID: id, ProducerEpoch: epoch,
		BaseSequence: int32(number(s.t, l.words[4])), Transactional: len(l.words) < 7})
	req := produceRequest(-1, topic, n, raw)
	if l.options["acks"] == "1" {
		req.Acks = 1
	}
	if l.words[1] != "-" {
		req.TransactionalID = wire.Ptr(s.name(l.words[1]))
	}
	m, _, ok := asked[*msg.ProduceResponse](s, l, 11, req)
	if !ok {
		return none
	}
	p := m.Responses[0].PartitionResponses[0]
	if p.ErrorCode == 0 {
		return fmt.Sprintf("ok @%d", p.BaseOffset)
	}
	return code(p.ErrorCode)
}

func (s *script) markers(l *cue) string {
	id, epoch := s.producer(l.words[1])
	topic, n := s.at(l.words[3])
	w := msg.WriteTxnMarkersRequestWritableTxnMarker{ProducerID: id, ProducerEpoch: epoch, TransactionResult: l.words[2] == "commit",
		Topics: []msg.WriteTxnMarkersRequestWritableTxnMarkerTopic{{Name: topic, PartitionIndexes: []int32{n}}}}
	if v, ok := l.options["coordinator"]; ok {
		w.CoordinatorEpoch = int32(number(s.t, v))
	}
	if v, ok := l.options["tv"]; ok {
		w.TransactionVersion = int8(number(s.t, v))
	}
	m, _, ok := asked[*msg.WriteTxnMarkersResponse](s, l, 1, &msg.WriteTxnMarkersRequest{Markers: []msg.WriteTxnMarkersRequestWritableTxnMarker{w}})
	if !ok {
		return none
	}
	return code(m.Markers[0].Topics[0].Partitions[0].ErrorCode)
}

func (s *script) fetch(l *cue) string {
	topic, n := s.at(l.words[1])
	req := fetchRequest(topic, n, 0, 0, 0)
	if len(l.words) > 2 {
		req.IsolationLevel = 1
	}
	at := &req.Topics[0].Partitions[0]
	at.FetchOffset, at.PartitionMaxBytes = number(s.t, cmp.Or(l.options["from"], "0")), int32(number(s.t, cmp.Or(l.options["max"], "1048576")))
	m, _, _ := asked[*msg.FetchResponse](s, l, 12, req)
	if m.ErrorCode != 0 || len(m.Responses) != 1 {
		return code(m.ErrorCode)
	}
	p := m.Responses[0].Partitions[0]
	out := fmt.Sprintf("%s high %d stable %d", code(p.ErrorCode), p.HighWatermark, p.LastStableOffset)
	for _, a := range p.AbortedTransactions {
		out += fmt.Sprintf(" aborted %s@%d", strings.TrimSuffix(s.producerName(a.ProducerID, 0), "/0"), a.FirstOffset)
	}
	for b, err := range record.Batches(p.Records) {
		if err != nil {
			s.t.Fatal(err)
		}
		out += fmt.Sprintf("; %d", b.BaseOffset)
		switch {
		case b.Control:
			it, _, _ := b.Records(nil, unpackLimit)
			var v record.View
			it.Next(&v)
			kind, _, err := record.Control(&v)
			if err != nil {
				s.t.Fatal(err)
			}
			out += fmt.Sprintf(" %s %s", kind, s.producerName(b.ProducerID, int32(b.ProducerEpoch)))
		default:
			out += fmt.Sprintf("-%d %s sequence %d", b.LastOffset(), s.producerName(b.ProducerID, int32(b.ProducerEpoch)), b.BaseSequence)
		}
	}
	return out
}

func (s *script) describe(l *cue) string {
	m, _, ok := asked[*msg.DescribeTransactionsResponse](s, l, 0, &msg.DescribeTransactionsRequest{TransactionalIDs: []string{s.name(l.words[1])}})
	if !ok {
		return none
	}
	d := m.TransactionStates[0]
	if d.ErrorCode != 0 {
		return code(d.ErrorCode)
	}
	out := fmt.Sprintf("ok %s %s timeout %d", d.TransactionState, s.producerName(d.ProducerID, int32(d.ProducerEpoch)), d.TransactionTimeoutMs)
	if d.TransactionStartTimeMs >= 0 {
		out += " begun"
	}
	slices.SortFunc(d.Topics, func(a, b msg.DescribeTransactionsResponseTopicData) int { return strings.Compare(a.Topic, b.Topic) })
	for _, t := range d.Topics {
		slices.Sort(t.Partitions)
		if t.Topic == "__consumer_offsets" {
			out += " " + t.Topic
			continue
		}
		out += fmt.Sprintf(" %s%v", s.shown(t.Topic), t.Partitions)
	}
	return out
}

// ending tells whether a transaction of the script is being ended. Before 3.0 it cannot be asked: then it waits as long as that takes.
func (s *script) ending() bool {
	if s.on.highest(msg.DescribeTransactionsAPI) < 0 {
		s.on.wait(2 * time.Second)
		return false
	}
	for id := range s.begun {
		m := s.ask(&msg.DescribeTransactionsRequest{TransactionalIDs: []string{id}}, 0).(*msg.DescribeTransactionsResponse)
		if strings.HasPrefix(m.TransactionStates[0].TransactionState, "Prepare") {
			return true
		}
	}
	return false
}

func (s *script) list(l *cue) string {
	req := &msg.ListTransactionsRequest{StateFilters: l.words[1:], ProducerIDFilters: s.ids, DurationFilter: -1}
	if v, ok := l.options["producers"]; ok {
		req.ProducerIDFilters = nil
		for _, w := range strings.Split(v, ",") {
			id, _ := s.producer(w + "/0")
			req.ProducerIDFilters = append(req.ProducerIDFilters, id)
		}
	}
	usual := int16(0)
	if v, ok := l.options["duration"]; ok {
		req.DurationFilter, usual = number(s.t, v), 1
	}
	if v, ok := l.options["pattern"]; ok {
		if req.TransactionalIDPattern, usual = wire.Ptr(v), 2; v != "" {
			req.TransactionalIDPattern = wire.Ptr(regexp.QuoteMeta(s.prefix) + "(" + v + ")")
		}
	}
	if l.version >= 0 {
		usual = l.version
	}
	if usual > s.on.highest(req.APIKey()) {
		return none
	}
	m, _, ok := asked[*msg.ListTransactionsResponse](s, l, usual, req)
	if !ok {
		return none
	}
	out := code(m.ErrorCode)
	for _, f := range m.UnknownStateFilters {
		out += " unknown " + f
	}
	for i := range s.ids { // Kafka lists in any order
		for _, t := range m.TransactionStates {
			if t.ProducerID == s.ids[i] {
				out += fmt.Sprintf("; %s %s p%d", s.shown(t.TransactionalID), t.TransactionState, i+1)
			}
		}
	}
	return out
}

func (s *script) producers(l *cue) string {
	topic, n := s.at(l.words[1])
	m, _, ok := asked[*msg.DescribeProducersResponse](s, l, 0, &msg.DescribeProducersRequest{Topics: []msg.DescribeProducersRequestTopicRequest{{Name: topic, PartitionIndexes: []int32{n}}}})
	if !ok {
		return none
	}
	p := m.Topics[0].Partitions[0]
	out := code(p.ErrorCode)
	for i := range s.ids {
		for _, a := range p.ActiveProducers {
			if a.ProducerID == s.ids[i] {
				out += fmt.Sprintf("; p%d/%d last %d coordinator %d open %d", i+1, a.ProducerEpoch, a.LastSequence, a.CoordinatorEpoch, a.CurrentTxnStartOffset)
			}
		}
	}
	return out
}

func (s *script) join(l *cue) string {
	req := &msg.JoinGroupRequest{GroupID: s.name(l.words[1]), SessionTimeoutMs: 30000, RebalanceTimeoutMs: 30000, ProtocolType: "consumer",
		Protocols: []msg.JoinGroupRequestJoinGroupRequestProtocol{{Name: "range", Metadata: []byte{0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}}}}
	var m *msg.JoinGroupResponse
	for range 2 {
		m, _, _ = asked[*msg.JoinGroupResponse](s, l, 5, req)
		req.MemberID = m.MemberID
		if protocol.Code(m.ErrorCode) != protocol.MemberIDRequired {
			break
		}
	}
	if m.ErrorCode != 0 {
		return code(m.ErrorCode)
	}
	y, _, _ := asked[*msg.SyncGroupResponse](s, l, 3, &msg.SyncGroupRequest{GroupID: req.GroupID, GenerationID: m.GenerationID, MemberID: m.MemberID,
		Assignments: []msg.SyncGroupRequestSyncGroupRequestAssignment{{MemberID: m.MemberID, Assignment: []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}}})
	s.joined[l.words[2]] = m
	return fmt.Sprintf("%s generation %d", code(y.ErrorCode), m.GenerationID)
}

func (s *script) plain(l *cue) string {
	place, offset, _ := strings.Cut(l.words[2], "=")
	topic, n := s.at(place)
	m, _, _ := asked[*msg.OffsetCommitResponse](s, l, 7, &msg.OffsetCommitRequest{GroupID: s.name(l.words[1]), GenerationIDOrMemberEpoch: -1, RetentionTimeMs: -1, Topics: []msg.OffsetCommitRequestOffsetCommitRequestTopic{{Name: topic,
		Partitions: []msg.OffsetCommitRequestOffsetCommitRequestPartition{{PartitionIndex: n, CommittedOffset: number(s.t, offset), CommittedLeaderEpoch: -1, CommitTimestamp: -1, CommittedMetadata: wire.Ptr("")}}}}})
	return code(m.Topics[0].Partitions[0].ErrorCode)
}

func (s *script) offset(l *cue) string {
	topic, n := s.at(l.words[2])
	m, _, _ := asked[*msg.OffsetFetchResponse](s, l, 7, &msg.OffsetFetchRequest{GroupID: s.name(l.words[1]), RequireStable: len(l.words) > 3, Topics: []msg.OffsetFetchRequestOffsetFetchRequestTopic{{Name: topic, PartitionIndexes: []int32{n}}}})
	p := m.Topics[0].Partitions[0]
	return fmt.Sprintf("%s %d", code(p.ErrorCode), p.CommittedOffset)
}
