package api

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kactor-go/kactor/actors"
	"github.com/kactor-go/kactor/coordinator"
	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/fetcher"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/sender"
)

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
		s.broker.NoRebootstrap = v.text == "none"
		return nil
	},
	"metadata.recovery.rebootstrap.trigger.ms": func(s *settings, v value) error { s.broker.RebootstrapAfter = v.d; return nil },
	"allow.auto.create.topics":                 func(s *settings, v value) error { s.broker.AutoCreateTopics = v.on; return nil },
	"allowed.brokers":                          func(s *settings, v value) error { s.broker.Allowed = v.list; return nil },
	"broker.version.fallback":                  func(s *settings, v value) error { s.broker.ReleaseFallback = v.text; return nil },
	"broker.version":                           func(s *settings, v value) error { s.broker.Release = v.text; return nil },
	"client.dns.lookup":                        func(*settings, value) error { return nil }, // there is one value
	"security.protocol":                        func(s *settings, v value) error { s.wantsTLS = v.text == "SSL"; return nil },
	"acks": func(s *settings, v value) error {
		s.sender.Acks = map[string]int16{"all": -1, "-1": -1, "1": 1, "0": 0}[v.text]
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
	"partitioner.ignore.keys": func(s *settings, v value) error { s.keyless = v.on; return nil },
	"partitioner.class":       func(s *settings, v value) error { s.class, s.sender.Partitioner = v.text, nil; return nil },
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
	"offsets.retention.ms":    func(s *settings, v value) error { s.group.Retention = v.d; return nil },
	"auto.commit.interval.ms": func(s *settings, v value) error { s.group.AutoInterval = v.d; return nil },
	"default.api.timeout.ms":  func(s *settings, v value) error { s.group.Timeout = v.d; return nil },
	"exclude.internal.topics": func(s *settings, v value) error { s.group.Internal = !v.on; return nil },
	"consumer.timeout.ms":     func(s *settings, v value) error { s.patience = max(0, v.d); return nil },
	"decompress.max.bytes": func(s *settings, v value) error {
		s.fetcher.Decompress.Bytes = int(v.n)
		return nil
	},
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

// finished gives the settings with what follows from several of them, checked. The receiver stays as it was set: options that are given later are merged with what was set, not with what followed from it.
func (s *settings) finished() (*settings, error) {
	s = s.clone()
	if text := s.set["level "+s.sender.Codec.String()]; text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, err
		}
		s.sender.Level = n
	}
	if s.set["enable.idempotence"] == "" && (s.sender.Acks != -1 || s.sender.Retries == 0) { // as in Java: asked for less, one gets less
		s.sender.Idempotent = false
	}
	switch {
	case s.sender.Partitioner != nil:
	case s.class == "roundrobin":
		s.sender.Partitioner = sender.RoundRobin()
	case s.class == "uniform" || s.keyless:
		s.sender.Partitioner = sender.Uniform(s.sender.BatchSize)
	}
	if s.sender.DeliveryTimeout < s.sender.Linger+s.sender.RequestTimeout && s.set["delivery.timeout.ms"] == "" {
		s.sender.DeliveryTimeout = s.sender.Linger + s.sender.RequestTimeout
	}
	return s, s.check()
}

// check tells everything that is wrong.
func (s *settings) check() error {
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
