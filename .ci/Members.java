import java.io.FileReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;

import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.tools.VerifiableConsumer;

/**
 * Some of Kafka's verifiable consumers in one process, as .ci/groups needs them: java Members.java COUNT TOPIC FILE, where FILE has the properties of the consumers. Each event
 * names its member. SIGTERM lets all of them leave.
 */
public class Members {
    public static void main(String[] args) throws Exception {
        Properties properties = new Properties();
        try (FileReader file = new FileReader(args[2])) {
            properties.load(file);
        }
        int count = Integer.parseInt(args[0]);
        List<VerifiableConsumer> consumers = new ArrayList<>();
        CountDownLatch ended = new CountDownLatch(count);
        for (int i = 0; i < count; i++) {
            KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
            VerifiableConsumer member = new VerifiableConsumer(consumer, new Named(i), args[1], -1, true, false, false);
            consumers.add(member);
            new Thread(() -> {
                member.run();
                ended.countDown();
            }).start();
        }
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            for (VerifiableConsumer member : consumers) {
                new Thread(member::close).start();
            }
            try {
                ended.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }));
        ended.await();
    }

    /** Puts the member's number into each event. */
    private static final class Named extends PrintStream {
        private final int number;

        Named(int number) {
            super(OutputStream.nullOutputStream());
            this.number = number;
        }

        @Override
        public void println(String event) {
            synchronized (System.out) {
                System.out.println("{\"member\":" + number + "," + event.substring(1));
                System.out.flush();
            }
        }
    }
}
