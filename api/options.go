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

	"github.com/kactor-go/kactor/actors"
	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/coordinator"
	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/fetcher"
	"github.com/kactor-go/kactor/protocol/compress"
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
	onProduce []ProducerInterceptor
	onConsume []ConsumerInterceptor
	patience  time.Duration // consumer.timeout.ms
	network   broker.NetworkConfig
	poll      int
	lazy      bool
	world     role.World
	system    *role.ActorSystem
	logger    *slog.Logger
	hooks     broker.Hooks
	secured   bool
	wantsTLS  bool
	set       map[string]string // what was set by name
}

func defaults() *settings {
	return &settings{broker: broker.Default(), sender: sender.DefaultConfig(), fetcher: fetcher.DefaultConfig(), group: coordinator.DefaultConfig(), poll: 500, set: map[string]string{}}
}

func (s *settings) clone() *settings {
	c := *s
	c.set = maps.Clone(s.set)
	return &c
}

func (s *settings) apply(opts []Option) error {
	var errs []error
	for _, o := range opts {
		errs = append(errs, o(s))
	}
	return errors.Join(errs...)
}

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

// ClientID names the client (client.id).
func ClientID(id string) Option { return Property("client.id", id) }

// Logger gets warnings and bugs; without it nothing is logged.
func Logger(l *slog.Logger) Option {
	return func(s *settings) error { s.logger = l; return nil }
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

// Partitioner chooses the partitions of records that name none.
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

// Assignors divide the partitions of a classic group, in order of preference (partition.assignment.strategy): the way to use one's own.
func Assignors(assignors ...assign.Assignor) Option {
	return func(s *settings) error { s.group.Assignors = assignors; return nil }
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

// setters carry the values into the configurations of the roles.
var setters = map[string]func(*settings, value) error{
	"bootstrap.servers": func(s *settings, v value) error { s.broker.Bootstrap = v.list; return nil },
	"client.id":         func(s *settings, v value) error { s.broker.ClientID = v.text; return nil },
	"request.timeout.ms": func(s *settings, v value) error {
		s.broker.RequestTimeout, s.sender.RequestTimeout, s.fetcher.RequestTimeout, s.group.RequestTimeout = v.d, v.d, v.d, v.d
		return nil
	},
	"socket.connection.setup.timeout.ms": func(s *settings, v value) error { s.broker.SetupTimeout = v.d; return nil },
	"connections.max.idle.ms":            func(s *settings, v value) error { s.broker.MaxIdle = max(0, v.d); return nil },
	"reconnect.backoff.ms":               func(s *settings, v value) error { s.broker.ReconnectFirst = v.d; return nil },
	"reconnect.backoff.max.ms":           func(s *settings, v value) error { s.broker.ReconnectMax = v.d; return nil },
	"retry.backoff.ms": func(s *settings, v value) error {
		s.broker.RetryFirst, s.sender.RetryFirst, s.fetcher.RetryFirst, s.group.RetryFirst = v.d, v.d, v.d, v.d
		return nil
	},
	"retry.backoff.max.ms": func(s *settings, v value) error {
		s.broker.RetryMax, s.sender.RetryMax, s.fetcher.RetryMax, s.group.RetryMax = v.d, v.d, v.d, v.d
		return nil
	},
	"metadata.max.age.ms": func(s *settings, v value) error {
		s.broker.MetadataMaxAge, s.fetcher.ReplicaAge, s.group.MaxAge = v.d, v.d, v.d
		return nil
	},
	"metadata.max.idle.ms": func(s *settings, v value) error { s.broker.TopicIdle = v.d; return nil },
	"metadata.recovery.strategy": func(s *settings, v value) error {
		if v.text == "none" {
			s.broker.RebootstrapAfter = 0
		}
		return nil
	},
	"metadata.recovery.rebootstrap.trigger.ms": func(s *settings, v value) error { s.broker.RebootstrapAfter = v.d; return nil },
	"allow.auto.create.topics":                 func(s *settings, v value) error { s.broker.AutoCreateTopics = v.on; return nil },
	"broker.version":                           func(s *settings, v value) error { s.broker.Release = v.text; return nil },
	"client.dns.lookup":                        func(*settings, value) error { return nil }, // there is one value
	"security.protocol":                        func(s *settings, v value) error { s.wantsTLS = v.text == "SSL"; return nil },
	"acks": func(s *settings, v value) error {
		s.sender.Acks = map[string]int16{"all": -1, "-1": -1, "1": 1, "0": 0}[v.text]
		if s.sender.Acks != -1 && s.set["enable.idempotence"] == "" { // as in Java: asked for less, one gets less
			s.sender.Idempotent = false
		}
		return nil
	},
	"enable.idempotence": func(s *settings, v value) error { s.sender.Idempotent = v.on; return nil },
	"linger.ms":          func(s *settings, v value) error { s.sender.Linger, s.sender.Adaptive = v.d, false; return nil },
	"batch.size":         func(s *settings, v value) error { s.sender.BatchSize = int(v.n); return nil },
	"buffer.memory":      func(s *settings, v value) error { s.sender.BufferMemory = v.n; return nil },
	"max.request.size":   func(s *settings, v value) error { s.sender.MaxRequest = int(v.n); return nil },
	"max.block.ms":       func(s *settings, v value) error { s.sender.MaxBlock = v.d; return nil },
	"max.in.flight.requests.per.connection": func(s *settings, v value) error {
		s.sender.Window = int(v.n)
		return nil
	},
	"retries":             func(s *settings, v value) error { s.sender.Retries = int(min(v.n, 1<<31-1)); return nil },
	"delivery.timeout.ms": func(s *settings, v value) error { s.sender.DeliveryTimeout = v.d; return nil },
	"compression.type": func(s *settings, v value) (err error) {
		s.sender.Codec, err = compress.Parse(v.text)
		return err
	},
	"compression.gzip.level":  func(s *settings, v value) error { return s.level(compress.Gzip, v) },
	"compression.lz4.level":   func(s *settings, v value) error { return s.level(compress.LZ4, v) },
	"compression.zstd.level":  func(s *settings, v value) error { return s.level(compress.Zstd, v) },
	"partitioner.ignore.keys": func(s *settings, v value) error { return s.partitioner(v.on, "uniform") },
	"partitioner.class":       func(s *settings, v value) error { return s.partitioner(v.text != "default", v.text) },
	"fetch.min.bytes":         func(s *settings, v value) error { s.fetcher.MinBytes = int(v.n); return nil },
	"fetch.max.bytes":         func(s *settings, v value) error { s.fetcher.MaxBytes = int(v.n); return nil },
	"fetch.max.wait.ms":       func(s *settings, v value) error { s.fetcher.MaxWait = v.d; return nil },
	"max.partition.fetch.bytes": func(s *settings, v value) error {
		s.fetcher.PartitionBytes = int(v.n)
		return nil
	},
	"check.crcs": func(s *settings, v value) error { s.fetcher.CheckCRCs = v.on; return nil },
	"isolation.level": func(s *settings, v value) error {
		s.fetcher.Committed = v.text == "read_committed"
		s.group.Stable = s.fetcher.Committed
		return nil
	},
	"auto.offset.reset": func(s *settings, v value) error { return s.reset(v.text) },
	"client.rack":       func(s *settings, v value) error { s.fetcher.Rack, s.group.Rack = v.text, v.text; return nil },
	"max.poll.records":  func(s *settings, v value) error { s.poll = int(v.n); return nil },
	"group.id":          func(s *settings, v value) error { s.group.Group = v.text; return nil },
	"group.protocol": func(s *settings, v value) error {
		s.group.Protocol = map[string]coordinator.Protocol{"classic": coordinator.Classic, "consumer": coordinator.Consumer, "auto": coordinator.Auto}[v.text]
		return nil
	},
	"group.instance.id":     func(s *settings, v value) error { s.group.Instance = v.text; return nil },
	"group.remote.assignor": func(s *settings, v value) error { s.group.Remote = v.text; return nil },
	"partition.assignment.strategy": func(s *settings, v value) error {
		s.group.Assignors = nil
		for _, name := range v.list {
			a, err := assign.Named(name)
			if err != nil {
				return err
			}
			s.group.Assignors = append(s.group.Assignors, a)
		}
		return nil
	},
	"session.timeout.ms":      func(s *settings, v value) error { s.group.Session = v.d; return nil },
	"heartbeat.interval.ms":   func(s *settings, v value) error { s.group.Heartbeat = v.d; return nil },
	"max.poll.interval.ms":    func(s *settings, v value) error { s.group.MaxPoll = v.d; return nil },
	"enable.auto.commit":      func(s *settings, v value) error { s.group.AutoCommit = v.on; return nil },
	"auto.commit.interval.ms": func(s *settings, v value) error { s.group.AutoInterval = v.d; return nil },
	"default.api.timeout.ms":  func(s *settings, v value) error { s.group.Timeout = v.d; return nil },
	"exclude.internal.topics": func(s *settings, v value) error { s.group.Internal = !v.on; return nil },
	"consumer.timeout.ms":     func(s *settings, v value) error { s.patience = max(0, v.d); return nil },
	"receive.budget.bytes": func(s *settings, v value) error {
		s.fetcher.Budget = v.n
		return nil
	},
}

// level keeps the level of a codec until it is known which one is used.
func (s *settings) level(c compress.Codec, v value) error {
	s.set["level "+c.String()] = v.text
	return nil
}

func (s *settings) partitioner(other bool, kind string) error {
	s.sender.Partitioner = nil
	if other {
		s.set["partitioner"] = kind
	} else {
		delete(s.set, "partitioner")
	}
	return nil
}

func (s *settings) reset(text string) error {
	switch {
	case text == "latest":
		s.fetcher.Reset = fetcher.ResetLatest
	case text == "earliest":
		s.fetcher.Reset = fetcher.ResetEarliest
	case text == "none":
		s.fetcher.Reset = fetcher.ResetNone
	case strings.HasPrefix(text, "by_duration:"):
		d, err := isoDuration(strings.TrimPrefix(text, "by_duration:"))
		if err != nil {
			return err
		}
		s.fetcher.Reset = fetcher.ResetByDuration(d)
	default:
		return fmt.Errorf("%q is none of latest, earliest, none, by_duration:PnDTnHnMnS", text)
	}
	return nil
}

// isoDuration reads PnDTnHnMnS (ISO 8601).
func isoDuration(s string) (time.Duration, error) {
	bad := fmt.Errorf("%q is no duration like P1DT2H3M4S", s)
	rest, ok := strings.CutPrefix(s, "P")
	if !ok || rest == "" {
		return 0, bad
	}
	var total time.Duration
	inTime := false
	for rest != "" {
		if rest[0] == 'T' && !inTime {
			inTime, rest = true, rest[1:]
			continue
		}
		i := strings.IndexAny(rest, "DHMS")
		if i < 1 || (rest[i] == 'D') == inTime {
			return 0, bad
		}
		n, err := strconv.ParseFloat(rest[:i], 64)
		if err != nil || n < 0 || n > 1e6 {
			return 0, bad
		}
		unit := map[byte]time.Duration{'D': 24 * time.Hour, 'H': time.Hour, 'M': time.Minute, 'S': time.Second}[rest[i]]
		total += time.Duration(n * float64(unit))
		rest = rest[i+1:]
	}
	return total, nil
}

// finish resolves what depends on several options, and checks the whole.
func (s *settings) finish() error {
	if text := s.set["level "+s.sender.Codec.String()]; text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		s.sender.Level = n
	}
	if s.sender.Partitioner == nil {
		switch s.set["partitioner"] {
		case "uniform":
			s.sender.Partitioner = sender.Uniform(s.sender.BatchSize)
		case "roundrobin":
			s.sender.Partitioner = sender.RoundRobin()
		}
	}
	if s.sender.DeliveryTimeout < s.sender.Linger+s.sender.RequestTimeout && s.set["delivery.timeout.ms"] == "" {
		s.sender.DeliveryTimeout = s.sender.Linger + s.sender.RequestTimeout
	}
	if s.wantsTLS && !s.secured {
		return errors.New("security.protocol: SSL needs a *tls.Config, given with api.TLS")
	}
	if s.secured && s.set["security.protocol"] == "PLAINTEXT" {
		return errors.New("security.protocol: PLAINTEXT contradicts the TLS configuration that is given")
	}
	return errors.Join(s.broker.Validate(), s.sender.Validate(), s.fetcher.Validate(), s.group.Validate(), s.replaced())
}

// replaced refuses options that mean nothing to the protocol of KIP-848: the broker decides there.
func (s *settings) replaced() error {
	if s.group.Protocol != coordinator.Consumer {
		return nil
	}
	var errs []error
	for _, o := range []struct{ name, instead string }{{"partition.assignment.strategy", "group.remote.assignor"}, {"session.timeout.ms", "the group's consumer.session.timeout.ms on the broker"},
		{"heartbeat.interval.ms", "the group's consumer.heartbeat.interval.ms on the broker"}} {
		if s.set[o.name] != "" {
			errs = append(errs, fmt.Errorf("%s: group.protocol=consumer does not use it; use %s", o.name, o.instead))
		}
	}
	return errors.Join(errs...)
}

func (s *settings) config() actors.Config {
	return actors.Config{Broker: s.broker, Network: s.network, World: s.world, Logger: s.logger, Hooks: s.hooks}
}
