package ottla.compat;

import static ottla.compat.Kit.bytes;
import static ottla.compat.Kit.same;
import static ottla.compat.Kit.text;
import static ottla.compat.Kit.yes;

import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/** Reading from places, and going on where a group left off. */
final class ConsumeChecks {
    static void register(Harness harness, Kit kit) {
        harness.check("consume-beginning", () -> beginning(kit));
        harness.check("consume-offset", () -> offset(kit));
        harness.check("consume-time", () -> time(kit));
        harness.check("commit-resume", () -> resume(kit));
    }

    private static void beginning(Kit kit) throws Exception {
        String topic = kit.topic("beginning", 1);
        kit.send(topic, 0, 0, 100);
        var records = kit.read(topic, 0, 100);
        same("v0", text(records.get(0).value()), "first");
        same(99L, records.get(99).offset(), "last offset");
    }

    private static void offset(Kit kit) throws Exception {
        String topic = kit.topic("offset", 1);
        kit.send(topic, 0, 0, 100);
        try (KafkaConsumer<byte[], byte[]> consumer = kit.consumer("max.poll.records", "10")) {
            TopicPartition partition = new TopicPartition(topic, 0);
            consumer.assign(List.of(partition));
            consumer.seek(partition, 42);
            same(42L, Kit.poll(consumer, 1).get(0).offset(), "offset");
            consumer.seek(partition, 7);
            same("v7", text(Kit.poll(consumer, 1).get(0).value()), "value after seeking back");
        }
    }

    private static void time(Kit kit) throws Exception {
        String topic = kit.topic("time", 1);
        long start = System.currentTimeMillis() - 1_000_000;
        try (KafkaProducer<byte[], byte[]> producer = kit.producer()) {
            for (int i = 0; i < 20; i++) {
                producer.send(new ProducerRecord<>(topic, 0, start + i * 1000L, null, bytes("v" + i))).get();
            }
        }
        try (KafkaConsumer<byte[], byte[]> consumer = kit.consumer()) {
            TopicPartition partition = new TopicPartition(topic, 0);
            var found = consumer.offsetsForTimes(Map.of(partition, start + 9_500)).get(partition);
            same(10L, found.offset(), "first offset at or after the time");
            same(start + 10_000, found.timestamp(), "its timestamp");
            yes(consumer.offsetsForTimes(Map.of(partition, start + 60_000)).get(partition) == null, "nothing later");
            consumer.assign(List.of(partition));
            consumer.seek(partition, found.offset());
            var record = Kit.poll(consumer, 1).get(0);
            same("v10", text(record.value()), "value");
            same(start + 10_000, record.timestamp(), "timestamp");
        }
    }

    private static void resume(Kit kit) throws Exception {
        String topic = kit.topic("resume", 1);
        String group = Kit.unique("resume");
        kit.send(topic, 0, 0, 10);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaConsumer<byte[], byte[]> consumer = kit.consumer("group.id", group)) {
            consumer.subscribe(List.of(topic));
            Kit.poll(consumer, 10);
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(6, "note")));
        }
        try (KafkaConsumer<byte[], byte[]> consumer = kit.consumer("group.id", group)) {
            consumer.subscribe(List.of(topic));
            same("v6", text(Kit.poll(consumer, 1).get(0).value()), "resumed at");
            same("note", consumer.committed(java.util.Set.of(partition)).get(partition).metadata(), "metadata");
        }
    }
}
