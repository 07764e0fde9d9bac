package member

import (
	"errors"
	"fmt"
	"time"

	"github.com/kactor-go/kactor/protocol"
)

// lacksFor is how long who may use the classic protocol waits for the one that the cluster had: longer than a broker takes that is started anew.
const lacksFor = 2 * time.Minute

// refuses tells whether coordinators refuse the protocol so that it is to be believed: from the first on, twice. One that has taken it once is upgraded, or set back; then only who may use the classic protocol believes it, in time.
func (c *Core) refuses(now time.Time, m *Answer, code protocol.Code) bool {
	r := &c.remote
	if code != protocol.UnsupportedVersion && (!m.Lacks || m.Nobody) {
		if m.Resp != nil {
			r.refused = 0
		}
		return false
	}
	if r.refused++; r.refused == 1 {
		r.lacking = now
	}
	if r.spoken {
		return c.cfg.Protocol == Auto && now.Sub(r.lacking) >= lacksFor
	}
	return code == protocol.UnsupportedVersion && r.refused > 1
}

// unsupported falls back to the classic protocol, if it may.
func (c *Core) unsupported(m *Answer, out *Effects) {
	if c.cfg.Protocol != Auto {
		err := m.Err
		if err == nil {
			err = protocol.UnsupportedVersion
		} else if !errors.Is(err, protocol.UnsupportedVersion) {
			err = fmt.Errorf("%w: %w", protocol.UnsupportedVersion, err)
		}
		c.fail(fmt.Errorf("the cluster does not have group.protocol=consumer (Kafka 4.0, or its configuration): %w", err), out)
		return
	}
	c.fallBack("the cluster does not have group.protocol=consumer", out)
}
