package api

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"strings"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
)

// Brokers sets the addresses of some brokers of the cluster, as host:port; the others are learnt from them (bootstrap.servers). A host without a port has 9092. One address that answers is enough.
func Brokers(addrs ...string) ClientOption {
	return Property("bootstrap.servers", strings.Join(addrs, ","))
}

// AllowedBrokers restricts which advertised addresses the client connects to, besides those of [Brokers] (allowed.brokers): names of hosts, all names with an ending ("*.kafka.example.com"), IP addresses, and networks ("10.0.0.0/8"). A
// host name that is not in the list itself may resolve to addresses that are. The client does not connect to any other broker: requests to it fail with [broker.ErrNotAllowed], and the logger is told. Without this option the client
// connects to every address that the cluster advertises; whoever answers for the cluster could name hosts that can be reached only from here.
func AllowedBrokers(hosts ...string) ClientOption {
	if len(hosts) == 0 { // all would be allowed
		return clientOption(func(*settings) error { return errors.New("allowed.brokers: none is named") })
	}
	return Property("allowed.brokers", strings.Join(hosts, ","))
}

// ClientID sets the name that the client gives to brokers with every request, which their logs, metrics and quotas use (client.id). The default is kactor.
func ClientID(id string) ClientOption { return Property("client.id", id) }

// Logger sets where the client logs. The default is not to log. Lines are written on a goroutine of the logger's own, a moment later: a handler that blocks delays nothing else, and lines are dropped while 1,024 of them wait.
func Logger(l *slog.Logger) ClientOption {
	return clientOption(func(s *settings) error {
		s.logger = nil
		if l != nil {
			s.logger = role.LogAside(l)
		}
		return nil
	})
}

// World makes the client live in a world of its own time, as the simulator's. The default is the real one.
func World(w role.World) ClientOption {
	return clientOption(func(s *settings) error { s.world = w; return nil })
}

// System makes the client's actors children of an actor system of the embedder's. By default the client starts one of its own.
func System(a *role.ActorSystem) ClientOption {
	return clientOption(func(s *settings) error { s.system = a; return nil })
}

// Dialer sets the function that opens connections, in place of [net.Dialer.DialContext]: for a proxy, or for an embedded cluster.
func Dialer(dial func(ctx context.Context, network, address string) (net.Conn, error)) ClientOption {
	return clientOption(func(s *settings) error { s.network.Dial = dial; return nil })
}

// TLS secures every connection with this configuration (security.protocol=SSL).
func TLS(c *tls.Config) ClientOption {
	return clientOption(func(s *settings) error {
		if c == nil {
			return errors.New("TLS: the configuration is nil")
		}
		s.network.TLS, s.secured = c, true
		return nil
	})
}

// Lazy makes [Dial] return at once, without waiting for a broker to answer.
func Lazy() ClientOption {
	return clientOption(func(s *settings) error { s.lazy = true; return nil })
}

// Hooks sets functions that are called when something happens to the cluster or its connections. A hook runs on the goroutine of an actor: it must return at once and must not call the client.
func Hooks(h broker.Hooks) ClientOption {
	return clientOption(func(s *settings) error { s.hooks = h; return nil })
}
