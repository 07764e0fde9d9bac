package broker

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
)

// Config of the cluster actor and its connections. Names in brackets are Kafka's properties.
type Config struct {
	Bootstrap        []string      // host:port of some brokers (bootstrap.servers)
	ClientID         string        // sent with every request (client.id)
	SetupTimeout     time.Duration // of one attempt to connect to one address (socket.connection.setup.timeout.ms, 10 s)
	SetupMax         time.Duration // and of one behind attempts that have failed, each of which doubles it (socket.connection.setup.timeout.max.ms, 10 s: it does not grow; KIP-601)
	MaxIdle          time.Duration // a connection nobody uses is closed (connections.max.idle.ms, 9 min); zero: never
	RequestTimeout   time.Duration // of the client's own requests for metadata and coordinators (request.timeout.ms, 30 s)
	ReconnectFirst   time.Duration // delay after the first failure to connect (reconnect.backoff.ms, 50 ms)
	ReconnectMax     time.Duration // and at most (reconnect.backoff.max.ms, 1 s)
	RetryFirst       time.Duration // delay after a failed request for metadata (retry.backoff.ms, 100 ms)
	RetryMax         time.Duration // and at most (retry.backoff.max.ms, 1 s)
	MetadataMaxAge   time.Duration // metadata is refreshed at least so often (metadata.max.age.ms, 5 min)
	TopicIdle        time.Duration // a topic nobody asked for so long is forgotten (metadata.max.idle.ms, 5 min); zero: never
	RebootstrapAfter time.Duration // without any answer for so long, begin anew with Bootstrap (metadata.recovery.rebootstrap.trigger.ms, 5 min); zero: at any attempt that has failed
	NoRebootstrap    bool          // never ask the addresses of Bootstrap again (metadata.recovery.strategy=none)
	AutoCreateTopics bool          // brokers may create unknown topics (allow.auto.create.topics, true)
	MaxInFlight      int           // requests in flight on one connection, whoever sends them (64)
	MaxBrokers       int           // an answer that lists more brokers is refused (metadata.max.brokers, 10,000); zero: the default
	MaxPartitions    int           // and one that lists more partitions (metadata.max.partitions, 2,000,000); zero: the default
	LateAfter        time.Duration // an answer is not late before this, and then its broker is suspect (500 ms)
	Allowed          []string      // of the addresses that the cluster advertises only these, and those of Bootstrap, are connected to: names of hosts, *.suffix, IP addresses, networks (allowed.brokers); empty: all
	Release          string        // of the brokers: no newer versions are used than it has, and its own where they cannot be asked, as before 0.10 (broker.version)
	ReleaseFallback  string        // the release whose versions are used where a broker does not answer which it speaks (broker.version.fallback)
}

// Default is the configuration of the Java client 4.3, where it has the setting.
func Default() Config {
	return Config{
		ClientID: "kactor", SetupTimeout: 10 * time.Second, SetupMax: 10 * time.Second, MaxIdle: 9 * time.Minute, RequestTimeout: 30 * time.Second,
		ReconnectFirst: 50 * time.Millisecond, ReconnectMax: time.Second, RetryFirst: 100 * time.Millisecond, RetryMax: time.Second,
		MetadataMaxAge: 5 * time.Minute, TopicIdle: 5 * time.Minute, RebootstrapAfter: 5 * time.Minute, AutoCreateTopics: true,
		MaxInFlight: 64, MaxBrokers: 10_000, MaxPartitions: 2_000_000, LateAfter: 500 * time.Millisecond,
	}
}

// Validate returns everything that is wrong, by property.
func (c *Config) Validate() error {
	var errs []error
	bad := func(property, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", property, fmt.Sprintf(format, args...)))
	}
	if len(c.Bootstrap) == 0 {
		bad("bootstrap.servers", "no broker is named")
	}
	if _, err := Addresses(c.Bootstrap); err != nil {
		bad("bootstrap.servers", "%v", err)
	}
	if _, err := newAllowed(c); err != nil {
		bad("allowed.brokers", "%v", err)
	}
	for _, d := range []struct {
		property string
		value    time.Duration
	}{
		{"socket.connection.setup.timeout.ms", c.SetupTimeout}, {"request.timeout.ms", c.RequestTimeout}, {"reconnect.backoff.ms", c.ReconnectFirst},
		{"retry.backoff.ms", c.RetryFirst}, {"metadata.max.age.ms", c.MetadataMaxAge},
	} {
		if d.value <= 0 {
			bad(d.property, "must be positive, not %s", d.value)
		}
	}
	if c.ReconnectMax < c.ReconnectFirst {
		bad("reconnect.backoff.max.ms", "%s is less than reconnect.backoff.ms, %s", c.ReconnectMax, c.ReconnectFirst)
	}
	if c.RetryMax < c.RetryFirst {
		bad("retry.backoff.max.ms", "%s is less than retry.backoff.ms, %s", c.RetryMax, c.RetryFirst)
	}
	if c.MaxInFlight < 1 {
		bad("max.in.flight.requests.per.connection", "must be positive, not %d", c.MaxInFlight)
	}
	for _, n := range []struct {
		field string
		value int
	}{{"MaxBrokers", c.MaxBrokers}, {"MaxPartitions", c.MaxPartitions}} {
		if n.value < 0 {
			bad(n.field, "must not be negative, as %d is", n.value)
		}
	}
	for _, r := range []struct{ property, release string }{{"broker.version", c.Release}, {"broker.version.fallback", c.ReleaseFallback}} {
		if r.release == "" {
			continue
		}
		if _, err := protocol.Release(r.release); err != nil {
			bad(r.property, "%v", err)
		}
	}
	return errors.Join(errs...)
}

// Addresses reads host:port addresses; they get the ids -1, -2, ...
func Addresses(addrs []string) (nodes []cluster.Node, err error) {
	for _, a := range addrs {
		a = strings.TrimSpace(a)
		host, port, err := net.SplitHostPort(a)
		if err != nil {
			return nil, fmt.Errorf("%q is not host:port", a)
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || host == "" {
			return nil, fmt.Errorf("%q is not host:port", a)
		}
		nodes = append(nodes, cluster.Node{ID: int32(-1 - len(nodes)), Host: host, Port: int32(n)})
	}
	return nodes, nil
}
