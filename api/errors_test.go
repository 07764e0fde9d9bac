package api

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/coordinator"
	"github.com/kactor-go/kactor/fetcher"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/sender"
)

// Fatal is what a loop over records ends for.
func TestFatal(t *testing.T) {
	for _, c := range []struct {
		err   error
		fatal bool
	}{
		{nil, false},
		{context.Canceled, true},
		{fmt.Errorf("poll: %w", context.DeadlineExceeded), true},
		{public(fetcher.ErrClosed), true}, {public(coordinator.ErrClosed), true}, {public(sender.ErrClosed), true}, {public(broker.ErrClosed), true},
		{&coordinator.Fatal{Err: protocol.GroupAuthorizationFailed}, true},
		{errReentered("poll"), true}, {ErrConcurrent, true},
		{ErrHandlerDeadline, false},
		{public(sender.ErrTimeout), false}, {public(broker.ErrTimeout), false},
		{&PartitionError{Err: protocol.TopicAuthorizationFailed}, false}, {&LogTruncationError{}, false},
		{ErrFenced, false}, {ErrUncertain, false}, {ErrTooLarge, false}, {ErrNoBroker, false}, {errors.New("another"), false},
	} {
		if got := Fatal(c.err); got != c.fatal {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}
