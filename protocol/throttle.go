package protocol

// newSince is the first version of each API that came with Kafka 2.0, of the APIs that were there before.
var newSince = [...]int16{
	6, 8, 3, 6, 2, 1, 5, 2, // Produce, Fetch, ListOffsets, Metadata, and what brokers asked of each other
	4, 4, 2, 3, 2, 2, 2, 2, 2, // OffsetCommit, OffsetFetch, and what is asked of coordinators
	2, 2, // SaslHandshake, ApiVersions
	3, 2, 1, 1, 1, // CreateTopics, DeleteTopics, DeleteRecords, InitProducerId, OffsetForLeaderEpoch
	1, 1, 1, 1, 1, // transactions
	1, 1, 1, 2, 1, // ACLs, DescribeConfigs, AlterConfigs
	1, 1, 1, 1, // log directories, SaslAuthenticate, CreatePartitions
	1, 1, 1, 1, 1, // delegation tokens, DeleteGroups
}

// ThrottledAhead tells whether the throttle time of an answer is still to come: its client has to wait before it sends more, because the broker has answered first and takes nothing from the connection so long (KIP-219, Kafka 2.0).
// Before that the time is over: the broker has held the answer back. The version that came with 2.0 tells which it is; APIs that are newer are always answered first.
func ThrottledAhead(key, version int16) bool {
	return key < 0 || int(key) >= len(newSince) || version >= newSince[key]
}
