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
	"github.com/kactor-go/kactor/protocol/wire"
	"github.com/kactor-go/kactor/sender"
)

//go:generate go run ./internal/gen -options ../schemas/options.json -out options_gen.go

// option is a row of the table made from schemas/options.json.
type option struct {
	name, role, kind, def, doc, refused string
	bounded                             bool
	min, max                            int64
	aliases, values                     []string
}

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
	wantsTLS  bool
	set       map[string]string // what was set by name
}

func defaults() *settings {
	return &settings{broker: broker.Default(), sender: sender.DefaultConfig(), fetcher: fetcher.DefaultConfig(), group: coordinator.DefaultConfig(), poll: 500, class: "default", set: map[string]string{}}
}

func (s *settings) clone() *settings {
	c := *s
	c.set = maps.Clone(s.set)
	return &c
}

func (s *settings) apply(opts []Option) error {
	var errs []error
	for i, o := range opts {
		if o == nil {
			errs = append(errs, errNilOption(i))
			continue
		}
		errs = append(errs, o(s))
	}
	return errors.Join(errs...)
}

// errNilOption says that an option is nil, as that of a variable that was never set.
func errNilOption(i int) error { return fmt.Errorf("option %d is nil", i+1) }

// Property sets one option by its Kafka name, as in a properties file: "linger.ms", "5". The same name in snake_case and librdkafka's names are known, too. Durations are milliseconds or
// Go durations ("5s"); sizes are bytes or "1MiB". An unknown name is an error that names the nearest one.
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
	return func(s *settings) error {
		s.logger = nil
		if l != nil {
			s.logger = role.LogAside(l)
		}
		return nil
	}
}

// World makes the client live in a world of its own time: a simulated one.
func World(w role.World) Option {
	return func(s *settings) error { s.world = w; return nil }
}

// System makes the client's actors children of an actor system of the embedder's.
func System(a *role.ActorSystem) Option {
	return func(s *settings) error { s.system = a; return nil }
}

// Dialer opens connections in place of net.Dialer: a proxy, or an embedded cluster.
func Dialer(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return func(s *settings) error { s.network.Dial = dial; return nil }
}

// TLS secures every connection (security.protocol=SSL).
func TLS(c *tls.Config) Option {
	return func(s *settings) error {
		if c == nil {
			return errors.New("TLS: the configuration is nil")
		}
		s.network.TLS, s.secured = c, true
		return nil
	}
}

// Lazy lets Dial return at once, without a look whether a broker can be reached.
func Lazy() Option {
	return func(s *settings) error { s.lazy = true; return nil }
}

// Hooks are told what happens to the cluster and its connections; they run on actors and must only note or tell.
func Hooks(h broker.Hooks) Option {
	return func(s *settings) error { s.hooks = h; return nil }
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
	return func(s *settings) error { s.sender.Partitioner = p; return nil }
}

// ResetTo says where a consumer begins without a position (auto.offset.reset).
func ResetTo(r fetcher.Reset) Option {
	return func(s *settings) error { s.fetcher.Reset = r; return nil }
}

// Topics subscribes a consumer to these topics from the start. A name that begins with ^ is a regular expression for names.
func Topics(topics ...string) Option {
	return func(s *settings) error { s.topics = append(slices.Clone(s.topics), topics...); return nil }
}

// OnRebalance is told what the group gives to a consumer and takes from it.
func OnRebalance(l RebalanceListener) Option {
	return func(s *settings) error { s.listener = l; return nil }
}

// OnCommit is called with the outcome of automatic commits, and of asynchronous ones without a function of their own, where the consumer polls.
func OnCommit(f func(offsets []Offset, err error)) Option {
	return func(s *settings) error { s.onCommit = f; return nil }
}

// PositionReset tells that a consumer's position was set, instead of read up to: where auto.offset.reset says, because there was none or no such offset, or where a log that has lost what was read agrees (KIP-320).
type PositionReset = fetcher.PositionReset

// OnReset sets what is told of each reset of a position. It is called where the consumer polls, before a record from there is given out. A consumer that commits automatically commits such a position at once: it would
// be another one, with auto.offset.reset=latest, after a restart.
func OnReset(f func(PositionReset)) Option {
	return func(s *settings) error { s.onReset = f; return nil }
}

// Assignors divide the partitions of a classic group, in order of preference (partition.assignment.strategy): the way to use one's own.
func Assignors(assignors ...assign.Assignor) Option {
	return func(s *settings) error {
		for i, a := range assignors {
			if a == nil {
				return fmt.Errorf("assignor %d is nil", i)
			}
		}
		s.group.Assignors = assignors
		return nil
	}
}

// lookUp finds an option by any of its names.
func lookUp(name string) *option {
	canonical := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "_", ".")
	for i := range options {
		o := &options[i]
		if o.name == canonical {
			return o
		}
		for _, a := range o.aliases {
			if strings.ReplaceAll(a, "_", ".") == canonical {
				return o
			}
		}
	}
	return nil
}

func (s *settings) property(name, value string) error {
	o := lookUp(name)
	if o == nil {
		return fmt.Errorf("unknown property %q; the nearest is %q", name, nearest(name))
	}
	if o.refused != "" {
		return fmt.Errorf("%s: %s", o.name, o.refused)
	}
	v, err := o.parse(value)
	if err != nil {
		return fmt.Errorf("%s: %w", o.name, err)
	}
	s.set[o.name] = value
	if err := setters[o.name](s, v); err != nil {
		return fmt.Errorf("%s: %w", o.name, err)
	}
	return nil
}

// value is a parsed value.
type value struct {
	text string
	n    int64
	d    time.Duration
	on   bool
	list []string
}

func (o *option) parse(text string) (v value, err error) {
	v.text = strings.TrimSpace(text)
	if err := wire.CheckText(v.text); err != nil {
		return v, err
	}
	switch o.kind {
	case "int":
		v.n, err = strconv.ParseInt(v.text, 10, 64)
	case "bytes":
		v.n, err = parseSize(v.text)
	case "ms":
		v.d, err = parseDuration(v.text)
		v.n = v.d.Milliseconds()
	case "bool":
		v.on, err = strconv.ParseBool(v.text)
	case "list":
		for part := range strings.SplitSeq(v.text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				v.list = append(v.list, part)
			}
		}
	case "enum":
		if !slices.Contains(o.values, v.text) {
			return v, fmt.Errorf("%q is none of %s", v.text, strings.Join(o.values, ", "))
		}
	}
	if err != nil {
		return v, fmt.Errorf("%q is no value of type %s", v.text, o.kind)
	}
	if o.bounded && (v.n < o.min || o.max != 0 && v.n > o.max) {
		if o.max != 0 {
			return v, fmt.Errorf("%s is not between %d and %d", v.text, o.min, o.max)
		}
		return v, fmt.Errorf("%s is less than %d", v.text, o.min)
	}
	return v, nil
}

func parseDuration(s string) (time.Duration, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.Duration(n) * time.Millisecond, nil
	}
	return time.ParseDuration(s)
}

var units = []struct {
	name string
	n    int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1000}, {"MB", 1_000_000}, {"GB", 1_000_000_000}}

func parseSize(s string) (int64, error) {
	for _, u := range units {
		if n, ok := strings.CutSuffix(s, u.name); ok {
			v, err := strconv.ParseInt(strings.TrimSpace(n), 10, 64)
			return v * u.n, err
		}
	}
	return strconv.ParseInt(s, 10, 64)
}

// nearest is the option whose name is most like name.
func nearest(name string) string {
	best, least := "", 1<<30
	for i := range options {
		if d := distance(strings.ToLower(name), options[i].name); d < least {
			best, least = options[i].name, d
		}
	}
	return best
}

// distance is how many letters must change to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost++
			}
			last = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
