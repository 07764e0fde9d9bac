package fake

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
)

func must(t *testing.T) func(int64, error) int64 {
	return func(offset int64, err error) int64 {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return offset
	}
}

func batchesOf(t *testing.T, raw []byte) (n int) {
	t.Helper()
	for _, err := range record.Batches(raw) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func values(n int) (out [][]byte) {
	for range n {
		out = append(out, []byte("v"))
	}
	return out
}

// fetchedAt asks the cluster itself for what a consumer gets.
func fetchedAt(c *Cluster, offset int64, isolation int8, max int32) msg.FetchResponsePartitionData {
	f := &fetching{name: "t", req: msg.FetchRequestFetchPartition{FetchOffset: offset, CurrentLeaderEpoch: -1, LastFetchedEpoch: -1, PartitionMaxBytes: max}}
	q := &call{Request: Request{Node: c.topic("t").partitions[0].leader, Key: msg.FetchAPI, Version: 12}}
	q.conn = &conn{node: c.node(q.Node)}
	return c.readPartition(q, &msg.FetchRequest{ReplicaID: -1, IsolationLevel: isolation}, f, 1<<20, true, &msg.FetchResponse{})
}

func TestWhatIsNotStableIsNotCommitted(t *testing.T) {
	c, err := NewCluster(Config{Topics: []Topic{{Name: "t"}}})
	if err != nil {
		t.Fatal(err)
	}
	ok := must(t)
	ok(c.Transact("t", 0, 1, values(2)...)) // 0, 1
	ok(c.Transact("t", 0, 2, values(1)...)) // 2
	ok(c.EndTransaction("t", 0, 1, true))   // 3
	if d := fetchedAt(c, 0, 1, 1<<20); d.LastStableOffset != 2 || batchesOf(t, d.Records) != 1 {
		t.Fatalf("stable up to %d, %d batches", d.LastStableOffset, batchesOf(t, d.Records))
	}
	if d := fetchedAt(c, 0, 0, 1<<20); batchesOf(t, d.Records) != 3 || len(d.AbortedTransactions) != 0 {
		t.Fatalf("uncommitted: %d batches, aborted %v", batchesOf(t, d.Records), d.AbortedTransactions)
	}
	if d := fetchedAt(c, 3, 1, 1<<20); d.ErrorCode != 0 || len(d.Records) != 0 {
		t.Fatalf("behind what is stable: code %d, %d bytes", d.ErrorCode, len(d.Records))
	}
	ok(c.EndTransaction("t", 0, 2, false)) // 4
	if d := fetchedAt(c, 0, 1, 1<<20); d.LastStableOffset != 5 || len(d.AbortedTransactions) != 1 || d.AbortedTransactions[0].ProducerID != 2 || d.AbortedTransactions[0].FirstOffset != 2 {
		t.Fatalf("stable up to %d, aborted %v", d.LastStableOffset, d.AbortedTransactions)
	}
}

// Math.abs of the hashes of Java, of which one is negative, and one the smallest there is.
func TestWhereTheOffsetsOfAGroupAre(t *testing.T) {
	c, err := NewCluster(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for group, want := range map[string]int32{"g": 3, "billing": 9, "polygenelubricants": 0} {
		if got := c.offsetsOf(group); got.partition != want {
			t.Errorf("%s is in %d, not %d", group, got.partition, want)
		}
	}
}

// Kafka gives markers the time of the broker as it gives it to records, and says so.
func TestMarkersAreStampedAsRecordsAre(t *testing.T) {
	for _, stamped := range []bool{false, true} {
		c, err := NewCluster(Config{Topics: []Topic{{Name: "t", LogAppendTime: stamped}}})
		if err != nil {
			t.Fatal(err)
		}
		ok := must(t)
		ok(c.Transact("t", 0, 1, values(1)...))
		b, _, _, err := record.Next(fetchedAt(c, ok(c.EndTransaction("t", 0, 1, false)), 0, 1<<20).Records)
		if err != nil || !b.Control || b.LogAppendTime != stamped || b.CheckCRC() != nil {
			t.Errorf("LogAppendTime %v: %+v, %v", stamped, b.Info, err)
		}
	}
}

// TestWhichAbortedTransactionsAnAnswerNames has those that overlap what is read, also by their marker alone, and because the index is sparse some that come later.
func TestWhichAbortedTransactionsAnAnswerNames(t *testing.T) {
	c, err := NewCluster(Config{Topics: []Topic{{Name: "t", Config: map[string]string{"index.interval.bytes": "200"}}}}) // an entry for each third batch
	if err != nil {
		t.Fatal(err)
	}
	ok := must(t)
	for range 4 { // three offsets each
		ok(c.Transact("t", 0, 1, values(2)...))
		ok(c.EndTransaction("t", 0, 1, false))
	}
	for _, w := range []struct {
		at   int64
		want []int64
	}{{0, []int64{0, 3}}, {1, []int64{0, 3}}, {2, []int64{0, 3}}, {3, []int64{3, 6, 9}}, {5, []int64{3, 6, 9}}, {6, []int64{6, 9}}, {11, []int64{9}}} {
		var got []int64
		for _, a := range fetchedAt(c, w.at, 1, 1).AbortedTransactions {
			got = append(got, a.FirstOffset)
		}
		if !slices.Equal(got, w.want) {
			t.Errorf("one batch at %d: %v, expected %v", w.at, got, w.want)
		}
	}
}

func TestTheCleanerRemovesRecordsThenMarkers(t *testing.T) {
	c, err := NewCluster(Config{Topics: []Topic{{Name: "t"}}})
	if err != nil {
		t.Fatal(err)
	}
	ok := must(t)
	ok(c.Transact("t", 0, 1, values(2)...))
	ok(c.EndTransaction("t", 0, 1, false))
	ok(c.Transact("t", 0, 1, values(2)...))
	ok(c.EndTransaction("t", 0, 1, true))
	for i, want := range []int{3, 2, 2} {
		if err := c.Clean("t", 0); err != nil {
			t.Fatal(err)
		}
		if got := len(c.Log("t", 0)); got != want {
			t.Errorf("%d batches after %d cleanings, expected %d", got, i+1, want)
		}
	}
	if a := c.AbortedTransactions("t", 0); len(a) != 0 {
		t.Errorf("the index has %v", a)
	}
}

func TestEpochsThatTheLogDoesNotKnow(t *testing.T) {
	c, err := NewCluster(Config{Nodes: 2, Topics: []Topic{{Name: "t", Replicas: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	p := c.topic("t").partitions[0]
	must(t)(c.Transact("t", 0, 1, values(3)...))
	if err := c.MoveLeader("t", 0, 2); err != nil {
		t.Fatal(err)
	}
	must(t)(c.Transact("t", 0, 1, values(1)...))
	p.forgetBefore(3)
	for _, w := range []struct {
		epoch, found int32
		end          int64
	}{{0, 0, 3}, {1, 1, 4}, {2, -1, -1}} {
		if found, end := p.epochEnd(w.epoch); found != w.found || end != w.end {
			t.Errorf("epoch %d ends as %d at %d, expected %d at %d", w.epoch, found, end, w.found, w.end)
		}
	}
}

// TestAnEpochInWhichNothingWasWrittenIsForgotten when the next one begins: who asks for it is told of the one before.
func TestAnEpochInWhichNothingWasWrittenIsForgotten(t *testing.T) {
	c, err := NewCluster(Config{Nodes: 2, Topics: []Topic{{Name: "t", Replicas: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	p := c.topic("t").partitions[0]
	must(t)(c.Transact("t", 0, 1, values(3)...))
	end := p.end
	for epoch, node := range []int32{2, 1} {
		if err := c.MoveLeader("t", 0, node); err != nil {
			t.Fatal(err)
		}
		if found, at := p.epochEnd(1); found != 1-int32(epoch) || at != end {
			t.Errorf("when epoch %d begins, epoch 1 ends as %d at %d", epoch+1, found, at)
		}
	}
}

func TestTransactionsAreWrittenOnlyWhereALeaderCanCommitThem(t *testing.T) {
	now := time.Unix(1000, 0)
	for name, away := range map[string]func(c *Cluster) (back func()){
		"cut off": func(c *Cluster) func() { c.Isolate(now, 1); return func() { c.Join(now, 1) } },
		"paused":  func(c *Cluster) func() { c.Pause(now, 1); return func() { c.Resume(now, 1) } },
		"stopped": func(c *Cluster) func() { c.Stop(now, 1); return func() { c.Start(now, 1) } },
	} {
		for what, session := range map[string]time.Duration{"": time.Second, ", and another leads": 0} {
			c, err := NewCluster(Config{Nodes: 2, SessionTimeout: session, Topics: []Topic{{Name: "t", Replicas: 2}}})
			if err != nil {
				t.Fatal(err)
			}
			must(t)(c.Transact("t", 0, 1, values(1)...))
			back := away(c)
			_, err = c.Transact("t", 0, 1, values(1)...)
			_, ended := c.EndTransaction("t", 0, 1, true)
			_, end := c.Offsets("t", 0)
			if refused := session > 0; errors.Is(err, protocol.NotEnoughReplicas) != refused || errors.Is(ended, protocol.NotEnoughReplicas) != refused || (end == 1) != refused {
				t.Errorf("%s%s: %v, %v, the log ends at %d", name, what, err, ended, end)
			}
			back()
			must(t)(c.Transact("t", 0, 1, values(1)...))
		}
	}
}
