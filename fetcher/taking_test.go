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

// A record that cannot be used comes behind those before it, and is told of with the next call, unless the application has gone elsewhere by then.
func TestWhatWasWrongWithARecordIsToldUntilASeek(t *testing.T) {
	for _, seeks := range []bool{false, true} {
		b := newBench(t)
		b.answer(compress.None, 1)
		f, wrong := &Fetcher{buf: b.buf}, errors.New("wrong")
		f.Later(b.take(), wrong)
		if seeks {
			b.seek(0)
		}
		k, err := f.Ready()
		if told := errors.Is(err, wrong); told == seeks || told && k != nil {
			t.Errorf("after a seek: %v: %v, %v", seeks, k, err)
		}
	}
}
