package api

import (
	"context"
	"fmt"
	"sync"

	"github.com/kactor-go/kactor/actors"
	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/printable"
	"github.com/kactor-go/kactor/sender"
)

// Producer writes records. It is safe for concurrent use. Records of one partition are written in the order in which they were handed over.
type Producer struct {
	sender *sender.Sender
	world  role.World
	set    *settings
	system *actors.System
}

// Producer makes a producer. Options given here hold for it alone.
func (c *Client) Producer(opts ...ProducerOption) (*Producer, error) {
	s, err := with(c, ofProducer, opts)
	if err != nil {
		return nil, err
	}
	p, err := c.system.Producer(s.sender)
	if err != nil {
		return nil, public(err)
	}
	return &Producer{p, c.system.World(), s, c.system}, nil
}

// out is a record as the sender takes it. A partition that is named is no negative one: the sender means by that that none is.
func out(r *Record) (sender.Record, error) {
	s := sender.Record{Topic: r.Topic, Partition: sender.AnyPartition, Key: r.Key, Value: r.Value, Headers: r.Headers}
	if r.Fixed {
		s.Partition = r.Partition
	}
	if !r.Timestamp.IsZero() {
		s.Timestamp, s.Timed = r.Timestamp.UnixMilli(), true
	}
	if r.Fixed && r.Partition < 0 {
		return s, fmt.Errorf("produce %s: %d is no partition: %w", printable.Text(r.Topic), r.Partition, ErrUnknownTopic)
	}
	return s, nil
}

// manner is how a record is handed over.
type manner uint8

const (
	waits   manner = iota // for room
	tries                 // for nothing
	follows               // for room and metadata; who calls waits for the outcome next
)

// append hands a record over, past the interceptors.
func (p *Producer) append(ctx context.Context, r *Record, c sender.Completion, how manner) error {
	if len(p.set.onProduce) == 0 {
		s, err := out(r)
		if err != nil {
			return err
		}
		return p.hand(ctx, &s, c, how)
	}
	s, err := out(p.set.sending(*r))
	if err == nil {
		err = p.hand(ctx, &s, watched{p.set, c}, how)
	}
	if err != nil {
		p.set.acknowledged(RecordMetadata{Topic: s.Topic, Partition: s.Partition, Offset: -1}, err)
	}
	return err
}

func (p *Producer) hand(ctx context.Context, s *sender.Record, c sender.Completion, how manner) error {
	switch how {
	case tries:
		return p.sender.TryAppend(s, c)
	case follows:
		return p.sender.AppendToWait(ctx, s, c)
	}
	return p.sender.Append(ctx, s, c)
}

// promised completes a promise.
type promised struct{ p *role.Promise[RecordMetadata] }

func (c promised) Done(p RecordMetadata, err error) { c.p.Complete(p, public(err)) }

func (c promised) DoneQuietly(p RecordMetadata, err error) bool {
	return c.p.SettleQuietly(p, public(err))
}

// Start hands a record over and returns the promise of its place. Key and value may be used again at once. Handing over waits for room
// as long as ctx lasts, at most max.block.ms, and not for metadata: see Send. What goes wrong is in the promise.
func (p *Producer) Start(ctx context.Context, r *Record) *role.Promise[RecordMetadata] {
	return p.start(ctx, r, waits)
}

func (p *Producer) start(ctx context.Context, r *Record, how manner) *role.Promise[RecordMetadata] {
	promise := role.NewPromise[RecordMetadata](p.world)
	if err := p.append(ctx, r, promised{promise}, how); err != nil {
		promise.Complete(nowhere(r), public(err))
	}
	return promise
}

// Produce writes a record and waits until it is written. When ctx ends before, the record may still be written: the error is ErrUncertain then. Within the callback of a record of the same producer, and within the
// partitioner that the record is for, it writes nothing and returns ErrIllegalState.
func (p *Producer) Produce(ctx context.Context, r *Record) (RecordMetadata, error) {
	if err := p.sender.Waitable(); err != nil {
		return nowhere(r), public(fmt.Errorf("produce %s: %w", printable.Text(r.Topic), err))
	}
	placed, err := p.start(ctx, r, follows).Get(ctx)
	if err != nil && err == ctx.Err() {
		return nowhere(r), &mapped{p.system.Cluster().Because(err), ErrUncertain}
	}
	return placed, err
}

// nowhere is the place of a record that has none.
func nowhere(r *Record) RecordMetadata {
	s, _ := out(r)
	return RecordMetadata{Topic: r.Topic, Partition: s.Partition, Offset: -1}
}

// callback is a completion of the user's.
type callback func(RecordMetadata, error)

func (f callback) Done(p RecordMetadata, err error) { f(p, public(err)) }

// Send hands a record over; done is called exactly once with its place, on a goroutine of the producer's, in order within a partition. done may be nil. After an
// error done is not called.
//
// Send waits for room in buffer.memory as long as ctx lasts, at most max.block.ms; the error is ErrBufferFull then. With a context that has ended it hands nothing over and returns the context's error. It does not wait for
// metadata: a record whose topic or partition is not known yet is held until it is, at most max.block.ms, and takes 1 KiB of buffer.memory at least; then done is told ErrUnknownTopic. Records of a topic keep their order.
//
// done may call Send and Start. It must not wait for other outcomes of this producer, because they come behind it: Produce, ProduceAll, Flush and Close return ErrIllegalState within it, at once. One that blocks
// holds up the callbacks behind it and nothing else; one that panics is reported to the logger and passed over.
func (p *Producer) Send(ctx context.Context, r *Record, done func(RecordMetadata, error)) error {
	var c sender.Completion
	if done != nil {
		c = callback(done)
	}
	return public(p.append(ctx, r, c, waits))
}

// TrySend is Send without waiting: where there is no room it returns ErrBufferFull at once, where the partitioner does not return from another call ErrPartitionerBusy after 20 ms.
func (p *Producer) TrySend(r *Record, done func(RecordMetadata, error)) error {
	var c sender.Completion
	if done != nil {
		c = callback(done)
	}
	return public(p.append(context.Background(), r, c, tries))
}

// all gathers the outcomes of many records.
type all struct {
	mu    sync.Mutex
	left  int
	out   ProduceErrors
	ended *role.Promise[struct{}]
}

type oneOf struct {
	all *all
	i   int
}

func (o oneOf) Done(p RecordMetadata, err error) {
	o.all.mu.Lock()
	o.all.out.Metadata[o.i], o.all.out.Errors[o.i] = p, public(err)
	o.all.left--
	over := o.all.left == 0
	o.all.mu.Unlock()
	if over {
		o.all.ended.Settle(struct{}{}, nil)
	}
}

// ProduceAll writes records and waits until all are written. If any failed the error is a *ProduceErrors with an entry for each. Within the callback of a record it returns ErrIllegalState.
func (p *Producer) ProduceAll(ctx context.Context, records ...*Record) error {
	if err := p.sender.Waitable(); err != nil {
		return public(fmt.Errorf("produce: %w", err))
	}
	if len(records) == 0 {
		return nil
	}
	a := &all{left: len(records), ended: role.NewPromise[struct{}](p.world)}
	a.out.Metadata, a.out.Errors = make([]RecordMetadata, len(records)), make([]error, len(records))
	for i, r := range records {
		how := waits
		if i == len(records)-1 {
			how = follows
		}
		if err := p.append(ctx, r, oneOf{a, i}, how); err != nil {
			oneOf{a, i}.Done(nowhere(r), err)
		}
	}
	_, err := a.ended.Get(ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	failed := &ProduceErrors{append([]RecordMetadata(nil), a.out.Metadata...), append([]error(nil), a.out.Errors...)}
	if err != nil { // ctx has ended: what has no outcome yet is uncertain
		for i := range failed.Errors {
			if failed.Errors[i] == nil && failed.Metadata[i].Topic == "" {
				failed.Errors[i] = &mapped{err, ErrUncertain}
			}
		}
		return failed
	}
	if len(failed.Unwrap()) > 0 {
		return failed
	}
	return nil
}

// Flush waits until every record handed over before has its outcome, and its callback has been called. After Close it returns ErrClosed, within a callback, and within a partitioner for which records
// are held, ErrIllegalState.
func (p *Producer) Flush(ctx context.Context) error { return public(p.sender.Flush(ctx)) }

// Partitions asks for the partitions of a topic.
func (p *Producer) Partitions(ctx context.Context, topic string) ([]cluster.Partition, error) {
	t, err := p.sender.Partitions(ctx, topic)
	if err != nil {
		return nil, public(err)
	}
	return t.Partitions, nil
}

// Close is [Producer.Shutdown] within close.timeout.ms, 10 s by default.
func (p *Producer) Close() error { return within(p.world, p.set.closing, p.Shutdown) }

// Shutdown ends the producer: it takes no more records, sends those that it holds, and returns when all of them have their outcome, at the latest shortly after ctx has ended, or after delivery.timeout.ms. What could not be sent by
// then is rejected, or uncertain if it was on its way ([ErrUncertain]). Within a callback, and within a partitioner for which records are held, it changes nothing and returns [ErrIllegalState].
func (p *Producer) Shutdown(ctx context.Context) error {
	err := p.sender.Close(ctx)
	p.system.Sweep()
	return public(err)
}
