package plan

import (
	"testing"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/wire"
)

// TestOnlyWhatIsDifferentInAPictureIsLookedAt: a client may know thousands of topics, each of which comes with a picture of its own. Those that a fetcher does not read change nothing; of those that it reads it misses
// nothing, also when pictures are left out, come twice, or come late.
func TestOnlyWhatIsDifferentInAPictureIsLookedAt(t *testing.T) {
	b := newBench(t, nil)
	b.assign(0, 10)
	b.assign(2, 10)
	seen := b.c.snap
	picture := func(topics ...*cluster.Topic) *cluster.Snapshot {
		version := seen.Version + 1
		seen = seen.With(topics, nil)
		seen.Version = version
		return seen
	}
	b.later(0)
	for i := range byte(10) {
		if b.step(&Changed{picture(&cluster.Topic{Name: string('b' + rune(i)), ID: wire.UUID{2, i}})}); b.c.dirty || len(b.out.Places)+len(b.out.Fetch)+len(b.out.Refresh) > 0 {
			t.Fatalf("another topic: %+v", b.out)
		}
	}
	again := *seen.Topic("a")
	again.ID = wire.UUID{9}
	late := seen
	_ = picture(&again) // nobody tells
	now := picture(&cluster.Topic{Name: "z"})
	b.step(&Changed{now})
	for _, p := range b.c.parts {
		if p.topic != again.ID || p.life != 1 {
			t.Errorf("%s is of topic %v in life %d", p.TopicPartition, p.topic, p.life)
		}
	}
	b.step(&Changed{now})
	b.step(&Changed{late})
	if b.c.snap != now || b.c.parts[0].life != 1 {
		t.Errorf("a picture that comes twice, or late, has changed something")
	}
}
