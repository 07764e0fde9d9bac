import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.util.Arrays;

import org.apache.kafka.common.utils.Exit;

/**
 * Runs Kafka's tools one after the other in one process, because most of what a tool takes is the start of its process. Each line of the input is a class and its arguments; the output has the line behind "$ ",
 * what the tool writes, and, if it is another than 0, the code that it ends with.
 */
public class Tools {
    private static int code;
    private static boolean ended;

    /** The first end is the one that counts: some tools take what is thrown for a failure, and end again. */
    private static void end(int with) {
        if (!ended) {
            ended = true;
            code = with;
            PrintStream nowhere = new PrintStream(OutputStream.nullOutputStream());
            System.setOut(nowhere);
            System.setErr(nowhere);
        }
        throw new Error();
    }

    public static void main(String[] ignored) throws Exception {
        Exit.setExitProcedure((with, message) -> end(with));
        Exit.setHaltProcedure((with, message) -> end(with));
        PrintStream out = System.out;
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ");
            ByteArrayOutputStream written = new ByteArrayOutputStream();
            PrintStream to = new PrintStream(written, true);
            System.setOut(to);
            System.setErr(to);
            code = 0;
            ended = false;
            try {
                Class.forName(words[0]).getMethod("main", String[].class).invoke(null, (Object) Arrays.copyOfRange(words, 1, words.length));
            } catch (InvocationTargetException e) {
                if (!ended) {
                    code = -1;
                    e.getCause().printStackTrace(to);
                }
            }
            out.println("$ " + line);
            out.print(written);
            if (code != 0) {
                out.println("ends with " + code);
            }
        }
        Runtime.getRuntime().halt(0); // some leave threads behind
    }
}
