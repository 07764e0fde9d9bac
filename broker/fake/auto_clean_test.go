package fake_test

import (
	"testing"
	"time"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// pass lets time pass, and what is to happen happen at its time.
func (b *bench) pass(d time.Duration) {
	until := b.at.Add(d)
	for next := b.c.Next(); !next.IsZero() && next.Before(until); next = b.c.Next() {
		due := !next.After(b.at)
		b.later(max(0, next.Sub(b.at)))
		if due && b.c.Next().Equal(next) {
			b.t.Fatal("what was to happen did not, and is wanted again")
		}
	}
	b.later(until.Sub(b.at))
}

// cleaned is a cluster with a record in a topic that keeps records for a minute.
func cleaned(t *testing.T, cfg fake.Config) (*bench, fake.ConnID) {
	cfg.Topics = []fake.Topic{{Name: "t", Config: map[string]string{"retention.ms": "60000", "message.timestamp.type": "LogAppendTime"}}}
	b := newBench(t, cfg)
	k := b.connect(1)
	b.code("produce", b.produce(k, "t", 0, batch(-1, -1, -1, "x")).ErrorCode, protocol.None)
	return b, k
}

func (b *bench) starts(want int64) {
	b.t.Helper()
	if start, _ := b.c.Offsets("t", 0); start != want {
		b.t.Errorf("the log begins at %d, expected %d", start, want)
	}
}

func TestNothingIsCleanedUntilItIsAskedFor(t *testing.T) {
	b, _ := cleaned(t, fake.Config{})
	b.pass(24 * time.Hour)
	b.starts(0)
	if next := b.c.Next(); !next.IsZero() {
		t.Errorf("something is to happen at %v", next)
	}
}

// Kafka looks after 30 s, and every five minutes then.
func TestRecordsAreRetainedByThemselves(t *testing.T) {
	b, _ := cleaned(t, fake.Config{AutoClean: true})
	b.pass(5 * time.Minute)
	b.starts(0)
	b.pass(31 * time.Second)
	b.starts(1)
}

// A broker that is paused, or stopped, cleans nothing.
func TestOnlyBrokersThatRunClean(t *testing.T) {
	for name, do := range map[string][2]func(c *fake.Cluster, now time.Time, node int32){
		"paused":  {(*fake.Cluster).Pause, (*fake.Cluster).Resume},
		"stopped": {(*fake.Cluster).Stop, (*fake.Cluster).Start},
	} {
		b, _ := cleaned(t, fake.Config{AutoClean: true, SessionTimeout: 24 * time.Hour})
		do[0](b.c, b.at, 1)
		b.pass(time.Hour)
		b.starts(0)
		do[1](b.c, b.at, 1)
		b.pass(time.Minute)
		if start, _ := b.c.Offsets("t", 0); start != 1 {
			t.Errorf("%s: the log begins at %d", name, start)
		}
	}
}

// Committed offsets, groups and transactional ids are not in the logs of internal topics, and stay whatever is cleaned.
func TestOffsetsAndTransactionalIDsAreNotCleaned(t *testing.T) {
	b, k := cleaned(t, fake.Config{AutoClean: true, InternalTopics: true})
	commit := &msg.OffsetCommitRequest{GroupID: "g", GenerationIDOrMemberEpoch: -1, RetentionTimeMs: -1, Topics: []msg.OffsetCommitRequestOffsetCommitRequestTopic{{Name: "t",
		Partitions: []msg.OffsetCommitRequestOffsetCommitRequestPartition{{CommittedOffset: 1, CommittedLeaderEpoch: -1, CommitTimestamp: -1}}}}}
	b.code("commit", ask(b, k, commit, &msg.OffsetCommitResponse{}, 7).Topics[0].Partitions[0].ErrorCode, protocol.None)
	begin := &msg.InitProducerIdRequest{TransactionalID: wire.Ptr("x"), TransactionTimeoutMs: 60000, ProducerID: -1, ProducerEpoch: -1}
	first := ask(b, k, begin, &msg.InitProducerIdResponse{}, 4)
	b.pass(24 * time.Hour)
	b.starts(1)
	fetch := &msg.OffsetFetchRequest{GroupID: "g", Topics: []msg.OffsetFetchRequestOffsetFetchRequestTopic{{Name: "t", PartitionIndexes: []int32{0}}}}
	if o := ask(b, k, fetch, &msg.OffsetFetchResponse{}, 5).Topics[0].Partitions[0].CommittedOffset; o != 1 {
		t.Errorf("the group has committed %d, expected 1", o)
	}
	if again := ask(b, k, begin, &msg.InitProducerIdResponse{}, 4); again.ProducerID != first.ProducerID || again.ProducerEpoch != 1 {
		t.Errorf("the transactional id has got %d/%d behind %d/%d", again.ProducerID, again.ProducerEpoch, first.ProducerID, first.ProducerEpoch)
	}
}

// What brokers are configured with is checked.
func TestBrokerConfigsAreChecked(t *testing.T) {
	for name, value := range map[string]string{"log.retention.check.interval.ms": "0", "log.cleaner.backoff.ms": "soon", "log.cleanup.policy": "none", "log.initial.task.delay.ms": "-1", "log.dirs": "/data"} {
		if _, err := fake.NewCluster(fake.Config{Broker: map[string]string{name: value}}); err == nil {
			t.Errorf("there are brokers with %s=%s", name, value)
		}
	}
	if _, err := fake.NewCluster(fake.Config{Broker: map[string]string{"log.initial.task.delay.ms": "0", "log.retention.hours": "1"}}); err != nil {
		t.Error(err)
	}
}
