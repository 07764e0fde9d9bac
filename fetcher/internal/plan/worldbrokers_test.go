package plan_test

import (
	"slices"

	"github.com/kactor-go/kactor/actors/sim/explore"
	"github.com/kactor-go/kactor/fetcher/internal/plan"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/wire"
)

// entry is a record, and a batch.
type entry struct {
	topic  wire.UUID
	offset int64
	epoch  int32
}

// log is the partition's, and all that was ever in it.
type log struct {
	start   int64
	entries []entry
	past    []entry // that were there
}

func (l *log) end() int64 { return l.start + int64(len(l.entries)) }

func (l *log) write(topic wire.UUID, epoch int32) {
	l.entries = append(l.entries, entry{topic, l.end(), epoch})
}

// beyond tells whether no record can be read at an offset.
func (l *log) beyond(offset int64) bool { return offset < l.start || offset > l.end() }

// cut drops what is from an offset on.
func (l *log) cut(from int64) {
	keep := max(0, from-l.start)
	l.past = append(l.past, l.entries[keep:]...)
	l.entries = l.entries[:keep:keep]
}

// expire drops the first record.
func (l *log) expire() {
	l.past = append(l.past, l.entries[0])
	l.entries = l.entries[1:]
	l.start++
}

func (l *log) had(e entry) bool { return slices.Contains(l.entries, e) || slices.Contains(l.past, e) }

// ends gives where an epoch ends (OffsetForLeaderEpoch): that of the largest epoch that is not above.
func (l *log) ends(epoch int32) (largest int32, end int64) {
	largest, end = -1, -1
	for _, e := range l.entries {
		if e.epoch <= epoch {
			largest, end = e.epoch, e.offset+1
		}
	}
	return largest, end
}

// ends is that of the log, which also knows the epoch of who leads now. One before in which nothing was written is forgotten.
func (w *world) ends(epoch, now int32) (largest int32, end int64) {
	if epoch == now {
		return epoch, w.log.end()
	}
	return w.log.ends(epoch)
}

// broker is one.
type broker struct {
	session int32 // its id; 0: there is none
	turn    int32 // epoch of the session that comes next
	led     int32 // it believes that it leads in this epoch, and has not heard of any other; -1: it knows
	has     int64 // so far its log goes then
}

// ask is something that a broker is asked.
type ask struct {
	node     int32
	fetch    *plan.Request
	list     *plan.Query
	check    *plan.Query
	answered bool
	answer   plan.Message
}

func (a *ask) what() string {
	switch {
	case a.fetch != nil:
		return "fetch"
	case a.list != nil:
		return "question for an offset"
	}
	return "question for an epoch"
}

// leads tells what a broker believes: in which epoch it leads, and how far the log goes.
func (w *world) leads(node int32) (epoch int32, end int64, leads bool) {
	if b := &w.brokers[node-1]; b.led >= 0 {
		return b.led, b.has, true
	}
	return w.epoch, w.log.end(), node == w.leader
}

// answerable tells whether a broker answers now: a fetch that nothing is there for is held back.
func (w *world) answerable(a *ask) bool {
	if a.fetch == nil {
		return true
	}
	code, _, rows := w.fetch(a, true)
	return code != protocol.None || len(rows) > 0 || a.fetch.Aside
}

// handle makes the answer; empty, when the time to wait for records is over.
func (w *world) handle(a *ask, empty bool) {
	a.answered = true
	if empty {
		w.now = w.now.Add(a.fetch.Wait)
	}
	switch {
	case a.fetch != nil:
		code, id, rows := w.fetch(a, false)
		r := &msg.FetchResponse{ErrorCode: int16(code), SessionID: id}
		if len(rows) > 0 && !empty {
			r.Responses = []msg.FetchResponseFetchableTopicResponse{{TopicID: a.fetch.Wants[0].ID, Partitions: rows}}
		}
		a.answer = &plan.Fetched{Request: a.fetch, Version: 13, Resp: r}
	case a.list != nil:
		a.answer = &plan.Listed{Query: a.list, Version: 7, Resp: w.listed(a)}
	default:
		a.answer = &plan.Checked{Query: a.check, Resp: w.checked(a)}
	}
}

// fetch is what a broker says to a fetch. look: it is only looked at.
func (w *world) fetch(a *ask, look bool) (code protocol.Code, id int32, rows []msg.FetchResponsePartitionData) {
	b, r := &w.brokers[a.node-1], a.fetch
	if r.Ask.Epoch > 0 {
		switch {
		case r.Ask.ID != b.session:
			return protocol.FetchSessionIDNotFound, 0, nil
		case r.Ask.Epoch != b.turn:
			if !look && !w.rules.sessions {
				w.bad = "a broker is asked in a turn of its session that is not the next"
			}
			return protocol.InvalidFetchSessionEpoch, 0, nil
		}
		id = b.session
		if !look {
			b.turn++
		}
	} else if r.Ask.Epoch == 0 {
		if id = b.session; !look || id == 0 {
			id++
		}
		if !look {
			b.session, b.turn = id, 1
		}
	}
	if len(r.Wants) == 0 {
		return protocol.None, id, nil
	}
	return protocol.None, id, w.row(a)
}

// row is what it says of the partition.
func (w *world) row(a *ask) []msg.FetchResponsePartitionData {
	want := a.fetch.Wants[0]
	epoch, end, leads := w.leads(a.node)
	d := msg.FetchResponsePartitionData{}
	d.SetDefaults()
	d.PreferredReadReplica, d.HighWatermark, d.LastStableOffset, d.LogStartOffset = -1, end, end, w.log.start
	refuse := func(code protocol.Code) []msg.FetchResponsePartitionData {
		d.ErrorCode = int16(code)
		return []msg.FetchResponsePartitionData{d}
	}
	follows := w.rules.follower && a.node != w.leader
	if follows {
		end = max(w.log.start, end-w.lags)
	}
	switch {
	case want.ID != w.topic:
		return refuse(protocol.UnknownTopicID)
	case !leads && !follows:
		return refuse(protocol.NotLeaderOrFollower)
	case want.LeaderEpoch >= 0 && want.LeaderEpoch < epoch:
		return refuse(protocol.FencedLeaderEpoch)
	case want.LeaderEpoch > epoch:
		return refuse(protocol.UnknownLeaderEpoch)
	case want.Offset < w.log.start || want.Offset > end:
		return refuse(protocol.OffsetOutOfRange)
	}
	if want.LastEpoch >= 0 {
		if last, to := w.ends(want.LastEpoch, epoch); last < want.LastEpoch && to >= 0 || to >= 0 && to < want.Offset {
			d.DivergingEpoch.Epoch, d.DivergingEpoch.EndOffset = last, to
			return []msg.FetchResponsePartitionData{d}
		}
	}
	if w.rules.follower && leads && want.Offset < end && want.Offset > 0 {
		d.PreferredReadReplica = 3 - w.leader
		return []msg.FetchResponsePartitionData{d}
	}
	if want.Offset >= end {
		return nil
	}
	e := w.log.entries[want.Offset-w.log.start]
	d.Records = bytesOf(e)
	return []msg.FetchResponsePartitionData{d}
}

// bytesOf is a batch of one record.
func bytesOf(e entry) []byte {
	raw := record.AppendRecord(make([]byte, record.Overhead), 0, 0, nil, []byte("v"), nil)
	record.Seal(raw, &record.Info{Magic: 2, Count: 1, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1})
	record.SetOffset(raw, e.offset, e.epoch)
	return raw
}

// listed is what a broker says to ListOffsets.
func (w *world) listed(a *ask) *msg.ListOffsetsResponse {
	q := a.list.Parts[0]
	p := msg.ListOffsetsResponseListOffsetsPartitionResponse{}
	p.SetDefaults()
	epoch, end, leads := w.leads(a.node)
	switch {
	case !leads:
		p.ErrorCode = int16(protocol.NotLeaderOrFollower)
	case q.LeaderEpoch >= 0 && q.LeaderEpoch < epoch:
		p.ErrorCode = int16(protocol.FencedLeaderEpoch)
	case q.LeaderEpoch > epoch:
		p.ErrorCode = int16(protocol.UnknownLeaderEpoch)
	case q.Timestamp == -2:
		p.Offset = w.log.start
		if len(w.log.entries) > 0 {
			p.LeaderEpoch = w.log.entries[0].epoch
		}
	default:
		p.Offset, p.LeaderEpoch = end, epoch
	}
	return &msg.ListOffsetsResponse{Topics: []msg.ListOffsetsResponseListOffsetsTopicResponse{{Name: "a", Partitions: []msg.ListOffsetsResponseListOffsetsPartitionResponse{p}}}}
}

// checked is what it says to OffsetForLeaderEpoch.
func (w *world) checked(a *ask) *msg.OffsetForLeaderEpochResponse {
	q := a.check.Parts[0]
	epoch, _, leads := w.leads(a.node)
	p := msg.OffsetForLeaderEpochResponseEpochEndOffset{LeaderEpoch: -1, EndOffset: -1}
	switch {
	case !leads:
		p.ErrorCode = int16(protocol.NotLeaderOrFollower)
	case q.LeaderEpoch >= 0 && q.LeaderEpoch < epoch:
		p.ErrorCode = int16(protocol.FencedLeaderEpoch)
	case q.LeaderEpoch > epoch:
		p.ErrorCode = int16(protocol.UnknownLeaderEpoch)
	default:
		p.LeaderEpoch, p.EndOffset = w.ends(q.LastEpoch, epoch)
	}
	return &msg.OffsetForLeaderEpochResponse{Topics: []msg.OffsetForLeaderEpochResponseOffsetForLeaderTopicResult{{Topic: "a", Partitions: []msg.OffsetForLeaderEpochResponseEpochEndOffset{p}}}}
}

// faulty adds what may go wrong.
func (w *world) faulty(out []explore.Event) []explore.Event {
	add := func(name string, of int, do func()) {
		out = append(out, explore.Event{Name: name, Of: of, Fault: true, Do: func() { w.faults--; w.waited = 0; do() }})
	}
	r := &w.rules
	for i, a := range w.asks {
		if a.answered {
			continue
		}
		if r.breaks {
			add("failed is "+a.what(), i+1, func() { w.fails(a, errBroken) })
			if a.fetch != nil && w.answerable(a) {
				add("lost is the answer to "+a.what(), i+1, func() { w.handle(a, false); w.fails(a, errBroken) })
			}
		}
		if a.fetch != nil && !w.answerable(a) && !w.paused {
			add("nothing came in time to answer "+a.what(), i+1, func() { w.handle(a, true) })
		}
		for _, code := range r.refuses {
			if a.fetch != nil && w.answerable(a) {
				add(code.Name()+" of "+a.what(), i+1, func() { w.refuse(a, code) })
			}
		}
	}
	if r.damages && len(w.chunks) > 0 && !w.chunks[len(w.chunks)-1].broken {
		add("damaged is the latest chunk", 0, func() { w.chunks[len(w.chunks)-1].broken = true })
	}
	if r.moves {
		add("the other broker leads", 0, func() { w.elect(w.log.end(), false) })
	}
	if r.elects && len(w.log.entries) > 0 {
		add("the other broker leads, and lacks the latest record", 0, func() { w.elect(w.log.end()-1, false) })
	}
	if r.cuts && w.brokers[w.leader-1].led < 0 {
		add("the other broker leads, and the old one does not know", 0, func() { w.elect(w.log.end(), true) })
	}
	if r.expires && len(w.log.entries) > 0 {
		add("the first record is deleted", 0, w.log.expire)
	}
	if r.recreates {
		add("the topic is created again", 0, w.recreate)
	}
	for i := range w.brokers {
		if r.sessions && w.brokers[i].session > 0 {
			add("forgotten is the session by broker", i+1, func() { w.brokers[i].turn = 0; w.brokers[i].session += 10 })
		}
	}
	return out
}

func (w *world) fails(a *ask, err error) {
	a.answered = true
	switch {
	case a.fetch != nil:
		a.answer = &plan.Fetched{Request: a.fetch, Err: err}
	case a.list != nil:
		a.answer = &plan.Listed{Query: a.list, Err: err}
	default:
		a.answer = &plan.Checked{Query: a.check, Err: err}
	}
}

// refuse lets a broker refuse the partition of a fetch.
func (w *world) refuse(a *ask, code protocol.Code) {
	w.handle(a, false)
	r := a.answer.(*plan.Fetched).Resp
	if len(r.Responses) > 0 {
		d := &r.Responses[0].Partitions[0]
		d.ErrorCode, d.Records = int16(code), nil
	}
}

// elect lets the other broker lead; its log goes so far. cut: the old one goes on as if nothing had happened.
func (w *world) elect(end int64, cut bool) {
	w.was = w.picture()
	if w.log.end() > end {
		w.log.cut(end)
	}
	old := &w.brokers[w.leader-1]
	if old.led = -1; cut {
		old.led, old.has = w.epoch, w.log.end()
	}
	w.leader = 3 - w.leader
	w.brokers[w.leader-1].led = -1
	w.epoch++
	if !cut {
		w.stale = true
	}
	if w.rules.back && w.old == 0 {
		w.old = 1
	}
}

// recreate makes another topic of the same name, with half as many records.
func (w *world) recreate() {
	n := (len(w.log.entries) + 1) / 2
	w.log.cut(w.log.start)
	w.log.start = 0
	w.topic[0]++
	w.epoch = 0
	for range n {
		w.log.write(w.topic, w.epoch)
	}
	w.stale = true
}
