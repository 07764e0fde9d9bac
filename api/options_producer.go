package api

import (
	"strconv"
	"time"

	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/sender"
)

// ofProducers is a property as an option of producers alone.
func ofProducers(name, value string) ProducerOption {
	return producerOption(Property(name, value).set)
}

// RequiredAcks says which replicas must have written a record before the broker acknowledges it (acks).
type RequiredAcks uint8

const (
	AcksAll    RequiredAcks = iota // every replica that is in sync: what is acknowledged survives as long as one of them does
	AcksLeader                     // the leader alone: what it has acknowledged is lost if it fails before a follower has it
	AcksNone                       // nobody: the broker does not answer, the offset of the record is unknown, and a loss is not noticed
)

// String gives the value of the property acks: all, 1 or 0.
func (a RequiredAcks) String() string {
	switch a {
	case AcksLeader:
		return "1"
	case AcksNone:
		return "0"
	}
	return "all"
}

// Acks sets which replicas must have written a record before it is acknowledged (acks). The default is [AcksAll]. With anything less the producer is not idempotent, as in Java's client; together with Idempotence(true) it is an error.
func Acks(a RequiredAcks) ProducerOption { return ofProducers("acks", a.String()) }

// Idempotence sets whether the producer numbers its records, so that brokers write each of them once and in order, however often a request is repeated (enable.idempotence). The default is true.
func Idempotence(on bool) ProducerOption {
	return ofProducers("enable.idempotence", strconv.FormatBool(on))
}

// Linger sets how long a batch waits for more records before it is sent (linger.ms). By default a batch waits for up to 5 ms, and only while another request is on its way to the broker.
func Linger(d time.Duration) ProducerOption { return ofProducers("linger.ms", d.String()) }

// BatchSize sets how many bytes the batch of one partition holds at most (batch.size). The default is 16,384. A larger record is a batch of its own. 0 makes every record a batch of its own.
func BatchSize(bytes int) ProducerOption {
	return ofProducers("batch.size", strconv.Itoa(bytes))
}

// Compression sets how batches are compressed (compression.type). The default is [compress.None].
func Compression(c compress.Codec) ProducerOption { return ofProducers("compression.type", c.String()) }

// CompressionLevel sets the level of the codec that [Compression] has chosen: 1 to 9 for gzip (default 6), 0 to 17 for lz4 (default 0, the fastest), -131,072 to 22 for zstd (default: its fastest). Snappy has no levels.
func CompressionLevel(n int) ProducerOption {
	return ofProducers("compression.level", strconv.Itoa(n))
}

// Partitioner sets what chooses the partitions of records that do not name one. The default is that of Java's client: records with a key go by its murmur2 hash, those without stay with one partition until a batch is full. Partitioners
// with a name are set by the property partitioner.class.
//
// The function is called once for each topic. The partitioner that it returns is called by one goroutine at a time: that of the caller who sends the record, or one of the producer's if the topic was not known yet. A panic in it
// is the error of the record.
//
// While a partitioner does not return, records that it is to place wait for it, at most max.block.ms ([ErrPartitionerBusy]; [Producer.TrySend] waits a moment only), and so do records that are queued behind one that it is deciding about.
// Records that name their partition, other topics, and Close do not wait.
//
// It may use its producer. Records for its own topic are placed after it has returned, so it must not wait for their outcomes: Produce of one, Flush and Close return [ErrIllegalState] within it; anything else that waits for one does
// so for max.block.ms.
func Partitioner(p sender.NewPartitioner) ProducerOption {
	return producerOption(func(s *settings) error {
		s.sender.Partitioner = p
		s.hold("partitioner.class", ofCode)
		return nil
	})
}
