package api

import (
	"errors"
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/kactor-go/kactor/actors"
	"github.com/kactor-go/kactor/coordinator"
	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/fetcher"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/printable"
	"github.com/kactor-go/kactor/sender"
)

// setters carry the values into the configurations of the roles.
var setters = map[string]func(*settings, value) error{
	"config.strict":     func(s *settings, v value) error { s.lenient = !v.on; return nil },
	"bootstrap.servers": func(s *settings, v value) error { return s.bootstrap(v.list) },
	"close.timeout.ms":  func(s *settings, v value) error { s.closing = v.d; return nil },
	"client.id":         func(s *settings, v value) error { s.broker.ClientID = v.text; return nil },
	"request.timeout.ms": func(s *settings, v value) error {
		s.broker.RequestTimeout, s.sender.RequestTimeout, s.fetcher.RequestTimeout, s.group.RequestTimeout = v.d, v.d, v.d, v.d
		return nil
	},
	"socket.connection.setup.timeout.ms":     func(s *settings, v value) error { s.broker.SetupTimeout = v.d; return nil },
	"socket.connection.setup.timeout.max.ms": func(s *settings, v value) error { s.broker.SetupMax = v.d; return nil },
	"receive.buffer.bytes":                   func(s *settings, v value) error { s.network.ReceiveBuffer = int(max(0, v.n)); return nil },
	"send.buffer.bytes":                      func(s *settings, v value) error { s.network.SendBuffer = int(max(0, v.n)); return nil },
	"receive.message.max.bytes":              func(s *settings, v value) error { s.network.MaxFrame = int(v.n); return nil },
	"socket.keepalive.enable":                func(s *settings, v value) error { s.network.NoKeepAlive = !v.on; return nil },
	"connections.max.idle.ms":                func(s *settings, v value) error { s.broker.MaxIdle = max(0, v.d); return nil },
	"reconnect.backoff.ms":                   func(s *settings, v value) error { s.broker.ReconnectFirst = max(v.d, time.Millisecond); return nil },
	"reconnect.backoff.max.ms":               func(s *settings, v value) error { s.broker.ReconnectMax = max(v.d, time.Millisecond); return nil },
	"retry.backoff.ms": func(s *settings, v value) error {
		d := max(v.d, time.Millisecond)
		s.broker.RetryFirst, s.sender.RetryFirst, s.fetcher.RetryFirst, s.group.RetryFirst = d, d, d, d
		return nil
	},
	"retry.backoff.max.ms": func(s *settings, v value) error {
		d := max(v.d, time.Millisecond)
		s.broker.RetryMax, s.sender.RetryMax, s.fetcher.RetryMax, s.group.RetryMax = d, d, d, d
		return nil
	},
	"metadata.max.age.ms": func(s *settings, v value) error {
		s.broker.MetadataMaxAge, s.fetcher.ReplicaAge, s.group.MaxAge = v.d, v.d, v.d
		return nil
	},
	"metadata.max.brokers":    func(s *settings, v value) error { s.broker.MaxBrokers = int(v.n); return nil },
	"metadata.max.partitions": func(s *settings, v value) error { s.broker.MaxPartitions = int(v.n); return nil },
	"metadata.max.idle.ms":    func(s *settings, v value) error { s.broker.TopicIdle = v.d; return nil },
	"metadata.recovery.strategy": func(s *settings, v value) error {
		s.broker.NoRebootstrap = v.text == "none"
		return nil
	},
	"metadata.recovery.rebootstrap.trigger.ms": func(s *settings, v value) error { s.broker.RebootstrapAfter = v.d; return nil },
	"allow.auto.create.topics":                 func(s *settings, v value) error { s.broker.AutoCreateTopics = v.on; return nil },
	"allowed.brokers":                          func(s *settings, v value) error { s.broker.Allowed = v.list; return nil },
	"broker.version.fallback":                  func(s *settings, v value) error { s.broker.ReleaseFallback = v.text; return nil },
	"broker.version":                           func(s *settings, v value) error { s.broker.Release = v.text; return nil },
	"client.dns.lookup":                        func(*settings, value) error { return nil }, // there is one value
	"security.protocol":                        func(s *settings, v value) error { s.protocol = v.text; return nil },
	"acks": func(s *settings, v value) error {
		s.sender.Acks = map[string]int16{"all": -1, "-1": -1, "1": 1, "0": 0}[v.text]
		return nil
	},
	"enable.idempotence": func(s *settings, v value) error { s.sender.Idempotent = v.on; return nil },
	"linger.ms":          func(s *settings, v value) error { s.sender.Linger, s.sender.Adaptive = v.d, false; return nil },
	"batch.size":         func(s *settings, v value) error { s.sender.BatchSize = int(max(1, v.n)); return nil },
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
	"compression.level":       func(*settings, value) error { return nil }, // levels count when it is known which codec is used
	"compression.gzip.level":  func(*settings, value) error { return nil },
	"compression.lz4.level":   func(*settings, value) error { return nil },
	"compression.zstd.level":  func(*settings, value) error { return nil },
	"partitioner.ignore.keys": func(s *settings, v value) error { s.keyless = v.on; return nil },
	"partitioner.class":       func(s *settings, v value) error { s.class, s.sender.Partitioner = v.text, nil; return nil },
	"fetch.min.bytes":         func(s *settings, v value) error { s.fetcher.MinBytes = int(v.n); return nil },
	"fetch.max.bytes":         func(s *settings, v value) error { s.fetcher.MaxBytes = int(max(1, v.n)); return nil },
	"fetch.max.wait.ms":       func(s *settings, v value) error { s.fetcher.MaxWait = max(v.d, time.Millisecond); return nil },
	"max.partition.fetch.bytes": func(s *settings, v value) error {
		s.fetcher.PartitionBytes = int(max(1, v.n))
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
	"group.max.members":            func(s *settings, v value) error { s.group.MaxMembers = int(v.n); return nil },
	"group.max.subscription.bytes": func(s *settings, v value) error { s.group.MaxSubscription = int(v.n); return nil },
	"session.timeout.ms":           func(s *settings, v value) error { s.group.Session = v.d; return nil },
	"heartbeat.interval.ms":        func(s *settings, v value) error { s.group.Heartbeat = v.d; return nil },
	"max.poll.interval.ms":         func(s *settings, v value) error { s.group.MaxPoll = v.d; return nil },
	"enable.auto.commit":           func(s *settings, v value) error { s.group.AutoCommit = v.on; return nil },
	"offsets.retention.ms":         func(s *settings, v value) error { s.group.Retention = v.d; return nil },
	"auto.commit.interval.ms":      func(s *settings, v value) error { s.group.AutoInterval = max(v.d, time.Millisecond); return nil },
	"default.api.timeout.ms":       func(s *settings, v value) error { s.group.Timeout = v.d; return nil },
	"exclude.internal.topics":      func(s *settings, v value) error { s.group.Internal = !v.on; return nil },
	"consumer.timeout.ms":          func(s *settings, v value) error { s.patience = max(0, v.d); return nil },
	"decompress.max.bytes": func(s *settings, v value) error {
		s.fetcher.Decompress.Bytes = int(v.n)
		return nil
	},
	"receive.budget.bytes": func(s *settings, v value) error {
		s.fetcher.Budget = v.n
		return nil
	},
}

func (s *settings) reset(text string) error {
	word, duration, _ := strings.Cut(text, ":")
	switch strings.ToLower(word) {
	case "latest", "largest", "end":
		s.fetcher.Reset = fetcher.ResetLatest
	case "earliest", "smallest", "beginning":
		s.fetcher.Reset = fetcher.ResetEarliest
	case "none", "error":
		s.fetcher.Reset = fetcher.ResetNone
	case "by_duration":
		d, err := isoDuration(duration)
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

// finished gives the settings with what follows from several of them, checked. The receiver stays as it was set: options that are given later are merged with what was set, not with what followed from it.
func (s *settings) finished() (*settings, error) {
	s = s.clone()
	for _, name := range []string{"compression.level", "compression." + s.sender.Codec.String() + ".level"} { // the codec's own comes first
		if h, ok := s.held[name]; ok {
			n, err := strconv.Atoi(h.value)
			if err != nil {
				return nil, err
			}
			if s.sender.Level = n; n == -1 && s.sender.Codec != compress.Zstd { // which has levels below zero
				s.sender.Level = compress.DefaultLevel
			}
		}
	}
	if !s.wished("enable.idempotence") && (s.sender.Acks != -1 || s.sender.Retries == 0) { // as in Java: asked for less, one gets less
		if s.sender.Idempotent {
			s.held["enable.idempotence"] = held{"false", "acks or retries"}
		}
		s.sender.Idempotent = false
		if s.of == ofProducer {
			s.notes = append(s.notes, note{"enable.idempotence", "is off, because of acks or retries: records may be written twice, or in another order; enable.idempotence=false says that it is meant"})
		}
	}
	s.sender.Required = s.sender.Idempotent && s.wished("enable.idempotence")
	if s.secured && !s.wished("security.protocol") {
		s.protocol = "SSL"
		s.held["security.protocol"] = held{s.protocol, byCode}
	}
	switch {
	case s.sender.Partitioner != nil:
	case s.keyless && s.class == "default":
		s.sender.Partitioner = sender.Uniform(s.sender.BatchSize)
	case s.class != "default":
		s.sender.Partitioner, _ = sender.Named(s.class, s.sender.BatchSize) // the table has their names
	}
	if s.sender.DeliveryTimeout < s.sender.Linger+s.sender.RequestTimeout && !s.wished("delivery.timeout.ms") {
		s.sender.DeliveryTimeout = s.sender.Linger + s.sender.RequestTimeout
		s.held["delivery.timeout.ms"] = held{strconv.FormatInt(s.sender.DeliveryTimeout.Milliseconds(), 10), "linger.ms and request.timeout.ms"}
	}
	return s, s.check()
}

// check tells everything that is wrong for the role.
func (s *settings) check() error {
	if s.protocol == "SSL" && !s.secured {
		return errors.New("security.protocol: SSL needs a *tls.Config, given with api.TLS")
	}
	if s.secured && s.wished("security.protocol") && s.protocol == "PLAINTEXT" {
		return errors.New("security.protocol: PLAINTEXT contradicts the TLS configuration that is given")
	}
	switch s.of {
	case ofProducer:
		return s.sender.Validate()
	case ofConsumer:
		return errors.Join(s.fetcher.Validate(), s.group.Validate(), s.replaced())
	}
	return errors.Join(s.broker.Validate(), s.spoken())
}

// bootstrap takes addresses as Java's client does, and as they are copied from a broker's advertised.listeners (SSL://host:9093): a host without a port has Kafka's.
func (s *settings) bootstrap(addrs []string) error {
	s.broker.Bootstrap, s.schemes = nil, map[string]bool{}
	for _, a := range addrs {
		if scheme, rest, ok := strings.Cut(a, "://"); ok {
			s.schemes[strings.ToUpper(scheme)], a = true, rest
		}
		if bare := strings.Trim(a, "[]"); !strings.Contains(a, ":") || bare != a && strings.HasSuffix(a, "]") {
			a = net.JoinHostPort(bare, kafkaPort)
		}
		s.broker.Bootstrap = append(s.broker.Bootstrap, a)
	}
	return nil
}

// kafkaPort is where brokers listen if nobody says otherwise.
const kafkaPort = "9092"

// spoken holds what addresses say of the protocol against what is spoken.
func (s *settings) spoken() error {
	for scheme := range s.schemes {
		speaks := s.protocol
		if s.secured {
			speaks = "SSL"
		}
		if scheme != speaks {
			return fmt.Errorf("bootstrap.servers: an address begins with %s://, and security.protocol is %s", printable.Text(scheme), speaks)
		}
	}
	return nil
}

// replaced refuses options that mean nothing to the protocol of KIP-848: the broker decides there.
func (s *settings) replaced() error {
	if s.group.Protocol != coordinator.Consumer {
		return nil
	}
	var errs []error
	for _, o := range []struct{ name, instead string }{{"partition.assignment.strategy", "group.remote.assignor"}, {"session.timeout.ms", "the group's consumer.session.timeout.ms on the broker"},
		{"heartbeat.interval.ms", "the group's consumer.heartbeat.interval.ms on the broker"}} {
		if s.wished(o.name) {
			errs = append(errs, fmt.Errorf("%s: group.protocol=consumer does not use it; use %s", o.name, o.instead))
		}
	}
	return errors.Join(errs...)
}

func (s *settings) config() actors.Config {
	network := s.network
	network.SetupTimeout = max(s.broker.SetupTimeout, s.broker.SetupMax)
	network.MaxFrame = s.largest()
	return actors.Config{Broker: s.broker, Network: network, World: s.world, Logger: s.logger, Hooks: s.hooks}
}

// around is what an answer has besides records, as librdkafka counts it.
const around = 512

// largest is the size of the largest answer that is read. Left at its default it is no less than what is asked for.
func (s *settings) largest() int {
	if s.network.MaxFrame != protocol.MaxFrame {
		return s.network.MaxFrame
	}
	return max(protocol.MaxFrame, min(s.fetcher.MaxBytes, math.MaxInt32-around)+around)
}
