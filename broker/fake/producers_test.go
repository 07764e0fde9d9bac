package fake_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
)

// at makes a batch of one record with a timestamp; key may be nil.
func at(ms int64, id int64, sequence int32, keys ...[]byte) []byte {
	raw := make([]byte, record.Overhead)
	for i, k := range keys {
		raw = record.AppendRecord(raw, int32(i), 0, k, []byte("v"), nil)
	}
	n := int32(len(keys))
	record.Seal(raw, &record.Info{Magic: 2, LeaderEpoch: -1, LastOffsetDelta: n - 1, Count: n, BaseTimestamp: ms, MaxTimestamp: ms, ProducerID: id, BaseSequence: sequence})
	return raw
}

// What a broker says of a producer's next batch when it has forgotten it, release by release: by its first sequence, and by one that it has had before.
func TestProducersAreForgotten(t *testing.T) {
	for release, want := range map[string]protocol.Code{"4.3": protocol.None, "2.5": protocol.None, "2.4": protocol.UnknownProducerID, "1.0": protocol.UnknownProducerID, "0.11": protocol.OutOfOrderSequenceNumber} {
		for _, c := range []struct {
			name   string
			forget func(b *bench)
		}{
			{"it has written nothing for long", func(b *bench) { b.later(time.Hour + 15*time.Minute) }},
			{"the leader was elected without its records", func(b *bench) {
				if err := b.c.Truncate("a", 0, 0); err != nil {
					t.Fatal(err)
				}
			}},
			{"the test says so", func(b *bench) {
				if err := b.c.ForgetProducers("a", 0); err != nil {
					t.Fatal(err)
				}
			}},
		} {
			cfg := threeNodes()
			cfg.Release, cfg.ProducerExpiry = release, time.Hour
			b := newBench(t, cfg)
			k := b.connect(1)
			produce := func(raw []byte) int16 {
				return ask(b, k, produceRequest(-1, "a", 0, raw), &msg.ProduceResponse{}, 3).Responses[0].PartitionResponses[0].ErrorCode
			}
			b.code("the first", produce(at(b.at.UnixMilli(), 7, 0, nil)), protocol.None)
			c.forget(b)
			b.code(release+", "+c.name, produce(at(b.at.UnixMilli(), 7, 1, nil)), want)
			if want != protocol.None {
				b.code("from 0", produce(at(b.at.UnixMilli(), 7, 0, nil)), protocol.None)
				continue
			}
			b.code("what is before the first it takes", produce(at(b.at.UnixMilli(), 7, 0, nil)), protocol.OutOfOrderSequenceNumber)
		}
	}
}

// Who has written without an epoch may go on with any sequence, with or without one (seen on Kafka 4.3.0; ProducerAppendInfo.checkSequence).
func TestAnEpochBehindNoneBeginsAnywhere(t *testing.T) {
	b := newBench(t, threeNodes())
	k := b.connect(1)
	for _, x := range []struct {
		epoch    int16
		sequence int32
		want     protocol.Code
	}{{-1, 5, protocol.None}, {-1, 7, protocol.None}, {0, 9, protocol.None}, {1, 10, protocol.OutOfOrderSequenceNumber}, {1, 0, protocol.None}} {
		b.code(fmt.Sprintf("epoch %d, sequence %d", x.epoch, x.sequence), b.produce(k, "a", 0, batch(7, x.epoch, x.sequence, "x")).ErrorCode, x.want)
	}
}

// It is the time of the records that counts, not when they came.
func TestAProducerOfOldRecordsIsForgottenAtOnce(t *testing.T) {
	b := newBench(t, threeNodes())
	k := b.connect(1)
	b.produce(k, "a", 0, at(b.at.Add(-25*time.Hour).UnixMilli(), 7, 0, nil))
	b.later(10 * time.Minute)
	b.code("another first", b.produce(k, "a", 0, at(b.at.UnixMilli(), 7, 5, nil)).ErrorCode, protocol.None)
}

func TestFiveBatchesOfAProducerAreRemembered(t *testing.T) {
	for _, c := range []struct {
		release  string
		last     int32 // that is remembered of 0 to 6
		older    protocol.Code
		version  int16
		sequence int32
	}{{"4.3", 2, protocol.OutOfOrderSequenceNumber, 9, 1}, {"1.1", 2, protocol.DuplicateSequenceNumber, 3, 1}, {"0.11", 6, protocol.OutOfOrderSequenceNumber, 3, 5}} {
		cfg := threeNodes()
		cfg.Release = c.release
		b := newBench(t, cfg)
		k := b.connect(1)
		produce := func(sequence int32) msg.ProduceResponsePartitionProduceResponse {
			return ask(b, k, produceRequest(-1, "a", 0, batch(7, 0, sequence, "v")), &msg.ProduceResponse{}, c.version).Responses[0].PartitionResponses[0]
		}
		for i := range int32(7) {
			b.code("one after the other", produce(i).ErrorCode, protocol.None)
		}
		if r := produce(c.last); r.ErrorCode != 0 || r.BaseOffset != int64(c.last) {
			t.Fatalf("%s: %+v", c.release, r)
		}
		b.code(c.release+": older", produce(c.sequence).ErrorCode, c.older)
	}
}

func TestRecordsThatAreNotValidAreNamed(t *testing.T) {
	b := newBench(t, fake.Config{Topics: []fake.Topic{{Name: "tidy", Compacted: true}, {Name: "a"}}})
	k := b.connect(1)
	now := b.at.UnixMilli()
	r := b.produce(k, "tidy", 0, at(now, -1, -1, []byte("k"), nil, []byte("k"), nil))
	b.code("without keys", r.ErrorCode, protocol.InvalidRecord)
	if len(r.RecordErrors) != 2 || r.RecordErrors[0].BatchIndex != 1 || r.RecordErrors[1].BatchIndex != 3 || r.RecordErrors[0].BatchIndexErrorMessage == nil || r.ErrorMessage == nil {
		t.Fatalf("%+v", r)
	}
	r = b.produce(k, "a", 0, at(now+2*time.Hour.Milliseconds(), -1, -1, nil))
	b.code("in two hours", r.ErrorCode, protocol.InvalidTimestamp)
	if len(r.RecordErrors) != 1 {
		t.Fatalf("%+v", r)
	}
	if _, end := b.c.Offsets("tidy", 0); end != 0 {
		t.Fatalf("%d records are in the log", end)
	}
	b.code("with keys", b.produce(k, "tidy", 0, at(now, -1, -1, []byte("k"))).ErrorCode, protocol.None)
}
