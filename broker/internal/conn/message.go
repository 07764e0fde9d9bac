package conn

import (
	"errors"
	"fmt"
	"time"

	"github.com/kactor-go/kactor/protocol"
)

// Reasons why calls end; the owner of the package gives them names users see.
var (
	ErrTimeout     = errors.New("no answer in time")
	ErrMoved       = errors.New("broker is suspect and its partitions have moved")
	ErrElsewhere   = errors.New("another broker is asked")
	ErrUnsupported = errors.New("the broker does not support this request")
	ErrClosed      = errors.New("client closed")
	ErrGone        = errors.New("the broker has left the cluster")
	ErrFatal       = errors.New("no retry can help")                          // the configuration or the credentials are wrong
	ErrNotAllowed  = errors.New("not an address that allowed.brokers has")    // with ErrFatal
	ErrThrottled   = errors.New("the broker asked to wait past the deadline") // a kind of ErrTimeout
	ErrUnread      = errors.New("the answer cannot be read")                  // the call's own: it is too large, or not what it should be
)

// fatal is an error that is ErrFatal besides.
type fatal struct{ error }

func (f fatal) Is(target error) bool { return target == ErrFatal }
func (f fatal) Unwrap() error        { return f.error }

// unread is an error that is ErrUnread besides.
type unread struct{ error }

func (u unread) Is(target error) bool { return target == ErrUnread }
func (u unread) Unwrap() error        { return u.error }

// classed gives an error its class: what is no broker does not become one.
func classed(err error) error {
	if errors.Is(err, protocol.ErrNotKafka) && !errors.Is(err, ErrFatal) {
		return fatal{err}
	}
	return err
}

// Lacking says that the broker has told, twice at least, that it does not speak what a call needs: one of the versions of Need, with Min > Max none would do, whoever has it.
type Lacking struct {
	API  int16
	Need protocol.Range
	Err  error
}

// Error says what is needed besides.
func (l *Lacking) Error() string {
	switch name := protocol.APIName(l.API); {
	case l.Need.Min > l.Need.Max:
		return l.Err.Error()
	case l.Need.Min == l.Need.Max:
		return fmt.Sprintf("%v; %s v%d is needed", l.Err, name, l.Need.Min)
	default:
		return fmt.Sprintf("%v; %s v%d to v%d is needed", l.Err, name, l.Need.Min, l.Need.Max)
	}
}

// Unwrap gives the reason.
func (l *Lacking) Unwrap() error { return l.Err }

// Call is a request to be sent.
type Call struct {
	Req        protocol.Request
	MinVersion int16
	MaxVersion int16 // zero: no cap; -1: version 0
	Deadline   time.Time
	Wait       time.Duration
	OneWay     bool
	Fit        func(version int16, req protocol.Request) error
	// Moved tells whether the work of the call has moved elsewhere; nil: it cannot be moved.
	Moved func() bool
	// Anywhere says that another broker can answer it, too: it ends with ErrElsewhere when this one does not in time, if it has not been sent, or may be sent twice.
	Anywhere, Replayable bool
	Accepted             time.Time // when somebody began to wait for it; zero: now
	Owner                any

	sent, late  time.Time
	id          int32
	version     int16
	transmitted bool
	ghost       bool // it was ended, but its answer may still come, or that it is written
	// then takes the answer to a call of the connection's own, as it came; nil: the call is somebody's.
	then func(c *Core, now time.Time, frame []byte, out *Effects)
}

// End is what became of a call.
type End struct {
	Call    *Call
	Resp    protocol.Response
	Version int16
	Frame   []byte
	Err     error
	Sent    bool
	Phase   string
	Elapsed time.Duration
}

// Decode is an answer to be read off the actor, and to be told with Decoded. Nobody else looks at it meanwhile.
type Decode struct {
	gen     uint64
	call    *Call
	version int16
	frame   []byte
}

// Run reads the answer. It is for any goroutine.
func (d *Decode) Run() *Decoded {
	resp := d.call.Req.NewResponse()
	return &Decoded{d, resp, protocol.ReadResponse(resp, d.frame, d.version)}
}

// Effects of a step, to be performed in this order.
type Effects struct {
	CloseLink bool   // end the link, if there is one; its later events carry an old Gen
	Resolve   bool   // look Host up and answer with Resolved
	Dial      string // open a link to "ip:port" and answer with Opened or Broken, of generation Gen
	Gen       uint64
	Raise     bool       // the peer speaks Kafka's protocol, as whom it should: its frames may be as large as is configured
	Send      [][][]byte // frames in segments
	Released  []*Call    // calls whose bytes nobody reads any more
	Decode    *Decode    // an answer that takes long to read
	Consumed  int        // bytes of frames received on the present link that are done with
	Ends      []End
	Up        bool          // the versions are known and the connection is ready
	Down      error         // the connection failed, or could not be made
	DownPhase string        // what was being done; empty: nothing was
	Unread    bool          // it has failed because an answer cannot be read: the broker is well
	Late      bool          // an answer is late, or a connection: the broker is suspect
	Alive     bool          // an answer came
	Throttle  time.Duration // as the answer says, or said when it was held back
	Finished  bool          // closed, and nothing is left
	Left      bool          // Bye was taken: the actor may be stopped
}

// Reset empties the effects for the next step.
func (e *Effects) Reset() {
	clear(e.Send)
	clear(e.Ends)
	clear(e.Released)
	*e = Effects{Send: e.Send[:0], Ends: e.Ends[:0], Released: e.Released[:0], Gen: e.Gen}
}

// Messages of the connection.
type (
	// Message is what a connection takes.
	Message interface{ conn() }
	// Resolved answers Resolve.
	Resolved struct {
		Gen   uint64
		Addrs []string
		Err   error
	}
	// Opened says that the link is open.
	Opened struct{ Gen uint64 }
	// Received is one frame without its size.
	Received struct {
		Gen   uint64
		Frame []byte
	}
	// Decoded is an answer that was read off the actor.
	Decoded struct {
		of   *Decode
		resp protocol.Response
		err  error
	}
	// Flushed says that the oldest frame that was sent has been written.
	Flushed struct{ Gen uint64 }
	// Broken says that the link is gone. It comes once for every link, also for one that was closed.
	Broken struct {
		Gen uint64
		Err error
	}
	// Moved asks each call whether its work has moved. Cluster -> connection.
	Moved struct{}
	// Close ends the connection: calls in flight are waited for until Deadline, and end with Why then; nil: ErrClosed.
	Close struct {
		Deadline time.Time
		Why      error
	}
	// Bye says that nothing comes any more from who sends it. Cluster -> connection; once, after Finished or a failure.
	Bye struct{}
)

func (*Call) conn()     {}
func (*Resolved) conn() {}
func (*Opened) conn()   {}
func (*Received) conn() {}
func (*Decoded) conn()  {}
func (*Flushed) conn()  {}
func (*Broken) conn()   {}
func (*Moved) conn()    {}
func (*Close) conn()    {}
func (*Bye) conn()      {}
