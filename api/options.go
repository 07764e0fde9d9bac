package api

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/coordinator"
	"github.com/kactor-go/kactor/fetcher"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/sender"
)

// ClientOption configures a client. It is given to [Dial] and [Diagnose].
type ClientOption interface {
	setting
	forClient()
}

// ProducerOption configures one producer. It is given to [Client.Producer].
type ProducerOption interface {
	setting
	forProducer()
}

// ConsumerOption configures one consumer and its membership of a group. It is given to [Client.Consumer].
type ConsumerOption interface {
	setting
	forConsumer()
}

// Option is an option by a name that is only looked up at run time, so it fits wherever options are taken: [Property], [Properties] and [File].
//
// Given to [Dial], a property of producers or consumers becomes the default of those that are made of the client. Given to [Client.Producer] or [Client.Consumer], a property of the client, or of the other role, is an error, unless the
// client already has that value.
type Option interface {
	ClientOption
	ProducerOption
	ConsumerOption
}

// setting changes settings.
type setting interface{ set(*settings) error }

type (
	clientOption   func(*settings) error
	producerOption func(*settings) error
	consumerOption func(*settings) error
	anyOption      func(*settings) error
)

func (o clientOption) set(s *settings) error   { return o(s) }
func (o producerOption) set(s *settings) error { return o(s) }
func (o consumerOption) set(s *settings) error { return o(s) }
func (o anyOption) set(s *settings) error      { return o(s) }

func (clientOption) forClient()     {}
func (producerOption) forProducer() {}
func (consumerOption) forConsumer() {}
func (anyOption) forClient()        {}
func (anyOption) forProducer()      {}
func (anyOption) forConsumer()      {}

// settings is everything that can be set.
type settings struct {
	broker    broker.Config
	sender    sender.Config
	fetcher   fetcher.Config
	group     coordinator.Config
	topics    []string
	listener  RebalanceListener
	onCommit  func([]OffsetAndMetadata, error)
	onReset   func(PositionReset)
	onProduce []ProducerInterceptor
	onConsume []ConsumerInterceptor
	patience  time.Duration // consumer.timeout.ms
	closing   time.Duration // close.timeout.ms
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
	lenient   bool                         // config.strict=false
	unknown   []error                      // names that are no options
	notes     []note                       // what was set and does nothing
	profile   string                       // the profile that was set
	profiled  map[string]map[string]string // what a profile says of one role, of options that all have
	source    string                       // where what is being set comes from
	held      map[string]held              // options that are not as by default
	of        string                       // the role whose options are being set: client, producer or consumer
}

func defaults() *settings {
	return &settings{broker: broker.Default(), sender: sender.DefaultConfig(), fetcher: fetcher.DefaultConfig(), group: coordinator.DefaultConfig(), network: broker.NetworkConfig{MaxFrame: protocol.MaxFrame}, poll: 500, closing: 10 * time.Second, class: "default", protocol: "PLAINTEXT", of: ofClient, source: byCode, held: map[string]held{}}
}

func (s *settings) clone() *settings {
	c := *s
	c.held, c.schemes, c.unknown, c.notes = maps.Clone(s.held), maps.Clone(s.schemes), nil, nil
	c.profiled = map[string]map[string]string{ofProducer: maps.Clone(s.profiled[ofProducer]), ofConsumer: maps.Clone(s.profiled[ofConsumer])}
	return &c
}

// apply sets options. What is unknown is an error, or with config.strict=false, wherever that is among them, a warning.
func apply[O setting](s *settings, opts []O) error {
	var errs []error
	for i, o := range opts {
		if any(o) == nil {
			errs = append(errs, errNilOption(i))
			continue
		}
		errs = append(errs, o.set(s))
	}
	if !s.lenient {
		errs = append(errs, s.unknown...)
	}
	return errors.Join(errs...)
}

// note is that an option was set and does nothing, or that another follows from it.
type note struct{ option, text string }

// tell logs what was set and does nothing.
func (s *settings) tell() {
	if s.logger == nil {
		return
	}
	for _, err := range s.unknown {
		s.logger.Warn(err.Error())
	}
	for _, n := range s.notes {
		s.logger.Info(n.option + " " + n.text)
	}
}

// Roles that options belong to. What is given to Dial holds for all that is made of the client; what is given to a producer or a consumer must be theirs.
const (
	ofClient, ofProducer, ofConsumer = "client", "producer", "consumer"
	ofAny                            = "any"
)

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
	return anyOption(func(s *settings) error { return s.property(name, value) })
}

// Properties sets options by their Kafka names.
func Properties(p map[string]string) Option {
	return anyOption(func(s *settings) error {
		var errs []error
		for _, name := range slices.Sorted(maps.Keys(p)) {
			errs = append(errs, s.property(name, p[name]))
		}
		return errors.Join(errs...)
	})
}
