package conn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// unasked in place of a version of ApiVersions: the broker is not asked, what it speaks is assumed.
const unasked int16 = -1

// learntFor is how long a connection believes that a broker does not answer the newest version: brokers are upgraded.
const learntFor = 10 * time.Minute

// Learnt is what an earlier connection has found out: the version of ApiVersions that the broker answers, where that is not the newest.
type Learnt struct {
	Version int16
	Until   time.Time // zero: nothing was
}

// Learnt gives what is to be remembered of the broker.
func (c *Core) Learnt() Learnt { return c.learnt }

// newest is the version to begin with where nothing was learnt: with broker.version that of the release.
func (c *Core) newest() int16 {
	own, _ := protocol.Own(msg.ApiVersionsAPI)
	if !c.cfg.Versions.Known() {
		return own.Max
	}
	if r, asks := c.cfg.Versions.Get(msg.ApiVersionsAPI); asks {
		return min(own.Max, r.Max)
	}
	return unasked
}

// first is the version that an attempt begins with.
func (c *Core) first(now time.Time) int16 {
	if !now.Before(c.learnt.Until) {
		c.learnt = Learnt{}
		return c.newest()
	}
	return c.learnt.Version
}

// assumed is what a broker speaks that is not asked, or does not answer; not Known: nothing is assumed.
func (c *Core) assumed() protocol.Ranges { return Assumed(c.cfg.Versions, c.cfg.Fallback) }

// Assumed is what a broker speaks that does not tell it, with what broker.version and broker.version.fallback stand for.
func Assumed(release, fallback protocol.Ranges) protocol.Ranges {
	if release.Known() {
		return release
	}
	return fallback
}

// lower takes the next lower version that brokers are known to answer, when one was met with silence or the end of the connection: Kafka answers each (KIP-511), but Azure Event Hubs resets the connection at version 4, and
// brokers before 0.10 close it at any. It reports whether there is another way to ask.
func (c *Core) lower() bool {
	switch {
	case c.asking > 3:
		c.asking = 3
	case c.asking > 0:
		c.asking = 0
	case c.asking == 0 && c.assumed().Known():
		c.asking = unasked
	default:
		c.learnt = Learnt{}
		return false
	}
	return true
}

// HungUp tells whether err is the end of the connection and no more: not one that says what the peer is.
func HungUp(err error) bool {
	return !errors.Is(err, ErrFatal) && !errors.Is(err, protocol.ErrNotKafka) && !errors.Is(err, protocol.ErrFrameSize)
}

// Software is what the client says of itself (KIP-511).
const Software, SoftwareVersion = "kactor", "0.1.0"

// doubtful tells whether what the broker has told is to be asked for again before a call is refused for it: at once, because an answer may have been wrong, and later and later then. It may be an upgrade that the connection has outlived,
// or a proxy that did not reach the broker then. What was told once is not enough: a producer would not be idempotent for ever.
func (c *Core) doubtful(now time.Time) bool {
	return c.asking != unasked && !now.Before(c.doubtAt)
}

// askAgain asks a broker for its versions once more; all calls wait for the answer. From the second time on it is asked on a new connection, if nothing is under way on this one: behind an address there may be several brokers, and one
// that stays with the connection.
func (c *Core) askAgain(now time.Time, out *Effects) {
	c.doubts++
	c.doubtAt = now.Add(min(c.cfg.BackoffFirst<<min(c.doubts-1, 10), max(c.cfg.BackoffMax, c.cfg.BackoffFirst)))
	if c.doubts > 1 && len(c.flight) == 0 && len(c.unflushed) == 0 {
		c.renewing = true
		hangUp(out)
		c.become(Idle)
		c.gen++
		c.retryAt = now
		return
	}
	c.ask(now, versionsRequest(), c.asking, now.Add(c.cfg.SetupTimeout), (*Core).toldAgain, out)
}

// toldAgain reads that. What it says counts if it says something.
func (c *Core) toldAgain(now time.Time, frame []byte, out *Effects) {
	m, err := readVersions(frame, c.asking)
	if err != nil {
		c.broken(now, fmt.Errorf("api versions: %w", err), out)
		return
	}
	c.throttle(now, m, c.asking, out)
	if m.ErrorCode == 0 {
		c.told(m)
		out.Up = true
	}
}

// told takes over what a broker tells of itself.
func (c *Core) told(m *msg.ApiVersionsResponse) {
	c.versions = protocol.RangesOf(m)
	if c.cfg.Versions.Known() {
		c.versions = c.versions.Within(c.cfg.Versions)
	}
}

func versionsRequest() *msg.ApiVersionsRequest {
	m := protocol.NewRequest(msg.ApiVersionsAPI).(*msg.ApiVersionsRequest)
	m.ClientSoftwareName, m.ClientSoftwareVersion = Software, SoftwareVersion
	return m
}

func (c *Core) askVersions(now time.Time, out *Effects) {
	c.ask(now, versionsRequest(), c.asking, c.setupBy, (*Core).negotiated, out)
}

// negotiated reads the answer to ApiVersions. A broker that does not know the version asked for says UNSUPPORTED_VERSION, and from 2.4 on which it knows (KIP-511): it is asked again on the same connection.
func (c *Core) negotiated(now time.Time, frame []byte, out *Effects) {
	m, err := readVersions(frame, c.asking)
	switch code := protocol.Code(m.ErrorCode); {
	case err != nil:
	case code == protocol.UnsupportedVersion:
		if c.asking, err = c.known(m); err == nil {
			c.askVersions(now, out)
			return
		}
	case code != protocol.None:
		err = code
	}
	if err != nil {
		c.broken(now, fmt.Errorf("api versions: %w", err), out)
		return
	}
	c.throttle(now, m, c.asking, out)
	c.told(m)
	c.ready(now, out)
}

// known is the version to ask next for a broker that does not know the present one: the newest of those it says it knows, or 0, if it does not say.
func (c *Core) known(m *msg.ApiVersionsResponse) (int16, error) {
	r, told := protocol.RangesOf(m).Get(msg.ApiVersionsAPI)
	version := min(r.Max, c.asking-1)
	switch {
	case c.asking <= 0 || told && version < max(r.Min, 0):
		return c.asking, fatal{fmt.Errorf("%w: ApiVersions v%d: %w", ErrUnsupported, c.asking, protocol.UnsupportedVersion)}
	case !told:
		return 0, nil
	}
	return version, nil
}

// readVersions reads an answer of a version, or one that refuses the version: Kafka writes that in version 0, whatever was asked for.
func readVersions(frame []byte, version int16) (*msg.ApiVersionsResponse, error) {
	if len(frame) >= 6 && protocol.Code(binary.BigEndian.Uint16(frame[4:])) == protocol.UnsupportedVersion {
		m := &msg.ApiVersionsResponse{}
		if err := protocol.ReadResponse(m, frame, 0); err == nil {
			return m, nil
		}
	}
	m := &msg.ApiVersionsResponse{}
	return m, protocol.ReadResponse(m, frame, version)
}
