import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.regex.Pattern;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** One script that is being played: its members, and what they saw. kactor.go does the same steps with the other client. */
class Script {
    private static final Duration ENOUGH = Duration.ofSeconds(30);
    private static final int LASTING = 3; // errors of one member's polls that do not pass
    private final String hosts, prefix;
    private final World world;
    private final Map<String, Member> members = new LinkedHashMap<>();
    private boolean late; // a member was not polled in time, and no step says so

    /** A consumer. */
    private final class Member implements ConsumerRebalanceListener {
        final KafkaConsumer<byte[], byte[]> consumer;
        boolean subscribed;
        List<String> events = new ArrayList<>();
        List<String> acknowledged = new ArrayList<>();
        final long limit; // max.poll.interval.ms, in nanoseconds
        long polled; // the last time; 0: there was none yet, or it is meant to be long ago

        Member(Map<String, Object> config) {
            limit = Long.parseLong(String.valueOf(config.getOrDefault("max.poll.interval.ms", "300000"))) * 1_000_000;
            consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        }

        /** Whether it was not polled for so long that its group may have lost it, or is about to. */
        boolean overdue() {
            return polled != 0 && System.nanoTime() - polled > limit / 2;
        }

        ConsumerRecords<byte[], byte[]> poll(long millis) {
            late |= overdue();
            polled = System.nanoTime();
            return consumer.poll(Duration.ofMillis(millis));
        }

        private void note(String what, Collection<TopicPartition> parts) {
            events.add(what + " " + String.join(" ", names(parts)));
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> parts) {
            note("assigned", parts);
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> parts) {
            note("revoked", parts);
        }

        @Override
        public void onPartitionsLost(Collection<TopicPartition> parts) {
            note("lost", parts);
        }
    }

    Script(String hosts, String prefix, World world) {
        this.hosts = hosts;
        this.prefix = prefix;
        this.world = world;
    }

    static TopicPartition partition(String prefix, String name) {
        int slash = name.indexOf('/');
        return new TopicPartition(prefix + name.substring(0, slash), Integer.parseInt(name.substring(slash + 1)));
    }

    static String name(String prefix, TopicPartition tp) {
        return tp.topic().substring(prefix.length()) + "/" + tp.partition();
    }

    static String committed(OffsetAndMetadata o) {
        return o.offset() + " epoch " + o.leaderEpoch().map(String::valueOf).orElse("-") + " " + o.metadata();
    }

    private List<String> names(Collection<TopicPartition> parts) {
        return parts.stream().map(tp -> name(prefix, tp)).sorted().toList();
    }

    private List<TopicPartition> parts(JsonNode step) {
        List<TopicPartition> out = new ArrayList<>();
        step.path("parts").forEach(p -> out.add(partition(prefix, p.asText())));
        return out;
    }

    ObjectNode step(JsonNode step) {
        ObjectNode result = Beside.JSON.createObjectNode();
        look();
        try {
            if (!world.step(prefix, step, result)) {
                consume(step, result);
            }
        } catch (Throwable thrown) {
            Throwable e = thrown instanceof ExecutionException && thrown.getCause() != null ? thrown.getCause() : thrown;
            result.put("err", kind(e));
            result.put("text", String.valueOf(e));
        }
        look();
        if (late) {
            result.put("err", "not polled in time");
        }
        ObjectNode events = result.putObject("events");
        members.forEach((name, m) -> {
            ArrayNode list = events.putArray(name);
            m.events.forEach(list::add);
            m.events.clear();
        });
        return result;
    }

    /** Finds members that were not polled in time. What a script shows from then on depends on the moment. */
    private void look() {
        members.values().forEach(m -> late |= m.overdue());
    }

    private static String kind(Throwable e) {
        if (e instanceof NoOffsetForPartitionException) {
            return "no offset";
        } else if (e instanceof OffsetOutOfRangeException) {
            return "out of range";
        } else if (e instanceof CommitFailedException || e instanceof RebalanceInProgressException || e instanceof FencedInstanceIdException) {
            return "fenced";
        } else if (e instanceof IllegalStateException || e instanceof InvalidGroupIdException) {
            return "state";
        } else if (e instanceof IllegalArgumentException || e instanceof InvalidTopicException) {
            return "refused";
        } else if (e instanceof org.apache.kafka.common.errors.TimeoutException) {
            return "time-out";
        } else if (e instanceof UnknownTopicOrPartitionException || e instanceof UnknownTopicIdException) {
            return "unknown topic";
        } else if (e instanceof WakeupException) {
            return "wakeup";
        }
        return e.getClass().getSimpleName();
    }

    private void consume(JsonNode step, ObjectNode result) throws Exception {
        String op = step.get("op").asText();
        String name = step.path("member").asText();
        if (op.equals("open")) {
            Map<String, Object> config = new HashMap<>();
            config.put("bootstrap.servers", hosts);
            step.get("config").fields().forEachRemaining(c -> config.put(c.getKey(), c.getKey().equals("group.id") ? prefix + c.getValue().asText() : c.getValue().asText()));
            config.put("client.id", name);
            members.put(name, new Member(config));
            return;
        } else if (op.equals("end")) {
            for (Member m : members.values()) {
                try {
                    m.consumer.close(CloseOptions.timeout(ENOUGH));
                } catch (RuntimeException e) { // the others are closed all the same
                    result.put("err", kind(e));
                    result.put("text", String.valueOf(e));
                }
            }
            members.clear();
            world.clean(prefix);
            return;
        } else if (op.equals("settle")) {
            settle(step, result);
            return;
        } else if (op.equals("stall")) {
            members.values().forEach(m -> m.polled = 0);
            Thread.sleep(step.path("count").asLong());
            return;
        }
        Member m = members.get(name);
        if (m == null) {
            result.put("err", "no member");
            return;
        }
        KafkaConsumer<byte[], byte[]> c = m.consumer;
        List<TopicPartition> parts = parts(step);
        ObjectNode offsets = result.putObject("offsets");
        switch (op) {
            case "assign":
                c.assign(parts);
                m.subscribed = false;
                break;
            case "subscribe":
                List<String> topics = new ArrayList<>();
                step.get("topics").forEach(t -> topics.add(prefix + t.asText()));
                c.subscribe(topics, m);
                m.subscribed = true;
                break;
            case "pattern":
                c.subscribe(Pattern.compile("^" + prefix + step.get("topic").asText()), m);
                m.subscribed = true;
                break;
            case "unsubscribe":
                c.unsubscribe();
                m.subscribed = false;
                break;
            case "poll":
                m.poll(100);
                break;
            case "take":
                take(m, parts.get(0), step.get("count").asInt(), result);
                break;
            case "seek":
                c.seek(parts.get(0), step.path("count").asLong());
                break;
            case "beginning":
                c.seekToBeginning(parts);
                break;
            case "ending":
                c.seekToEnd(parts);
                break;
            case "pause":
                c.pause(parts);
                break;
            case "resume":
                c.resume(parts);
                break;
            case "position":
                for (TopicPartition tp : parts) {
                    offsets.put(name(prefix, tp), String.valueOf(c.position(tp, ENOUGH)));
                }
                break;
            case "commit":
                insist(m, () -> c.commitSync(ENOUGH), result);
                break;
            case "commit these":
                insist(m, () -> c.commitSync(these(step), ENOUGH), result);
                break;
            case "commit async":
                async(m, result);
                break;
            case "committed":
                c.committed(new HashSet<>(parts), ENOUGH).forEach((tp, o) -> {
                    if (o != null) {
                        offsets.put(name(prefix, tp), committed(o));
                    }
                });
                break;
            case "ends":
                c.endOffsets(parts, ENOUGH).forEach((tp, o) -> offsets.put(name(prefix, tp), String.valueOf(o)));
                break;
            case "beginnings":
                c.beginningOffsets(parts, ENOUGH).forEach((tp, o) -> offsets.put(name(prefix, tp), String.valueOf(o)));
                break;
            case "times":
                Map<TopicPartition, Long> times = new HashMap<>();
                step.get("offsets").fields().forEachRemaining(t -> times.put(partition(prefix, t.getKey()), step.get("base").asLong() + t.getValue().asLong()));
                c.offsetsForTimes(times, ENOUGH).forEach((tp, o) -> offsets.put(name(prefix, tp), o == null ? "none" : o.offset() + (o.timestamp() - step.get("base").asLong() > 250_000 ? " later" : " at " + (o.timestamp() - step.get("base").asLong()))));
                break;
            case "state":
                ObjectNode parted = result.putObject("parts");
                list(parted.putArray("assignment"), c.assignment());
                list(parted.putArray("paused"), c.paused());
                ArrayNode to = parted.putArray("subscription");
                c.subscription().stream().map(t -> t.substring(prefix.length())).sorted().forEach(to::add);
                break;
            case "wakeup":
                c.wakeup();
                break;
            case "close":
                c.close(CloseOptions.timeout(ENOUGH));
                ArrayNode last = result.putArray("last");
                m.events.forEach(last::add);
                members.remove(name);
                break;
            default:
                result.put("err", "no such step");
        }
    }

    private void list(ArrayNode to, Collection<TopicPartition> parts) {
        names(parts).forEach(to::add);
    }

    private Map<TopicPartition, OffsetAndMetadata> these(JsonNode step) {
        Map<TopicPartition, OffsetAndMetadata> out = new HashMap<>();
        step.get("offsets").fields().forEachRemaining(o -> out.put(partition(prefix, o.getKey()), new OffsetAndMetadata(o.getValue().asLong(), Optional.empty(), step.path("metadata").asText())));
        return out;
    }

    /** Commits as long as the group is being rebalanced: with the classic protocol Java's consumer refuses then, and is to be polled before the commit is tried again. kactor's commit waits. */
    private void insist(Member m, Runnable commit, ObjectNode result) {
        Map<String, List<String>> records = new TreeMap<>();
        for (long end = System.nanoTime() + ENOUGH.toNanos();;) {
            try {
                commit.run();
                break;
            } catch (RebalanceInProgressException e) {
                if (System.nanoTime() > end) {
                    throw e;
                }
                note(m.poll(50), 0, records);
            }
        }
        result.set("records", Beside.JSON.valueToTree(records));
    }

    /** Commits the positions and polls until the outcome is told, without reading meanwhile. */
    private void async(Member m, ObjectNode result) {
        Set<TopicPartition> running = new HashSet<>(m.consumer.assignment());
        running.removeAll(m.consumer.paused());
        m.consumer.pause(running);
        m.acknowledged.clear();
        m.consumer.commitAsync((offsets, e) -> m.acknowledged.add(e == null ? "" : kind(e)));
        long end = System.nanoTime() + ENOUGH.toNanos();
        while (m.acknowledged.isEmpty() && System.nanoTime() < end) {
            m.poll(20);
        }
        m.consumer.resume(running);
        result.put("err", m.acknowledged.isEmpty() ? "no outcome" : m.acknowledged.get(0));
    }

    private String text(byte[] bytes) {
        return bytes == null ? "~" : new String(bytes, StandardCharsets.UTF_8);
    }

    private void note(ConsumerRecords<byte[], byte[]> got, long base, Map<String, List<String>> records) {
        for (ConsumerRecord<byte[], byte[]> r : got) {
            StringBuilder s = new StringBuilder(r.offset() + " " + text(r.key()) + " " + text(r.value()) + " " + (r.timestamp() - base));
            for (Header h : r.headers()) {
                s.append(" ").append(h.key()).append("=").append(text(h.value()));
            }
            records.computeIfAbsent(name(prefix, new TopicPartition(r.topic(), r.partition())), k -> new ArrayList<>()).add(s.toString());
        }
    }

    /** Reads so many records of one partition, of a consumer whose polls return one; fewer only where there are no more. */
    private void take(Member m, TopicPartition tp, int count, ObjectNode result) throws Exception {
        Map<String, List<String>> records = new TreeMap<>();
        Set<TopicPartition> others = new HashSet<>(m.consumer.assignment());
        others.removeAll(m.consumer.paused());
        others.remove(tp);
        m.consumer.pause(others);
        int got = 0;
        long end = System.nanoTime() + ENOUGH.toNanos();
        while (got < count && m.consumer.position(tp, ENOUGH) < m.consumer.endOffsets(List.of(tp), ENOUGH).get(tp)) {
            if (System.nanoTime() > end) {
                result.put("err", "not settled");
                break;
            }
            ConsumerRecords<byte[], byte[]> r = m.poll(50);
            got += r.count();
            note(r, 0, records);
        }
        m.consumer.resume(others);
        result.set("records", Beside.JSON.valueToTree(records));
    }

    /** Polls until the members have what they shall have, and have read all of it. */
    private void settle(JsonNode step, ObjectNode result) throws Exception {
        Map<String, List<String>> records = new TreeMap<>();
        Map<String, Set<String>> errors = new TreeMap<>();
        Map<String, Integer> failed = new HashMap<>();
        Map<String, long[]> where = new TreeMap<>(); // positions that are not at the ends, and these
        Set<String> expect = new HashSet<>(), exist = new HashSet<>();
        step.path("expect").forEach(p -> expect.add(p.asText()));
        step.path("exist").forEach(p -> exist.add(p.asText()));
        long end = System.nanoTime() + ENOUGH.toNanos();
        long hold = step.path("count").asLong() * 1_000_000, since = 0;
        boolean done = false;
        while (!done) {
            if (System.nanoTime() > end) {
                result.put("err", "not settled");
                result.set("where", Beside.JSON.valueToTree(where));
                break;
            }
            for (JsonNode n : step.get("members")) {
                Member m = members.get(n.asText());
                if (m == null) {
                    result.put("err", "no member");
                    return;
                }
                try {
                    note(m.poll(50), 0, records);
                } catch (RuntimeException e) {
                    errors.computeIfAbsent(n.asText(), k -> new HashSet<>()).add(kind(e));
                    result.put("text", String.valueOf(e));
                    failed.merge(n.asText(), kind(e).equals("no offset") || kind(e).equals("out of range") ? LASTING : 1, Integer::sum);
                }
            }
            if (!settled(step, expect, exist, failed, where)) {
                since = 0;
            } else if (since == 0) {
                since = System.nanoTime();
            }
            done = since != 0 && System.nanoTime() - since >= hold;
        }
        ObjectNode have = result.putObject("parts");
        for (JsonNode n : step.get("members")) {
            list(have.putArray(n.asText()), members.get(n.asText()).consumer.assignment());
        }
        result.set("records", Beside.JSON.valueToTree(records));
        ObjectNode wrong = result.putObject("errors");
        errors.forEach((n, kinds) -> {
            ArrayNode to = wrong.putArray(n);
            kinds.stream().sorted().forEach(to::add);
        });
    }

    private boolean settled(JsonNode step, Set<String> expect, Set<String> exist, Map<String, Integer> failed, Map<String, long[]> where) {
        where.clear();
        List<String> have = new ArrayList<>();
        List<Integer> sizes = new ArrayList<>();
        for (JsonNode n : step.get("members")) {
            Member m = members.get(n.asText());
            if (m.subscribed) {
                if (m.consumer.groupMetadata().generationId() < 0) { // it has not joined yet: what the group has is not to stay
                    return false;
                }
                have.addAll(names(m.consumer.assignment()));
                sizes.add(m.consumer.assignment().size());
            }
        }
        if (!sizes.isEmpty() && Collections.max(sizes) - Collections.min(sizes) > 1) { // all have subscribed to one topic: a member has not been given its share yet
            return false;
        }
        if (have.size() != expect.size() || !expect.equals(new HashSet<>(have))) {
            return false;
        }
        for (JsonNode n : step.get("members")) {
            KafkaConsumer<byte[], byte[]> c = members.get(n.asText()).consumer;
            if (failed.getOrDefault(n.asText(), 0) >= LASTING) {
                continue;
            }
            Set<TopicPartition> running = new HashSet<>(c.assignment());
            running.removeAll(c.paused());
            running.removeIf(tp -> !exist.contains(name(prefix, tp)));
            if (running.isEmpty()) {
                continue;
            }
            try {
                Map<TopicPartition, Long> ends = c.endOffsets(running, Duration.ofSeconds(5));
                for (TopicPartition tp : running) {
                    long at = c.position(tp, Duration.ofSeconds(2)), stop = ends.get(tp);
                    if (at != stop) {
                        where.put(name(prefix, tp), new long[] {at, stop});
                    }
                }
                if (!where.isEmpty()) {
                    return false;
                }
            } catch (RuntimeException e) { // the next poll tells
                return false;
            }
        }
        return true;
    }
}
