package meta

import (
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/trouble"
	"github.com/kactor-go/kactor/protocol/wire"
)

// interest is a topic that is kept up to date, and what speaks against what is known of it.
type interest struct {
	name string
	use  *cluster.Use
	used time.Time
	bad  bool // there cannot be a topic of that name, nor a question that has it
	// create: it is to be read or written, and no broker has said yet that it is there: brokers may create it. Of a topic that was there and is not any more nothing but a record for it makes another one: who only keeps up
	// to date what it knows would bring back what somebody has deleted.
	create bool

	askAt  time.Time               // when to ask for it; zero: there is no reason to, and it is not in refresh.due
	need   uint64                  // the first question whose answer will do then
	asked  uint64                  // the last question that has named it
	told   uint64                  // the last that was answered for it
	toldAt time.Time               // when
	waits  waits                   // of requests for it
	moves  map[int32]struct{}      // partitions that another has come to lead, or -1: it was created again
	moveAt time.Time               // since when those are counted
	churns bool                    // the last answer that told of it moved one of them again
	merged uint64                  // the last answer that told of it
	hints  map[int32]*trouble.Pace // by partition: leaders learnt from other answers since metadata has told of them

	missing      int       // answers in a row without it
	along        time.Time // if there were any: from when on it is asked for along with others
	unknown      int       // answers in a row that said there is none
	unknownSince time.Time

	doubts int                 // answers in a row that were not believed
	lives  []wire.UUID         // ids that it had before
	back   map[int32]*contrary // by partition: answers that tell older epochs, or such as are far ahead
	life   contrary            // answers that tell an id from before
	fewer  contrary            // answers that tell fewer partitions
}

// contrary counts answers in a row that say what would be a step back. One of them may be from a broker that is behind; when they go on saying so, it is what is known that is wrong: the topic was created again on
// brokers without topic ids, or a leader or an id was believed that never was. So a step back is bounded, not forbidden.
type contrary struct {
	count int
	since time.Time
	by    []int32 // brokers that said so, by id
	ahead bool    // it is an epoch far ahead that they tell

	listed   []int32 // all brokers that there are, as each of the last answers has told
	agreed   []int32 // those of them that said so since then
	listedAt time.Time
}

const (
	contraryAnswers = 3             // are believed if they are
	contraryBrokers = 3             // of so many brokers, or of all there are: a part of them may be behind, or cut off from the others
	contraryFor     = electionsLast // or, where others are away, have been for so long of all that are listed
	contraryAway    = time.Minute   // who cannot be asked for so long is not waited for
)

// contradict counts an answer, and tells whether it is to be believed. If not, others are asked; where there are none that can be, it is believed after metadata.max.age.ms.
//
// Where one of three brokers is away that would be long, so who could not be asked for a minute, or was not listed, is not one of those that there are, once the others have gone on for as long. Sooner, two are believed who have said so for a while and, the while, have listed only each other. Those who are cut off from the others do not: what they know of the
// cluster stands still, so they go on listing the one that leads in the newer epoch. For it was in sync before it could be elected, and they heard then that it was there.
func (c *Core) contradict(now time.Time, k *contrary, a *answer) bool {
	if a.late {
		return false
	}
	if k.count++; k.count == 1 {
		k.since = now
	}
	if !a.lists(k.listed) {
		k.listed, k.agreed, k.listedAt = a.ids, nil, now
	}
	if a.peer >= 0 { // a bootstrap address is one of the others
		k.by, k.agreed = with(k.by, a.peer), with(k.agreed, a.peer)
	}
	alone := len(k.agreed) > 1 && a.lists(k.agreed) && now.Sub(k.listedAt) >= contraryFor
	brokers := min(contraryBrokers, c.most)
	if now.Sub(k.since) >= contraryAway {
		brokers = min(brokers, max(a.asking, 1))
	}
	if k.count >= contraryAnswers && (len(k.by) >= brokers || alone || now.Sub(k.since) >= c.cfg.MaxAge) {
		return true
	}
	for _, id := range k.by {
		c.refresh.except = with(c.refresh.except, id)
	}
	return false
}

// with gives the ids, which are in order, and id.
func with(ids []int32, id int32) []int32 {
	i, there := slices.BinarySearch(ids, id)
	if there {
		return ids
	}
	return slices.Insert(ids, i, id)
}

// goneAfter is how long brokers may say of a topic that was there that it is not, before that is believed: one that has only just started may not know it yet.
const (
	goneAfter   = 3 * time.Second
	goneAnswers = 3
)

// want notes the interest in a topic, and tells whether it is new.
func (c *Core) want(now time.Time, topic string) (i *interest, fresh bool) {
	i = c.topics[topic]
	if i == nil {
		i = &interest{name: topic, use: &cluster.Use{}, bad: wire.CheckText(topic) != nil}
		c.topics[topic], fresh = i, true
	}
	i.used = now
	return i, fresh
}

// spurn says of a topic whose name cannot be sent what brokers say of names that are not allowed. Brokers hang up when they are asked for it, and then tell nothing of the topics that are asked for with it.
func (c *Core) spurn(i *interest, out *Effects) {
	if c.snap.Topic(i.name) == nil {
		c.publish(c.snap.With([]*cluster.Topic{{Name: i.name, Err: protocol.InvalidTopicException, Use: i.use}}, nil), out)
	}
}

// forgetIdle ends the interest in topics that nobody has used for metadata.max.idle.ms.
func (c *Core) forgetIdle(now time.Time, out *Effects) {
	if c.cfg.TopicIdle <= 0 {
		return
	}
	var idle []string
	for name, i := range c.topics {
		if i.use.Take() {
			i.used = now
		}
		if now.Sub(i.used) > c.cfg.TopicIdle {
			idle = append(idle, name)
		}
	}
	c.drop(idle, out)
}

// drop ends the interest in topics.
func (c *Core) drop(topics []string, out *Effects) {
	known := false
	for _, name := range topics {
		if i := c.topics[name]; i != nil {
			c.agree(i)
		}
		delete(c.topics, name)
		known = known || c.snap.Topic(name) != nil
	}
	if known {
		c.publish(c.snap.With(nil, topics), out)
	}
}

// sifting is a topic of an answer on its way to what is to be known of it from now on.
type sifting struct {
	i     *interest
	t     *cluster.Topic // what is to be known; as it was, if nothing is different
	doubt bool           // what the answer says is not believed yet, another broker should be asked

	// What follows is of partitions that are still to be gone through.
	told  *msg.MetadataResponseMetadataResponseTopic // nil: it has none, or they do not count
	old   *cluster.Topic                             // what was known of this life of the topic
	k     int                                        // the next of them
	equal bool                                       // it is looked whether they are those of old
	gaps  bool                                       // they are not in order, or some are missing
	other bool                                       // there is a partition that is not as in old
}

// judge begins to make of an answer what is to be known of a topic.
func (c *Core) judge(now time.Time, i *interest, m *msg.MetadataResponseMetadataResponseTopic, a *answer) *sifting {
	old := c.snap.Topic(i.name)
	t := &cluster.Topic{Name: i.name, ID: wire.UUID(m.TopicID), Internal: m.IsInternal, Err: protocol.Code(m.ErrorCode), Use: i.use}
	if t.Err == protocol.None || t.Err == protocol.LeaderNotAvailable {
		i.create = false
	}
	fits := c.indexesFit(m)
	c.work -= len(m.Partitions) / 10
	garbled := !fits && t.Err == protocol.None
	if !lacks(t.Err) && !garbled {
		i.missing, i.along = 0, time.Time{}
	} else {
		i.missing++
		wait := c.backoff(i.missing)
		i.along = now.Add(wait / 2)
		c.refresh.askFor(now.Add(wait), i, a.ask+1)
	}
	if t.Err != protocol.UnknownTopicOrPartition {
		i.unknown = 0
	} else if i.unknown++; i.unknown == 1 {
		i.unknownSince = now
	}
	if garbled { // what is known holds until somebody tells it right
		if t.Err = protocol.UnknownServerError; old != nil && len(old.Partitions) > 0 {
			t = old
		}
		return &sifting{i: i, t: same(old, t)}
	}
	if !fits {
		gone := i.unknown >= goneAnswers && now.Sub(i.unknownSince) >= goneAfter
		if old != nil && t.Err != protocol.None && len(old.Partitions) > 0 && !gone { // it keeps its partitions for a while
			kept := *old
			kept.Err = t.Err
			t = &kept
		}
		if gone && old != nil && old.ID != (wire.UUID{}) && !slices.Contains(i.lives, old.ID) {
			i.bury(old.ID)
		}
		return &sifting{i: i, t: same(old, t)}
	}
	if old == nil {
		old = &cluster.Topic{Name: i.name}
	}
	nameless := wire.UUID{}
	switch {
	case t.ID == nameless: // an older broker among newer ones: it contradicts nobody
		t.ID = old.ID
		if i.life.count > 0 && a.peer >= 0 {
			i.life.by = with(i.life.by, a.peer)
		}
	case t.ID == old.ID || old.ID == nameless && !slices.Contains(i.lives, t.ID):
		i.life = contrary{}
	case slices.Contains(i.lives, t.ID):
		if !c.contradict(now, &i.life, a) {
			return &sifting{i: i, t: old, doubt: !a.late}
		}
		i.lives = slices.DeleteFunc(i.lives, func(id wire.UUID) bool { return id == t.ID })
		fallthrough
	default: // created again: nothing of its old life counts
		if old.ID != nameless {
			i.bury(old.ID)
		}
		c.agree(i)
		i.life, old = contrary{}, &cluster.Topic{Name: i.name}
		c.moved(now, i, -1)
	}
	return &sifting{i: i, t: t, told: m, old: old, equal: len(old.Partitions) == len(m.Partitions)}
}

// bury notes an id that the topic has no more.
func (i *interest) bury(id wire.UUID) {
	if len(i.lives) == 4 {
		i.lives = i.lives[1:]
	}
	i.lives = append(i.lives, id)
}

// same gives old if nothing is different.
func same(old, t *cluster.Topic) *cluster.Topic {
	if old != nil && len(t.Partitions) > 0 && len(t.Partitions) == len(old.Partitions) && &t.Partitions[0] == &old.Partitions[0] { // there may be a million
		a, b := *t, *old
		a.Partitions, b.Partitions = nil, nil
		if a.Equal(&b) {
			return old
		}
		return t
	}
	if t.Equal(old) {
		return old
	}
	return t
}

// sift goes through the partitions of an answer, as far as the work of the step allows, and tells whether that was all. Where it tells an older epoch than is known of the same life of the topic, or nothing of some, what is known holds.
func (c *Core) sift(now time.Time, s *sifting, a *answer) (done bool) {
	if s.told == nil {
		return true
	}
	m, old, i := s.told, s.old, s.i
	if s.equal {
		switch c.compare(s, a); {
		case !s.equal:
			s.k = 0
		case s.k < len(m.Partitions):
			return false
		default:
			c.agree(i)
			s.t.Partitions, i.hints, i.fewer = old.Partitions, nil, contrary{}
			s.t = same(c.snap.Topic(i.name), s.t)
			return true
		}
	}
	if s.t.Partitions == nil {
		c.makeRoom(now, s, a)
	}
	for ; s.k < len(m.Partitions); s.k++ {
		if c.work <= 0 {
			return false
		}
		c.work--
		if p := &m.Partitions[s.k]; p.PartitionIndex >= 0 {
			c.take(now, s, partition(p, a.version), a)
		}
	}
	if !s.gaps && s.other {
		return true
	}
	if !s.gaps { // what is different is not believed
		s.t.Partitions = old.Partitions
	}
	s.t = same(c.snap.Topic(i.name), s.t)
	return true
}

// makeRoom makes room for the partitions of an answer: those that it does not tell of are in it.
func (c *Core) makeRoom(now time.Time, s *sifting, a *answer) {
	m, old, t, i := s.told, s.old, s.t, s.i
	n := int32(0)
	for k := range m.Partitions {
		n = max(n, m.Partitions[k].PartitionIndex+1)
		s.gaps = s.gaps || m.Partitions[k].PartitionIndex != int32(k)
	}
	kept := 0
	switch { // a topic loses no partitions: who says so has not heard yet that some were added, unless all go on saying so
	case int(n) >= len(old.Partitions) || t.ID != old.ID || t.ID == (wire.UUID{}):
		i.fewer = contrary{}
	case c.contradict(now, &i.fewer, a):
		c.agree(i)
		i.fewer, i.hints = contrary{}, nil
	default:
		kept, s.doubt = len(old.Partitions)-int(n), !a.late
	}
	t.Partitions = make([]cluster.Partition, int(n)+kept)
	for k := 0; s.gaps && k < int(n); k++ {
		t.Partitions[k] = cluster.Partition{Index: int32(k), Leader: cluster.NoNode, LeaderEpoch: -1, Err: protocol.LeaderNotAvailable}
	}
	copy(t.Partitions[n:], old.Partitions[len(old.Partitions)-kept:])
	s.other = len(t.Partitions) != len(old.Partitions)
	c.work -= len(t.Partitions) // what is made of a million is enough for one step
}

// take takes a partition of an answer, or leaves it as it was.
func (c *Core) take(now time.Time, s *sifting, q cluster.Partition, a *answer) {
	i, known := s.i, s.old.Partitions
	was := &none
	if int(q.Index) < len(known) {
		was = &known[q.Index]
	}
	odd, ahead := false, false
	if q.LeaderEpoch >= 0 && was != &none {
		ahead = far(was.LeaderEpoch, q.LeaderEpoch)
		odd = ahead || was.LeaderEpoch > q.LeaderEpoch
	}
	switch {
	case odd && !c.odd(now, i, q.Index, ahead, a):
		q, s.doubt = *was, !a.late
	case i.back != nil && !odd:
		c.agreeOn(i, q.Index)
		fallthrough
	case i.hints != nil:
		delete(i.hints, q.Index)
	}
	if was != &none && q.Leader != was.Leader && q.Leader >= 0 {
		c.moved(now, i, q.Index)
	}
	s.other = s.other || was == &none || !q.Equal(was)
	s.t.Partitions[q.Index] = q
}

// none is no partition.
var none cluster.Partition

// mostMoves of a topic are remembered: where more partitions move at once, these stand for the others.
const mostMoves = 1000

// moved notes that a partition has another leader; -1: that the topic was created again.
func (c *Core) moved(now time.Time, i *interest, partition int32) {
	if now.Sub(i.moveAt) > movedAgain*c.cfg.BackoffMax {
		i.moves, i.moveAt = map[int32]struct{}{}, now
	}
	_, again := i.moves[partition]
	i.churns = i.churns || again
	if len(i.moves) < mostMoves {
		i.moves[partition] = struct{}{}
	}
}

// compare looks whether the partitions of an answer are those that are known, in their order, as far as the work of the step allows: with a million of them it is not to cost as much as news.
func (c *Core) compare(s *sifting, a *answer) {
	for ; s.k < len(s.told.Partitions) && c.work > 0; s.k++ {
		c.work--
		p, q := &s.told.Partitions[s.k], &s.old.Partitions[s.k]
		told := epoch(p.LeaderEpoch)
		if a.version < 7 {
			told = -1
		}
		if p.PartitionIndex != q.Index || node(p.LeaderID) != q.Leader || told != q.LeaderEpoch || protocol.Code(p.ErrorCode) != q.Err ||
			!slices.Equal(p.ReplicaNodes, q.Replicas) || !slices.Equal(p.IsrNodes, q.ISR) || !slices.Equal(p.OfflineReplicas, q.Offline) {
			s.equal = false
			return
		}
	}
}

// partition is one of an answer.
func partition(p *msg.MetadataResponseMetadataResponsePartition, version int16) cluster.Partition {
	q := cluster.Partition{Index: p.PartitionIndex, Leader: node(p.LeaderID), LeaderEpoch: -1, Replicas: p.ReplicaNodes, ISR: p.IsrNodes, Offline: p.OfflineReplicas, Err: protocol.Code(p.ErrorCode)}
	if version >= 7 {
		q.LeaderEpoch = epoch(p.LeaderEpoch)
	}
	return q
}

// mostContradicted is how many partitions answers are counted for that contradict what is known of them. Of others what is known holds until there is room.
const mostContradicted = 10_000

// agreeOn ends the counting of answers that contradict what is known of a partition.
func (c *Core) agreeOn(i *interest, partition int32) {
	if _, counted := i.back[partition]; counted {
		delete(i.back, partition)
		c.contradicted--
	}
}

// agree is agreeOn for all partitions of a topic.
func (c *Core) agree(i *interest) {
	c.contradicted -= len(i.back)
	i.back = nil
}

// odd counts an answer that tells an older epoch of a partition than is known, or one that is far ahead of it, and tells whether it is to be believed.
func (c *Core) odd(now time.Time, i *interest, partition int32, ahead bool, a *answer) bool {
	k := i.back[partition]
	if k == nil && c.contradicted >= mostContradicted {
		return false
	}
	if k == nil || k.ahead != ahead {
		if k == nil {
			c.contradicted++
		}
		k = &contrary{ahead: ahead}
		if i.back == nil {
			i.back = map[int32]*contrary{}
		}
		i.back[partition] = k
	}
	if !c.contradict(now, k, a) {
		return false
	}
	c.agreeOn(i, partition)
	return true
}
