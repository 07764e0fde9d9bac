package sim

import (
	"fmt"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// mostRequests is how many requests of an API a client may send to a broker within a second without getting further. ApiVersions among them are connections: four roles have some of their own.
const mostRequests = 20

// mostDials is how many connections an actor may open to a broker within a second: each is of one role.
const mostDials = 5

// Rates counts what clients send and how often they connect, and tells who is in a hurry and gets no further.
type Rates struct {
	// Strict has all of a client counted together, and requests, too, that are many where all is well: Produce, Fetch, OffsetCommit and Metadata. Clients need names of their own then, and what their applications
	// have got is to be told with Further.
	Strict bool

	second  int64
	sent    map[sent]int
	dials   map[dialled]int
	further map[string]int // what a client's application has got in this second
}

// sent is what is counted as one: of a connection, or, where it is strict and clients have names of their own, of a client.
type sent struct {
	client string
	link   *link
	node   int32
	key    int16
}

// dialled is who has opened a connection to a broker.
type dialled struct {
	by   uint64
	node int32
}

// Further notes that an application of a client has got something: records, an acknowledgement. For each it may ask once more.
func (r *Rates) Further(client string, n int) {
	if r.further == nil {
		r.further = map[string]int{}
	}
	r.further[client] += n
}

// turn begins to count anew in each second.
func (r *Rates) turn(now time.Time) {
	if s := now.Unix(); s != r.second || r.sent == nil {
		r.second, r.sent, r.dials, r.further = s, map[sent]int{}, map[dialled]int{}, map[string]int{}
	}
}

// dialled notes that an actor opens a connection, and is an error if it is one too many. What callers do themselves is their own affair.
func (r *Rates) dialled(now time.Time, by uint64, node int32) error {
	r.turn(now)
	who := dialled{by, node}
	r.dials[who]++
	if by < callerIDs && r.dials[who] == mostDials+1 {
		return fmt.Errorf("actor %d connects to broker %d more than %d times within a second", by, node, mostDials)
	}
	return nil
}

// asked notes a request, and is an error if it is one too many.
func (r *Rates) asked(now time.Time, l *link, key int16) error {
	often := key == msg.ProduceAPI || key == msg.FetchAPI || key == msg.OffsetCommitAPI || key == msg.MetadataAPI && !r.Strict // who wants many topics
	if often && !r.Strict {
		return nil
	}
	r.turn(now)
	who := sent{client: l.client, node: l.node, key: key}
	if !r.Strict {
		who.link = l
	}
	r.sent[who]++
	most := mostRequests
	if often {
		most += r.further[l.client]
	}
	if n := r.sent[who]; n == most+1 {
		return fmt.Errorf("%s asks broker %d for %s more than %d times within a second, and gets no further", l.client, l.node, protocol.APIName(key), most)
	}
	return nil
}
