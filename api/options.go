package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/coordinator"
	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/fetcher"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/sender"
)

// Option configures a client, a producer or a consumer. Options given to Dial hold for everything that is made of the client.
type Option func(*settings) error

// settings is everything that can be set.
type settings struct {
	broker    broker.Config
	sender    sender.Config
	fetcher   fetcher.Config
	group     coordinator.Config
	topics    []string
	listener  RebalanceListener
	onCommit  func([]Offset, error)
	onReset   func(PositionReset)
	onProduce []ProducerInterceptor
	onConsume []ConsumerInterceptor
	patience  time.Duration // consumer.timeout.ms
	network   broker.NetworkConfig
	poll      int
	class     string // partitioner.class
	keyless   bool   // partitioner.ignore.keys
	lazy      bool
	world     role.World
	system    *role.ActorSystem
	logger    *slog.Logger
	panics    *role.Panics // of interceptors
	hooks     broker.Hooks
	secured   bool
	protocol  string                       // security.protocol
	schemes   map[string]bool              // that bootstrap.servers has before addresses
	set       map[string]string            // what was set by name
	lenient   bool                         // config.strict=false
	unknown   []error                      // names that are no options
	notes     []string                     // what was set and does nothing
	profiled  map[string]map[string]string // what a profile says of one role, of options that all have
	of        string                       // the role whose options are being set: client, producer or consumer
}

func defaults() *settings {
	return &settings{broker: broker.Default(), sender: sender.DefaultConfig(), fetcher: fetcher.DefaultConfig(), group: coordinator.DefaultConfig(), poll: 500, class: "default", protocol: "PLAINTEXT", of: ofClient, set: map[string]string{}}
}

func (s *settings) clone() *settings {
	c := *s
	c.set, c.schemes, c.unknown, c.notes = maps.Clone(s.set), maps.Clone(s.schemes), nil, nil
	c.profiled = map[string]map[string]string{ofProducer: maps.Clone(s.profiled[ofProducer]), ofConsumer: maps.Clone(s.profiled[ofConsumer])}
	return &c
}

// apply sets options. What is unknown is an error, or with config.strict=false, wherever that is among them, a warning.
func (s *settings) apply(opts []Option) error {
	var errs []error
	for i, o := range opts {
		if o == nil {
			errs = append(errs, errNilOption(i))
			continue
		}
		errs = append(errs, o(s))
	}
	if !s.lenient {
		errs = append(errs, s.unknown...)
	}
	return errors.Join(errs...)
}

// tell logs what was set and does nothing.
func (s *settings) tell() {
	if s.logger == nil {
		return
	}
	for _, err := range s.unknown {
		s.logger.Warn(err.Error())
	}
	for _, n := range s.notes {
		s.logger.Info(n)
	}
}

// Roles that options belong to. What is given to Dial holds for all that is made of the client; what is given to a producer or a consumer must be theirs.
const (
	ofClient, ofProducer, ofConsumer = "client", "producer", "consumer"
	ofAny                            = "any"
)

// only is an option of one role.
func only(role, name string, set func(*settings)) Option {
	return func(s *settings) error {
		if s.of != ofClient && s.of != role {
			return misplaced("api."+name, role, s.of)
		}
		set(s)
		return nil
	}
}

// misplaced says that an option was given to a role that does not have it.
func misplaced(name, role, to string) error {
	if role == ofClient {
		return fmt.Errorf("%s: a %s cannot change the client; give it to Dial", name, to)
	}
	return fmt.Errorf("%s is an option of a %s, not of a %s", name, role, to)
}

// errNilOption says that an option is nil, as that of a variable that was never set.
func errNilOption(i int) error { return fmt.Errorf("option %d is nil", i+1) }

// Property sets one option by its Kafka name, as in a properties file: "linger.ms", "5". The same name in snake_case and the names of librdkafka and kafka-python are known, too. Durations are milliseconds or Go durations ("5s");
// sizes are bytes or "1MiB"; words may have capitals or not.
//
// Names of Java's client, librdkafka and kafka-python that mean nothing here (metric.reporters, key.serializer) change nothing, which the logger is told. What another option, a function or a later release is for (sasl.jaas.config,
// dr_cb) is an error that says so. So is a name that nobody knows; with config.strict=false it is a warning in the log.
func Property(name, value string) Option {
	return func(s *settings) error { return s.property(name, value) }
}

// Properties sets options by their Kafka names.
func Properties(p map[string]string) Option {
	return func(s *settings) error {
		var errs []error
		for _, name := range slices.Sorted(maps.Keys(p)) {
			errs = append(errs, s.property(name, p[name]))
		}
		return errors.Join(errs...)
	}
}

// Brokers names some brokers as host:port (bootstrap.servers).
func Brokers(addrs ...string) Option {
	return Property("bootstrap.servers", strings.Join(addrs, ","))
}

// AllowedBrokers says which of the addresses that the cluster advertises are connected to, besides those of Brokers (allowed.brokers): names of hosts, all names with an ending ("*.kafka.example.com"), IP addresses, and networks
// ("10.0.0.0/8"). A name that is not there itself may lead to addresses that are. Another broker is not connected to: what is asked of it has an error with broker.ErrNotAllowed, and the logger is told. Without it all are connected
// to, whoever answers for the cluster: it may name hosts that can be reached only from here.
func AllowedBrokers(hosts ...string) Option {
	if len(hosts) == 0 { // all would be allowed
		return func(*settings) error { return errors.New("allowed.brokers: none is named") }
	}
	return Property("allowed.brokers", strings.Join(hosts, ","))
}

// ClientID names the client (client.id).
func ClientID(id string) Option { return Property("client.id", id) }

// Logger gets warnings and bugs; without it nothing is logged. It is called on a goroutine of its own, a moment later: when it blocks, nothing waits for it, and what is said while 1,024 lines wait is dropped.
func Logger(l *slog.Logger) Option {
	return only(ofClient, "Logger", func(s *settings) {
		s.logger = nil
		if l != nil {
			s.logger = role.LogAside(l)
		}
	})
}

// World makes the client live in a world of its own time: a simulated one.
func World(w role.World) Option {
	return only(ofClient, "World", func(s *settings) { s.world = w })
}

// System makes the client's actors children of an actor system of the embedder's.
func System(a *role.ActorSystem) Option {
	return only(ofClient, "System", func(s *settings) { s.system = a })
}

// Dialer opens connections in place of net.Dialer: a proxy, or an embedded cluster.
func Dialer(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return only(ofClient, "Dialer", func(s *settings) { s.network.Dial = dial })
}

// TLS secures every connection (security.protocol=SSL).
func TLS(c *tls.Config) Option {
	if c == nil {
		return func(*settings) error { return errors.New("TLS: the configuration is nil") }
	}
	return only(ofClient, "TLS", func(s *settings) { s.network.TLS, s.secured = c, true })
}

// Lazy lets Dial return at once, without a look whether a broker can be reached.
func Lazy() Option {
	return only(ofClient, "Lazy", func(s *settings) { s.lazy = true })
}

// Hooks are told what happens to the cluster and its connections; they run on actors and must only note or tell.
func Hooks(h broker.Hooks) Option {
	return only(ofClient, "Hooks", func(s *settings) { s.hooks = h })
}

// Linger is how long a batch waits for more records (linger.ms).
func Linger(d time.Duration) Option { return Property("linger.ms", d.String()) }

// BatchSize is how many bytes a batch of one partition holds (batch.size).
func BatchSize(n int) Option { return Property("batch.size", strconv.Itoa(n)) }

// Compression compresses batches (compression.type).
func Compression(c compress.Codec) Option { return Property("compression.type", c.String()) }

// Partitioner chooses the partitions of records that name none. One goroutine at a time calls it for each topic: that of who hands the record over, or one of the producer's if the topic was not known then. A panic in it is the error of
// the record. While it does not return, records that it is to place wait, at most max.block.ms (ErrPartitionerBusy; TrySend a moment), and those that are held behind one that it is asked about; records that name their partition,
// other topics and Close do not.
//
// It may use its producer. Records for its own topic are placed when it has returned, so it must not wait for their outcomes: Produce of one, Flush and Close return ErrIllegalState within it where they would, whatever else waits for one
// does so for max.block.ms.
func Partitioner(p sender.NewPartitioner) Option {
	return only(ofProducer, "Partitioner", func(s *settings) { s.sender.Partitioner = p })
}

// ResetTo says where a consumer begins without a position (auto.offset.reset).
func ResetTo(r fetcher.Reset) Option {
	return only(ofConsumer, "ResetTo", func(s *settings) { s.fetcher.Reset = r })
}

// Topics subscribes a consumer to these topics from the start. A name that begins with ^ is a regular expression for names.
func Topics(topics ...string) Option {
	return only(ofConsumer, "Topics", func(s *settings) { s.topics = append(slices.Clone(s.topics), topics...) })
}

// OnRebalance is told what the group gives to a consumer and takes from it.
func OnRebalance(l RebalanceListener) Option {
	return only(ofConsumer, "OnRebalance", func(s *settings) { s.listener = l })
}

// OnCommit is called with the outcome of automatic commits, and of asynchronous ones without a function of their own, where the consumer polls.
func OnCommit(f func(offsets []Offset, err error)) Option {
	return only(ofConsumer, "OnCommit", func(s *settings) { s.onCommit = f })
}

// PositionReset tells that a consumer's position was set, instead of read up to: where auto.offset.reset says, because there was none or no such offset, or where a log that has lost what was read agrees (KIP-320).
type PositionReset = fetcher.PositionReset

// OnReset sets what is told of each reset of a position. It is called where the consumer polls, before a record from there is given out. A consumer that commits automatically commits such a position at once: it would
// be another one, with auto.offset.reset=latest, after a restart.
func OnReset(f func(PositionReset)) Option {
	return only(ofConsumer, "OnReset", func(s *settings) { s.onReset = f })
}

// Assignors divide the partitions of a classic group, in order of preference (partition.assignment.strategy): the way to use one's own.
func Assignors(assignors ...assign.Assignor) Option {
	for i, a := range assignors {
		if a == nil {
			return func(*settings) error { return fmt.Errorf("assignor %d is nil", i) }
		}
	}
	return only(ofConsumer, "Assignors", func(s *settings) { s.group.Assignors = assignors })
}
