package fake

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// session is a fetch session (KIP-227): the partitions a client fetches, so that requests need only tell what changed.
type session struct {
	id    int32
	epoch int32
	byID  bool // topics have ids, as from version 13 on
	parts []*fetching
	made  time.Time
	used  time.Time
	size  int // partitions when it was used last
}

const (
	// sessionSlots is how many sessions a broker keeps that is not told otherwise (max.incremental.fetch.session.cache.slots).
	sessionSlots = 1000
	// sessionEviction is how long a session is safe from others that need its place (min.incremental.fetch.session.eviction.ms).
	sessionEviction = 2 * time.Minute
	// sessionShards is into how many parts the sessions of a broker are divided since 3.8, each with a range of ids and its part of the places (KafkaBroker.NumFetchSessionCacheShards).
	sessionShards = 8
)

// shards are how many parts the sessions of a broker have, and how many ids each.
func (c *Cluster) shards() (n, ids int32) {
	if n = 1; c.atLeast("3.8") {
		n = sessionShards
	}
	return n, math.MaxInt32 / n
}

// begin makes a session; nil if there is no place for it.
func (c *Cluster) begin(n *node, parts []*fetching, byID bool) *session {
	shards, ids := c.shards()
	shard := int32(n.begun % uint32(shards))
	if n.begun++; !c.place(n, shard, len(parts)) {
		return nil
	}
	id := shard * ids
	for at := n.begun; id == shard*ids || n.sessions[id] != nil; at++ {
		id = shard*ids + int32(at*0x9e3779b1%uint32(ids)) // as if drawn: who takes a wrong one finds no session
	}
	s := &session{id: id, epoch: 1, byID: byID, parts: parts, made: c.now, used: c.now, size: len(parts)}
	if n.sessions == nil {
		n.sessions = map[int32]*session{}
	}
	n.sessions[id] = s
	return s
}

// place makes place for a session of a size, if it must: the one goes that was used least lately, if that is long ago, or else the smallest of those that have lived for long, if it is smaller (FetchSessionCacheShard.tryEvict).
func (c *Cluster) place(n *node, shard int32, size int) bool {
	shards, ids := c.shards()
	slots, err := strconv.Atoi(c.static["max.incremental.fetch.session.cache.slots"])
	if err != nil {
		slots = sessionSlots
	}
	if slots /= int(shards); len(n.sessions) < slots {
		return true
	}
	var there []*session
	for _, s := range n.sessions {
		if s.id/ids == shard {
			there = append(there, s)
		}
	}
	if len(there) < slots {
		return true
	}
	if len(there) == 0 {
		return false
	}
	oldest := slices.MinFunc(there, func(a, b *session) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.id, b.id)) })
	if c.now.Sub(oldest.used) > sessionEviction {
		delete(n.sessions, oldest.id)
		return true
	}
	there = slices.DeleteFunc(there, func(s *session) bool { return s.used.Sub(s.made) <= sessionEviction || s.size >= size })
	if len(there) == 0 {
		return false
	}
	delete(n.sessions, slices.MinFunc(there, func(a, b *session) int { return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.id, b.id)) }).id)
	return true
}

// partitionKey is a partition as it is asked for.
type partitionKey struct {
	name      string
	id        wire.UUID
	partition int32
}

func (f *fetching) key() partitionKey { return partitionKey{f.name, f.id, f.req.Partition} }

// merged gives partitions with those of a request in their places, or behind the others.
func merged(parts []*fetching, req *msg.FetchRequest) []*fetching {
	if len(req.Topics) == 0 {
		return parts
	}
	at := make(map[partitionKey]*fetching, len(parts))
	for _, f := range parts {
		at[f.key()] = f
	}
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			k := partitionKey{t.Topic, t.TopicID, p.Partition}
			if at[k] == nil {
				at[k] = &fetching{name: t.Topic, id: t.TopicID}
				parts = append(parts, at[k])
			}
			at[k].req = p
		}
	}
	return parts
}

// without gives partitions without those that a request wants to be forgotten.
func without(parts []*fetching, req *msg.FetchRequest) []*fetching {
	if len(req.ForgottenTopicsData) == 0 {
		return parts
	}
	gone := map[partitionKey]bool{}
	for _, t := range req.ForgottenTopicsData {
		for _, p := range t.Partitions {
			gone[partitionKey{t.Topic, t.TopicID, p}] = true
		}
	}
	return slices.DeleteFunc(parts, func(f *fetching) bool { return gone[f.key()] })
}

// fetchParts gives what a request fetches: of its own, or of its session.
func (c *Cluster) fetchParts(q *call, req *msg.FetchRequest) (parts []*fetching, s *session, full bool, code protocol.Code) {
	n := q.conn.node
	if shards, ids := c.shards(); q.Version >= 7 && shards > 1 && (req.SessionID/ids < 0 || req.SessionID/ids >= shards) { // there is nowhere to look for it (FetchSessionCache.getCacheShard)
		return nil, nil, false, protocol.UnknownServerError
	}
	switch {
	case q.Version < 7 || req.SessionEpoch == -1: // no session; an old one ends
		delete(n.sessions, req.SessionID)
		return merged(nil, req), nil, true, protocol.None
	case req.SessionEpoch == 0: // a new session
		delete(n.sessions, req.SessionID)
		parts = merged(nil, req)
		return parts, c.begin(n, parts, q.Version >= 13), true, protocol.None
	}
	s = n.sessions[req.SessionID]
	switch {
	case s == nil:
		return nil, nil, false, protocol.FetchSessionIDNotFound
	case req.SessionEpoch != s.epoch:
		return nil, nil, false, protocol.InvalidFetchSessionEpoch
	case s.byID != (q.Version >= 13):
		return nil, nil, false, protocol.FetchSessionTopicIDError
	}
	parts = without(merged(slices.Clone(s.parts), req), req) // a fetch of a connection that is gone may still wait with those
	if len(parts) == 0 {                                     // it ends when there is nothing left in it (FetchManager.newContext)
		delete(n.sessions, s.id)
		return merged(nil, req), nil, true, protocol.None
	}
	s.epoch++
	s.parts, s.used, s.size = parts, c.now, len(parts)
	return parts, s, false, protocol.None
}
