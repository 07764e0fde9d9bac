package conn

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

func (c *Core) resolved(now time.Time, m *Resolved, out *Effects) {
	if m.Err != nil || len(m.Addrs) == 0 {
		err := m.Err
		if err == nil {
			err = fmt.Errorf("%s has no address", c.cfg.Host)
		}
		c.failSetup(now, err, out)
		return
	}
	c.addrs, c.next = m.Addrs, 0
	c.dial(now, out)
}

func (c *Core) dial(now time.Time, out *Effects) {
	c.become(Dialling)
	c.gen++
	out.Gen = c.gen
	out.Dial = c.addr()
	c.next++
	c.setupBy = now.Add(c.cfg.SetupTimeout)
}

func (c *Core) addr() string {
	host := c.addrs[c.next]
	if a, err := netip.ParseAddr(host); err == nil {
		return netip.AddrPortFrom(a, uint16(c.cfg.Port)).String()
	}
	return host + ":" + strconv.Itoa(int(c.cfg.Port))
}

func (c *Core) opened(now time.Time, out *Effects) {
	if c.cfg.Versions.Known() {
		c.versions = c.cfg.Versions
		c.ready(now, out)
		return
	}
	c.become(Negotiating)
	own, _ := protocol.Own(msg.ApiVersionsAPI)
	c.askVersions(now, own.Max, out)
}

// software is what the client says of itself (KIP-511).
const software, softwareVersion = "kactor", "0.1.0"

func (c *Core) askVersions(now time.Time, version int16, out *Effects) {
	c.asking = version
	m := protocol.NewRequest(msg.ApiVersionsAPI).(*msg.ApiVersionsRequest)
	m.ClientSoftwareName, m.ClientSoftwareVersion = software, softwareVersion
	c.ask(now, m, version, c.setupBy, (*Core).negotiated, out)
}

func (c *Core) ready(now time.Time, out *Effects) {
	c.become(Ready)
	c.failures, c.lastErr, c.retryAt, c.suspect = 0, nil, time.Time{}, false
	c.lastUse = now
	out.Up, out.Raise = true, true
}

// negotiated reads the answer to ApiVersions. A broker that does not know the version asked for answers in version 0 with an error, and
// from 2.4 on says which it knows (KIP-511).
func (c *Core) negotiated(now time.Time, frame []byte, out *Effects) {
	var m msg.ApiVersionsResponse
	err := protocol.ReadResponse(&m, frame, c.asking)
	if err != nil || protocol.Code(m.ErrorCode) == protocol.UnsupportedVersion {
		m = msg.ApiVersionsResponse{}
		if err0 := protocol.ReadResponse(&m, frame, 0); err0 == nil && protocol.Code(m.ErrorCode) == protocol.UnsupportedVersion && c.asking > 0 {
			version := int16(0)
			if r, ok := protocol.RangesOf(&m).Get(msg.ApiVersionsAPI); ok {
				version = min(r.Max, c.asking-1)
			}
			c.askVersions(now, version, out)
			return
		}
	}
	if err == nil && m.ErrorCode != 0 {
		err = protocol.Code(m.ErrorCode)
	}
	if err != nil {
		c.broken(now, fmt.Errorf("api versions: %w", err), out)
		return
	}
	c.versions = protocol.RangesOf(&m)
	c.ready(now, out)
}

// failSetup ends an attempt to connect. Who waits is told: another broker may do.
func (c *Core) failSetup(now time.Time, err error, out *Effects) {
	phase := c.state.String()
	hangUp(out)
	c.become(Idle)
	c.gen++
	c.failures++
	c.lastErr = err
	c.failFlight(now, err, out)
	c.retryAt = now.Add(c.backoff())
	waiting := c.waiting
	c.waiting = nil
	for _, m := range waiting {
		c.end(now, m, End{Err: err, Phase: phase}, out)
	}
	out.Down, out.DownPhase = err, phase
}

// backoff doubles with each failure in a row, with 20 % of jitter.
func (c *Core) backoff() time.Duration {
	d := c.cfg.BackoffFirst
	for i := 1; i < c.failures && d < c.cfg.BackoffMax; i++ {
		d *= 2
	}
	d = min(d, c.cfg.BackoffMax)
	return d + time.Duration(float64(d)*0.2*(2*c.cfg.Rand.Float64()-1))
}
