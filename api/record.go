package api

import (
	"time"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/record"
)

// TopicPartition names a partition.
type TopicPartition = cluster.TopicPartition

// Partition is a partition as the cluster tells of it.
type Partition = cluster.Partition

// Header of a record; a nil Value is null.
type Header = record.Header

// RecordMetadata says where a record was written: Topic, Partition, Offset (-1: not known, with acks=0 or after a repetition whose first answer was lost), and Timestamp in milliseconds since 1970.
type RecordMetadata = cluster.RecordMetadata

// Record is a record, to be produced or consumed. To be produced it needs a topic; the partitioner chooses the partition unless Fixed is set. Of a consumed one
// everything is set, and it stays valid as long as it is referenced.
type Record struct {
	Topic     string
	Key       []byte // nil: null
	Value     []byte // nil: null, a tombstone in compacted topics
	Headers   []Header
	Timestamp time.Time // kept in milliseconds; the zero Time: now, or of a consumed record: it has none. Before 1970 it is refused (protocol.InvalidTimestamp)
	Partition int32     // where it is, or with Fixed where it shall go
	Fixed     bool      // Partition is meant; a negative one is refused
	// LogAppendTime tells of a consumed record that the broker has set its Timestamp (message.timestamp.type).
	LogAppendTime bool
	Offset        int64
	// LeaderEpoch is that in which a consumed record was written. Zero: it is not known.
	LeaderEpoch LeaderEpoch
}

// TopicPartition is where the record is.
func (r *Record) TopicPartition() TopicPartition {
	return TopicPartition{Topic: r.Topic, Partition: r.Partition}
}
