import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeoutException;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** What happens beside the consumers: topics come and go, records are written. It is done alike for both clients. */
class World {
    private final String hosts;
    private final Admin admin;
    private final KafkaProducer<byte[], byte[]> producer;
    private static final Duration ENOUGH = Duration.ofSeconds(30);
    private final Map<String, KafkaProducer<byte[], byte[]>> open = new ConcurrentHashMap<>(); // transactions under way, of scripts that are played by other threads

    World(String hosts) {
        this.hosts = hosts;
        this.admin = Admin.create(Map.<String, Object>of("bootstrap.servers", hosts));
        this.producer = producer(Map.of());
    }

    /**
     * A producer that sends a batch after the one before is in the log. A leader that knows nothing of a producer takes any number as its first: while a topic is new Java's producer could be refused its first batch, because
     * the leader is not ready, and not its second, and then would try the first in vain until delivery.timeout.ms is over.
     */
    private KafkaProducer<byte[], byte[]> producer(Map<String, Object> more) {
        Map<String, Object> config = new HashMap<>(more);
        config.putAll(Map.of("bootstrap.servers", hosts, "linger.ms", "0", "max.in.flight.requests.per.connection", "1"));
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    /** Does a step; false: it is none of the world's. */
    boolean step(String prefix, JsonNode step, ObjectNode result) throws Exception {
        String topic = prefix + step.path("topic").asText();
        int count = step.path("count").asInt();
        switch (step.get("op").asText()) {
            case "create":
                admin.createTopics(List.of(new NewTopic(topic, Optional.of(count), Optional.empty()))).all().get();
                await(topic, count);
                return true;
            case "grow":
                admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(count))).all().get();
                await(topic, count);
                return true;
            case "delete":
                admin.deleteTopics(List.of(topic)).all().get();
                await(topic, 0);
                return true;
            case "truncate":
                Map<TopicPartition, RecordsToDelete> below = new HashMap<>();
                step.get("offsets").fields().forEachRemaining(o -> below.put(Script.partition(prefix, o.getKey()), RecordsToDelete.beforeOffset(o.getValue().asLong())));
                admin.deleteRecords(below).all().get();
                return true;
            case "produce":
                write(producer, prefix, step);
                return true;
            case "begin":
                KafkaProducer<byte[], byte[]> begun = transactional(prefix);
                open.put(prefix, begun);
                begun.beginTransaction();
                write(begun, prefix, step);
                return true;
            case "finish":
                finish(open.remove(prefix), step.path("commit").asBoolean());
                awaitMarkers(prefix);
                return true;
            case "transaction":
                KafkaProducer<byte[], byte[]> p = transactional(prefix);
                p.beginTransaction();
                write(p, prefix, step);
                finish(p, step.path("commit").asBoolean());
                awaitMarkers(prefix);
                return true;
            case "group":
                ObjectNode offsets = result.putObject("offsets");
                for (Map.Entry<TopicPartition, OffsetAndMetadata> o : admin.listConsumerGroupOffsets(prefix + "g").partitionsToOffsetAndMetadata().get().entrySet()) {
                    if (o.getValue() != null) {
                        offsets.put(Script.name(prefix, o.getKey()), Script.committed(o.getValue()));
                    }
                }
                return true;
            default:
                return false;
        }
    }

    private KafkaProducer<byte[], byte[]> transactional(String prefix) {
        KafkaProducer<byte[], byte[]> p = producer(Map.of("transactional.id", prefix));
        p.initTransactions();
        return p;
    }

    private static void finish(KafkaProducer<byte[], byte[]> p, boolean commit) {
        if (commit) {
            p.commitTransaction();
        } else {
            p.abortTransaction();
        }
        p.close(ENOUGH);
    }

    private static byte[] bytes(JsonNode text) {
        return text == null || text.isNull() ? null : text.asText().getBytes(StandardCharsets.UTF_8);
    }

    private static void write(KafkaProducer<byte[], byte[]> p, String prefix, JsonNode step) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (JsonNode r : step.get("records")) {
            TopicPartition tp = Script.partition(prefix, r.get("part").asText());
            List<Header> headers = new ArrayList<>();
            for (JsonNode h : r.path("headers")) {
                headers.add(new RecordHeader(h.get(0).asText(), bytes(h.get(1))));
            }
            sent.add(p.send(new ProducerRecord<>(tp.topic(), tp.partition(), step.get("base").asLong() + r.get("time").asLong(), bytes(r.get("key")), bytes(r.get("value")), headers)));
        }
        p.flush();
        for (Future<RecordMetadata> f : sent) {
            f.get();
        }
    }

    /** Waits until the markers of a transaction are written, as the only one under way: the producer is told before. */
    private void awaitMarkers(String prefix) throws Exception {
        Map<TopicPartition, OffsetSpec> ends = new HashMap<>();
        List<String> own = admin.listTopics().names().get().stream().filter(t -> t.startsWith(prefix)).toList();
        for (TopicDescription d : admin.describeTopics(own).allTopicNames().get().values()) {
            d.partitions().forEach(p -> ends.put(new TopicPartition(d.name(), p.partition()), OffsetSpec.latest()));
        }
        long end = System.nanoTime() + ENOUGH.toNanos();
        while (!at(ends, IsolationLevel.READ_COMMITTED).equals(at(ends, IsolationLevel.READ_UNCOMMITTED))) {
            pause(end, "the markers of the transaction of " + prefix + " are not written");
        }
    }

    /** Waits a little, unless it has waited long enough. */
    private static void pause(long end, String what) throws InterruptedException, TimeoutException {
        if (System.nanoTime() > end) {
            throw new TimeoutException(what + " after " + ENOUGH);
        }
        Thread.sleep(20);
    }

    private Map<TopicPartition, Long> at(Map<TopicPartition, OffsetSpec> where, IsolationLevel level) throws Exception {
        Map<TopicPartition, Long> out = new HashMap<>();
        admin.listOffsets(where, new ListOffsetsOptions(level)).all().get().forEach((tp, o) -> out.put(tp, o.offset()));
        return out;
    }

    /** Waits until the broker tells of so many partitions. */
    private void await(String topic, int partitions) throws Exception {
        long end = System.nanoTime() + ENOUGH.toNanos();
        while (true) {
            int have;
            try {
                TopicDescription d = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
                have = (int) d.partitions().stream().filter(p -> p.leader() != null && !p.leader().isEmpty()).count();
            } catch (ExecutionException e) {
                if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) {
                    throw e;
                }
                have = 0;
            }
            if (have == partitions) {
                return;
            }
            pause(end, topic + " has " + have + " partitions with a leader, not " + partitions + ",");
        }
    }

    /** Removes what a script has left behind. */
    void clean(String prefix) throws Exception {
        KafkaProducer<byte[], byte[]> under = open.remove(prefix);
        if (under != null) {
            under.close(Duration.ZERO);
        }
        List<String> own = new ArrayList<>();
        for (String topic : admin.listTopics().names().get()) {
            if (topic.startsWith(prefix)) {
                own.add(topic);
            }
        }
        admin.deleteTopics(own).all().get();
    }
}
