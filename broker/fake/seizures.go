package fake

import (
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
)

// Action is what a seizure does with a request. The zero Action lets it pass.
type Action struct {
	Reply     protocol.Response // answer this instead
	Drop      bool              // do not handle it and never answer, nor anything behind it on its connection
	LoseReply bool              // handle it, but never answer
	Cut       bool              // handle it, but cut the connection instead of the answer
	Delay     time.Duration     // answer so much later
	Code      protocol.Code     // of produce requests: append the records, and answer this all the same, as Kafka does when the replicas that it waits for do not come (DelayedProduce)
}

type seizure struct {
	key int16
	fn  func(Request) Action
}

// AnyKey seizes requests of every API.
const AnyKey int16 = -1

// Seize asks fn about every request of an API (AnyKey: of all). The latest seizure comes first; the first that does something decides. release ends it.
// fn may call the methods of the Cluster, but not those of a Server, which would wait for themselves and panic. Without a function it panics.
func (c *Cluster) Seize(key int16, fn func(Request) Action) (release func()) {
	if fn == nil {
		panic("fake: Cluster.Seize: there is no function to ask; the function that Seize gives back ends a seizure")
	}
	s := &seizure{key, fn}
	c.seized = append(c.seized, s)
	return func() { c.seized = slices.DeleteFunc(c.seized, func(o *seizure) bool { return o == s }) }
}

// seize asks the seizures; it reports whether the request is dealt with.
func (c *Cluster) seize(q *call) bool {
	for i := len(c.seized) - 1; i >= 0; i-- {
		s := c.seized[i]
		if s.key != AnyKey && s.key != q.Key {
			continue
		}
		a := s.fn(q.Request)
		q.lose, q.cut, q.delay, q.code = a.LoseReply, a.Cut, a.Delay, a.Code
		switch {
		case a.Reply != nil:
			c.reply(q, a.Reply)
			return true
		case a.Drop:
			q.conn.deaf, q.conn.queue = true, nil // nothing behind it is answered, either
			return true
		case a != Action{}:
			return false
		}
	}
	return false
}

// asks tells whether functions are called that a test has given.
func (c *Cluster) asks() bool {
	return len(c.seized) > 0 || c.observe != nil || c.cfg.MemberID != nil
}

// Observe calls fn with every request that is handled; nil ends it. What fn may call is told at Seize.
func (c *Cluster) Observe(fn func(Request)) { c.observe = fn }

// FailNext makes the next requests of an API fail with these codes, one each: every topic or partition in them gets the code.
func (c *Cluster) FailNext(key int16, codes ...protocol.Code) {
	c.failures[key] = append(c.failures[key], codes...)
}

// ClearFailures forgets what FailNext has set and was not used.
func (c *Cluster) ClearFailures() { clear(c.failures) }
