package ottla.compat;

import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Runs named checks, a few side by side, each under a watchdog, and writes one line of JSON for each.
 * The first line names the plan, so that a driver which dies on the way is told from one that has nothing to say.
 */
final class Harness {
    interface Check {
        void run() throws Exception;
    }

    private record Named(String name, Check check) {}

    private static final int SIDE_BY_SIDE = 4;
    private static final int WATCHDOG_SECONDS = 60;

    private final List<Named> checks = new ArrayList<>();
    private final String only = System.getenv("COMPAT_CHECK");

    void check(String name, Check check) {
        if (only == null || only.isEmpty() || List.of(only.split(",")).contains(name)) {
            checks.add(new Named(name, check));
        }
    }

    void run(Path results) throws Exception {
        ExecutorService turns = Executors.newFixedThreadPool(SIDE_BY_SIDE);
        ExecutorService bodies = Executors.newCachedThreadPool(body -> {
            Thread thread = new Thread(body);
            thread.setDaemon(true);
            return thread;
        });
        try (PrintWriter out = new PrintWriter(Files.newBufferedWriter(results))) {
            List<String> names = checks.stream().map(named -> quote(named.name)).toList();
            write(out, "{\"plan\":[" + String.join(",", names) + "]}");
            for (Named named : checks) {
                turns.submit(() -> one(bodies, named, out));
            }
            turns.shutdown();
            turns.awaitTermination(1, TimeUnit.HOURS);
        }
    }

    private static void one(ExecutorService bodies, Named named, PrintWriter out) {
        long began = System.nanoTime();
        String failure = null;
        Future<?> body = bodies.submit(() -> {
            named.check.run();
            return null;
        });
        try {
            body.get(WATCHDOG_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException hang) {
            body.cancel(true);
            failure = "no end after " + WATCHDOG_SECONDS + " s";
        } catch (Exception thrown) {
            Throwable cause = thrown.getCause() == null ? thrown : thrown.getCause();
            failure = describe(cause);
        }
        double seconds = (System.nanoTime() - began) / 1e9;
        write(out, "{\"check\":" + quote(named.name) + ",\"ok\":" + (failure == null) + ",\"detail\":"
            + quote(failure == null ? "" : failure) + ",\"seconds\":" + String.format("%.2f", seconds) + "}");
    }

    private static String describe(Throwable cause) {
        StringBuilder text = new StringBuilder(cause.toString());
        for (StackTraceElement frame : cause.getStackTrace()) {
            if (frame.getClassName().startsWith("ottla.compat")) {
                text.append(" at ").append(frame.getFileName()).append(':').append(frame.getLineNumber());
                break;
            }
        }
        return text.toString();
    }

    private static void write(PrintWriter out, String line) {
        synchronized (out) {
            out.println(line);
            out.flush();
        }
    }

    private static String quote(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                quoted.append('\\').append(c);
            } else if (c < ' ') {
                quoted.append(String.format("\\u%04x", (int) c));
            } else {
                quoted.append(c);
            }
        }
        return quoted.append('"').toString();
    }
}
