package plan

import (
	"time"

	"github.com/kactor-go/kactor/fetcher/internal/session"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Messages.
type (
	// Message is what the core takes.
	Message interface{ fetcher() }
	// Assign begins to fetch partitions, or moves those that are there: a seek.
	Assign struct{ Starts []Start }
	// Revoke ends the fetching of partitions.
	Revoke struct{ Parts []cluster.TopicPartition }
	// Pause stops the fetching of partitions, or lets it go on.
	Pause struct {
		Parts []cluster.TopicPartition
		On    bool
	}
	// Taken says that chunks are done with.
	Taken struct{ Chunks []Taking }
	// Held counts so much more memory to the budget, or, if negative, less: a large batch is decompressed.
	Held struct{ Bytes int64 }
	// Changed is a new picture of the cluster.
	Changed struct{ Snapshot *cluster.Snapshot }
	// Fetched answers a fetch.
	Fetched struct {
		Request *Request
		Resp    *msg.FetchResponse
		Version int16
		Frame   any // whose bytes Resp aliases
		Err     error
		Moved   bool
		Unread  bool // there was an answer, and it cannot be read

		nodes map[int32]*cluster.Node // of Resp; nil: not needed yet
	}
	// Listed answers ListOffsets.
	Listed struct {
		Query   *Query
		Resp    *msg.ListOffsetsResponse
		Version int16
		Err     error
		Fatal   bool
	}
	// Checked answers OffsetForLeaderEpoch.
	Checked struct {
		Query *Query
		Resp  *msg.OffsetForLeaderEpochResponse
		Err   error
		Fatal bool // the broker does not have the request
	}
	// Close ends the sessions.
	Close struct{ Owner any }
)

func (*Assign) fetcher()  {}
func (*Revoke) fetcher()  {}
func (*Pause) fetcher()   {}
func (*Taken) fetcher()   {}
func (*Held) fetcher()    {}
func (*Changed) fetcher() {}
func (*Fetched) fetcher() {}
func (*Listed) fetcher()  {}
func (*Checked) fetcher() {}
func (*Close) fetcher()   {}

// Start is where a partition begins.
type Start struct {
	cluster.TopicPartition
	Gen    uint64
	Offset int64 // or AtEnd, AtStart, AtDefault
	Time   int64 // with ByTime: milliseconds since 1970
	ByTime bool
	Epoch  int32     // leader epoch of the record before, where it is known; -1
	ID     wire.UUID // of the topic that is to be read; zero: whichever has the name
}

// Taking is a chunk that is done with: consumed to its end, or dropped.
type Taking struct {
	cluster.TopicPartition
	Gen   uint64
	Bytes int64
	// Back asks to fetch again from At, behind a record of leader epoch Epoch (-1: not known). Nothing else is kept of what was fetched behind it.
	Back  bool
	At    int64
	Epoch int32
	Life  int // the chunk's
	// Err says that it was damaged.
	Err error
	// Dropped says that nobody has read it.
	Dropped bool
	// Grow asks for more bytes: not one whole batch came.
	Grow bool
	// Vain is what is wrong with it if it was read to its end and the position is where it was.
	Vain error
}

// Request is one fetch in flight.
type Request struct {
	Node    int32
	Wants   []session.Want
	Ask     session.Ask
	MaxByte int32
	Cost    int64         // reserved of the budget
	Wait    time.Duration // how long the broker may hold it back
	Aside   bool          // on another connection than the others: it is not to wait behind one that is held back
	Apart   bool          // the same, and the connection may end with the answer
	ByName  bool          // a topic id is not known: no version with ids
	Led     any           // what the owner has made of Wants; it stays when the request is repeated

	asked   time.Time
	parts   []*part
	flight  *flight
	stamp   uint64    // of the core's state that it was made from
	uneven  bool      // see part.uneven: that of one of them
	brokers int       // that were asked at the time
	until   time.Time // it is made anew then, whatever
}

// inTurn tells whether it is one of those that are in a broker's session, one after the other.
func (r *Request) inTurn() bool { return !r.Aside && !r.Apart }

// flight tells requests apart; the repetitions of one are the same.
type flight struct{ _ byte }

// Query is one ListOffsets or OffsetForLeaderEpoch in flight.
type Query struct {
	Node  int32
	Parts []QueryPart

	asked time.Time
}

// QueryPart is one partition of a query.
type QueryPart struct {
	cluster.TopicPartition
	Gen         uint64
	Timestamp   int64
	LeaderEpoch int32
	LastEpoch   int32
	life        int // of the partition, see part
}

// Chunk is what came of one partition in one answer.
type Chunk struct {
	cluster.TopicPartition
	Gen           uint64
	Offset        int64 // the records from here on count
	Records       []byte
	Room          int32 // so many bytes of records were asked for
	LeaderEpoch   int32
	HighWatermark int64
	LastStable    int64
	LogStart      int64
	Aborted       []msg.FetchResponseAbortedTransaction
	Topic         wire.UUID // it is of; zero: not known
	Before        int32     // leader epoch of the record before; -1
	Life          int       // of the partition, see part
	Backs         int       // the same: who has sent it back more often takes this for what was fetched before
	Bytes         int64
	Frame         any // Records lie in it
}

// Place tells where a partition stands: at its reset, and with each answer.
type Place struct {
	cluster.TopicPartition
	Gen        uint64
	Position   int64     // set when it was resolved; -1
	Topic      wire.UUID // the position is of; zero: not known, or as before
	HighWater  int64
	LastStable int64
	LogStart   int64
	Why        string // of a reset: what the application may want to know
	Quiet      bool   // it was told lately
	Reset      bool   // Position is where auto.offset.reset says, or where a log agrees
	From       int64  // of a Reset: the position before; -1: there was none
}

// Failure is what the application must be told.
type Failure struct {
	cluster.TopicPartition
	Gen    uint64
	Offset int64
	Err    error
	Again  bool // the partition is tried again; else it stands still until a seek
	Keeps  bool // it is no refusal: it may pass any moment
}

// Truncation says that the log has lost records that were consumed (KIP-320).
type Truncation struct {
	Position  int64
	Divergent int64 // the log agrees up to here; -1: not known
	Epoch     int32
}

// Error says what happened.
func (t *Truncation) Error() string { return "log truncation" }

// Hint is a leader learnt from an answer.
type Hint struct {
	cluster.TopicPartition
	Topic         wire.UUID // that was asked about; zero: it was asked by name
	Leader, Epoch int32
	Node          *cluster.Node
}

// Effects of a step, to be performed in this order.
type Effects struct {
	Hints   []Hint
	Refresh []string // topics
	Why     string
	Doubts  []Doubt
	Fetch   []*Request
	List    []*Query
	Check   []*Query
	Places  []Place
	Chunks  []*Chunk
	Fail    []Failure
	Evict   []Eviction
	Frames  []any // the core is done with these, but for the chunks in them
	End     []EndSession
	Closed  any

	evicted bool // what can be was looked for
}

// Eviction asks to give back what a paused partition has in the buffer: others need the room. It is fetched again when the partition is resumed.
type Eviction struct {
	cluster.TopicPartition
	Gen uint64
}

// EndSession closes a session.
type EndSession struct {
	Node, ID int32
}

// Reset empties the effects.
func (e *Effects) Reset() {
	clear(e.Fetch)
	clear(e.Chunks)
	clear(e.Fail)
	clear(e.Frames)
	*e = Effects{Hints: e.Hints[:0], Refresh: e.Refresh[:0], Doubts: e.Doubts[:0], Fetch: e.Fetch[:0], List: e.List[:0], Check: e.Check[:0], Places: e.Places[:0], Chunks: e.Chunks[:0],
		Fail: e.Fail[:0], Frames: e.Frames[:0], End: e.End[:0], Evict: e.Evict[:0]}
}
