package sim

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/broker/fake/tamper"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/record"
)

// Network is the network between the clients of a world and a fake cluster, in virtual time. It implements role.Network.
//
//	client --Send--> write queue --Flushed--> up queue ----> cluster.Handle
//	       <--------------------------------- down queue <-- cluster.Take
//
// Each direction of a connection keeps its order. A send is read from its buffers only when it leaves the write queue: who uses a buffer again too
// early sends garbage, and is found out. What has left it may arrive although the client has closed the connection.
type Network struct {
	w       *World
	cluster *fake.Cluster
	timer   role.Timer
	links   []*link
	low     time.Duration // latency
	high    time.Duration
	cut     map[int32]bool // nothing comes through to these nodes, for now
	refuse  map[int32]bool
	noDNS   bool
	moves   map[int32]int // how often nodes have got another address
	sent    int
	flip    int // the answers of which one byte is turned over
	spoil   int // the answers with records of which one bit is turned

	// Tamper, if not nil, changes answers on their way.
	Tamper *tamper.Proxy
	// Rates sees to it that no client asks in a hurry without getting further.
	Rates Rates

	// Written, if not nil, gets each frame that has left a client: what is told as written without an answer is among them.
	Written func(frame []byte)
}

// NewNetwork makes the network of a world. Latencies are drawn between a tenth of a millisecond and two.
func NewNetwork(w *World, c *fake.Cluster) *Network {
	n := &Network{w: w, cluster: c, low: 100 * time.Microsecond, high: 2 * time.Millisecond, cut: map[int32]bool{}, refuse: map[int32]bool{}, moves: map[int32]int{}}
	n.timer = w.NewTimer(func() { n.Do(func(*fake.Cluster) {}) })
	w.SetNetwork(n)
	return n
}

// Do calls f with the cluster and lets happen what follows from it. Everything that is done to the cluster goes through it.
func (n *Network) Do(f func(c *fake.Cluster)) {
	n.cluster.Tick(n.w.Now())
	f(n.cluster)
	n.deliver()
}

// deliver sends what the cluster has answered.
func (n *Network) deliver() {
	for _, r := range n.cluster.Take() {
		if l := n.byConn(r.Conn); l != nil {
			if r.Close {
				l.served = false
				l.down.push(func() { l.breaks(io.EOF) })
				continue
			}
			l.answer(r.Frame[protocol.SizeLen:])
		}
	}
	if next := n.cluster.Next(); !next.IsZero() {
		n.timer.Set(next)
	}
}

// Latency sets how long a frame is under way, at least and at most.
func (n *Network) Latency(low, high time.Duration) { n.low, n.high = low, high }

// Cut lets nothing through to or from a node until it is mended; what is under way is not lost, but late. Connecting hangs, and the kernel takes no more of
// what is written on some connections.
func (n *Network) Cut(node int32) {
	n.cut[node] = true
	for _, l := range n.links {
		if l.node == node {
			l.full = n.w.rng.IntN(2) == 0
		}
	}
}

// Mend ends Cut and Refuse for a node.
func (n *Network) Mend(node int32) {
	delete(n.cut, node)
	delete(n.refuse, node)
	for _, l := range n.links {
		if l.node == node {
			l.full = false
			l.write.pump()
			l.up.pump()
			l.down.pump()
		}
	}
}

// Refuse lets connections to a node be refused; those that are open stay.
func (n *Network) Refuse(node int32) { n.refuse[node] = true }

// DNS says whether names are resolved.
func (n *Network) DNS(works bool) { n.noDNS = !works }

// Readdress gives a node another address: its connections lead nowhere from now on, without a word, and nobody takes new ones at the old address.
func (n *Network) Readdress(node int32) {
	n.HalfOpen(node, true, true)
	n.moves[node]++
}

// Reset breaks the connections to a node as a peer that resets them does. What is under way is lost, or is handled and the answer lost, as the seed wills.
func (n *Network) Reset(node int32) {
	for _, l := range slices.Clone(n.links) {
		if l.node == node {
			l.reset()
		}
	}
}

// HalfOpen lets the connections to a node lose everything from now on, in one direction or both, without a word.
func (n *Network) HalfOpen(node int32, up, down bool) {
	for _, l := range n.links {
		if l.node == node {
			l.up.lost = l.up.lost || up
			l.down.lost = l.down.lost || down
		}
	}
}

// Corrupt turns over one byte in each of the next answers.
func (n *Network) Corrupt(answers int) { n.flip += answers }

// Spoil turns a bit of a batch in each of the next answers that bring records: one that its checksum guards.
func (n *Network) Spoil(answers int) { n.spoil += answers }

// Heal ends everything that was done to the network. Half-open connections stay so: nobody heals them but their owner.
func (n *Network) Heal() {
	n.noDNS, n.flip, n.spoil = false, 0, 0
	n.low, n.high = 100*time.Microsecond, 2*time.Millisecond
	for id := range int32(n.cluster.Nodes()) {
		n.Mend(id + 1)
	}
}

// Open is how many connections there are.
func (n *Network) Open() int { return len(n.links) }

func (n *Network) byConn(id fake.ConnID) *link {
	for _, l := range n.links {
		if l.conn == id && l.served {
			return l
		}
	}
	return nil
}

func (n *Network) delay() time.Duration {
	return n.low + time.Duration(n.w.rng.Int64N(int64(n.high-n.low)+1))
}

// Resolve implements role.Network. Node i has the address 10.0.0.i, and 10.0.1.i when it got another; a name that belongs to no node has none.
func (n *Network) Resolve(host string, done func([]string, error)) {
	n.w.After(n.delay(), "dns", func() {
		if n.noDNS {
			done(nil, &net.DNSError{Err: "server misbehaving", Name: host, IsTemporary: true})
			return
		}
		var id int
		if _, err := fmt.Sscanf(host, "broker-%d", &id); err != nil || id < 1 || id > n.cluster.Nodes() {
			done(nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true})
			return
		}
		done([]string{fmt.Sprintf("10.0.%d.%d", n.moves[int32(id)], id)}, nil)
	})
}

// Dial implements role.Network.
func (n *Network) Dial(address, _ string, sink role.Sink) role.Link {
	var id int32
	var moves int
	_, err := fmt.Sscanf(address, "10.0.%d.%d:", &moves, &id)
	l := &link{n: n, node: id, sink: sink}
	l.write = pipe{l: l, name: "write", local: true}
	l.up = pipe{l: l, name: "up"}
	l.down = pipe{l: l, name: "down"}
	n.links = append(n.links, l)
	if err := n.Rates.dialled(n.w.Now(), n.w.current, id); err != nil {
		n.w.Report(err)
	}
	l.up.push(func() {
		if err != nil || n.refuse[id] || moves != n.moves[id] {
			l.down.push(func() { l.breaks(errRefused) })
			return
		}
		n.Do(func(c *fake.Cluster) { l.conn, l.served = c.Connect(id) })
		if !l.served {
			l.down.push(func() { l.breaks(errRefused) })
			return
		}
		l.down.push(l.sink.Opened)
	})
	return l
}

var (
	errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	errReset   = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	errClosed  = errors.New("connection closed by this client")
)

// link is one connection.
type link struct {
	n      *Network
	node   int32
	sink   role.Sink
	conn   fake.ConnID
	served bool // the cluster knows it
	over   bool // the client was told of its end
	full   bool // the kernel takes nothing
	raised bool // large frames are taken
	unread int  // bytes handed over that were not consumed

	client string
	asked  map[int32]question // what was asked and not answered, by correlation id

	write, up, down pipe
	unwritten       []*unwritten
}

// Send implements role.Link.
func (l *link) Send(segments [][]byte) {
	if l.over {
		return
	}
	u := &unwritten{segments, checksum(segments)}
	l.unwritten = append(l.unwritten, u)
	l.write.push(func() {
		l.intact(u)
		l.unwritten = l.unwritten[1:]
		frame := slices.Concat(segments...)
		l.n.w.Note(frame)
		l.asks(frame[protocol.SizeLen:])
		if l.n.Written != nil {
			l.n.Written(frame)
		}
		l.sink.Flushed()
		l.up.push(func() {
			if l.served && !l.up.lost {
				l.n.sent++
				l.n.cluster.Handle(l.n.w.Now(), l.conn, frame[protocol.SizeLen:])
				l.n.deliver()
			}
		})
	})
}

// unwritten is what the kernel has not taken yet.
type unwritten struct {
	segments [][]byte
	sum      uint32
}

// intact sees to it that nobody has used the buffers of what is not written: until it is, or the end of the connection is told, they are the connection's.
func (l *link) intact(all ...*unwritten) {
	for _, u := range all {
		if checksum(u.segments) != u.sum {
			l.n.w.Report(errors.New("a buffer was used again before it was written"))
		}
	}
}

func checksum(segments [][]byte) (sum uint32) {
	for _, s := range segments {
		sum = crc32.Update(sum, crc32.IEEETable, s)
	}
	return sum
}

// Free implements role.Network: who still reads the frame finds it spoilt.
func (n *Network) Free(frame []byte) {
	for i := range frame {
		frame[i] = 0xdb
	}
}

// Raise implements role.Link.
func (l *link) Raise() { l.raised = true }

// Consumed implements role.Link. Who gives back more than came on the connection would read without bounds.
func (l *link) Consumed(n int) {
	if l.unread -= n; l.unread < 0 {
		l.n.w.Report(errors.New("more was consumed than was received"))
	}
}

// Close implements role.Link. What was written is still under way to the broker, and the end of the connection behind it.
func (l *link) Close() {
	if l.over {
		return
	}
	l.n.w.After(0, "close", func() {
		if l.over {
			return
		}
		l.over = true
		l.intact(l.unwritten...)
		l.write.queue, l.down.queue, l.unwritten = nil, nil, nil
		l.up.push(l.leave)
		l.sink.Broken(errClosed)
	})
}

// leave ends the connection for the broker.
func (l *link) leave() {
	l.n.links = slices.DeleteFunc(l.n.links, func(o *link) bool { return o == l })
	if l.served {
		l.served = false
		l.n.Do(func(c *fake.Cluster) { c.Disconnect(l.conn) })
	}
}

// firstFrame is how large a frame may be until Raise. It is small, as frames are here.
const firstFrame = 1000

func (l *link) receive(frame []byte) {
	if l.down.lost || l.over {
		return
	}
	if !l.raised && protocol.SizeLen+len(frame) > firstFrame {
		l.breaks(fmt.Errorf("%w: %d bytes", protocol.ErrFrameSize, protocol.SizeLen+len(frame)))
		return
	}
	frame = slices.Clone(frame)
	if l.n.flip > 0 {
		l.n.flip--
		frame[l.n.w.rng.IntN(len(frame))] ^= byte(1 + l.n.w.rng.IntN(255))
	}
	if l.n.spoil > 0 {
		if begin, end := batch(frame); end > 0 {
			l.n.spoil--
			if l.n.w.rng.IntN(2) == 0 {
				end = begin + 6 // what kind of batch it is, and where it ends
			}
			frame[begin+l.n.w.rng.IntN(end-begin)] ^= 1 << l.n.w.rng.IntN(8)
		}
	}
	l.n.w.Note(frame)
	l.unread += len(frame)
	l.sink.Received(frame)
}

// batch finds a batch of records and gives what only its checksum guards. 0: there is none.
func batch(frame []byte) (begin, end int) {
	const attributes = 21 // are the first it guards
	for i := range frame {
		if b, rest, whole, err := record.Next(frame[i:]); err == nil && whole && b.Magic == 2 && b.CheckCRC() == nil {
			return i + attributes, len(frame) - len(rest)
		}
	}
	return 0, 0
}

// reset loses what is under way, at a place of the seed's choice.
func (l *link) reset() {
	for len(l.up.queue) > 0 && l.n.w.rng.IntN(2) == 0 { // some of it has come through
		l.up.next()
	}
	for len(l.down.queue) > 0 && l.n.w.rng.IntN(2) == 0 {
		l.down.next()
	}
	l.breaks(errReset)
}

// breaks ends the connection for both sides at once and tells the client.
func (l *link) breaks(err error) {
	l.intact(l.unwritten...)
	l.write.queue, l.up.queue, l.down.queue, l.unwritten = nil, nil, nil, nil
	l.leave()
	if !l.over {
		l.over = true
		l.sink.Broken(err)
	}
}

// pipe is one direction of a connection: in order, and nothing while the node is cut off.
type pipe struct {
	l     *link
	name  string
	queue []event
	armed bool
	lost  bool
	local bool // it does not leave the client: no wire can be cut
}

type event struct {
	at time.Time
	f  func()
}

func (p *pipe) push(f func()) { p.pushLate(0, f) }

// pushLate lets f happen so much later than push does, and what comes behind it, too.
func (p *pipe) pushLate(late time.Duration, f func()) {
	d := p.l.n.delay() + late
	if p.local && p.l.n.w.rng.IntN(20) > 0 { // a kernel takes what it is given, but now and then its buffers are full
		d /= 50
	}
	p.queue = append(p.queue, event{p.l.n.w.Now().Add(d), f})
	p.pump()
}

// pump arms the timer for the oldest event.
func (p *pipe) pump() {
	if p.armed || len(p.queue) == 0 || p.blocked() {
		return
	}
	p.armed = true
	p.l.n.w.After(max(0, p.queue[0].at.Sub(p.l.n.w.Now())), p.name, func() {
		p.armed = false
		if len(p.queue) > 0 && !p.blocked() {
			p.next()
		}
		p.pump()
	})
}

func (p *pipe) blocked() bool {
	if p.local {
		return p.l.full
	}
	return p.l.n.cut[p.l.node]
}

func (p *pipe) next() {
	e := p.queue[0]
	p.queue = p.queue[1:]
	e.f()
}

var _ role.Network = (*Network)(nil)
