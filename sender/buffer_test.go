package sender

import (
	"runtime"
	"sync"
	"testing"
)

// A topic of a million partitions had a buffer for each before its first record was placed, and who handed that over waited for it, whatever its context.
func TestPartitionsHaveBuffersWhenTheyHaveRecords(t *testing.T) {
	_, s := unreached(t, DefaultConfig())
	topic, err := s.buf.topic("t")
	if err != nil {
		t.Fatal(err)
	}
	last := topic.at(topic.grown(3), 2)
	const many = 1_000_000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	list := topic.grown(many)
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / many; each > 16 {
		t.Errorf("%d bytes are allocated for each of %d partitions", each, many)
	}
	if topic.at(list, 2) != last {
		t.Error("a partition has another buffer when there are more partitions")
	}
	if p := topic.at(list, many-1); p.to.Topic != "t" || p.to.Partition != many-1 {
		t.Errorf("the last partition's buffer is that of %s", p.to)
	}
}

func TestAPartitionHasOneBuffer(t *testing.T) {
	topic := &topicBuffer{name: "t"}
	topic.view.Store(newView(-1, nil, nil))
	const goroutines, partitions = 8, 5000
	var got [goroutines][partitions]*partitionBuffer
	var all sync.WaitGroup
	list := topic.grown(partitions)
	for g := range goroutines {
		all.Go(func() {
			for i := range partitions {
				got[g][i] = topic.at(list, int32(i))
			}
		})
	}
	all.Wait()
	for g := range goroutines {
		for i := range partitions {
			if got[g][i] != got[0][i] {
				t.Fatalf("partition %d has two buffers", i)
			}
		}
	}
}
