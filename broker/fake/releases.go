package fake

import (
	"slices"
	"strings"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// kraft tells whether the controller is one of KRaft. Releases before 3.0 have ZooKeeper here, and those from then on have not.
func (c *Cluster) kraft() bool { return c.atLeast("3.0") }

// newCoordinator tells whether groups have the coordinator of KIP-848, for both protocols: 3.x has it where the new protocol is switched on.
func (c *Cluster) newCoordinator() bool {
	return c.atLeast("4.0") || c.atLeast("3.7") && !c.cfg.NoConsumerProtocol
}

// atLeast compares releases: atLeast("2.4"). It is asked many times a request, and remembers the answers.
func (c *Cluster) atLeast(release string) bool {
	is, known := c.since[release]
	if !known {
		is = isSince(c.cfg.Release, release)
		c.since[release] = is
	}
	return is
}

func isSince(of, release string) bool {
	names := protocol.Releases()
	at := func(r string) int {
		found := -1
		for i, n := range names {
			if n == r || strings.HasPrefix(r, n+".") || strings.HasPrefix(n, r+".") {
				found = i
			}
		}
		return found
	}
	return at(of) >= at(release)
}

// releases are those that a cluster can be of: those that tell clients their versions.
func releases() []string {
	return slices.DeleteFunc(protocol.Releases(), func(r string) bool {
		ranges, _ := protocol.Release(r)
		_, told := ranges.Get(msg.ApiVersionsAPI)
		return !told
	})
}
