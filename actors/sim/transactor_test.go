package sim_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/wire"
)

// transactor is a transactional producer that does by hand what Kafka's does. With an epoch for each transaction (KIP-890) it sends again what was not answered. With one epoch for all that is not safe, because what comes late
// may be taken for a part of the next transaction: whatever is not answered ends the producer, and the next one with its transactional id has another epoch.
type transactor struct {
	p      *transactionPlay
	a      *asker
	rng    *rand.Rand
	name   string
	raises bool
	at     int32 // the coordinator; 0: it is to be asked for
	id     int64
	epoch  int16
	next   map[sim.Partition]int32 // sequences
	within map[sim.Partition]bool
}

// end is how a step of a transaction ends.
type end uint8

const (
	done   end = iota
	failed     // the transaction cannot be committed
	gone       // the producer has to begin anew
)

// live has one producer after the other, and each makes transactions.
func (x *transactor) live(ctx context.Context, count int, span time.Duration) {
	defer x.a.close()
	for n := 0; n < count && x.p.w.Now().Before(x.p.stop) && len(x.p.failed) == 0; {
		if !x.begin(ctx) {
			return
		}
		for alive := true; alive && n < count; n++ {
			alive = x.transaction(ctx)
			if x.rng.IntN(3) == 0 {
				_ = x.p.w.Sleep(ctx, time.Duration(x.rng.Int64N(int64(6*span)/int64(count)+1)))
			}
		}
	}
}

// pause is before something is tried again.
func (x *transactor) pause(ctx context.Context) {
	_ = x.p.w.Sleep(ctx, time.Duration(50+x.rng.IntN(200))*time.Millisecond)
}

// coordinate asks the coordinator until it answers. answered: it has; otherwise the request may come to it yet.
func (x *transactor) coordinate(ctx context.Context, req protocol.Request, most int16, code func(protocol.Response) protocol.Code) (resp protocol.Response, says protocol.Code, answered bool) {
	for !x.p.ended() {
		if x.at == 0 {
			node := int32(x.rng.IntN(x.p.c.Nodes())) + 1
			found, err := x.a.ask(ctx, node, &msg.FindCoordinatorRequest{Key: x.name, KeyType: 1}, 2)
			if err == nil && found.(*msg.FindCoordinatorResponse).ErrorCode == 0 {
				x.at = found.(*msg.FindCoordinatorResponse).NodeID
			} else {
				x.pause(ctx)
				continue
			}
		}
		resp, err := x.a.ask(ctx, x.at, req, most)
		switch {
		case errors.Is(err, errUnsent):
			x.at = 0
		case err != nil:
			x.at = 0
			return nil, 0, false
		default:
			switch says = code(resp); says {
			case protocol.NotCoordinator, protocol.CoordinatorNotAvailable, protocol.CoordinatorLoadInProgress:
				x.at = 0
			case protocol.ConcurrentTransactions:
			default:
				return resp, says, true
			}
		}
		x.pause(ctx)
	}
	return nil, 0, false
}

// begin gets an id and an epoch. Who comes again with the same transactional id ends what its predecessor has begun.
func (x *transactor) begin(ctx context.Context) bool {
	req := &msg.InitProducerIdRequest{TransactionalID: wire.Ptr(x.name), TransactionTimeoutMs: 8000, ProducerID: -1, ProducerEpoch: -1}
	for !x.p.ended() {
		resp, code, answered := x.coordinate(ctx, req, 4, func(r protocol.Response) protocol.Code {
			return protocol.Code(r.(*msg.InitProducerIdResponse).ErrorCode)
		})
		if answered && code == protocol.None {
			r := resp.(*msg.InitProducerIdResponse)
			x.renew(r.ProducerID, r.ProducerEpoch)
			return true
		}
		x.pause(ctx)
	}
	return false
}

func (x *transactor) renew(id int64, epoch int16) {
	x.id, x.epoch, x.next, x.within = id, epoch, map[sim.Partition]int32{}, map[sim.Partition]bool{}
}

// transaction makes one. It gives whether the producer can go on.
func (x *transactor) transaction(ctx context.Context) (alive bool) {
	t := x.p.h.Transaction()
	clear(x.within)
	var parts []sim.Partition
	for range 1 + x.rng.IntN(3) {
		parts = append(parts, x.p.parts[x.rng.IntN(len(x.p.parts))])
	}
	for range 1 + x.rng.IntN(5) {
		how := x.write(ctx, t, parts[x.rng.IntN(len(parts))])
		if how == gone {
			return false
		}
		if how == failed {
			return x.finish(ctx, t, false)
		}
		switch x.rng.IntN(12) {
		case 0, 1, 2:
			_ = x.p.w.Sleep(ctx, time.Duration(x.rng.IntN(2000))*time.Millisecond)
		case 3: // perhaps for too long
			_ = x.p.w.Sleep(ctx, time.Duration(x.rng.IntN(15))*time.Second)
		}
	}
	switch x.rng.IntN(8) {
	case 0: // a crash
		return false
	case 1, 2:
		return x.finish(ctx, t, false)
	}
	return x.finish(ctx, t, true)
}

// write sends a batch. What is in doubt is sent again; if it stays so, the transaction fails.
func (x *transactor) write(ctx context.Context, t *sim.Transaction, part sim.Partition) end {
	if !x.raises && !x.within[part] {
		req := &msg.AddPartitionsToTxnRequest{V3AndBelowTransactionalID: x.name, V3AndBelowProducerID: x.id, V3AndBelowProducerEpoch: x.epoch,
			V3AndBelowTopics: []msg.AddPartitionsToTxnRequestAddPartitionsToTxnTopic{{Name: part.Topic, Partitions: []int32{part.Index}}}}
		_, code, answered := x.coordinate(ctx, req, 3, func(r protocol.Response) protocol.Code {
			return protocol.Code(r.(*msg.AddPartitionsToTxnResponse).ResultsByTopicV3AndBelow[0].ResultsByPartition[0].PartitionErrorCode)
		})
		if !answered || code != protocol.None {
			return gone
		}
	}
	x.within[part] = true
	var sends []*sim.Send
	raw := make([]byte, record.Overhead)
	count := 1 + x.rng.IntN(4)
	for i := range count {
		s, value := x.p.h.SendWithin(t, x.name, part.Topic, x.rng.IntN(120))
		sends = append(sends, s)
		raw = record.AppendRecord(raw, int32(i), 0, nil, value, nil)
	}
	now := x.p.w.NowMs()
	record.Seal(raw, &record.Info{Magic: 2, LeaderEpoch: -1, LastOffsetDelta: int32(count) - 1, Count: int32(count), BaseTimestamp: now, MaxTimestamp: now,
		ProducerID: x.id, ProducerEpoch: x.epoch, BaseSequence: x.next[part], Transactional: true})
	req := &msg.ProduceRequest{Acks: -1, TimeoutMs: 1000, TransactionalID: wire.Ptr(x.name), TopicData: []msg.ProduceRequestTopicProduceData{{Name: part.Topic,
		PartitionData: []msg.ProduceRequestPartitionProduceData{{Index: part.Index, Records: raw}}}}}
	most := int16(9)
	if x.raises {
		most = 12
	}
	how, base := x.append(ctx, req, most, part)
	for i, s := range sends {
		if how == done {
			x.p.h.Done(s, sim.Acked, part.Index, base+int64(i))
		} else {
			x.p.h.Done(s, sim.Uncertain, -1, -1)
		}
	}
	x.next[part] += int32(count)
	if how == failed && !x.raises { // it may come late: only markers of another epoch stop it, where leaders do not ask the coordinator
		return gone
	}
	return how
}

// append sends a batch until it is in the log, or the transaction has failed.
func (x *transactor) append(ctx context.Context, req *msg.ProduceRequest, most int16, part sim.Partition) (how end, base int64) {
	for range 1 + x.rng.IntN(20) {
		node, _ := x.p.c.Leader(part.Topic, part.Index)
		if node < 1 {
			x.pause(ctx)
			continue
		}
		resp, err := x.a.ask(ctx, node, req, most)
		if err != nil {
			x.pause(ctx)
			continue
		}
		r := resp.(*msg.ProduceResponse).Responses[0].PartitionResponses[0]
		switch code := protocol.Code(r.ErrorCode); code {
		case protocol.None:
			return done, r.BaseOffset
		case protocol.InvalidProducerEpoch, protocol.ProducerFenced, protocol.InvalidProducerIDMapping:
			return gone, -1
		case protocol.NotLeaderOrFollower, protocol.NotEnoughReplicas, protocol.NotEnoughReplicasAfterAppend, protocol.ConcurrentTransactions, protocol.LeaderNotAvailable, protocol.RequestTimedOut:
		default:
			x.p.w.Tracef("%s: %s", x.name, code)
			return failed, -1
		}
		x.pause(ctx)
	}
	return failed, -1
}

// finish ends a transaction.
func (x *transactor) finish(ctx context.Context, t *sim.Transaction, commit bool) (alive bool) {
	if commit {
		t.Outcome = sim.Undecided
	}
	most := int16(3)
	if x.raises {
		most = 5
	}
	req := &msg.EndTxnRequest{TransactionalID: x.name, ProducerID: x.id, ProducerEpoch: x.epoch, Committed: commit}
	for {
		resp, code, answered := x.coordinate(ctx, req, most, func(r protocol.Response) protocol.Code { return protocol.Code(r.(*msg.EndTxnResponse).ErrorCode) })
		switch {
		case answered && code == protocol.None:
			if commit {
				t.Outcome = sim.Committed
			}
			if x.raises {
				r := resp.(*msg.EndTxnResponse)
				x.renew(r.ProducerID, r.ProducerEpoch)
			}
			return true
		case !answered && x.raises && !x.p.ended():
			continue
		case answered && !slices.Contains([]protocol.Code{protocol.ProducerFenced, protocol.InvalidProducerEpoch, protocol.InvalidProducerIDMapping, protocol.InvalidTxnState}, code):
			x.p.fail("%s: EndTxn: %s", x.name, code)
		}
		return false
	}
}
