package member

import (
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Messages.
type (
	// Message is what the core takes.
	Message interface{ coordinator() }
	// Subscribe says what is to be read: names, a pattern of names, or a pattern that the coordinator matches.
	Subscribe struct {
		Topics  []string
		Pattern func(topic string) bool
		Regex   string
	}
	// Manual says that the application assigns partitions to itself: only offsets are of interest.
	Manual struct{}
	// Held says that the application has given up what a Rebalance revokes, and holds what it assigns.
	Held struct{ Seq uint64 }
	// Done says that the application has done with a Rebalance.
	Done struct{ Seq uint64 }
	// Recalled says that the application had not begun with a Rebalance, and will not.
	Recalled struct{ Seq uint64 }
	// Polled answers AskPolled, or says that the application is back.
	Polled struct{ At time.Time }
	// Returned says that the application is back after max.poll.interval.ms or more, and has been given nothing yet.
	Returned struct {
		Last  time.Time // when it polled before
		Owner any       // is told when it is settled whether the member has lost its partitions
	}
	// Enforce asks for a rebalance (KIP-568).
	Enforce struct{ Reason string }
	// Commit commits offsets. It ends at the deadline at the latest.
	Commit struct {
		Offsets  []Offset
		Deadline time.Time
		Ordered  bool // it ends after the ordered ones before it
		Owner    any

		left  []Offset // what has not ended
		fresh bool     // nothing of it was sent
		err   error    // of what has ended
	}
	// Fetch asks for committed offsets.
	Fetch struct {
		Parts    []Partition
		Deadline time.Time
		Owner    any
	}
	// Begin looks for where partitions begin that the application assigns to itself.
	Begin struct{ Parts []Partition }
	// Forgo says that partitions are not assigned any more that the application had assigned to itself.
	Forgo struct{ Parts []Partition }
	// Answer answers a call.
	Answer struct {
		Call        *Call
		Resp        protocol.Response
		Version     int16
		Err         error
		Lacks       bool // the broker does not have the request
		Unsupported bool // besides: no broker has it, nor had it
		Nobody      bool // besides: it is not this request, but that for the group's coordinator
		Closed      bool // the client is closed
		Sent        bool // a coordinator may have had the call
		Moved       bool // another broker is the coordinator now: the call may be repeated there at once
	}
	// Changed is a new picture of the cluster.
	Changed struct{ Snapshot *cluster.Snapshot }
	// Listed answers List: all topics there are, and those of which a broker could not say so just now.
	Listed struct {
		Topics []Listing
		Unsure []string
		Err    error
	}
	// Told brings what came of an Ask.
	Told struct {
		ask   *Ask
		value any
		err   error
	}
	// Leave ends the membership. The application has given up its partitions.
	Leave struct {
		How      Leaving
		Deadline time.Time
		Final    bool // the consumer is closed
		Owner    any
	}
)

func (*Subscribe) coordinator() {}
func (*Manual) coordinator()    {}
func (*Held) coordinator()      {}
func (*Done) coordinator()      {}
func (*Polled) coordinator()    {}
func (*Returned) coordinator()  {}
func (*Recalled) coordinator()  {}
func (*Enforce) coordinator()   {}
func (*Commit) coordinator()    {}
func (*Fetch) coordinator()     {}
func (*Begin) coordinator()     {}
func (*Forgo) coordinator()     {}
func (*Answer) coordinator()    {}
func (*Changed) coordinator()   {}
func (*Listed) coordinator()    {}
func (*Told) coordinator()      {}
func (*Leave) coordinator()     {}

// Leaving says whether the group is told (KIP-1092).
type Leaving uint8

// The ways to leave.
const (
	LeaveDefault Leaving = iota // dynamic members leave, static ones stay for their session time-out
	LeaveGroup
	RemainInGroup
)

// Listing is a topic that exists.
type Listing struct {
	Name     string
	ID       wire.UUID
	Internal bool
}

// Kind of a call.
type Kind uint8

// The kinds.
const (
	JoinCall Kind = iota
	SyncCall
	HeartbeatCall
	LeaveCall
	ConsumerCall // the heartbeat of KIP-848
	CommitCall
	FetchCall
)

// Call is a request for the group's coordinator.
type Call struct {
	Kind    Kind
	Req     protocol.Request
	Min     int16 // the version that can say it
	Max     int16 // with ByName: the last version that has no topic ids
	Capped  bool  // Max holds
	Timeout time.Duration
	Wait    time.Duration // the coordinator may hold it back so long

	commits    []*Commit
	fetches    []*Fetch
	sent       []sent
	at         time.Time // it was made
	generation int32
	leaving    bool // the heartbeat that says goodbye
}

// Rebalance is what the application has to do. Before it calls the listener's revoked it commits, if it commits automatically and Lost is not set.
type Rebalance struct {
	Seq    uint64
	Lost   bool                 // what Revoke names belongs to others already
	Revoke []Partition          // to be given up
	Assign []Partition          // new
	IDs    map[string]wire.UUID // of the topics of Assign, where the group gives them by id (KIP-848): another one that has the name is not given
	Given  bool                 // an assignment has come, perhaps an empty one: the listener is told
	Back   bool                 // what was given up before, for the group to divide anew, nobody else has had in between
}

// Result ends a Commit or a Fetch.
type Result struct {
	Owner   any
	Offsets []Offset // of a Fetch
	Err     error
}

// Identity is the membership, as producers need it for transactions.
type Identity struct {
	Group, Member, Instance string
	Generation              int32
	State                   State
	Protocol                Protocol
}

// Effects of a step, to be performed in this order.
type Effects struct {
	Forget    bool // who the coordinator is
	Refresh   []string
	List      bool // ask for all topics
	Asks      []*Ask
	Calls     []*Call
	Rebalance *Rebalance  // for the application
	Recall    uint64      // the number of a Rebalance that the application shall not begin with any more
	Instead   *Rebalance  // for the application, in the place of what it shall not begin with
	Drop      bool        // whatever the application has not begun with
	Begins    []Offset    // where to read new partitions from
	Starts    []Partition // new partitions to read from their start
	Results   []Result
	Errors    []error // for the application
	Notes     []Note  // for the log
	CommitDue bool    // the application should commit when it polls next
	AskPolled bool
	Idle      bool // tell when the application polls again
	Left      []any
	Settled   []any // owners of Returned
}

// Note is a line for the log.
type Note struct {
	What string // one of few: lines of the same are one cause
	Text string // what else there is to say; empty: nothing
}

// Reset empties the effects.
func (e *Effects) Reset() {
	clear(e.Calls)
	clear(e.Asks)
	clear(e.Results)
	clear(e.Left)
	clear(e.Settled)
	*e = Effects{Refresh: e.Refresh[:0], Calls: e.Calls[:0], Asks: e.Asks[:0], Begins: e.Begins[:0], Starts: e.Starts[:0], Results: e.Results[:0], Errors: e.Errors[:0], Notes: e.Notes[:0], Left: e.Left[:0], Settled: e.Settled[:0]}
}
