package cluster

import (
	"fmt"
	"strings"

	"github.com/kactor-go/kactor/protocol/printable"
	"github.com/kactor-go/kactor/protocol/wire"
)

// RecordMetadata says where a record was written.
type RecordMetadata struct {
	Topic     string
	Partition int32
	Offset    int64 // -1: not known (acks=0, or a repetition whose first answer was lost)
	Timestamp int64 // milliseconds since 1970: the record's own, or the broker's where the topic has message.timestamp.type=LogAppendTime
}

// OffsetAndMetadata is a position in a partition that is committed, or was.
type OffsetAndMetadata struct {
	TopicPartition
	// Offset of the next record to read; -1: nothing was committed.
	Offset int64
	// LeaderEpoch of the record before. With it a consumer that begins here finds out whether the log has lost what was read (KIP-320). Zero: not known.
	LeaderEpoch LeaderEpoch
	// TopicID of the topic that was read. A commit under it is refused if the topic was deleted and created again in the meantime: its records are others. Zero: not known.
	TopicID wire.UUID
	// Metadata is a text of the application's, which is kept with the offset.
	Metadata string
}

// String tells everything: "orders/3 at 42, leader epoch 5".
func (o OffsetAndMetadata) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s at %d, leader epoch %s", o.TopicPartition, o.Offset, o.LeaderEpoch)
	if o.TopicID != (wire.UUID{}) {
		fmt.Fprintf(&b, ", topic id %s", o.TopicID)
	}
	if o.Metadata != "" {
		fmt.Fprintf(&b, ", metadata \"%s\"", printable.Text(o.Metadata))
	}
	return b.String()
}
