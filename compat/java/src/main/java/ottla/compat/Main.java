package ottla.compat;

import java.nio.file.Path;

/** {@code Main BOOTSTRAP RESULTS}, or {@code Main member BOOTSTRAP TOPIC GROUP ASSIGNOR} for the one that dies. */
public final class Main {
    public static void main(String[] args) throws Exception {
        if (args[0].equals("member")) {
            GroupChecks.member(new Kit(args[1]), args[2], args[3], args[4]);
            return;
        }
        Kit kit = new Kit(args[0]);
        Harness harness = new Harness();
        ProduceChecks.register(harness, kit);
        ConsumeChecks.register(harness, kit);
        GroupChecks.register(harness, kit);
        AdminChecks.register(harness, kit);
        QuotaChecks.register(harness, kit);
        ClusterChecks.register(harness, kit);
        harness.run(Path.of(args[1]));
        // Threads that a watchdog gave up on must not keep the process.
        Runtime.getRuntime().halt(0);
    }
}
