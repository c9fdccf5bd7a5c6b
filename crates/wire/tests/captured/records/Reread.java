// Reads every line of a file, "message version bytes-in-hex", with Apache Kafka's own class of that name, writes it
// again, and says which lines did not come back unchanged. The README beside it says how to run it.

import java.io.File;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.jar.JarFile;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.Readable;

public final class Reread {
    public static void main(String[] args) throws Exception {
        Map<String, List<Class<?>>> classes = messages();
        int lines = 0;
        int wrong = 0;
        for (String line : Files.readAllLines(Path.of(args[0]))) {
            lines++;
            String outcome = check(classes, line.split(" ", -1));
            if (outcome != null) {
                wrong++;
                System.out.println(line.substring(0, Math.min(line.length(), 100)) + ": " + outcome);
            }
        }
        System.out.println(lines + " lines, " + wrong + " of them wrong");
        System.exit(wrong == 0 ? 0 : 1);
    }

    private static String check(Map<String, List<Class<?>>> classes, String[] words) {
        List<Class<?>> known = classes.getOrDefault(words[0], classes.getOrDefault(words[0] + "Data", List.of()));
        short version = Short.parseShort(words[1]);
        byte[] bytes = HexFormat.of().parseHex(words[2]);
        if (known.isEmpty()) {
            return "no such class";
        }
        for (Class<?> one : known) {
            try {
                ByteBuffer buffer = ByteBuffer.wrap(bytes);
                Message message = (Message) one.getConstructor(Readable.class, short.class)
                    .newInstance(new ByteBufferAccessor(buffer), version);
                ByteBuffer written = MessageUtil.toByteBufferAccessor(message, version).buffer();
                byte[] again = new byte[written.remaining()];
                written.get(again);
                if (buffer.hasRemaining() || !Arrays.equals(bytes, again)) {
                    return "became " + HexFormat.of().formatHex(again);
                }
            } catch (ReflectiveOperationException | RuntimeException error) {
                return String.valueOf(error.getCause() == null ? error : error.getCause());
            }
        }
        return null;
    }

    /** Every message class in Kafka's jars on the class path, by its simple name. */
    private static Map<String, List<Class<?>>> messages() throws Exception {
        Map<String, List<Class<?>>> classes = new HashMap<>();
        for (String path : System.getProperty("java.class.path").split(File.pathSeparator)) {
            if (!new File(path).getName().startsWith("kafka")) {
                continue;
            }
            try (JarFile jar = new JarFile(path)) {
                for (var entry : Collections.list(jar.entries())) {
                    String name = entry.getName();
                    if (!name.endsWith(".class") || name.contains("$")) {
                        continue;
                    }
                    try {
                        String type = name.substring(0, name.length() - ".class".length()).replace('/', '.');
                        Class<?> one = Class.forName(type, false, Reread.class.getClassLoader());
                        if (Message.class.isAssignableFrom(one) && !one.isInterface()) {
                            classes.computeIfAbsent(one.getSimpleName(), key -> new ArrayList<>()).add(one);
                        }
                    } catch (LinkageError | ClassNotFoundException absent) {
                        // A class whose optional dependencies are not there is no message.
                    }
                }
            }
        }
        return classes;
    }
}
