package fake_test

import (
	"slices"
	"testing"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// Kafka tells which topics are its own, and takes no records for them (seen on 4.3.0). Without being told to a cluster has none.
func TestInternalTopics(t *testing.T) {
	for _, there := range []bool{true, false} {
		b := newBench(t, fake.Config{InternalTopics: there, Topics: []fake.Topic{{Name: "own"}}})
		k := b.connect(1)
		var own, internal []string
		for _, m := range ask(b, k, &msg.MetadataRequest{}, &msg.MetadataResponse{}, 9).Topics {
			if m.IsInternal {
				internal = append(internal, *m.Name)
			} else {
				own = append(own, *m.Name)
			}
		}
		if !slices.Equal(own, []string{"own"}) || !there && internal != nil || there && !slices.Equal(internal, []string{"__consumer_offsets", "__transaction_state"}) {
			t.Errorf("%v and %v", own, internal)
		}
		if !there {
			continue
		}
		if r := b.produce(k, "__consumer_offsets", 7, batch(-1, -1, -1, "x")); protocol.Code(r.ErrorCode) != protocol.InvalidTopicException {
			t.Errorf("a record for an internal topic: %v", protocol.Code(r.ErrorCode))
		}
		if r := b.produce(k, "__consumer_offsets", 50, batch(-1, -1, -1, "x")); protocol.Code(r.ErrorCode) != protocol.UnknownTopicOrPartition {
			t.Errorf("a record for a partition that an internal topic does not have: %v", protocol.Code(r.ErrorCode))
		}
	}
}
