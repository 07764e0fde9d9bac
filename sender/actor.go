package sender

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/printable"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/sender/internal/batch"
	"github.com/kactor-go/kactor/sender/internal/drain"
)

// Message is what the sender actor takes; callers use the methods of Sender.
type Message = drain.Message

// Sender is one producer.
type Sender struct {
	cfg    Config
	world  role.World
	client *broker.Client
	buf    *buffer
	core   *drain.Core
	self   role.Ref[Message]
	stop   func(func())
	done   *completer
	caller *broker.Caller
	over   atomic.Bool // it is closed
	waits  role.Waits
}

// growShare is the part of delivery.timeout.ms that a record may lose because its batch was open before it came.
const growShare = 10

// core adapts drain.Core: a wake-up is filled with what the buffer has.
type core struct {
	*drain.Core
	buf *buffer
}

func (c *core) Step(now time.Time, m Message, out *drain.Effects) {
	if w, ok := m.(*drain.Wake); ok {
		w.Ready = c.buf.collect()
	}
	c.Core.Step(now, m, out)
}

func (c *core) Refuse(m Message, err error, out *drain.Effects) {
	if w, ok := m.(*drain.Wake); ok {
		w.Ready = c.buf.collect()
	}
	c.Core.Refuse(m, err, out)
}

// Start starts a sender on a client's connections. failed is told if it fails by a bug; it must only tell.
func Start(under role.Spawner, client *broker.Client, cfg Config, failed func(error)) (*Sender, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Partitioner == nil {
		cfg.Partitioner = Default(cfg.BatchSize)
	}
	w := under.World()
	if p, ok := w.(interface{ Poisons() bool }); ok {
		cfg.Poison = cfg.Poison || p.Poisons()
	}
	s := &Sender{cfg: cfg, world: w, client: client, done: newCompleter(w)}
	s.buf = &buffer{cfg: &s.cfg, world: w, client: client, credits: role.NewCredits(w, cfg.BufferMemory)}
	s.buf.pool.whole, s.buf.pool.limit, s.buf.pool.poison = cfg.BatchSize, cfg.BufferMemory, cfg.Poison
	s.buf.holds.wait = role.NewWaiter()
	s.buf.refused = func(h *held, err error) {
		b := &batch.Batch{To: cluster.TopicPartition{Topic: h.Topic, Partition: h.Partition}, Entries: []batch.Entry{{Done: h.done, Time: h.Timestamp}}}
		s.done.add(drain.Settled{Batch: b, Base: -1, AppendTime: -1, Err: &whole{err}})
	}
	s.core = drain.New(drain.Config{Acks: cfg.Acks, Idempotent: cfg.Idempotent, Required: cfg.Required, Window: cfg.Window, MaxRequest: cfg.MaxRequest, RequestTimeout: cfg.RequestTimeout,
		Linger: cfg.Linger, Grow: cfg.DeliveryTimeout / growShare, Adaptive: cfg.Adaptive, Retries: cfg.Retries, BackoffFirst: cfg.RetryFirst, BackoffMax: cfg.RetryMax,
		Compress: cfg.Codec != compress.None}, s.buf, client.Snapshot())
	s.self, s.stop = role.Spawn[Message, drain.Effects](under, &core{s.core, s.buf}, s.perform, (*drain.Effects).Reset, role.Options{Name: "sender", Failed: failed})
	s.buf.wake, s.buf.bring = func() { s.self.Tell(&drain.Wake{}) }, func() { s.self.Assist(&drain.Wake{}) }
	s.caller = client.Caller(func(snap *cluster.Snapshot) {
		s.self.Tell(&drain.Changed{Snapshot: snap})
		s.buf.holds.changed(w)
	})
	return s, nil
}

// Append hands a record over. It waits for room, and for a partitioner of the application's that is being called elsewhere (ErrPartitionerBusy), at most max.block.ms and as long as ctx lasts; with a context that has ended it hands nothing over. A record whose topic is not known yet is held until it is, at most
// max.block.ms; if it does not become known the completion is told ErrUnknownTopic. After an error the completion is not called.
func (s *Sender) Append(ctx context.Context, r *Record, done Completion) error {
	return s.append(ctx, r, done, waits)
}

// TryAppend is Append without waiting: where there is no room it returns ErrBufferFull at once, where the partitioner does not return from another call ErrPartitionerBusy after a moment (20 ms).
func (s *Sender) TryAppend(r *Record, done Completion) error {
	return s.append(context.Background(), r, done, tries)
}

// AppendToWait is Append for a caller that waits for the outcome next: it waits for metadata, too, and brings the record on its way itself, if nobody else is at work. Within the
// partitioner that the record is for it returns ErrReentered.
func (s *Sender) AppendToWait(ctx context.Context, r *Record, done Completion) error {
	return s.append(ctx, r, done, follows)
}

func (s *Sender) append(ctx context.Context, r *Record, done Completion, how manner) error {
	if s.buf.closed.Load() {
		return fmt.Errorf("produce %s: %w", printable.Text(r.Topic), ErrClosed)
	}
	news, err := s.buf.append(ctx, r, done, how)
	if news {
		s.buf.rouse(how == follows)
	}
	return err
}

// Waitable tells whether the calling goroutine may wait for outcomes: ErrReentered within a completion, which those behind it wait for.
func (s *Sender) Waitable() error {
	if s.done.within() {
		return ErrReentered
	}
	return nil
}

// Closable tells whether the calling goroutine may close it: ErrReentered within a completion, and within a partitioner for which a record is held, because those would be waited for.
func (s *Sender) Closable() error {
	if err := s.Waitable(); err != nil {
		return err
	}
	if s.buf.holds.inside() {
		return ErrReentered
	}
	return nil
}

// Flush waits until every record appended before it has its outcome and its completion has been called. After Close it returns ErrClosed, within a completion, and within a partitioner for which a record is held, ErrReentered, at once.
func (s *Sender) Flush(ctx context.Context) error {
	if err := s.Waitable(); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	if s.buf.closed.Load() {
		return fmt.Errorf("flush: %w", ErrClosed)
	}
	if s.buf.holds.inside() {
		return fmt.Errorf("flush: %w", ErrReentered)
	}
	if held := s.buf.holds.flushed(s.world); held != nil {
		s.hurry()
		if _, err := held.Get(ctx); err != nil {
			return err
		}
	}
	p := role.NewPromise[struct{}](s.world)
	done, err := s.waits.Add(func(err error) { p.Settle(struct{}{}, err) })
	if err != nil {
		return err
	}
	defer done()
	s.self.Tell(&drain.Wake{})
	s.self.Tell(&drain.Flush{Owner: p})
	_, err = p.Get(ctx)
	return err
}

// hurry lets nothing linger of what is there, while something else is waited for.
func (s *Sender) hurry() {
	s.self.Tell(&drain.Wake{})
	s.self.Tell(&drain.Flush{Owner: role.NewPromise[struct{}](s.world)})
}

// Partitions asks for the partitions of a topic.
func (s *Sender) Partitions(ctx context.Context, topic string) (*cluster.Topic, error) {
	snap, err := broker.Metadata(ctx, s.client, topic)
	if err != nil {
		return nil, err
	}
	t := snap.Topic(topic)
	if t == nil {
		return nil, fmt.Errorf("%w: %s", ErrUnknownTopic, printable.Text(topic))
	}
	if t.Err != protocol.None && len(t.Partitions) == 0 {
		return nil, fmt.Errorf("topic %s: %w", printable.Text(topic), t.Err)
	}
	return t, nil
}

// grace is how long Close waits for completions when its context has ended: they come at once, unless one of them blocks. And who waits within a partitioner for one, which may be the same.
const grace = 200 * time.Millisecond

// Close refuses new records, brings what is there on its way until ctx ends, and gives the rest its outcome: rejected, or uncertain if it was sent. All completions have been called then, but for those behind one that blocks.
// Within a completion, and within a partitioner for which a record is held, it changes nothing and returns ErrReentered. Where two close it, it waits as long as the one who waits less.
func (s *Sender) Close(ctx context.Context) error {
	if err := s.Closable(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	if s.buf.closed.Swap(true) { // by somebody else, who may wait longer
		if _, err := s.done.ended.Get(ctx); err != nil {
			s.giveUp()
		}
		return s.completed(ctx)
	}
	s.buf.credits.Close(ErrClosed)
	s.hurry()
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = s.world.Now().Add(s.cfg.DeliveryTimeout)
	}
	if ctx.Err() != nil {
		deadline = s.world.Now()
	}
	p := role.NewPromise[struct{}](s.world)
	if done, err := s.waits.Add(func(error) { p.Settle(struct{}{}, nil) }); err == nil { // the client may be closed beside, by who does not wait as long
		defer done()
	} else { // or has been
		p.Settle(struct{}{}, nil)
	}
	s.buf.endHolds(ctx, deadline)
	s.buf.endTurns()
	s.buf.end()
	s.self.Tell(&drain.Wake{})
	s.self.Tell(&drain.Close{Deadline: deadline, Owner: p})
	_, err := p.Get(ctx)
	if err != nil { // ctx was cancelled before its deadline
		s.self.Tell(&drain.Close{Deadline: s.world.Now(), Owner: p})
		_, _ = p.Get(context.WithoutCancel(ctx))
	}
	s.caller.Leave()
	s.done.end()
	s.over.Store(true)
	if e := s.completed(ctx); err == nil {
		err = e
	}
	return err
}

// giveUp gives everything that is left its outcome now.
func (s *Sender) giveUp() {
	s.buf.holds.refuse(s.world, ErrClosed)
	p := role.NewPromise[struct{}](s.world)
	done, err := s.waits.Add(func(error) { p.Settle(struct{}{}, nil) })
	if err != nil { // the actor is gone
		return
	}
	defer done()
	s.self.Tell(&drain.Wake{})
	s.self.Tell(&drain.Close{Deadline: s.world.Now(), Owner: p})
	_, _ = p.Get(context.Background())
}

// completed waits until all completions have been called.
func (s *Sender) completed(ctx context.Context) error {
	_, err := s.done.ended.Get(ctx)
	if err == nil {
		return nil
	}
	last, cancel := s.world.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if _, e := s.done.ended.Get(last); e == nil {
		return nil
	}
	return fmt.Errorf("close: the completion of a record has not returned: %w", err)
}

// Over says that the sender is closed and nobody tells its actor anything any more: it may be ended before the client's connections are.
func (s *Sender) Over() bool { return s.over.Load() && s.done.finished.Load() && s.caller.Over() }

// Stop ends the actor. Its requests must have come back: see Over, or close the client's connections first. What is left, because who closes the producer has not come to its end, gets its outcome before: nobody would give it one any more.
func (s *Sender) Stop(ctx context.Context) error {
	if !s.over.Load() {
		s.buf.end()
		s.giveUp()
	}
	p := role.NewPromise[struct{}](s.world)
	s.stop(func() { p.Settle(struct{}{}, nil) })
	_, err := p.Get(ctx)
	s.waits.Close(ErrClosed)
	return err
}

// Buffered is how many bytes of buffer.memory are in use.
func (s *Sender) Buffered() int64 { return s.buf.credits.Used() }

// perform carries out the effects in the order that drain.Effects documents.
func (s *Sender) perform(h *role.Handle, out *drain.Effects) {
	for _, b := range out.Pack {
		s.caller.Begin()
		h.World().Offload(func() { s.pack(b) })
	}
	if out.AskIdentity {
		s.askIdentity(h)
	}
	if len(out.Hints) > 0 {
		hints := make(broker.Hints, len(out.Hints))
		for i, e := range out.Hints {
			hints[i] = broker.Hint{TopicPartition: e.To, TopicID: e.Topic, Leader: e.Leader, Epoch: e.Epoch, Node: e.Node}
		}
		s.client.Ref().Tell(hints)
	}
	for _, r := range out.Refresh {
		s.client.Ref().Tell(&broker.Refresh{Topics: []string{r.Topic}, Except: r.Except, Why: r.Why})
	}
	for _, r := range out.Send {
		s.send(r)
	}
	for i := range out.Settled {
		b := out.Settled[i].Batch
		if b.Told {
			panic("sender: a batch was settled twice")
		}
		b.Told = true
		s.done.add(out.Settled[i])
	}
	for _, b := range out.Free {
		if !b.Split {
			s.buf.pool.put(b.Buf)
			s.buf.credits.Give(b.Credits)
		}
		b.Buf = nil
	}
	for _, b := range out.Gone {
		release(b)
	}
	for _, o := range out.Flushed { // behind the completions of what was flushed
		s.done.add(drain.Settled{Batch: &batch.Batch{Entries: []batch.Entry{{Done: told{o.(*role.Promise[struct{}])}}}}, Base: -1, AppendTime: -1})
	}
	for _, o := range out.Closed {
		o.(*role.Promise[struct{}]).Settle(struct{}{}, nil)
	}
}

// told completes a promise when the completions before it have run.
type told struct{ p *role.Promise[struct{}] }

func (t told) Done(RecordMetadata, error) { t.p.Settle(struct{}{}, nil) }

// scratches are what batches are compressed into, before they go back to where they were.
var scratches = sync.Pool{New: func() any { return new([]byte) }}

// pack compresses a batch, on a worker.
func (s *Sender) pack(b *batch.Batch) {
	scratch := scratches.Get().(*[]byte)
	var err error
	*scratch, err = b.Pack(*scratch, s.cfg.Level)
	scratches.Put(scratch)
	s.self.Tell(&drain.Packed{Batch: b, Err: err})
	s.caller.End()
}

func (s *Sender) askIdentity(h *role.Handle) {
	req := protocol.NewRequest(msg.InitProducerIdAPI).(*msg.InitProducerIdRequest)
	req.TransactionalID, req.TransactionTimeoutMs = nil, math.MaxInt32
	s.caller.Send(&broker.Route{Req: req, Deadline: h.World().Now().Add(s.cfg.RequestTimeout), Reply: func(r broker.Reply) {
		m := &drain.Identity{Err: r.Err, Unsupported: errors.Is(r.Err, broker.ErrNobody)}
		if r.Err == nil {
			resp := r.Resp.(*msg.InitProducerIdResponse)
			m.ID, m.Epoch, m.Err = resp.ProducerID, resp.ProducerEpoch, protocol.Code(resp.ErrorCode).Err()
		}
		s.self.Tell(m)
	}})
}

// send makes a produce request of a core's request. The records are not copied.
func (s *Sender) send(r *drain.Request) {
	snap := s.client.Snapshot()
	req := &msg.ProduceRequest{Acks: s.cfg.Acks, TimeoutMs: int32(r.Timeout.Milliseconds())}
	route := &broker.Route{Req: req, To: broker.Target{Kind: broker.ToNode, Node: r.Node}, Deadline: r.Deadline, OneWay: s.cfg.Acks == 0}
	ids := true
	for _, b := range r.Batches {
		i := len(req.TopicData) - 1
		if i < 0 || req.TopicData[i].Name != b.To.Topic {
			d := msg.ProduceRequestTopicProduceData{Name: b.To.Topic, TopicID: b.TopicID}
			snap.Topic(b.To.Topic).Touch()
			ids = ids && d.TopicID != protocol.UUID{}
			req.TopicData = append(req.TopicData, d)
			i++
		}
		req.TopicData[i].PartitionData = append(req.TopicData[i].PartitionData, msg.ProduceRequestPartitionProduceData{Index: b.To.Partition, Records: b.Bytes(false)})
		if b.Numbered { // a repetition of it is recognized: it may move
			leader, epoch := snap.Leader(b.To.Topic, b.To.Partition)
			if leader != r.Node { // it has moved already, and the core not heard of it
				epoch = -1
			}
			route.Partitions = append(route.Partitions, broker.Led{TopicPartition: b.To, Epoch: epoch})
		}
	}
	if !ids {
		route.MaxVersion = 12 // names, because an id is not known
	}
	route.Fit = s.fit
	route.Released = func() { s.self.Tell(&drain.Released{Request: r}) }
	route.Reply = func(reply broker.Reply) { s.answered(r, &reply) }
	s.caller.Send(route)
}

// fit turns batches into message sets for brokers before 0.11, and refuses what they cannot have.
func (s *Sender) fit(version int16, req protocol.Request) error {
	if version >= 3 {
		if s.cfg.Codec == compress.Zstd && version < 7 {
			return &refused{errors.New("compression.type zstd needs brokers of Kafka 2.1 or newer")}
		}
		return nil
	}
	magic := int8(1)
	if version < 2 {
		magic = 0
	}
	m := req.(*msg.ProduceRequest)
	var sets [][]byte // a request that is refused stays as it is: it may be tried with another version
	for i := range m.TopicData {
		for k := range m.TopicData[i].PartitionData {
			set := m.TopicData[i].PartitionData[k].Records
			b, _, ok, err := record.Next(set)
			if err == nil && ok {
				set, err = record.AppendLegacy(nil, &b, magic, s.cfg.Codec, s.cfg.Level)
			}
			if err != nil {
				return &refused{err}
			}
			sets = append(sets, set)
		}
	}
	for i := range m.TopicData {
		for k := range m.TopicData[i].PartitionData {
			m.TopicData[i].PartitionData[k].Records, sets = sets[0], sets[1:]
		}
	}
	return nil
}

// refused marks errors that no repetition can mend.
type refused struct{ error }

func (r *refused) Unwrap() error { return r.error }

func (s *Sender) answered(r *drain.Request, reply *broker.Reply) {
	m := &drain.Answer{Request: r, Version: reply.Version, Err: reply.Err, Sent: broker.Sent(reply.Err), Moved: errors.Is(reply.Err, broker.ErrMoved)}
	var no *refused
	m.Refused = errors.As(reply.Err, &no) || errors.Is(reply.Err, broker.ErrNobody)
	if resp, ok := reply.Resp.(*msg.ProduceResponse); ok {
		m.Resp = resp
	}
	if m.Moved { // not to be sent to the old leader again
		s.self.Tell(&drain.Changed{Snapshot: s.client.Snapshot()})
	}
	s.self.Tell(m)
}
