# A tutorial of ZooKeeper's time, in four languages.
. "$SEEDS/lib.sh"

bin/zookeeper-server-start.sh config/zookeeper.properties
start node.log bin/kafka-server-start.sh config/server.properties
shows node.log "Kafka Server started"
bin/kafka-topics.sh --list --bootstrap-server localhost:9092
bin/kafka-topics.sh --create \
    --topic pageviews \
    --partitions 2 \
    --replication-factor 1 \
    --bootstrap-server localhost:9092
bin/kafka-console-producer.sh --topic pageviews --bootstrap-server localhost:9092 <<'L'
This is my first message!
Here's a second message
L
start consumer.log bin/kafka-console-consumer.sh --topic pageviews --from-beginning --bootstrap-server localhost:9092
shows consumer.log "This is my first message!"
shows consumer.log "Here's a second message"

cat > entry.py <<'P'
from kafka import KafkaProducer

producer = KafkaProducer(bootstrap_servers='localhost:9092')
producer.send('pageviews', b'New entry!')
producer.flush()
P
python entry.py
shows consumer.log "New entry!"
cat > entries.py <<'P'
from kafka import KafkaConsumer

consumer = KafkaConsumer('pageviews', bootstrap_servers='localhost:9092', auto_offset_reset='earliest')

for message in consumer:
    print(message.value.decode())
P
start entries.log python -u entries.py
shows entries.log "New entry!"

cat > view.js <<'P'
const { Kafka } = require('kafkajs')
const kafka = new Kafka({ brokers: ['localhost:9092'] })
const producer = kafka.producer()

async function produce() {
  await producer.connect()
  await producer.send({
    topic: 'pageviews',
    messages: [
      { value: 'New page view' }
    ]
  })
  await producer.disconnect()
}

async function consume() {
  const consumer = kafka.consumer({ groupId: 'test' })

  await consumer.connect()
  await consumer.subscribe({ topic: 'pageviews', fromBeginning: true })

  await consumer.run({
    eachMessage: async ({ message }) => {
      console.log(message.value.toString())
    }
  })
}

produce().then(consume)
P
start views.log node view.js
shows views.log "New page view"
shows consumer.log "New page view"
