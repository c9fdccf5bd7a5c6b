"""confluent-kafka: librdkafka from Python."""

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    OFFSET_BEGINNING,
    TopicPartition,
    Consumer,
    Producer,
)
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
)
from confluent_kafka import TopicCollection

from shape import Client, Record

SPECS = {"earliest": OffsetSpec.earliest, "latest": OffsetSpec.latest, "max": OffsetSpec.max_timestamp}


class ConfluentProducer:
    def __init__(self, settings):
        self.producer = Producer(settings)

    def send(self, topic, messages):
        done = [None] * len(messages)
        for index, message in enumerate(messages):

            def delivered(error, sent, index=index):
                done[index] = error or (sent.partition(), sent.offset())

            extra = {} if message.partition is None else {"partition": message.partition}
            if message.timestamp is not None:
                extra["timestamp"] = message.timestamp
            self.producer.produce(
                topic,
                value=message.value,
                key=message.key,
                headers=list(message.headers) or None,
                on_delivery=delivered,
                **extra,
            )
        left = self.producer.flush(30)
        if left:
            raise TimeoutError(f"{left} messages not delivered")
        for outcome in done:
            if isinstance(outcome, KafkaError):
                raise KafkaException(outcome)
        return done

    def init_transactions(self):
        self.producer.init_transactions(20)

    def close(self):
        self.producer.flush(5)


class ConfluentConsumer:
    def __init__(self, settings):
        self.consumer = Consumer(settings)

    def assign(self, topic, partition, offset):
        start = OFFSET_BEGINNING if offset == "earliest" else offset
        self.consumer.assign([TopicPartition(topic, partition, start)])

    def seek(self, topic, partition, offset):
        self.consumer.seek(TopicPartition(topic, partition, offset))

    def subscribe(self, topic, revoked=lambda count: None):
        self.consumer.subscribe([topic], on_revoke=lambda _, parts: revoked(len(parts)))

    def poll(self):
        records = []
        for message in self.consumer.consume(num_messages=100, timeout=0.1):
            if message.error():
                raise KafkaException(message.error())
            records.append(
                Record(
                    message.partition(),
                    message.offset(),
                    message.key(),
                    message.value(),
                    tuple(message.headers() or ()),
                    message.timestamp()[1],
                )
            )
        return records

    def assignment(self):
        return {found.partition for found in self.consumer.assignment()}

    def commit(self, topic, partition, offset, metadata):
        wanted = TopicPartition(topic, partition, offset, metadata)
        self.consumer.commit(offsets=[wanted], asynchronous=False)

    def committed(self, topic, partition):
        found = self.consumer.committed([TopicPartition(topic, partition)], timeout=20)[0]
        return found.offset, found.metadata

    def offset_for_time(self, topic, partition, timestamp):
        found = self.consumer.offsets_for_times([TopicPartition(topic, partition, timestamp)], timeout=20)[0]
        return None if found.offset < 0 else found.offset

    def close(self):
        self.consumer.close()


class Confluent(Client):
    name = "confluent-kafka"
    # librdkafka's admin has no calls for these.
    cannot = frozenset({"log-dirs", "describe-producers", "describe-quorum"})

    def __init__(self, bootstrap):
        super().__init__(bootstrap)
        self.admin = AdminClient({"bootstrap.servers": bootstrap})

    def error_code(self, thrown):
        error = thrown.args[0] if isinstance(thrown, KafkaException) else thrown
        return error.code() if isinstance(error, KafkaError) else None

    def is_fatal(self, thrown):
        return isinstance(thrown, KafkaException) and not thrown.args[0].retriable()

    def producer(self, acks="all", codec="none", idempotent=False, transactional_id=None, small_batches=False):
        settings = {
            "bootstrap.servers": self.bootstrap,
            "acks": acks,
            "compression.type": codec,
            "enable.idempotence": idempotent,
            "message.timeout.ms": 30000,
            "linger.ms": 5,
        }
        if transactional_id:
            settings["transactional.id"] = transactional_id
        if small_batches:
            settings["batch.num.messages"] = 10
        return ConfluentProducer(settings)

    def consumer(self, group=None, assignor="range", instance=None, fetch_bytes=None, session_ms=3000, commit=True):
        settings = {
            "bootstrap.servers": self.bootstrap,
            "group.id": group or self.unique("nobody"),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": bool(group) and commit,
            "auto.commit.interval.ms": 100,
            "session.timeout.ms": session_ms,
            "heartbeat.interval.ms": 300,
            "partition.assignment.strategy": {"cooperative": "cooperative-sticky"}.get(assignor, assignor),
        }
        if instance:
            settings["group.instance.id"] = instance
        if fetch_bytes:
            settings["fetch.message.max.bytes"] = fetch_bytes
        return ConfluentConsumer(settings)

    def create_topic(self, name, partitions, configs):
        wanted = NewTopic(name, num_partitions=partitions, replication_factor=1, config=configs)
        self.admin.create_topics([wanted])[name].result(30)

    def list_topics(self):
        return set(self.admin.list_topics(timeout=20).topics)

    def describe_topic(self, name):
        found = self.admin.describe_topics(TopicCollection([name]))[name].result(30)
        return [(len(part.replicas), len(part.isr), part.leader.id) for part in found.partitions]

    def delete_topic(self, name):
        self.admin.delete_topics([name])[name].result(30)

    def create_partitions(self, name, count):
        self.admin.create_partitions([NewPartitions(name, count)])[name].result(30)

    def delete_records(self, name, partition, before):
        asked = self.admin.delete_records([TopicPartition(name, partition, before)])
        return next(iter(asked.values())).result(30).low_watermark

    def list_offset(self, name, partition, spec):
        wanted = SPECS[spec]() if isinstance(spec, str) else OffsetSpec.for_timestamp(spec)
        asked = self.admin.list_offsets(
            {TopicPartition(name, partition): wanted}, isolation_level=IsolationLevel.READ_UNCOMMITTED
        )
        return next(iter(asked.values())).result(30).offset

    def configs(self, kind, name):
        resource = ConfigResource(ResourceType.TOPIC if kind == "topic" else ResourceType.BROKER, name)
        found = self.admin.describe_configs([resource])[resource].result(30)
        return {key: entry.value for key, entry in found.items()}

    def alter_config(self, topic, key, value, operation):
        entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType[operation])
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        self.admin.incremental_alter_configs([resource])[resource].result(30)

    def cluster(self):
        found = self.admin.describe_cluster().result(30)
        return found.cluster_id, [node.id for node in found.nodes], found.controller.id

    def list_groups(self):
        return {found.group_id for found in self.admin.list_consumer_groups().result(30).valid}

    def describe_group(self, group):
        found = self.admin.describe_consumer_groups([group])[group].result(30)
        return found.state.name.lower(), len(found.members)

    def delete_group(self, group):
        self.admin.delete_consumer_groups([group])[group].result(30)

    def alter_group_offset(self, group, topic, partition, offset):
        wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, partition, offset)])
        self.admin.alter_consumer_group_offsets([wanted])[group].result(30)

    def group_offsets(self, group, topic):
        asked = ConsumerGroupTopicPartitions(group)
        found = self.admin.list_consumer_group_offsets([asked])[group].result(30)
        return {part.partition: part.offset for part in found.topic_partitions if part.topic == topic}

    delete_group_offset = None

    def acl_cycle(self, topic):
        words = dict(
            restype=ResourceType.TOPIC,
            name=topic,
            resource_pattern_type=ResourcePatternType.LITERAL,
            principal="User:alice",
            host="*",
            operation=AclOperation.READ,
            permission_type=AclPermissionType.ALLOW,
        )
        binding, wanted = AclBinding(**words), AclBindingFilter(**words)
        self.admin.create_acls([binding])[binding].result(30)
        yield lambda: self.admin.describe_acls(wanted).result(30) == [binding]
        yield lambda: self.admin.delete_acls([wanted])[wanted].result(30) == [binding]
        yield lambda: self.admin.describe_acls(wanted).result(30) == []
