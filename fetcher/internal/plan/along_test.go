package plan

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// broad is a bench with so many partitions of node 1, all of which are being fetched.
func broad(t *testing.T, n int) *bench {
	b := newBench(t, nil)
	leaders := slices.Repeat([]int32{1}, n)
	s := snapshot(5, leaders...)
	s.Version = 1
	b.step(&Changed{Snapshot: s})
	m := &Assign{}
	for i := range int32(n) {
		b.gens[i] = 1
		m.Starts = append(m.Starts, Start{TopicPartition: tp(i), Gen: 1, Offset: 7, Epoch: -1})
	}
	b.step(m)
	return b
}

// taken tells that a chunk of one record was read.
func (b *bench) taken(p int32) *Effects {
	return b.step(&Taken{Chunks: []Taking{{TopicPartition: tp(p), Gen: b.gens[p], Bytes: int64(len(batch(0, 5, 1)))}}})
}

// alike tells whether the next request was made of the one before, and which partitions it tells of.
func (b *bench) alike(r *Request) (next *Request, alike bool, told []int32) {
	b.t.Helper()
	next = b.fetch()
	for _, w := range next.Ask.Send {
		told = append(told, w.Partition)
	}
	return next, &next.Wants[0] == &r.Wants[0], told
}

// TestOnlyWhatHasComeIsLookedAt: a record of one of many partitions costs no look at the others, neither when it comes nor when it is read.
func TestOnlyWhatHasComeIsLookedAt(t *testing.T) {
	b := broad(t, 100)
	r := b.fetch()
	for i := range int64(20) {
		b.now = b.now.Add(time.Millisecond)
		b.records(r, 40, 7+i, 1)
		next, alike, told := b.alike(r)
		if !alike || !slices.Equal(told, []int32{40}) || next.Wants[40].Offset != 8+i || next.Ask.Send[0] != next.Wants[40] || next.Ask.Epoch != int32(1+i) || next.Cost == 0 || next.Wait != r.Wait {
			t.Fatalf("answer %d: %v, told %v, %+v", i, alike, told, next.Ask)
		}
		if b.taken(40); b.c.dirty || len(b.out.Fetch) > 0 {
			t.Fatalf("what was read: %+v", b.out)
		}
		b.later(30 * time.Millisecond)
		r = next
	}
	if b.c.used != r.Cost {
		t.Errorf("%d bytes are counted, %d are reserved", b.c.used, r.Cost)
	}
}

// TestWhatElseChangesIsNotMissed while only what has come is looked at.
func TestWhatElseChangesIsNotMissed(t *testing.T) {
	for name, c := range map[string]struct {
		change func(b *bench)
		wants  int
	}{
		"a pause":            {func(b *bench) { b.step(&Pause{Parts: []cluster.TopicPartition{tp(3)}, On: true}) }, 99},
		"a revocation":       {func(b *bench) { b.step(&Revoke{Parts: []cluster.TopicPartition{tp(3), tp(40)}}) }, 98},
		"a seek":             {func(b *bench) { b.assign(3, 50) }, 100},
		"one more partition": {func(b *bench) { b.step(&Changed{Snapshot: wide(2)}); b.assign(100, 50) }, 101},
		"a leader moves":     {func(b *bench) { b.step(&Changed{Snapshot: wide(2, 3)}) }, 99},
	} {
		t.Run(name, func(t *testing.T) {
			b := broad(t, 100)
			r := b.fetch()
			b.records(r, 40, 7, 1)
			r = b.fetch()
			c.change(b)
			b.step(&Fetched{Request: r, Version: 13, Resp: &msg.FetchResponse{SessionID: 7, Responses: []msg.FetchResponseFetchableTopicResponse{{TopicID: wire.UUID{1}, Partitions: []msg.FetchResponsePartitionData{data(41)}}}}})
			next := slices.IndexFunc(b.out.Fetch, func(r *Request) bool { return r.Node == 1 && r.inTurn() })
			if next < 0 || len(b.out.Fetch[next].Wants) != c.wants {
				t.Fatalf("asked for %+v", b.out.Fetch)
			}
			for _, w := range b.out.Fetch[next].Wants {
				if p := b.c.part(w.TopicPartition, b.gens[w.Partition]); p == nil || p.offset != w.Offset {
					t.Errorf("partition %d is asked for at %d", w.Partition, w.Offset)
				}
			}
		})
	}
}

// wide has 101 partitions of node 1, but for those that node 2 leads now.
func wide(version int64, moved ...int32) *cluster.Snapshot {
	leaders := slices.Repeat([]int32{1}, 101)
	for _, p := range moved {
		leaders[p] = 2
	}
	s := snapshot(5, leaders...)
	s.Version = version
	return s
}

// BenchmarkOneOfMany is an answer with a record of one partition, the next request, and that it was read.
func BenchmarkOneOfMany(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("topics=%d", n), func(b *testing.B) {
			var topics []*cluster.Topic
			m := &Assign{}
			for i := range n {
				topics = append(topics, &cluster.Topic{Name: fmt.Sprintf("topic-%05d", i), ID: wire.UUID{1, byte(i >> 8), byte(i)}, Partitions: []cluster.Partition{{Leader: 1}}})
				m.Starts = append(m.Starts, Start{TopicPartition: cluster.TopicPartition{Topic: topics[i].Name}, Gen: 1, Epoch: -1})
			}
			c := New(Config{MaxBytes: 50 << 20, PartitionBytes: 1 << 20, MaxWait: time.Second, Budget: 64 << 20, BackoffFirst: time.Millisecond, BackoffMax: time.Second}, cluster.New(cluster.Snapshot{Nodes: []cluster.Node{{ID: 1}}}, topics...))
			var out Effects
			now, offset, busy := time.Unix(1000, 0), int64(0), topics[n/2]
			c.Step(now, m, &out)
			d := data(0)
			resp := &msg.FetchResponse{SessionID: 7, Responses: []msg.FetchResponseFetchableTopicResponse{{TopicID: busy.ID, Partitions: []msg.FetchResponsePartitionData{d}}}}
			b.ReportAllocs()
			for b.Loop() {
				r := out.Fetch[0]
				now = now.Add(time.Millisecond)
				raw := batch(offset, 0, 1)
				offset++
				resp.Responses[0].Partitions[0].Records = raw
				out.Reset()
				c.Step(now, &Fetched{Request: r, Version: 13, Resp: resp}, &out)
				var read Effects
				c.Step(now, &Taken{Chunks: []Taking{{TopicPartition: cluster.TopicPartition{Topic: busy.Name}, Gen: 1, Bytes: int64(len(raw))}}}, &read)
				if len(out.Fetch) != 1 {
					b.Fatalf("%d fetches", len(out.Fetch))
				}
			}
		})
	}
}
