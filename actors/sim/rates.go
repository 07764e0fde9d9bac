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
	// Watch has too many told as errors of the world.
	Watch bool

	second  int64
	sent    map[sent]int
	further map[string]int // what a client's application has got in this second
}

type sent struct {
	client string
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
func (r *Rates) asked(now time.Time, client string, node int32, key int16) error {
	if !r.Watch {
		return nil
	}
	if s := now.Unix(); s != r.second || r.sent == nil {
		r.second, r.sent, r.further = s, map[sent]int{}, map[string]int{}
	}
	who := sent{client, node, key}
	r.sent[who]++
	most := mostRequests
	switch key {
	case msg.ProduceAPI, msg.FetchAPI, msg.OffsetCommitAPI:
		most += r.further[client]
	}
	if n := r.sent[who]; n == most+1 {
		return fmt.Errorf("%s asks broker %d for %s more than %d times within a second, and gets no further", client, node, protocol.APIName(key), most)
	}
	return nil
}
