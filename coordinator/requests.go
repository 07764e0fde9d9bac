package coordinator

import (
	"fmt"

	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/coordinator/internal/member"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// least is the version of a kind that is of use: offsets of version 0 lie in ZooKeeper.
func least(k member.Kind) int16 {
	if k == member.CommitCall || k == member.FetchCall {
		return 1
	}
	return 0
}

// errStatic says that a broker knows no static members.
var errStatic = fmt.Errorf("group.instance.id needs Kafka 2.3: %w", broker.ErrUnsupported)

// fit drops what an old broker cannot be told, and refuses where that would change the meaning.
func fit(version int16, req protocol.Request) error {
	switch r := req.(type) {
	case *msg.JoinGroupRequest:
		if version < 5 && r.GroupInstanceID != nil {
			return errStatic
		}
		if version < 8 {
			r.Reason = nil
		}
		if version < 1 {
			r.RebalanceTimeoutMs = -1
		}
	case *msg.SyncGroupRequest:
		if version < 5 {
			r.ProtocolType, r.ProtocolName = nil, nil
		}
	case *msg.LeaveGroupRequest:
		if version < 3 {
			r.Members = nil
		} else {
			r.MemberID = ""
		}
		for i := range r.Members {
			if version < 5 {
				r.Members[i].Reason = nil
			}
		}
	case *msg.OffsetCommitRequest:
		if version < 7 {
			r.GroupInstanceID = nil
		}
		for i := range r.Topics {
			for k := range r.Topics[i].Partitions {
				if version < 6 {
					r.Topics[i].Partitions[k].CommittedLeaderEpoch = -1
				}
			}
		}
	case *msg.OffsetFetchRequest:
		if version < 8 {
			r.Groups = nil
		} else {
			r.GroupID, r.Topics = "", nil
		}
		if version < 7 {
			r.RequireStable = false
		}
	case *msg.MetadataRequest:
		if version < 4 {
			r.AllowAutoTopicCreation = true
		}
		if version == 0 {
			r.Topics = []msg.MetadataRequestMetadataRequestTopic{}
		}
	}
	return nil
}
