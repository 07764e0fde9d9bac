package api

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kactor-go/kactor/coordinator"
)

// Finding is a combination of options that is allowed, and rarely meant.
type Finding struct {
	Options   []string // those that are concerned
	Dangerous bool     // records can be lost, repeated, reordered or rejected, or a member expelled; else an option has no use, or costs more than it brings
	Text      string   // what comes of it, and what to do instead
}

// String gives one line: the options, "dangerous" or "useless", and the text.
func (f Finding) String() string {
	word := "useless"
	if f.Dangerous {
		word = "dangerous"
	}
	return fmt.Sprintf("%s: %s: %s", strings.Join(f.Options, ", "), word, f.Text)
}

// Lint looks for combinations of options that are allowed and rarely meant, for a client and the producers and consumers that would be made of it: an acknowledgement that does not protect, time-outs in the wrong order, a level without
// its codec. It makes no client and connects to nothing. Values that nobody has set, and that no profile sets, give no finding of their own; keys of other clients that change nothing here do. Options that [Dial], [Client.Producer] or [Client.Consumer] would refuse are an error, as theirs.
func Lint(opts ...ClientOption) ([]Finding, error) {
	client := defaults()
	if err := apply(client, opts); err != nil {
		return nil, err
	}
	var found []Finding
	for _, n := range client.notes {
		found = append(found, Finding{[]string{n.option}, false, n.text})
	}
	for _, err := range client.unknown {
		found = append(found, Finding{[]string{"config.strict"}, false, err.Error()})
	}
	for _, role := range []string{ofClient, ofProducer, ofConsumer} {
		s := client.clone()
		s.of = role
		if err := s.byDefault(s.profiled[role]); err != nil {
			return nil, err
		}
		s, err := s.finished()
		if err != nil {
			return nil, err
		}
		for _, r := range combinations {
			if r.role == role && s.touched(r.options) && r.when(s) {
				found = append(found, Finding{slices.Clone(r.options), r.dangerous, r.text})
			}
		}
	}
	return found, nil
}

// touched tells whether one of these options is not as by default.
func (s *settings) touched(names []string) bool {
	for _, name := range names {
		if _, ok := s.held[name]; ok {
			return true
		}
	}
	return false
}

// combination is one that Lint finds.
type combination struct {
	role      string
	options   []string
	dangerous bool
	when      func(*settings) bool
	text      string
}

// What brokers have by default, against which some combinations fail.
const (
	brokerMessage    = 1<<20 + 12       // message.max.bytes: a batch
	brokerIdle       = 10 * time.Minute // connections.max.idle.ms
	brokerSession    = 30 * time.Minute // group.max.session.timeout.ms
	brokerSessionMin = 6 * time.Second  // group.min.session.timeout.ms
)

var combinations = []combination{
	{ofProducer, []string{"acks"}, true, func(s *settings) bool { return s.sender.Acks == 1 },
		"records that only the leader has acknowledged are lost when it fails; use acks=all, and min.insync.replicas=2 for topics with three replicas"},
	{ofProducer, []string{"acks"}, true, func(s *settings) bool { return s.sender.Acks == 0 },
		"the producer does not learn whether a record was written, nor its offset; use acks=all, or acks=1 where a loss may happen but must be seen"},
	{ofProducer, []string{"retries"}, true, func(s *settings) bool { return s.sender.Retries == 0 },
		"every change of a leader is an error of the records that are on their way; leave retries unset, delivery.timeout.ms bounds them"},
	{ofProducer, []string{"enable.idempotence", "retries", "max.in.flight.requests.per.connection"}, true, func(s *settings) bool { return !s.sender.Idempotent && s.sender.Retries > 0 && s.sender.Window > 1 },
		"a batch that is sent again comes behind those that were sent after it, and may be there twice; use enable.idempotence=true"},
	{ofProducer, []string{"enable.idempotence", "retries", "max.in.flight.requests.per.connection"}, true, func(s *settings) bool { return !s.sender.Idempotent && s.sender.Retries > 0 && s.sender.Window == 1 },
		"a batch that is sent again may be there twice; use enable.idempotence=true"},
	{ofProducer, []string{"max.request.size"}, false, func(s *settings) bool { return s.sender.MaxRequest > brokerMessage },
		"a record above the brokers' message.max.bytes, 1,048,588 bytes by default, or the topic's max.message.bytes is refused; raise those too"},
	{ofProducer, []string{"batch.size", "max.request.size"}, false, func(s *settings) bool { return s.sender.BatchSize > s.sender.MaxRequest },
		"no batch becomes as large as batch.size, because no request may be larger than max.request.size"},
	{ofProducer, []string{"batch.size", "compression.type"}, false, func(s *settings) bool { return s.sender.BatchSize < 1024 && s.sender.Codec != 0 },
		"batches so small are hardly compressed: each is compressed for itself"},
	{ofProducer, []string{"compression.gzip.level", "compression.type"}, false, levelWithout("gzip"), "the level of a codec that is not used"},
	{ofProducer, []string{"compression.lz4.level", "compression.type"}, false, levelWithout("lz4"), "the level of a codec that is not used"},
	{ofProducer, []string{"compression.zstd.level", "compression.type"}, false, levelWithout("zstd"), "the level of a codec that is not used"},
	{ofProducer, []string{"partitioner.ignore.keys", "partitioner.class"}, false, func(s *settings) bool { return s.keyless && s.class != "default" },
		"only the default partitioner can ignore keys"},
	{ofConsumer, []string{"session.timeout.ms", "heartbeat.interval.ms"}, true, func(s *settings) bool { return s.classic() && s.group.Heartbeat*3 > s.group.Session },
		"one or two heartbeats that come late make the member lose its partitions; use a third of session.timeout.ms or less"},
	{ofConsumer, []string{"session.timeout.ms"}, true, func(s *settings) bool {
		return s.classic() && (s.group.Session < brokerSessionMin || s.group.Session > brokerSession)
	},
		"brokers refuse members whose session is not between their group.min.session.timeout.ms, 6 s by default, and group.max.session.timeout.ms, 30 minutes"},
	{ofConsumer, []string{"max.poll.interval.ms", "session.timeout.ms"}, true, func(s *settings) bool { return s.classic() && s.group.Group != "" && s.group.MaxPoll < s.group.Session },
		"a member that polls too seldom leaves sooner than one that has died"},
	{ofConsumer, []string{"group.instance.id", "session.timeout.ms"}, false, func(s *settings) bool {
		return s.classic() && s.group.Instance != "" && s.group.Session < 30*time.Second
	},
		"a static member whose restart takes longer than session.timeout.ms loses its partitions nevertheless"},
	{ofConsumer, []string{"enable.auto.commit", "auto.commit.interval.ms"}, false, func(s *settings) bool { return !s.group.AutoCommit && s.wished("auto.commit.interval.ms") },
		"nothing is committed automatically"},
	{ofConsumer, []string{"enable.auto.commit", "auto.commit.interval.ms"}, false, func(s *settings) bool { return s.group.AutoCommit && s.group.AutoInterval < 100*time.Millisecond },
		"commits so often load the coordinator more than records do; commit by hand where each record counts"},
	{ofConsumer, []string{"auto.commit.interval.ms"}, true, func(s *settings) bool { return s.group.AutoCommit && s.group.AutoInterval > 10*time.Minute },
		"after a crash all that was read since the last commit is read again"},
	{ofConsumer, []string{"check.crcs"}, true, func(s *settings) bool { return !s.fetcher.CheckCRCs },
		"records that were damaged on a disk or on their way are given out as they are; checking costs a few per cent"},
	{ofConsumer, []string{"fetch.min.bytes", "fetch.max.bytes"}, false, func(s *settings) bool { return s.fetcher.MinBytes > s.fetcher.MaxBytes },
		"a broker never has as much as it waits for: every answer takes fetch.max.wait.ms"},
	{ofConsumer, []string{"fetch.max.bytes", "max.partition.fetch.bytes"}, false, func(s *settings) bool { return s.fetcher.PartitionBytes > s.fetcher.MaxBytes },
		"no partition gets as much as max.partition.fetch.bytes, because no answer may be larger than fetch.max.bytes"},
	{ofConsumer, []string{"max.partition.fetch.bytes", "receive.budget.bytes"}, false, func(s *settings) bool { return int64(s.fetcher.PartitionBytes) > s.fetcher.Budget },
		"one partition may fill receive.budget.bytes alone, and the others wait for it"},
	{ofConsumer, []string{"default.api.timeout.ms", "request.timeout.ms"}, false, func(s *settings) bool { return s.group.Timeout < s.group.RequestTimeout },
		"a call gives up before its first request may have an answer"},
	{ofClient, []string{"connections.max.idle.ms"}, false, func(s *settings) bool { return s.broker.MaxIdle <= 0 || s.broker.MaxIdle > brokerIdle },
		"brokers close idle connections after 10 minutes by default, and the next request has to connect again"},
	{ofClient, []string{"metadata.max.age.ms"}, false, func(s *settings) bool { return s.broker.MetadataMaxAge < 5*time.Second },
		"all metadata is asked for so often; a change of a leader is learnt from errors anyway"},
	{ofClient, []string{"reconnect.backoff.max.ms"}, true, func(s *settings) bool { return s.broker.ReconnectMax > time.Minute },
		"a broker that has come back is used again only after so long"},
	{ofClient, []string{"broker.version"}, false, func(s *settings) bool { return s.broker.Release != "" },
		"newer versions are not used, whatever the brokers have; brokers since 0.10 tell their versions themselves"},
	{ofClient, []string{"metadata.recovery.strategy"}, true, func(s *settings) bool { return s.broker.NoRebootstrap },
		"a client whose known brokers have all been replaced does not find the cluster again until it is restarted"},
}

// classic tells whether the consumer is a member that the brokers know by session and heartbeat of its own.
func (s *settings) classic() bool { return s.group.Protocol != coordinator.Consumer }

// levelWithout tells whether the level of a codec is set that is not used.
func levelWithout(codec string) func(*settings) bool {
	return func(s *settings) bool {
		return s.wished("compression."+codec+".level") && s.sender.Codec.String() != codec
	}
}
