"""Writes until it is told to stop, or the node is gone; puts into the ledger what was answered."""

import random
import select
import sys

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

from ledger import (
    CODECS,
    COMPACTED,
    CONFIG,
    CONFIG_TOPIC,
    CONFIGS,
    GROUP,
    GROUP_TOPIC,
    KEPT,
    PARTITIONS,
    SHORTENED,
    TRANSACTIONAL,
    TRIMMED,
)

# A turn that nobody stops has written enough then.
RECORDS_MAX = 2500
# Between the requests that are not for records.
RECORDS_BETWEEN = 60
TIME_MAX = 30
# A node that was killed answers nothing more.
ANSWER_TIME_MAX = 5
TRANSACTIONAL_ID = "takeover"


def transactional_producer(bootstrap):
    """Ends what was left open by the one before it."""
    producer = Producer({
        "bootstrap.servers": bootstrap,
        "transactional.id": TRANSACTIONAL_ID,
        "transaction.timeout.ms": 60_000,
        "linger.ms": 1,
    })
    producer.init_transactions(TIME_MAX)
    return producer


class Writer:
    def __init__(self, bootstrap, ledger, admin, transactions, seed):
        self.ledger = ledger
        self.admin = admin
        self.random = random.Random(seed)
        self.written = 0
        self.told = None
        self.failed = []
        self.producers = {}
        settings = {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "linger.ms": 2,
            "batch.num.messages": 40,
            "message.timeout.ms": 60_000,
        }
        for topic, codec in zip(KEPT, CODECS):
            self.producers[topic] = Producer({**settings, "compression.type": codec})
        rest = Producer(settings)
        for topic in (COMPACTED, SHORTENED, TRIMMED):
            self.producers[topic] = rest
        self.others = rest
        self.transactions = transactions

    def run(self):
        self.create(list(PARTITIONS))
        while self.go_on():
            self.some_records()
            self.random.choice([self.commit, self.trim, self.configure, self.topic, self.transaction])()
        if self.told == "stop":
            for producer in self.all_producers():
                left = producer.flush(TIME_MAX)
                if left or self.failed:
                    sys.exit(f"{left} records were not written; {self.failed[:3]}")
        else:
            for producer in self.all_producers():
                # What was answered is heard, the rest given up.
                producer.poll(0)
                producer.purge()
                producer.flush(0)

    def all_producers(self):
        return set(self.producers.values())

    def go_on(self):
        """False once told to stop, or that the node is gone."""
        if self.told is None:
            enough = self.written >= RECORDS_MAX
            ready, _, _ = select.select([sys.stdin], [], [], None if enough else 0)
            if ready:
                self.told = sys.stdin.readline().strip()
        return self.told is None

    def some_records(self):
        for _ in range(RECORDS_BETWEEN):
            if not self.go_on():
                return
            topic = self.random.choice(list(self.producers))
            self.record(self.producers[topic], topic)
            self.producers[topic].poll(0.001)

    def record(self, producer, topic):
        partition = self.random.randrange(PARTITIONS.get(topic, 1))
        record = self.ledger.new_record(topic, partition)
        known = self.ledger.of(topic, partition)

        def delivered(error, message):
            if error is None:
                known[str(record.number)] = message.offset()
            else:
                self.failed.append(f"{topic}-{partition}: {error}")

        producer.produce(
            topic,
            record.value,
            record.key,
            partition,
            timestamp=record.time,
            headers=record.headers,
            on_delivery=delivered,
        )
        if self.written == 0:
            producer.flush(TIME_MAX)
            print("writing", flush=True)
        self.written += 1
        return record.number

    def answered(self, futures):
        """Whether all answers came, and were no errors; a node that is gone gives none."""
        try:
            for future in futures.values():
                result = future.result(ANSWER_TIME_MAX)
                if any(place.error for place in getattr(result, "topic_partitions", [])):
                    return False
            return True
        except (KafkaException, TimeoutError):
            return False

    def create(self, topics):
        new = [topic for topic in topics if topic not in self.ledger.topics]
        self.ledger.unknown_topics.extend(new)
        wanted = [NewTopic(topic, PARTITIONS.get(topic, 1), 1, config=CONFIGS.get(topic, {})) for topic in new]
        if not wanted or self.answered(self.admin.create_topics(wanted, request_timeout=ANSWER_TIME_MAX)):
            self.ledger.unknown_topics = [topic for topic in self.ledger.unknown_topics if topic not in new]
            self.ledger.topics.update(dict.fromkeys(new))
            return True
        return False

    def commit(self):
        partition = self.random.randrange(PARTITIONS[GROUP_TOPIC])
        end = max((offset for offset in self.ledger.of(GROUP_TOPIC, partition).values() if offset is not None), default=0)
        offset = self.random.randint(0, end)
        # None: no offset.
        candidates = self.ledger.committed.setdefault(str(partition), [None])
        candidates.append(offset)
        asked = [ConsumerGroupTopicPartitions(GROUP, [TopicPartition(GROUP_TOPIC, partition, offset)])]
        if self.answered(self.admin.alter_consumer_group_offsets(asked, request_timeout=ANSWER_TIME_MAX)):
            self.ledger.committed[str(partition)] = [offset]

    def trim(self):
        known = [offset for offset in self.ledger.of(TRIMMED, 0).values() if offset is not None]
        least, most = self.ledger.trimmed
        offset = self.random.choice([offset for offset in known if offset >= most] or [most])
        self.ledger.trimmed = [least, offset]
        asked = [TopicPartition(TRIMMED, 0, offset)]
        if self.answered(self.admin.delete_records(asked, request_timeout=ANSWER_TIME_MAX)):
            self.ledger.trimmed = [offset, offset]

    def configure(self):
        value = str(1_000_000 + self.random.randrange(1000))
        self.ledger.config.append(value)
        entry = ConfigEntry(CONFIG, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, CONFIG_TOPIC, incremental_configs=[entry])
        if self.answered(self.admin.incremental_alter_configs([resource], request_timeout=ANSWER_TIME_MAX)):
            self.ledger.config = [value]

    def topic(self):
        """A topic of this turn alone comes, and an older one may go."""
        name = f"takeover-turn-{self.ledger.next_number}"
        if self.create([name]):
            for _ in range(10):
                self.record(self.others, name)
        older = [topic for topic in self.ledger.topics if topic.startswith("takeover-turn-") and topic != name]
        if len(older) > 5:
            gone = self.random.choice(older)
            # What is under way to it would be answered too late.
            self.others.flush(ANSWER_TIME_MAX)
            del self.ledger.topics[gone]
            self.ledger.unknown_topics.append(gone)
            if self.answered(self.admin.delete_topics([gone], request_timeout=ANSWER_TIME_MAX)):
                self.ledger.unknown_topics.remove(gone)
                self.ledger.deleted.append(gone)

    def transaction(self):
        if self.transactions is None:
            return
        producer = self.transactions
        transaction = {"numbers": [], "outcome": "unknown"}
        self.ledger.transactions.append(transaction)
        wanted = self.random.choice(["committed", "aborted"])
        try:
            producer.begin_transaction()
            for _ in range(self.random.randint(1, 12)):
                transaction["numbers"].append(self.record(producer, TRANSACTIONAL))
                producer.poll(0.001)
            # Aborted, they are written all the same.
            producer.flush(ANSWER_TIME_MAX)
            if wanted == "committed":
                producer.commit_transaction(ANSWER_TIME_MAX)
            else:
                producer.abort_transaction(ANSWER_TIME_MAX)
            transaction["outcome"] = wanted
        except KafkaException as error:
            self.failed.append(str(error))
            # The next turn of Kafka has a producer that knows no more than this.
            self.transactions = None
