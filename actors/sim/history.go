package sim

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/record"
)

// Outcome of a send.
type Outcome uint8

// The outcomes.
const (
	Pending   Outcome = iota
	Acked             // it is in the log
	Rejected          // it is not in the log
	Uncertain         // it may be
)

// String names the outcome.
func (o Outcome) String() string {
	return [...]string{"pending", "acked", "rejected", "uncertain"}[o]
}

// Partition names a partition.
type Partition = fake.Partition

// History is what clients did and saw, to be held against what is in the logs.
type History struct {
	// Unfenced: ids of producers have their last epochs. What was sent under an id that is used up, and given up as uncertain, may still be on its way when the next records come under another id; no broker can tell that it
	// is old, so it may come behind them. What is sent under one id may not. With epochs left the later one fences it (KIP-360).
	Unfenced bool

	sends     []*Send
	committed map[string]bool // consumers with isolation.level=read_committed
	within    []*Transaction
	byVal     map[string]*Send
	next      map[string]int // by producer
	reads     map[readerKey]*reading
	found     []string
}

// Send is one record that was handed over.
type Send struct {
	Producer  string
	Topic     string
	Seq       int
	Outcome   Outcome
	Partition int32
	Offset    int64 // -1: not known
	within    *Transaction
	dones     int
}

// Transaction is one of a producer's.
type Transaction struct {
	Outcome TransactionOutcome
	sends   []*Send
}

// TransactionOutcome is what a producer knows of the end of a transaction.
type TransactionOutcome uint8

// The outcomes of transactions.
const (
	Aborted   TransactionOutcome = iota // or nobody has asked to commit it: it is as if it had never been
	Committed                           // all that is in it was told as committed
	Undecided                           // it was to be committed, and it was not told what became of it: all of it is, or nothing
)

type readerKey struct {
	consumer string
	Partition
}

// reading is one consumer's way through one partition.
type reading struct {
	from  int64 // where it began; -1 with its first record
	seen  []seenAt
	lives int
}

type seenAt struct {
	offset int64
	value  string
	life   int
}

// NewHistory begins a history.
func NewHistory() *History {
	return &History{byVal: map[string]*Send{}, next: map[string]int{}, reads: map[readerKey]*reading{}, committed: map[string]bool{}}
}

// Send notes a record of a producer and gives the value to send: it names topic, producer and number, and size bytes are its least length.
func (h *History) Send(producer, topic string, size int) (*Send, []byte) {
	s := &Send{Producer: producer, Topic: topic, Seq: h.next[producer], Partition: -1, Offset: -1}
	h.next[producer]++
	value := topic + "|" + producer + "|" + strconv.Itoa(s.Seq) + "|"
	if pad := size - len(value); pad > 0 {
		value += strings.Repeat(string(rune('a'+s.Seq%26)), pad)
	}
	h.sends = append(h.sends, s)
	h.byVal[value] = s
	return s, []byte(value)
}

// Transaction begins a transaction.
func (h *History) Transaction() *Transaction {
	t := &Transaction{}
	h.within = append(h.within, t)
	return t
}

// SendWithin is Send in a transaction.
func (h *History) SendWithin(t *Transaction, producer, topic string, size int) (*Send, []byte) {
	s, value := h.Send(producer, topic, size)
	s.within = t
	t.sends = append(t.sends, s)
	return s, value
}

// ReadCommitted notes that a consumer has isolation.level=read_committed: it may be given nothing of a transaction that was aborted. Others are given all there is.
func (h *History) ReadCommitted(consumer string) { h.committed[consumer] = true }

// ReadsCommitted tells whether that was noted.
func (h *History) ReadsCommitted(consumer string) bool { return h.committed[consumer] }

// Done notes the outcome of a send.
func (h *History) Done(s *Send, o Outcome, partition int32, offset int64) {
	if s.dones++; s.dones > 1 {
		h.anomaly("completed twice: %s", s)
		return
	}
	s.Outcome, s.Partition, s.Offset = o, partition, offset
}

// String is for reports.
func (s *Send) String() string {
	return fmt.Sprintf("%s #%d to %s/%d@%d (%s)", s.Producer, s.Seq, s.Topic, s.Partition, s.Offset, s.Outcome)
}

// Begin notes that a consumer begins to read a partition at an offset, or anew after a seek; -1: wherever its first record is.
func (h *History) Begin(consumer string, p Partition, offset int64) {
	k := readerKey{consumer, p}
	if r := h.reads[k]; r != nil {
		r.lives++
		r.from = offset
		return
	}
	h.reads[k] = &reading{from: offset}
}

// Read notes what a consumer saw.
func (h *History) Read(consumer string, p Partition, offset int64, value []byte) {
	k := readerKey{consumer, p}
	r := h.reads[k]
	if r == nil {
		h.anomaly("read without being assigned: %s %v@%d", consumer, p, offset)
		return
	}
	r.seen = append(r.seen, seenAt{offset, string(value), r.lives})
}

// Reads is how many records a consumer has read.
func (h *History) Reads(consumer string) (n int) {
	for k, r := range h.reads {
		if k.consumer == consumer {
			n += len(r.seen)
		}
	}
	return n
}

// Count gives how many sends have an outcome.
func (h *History) Count(o Outcome) (n int) {
	for _, s := range h.sends {
		if s.Outcome == o {
			n++
		}
	}
	return n
}

// Transactions counts those with an outcome.
func (h *History) Transactions(o TransactionOutcome) (n int) {
	for _, t := range h.within {
		if t.Outcome == o && len(t.sends) > 0 {
			n++
		}
	}
	return n
}

func (h *History) anomaly(format string, args ...any) {
	h.found = append(h.found, fmt.Sprintf(format, args...))
}

// Logged is a record in a log.
type Logged struct {
	Offset  int64
	Value   string
	ID      int64 // of the producer; only Unfenced looks at it
	Aborted bool  // its transaction was
}

// Verify holds the history against the logs of a fake cluster; see VerifyLogs.
func (h *History) Verify(c *fake.Cluster, topics map[string]int, unseen bool) []string {
	logs := map[Partition][]Logged{}
	for _, topic := range slices.Sorted(maps.Keys(topics)) {
		for i := range int32(topics[topic]) {
			logs[Partition{Topic: topic, Index: i}] = read(c, topic, i)
		}
	}
	return h.VerifyLogs(logs, unseen)
}

// VerifyLogs holds the history against logs, each in the order of its offsets, and gives every anomaly: records lost, twice, out of order, in a wrong topic, in the log although rejected, never completed;
// reads that skip, go back, or see what is not there; and what was acknowledged but, if unseen says so, read by nobody. Of a
// transaction all is there or nothing; of one that was aborted nothing counts, and who reads what is committed is given nothing.
func (h *History) VerifyLogs(logs map[Partition][]Logged, unseen bool) []string {
	h.verifyLogs(logs)
	h.verifySends()
	h.verifyReads(logs)
	if unseen {
		h.verifySeen()
	}
	slices.Sort(h.found)
	return h.found
}

// read gives the records of a log: no markers.
func read(c *fake.Cluster, topic string, index int32) (out []Logged) {
	aborted := c.AbortedTransactions(topic, index)
	for _, b := range c.Log(topic, index) {
		if b.Control {
			continue
		}
		gone := b.Transactional && slices.ContainsFunc(aborted, func(a fake.Aborted) bool {
			return a.Producer == b.ProducerID && a.First <= b.BaseOffset && b.BaseOffset <= a.Last
		})
		it, _, err := b.Records(nil, compress.Limit{})
		if err != nil {
			out = append(out, Logged{b.BaseOffset, "unreadable: " + err.Error(), b.ProducerID, gone})
			continue
		}
		var v record.View
		for it.Next(&v) {
			out = append(out, Logged{v.Offset, string(v.Value), b.ProducerID, gone})
		}
	}
	return out
}

// verifyLogs looks for what is in the logs and should not be, or not so.
func (h *History) verifyLogs(logs map[Partition][]Logged) {
	where := map[*Send]Partition{}
	type latest struct {
		seq int
		id  int64
	}
	last := map[string]latest{}
	for _, p := range slices.SortedFunc(maps.Keys(logs), comparePartitions) {
		clear(last)
		for _, e := range logs[p] {
			if e.Aborted {
				continue
			}
			s := h.byVal[e.Value]
			if s == nil {
				h.anomaly("unknown record in %v@%d: %.40q", p, e.Offset, e.Value)
				continue
			}
			if s.Topic != p.Topic {
				h.anomaly("wrong topic: %s is in %v@%d", s, p, e.Offset)
			}
			if first, twice := where[s]; twice {
				h.anomaly("twice: %s is in %v and in %v@%d", s, first, p, e.Offset)
				continue
			}
			where[s] = p
			before, any := last[s.Producer]
			switch {
			case !any || before.seq <= s.Seq:
				last[s.Producer] = latest{s.Seq, e.ID}
			case !h.Unfenced || s.Outcome != Uncertain || e.ID == before.id:
				h.anomaly("order: in %v@%d %s comes behind #%d", p, e.Offset, s, before.seq)
			}
			switch {
			case s.within != nil && s.within.Outcome == Aborted:
				h.anomaly("aborted, but in the log as if it were committed: %s in %v@%d", s, p, e.Offset)
			case s.Outcome == Rejected:
				h.anomaly("rejected, but in the log: %s in %v@%d", s, p, e.Offset)
			case s.Outcome == Acked && (s.Partition != p.Index || s.Offset >= 0 && s.Offset != e.Offset):
				h.anomaly("told a wrong place: %s is in %v@%d", s, p, e.Offset)
			}
		}
	}
	for _, s := range h.sends {
		if _, there := where[s]; s.counts() && !there {
			h.anomaly("lost: %s", s)
		}
	}
	h.verifyTransactions(where)
}

// counts tells whether a send must be in the log, and be read.
func (s *Send) counts() bool {
	return s.Outcome == Acked && (s.within == nil || s.within.Outcome == Committed)
}

// verifyTransactions looks for transactions of which a part is there.
func (h *History) verifyTransactions(where map[*Send]Partition) {
	for _, t := range h.within {
		var there, not *Send
		for _, s := range t.sends {
			if _, ok := where[s]; ok {
				there = s
			} else {
				not = s
			}
		}
		if t.Outcome != Aborted && there != nil && not != nil {
			h.anomaly("torn: of one transaction there is %s, and not %s", there, not)
		}
	}
}

func comparePartitions(a, b Partition) int {
	if c := strings.Compare(a.Topic, b.Topic); c != 0 {
		return c
	}
	return int(a.Index) - int(b.Index)
}

// verifySends looks for sends without an outcome.
func (h *History) verifySends() {
	for _, s := range h.sends {
		if s.dones == 0 {
			h.anomaly("never completed: %s", s)
		}
	}
}

// verifyReads follows each consumer through each partition.
func (h *History) verifyReads(logs map[Partition][]Logged) {
	for k, r := range h.reads {
		log := logs[k.Partition]
		if h.committed[k.consumer] {
			log = slices.DeleteFunc(slices.Clone(log), func(e Logged) bool { return e.Aborted })
		}
		next, life := r.from, 0
		if r.lives > 0 {
			next = -1
		}
		for _, s := range r.seen {
			if s.life != life {
				life, next = s.life, -1
				if life == r.lives {
					next = r.from
				}
			}
			i, there := slices.BinarySearchFunc(log, s.offset, func(e Logged, o int64) int { return int(e.Offset - o) })
			if !there || log[i].Value != s.value {
				what := "what is not there"
				if slices.ContainsFunc(logs[k.Partition], func(e Logged) bool { return e.Offset == s.offset && e.Aborted }) {
					what = "what was aborted"
				}
				h.anomaly("read %s: %s %v@%d %.40q", what, k.consumer, k.Partition, s.offset, s.value)
				continue
			}
			if next >= 0 {
				switch first, _ := slices.BinarySearchFunc(log, next, func(e Logged, o int64) int { return int(e.Offset - o) }); {
				case i < first:
					h.anomaly("read again: %s %v@%d, expected %d", k.consumer, k.Partition, s.offset, next)
				case i > first:
					h.anomaly("skipped: %s %v@%d, expected %d", k.consumer, k.Partition, s.offset, log[first].Offset)
				}
			}
			next = s.offset + 1
		}
	}
}

// verifySeen looks for what was acknowledged and read by nobody.
func (h *History) verifySeen() {
	seen := map[string]bool{}
	for _, r := range h.reads {
		for _, s := range r.seen {
			seen[s.value] = true
		}
	}
	for value, s := range h.byVal {
		if s.counts() && !seen[value] {
			h.anomaly("unseen: %s", s)
		}
	}
}
