# Three steps to a node, a mailbox and its letters; then the same from Python and Java; then questions and answers.
. "$SEEDS/lib.sh"

KAFKA_CLUSTER_ID="$(bin/kafka-storage.sh random-uuid)"
bin/kafka-storage.sh format -t $KAFKA_CLUSTER_ID -c config/kraft/server.properties
start node.log bin/kafka-server-start.sh config/kraft/server.properties
shows node.log "[KafkaServer id=1] started"

bin/kafka-topics.sh --create \
--topic hello-kafka \
--bootstrap-server localhost:9092 \
--partitions 3 \
--replication-factor 1

bin/kafka-console-producer.sh \
--topic hello-kafka \
--bootstrap-server localhost:9092 <<'L'
Hello Kafka!
My first message
Will it arrive in real-time?
L
start consumer.log bin/kafka-console-consumer.sh \
--topic hello-kafka \
--from-beginning \
--bootstrap-server localhost:9092
shows consumer.log "Hello Kafka!"
shows consumer.log "My first message"
shows consumer.log "Will it arrive in real-time?"
echo "Real-time test!" | bin/kafka-console-producer.sh --topic hello-kafka --bootstrap-server localhost:9092
shows consumer.log "Real-time test!"

cat > producer.py <<'P'
from kafka import KafkaProducer
import json
from datetime import datetime
# Create Producer
producer = KafkaProducer(
    bootstrap_servers=['localhost:9092'],
    value_serializer=lambda v: json.dumps(v).encode('utf-8')
)
# Send order data
order = {
    'order_id': 'ORD-001',
    'product': 'Laptop',
    'quantity': 1,
    'price': 1500,
    'timestamp': datetime.now().isoformat()
}
# Send to Kafka!
future = producer.send('orders', value=order)
# Confirm delivery
result = future.get(timeout=10)
print(f'Sent! Partition: {result.partition}, Offset: {result.offset}')
producer.close()
P
python producer.py | tee producer.log
shows producer.log "Sent! Partition: 0, Offset: 0"

cat > consumer.py <<'P'
from kafka import KafkaConsumer
import json
# Create Consumer
consumer = KafkaConsumer(
    'orders',
    bootstrap_servers=['localhost:9092'],
    auto_offset_reset='earliest', # Read from beginning
    group_id='order-processor', # Group name
    value_deserializer=lambda x: json.loads(x.decode('utf-8'))
)
print('Waiting for orders...')
# Receive and process messages
for message in consumer:
    order = message.value
    print(f'\nNew order arrived!')
    print(f'Order ID: {order["order_id"]}')
    print(f'Product: {order["product"]}')
    print(f'Quantity: {order["quantity"]}')
    print(f'Price: ${order["price"]:,}')
P
start orders.log python -u consumer.py
shows orders.log "Waiting for orders..."
shows orders.log "Order ID: ORD-001"
shows orders.log 'Price: $1,500'

cat > OrderProducer.java <<'J'
import org.apache.kafka.clients.producer.*;
import java.util.Properties;
public class OrderProducer {
public static void main(String[] args) {
// Configuration
Properties props = new Properties();
props.put("bootstrap.servers", "localhost:9092");
props.put("key.serializer",
"org.apache.kafka.common.serialization.StringSerializer");
props.put("value.serializer",
"org.apache.kafka.common.serialization.StringSerializer");
// Create Producer
Producer<String, String> producer = new KafkaProducer<>(props);
// Send message
String orderId = "ORD-001";
String orderData = "Laptop,1,1500";
ProducerRecord<String, String> record =
new ProducerRecord<>("java-orders", orderId, orderData);
producer.send(record, (metadata, exception) -> {
if (exception == null) {
System.out.println("Sent successfully! Partition: " +
metadata.partition() + ", Offset: " + metadata.offset());
} else {
System.out.println("Send failed: " + exception.getMessage());
}
});
producer.close();
}
}
J
java -cp "$KAFKA_JARS/*" OrderProducer.java 2>/dev/null | tee java.log
shows java.log "Sent successfully! Partition: 0, Offset: 0"

bin/kafka-topics.sh --create --topic my-topic --partitions 3 --bootstrap-server localhost:9092
bin/kafka-configs.sh --alter \
--entity-type topics \
--entity-name my-topic \
--add-config retention.ms=604800000 \
--bootstrap-server localhost:9092
bin/kafka-consumer-groups.sh \
--bootstrap-server localhost:9092 \
--group order-processor \
--describe | tee lag.log
shows lag.log "CURRENT-OFFSET  LOG-END-OFFSET  LAG"
bin/kafka-topics.sh --create \
--topic important-data \
--partitions 10 \
--replication-factor 1 \
--bootstrap-server localhost:9092
bin/kafka-topics.sh --describe --topic my-topic | tee described.log
shows described.log "PartitionCount: 3"
bin/kafka-topics.sh --alter \
--topic my-topic \
--partitions 10
bin/kafka-topics.sh --describe --topic my-topic | tee described.log
shows described.log "PartitionCount: 10"
export KAFKA_HEAP_OPTS="-Xmx2G -Xms2G"
bin/kafka-configs.sh --alter \
--entity-type topics \
--entity-name my-topic \
--add-config retention.ms=604800000
bin/kafka-configs.sh --alter \
--entity-type topics \
--entity-name my-topic \
--add-config retention.bytes=10737418240
bin/kafka-configs.sh --describe --entity-type topics --entity-name my-topic | tee described.log
shows described.log "retention.bytes=10737418240"
