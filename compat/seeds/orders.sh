# Keys, a hundred orders, and a group that reads them.
. "$SEEDS/lib.sh"

start node.log bin/kafka-server-start.sh config/server.properties
shows node.log "Kafka Server started"
# The three replicas wait for a cluster: here one.
kafka-topics.sh --create \
  --topic user-events \
  --partitions 3 \
  --replication-factor 1 \
  --bootstrap-server localhost:9092
cat > keyed.py <<'P'
from kafka import KafkaProducer
import json

producer = KafkaProducer(
    bootstrap_servers=['localhost:9092'],
    key_serializer=str.encode,
    value_serializer=lambda v: json.dumps(v).encode('utf-8')
)

# All events for user_id=42 go to the same partition (ordered)
producer.send(
    'user-events',
    key='user_42',
    value={'event': 'page_view', 'url': '/pricing', 'ts': 1720000000}
)
producer.flush()
P
python keyed.py
kafka-console-consumer.sh --bootstrap-server localhost:9092 --topic user-events --from-beginning --max-messages 1 \
  --property print.key=true | tee keyed.log
shows keyed.log "user_42"

kafka-topics.sh --list --bootstrap-server localhost:9092
cat > hundred.py <<'P'
from kafka import KafkaProducer
import json, time

producer = KafkaProducer(
    bootstrap_servers='localhost:9092',
    value_serializer=lambda v: json.dumps(v).encode('utf-8'),
    # Performance tuning
    acks='all',          # Wait for all replicas to confirm
    retries=3,
    linger_ms=10,        # Batch for 10ms before sending
    batch_size=16384,    # 16 KB batch size
    compression_type='gzip'
)

for i in range(100):
    producer.send('orders', {
        'order_id': i,
        'user_id': i % 10,
        'amount': round(100 + i * 1.5, 2),
        'timestamp': time.time()
    })

producer.flush()
print("100 messages sent")
P
python hundred.py
cat > listen.py <<'P'
from kafka import KafkaConsumer
import json

consumer = KafkaConsumer(
    'orders',
    bootstrap_servers='localhost:9092',
    group_id='order-processor',           # Consumer group
    auto_offset_reset='earliest',         # Read from beginning if no offset stored
    enable_auto_commit=True,
    value_deserializer=lambda m: json.loads(m.decode('utf-8'))
)

print("Listening for orders...")
for message in consumer:
    order = message.value
    print(f"Partition {message.partition} | Offset {message.offset} | Order: {order['order_id']}")
P
start listen.log python -u listen.py
shows listen.log "Partition 0 | Offset 99 | Order: 99"
