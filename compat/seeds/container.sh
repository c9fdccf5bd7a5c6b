# The environment of a container, as two tutorials' compose files have it; the second leaves the controller listener's name
# and the security map to their defaults.
. "$SEEDS/lib.sh"

export KAFKA_NODE_ID=1
export KAFKA_PROCESS_ROLES=broker,controller
export KAFKA_LISTENERS=PLAINTEXT://0.0.0.0:9092,CONTROLLER://0.0.0.0:9093
export KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://localhost:9092
export KAFKA_CONTROLLER_QUORUM_VOTERS=1@localhost:9093
export KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1
export CLUSTER_ID=MkU3OEVBNTcwNTJENDM2Qk
export KAFKA_LOG_DIRS=/tmp/kraft-combined-logs
if [ "$1" = whole ]; then
  export KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER
  export KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
  export KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR=1
  export KAFKA_TRANSACTION_STATE_LOG_MIN_ISR=1
fi
start node.log "$OTTLA_BINARY"
shows node.log "Kafka Server started"
kafka-topics.sh --create --topic test --bootstrap-server localhost:9092 --partitions 3
kafka-topics.sh --list --bootstrap-server localhost:9092 | tee topics.log
shows topics.log "test"
kafka-cluster.sh cluster-id --bootstrap-server localhost:9092 | tee cluster.log
shows cluster.log "MkU3OEVBNTcwNTJENDM2Qk"
