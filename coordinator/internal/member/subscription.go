package member

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/printable"
	"github.com/kactor-go/kactor/protocol/trouble"
)

// subscription is what is to be read.
type subscription struct {
	topics  []string // by name, or those that pattern matches
	pattern func(string) bool
	regex   string // the coordinator matches it
	listing bool
	listAt  time.Time     // all topics are asked for again
	asked   *Ask          // pattern is being asked
	askedBy time.Time     // it is told that it does not return
	trouble trouble.State // of the question for all topics

	lacks   bool      // there may be topics that nothing is known of, or that are not there
	lacksAt time.Time // when that is told
	awaits  error     // of the first of them, and of the snapshot that was seen
	seen    *cluster.Snapshot
}

// ErrBlind says that metadata tells nothing of a topic that is subscribed to.
var ErrBlind = errors.New("metadata has told nothing of it")

func (s *subscription) any() bool { return len(s.topics) > 0 || s.pattern != nil || s.regex != "" }

// ErrRegex says that the coordinator of a classic group matches nothing.
var ErrRegex = errors.New("a regular expression that the broker matches needs group.protocol=consumer and Kafka 4.1")

func (c *Core) subscribe(now time.Time, m *Subscribe, out *Effects) {
	before, was := c.sub, c.member
	c.manual, c.member = false, true
	c.sub = subscription{topics: slices.Compact(slices.Sorted(slices.Values(m.Topics))), pattern: m.Pattern, regex: m.Regex}
	if c.sub.pattern != nil {
		c.sub.listAt = now
		if was { // until it is known what matches
			c.sub.topics = before.topics
		}
	}
	c.sub.lacks = true
	c.touchAt = now
	c.polled = now
	if c.state == Failed {
		out.Errors = append(out.Errors, c.err)
		return
	}
	if c.sub.regex != "" && (c.proto == Classic || c.proto == Alone) {
		c.fail(ErrRegex, out)
		return
	}
	if !was || c.sub.regex != before.regex || !slices.Equal(c.sub.topics, before.topics) { // else it is the same: who gives up everything to join again begins where it has committed
		c.resubscribed()
	}
}

// resubscribed lets the group know of another subscription.
func (c *Core) resubscribed() {
	c.remote.told.topics, c.remote.stale, c.foreign, c.alone.stale = false, true, -1, true
	if c.state != Unjoined {
		c.rejoin, c.reason = true, "the subscription has changed"
	}
}

// see takes a new picture of the cluster.
func (c *Core) see(s *cluster.Snapshot) {
	renamed := false // a topic of the target
	for was, is := range s.Changes(c.snap) {
		if was != nil && is != nil && was.ID != is.ID {
			delete(c.fetches.byName, is.Name)
		}
		for _, t := range []*cluster.Topic{was, is} {
			if t != nil {
				_, target := c.remote.target[t.ID]
				renamed = renamed || target
			}
		}
		c.recount(is)
		c.alone.stale = c.alone.stale || was == nil || is == nil || was.ID != is.ID || len(was.Partitions) != len(is.Partitions)
		c.sub.lacks = c.sub.lacks || is == nil || is.Err != protocol.None
	}
	c.snap = s
	if renamed {
		c.learnNames()
	}
}

// driveTopics keeps the topics' metadata, and looks for topics that match the pattern.
func (c *Core) driveTopics(now time.Time, out *Effects) {
	if !c.sub.any() {
		return
	}
	if !now.Before(c.touchAt) {
		c.touchAt = now.Add(c.cfg.MaxAge / 2)
		out.Refresh = append(out.Refresh, c.sub.topics...)
		for _, p := range c.owned { // also those that the coordinator has found by a pattern
			if n := len(out.Refresh); n == 0 || out.Refresh[n-1] != p.Topic {
				out.Refresh = append(out.Refresh, p.Topic)
			}
		}
	}
	c.driveLacking(now, out)
	if by := c.sub.askedBy; !by.IsZero() && !now.Before(by) {
		c.sub.askedBy = time.Time{}
		out.Errors = append(out.Errors, fmt.Errorf("subscribe: %s has not returned within %s: what is read stays as it is", c.sub.asked.what, c.cfg.RequestTimeout))
	}
	if c.sub.pattern != nil && !c.sub.listing && !now.Before(c.sub.listAt) {
		c.sub.listing, c.sub.listAt = true, time.Time{}
		out.List = true
	}
}

// tellLacking is how long nothing is said of a topic that a member waits for, and then between two times that it is told.
const tellLacking = 10 * time.Second

// driveLacking tells of topics that nothing can be read of: what no answer will mend, and that there is no answer, to the application, and what is just not there to the log.
func (c *Core) driveLacking(now time.Time, out *Effects) {
	k := &c.sub
	if k.lacks && k.lacksAt.IsZero() || k.awaits != nil && k.seen != c.snap {
		k.seen, k.awaits = c.snap, nil
		k.lacks = c.lacking(func(name string, code protocol.Code) {
			if k.awaits == nil {
				k.awaits = fmt.Errorf("subscribe: %s: %w", printable.Text(name), lack(code))
			}
		})
		if !k.lacks {
			k.lacksAt = time.Time{}
		} else if k.lacksAt.IsZero() {
			k.lacksAt = now.Add(tellLacking)
		}
	}
	if k.lacksAt.IsZero() || now.Before(k.lacksAt) {
		return
	}
	k.lacksAt = time.Time{}
	var codes []protocol.Code // in the order in which they are met
	first, count := map[protocol.Code]string{}, map[protocol.Code]int{}
	k.lacks = c.lacking(func(name string, code protocol.Code) {
		if count[code]++; count[code] == 1 {
			codes = append(codes, code)
			first[code] = name
		}
	})
	for _, code := range codes {
		text := fmt.Sprintf("subscribe: %s", printable.Text(first[code]))
		if n := count[code] - 1; n > 0 {
			text += fmt.Sprintf(" and %d more topics", n)
		}
		if code != protocol.None && code.Retriable() {
			out.Notes = append(out.Notes, Note{"topics that are subscribed to are not there", fmt.Sprintf("%s: %v", text, code)})
			continue
		}
		out.Errors = append(out.Errors, fmt.Errorf("%s: %w", text, lack(code)))
	}
	if k.lacks {
		k.lacksAt = now.Add(tellLacking)
	}
}

// lack is why nothing can be read of a topic.
func lack(code protocol.Code) error {
	if code == protocol.None {
		return ErrBlind
	}
	return code
}

// Awaits is what the member waits for before it can read a topic that it subscribes to; nil: nothing.
func (c *Core) Awaits() error { return c.sub.awaits }

// lacking tells which topics of the subscription nothing can be read of, and why; None: nothing is known. It gives whether there are any.
func (c *Core) lacking(tell func(name string, code protocol.Code)) (any bool) {
	for _, name := range c.sub.topics {
		switch t := c.snap.Topic(name); {
		case t == nil:
			tell(name, protocol.None)
		case t.Err != protocol.None && len(t.Partitions) == 0:
			tell(name, t.Err)
		default:
			continue
		}
		any = true
	}
	return any
}

// List reads which topics there are from an answer about all of them. An error of the whole answer says nothing of any topic, and an error that passes says nothing of its own.
func List(resp *msg.MetadataResponse) *Listed {
	if code := protocol.Code(resp.ErrorCode); code != protocol.None {
		return &Listed{Err: code}
	}
	m := &Listed{}
	for i := range resp.Topics {
		t := &resp.Topics[i]
		switch code := protocol.Code(t.ErrorCode); {
		case t.Name == nil:
		case code == protocol.None:
			m.Topics = append(m.Topics, Listing{Name: *t.Name, ID: t.TopicID, Internal: t.IsInternal})
		case code.Retriable() && code != protocol.UnknownTopicOrPartition:
			m.Unsure = append(m.Unsure, *t.Name)
		}
	}
	return m
}

// listed takes the names of all topics.
func (c *Core) listed(now time.Time, m *Listed, out *Effects) {
	c.named(m)
	if !c.sub.listing || c.sub.asked != nil {
		return
	}
	if m.Err != nil {
		c.sub.listing, c.sub.listAt = false, now.Add(c.cfg.BackoffMax)
		if c.sub.trouble.Met(now, trouble.Passing, m.Err, c.backoff()) {
			out.Errors = append(out.Errors, fmt.Errorf("subscribe: which topics there are is not known: %w", m.Err))
		}
		return
	}
	c.sub.trouble = trouble.State{}
	var names []string
	for _, t := range m.Topics {
		if c.cfg.Internal || !t.Internal {
			names = append(names, t.Name)
		}
	}
	for _, name := range m.Unsure {
		if slices.Contains(c.sub.topics, name) { // a leader that is being elected takes nothing away
			names = append(names, name)
		}
	}
	pattern := c.sub.pattern
	c.sub.asked, c.sub.askedBy = &Ask{"the function that matches topics", func() any { return match(pattern, names) }}, now.Add(c.cfg.RequestTimeout)
	out.Asks = append(out.Asks, c.sub.asked)
}

// matchAgain is when a pattern that has panicked is tried again.
const matchAgain = 10 * time.Second

// matched takes the names that the pattern matches.
func (c *Core) matched(now time.Time, m *Told, out *Effects) {
	c.sub.asked, c.sub.askedBy, c.sub.listing = nil, time.Time{}, false
	c.sub.listAt = now.Add(c.cfg.MaxAge)
	got, _ := m.value.(matching)
	if err := errors.Join(m.err, got.err); err != nil {
		c.sub.listAt = now.Add(min(matchAgain, c.cfg.MaxAge))
		out.Errors = append(out.Errors, err)
	}
	if m.err == nil && !slices.Equal(got.topics, c.sub.topics) {
		c.sub.topics = got.topics
		c.sub.lacks = true
		c.touchAt = now
		c.resubscribed()
	}
}
