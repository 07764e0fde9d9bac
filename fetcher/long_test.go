package fetcher

import (
	"testing"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/record"
)

// lengthy has partitions with one batch each that takes long to decompress.
func lengthy(t *testing.T, n int32) (*bench, *workers, []*Chunk) {
	w := newWorkers(t)
	b := newBenchIn(t, w)
	var chunks []*Chunk
	for i := range n {
		k := tp
		k.Partition += i
		if i > 0 {
			b.buf.mu.Lock()
			gen, _ := b.buf.assign(k, 0, -1)
			b.buf.mu.Unlock()
			b.next = 0
			b.putOf(k, gen, 0, b.zeros(compress.Zstd, 2*longBytes))
		} else {
			b.put(0, b.zeros(compress.Zstd, 2*longBytes))
		}
		chunks = append(chunks, b.buf.byTP[k].chunks[0])
	}
	return b, w, chunks
}

// visit takes all chunks there are, each once, as a reader does, until nothing is left to be done now. It gives how many records came.
func (b *bench) visit(open func(cluster.TopicPartition) bool) (records int) {
	for {
		k, err := b.buf.take(open)
		if err != nil {
			b.t.Fatal(err)
		}
		if k == nil {
			return records
		}
		var v record.View
		for k.Next(&v) {
			records++
		}
		if k.Err() != nil {
			b.t.Fatal(k.Err())
		}
	}
}

// Several partitions, each with a batch that may become decompress.max.bytes: one after the other is decompressed and read, and none waits for ever.
func TestOneLargeBatchAtATime(t *testing.T) {
	const partitions = 5
	b, w, chunks := lengthy(t, partitions)
	for read := range partitions {
		if got := b.visit(nil); got != min(read, 1) {
			t.Fatalf("%d records after %d batches", got, read)
		}
		if len(w.work) != 1 {
			t.Fatalf("%d batches are decompressed at a time", len(w.work))
		}
		w.do()
		held := 0
		for _, k := range chunks {
			if k.long != nil {
				held++
			}
		}
		if held != 1 {
			t.Errorf("%d batches are held", held)
		}
	}
	if got := b.visit(nil); got != 1 || len(w.work) > 0 {
		t.Errorf("%d records in the end", got)
	}
}

// One that is not to be read now lets others have their turn, and has its own again.
func TestALargeBatchThatIsNotReadHoldsUpNobody(t *testing.T) {
	for _, how := range []string{"paused", "seek", "revoked", "no room"} {
		b, w, _ := lengthy(t, 3)
		b.visit(nil)
		var open func(cluster.TopicPartition) bool
		first := b.buf.long.TopicPartition
		want := 2
		switch how {
		case "paused":
			b.buf.byTP[first].pause(asked, true)
		case "seek":
			b.buf.mu.Lock()
			b.buf.assign(first, 0, -1)
			b.buf.mu.Unlock()
		case "revoked":
			b.buf.mu.Lock()
			b.buf.revoke(first)
			b.buf.mu.Unlock()
		case "no room":
			open = func(tp cluster.TopicPartition) bool { return tp != first }
		}
		got := 0
		for range 10 {
			got += b.visit(open)
			if len(w.work) > 1 {
				t.Errorf("%s: %d at a time", how, len(w.work))
			}
			w.do()
		}
		if got != want {
			t.Errorf("%s: %d records of the others, expected %d", how, got, want)
		}
		if how == "paused" || how == "no room" {
			b.buf.byTP[first].pause(asked, false)
			for range 3 {
				got += b.visit(nil)
				w.do()
			}
			if got != want+1 {
				t.Errorf("%s: %d records in the end", how, got)
			}
		}
		if b.buf.long != nil && b.buf.long.long != nil {
			t.Errorf("%s: a batch is held in the end", how)
		}
	}
}
