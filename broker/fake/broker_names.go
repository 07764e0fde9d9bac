package fake

import (
	"slices"
	"strings"
)

// fixedNames are names of the other configurations of brokers that cannot be changed while they run. The fake does not go by them, but refuses to change them.
type fixedNames struct {
	since, until string // releases; those between 2.8, 3.9 and 4.3, which these are from, are taken to have those of the next one
	names        string
}

var everyFixedName = []fixedNames{
	{"", "", `alter.config.policy.class.name alter.log.dirs.replication.quota.window.num alter.log.dirs.replication.quota.window.size.seconds authorizer.class.name auto.leader.rebalance.enable broker.rack
		client.quota.callback.class connection.failed.authentication.delay.ms connections.max.reauth.ms controlled.shutdown.enable controller.quota.window.num
		controller.quota.window.size.seconds controller.socket.timeout.ms create.topic.policy.class.name delegation.token.expiry.check.interval.ms delegation.token.expiry.time.ms
		delegation.token.max.lifetime.ms delegation.token.secret.key delete.records.purgatory.purge.interval.requests delete.topic.enable fetch.max.bytes fetch.purgatory.purge.interval.requests
		group.initial.rebalance.delay.ms group.max.session.timeout.ms group.max.size group.min.session.timeout.ms inter.broker.listener.name kafka.metrics.polling.interval.secs kafka.metrics.reporters
		leader.imbalance.check.interval.seconds log.cleaner.enable log.dir log.dirs log.flush.offset.checkpoint.interval.ms log.flush.scheduler.interval.ms log.flush.start.offset.checkpoint.interval.ms
		max.incremental.fetch.session.cache.slots metrics.num.samples metrics.recording.level metrics.sample.window.ms num.replica.alter.log.dirs.threads
		offset.metadata.max.bytes offsets.commit.timeout.ms offsets.load.buffer.size offsets.retention.check.interval.ms offsets.retention.minutes offsets.topic.compression.codec
		offsets.topic.replication.factor offsets.topic.segment.bytes producer.purgatory.purge.interval.requests queued.max.request.bytes queued.max.requests quota.window.num quota.window.size.seconds
		replica.fetch.backoff.ms replica.fetch.max.bytes replica.fetch.min.bytes replica.fetch.response.max.bytes replica.fetch.wait.max.ms replica.high.watermark.checkpoint.interval.ms
		replica.lag.time.max.ms replica.selector.class replica.socket.receive.buffer.bytes replica.socket.timeout.ms replication.quota.window.num replication.quota.window.size.seconds request.timeout.ms
		sasl.client.callback.handler.class sasl.login.callback.handler.class sasl.login.class sasl.server.callback.handler.class sasl.server.max.receive.size security.inter.broker.protocol security.providers
		socket.connection.setup.timeout.max.ms socket.connection.setup.timeout.ms socket.receive.buffer.bytes socket.request.max.bytes socket.send.buffer.bytes ssl.principal.mapping.rules
		transaction.abort.timed.out.transaction.cleanup.interval.ms transaction.max.timeout.ms transaction.remove.expired.transaction.cleanup.interval.ms transaction.state.log.load.buffer.size
		transaction.state.log.min.isr transaction.state.log.replication.factor transaction.state.log.segment.bytes transactional.id.expiration.ms`},
	{"", "3.0", `advertised.host.name advertised.port host.name node.id port quota.consumer.default quota.producer.default zookeeper.sync.time.ms`},
	{"", "4.0", `broker.id.generation.enable control.plane.listener.name controlled.shutdown.max.retries controlled.shutdown.retry.backoff.ms delegation.token.master.key inter.broker.protocol.version
		leader.imbalance.per.broker.percentage offsets.commit.required.acks password.encoder.cipher.algorithm password.encoder.iterations password.encoder.key.length password.encoder.keyfactory.algorithm
		password.encoder.old.secret password.encoder.secret reserved.broker.max.id zookeeper.connect zookeeper.connection.timeout.ms zookeeper.max.in.flight.requests zookeeper.session.timeout.ms
		zookeeper.set.acl zookeeper.ssl.cipher.suites zookeeper.ssl.client.enable zookeeper.ssl.crl.enable zookeeper.ssl.enabled.protocols zookeeper.ssl.endpoint.identification.algorithm
		zookeeper.ssl.keystore.location zookeeper.ssl.keystore.password zookeeper.ssl.keystore.type zookeeper.ssl.ocsp.enable zookeeper.ssl.protocol zookeeper.ssl.truststore.location
		zookeeper.ssl.truststore.password zookeeper.ssl.truststore.type`},
	{"3.0", "", `broker.heartbeat.interval.ms broker.session.timeout.ms controller.listener.names controller.quorum.append.linger.ms controller.quorum.bootstrap.servers controller.quorum.election.backoff.max.ms
		controller.quorum.election.timeout.ms controller.quorum.fetch.timeout.ms controller.quorum.request.timeout.ms controller.quorum.retry.backoff.ms controller.quorum.voters early.start.listeners
		group.consumer.assignors group.consumer.heartbeat.interval.ms group.consumer.max.heartbeat.interval.ms group.consumer.max.session.timeout.ms group.consumer.max.size
		group.consumer.min.heartbeat.interval.ms group.consumer.min.session.timeout.ms group.consumer.session.timeout.ms group.coordinator.append.linger.ms group.coordinator.rebalance.protocols
		group.coordinator.threads group.share.delivery.count.limit group.share.heartbeat.interval.ms group.share.max.heartbeat.interval.ms group.share.max.record.lock.duration.ms
		group.share.max.session.timeout.ms group.share.max.size group.share.min.heartbeat.interval.ms group.share.min.record.lock.duration.ms group.share.min.session.timeout.ms
		group.share.partition.max.record.locks group.share.record.lock.duration.ms group.share.session.timeout.ms initial.broker.registration.timeout.ms log.dir.failure.timeout.ms
		max.request.partition.size.limit metadata.log.dir metadata.log.max.record.bytes.between.snapshots metadata.log.max.snapshot.interval.ms metadata.log.segment.bytes metadata.log.segment.ms
		metadata.max.idle.interval.ms metadata.max.retention.bytes metadata.max.retention.ms process.roles remote.log.manager.copy.quota.window.num remote.log.manager.copy.quota.window.size.seconds
		remote.log.manager.fetch.quota.window.num remote.log.manager.fetch.quota.window.size.seconds remote.log.manager.task.interval.ms remote.log.manager.thread.pool.size
		remote.log.metadata.custom.metadata.max.bytes remote.log.metadata.manager.class.name remote.log.metadata.manager.class.path remote.log.metadata.manager.impl.prefix
		remote.log.metadata.manager.listener.name remote.log.reader.max.pending.tasks remote.log.storage.manager.class.name remote.log.storage.manager.class.path remote.log.storage.manager.impl.prefix
		remote.log.storage.system.enable sasl.login.connect.timeout.ms sasl.login.read.timeout.ms sasl.login.retry.backoff.max.ms sasl.login.retry.backoff.ms sasl.mechanism.controller.protocol
		sasl.oauthbearer.clock.skew.seconds sasl.oauthbearer.expected.audience sasl.oauthbearer.expected.issuer sasl.oauthbearer.jwks.endpoint.refresh.ms sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms
		sasl.oauthbearer.jwks.endpoint.retry.backoff.ms sasl.oauthbearer.jwks.endpoint.url sasl.oauthbearer.scope.claim.name sasl.oauthbearer.sub.claim.name sasl.oauthbearer.token.endpoint.url
		share.coordinator.state.topic.min.isr share.coordinator.state.topic.replication.factor socket.listen.backlog.size ssl.allow.dn.changes ssl.allow.san.changes telemetry.max.bytes`},
	{"3.0", "4.0", `auto.include.jmx.reporter eligible.leader.replicas.enable group.share.max.groups remote.log.manager.copier.thread.pool.size remote.log.manager.expiration.thread.pool.size remote.log.reader.threads
		zookeeper.metadata.migration.enable`},
	{"4.0", "", `add.partitions.to.txn.retry.backoff.max.ms add.partitions.to.txn.retry.backoff.ms advertised.listeners controller.quorum.auto.join.enable controller.quorum.fetch.max.bytes
		controller.quorum.fetch.snapshot.max.bytes group.consumer.max.assignment.interval.ms group.consumer.migration.policy group.consumer.min.assignment.interval.ms group.coordinator.background.threads
		group.share.assignors group.share.max.assignment.interval.ms group.share.max.delivery.count.limit group.share.max.partition.max.record.locks group.share.max.share.sessions
		group.share.min.assignment.interval.ms group.share.min.delivery.count.limit group.share.min.partition.max.record.locks group.streams.heartbeat.interval.ms group.streams.initial.rebalance.delay.ms
		group.streams.max.assignment.interval.ms group.streams.max.heartbeat.interval.ms group.streams.max.session.timeout.ms group.streams.max.size group.streams.max.standby.replicas
		group.streams.min.assignment.interval.ms group.streams.min.heartbeat.interval.ms group.streams.min.session.timeout.ms group.streams.num.standby.replicas group.streams.session.timeout.ms
		sasl.oauthbearer.assertion.algorithm sasl.oauthbearer.assertion.claim.aud sasl.oauthbearer.assertion.claim.exp.seconds sasl.oauthbearer.assertion.claim.iss
		sasl.oauthbearer.assertion.claim.jti.include sasl.oauthbearer.assertion.claim.nbf.seconds sasl.oauthbearer.assertion.claim.sub sasl.oauthbearer.assertion.file
		sasl.oauthbearer.assertion.private.key.file sasl.oauthbearer.assertion.private.key.passphrase sasl.oauthbearer.assertion.template.file sasl.oauthbearer.client.credentials.client.id
		sasl.oauthbearer.client.credentials.client.secret sasl.oauthbearer.jwt.retriever.class sasl.oauthbearer.jwt.validator.class sasl.oauthbearer.scope share.coordinator.append.linger.ms
		share.coordinator.load.buffer.size share.coordinator.snapshot.update.records.per.snapshot share.coordinator.state.topic.compression.codec share.coordinator.state.topic.num.partitions
		share.coordinator.state.topic.segment.bytes share.coordinator.threads share.coordinator.write.timeout.ms share.fetch.purgatory.purge.interval.requests transaction.two.phase.commit.enable`},
}

// fixedElsewhere tells whether a configuration of brokers that the fake does not go by is one that cannot be changed while they run.
func (c *Cluster) fixedElsewhere(name string) bool {
	return slices.ContainsFunc(everyFixedName, func(f fixedNames) bool {
		return (f.since == "" || c.atLeast(f.since)) && (f.until == "" || !c.atLeast(f.until)) && slices.Contains(strings.Fields(f.names), name)
	})
}

// perListener tells whether a configuration is one of a broker's listener (DynamicBrokerConfig.DYNAMIC_SECURITY_CONFIGS).
func perListener(name string) bool {
	return name == "ssl.key.password" || strings.HasPrefix(name, "ssl.keystore.") || strings.HasPrefix(name, "ssl.truststore.")
}

// perBroker tells whether a configuration is one that brokers have one by one, never all of them (DynamicBrokerConfig.PER_BROKER_CONFIGS).
func perBroker(name string) bool {
	if rest, ok := strings.CutPrefix(name, "listener.name."); ok {
		_, name, _ = strings.Cut(rest, ".")
	}
	return strings.HasPrefix(name, "ssl.") || strings.HasPrefix(name, "sasl.") ||
		slices.Contains([]string{"listeners", "advertised.listeners", "listener.security.protocol.map", "principal.builder.class", "cordoned.log.dirs"}, name)
}
