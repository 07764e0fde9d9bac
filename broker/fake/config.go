package fake

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// Config of a cluster. The zero value is one broker of the newest release without topics.
type Config struct {
	// Nodes is how many brokers there are; their ids count from 1. Default 1.
	Nodes int
	// Racks of the brokers, in the order of their ids; may be shorter than Nodes.
	Racks []string
	// Release whose versions are spoken: "0.10" to "4.3". Default "4.3".
	Release string
	// Topics that exist from the start.
	Topics []Topic
	// Seed decides ids that real clusters draw: topic ids, the cluster id.
	Seed uint64
	// AutoCreate creates topics that metadata is asked for, with DefaultPartitions (auto.create.topics.enable). Default false, which Kafka's is not.
	AutoCreate bool
	// DefaultPartitions of topics created without a number (num.partitions). Default 1.
	DefaultPartitions int
	// MaxMessage is the largest batch that is accepted (message.max.bytes). Default 1,048,588.
	MaxMessage int
	// MinISR refuses acks=all when fewer replicas are in sync (min.insync.replicas). Default 1.
	MinISR int
	// Broker has configurations of all brokers by Kafka's names, as server.properties has: those that topics fall back on (log.retention.ms, compression.type, ...), those that AutoClean names, and num.partitions, default.replication.factor, which is
	// min(3, Nodes) by default, auto.create.topics.enable, offsets.topic.num.partitions, transaction.state.log.num.partitions, max.connections, and connections.max.idle.ms, which is -1 by default and not ten minutes: no connection is
	// closed for standing still. DescribeConfigs tells them. A name that is none of these or none of the release's, a value that
	// Kafka would not take, and one that another field contradicts, are errors that say so. What becomes of logs on disks (log.flush.*, log.preallocate, ...) is told and checked, and nothing more: there are none.
	Broker map[string]string
	// AutoClean lets brokers retain and compact by themselves, on the cluster's clock: what Cluster.Retain does every log.retention.check.interval.ms (default 5 min; for the first time after log.initial.task.delay.ms, 30 s),
	// and what Cluster.Compact does for logs that are dirtier than min.cleanable.dirty.ratio, or have waited for max.compaction.lag.ms, every log.cleaner.backoff.ms (15 s). Default: both only happen when they are called.
	AutoClean bool
	// ProducerExpiry is after what time partitions forget idempotent producers that write nothing (producer.id.expiration.ms), by the timestamp of what they wrote last. As in Kafka it is looked at every ten minutes, but
	// at least four times in ProducerExpiry. Default 24 h.
	ProducerExpiry time.Duration
	// TransactionVersion is the finalized transaction.version (KIP-890): 1 or 2, or -1 for 0. Default: that of a new cluster of the release, which is 2 from 4.0 on.
	TransactionVersion int
	// MaxTransactionTimeout is the longest transaction.timeout.ms that a producer may ask for (transaction.max.timeout.ms). Default 15 min.
	MaxTransactionTimeout time.Duration
	// TransactionCheck is how often coordinators look for transactions that take too long (transaction.abort.timed.out.transaction.cleanup.interval.ms). Default 10 s.
	TransactionCheck time.Duration
	// MarkerDelay is how long after the end of a transaction its markers are written. Default 0: with it.
	MarkerDelay time.Duration
	// SessionTimeout is after what time a broker that is stopped or paused loses its leaderships. Default 0: at once.
	SessionTimeout time.Duration
	// GroupSession and GroupHeartbeat are what the coordinator asks of members of KIP-848 groups (group.consumer.session.timeout.ms, group.consumer.heartbeat.interval.ms).
	// Default 45 s and 5 s.
	GroupSession, GroupHeartbeat time.Duration
	// GroupMinSession and GroupMaxSession bound the session time-out that members of classic groups may ask for (group.min.session.timeout.ms, group.max.session.timeout.ms). Default 6 s and 30 min.
	GroupMinSession, GroupMaxSession time.Duration
	// GroupMaxSize is how many members a group may have (group.max.size, group.consumer.max.size). Default 0: as many as there are.
	GroupMaxSize int
	// MemberID gives the id of a member that joins a group without one, for whoever needs to know it: orders of members, and so who gets which partition, may depend on it. Where it gives an empty string, and without it, an id is made up.
	MemberID func(group string) string
	// OffsetsRetention is after what time committed offsets are forgotten of groups that nobody is in, and of topics that nobody reads any more (offsets.retention.minutes). Default 7 days.
	OffsetsRetention time.Duration
	// OffsetsCheck is how often that is looked at (offsets.retention.check.interval.ms). Default 10 min.
	OffsetsCheck time.Duration
	// MaxOffsetMetadata is how long the metadata of a committed offset may be (offset.metadata.max.bytes). Default 4096.
	MaxOffsetMetadata int
	// NoConsumerProtocol refuses group.protocol=consumer as brokers do that have it switched off.
	NoConsumerProtocol bool
	// InternalTopics makes __consumer_offsets and __transaction_state exist, so that clients see them. What groups and transactions do is not written there.
	InternalTopics bool
	// Port is where the first broker of a Server listens; those of the others follow. Default 0: any that are free.
	Port int
	// Host gives the host name and port that a broker is known by. Default "broker-ID", 9092; a Server fills in its own.
	Host func(node int32) (host string, port int32)
}

// Topic to be created.
type Topic struct {
	Name       string
	Partitions int // default 1
	Replicas   int // default: default.replication.factor of Config.Broker, which is min(3, nodes)
	// Config has the topic's configurations by Kafka's names: cleanup.policy, retention.ms, ... (see SetTopicConfig).
	Config map[string]string
	// LogAppendTime makes brokers set the time of records (message.timestamp.type=LogAppendTime).
	LogAppendTime bool
	// MinISR of the topic (min.insync.replicas). Default: that of the cluster.
	MinISR int
	// Compacted topics take no record without a key (cleanup.policy=compact). They are compacted when Cluster.Compact says so, or by themselves (Config.AutoClean).
	Compacted bool
}

// configs are the topic's configurations, those of its fields among them.
func (t *Topic) configs() map[string]string {
	set := maps.Clone(t.Config)
	if set == nil {
		set = map[string]string{}
	}
	if t.LogAppendTime {
		set["message.timestamp.type"] = "LogAppendTime"
	}
	if t.MinISR > 0 {
		set["min.insync.replicas"] = strconv.Itoa(t.MinISR)
	}
	if t.Compacted {
		set["cleanup.policy"] = "compact"
	}
	return set
}

// negative tells which numbers cannot be so: for all of them the zero value is the default.
func (c *Config) negative() (errs []error) {
	for _, f := range []struct {
		field string
		value int
	}{
		{"DefaultPartitions", c.DefaultPartitions}, {"MaxMessage", c.MaxMessage}, {"MinISR", c.MinISR}, {"GroupMaxSize", c.GroupMaxSize}, {"MaxOffsetMetadata", c.MaxOffsetMetadata},
	} {
		if f.value < 0 {
			errs = append(errs, fmt.Errorf("fake: %s is %d: it cannot be negative", f.field, f.value))
		}
	}
	for _, f := range []struct {
		field string
		value time.Duration
	}{
		{"ProducerExpiry", c.ProducerExpiry}, {"MaxTransactionTimeout", c.MaxTransactionTimeout}, {"TransactionCheck", c.TransactionCheck}, {"MarkerDelay", c.MarkerDelay}, {"SessionTimeout", c.SessionTimeout},
		{"GroupSession", c.GroupSession}, {"GroupHeartbeat", c.GroupHeartbeat}, {"GroupMinSession", c.GroupMinSession}, {"GroupMaxSession", c.GroupMaxSession},
		{"OffsetsRetention", c.OffsetsRetention}, {"OffsetsCheck", c.OffsetsCheck},
	} {
		if f.value < 0 {
			errs = append(errs, fmt.Errorf("fake: %s is %v: it cannot be negative", f.field, f.value))
		}
	}
	if c.DefaultPartitions > maxPartitions {
		errs = append(errs, fmt.Errorf("fake: DefaultPartitions is %d: a topic has %d at most", c.DefaultPartitions, maxPartitions))
	}
	return errs
}

// defaults fills in what is not said, and tells what cannot be.
func (c *Config) defaults() error {
	set := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	errs := c.negative()
	set(&c.Nodes, 1)
	if c.Release == "" {
		c.Release = "4.3"
	}
	errs = append(errs, c.reconcile()...)
	set(&c.DefaultPartitions, 1)
	if c.ProducerExpiry == 0 {
		c.ProducerExpiry = 24 * time.Hour
	}
	if c.GroupSession == 0 {
		c.GroupSession = 45 * time.Second
	}
	if c.GroupHeartbeat == 0 {
		c.GroupHeartbeat = 5 * time.Second
	}
	for _, d := range []struct {
		v       *time.Duration
		usually time.Duration
	}{{&c.GroupMinSession, 6 * time.Second}, {&c.GroupMaxSession, 30 * time.Minute}, {&c.OffsetsRetention, 7 * 24 * time.Hour}, {&c.OffsetsCheck, 10 * time.Minute}} {
		if *d.v == 0 {
			*d.v = d.usually
		}
	}
	set(&c.MaxOffsetMetadata, 4096)
	if c.MaxTransactionTimeout == 0 {
		c.MaxTransactionTimeout = 15 * time.Minute
	}
	if c.TransactionCheck == 0 {
		c.TransactionCheck = 10 * time.Second
	}
	if c.Host == nil {
		c.Host = func(node int32) (string, int32) { return fmt.Sprintf("broker-%d", node), 9092 }
	}
	if c.Nodes < 1 || c.Nodes > 1000 {
		errs = append(errs, fmt.Errorf("fake: %d nodes; 1 to 1000 are possible", c.Nodes))
	}
	if ranges, err := protocol.Release(c.Release); err != nil {
		errs = append(errs, fmt.Errorf("fake: %q is no release; there are %s", c.Release, strings.Join(releases(), ", ")))
	} else if _, told := ranges.Get(msg.ApiVersionsAPI); !told {
		errs = append(errs, fmt.Errorf("fake: release %s; 0.10 is the first that tells clients its versions; there are %s", c.Release, strings.Join(releases(), ", ")))
	}
	if c.TransactionVersion < -1 || c.TransactionVersion > 2 {
		errs = append(errs, fmt.Errorf("fake: transaction.version %d; 1, 2 and -1 (for 0) are possible", c.TransactionVersion))
	}
	if c.Port < 0 || c.Port > 0 && c.Port+c.Nodes-1 > 65535 {
		errs = append(errs, fmt.Errorf("fake: port %d for the first of %d brokers; ports are 1 to 65535, and 0 for any", c.Port, c.Nodes))
	}
	names := map[string]string{} // as metrics have them
	for _, t := range c.Topics {
		like := strings.ReplaceAll(t.Name, ".", "_")
		switch other, twice := names[like]; {
		case !legal(t.Name):
			errs = append(errs, fmt.Errorf("fake: topic %q: as a name %s", t.Name, legalNames))
		case twice && other == t.Name:
			errs = append(errs, fmt.Errorf("fake: topic %q is there twice", t.Name))
		case twice:
			errs = append(errs, fmt.Errorf("fake: topics %q and %q collide: Kafka has no two names that differ in dots and underscores only", other, t.Name))
		}
		names[like] = t.Name
		if t.MinISR < 0 {
			errs = append(errs, fmt.Errorf("fake: topic %q: MinISR is %d: it cannot be negative", t.Name, t.MinISR))
		}
		if t.Partitions < 0 || t.Partitions > maxPartitions || t.Replicas < 0 || t.Replicas > c.Nodes {
			errs = append(errs, fmt.Errorf("fake: topic %q with %d partitions and %d replicas on %d nodes", t.Name, t.Partitions, t.Replicas, c.Nodes))
		}
	}
	return errors.Join(errs...)
}
