package fake

import (
	"cmp"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Cluster is the cluster without any front: it is given frames and the time, and gives frames back. It is not safe for concurrent use; the same
// calls give the same bytes.
type Cluster struct {
	cfg              Config
	ranges           protocol.Ranges
	rules            producerRules
	txn              transactionRules
	rng              *rand.Rand
	now              time.Time
	id               string
	nodes            []*node
	topics           []*topic // by name
	topicIDs         map[wire.UUID]*topic
	memberships      uint64 // of groups, so far
	changes          uint64 // of brokers and topics, so far; those of a partition are counted there
	conns            map[ConnID]*conn
	nextConn         ConnID
	idleAfter        time.Duration // connections.max.idle.ms; 0: connections are never closed for that
	out              []Reply
	later            []*delayed // by time
	waiting          []*longPoll
	nextPID          int64
	transactions     []*transaction // by id
	groups           []*group       // by id
	commits          int64          // of offsets, so far
	expiry           time.Time      // when offsets are looked through for those to forget
	offsetsProducers map[offsetsKey]offsetsProducer
	since            map[string]bool          // what atLeast has found
	unlogged         map[int32][]*group       // of which nothing is written yet, by partitions of the offsets topic
	keeper           map[groupPartition]int64 // offsets in ZooKeeper
	moved            map[string]int32         // coordinators by key
	seized           []*seizure
	failures         map[int16][]protocol.Code
	observe          func(Request)
	ofTopics         properties // configurations that the release has
	ofBrokers        properties
	static           map[string]string            // configurations of all brokers that were there from the start
	dynamic          map[string]map[string]string // that were altered: by broker, those of all at ""
	controller       int32
}

// ConnID names a connection to a broker.
type ConnID uint64

// Reply is a frame for a client, size prefix included, or the end of a connection.
type Reply struct {
	Conn  ConnID
	Frame []byte
	Close bool
}

type topicPartition struct {
	topic     string
	partition int32
}

type node struct {
	id       int32
	rack     string
	down     bool
	paused   bool
	fenced   bool // lost its leaderships, and may not lead
	fenceAt  time.Time
	delay    time.Duration
	throttle time.Duration
	stale    []*topic         // what it tells as metadata, frozen; nil: the truth
	behind   []*topic         // what it has as a follower when it does not get on; nil: all
	alone    []*topic         // what it has when it is cut off from the other brokers; nil: it is not
	named    map[string]int32 // coordinators as it tells them while it does not hear of the others, by key; nil: the truth
	sessions map[int32]*session
	begun    uint32                              // sessions, so far
	served   int                                 // connections, but for those
	waiting  int                                 // that wait for others to end (max.connections)
	cleaning struct{ retain, compact time.Time } // when it looks at its logs next; zero: it is not told yet
}

// conn is one connection. As in Kafka, its requests are handled one after the other.
type conn struct {
	id    ConnID
	node  *node
	queue [][]byte
	busy  bool      // an answer is still to come
	deaf  bool      // a request of it was dropped: no answer comes any more, and nothing is handled
	gone  bool      // the client has closed it; what it had sent is handled nevertheless
	waits bool      // nothing of it is read before others end (max.connections)
	last  time.Time // when something was sent on it, either way; zero: nobody knows yet
}

type delayed struct {
	at    time.Time
	conn  ConnID
	reply *Reply        // nil: the connection goes on without an answer
	mute  time.Duration // and takes nothing for so long behind it
}

// NewCluster makes a cluster. What is wrong with cfg is an error that names all of it.
func NewCluster(cfg Config) (*Cluster, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	c := &Cluster{cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 0x66616b65)), topicIDs: map[wire.UUID]*topic{}, conns: map[ConnID]*conn{}, nextPID: 1000,
		moved: map[string]int32{}, offsetsProducers: map[offsetsKey]offsetsProducer{}, unlogged: map[int32][]*group{}, since: map[string]bool{}, keeper: map[groupPartition]int64{}, failures: map[int16][]protocol.Code{}, controller: 1, static: cfg.Broker, dynamic: map[string]map[string]string{}}
	c.ranges, c.rules, c.txn = offered(cfg.Release), c.producerRules(), c.transactionRules()
	c.ofTopics, c.ofBrokers = propertiesOf(cfg.Release)
	c.idleAfter = c.maxIdle()
	c.id = c.uuid().String()
	for i := range cfg.Nodes {
		n := &node{id: int32(i + 1)}
		if i < len(cfg.Racks) {
			n.rack = cfg.Racks[i]
		}
		c.nodes = append(c.nodes, n)
	}
	if c.atLeast("4.1") { // with eligible leader replicas (KIP-966) the controller keeps it as one of all brokers
		c.dynamic[""] = map[string]string{"min.insync.replicas": cmp.Or(c.static["min.insync.replicas"], "1")}
	}
	for _, t := range cfg.Topics {
		if no := c.checkConfigs(t.configs()); no.code != protocol.None {
			return nil, configError(t.Name, no)
		}
		c.create(t)
	}
	if cfg.InternalTopics {
		c.createInternal()
	}
	return c, nil
}

func (c *Cluster) uuid() (u wire.UUID) {
	for i := range u {
		u[i] = byte(c.rng.Uint32())
	}
	u[0] |= 1 // never zero
	return u
}

var (
	offeredMu sync.Mutex
	offeredBy = map[string]protocol.Ranges{}
)

// offered are the versions that a broker of a release tells: of the APIs that the fake has.
func offered(release string) protocol.Ranges {
	offeredMu.Lock()
	defer offeredMu.Unlock()
	if r, ok := offeredBy[release]; ok {
		return r
	}
	all, _ := protocol.Release(release)
	r := protocol.NewRanges()
	for key := range handlers {
		if v, ok := all.Get(key); ok {
			own, _ := protocol.Own(key)
			v.Max = min(v.Max, own.Max)
			r.Set(key, v)
		}
	}
	offeredBy[release] = r
	return r
}

// Connect opens a connection to a broker; ok is false if the broker is stopped. If it has as many as max.connections says, nothing is answered on it before others end.
func (c *Cluster) Connect(nodeID int32) (id ConnID, ok bool) {
	n := c.node(nodeID)
	if n == nil || n.down {
		return 0, false
	}
	c.nextConn++
	k := &conn{id: c.nextConn, node: n}
	if c.conns[k.id] = k; int64(n.served) < c.number(n, "max.connections", math.MaxInt32) {
		n.served++
	} else {
		k.waits, k.busy = true, true
		n.waiting++
	}
	return c.nextConn, true
}

// Disconnect ends a connection; answers that were to come are dropped.
//
// What a paused broker has in its sockets it handles when it goes on, whoever has closed them.
func (c *Cluster) Disconnect(id ConnID) {
	switch k := c.conns[id]; {
	case k == nil:
	case k.node.paused && len(k.queue) > 0 && !k.gone:
		k.gone = true
	default:
		defer c.forgetConn(k)
	}
	c.waiting = slices.DeleteFunc(c.waiting, func(w *longPoll) bool { return w.conn == id })
	c.later = slices.DeleteFunc(c.later, func(d *delayed) bool { return d.conn == id })
}

func (c *Cluster) node(id int32) *node {
	if id < 1 || int(id) > len(c.nodes) {
		return nil
	}
	return c.nodes[id-1]
}

// Handle takes a request frame, without its size prefix. The answers, of this request or others, are fetched with Take.
func (c *Cluster) Handle(now time.Time, id ConnID, frame []byte) {
	c.advance(now)
	k := c.conns[id]
	if k == nil || k.deaf {
		return
	}
	if !k.busy {
		k.last = c.now
	}
	k.queue = append(k.queue, slices.Clone(frame))
	c.serve(k)
}

// Take gives the answers so far, in order. Those of fetches for which there is something now are among them: for what has come consumers do not wait till something else happens to the cluster.
func (c *Cluster) Take() []Reply {
	c.wakeFetches()
	out := c.out
	c.out = nil
	return out
}

// Tick lets happen what was to happen by now.
func (c *Cluster) Tick(now time.Time) { c.advance(now) }

// Next is when Tick is wanted next; the zero time for never.
func (c *Cluster) Next() time.Time {
	var t time.Time
	add := func(d time.Time) {
		if !d.IsZero() && (t.IsZero() || d.Before(t)) {
			t = d
		}
	}
	for _, w := range c.waiting {
		if k := c.conns[w.conn]; k != nil && !k.node.paused {
			add(w.until)
		}
	}
	if len(c.later) > 0 {
		add(c.later[0].at)
	}
	for _, n := range c.nodes {
		if !n.fenced {
			add(n.fenceAt)
		}
	}
	c.nextIdle(add)
	c.nextGroups(add)
	c.nextExpiry(add)
	c.nextCleaning(add)
	c.nextTransactions(add)
	return t
}

func (c *Cluster) advance(now time.Time) {
	if now.After(c.now) {
		c.now = now
	}
	for _, n := range c.nodes {
		if !n.fenced && !n.fenceAt.IsZero() && !c.now.Before(n.fenceAt) {
			c.fence(n)
		}
	}
	for len(c.later) > 0 && !c.now.Before(c.later[0].at) {
		d := c.later[0]
		c.later = c.later[1:]
		c.finish(d)
	}
	c.closeIdle()
	c.tickGroups()
	c.expireOffsets()
	c.tickTransactions()
	c.tickCleaning()
	c.wakeFetches()
}

// serve handles the requests of a connection until one has to wait.
func (c *Cluster) serve(k *conn) {
	for !k.busy && len(k.queue) > 0 && !k.node.paused && c.conns[k.id] == k {
		frame := k.queue[0]
		k.queue = k.queue[1:]
		k.busy = true
		c.handle(k, frame)
	}
}

// idle tells whether all that a connection has asked is answered, as far as it ever will be.
func (c *Cluster) idle(id ConnID) bool {
	k := c.conns[id]
	return k == nil || k.deaf || (!k.busy || k.waits) && len(k.queue) == 0
}

// Request is one request as observers and seizures see it.
type Request struct {
	Node    int32
	Conn    ConnID
	Key     int16
	Version int16
	Req     protocol.Request
}

// call is a request being handled.
type call struct {
	Request
	conn   *conn
	id     int32 // correlation
	client string
	lose   bool          // the answer is dropped, the connection stays
	cut    bool          // the connection is cut instead of the answer
	breaks bool          // the broker fails when it has sent a part of the answer
	code   protocol.Code // is answered although it was appended
	delay  time.Duration
	held   time.Duration // throttled
}

// handle decodes and dispatches one request.
func (c *Cluster) handle(k *conn, frame []byte) {
	f := protocol.ReadRequest(frame)
	key, version := f.Header.RequestApiKey, f.Version
	q := &call{Request: Request{k.node.id, k.id, key, version, f.Request}, conn: k, id: f.Header.CorrelationID}
	if f.Header.ClientID != nil {
		q.client = *f.Header.ClientID
	}
	offered, ok := c.ranges.Get(key)
	if key == msg.ApiVersionsAPI && ok && !f.Headless && (version < offered.Min || version > offered.Max) {
		c.unknownApiVersions(q)
		return
	}
	if f.Err != nil || !ok || version < offered.Min || version > offered.Max {
		c.hangUp(k) // as Kafka does
		return
	}
	if c.observe != nil {
		c.observe(q.Request)
	}
	if c.seize(q) {
		return
	}
	handlers[key](c, q)
}

// reply answers a request; nil is no answer (acks=0).
func (c *Cluster) reply(q *call, m protocol.Response) {
	r := &Reply{Conn: q.Conn}
	switch {
	case q.cut:
		r.Close = true
	case q.lose || m == nil:
		r = nil
	default:
		if p, ok := m.(*msg.ProduceResponse); ok && q.code != protocol.None {
			deny(p, q.code)
		}
		frame, err := protocol.AppendResponse(nil, m, q.Version, q.id)
		switch {
		case errors.Is(err, wire.ErrLength): // of a name that is longer since what was no UTF-8 in it is told from it
			c.hangUp(q.conn)
			return
		case err != nil:
			panic("fake: " + err.Error()) // an answer that cannot be written is a bug of this package
		}
		r.Frame = frame
	}
	d := &delayed{at: c.now.Add(q.conn.node.delay + q.delay), conn: q.Conn, reply: r}
	// KIP-219: since 2.0 the answer to who is throttled goes out at once, in every version, and the channel is muted (RequestHandlerHelper.throttle, ThrottledChannel); before, the answer itself was late.
	switch {
	case q.held == 0:
	case c.atLeast("2.0"):
		d.mute = q.held
	default:
		d.at = d.at.Add(q.held)
	}
	if !d.at.After(c.now) {
		c.finish(d)
		return
	}
	c.schedule(d)
}

func (c *Cluster) schedule(d *delayed) {
	i, _ := slices.BinarySearchFunc(c.later, d.at, func(d *delayed, at time.Time) int {
		if d.at.After(at) {
			return 1
		}
		return -1
	})
	c.later = slices.Insert(c.later, i, d)
}

// deny says of what was appended that it was not, or not surely. As in Kafka the offset is told all the same, where it is known.
func deny(m *msg.ProduceResponse, code protocol.Code) {
	for i := range m.Responses {
		for k := range m.Responses[i].PartitionResponses {
			if a := &m.Responses[i].PartitionResponses[k]; a.ErrorCode == 0 {
				a.ErrorCode = int16(code)
				if code == protocol.DuplicateSequenceNumber || code == protocol.UnknownServerError {
					a.BaseOffset, a.LogAppendTimeMs = -1, -1
				}
			}
		}
	}
}

// finish sends an answer and goes on with the connection.
func (c *Cluster) finish(d *delayed) {
	k := c.conns[d.conn]
	if k == nil {
		return
	}
	if k.node.paused { // it will be sent when the broker goes on
		d.at = c.now.Add(50 * time.Millisecond)
		c.later = append(c.later, d)
		slices.SortStableFunc(c.later, func(a, b *delayed) int { return a.at.Compare(b.at) })
		return
	}
	if d.reply != nil && !k.gone {
		c.out = append(c.out, *d.reply)
		if d.reply.Close {
			c.Disconnect(d.conn)
			return
		}
	}
	if d.mute > 0 {
		c.schedule(&delayed{at: c.now.Add(d.mute), conn: d.conn})
		return
	}
	k.busy, k.last = false, c.now
	c.serve(k)
	if k.gone && len(k.queue) == 0 && !k.busy {
		c.forgetConn(k)
	}
}

func (c *Cluster) hangUp(k *conn) {
	c.out = append(c.out, Reply{Conn: k.id, Close: true})
	c.Disconnect(k.id)
}

// connsOf gives the connections to a broker in the order they were made.
func (c *Cluster) connsOf(n *node) []*conn {
	var ks []*conn
	for _, k := range c.conns {
		if k.node == n {
			ks = append(ks, k)
		}
	}
	slices.SortFunc(ks, func(a, b *conn) int { return int(a.id) - int(b.id) })
	return ks
}

func (c *Cluster) topic(name string) *topic { return named(c.topics, name) }

// named finds one of topics that are in the order of their names.
func named(topics []*topic, name string) *topic {
	i, ok := slices.BinarySearchFunc(topics, name, func(t *topic, n string) int { return strings.Compare(t.name, n) })
	if !ok {
		return nil
	}
	return topics[i]
}

func (c *Cluster) topicByID(id wire.UUID) *topic { return c.topicIDs[id] }

// lookup finds a topic by name, or by id from the version on that has ids.
func (c *Cluster) lookup(name string, id wire.UUID, byID bool) (*topic, protocol.Code) {
	if byID {
		if t := c.topicByID(id); t != nil {
			return t, protocol.None
		}
		return nil, protocol.UnknownTopicID
	}
	if t := c.topic(name); t != nil {
		return t, protocol.None
	}
	return nil, protocol.UnknownTopicOrPartition
}

// led finds a partition that the node of the request leads.
func (c *Cluster) led(q *call, t *topic, index int32) (*partition, protocol.Code) {
	if index < 0 || int(index) >= len(t.partitions) {
		return nil, protocol.UnknownTopicOrPartition
	}
	p := t.partitions[index]
	if had := pictured(q.conn.node.alone, p); had != nil {
		p = had
	}
	if p.leader != q.Node {
		return p, protocol.NotLeaderOrFollower
	}
	return p, protocol.None
}

// checkEpoch holds the leader epoch that a client knows against the real one (KIP-320); -1 is not known.
func checkEpoch(p *partition, epoch int32) protocol.Code {
	switch {
	case epoch == -1 || epoch == p.epoch:
		return protocol.None
	case epoch < p.epoch:
		return protocol.FencedLeaderEpoch
	}
	return protocol.UnknownLeaderEpoch
}
