// Package fetcher is the consumer's supply: it fetches the partitions assigned to it and keeps what came for the application.
//
//	consumer --Assign, Seek, Pause--> fetcher actor --Route{Fetch, ListOffsets, OffsetForLeaderEpoch}--> cluster
//	         <--Take-- buffer <--chunks---'
//
//	fetcher.go    Config, where to begin
//	buffer.go     what was fetched and is not taken; positions of the application
//	chunk.go      the records of one answer, decoded while they are read; ahead.go: what is decompressed before the reader comes to it
//	frame.go      the memory of an answer, counted
//	notes.go      what goes into the log
//	offsets.go    beginning and end offsets, offsets for times; errors.go: those of several partitions
//	actor.go      the actor: performs the core's effects; requests.go: what it asks brokers for
//	assignment.go, positions.go, taking.go   what the consumer calls: assign, seek and pause; where it is; what it is given
//	internal/plan, internal/session   the pure core; fetch sessions
//
// A position is what the application has been given, plus one. Nothing but the application's reading and its seeks moves it, resets aside; what was fetched and not read
// is read later.
package fetcher

import (
	"errors"
	"fmt"
	"time"

	"github.com/kactor-go/kactor/fetcher/internal/plan"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/compress"
)

// Offsets to begin at, besides numbers.
const (
	AtEnd     = plan.AtEnd
	AtStart   = plan.AtStart
	AtDefault = plan.AtDefault // as auto.offset.reset says
)

// Errors of a partition.
var (
	// ErrNoOffset: there is no offset to begin at, and auto.offset.reset is none.
	ErrNoOffset = plan.ErrNoOffset
	// ErrClosed: the consumer is closed.
	ErrClosed = errors.New("consumer closed")
	// ErrNotAssigned: the partition is not assigned to this consumer.
	ErrNotAssigned = errors.New("partition is not assigned")
)

// Reset says where to begin when there is no position (auto.offset.reset).
type Reset struct {
	policy uint8
	ago    time.Duration
}

// The policies.
var (
	ResetLatest   = Reset{policy: plan.ResetLatest}
	ResetEarliest = Reset{policy: plan.ResetEarliest}
	ResetNone     = Reset{policy: plan.ResetNone}
)

// ResetByDuration begins with the first record that is not older than d (KIP-1106).
func ResetByDuration(d time.Duration) Reset { return Reset{plan.ResetDuration, d} }

// Config of a fetcher. Names in brackets are Kafka's properties.
type Config struct {
	MinBytes       int            // the broker waits for so many bytes (fetch.min.bytes, 1; 0 is as 1: who is answered at once asks without a pause)
	MaxBytes       int            // of one answer, a single batch aside (fetch.max.bytes, 52,428,800)
	PartitionBytes int            // of one partition in it (max.partition.fetch.bytes, 1,048,576)
	MaxWait        time.Duration  // but the broker waits no longer (fetch.max.wait.ms, 500 ms)
	Budget         int64          // bytes fetched or being fetched that are not taken (receive budget, 32 MiB)
	Committed      bool           // only records of committed transactions (isolation.level=read_committed)
	CheckCRCs      bool           // verify checksums (check.crcs, true)
	Rack           string         // of this client: a replica there is preferred (client.rack, KIP-392)
	Reset          Reset          // (auto.offset.reset, latest)
	RequestTimeout time.Duration  // (request.timeout.ms, 30 s)
	RetryFirst     time.Duration  // (retry.backoff.ms, 100 ms)
	RetryMax       time.Duration  // (retry.backoff.max.ms, 1 s)
	ReplicaAge     time.Duration  // a preferred replica is asked so long (metadata.max.age.ms, 5 min)
	Decompress     compress.Limit // of one batch (decompress.max.bytes, 256 MiB); while a batch of more than a quarter of the budget is read, it counts to the budget
}

// DefaultConfig is the configuration of the Java client 4.3.
func DefaultConfig() Config {
	return Config{MinBytes: 1, MaxBytes: 50 << 20, PartitionBytes: 1 << 20, MaxWait: 500 * time.Millisecond, Budget: 32 << 20, CheckCRCs: true, Reset: ResetLatest,
		RequestTimeout: 30 * time.Second, RetryFirst: 100 * time.Millisecond, RetryMax: time.Second, ReplicaAge: 5 * time.Minute, Decompress: compress.Limit{Bytes: compress.DefaultBytes}}
}

// Validate returns everything that is wrong, by property.
func (c *Config) Validate() error {
	var errs []error
	for _, n := range []struct {
		property string
		value    int64
	}{{"fetch.max.bytes", int64(c.MaxBytes)}, {"max.partition.fetch.bytes", int64(c.PartitionBytes)}, {"fetch.max.wait.ms", int64(c.MaxWait)},
		{"request.timeout.ms", int64(c.RequestTimeout)}, {"retry.backoff.ms", int64(c.RetryFirst)}, {"metadata.max.age.ms", int64(c.ReplicaAge)}} {
		if n.value <= 0 {
			errs = append(errs, fmt.Errorf("%s: must be positive, not %d", n.property, n.value))
		}
	}
	if c.MinBytes < 0 {
		errs = append(errs, fmt.Errorf("fetch.min.bytes: must not be negative"))
	}
	if c.Budget < 1<<20 {
		errs = append(errs, fmt.Errorf("receive budget: must be at least 1 MiB, not %d bytes", c.Budget))
	}
	if c.MaxWait >= c.RequestTimeout {
		errs = append(errs, fmt.Errorf("fetch.max.wait.ms: %s must be less than request.timeout.ms, %s", c.MaxWait, c.RequestTimeout))
	}
	if c.Reset.policy == plan.ResetDuration && c.Reset.ago <= 0 {
		errs = append(errs, fmt.Errorf("auto.offset.reset: by_duration needs a positive duration"))
	}
	return errors.Join(errs...)
}

// Begin is a partition and where to begin.
type Begin struct {
	cluster.TopicPartition
	Offset int64 // or AtStart, AtEnd, AtDefault
	// Time, if not zero, begins with the first record of that time or later instead.
	Time time.Time
	// Epoch, if not zero, is one more than the leader epoch of the record before: a log that has lost it since is found out (KIP-320).
	Epoch int32

	released bool // only if it is held
}

// PartitionError is what went wrong with one partition. The others go on. It is told at most every ten seconds for as long as it lasts.
type PartitionError struct {
	cluster.TopicPartition
	Offset int64 // the position; -1: there is none
	Err    error
	// Retried says that the partition is tried again by itself; else it stands still until a seek.
	Retried bool
}

// Error names the partition and the position.
func (e *PartitionError) Error() string {
	if e.Offset < 0 {
		return fmt.Sprintf("consume %s: %v", e.TopicPartition, e.Err)
	}
	return fmt.Sprintf("consume %s at offset %d: %v", e.TopicPartition, e.Offset, e.Err)
}

// Unwrap gives the cause.
func (e *PartitionError) Unwrap() error { return e.Err }

// LogTruncationError says that the log has lost records behind the position: an unclean election (KIP-320).
type LogTruncationError struct {
	cluster.TopicPartition
	Position  int64 // where the consumer was
	Divergent int64 // up to here the log is what was read
}

// Error tells both offsets.
func (e *LogTruncationError) Error() string {
	return fmt.Sprintf("consume %s: the log was truncated: the position is %d, and the log is what was read only up to %d", e.TopicPartition, e.Position, e.Divergent)
}
