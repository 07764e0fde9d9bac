package meta

import (
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// withoutA is an answer that knows topic "b", if it is asked for, and no other.
func withoutA(m *msg.MetadataRequest) *msg.MetadataResponse {
	r := metadata(nil, nil)
	r.Topics = nil
	for _, in := range m.Topics {
		t := msg.MetadataResponseMetadataResponseTopic{Name: in.Name, ErrorCode: int16(protocol.UnknownTopicOrPartition)}
		if *in.Name == "b" {
			t.ErrorCode, t.Partitions = 0, []msg.MetadataResponseMetadataResponsePartition{{LeaderID: 1}}
		}
		r.Topics = append(r.Topics, t)
	}
	return r
}

func asksFor(m *msg.MetadataRequest, names ...string) bool {
	if m == nil || len(m.Topics) != len(names) {
		return false
	}
	for i, name := range names {
		if *m.Topics[i].Name != name {
			return false
		}
	}
	return true
}

// TestADeletedTopicIsNotCreatedAgain: each refresh allowed brokers to create what it asks for, so the topics that somebody had deleted came back as long as a client was idle that had used them.
func TestADeletedTopicIsNotCreatedAgain(t *testing.T) {
	b := newBench(t, nil)
	if out := b.step(&Refresh{Topics: []string{"a"}, Except: cluster.NoNode}); out.Metadata == nil || !out.Metadata.AllowAutoTopicCreation {
		t.Fatalf("a new topic may not be created: %+v", out.Metadata)
	}
	b.step(&Metadata{Resp: metadata([]int32{1}, []int32{5}), Version: 12})
	asked := b.later(5 * time.Minute).Metadata
	for range 20 {
		if asked == nil {
			asked = b.later(10 * time.Second).Metadata
			continue
		}
		if asked.AllowAutoTopicCreation {
			t.Fatalf("what was deleted may be created again: %+v", asked)
		}
		asked = b.step(&Metadata{Resp: withoutA(asked), Version: 12}).Metadata
	}
	b.later(time.Minute)
	b.step(&Metadata{Resp: withoutA(&msg.MetadataRequest{Topics: []msg.MetadataRequestMetadataRequestTopic{{Name: wire.Ptr("a")}}}), Version: 12})
	asked = b.step(&Refresh{Topics: []string{"a"}, Shared: true, Except: cluster.NoNode, Owner: "a record"}).Metadata
	for i := 0; asked == nil && i < 100; i++ {
		asked = b.later(time.Second).Metadata
	}
	if asked == nil || !asked.AllowAutoTopicCreation {
		t.Fatalf("a record for it does not create it: %+v", asked)
	}
}

// TestWhatMayBeCreatedIsAskedForByItself: the request says of all its topics whether they may be created. Who waits for the others waits for their own answer.
func TestWhatMayBeCreatedIsAskedForByItself(t *testing.T) {
	for _, whole := range []bool{false, true} {
		b := newBench(t, nil).known()
		b.later(time.Second)
		busy := b.step(&Refresh{Nodes: true, Except: cluster.NoNode}).Metadata
		if busy == nil {
			t.Fatal("the nodes are not asked for")
		}
		other := &Refresh{Topics: []string{"a"}, Except: cluster.NoNode, Owner: "a"}
		if whole {
			other.Topics = nil
		}
		b.step(other)
		b.step(&Refresh{Topics: []string{"b"}, Except: cluster.NoNode, Owner: "b"})
		asked := b.step(&Metadata{Resp: withoutA(busy), Version: 12}).Metadata
		for i := 0; asked == nil && i < 10; i++ {
			asked = b.later(100 * time.Millisecond).Metadata
		}
		if !asksFor(asked, "b") || !asked.AllowAutoTopicCreation {
			t.Fatalf("asked first: %+v", asked)
		}
		out := b.step(&Metadata{Resp: withoutA(asked), Version: 12})
		told := len(out.Fresh)
		if slices.Contains(out.Fresh, any("a")) {
			t.Error("told before it was asked for")
		}
		for asked, i := out.Metadata, 0; ; i++ {
			if asked == nil && i < 10 {
				asked = b.later(100 * time.Millisecond).Metadata
				continue
			}
			want := []string{"a"}
			if whole {
				want = []string{"a", "b"}
			}
			if !asksFor(asked, want...) || asked.AllowAutoTopicCreation {
				t.Fatalf("asked then: %+v", asked)
			}
			if out := b.step(&Metadata{Resp: withoutA(asked), Version: 12}); told+len(out.Fresh) != 2 {
				t.Errorf("told: %d, then %v", told, out.Fresh)
			}
			break
		}
	}
}
