package ottla.compat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** What every check needs: clients with sane deadlines, a topic of its own, and assertions. */
final class Kit {
    final String bootstrap;
    final Admin admin;

    Kit(String bootstrap) {
        this.bootstrap = bootstrap;
        this.admin = Admin.create(Map.of("bootstrap.servers", bootstrap, "default.api.timeout.ms", "30000"));
    }

    static String unique(String what) {
        return "java-" + what + "-" + UUID.randomUUID().toString().substring(0, 8);
    }

    String topic(String what, int partitions) throws Exception {
        return topic(what, partitions, Map.of());
    }

    String topic(String what, int partitions, Map<String, String> configs) throws Exception {
        String name = unique(what);
        admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1).configs(configs))).all().get();
        eventually("the broker knows the topic", () -> {
            try {
                var found = admin.describeTopics(List.of(name)).allTopicNames().get();
                return found.get(name).partitions().size() == partitions;
            } catch (ExecutionException unknown) {
                same(UnknownTopicOrPartitionException.class, unknown.getCause().getClass(), "while it is not known");
                return false;
            }
        });
        return name;
    }

    KafkaProducer<byte[], byte[]> producer(String... settings) {
        Map<String, Object> all = settings(settings);
        all.putIfAbsent("delivery.timeout.ms", "30000");
        all.putIfAbsent("request.timeout.ms", "20000");
        all.putIfAbsent("linger.ms", "0");
        return new KafkaProducer<>(all, new ByteArraySerializer(), new ByteArraySerializer());
    }

    KafkaConsumer<byte[], byte[]> consumer(String... settings) {
        Map<String, Object> all = settings(settings);
        all.putIfAbsent("auto.offset.reset", "earliest");
        all.putIfAbsent("enable.auto.commit", "false");
        return new KafkaConsumer<>(all, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private Map<String, Object> settings(String... pairs) {
        Map<String, Object> all = new HashMap<>();
        all.put("bootstrap.servers", bootstrap);
        for (int i = 0; i < pairs.length; i += 2) {
            all.put(pairs[i], pairs[i + 1]);
        }
        return all;
    }

    List<RecordMetadata> send(String topic, Integer partition, int from, int count) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            return send(producer, topic, partition, from, count);
        }
    }

    static List<RecordMetadata> send(
            KafkaProducer<byte[], byte[]> producer, String topic, Integer partition, int from, int count)
            throws Exception {
        List<java.util.concurrent.Future<RecordMetadata>> sent = new ArrayList<>();
        for (int i = from; i < from + count; i++) {
            sent.add(producer.send(new ProducerRecord<>(topic, partition, null, bytes("v" + i))));
        }
        List<RecordMetadata> done = new ArrayList<>();
        for (var future : sent) {
            done.add(future.get(30, TimeUnit.SECONDS));
        }
        return done;
    }

    /** Reads until {@code count} records came from the start of a partition. */
    List<ConsumerRecord<byte[], byte[]>> read(String topic, int partition, int count) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            TopicPartition from = new TopicPartition(topic, partition);
            consumer.assign(List.of(from));
            consumer.seekToBeginning(List.of(from));
            return poll(consumer, count);
        }
    }

    static List<ConsumerRecord<byte[], byte[]>> poll(KafkaConsumer<byte[], byte[]> consumer, int count) {
        List<ConsumerRecord<byte[], byte[]>> seen = new ArrayList<>();
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (seen.size() < count) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("saw " + seen.size() + " of " + count + " records");
            }
            consumer.poll(Duration.ofMillis(200)).forEach(seen::add);
        }
        return seen;
    }

    static List<String> values(Collection<ConsumerRecord<byte[], byte[]>> records) {
        return records.stream().map(record -> text(record.value())).toList();
    }

    static byte[] bytes(String text) {
        return text == null ? null : text.getBytes();
    }

    static String text(byte[] bytes) {
        return bytes == null ? null : new String(bytes);
    }

    static void same(Object expected, Object found, String what) {
        if (!java.util.Objects.equals(expected, found)) {
            throw new AssertionError(what + ": expected " + expected + ", found " + found);
        }
    }

    static void yes(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    /** Asks again until it holds: metadata reaches a broker a moment after the controller's answer. */
    static void eventually(String what, Callable<Boolean> holds) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (!holds.call()) {
            yes(System.nanoTime() < deadline, "never happened: " + what);
            Thread.sleep(20);
        }
    }

    static void fails(Class<? extends Throwable> expected, Callable<?> action) throws Exception {
        try {
            Object result = action.call();
            if (result instanceof KafkaFuture<?> future) {
                future.get(30, TimeUnit.SECONDS);
            }
        } catch (Exception thrown) {
            Throwable cause = thrown instanceof ExecutionException ? thrown.getCause() : thrown;
            yes(expected.isInstance(cause), "expected " + expected.getSimpleName() + ", found " + cause);
            return;
        }
        throw new AssertionError("expected " + expected.getSimpleName() + ", but it succeeded");
    }
}
