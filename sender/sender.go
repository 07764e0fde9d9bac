// Package sender is the producer: it takes records from callers, gathers them into batches and brings them to the leaders of their partitions.
//
//	caller --Append--> buffer (a batch a partition, encoded in place) --Wake--> sender actor --Route{Produce}--> cluster
//	       <--Done---- completer goroutine <--settled batches-------------------------'
//
//	sender.go     Config, Record, Sender: append, flush, close
//	buffer.go     the buffer that callers fill, under small locks and byte credits; batches.go and chunks.go their batches and memory
//	hold.go       records whose topic is not known yet, and who waits for them
//	place.go      where they go when it is
//	turn.go       partitioners of the application's, which are called under no lock
//	actor.go      the actor: performs the core's effects
//	complete.go   the goroutine on which completions run
//	partition.go  partitioners
//	internal/batch, internal/drain   one batch; the pure core
//
// A record has one of three outcomes: placed, rejected (it is provably not in the log), or uncertain (errors.Is(err, ErrUncertain)).
package sender

import (
	"errors"
	"fmt"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/sender/internal/batch"
	"github.com/kactor-go/kactor/sender/internal/drain"
)

// Errors of a record.
var (
	// ErrUncertain: the record may have been written, or not.
	ErrUncertain = drain.ErrUncertain
	// ErrTimeout: delivery.timeout.ms has passed.
	ErrTimeout = drain.ErrTimeout
	// ErrClosed: the producer is closed.
	ErrClosed = drain.ErrClosed
	// ErrReentered: a completion has called what waits for completions, or a partitioner what waits for it.
	ErrReentered = errors.New("a function of the application's that it waits for is being called, and must return first")
	// ErrPartitionerBusy: the topic's partitioner, which one goroutine at a time may call, is in a call that has not returned.
	ErrPartitionerBusy = errors.New("the partitioner has not returned from another call")
	// ErrBufferFull: buffer.memory is used up.
	ErrBufferFull = errors.New("the producer's buffer is full")
	// ErrTooLarge: the record is larger than max.request.size.
	ErrTooLarge = errors.New("the record is too large")
	// ErrTimestamp: the record is from before 1970. Java's client refuses it, too, and so do brokers.
	ErrTimestamp = fmt.Errorf("%w: it is negative", protocol.InvalidTimestamp)
	// ErrUnknownTopic: the cluster does not tell of the topic or partition.
	ErrUnknownTopic = errors.New("unknown topic or partition")
)

// Header of a record.
type Header = record.Header

// Record to be produced. Key, Value and Headers are copied before Append returns.
type Record struct {
	Topic     string
	Partition int32 // or AnyPartition
	Key       []byte
	Value     []byte
	Headers   []Header
	Timestamp int64 // milliseconds since 1970, not negative
	Timed     bool  // Timestamp is meant; else it is now
}

// RecordMetadata is where a record went.
type RecordMetadata = cluster.RecordMetadata

// Completion is told what became of one record: exactly once, in order within a partition, on a goroutine of the sender's that is no actor.
type Completion = batch.Completion

// Config of a sender. Names in brackets are Kafka's properties.
type Config struct {
	Acks            int16          // -1 all, 1 the leader, 0 none (acks, all)
	Idempotent      bool           // no duplicates, order kept (enable.idempotence, true); with brokers that cannot, as before 0.11, records are written without it
	Required        bool           // they are not: each ends with an error (enable.idempotence=true was asked for)
	Linger          time.Duration  // a batch waits at most so long for more records (linger.ms, 5 ms)
	Adaptive        bool           // but not at all while nothing is under way to its broker (true; a linger.ms that was set is kept exactly)
	BatchSize       int            // bytes of a batch (batch.size, 16,384)
	MaxRequest      int            // bytes of a request, and of a record (max.request.size, 1,048,576)
	BufferMemory    int64          // bytes of records that wait or are under way (buffer.memory, 33,554,432)
	MaxBlock        time.Duration  // Append waits at most so long for room, and records for metadata (max.block.ms, 1 min)
	Window          int            // requests in flight for each broker (max.in.flight.requests.per.connection, 5)
	Retries         int            // of a batch (retries, no limit)
	RequestTimeout  time.Duration  // of one request (request.timeout.ms, 30 s)
	DeliveryTimeout time.Duration  // of a record, retries included; up to a tenth less for one that joins a batch which waits (delivery.timeout.ms, 2 min)
	RetryFirst      time.Duration  // delay before a batch goes again (retry.backoff.ms, 100 ms)
	RetryMax        time.Duration  // and at most (retry.backoff.max.ms, 1 s)
	Codec           compress.Codec // (compression.type, none)
	Level           int            // (compression.LEVEL.level, the codec's default)
	Partitioner     NewPartitioner // for each topic; nil: Default (partitioner.class)
	Poison          bool           // fill buffers that are given back with 0xDB: for tests
}

// DefaultConfig is the configuration of the Java client 4.3.
func DefaultConfig() Config {
	return Config{Acks: -1, Idempotent: true, Linger: 5 * time.Millisecond, Adaptive: true, BatchSize: 16384, MaxRequest: 1 << 20, BufferMemory: 32 << 20, MaxBlock: time.Minute,
		Window: 5, Retries: 1<<31 - 1, RequestTimeout: 30 * time.Second, DeliveryTimeout: 2 * time.Minute, RetryFirst: 100 * time.Millisecond,
		RetryMax: time.Second, Level: compress.DefaultLevel}
}

// Validate returns everything that is wrong, by property.
func (c *Config) Validate() error {
	var errs []error
	bad := func(property, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", property, fmt.Sprintf(format, args...)))
	}
	if c.Acks < -1 || c.Acks > 1 {
		bad("acks", "must be all (-1), 1 or 0, not %d", c.Acks)
	}
	if c.Idempotent {
		if c.Acks != -1 {
			bad("acks", "must be all with enable.idempotence")
		}
		if c.Window > 5 {
			bad("max.in.flight.requests.per.connection", "must be at most 5 with enable.idempotence, not %d", c.Window)
		}
		if c.Retries == 0 {
			bad("retries", "must not be 0 with enable.idempotence")
		}
	}
	for _, n := range []struct {
		property string
		value    int64
	}{{"batch.size", int64(c.BatchSize)}, {"max.request.size", int64(c.MaxRequest)}, {"buffer.memory", c.BufferMemory}, {"max.in.flight.requests.per.connection", int64(c.Window)},
		{"request.timeout.ms", int64(c.RequestTimeout)}, {"retry.backoff.ms", int64(c.RetryFirst)}} {
		if n.value <= 0 {
			bad(n.property, "must be positive, not %d", n.value)
		}
	}
	if c.Linger < 0 {
		bad("linger.ms", "must not be negative")
	}
	if c.Retries < 0 {
		bad("retries", "must not be negative")
	}
	if c.RetryMax < c.RetryFirst {
		bad("retry.backoff.max.ms", "%s is less than retry.backoff.ms, %s", c.RetryMax, c.RetryFirst)
	}
	if c.DeliveryTimeout < c.Linger+c.RequestTimeout {
		bad("delivery.timeout.ms", "%s is less than linger.ms and request.timeout.ms together, %s", c.DeliveryTimeout, c.Linger+c.RequestTimeout)
	}
	if c.BufferMemory < int64(c.BatchSize) {
		bad("buffer.memory", "%d is less than batch.size, %d", c.BufferMemory, c.BatchSize)
	}
	if c.Codec < compress.None || c.Codec > compress.Zstd {
		bad("compression.type", "%v", c.Codec)
	}
	return errors.Join(errs...)
}
