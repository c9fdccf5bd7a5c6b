package ottla.compat;

import static ottla.compat.Kit.same;
import static ottla.compat.Kit.yes;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartition;

/** Groups of several members: one joins late, one is killed, one returns under its static id. */
final class GroupChecks {
    private static final int PARTITIONS = 6;

    static void register(Harness harness, Kit kit) {
        harness.check("group-rebalance",
            () -> rebalance(kit, "org.apache.kafka.clients.consumer.RangeAssignor"));
        harness.check("cooperative", () -> cooperative(kit));
        harness.check("static-member", () -> staticMember(kit));
    }

    /** The mode of the process that is to die: prints each value that it consumed. */
    static void member(Kit kit, String topic, String group, String assignor) {
        try (KafkaConsumer<byte[], byte[]> consumer = kit.consumer("group.id", group, "session.timeout.ms", "3000",
                "heartbeat.interval.ms", "300", "enable.auto.commit", "true", "auto.commit.interval.ms", "100",
                "partition.assignment.strategy", assignor)) {
            consumer.subscribe(List.of(topic));
            while (true) {
                consumer.poll(Duration.ofMillis(100)).forEach(record -> System.out.println(Kit.text(record.value())));
                System.out.flush();
            }
        }
    }

    private static final class Member extends Thread implements AutoCloseable {
        final Set<String> seen = ConcurrentHashMap.newKeySet();
        final List<String> events = new CopyOnWriteArrayList<>();
        volatile Set<TopicPartition> assigned = Set.of();
        volatile boolean stop;
        volatile Exception failure;
        private final KafkaConsumer<byte[], byte[]> consumer;

        Member(Kit kit, String topic, String group, String assignor, String... more) {
            List<String> settings = new ArrayList<>(List.of("group.id", group, "session.timeout.ms", "3000",
                "heartbeat.interval.ms", "300", "partition.assignment.strategy", assignor));
            settings.addAll(List.of(more));
            consumer = kit.consumer(settings.toArray(String[]::new));
            consumer.subscribe(List.of(topic), new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                    events.add("-" + partitions.size());
                }

                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                    events.add("+" + partitions.size());
                }
            });
            setDaemon(true);
            start();
        }

        @Override
        public void run() {
            try (consumer) {
                while (!stop) {
                    consumer.poll(Duration.ofMillis(100)).forEach(record -> seen.add(Kit.text(record.value())));
                    assigned = Set.copyOf(consumer.assignment());
                }
            } catch (Exception thrown) {
                failure = thrown;
            }
        }

        @Override
        public void close() throws InterruptedException {
            stop = true;
            join(10_000);
        }
    }

    private static void rebalance(Kit kit, String assignor) throws Exception {
        String topic = kit.topic("group", PARTITIONS);
        String group = Kit.unique("group");
        Set<String> all = ConcurrentHashMap.newKeySet();
        Set<String> ofTheDead = ConcurrentHashMap.newKeySet();
        Process late = null;
        try (Member one = new Member(kit, topic, group, assignor);
                Member two = new Member(kit, topic, group, assignor);
                KafkaProducer<byte[], byte[]> producer = kit.producer()) {
            Kit.eventually("two members share the topic",
                () -> one.assigned.size() == 3 && two.assigned.size() == 3);
            int[] next = {0};
            round(producer, topic, next, all);
            Kit.eventually("two members saw all", () -> covered(all, one.seen, two.seen));

            late = spawn(kit, topic, group, assignor, ofTheDead);
            Kit.eventually("the late member has a share", () -> {
                round(producer, topic, next, all);
                return !ofTheDead.isEmpty();
            });
            late.destroyForcibly().waitFor();
            round(producer, topic, next, all);
            Kit.eventually("the others took over", () -> covered(all, one.seen, two.seen, ofTheDead));
            yes(one.failure == null && two.failure == null, "a member failed: " + one.failure + two.failure);
        } finally {
            if (late != null) {
                late.destroyForcibly();
            }
        }
    }

    private static Process spawn(Kit kit, String topic, String group, String assignor, Set<String> seen)
            throws Exception {
        Process process = new ProcessBuilder(ProcessHandle.current().info().command().orElse("java"), "-Xmx128m",
            "-cp", System.getProperty("java.class.path"), "ottla.compat.Main", "member", kit.bootstrap, topic, group,
            assignor).redirectError(ProcessBuilder.Redirect.DISCARD).start();
        Thread reader = new Thread(() -> new BufferedReader(new InputStreamReader(process.getInputStream()))
            .lines().forEach(seen::add));
        reader.setDaemon(true);
        reader.start();
        return process;
    }

    private static void round(KafkaProducer<byte[], byte[]> producer, String topic, int[] next, Set<String> all)
            throws Exception {
        for (int partition = 0; partition < PARTITIONS; partition++) {
            Kit.send(producer, topic, partition, next[0], 1);
            all.add("v" + next[0]++);
        }
    }

    @SafeVarargs
    private static boolean covered(Set<String> all, Set<String>... seen) {
        return all.stream().allMatch(value -> List.of(seen).stream().anyMatch(set -> set.contains(value)));
    }

    private static void cooperative(Kit kit) throws Exception {
        String topic = kit.topic("cooperative", 4);
        String group = Kit.unique("cooperative");
        String assignor = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
        try (Member one = new Member(kit, topic, group, assignor)) {
            Kit.eventually("the first member has all", () -> one.assigned.size() == 4);
            try (Member two = new Member(kit, topic, group, assignor)) {
                Kit.eventually("half moved", () -> one.assigned.size() == 2 && two.assigned.size() == 2);
                same(true, one.events.contains("-2"), "only what moved was revoked: " + one.events);
            }
            Kit.eventually("the first member has all again", () -> one.assigned.size() == 4);
        }
        rebalance(kit, assignor);
    }

    private static void staticMember(Kit kit) throws Exception {
        String topic = kit.topic("static", 4);
        String group = Kit.unique("static");
        String assignor = "org.apache.kafka.clients.consumer.RangeAssignor";
        String[] first = {"group.instance.id", "one", "session.timeout.ms", "30000"};
        String[] second = {"group.instance.id", "two", "session.timeout.ms", "30000"};
        try (Member one = new Member(kit, topic, group, assignor, first)) {
            Set<TopicPartition> share;
            try (Member two = new Member(kit, topic, group, assignor, second)) {
                Kit.eventually("both have a share", () -> one.assigned.size() == 2 && two.assigned.size() == 2);
                share = two.assigned;
            }
            int before = one.events.size();
            try (Member two = new Member(kit, topic, group, assignor, second)) {
                Kit.eventually("the second returns", () -> two.assigned.equals(share));
                same(before, one.events.size(), "rebalances that the first saw meanwhile: " + one.events);
            }
        }
    }
}
