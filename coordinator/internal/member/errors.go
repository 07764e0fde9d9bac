package member

import (
	"errors"
	"fmt"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/printable"
)

// Errors of a member.
var (
	// ErrClosed: the consumer is closed.
	ErrClosed = errors.New("consumer closed")
	// ErrNotOwned: the partition does not belong to this member any more, or not yet.
	ErrNotOwned = errors.New("the partition is not this member's")
	// ErrFenced: the group has gone on without the member, or another member has its place.
	ErrFenced = errors.New("the group has gone on without this member")
	// ErrUncommitted: it could not be found out in time whether the offsets were committed.
	ErrUncommitted = errors.New("the offsets were not committed in time")
)

// ErrBroker: the coordinator has said what none says that works. It is not obeyed.
var ErrBroker = errors.New("a coordinator does not say that")

// Fatal says that a consumer cannot be a member of its group.
type Fatal struct {
	Group string
	Err   error
}

// Error names the group.
func (e *Fatal) Error() string { return fmt.Sprintf("group %s: %v", printable.Text(e.Group), e.Err) }

// Unwrap gives the cause.
func (e *Fatal) Unwrap() error { return e.Err }

// again tells whether a code of the coordinator goes away by itself.
func again(code protocol.Code) bool {
	switch code {
	case protocol.CoordinatorLoadInProgress, protocol.CoordinatorNotAvailable, protocol.NotCoordinator, protocol.RequestTimedOut:
		return true
	}
	return false
}

// transient tells whether a code that is about the membership goes away by itself. What a coordinator has met that it did not expect says nothing of the member.
func transient(code protocol.Code) bool { return again(code) || code == protocol.UnknownServerError }

// elsewhere tells whether the coordinator must be looked for.
func elsewhere(code protocol.Code) bool {
	return code == protocol.CoordinatorNotAvailable || code == protocol.NotCoordinator
}
