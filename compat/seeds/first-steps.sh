# A local installation, its settings, and a message to see that it works.
. "$SEEDS/lib.sh"

# "Inside config/server.properties, these settings will save you future pain"
cat > config/server.properties <<'P'
broker.id=0
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
log.dirs=/tmp/kafka-logs
num.partitions=1
log.retention.hours=168
P
export KAFKA_HEAP_OPTS="-Xmx1G -Xms1G"
start node.log bin/kafka-server-start.sh config/server.properties
shows node.log "started"

bin/kafka-topics.sh --create --bootstrap-server localhost:9092 --replication-factor 1 --partitions 1 --topic test
bin/kafka-topics.sh --list --bootstrap-server localhost:9092 | tee topics.log
shows topics.log "test"
echo "Hello Kafka" | bin/kafka-console-producer.sh --broker-list localhost:9092 --topic test
start consumer.log bin/kafka-console-consumer.sh --bootstrap-server localhost:9092 --topic test --from-beginning
shows consumer.log "Hello Kafka"

# The three replicas of this one wait for a cluster: here one.
kafka-topics.sh --create --topic payments --partitions 6 --replication-factor 1
kafka-topics.sh --create --topic user-events
kafka-configs.sh --alter --topic user-events --add-config retention.ms=604800000
kafka-topics.sh --create --topic obsolete-events
kafka-topics.sh --delete --topic obsolete-events
kafka-topics.sh --list >topics.log
if grep -q obsolete-events topics.log; then fail "a deleted topic is listed"; fi
kafka-consumer-groups.sh --list
