import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * The steps of scripts, done by Java's consumer, producer and admin client: java Beside.java BOOTSTRAP. A line of standard input is a step, a line of standard output its result. Steps of one
 * script are done one after the other, those of different scripts side by side.
 */
public class Beside {
    static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] args) throws Exception {
        World world = new World(args[0]);
        Map<String, ExecutorService> threads = new HashMap<>();
        Map<String, Script> scripts = new HashMap<>();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode step = JSON.readTree(line);
            String name = step.get("prefix").asText();
            Script script = scripts.computeIfAbsent(name, n -> new Script(args[0], n, world));
            ExecutorService thread = threads.computeIfAbsent(name, n -> Executors.newSingleThreadExecutor());
            boolean last = step.get("op").asText().equals("end");
            if (last) {
                scripts.remove(name);
                threads.remove(name);
            }
            thread.submit(() -> {
                ObjectNode result = script.step(step);
                result.set("id", step.get("id"));
                synchronized (System.out) {
                    System.out.println(result);
                    System.out.flush();
                }
                if (last) {
                    thread.shutdown();
                }
            });
        }
        System.exit(0);
    }
}
