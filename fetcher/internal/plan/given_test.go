package plan

import (
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/wire"
)

// give assigns partition 0 of one topic, whichever has the name.
func (b *bench) give(id wire.UUID, offset int64) *Effects {
	b.gen++
	b.gens[0] = b.gen
	return b.step(&Assign{Starts: []Start{{TopicPartition: tp(0), Gen: b.gen, Offset: offset, Epoch: -1, ID: id}}})
}

// named gives the name "a" to a topic.
func (b *bench) named(id wire.UUID) *Effects {
	topic := *b.c.snap.Topics()[0]
	topic.ID = id
	next := b.c.snap.With([]*cluster.Topic{&topic}, nil)
	next.Version = b.c.snap.Version + 1
	return b.step(&Changed{Snapshot: next})
}

// TestAnotherTopicOfTheNameIsNotRead has a topic created again that a partition was given of by id: reading waits for whoever has given it. It went on in the new topic, as it does where topics have names only.
func TestAnotherTopicOfTheNameIsNotRead(t *testing.T) {
	b := newBench(t, nil)
	b.give(wire.UUID{1}, 40)
	b.records(b.fetch(), 0, 40, 3)
	flying := b.fetch()
	old := b.out.Chunks[0]
	if out := b.named(wire.UUID{2}); len(out.List)+len(out.Places)+len(out.Fetch) > 0 {
		t.Fatalf("%+v", out)
	}
	if b.answer(flying); len(b.out.Fetch) > 0 || len(b.out.Refresh) == 0 {
		t.Fatalf("%+v", b.out)
	}
	told := 0
	for range 20 {
		out := b.later(time.Second)
		told += len(out.Fail)
		if len(out.Fetch)+len(out.List)+len(out.Check) > 0 {
			t.Fatalf("%+v", out)
		}
	}
	if told == 0 || b.c.parts[0].topic != (wire.UUID{1}) || b.c.parts[0].offset != 43 {
		t.Errorf("told %d times; it is at %d of %v", told, b.c.parts[0].offset, b.c.parts[0].topic)
	}
	b.named(wire.UUID{1}) // who told of the other was wrong
	if r := b.fetch(); r.Wants[0].Offset != 43 || r.Wants[0].ID != (wire.UUID{1}) {
		t.Errorf("%+v", r.Wants)
	}
	back := Taking{TopicPartition: old.TopicPartition, Gen: old.Gen, Bytes: old.Bytes, Back: true, At: 40, Epoch: 3, Life: old.Life}
	if b.step(&Taken{Chunks: []Taking{back}}); b.c.parts[0].offset != 40 {
		t.Errorf("what was not read is fetched from %d", b.c.parts[0].offset)
	}
}

// TestATopicIsReadWhenMetadataHasIt has a topic given that has not its name yet, as far as is known. What is asked for by name until then would be of the old one.
func TestATopicIsReadWhenMetadataHasIt(t *testing.T) {
	b := newBench(t, nil)
	if out := b.give(wire.UUID{2}, 3); len(out.Fetch) > 0 || len(out.Refresh) == 0 {
		t.Fatalf("%+v", out)
	}
	for range 3 {
		if out := b.later(time.Second); len(out.Fetch) > 0 {
			t.Fatalf("%+v", out)
		}
	}
	b.named(wire.UUID{2})
	if r := b.fetch(); r.Wants[0].Offset != 3 || r.Wants[0].ID != (wire.UUID{2}) {
		t.Errorf("%+v", r.Wants)
	}
}

// TestAnswersByNameAreOfTheTopicThatHasIt: offsets that were asked for when the given topic had the name may be those of the next.
func TestAnswersByNameAreOfTheTopicThatHasIt(t *testing.T) {
	b := newBench(t, nil)
	b.give(wire.UUID{1}, AtEnd)
	asked := b.out
	b.named(wire.UUID{2})
	b.out = asked
	if out := b.listed(protocol.None, 7); len(out.Places) > 0 || len(out.Fetch) > 0 {
		t.Fatalf("%+v", out)
	}
	b.named(wire.UUID{1})
	b.listed(protocol.None, 50)
	if r := b.fetch(); r.Wants[0].Offset != 50 {
		t.Errorf("%+v", r.Wants)
	}
}
