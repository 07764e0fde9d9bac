package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/coordinator"
	"github.com/kactor-go/kactor/fetcher"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/printable"
	"github.com/kactor-go/kactor/sender"
)

// What went wrong, to be found with errors.Is; a broker's own error is a protocol.Code in the chain.
var (
	// ErrClosed: the client, producer or consumer is closed.
	ErrClosed = errors.New("closed")
	// ErrUncertain: a record may have been written, or not.
	ErrUncertain = sender.ErrUncertain
	// ErrBufferFull: the producer's buffer.memory is used up.
	ErrBufferFull = sender.ErrBufferFull
	// ErrPartitionerBusy: the partitioner of a topic, which one goroutine at a time may call, has not returned from another call.
	ErrPartitionerBusy = sender.ErrPartitionerBusy
	// ErrTooLarge: a record is larger than max.request.size.
	ErrTooLarge = sender.ErrTooLarge
	// ErrTimeout: an answer, or the delivery of a record, took too long.
	ErrTimeout = errors.New("time-out")
	// ErrUnknownTopic: the cluster does not tell of the topic or partition.
	ErrUnknownTopic = sender.ErrUnknownTopic
	// ErrNoBroker: no broker can be reached.
	ErrNoBroker = broker.ErrNoBroker
	// ErrNotAssigned: the partition is not assigned to this consumer.
	ErrNotAssigned = fetcher.ErrNotAssigned
	// ErrNotOwned: a commit for a partition that is another member's.
	ErrNotOwned = coordinator.ErrNotOwned
	// ErrFenced: the group has gone on without this member, or another one has its place.
	ErrFenced = coordinator.ErrFenced
	// ErrIllegalState: the call does not fit what was called before.
	ErrIllegalState = errors.New("illegal state")
	// ErrWakeup: Wakeup was called.
	ErrWakeup = errors.New("woken up")
)

// Fatal reports whether a loop over [Consumer.Poll], [Consumer.Records] or [Producer.Produce] must end because of err: the client, the producer or the consumer is closed, the consumer cannot be a member of its group ([GroupError]), the call
// does not fit what was called before ([ErrIllegalState]), or the call's own context has ended. It is false for nil, and for all other errors: those of one record, of one partition, which goes on by itself if [PartitionError].Retried says
// so, and of brokers that cannot be reached, which are tried again.
//
// It cannot tell a short context that a call was given for itself from the one that the program ends with: who gives each call one of its own goes on after its end, errors.Is(err, context.DeadlineExceeded), as long as the
// program's context has not ended.
func Fatal(err error) bool {
	switch {
	case err == nil, errors.Is(err, ErrHandlerDeadline): // that of one record
		return false
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, ErrClosed):
		return true
	}
	return ended(err)
}

// GroupError says that a consumer cannot be a member of its group; it stays so until it is closed or unsubscribed.
type GroupError = coordinator.Fatal

// PartitionError is what went wrong with one partition of a consumer.
type PartitionError = fetcher.PartitionError

// PartitionErrors tells why some of the partitions that were asked for have no answer; those that it does not name have theirs.
type PartitionErrors = fetcher.PartitionErrors

// DecompressionError says that a batch holds more than decompress.max.bytes. It comes inside a PartitionError, which has topic, partition and offset.
type DecompressionError = compress.SizeError

// LogTruncationError says that a log has lost records that were consumed (KIP-320).
type LogTruncationError = fetcher.LogTruncationError

// mapped is an error that is also one of the facade's.
type mapped struct {
	error
	is error
}

func (m *mapped) Unwrap() []error { return []error{m.error, m.is} }

// public gives the roles' errors the facade's names besides their own.
func public(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sender.ErrClosed), errors.Is(err, fetcher.ErrClosed), errors.Is(err, coordinator.ErrClosed), errors.Is(err, broker.ErrClosed):
		return &mapped{err, ErrClosed}
	case errors.Is(err, sender.ErrTimeout), errors.Is(err, broker.ErrTimeout):
		return &mapped{err, ErrTimeout}
	case errors.Is(err, sender.ErrReentered):
		return &mapped{err, ErrIllegalState}
	}
	return err
}

// ProduceErrors tells what became of each record of a ProduceAll: Errors has one entry a record, nil where it was written.
type ProduceErrors struct {
	Metadata []RecordMetadata
	Errors   []error
}

// Error counts, and tells the first.
func (e *ProduceErrors) Error() string {
	n, first := 0, error(nil)
	for _, err := range e.Errors {
		if err != nil {
			if n++; first == nil {
				first = err
			}
		}
	}
	return fmt.Sprintf("%d of %d records failed, the first: %v", n, len(e.Errors), first)
}

// Unwrap gives the errors there are.
func (e *ProduceErrors) Unwrap() []error {
	var errs []error
	for _, err := range e.Errors {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// DialError says why no broker could be reached. Diagnose tells more.
type DialError struct {
	Addrs  []string
	Within time.Duration          // how long it was tried
	Causes []*broker.ConnectError // what each address has last failed of
	Err    error                  // what ended it

	secure bool
}

// Error tells the causes, and what to look at.
func (e *DialError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "dial %s: no broker has answered within %s", printable.Cut(strings.Join(e.Addrs, ", "), printable.MostLong), e.Within.Round(time.Millisecond))
	tell := func(sep rune, cause error) {
		fmt.Fprintf(&b, "%c %v", sep, cause)
		if remedy := broker.Remedy(cause, e.secure); remedy != "" {
			fmt.Fprintf(&b, " (%s)", remedy)
		}
	}
	for i, cause := range e.Causes[:min(len(e.Causes), broker.MostCauses)] {
		tell([]rune(":;")[min(i, 1)], cause)
	}
	if len(e.Causes) == 0 {
		tell(':', e.Err)
	}
	if more := len(e.Causes) - broker.MostCauses; more > 0 {
		fmt.Fprintf(&b, "; and %d more addresses", more)
	}
	return b.String()
}

// Unwrap gives the causes, and what ended it.
func (e *DialError) Unwrap() []error {
	all := []error{e.Err}
	for _, cause := range e.Causes {
		all = append(all, cause)
	}
	return all
}
