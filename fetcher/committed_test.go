package fetcher

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kactor-go/kactor/fetcher/internal/plan"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
)

// txnLog is a log with transactions, written by a model that knows nothing of how it is read.
type txnLog struct {
	batches []txnBatch
	aborted []txnRange // as the broker's index has them: in the order of their ends
	end     int64      // the last stable offset: nothing is open
	codec   compress.Codec
}

type txnBatch struct {
	base, last int64
	raw        []byte
}

type txnRange struct{ producer, first, last int64 }

// add appends a batch; n is how many records, 0 for a marker.
func (l *txnLog) add(producer int64, transactional bool, n int32, kind record.ControlType, value string) (base int64) {
	base = l.end
	raw := make([]byte, record.Overhead)
	info := record.Info{Magic: 2, LastOffsetDelta: n - 1, Count: n, ProducerID: producer, Transactional: transactional}
	if n == 0 {
		raw = record.AppendRecord(raw, 0, 0, []byte{0, 0, 0, byte(kind)}, make([]byte, 6), nil)
		info.LastOffsetDelta, info.Count, info.Control, info.BaseSequence = 0, 1, true, -1
	}
	for i := range n {
		raw = record.AppendRecord(raw, i, 0, nil, []byte(value), nil)
	}
	if n > 0 && l.codec != compress.None {
		packed, err := l.codec.Compress(make([]byte, record.Overhead), raw[record.Overhead:], compress.DefaultLevel)
		if err != nil {
			panic(err)
		}
		raw, info.Codec = packed, l.codec
	}
	record.Seal(raw, &info)
	record.SetOffset(raw, base, 0)
	l.end = base + int64(info.LastOffsetDelta) + 1
	l.batches = append(l.batches, txnBatch{base, l.end - 1, raw})
	return base
}

// random writes a log of interleaved producers, some of which have no transactions, and lets a cleaner go over it.
func randomLog(rng *rand.Rand) *txnLog {
	l := &txnLog{}
	open := map[int64]int64{} // by producer: where its transaction began
	aborts := map[int64]bool{}
	end := func(producer int64) {
		kind := record.Commit
		if aborts[producer] {
			kind = record.Abort
		}
		at := l.add(producer, true, 0, kind, "")
		if aborts[producer] {
			l.aborted = append(l.aborted, txnRange{producer, open[producer], at})
		}
		delete(open, producer)
	}
	for range 5 + rng.IntN(60) {
		producer := int64(1 + rng.IntN(4))
		_, within := open[producer]
		switch {
		case producer == 4:
			l.add(-1, false, 1+int32(rng.IntN(3)), 0, "committed")
		case within && rng.IntN(2) == 0:
			end(producer)
		default:
			if !within {
				aborts[producer] = rng.IntN(2) == 0
			}
			value := "committed"
			if aborts[producer] {
				value = "aborted"
			}
			if at := l.add(producer, true, 1+int32(rng.IntN(3)), 0, value); !within {
				open[producer] = at
			}
		}
	}
	for producer := int64(1); producer < 4; producer++ {
		if _, within := open[producer]; within {
			end(producer)
		}
	}
	if rng.IntN(2) == 0 {
		l.clean(rng)
	}
	return l
}

// clean removes records of aborted transactions, of some all; of these also the marker, or only what is in its batch, as Kafka does it when it must keep what it knows of the producer.
func (l *txnLog) clean(rng *rand.Rand) {
	kept := l.aborted[:0]
	for _, a := range l.aborted {
		all, left := rng.IntN(2) == 0, false
		l.batches = slices.DeleteFunc(l.batches, func(b txnBatch) bool {
			c, _, _, _ := record.Next(b.raw)
			of := c.ProducerID == a.producer && b.base >= a.first && b.last < a.last
			gone := of && (all || rng.IntN(2) == 0)
			left = left || of && !gone
			return gone
		})
		if left || rng.IntN(3) == 0 {
			kept = append(kept, a)
			continue
		}
		i := slices.IndexFunc(l.batches, func(b txnBatch) bool { return b.base == a.last })
		if rng.IntN(2) == 0 && i < len(l.batches)-1 {
			l.batches = slices.Delete(l.batches, i, i+1)
			continue
		}
		raw := make([]byte, record.Overhead)
		record.Seal(raw, &record.Info{Magic: 2, ProducerID: a.producer, BaseSequence: -1, Transactional: true, Control: true})
		record.SetOffset(raw, a.last, 0)
		l.batches[i].raw = raw
		if rng.IntN(2) == 0 { // and the index names it still
			kept = append(kept, a)
		}
	}
	l.aborted = kept
}

// committed gives the offsets of the records that count, from an offset on.
func (l *txnLog) committed(from int64) (out []int64) {
	for _, b := range l.batches {
		c, _, _, _ := record.Next(b.raw)
		if c.Control {
			continue
		}
		it, _, _ := c.Records(nil, compress.Limit{})
		var v record.View
		for it.Next(&v) {
			if string(v.Value) == "committed" && v.Offset >= from {
				out = append(out, v.Offset)
			}
		}
	}
	return out
}

// fetch gives what a broker answers: some batches from the one on that holds an offset, and the aborted transactions that overlap them; because its index is sparse perhaps also later ones.
func (l *txnLog) fetch(rng *rand.Rand, offset int64) (raw []byte, aborted []msg.FetchResponseAbortedTransaction) {
	i := slices.IndexFunc(l.batches, func(b txnBatch) bool { return b.last >= offset })
	if i < 0 {
		return nil, nil
	}
	n := min(len(l.batches)-i, 1+rng.IntN(5))
	for _, b := range l.batches[i : i+n] {
		raw = append(raw, b.raw...)
	}
	upper := l.batches[i+n-1].last + 1
	if rng.IntN(3) == 0 {
		upper = l.end
	}
	for _, a := range l.aborted {
		if a.last >= offset && a.first < upper {
			aborted = append(aborted, msg.FetchResponseAbortedTransaction{ProducerID: a.producer, FirstOffset: a.first})
		}
	}
	return raw, aborted
}

// TestPositionsHaveTheLeaderEpochOfWhatIsPassedOver reads a log of which nothing is for the application: a position is committed with the leader epoch of the batch before it, as Java's client (4.3) does it.
func TestPositionsHaveTheLeaderEpochOfWhatIsPassedOver(t *testing.T) {
	b := newBench(t)
	b.buf.committed = true
	l := &txnLog{}
	l.add(1, true, 2, 0, "aborted")
	l.add(1, true, 0, record.Abort, "")
	var raw []byte
	for _, batch := range l.batches {
		record.SetOffset(batch.raw, batch.base, 7)
		raw = append(raw, batch.raw...)
	}
	b.seek(0)
	f := newFrame(raw, &b.net)
	b.buf.put(&plan.Effects{Chunks: []*plan.Chunk{{TopicPartition: tp, Gen: b.gen, Records: raw, LeaderEpoch: 7, Bytes: int64(len(raw)), Frame: f, Aborted: []msg.FetchResponseAbortedTransaction{{ProducerID: 1}}}}})
	f.release()
	var v record.View
	if k := b.take(); k != nil && k.Next(&v) {
		t.Fatalf("offset %d is given out", v.Offset)
	}
	if at := b.buf.byTP[tp].life; at.position.Load() != 3 || at.epoch.Load() != 7 {
		t.Fatalf("the position is %d behind epoch %d", at.position.Load(), at.epoch.Load())
	}
}

// TestAPositionThatNothingWasReadFromHasItsLeaderEpoch: who commits before it has read anything commits the epoch that its offset came with.
func TestAPositionThatNothingWasReadFromHasItsLeaderEpoch(t *testing.T) {
	b := newBench(t)
	b.buf.mu.Lock()
	b.buf.assign(tp, 42, 3)
	b.buf.mu.Unlock()
	if r := (&Fetcher{buf: b.buf}).Reads(); len(r) != 1 || r[0].Offset != 42 || r[0].Epoch != 3 {
		t.Errorf("%+v", r)
	}
}

// TestOnlyCommittedRecordsAreRead reads random logs in answers of random sizes, from random places, with seeks and readers that stop and go on: all that was committed is read, and nothing else.
func TestOnlyCommittedRecordsAreRead(t *testing.T) {
	b := newBench(t)
	b.buf.committed = true
	logs := uint64(3000)
	if testing.Short() {
		logs = 300
	}
	for seed := range logs {
		rng := rand.New(rand.NewPCG(seed, 1))
		l := randomLog(rng)
		at := rng.Int64N(l.end + 1)
		if rng.IntN(2) == 0 {
			at = 0
		}
		b.seek(at)
		want, got := l.committed(at), []int64(nil)
		for at < l.end {
			if rng.IntN(40) == 0 {
				at = rng.Int64N(l.end)
				b.seek(at)
				want, got = l.committed(at), nil
			}
			raw, aborted := l.fetch(rng, at)
			if raw == nil {
				break
			}
			f := newFrame(raw, &b.net)
			b.buf.put(&plan.Effects{Chunks: []*plan.Chunk{{TopicPartition: tp, Gen: b.gen, Offset: at, Records: raw, Bytes: int64(len(raw)), Frame: f, Aborted: aborted}}})
			f.release()
			for k := b.take(); k != nil; k = b.take() {
				if rng.IntN(4) == 0 {
					k = k.Peek() // reads ahead, and is read again
					var v record.View
					for k.Next(&v) {
						if string(v.Value) != "committed" {
							t.Fatalf("seed %d: peeked at an aborted record, at %d", seed, v.Offset)
						}
					}
					k = b.take()
				}
				var v record.View
				for k.Next(&v) {
					got = append(got, v.Offset)
				}
				if k.Err() != nil {
					t.Fatalf("seed %d: %v", seed, k.Err())
				}
				at = k.Position()
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: read %v\nexpected %v\n%s", seed, got, want, l)
		}
	}
}

func (l *txnLog) String() (s string) {
	for _, b := range l.batches {
		c, _, _, _ := record.Next(b.raw)
		s += fmt.Sprintf("%d..%d producer %d control %v\n", b.base, b.last, c.ProducerID, c.Control)
	}
	return s + fmt.Sprintf("aborted %v\n", l.aborted)
}

// one makes a batch of a transaction, or its marker.
func one(l *txnLog, producer int64, n int32, kind record.ControlType) []byte {
	l.add(producer, true, n, kind, "v")
	return l.batches[len(l.batches)-1].raw
}

// TestAnAbortedTransactionEndsAtItsMarker has an answer that begins with the marker of an aborted transaction whose records came before: the broker names it, and what its producer has written since is another transaction.
func TestAnAbortedTransactionEndsAtItsMarker(t *testing.T) {
	b := newBench(t)
	b.buf.committed = true
	l := &txnLog{end: 5}
	raw := slices.Concat(one(l, 7, 0, record.Abort), one(l, 7, 3, 0))
	b.seek(5)
	f := newFrame(raw, &b.net)
	b.buf.put(&plan.Effects{Chunks: []*plan.Chunk{{TopicPartition: tp, Gen: b.gen, Offset: 5, Records: raw, Bytes: int64(len(raw)), Frame: f,
		Aborted: []msg.FetchResponseAbortedTransaction{{ProducerID: 7, FirstOffset: 0}}}}})
	f.release()
	k := b.take()
	var v record.View
	var got []int64
	for k.Next(&v) {
		got = append(got, v.Offset)
	}
	if !slices.Equal(got, []int64{6, 7, 8}) || k.Err() != nil {
		t.Fatalf("read %v, %v", got, k.Err())
	}
}
