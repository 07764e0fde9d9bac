package fetcher

import (
	"errors"
	"testing"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/record"

	"github.com/kactor-go/kactor/fetcher/internal/plan"
)

// What goes wrong beside records comes with the next call, not with them: who looks at the error first would not see them, and they count as read.
func TestWhatWentWrongDoesNotComeWithRecords(t *testing.T) {
	b := newBench(t)
	other := cluster.TopicPartition{Topic: "t", Partition: 1}
	b.buf.mu.Lock()
	gen, _ := b.buf.assign(other, 0, -1)
	b.buf.mu.Unlock()
	b.answer(compress.None, 1)
	f := &Fetcher{buf: b.buf}
	var v record.View
	for k := b.take(); k.Next(&v); {
	}
	b.answer(compress.None, 1)
	b.buf.put(&plan.Effects{Fail: []plan.Failure{{TopicPartition: other, Gen: gen, Err: errors.New("out of range")}}})
	k := f.More()
	if k == nil {
		t.Fatal("no records")
	}
	for k.Next(&v) {
	}
	if k := f.More(); k != nil {
		t.Errorf("there is more: %+v", k)
	}
	var failed *PartitionError
	if _, err := f.Ready(); !errors.As(err, &failed) || failed.TopicPartition != other {
		t.Errorf("then comes %v", err)
	}
}
