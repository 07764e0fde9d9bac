"""librdkafka, by way of confluent-kafka: its admin client, producers with every codec, groups of both protocols, and transactions. librdkafka.py BOOTSTRAP RECORDS [consumer]
With "consumer" as the third argument the groups are those of KIP-848, too."""
import faulthandler, sys

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic, OffsetSpec

faulthandler.dump_traceback_later(270, exit=True)  # whatever it waits for
hosts, n = sys.argv[1], int(sys.argv[2])
everywhere = {"bootstrap.servers": hosts}
admin = AdminClient(everywhere)


def done(futures):
    return {key: future.result(60) for key, future in futures.items()}


def fails(code, futures):
    try:
        done(futures)
    except ck.KafkaException as e:
        assert e.args[0].code() == code, e
        return
    raise AssertionError("no error %d" % code)


def send(topic, config, values):
    def delivered(err, m):
        assert err is None, err

    p = ck.Producer({**everywhere, **config})
    for v in values:
        while True:
            try:
                p.produce(topic, v, key=b"k%d" % (len(v) % 7), on_delivery=delivered)
                break
            except BufferError:
                p.poll(0.1)
    assert p.flush(60) == 0


def read(group, topic, count, *settings):
    """Has a member for each of the settings read, until all records have come and all members have partitions; and commits."""
    members = []
    for s in settings:
        c = ck.Consumer({**everywhere, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False, "isolation.level": "read_committed", **s})
        c.subscribe([topic])
        members.append(c)
    values = []
    while len(values) < count or not all(c.assignment() for c in members):
        for c in members:
            for m in c.consume(500, 0.1):
                assert m.error() is None, m.error()
                values.append(m.value())
            if c.assignment():
                try:
                    c.commit(asynchronous=False)
                except ck.KafkaException as e:  # nothing new, or a rebalance: what is read again is counted once
                    assert e.args[0].code() in (ck.KafkaError._NO_OFFSET, ck.KafkaError.REBALANCE_IN_PROGRESS, ck.KafkaError.ILLEGAL_GENERATION, ck.KafkaError.STALE_MEMBER_EPOCH), e
    for c in members:
        c.close()
    return values


# The admin client.
done(admin.create_topics([NewTopic("made", 2, 3), NewTopic("copies", 3, 1)]))
fails(ck.KafkaError.TOPIC_ALREADY_EXISTS, admin.create_topics([NewTopic("made", 2, 3)]))
done(admin.create_partitions([NewPartitions("made", 6)]))
assert len(admin.list_topics("made", 60).topics["made"].partitions) == 6
assert {"made", "copies"} <= set(admin.list_topics(timeout=60).topics)  # of all topics it asks with bytes behind the request
assert len(admin.describe_cluster().result(60).nodes) == 3

# Producers with each codec, idempotent ones and others.
codecs = ["none", "gzip", "snappy", "lz4", "zstd"]
for i, codec in enumerate(codecs):
    send("made", {"compression.type": codec, "enable.idempotence": i % 2 == 0, "acks": "all" if i % 2 == 0 else "1", "linger.ms": 5}, [b"%d" % v for v in range(i, n, len(codecs))])
ends = done(admin.list_offsets({ck.TopicPartition("made", i): OffsetSpec.latest() for i in range(6)}))
assert sum(end.offset for end in ends.values()) == n

# Groups.
kinds = [("range", {"partition.assignment.strategy": "range"}), ("cooperative", {"partition.assignment.strategy": "cooperative-sticky"}),
         ("static", {"group.instance.id": "one"}), ("pattern", {"partition.assignment.strategy": "range"})]
if sys.argv[3:] == ["consumer"]:
    kinds.append(("consumer", {"group.protocol": "consumer"}))
for group, s in kinds:
    other = {**s, "group.instance.id": "two"} if group == "static" else s
    values = read(group, "^mad.$" if group == "pattern" else "made", n, s, other)
    assert {int(v) for v in values} == set(range(n)), "%s: %d values" % (group, len(set(values)))
names = {g.group_id for g in admin.list_consumer_groups().result(60).valid}
assert {group for group, _ in kinds} <= names, names
for g in done(admin.describe_consumer_groups(["range"])).values():
    assert g.state == ck.ConsumerGroupState.EMPTY, g.state

# A transaction copies what it reads, with the group's offsets; every third is aborted and done again.
reader = ck.Consumer({**everywhere, "group.id": "copiers", "auto.offset.reset": "earliest", "enable.auto.commit": False, "isolation.level": "read_committed"})
reader.subscribe(["made"])
writer = ck.Producer({**everywhere, "transactional.id": "copier"})
writer.init_transactions(60)
copied, turn = 0, 0
while copied < n:
    records = reader.consume(200, 0.2)
    if not records:
        continue
    turn += 1
    before = {}
    writer.begin_transaction()
    for m in records:
        assert m.error() is None, m.error()
        before.setdefault((m.topic(), m.partition()), m.offset())
        writer.produce("copies", m.value())
    if turn % 3 == 0:
        writer.abort_transaction(60)
        for (topic, partition), offset in before.items():
            reader.seek(ck.TopicPartition(topic, partition, offset))
        continue
    writer.send_offsets_to_transaction(reader.position(reader.assignment()), reader.consumer_group_metadata(), 60)
    writer.commit_transaction(60)
    copied += len(records)
reader.close()
for v in read("last", "copies", n, {}):
    print(v.decode())

done(admin.delete_topics(["made"]))
