import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.zip.CRC32;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.utils.BufferSupplier;
import org.apache.kafka.common.utils.ByteBufferOutputStream;

/**
 * Packed writes java.txt.gz: what the Java client compresses, as the record sections of batches. Every line was read again by the Java client.
 * One a line: name, codec, size of what comes out, its CRC-32, the packed bytes in hex.
 * Run it with the jars of Kafka 4.3.0: java -cp 'lib/*' Packed.java | gzip -9n > java.txt.gz
 */
public class Packed {
    static byte[] lines(int n) {
        ByteArrayOutputStream b = new ByteArrayOutputStream();
        for (int i = 0; i < n; i++)
            b.writeBytes(("2026-11-29 INFO request " + i / 1000 + " of shop-front was served in 12 ms by node a of the cluster in the north\n").getBytes());
        return b.toByteArray();
    }

    static byte[] pack(Compression c, byte magic, byte[] data) throws Exception {
        ByteBufferOutputStream out = new ByteBufferOutputStream(1 << 10);
        try (OutputStream o = c.wrapForOutput(out, magic)) {
            o.write(data);
        }
        ByteBuffer b = out.buffer();
        b.flip();
        byte[] packed = new byte[b.remaining()];
        b.get(packed);
        return packed;
    }

    static byte[] join(byte[]... parts) {
        ByteArrayOutputStream b = new ByteArrayOutputStream();
        for (byte[] p : parts)
            b.writeBytes(p);
        return b.toByteArray();
    }

    /** tell writes a line if the Java client reads what is packed as want. */
    static void tell(String name, Compression c, byte magic, byte[] packed, byte[] want) {
        ByteArrayOutputStream b = new ByteArrayOutputStream();
        try (InputStream in = c.wrapForInput(ByteBuffer.wrap(packed), magic, BufferSupplier.create())) {
            in.transferTo(b);
        } catch (Exception e) {
            System.err.println(name + ": " + e);
            return;
        }
        if (!java.util.Arrays.equals(b.toByteArray(), want)) {
            System.err.println(name + ": Java reads " + b.size() + " bytes of " + want.length);
            return;
        }
        CRC32 crc = new CRC32();
        crc.update(want);
        System.out.println(name + " " + c.type().name + " " + want.length + " " + crc.getValue() + " " + HexFormat.of().formatHex(packed));
    }

    public static void main(String[] args) throws Exception {
        byte[] small = lines(3), lines = lines(20000), zeros = new byte[2 << 20];
        for (Compression c : new Compression[] {Compression.gzip().build(), Compression.snappy().build(), Compression.lz4().build(), Compression.zstd().build()}) {
            String n = c.type().name;
            tell(n + "-3-lines", c, (byte) 2, pack(c, (byte) 2, small), small);
            tell(n + "-nothing", c, (byte) 2, pack(c, (byte) 2, new byte[0]), new byte[0]);
            if (!n.equals("snappy")) { // of snappy both are large
                tell(n + "-20000-lines", c, (byte) 2, pack(c, (byte) 2, lines), lines);
                tell(n + "-zeros", c, (byte) 2, pack(c, (byte) 2, zeros), zeros);
            }
            byte[] one = pack(c, (byte) 2, small);
            tell(n + "-joined", c, (byte) 2, join(one, one), join(small, small));
            tell(n + "-joined-3", c, (byte) 2, join(one, pack(c, (byte) 2, new byte[0]), one), join(small, small));
        }
        for (int level : new int[] {1, 9, 17, 20, 21, 22}) {
            Compression c = Compression.zstd().level(level).build();
            tell("zstd-level-" + level, c, (byte) 2, pack(c, (byte) 2, small), small);
        }
        Compression z22 = Compression.zstd().level(22).build();
        tell("zstd-level-22-zeros", z22, (byte) 2, pack(z22, (byte) 2, zeros), zeros);
        Compression gz = Compression.gzip().build();
        for (int pad : new int[] {1, 2, 3, 10, 18, 100})
            tell("gzip-padded-" + pad, gz, (byte) 2, join(pack(gz, (byte) 2, small), new byte[pad]), small);
        tell("gzip-words-behind", gz, (byte) 2, join(pack(gz, (byte) 2, small), "these are words and no gzip member".getBytes()), small);
        Compression l = Compression.lz4().build();
        tell("lz4-old-framing", l, (byte) 0, pack(l, (byte) 0, small), small);
        for (int level : new int[] {1, 17})
            tell("lz4-level-" + level, Compression.lz4().level(level).build(), (byte) 2, pack(Compression.lz4().level(level).build(), (byte) 2, small), small);
    }
}
