"""kafka-python's admin client: each call, and what comes of it. kafka_python_admin.py BOOTSTRAP RELEASE"""
import faulthandler, sys

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic, OffsetSpec
from kafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError

faulthandler.dump_traceback_later(270, exit=True)  # whatever it waits for
hosts = sys.argv[1].split(",")
admin = KafkaAdminClient(bootstrap_servers=hosts, request_timeout_ms=60000)


def fails(kind, call):
    try:
        call()
    except kind:
        return
    raise AssertionError("no %s" % kind.__name__)


if sys.argv[2] != "2.8":  # of the first version of this request it does not understand the answer (3.0.12: KeyError: 'endpoint_type')
    assert len(admin.describe_cluster()["brokers"]) == 3
admin.create_topics([NewTopic("made", 2, 3), NewTopic("placed", replica_assignments={0: [3, 1], 1: [2, 3]})])
admin.wait_for_topics(["made", "placed"], timeout_ms=60000)
fails(TopicAlreadyExistsError, lambda: admin.create_topics([NewTopic("made", 1, 1)]))
assert {"events", "made", "placed"} <= set(admin.list_topics())
placed = admin.describe_topics(["placed"])[0]
assert [p["replica_nodes"] for p in sorted(placed["partitions"], key=lambda p: p["partition_index"])] == [[3, 1], [2, 3]], placed
admin.create_partitions({"made": 5})
assert len(admin.describe_topics(["made"])[0]["partitions"]) == 5

producer = KafkaProducer(bootstrap_servers=hosts)
for i in range(10):
    producer.send("made", partition=4, value=b"%d" % i).get(timeout=60)
producer.close()
part = TopicPartition("made", 4)
assert admin.list_partition_offsets({part: OffsetSpec.LATEST})[part].offset == 10
assert admin.delete_records({part: 7})[part]["low_watermark"] == 7
assert admin.list_partition_offsets({part: OffsetSpec.EARLIEST})[part].offset == 7

consumer = KafkaConsumer("made", group_id="admins", bootstrap_servers=hosts, auto_offset_reset="earliest", enable_auto_commit=False)
seen = 0
while seen < 3:
    # one whose time is over while it joins never reads (3.0.12: the polls behind it do nothing)
    seen += sum(len(records) for records in consumer.poll(timeout_ms=60000).values())
consumer.commit()
group = admin.describe_groups(["admins"])["admins"]
assert group["error"] is None and group["group_state"] == "Stable" and len(group["members"]) == 1, group
assert "admins" in [g["group_id"] for g in admin.list_groups()]
assert admin.list_group_offsets({"admins": [part]})["admins"][part].offset == 10
consumer.close()
assert admin.describe_groups(["admins"])["admins"]["group_state"] == "Empty"

admin.delete_topics(["placed"])
assert "placed" not in admin.list_topics()
fails(UnknownTopicOrPartitionError, lambda: admin.delete_topics(["placed"]))
admin.close()
