"""kafka-python: the protocol in Python itself."""

import re
import threading

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition, errors
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ConfigResource,
    ConfigResourceType,
    OffsetSpec,
    ResourcePattern,
    ResourceType,
)
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.structs import OffsetAndMetadata

from shape import Client, Record

ASSIGNORS = {"range": RangePartitionAssignor, "cooperative": CooperativeStickyAssignor}
SPECS = {"earliest": OffsetSpec.EARLIEST, "latest": OffsetSpec.LATEST, "max": OffsetSpec.MAX_TIMESTAMP}


class Listener(ConsumerRebalanceListener):
    def __init__(self, revoked):
        self.revoked = revoked

    def on_partitions_revoked(self, revoked):
        self.revoked(len(revoked))

    def on_partitions_assigned(self, assigned):
        pass


class PythonProducer:
    def __init__(self, settings):
        self.producer = KafkaProducer(**settings)

    def send(self, topic, messages):
        sent = [
            self.producer.send(
                topic,
                value=message.value,
                key=message.key,
                headers=list(message.headers),
                partition=message.partition,
                timestamp_ms=message.timestamp,
            )
            for message in messages
        ]
        self.producer.flush(timeout=30)
        done = [future.get(timeout=30) for future in sent]
        return [(found.partition, None if found.offset < 0 else found.offset) for found in done]

    def init_transactions(self):
        self.producer.init_transactions()

    def close(self):
        self.producer.close(timeout=5)


class PythonConsumer:
    def __init__(self, settings):
        self.consumer = KafkaConsumer(**settings)

    def assign(self, topic, partition, offset):
        place = TopicPartition(topic, partition)
        self.consumer.assign([place])
        if offset == "earliest":
            self.consumer.seek_to_beginning(place)
        else:
            self.consumer.seek(place, offset)

    def seek(self, topic, partition, offset):
        self.consumer.seek(TopicPartition(topic, partition), offset)

    def subscribe(self, topic, revoked=lambda count: None):
        # A leader that joins before it knows the topic assigns nothing, and in 3.0.12 it does not join again.
        self.consumer.partitions_for_topic(topic)
        self.consumer.subscribe([topic], listener=Listener(revoked))

    def poll(self):
        return [
            Record(found.partition, found.offset, found.key, found.value, tuple(found.headers), found.timestamp)
            for batch in self.consumer.poll(timeout_ms=100).values()
            for found in batch
        ]

    def assignment(self):
        return {found.partition for found in self.consumer.assignment()}

    def commit(self, topic, partition, offset, metadata):
        self.consumer.commit({TopicPartition(topic, partition): OffsetAndMetadata(offset, metadata, -1)})

    def committed(self, topic, partition):
        found = self.consumer.committed(TopicPartition(topic, partition), metadata=True)
        return found.offset, found.metadata

    def offset_for_time(self, topic, partition, timestamp):
        place = TopicPartition(topic, partition)
        found = self.consumer.offsets_for_times({place: timestamp})[place]
        return None if found is None else found.offset

    def close(self):
        self.consumer.close()


class KafkaPython(Client):
    name = "kafka-python"
    # Its producer insists on a header's value.
    null_header = b""

    def __init__(self, bootstrap):
        super().__init__(bootstrap)
        self.of_thread = threading.local()

    @property
    def admin(self):
        # One for each check: the client makes no promise about threads.
        if not hasattr(self.of_thread, "admin"):
            self.of_thread.admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        return self.of_thread.admin

    def error_code(self, thrown):
        return getattr(thrown, "errno", None)

    def is_fatal(self, thrown):
        return not getattr(thrown, "retriable", False)

    def producer(self, acks="all", codec="none", idempotent=False, transactional_id=None, small_batches=False):
        settings = dict(
            bootstrap_servers=self.bootstrap,
            acks=acks if acks == "all" else int(acks),
            compression_type=None if codec == "none" else codec,
            enable_idempotence=idempotent,
            delivery_timeout_ms=30000,
            request_timeout_ms=20000,
            max_block_ms=20000,
            linger_ms=5,
        )
        if transactional_id:
            settings["transactional_id"] = transactional_id
        if small_batches:
            settings["batch_size"] = 200
        return PythonProducer(settings)

    def consumer(
        self, group=None, assignor="range", instance=None, fetch_bytes=None, session_ms=3000, commit=True
    ):
        settings = dict(
            bootstrap_servers=self.bootstrap,
            group_id=group,
            group_instance_id=instance,
            auto_offset_reset="earliest",
            enable_auto_commit=bool(group) and commit,
            auto_commit_interval_ms=100,
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=300,
            partition_assignment_strategy=[ASSIGNORS[assignor]],
        )
        if fetch_bytes:
            settings["max_partition_fetch_bytes"] = fetch_bytes
        return PythonConsumer(settings)

    def create_topic(self, name, partitions, configs):
        wanted = {"num_partitions": partitions, "replication_factor": 1, "configs": configs}
        self.admin.create_topics({name: wanted}, wait_for_metadata=True)

    def list_topics(self):
        return set(self.admin.list_topics())

    def describe_topic(self, name):
        found = self.admin.describe_topics([name])[0]
        if found["error_code"]:
            raise errors.for_code(found["error_code"])(name)
        return [(len(p["replica_nodes"]), len(p["isr_nodes"]), p["leader_id"]) for p in found["partitions"]]

    def delete_topic(self, name):
        self.admin.delete_topics([name])

    def create_partitions(self, name, count):
        self.admin.create_partitions({name: count})

    def delete_records(self, name, partition, before):
        place = TopicPartition(name, partition)
        return self.admin.delete_records({place: before})[place]["low_watermark"]

    def list_offset(self, name, partition, spec):
        place = TopicPartition(name, partition)
        return self.admin.list_partition_offsets({place: SPECS.get(spec, spec)})[place].offset

    def configs(self, kind, name):
        resource = ConfigResource(ConfigResourceType[kind.upper()], name)
        found = self.admin.describe_configs([resource], config_filter="all")
        return {key: entry["value"] for key, entry in found[kind][name].items()}

    def alter_config(self, topic, key, value, operation):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs={key: (operation, value)})
        outcome = self.admin.alter_configs([resource])["topic"][topic]
        refused = re.match(r"\[Error (\d+)]", outcome)
        if refused:
            raise errors.for_code(int(refused[1]))(outcome)

    def cluster(self):
        found = self.admin.describe_cluster()
        return found["cluster_id"], [node["broker_id"] for node in found["brokers"]], found["controller_id"]

    def list_groups(self):
        return {found["group_id"] for found in self.admin.list_groups()}

    def describe_group(self, group):
        found = self.admin.describe_groups([group])[group]
        return found["group_state"].lower(), len(found["members"])

    def delete_group(self, group):
        outcome = self.admin.delete_groups([group])[group]
        if outcome != "OK":
            raise getattr(errors, outcome)()

    def alter_group_offset(self, group, topic, partition, offset):
        self.admin.alter_group_offsets(group, {TopicPartition(topic, partition): OffsetAndMetadata(offset, "", -1)})

    def group_offsets(self, group, topic):
        found = self.admin.list_group_offsets(group)[group]
        return {place.partition: offset.offset for place, offset in found.items() if place.topic == topic}

    def delete_group_offset(self, group, topic, partition):
        self.admin.delete_group_offsets(group, [TopicPartition(topic, partition)])

    def acl_cycle(self, topic):
        pattern = ResourcePattern(ResourceType.TOPIC, topic, ACLResourcePatternType.LITERAL)
        words = ("User:alice", "*", ACLOperation.READ, ACLPermissionType.ALLOW, pattern)
        binding, wanted = ACL(*words), ACLFilter(*words)
        self.admin.create_acls([binding])
        yield lambda: self.admin.describe_acls(wanted)[0] == [binding]
        yield lambda: self.admin.delete_acls([wanted])[0][1] == [binding]
        yield lambda: self.admin.describe_acls(wanted)[0] == []

    def log_bytes(self, topic):
        found = self.admin.describe_log_dirs([topic])
        return sum(
            part["partition_size"]
            for broker in found
            for directory in broker["log_dirs"]
            for dir_topic in directory["topics"]
            for part in dir_topic["partitions"]
        )

    def last_sequences(self, topic, partition):
        place = TopicPartition(topic, partition)
        return [found.last_sequence for found in self.admin.describe_producers([place])[place].active_producers]

    def quorum(self):
        found = self.admin.describe_metadata_quorum()["topics"][0]["partitions"][0]
        return found["leader_id"], [voter["replica_id"] for voter in found["current_voters"]], found["high_watermark"]
