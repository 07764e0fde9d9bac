package differ

import (
	"maps"
	"slices"
	"strings"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// group picks a group: g is joined by classic members, k by those of KIP-848, h by nobody.
func (d *draw) group(w *world) string {
	return usual(d, 25, w.name(pick(d, "g", "g", "h", "k")), w.name("unknown"), "")
}

// member says who a group's member is, once in a while wrongly.
func (d *draw) member(w *world, group string) (id string, generation int32) {
	id, generation = w.prefix+"nobody", 1
	if w.short(group) == "k" && (w.members["k"] == nil || d.once(2)) {
		name := pick(d, "m0", "m0", "m1")
		if c := w.consumers[name]; c != nil {
			id, generation = w.name(name), usual(d, 4, c.epoch, c.epoch-1)
		}
	} else if m := w.members[w.short(group)]; m != nil {
		id, generation = m.id, m.generation
		if m.instance != nil && d.once(4) {
			return d.replaced(w, m), generation
		}
	}
	return usual(d, 15, id, w.prefix+"nobody", ""), usual(d, 12, generation, generation+1, generation-1, -1, 0)
}

// replaced says who the instance of a member was before.
func (d *draw) replaced(w *world, m *memberState) string {
	if m.before != "" && d.once(2) {
		return m.before
	}
	return w.prefix + "nobody"
}

// instance says which instance a classic member of a group is, once in a while wrongly.
func (d *draw) instance(w *world, group string) *string {
	var is *string
	if m := w.members[w.short(group)]; m != nil {
		is = m.instance
	}
	return usual(d, 15, is, nil, wire.Ptr("i"), wire.Ptr("j"))
}

// note is the metadata of an offset.
func (d *draw) note() *string {
	return usual(d, 4, wire.Ptr(""), nil, wire.Ptr("note"), wire.Ptr(strings.Repeat("n", 4097)))
}

func offsetCommit(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	group := d.group(w)
	if group == "" { // it would be a group of all scripts
		group = w.name("unknown")
	}
	req := &msg.OffsetCommitRequest{GroupID: group, GenerationIDOrMemberEpoch: -1, RetentionTimeMs: -1}
	if w.brief && d.version >= 2 && d.version <= 4 {
		req.RetentionTimeMs = int64(w.lasting(0))
	}
	if d.version >= 1 && d.once(2) {
		req.MemberID, req.GenerationIDOrMemberEpoch = d.member(w, group)
		if d.version >= 7 {
			req.GroupInstanceID = d.instance(w, group)
		}
	}
	if d.version >= 9 && len(w.consumers) > 0 && d.once(6) {
		req.GroupID, req.GroupInstanceID = w.name("k"), nil
		req.MemberID, req.GenerationIDOrMemberEpoch = d.past(w)
	}
	for _, at := range d.places(w) {
		in := msg.OffsetCommitRequestOffsetCommitRequestPartition{PartitionIndex: at.partition, CommittedOffset: usual(d, 15, int64(d.IntN(100)), -1, 1<<40), CommittedLeaderEpoch: -1, CommitTimestamp: -1,
			CommittedMetadata: d.note()}
		if d.version >= 6 {
			in.CommittedLeaderEpoch = usual[int32](d, 3, -1, 0, 3)
		}
		t := msg.OffsetCommitRequestOffsetCommitRequestTopic{Partitions: []msg.OffsetCommitRequestOffsetCommitRequestPartition{in}}
		if d.version >= 10 {
			t.TopicID = w.topicID(at.topic)
		} else {
			t.Name = w.name(at.topic)
		}
		if i := len(req.Topics) - 1; i >= 0 && req.Topics[i].Name == t.Name && req.Topics[i].TopicID == t.TopicID {
			req.Topics[i].Partitions = append(req.Topics[i].Partitions, in)
			continue
		}
		req.Topics = append(req.Topics, t)
	}
	return req, nil
}

func offsetFetch(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.OffsetFetchRequest{Topics: []msg.OffsetFetchRequestOffsetFetchRequestTopic{}}
	if d.version >= 7 && len(w.pending) > 0 && d.once(2) {
		return unstable(d, w), nil
	}
	if d.version >= 9 && len(w.consumers) > 0 && d.once(6) {
		return pastFetch(d, w), nil
	}
	if d.version >= 7 {
		req.RequireStable = d.once(2)
	}
	if d.version < 8 {
		req.GroupID = d.group(w)
		if d.version >= 2 && d.once(4) {
			req.Topics = nil
			return req, nil
		}
		for _, at := range d.places(w) {
			if i := len(req.Topics) - 1; i >= 0 && req.Topics[i].Name == w.name(at.topic) {
				req.Topics[i].PartitionIndexes = append(req.Topics[i].PartitionIndexes, at.partition)
				continue
			}
			req.Topics = append(req.Topics, msg.OffsetFetchRequestOffsetFetchRequestTopic{Name: w.name(at.topic), PartitionIndexes: []int32{at.partition}})
		}
		return req, nil
	}
	for range usual(d, 4, 1, 2) {
		group := d.group(w)
		g := msg.OffsetFetchRequestOffsetFetchRequestGroup{GroupID: group, MemberEpoch: -1}
		if d.version >= 9 && d.once(3) {
			id := ""
			id, g.MemberEpoch = d.member(w, group)
			g.MemberID = &id
		}
		if !d.once(4) {
			g.Topics = d.fetched(w)
		}
		req.Groups = append(req.Groups, g)
	}
	return req, nil
}

// unstable asks for offsets that a transaction may still have.
func unstable(d *draw, w *world) protocol.Request {
	group := pick(d, slices.Sorted(maps.Keys(w.pending))...)
	at := pick(d, w.pending[group]...)
	if d.version < 8 {
		return &msg.OffsetFetchRequest{GroupID: group, RequireStable: true, Topics: []msg.OffsetFetchRequestOffsetFetchRequestTopic{{Name: w.name(at.topic), PartitionIndexes: []int32{at.partition}}}}
	}
	t := msg.OffsetFetchRequestOffsetFetchRequestTopics{PartitionIndexes: []int32{at.partition}}
	if d.version >= 10 {
		t.TopicID = w.topicID(at.topic)
	} else {
		t.Name = w.name(at.topic)
	}
	g := msg.OffsetFetchRequestOffsetFetchRequestGroup{GroupID: group, MemberEpoch: -1, Topics: []msg.OffsetFetchRequestOffsetFetchRequestTopics{t}}
	return &msg.OffsetFetchRequest{RequireStable: true, Groups: []msg.OffsetFetchRequestOffsetFetchRequestGroup{g}}
}

// pastFetch asks for what a member of group k may know in another epoch only.
func pastFetch(d *draw, w *world) protocol.Request {
	id, epoch := d.past(w)
	return &msg.OffsetFetchRequest{Groups: []msg.OffsetFetchRequestOffsetFetchRequestGroup{{GroupID: w.name("k"), MemberID: &id, MemberEpoch: epoch}}}
}

// past is a member of group k, a classic one if there is one, in an epoch that it is not in.
func (d *draw) past(w *world) (id string, epoch int32) {
	if m := w.members["k"]; m != nil && m.joined && d.once(2) {
		return m.id, pick(d, m.generation-1, m.generation+1)
	}
	name := slices.Min(slices.Collect(maps.Keys(w.consumers)))
	return w.name(name), pick(d, w.consumers[name].epoch-1, w.consumers[name].epoch+1)
}

func (d *draw) fetched(w *world) []msg.OffsetFetchRequestOffsetFetchRequestTopics {
	out := []msg.OffsetFetchRequestOffsetFetchRequestTopics{}
	for _, at := range d.places(w) {
		t := msg.OffsetFetchRequestOffsetFetchRequestTopics{PartitionIndexes: []int32{at.partition}}
		if d.version >= 10 {
			t.TopicID = w.topicID(at.topic)
		} else {
			t.Name = w.name(at.topic)
		}
		if i := len(out) - 1; i >= 0 && out[i].Name == t.Name && out[i].TopicID == t.TopicID {
			out[i].PartitionIndexes = append(out[i].PartitionIndexes, at.partition)
			continue
		}
		out = append(out, t)
	}
	return out
}

// offsetDelete forgets offsets of topics that nobody reads.
func offsetDelete(d *draw, w *world) (protocol.Request, func(protocol.Response)) {
	req := &msg.OffsetDeleteRequest{GroupID: d.group(w)}
	for _, at := range d.places(w) {
		in := msg.OffsetDeleteRequestOffsetDeleteRequestPartition{PartitionIndex: at.partition}
		if i := len(req.Topics) - 1; i >= 0 && req.Topics[i].Name == w.name(at.topic) {
			req.Topics[i].Partitions = append(req.Topics[i].Partitions, in)
			continue
		}
		req.Topics = append(req.Topics, msg.OffsetDeleteRequestOffsetDeleteRequestTopic{Name: w.name(at.topic), Partitions: []msg.OffsetDeleteRequestOffsetDeleteRequestPartition{in}})
	}
	return req, nil
}
