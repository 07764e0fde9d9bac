package fake

import (
	"slices"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
)

// Timestamps that ask for a place instead of a time.
const (
	atEnd      = -1
	atStart    = -2
	atNewest   = -3 // KIP-734
	atLocal    = -4 // KIP-405: without tiered storage the same as atStart
	atTiered   = -5 // KIP-1005
	atUploaded = -6 // KIP-1023: what is not in the tiered storage yet
)

func (c *Cluster) listOffsets(q *call) {
	req := q.Req.(*msg.ListOffsetsRequest)
	resp := &msg.ListOffsetsResponse{}
	injected, twice := c.injected(q.Key), listedTwice(q, req)
	whole := c.noIsolatedList(q, req, twice)
	for i := range req.Topics {
		in := &req.Topics[i]
		out := msg.ListOffsetsResponseListOffsetsTopicResponse{Name: in.Name}
		t, code := c.lookup(in.Name, protocol.UUID{}, false)
		for k := range in.Partitions {
			r := msg.ListOffsetsResponseListOffsetsPartitionResponse{}
			r.SetDefaults()
			r.PartitionIndex, r.Offset, r.Timestamp, r.LeaderEpoch = in.Partitions[k].PartitionIndex, -1, -1, -1
			key := listed{in.Name, r.PartitionIndex}
			if whole {
				r.ErrorCode = int16(or(injected, protocol.UnknownServerError))
			} else if twice[key] {
				r.ErrorCode = int16(or(injected, protocol.InvalidRequest))
			} else if got := or(injected, c.placed(in.Partitions[k].Timestamp, q.Version), code); got != protocol.None {
				r.ErrorCode = int16(got)
			} else {
				c.listPartition(q, t, req.IsolationLevel == 1 && q.Version >= 2, &in.Partitions[k], &r)
			}
			out.Partitions = append(out.Partitions, r)
		}
		resp.Topics = append(resp.Topics, out)
	}
	if c.atLeast("4.0") && !whole {
		resp.Topics = listedOnce(resp.Topics)
	}
	c.reply(q, resp)
}

// listed is a partition whose offsets are asked for.
type listed struct {
	topic     string
	partition int32
}

// listedTwice gives the partitions that are asked for more than once: that is refused, but in version 0.
func listedTwice(q *call, req *msg.ListOffsetsRequest) map[listed]bool {
	seen, twice := map[listed]bool{}, map[listed]bool{}
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			key := listed{t.Name, p.PartitionIndex}
			if seen[key] && q.Version > 0 {
				twice[key] = true
			}
			seen[key] = true
		}
	}
	return twice
}

// listedOnce gathers an answer as Kafka does since 4.0, by topic and partition: none is told twice, and no topic without partitions is told.
func listedOnce(topics []msg.ListOffsetsResponseListOffsetsTopicResponse) []msg.ListOffsetsResponseListOffsetsTopicResponse {
	out, places, told := topics[:0:0], map[string]int{}, map[listed]bool{}
	for _, t := range topics {
		for _, p := range t.Partitions {
			key := listed{t.Name, p.PartitionIndex}
			if told[key] {
				continue
			}
			told[key] = true
			at, ok := places[t.Name]
			if !ok {
				at = len(out)
				places[t.Name] = at
				out = append(out, msg.ListOffsetsResponseListOffsetsTopicResponse{Name: t.Name})
			}
			out[at].Partitions = append(out[at].Partitions, p)
		}
	}
	return out
}

func (c *Cluster) listPartition(q *call, t *topic, committed bool, in *msg.ListOffsetsRequestListOffsetsPartition, r *msg.ListOffsetsResponseListOffsetsPartitionResponse) {
	p, code := c.led(q, t, in.PartitionIndex)
	if code == protocol.None && q.Version >= 4 {
		code = checkEpoch(p, in.CurrentLeaderEpoch)
	}
	if code != protocol.None {
		r.ErrorCode = int16(code)
		return
	}
	if q.Version == 0 {
		r.OldStyleOffsets = p.beginnings(in.Timestamp, int(in.MaxNumOffsets), c.now.UnixMilli())
		return
	}
	offset, timestamp := c.offsetFor(p, in.Timestamp)
	if stable := p.lastStable(); committed && in.Timestamp == atEnd { // Kafka's Partition.fetchOffsetForTimestamp
		offset = stable
	} else if committed && (in.Timestamp >= 0 || in.Timestamp == atNewest || !c.kraft() && in.Timestamp != atStart) && offset >= stable {
		offset, timestamp = -1, -1
	}
	r.Offset, r.Timestamp = offset, timestamp
	if q.Version >= 4 && offset >= 0 {
		r.LeaderEpoch = p.epochAt(offset)
	}
}

// epochAt is the epoch of the record at an offset; at the end of the log that of the leader.
func (p *partition) epochAt(offset int64) int32 {
	if i := p.find(offset); i < len(p.log) {
		return p.log[i].epoch
	}
	return p.epoch
}

func (c *Cluster) offsetFor(p *partition, timestamp int64) (offset, at int64) {
	switch {
	case timestamp == atEnd:
		return p.end, -1
	case timestamp == atStart, timestamp == atLocal && c.kraft():
		return p.start, -1
	case timestamp < 0 && !c.kraft(): // a time before all
		timestamp = 0
	case timestamp < 0 && timestamp != atNewest:
		return -1, -1
	}
	offset, at = -1, -1
	log := p.log
	if timestamp >= 0 { // the first segment that has had such a record, and no other (UnifiedLog.fetchOffsetByTimestamp)
		i := slices.IndexFunc(p.segments, func(s segment) bool { return s.latest() >= timestamp })
		if i < 0 {
			return -1, -1
		}
		log = p.within(i)
	}
	for i := range log {
		e := &log[i]
		if timestamp >= 0 && e.newest < timestamp || timestamp == atNewest && e.newest <= at {
			continue
		}
		b, _, _, _ := record.Next(e.bytes)
		it, _, err := b.Records(nil, limit)
		if err != nil {
			continue
		}
		var v record.View
		for it.Next(&v) {
			if v.Offset < p.start {
				continue
			}
			if timestamp >= 0 && v.Timestamp >= timestamp {
				return v.Offset, v.Timestamp
			}
			if timestamp == atNewest && v.Timestamp > at {
				offset, at = v.Offset, v.Timestamp
			}
		}
	}
	return offset, at
}

// beginnings answers version 0: where segments begin that were written to before a time, and where the log ends, the latest first (Log.legacyFetchOffsetsBefore).
func (p *partition) beginnings(timestamp int64, most int, now int64) []int64 {
	type beginning struct{ offset, at int64 }
	var all []beginning
	for _, s := range p.segments {
		all = append(all, beginning{max(s.base, p.start), s.modified})
	}
	if len(all) == 0 {
		all = append(all, beginning{p.start, now})
	}
	if n := len(p.segments); n > 0 && p.segments[n-1].size > 0 {
		all = append(all, beginning{p.end, now})
	}
	switch timestamp {
	case atEnd:
	case atStart:
		all = all[:1]
	default:
		for len(all) > 0 && all[len(all)-1].at > timestamp {
			all = all[:len(all)-1]
		}
	}
	out := []int64{}
	for i := len(all) - 1; i >= 0 && len(out) < most; i-- {
		out = append(out, all[i].offset)
	}
	return out
}

// placed refuses negative timestamps that mean no place in a version (ReplicaManager.isListOffsetsTimestampUnsupported).
func (c *Cluster) placed(timestamp int64, version int16) protocol.Code {
	since, ok := map[int64]int16{atEnd: 0, atStart: 0, atNewest: 7, atLocal: 8, atTiered: 9, atUploaded: 11}[timestamp]
	if c.kraft() && timestamp < 0 && (!ok || version < since) { // 2.8.2 looks for such a time
		return protocol.UnsupportedVersion
	}
	return protocol.None
}
