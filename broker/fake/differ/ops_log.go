package differ

import (
	"slices"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/wire"
)

func produce(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	if d.version < 3 { // batches of magic 2 cannot be sent
		return nil, nil
	}
	req := &msg.ProduceRequest{Acks: usual[int16](d, 12, -1, 1, 1, 0, 2), TimeoutMs: 30000}
	producer := d.producer(w, "", "", "p0", "p0", "p1", "x0", "x0", "x0", "x1")
	if producer != nil {
		req.TransactionalID = optional(producer.transactional)
		if d.once(50) {
			req.TransactionalID = pick(d, nil, wire.Ptr(""), wire.Ptr(w.name("x1")), wire.Ptr(w.name("unknown")))
		}
	}
	for _, p := range d.places(w) {
		t := msg.ProduceRequestTopicProduceData{PartitionData: []msg.ProduceRequestPartitionProduceData{{Index: p.partition, Records: d.batch(w, p, producer)}}}
		if d.version >= 13 {
			t.TopicID = usual(d, 40, w.topicID(p.topic), nobodys)
		} else {
			t.Name = usual(d, 25, w.name(p.topic), "", w.prefix+"!", internalTopic)
		}
		if i := len(req.TopicData) - 1; i >= 0 && req.TopicData[i].Name == t.Name && req.TopicData[i].TopicID == t.TopicID {
			req.TopicData[i].PartitionData = append(req.TopicData[i].PartitionData, t.PartitionData...)
		} else {
			req.TopicData = append(req.TopicData, t)
		}
		if req.TransactionalID != nil || producer != nil && d.once(2) { // what has to come again must not be half done
			break
		}
	}
	return req, func(m protocol.Response) {
		for i, t := range m.(*msg.ProduceResponse).Responses {
			for k, r := range t.PartitionResponses {
				if r.ErrorCode == 0 && r.BaseOffset >= 0 {
					w.produced(producer, req, i, k, r.BaseOffset)
				}
			}
		}
	}
}

// produced learns from an answer, which has the order of the request where nothing is refused; else the place tells.
func (w *world) produced(producer *producerState, req *msg.ProduceRequest, i, k int, base int64) {
	if i >= len(req.TopicData) || k >= len(req.TopicData[i].PartitionData) {
		return
	}
	t, in := &req.TopicData[i], &req.TopicData[i].PartitionData[k]
	p := place{w.short(t.Name), in.Index}
	if t.Name == "" {
		p.topic = w.named(t.TopicID)
	}
	b, _, ok, err := record.Next(in.Records)
	if err != nil || !ok {
		return
	}
	w.ends[p] = max(w.ends[p], base+int64(b.LastOffsetDelta)+1)
	if producer != nil && b.ProducerID == producer.id && !slices.Contains(producer.wrote, p) {
		producer.wrote = append(producer.wrote, p)
	}
	if producer != nil && b.ProducerID == producer.id && b.ProducerEpoch == producer.epoch && b.BaseSequence >= producer.next[p] {
		producer.next[p] = record.AddSequence(b.BaseSequence, b.LastOffsetDelta+1)
	}
}

func fetch(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.FetchRequest{ReplicaID: -1, MaxBytes: 1 << 20, SessionEpoch: -1, MinBytes: int32(d.IntN(2))}
	req.ReplicaState.SetDefaults()
	if d.version >= 3 {
		req.MaxBytes = usual[int32](d, 4, 1<<20, 0, 1, 61, 100, 300, 1000)
	}
	if d.version >= 4 {
		req.IsolationLevel = usual[int8](d, 2, 0, 1)
	}
	slot := pick(d, "s0", "s0", "s1")
	session := w.sessions[slot]
	if d.version >= 7 {
		switch d.IntN(8) {
		case 0, 1:
			req.SessionEpoch = 0
		case 2, 3, 4, 5:
			if session != nil {
				req.SessionID, req.SessionEpoch = session.id, usual(d, 12, session.epoch, session.epoch+1, session.epoch-1, 0, -1)
			}
		case 6:
			if d.once(4) {
				req.SessionID, req.SessionEpoch = 2_000_000_000, pick[int32](d, -1, 0, 1)
			}
		}
	}
	renewed := d.version >= 13 && session != nil && w.renewed() && d.once(3) // what the session has may be of a topic that is no more
	if renewed {
		req.SessionID, req.SessionEpoch = session.id, session.epoch
	}
	continued := req.SessionEpoch > 0
	places := d.places(w)
	if continued && (renewed || d.once(2)) {
		places = nil
	}
	for _, p := range places {
		in := msg.FetchRequestFetchPartition{}
		in.SetDefaults()
		in.Partition, in.FetchOffset, in.PartitionMaxBytes = p.partition, d.offset(w, p), usual[int32](d, 4, 1<<20, 0, 1, 61, 100, 200, 500)
		if d.version >= 9 {
			in.CurrentLeaderEpoch = d.leaderEpoch()
		}
		if d.version >= 12 {
			in.LastFetchedEpoch = usual[int32](d, 3, -1, 0, 1, 5)
		}
		t := msg.FetchRequestFetchTopic{Partitions: []msg.FetchRequestFetchPartition{in}}
		if d.version >= 13 {
			t.TopicID = usual(d, 40, w.topicID(p.topic), nobodys)
		} else {
			t.Topic = w.name(p.topic)
		}
		if i := len(req.Topics) - 1; i >= 0 && req.Topics[i].Topic == t.Topic && req.Topics[i].TopicID == t.TopicID {
			req.Topics[i].Partitions = append(req.Topics[i].Partitions, in)
			continue
		}
		req.Topics = append(req.Topics, t)
	}
	if continued && d.once(4) {
		p := d.places(w)[0]
		t := msg.FetchRequestForgottenTopic{Partitions: []int32{p.partition}}
		if d.version >= 13 {
			t.TopicID = w.topicID(p.topic)
		} else {
			t.Topic = w.name(p.topic)
		}
		req.ForgottenTopicsData = append(req.ForgottenTopicsData, t)
	}
	return req, func(m protocol.Response) {
		r := m.(*msg.FetchResponse)
		if r.ErrorCode != 0 || r.SessionID == 0 {
			return
		}
		w.sessions[slot] = &sessionState{r.SessionID, max(req.SessionEpoch, 0) + 1}
	}
}

// renewed tells whether any topic is there again.
func (w *world) renewed() bool {
	for _, t := range w.topics {
		if t.again && !t.gone {
			return true
		}
	}
	return false
}

func listOffsets(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.ListOffsetsRequest{ReplicaID: -1}
	if d.version >= 2 {
		req.IsolationLevel = usual[int8](d, 2, 0, 1)
	}
	if d.version >= 10 {
		req.TimeoutMs = 30000
	}
	for _, p := range d.places(w) {
		in := msg.ListOffsetsRequestListOffsetsPartition{PartitionIndex: p.partition, CurrentLeaderEpoch: -1, MaxNumOffsets: 1,
			Timestamp: pick(d, -1, -1, -2, -2, -3, -3, w.time(int64(d.IntN(1100))), w.time(int64(d.IntN(1100))), w.time(int64(d.IntN(1100))), usual(d, 2, 0, -4, -5, -6, -7, w.time(1<<40)))}
		if w.shortened[p.topic] && in.Timestamp == -3 { // Kafka tells of records that are deleted as long as their segment is there
			in.Timestamp = -1
		}
		if d.version >= 4 {
			in.CurrentLeaderEpoch = d.leaderEpoch()
		}
		if i := len(req.Topics) - 1; i >= 0 && req.Topics[i].Name == w.name(p.topic) {
			req.Topics[i].Partitions = append(req.Topics[i].Partitions, in)
			continue
		}
		req.Topics = append(req.Topics, msg.ListOffsetsRequestListOffsetsTopic{Name: w.name(p.topic), Partitions: []msg.ListOffsetsRequestListOffsetsPartition{in}})
	}
	return req, nil
}

func offsetForLeaderEpoch(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.OffsetForLeaderEpochRequest{ReplicaID: -2}
	if d.version >= 3 {
		req.ReplicaID = -1
	}
	for _, p := range d.places(w) {
		in := msg.OffsetForLeaderEpochRequestOffsetForLeaderPartition{Partition: p.partition, CurrentLeaderEpoch: -1, LeaderEpoch: usual[int32](d, 3, 0, -1, 1, 5)}
		if d.version >= 2 {
			in.CurrentLeaderEpoch = d.leaderEpoch()
		}
		if i := len(req.Topics) - 1; i >= 0 && req.Topics[i].Topic == w.name(p.topic) {
			req.Topics[i].Partitions = append(req.Topics[i].Partitions, in)
			continue
		}
		req.Topics = append(req.Topics, msg.OffsetForLeaderEpochRequestOffsetForLeaderTopic{Topic: w.name(p.topic), Partitions: []msg.OffsetForLeaderEpochRequestOffsetForLeaderPartition{in}})
	}
	return req, nil
}
