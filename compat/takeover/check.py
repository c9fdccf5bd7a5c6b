"""Reads everything and compares it with the ledger. A fault ends the check with one line that names it."""

import random

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    OFFSET_BEGINNING,
    TIMESTAMP_CREATE_TIME,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import ConfigResource, OffsetSpec, ResourceType

from ledger import (
    COMPACTED,
    CONFIG,
    CONFIG_TOPIC,
    GROUP,
    GROUP_TOPIC,
    KEPT,
    NEW_GROUP,
    PARTITIONS,
    SHORTENED,
    TRANSACTIONAL,
    TRIMMED,
    Record,
)

TIME_MAX = 30


class Fault(Exception):
    pass


def expect(holds, fault):
    if not holds:
        raise Fault(fault)


class Check:
    def __init__(self, bootstrap, ledger, admin, is_kafka, after_kafka_was_killed, seed):
        self.bootstrap = bootstrap
        self.ledger = ledger
        self.admin = admin
        self.is_kafka = is_kafka
        self.after_kafka_was_killed = after_kafka_was_killed
        self.random = random.Random(seed)

    def run(self):
        self.topics()
        self.config()
        found = self.read("read_uncommitted", list(self.ledger.partitions()))
        for (topic, partition), messages in found.items():
            self.partition(topic, partition, messages)
        self.transactions(found)
        self.times()
        self.group(GROUP, "classic", self.ledger.committed)
        if self.is_kafka:
            self.group(NEW_GROUP, "consumer", self.ledger.committed_new)

    def topics(self):
        ledger = self.ledger
        there = set(self.admin.list_topics(timeout=TIME_MAX).topics)
        for topic in ledger.unknown_topics:
            if topic in there:
                ledger.topics[topic] = None
            else:
                ledger.deleted.append(topic)
        ledger.unknown_topics = []
        for topic in ledger.deleted:
            expect(topic not in there, f"{topic} is there, and was deleted")
            ledger.records.pop(topic, None)
            ledger.starts.pop(topic, None)
        if not ledger.topics:
            return
        described = self.admin.describe_topics(TopicCollection(list(ledger.topics)))
        for topic, future in described.items():
            shown = future.result(TIME_MAX)
            known = ledger.topics[topic]
            expect(known in (None, str(shown.topic_id)), f"{topic} had the id {known}, and has {shown.topic_id}")
            ledger.topics[topic] = str(shown.topic_id)
            expect(len(shown.partitions) == PARTITIONS.get(topic, 1), f"{topic} has {len(shown.partitions)} partitions")

    def config(self):
        if CONFIG_TOPIC not in self.ledger.topics:
            return
        resource = ConfigResource(ResourceType.TOPIC, CONFIG_TOPIC)
        (future,) = self.admin.describe_configs([resource]).values()
        found = future.result(TIME_MAX)[CONFIG].value
        expect(found in self.ledger.config, f"{CONFIG} is {found}; it was set to {self.ledger.config}")
        self.ledger.config = [found]

    def read(self, isolation, partitions):
        """Everything in the partitions, up to their ends."""
        found = {partition: [] for partition in partitions}
        if not partitions:
            return found
        consumer = Consumer({
            "bootstrap.servers": self.bootstrap,
            "group.id": "takeover-check",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": isolation,
            # Retention may take the beginning away meanwhile.
            "auto.offset.reset": "earliest",
            # What is wrong with a batch shall be heard of here.
            "check.crcs": True,
        })
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for topic, partition in partitions])
        left = set(partitions)
        while left:
            message = consumer.poll(TIME_MAX)
            expect(message is not None, f"nothing comes of {sorted(left)}")
            place = (message.topic(), message.partition())
            error = message.error()
            if error is None:
                found[place].append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                left.discard(place)
            else:
                raise Fault(f"{place}: {error}")
        consumer.close()
        return found

    def partition(self, topic, partition, messages):
        place = f"{topic}-{partition}"
        ledger = self.ledger
        known = ledger.of(topic, partition)
        start, end = self.ends(topic, partition)
        offsets = {}
        for message in messages:
            number = self.whole(place, topic, message)
            expect(str(number) in known, f"{place} has {number} at {message.offset()}, which nobody wrote to it")
            expect(number not in offsets, f"{place} has {number} twice, at {offsets.get(number)} and {message.offset()}")
            offsets[number] = message.offset()
        # One producer has written to it, so numbers rise with offsets.
        expect(list(offsets) == sorted(offsets), f"{place} is out of order")
        last_of_key = {message.key(): message.offset() for message in messages}
        gone = []
        for name, offset in known.items():
            number = int(name)
            found = offsets.get(number)
            if found is None:
                if topic == COMPACTED and offset is not None:
                    later = last_of_key.get(Record(number, topic).key, -1)
                    expect(later > offset, f"{place} has lost {number} at {offset}; its key's last is at {later}")
                else:
                    lost = offset is not None and offset >= start
                    expect(not lost, f"{place} has lost {number} at {offset}; it goes from {start} to {end}")
                gone.append(name)
            else:
                expect(offset in (None, found), f"{place} had {number} at {offset}, and has it at {found}")
                known[name] = found
        for name in gone:
            del known[name]
        if topic in KEPT:
            expect(list(offsets.values()) == list(range(end)), f"{place} has gaps")
        self.start(place, topic, partition, start)

    def whole(self, place, topic, message):
        """The number of a record, all of which must be as it was written."""
        headers = message.headers() or []
        number = int(dict(headers).get("number", 0))
        record = Record(number, topic)
        found = (message.key(), message.value(), headers, message.timestamp())
        written = (record.key, record.value, record.headers, (TIMESTAMP_CREATE_TIME, record.time))
        expect(found == written, f"{place} has at {message.offset()}: {found}; written was {written}")
        return number

    def ends(self, topic, partition):
        at = TopicPartition(topic, partition)
        start = self.admin.list_offsets({at: OffsetSpec.earliest()})[at].result(TIME_MAX).offset
        end = self.admin.list_offsets({at: OffsetSpec.latest()})[at].result(TIME_MAX).offset
        return start, end

    def start(self, place, topic, partition, start):
        starts = self.ledger.starts.setdefault(topic, {})
        before = starts.get(str(partition), 0)
        if topic == TRIMMED:
            least, most = self.ledger.trimmed
            # Kafka goes back on it until its checkpoint has run.
            least = 0 if self.after_kafka_was_killed else least
            expect(least <= start <= most, f"{place} starts at {start}; deleted was up to {least} to {most}")
            self.ledger.trimmed = [start, most]
        elif topic == SHORTENED:
            expect(start >= before or self.after_kafka_was_killed, f"{place} starts at {start}, and did at {before}")
        else:
            expect(start == 0, f"{place} starts at {start}")
        starts[str(partition)] = start

    def transactions(self, uncommitted):
        if TRANSACTIONAL not in self.ledger.topics:
            return
        partitions = [(TRANSACTIONAL, partition) for partition in range(PARTITIONS[TRANSACTIONAL])]
        there = {self.whole(TRANSACTIONAL, TRANSACTIONAL, message) for place in partitions for message in uncommitted[place]}
        found = self.read("read_committed", partitions)
        visible = set()
        stable = {}
        for place, messages in found.items():
            visible.update(self.whole(TRANSACTIONAL, TRANSACTIONAL, message) for message in messages)
            at = TopicPartition(*place)
            spec = {at: OffsetSpec.latest()}
            listed = self.admin.list_offsets(spec, isolation_level=IsolationLevel.READ_COMMITTED)[at]
            stable[place[1]] = listed.result(TIME_MAX).offset
        offsets = {}
        for _, partition in partitions:
            for name, offset in self.ledger.of(TRANSACTIONAL, partition).items():
                offsets[int(name)] = (partition, offset)
        decided = 0
        for transaction in self.ledger.transactions:
            numbers = [number for number in transaction["numbers"] if number in there]
            # Beyond what is stable nothing is decided: an open transaction is carried untouched.
            stands = [number for number in numbers if offsets[number][1] < stable[offsets[number][0]]]
            shown = [number for number in stands if number in visible]
            outcome = transaction["outcome"]
            if outcome == "unknown" and self.is_kafka and len(stands) == len(numbers):
                expect(shown in ([], numbers), f"of a transaction {numbers} only {shown} is committed")
                transaction["outcome"] = outcome = "committed" if shown else "aborted"
            if outcome == "committed":
                expect(shown == stands, f"of the committed {stands} only {shown} is read")
            if outcome == "aborted":
                expect(not shown, f"of the aborted {numbers} {shown} is read")
            decided += len(stands)
        if self.is_kafka:
            # Kafka has ended what was open: the check began with the producer's InitProducerId.
            expect(decided == len(there), f"{len(there) - decided} records belong to open transactions")

    def times(self):
        """One record of each partition, looked up by its time."""
        for topic in KEPT:
            for partition in range(PARTITIONS[topic]):
                known = self.ledger.of(topic, partition)
                if not known:
                    continue
                number = self.random.choice(list(known))
                at = TopicPartition(topic, partition)
                spec = OffsetSpec.for_timestamp(Record(int(number), topic).time)
                found = self.admin.list_offsets({at: spec})[at].result(TIME_MAX).offset
                expect(found == known[number], f"{topic}-{partition} finds the time of {known[number]} at {found}")

    def group(self, group, protocol, committed):
        """A member joins, goes on where the group was, reads one record, and commits."""
        if GROUP_TOPIC not in self.ledger.topics:
            return
        partitions = [TopicPartition(GROUP_TOPIC, partition) for partition in range(PARTITIONS[GROUP_TOPIC])]
        asked = [ConsumerGroupTopicPartitions(group, partitions)]
        answer = self.admin.list_consumer_group_offsets(asked)[group].result(TIME_MAX) if committed else None
        next_offsets = {}
        for found in answer.topic_partitions if answer else []:
            candidates = committed.get(str(found.partition))
            if candidates:
                place = f"{group} at {found.topic}-{found.partition}"
                expect(found.offset in candidates or (found.offset < 0 and None in candidates),
                       f"{place} has {found.offset}; committed was {candidates}")
                next_offsets[found.partition] = found.offset
        consumer = Consumer({
            "bootstrap.servers": self.bootstrap,
            "group.id": group,
            "group.protocol": protocol,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        })
        consumer.subscribe([GROUP_TOPIC])
        message = consumer.poll(TIME_MAX)
        expect(message is not None, f"a member of {group} gets nothing")
        if message.error() is None:
            wanted = max(next_offsets.get(message.partition(), 0), 0)
            expect(message.offset() == wanted, f"{group} goes on at {message.offset()}; it should at {wanted}")
            done = consumer.commit(message=message, asynchronous=False)
            for place in done:
                committed[str(place.partition)] = [place.offset]
        else:
            expect(message.error().code() == KafkaError._PARTITION_EOF, f"{group}: {message.error()}")
        consumer.close()
