package fetcher

import (
	"errors"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/record"
)

// zeros is a batch of one record of n zeros.
func (b *bench) zeros(codec compress.Codec, n int) []byte {
	one := record.AppendRecord(make([]byte, record.Overhead), 0, 0, nil, make([]byte, n), nil)
	packed, err := codec.Compress(make([]byte, record.Overhead), one[record.Overhead:], compress.DefaultLevel)
	if err != nil {
		b.t.Fatal(err)
	}
	record.Seal(packed, &record.Info{Magic: 2, Codec: codec, BaseOffset: b.next, Count: 1})
	b.next++
	return packed
}

// budgeted is a bench whose charges are counted.
func budgeted(t *testing.T) (b *bench, used *int64) {
	b, used = newBench(t), new(int64)
	b.buf.large = 1 << 20
	b.buf.hold = func(n int64) { *used += n }
	return b, used
}

func TestALargeBatchCountsToTheBudgetWhileItIsRead(t *testing.T) {
	for _, reuse := range []bool{false, true} {
		b, used := budgeted(t)
		b.put(0, append(b.zeros(compress.Zstd, 4<<20), b.encode(compress.Zstd, 1)...))
		k := b.take()
		if reuse {
			k.Reuse()
		}
		var v record.View
		if !k.Next(&v) || len(v.Value) != 4<<20 {
			t.Fatal(len(v.Value), k.Err())
		}
		if *used < 4<<20 {
			t.Errorf("%d bytes are charged while 4 MiB are read", *used)
		}
		b.read(k)
		if *used != 0 || len(b.buf.spares) > 0 {
			t.Errorf("%d bytes are charged when it was read, and %d buffers kept", *used, len(b.buf.spares))
		}
		b.read(k)
		b.end(k)
	}
}

func TestALargeBatchIsPutAsideWhenTheReaderGoesOnToAnotherPartition(t *testing.T) {
	b, used := budgeted(t)
	other := tp
	other.Partition++
	b.buf.mu.Lock()
	gen, _ := b.buf.assign(other, 0, -1)
	b.buf.mu.Unlock()
	one := make([]byte, record.Overhead)
	for i := range int32(3) {
		one = record.AppendRecord(one, i, 0, nil, make([]byte, 1<<20), nil)
	}
	packed, err := compress.Zstd.Compress(make([]byte, record.Overhead), one[record.Overhead:], compress.DefaultLevel)
	if err != nil {
		t.Fatal(err)
	}
	record.Seal(packed, &record.Info{Magic: 2, Codec: compress.Zstd, LastOffsetDelta: 2, Count: 3})
	b.put(0, packed)
	b.answerOf(other, gen, compress.Gzip, 1)
	k := b.take()
	var v record.View
	if !k.Next(&v) || *used == 0 {
		t.Fatal(k.Err(), *used)
	}
	b.buf.byTP[tp].pause(asked, true)
	second := b.take()
	b.read(second)
	if *used != 0 || k.scratch != nil || k.inBatch {
		t.Fatalf("%d bytes are charged for a paused partition", *used)
	}
	b.read(second)
	b.end(second)
	b.buf.byTP[tp].pause(asked, false)
	if b.take() != k {
		t.Fatal("another chunk")
	}
	for want := range int64(2) {
		if !k.Next(&v) || v.Offset != want+1 || len(v.Value) != 1<<20 {
			t.Fatalf("offset %d, expected %d: %v", v.Offset, want+1, k.Err())
		}
	}
	b.end(k)
	if *used != 0 {
		t.Errorf("%d bytes are charged in the end", *used)
	}
}

// A seek takes a batch out of the reader's hands: it is not charged for ever.
func TestASeekEndsTheChargeOfALargeBatch(t *testing.T) {
	b, used := budgeted(t)
	b.put(0, append(b.zeros(compress.Zstd, 4<<20), b.encode(compress.Zstd, 1)...))
	k := b.take()
	var v record.View
	k.Next(&v)
	peek := k.Peek()
	peek.Next(&v)
	b.seek(0)
	b.take()
	if *used != 0 {
		t.Errorf("%d bytes are charged", *used)
	}
}

func TestABombIsAnErrorOfItsPartitionThatTellsWhatRaisesTheLimit(t *testing.T) {
	for _, codec := range []compress.Codec{compress.Gzip, compress.Snappy, compress.LZ4, compress.Zstd} {
		b := newBench(t)
		b.buf.limit = compress.Limit{Bytes: 1 << 20}
		b.put(0, append(b.encode(codec, 2), b.zeros(codec, 2<<20)...))
		k := b.take()
		var v record.View
		for k.Next(&v) {
			b.holds(&v)
		}
		var failed *PartitionError
		var size *compress.SizeError
		if !errors.As(k.Err(), &failed) || failed.TopicPartition != tp || failed.Offset != 4 || !errors.As(k.Err(), &size) || size.Limit != 1<<20 || size.Codec != codec {
			t.Fatalf("the error is %v", k.Err())
		}
		if text := k.Err().Error(); !strings.Contains(text, "decompress.max.bytes") {
			t.Errorf("%q does not tell which option raises the limit", text)
		}
	}
}
