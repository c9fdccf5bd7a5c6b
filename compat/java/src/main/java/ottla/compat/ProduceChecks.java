package ottla.compat;

import static ottla.compat.Kit.bytes;
import static ottla.compat.Kit.fails;
import static ottla.compat.Kit.same;
import static ottla.compat.Kit.text;
import static ottla.compat.Kit.yes;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.RetriableException;

/** What a producer may do, each time read back by a consumer. */
final class ProduceChecks {
    static void register(Harness harness, Kit kit) {
        harness.check("produce-keys", () -> keys(kit));
        harness.check("headers", () -> headers(kit));
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            harness.check("compression-" + codec, () -> compression(kit, codec));
        }
        for (String acks : List.of("0", "1", "all")) {
            harness.check("acks-" + acks, () -> acks(kit, acks));
        }
        harness.check("idempotent", () -> idempotent(kit));
        harness.check("large-message", () -> large(kit));
        harness.check("tombstone", () -> tombstone(kit));
        harness.check("auto-create", () -> autoCreate(kit));
        harness.check("error-too-large", () -> tooLarge(kit));
        if ("ottla".equals(System.getenv("COMPAT_SIDE"))) {
            harness.check("transactional-refused", () -> transactional(kit));
        }
    }

    private static void keys(Kit kit) throws Exception {
        String topic = kit.topic("keys", 3);
        try (KafkaProducer<byte[], byte[]> producer = kit.producer()) {
            Set<Integer> ofOneKey = new HashSet<>();
            for (int i = 0; i < 10; i++) {
                ofOneKey.add(producer.send(new ProducerRecord<>(topic, bytes("k"), bytes("v" + i))).get().partition());
            }
            same(1, ofOneKey.size(), "partitions of one key");
            RecordMetadata bare = producer.send(new ProducerRecord<>(topic, 2, null, bytes("bare"))).get();
            int keyed = ofOneKey.iterator().next();
            var records = kit.read(topic, keyed, 10);
            same("k", text(records.get(0).key()), "key");
            same("v9", text(records.get(9).value()), "value");
            var last = kit.read(topic, 2, keyed == 2 ? 11 : 1);
            same(null, last.get(last.size() - 1).key(), "no key");
            same(bare.offset(), last.get(last.size() - 1).offset(), "offset in the answer");
        }
    }

    private static void headers(Kit kit) throws Exception {
        String topic = kit.topic("headers", 1);
        try (KafkaProducer<byte[], byte[]> producer = kit.producer()) {
            var record = new ProducerRecord<byte[], byte[]>(topic, bytes("body"));
            record.headers().add("a", bytes("1")).add("b", null).add("a", bytes("2")).add("c", new byte[0]);
            producer.send(record).get();
        }
        List<String> found = new ArrayList<>();
        for (var header : kit.read(topic, 0, 1).get(0).headers()) {
            found.add(header.key() + "=" + text(header.value()));
        }
        same(List.of("a=1", "b=null", "a=2", "c="), found, "headers in order");
    }

    private static void compression(Kit kit, String codec) throws Exception {
        String topic = kit.topic("codec-" + codec, 1);
        int count = 500;
        String padding = "compressible ".repeat(20);
        try (KafkaProducer<byte[], byte[]> producer = kit.producer("compression.type", codec, "linger.ms", "50")) {
            for (int i = 0; i < count; i++) {
                producer.send(new ProducerRecord<>(topic, bytes("k" + i), bytes(padding + i)));
            }
            producer.flush();
        }
        var records = kit.read(topic, 0, count);
        for (int i = 0; i < count; i++) {
            same((long) i, records.get(i).offset(), "offset");
            same(padding + i, text(records.get(i).value()), "value");
        }
    }

    private static void acks(Kit kit, String acks) throws Exception {
        String topic = kit.topic("acks-" + acks, 1);
        try (KafkaProducer<byte[], byte[]> producer = kit.producer("acks", acks, "enable.idempotence", "false")) {
            var sent = Kit.send(producer, topic, 0, 0, 50);
            same(!"0".equals(acks), sent.get(0).hasOffset(), "an offset in the answer");
        }
        same("v49", text(kit.read(topic, 0, 50).get(49).value()), "last value");
    }

    private static void idempotent(Kit kit) throws Exception {
        String topic = kit.topic("idempotent", 2);
        try (KafkaProducer<byte[], byte[]> producer =
                kit.producer("enable.idempotence", "true", "acks", "all", "batch.size", "200")) {
            Kit.send(producer, topic, 0, 0, 300);
            Kit.send(producer, topic, 1, 0, 300);
        }
        for (int partition = 0; partition < 2; partition++) {
            var values = Kit.values(kit.read(topic, partition, 300));
            for (int i = 0; i < 300; i++) {
                same("v" + i, values.get(i), "in order, once");
            }
        }
    }

    private static void large(Kit kit) throws Exception {
        String topic = kit.topic("large", 1);
        byte[] value = new byte[900_000];
        new Random(1).nextBytes(value);
        try (KafkaProducer<byte[], byte[]> producer = kit.producer()) {
            producer.send(new ProducerRecord<>(topic, value)).get();
            producer.send(new ProducerRecord<>(topic, bytes("after"))).get();
        }
        // The first batch is larger than what the consumer asks for, and must come all the same (KIP-74).
        try (var consumer = kit.consumer("max.partition.fetch.bytes", "1000", "fetch.max.bytes", "1000")) {
            var partition = new org.apache.kafka.common.TopicPartition(topic, 0);
            consumer.assign(List.of(partition));
            var records = Kit.poll(consumer, 2);
            yes(Arrays.equals(value, records.get(0).value()), "the large value");
            same("after", text(records.get(1).value()), "the record behind it");
        }
    }

    private static void tombstone(Kit kit) throws Exception {
        String topic = kit.topic("tombstone", 1, Map.of("cleanup.policy", "compact"));
        try (KafkaProducer<byte[], byte[]> producer = kit.producer()) {
            producer.send(new ProducerRecord<>(topic, bytes("k"), bytes("v"))).get();
            producer.send(new ProducerRecord<>(topic, bytes("k"), null)).get();
            fails(org.apache.kafka.common.InvalidRecordException.class,
                () -> producer.send(new ProducerRecord<>(topic, null, bytes("no key"))).get());
        }
        var records = kit.read(topic, 0, 2);
        same(null, records.get(1).value(), "tombstone");
    }

    private static void autoCreate(Kit kit) throws Exception {
        String topic = Kit.unique("auto");
        same(0, kit.send(topic, null, 0, 1).get(0).partition(), "partition");
        same(1, kit.read(topic, 0, 1).size(), "records");
    }

    private static void tooLarge(Kit kit) throws Exception {
        String topic = kit.topic("too-large", 1, Map.of("max.message.bytes", "1000"));
        try (KafkaProducer<byte[], byte[]> producer = kit.producer()) {
            fails(RecordTooLargeException.class,
                () -> producer.send(new ProducerRecord<>(topic, new byte[5000])).get(20, TimeUnit.SECONDS));
        }
    }

    private static void transactional(Kit kit) {
        try (KafkaProducer<byte[], byte[]> producer =
                kit.producer("transactional.id", Kit.unique("txn"), "max.block.ms", "20000")) {
            producer.initTransactions();
        } catch (KafkaException refused) {
            yes(!(refused instanceof RetriableException), "refused, but as if a retry helped: " + refused);
            return;
        }
        throw new AssertionError("a transactional producer was let in");
    }
}
