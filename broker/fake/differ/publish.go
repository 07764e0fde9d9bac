package differ

import (
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// quota is what a script sets for a client that nobody is, each time to another value: so much of a rate that it would not matter.
const (
	quota      = "consumer_byte_rate"
	quotaFirst = 1e12
)

// publish waits until all parts of a broker know of what was changed last. A broker takes changes over one after the other, and tells its group coordinator last, behind what a client can see of a topic: so another change is made
// that has nothing to do with the script, and when that is seen, the one before has come everywhere (BrokerMetadataPublisher). Only coordinators of the new group protocol look at topics.
func (s *side) publish() error {
	if _, ok := s.w.ranges.Get(msg.ConsumerGroupHeartbeatAPI); !ok || !s.publishes {
		return nil
	}
	s.published++
	if err := s.setQuota(false); err != nil {
		return err
	}
	want := quotaFirst + float64(s.published)
	return s.until("a change of the cluster is not seen", func() (bool, error) {
		m, err := s.peer.ask(&msg.DescribeClientQuotasRequest{Components: []msg.DescribeClientQuotasRequestComponentData{{EntityType: "client-id", Match: wire.Ptr(s.w.name("quota"))}}}, 0)
		if err != nil {
			return false, err
		}
		for _, e := range m.(*msg.DescribeClientQuotasResponse).Entries {
			for _, v := range e.Values {
				if v.Value == want {
					return true, nil
				}
			}
		}
		return false, nil
	})
}

func (s *side) setQuota(remove bool) error {
	m, err := s.peer.ask(&msg.AlterClientQuotasRequest{Entries: []msg.AlterClientQuotasRequestEntryData{{
		Entity: []msg.AlterClientQuotasRequestEntityData{{EntityType: "client-id", EntityName: wire.Ptr(s.w.name("quota"))}},
		Ops:    []msg.AlterClientQuotasRequestOpData{{Key: quota, Value: quotaFirst + float64(s.published), Remove: remove}}}}}, 0)
	if err != nil {
		return err
	}
	for _, e := range m.(*msg.AlterClientQuotasResponse).Entries {
		if e.ErrorCode != 0 {
			return protocol.Code(e.ErrorCode)
		}
	}
	return nil
}
