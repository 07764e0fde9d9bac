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
// As a process of its own it is the command kactor fake (examples/kactor).
//
//	server, err := fake.Listen(fake.Config{Topics: []fake.Topic{{Name: "orders", Partitions: 3}}})
//	client, err := api.Dial(ctx, api.Brokers(server.Addrs()...))
package fake
