package protocol_test

import (
	"testing"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// TestThrottledAheadHoldsForWhatCameWithKafka20 compares the table with the versions of the releases: what 1.1 has is answered late, what is newer at once.
func TestThrottledAheadHoldsForWhatCameWithKafka20(t *testing.T) {
	before, err := protocol.Release("1.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range protocol.APIKeys() {
		own, _ := protocol.Own(key)
		r, old := before.Get(key)
		for version := own.Min; version <= own.Max; version++ {
			if got, want := protocol.ThrottledAhead(key, version), !old || version > r.Max; got != want {
				t.Errorf("%s v%d: %t, expected %t", protocol.APIName(key), version, got, want)
			}
		}
	}
	// As Java has them.
	for _, c := range []struct{ key, version int16 }{
		{msg.ProduceAPI, 6}, {msg.FetchAPI, 8}, {msg.ListOffsetsAPI, 3}, {msg.MetadataAPI, 6}, {msg.OffsetCommitAPI, 4}, {msg.OffsetFetchAPI, 4}, {msg.FindCoordinatorAPI, 2}, {msg.JoinGroupAPI, 3},
		{msg.HeartbeatAPI, 2}, {msg.LeaveGroupAPI, 2}, {msg.SyncGroupAPI, 2}, {msg.ApiVersionsAPI, 2}, {msg.CreateTopicsAPI, 3}, {msg.DeleteTopicsAPI, 2}, {msg.DeleteRecordsAPI, 1}, {msg.InitProducerIdAPI, 1},
		{msg.DescribeConfigsAPI, 2}, {msg.CreatePartitionsAPI, 1},
	} {
		if !protocol.ThrottledAhead(c.key, c.version) || protocol.ThrottledAhead(c.key, c.version-1) {
			t.Errorf("%s: not from v%d on", protocol.APIName(c.key), c.version)
		}
	}
}
