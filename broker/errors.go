package broker

import (
	"errors"
	"fmt"
	"time"

	"github.com/kactor-go/kactor/protocol/printable"
)

// Reasons why a call ended without an answer; they are found inside a CallError with errors.Is.
var (
	ErrClosed      = errors.New("client closed")
	ErrTimeout     = errors.New("no answer in time")
	ErrGone        = errors.New("the broker has left the cluster")
	ErrMoved       = errors.New("broker is suspect and its partitions have moved")
	ErrUnsupported = errors.New("the broker does not support this request") // with ErrNobody: it is final
	ErrNoBroker    = errors.New("no broker is reachable")
	ErrNoLeader    = errors.New("the partition has no leader")
	ErrTLS         = errors.New("tls")
	ErrAuth        = errors.New("authentication failed")
	ErrThrottled   = errors.New("the broker asked to wait past the deadline") // with ErrTimeout
	ErrUnread      = errors.New("the answer cannot be read")                  // it is larger than receive.message.max.bytes, or damaged; what else was asked on the connection ends with it, for another reason
)

// CallError is a call that ended without an answer.
type CallError struct {
	API     string        // "Produce"
	Version int16         // -1 before one was chosen
	Node    int32         // -1 before one was chosen, or a bootstrap address
	Addr    string        // "host:port", where one was tried
	Phase   string        // what was being done: route, dns, dial, tls, api-versions, sasl, request
	Sent    bool          // the broker may have seen the request: part of it has been written, or all of it
	Elapsed time.Duration // since the call was accepted
	// Unmet: nobody has been reached at Addr so far, which the cluster itself has named for the node (advertised.listeners).
	Unmet bool
	Err   error
}

// Error says what was tried, on what, and why it failed.
func (e *CallError) Error() string {
	where := ""
	switch {
	case e.Node >= 0 && e.Addr != "":
		where = fmt.Sprintf(" on node %d (%s)", e.Node, printable.Text(e.Addr))
	case e.Addr != "":
		where = " on " + printable.Text(e.Addr)
	case e.Node >= 0:
		where = fmt.Sprintf(" on node %d", e.Node)
	}
	phase := ""
	if e.Phase != "" && e.Phase != "request" {
		phase = " (" + e.Phase + ")"
	}
	text := fmt.Sprintf("%s%s%s: %v", e.API, where, phase, e.Err)
	if took := e.Elapsed.Round(time.Millisecond); took > 0 {
		text += fmt.Sprintf(" after %s", took)
	}
	if e.Unmet {
		text += "; " + Advertised(e.Node)
	}
	return text
}

// Unwrap gives the reason.
func (e *CallError) Unwrap() error { return e.Err }

// Sent reports whether a broker may have seen the request that ended with err. Only a false answer makes a repetition harmless for
// every kind of request.
func Sent(err error) bool {
	var e *CallError
	return errors.As(err, &e) && e.Sent
}
