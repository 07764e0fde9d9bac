package differ

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/wire"
)

// world is what one side has told in the course of a script. Both sides have an equal one as long as their answers are equal, but for ids.
type world struct {
	prefix    string // of all names: no script meets another
	began     time.Time
	now       time.Time       // when the step began
	brief     bool            // sessions, transactions and the like are to last no longer than [idle]
	ranges    protocol.Ranges // that both sides speak
	topics    map[string]*topicState
	ends      map[place]int64
	alters    bool            // configurations were altered that have not been waited for
	shortened map[string]bool // topics that records were deleted of
	producers map[string]*producerState
	stranger  int64 // a producer id that the cluster has given nobody
	sessions  map[string]*sessionState
	members   map[string]*memberState // of classic groups, by group
	consumers map[string]*consumerState
	pending   map[string][]place // offsets of transactions that go on, by group
	names     names
}

type place struct {
	topic     string
	partition int32
}

// topicState is what is known of a topic. One that is deleted keeps its id: it may be asked for.
type topicState struct {
	id         wire.UUID
	partitions int32
	wanted     int32 // that were added
	gone       bool
	again      bool // there was one of its name before
	packs      bool // its batches may be compressed anew
	short      bool // its segments may be the shortest that there are
}

type producerState struct {
	transactional string
	id            int64
	epoch         int16
	next          map[place]int32 // sequences
	wrote         []place         // in any epoch
}

type sessionState struct{ id, epoch int32 }

type memberState struct {
	id         string
	before     string // id of the one whose place it took as the same instance
	kind       string // its protocols
	generation int32
	joined     bool
	instance   *string
	untold     int32 // up to this generation the broker has failed to tell it that it leads (2.8 does so); 0: it has not
}

type consumerState struct {
	epoch    int32
	instance *string
	owned    map[wire.UUID][]int32
}

// strangers are ids from here on that no cluster gives in these checks. Each script has another one: partitions of the offsets topic know of all.
const strangers = int64(1) << 40

func newWorld(prefix string, began time.Time, ranges protocol.Ranges) *world {
	h := fnv.New32a()
	h.Write([]byte(prefix))
	return &world{prefix: prefix, stranger: strangers + int64(h.Sum32()), began: began, ranges: ranges, topics: map[string]*topicState{}, ends: map[place]int64{}, shortened: map[string]bool{}, producers: map[string]*producerState{}, sessions: map[string]*sessionState{},
		members: map[string]*memberState{}, consumers: map[string]*consumerState{}, pending: map[string][]place{}, names: newNames()}
}

// name makes a name of the script one of the cluster; the empty one stays so.
func (w *world) name(n string) string {
	if n == "" {
		return ""
	}
	return w.prefix + n
}

func (w *world) short(n string) string { return strings.TrimPrefix(n, w.prefix) }

// nobodys is an id that no topic has.
var nobodys = wire.UUID{15: 77}

// nobodysOf is the same for a topic that there never was.
func nobodysOf(n string) wire.UUID { return wire.UUID{14: n[0], 15: 77} }

func isNobodys(id wire.UUID) bool { return [14]byte(id[:14]) == [14]byte{} && id[15] == 77 }

// topicID is the id of a topic, the last it had if it is gone.
func (w *world) topicID(n string) wire.UUID {
	if t := w.topics[n]; t != nil {
		return t.id
	}
	return nobodysOf(n)
}

// named is the topic that has, or had, an id.
func (w *world) named(id wire.UUID) string {
	for _, n := range topicNames {
		if t := w.topics[n]; t != nil && t.id == id {
			return n
		}
	}
	return ""
}

// times of records are counted from an hour before the script began, so that what a broker has stamped is told from them; where producers are forgotten by them, they are of now.
func (w *world) time(ms int64) int64 {
	if w.brief {
		return w.now.UnixMilli() + ms/10
	}
	return w.began.Add(-time.Hour).UnixMilli() + ms
}

// lasting is how long something lasts that a script asks for, in milliseconds.
func (w *world) lasting(usually int32) int32 {
	if w.brief {
		return 1200
	}
	return usually
}

// names are given to ids in the order they are met: no two clusters draw the same.
type names struct {
	seen   map[any]string
	counts map[string]int
}

func newNames() names { return names{map[any]string{}, map[string]int{}} }

func (n *names) of(kind string, id any) string {
	if name, ok := n.seen[id]; ok {
		return name
	}
	n.counts[kind]++
	n.seen[id] = fmt.Sprintf("%s %d", kind, n.counts[kind])
	return n.seen[id]
}
