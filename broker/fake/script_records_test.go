package fake_test

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/wire"
)

// recordVerbs are what scripts of logs ask.
//
//	write TOPIC/N RECORD... [codec=C] [acks=N] [as=P/EPOCH sequence=N] [id=ID] [form=F]   Produce; RECORD is KEY:VALUE[@MS], with - for null, "*N" behind a value to have it so often, and MS behind now.
//	                                               as and sequence are of an idempotent producer, id of a transaction. form is one of: none (null), empty, two (batches), magic1, cut, crc, control, count, sequence
//	read TOPIC/N [from=OFFSET]                     Fetch, with all that is in the batches
//	poll [TOPIC/N[/OFFSET[/EPOCH]]...]             Fetch of several partitions that may wait for four seconds, and how they are; "waits" behind it: it has waited. From version 13 on topics go by their ids.
//	                                               & at the end: the answer is left to a line "polled"
//	at TOPIC/N WHEN...                             ListOffsets: of earliest, latest, newest, or MS behind now
//	compact TOPIC, retain TOPIC                    the log cleaner, or retention, does what there is to do
var recordVerbs = map[string]func(*script, *cue) string{
	"write":   (*script).write,
	"read":    (*script).readLog,
	"poll":    (*script).poll,
	"polled":  func(s *script, _ *cue) string { return s.polled() },
	"at":      (*script).offsetsAt,
	"compact": func(s *script, l *cue) string { s.on.compact(s.t, s.name(l.words[1])); return "" },
	"retain":  func(s *script, l *cue) string { s.on.retain(s.t, s.name(l.words[1])); return "" },
}

// settling is how long brokers may take to hear of a change of configurations.
const settling = 700 * time.Millisecond

// zero is the time that the times of a script's records count from.
func (s *script) zero() int64 {
	if s.start.IsZero() {
		s.start = s.on.now()
	}
	return s.start.UnixMilli()
}

func field(w string) []byte {
	if w == "-" {
		return nil
	}
	w, times, ok := strings.Cut(w, "*")
	if !ok {
		return []byte(w)
	}
	n := 0
	_, _ = fmt.Sscan(times, &n)
	return []byte(strings.Repeat(w, n))
}

// batchOf makes a batch of the records of a line.
func (s *script) batchOf(l *cue, codec compress.Codec) []byte {
	var body []byte
	var stamps []int64
	words := l.words[2:]
	for _, w := range words {
		_, behind, _ := strings.Cut(w, "@")
		stamps = append(stamps, s.zero()+number(s.t, cmp.Or(behind, "0")))
	}
	newest := stamps[0]
	for i, w := range words {
		w, _, _ = strings.Cut(w, "@")
		key, value, _ := strings.Cut(w, ":")
		newest = max(newest, stamps[i])
		body = record.AppendRecord(body, int32(i), stamps[i]-stamps[0], field(key), field(value), nil)
	}
	if codec != compress.None {
		packed, err := codec.Compress(nil, body, compress.DefaultLevel)
		if err != nil {
			s.t.Fatal(err)
		}
		body = packed
	}
	raw := append(make([]byte, record.Overhead), body...)
	info := record.Info{Magic: 2, LeaderEpoch: -1, Codec: codec, LastOffsetDelta: int32(len(words)) - 1, Count: int32(len(words)), BaseTimestamp: stamps[0], MaxTimestamp: newest,
		ProducerID: record.NoProducerID, ProducerEpoch: record.NoProducerEpoch, BaseSequence: record.NoSequence}
	if as, ok := l.options["as"]; ok {
		info.ProducerID, info.ProducerEpoch = s.producer(as)
		info.BaseSequence = int32(number(s.t, l.options["sequence"]))
		info.Transactional = l.options["id"] != ""
	}
	switch l.options["form"] {
	case "control":
		info.Control = true
	case "count":
		info.Count++
	case "delta":
		info.LastOffsetDelta++
	}
	record.Seal(raw, &info)
	return raw
}

func (s *script) write(l *cue) string {
	codec, err := compress.Parse(cmp.Or(l.options["codec"], "none"))
	if err != nil {
		s.t.Fatal(err)
	}
	raw := s.batchOf(l, codec)
	switch l.options["form"] {
	case "none":
		raw = nil
	case "empty":
		raw = []byte{}
	case "two":
		raw = append(raw, raw...)
	case "cut":
		raw = raw[:len(raw)-1]
	case "crc":
		raw[len(raw)-1] ^= 1
	case "magic1":
		raw = record.AppendMessage(nil, 1, 0, s.zero(), compress.None, []byte("k"), []byte("v"))
	case "short":
		raw = raw[:10]
	}
	topic, n, _ := strings.Cut(l.words[1], "/")
	req := produceRequest(int16(number(s.t, cmp.Or(l.options["acks"], "-1"))), s.fullName(topic), int32(number(s.t, n)), raw)
	if id, ok := l.options["id"]; ok {
		req.TransactionalID = wire.Ptr(s.name(id))
	}
	m, _, ok := asked[*msg.ProduceResponse](s, l, 9, req)
	if !ok {
		return none
	}
	p := m.Responses[0].PartitionResponses[0]
	out := code(p.ErrorCode)
	if p.BaseOffset >= 0 {
		out += fmt.Sprintf(" @%d", p.BaseOffset)
	}
	if p.LogAppendTimeMs >= 0 {
		out += " at the broker's time"
	}
	if p.LogStartOffset >= 0 {
		out += fmt.Sprintf(" start %d", p.LogStartOffset)
	}
	for _, e := range p.RecordErrors {
		out += fmt.Sprintf(" record %d", e.BatchIndex)
	}
	if p.ErrorMessage != nil {
		out += " told"
	}
	return out
}

func (s *script) readLog(l *cue) string {
	topic, n, _ := strings.Cut(l.words[1], "/")
	m, _, _ := asked[*msg.FetchResponse](s, l, 12, fetchRequest(s.fullName(topic), int32(number(s.t, n)), number(s.t, cmp.Or(l.options["from"], "0")), 0, 0))
	if m.ErrorCode != 0 || len(m.Responses) != 1 {
		return code(m.ErrorCode)
	}
	p := m.Responses[0].Partitions[0]
	out := fmt.Sprintf("%s start %d stable %d high %d", code(p.ErrorCode), p.LogStartOffset, p.LastStableOffset, p.HighWatermark)
	for b, err := range record.Batches(p.Records) {
		if err != nil {
			s.t.Fatal(err)
		}
		out += "\n    " + s.batch(&b)
	}
	return out
}

func (s *script) poll(l *cue) string {
	const most = 4 * time.Second
	words := l.words[1:]
	later := len(words) > 0 && words[len(words)-1] == "&"
	if later {
		words = words[:len(words)-1]
	}
	version := max(l.version, 12)
	if version > s.on.highest(msg.FetchAPI) {
		return none
	}
	req := fetchRequest("", 0, 0, int32(most.Milliseconds()), 1)
	p := req.Topics[0].Partitions[0]
	req.Topics = nil
	for _, w := range words {
		f := strings.Split(w, "/")
		p.Partition, p.FetchOffset, p.CurrentLeaderEpoch = int32(number(s.t, f[1])), 0, -1
		if len(f) > 2 {
			p.FetchOffset = number(s.t, f[2])
		}
		if len(f) > 3 {
			p.CurrentLeaderEpoch = int32(number(s.t, f[3]))
		}
		t := msg.FetchRequestFetchTopic{Topic: s.fullName(f[0]), Partitions: []msg.FetchRequestFetchPartition{p}}
		if version >= 13 {
			t.Topic, t.TopicID = "", s.idOf(f[0])
		}
		req.Topics = append(req.Topics, t)
	}
	s.on.post(s.t, "poll", req, version)
	s.polled = func() string {
		answer, waited := s.on.take(s.t, "poll", req, version, most/2), ""
		if answer == nil {
			answer, waited = s.on.take(s.t, "poll", req, version, time.Minute), " waits"
		}
		m := answer.(*msg.FetchResponse)
		out := []string{code(m.ErrorCode)}
		for i, asked := range req.Topics { // Kafka leaves the order open
			for _, t := range m.Responses {
				if t.Topic == asked.Topic && t.TopicID == asked.TopicID && t.Partitions[0].PartitionIndex == asked.Partitions[0].Partition {
					out = append(out, fmt.Sprintf("%s %s %d B", words[i], code(t.Partitions[0].ErrorCode), len(t.Partitions[0].Records)))
				}
			}
		}
		return strings.Join(out, "; ") + waited
	}
	if later {
		s.on.wait(300 * time.Millisecond)
		return ""
	}
	return s.polled()
}

func (s *script) batch(b *record.Batch) string {
	out := fmt.Sprintf("%d-%d %s", b.BaseOffset, b.LastOffset(), b.Codec)
	if b.ProducerID >= 0 {
		out += fmt.Sprintf(" %s sequence %d", s.producerName(b.ProducerID, int32(b.ProducerEpoch)), b.BaseSequence)
	}
	if b.LogAppendTime {
		out += " at the broker's time"
	}
	if b.DeleteHorizon {
		out += " with a horizon"
	}
	it, _, err := b.Records(nil, unpackLimit)
	if err != nil {
		s.t.Fatal(err)
	}
	var v record.View
	n := int32(0)
	for ; it.Next(&v); n++ {
		if b.Control {
			kind, _, err := record.Control(&v)
			if err != nil {
				s.t.Fatal(err)
			}
			out += fmt.Sprintf(" %d=%s", v.Offset, kind)
			continue
		}
		out += fmt.Sprintf(" %d=%s:%s", v.Offset, shownField(v.Key), shownField(v.Value))
		if !b.LogAppendTime && v.Timestamp != s.zero() {
			out += fmt.Sprintf("@%d", v.Timestamp-s.zero())
		}
	}
	if it.Err() != nil {
		s.t.Fatal(it.Err())
	}
	if n != b.Count {
		out += fmt.Sprintf(" count %d", b.Count)
	}
	if n == 0 {
		out += " empty"
	}
	return out
}

func shownField(f []byte) string {
	switch {
	case f == nil:
		return "-"
	case len(f) > 20:
		return fmt.Sprintf("%s*%d", f[:1], len(f))
	}
	return string(f)
}

func (s *script) offsetsAt(l *cue) string {
	var out []string
	topic, n, _ := strings.Cut(l.words[1], "/")
	for _, w := range l.words[2:] {
		p := msg.ListOffsetsRequestListOffsetsPartition{}
		p.SetDefaults()
		p.PartitionIndex = int32(number(s.t, n))
		switch w {
		case "earliest":
			p.Timestamp = -2
		case "latest":
			p.Timestamp = -1
		case "newest":
			p.Timestamp = -3
		default:
			p.Timestamp = s.zero() + number(s.t, w)
		}
		m, _, ok := asked[*msg.ListOffsetsResponse](s, l, 7, &msg.ListOffsetsRequest{ReplicaID: -1, Topics: []msg.ListOffsetsRequestListOffsetsTopic{{Name: s.fullName(topic), Partitions: []msg.ListOffsetsRequestListOffsetsPartition{p}}}})
		if !ok {
			return none
		}
		r := m.Topics[0].Partitions[0]
		one := fmt.Sprintf("%s %d", code(r.ErrorCode), r.Offset)
		if r.Timestamp >= 0 {
			one += fmt.Sprintf("@%d", r.Timestamp-s.zero())
		}
		out = append(out, one)
	}
	return strings.Join(out, ", ")
}
