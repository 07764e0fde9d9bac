package sim

import (
	"fmt"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// mostRequests is how many requests of an API a client may send to a broker within a second without getting further. ApiVersions among them are connections: four roles have some of their own.
const mostRequests = 20

// Rates counts what clients send, and tells who is in a hurry and gets no further.
type Rates struct {
	// Strict has all of a client counted together, and requests, too, that are many where all is well: Produce, Fetch, OffsetCommit and Metadata. Clients need names of their own then, and what their applications
	// have got is to be told with Further.
	Strict bool

	second  int64
	sent    map[sent]int
	further map[string]int // what a client's application has got in this second
}

// sent is what is counted as one: of a connection, or, where it is strict and clients have names of their own, of a client.
type sent struct {
	client string
	link   *link
	node   int32
	key    int16
}

// Further notes that an application of a client has got something: records, an acknowledgement. For each it may ask once more.
func (r *Rates) Further(client string, n int) {
	if r.further == nil {
		r.further = map[string]int{}
	}
	r.further[client] += n
}

// asked notes a request, and is an error if it is one too many.
func (r *Rates) asked(now time.Time, l *link, key int16) error {
	often := key == msg.ProduceAPI || key == msg.FetchAPI || key == msg.OffsetCommitAPI || key == msg.MetadataAPI && !r.Strict // who wants many topics
	if often && !r.Strict {
		return nil
	}
	if s := now.Unix(); s != r.second || r.sent == nil {
		r.second, r.sent, r.further = s, map[sent]int{}, map[string]int{}
	}
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
