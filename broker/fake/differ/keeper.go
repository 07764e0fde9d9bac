package differ

import (
	"sync"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Brokers with ZooKeeper do some things otherwise, and later.

// keeper tells whether ZooKeeper has the topics: that is so before 3.0, when transactions could not be listed yet.
func (w *world) keeper() bool {
	_, later := w.ranges.Get(msg.ListTransactionsAPI)
	return !later
}

// beside waits until a step can be played beside those of other scripts, and gives what lets the others go on behind it. Where ZooKeeper has the topics, the coordinator forgets all groups that nobody is in and that have nothing
// when any topic is deleted: both sides must do that between the same steps of all scripts.
func (p *playing) beside(op *operation) (done func()) {
	switch {
	case !p.kafka.w.keeper():
		return func() {}
	case op.key == msg.DeleteTopicsAPI:
		p.r.deleting.Lock()
		return p.r.deleting.Unlock
	}
	p.r.deleting.RLock()
	return p.r.deleting.RUnlock
}

// sweep deletes what is left of a script.
func (p *playing) sweep() {
	if p.kafka.w.keeper() {
		p.r.deleting.Lock()
		defer p.r.deleting.Unlock()
		p.fake.sweep()
	}
	p.kafka.sweep()
}

// forgotten tells whether nothing is left of a topic that is deleted. Where ZooKeeper has it, the controller deletes it some time after brokers have forgotten it.
func (s *side) forgotten(topic string) (bool, error) {
	if !s.w.keeper() {
		return true, nil
	}
	m, err := s.peer.ask(&msg.CreatePartitionsRequest{Topics: []msg.CreatePartitionsRequestCreatePartitionsTopic{{Name: s.w.name(topic), Count: 1000}}, TimeoutMs: 30000, ValidateOnly: true}, 1)
	if err != nil {
		return false, err
	}
	return protocol.Code(m.(*msg.CreatePartitionsResponse).Results[0].ErrorCode) == protocol.UnknownTopicOrPartition, nil
}

// probe is a topic of a broker, of no script.
type probe struct {
	mu      sync.Mutex
	topic   string // once it is there
	stamped bool
}

// applied waits until a broker goes by configurations that were altered. With ZooKeeper it takes alterations over one after the other (DynamicConfigManager), and tells all that it has been asked for: so another one is made that
// has nothing to do with the script, and waited for until records show it.
func (s *side) applied() error {
	if s.probe == nil || !s.w.alters {
		return nil
	}
	if !s.w.keeper() {
		time.Sleep(30 * time.Millisecond)
		return nil
	}
	s.w.alters = false
	p := s.probe
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.topic == "" {
		topic := s.w.name("probe")
		_, err := s.peer.ask(&msg.CreateTopicsRequest{TimeoutMs: 30000, Topics: []msg.CreateTopicsRequestCreatableTopic{{Name: topic, NumPartitions: 1, ReplicationFactor: 1}}}, 4)
		if err != nil {
			return err
		}
		p.topic = topic
	}
	p.stamped = !p.stamped
	value := wire.Ptr("CreateTime")
	if p.stamped {
		value = wire.Ptr("LogAppendTime")
	}
	_, err := s.peer.ask(&msg.IncrementalAlterConfigsRequest{Resources: []msg.IncrementalAlterConfigsRequestAlterConfigsResource{
		{ResourceType: ofTopics, ResourceName: p.topic, Configs: []msg.IncrementalAlterConfigsRequestAlterableConfig{{Name: "message.timestamp.type", Value: value}}}}}, 0)
	if err != nil {
		return err
	}
	return s.until("an alteration is not seen", func() (bool, error) {
		m, err := s.peer.ask(&msg.ProduceRequest{Acks: 1, TimeoutMs: 30000, TopicData: []msg.ProduceRequestTopicProduceData{{Name: p.topic, PartitionData: []msg.ProduceRequestPartitionProduceData{{Records: oneRecord()}}}}}, 3)
		if err != nil {
			return false, err
		}
		r := m.(*msg.ProduceResponse).Responses[0].PartitionResponses[0]
		return r.ErrorCode == 0 && (r.LogAppendTimeMs >= 0) == p.stamped, nil
	})
}

func oneRecord() []byte {
	info := record.Info{Magic: 2, LeaderEpoch: -1, Count: 1, BaseTimestamp: time.Now().UnixMilli(), ProducerID: record.NoProducerID, ProducerEpoch: record.NoProducerEpoch, BaseSequence: record.NoSequence}
	info.MaxTimestamp = info.BaseTimestamp
	bytes := record.AppendRecord(make([]byte, record.Overhead), 0, 0, nil, nil, nil)
	record.Seal(bytes, &info)
	return bytes
}
