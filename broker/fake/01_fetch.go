package fake

import (
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// fetching is one partition of a fetch, and what was told of it last.
type fetching struct {
	name  string
	id    wire.UUID
	was   string // the name of the topic with the id, once it was known
	req   msg.FetchRequestFetchPartition
	hw    int64
	start int64
	told  bool
	now   reading
}

// reading is what was read of a partition last.
type reading struct {
	hw, start int64
	failed    bool
	gave      bool // records
	answered  bool // it is in the answer
}

func (c *Cluster) fetch(q *call) {
	req := q.Req.(*msg.FetchRequest)
	if code := c.injected(q.Key); code != protocol.None {
		c.reply(q, c.failedFetch(q, req, code))
		return
	}
	parts, s, full, code := c.fetchParts(q, req)
	if code == protocol.UnknownServerError {
		c.reply(q, c.failedRequest(q, req))
		return
	}
	if code != protocol.None {
		c.reply(q, &msg.FetchResponse{ErrorCode: int16(code), Responses: []msg.FetchResponseFetchableTopicResponse{}})
		return
	}
	unknown := c.unknown(q, parts)
	if q.Version >= 4 && !isolated(req.IsolationLevel) && len(unknown) < len(parts) {
		if s != nil && full { // its session has not begun
			delete(q.conn.node.sessions, s.id)
		}
		c.reply(q, c.failedRequest(q, req))
		return
	}
	try := func(final bool) bool {
		resp, size, urgent := c.readAll(q, req, parts, unknown, s != nil && !full)
		if !final && !urgent && size < int(req.MinBytes) && len(unknown) < len(parts) {
			return false
		}
		if q.breaks {
			c.hangUp(q.conn)
			return true
		}
		resp.ThrottleTimeMs = q.throttle()
		if s != nil {
			resp.SessionID = s.id
		}
		if s != nil {
			told(parts)
		}
		if s != nil && !full {
			s.turn(c.atLeast("3.0"), unknown)
		}
		if !c.kraft() && q.Version < 12 && diverging(resp) {
			resp = &msg.FetchResponse{ErrorCode: int16(protocol.UnsupportedVersion), SessionID: req.SessionID}
		}
		c.reply(q, resp)
		return true
	}
	if wait := time.Duration(req.MaxWaitMs) * time.Millisecond; !try(wait <= 0) {
		c.wait(&longPoll{conn: q.Conn, until: c.now.Add(wait), try: try, session: s}, parts)
	}
}

// diverging tells whether an answer names the end of an epoch. Before 3.0 that cannot be left out of an answer in a version that has no room for it, as the session may ask it all the same.
func diverging(resp *msg.FetchResponse) bool {
	return slices.ContainsFunc(resp.Responses, func(t msg.FetchResponseFetchableTopicResponse) bool {
		return slices.ContainsFunc(t.Partitions, func(d msg.FetchResponsePartitionData) bool { return d.DivergingEpoch.EndOffset >= 0 })
	})
}

// unknown gives what is wrong with the partitions that are not there. Kafka sorts them out before it asks the leaders (KafkaApis.handleFetchRequest): they are told with whatever the others are answered, are no reason to do so
// sooner unless there are no others, and stay unknown if they are created meanwhile.
func (c *Cluster) unknown(q *call, parts []*fetching) map[*fetching]protocol.Code {
	codes := map[*fetching]protocol.Code{}
	for _, f := range parts {
		t, code := c.fetched(q, f)
		if code == protocol.None && (f.req.Partition < 0 || int(f.req.Partition) >= len(t.partitions)) {
			code = protocol.UnknownTopicOrPartition
		}
		if code == protocol.UnknownTopicOrPartition || code == protocol.UnknownTopicID {
			codes[f] = code
		}
	}
	return codes
}

// fetched gives the topic of a partition. Sessions remember what an id stands for.
func (c *Cluster) fetched(q *call, f *fetching) (*topic, protocol.Code) {
	t, code := c.lookup(f.name, f.id, q.Version >= 13)
	switch {
	case code == protocol.None:
		f.was = t.name
	case f.was != "":
		code = protocol.UnknownTopicOrPartition
		if _, err := c.partition(f.was, f.req.Partition); err == nil {
			code = protocol.InconsistentTopicID
		}
	}
	return t, code
}

// failedFetch answers each partition with a code, those of a session, too.
func (c *Cluster) failedFetch(q *call, req *msg.FetchRequest, code protocol.Code) *msg.FetchResponse {
	parts, s, _, refused := c.fetchParts(q, req)
	resp := &msg.FetchResponse{ErrorCode: int16(refused), Responses: []msg.FetchResponseFetchableTopicResponse{}}
	if s != nil {
		resp.SessionID = s.id
	}
	for _, f := range parts {
		d := newPartitionData(f.req.Partition)
		d.ErrorCode = int16(code)
		add(resp, f, d)
	}
	return resp
}

func add(resp *msg.FetchResponse, f *fetching, d msg.FetchResponsePartitionData) {
	last := len(resp.Responses) - 1
	if last < 0 || resp.Responses[last].Topic != f.name || wire.UUID(resp.Responses[last].TopicID) != f.id {
		resp.Responses = append(resp.Responses, msg.FetchResponseFetchableTopicResponse{Topic: f.name, TopicID: f.id})
		last++
	}
	resp.Responses[last].Partitions = append(resp.Responses[last].Partitions, d)
}

func newPartitionData(index int32) (d msg.FetchResponsePartitionData) {
	d.SetDefaults()
	d.PartitionIndex, d.HighWatermark, d.LastStableOffset, d.LogStartOffset, d.PreferredReadReplica = index, -1, -1, -1, -1
	d.Records = []byte{}
	return d
}

// told notes what an answer has told of partitions. After an error all counts as not told (CachedPartition.maybeUpdateResponseData).
func told(parts []*fetching) {
	for _, f := range parts {
		if f.now.answered {
			f.hw, f.start, f.told = f.now.hw, f.now.start, !f.now.failed
		}
	}
}

// turn puts the partitions that have given records behind the others: where not all fits into an answer, everybody has its turn (FetchSession.PartitionIterator). Before 3.0 all that are in the answer have had theirs, in
// the order of the answer: those that are unknown come last.
func (s *session) turn(records bool, unknown map[*fetching]protocol.Code) {
	var rest, had, last []*fetching
	for _, f := range s.parts {
		_, lacks := unknown[f]
		switch {
		case records && !f.now.gave || !f.now.answered:
			rest = append(rest, f)
		case lacks && !records:
			last = append(last, f)
		default:
			had = append(had, f)
		}
	}
	s.parts = slices.Concat(rest, had, last)
}

// readAll reads every partition but those that are unknown. urgent is set when something must be told at once.
func (c *Cluster) readAll(q *call, req *msg.FetchRequest, parts []*fetching, unknown map[*fetching]protocol.Code, incremental bool) (resp *msg.FetchResponse, size int, urgent bool) {
	resp = &msg.FetchResponse{Responses: []msg.FetchResponseFetchableTopicResponse{}}
	q.breaks = false
	budget := int(req.MaxBytes)
	if q.Version < 3 {
		budget = 50 << 20
	}
	for _, f := range parts {
		d := newPartitionData(f.req.Partition)
		code, lacks := unknown[f]
		if lacks {
			if d.ErrorCode = int16(code); !c.atLeast("3.0") {
				d.AbortedTransactions = nil
			}
		} else {
			d = c.readPartition(q, req, f, budget, size == 0, resp)
		}
		size += len(d.Records)
		if !lacks {
			budget = max(0, budget-len(d.Records))
		}
		special := d.ErrorCode != 0 || d.PreferredReadReplica >= 0 || d.DivergingEpoch.EndOffset >= 0
		urgent = urgent || special && !lacks
		f.now = reading{hw: d.HighWatermark, start: d.LogStartOffset, failed: d.ErrorCode != 0, gave: len(d.Records) > 0}
		f.now.answered = !incremental || special || f.now.gave || !f.told || f.hw != f.now.hw || f.start != f.now.start
		if f.now.answered {
			if (len(d.Records) > 0 || c.kraft()) && c.unconverted(q, f) { // with ZooKeeper only who would get something is told
				d = c.inconvertible(f.req.Partition, protocol.UnsupportedVersion)
			}
			add(resp, f, d)
		}
	}
	return resp, size, urgent
}

func (c *Cluster) readPartition(q *call, req *msg.FetchRequest, f *fetching, budget int, first bool, resp *msg.FetchResponse) msg.FetchResponsePartitionData {
	d := newPartitionData(f.req.Partition)
	t, code := c.fetched(q, f)
	var p *partition
	if code == protocol.None {
		p, code = c.led(q, t, f.req.Partition)
	}
	if p != nil || code == protocol.InconsistentTopicID || !c.atLeast("3.0") { // what the leader says of a partition has no such list where there is none; what is refused before has an empty one, since 3.0
		d.AbortedTransactions = nil
	}
	if replica(q, req) >= 0 { // brokers ask the leader
	} else if code == protocol.NotLeaderOrFollower && q.Version >= 11 && slices.Contains(p.isr, q.Node) {
		p, code = followed(q.conn.node, p), protocol.None // followers serve consumers (KIP-392)
	} else if code == protocol.None && q.Version >= 11 && req.RackID != "" {
		if n := c.nearest(p, req.RackID, f.req.FetchOffset); n != q.Node {
			d.PreferredReadReplica = n
			d.HighWatermark, d.LastStableOffset, d.LogStartOffset = p.end, p.lastStable(), p.start
			return d
		}
	}
	if code == protocol.None { // older versions have no epochs, but their session may have some
		code = or(checkEpoch(p, max(f.req.CurrentLeaderEpoch, -1)), c.foreign(q, req, f, p))
	}
	if (code == protocol.NotLeaderOrFollower || code == protocol.FencedLeaderEpoch) && q.Version >= 16 { // older versions have room for it, too, and it stays empty (KafkaApis.handleFetchRequest)
		d.CurrentLeader = msg.FetchResponseLeaderIDAndEpoch{LeaderID: p.leader, LeaderEpoch: p.epoch}
		if n := c.node(p.leader); n != nil && (replica(q, req) < 0 || !c.atLeast("4.0")) && !slices.ContainsFunc(resp.NodeEndpoints, func(e msg.FetchResponseNodeEndpoint) bool { return e.NodeID == n.id }) {
			host, port := c.cfg.Host(n.id)
			resp.NodeEndpoints = append(resp.NodeEndpoints, msg.FetchResponseNodeEndpoint{NodeID: n.id, Host: host, Port: port})
		}
	}
	if code != protocol.None {
		d.ErrorCode = int16(code)
		return d
	}
	if f.req.LastFetchedEpoch >= 0 {
		epoch, end := p.epochEnd(f.req.LastFetchedEpoch)
		if end < 0 { // Kafka's Partition.readRecords
			d.ErrorCode = int16(protocol.OffsetOutOfRange)
			return d
		}
		if epoch < f.req.LastFetchedEpoch || end < f.req.FetchOffset {
			d.DivergingEpoch = msg.FetchResponseEpochEndOffset{Epoch: epoch, EndOffset: end}
			d.HighWatermark, d.LastStableOffset, d.LogStartOffset = p.end, p.lastStable(), p.start
			return d
		}
	}
	if f.req.FetchOffset < p.start || f.req.FetchOffset > p.end { // and no word of where the log begins and ends (ReplicaManager.createLogReadResult)
		d.ErrorCode = int16(protocol.OffsetOutOfRange)
		return d
	}
	d.HighWatermark, d.LastStableOffset, d.LogStartOffset = p.end, p.lastStable(), p.start
	end, n := p.end, 0
	committed := req.IsolationLevel == 1 && q.Version >= 4
	if committed {
		end = p.lastStable()
	}
	limit := min(budget, int(f.req.PartitionMaxBytes))
	if limit < 0 && f.req.FetchOffset < end { // a segment cannot be read so (LogSegment.read throws)
		d = newPartitionData(f.req.Partition)
		d.ErrorCode, d.AbortedTransactions = int16(protocol.UnknownServerError), nil
		return d
	}
	d.Records, n = p.read(f.req.FetchOffset, end, limit, first && q.Version >= 3)
	if d.Records == nil || n == 0 && q.Version >= 3 { // from then on not even one batch is no records
		d.Records = []byte{}
	}
	if committed && (n > 0 || limit <= 0 || !p.any(f.req.FetchOffset, end)) { // no such list where the first batch is too large (ReplicaManager.readFromLog)
		d.AbortedTransactions = []msg.FetchResponseAbortedTransaction{}
	}
	if committed && (n > 0 || limit <= 0 && p.any(f.req.FetchOffset, end)) { // also of nothing that is read, for want of room
		for _, a := range p.abortedIn(f.req.FetchOffset, n) {
			d.AbortedTransactions = append(d.AbortedTransactions, msg.FetchResponseAbortedTransaction{ProducerID: a.Producer, FirstOffset: a.First})
		}
	}
	if q.Version < 4 {
		old, code := c.oldFormat(q, d.Records, f.req.FetchOffset)
		if code != protocol.None {
			return c.inconvertible(f.req.Partition, code)
		}
		d.Records = old
	}
	return d
}

// inconvertible is what is told of a partition whose records an old client does not get.
func (c *Cluster) inconvertible(partition int32, code protocol.Code) msg.FetchResponsePartitionData {
	d := newPartitionData(partition)
	if d.ErrorCode, d.Records = int16(code), nil; !c.kraft() {
		d.AbortedTransactions, d.Records = nil, []byte{}
	}
	return d
}

// unconverted tells whether a topic is not to be converted for old clients (message.downconversion.enable); they are told of each partition that the broker has, whatever else is wrong (KafkaApis.maybeConvertFetchedData).
func (c *Cluster) unconverted(q *call, f *fetching) bool {
	if q.Version >= 4 {
		return false
	}
	t, code := c.fetched(q, f)
	return code == protocol.None && !t.own(q.Node).converts && int(f.req.Partition) < len(t.partitions) && f.req.Partition >= 0 && slices.Contains(t.partitions[f.req.Partition].replicas, q.Node)
}

// followed gives a partition as a follower has it. It knows who leads, and if it has led itself meanwhile it has everything.
func followed(n *node, p *partition) *partition {
	had := pictured(n.behind, p)
	if had == nil || slices.Contains(p.leaders[max(len(had.leaders)-1, 0):], n.id) {
		return p
	}
	q := *had
	q.leader, q.epoch = p.leader, p.epoch
	return &q
}

// Sessions is how many fetch sessions a broker has (KIP-227).
func (c *Cluster) Sessions(id int32) int {
	if n := c.node(id); n != nil {
		return len(n.sessions)
	}
	return 0
}

// nearest gives the replica in sync that shares the client's rack and has the offset (Kafka's Partition.findPreferredReadReplica), or the leader.
func (c *Cluster) nearest(p *partition, rack string, offset int64) int32 {
	if n := c.node(p.leader); n != nil && n.rack == rack {
		return p.leader
	}
	for _, id := range p.isr {
		if n := c.node(id); n.rack == rack && !n.down && !n.fenced && followed(n, p).end >= offset {
			return id
		}
	}
	return p.leader
}
