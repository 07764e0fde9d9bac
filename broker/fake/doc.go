// Package fake is a Kafka cluster inside the process: several brokers with topics, logs, leaders and epochs, for tests of services and for the simulator.
// It works: what is produced can be fetched, sequences are checked, elections happen. It is not durable.
//
//	Cluster    the cluster itself: frames in, frames out, with the time as an argument; no goroutine, no clock (cluster.go)
//	Server     the same on TCP, or on pipes for testing/synctest (server.go)
//	faults.go  what a test can do to it: fail requests, seize them, stop and pause brokers, move leaders, truncate logs, forget producers
//	long_poll.go  fetches that wait
//	releases.go  what goes by the release of Kafka
//	log.go     partitions: batches, epochs
//	segments.go, retention.go, cleaner.go  what becomes of a log: Cluster.Roll, Cluster.Retain, Cluster.Compact
//	auto_clean.go  when brokers retain and compact by themselves: Config.AutoClean
//	properties.go  configurations: which there are (topic_properties.go, broker_properties.go, broker_names.go), which a Config says (broker_config.go), who has set them (overrides.go), what they come to (settings.go)
//	connections.go  how many connections brokers serve, and for how long
//	validation.go  which records are taken, and how they are stored
//	producers.go  what partitions know of idempotent producers, and when they forget it
//	transaction_coordinator.go   transactional ids: producers, epochs, states, time-outs, markers
//	transaction_verification.go  what leaders ask the coordinator before they begin with a transaction (KIP-890)
//	transaction_offsets.go       offsets that are committed with a transaction
//	transactions.go              what partitions know of transactions; transactions that a test writes itself
//	internal_topics.go  __consumer_offsets and __transaction_state
//	groups.go  groups of consumers: what is kept of them
//	group_classic.go, group_modern.go, group_migration.go   those that divide the partitions among them, those whose coordinator does (group_assignors.go), and from the one to the other
//	group_expiry.go  when committed offsets, and groups, are forgotten
//	NN_*.go    one file for each API, by its key
//	interop    other people's clients on it, and franz-go's own tests: a module of its own
//
// Nothing is deleted or compacted until a test says so, with Cluster.Retain and Cluster.Compact; with Config.AutoClean brokers do it by themselves, when Kafka would.
//
// A Config.Release makes it speak the versions of that release, 0.10 to 4.3. It shares the protocol packages with the client, and nothing else.
//
// # APIs
//
// These are offered, here with the versions of Kafka 4.3; earlier releases have other versions, and not all of them:
//
//	Produce 0-13, Fetch 4-18, ListOffsets 1-11, Metadata 0-13, OffsetCommit 2-10, OffsetFetch 1-10, FindCoordinator 0-6, JoinGroup 0-9, Heartbeat 0-4,
//	LeaveGroup 0-5, SyncGroup 0-5, DescribeGroups 0-6, ListGroups 0-5, ApiVersions 0-4, CreateTopics 2-7, DeleteTopics 1-6, DeleteRecords 0-2,
//	InitProducerId 0-5, OffsetForLeaderEpoch 2-4, AddPartitionsToTxn 0-5, AddOffsetsToTxn 0-4, EndTxn 0-5, WriteTxnMarkers 1-2, TxnOffsetCommit 0-5,
//	DescribeConfigs 1-4, AlterConfigs 0-2, DescribeLogDirs 1-5, CreatePartitions 0-3, DeleteGroups 0-2, ElectLeaders 0-2, IncrementalAlterConfigs 0-1,
//	ListPartitionReassignments 0-0, OffsetDelete 0-0, DescribeClientQuotas 0-1, DescribeUserScramCredentials 0-0, DescribeCluster 0-2,
//	DescribeProducers 0-0, DescribeTransactions 0-0, ListTransactions 0-2, ConsumerGroupHeartbeat 0-1, ConsumerGroupDescribe 0-1,
//	ListConfigResources 0-1, DescribeTopicPartitions 0-0
//
// ApiVersions does not tell these, so that clients know that they are not supported. Who asks for one nevertheless has the connection closed, as real brokers do with APIs and versions that they do not have:
//
//	security             SaslHandshake, SaslAuthenticate, DescribeAcls, CreateAcls, DeleteAcls, CreateDelegationToken, RenewDelegationToken,
//	                     ExpireDelegationToken, DescribeDelegationToken, AlterUserScramCredentials
//	replicas that move   AlterPartitionReassignments, AlterReplicaLogDirs
//	quotas               AlterClientQuotas
//	the cluster          UpdateFeatures, UnregisterBroker, DescribeQuorum, AddRaftVoter, RemoveRaftVoter
//	metrics of clients   GetTelemetrySubscriptions, PushTelemetry
//	share groups         ShareGroupHeartbeat, ShareGroupDescribe, ShareFetch, ShareAcknowledge, DescribeShareGroupOffsets, AlterShareGroupOffsets,
//	                     DeleteShareGroupOffsets, InitializeShareGroupState, ReadShareGroupState, WriteShareGroupState, DeleteShareGroupState,
//	                     ReadShareGroupStateSummary
//	streams groups       StreamsGroupHeartbeat, StreamsGroupDescribe
//	of controllers       Vote, BeginQuorumEpoch, EndQuorumEpoch, FetchSnapshot, UpdateRaftVoter, AlterPartition, Envelope, BrokerRegistration,
//	                     BrokerHeartbeat, AllocateProducerIds, ControllerRegistration, AssignReplicasToDirs
//
// # A process of its own
//
// As a process of its own it is the command kactor fake (examples/kactor).
//
//	server, err := fake.Listen(fake.Config{Topics: []fake.Topic{{Name: "orders", Partitions: 3}}})
//	client, err := api.Dial(ctx, api.Brokers(server.Addrs()...))
package fake
