package fake

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/wire"
)

func (c *Cluster) produce(q *call) {
	req := q.Req.(*msg.ProduceRequest)
	resp := &msg.ProduceResponse{ThrottleTimeMs: q.throttle()}
	injected := c.injected(q.Key)
	if injected == protocol.None {
		injected = firstLook(req)
	}
	if injected == protocol.CorruptMessage && anyNull(req) || injected == protocol.None && c.kraft() && c.missesRecords(q, req) {
		q.conn.deaf, q.conn.queue = true, nil
		return
	}
	topics, spoilt := onceEach(q, req.TopicData)
	for i := range topics {
		d := &topics[i]
		out := msg.ProduceResponseTopicProduceResponse{Name: d.Name, TopicID: d.TopicID}
		t, code := c.lookup(d.Name, d.TopicID, q.Version >= 13)
		for k := range d.PartitionData {
			in := &d.PartitionData[k]
			r := msg.ProduceResponsePartitionProduceResponse{}
			r.SetDefaults()
			r.Index, r.BaseOffset, r.LogAppendTimeMs = in.Index, -1, -1
			if got := or(injected, code); got != protocol.None {
				r.ErrorCode = int16(got)
			} else {
				c.producePartition(q, t, req.Acks, in, &r, resp)
			}
			if code := spoilt[in]; code != protocol.None && r.ErrorCode == 0 {
				r.ErrorCode, r.BaseOffset, r.LogAppendTimeMs, r.LogStartOffset = int16(code), -1, -1, -1
			}
			out.PartitionResponses = append(out.PartitionResponses, r)
		}
		if len(out.PartitionResponses) > 0 { // Kafka answers by partition
			resp.Responses = append(resp.Responses, out)
		}
	}
	if req.Acks == 0 && injected == protocol.None && anyNull(req) && slices.ContainsFunc(resp.Responses, refuses) {
		q.conn.deaf, q.conn.queue = true, nil
		return
	}
	if req.Acks == 0 { // nobody can be told of an error: KafkaApis.handleProduceRequest closes the connection, so that the producer asks who leads
		q.cut = q.cut || slices.ContainsFunc(resp.Responses, refuses)
		c.reply(q, nil)
		return
	}
	c.reply(q, resp)
}

// anyNull tells whether there are null records. Brokers cannot write down at which request they have failed then: it is never answered, and none behind it.
func anyNull(req *msg.ProduceRequest) bool {
	return slices.ContainsFunc(req.TopicData, func(d msg.ProduceRequestTopicProduceData) bool {
		return slices.ContainsFunc(d.PartitionData, func(p msg.ProduceRequestPartitionProduceData) bool { return p.Records == nil })
	})
}

// missesRecords tells whether there are null records for a partition that is there: brokers fail at that.
func (c *Cluster) missesRecords(q *call, req *msg.ProduceRequest) bool {
	return slices.ContainsFunc(req.TopicData, func(d msg.ProduceRequestTopicProduceData) bool {
		t, code := c.lookup(d.Name, d.TopicID, q.Version >= 13)
		return code == protocol.None && slices.ContainsFunc(d.PartitionData, func(p msg.ProduceRequestPartitionProduceData) bool {
			return p.Records == nil && p.Index >= 0 && int(p.Index) < len(t.partitions)
		})
	})
}

// onceEach gives what is to be appended to each partition, in the order of first mentions. If a partition is mentioned more than once the last records that are one batch count, and spoilt has what is wrong with others: that is
// told, although something was appended (KafkaApis.handleProduceRequest).
func onceEach(q *call, data []msg.ProduceRequestTopicProduceData) (topics []msg.ProduceRequestTopicProduceData, spoilt map[*msg.ProduceRequestPartitionProduceData]protocol.Code) {
	if unique(data) {
		return data, nil
	}
	type topicKey struct {
		name string
		id   wire.UUID
	}
	type place struct{ topic, partition int }
	places, partitions := map[topicKey]int{}, map[topicKey]map[int32]int{}
	wrong := map[place]protocol.Code{}
	for i := range data {
		key := topicKey{data[i].Name, data[i].TopicID}
		at, ok := places[key]
		if !ok {
			at = len(topics)
			places[key], partitions[key] = at, map[int32]int{}
			topics = append(topics, msg.ProduceRequestTopicProduceData{Name: data[i].Name, TopicID: data[i].TopicID})
		}
		for _, p := range data[i].PartitionData {
			k, again := partitions[key][p.Index]
			if !again {
				k = len(topics[at].PartitionData)
				partitions[key][p.Index] = k
				topics[at].PartitionData = append(topics[at].PartitionData, p)
			}
			code := oneBatch(q, p.Records)
			if code != protocol.None {
				wrong[place{at, k}] = code
			} else {
				topics[at].PartitionData[k].Records = p.Records
			}
		}
	}
	spoilt = map[*msg.ProduceRequestPartitionProduceData]protocol.Code{}
	for p, code := range wrong {
		spoilt[&topics[p.topic].PartitionData[p.partition]] = code
	}
	return topics, spoilt
}

// unique tells whether no partition is mentioned twice.
func unique(data []msg.ProduceRequestTopicProduceData) bool {
	type key struct {
		name      string
		id        wire.UUID
		partition int32
	}
	if len(data) == 1 && len(data[0].PartitionData) == 1 {
		return true
	}
	topics, seen := map[key]bool{}, map[key]bool{}
	for i := range data {
		t := key{name: data[i].Name, id: data[i].TopicID}
		if topics[t] {
			return false
		}
		topics[t] = true
		for k := range data[i].PartitionData {
			p := t
			p.partition = data[i].PartitionData[k].Index
			if seen[p] {
				return false
			}
			seen[p] = true
		}
	}
	return true
}

// firstLook looks whether the first batch of any partition is of a transaction, without an id of one; where none can be seen the whole request is refused (RequestUtils.hasTransactionalRecords, ByteBufferLogInputStream.nextBatch).
func firstLook(req *msg.ProduceRequest) protocol.Code {
	const sizeAt, before, smallest, magic, attributes, flag = 8, 12, 14, 16, 22, 0x10
	for i := range req.TopicData {
		for k := range req.TopicData[i].PartitionData {
			raw := req.TopicData[i].PartitionData[k].Records
			if len(raw) < before {
				continue
			}
			size := int(int32(binary.BigEndian.Uint32(raw[sizeAt:])))
			switch {
			case size < smallest:
				return protocol.CorruptMessage
			case len(raw) <= magic:
				continue
			case raw[magic] > 2:
				return protocol.CorruptMessage
			case len(raw) < size+before || raw[magic] < 2: // a part of a batch is none
				continue
			case len(raw) > attributes && raw[attributes]&flag != 0:
				if req.TransactionalID == nil {
					return protocol.TransactionalIDAuthorizationFailed // whose transaction is it?
				}
				return protocol.None
			}
		}
	}
	return protocol.None
}

// refuses tells whether an answer has an error.
func refuses(t msg.ProduceResponseTopicProduceResponse) bool {
	return slices.ContainsFunc(t.PartitionResponses, func(p msg.ProduceResponsePartitionProduceResponse) bool { return p.ErrorCode != 0 })
}

func (c *Cluster) producePartition(q *call, t *topic, acks int16, in *msg.ProduceRequestPartitionProduceData, r *msg.ProduceResponsePartitionProduceResponse, resp *msg.ProduceResponse) {
	p, led := c.led(q, t, in.Index)
	code := protocol.None
	if led == protocol.UnknownTopicOrPartition {
		code = led
	}
	if code == protocol.None {
		code = oneBatch(q, in.Records)
	}
	if code == protocol.None && led == protocol.None { // the transaction has begun, whatever else is wrong
		code = c.verifySet(q, t, p, in.Records)
	}
	if code == protocol.None && acks != 0 && acks != 1 && acks != -1 {
		code = protocol.InvalidRequiredAcks
	}
	if code == protocol.None && internal(t.name) && q.client != adminClient {
		code = protocol.InvalidTopicException // ReplicaManager looks at this before it looks for the leader
	}
	if code = or(code, led); code == protocol.NotLeaderOrFollower && q.Version >= 10 { // the new leader is told along (KIP-951)
		r.CurrentLeader = msg.ProduceResponseLeaderIDAndEpoch{LeaderID: p.leader, LeaderEpoch: p.epoch}
		if n := c.node(p.leader); n != nil && !slices.ContainsFunc(resp.NodeEndpoints, func(e msg.ProduceResponseNodeEndpoint) bool { return e.NodeID == n.id }) {
			host, port := c.cfg.Host(n.id)
			resp.NodeEndpoints = append(resp.NodeEndpoints, msg.ProduceResponseNodeEndpoint{NodeID: n.id, Host: host, Port: port})
		}
	}
	if code == protocol.None && (acks == -1 && len(p.isr) < c.minISR(p, q.Node) || q.conn.node.alone != nil) {
		code = protocol.NotEnoughReplicas
		if !c.rules.capped {
			r.LogStartOffset = p.start
		}
	}
	if code == protocol.None {
		code = c.appendSet(q, t, p, in.Records, r)
	}
	if r.ErrorCode = int16(code); code != protocol.None {
		return
	}
	r.LogStartOffset = p.start
	if t.own(q.Node).appendTime {
		r.LogAppendTimeMs = c.now.UnixMilli()
	}
}

// oneBatch refuses what is not one batch of magic 2, which there must be since Kafka 0.11 (ProduceRequest.validateRecords).
func oneBatch(q *call, raw []byte) protocol.Code {
	if q.Version < 3 || raw == nil {
		return protocol.None
	}
	b, rest, ok, err := record.Next(raw)
	switch {
	case err != nil && (b.Magic == 0 || b.Magic == 1) && !errors.Is(err, record.ErrLength):
		return protocol.InvalidRecord
	case err != nil && denied(&b, err): // what it says is looked at when its checksum has been
		return protocol.None
	case err != nil:
		return protocol.CorruptMessage
	case !ok || b.Magic != 2:
		return protocol.InvalidRecord
	}
	if _, _, more, err := record.Next(rest); more && err == nil {
		return protocol.InvalidRecord
	}
	if b.Codec == compress.Zstd && q.Version < 7 {
		return protocol.UnsupportedCompressionType
	}
	return protocol.None
}

// verifySet verifies the transactions of batches, before their records are looked at.
func (c *Cluster) verifySet(q *call, t *topic, p *partition, raw []byte) protocol.Code {
	for b, err := range record.Batches(raw) {
		if err != nil || b.Magic != 2 || !b.Transactional {
			break // what is not one batch is refused elsewhere
		}
		if code := c.verifyBatch(q, q.Req.(*msg.ProduceRequest).TransactionalID, t, p, &b); code != protocol.None {
			return code
		}
	}
	return protocol.None
}

func (c *Cluster) appendSet(q *call, t *topic, p *partition, raw []byte, r *msg.ProduceResponsePartitionProduceResponse) protocol.Code {
	s := t.own(q.Node)
	if raw == nil { // with KRaft it has not come so far
		r.LogStartOffset = p.start
		return protocol.UnknownServerError
	}
	batches, code := c.modern(raw, s.maxMessage)
	if code != protocol.None {
		if code == protocol.InvalidRecord || code == protocol.UnknownServerError {
			r.LogStartOffset = p.start
		}
		return code
	}
	for i := range batches {
		b := &batches[i]
		if len(b.Bytes()) > s.maxMessage {
			return protocol.MessageTooLarge
		}
		r.LogStartOffset = p.start // from here on errors tell it, too (ReplicaManager.appendRecordsToLeader)
		if code := c.validate(t, s, b, r); code != protocol.None {
			return code
		}
		if s.recompresses(b) && !writable(b) || !s.recompresses(b) && b.Codec != compress.None && miscounted(b) {
			return protocol.UnknownServerError
		}
		bytes, code := c.stored(s, b)
		if code != protocol.None {
			if code == protocol.MessageTooLarge || code == protocol.RecordListTooLarge { // but not those about sizes
				r.LogStartOffset = -1
			}
			return code
		}
		code, again := p.check(b, c.now, &c.rules) // the last that is looked at
		if code != protocol.None {
			return code
		}
		if again != nil {
			r.BaseOffset, r.LogAppendTimeMs = again.base, again.newest // Kafka tells the timestamp whatever it is
			continue
		}
		base := p.append(b, bytes, c.now)
		p.remember(b, base, c.now, &c.rules)
		if i == 0 {
			r.BaseOffset = base
		}
	}
	return protocol.None
}

// throttle holds the client back, if the broker throttles its clients, and tells for how long, in milliseconds.
func (q *call) throttle() int32 {
	q.held = q.conn.node.throttle
	return int32(q.held.Milliseconds())
}
