"""aiokafka: kafka-python's relative over asyncio. One loop in a thread serves all checks."""

import asyncio
import threading

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition, errors
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.structs import OffsetAndMetadata

from shape import Client, Record

LOOP = asyncio.new_event_loop()
threading.Thread(target=LOOP.run_forever, daemon=True).start()


def wait(coroutine, seconds=45):
    return asyncio.run_coroutine_threadsafe(coroutine, LOOP).result(seconds)


async def built(kind, *arguments, **settings):
    made = kind(*arguments, **settings)
    await made.start()
    return made


def checked(code, message=""):
    if code:
        raise errors.for_code(code)(message)


class Listener(ConsumerRebalanceListener):
    def __init__(self, revoked):
        self.revoked = revoked

    def on_partitions_revoked(self, revoked):
        # Also called, with nothing, before the first join.
        if revoked:
            self.revoked(len(revoked))

    def on_partitions_assigned(self, assigned):
        pass


class AioProducer:
    def __init__(self, settings):
        self.producer = wait(built(AIOKafkaProducer, **settings))

    def send(self, topic, messages):
        async def all_of_them():
            sent = [
                await self.producer.send(
                    topic,
                    value=message.value,
                    key=message.key,
                    headers=list(message.headers),
                    partition=message.partition,
                    timestamp_ms=message.timestamp,
                )
                for message in messages
            ]
            await self.producer.flush()
            return [await future for future in sent]

        # With acks=0 there is no word of where a record went.
        return [(found.partition, found.offset) if found else (None, None) for found in wait(all_of_them())]

    def close(self):
        wait(self.producer.stop())


class AioConsumer:
    def __init__(self, settings):
        self.consumer = wait(self.make(settings))
        self.started = False

    async def make(self, settings):
        return AIOKafkaConsumer(**settings)

    def start(self):
        if not self.started:
            self.started = True
            wait(self.consumer.start())

    def assign(self, topic, partition, offset):
        async def place():
            at = TopicPartition(topic, partition)
            self.consumer.assign([at])
            if offset == "earliest":
                await self.consumer.seek_to_beginning(at)
            else:
                self.consumer.seek(at, offset)

        self.start()
        wait(place())

    def seek(self, topic, partition, offset):
        LOOP.call_soon_threadsafe(self.consumer.seek, TopicPartition(topic, partition), offset)

    def subscribe(self, topic, revoked=lambda count: None):
        async def subscribed():
            self.consumer.subscribe([topic], listener=Listener(revoked))
            await self.consumer.start()

        self.started = True
        wait(subscribed())

    def poll(self):
        found = wait(self.consumer.getmany(timeout_ms=100))
        return [
            Record(one.partition, one.offset, one.key, one.value, tuple(one.headers), one.timestamp)
            for batch in found.values()
            for one in batch
        ]

    def assignment(self):
        return {found.partition for found in self.consumer.assignment()}

    def commit(self, topic, partition, offset, metadata):
        wait(self.consumer.commit({TopicPartition(topic, partition): OffsetAndMetadata(offset, metadata)}))
        self.noted = metadata

    def committed(self, topic, partition):
        # Metadata is not shown by this client.
        return wait(self.consumer.committed(TopicPartition(topic, partition))), self.noted

    def offset_for_time(self, topic, partition, timestamp):
        place = TopicPartition(topic, partition)
        self.start()
        found = wait(self.consumer.offsets_for_times({place: timestamp}))[place]
        return None if found is None else found.offset

    def close(self):
        wait(self.consumer.stop())


class Aio(Client):
    name = "aiokafka"
    cannot = frozenset(
        {
            "cooperative",
            "delete-group",
            "group-offsets",
            "acls",
            "log-dirs",
            "describe-producers",
            "describe-quorum",
        }
    )
    max_timestamp = False
    describing_creates = True

    def __init__(self, bootstrap):
        super().__init__(bootstrap)
        self.admin = wait(built(AIOKafkaAdminClient, bootstrap_servers=bootstrap))

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
            request_timeout_ms=20000,
            linger_ms=5,
        )
        if transactional_id:
            settings["transactional_id"] = transactional_id
        if small_batches:
            settings["max_batch_size"] = 200
        if transactional_id:
            return LateProducer(settings)
        return AioProducer(settings)

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
            # Finds a topic that is younger than the consumer.
            metadata_max_age_ms=1000,
            partition_assignment_strategy=[RangePartitionAssignor],
        )
        if fetch_bytes:
            settings["max_partition_fetch_bytes"] = fetch_bytes
        return AioConsumer(settings)

    def create_topic(self, name, partitions, configs):
        wanted = NewTopic(name, partitions, 1, topic_configs=configs)
        for _, code, *rest in wait(self.admin.create_topics([wanted])).topic_errors:
            checked(code, name)

    def list_topics(self):
        return set(wait(self.admin.list_topics()))

    def describe_topic(self, name):
        found = wait(self.admin.describe_topics([name]))[0]
        checked(found["error_code"], name)
        return [(len(p["replicas"]), len(p["isr"]), p["leader"]) for p in found["partitions"]]

    def delete_topic(self, name):
        for _, code, *rest in wait(self.admin.delete_topics([name])).topic_error_codes:
            checked(code, name)

    def create_partitions(self, name, count):
        wait(self.admin.create_partitions({name: NewPartitions(count)}))

    def delete_records(self, name, partition, before):
        place = TopicPartition(name, partition)
        return wait(self.admin.delete_records({place: RecordsToDelete(before)}))[place]

    def list_offset(self, name, partition, spec):
        """The admin has no call for it; a consumer has."""

        async def ask():
            consumer = await built(AIOKafkaConsumer, bootstrap_servers=self.bootstrap)
            try:
                place = TopicPartition(name, partition)
                if spec == "earliest":
                    return (await consumer.beginning_offsets([place]))[place]
                if spec == "latest":
                    return (await consumer.end_offsets([place]))[place]
                return (await consumer.offsets_for_times({place: spec}))[place].offset
            finally:
                await consumer.stop()

        return wait(ask())

    def configs(self, kind, name):
        resource = ConfigResource(ConfigResourceType[kind.upper()], name)
        (response,) = wait(self.admin.describe_configs([resource]))
        ((code, message, _, _, entries),) = response.resources
        checked(code, message)
        return {entry[0]: entry[1] for entry in entries}

    def alter_config(self, topic, key, value, operation):
        # The older AlterConfigs: what is not named goes back to its default.
        configs = {key: value} if operation == "SET" else {}
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs=configs)
        for response in wait(self.admin.alter_configs([resource])):
            for code, message, *_ in response.resources:
                checked(code, message)

    def cluster(self):
        found = wait(self.admin.describe_cluster())
        return found["cluster_id"], [node["node_id"] for node in found["brokers"]], found["controller_id"]

    def list_groups(self):
        return {found[0] for found in wait(self.admin.list_consumer_groups())}

    def describe_group(self, group):
        (response,) = wait(self.admin.describe_consumer_groups([group]))
        ((code, _, state, _, _, members, *_),) = response.groups
        checked(code, group)
        return state.lower(), len(members)


class LateProducer:
    """A transactional producer of this client asks for its id when it starts."""

    def __init__(self, settings):
        self.settings = settings

    def init_transactions(self):
        AioProducer(self.settings)
