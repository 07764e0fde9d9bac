package differ

import (
	"fmt"
	"strings"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// forgetting is how long brokers of scripts of [Expiry] may need to look for what they may forget: longer than offsets.retention.check.interval.ms.
const forgetting = 40 * time.Millisecond

// settle waits until a side has done what the answer before has promised.
func (s *side) settle(what settling) error {
	switch what {
	case leaders:
		if err := s.until("the partitions of its topics have not changed as they should", s.led); err != nil {
			return err
		}
		return s.publish()
	case applied:
		return s.applied()
	case emptied:
		if s.w.brief && s.name == "Kafka" {
			time.Sleep(forgetting)
		}
	case markers:
		return s.until("a transaction does not end", s.ended)
	}
	return nil
}

func (s *side) until(wrong string, done func() (bool, error)) error {
	for late := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		ok, err := done()
		if err != nil || ok {
			return err
		}
		if time.Now().After(late) {
			return fmt.Errorf("%s within %s", wrong, patience)
		}
	}
}

// led tells whether the partitions of all topics are as metadata has them, and learns from that: those that are there have a leader that knows it, and those that are deleted have none.
func (s *side) led() (bool, error) {
	if len(s.w.topics) == 0 {
		return true, nil
	}
	ask := &msg.MetadataRequest{}
	for _, n := range topicNames {
		if s.w.topics[n] != nil {
			ask.Topics = append(ask.Topics, msg.MetadataRequestMetadataRequestTopic{Name: wire.Ptr(s.w.name(n))})
		}
	}
	known, _ := s.w.ranges.Get(msg.MetadataAPI)
	m, err := s.peer.ask(ask, min(known.Max, 12))
	if err != nil {
		return false, err
	}
	for _, t := range m.(*msg.MetadataResponse).Topics {
		n := s.w.short(text(t.Name))
		is := s.w.topics[n]
		if is == nil {
			return false, fmt.Errorf("metadata of %q was not asked for", n)
		}
		if is.gone {
			ok, err := s.leads(n, 0)
			if err != nil || ok || protocol.Code(t.ErrorCode) != protocol.UnknownTopicOrPartition {
				return false, err
			}
			if ok, err := s.forgotten(n); err != nil || !ok {
				return false, err
			}
			continue
		}
		if t.ErrorCode != 0 || len(t.Partitions) < int(is.wanted) {
			return false, nil
		}
		is.id, is.partitions = t.TopicID, int32(len(t.Partitions))
		for i := range is.partitions {
			if ok, err := s.leads(n, i); err != nil || !ok {
				return false, err
			}
		}
	}
	return true, nil
}

// leads tells whether the broker leads a partition, and knows it.
func (s *side) leads(topic string, partition int32) (bool, error) {
	req := &msg.FetchRequest{ReplicaID: -1, MaxBytes: 1, SessionEpoch: -1}
	req.ReplicaState.SetDefaults()
	in := msg.FetchRequestFetchPartition{}
	in.SetDefaults()
	in.Partition, in.PartitionMaxBytes = partition, 1
	req.Topics = []msg.FetchRequestFetchTopic{{Topic: s.w.name(topic), Partitions: []msg.FetchRequestFetchPartition{in}}}
	known, _ := s.w.ranges.Get(msg.FetchAPI)
	m, err := s.peer.ask(req, min(known.Max, 12))
	if err != nil {
		return false, err
	}
	r := m.(*msg.FetchResponse)
	if r.ErrorCode != 0 || len(r.Responses) == 0 {
		return false, fmt.Errorf("a fetch of %s/%d is answered with %s", topic, partition, codeName(r.ErrorCode))
	}
	switch c := protocol.Code(r.Responses[0].Partitions[0].ErrorCode); c {
	case protocol.None, protocol.OffsetOutOfRange:
		return true, nil
	default:
		return false, nil
	}
}

// ended tells whether no transaction of the script is being ended.
func (s *side) ended() (bool, error) {
	known, ok := s.w.ranges.Get(msg.DescribeTransactionsAPI)
	req := &msg.DescribeTransactionsRequest{}
	for _, n := range producerNames {
		if p := s.w.producers[n]; p != nil && p.transactional != "" {
			req.TransactionalIDs = append(req.TransactionalIDs, p.transactional)
		}
	}
	if !ok || len(req.TransactionalIDs) == 0 {
		return true, nil
	}
	m, err := s.peer.ask(req, known.Max)
	if err != nil {
		return false, err
	}
	for _, t := range m.(*msg.DescribeTransactionsResponse).TransactionStates {
		if strings.HasPrefix(t.TransactionState, "Prepare") {
			return false, nil
		}
	}
	return true, nil
}

// sweep deletes the topics that are left: brokers become slow when there are many. What goes wrong in it does no harm.
func (s *side) sweep() {
	if s.published > 0 {
		_ = s.setQuota(true)
	}
	req := &msg.DeleteTopicsRequest{TimeoutMs: 30000}
	for _, n := range topicNames {
		if t := s.w.topics[n]; t != nil && !t.gone {
			req.TopicNames = append(req.TopicNames, s.w.name(n))
		}
	}
	if known, ok := s.w.ranges.Get(msg.DeleteTopicsAPI); ok && len(req.TopicNames) > 0 {
		_, _ = s.peer.ask(req, min(known.Max, 5))
	}
	for _, n := range topicNames { // what is deleted later would take groups of the next script along that are empty (see DeleteTopic of the fake)
		if t := s.w.topics[n]; t != nil && !t.gone {
			_ = s.until("", func() (bool, error) { return s.forgotten(n) })
		}
	}
}
