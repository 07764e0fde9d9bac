package broker

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/printable"
)

// failures are why addresses could not be connected to; connections note them.
type failures struct {
	sync.Mutex
	of    map[string]*ConnectError // by address
	lacks map[int16]lack           // by API
}

// Failures are the addresses that cannot be connected to at present, by node: those of bootstrap servers last.
func (c *Client) Failures() (all []*ConnectError) {
	c.failures.Lock()
	defer c.failures.Unlock()
	for _, e := range c.failures.of {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *ConnectError) int {
		return cmp.Or(cmp.Compare(b.Node, a.Node), cmp.Compare(a.Addr, b.Addr))
	})
	return all
}

// unmet tells whether nobody has ever been reached where the cluster says that a node is.
func (c *Client) unmet(node int32, phase string) bool {
	_, met := c.Versions(node)
	return !met && node >= 0 && (phase == "dns" || phase == "dial" || phase == "tls")
}

// reached forgets a failure: the address has been reached, or is not tried any more.
func (c *Client) reached(peer cluster.Node) {
	c.failures.Lock()
	defer c.failures.Unlock()
	delete(c.failures.of, peer.Addr())
}

// errSlow is why an address is not connected to as long as an attempt is under way that takes long.
var errSlow = errors.New("no answer so far")

// awaits notes that an attempt to connect takes long.
func (c *Client) awaits(peer cluster.Node, phase string, err error) { c.note(peer, phase, err, true) }

// unreached notes a failure.
func (c *Client) unreached(peer cluster.Node, phase string, err error) {
	c.note(peer, phase, err, false)
}

func (c *Client) note(peer cluster.Node, phase string, err error, lasts bool) {
	c.failures.Lock()
	defer c.failures.Unlock()
	e := &ConnectError{Node: peer.ID, Addr: peer.Addr(), Phase: phase, Attempts: 1, Err: err, Unmet: c.unmet(peer.ID, phase), lasts: lasts}
	if before := c.failures.of[e.Addr]; before != nil {
		e.Attempts += before.Attempts
		if before.lasts { // it is the same attempt
			e.Attempts--
		}
		if e.Node < 0 && before.Node >= 0 { // asked again as a bootstrap address: that the cluster advertises it stays true
			e.Node, e.Unmet = before.Node, before.Unmet
		}
	}
	if c.failures.of == nil {
		c.failures.of = map[string]*ConnectError{}
	}
	c.failures.of[e.Addr] = e
}

// lack is a broker that did not have an API when it was asked for it last.
type lack struct {
	*ConnectError
	at time.Time
}

// lacksFor is how long that may be why a context ends: what is refused is asked for again within two seconds.
const lacksFor = 3 * time.Second

// refuses notes that a broker does not have an API.
func (c *Client) refuses(api int16, peer cluster.Node, err error) {
	c.failures.Lock()
	defer c.failures.Unlock()
	if c.failures.lacks == nil {
		c.failures.lacks = map[int16]lack{}
	}
	c.failures.lacks[api] = lack{&ConnectError{Node: peer.ID, Addr: peer.Addr(), Phase: "request", Attempts: 1, Err: err}, c.world.Now()}
}

// lacked are the APIs that brokers have refused lately.
func (c *Client) lacked() (all []*ConnectError) {
	c.failures.Lock()
	defer c.failures.Unlock()
	for api, l := range c.failures.lacks {
		if c.world.Now().Sub(l.at) >= lacksFor {
			delete(c.failures.lacks, api)
			continue
		}
		all = append(all, l.ConnectError)
	}
	slices.SortFunc(all, func(a, b *ConnectError) int { return cmp.Compare(a.Err.Error(), b.Err.Error()) })
	return all
}

// ConnectError is why an address could not be connected to, the last time that it was tried.
type ConnectError struct {
	Node     int32  // negative: a bootstrap address
	Addr     string // host:port
	Phase    string // dns, dial, tls, api-versions; request, if the connection has broken later; metadata, if that tells more than is taken
	Attempts int    // in a row
	Unmet    bool   // nobody has been reached there so far, where the cluster says that the node is (advertised.listeners)
	Err      error

	lasts bool // the last of the attempts is under way
}

// Error says where, at what, why, and how often.
func (e *ConnectError) Error() string {
	text := fmt.Sprintf("%s (%s): %v", printable.Text(e.Addr), e.Phase, e.Err)
	if e.Attempts > 1 {
		text += fmt.Sprintf(", %d times", e.Attempts)
	}
	if e.Unmet {
		text += "; " + Advertised(e.Node)
	}
	return text
}

// Unwrap gives the reason.
func (e *ConnectError) Unwrap() error { return e.Err }

// because is an error with what may be its cause.
type because struct {
	error
	causes []*ConnectError
}

func (b *because) Error() string {
	text := b.error.Error()
	for _, c := range b.causes[:min(len(b.causes), MostCauses)] {
		text += "; " + c.Error()
	}
	if more := len(b.causes) - MostCauses; more > 0 {
		text += fmt.Sprintf("; and %d more addresses", more)
	}
	return text
}

// MostCauses are told in one text; all are in the error.
const MostCauses = 8

func (b *because) Unwrap() []error {
	all := []error{b.error}
	for _, c := range b.causes {
		all = append(all, c)
	}
	return all
}

// Because adds to an error, as that of a context that has ended, which addresses cannot be connected to at present, and why, and which requests brokers do not support.
func (c *Client) Because(err error) error {
	if causes := append(c.Failures(), c.lacked()...); err != nil && len(causes) > 0 {
		return &because{err, causes}
	}
	return err
}
