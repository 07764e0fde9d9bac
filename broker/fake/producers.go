package fake

import (
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/record"
)

// producer is what a partition knows of an idempotent producer (KIP-98; in Kafka ProducerStateEntry): its epoch and its last batches.
type producer struct {
	epoch   int16
	batches []produced // oldest first
	newest  int64      // timestamp of the latest batch, by which it expires
	at      time.Time  // when that was appended
}

type produced struct {
	first, last int32 // sequences
	base        int64
}

// producerRules are those of a release.
type producerRules struct {
	expiry  time.Duration
	every   time.Duration // that is looked at
	window  int           // batches that are remembered of a producer
	unknown protocol.Code // of a first sequence but 0; None: it is taken, because what was known may be deleted with the records (KIP-360, Kafka 2.5)
	older   bool          // what is older than all that is remembered is told as DUPLICATE_SEQUENCE_NUMBER
	names   bool          // records that are not valid are named (KIP-467)
	ahead   bool          // timestamps in the future are refused
}

func (c *Cluster) producerRules() producerRules {
	r := producerRules{expiry: c.cfg.ProducerExpiry, every: min(c.cfg.ProducerExpiry/4, 10*time.Minute), window: 5, names: c.atLeast("2.4"), ahead: c.atLeast("4.0")}
	switch {
	case !c.atLeast("1.0"):
		r.window, r.unknown = 1, protocol.OutOfOrderSequenceNumber
	case !c.atLeast("2.5"):
		r.unknown, r.older = protocol.UnknownProducerID, !c.atLeast("2.0")
	}
	return r
}

// expired tells whether a producer was forgotten by the time of the latest look: what it wrote last was old then.
func (k *producer) expired(now time.Time, r *producerRules) bool {
	look := now.Truncate(r.every)
	return k.at.Before(look) && look.UnixMilli()-k.newest >= r.expiry.Milliseconds()
}

// check holds a batch of an idempotent producer against what is known of it, as ProducerStateEntry.findDuplicateBatch and ProducerAppendInfo do. A batch seen before gives the offset it got then. That an unknown
// producer must begin at 0 holds in transactions of version 2 only.
func (p *partition) check(b *record.Batch, now time.Time, r *producerRules) (code protocol.Code, again *produced) {
	if b.ProducerID < 0 {
		return protocol.None, nil
	}
	k := p.producers[b.ProducerID]
	if _, open := p.open[b.ProducerID]; k != nil && !open && k.expired(now, r) {
		delete(p.producers, b.ProducerID)
		k = nil
	}
	switch {
	case k == nil:
		if b.BaseSequence != 0 {
			return r.unknown, nil
		}
		return protocol.None, nil
	case b.ProducerEpoch < k.epoch:
		return protocol.InvalidProducerEpoch, nil
	case b.ProducerEpoch > k.epoch:
		if b.BaseSequence != 0 {
			return protocol.OutOfOrderSequenceNumber, nil
		}
		return protocol.None, nil
	}
	for i := range k.batches {
		if k.batches[i].first == b.BaseSequence && k.batches[i].last == b.LastSequence() {
			return protocol.None, &k.batches[i]
		}
	}
	switch last := k.batches[len(k.batches)-1].last; {
	case r.older && b.LastSequence() < k.batches[0].first:
		return protocol.DuplicateSequenceNumber, nil
	case b.BaseSequence != record.AddSequence(last, 1):
		return protocol.OutOfOrderSequenceNumber, nil
	}
	return protocol.None, nil
}

// remember notes a batch of an idempotent producer.
func (p *partition) remember(b *record.Batch, base int64, at time.Time, r *producerRules) {
	if b.ProducerID < 0 {
		return
	}
	k := p.producers[b.ProducerID]
	if k == nil || k.epoch != b.ProducerEpoch {
		k = &producer{epoch: b.ProducerEpoch}
		p.producers[b.ProducerID] = k
	}
	k.newest, k.at = b.MaxTimestamp, at
	k.batches = append(k.batches, produced{b.BaseSequence, b.LastSequence(), base})
	if len(k.batches) > r.window {
		k.batches = k.batches[1:]
	}
}
