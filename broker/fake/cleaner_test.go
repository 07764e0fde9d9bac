package fake_test

import (
	"fmt"
	"testing"

	"github.com/kactor-go/kactor/broker/fake"
)

// What a test of a service does: write, compact, and read what is left.
func TestCompactKeepsTheNewestRecordOfAKey(t *testing.T) {
	b := newBench(t, fake.Config{Topics: []fake.Topic{{Name: "t", Config: map[string]string{"cleanup.policy": "compact"}}}})
	k := b.connect(1)
	s := &script{t: t, on: &fakeStage{b: b}}
	for i := range 3 {
		l := &cue{words: []string{"write", "t/0", fmt.Sprintf("a:%d", i), fmt.Sprintf("b:%d", i)}}
		b.produce(k, "t", 0, s.batchOf(l, 0))
	}
	if err := b.c.Compact("t"); err != nil {
		t.Fatal(err)
	}
	if n := len(b.c.Log("t", 0)); n != 3 {
		t.Errorf("%d batches are left of the active segment; it is not compacted", n)
	}
	for _, step := range []func(string) error{b.c.Roll, b.c.Compact} {
		if err := step("t"); err != nil {
			t.Fatal(err)
		}
	}
	left := b.c.Log("t", 0)
	if len(left) != 1 || left[0].BaseOffset != 4 || left[0].Count != 2 {
		t.Errorf("left is %+v; want the batch at 4 with both of its records", left)
	}
	if start, end := b.c.Offsets("t", 0); start != 0 || end != 6 {
		t.Errorf("the log goes from %d to %d; compaction does not change that", start, end)
	}
}

// A change of configurations that Kafka would refuse is refused.
func TestTopicConfigsAreChecked(t *testing.T) {
	for _, configs := range []map[string]string{{"cleanup.policy": "none"}, {"no.such": "1"}, {"retention.ms": "soon"}} {
		if _, err := fake.NewCluster(fake.Config{Topics: []fake.Topic{{Name: "t", Config: configs}}}); err == nil {
			t.Errorf("a topic was made with %v", configs)
		}
	}
	b := newBench(t, fake.Config{Topics: []fake.Topic{{Name: "t"}}})
	for _, wrong := range [][2]string{{"no.such", "1"}, {"segment.ms", "0"}, {"message.downconversion.enable", "true"}} { // the last is gone since 4.0
		if err := b.c.SetTopicConfig("t", wrong[0], wrong[1]); err == nil {
			t.Errorf("a topic has got %v", wrong)
		}
	}
}
