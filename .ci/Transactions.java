import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Writes transactions of three producers that are under way at once into partition 0 of a topic, half of them aborted, and prints what Java's consumer then reads with read_committed: an offset a line.
 * java Transactions.java BOOTSTRAP TOPIC COUNT
 */
public class Transactions {
    public static void main(String[] args) throws Exception {
        String topic = args[1];
        Random random = new Random(1);
        List<KafkaProducer<String, String>> producers = new ArrayList<>();
        Boolean[] aborts = new Boolean[3]; // of the transaction under way; null: there is none
        for (int i = 0; i < aborts.length; i++) {
            Properties p = new Properties();
            p.putAll(Map.of("bootstrap.servers", args[0], "transactional.id", topic + i, "linger.ms", "0"));
            KafkaProducer<String, String> producer = new KafkaProducer<>(p, new StringSerializer(), new StringSerializer());
            producer.initTransactions();
            producers.add(producer);
        }
        for (int n = 0; n < Integer.parseInt(args[2]); n++) {
            int i = random.nextInt(aborts.length);
            KafkaProducer<String, String> producer = producers.get(i);
            if (aborts[i] == null) {
                aborts[i] = random.nextBoolean();
                producer.beginTransaction();
            }
            for (int k = random.nextInt(5); k >= 0; k--) {
                producer.send(new ProducerRecord<>(topic, 0, null, (aborts[i] ? "aborted " : "committed ") + "x".repeat(random.nextInt(400))));
            }
            producer.flush();
            if (random.nextInt(2) == 0) {
                end(producer, aborts[i]);
                aborts[i] = null;
            }
        }
        for (int i = 0; i < aborts.length; i++) {
            if (aborts[i] != null) {
                end(producers.get(i), aborts[i]);
            }
            producers.get(i).close();
        }
        Properties c = new Properties();
        c.putAll(Map.of("bootstrap.servers", args[0], "isolation.level", "read_committed"));
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(c, new StringDeserializer(), new StringDeserializer())) {
            TopicPartition partition = new TopicPartition(topic, 0);
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            while (consumer.position(partition) < end) {
                for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(200))) {
                    System.out.println(r.offset());
                }
            }
        }
    }

    private static void end(KafkaProducer<String, String> producer, boolean abort) {
        if (abort) {
            producer.abortTransaction();
        } else {
            producer.commitTransaction();
        }
    }
}
