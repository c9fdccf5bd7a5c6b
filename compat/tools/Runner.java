// Runs Apache Kafka's command line tools one after another in one JVM, since starting one for each would take a second.
//
// A request is a line of fields separated by tabs, each in base64: the class, standard input, the arguments. The answer is a
// line: the exit code, standard output and standard error in base64. A tool that does not end in time is answered with
// exit code 124, and left behind.

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.common.utils.Exit;

public class Runner {
    private static final int NOT_ENDED = -1;
    private static final long TIME_MAX_MS = 60_000;

    /** Thrown where a tool would end its process. */
    private static class Ended extends SecurityException {
    }

    private static class NoExit extends SecurityManager {
        private final AtomicInteger code;

        NoExit(AtomicInteger code) {
            this.code = code;
        }

        @Override
        public void checkExit(int status) {
            // Only the first counts: a tool may catch what is thrown here, and end itself again.
            code.compareAndSet(NOT_ENDED, status);
            silence();
            throw new Ended();
        }

        @Override
        public void checkPermission(java.security.Permission permission) {
        }
    }

    private static void silence() {
        PrintStream nothing = new PrintStream(OutputStream.nullOutputStream());
        System.setOut(nothing);
        System.setErr(nothing);
    }

    public static void main(String[] args) throws Exception {
        PrintStream answers = System.out;
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        AtomicInteger code = new AtomicInteger(NOT_ENDED);
        System.setSecurityManager(new NoExit(code));
        List<Runnable> hooks = new CopyOnWriteArrayList<>();
        Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
        Map<Thread, Thread> javaHooks = javaHooks();
        javaHooks.clear();
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            String[] fields = Arrays.stream(line.split("\t", -1)).map(Runner::decode).toArray(String[]::new);
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            ByteArrayOutputStream err = new ByteArrayOutputStream();
            code.set(NOT_ENDED);
            System.setIn(new ByteArrayInputStream(fields[1].getBytes(StandardCharsets.UTF_8)));
            PrintStream toolOut = new PrintStream(out, true);
            PrintStream toolErr = new PrintStream(err, true);
            System.setOut(toolOut);
            System.setErr(toolErr);
            hooks.clear();
            Thread tool = new Thread(() -> call(fields[0], Arrays.copyOfRange(fields, 2, fields.length), code));
            tool.setDaemon(true);
            tool.start();
            tool.join(TIME_MAX_MS);
            // What a process would do as it ends: a console producer sends what it has read.
            System.setOut(toolOut);
            System.setErr(toolErr);
            hooks.forEach(Runnable::run);
            List.copyOf(javaHooks.keySet()).forEach(Thread::run);
            javaHooks.clear();
            silence();
            int ended = tool.isAlive() ? 124 : Math.max(code.get(), 0);
            answers.println(ended + "\t" + encode(out) + "\t" + encode(err));
            answers.flush();
        }
        // Threads that tools left behind must not hold this process.
        Runtime.getRuntime().halt(0);
    }

    /** The hooks that tools give to Java itself: those of the last tool, as none is left from one to the next. */
    @SuppressWarnings("unchecked")
    private static Map<Thread, Thread> javaHooks() throws ReflectiveOperationException {
        Field hooks = Class.forName("java.lang.ApplicationShutdownHooks").getDeclaredField("hooks");
        hooks.setAccessible(true);
        return (IdentityHashMap<Thread, Thread>) hooks.get(null);
    }

    private static void call(String name, String[] args, AtomicInteger code) {
        try {
            Class.forName(name).getMethod("main", String[].class).invoke(null, (Object) args);
        } catch (InvocationTargetException error) {
            if (!(error.getCause() instanceof Ended) && code.compareAndSet(NOT_ENDED, 1)) {
                error.getCause().printStackTrace();
            }
        } catch (ReflectiveOperationException error) {
            code.compareAndSet(NOT_ENDED, 1);
            error.printStackTrace();
        }
    }

    private static String decode(String text) {
        return new String(Base64.getDecoder().decode(text), StandardCharsets.UTF_8);
    }

    private static String encode(ByteArrayOutputStream bytes) {
        return Base64.getEncoder().encodeToString(bytes.toByteArray());
    }
}
