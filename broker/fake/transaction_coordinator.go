package fake

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/kactor-go/kactor/protocol"
)

// transaction is what the coordinator keeps of a transactional id: who its producer is, and what that is doing (KIP-98; in Kafka TransactionMetadata).
//
//	Empty, CompleteCommit, CompleteAbort -> Ongoing -> PrepareCommit -> CompleteCommit
//	                                                -> PrepareAbort  -> CompleteAbort
//
// It is prepared until every partition has its marker. In transactions of version 2 (KIP-890) what has not begun can be aborted, too: that is how a producer gets its next epoch.
type transaction struct {
	id           string
	producer     int64
	epoch        int16 // -1: nobody has been given one yet
	lastProducer int64 // whose epochs were used up; -1: none
	lastEpoch    int16 // that producer, or coordinator, has raised to epoch; -1: another producer has come
	nextProducer int64 // is to go on when the markers are written, because the epochs are used up; -1: the same
	ignored      bool  // never ends: see fences
	timeout      time.Duration
	state        transactionState
	partitions   []topicPartition // that are in it, and have no marker yet; in order
	started      time.Time
	markersAt    time.Time // markers are written from then on
}

type transactionState uint8

const (
	transactionEmpty transactionState = iota
	transactionOngoing
	transactionPrepareCommit
	transactionPrepareAbort
	transactionCompleteCommit
	transactionCompleteAbort
)

var transactionStates = [...]string{"Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort"}

func (s transactionState) String() string { return transactionStates[s] }

// ending tells whether markers are being written.
func (t *transaction) ending() bool {
	return t.state == transactionPrepareCommit || t.state == transactionPrepareAbort
}

// lastUsableEpoch is the last epoch that a producer is given. The one behind it is kept for the coordinator, which has to fence the last one.
const lastUsableEpoch = math.MaxInt16 - 1

// transactionRules are those of a release and of its transaction.version.
type transactionRules struct {
	version   int  // transaction.version: 0, 1 or 2
	busyFirst bool // a transaction that is being ended is told of before it is looked who asks (Kafka 4.0)
	restarts  bool // a producer that comes again has not begun anything; before, the time of its last transaction was told on (Kafka 4.0)
	verify    bool // leaders ask the coordinator whether a partition is in the transaction before they begin with it (KIP-890, Kafka 3.6)
	logFirst  bool // a leader that knows a later epoch does not ask (Kafka 4.0)
	abortable bool // and say TRANSACTION_ABORTABLE if it is not, to who knows that (Kafka 3.8)
}

func (c *Cluster) transactionRules() transactionRules {
	r := transactionRules{version: max(c.cfg.TransactionVersion, 0), verify: c.atLeast("3.6"), abortable: c.atLeast("3.8"), busyFirst: c.atLeast("4.0"), restarts: c.atLeast("4.0"), logFirst: c.atLeast("4.0")}
	if c.cfg.TransactionVersion == 0 && c.atLeast("4.0") {
		r.version = 2
	}
	return r
}

// transactionKey is the key of the coordinator of a transactional id among those of groups: no group has such a name.
func transactionKey(id string) string { return "\x00" + id }

// coordinatesTransaction tells whether the broker of the request is the coordinator of a transactional id. One that is cut off from the others cannot write down what it decides.
func (c *Cluster) coordinatesTransaction(q *call, id string) protocol.Code {
	if q.conn.node.alone != nil {
		return protocol.CoordinatorNotAvailable
	}
	return c.coordinates(q, transactionKey(id))
}

// MoveTransactionCoordinator makes a broker the coordinator of a transactional id; -1 lets the cluster choose again.
func (c *Cluster) MoveTransactionCoordinator(id string, node int32) {
	c.MoveCoordinator(transactionKey(id), node)
}

// transaction gives what is known of a transactional id; nil if that is nothing.
func (c *Cluster) transaction(id string) *transaction {
	i, found := slices.BinarySearchFunc(c.transactions, id, func(t *transaction, id string) int { return strings.Compare(t.id, id) })
	if !found {
		return nil
	}
	return c.transactions[i]
}

// newTransaction keeps a new transactional id.
func (c *Cluster) newTransaction(id string) *transaction {
	t := &transaction{id: id, producer: c.newProducer(), epoch: -1, lastProducer: -1, lastEpoch: -1, nextProducer: -1}
	i, _ := slices.BinarySearchFunc(c.transactions, id, func(t *transaction, id string) int { return strings.Compare(t.id, id) })
	c.transactions = slices.Insert(c.transactions, i, t)
	return t
}

// newProducer gives a producer id that nobody has.
func (c *Cluster) newProducer() int64 {
	c.nextPID++
	return c.nextPID - 1
}

// mine finds the transaction of a request that names its producer.
func (c *Cluster) mine(id string, producer int64, epoch int16) (*transaction, protocol.Code) {
	t := c.transaction(id)
	switch {
	case id == "":
		return nil, protocol.InvalidRequest
	case t != nil && t.ending() && c.txn.busyFirst:
		return nil, protocol.ConcurrentTransactions
	case t == nil || t.producer != producer:
		return nil, protocol.InvalidProducerIDMapping
	case t.epoch != epoch:
		return nil, protocol.ProducerFenced
	case t.ending():
		return nil, protocol.ConcurrentTransactions
	}
	return t, protocol.None
}

// enlist takes partitions into the transaction of a producer, and begins it if need be (TransactionCoordinator.handleAddPartitionsToTransaction).
func (c *Cluster) enlist(id string, producer int64, epoch int16, parts []topicPartition, raises bool) protocol.Code {
	t, code := c.mine(id, producer, epoch)
	switch {
	case code != protocol.None:
		return code
	case raises && c.txn.version == 0 && c.atLeast("4.0"): // it could not be written down; 3.9 does not think of that
		return protocol.UnsupportedVersion
	}
	if t.state != transactionOngoing {
		t.state, t.started, t.partitions = transactionOngoing, c.now, nil
	}
	for _, tp := range parts {
		if i, found := slices.BinarySearchFunc(t.partitions, tp, topicPartition.compare); !found {
			t.partitions = slices.Insert(t.partitions, i, tp)
		}
	}
	return protocol.None
}

// enlisted tells whether a partition is in the transaction of a producer (handleVerifyPartitionsInTransaction).
func (c *Cluster) enlisted(id string, producer int64, epoch int16, tp topicPartition) protocol.Code {
	t, code := c.mine(id, producer, epoch)
	if code != protocol.None {
		return code
	}
	if _, found := slices.BinarySearchFunc(t.partitions, tp, topicPartition.compare); !found {
		if c.txn.abortable {
			return protocol.TransactionAbortable
		}
		return protocol.InvalidTxnState
	}
	return protocol.None
}

func (tp topicPartition) compare(o topicPartition) int {
	return cmp.Or(strings.Compare(tp.topic, o.topic), cmp.Compare(tp.partition, o.partition))
}

// conclude decides a transaction. A client that gets an epoch for each transaction has the next one from here on, and so has what is in its markers: whatever it sends late is fenced.
func (c *Cluster) conclude(t *transaction, commit, raises bool) {
	if t.state != transactionOngoing {
		t.started = c.now
	}
	t.state, t.nextProducer = transactionPrepareAbort, -1
	if commit {
		t.state = transactionPrepareCommit
	}
	if raises {
		if t.epoch >= lastUsableEpoch {
			t.nextProducer = c.newProducer()
		}
		t.lastEpoch, t.epoch = t.epoch, t.epoch+1
	}
	t.markersAt = c.now.Add(c.cfg.MarkerDelay)
	c.complete(t)
}

// overrule aborts a transaction over its producer's head: that has taken too long, or another has come with its transactional id.
func (c *Cluster) overrule(t *transaction) {
	raises := c.txn.version >= 2
	if !raises {
		t.lastEpoch, t.epoch = -1, t.epoch+1
	}
	c.conclude(t, false, raises)
}

// complete writes the markers that can be written, and ends the transaction with the last.
func (c *Cluster) complete(t *transaction) {
	if !t.ending() || t.ignored || c.now.Before(t.markersAt) || !c.writes(transactionKey(t.id)) {
		return
	}
	m := marker{producer: t.producer, epoch: t.epoch, commit: t.state == transactionPrepareCommit}
	t.ignored = slices.ContainsFunc(t.partitions, func(tp topicPartition) bool { return c.fences(tp, m) })
	t.partitions = slices.DeleteFunc(t.partitions, func(tp topicPartition) bool { return c.concludeIn(tp, m) })
	if len(t.partitions) > 0 || t.ignored {
		return
	}
	t.state = transactionCompleteAbort
	if m.commit {
		t.state = transactionCompleteCommit
	}
	if t.nextProducer >= 0 {
		t.lastProducer, t.producer, t.nextProducer, t.epoch = t.producer, t.nextProducer, -1, 0
	}
}

// fences tells whether a partition knows a later epoch than that of a marker. The coordinator takes the transaction for another one's then, and never ends it (TransactionMarkerRequestCompletionHandler).
func (c *Cluster) fences(tp topicPartition, m marker) bool {
	if tp.topic == offsetsTopic {
		return c.offsetsKnown(tp.partition, m.producer).epoch > m.epoch
	}
	p, err := c.partition(tp.topic, tp.partition)
	if err != nil {
		return false
	}
	k := p.known(m.producer, c.now, &c.rules)
	return k != nil && k.epoch > m.epoch
}

// concludeIn writes a marker into a partition; false if it has to wait. Nothing needs a marker where there is no such partition any more.
func (c *Cluster) concludeIn(tp topicPartition, m marker) (done bool) {
	if tp.topic == offsetsTopic {
		return !c.fences(tp, m) && c.concludeOffsets(tp.partition, m)
	}
	if _, err := c.partition(tp.topic, tp.partition); err != nil {
		return true
	}
	p, err := c.committing(tp.topic, tp.partition)
	if err != nil {
		return false
	}
	if c.fences(tp, m) {
		return false
	}
	c.mark(p, m)
	return true
}

// tickTransactions aborts what has taken too long, and writes markers that had to wait.
func (c *Cluster) tickTransactions() {
	for _, t := range c.transactions {
		if t.state == transactionOngoing && !c.now.Before(c.overdue(t)) && c.writes(transactionKey(t.id)) {
			c.overrule(t)
		}
		c.complete(t)
	}
}

// overdue is when a transaction is aborted: it is looked at now and then only (transaction.abort.timed.out.transaction.cleanup.interval.ms).
func (c *Cluster) overdue(t *transaction) time.Time {
	every := c.cfg.TransactionCheck
	return t.started.Add(t.timeout).Truncate(every).Add(every)
}

// nextTransactions is when tickTransactions is wanted.
func (c *Cluster) nextTransactions(add func(time.Time)) {
	for _, t := range c.transactions {
		switch {
		case !c.writes(transactionKey(t.id)):
		case t.state == transactionOngoing:
			add(c.overdue(t))
		case t.ending() && c.now.Before(t.markersAt):
			add(t.markersAt)
		}
	}
}
