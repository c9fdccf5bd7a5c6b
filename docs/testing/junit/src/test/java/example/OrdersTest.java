package example;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

class OrdersTest {
    @RegisterExtension
    static final OttlaNode NODE = new OttlaNode();

    @Test
    @Timeout(30)
    void ordersArriveInOrder() {
        Map<String, Object> writing = Map.of("bootstrap.servers", NODE.bootstrap());
        try (var producer = new KafkaProducer<>(writing, new StringSerializer(), new StringSerializer())) {
            for (int number = 0; number < 3; number++) {
                producer.send(new ProducerRecord<>("orders", "alice", "order " + number));
            }
        }

        Map<String, Object> reading =
                Map.of("bootstrap.servers", NODE.bootstrap(), "group.id", "billing", "auto.offset.reset", "earliest");
        List<String> seen = new ArrayList<>();
        try (var consumer = new KafkaConsumer<>(reading, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of("orders"));
            while (seen.size() < 3) {
                consumer.poll(Duration.ofSeconds(1)).forEach(order -> seen.add(order.value()));
            }
        }
        assertEquals(List.of("order 0", "order 1", "order 2"), seen);
    }
}
