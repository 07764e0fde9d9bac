package broker

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/kactor-go/kactor/broker/internal/conn"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/printable"
)

// ErrNotAllowed says that the cluster advertises an address that is not connected to; ErrFatal is in the same error.
var ErrNotAllowed = conn.ErrNotAllowed

// allowed says which of the addresses that a cluster advertises are connected to: whoever answers for it may advertise others, which can be reached only from here. nil allows all.
type allowed struct {
	bootstrap []cluster.Node // are allowed: who uses the client has named them
	names     []string       // in lower case; with a leading dot, of all that end so
	networks  []netip.Prefix
}

// newAllowed reads Config.Allowed.
func newAllowed(c *Config) (*allowed, error) {
	if len(c.Allowed) == 0 {
		return nil, nil
	}
	a := &allowed{}
	a.bootstrap, _ = Addresses(c.Bootstrap)
	for _, s := range c.Allowed {
		if err := a.add(s); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *allowed) add(s string) error {
	if p, err := netip.ParsePrefix(s); err == nil {
		a.networks = append(a.networks, p.Masked())
		return nil
	}
	if ip, ok := address(s); ok {
		a.networks = append(a.networks, netip.PrefixFrom(ip, ip.BitLen()))
		return nil
	}
	name := canonical(s)
	if suffix, ok := strings.CutPrefix(name, "*"); ok {
		name = suffix
		if !strings.HasPrefix(suffix, ".") || len(suffix) == 1 {
			name = ""
		}
	}
	if name == "" || strings.ContainsAny(name, "*/: \t") {
		return fmt.Errorf("\"%s\" is no name of a host, *.suffix, address or network; ports are not named", printable.Text(s))
	}
	a.names = append(a.names, name)
	return nil
}

// address reads an IP address as those of networks are written: without a zone, and IPv4 as such.
func address(s string) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return ip.Unmap().WithZone(""), err == nil
}

// canonical is a name as names are compared.
func canonical(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }

// bar says why a node is not connected to; nil if it is, or if that depends on what its name leads to: see leads.
func (a *allowed) bar(n cluster.Node) error {
	if a == nil || a.named(n) || len(a.networks) > 0 && a.leads(n) != nil {
		return nil
	}
	if a.contains(n.Host) {
		return nil
	}
	return &reason{ErrFatal, fmt.Errorf("broker %d, advertised as %s: %w", n.ID, printable.Text(n.Addr()), ErrNotAllowed)}
}

// named tells whether the address is allowed as it is written.
func (a *allowed) named(n cluster.Node) bool {
	if slices.ContainsFunc(a.bootstrap, func(b cluster.Node) bool { return b.Host == n.Host && b.Port == n.Port }) {
		return true
	}
	host := canonical(n.Host)
	return slices.ContainsFunc(a.names, func(name string) bool {
		if name[0] == '.' {
			return strings.HasSuffix(host, name) && len(host) > len(name)
		}
		return host == name
	})
}

// contains tells whether a network has the address.
func (a *allowed) contains(host string) bool {
	ip, ok := address(host)
	return ok && slices.ContainsFunc(a.networks, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// leads gives what tells which of the addresses that a name leads to may be dialled; nil if all may.
func (a *allowed) leads(n cluster.Node) func(addr string) bool {
	if _, ip := address(n.Host); a == nil || ip || a.named(n) {
		return nil
	}
	return a.contains
}
