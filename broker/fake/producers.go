package fake

import (
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/record"
)

// producer is what a partition knows of an idempotent producer (KIP-98; in Kafka ProducerStateEntry): its epoch and its last batches.
type producer struct {
	epoch       int16
	batches     []produced // oldest first; none behind a marker of a later epoch
	newest      int64      // timestamp of the latest batch, by which it expires
	at          time.Time  // when that was appended
	coordinator int32      // epoch of the coordinator that wrote the latest marker; -1: there is none
}

// last is the last sequence of the present epoch; -1 if there is none.
func (k *producer) last() int32 {
	if len(k.batches) == 0 {
		return record.NoSequence
	}
	return k.batches[len(k.batches)-1].last
}

type produced struct {
	first, last int32 // sequences
	base        int64
	newest      int64 // timestamp
}

// producerRules are those of a release.
type producerRules struct {
	expiry  time.Duration
	every   time.Duration // that is looked at
	window  int           // batches that are remembered of a producer
	unknown protocol.Code // of a first sequence but 0; None: it is taken, because what was known may be deleted with the records (KIP-360, Kafka 2.5)
	older   bool          // what is older than all that is remembered is told as DUPLICATE_SEQUENCE_NUMBER
	names   bool          // records that are not valid are named (KIP-467)
	capped  bool          // min.insync.replicas is at most the number of replicas: so it is in 3.9.1, and not in 2.8.2
}

func (c *Cluster) producerRules() producerRules {
	r := producerRules{expiry: c.cfg.ProducerExpiry, every: min(c.cfg.ProducerExpiry/4, 10*time.Minute), window: 5, names: c.atLeast("2.4"), capped: c.atLeast("3.9")}
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

// known is what is known of a producer, if it has not been forgotten.
func (p *partition) known(id int64, now time.Time, r *producerRules) *producer {
	k := p.producers[id]
	if _, open := p.open[id]; k != nil && !open && k.expired(now, r) {
		delete(p.producers, id)
		return nil
	}
	return k
}

// check holds a batch of an idempotent producer against what is known of it, as ProducerStateEntry.findDuplicateBatch and ProducerAppendInfo do. A batch seen before gives the offset it got then. That an unknown
// producer must begin at 0 holds in transactions of version 2 only.
func (p *partition) check(b *record.Batch, now time.Time, r *producerRules) (code protocol.Code, again *produced) {
	if b.ProducerID < 0 {
		return protocol.None, nil
	}
	k := p.known(b.ProducerID, now, r)
	_, open := p.open[b.ProducerID]
	if k != nil && b.ProducerEpoch == k.epoch {
		for i := range k.batches {
			if k.batches[i].first == b.BaseSequence && k.batches[i].last == b.LastSequence() {
				return protocol.None, &k.batches[i]
			}
		}
	}
	v, verifying := p.verified(b.ProducerID, now, r)
	switch {
	case k == nil && b.ProducerEpoch < record.NoProducerEpoch: // before any that it can have had (ProducerAppendInfo.checkProducerEpoch)
		return protocol.InvalidProducerEpoch, nil
	case k != nil && b.ProducerEpoch < k.epoch:
		return protocol.InvalidProducerEpoch, nil
	case v.raises && b.BaseSequence != 0 && (k == nil || len(k.batches) == 0):
		return protocol.OutOfOrderSequenceNumber, nil
	case verifying && b.BaseSequence > v.first:
		return protocol.OutOfOrderSequenceNumber, nil
	case k == nil && b.BaseSequence != 0 && r.unknown != protocol.None:
		return r.unknown, nil
	case k == nil:
	case k.epoch < 0: // it has written without one: no sequence follows from that
		if b.BaseSequence != 0 && r.unknown != protocol.None {
			return r.unknown, nil
		}
	case b.ProducerEpoch > k.epoch:
		if b.BaseSequence != 0 {
			return protocol.OutOfOrderSequenceNumber, nil
		}
	case r.older && len(k.batches) > 0 && b.LastSequence() < k.batches[0].first:
		return protocol.DuplicateSequenceNumber, nil
	case b.BaseSequence != record.AddSequence(k.last(), 1):
		return protocol.OutOfOrderSequenceNumber, nil
	}
	if open && !b.Transactional {
		return protocol.InvalidTxnState, nil
	}
	return protocol.None, nil
}

// know notes who wrote a batch: records, or a marker.
func (p *partition) know(b *record.Batch, base int64, at time.Time, r *producerRules) {
	if b.Control {
		p.conclude(b, at)
		return
	}
	p.remember(b, base, at, r)
}

// remember notes a batch of an idempotent producer.
func (p *partition) remember(b *record.Batch, base int64, at time.Time, r *producerRules) {
	if b.ProducerID < 0 {
		return
	}
	k := p.producer(b, at)
	k.batches = append(k.batches, produced{b.BaseSequence, b.LastSequence(), base, b.MaxTimestamp})
	if len(k.batches) > r.window {
		k.batches = k.batches[1:]
	}
}

// producer gives what is known of the producer of a batch that is appended; of an earlier epoch nothing counts any more.
func (p *partition) producer(b *record.Batch, at time.Time) *producer {
	if v := p.verifying[b.ProducerID]; b.Transactional && !(v.raises && b.Control && v.epoch == b.ProducerEpoch) {
		delete(p.verifying, b.ProducerID)
	}
	k := p.producers[b.ProducerID]
	if k == nil {
		k = &producer{coordinator: -1}
		p.producers[b.ProducerID] = k
	}
	if k.epoch != b.ProducerEpoch {
		k.epoch, k.batches = b.ProducerEpoch, nil
	}
	k.newest, k.at = b.MaxTimestamp, at
	return k
}

// conclude notes a marker, as ProducerAppendInfo.appendEndTxnMarker does: one of a later epoch fences who writes in the epoch before.
func (p *partition) conclude(b *record.Batch, at time.Time) {
	p.producer(b, at).coordinator = coordinatorOfMarker(b)
}
