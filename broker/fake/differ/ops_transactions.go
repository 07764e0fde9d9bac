package differ

import (
	"strings"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// producerNames are the producers of a script: those with an x have a transactional id, which is their name.
var producerNames = []string{"p0", "p1", "x0", "x1"}

// transactional picks a producer with a transactional id; one that nobody knows if there is none.
func (d *draw) transactional(w *world) *producerState {
	if p := d.producer(w, "x0", "x0", "x0", "x1"); p != nil {
		return p
	}
	return &producerState{transactional: w.name("x0"), id: w.stranger}
}

func (d *draw) transactionalID(w *world, p *producerState) string {
	return usual(d, 20, p.transactional, w.name("unknown"), "")
}

func initProducerID(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	name := pick(d, producerNames...)
	if w.producers["x0"] == nil && d.once(2) { // much begins with it
		name = "x0"
	}
	known := w.producers[name]
	req := &msg.InitProducerIdRequest{TransactionTimeoutMs: usual[int32](d, 20, w.lasting(600_000), 0, -1, 900_001), ProducerID: -1, ProducerEpoch: -1}
	if name[0] == 'x' {
		req.TransactionalID = wire.Ptr(usual(d, 40, w.name(name), ""))
	}
	if known != nil && d.version >= 3 && d.once(2) {
		req.ProducerID, req.ProducerEpoch = d.producerID(w, known), d.epochIn(known, 3)
	}
	return req, func(m protocol.Response) {
		r := m.(*msg.InitProducerIdResponse)
		if r.ErrorCode == 0 && (req.TransactionalID == nil || *req.TransactionalID == w.name(name)) {
			w.producers[name] = &producerState{id: r.ProducerID, epoch: r.ProducerEpoch, next: map[place]int32{}}
			if req.TransactionalID != nil {
				w.producers[name].transactional = w.name(name)
				clear(w.pending)
			}
			if known != nil && known.id == r.ProducerID {
				w.producers[name].wrote = known.wrote
			}
		}
	}
}

func addPartitions(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	p := d.transactional(w)
	var in []msg.AddPartitionsToTxnRequestAddPartitionsToTxnTopic
	for _, at := range d.places(w) {
		if i := len(in) - 1; i >= 0 && in[i].Name == w.name(at.topic) {
			in[i].Partitions = append(in[i].Partitions, at.partition)
			continue
		}
		in = append(in, msg.AddPartitionsToTxnRequestAddPartitionsToTxnTopic{Name: w.name(at.topic), Partitions: []int32{at.partition}})
	}
	if d.version < 4 {
		return &msg.AddPartitionsToTxnRequest{V3AndBelowTransactionalID: d.transactionalID(w, p), V3AndBelowProducerID: d.producerID(w, p), V3AndBelowProducerEpoch: d.epochIn(p, 1), V3AndBelowTopics: in}, nil
	}
	return &msg.AddPartitionsToTxnRequest{Transactions: []msg.AddPartitionsToTxnRequestAddPartitionsToTxnTransaction{
		{TransactionalID: d.transactionalID(w, p), ProducerID: d.producerID(w, p), ProducerEpoch: d.epoch(p), VerifyOnly: d.once(2), Topics: in}}}, nil
}

func addOffsets(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	p := d.transactional(w)
	return &msg.AddOffsetsToTxnRequest{TransactionalID: d.transactionalID(w, p), ProducerID: d.producerID(w, p), ProducerEpoch: d.epochIn(p, 1), GroupID: d.group(w)}, nil
}

func txnOffsetCommit(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	p := d.transactional(w)
	if m := w.members["g"]; d.version >= 3 && m != nil && m.joined && p.id != w.stranger && d.once(2) {
		return refusedOffsets(d, w, p, m)
	}
	group := d.group(w)
	req := &msg.TxnOffsetCommitRequest{TransactionalID: d.transactionalID(w, p), ProducerID: d.producerID(w, p), ProducerEpoch: d.epoch(p), GroupID: group, GenerationID: -1}
	if d.version >= 3 && d.once(2) {
		req.MemberID, req.GenerationID = d.member(w, group)
		if req.GroupInstanceID = d.instance(w, group); req.GroupInstanceID != nil && d.once(4) { // of another
			req.MemberID = w.prefix + "nobody"
		}
	}
	for _, at := range d.places(w) {
		in := msg.TxnOffsetCommitRequestTxnOffsetCommitRequestPartition{PartitionIndex: at.partition, CommittedOffset: int64(d.IntN(100)), CommittedLeaderEpoch: -1, CommittedMetadata: d.note()}
		if i := len(req.Topics) - 1; i >= 0 && req.Topics[i].Name == w.name(at.topic) {
			req.Topics[i].Partitions = append(req.Topics[i].Partitions, in)
			continue
		}
		req.Topics = append(req.Topics, msg.TxnOffsetCommitRequestTxnOffsetCommitRequestTopic{Name: w.name(at.topic), Partitions: []msg.TxnOffsetCommitRequestTxnOffsetCommitRequestPartition{in}})
	}
	return req, func(m protocol.Response) { w.suspended(group, m.(*msg.TxnOffsetCommitResponse)) }
}

// refusedOffsets is a commit of somebody who is not, or no longer, the member of a group, or one of too long a note, and all else is right.
func refusedOffsets(d *draw, w *world, p *producerState, m *memberState) (protocol.Request, func(protocol.Response)) {
	at, id, note := d.there(w), d.replaced(w, m), ""
	if d.once(4) {
		id, note = m.id, strings.Repeat("n", 4097)
	}
	in := msg.TxnOffsetCommitRequestTxnOffsetCommitRequestPartition{PartitionIndex: at.partition, CommittedLeaderEpoch: -1, CommittedMetadata: &note}
	return &msg.TxnOffsetCommitRequest{TransactionalID: p.transactional, ProducerID: p.id, ProducerEpoch: p.epoch, GroupID: w.name("g"), GenerationID: m.generation, MemberID: id, GroupInstanceID: m.instance,
		Topics: []msg.TxnOffsetCommitRequestTxnOffsetCommitRequestTopic{{Name: w.name(at.topic), Partitions: []msg.TxnOffsetCommitRequestTxnOffsetCommitRequestPartition{in}}}}, nil
}

// suspended learns which offsets a transaction has.
func (w *world) suspended(group string, r *msg.TxnOffsetCommitResponse) {
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode == 0 {
				w.pending[group] = append(w.pending[group], place{w.short(t.Name), p.PartitionIndex})
			}
		}
	}
}

func endTxn(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	p := d.transactional(w)
	req := &msg.EndTxnRequest{TransactionalID: d.transactionalID(w, p), ProducerID: d.producerID(w, p), ProducerEpoch: d.epochIn(p, 1), Committed: d.once(2)}
	return req, func(m protocol.Response) {
		r := m.(*msg.EndTxnResponse)
		if r.ErrorCode == 0 {
			clear(w.pending)
		}
		if d.version < 5 || r.ErrorCode != 0 || r.ProducerID < 0 {
			return
		}
		if r.ProducerID != p.id || r.ProducerEpoch != p.epoch {
			p.id, p.epoch, p.next = r.ProducerID, r.ProducerEpoch, map[place]int32{}
		}
	}
}

func writeTxnMarkers(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	p := d.producer(w, "x0", "x0", "x1", "p0")
	if p == nil {
		return nil, nil
	}
	at, epoch := d.places(w)[0], max(usual(d, 3, p.epoch, p.epoch-1, p.epoch+1), 0)
	if p.transactional != "" && epoch > p.epoch { // a marker of an epoch that is still to come would be refused to the coordinator, and its transaction would never end
		epoch = p.epoch
	}
	if len(p.wrote) > 0 && !d.once(3) { // where there is an epoch that has passed
		at, epoch = pick(d, p.wrote...), max(pick(d, p.epoch, p.epoch-1, p.epoch-1), 0)
	}
	coordinator := usual[int32](d, 4, 0, 1, 5)
	if p.transactional != "" { // with a marker of a later coordinator the coordinator would never end a transaction again
		coordinator = usual[int32](d, 3, 0, -1)
	}
	in := msg.WriteTxnMarkersRequestWritableTxnMarker{ProducerID: usual(d, 30, p.id, w.stranger), ProducerEpoch: epoch, TransactionResult: d.once(2), CoordinatorEpoch: coordinator,
		Topics: []msg.WriteTxnMarkersRequestWritableTxnMarkerTopic{{Name: w.name(at.topic), PartitionIndexes: []int32{at.partition}}}}
	if d.version >= 2 {
		in.TransactionVersion = int8(d.IntN(3))
	}
	return &msg.WriteTxnMarkersRequest{Markers: []msg.WriteTxnMarkersRequestWritableTxnMarker{in}}, nil
}

func describeProducers(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.DescribeProducersRequest{}
	for _, at := range d.places(w) {
		if i := len(req.Topics) - 1; i >= 0 && req.Topics[i].Name == w.name(at.topic) {
			req.Topics[i].PartitionIndexes = append(req.Topics[i].PartitionIndexes, at.partition)
			continue
		}
		req.Topics = append(req.Topics, msg.DescribeProducersRequestTopicRequest{Name: w.name(at.topic), PartitionIndexes: []int32{at.partition}})
	}
	return req, nil
}

func describeTransactions(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.DescribeTransactionsRequest{}
	for range usual(d, 4, 1, 2) {
		req.TransactionalIDs = append(req.TransactionalIDs, usual(d, 8, w.name(pick(d, "x0", "x1")), w.name("unknown"), ""))
	}
	return req, nil
}

// listTransactions asks for those of the script's producers: there are others.
func listTransactions(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.ListTransactionsRequest{ProducerIDFilters: []int64{w.stranger}, DurationFilter: -1}
	for _, name := range []string{"x0", "x1"} {
		if p := w.producers[name]; p != nil {
			req.ProducerIDFilters = append(req.ProducerIDFilters, p.id)
		}
	}
	for range usual(d, 2, 0, 1, 2) {
		req.StateFilters = append(req.StateFilters, pick(d, "Empty", "Ongoing", "CompleteCommit", "CompleteAbort", "PrepareAbort", "Dead", usual(d, 3, "Ongoing", "ongoing", "nonsense", "")))
	}
	if d.version >= 1 {
		req.DurationFilter = usual[int64](d, 4, -1, 3600_000)
	}
	if d.version >= 2 && d.once(3) {
		req.TransactionalIDPattern = wire.Ptr(pick(d, "", ".*x0", ".*", "x", "(", w.prefix+"x[01]"))
	}
	return req, nil
}
