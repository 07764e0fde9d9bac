package fake

import (
	"maps"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// committed is an offset that a group has committed.
type committed struct {
	offset   int64
	epoch    int32
	metadata *string
	at       int64     // its number among all commits
	time     time.Time // of its commit
	expires  time.Time // as who committed it has said (versions 2 to 4); zero: as the cluster's offsets do
	lost     bool      // in a transaction of an old coordinator, which has noted it and not written it down (see lose)
}

func (c *Cluster) offsetCommit(q *call) {
	req := q.Req.(*msg.OffsetCommitRequest)
	resp := &msg.OffsetCommitResponse{}
	injected := c.injected(q.Key)
	if q.Version == 0 {
		c.commitToKeeper(q, req, injected)
		return
	}
	whole, one := injected, ofOnePartition(injected)
	if one {
		whole = protocol.None
	}
	g, code := c.coordinatedUnless(whole, q, req.GroupID)
	if code == protocol.None && slices.ContainsFunc(req.Topics, func(t msg.OffsetCommitRequestOffsetCommitRequestTopic) bool { return c.anyToCommit(&t, q.Version) }) {
		if code = c.mayCommit(g, req, q.Version); code == protocol.None {
			code = c.mayCommitAll(g, req, q.Version)
		}
	}
	var expires time.Time
	if q.Version >= 2 && q.Version <= 4 && req.RetentionTimeMs >= 0 {
		expires = c.now.Add(time.Duration(req.RetentionTimeMs) * time.Millisecond)
	}
	var way noting
	for i := range req.Topics {
		in := &req.Topics[i]
		out := msg.OffsetCommitResponseOffsetCommitResponseTopic{Name: in.Name, TopicID: in.TopicID}
		t, unknown := c.lookup(in.Name, in.TopicID, q.Version >= 10)
		for _, p := range in.Partitions {
			got := unknown // before anything else, as Kafka does
			if t != nil && (p.PartitionIndex < 0 || int(p.PartitionIndex) >= len(t.partitions)) {
				got = protocol.UnknownTopicOrPartition
			}
			if got = or(got, code, c.soundMetadata(p.CommittedMetadata)); one {
				got, one = or(got, injected), false
			}
			if got == protocol.None || !c.newCoordinator() && code == protocol.None && got == protocol.OffsetMetadataTooLarge { // the old coordinator has made the group by then
				c.keep(g)
			}
			if got == protocol.None {
				g.offsets[topicPartition{t.name, p.PartitionIndex}] = committed{p.CommittedOffset, p.CommittedLeaderEpoch, noted(p.CommittedMetadata), c.commit(), c.now, expires, false}
			}
			way.add(topicPartition{in.Name, p.PartitionIndex}, got)
			out.Partitions = append(out.Partitions, msg.OffsetCommitResponseOffsetCommitResponsePartition{PartitionIndex: p.PartitionIndex, ErrorCode: int16(got)})
		}
		if len(in.Partitions) > 0 || t == nil && c.kraft() { // a topic of which nothing is committed is told only where it is unknown, and not in 2.8.2
			resp.Topics = append(resp.Topics, out)
		}
	}
	if code == protocol.None && !c.kraft() {
		g.stick(way)
	}
	c.reply(q, resp)
}

// noting is what the coordinator of 2.8 takes down as on its way: all of a request. Nothing ends that of those that it does not write beside others (GroupMetadataManager.storeOffsets).
type noting struct{ written, refused []topicPartition }

func (n *noting) add(tp topicPartition, code protocol.Code) {
	switch code {
	case protocol.None:
		n.written = append(n.written, tp)
	case protocol.OffsetMetadataTooLarge:
		n.refused = append(n.refused, tp)
	}
}

// stick keeps in mind what is on its way for ever.
func (g *group) stick(n noting) {
	if len(n.written) == 0 {
		return
	}
	for _, tp := range n.written {
		delete(g.stuck, tp)
	}
	for _, tp := range n.refused {
		if g.stuck == nil {
			g.stuck = map[topicPartition]bool{}
		}
		g.stuck[tp] = true
	}
}

// anyToCommit tells whether there is any of the partitions that are committed for; else the coordinator does not hear of it.
func (c *Cluster) anyToCommit(in *msg.OffsetCommitRequestOffsetCommitRequestTopic, version int16) bool {
	t, _ := c.lookup(in.Name, in.TopicID, version >= 10)
	return t != nil && slices.ContainsFunc(in.Partitions, func(p msg.OffsetCommitRequestOffsetCommitRequestPartition) bool {
		return p.PartitionIndex >= 0 && int(p.PartitionIndex) < len(t.partitions)
	})
}

// noted is what is kept of metadata: none is empty (OffsetAndMetadata.fromRequest).
func noted(metadata *string) *string {
	if metadata == nil {
		return wire.Ptr("")
	}
	return metadata
}

// soundMetadata holds what is to be kept with an offset against offset.metadata.max.bytes.
func (c *Cluster) soundMetadata(metadata *string) protocol.Code {
	if metadata != nil && len(*metadata) > c.cfg.MaxOffsetMetadata {
		return protocol.OffsetMetadataTooLarge
	}
	return protocol.None
}

// ofOnePartition tells whether coordinators give an error for single partitions: FailNext gives it for the first, and the others are well.
func ofOnePartition(code protocol.Code) bool {
	switch code {
	case protocol.TopicAuthorizationFailed, protocol.UnknownTopicOrPartition, protocol.UnknownTopicID, protocol.UnstableOffsetCommit, protocol.UnknownServerError:
		return true
	}
	return false
}

func (c *Cluster) offsetFetch(q *call) {
	req := q.Req.(*msg.OffsetFetchRequest)
	resp := &msg.OffsetFetchResponse{}
	injected := c.injected(q.Key)
	f := offsetsFetch{version: q.Version, stable: req.RequireStable, spoilt: ofOnePartition(injected), injected: injected}
	if f.spoilt {
		injected = protocol.None
	}
	if q.Version >= 8 {
		for i := range req.Groups {
			in := &req.Groups[i]
			out := msg.OffsetFetchResponseOffsetFetchResponseGroup{GroupID: in.GroupID, Topics: []msg.OffsetFetchResponseOffsetFetchResponseTopics{}}
			code := or(injected, c.coordinates(q, in.GroupID), c.mayFetch(in, req.RequireStable))
			if out.ErrorCode = int16(code); code == protocol.None {
				out.Topics = c.fetchOffsets(&f, in)
			}
			resp.Groups = append(resp.Groups, out)
		}
		c.reply(q, resp)
		return
	}
	in := &msg.OffsetFetchRequestOffsetFetchRequestGroup{GroupID: req.GroupID, MemberEpoch: -1}
	if req.Topics != nil {
		in.Topics = []msg.OffsetFetchRequestOffsetFetchRequestTopics{}
	}
	for i := range req.Topics {
		in.Topics = append(in.Topics, msg.OffsetFetchRequestOffsetFetchRequestTopics{Name: req.Topics[i].Name, PartitionIndexes: req.Topics[i].PartitionIndexes})
	}
	resp.Topics = []msg.OffsetFetchResponseOffsetFetchResponseTopic{}
	if q.Version == 0 && !c.kraft() {
		resp.Topics = c.fetchFromKeeper(req, injected)
		c.reply(q, resp)
		return
	}
	if q.Version == 0 {
		injected = or(injected, protocol.UnsupportedVersion) // there is no ZooKeeper
	}
	f.whole = or(injected, c.coordinates(q, in.GroupID), c.mayFetch(in, req.RequireStable))
	resp.ErrorCode = int16(f.whole)
	for _, t := range c.fetchOffsets(&f, in) {
		out := msg.OffsetFetchResponseOffsetFetchResponseTopic{Name: t.Name}
		for _, p := range t.Partitions {
			out.Partitions = append(out.Partitions, msg.OffsetFetchResponseOffsetFetchResponsePartition(p))
		}
		resp.Topics = append(resp.Topics, out)
	}
	c.reply(q, resp)
}

// offsetsFetch is how a request wants its offsets.
type offsetsFetch struct {
	version  int16
	stable   bool
	whole    protocol.Code // of the group, which single partitions have, too, before version 8
	spoilt   bool          // the next partition gets the error injected
	injected protocol.Code
}

// mayFetch tells whether who asks may, if it says that it is a member: as such it must be one, of the present epoch.
func (c *Cluster) mayFetch(in *msg.OffsetFetchRequestOffsetFetchRequestGroup, stable bool) protocol.Code {
	g := c.fetchedGroup(in.GroupID, stable)
	if g == nil || !g.consumer || in.MemberID == nil && in.MemberEpoch < 0 {
		return protocol.None
	}
	m := g.modern.member(text(in.MemberID))
	switch {
	case in.MemberID == nil: // the coordinator fails at it
		return protocol.UnknownServerError
	case m == nil:
		return protocol.UnknownMemberID
	case m.epoch != in.MemberEpoch && m.classic != nil:
		return protocol.IllegalGeneration
	case m.epoch != in.MemberEpoch:
		return protocol.StaleMemberEpoch
	}
	return protocol.None
}

// fetchOffsets gives the offsets that are asked for; without topics, all that are committed.
func (c *Cluster) fetchOffsets(f *offsetsFetch, in *msg.OffsetFetchRequestOffsetFetchRequestGroup) []msg.OffsetFetchResponseOffsetFetchResponseTopics {
	topics := in.Topics
	if topics == nil {
		topics = c.committedTopics(in.GroupID, f.stable)
	}
	out := []msg.OffsetFetchResponseOffsetFetchResponseTopics{}
	for i := range topics {
		name, code := topics[i].Name, protocol.None
		if f.version >= 10 { // by name, a topic that is not there has no offsets
			var t *topic
			if t, code = c.lookup("", topics[i].TopicID, true); t != nil {
				name = t.name
			}
		}
		ot := msg.OffsetFetchResponseOffsetFetchResponseTopics{Name: topics[i].Name, TopicID: topics[i].TopicID}
		for _, index := range topics[i].PartitionIndexes {
			k, unstable := noneCommitted(), protocol.None
			if got := or(f.whole, code); got != protocol.None {
				unstable = got
			} else {
				k, unstable = c.committedStable(in.GroupID, name, index, f.stable)
			}
			if f.spoilt {
				f.spoilt, unstable = false, f.injected
			}
			ot.Partitions = append(ot.Partitions, msg.OffsetFetchResponseOffsetFetchResponsePartitions{PartitionIndex: index, CommittedOffset: k.offset, CommittedLeaderEpoch: k.epoch, Metadata: k.metadata, ErrorCode: int16(unstable)})
		}
		out = append(out, ot)
	}
	return out
}

// committedTopics are the partitions that a group has offsets of, in order.
func (c *Cluster) committedTopics(id string, stable bool) (out []msg.OffsetFetchRequestOffsetFetchRequestTopics) {
	g := c.fetchedGroup(id, stable)
	if g == nil {
		return nil
	}
	for _, tp := range slices.SortedFunc(maps.Keys(g.offsets), topicPartition.compare) {
		if n := len(out); n == 0 || out[n-1].Name != tp.topic {
			next := msg.OffsetFetchRequestOffsetFetchRequestTopics{Name: tp.topic}
			if t := c.topic(tp.topic); t != nil {
				next.TopicID = t.id
			}
			out = append(out, next)
		}
		last := &out[len(out)-1]
		last.PartitionIndexes = append(last.PartitionIndexes, tp.partition)
	}
	return out
}

// fetchedGroup gives the group whose offsets are asked for, if it is there. Who wants stable ones asks behind what is being written, where writers do (GroupCoordinatorService.handleFetchOffset).
func (c *Cluster) fetchedGroup(id string, stable bool) *group {
	if g := c.lookGroup(id); g != nil && !(stable && g.forsaken) {
		return g
	}
	return nil
}

func noneCommitted() committed { return committed{offset: -1, epoch: -1, metadata: wire.Ptr("")} }

// committedStable is what a group has committed, unless a transaction is under way that may change it: then that is to be waited for, if the client wants to (KIP-447).
func (c *Cluster) committedStable(group, topic string, partition int32, stable bool) (committed, protocol.Code) {
	g, tp := c.fetchedGroup(group, stable), topicPartition{topic, partition}
	switch {
	case g == nil:
		return noneCommitted(), protocol.None
	case stable && g.unstable(tp):
		return noneCommitted(), protocol.UnstableOffsetCommit
	}
	k, ok := g.offsets[tp]
	if !ok {
		k = noneCommitted()
	}
	return k, protocol.None
}

// mayCommit tells whether who commits may: a member of the present generation, or anybody while there are no members.
func (c *Cluster) mayCommit(g *group, req *msg.OffsetCommitRequest, version int16) protocol.Code {
	generation := req.GenerationIDOrMemberEpoch
	if !c.keeps(g) {
		switch {
		case generation < 0:
			c.touch(g)
			return protocol.None
		case version >= 9 && c.newCoordinator():
			return protocol.GroupIDNotFound
		}
		return protocol.IllegalGeneration
	}
	if g.consumer {
		return c.mayCommitModern(g, req.MemberID, generation, version)
	}
	k := &g.classic
	if generation < 0 && k.state == groupEmpty {
		return protocol.None
	}
	if generation < 0 && req.MemberID == "" && req.GroupInstanceID == nil {
		return protocol.UnknownMemberID
	}
	m, code := c.known(k, req.MemberID, req.GroupInstanceID, generation)
	if code != protocol.None {
		return code
	}
	m.expires = c.now.Add(m.session)
	if k.state == groupCompleting {
		return protocol.RebalanceInProgress
	}
	return protocol.None
}

// mayCommitModern is mayCommit for groups of the new protocol.
func (c *Cluster) mayCommitModern(g *group, id string, epoch int32, version int16) protocol.Code {
	x := &g.modern
	if epoch < 0 && len(x.members) == 0 {
		return protocol.None
	}
	m := x.member(id)
	switch {
	case m == nil:
		return protocol.UnknownMemberID
	case m.classic == nil && version < 9:
		return protocol.UnsupportedVersion
	case epoch > m.epoch || epoch < m.epoch && !c.atLeast("4.3"):
		return m.stale()
	}
	return protocol.None
}

// stale is what a member hears that comes with an epoch which is not its own.
func (m *modernMember) stale() protocol.Code {
	if m.classic != nil {
		return protocol.IllegalGeneration
	}
	return protocol.StaleMemberEpoch
}

// mayCommitAll tells whether a member of a group of the new protocol that comes with an epoch before its own has had all that it commits for since then: a commit may have crossed the heartbeat that raised the epoch (KIP-1251).
// One partition that it has not had refuses all of them, but partitions whose metadata is too large are not looked at.
func (c *Cluster) mayCommitAll(g *group, req *msg.OffsetCommitRequest, version int16) protocol.Code {
	m := g.modern.member(req.MemberID)
	if m == nil || req.GenerationIDOrMemberEpoch >= m.epoch {
		return protocol.None
	}
	for i := range req.Topics {
		t, _ := c.lookup(req.Topics[i].Name, req.Topics[i].TopicID, version >= 10)
		if t == nil {
			continue
		}
		for _, p := range req.Topics[i].Partitions {
			if int(p.PartitionIndex) < len(t.partitions) && p.PartitionIndex >= 0 && c.soundMetadata(p.CommittedMetadata) == protocol.None && !m.had(t, p.PartitionIndex, req.GenerationIDOrMemberEpoch) {
				return m.stale()
			}
		}
	}
	return protocol.None
}

// had tells whether a member has a partition, and had it in an epoch before.
func (m *modernMember) had(t *topic, partition, epoch int32) bool {
	tp := idPartition(t, partition)
	return (m.assigned[tp] || m.revoking[tp]) && m.since[tp] <= epoch
}
